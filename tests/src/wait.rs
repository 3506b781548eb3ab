//! How tests wait: for something they name, and not for ever.

use std::future::Future;
use std::time::Duration;

/// Longest that a test waits for anything; compiling without optimisation is slow.
pub const LONG: Duration = Duration::from_secs(120);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `holds`; panics with `what` if it does not within [`LONG`].
pub async fn eventually<F>(what: &str, mut holds: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    let look = async {
        while !holds().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    assert!(tokio::time::timeout(LONG, look).await.is_ok(), "not within {LONG:?}: {what}");
}
