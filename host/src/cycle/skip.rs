//! Slots that pass without a run of their own, and why. It decides nothing about runs.

use serde::{Deserialize, Serialize};

use super::schedule::Slots;
use super::{Cycle, RunReason, Tick};
use crate::clock::Timestamp;

/// Why slots have no run of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// The run before was still in progress, and one slot waited for its end already.
    Running,
    /// As many runs of the chore were in progress as may be, and one slot waited already.
    Crowded,
    /// The chore was being replaced, and one slot waited already.
    Held,
    /// Failures put runs off, and one slot waited already.
    BackingOff,
    /// Nobody looked at the clock in time: the machine slept, or its clock was set forward.
    Late,
    Paused,
    /// A restart of the cycle began a full interval.
    Restarted,
    /// The interval became "off".
    Off,
    /// The chore was closed while the slot waited.
    Stopped,
    /// The peer was not running, or the chore not loaded.
    Away,
}

impl SkipReason {
    pub const ALL: [SkipReason; 10] = [
        SkipReason::Running,
        SkipReason::Crowded,
        SkipReason::Held,
        SkipReason::BackingOff,
        SkipReason::Late,
        SkipReason::Paused,
        SkipReason::Restarted,
        SkipReason::Off,
        SkipReason::Stopped,
        SkipReason::Away,
    ];

    /// As it is written down.
    pub fn word(self) -> &'static str {
        match self {
            SkipReason::Running => "running",
            SkipReason::Crowded => "crowded",
            SkipReason::Held => "held",
            SkipReason::BackingOff => "backing-off",
            SkipReason::Late => "late",
            SkipReason::Paused => "paused",
            SkipReason::Restarted => "restarted",
            SkipReason::Off => "off",
            SkipReason::Stopped => "stopped",
            SkipReason::Away => "away",
        }
    }
}

/// Slots that were skipped one after the other, for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub first: Timestamp,
    pub last: Timestamp,
    pub slots: u64,
    pub reason: SkipReason,
}

impl Cycle {
    /// Slots `first..end` will have no run.
    pub(super) fn skip(&mut self, slots: Slots, first: i64, end: i64, reason: SkipReason) {
        let (Some(at), Some(last)) = (slots.at(first), slots.at(end.saturating_sub(1))) else {
            return;
        };
        if first < end {
            self.tell(Skipped { first: at, last, slots: end.abs_diff(first), reason });
        }
    }

    /// The tick that waits will have no run.
    pub(super) fn drop_tick(&mut self, reason: SkipReason) {
        if let Some(Tick { slot: Some(slot), .. }) = self.tick.take() {
            self.tell(Skipped { first: slot, last: slot, slots: 1, reason });
        }
    }

    /// What has passed since the pause began, if there is one.
    pub(super) fn skip_paused(&mut self, now: Timestamp) {
        if let (Some(pause), Some(slots)) = (self.paused, self.slots()) {
            let first = slots.first_after(pause.since).max(1);
            self.skip(slots, first, slots.first_after(now), SkipReason::Paused);
        }
    }

    /// Why more than one slot has come since the last look.
    pub(super) fn in_the_way(&self, now: Timestamp) -> SkipReason {
        let waits = |tick: Tick| tick.reason == RunReason::Interval && self.due(tick) > now;
        match () {
            () if self.running.is_some() => SkipReason::Running,
            () if self.held => SkipReason::Held,
            () if self.waits => SkipReason::Crowded,
            () if self.tick.is_some_and(waits) => SkipReason::BackingOff,
            () => SkipReason::Late,
        }
    }

    fn tell(&mut self, skipped: Skipped) {
        self.skipped = self.skipped.saturating_add(skipped.slots);
        self.untold.push(skipped);
    }
}
