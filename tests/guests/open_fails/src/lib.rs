//! A chore that does not open: it is not loaded, and what ran before goes on.

use chore_sdk::prelude::*;

/// Refuses to open.
#[derive(Settings)]
struct OpenFails;

#[chore(interval = "1h", timeout = "1h")]
impl Chore for OpenFails {
    async fn open(&mut self, _: OpenReason) -> Result<()> {
        bail!("the cellar is flooded");
    }

    async fn run(&mut self, _: Tick) -> Result<()> {
        bail!("it ran without being open");
    }
}

chore_sdk::export!(OpenFails);
