//! Work that blocks its thread: some of a kind at once, and the rest in turn.
//!
//! Tokio gives a free place to whoever has waited longest, even if nobody polls it: a guest that
//! spins between its calls, or a stream whose reader stands still, would keep the place from all
//! others. So what waits for its turn here is a task of its own, and goes on by itself.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio_util::task::AbortOnDropHandle;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// There are no turns any more, or the runtime has ended.
    Closed,
    Panicked,
}

/// Does `work` when it is its turn. If nobody waits for it any more, it does not begin, or it ends by
/// itself and keeps its place until then.
pub async fn in_turn<T: Send + 'static>(
    places: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Unanswered> {
    let begin = |place: OwnedSemaphorePermit| {
        tokio::task::spawn_blocking(move || {
            let _place = place;
            work()
        })
    };
    let done = match Arc::clone(places).try_acquire_owned() {
        Ok(place) => begin(place).await,
        Err(TryAcquireError::Closed) => return Err(Unanswered::Closed),
        Err(TryAcquireError::NoPermits) => {
            let place = Arc::clone(places).acquire_owned();
            let wait = async { Some(begin(place.await.ok()?).await) };
            match AbortOnDropHandle::new(tokio::spawn(wait)).await {
                Ok(Some(done)) => done,
                Ok(None) | Err(_) => return Err(Unanswered::Closed),
            }
        }
    };
    done.map_err(|err| if err.is_panic() { Unanswered::Panicked } else { Unanswered::Closed })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_stands_still_keeps_nobody_from_his_turn() {
        let places = Arc::new(Semaphore::new(1));
        let (go, gone) = mpsc::channel::<()>();
        let mut first = Box::pin(in_turn(&places, move || gone.recv().is_ok()));
        assert!((&mut first).now_or_never().is_none(), "it has the place");
        let mut still = Box::pin(in_turn(&places, || 2));
        assert!((&mut still).now_or_never().is_none(), "it is the next, and then nobody polls it");
        let mut given_up = Box::pin(in_turn(&places, || unreachable!("nobody waits for it")));
        assert!((&mut given_up).now_or_never().is_none());
        drop(given_up);
        let last = in_turn(&places, || 3);
        go.send(()).unwrap();
        assert_eq!(last.await, Ok(3));
        assert_eq!((first.await, still.await), (Ok(true), Ok(2)));
    }

    #[tokio::test]
    async fn what_panics_or_comes_too_late_has_no_answer() {
        let places = Arc::new(Semaphore::new(1));
        let panics = in_turn(&places, || std::panic::resume_unwind(Box::new("no luck")));
        assert_eq!(panics.await, Err::<(), _>(Unanswered::Panicked));
        assert_eq!(in_turn(&places, || 1).await, Ok(1), "its place is free");
        places.close();
        assert_eq!(in_turn(&places, || 1).await, Err(Unanswered::Closed));
    }
}
