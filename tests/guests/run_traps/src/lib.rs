//! A run that panics: a trap, and last words on standard error.

use chore_sdk::prelude::*;

/// Panics.
#[derive(Settings)]
struct RunTraps;

#[chore(interval = "1h", timeout = "1h")]
impl Chore for RunTraps {
    async fn run(&mut self, tick: Tick) -> Result<()> {
        panic!("run {} is one too many", tick.iteration);
    }
}

chore_sdk::export!(RunTraps);
