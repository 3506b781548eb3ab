//! Deletes what the peer need not keep any longer: archived orders, and serial numbers of orders
//! that have long expired. What it cannot delete now, it deletes the next time.

use tokio::time::MissedTickBehavior;
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
    loop {
        ticks.tick().await;
        clean(&config, orders.as_ref(), settlement.as_ref(), Timestamp::now()).await;
    }
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
