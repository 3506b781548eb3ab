//! What both services that take streams of orders share: where a stream ends, and where signatures
//! are checked. It knows no order and no database.

use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use tokio::sync::Semaphore;
use tonic::Status;

use crate::blocking::in_turn;
use crate::limits::ORDER_STREAM_IDLE;

/// The same items up to the first failure, and that failure: nothing behind it is looked at.
pub fn until_failed<T: Send>(
    items: impl Stream<Item = Result<T, Status>> + Send,
) -> impl Stream<Item = Result<T, Status>> + Send {
    items.scan(false, |failed, item| {
        let passed = (!*failed).then_some(item);
        *failed |= matches!(passed, Some(Err(_)));
        std::future::ready(passed)
    })
}

/// The same items, and a failure when none comes for [`ORDER_STREAM_IDLE`].
pub fn not_idle<T: Send>(
    items: impl Stream<Item = Result<T, Status>> + Send + Unpin,
) -> impl Stream<Item = Result<T, Status>> + Send {
    stream::unfold(Some(items), |items| async {
        let mut items = items?;
        match tokio::time::timeout(ORDER_STREAM_IDLE, items.next()).await {
            Ok(item) => Some((item?, Some(items))),
            Err(_) => {
                let silent = format!("no order came for {} s", ORDER_STREAM_IDLE.as_secs());
                Some((Err(Status::deadline_exceeded(silent)), None))
            }
        }
    })
}

/// Runs signature checks off the async threads, as many at once as there are processors, so that a
/// flood of orders delays nothing else. Clones share the bound.
#[derive(Clone, Debug)]
pub struct Checkers(Arc<Semaphore>);

impl Default for Checkers {
    fn default() -> Checkers {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Checkers(Arc::new(Semaphore::new(processors)))
    }
}

impl Checkers {
    /// Fails only if the runtime shuts down. A caller that goes away leaves a check behind that
    /// ends by itself, and counts until then.
    pub async fn run<T: Send + 'static>(
        &self,
        check: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Status> {
        let checked = in_turn(&self.0, check).await;
        checked.map_err(|_| Status::unavailable("the peer is closing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_ends() {
        let one = stream::iter([Ok(1)]).chain(stream::pending());
        let items: Vec<_> = not_idle(Box::pin(one)).collect().await;
        assert_eq!(items[0].as_ref().ok(), Some(&1));
        let end = items[1].as_ref().err().map(|status| (status.code(), status.message()));
        assert_eq!(end, Some((tonic::Code::DeadlineExceeded, "no order came for 300 s")));
        assert_eq!(items.len(), 2);
    }

    #[tokio::test]
    async fn nothing_behind_a_failure_is_looked_at() {
        let items = [Ok(1), Err(Status::aborted("stop")), Ok(2), Ok(3)];
        let mut looked_at = 0;
        let items = stream::iter(items).inspect(|_| looked_at += 1);
        let passed: Vec<_> = until_failed(items).map(|item| item.ok()).collect().await;
        assert_eq!(passed, [Some(1), None]);
        assert!(looked_at <= 3, "{looked_at} items were looked at");
    }
}
