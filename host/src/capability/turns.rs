//! What all chores of a peer share, its own databases, is asked by each chore a few times at once:
//! the rest of what it asks waits in the chore's own queue, and so not before other chores.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::bindings::types::Error;
use crate::capability::Deadline;
use crate::limits::SHARED_REQUESTS_AT_ONCE;

/// Of one chore. Clones share them.
#[derive(Clone)]
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Turns {
        Turns(Arc::new(Semaphore::new(SHARED_REQUESTS_AT_ONCE)))
    }
}

impl Turns {
    /// Does `work` when it is its turn, first come, first served. It is a task of its own, because
    /// a guest that spins is not polled, and would keep its turns from other runs of its chore.
    pub async fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let turns = Arc::clone(&self.0);
        let work = async move {
            // Nobody closes it.
            let _turn = turns.acquire().await;
            work.await
        };
        let work = tokio::spawn(work.in_current_span());
        match AbortOnDropHandle::new(work).await {
            Ok(answer) => answer,
            Err(err) => match err.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and with it who waits here.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// How one call may ask.
#[derive(Clone)]
pub struct Shared {
    pub turns: Turns,
    pub deadline: Deadline,
}

impl Shared {
    /// As [`Deadline::bound`], and the wait for the turn counts.
    pub async fn bound<T: Send + 'static>(
        self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let Shared { turns, deadline } = self;
        deadline.bound(operation, turns.wait(work)).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::future::{pending, ready};
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::time::Instant;

    use super::*;
    use crate::bindings::types::ErrorKind;

    #[tokio::test(start_paused = true)]
    async fn a_chore_waits_for_its_own_requests_until_its_time_is_up_and_for_no_other_chore() {
        let minute = Duration::from_secs(60);
        let shared = |turns: &Turns| {
            let (turns, deadline) = (turns.clone(), Deadline(Instant::now() + minute));
            Shared { turns, deadline }
        };
        let (greedy, other) = (Turns::default(), Turns::default());
        let stuck = || {
            tokio::spawn({
                let greedy = greedy.clone();
                async move { greedy.wait(pending::<()>()).await }
            })
        };
        let stuck: Vec<_> = (0..SHARED_REQUESTS_AT_ONCE).map(|_| stuck()).collect();
        tokio::task::yield_now().await;

        assert_eq!(shared(&other).bound("ask", ready(Ok(1))).await.unwrap(), 1);
        let late = shared(&greedy).bound("ask", ready(Ok(1))).await.unwrap_err();
        assert_eq!(late.kind, ErrorKind::TimedOut);
        // The first to wait is polled once, and its turn passes by all the same.
        let mut still = Box::pin(greedy.wait(ready(())));
        assert!((&mut still).now_or_never().is_none());
        stuck[0].abort();
        assert_eq!(shared(&greedy).bound("ask", ready(Ok(1))).await.unwrap(), 1);
        still.await;
    }
}
