//! A run that logs far more than anybody reads, and one line more if debug lines are asked for.

use chore_sdk::prelude::*;
use chore_sdk::{cycle, log};

/// Chatters.
#[derive(Settings)]
struct RunChatters {
    /// Lines of a run.
    #[setting(default = "1500")]
    lines: u64,
    /// Then it goes on until it is told to wind down.
    #[setting(default = false)]
    waits: bool,
}

#[chore(interval = "1h", timeout = "1m")]
impl Chore for RunChatters {
    async fn run(&mut self, tick: Tick) -> Result<()> {
        if log::enabled(log::Level::Debug) {
            debug!(iteration = tick.iteration, "debug lines are asked for");
        }
        for line in 0..self.lines {
            info!(line, "chattered");
        }
        if self.waits {
            cycle::cancelled().await;
        }
        Ok(())
    }
}

chore_sdk::export!(RunChatters);
