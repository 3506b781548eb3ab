//! Moments as an operator types them, in UTC like every time that is shown.

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use crate::clock::Timestamp;
use crate::why::Moment;

/// A moment, or how long ago it was, or how soon it comes: it is put in time by [`Typed::at`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// Of a day that is given, or of today.
    Time {
        day: Option<Timestamp>,
        since_midnight: Duration,
        exact_to: Duration,
    },
    Ago(Duration),
    In(Duration),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read the time {0:?}: write a time in UTC, such as 10:30, 10:30:07 or \
     2026-11-25T10:30:07Z, or how long ago, such as 90m"
)]
pub(super) struct Unreadable(String);

const DAY: Duration = Duration::from_secs(24 * 3600);
const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

impl FromStr for Typed {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Typed, Unreadable> {
        let unreadable = || Unreadable(text.to_owned());
        if let Some(soon) = text.strip_prefix('+') {
            return humantime::parse_duration(soon).map(Typed::In).map_err(|_| unreadable());
        }
        if let Ok(ago) = humantime::parse_duration(text) {
            return Ok(Typed::Ago(ago));
        }
        let (day, time) = match text.split_once(['T', ' ']) {
            None => (None, text),
            Some((day, time)) => {
                let midnight = humantime::parse_rfc3339(&format!("{day}T00:00:00Z"));
                (Some(midnight.map_err(|_| unreadable())?.into()), time)
            }
        };
        let time = time.strip_suffix('Z').unwrap_or(time);
        let exact_to = if time.matches(':').count() == 1 { MINUTE } else { SECOND };
        let full = if exact_to == MINUTE { format!("{time}:00") } else { time.to_owned() };
        let of_first_day = humantime::parse_rfc3339(&format!("1970-01-01T{full}Z"));
        let since_midnight = of_first_day
            .ok()
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok())
            .ok_or_else(unreadable)?;
        Ok(Typed::Time { day, since_midnight, exact_to })
    }
}

impl Typed {
    pub fn at(self, now: Timestamp) -> Moment {
        let (from, exact_to) = match self {
            Typed::Ago(ago) => (now.minus(ago), SECOND),
            Typed::In(soon) => (now.plus(soon), SECOND),
            Typed::Time { day, since_midnight, exact_to } => {
                let since_epoch = now.since(Timestamp::EPOCH);
                let today =
                    now.minus(Duration::from_nanos_u128(since_epoch.as_nanos() % DAY.as_nanos()));
                (day.unwrap_or(today).plus(since_midnight), exact_to)
            }
        };
        Moment { from, to: from.plus(exact_to - Duration::from_nanos(1)) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_read_as_they_are_typed() {
        let time = |text: &str| -> Timestamp { humantime::parse_rfc3339(text).unwrap().into() };
        let now = time("2026-11-25T12:00:00Z");
        for (text, from, seconds) in [
            ("10:30", "2026-11-25T10:30:00Z", 60),
            ("10:30:07", "2026-11-25T10:30:07Z", 1),
            ("13:00", "2026-11-25T13:00:00Z", 60),
            ("2026-11-24T10:30", "2026-11-24T10:30:00Z", 60),
            ("2026-11-24 10:30:07", "2026-11-24T10:30:07Z", 1),
            ("2026-11-24T10:30:07Z", "2026-11-24T10:30:07Z", 1),
            ("90m", "2026-11-25T10:30:00Z", 1),
            ("+90m", "2026-11-25T13:30:00Z", 1),
        ] {
            let moment = text.parse::<Typed>().unwrap().at(now);
            let to = time(from).plus(Duration::from_secs(seconds)).minus(Duration::from_nanos(1));
            assert_eq!(moment, Moment { from: time(from), to }, "{text}");
        }
        for text in ["", "10", "25:00", "10:61", "yesterday", "2026-13-01T10:00", "-5m", "+"] {
            assert_eq!(text.parse::<Typed>(), Err(Unreadable(text.into())));
        }
    }
}
