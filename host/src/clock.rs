//! A moment on the wall clock as a plain value: nanoseconds since the Unix epoch, UTC.
//!
//! Arithmetic saturates, so that no number from a guest, a file or a clock can panic. Nothing here
//! asks for the time but [`Timestamp::now`], which only the shell calls; pure rooms are told.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Nanoseconds since the Unix epoch, UTC. Covers the years 1678 to 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const EPOCH: Timestamp = Timestamp(0);
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    pub fn now() -> Timestamp {
        SystemTime::now().into()
    }

    pub const fn from_nanos(nanos: i64) -> Timestamp {
        Timestamp(nanos)
    }

    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    pub fn plus(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(nanos_of(duration)))
    }

    pub fn minus(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(nanos_of(duration)))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub fn since(self, earlier: Timestamp) -> Duration {
        let nanos = i128::from(self.0) - i128::from(earlier.0);
        Duration::from_nanos(u64::try_from(nanos.max(0)).unwrap_or(u64::MAX))
    }
}

fn nanos_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Timestamp {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Timestamp(nanos_of(after)),
            Err(before) => Timestamp(nanos_of(before.duration()).saturating_neg()),
        }
    }
}

impl From<Timestamp> for SystemTime {
    fn from(time: Timestamp) -> SystemTime {
        let offset = Duration::from_nanos(time.0.unsigned_abs());
        if time.0 < 0 { UNIX_EPOCH - offset } else { UNIX_EPOCH + offset }
    }
}

/// RFC 3339 in UTC, to the second: what a person reads in a table. Times before 1970 print as 1970.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = SystemTime::from(Timestamp(self.0.max(0)));
        humantime::format_rfc3339_seconds(time).fmt(f)
    }
}

/// RFC 3339, to the nanosecond at most.
impl FromStr for Timestamp {
    type Err = humantime::TimestampError;

    fn from_str(text: &str) -> Result<Timestamp, humantime::TimestampError> {
        humantime::parse_rfc3339(text).map(Timestamp::from)
    }
}

/// RFC 3339 in UTC, to the nanosecond. A time before 1970, which no clock of a peer says, is a
/// number, so that it is read as it was.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            before @ ..0 => to.serialize_i64(before),
            _ => to.collect_str(&humantime::format_rfc3339_nanos((*self).into())),
        }
    }
}

/// RFC 3339, or nanoseconds since the Unix epoch, which earlier versions saved.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        from.deserialize_any(Moment)
    }
}

struct Moment;

impl Visitor<'_> for Moment {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"2026-11-25T10:30:07Z\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        text.parse().map_err(|err| {
            E::custom(format!(
                "{} is no time: {err}; write it as \"2026-11-25T10:30:07Z\"",
                crate::name::quote(text)
            ))
        })
    }

    fn visit_i64<E: Error>(self, nanos: i64) -> Result<Timestamp, E> {
        Ok(Timestamp(nanos))
    }

    fn visit_u64<E: Error>(self, nanos: u64) -> Result<Timestamp, E> {
        i64::try_from(nanos).map(Timestamp).map_err(|_| E::custom("a time is too far away"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_text_and_are_read_exactly() {
        for (nanos, text) in [
            (0, "\"1970-01-01T00:00:00.000000000Z\""),
            (1_700_000_000_123_456_789, "\"2023-11-14T22:13:20.123456789Z\""),
            (i64::MAX, "\"2262-04-11T23:47:16.854775807Z\""),
            (-5, "-5"),
            (i64::MIN, "-9223372036854775808"),
        ] {
            let time = Timestamp::from_nanos(nanos);
            assert_eq!(serde_json::to_string(&time).unwrap(), text);
            assert_eq!(serde_json::from_str::<Timestamp>(text).unwrap(), time);
            assert_eq!(serde_json::from_str::<Timestamp>(&nanos.to_string()).unwrap(), time);
        }
        let short: Timestamp = serde_json::from_str("\"2023-11-14T22:13:20Z\"").unwrap();
        assert_eq!(short, Timestamp::from_nanos(1_700_000_000_000_000_000));
        for wrong in ["\"yesterday\"", "1.5", "null", "18446744073709551615", "\"\""] {
            assert!(serde_json::from_str::<Timestamp>(wrong).is_err(), "{wrong}");
        }
    }
}
