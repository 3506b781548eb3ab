//! What is said to a cycle and what it answers: plain data. It decides nothing.

use serde::Serialize;

use super::schedule::{GiveUpHow, Interval, Schedule};
use super::skip::Skipped;
use crate::clock::Timestamp;

/// Names whoever waits for a trigger's answer. Chosen by the caller, never looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Nothing happened but time.
    Time,
    Control(Control),
    /// The run in progress has ended. Ignored when there is none.
    Ended {
        succeeded: bool,
        /// The run did not finish because its chore was being replaced: it is due again at once.
        /// Whoever waits for its outcome waits for that of the next run. Ignored for a run that
        /// succeeded.
        rerun: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// No more ticks, and drops the one that waits. A run in progress goes on. It ends by
    /// [`Control::Restart`], or as if by one at `until`.
    Pause { until: Option<Timestamp> },
    /// Ends a pause, and forgives the failures before it; begins a full interval, also when there
    /// was no pause. No run at once.
    Restart,
    /// Run now. Answered when the run begins.
    Trigger { waiter: WaiterId },
    /// Run now. Answered when the run has ended.
    TriggerWait { waiter: WaiterId },
    /// Begins a full interval of the new length. Does not end a pause. Holds, also over a restart
    /// of the peer, until the config's own interval changes.
    ChangeInterval(Interval),
    /// Asks the run in progress to wind down. Not counted as the chore's failure.
    Cancel,
    /// While a chore is replaced: winds the run in progress down, and keeps ticks and triggers.
    Hold,
    /// Ends a hold: one run takes what was kept.
    Release,
    /// Another version takes over: failures so far are not its own, and put off none of its runs.
    Forgive,
    /// Makes a tick, as if a slot had come, unless the cycle is paused or off.
    Due,
    /// The config has changed. The slots stay unless the interval is another. A run in progress
    /// keeps the timeout that it began with.
    Reschedule(Schedule),
    /// Winds the run in progress down; no other will come. Always leads to [`Step::Stopped`].
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunReason {
    Start,
    Interval,
    Trigger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Counts the runs of this cycle from 1, over restarts of the peer.
    pub iteration: u64,
    /// `Trigger` whenever a trigger is served, even if a slot has come too.
    pub reason: RunReason,
    /// When the run should have begun; never in the future.
    pub due: Timestamp,
    /// The slot that it serves; none at the start, for a trigger between slots, or when it is due
    /// again because it was given up.
    pub slot: Option<Timestamp>,
    /// When it will be asked to wind down.
    pub deadline: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a trigger: the run that serves it has begun.
    Began {
        iteration: u64,
    },
    /// To a trigger-and-wait: the run that served it has ended.
    Ended {
        iteration: u64,
        succeeded: bool,
    },
    /// The cycle has been stopped; no run will come.
    Stopped,
    Refused(Refusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("cannot trigger: {max} triggers wait for this cycle already, try again after its run")]
    TooManyWaiting { max: usize },
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin a run, and report its end with [`Input::Ended`].
    Run(Run),
    /// Ask the run in progress to end. At most once a run.
    WindDown,
    /// Its grace is over: drop the run in progress, and report its end. At most once a run.
    Interrupt,
    Answer {
        waiter: WaiterId,
        answer: Answer,
    },
    /// Tell people: so many runs in a row have failed. A pause has begun already, and is told once;
    /// that the peer is to stop is told at each failure until it does.
    GaveUp {
        failures: u32,
        how: GiveUpHow,
    },
    /// Take down that these slots have no run. Told once.
    Skipped(Skipped),
    /// Nothing runs and nothing will. The answer to every stop, also to one after the first.
    Stopped,
}
