//! A run that asks its host for ever and never whether it should wind down.

use chore_sdk::prelude::*;

/// Loads its state again and again.
#[derive(Settings)]
struct RunIgnoresCancelled;

// It says that it winds down itself, so that the SDK does not do it, and never does.
#[chore(interval = "1h", timeout = "1h", winds_down)]
impl Chore for RunIgnoresCancelled {
    async fn run(&mut self, _: Tick) -> Result<()> {
        loop {
            // Not even what the host answers ends it.
            let _ = std::hint::black_box(state::load().await);
        }
    }
}

chore_sdk::export!(RunIgnoresCancelled);
