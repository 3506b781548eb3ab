//! A component that traps before it has said what it is.

use chore_sdk::prelude::*;

/// Never gets to say this.
#[derive(Settings)]
struct DescribeTraps;

impl Chore for DescribeTraps {
    // `describe` asks for these.
    fn cycles() -> Vec<CycleSpec> {
        panic!("no cycle comes to mind");
    }

    async fn run(&mut self, _: Tick) -> Result<()> {
        bail!("it ran without being described");
    }
}

chore_sdk::export!(DescribeTraps);
