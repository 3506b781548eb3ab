//! What is written down of runs, of slots without one, and of what people did: plain data for the
//! ledger, the control socket and whoever shows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::cycle::SkipReason;
use crate::status::Outcome;

/// What one call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Time on a processor, of the guest and of host functions that answer at once.
    pub cpu: Duration,
    /// The most memory that the instance had, in bytes.
    pub memory_bytes: u64,
}

/// One run of one cycle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Counts the runs of a peer from 1, over restarts.
    pub run: u64,
    pub chore: String,
    pub cycle: String,
    pub version: String,
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
    pub generation: u64,
    /// Counts the runs of the cycle.
    pub iteration: u64,
    /// "start", "interval" or "trigger".
    pub reason: String,
    /// Who triggered it; empty if nobody did.
    pub by: String,
    pub due: Timestamp,
    /// The slot that it served, if any.
    pub slot: Option<Timestamp>,
    pub started: Timestamp,
    /// `None` while it runs, and if the peer ended first.
    pub elapsed: Option<Duration>,
    /// `None` while it runs.
    pub outcome: Option<Outcome>,
    pub usage: Usage,
    /// The last lines that it logged.
    pub log: Vec<String>,
    /// How many lines it logged.
    pub log_lines: u64,
    /// Where the guest was when it trapped or its time was up, the innermost function first.
    #[serde(default)]
    pub backtrace: Vec<String>,
}

/// Slots of one cycle, one after the other, that had no run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipRecord {
    pub chore: String,
    pub cycle: String,
    pub first: Timestamp,
    pub last: Timestamp,
    pub slots: u64,
    pub reason: SkipReason,
}

/// What somebody did to a chore, or what became of its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    pub at: Timestamp,
    /// Who: a user's name, "the chore" itself, or "the peer".
    pub by: String,
    /// In one word: "paused", "replaced", ...
    pub what: String,
    pub chore: String,
    /// Empty: all cycles.
    pub cycle: String,
    /// In the words of whoever did it.
    pub note: String,
}

/// One line of a chore's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Entry {
    Run(RunRecord),
    Skip(SkipRecord),
    Event(EventRecord),
}

impl Entry {
    /// When it began.
    pub fn at(&self) -> Timestamp {
        match self {
            Entry::Run(run) => run.started,
            Entry::Skip(skip) => skip.first,
            Entry::Event(event) => event.at,
        }
    }
}

/// What the ledger has of one moment of a cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// The last run that was due, or began, by then.
    pub run: Option<RunRecord>,
    /// The last slots without a run that begin by then.
    pub skip: Option<SkipRecord>,
    /// The last thing that was done by then.
    pub event: Option<EventRecord>,
    /// The first run that began later.
    pub next: Option<RunRecord>,
}

/// Which entries of the ledger to show, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Query {
    pub chore: Option<String>,
    pub cycle: Option<String>,
    /// Only what began earlier.
    pub before: Option<Timestamp>,
    /// Only runs that ended in this way, in one word; "running" for those that have not.
    pub outcome: Option<String>,
    /// Only runs.
    pub runs: bool,
    /// Only what somebody did, or what became of files.
    pub events: bool,
    /// At most so many; 0: as many as one answer holds.
    pub limit: u32,
}
