//! What the watchdog makes of what it sees: which cycle is overdue although nothing is in its way,
//! and whether tasks are carried out at all. Pure: it is told the time, and looks at nothing itself.
//!
//! Time here is the time that was watched. A look adds what passed since the last one, but not more
//! than twice what lies between two: a process that was stopped for an hour is not an hour late.
//! When the wall clock jumps, schedules may take until [`TIMER_MAX`] to notice, so no new complaint
//! begins before that. What cannot be looked at, because it is locked, counts as it was last seen:
//! then what hangs becomes overdue too.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::cycle::{State, Status};
use crate::limits::{OVERDUE_MIN, RUNTIME_STALL_MIN, TIMER_MAX, WATCHDOG_LOOK_EVERY};

/// One cycle, as it is seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    pub cycle: String,
    /// Zero if its interval is "off".
    pub period: Duration,
    pub iteration: u64,
    /// `None` while something is in the way: a pause, "off", a hold, the end of the chore.
    pub awaited: Option<Awaited>,
}

/// What is to happen next, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// A run begins; back-off and jitter are counted in.
    Begin(Timestamp),
    /// The run in progress has ended: its deadline and grace are over.
    End(Timestamp),
}

impl Awaited {
    pub fn at(self) -> Timestamp {
        match self {
            Awaited::Begin(at) | Awaited::End(at) => at,
        }
    }

    fn is_begin(self) -> bool {
        matches!(self, Awaited::Begin(_))
    }
}

impl Sight {
    pub fn of(cycle: &str, status: &Status) -> Sight {
        let awaited = match status.state {
            State::Running { .. } | State::Stopping { .. } => status.must_end.map(Awaited::End),
            // In the last two only a trigger can be due.
            State::Idle { .. } | State::Waiting { .. } | State::Paused | State::Disabled => {
                status.next_due.map(Awaited::Begin)
            }
            State::Held | State::Stopped => None,
        };
        let period = status.interval.period().map_or(Duration::ZERO, |period| period.get());
        Sight { cycle: cycle.to_owned(), period, iteration: status.iteration, awaited }
    }

    /// How late what is awaited is; zero if it is not.
    pub fn late(&self, now: Timestamp) -> Duration {
        self.awaited.map_or(Duration::ZERO, |awaited| now.since(awaited.at()))
    }

    /// Lateness that is worth a complaint.
    fn patience(&self) -> Duration {
        match self.awaited {
            Some(Awaited::Begin(_)) => self.period.max(OVERDUE_MIN),
            Some(Awaited::End(_)) | None => OVERDUE_MIN,
        }
    }
}

/// The cycles of each chore by name; `None` for a chore that cannot be looked at now.
pub type Sights = BTreeMap<String, Option<Vec<Sight>>>;

/// What one look found.
pub struct Look {
    /// Since the look before, by a clock that nobody sets.
    pub elapsed: Duration,
    pub now: Timestamp,
    /// Counts the heartbeats of the async runtime.
    pub beats: u64,
    /// `None` if nothing can be looked at now.
    pub sights: Option<Sights>,
}

/// What is new since the look before. Each thing is said once when it begins, and once when it is
/// over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Overdue {
        chore: String,
        cycle: String,
        awaited: Awaited,
    },
    /// It happened, or something is in the way now.
    NotOverdue {
        chore: String,
        cycle: String,
        awaited: Awaited,
    },
    Stalled,
    NotStalled,
}

/// All that is remembered from look to look.
#[derive(Debug, Default)]
pub struct Watch {
    /// All the time that was watched.
    watched: Duration,
    now: Option<Timestamp>,
    /// No complaint begins before.
    patient_until: Duration,
    seen: BTreeMap<String, Vec<Sight>>,
    late: BTreeMap<(String, String), Late>,
    beats: u64,
    beat_at: Duration,
    stalled: bool,
}

#[derive(Debug)]
struct Late {
    awaited: Awaited,
    iteration: u64,
    /// When it was first seen to be late, in watched time.
    since: Duration,
    told: bool,
}

impl Late {
    /// Whether `sight` waits for the same thing. Its moment may move, as a trigger moves it.
    fn is_of(&self, sight: &Sight) -> bool {
        let kind = sight.awaited.map(Awaited::is_begin);
        self.iteration == sight.iteration && kind == Some(self.awaited.is_begin())
    }
}

impl Watch {
    pub fn look(&mut self, look: Look) -> Vec<News> {
        let Look { elapsed, now, beats, sights } = look;
        self.pass(elapsed, now);
        self.see(sights);
        let mut news = Vec::new();
        self.hear(beats, &mut news);
        self.end(now, &mut news);
        self.begin(now, &mut news);
        news
    }

    /// What is overdue now, by chore and cycle, and since when.
    pub fn overdue(&self) -> BTreeMap<(String, String), Timestamp> {
        let told = self.late.iter().filter(|(_, late)| late.told);
        told.map(|(key, late)| (key.clone(), late.awaited.at())).collect()
    }

    fn pass(&mut self, elapsed: Duration, now: Timestamp) {
        self.watched = self.watched.saturating_add(elapsed.min(WATCHDOG_LOOK_EVERY * 2));
        let expected = self.now.replace(now).map(|before| before.plus(elapsed));
        let jump = expected
            .map(|expected| now.since(expected).max(expected.since(now)))
            .unwrap_or_default();
        if jump > WATCHDOG_LOOK_EVERY {
            self.patient_until = self.watched.saturating_add(TIMER_MAX);
            self.late.retain(|_, late| late.told);
        }
    }

    fn see(&mut self, sights: Option<Sights>) {
        let Some(sights) = sights else { return };
        self.seen.retain(|chore, _| sights.contains_key(chore));
        for (chore, cycles) in sights {
            if let Some(cycles) = cycles {
                self.seen.insert(chore, cycles);
            }
        }
    }

    fn hear(&mut self, beats: u64, news: &mut Vec<News>) {
        if self.beats != beats {
            (self.beats, self.beat_at) = (beats, self.watched);
        }
        let stalled = self.watched.saturating_sub(self.beat_at) >= RUNTIME_STALL_MIN;
        if std::mem::replace(&mut self.stalled, stalled) != stalled {
            news.push(if stalled { News::Stalled } else { News::NotStalled });
        }
    }

    /// Forgets what is not late any longer.
    fn end(&mut self, now: Timestamp, news: &mut Vec<News>) {
        let seen = &self.seen;
        self.late.retain(|(chore, cycle), late| {
            let sight = seen.get(chore).and_then(|all| all.iter().find(|of| of.cycle == *cycle));
            let still = sight.is_some_and(|sight| !sight.late(now).is_zero() && late.is_of(sight));
            if !still && late.told {
                let (chore, cycle) = (chore.clone(), cycle.clone());
                news.push(News::NotOverdue { chore, cycle, awaited: late.awaited });
            }
            still
        });
    }

    fn begin(&mut self, now: Timestamp, news: &mut Vec<News>) {
        if self.watched < self.patient_until {
            return;
        }
        for (chore, cycles) in &self.seen {
            for sight in cycles.iter().filter(|sight| !sight.late(now).is_zero()) {
                let Some(awaited) = sight.awaited else { continue };
                let late = self.late.entry((chore.clone(), sight.cycle.clone())).or_insert(Late {
                    awaited,
                    iteration: sight.iteration,
                    since: self.watched,
                    told: false,
                });
                let waited = self.watched.saturating_sub(late.since);
                if !late.told && waited > sight.patience() {
                    late.told = true;
                    let (chore, cycle) = (chore.clone(), sight.cycle.clone());
                    news.push(News::Overdue { chore, cycle, awaited: late.awaited });
                }
            }
        }
    }
}
