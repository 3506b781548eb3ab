//! Time: points in time as the host tells them, what time it is, and waiting for it to pass.
//!
//! In tests the clock is the one of the [`World`](crate::testing::World), which moves only when
//! everybody waits, so that a chore that waits for an hour is tested in no time.
//!
//! ```
//! # use chore_sdk::{prelude::*, testing::World};
//! # async fn ask() -> Result<u8> { Ok(7) }
//! # let world = World::new();
//! # world.block_on(async {
//! let began = time::now();
//! let answer = time::timeout(Duration::from_secs(5), ask()).await.context("ask")??;
//! time::sleep(Duration::from_secs(60)).await;
//! let took = time::now().saturating_since(began);
//! # assert_eq!((answer, took), (7, Duration::from_secs(60)));
//! # Ok(()) }).unwrap();
//! ```

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::{Error, Kind, Result, backend};

/// What time it is. Within one call it never goes back, whatever is done to the peer's clock.
///
/// ```
/// # use chore_sdk::prelude::*;
/// let began = time::now();
/// assert!(time::now() >= began);
/// ```
pub fn now() -> Timestamp {
    backend::now()
}

/// Waits. Other work of the call goes on meanwhile, and a call that should wind down is dropped
/// here as everywhere.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # async fn ask(left: &mut u8) -> Result<u8> {
/// #     *left -= 1;
/// #     if *left == 0 { Ok(7) } else { Err(Error::of(Kind::Unavailable, "busy")) }
/// # }
/// # World::new().block_on(async {
/// # let mut left = 3;
/// let mut pause = Duration::from_secs(1);
/// let answer = loop {
///     match ask(&mut left).await {
///         Err(err) if err.kind() == Kind::Unavailable => time::sleep(pause).await,
///         other => break other?,
///     }
///     pause *= 2;
/// };
/// # assert_eq!((answer, pause), (7, Duration::from_secs(4)));
/// # Ok(()) }).unwrap();
/// ```
pub async fn sleep(duration: Duration) {
    backend::sleep(duration).await;
}

/// The output of `work`, which is dropped where it waits when `limit` has passed.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # World::new().block_on(async {
/// let never = std::future::pending::<()>();
/// let err = time::timeout(Duration::from_secs(5), never).await.unwrap_err();
/// assert_eq!((err.kind(), err.message()), (Kind::TimedOut, "not done after 5s"));
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
///
/// [`Kind::TimedOut`] if it was not done by then.
pub async fn timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T> {
    let (mut work, mut over) = (pin!(work), pin!(sleep(limit)));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let late = || Err(Error::of(Kind::TimedOut, format!("not done after {limit:?}")));
        over.as_mut().poll(cx).map(|()| late())
    })
    .await
}

/// Nanoseconds since the Unix epoch, UTC.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::tick};
/// # let tick = tick();
/// let a_day_ago = tick.due.saturating_sub(Duration::from_secs(24 * 3600));
/// assert_eq!(tick.due.saturating_since(a_day_ago).as_secs(), 86_400);
/// assert_eq!(a_day_ago.saturating_add(Duration::from_secs(86_400)), tick.due);
/// assert_eq!(Timestamp::from_nanos(7).as_nanos(), 7);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// As the contract has points in time.
    pub const fn from_nanos(nanos: i64) -> Timestamp {
        Timestamp(nanos)
    }

    /// As the contract has points in time.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// As far as an `i64` of nanoseconds reaches, the year 2262.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// As far as an `i64` of nanoseconds reaches, the year 1677.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// From `earlier` until this; zero if `earlier` is later.
    pub fn saturating_since(self, earlier: Timestamp) -> Duration {
        let nanos = i128::from(self.0) - i128::from(earlier.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}

/// As the host takes durations; longer ones count as 584 years.
#[cfg(any(target_arch = "wasm32", test))]
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_stops_at_the_ends() {
        let hour = Duration::from_secs(3600);
        let noon = Timestamp::from_nanos(43_200_000_000_000);
        assert_eq!(noon.saturating_add(hour).saturating_since(noon), hour);
        assert_eq!(noon.saturating_sub(hour).saturating_since(noon), Duration::ZERO);
        assert_eq!(noon.saturating_add(Duration::MAX).as_nanos(), i64::MAX);
        let ends = (Timestamp::from_nanos(i64::MAX), Timestamp::from_nanos(i64::MIN));
        assert_eq!(ends.0.saturating_since(ends.1), Duration::from_nanos(u64::MAX));
        assert_eq!(nanos(Duration::MAX), u64::MAX);
    }
}
