//! A run that computes for ever: only the host can end it.

use chore_sdk::prelude::*;

/// Spins.
#[derive(Settings)]
struct RunSpins;

#[chore(interval = "1h", timeout = "1h")]
impl Chore for RunSpins {
    async fn run(&mut self, _: Tick) -> Result<()> {
        loop {
            std::hint::black_box(());
        }
    }
}

chore_sdk::export!(RunSpins);
