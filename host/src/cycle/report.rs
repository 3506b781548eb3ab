//! What a cycle shows and what is remembered of it over a restart: plain data. It decides nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::schedule::Interval;
use super::{Cycle, RunReason};
use crate::clock::Timestamp;

/// What is remembered over a restart of the peer. Save it after every step that changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    pub paused: bool,
    #[serde(default)]
    pub paused_since: Option<Timestamp>,
    /// When the pause ends by itself.
    #[serde(default)]
    pub paused_until: Option<Timestamp>,
    /// The number of the first slot that had not come.
    #[serde(default)]
    pub next: Option<i64>,
    /// The config's interval at the time of saving: an override ends when the config changes.
    pub configured: Interval,
    #[serde(default)]
    pub interval_override: Option<Interval>,
    /// Where the slots are counted from.
    pub anchor: Timestamp,
    /// Runs so far.
    pub iteration: u64,
    /// Failed runs in a row, and when the last of them ended.
    #[serde(default)]
    pub failures: u32,
    #[serde(default)]
    pub failed_at: Option<Timestamp>,
    #[serde(default)]
    pub last_started: Option<Timestamp>,
    #[serde(default)]
    pub last_ended: Option<Timestamp>,
    #[serde(default)]
    pub last_succeeded: Option<bool>,
}

impl Saved {
    /// What is known of a cycle that has never been.
    pub(super) fn nothing(configured: Interval, now: Timestamp) -> Saved {
        Saved {
            paused: false,
            paused_since: None,
            paused_until: None,
            next: None,
            configured,
            interval_override: None,
            anchor: now,
            iteration: 0,
            failures: 0,
            failed_at: None,
            last_started: None,
            last_ended: None,
            last_succeeded: None,
        }
    }
}

/// What a cycle is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum State {
    /// Waits for its next slot; `None`: that is beyond the end of time.
    Idle {
        next: Option<Timestamp>,
    },
    Running {
        since: Timestamp,
        iteration: u64,
        reason: RunReason,
        winding_down: bool,
        /// No tick will come after this run.
        paused: bool,
    },
    Paused,
    /// The interval is "off".
    Disabled,
    /// Its chore is being replaced.
    Held,
    /// A run is due, and as many of its chore are in progress as may be.
    Waiting {
        due: Option<Timestamp>,
    },
    /// A stop waits for the run in progress.
    Stopping {
        since: Timestamp,
        iteration: u64,
        reason: RunReason,
    },
    Stopped,
}

/// What `chore ls` and `chore status` show of a cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    pub state: State,
    /// The interval in force.
    pub interval: Interval,
    /// It was changed by a control and is not the config's.
    pub overridden: bool,
    pub paused_since: Option<Timestamp>,
    pub paused_until: Option<Timestamp>,
    /// When a run is due next, back-off included; in the past while it waits for the run in
    /// progress, for room or a release.
    pub next_due: Option<Timestamp>,
    /// Set while repeated failures put off the next run.
    pub backing_off_until: Option<Timestamp>,
    /// Runs so far.
    pub iteration: u64,
    /// Failed runs in a row.
    pub failures: u32,
    /// How much the next slot is after its nominal moment.
    pub jitter: Duration,
    /// Slots since the start of the peer that passed without a run of their own.
    pub skipped: u64,
    /// When the run in progress has ended at the latest, its grace included.
    pub must_end: Option<Timestamp>,
    pub last_started: Option<Timestamp>,
    pub last_ended: Option<Timestamp>,
    pub last_succeeded: Option<bool>,
}

impl Cycle {
    pub fn state(&self) -> State {
        if let Some(running) = &self.running {
            let (since, run) = (running.since, running.run);
            let (iteration, reason) = (run.iteration, run.reason);
            if self.stopping {
                return State::Stopping { since, iteration, reason };
            }
            let paused = self.paused.is_some();
            let winding_down = running.winding_down.is_some();
            return State::Running { since, iteration, reason, winding_down, paused };
        }
        match () {
            () if self.stopping => State::Stopped,
            () if self.held => State::Held,
            () if self.waits => State::Waiting { due: self.next_due() },
            () if self.paused.is_some() => State::Paused,
            () if self.interval() == Interval::Off => State::Disabled,
            () => State::Idle { next: self.next_due() },
        }
    }

    pub fn status(&self) -> Status {
        let puts_off =
            |until: &Timestamp| self.next_tick().is_some_and(|tick| self.due(tick) == *until);
        Status {
            state: self.state(),
            interval: self.interval(),
            overridden: self.interval_override.is_some(),
            paused_since: self.paused.map(|pause| pause.since),
            paused_until: self.paused.and_then(|pause| pause.until),
            next_due: self.next_due(),
            backing_off_until: self.backs_off_until().filter(puts_off),
            iteration: self.iteration,
            failures: self.failures,
            jitter: self.slots().map_or(Duration::ZERO, |slots| slots.jitter_of(self.next)),
            skipped: self.skipped,
            must_end: self.running.as_ref().map(|running| {
                let asked = running.winding_down.map(|winding_down| winding_down.since);
                let asked = asked.unwrap_or_else(|| running.since.plus(running.timeout));
                asked.plus(self.schedule.grace)
            }),
            last_started: self.last_started,
            last_ended: self.last_ended,
            last_succeeded: self.last_succeeded,
        }
    }

    /// What to remember over a restart of the peer.
    pub fn saved(&self) -> Saved {
        Saved {
            paused: self.paused.is_some(),
            paused_since: self.paused.map(|pause| pause.since),
            paused_until: self.paused.and_then(|pause| pause.until),
            next: Some(self.next),
            configured: self.schedule.interval,
            interval_override: self.interval_override,
            anchor: self.anchor,
            iteration: self.iteration,
            failures: self.failures,
            failed_at: self.failed_at,
            last_started: self.last_started,
            last_ended: self.last_ended,
            last_succeeded: self.last_succeeded,
        }
    }
}
