//! Which lines about one chore go to the log: by its level, and at most so many a second. It writes
//! none, and is told the time.
//!
//! There are two kinds of lines, what the chore logs and how its runs ended, and each has a budget of
//! its own, so that a chore that chatters does not hide its own failures.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::LogLevel;
use crate::limits::{LOG_DROPPED_EVERY, LOG_LINES_BURST, LOG_LINES_PER_SECOND};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The chore itself logs it.
    Line,
    /// How a run ended.
    Run,
}

/// What to do with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Write it, after a line that says how many were dropped, if any were.
    Write { dropped: u64 },
    /// Its level is not asked for.
    Quiet,
    /// There are too many. It is counted.
    Dropped,
}

/// A level that an operator asked for while the peer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    pub level: LogLevel,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
}

impl Wish {
    pub fn at(&self, now: Timestamp) -> Option<LogLevel> {
        self.until.is_none_or(|until| now < until).then_some(self.level)
    }
}

/// What is remembered of one chore's lines.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    wish: Option<Wish>,
    lines: Bucket,
    runs: Bucket,
    /// Not told yet.
    dropped: u64,
    told: Option<Timestamp>,
}

impl Gate {
    /// Until the peer ends, or the wish does. `None`: what the config says again.
    pub fn ask(&mut self, wish: Option<Wish>) {
        self.wish = wish;
    }

    /// The level now, for a chore whose config says `configured`.
    pub fn level(&self, configured: LogLevel, now: Timestamp) -> LogLevel {
        self.wish.and_then(|wish| wish.at(now)).unwrap_or(configured)
    }

    /// Takes one line of `level` into account.
    pub fn pass(
        &mut self,
        kind: Kind,
        level: LogLevel,
        configured: LogLevel,
        now: Timestamp,
    ) -> Verdict {
        if level > self.level(configured, now) {
            return Verdict::Quiet;
        }
        let bucket = match kind {
            Kind::Line => &mut self.lines,
            Kind::Run => &mut self.runs,
        };
        if !bucket.take(now) {
            self.dropped = self.dropped.saturating_add(1);
            return Verdict::Dropped;
        }
        Verdict::Write { dropped: self.tell(now) }
    }

    /// How many were dropped, if it is time to say so: while more come, not with each of them.
    pub fn tell(&mut self, now: Timestamp) -> u64 {
        let due = self.told.is_none_or(|told| now.since(told) >= LOG_DROPPED_EVERY || now < told);
        if self.dropped == 0 || !due {
            return 0;
        }
        self.told = Some(now);
        std::mem::take(&mut self.dropped)
    }
}

/// Lines that may be written at once, which grow with time.
#[derive(Clone, Debug, Default)]
struct Bucket {
    /// When all lines of the burst would be there again: in the past if they are.
    full_at: Option<Timestamp>,
}

impl Bucket {
    fn take(&mut self, now: Timestamp) -> bool {
        let each = Duration::from_secs(1) / LOG_LINES_PER_SECOND;
        let burst = each * LOG_LINES_BURST;
        let full_at = self.full_at.unwrap_or(now).max(now);
        // A clock that was set back would keep everything out for as long.
        let full_at = if full_at.since(now) > burst { now } else { full_at };
        let after = full_at.plus(each);
        let fits = after.since(now) <= burst;
        self.full_at = Some(if fits { after } else { full_at });
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

    fn at(millis: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(millis))
    }

    #[test]
    fn the_level_is_the_wish_while_it_lasts_and_then_the_configs() {
        use LogLevel::{Debug, Error, Info, Off, Trace, Warn};
        let minute = Some(at(60_000));
        let wish = |level, until| Some(Wish { level, until });
        let table = [
            // Wish, config, when, a line of this level, passes.
            (None, Info, 0, Info, true),
            (None, Info, 0, Debug, false),
            (None, Off, 0, Error, false),
            (wish(Debug, None), Info, 0, Debug, true),
            (wish(Debug, None), Info, 999_999, Debug, true),
            (wish(Debug, minute), Info, 59_999, Debug, true),
            (wish(Debug, minute), Info, 60_000, Debug, false),
            (wish(Error, None), Trace, 0, Warn, false),
            (wish(Off, minute), Trace, 0, Error, false),
            (wish(Off, minute), Trace, 60_001, Trace, true),
        ];
        for (wish, configured, when, level, passes) in table {
            let mut gate = Gate::default();
            gate.ask(wish);
            let verdict = gate.pass(Kind::Line, level, configured, at(when));
            let expected = if passes { Verdict::Write { dropped: 0 } } else { Verdict::Quiet };
            assert_eq!(verdict, expected, "{wish:?} {configured} {when} {level}");
        }
        let mut gate = Gate::default();
        gate.ask(wish(Debug, None));
        gate.ask(None);
        assert_eq!(gate.level(Warn, NOW), Warn);
    }

    fn passed(gate: &mut Gate, kind: Kind, lines: u32, now: Timestamp) -> u32 {
        let pass = |_: &u32| {
            let verdict = gate.pass(kind, LogLevel::Info, LogLevel::Info, now);
            matches!(verdict, Verdict::Write { .. })
        };
        u32::try_from((0..lines).filter(pass).count()).unwrap_or(u32::MAX)
    }

    #[test]
    fn a_burst_passes_then_so_many_a_second_and_the_other_kind_is_not_hindered() {
        let mut gate = Gate::default();
        assert_eq!(passed(&mut gate, Kind::Line, LOG_LINES_BURST + 50, at(0)), LOG_LINES_BURST);
        assert_eq!(passed(&mut gate, Kind::Run, 3, at(0)), 3);
        assert_eq!(passed(&mut gate, Kind::Line, 1_000, at(500)), LOG_LINES_PER_SECOND / 2);
        assert_eq!(passed(&mut gate, Kind::Line, 1_000, at(1_500)), LOG_LINES_PER_SECOND);
        // After a rest, the whole burst, and not more.
        assert_eq!(
            passed(&mut gate, Kind::Line, 2 * LOG_LINES_BURST, at(3_600_000)),
            LOG_LINES_BURST
        );
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_out() {
        let mut gate = Gate::default();
        passed(&mut gate, Kind::Line, LOG_LINES_BURST, at(3_600_000));
        assert_eq!(passed(&mut gate, Kind::Line, 10, at(0)), 10);
    }

    #[test]
    fn what_was_dropped_is_counted_and_told_now_and_then() {
        let mut gate = Gate::default();
        let line = |gate: &mut Gate, millis| {
            gate.pass(Kind::Line, LogLevel::Warn, LogLevel::Info, at(millis))
        };
        passed(&mut gate, Kind::Line, LOG_LINES_BURST + 7, at(0));
        assert_eq!(line(&mut gate, 0), Verdict::Dropped);
        assert_eq!(line(&mut gate, 1_000), Verdict::Write { dropped: 8 });
        passed(&mut gate, Kind::Line, LOG_LINES_BURST, at(1_000));
        let again = u64::from(LOG_LINES_BURST - (LOG_LINES_PER_SECOND - 1));
        assert_eq!(line(&mut gate, 2_000), Verdict::Write { dropped: 0 }, "it was just told");
        let later = 1_000 + u64::try_from(LOG_DROPPED_EVERY.as_millis()).unwrap_or(u64::MAX);
        assert_eq!(gate.tell(at(later)), again, "and without another line");
        assert_eq!(gate.tell(at(later)), 0);
    }
}
