//! A run that is stuck in a host call, asleep for ever: no fuel, no epoch and no wish reaches it.

use chore_sdk::prelude::*;

/// Sleeps.
#[derive(Settings)]
struct RunWaits;

#[chore(interval = "1h", timeout = "1h")]
impl Chore for RunWaits {
    async fn run(&mut self, _: Tick) -> Result<()> {
        loop {
            // The thread's sleep, not a future: the SDK cannot drop it.
            std::thread::sleep(Duration::from_secs(3600));
        }
    }
}

chore_sdk::export!(RunWaits);
