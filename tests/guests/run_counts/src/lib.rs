//! A run as it should be: it counts itself in `state`, says so in the log, and ends.

use chore_sdk::prelude::*;

/// Counts its runs.
#[derive(Settings)]
struct RunCounts {
    /// It is told nobody; how long it is shows that it arrived.
    token: Option<Secret>,
}

#[chore(interval = "1h", timeout = "1m")]
impl Chore for RunCounts {
    async fn run(&mut self, tick: Tick) -> Result<()> {
        let runs = state::load_text::<u64>().await?.unwrap_or(0) + 1;
        if let Some(token) = &self.token {
            info!(bytes = token.expose().len(), "has a token");
        }
        info!(runs, iteration = tick.iteration, "counted a run");
        state::save_text(runs).await
    }
}

chore_sdk::export!(RunCounts);
