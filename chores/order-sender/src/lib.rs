//! The chore that sends orders to the satellites that pay for them, all satellites at once.
//!
//! It keeps nothing between runs: what is unsent is in the peer's database, and leaves it only when
//! a satellite's answer is archived. A run that is cut short loses nothing; what was answered and
//! not archived is sent again, and answered again. Memory does not grow with what waits: an order
//! is read when there is room to send it, and forgotten when it is sent.

mod settle;
mod tally;
#[cfg(test)]
mod tests;

use chore_sdk::prelude::*;
use futures::{FutureExt, StreamExt};

use settle::{Settlement, Stop};

/// Satellites that are settled with at the same time. A node has some ten; each costs up to a
/// megabyte of orders and messages under way.
const SATELLITES_AT_ONCE: usize = 1_000;

/// Satellites that an error names; the log has all of them.
const NAMED_MAX: usize = 10;

/// Sends orders to the satellites that pay for them, and archives what they answer.
#[derive(Settings)]
pub struct OrderSender {
    /// How long connecting to a satellite may take. 20s proved too short in the field.
    #[setting(default = "60s", min = "1s", max = "5m")]
    dial_timeout: Duration,
    /// How long a satellite may leave everything that it was sent without an answer. What it has then
    /// not answered waits for the next run.
    #[setting(default = "5m", min = "1s", max = "1h")]
    answer_timeout: Duration,
    /// How many answers of a satellite are archived together.
    #[setting(default = 500, min = 1, max = 10_000)]
    batch_size: usize,
}

#[chore(interval = "1h", timeout = "1h", winds_down)]
impl Chore for OrderSender {
    /// Sends all that waits. A satellite that is down, slow or hostile delays no other.
    async fn run(&mut self, _: Tick) -> Result<()> {
        let waiting = orders::count_unsent().await.context("count unsent orders")?;
        if waiting.is_empty() {
            debug!("no orders to send");
            return Ok(());
        }
        let stop: Stop = cycle::cancelled().boxed_local().shared();
        let satellites = waiting.len();
        let settlements = waiting.into_iter().map(|(satellite, count)| {
            let settlement = Settlement::new(self, satellite, stop.clone());
            async move { (satellite, settlement.run(count).await) }
        });
        let ended: Vec<(NodeId, Result<()>)> =
            futures::stream::iter(settlements).buffer_unordered(SATELLITES_AT_ONCE).collect().await;
        outcome(satellites, &ended)
    }
}

/// What the run says of itself: which satellites failed, if any. Why is in the log.
fn outcome(satellites: usize, ended: &[(NodeId, Result<()>)]) -> Result<()> {
    let cancelled = named(ended, |err| err.kind() == Kind::Cancelled);
    let failed = named(ended, |err| err.kind() != Kind::Cancelled);
    match (cancelled, failed) {
        (None, None) => Ok(()),
        (Some(cancelled), None) => {
            let message = format!("cancelled before satellites were done: {cancelled}");
            Err(Error::of(Kind::Cancelled, message))
        }
        (None, Some(failed)) => {
            Err(Error::new(format!("of {satellites} satellites these failed: {failed}")))
        }
        (Some(cancelled), Some(failed)) => {
            let message =
                format!("cancelled before satellites were done: {cancelled}; failed: {failed}");
            Err(Error::of(Kind::Cancelled, message))
        }
    }
}

/// The satellites that ended so, the first of them by name. `None` if there are none.
fn named(ended: &[(NodeId, Result<()>)], so: impl Fn(&Error) -> bool) -> Option<String> {
    let mut ids: Vec<NodeId> = ended
        .iter()
        .filter(|(_, outcome)| outcome.as_ref().is_err_and(&so))
        .map(|(satellite, _)| *satellite)
        .collect();
    ids.sort_unstable();
    let more = ids.len().saturating_sub(NAMED_MAX);
    ids.truncate(NAMED_MAX);
    let mut list = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    (!list.is_empty()).then_some(list)
}

chore_sdk::export!(OrderSender);
