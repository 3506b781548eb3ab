//! Points in time as the host tells them. It knows no clock: a chore's time is in its tick.

use std::time::Duration;

/// Nanoseconds since the Unix epoch, UTC.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::tick};
/// # let tick = tick();
/// let a_day_ago = tick.due.saturating_sub(Duration::from_secs(24 * 3600));
/// assert_eq!(tick.due.saturating_since(a_day_ago).as_secs(), 86_400);
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
    pub fn saturating_add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)))
    }

    /// As far as an `i64` of nanoseconds reaches, the year 1677.
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
