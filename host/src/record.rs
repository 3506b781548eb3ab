//! What is written down of runs, of slots without one, and of what people did: plain data for the
//! ledger, the control socket and whoever shows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::cycle::{SkipReason, Skipped};
use crate::status::{Outcome, json};

/// What one call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Time on a processor, of the guest and of host functions that answer at once.
    #[serde(rename = "cpu_seconds", alias = "cpu", with = "json::seconds")]
    pub cpu: Duration,
    /// The most memory that the instance had, in bytes.
    pub memory_bytes: u64,
    /// Functions of the contract that it called.
    #[serde(default)]
    pub host_calls: u64,
    /// Texts, byte lists and SQL values that went to the peer and came from it, in bytes.
    #[serde(default)]
    pub host_bytes: u64,
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
    #[serde(rename = "elapsed_seconds", with = "json::maybe_seconds")]
    pub elapsed: Option<Duration>,
    /// `None` while it runs, and then it is "running" in JSON.
    #[serde(flatten, with = "json::ending")]
    pub outcome: Option<Outcome>,
    #[serde(flatten)]
    pub usage: Usage,
    /// The last lines that it logged, and after them one for each limit that it reached.
    pub log: Vec<String>,
    /// How many such lines there were; those over the limit do not count.
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

impl SkipRecord {
    pub fn of(chore: &str, cycle: &str, skipped: Skipped) -> SkipRecord {
        let Skipped { first, last, slots, reason } = skipped;
        let (chore, cycle) = (chore.to_owned(), cycle.to_owned());
        SkipRecord { chore, cycle, first, last, slots, reason }
    }
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
// Most are runs: a box for each would cost more than the room that the others leave empty.
#[allow(clippy::large_enum_variant)]
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
#[serde(default, deny_unknown_fields)]
pub struct Query {
    pub chore: Option<String>,
    pub cycle: Option<String>,
    /// Only what comes after this.
    pub before: Option<Cursor>,
    /// Only runs that ended in this way, in one word; "running" for those that have not.
    pub outcome: Option<String>,
    /// Only runs.
    pub runs: bool,
    /// Only what somebody did, or what became of files.
    pub events: bool,
    /// At most so many; 0: as many as one answer holds.
    pub limit: u32,
}

impl Query {
    /// What `outcome` may be.
    pub const OUTCOMES: [&str; 10] = [
        "succeeded",
        "failed",
        "trapped",
        "out-of-memory",
        "out-of-cpu",
        "timed-out",
        "cancelled",
        "host-failed",
        "interrupted",
        "running",
    ];
}

/// Entries of the ledger, and where the next ones begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub entries: Vec<Entry>,
    /// For [`Query::before`]; `None` if there are no more.
    pub before: Option<Cursor>,
}

/// A place between two entries of the ledger. Entries of the same time are in the order of their
/// kind, and within it the latest first. As text a time, or a time, a kind and a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    pub at: Timestamp,
    /// Runs are of kind 0, skips 1, events 2; at 3 all of that time have been seen.
    pub kind: u8,
    /// In its table.
    pub row: i64,
}

/// What is older than a time.
impl From<Timestamp> for Cursor {
    fn from(at: Timestamp) -> Cursor {
        Cursor { at, kind: KINDS, row: 0 }
    }
}

const KINDS: u8 = 3;

impl From<Cursor> for String {
    fn from(Cursor { at, kind, row }: Cursor) -> String {
        let at = humantime::format_rfc3339_nanos(at.max(Timestamp::EPOCH).into());
        if kind == KINDS { at.to_string() } else { format!("{at}.{kind}.{row}") }
    }
}

impl TryFrom<String> for Cursor {
    type Error = String;

    fn try_from(text: String) -> Result<Cursor, String> {
        let wrong = || {
            let quoted = crate::name::quote(&text);
            format!("{quoted} is neither a time such as 2026-11-25T10:30:07Z nor from an answer")
        };
        let (at, place) = text.split_once('Z').ok_or_else(wrong)?;
        let at: Timestamp = format!("{at}Z").parse().map_err(|_| wrong())?;
        if place.is_empty() {
            return Ok(at.into());
        }
        let place = place.strip_prefix('.').and_then(|place| place.split_once('.'));
        let (kind, row) = place.ok_or_else(wrong)?;
        let kind = kind.parse().ok().filter(|kind| *kind < KINDS).ok_or_else(wrong)?;
        Ok(Cursor { at, kind, row: row.parse().map_err(|_| wrong())? })
    }
}

/// One line that a chore logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub at: Timestamp,
    pub chore: String,
    /// Empty while the chore opens and closes.
    pub cycle: String,
    /// The run in the ledger; 0 while the chore opens and closes.
    pub run: u64,
    /// Counts the lines of its run, or of the opening or closing, from 1.
    pub number: u64,
    /// "trace", "debug", "info", "warn" or "error".
    pub level: String,
    pub line: String,
}

/// Something that an operator should look at, or that is well again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemRecord {
    pub at: Timestamp,
    /// Empty: the peer itself.
    pub chore: String,
    /// In one word, such as "directory".
    pub what: String,
    /// Empty: it is well again.
    pub message: String,
}
