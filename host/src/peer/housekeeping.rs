//! Deletes what the peer need not keep any longer: archived orders, and serial numbers of orders
//! that have long expired. What it cannot delete now, it deletes the next time.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, warn};

use crate::clock::Timestamp;
use crate::config::Config;
use crate::error::chain;
use crate::limits::HOUSEKEEPING_EVERY;
use crate::orders::Orders;
use crate::settlement::Settlement;

/// Never ends by itself.
pub(super) async fn keep(config: Config, orders: Option<Orders>, settlement: Option<Settlement>) {
    let mut ticks = tokio::time::interval(HOUSEKEEPING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (started, since) = (Timestamp::now(), Instant::now());
    loop {
        ticks.tick().await;
        let now = not_ahead(Timestamp::now(), started, since.elapsed());
        clean(&config, orders.as_ref(), settlement.as_ref(), now).await;
    }
}

/// A clock that is set forward while the peer runs makes nothing old: a serial number that a satellite
/// forgets too early could be paid again when the clock is set back.
fn not_ahead(now: Timestamp, started: Timestamp, elapsed: Duration) -> Timestamp {
    now.min(started.plus(elapsed))
}

async fn clean(
    config: &Config,
    orders: Option<&Orders>,
    settlement: Option<&Settlement>,
    now: Timestamp,
) {
    if let (Some(orders), Some(config)) = (orders, &config.orders) {
        match orders.clean_archive(now.minus(config.archive_ttl)).await {
            Ok(deleted) => debug!(deleted, "archived orders deleted"),
            Err(err) => warn!("deleting archived orders failed: {}", chain(&err)),
        }
    }
    if let (Some(settlement), Some(config)) = (settlement, &config.settlement) {
        // In small steps, so that whoever settles meanwhile does not wait.
        loop {
            match settlement.clean_expired(now.minus(config.keep_expired)).await {
                Ok(0) => break,
                Ok(deleted) => debug!(deleted, "serial numbers of expired orders deleted"),
                Err(err) => {
                    warn!("deleting serial numbers of expired orders failed: {}", chain(&err));
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_forward_makes_nothing_old() {
        let day = |day: u64| Timestamp::EPOCH.plus(Duration::from_secs(day * 24 * 3600));
        // The wall clock after a day, in days since the epoch; the peer started on day 100.
        for (wall, taken) in [(101, 101), (500, 101), (100, 100), (3, 3)] {
            let now = not_ahead(day(wall), day(100), Duration::from_secs(24 * 3600));
            assert_eq!(now, day(taken), "{wall}");
        }
    }
}
