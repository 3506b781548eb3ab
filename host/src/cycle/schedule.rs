//! The schedule of a cycle as values, and its slots as arithmetic; it knows no clock and no run.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::limits::{CYCLE_INTERVAL_MAX, CYCLE_INTERVAL_MIN};

/// Why something is not an interval.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    #[error(
        "cannot use interval {}: give at least {}, or \"off\" to disable the cycle",
        humantime::format_duration(*.0),
        humantime::format_duration(CYCLE_INTERVAL_MIN)
    )]
    TooShort(Duration),
    #[error(
        "cannot use interval {}: give at most {}, or \"off\" to disable the cycle",
        humantime::format_duration(*.0),
        humantime::format_duration(CYCLE_INTERVAL_MAX)
    )]
    TooLong(Duration),
    #[error("cannot read interval \"{text}\": write a duration with a unit, as \"5m\", or \"off\"")]
    NotAnInterval {
        text: String,
        #[source]
        source: humantime::DurationError,
    },
}

/// The time between two slots: from [`CYCLE_INTERVAL_MIN`] to [`CYCLE_INTERVAL_MAX`], so that no
/// cycle can spin and no arithmetic on slots can overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period(Duration);

impl Period {
    /// # Errors
    /// Refuses what is shorter or longer than the limits.
    pub fn new(duration: Duration) -> Result<Period, Error> {
        if duration < CYCLE_INTERVAL_MIN {
            Err(Error::TooShort(duration))
        } else if duration > CYCLE_INTERVAL_MAX {
            Err(Error::TooLong(duration))
        } else {
            Ok(Period(duration))
        }
    }

    pub fn get(self) -> Duration {
        self.0
    }

    fn nanos(self) -> i128 {
        i128::from(nanos_of(self.0))
    }
}

/// How often a cycle runs. As text, in files and on the command line: `"5m"`, `"1h 30m"`, `"off"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Interval {
    Every(Period),
    /// No slots. A trigger still runs the cycle.
    Off,
}

impl Interval {
    /// # Errors
    /// Refuses zero and whatever else [`Period::new`] refuses.
    pub fn every(duration: Duration) -> Result<Interval, Error> {
        Period::new(duration).map(Interval::Every)
    }

    pub fn period(self) -> Option<Period> {
        match self {
            Interval::Every(period) => Some(period),
            Interval::Off => None,
        }
    }
}

impl FromStr for Interval {
    type Err = Error;

    fn from_str(text: &str) -> Result<Interval, Error> {
        if text == "off" {
            return Ok(Interval::Off);
        }
        match humantime::parse_duration(text) {
            Ok(duration) => Interval::every(duration),
            Err(source) => Err(Error::NotAnInterval { text: text.to_owned(), source }),
        }
    }
}

impl TryFrom<String> for Interval {
    type Error = Error;

    fn try_from(text: String) -> Result<Interval, Error> {
        text.parse()
    }
}

impl From<Interval> for String {
    fn from(interval: Interval) -> String {
        interval.to_string()
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interval::Every(period) => humantime::format_duration(period.0).fmt(f),
            Interval::Off => f.write_str("off"),
        }
    }
}

/// What happens when the peer starts. A paused or disabled cycle does nothing at start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Run at once, then at the slots.
    #[default]
    Now,
    /// No run at start and no catching up: wait for the next slot. That is one interval for a new
    /// cycle; for a remembered one, the slots are the same as before, so that a peer that is
    /// restarted more often than the interval still runs it.
    Delay,
    /// Run at the first slot after the last run, at once if that has passed. Without a
    /// remembered run, as [`Start::Now`].
    Resume,
}

/// How repeated failures put off the next slot. They never bring it forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure; it doubles with each further one. Zero: no back-off.
    pub first: Duration,
    /// The wait is at most this many intervals. Zero: no back-off.
    pub interval_multiple_max: u32,
}

impl Backoff {
    /// How long the schedule rests after `failures` failures in a row. A quarter of the wait is
    /// jitter, taken away rather than added, so that the maximum holds for it too.
    pub(super) fn wait(self, failures: u32, period: Period, jitter_seed: u64) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else {
            return Duration::ZERO;
        };
        let wait_max = nanos_of(period.get().saturating_mul(self.interval_multiple_max));
        // Both are below 2^63, so 64 doublings cannot overflow and are enough to reach any maximum.
        let wait = u128::from(nanos_of(self.first)) << doublings.min(64);
        let wait = u64::try_from(wait).unwrap_or(u64::MAX).min(wait_max);
        let jitter = pick(mix(jitter_seed.wrapping_add(1)) ^ u64::from(failures), wait / 4);
        Duration::from_nanos(wait - jitter)
    }
}

/// What happens when runs fail again and again, besides back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveUp {
    /// After so many failures in a row, and each further one. Zero is as one.
    pub after: u32,
    pub how: GiveUpHow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUpHow {
    /// The cycle pauses itself.
    Pause,
    /// The peer must not go on: for a check.
    StopPeer,
}

/// Everything that decides when a cycle runs. Any values are safe: durations are cut to what the
/// clock can express, and jitter to what fits between two slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub interval: Interval,
    /// A run that takes longer is asked to wind down.
    pub timeout: Duration,
    pub start: Start,
    /// How far after its nominal moment a slot may be. It differs from slot to slot.
    pub jitter_max: Duration,
    /// Made by the caller from chore and node, so that peers with the same chore spread out while
    /// one peer always computes the same slots.
    pub jitter_seed: u64,
    pub backoff: Backoff,
    /// When `None`, it never gives up.
    pub give_up: Option<GiveUp>,
    /// How long a run may take to wind down before it is interrupted.
    pub grace: Duration,
}

/// The slots of a cycle: `anchor + k · period + jitter(k)`, for any k. Jitter is shorter than the
/// period, so slots are strictly ascending.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slots {
    pub anchor: Timestamp,
    pub period: Period,
    pub jitter_max: Duration,
    pub jitter_seed: u64,
}

impl Slots {
    /// When slot `k` is; `None` beyond the end of time.
    pub fn at(self, k: i64) -> Option<Timestamp> {
        let at = self.nominal(k) + i128::from(self.jitter(k));
        i64::try_from(at).ok().map(Timestamp::from_nanos)
    }

    /// The first slot that is later than `time`.
    pub fn first_after(self, time: Timestamp) -> i64 {
        let offset = i128::from(time.as_nanos()) - i128::from(self.anchor.as_nanos());
        let nominal = slot_number(offset.div_euclid(self.period.nanos()));
        match self.at(nominal) {
            Some(at) if at <= time => nominal.saturating_add(1),
            _ => nominal,
        }
    }

    /// Slot `k`, or an earlier one if `k` is further than two periods from `now`: then the first
    /// that is a whole period away.
    ///
    /// Slots in use are at most one period away, so this happens only when the clock was set back
    /// by more than a period, or was wrong when the anchor was saved. The next run must not wait
    /// until the clock has caught up, which may take years; it must not be at once either, or a
    /// clock that is set back again and again would run the same slot again and again.
    pub fn near(self, k: i64, now: Timestamp) -> i64 {
        let now = i128::from(now.as_nanos());
        let period = self.period.nanos();
        if self.nominal(k) <= now + 2 * period {
            return k;
        }
        let offset = now + period - i128::from(self.anchor.as_nanos());
        slot_number(-(-offset).div_euclid(period))
    }

    /// How long after its nominal moment slot `k` is.
    pub fn jitter_of(self, k: i64) -> Duration {
        Duration::from_nanos(self.jitter(k))
    }

    fn nominal(self, k: i64) -> i128 {
        i128::from(self.anchor.as_nanos()) + i128::from(k) * self.period.nanos()
    }

    fn jitter(self, k: i64) -> u64 {
        let longest = nanos_of(self.period.get()) - 1;
        let jitter_max = nanos_of(self.jitter_max).min(longest);
        pick(mix(self.jitter_seed) ^ k.cast_unsigned(), jitter_max)
    }
}

/// Offsets are below 2^64 ns and periods at least 1 ms, so every slot number fits.
fn slot_number(k: i128) -> i64 {
    i64::try_from(k).unwrap_or(i64::MAX)
}

/// Cut to what a [`Timestamp`] can express.
fn nanos_of(duration: Duration) -> u64 {
    let most = i64::MAX.unsigned_abs();
    u64::try_from(duration.as_nanos()).unwrap_or(most).min(most)
}

/// A number in `0..=max` that depends on `key` alone.
fn pick(key: u64, max: u64) -> u64 {
    let scaled = u128::from(mix(key)) * (u128::from(max) + 1);
    u64::try_from(scaled >> 64).unwrap_or(max)
}

/// SplitMix64. Written out because slots must not move when a library changes its hash.
fn mix(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_interval_is_read_and_written_as_text() {
        for (text, written) in [
            ("1ms", Ok("1ms")),
            ("5m", Ok("5m")),
            ("90m", Ok("1h 30m")),
            ("24h", Ok("1day")),
            ("off", Ok("off")),
            ("0s", Err("at least 1ms")),
            ("999us", Err("at least 1ms")),
            ("11years", Err("at most 10years")),
            ("-1s", Err("write a duration with a unit")),
            ("-1ns", Err("write a duration with a unit")),
            ("5", Err("write a duration with a unit")),
            ("99999999999999999999s", Err("write a duration with a unit")),
            ("OFF", Err("write a duration with a unit")),
            ("", Err("write a duration with a unit")),
        ] {
            match (text.parse::<Interval>(), written) {
                (Ok(interval), Ok(written)) => assert_eq!(interval.to_string(), written),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (found, wanted) => panic!("{text}: {found:?}, not {wanted:?}"),
            }
        }
        let interval: Interval = serde_json::from_str("\"90m\"").unwrap();
        assert_eq!(serde_json::to_string(&interval).unwrap(), "\"1h 30m\"");
        assert!(serde_json::from_str::<Interval>("\"0s\"").is_err());
    }

    #[test]
    fn jitter_never_moves_between_versions() {
        // The published outputs of SplitMix64 for the seed 1234567.
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let outputs = [1234567, step.wrapping_add(1234567)].map(mix);
        assert_eq!(outputs, [6457827717110365317, 3203168211198807973]);
        let slots = slots(0, Duration::from_secs(100), Duration::from_secs(10), 7);
        let jitter: Vec<u64> = (-1..4).map(|k| slots.jitter(k) / 1_000_000).collect();
        assert_eq!(jitter, [6627, 7215, 2392, 2759, 4205]);
    }

    fn slots(anchor: i64, period: Duration, jitter_max: Duration, jitter_seed: u64) -> Slots {
        let anchor = Timestamp::from_nanos(anchor);
        Slots { anchor, period: Period::new(period).unwrap(), jitter_max, jitter_seed }
    }

    #[test]
    fn backoff_doubles_with_jitter_up_to_the_multiple_of_the_interval() {
        let period = Period::new(Duration::from_secs(60)).unwrap();
        let backoff = Backoff { first: Duration::from_secs(10), interval_multiple_max: 4 };
        for (failures, longest) in
            [(0, 0), (1, 10), (2, 20), (3, 40), (5, 160), (6, 240), (99, 240), (u32::MAX, 240)]
        {
            let longest = Duration::from_secs(longest);
            let waits = (0..100).map(|seed| backoff.wait(failures, period, seed));
            let (least, most) = (waits.clone().min().unwrap(), waits.max().unwrap());
            assert!(longest * 3 / 4 <= least && most <= longest, "{failures}: {least:?} {most:?}");
            assert!(failures == 0 || least < most, "no jitter after {failures} failures");
        }
    }

    #[test]
    fn backoff_can_be_switched_off_and_survives_hostile_numbers() {
        let most = Duration::from_nanos(i64::MAX.unsigned_abs());
        for (first, multiple, longest) in [
            (Duration::ZERO, 4, Duration::ZERO),
            (Duration::from_secs(1), 0, Duration::ZERO),
            (Duration::MAX, u32::MAX, most),
            (Duration::from_nanos(1), u32::MAX, most),
        ] {
            let backoff = Backoff { first, interval_multiple_max: multiple };
            let period = Period::new(CYCLE_INTERVAL_MAX).unwrap();
            let wait = backoff.wait(u32::MAX, period, 1);
            assert!(longest * 3 / 4 <= wait && wait <= longest, "{wait:?}");
        }
    }

    #[test]
    fn a_slot_beyond_the_end_of_time_never_comes() {
        let slots = slots(i64::MAX - 5, Duration::from_secs(1), Duration::MAX, 1);
        assert_eq!(slots.at(1), None);
        assert_eq!(slots.at(i64::MAX), None);
        assert!(slots.at(-1).is_some());
    }
}
