//! What a peer says of itself: plain data that readers clone, so that looking never waits for a run.

pub(crate) mod json;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::config::Limits;
use crate::limits::Limit;
use crate::record::Usage;

/// How one call of a chore (`open`, `run` or `close`) ended. Who is to blame differs by variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "json::Told", try_from = "json::Told")]
pub enum Outcome {
    Succeeded,
    /// The chore said no, in its own words.
    Failed {
        message: String,
    },
    /// The chore broke: a panic, an invalid access, a host call it may not make.
    Trapped {
        message: String,
    },
    /// The chore asked for more memory than its limit; the limit is named.
    OutOfMemory {
        message: String,
    },
    /// The chore computed for longer than its limit; the limit is named.
    OutOfCpu {
        message: String,
    },
    /// Past its deadline, and it did not wind down within the grace period.
    TimedOut {
        message: String,
    },
    /// Asked to wind down (cancelled, replaced or closed) and did so, or was interrupted.
    Cancelled {
        message: String,
    },
    /// The host broke: it could not do what it owes to the chore.
    HostFailed {
        message: String,
    },
    /// The peer ended before the run did.
    Interrupted {
        message: String,
    },
}

impl Outcome {
    pub fn succeeded(&self) -> bool {
        matches!(self, Outcome::Succeeded)
    }

    /// One word for tables and metric labels.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed { .. } => "failed",
            Outcome::Trapped { .. } => "trapped",
            Outcome::OutOfMemory { .. } => "out-of-memory",
            Outcome::OutOfCpu { .. } => "out-of-cpu",
            Outcome::TimedOut { .. } => "timed-out",
            Outcome::Cancelled { .. } => "cancelled",
            Outcome::HostFailed { .. } => "host-failed",
            Outcome::Interrupted { .. } => "interrupted",
        }
    }

    /// What [`Outcome::word`] and [`Outcome::message`] said; `None` if the word is not known.
    pub fn from_word(word: &str, message: String) -> Option<Outcome> {
        Some(match word {
            "succeeded" => Outcome::Succeeded,
            "failed" => Outcome::Failed { message },
            "trapped" => Outcome::Trapped { message },
            "out-of-memory" => Outcome::OutOfMemory { message },
            "out-of-cpu" => Outcome::OutOfCpu { message },
            "timed-out" => Outcome::TimedOut { message },
            "cancelled" => Outcome::Cancelled { message },
            "host-failed" => Outcome::HostFailed { message },
            "interrupted" => Outcome::Interrupted { message },
            _ => return None,
        })
    }

    /// What went wrong; empty if nothing did.
    pub fn message(&self) -> &str {
        match self {
            Outcome::Succeeded => "",
            Outcome::Failed { message }
            | Outcome::Trapped { message }
            | Outcome::OutOfMemory { message }
            | Outcome::OutOfCpu { message }
            | Outcome::TimedOut { message }
            | Outcome::Cancelled { message }
            | Outcome::HostFailed { message }
            | Outcome::Interrupted { message } => message,
        }
    }
}

/// A run that ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "json::SavedRun")]
pub struct LastRun {
    /// Its number in the ledger; 0 if there is none.
    pub run: u64,
    pub iteration: u64,
    /// Why it ran: "start", "interval" or "trigger".
    pub reason: String,
    pub started: Timestamp,
    #[serde(rename = "elapsed_seconds", with = "json::seconds")]
    pub elapsed: Duration,
    #[serde(flatten)]
    pub outcome: Outcome,
    #[serde(flatten)]
    pub usage: Usage,
}

/// Who did something to a chore, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub by: String,
    /// In the words of whoever did it; empty if they had none.
    pub note: String,
}

/// A cycle's pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseStatus {
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Option<Timestamp>,
    #[serde(flatten)]
    pub note: Actor,
}

/// One cycle of a loaded chore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleStatus {
    pub name: String,
    /// Text with a unit, or "off".
    pub interval: String,
    /// "idle", "running", "winding-down", "paused", "off", "held", "waiting", "backing-off" or "stopped".
    pub state: String,
    /// Runs begun so far, over restarts of the peer too.
    pub iteration: u64,
    /// Failures since the last success.
    pub failures: u32,
    pub next: Option<Timestamp>,
    pub last: Option<LastRun>,
    /// When the run in progress began.
    pub running_since: Option<Timestamp>,
    pub pause: Option<PauseStatus>,
    /// Failures put the next run off until then.
    pub backing_off_until: Option<Timestamp>,
    /// How much later than its interval says the next run is, so that peers do not all run at once.
    #[serde(rename = "jitter_seconds", with = "json::seconds")]
    pub jitter: Duration,
    /// The interval was changed while the peer ran, and is not the config's.
    pub overridden: bool,
    /// Since when a run should have begun, or ended, although nothing is in the way: the watchdog
    /// noticed.
    #[serde(default)]
    pub overdue: Option<Timestamp>,
}

/// One chore, as its files and the operator have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoreStatus {
    /// Of a file whose name is no chore's, the file name.
    pub name: String,
    /// "loaded", "loading", "refused", "unloaded" by the operator, or "closed" with its peer.
    pub state: String,
    /// Why it is not loaded, and what to do; empty if it is.
    pub reason: String,
    /// SHA-256 of the component that runs, hexadecimal; else of the one that was refused; empty if
    /// its bytes were never read.
    pub digest: String,
    pub version: String,
    /// Counts replacements, over restarts of the peer; 0 if it was never loaded.
    pub generation: u64,
    /// Runs of a new version that are still watched; 0 if it is not new.
    pub watched_runs_left: u32,
    pub about: String,
    /// What it was granted, by name.
    pub grants: Vec<String>,
    pub cycles: Vec<CycleStatus>,
    /// A newer file, or config, that was refused while this version runs.
    pub refused: Option<RefusedFile>,
    /// Who vouches for what runs. `None` if nothing runs, or the peer trusts no key and so asks
    /// nobody.
    #[serde(default)]
    pub signature: Option<SignatureStatus>,
}

/// Who vouches for a component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureStatus {
    /// By a key that the peer trusts.
    pub signed: bool,
    /// Id of that key; empty if it is not signed.
    pub key: String,
    /// The trusted comment, which is signed too.
    pub comment: String,
}

impl ChoreStatus {
    /// The cycle that is meant: the one that is named, else "main", else the first.
    pub fn cycle<'a>(&'a self, named: Option<&'a str>) -> &'a str {
        let first = self.cycles.first().map_or(MAIN, |cycle| &cycle.name);
        let has_main = self.cycles.iter().any(|cycle| cycle.name == MAIN);
        named.unwrap_or(if has_main { MAIN } else { first })
    }
}

/// The cycle of a chore that has one.
const MAIN: &str = "main";

/// A file that does not take over, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedFile {
    pub file: String,
    /// SHA-256 of the component, hexadecimal; empty if its bytes were never read.
    pub digest: String,
    /// Empty if it never came so far as to say it.
    pub version: String,
    pub reason: String,
    /// It ran, and its runs failed: it is not tried again until it or its config changes.
    pub quarantined: bool,
}

/// What became of a chore whose files changed, or of one that the operator named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub chore: String,
    #[serde(rename = "change")]
    pub kind: ChangeKind,
    /// What ran before.
    pub from: Option<Build>,
    /// What runs now.
    pub to: Option<Build>,
    pub generation: u64,
    /// What was done, in order, and how long it took.
    pub phases: Vec<Phase>,
    /// Why something was refused, or gone back from; empty otherwise.
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Nothing ran under this name.
    Loaded,
    /// Another component took over.
    Replaced,
    /// The last good version took over from one whose runs failed.
    WentBack,
    /// Another config for the same component.
    Reconfigured,
    /// It is closed, and gone.
    Unloaded,
    /// The file does not run; what ran goes on.
    Refused,
    /// There was nothing to do.
    Unchanged,
}

impl ChangeKind {
    /// For metric labels.
    pub fn word(self) -> &'static str {
        match self {
            ChangeKind::Loaded => "loaded",
            ChangeKind::Replaced => "replaced",
            ChangeKind::WentBack => "went-back",
            ChangeKind::Reconfigured => "reconfigured",
            ChangeKind::Unloaded => "unloaded",
            ChangeKind::Refused => "refused",
            ChangeKind::Unchanged => "unchanged",
        }
    }
}

/// One build of a chore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    pub version: String,
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    pub name: String,
    #[serde(rename = "seconds", with = "json::seconds")]
    pub elapsed: Duration,
}

/// A whole peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Version of this program.
    pub version: String,
    pub node: String,
    /// Where other nodes reach it; empty if it serves nobody.
    pub listen: String,
    pub started: Timestamp,
    /// What is wrong with the peer itself: a chores directory that cannot be followed, a database that
    /// cannot be written; empty if nothing is.
    pub problem: String,
    /// Left out where only the peer itself is asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chores: Vec<ChoreStatus>,
}

/// What a control that can wait answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "triggered", rename_all = "kebab-case")]
pub enum Triggered {
    /// A run began.
    Began { iteration: u64 },
    /// The run that was asked for has ended.
    Ended { run: LastRun },
    /// The chore was closed first: no run will come.
    Stopped,
}

/// One chore in full: how it stands, what it was set to, its versions, and what it may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoreDetail {
    #[serde(flatten)]
    pub status: ChoreStatus,
    /// In the order in which the chore names them; empty if it is not loaded.
    pub settings: Vec<Setting>,
    /// What runs first, then what could be gone back to, then what does not run.
    pub versions: Vec<VersionStatus>,
    /// `None` if it is not loaded.
    pub limits: Option<LimitsInForce>,
}

/// Of one that is not loaded, and of which there is no version.
impl From<ChoreStatus> for ChoreDetail {
    fn from(status: ChoreStatus) -> ChoreDetail {
        ChoreDetail { status, settings: Vec::new(), versions: Vec::new(), limits: None }
    }
}

/// One setting of a loaded chore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub name: String,
    /// "text", "integer", "number", "boolean", "duration", "size" or "secret".
    pub kind: String,
    /// What it is now; `None` if it has no value, and for a secret.
    pub value: Option<String>,
    /// It has a value.
    pub is_set: bool,
    pub default: Option<String>,
    pub help: String,
}

/// One version that the peer knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionStatus {
    /// "running", "good", "previous", "quarantined" or "refused".
    pub is: String,
    pub version: String,
    /// SHA-256 of the component, hexadecimal; empty if its bytes were never read.
    pub digest: String,
    /// Of what runs, when it was opened; of what is in quarantine or refused, since when it is.
    pub since: Option<Timestamp>,
    /// Why it does not run; empty otherwise.
    pub reason: String,
}

/// What one call of a loaded chore may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsInForce {
    /// Each limit that has a key, in the order of the documentation.
    #[serde(default)]
    pub by_key: Vec<LimitInForce>,
    /// Memory of one instance, in bytes.
    pub memory_bytes: u64,
    /// From the wish to wind down to the end of an instance.
    #[serde(rename = "grace_seconds", with = "json::seconds")]
    pub grace: Duration,
    /// By cycle, in the chore's order.
    pub timeouts: Vec<CycleTimeout>,
}

/// One limit of a chore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitInForce {
    /// As in a config file below `[limits]`.
    pub key: String,
    /// As a config file has it: "64MiB", "5m" or "1000".
    pub value: String,
    /// The chore's own config sets it.
    pub overridden: bool,
}

/// Each limit, and whether the chore's own config sets it.
pub fn limits(limits: &Limits, asked: &[Limit]) -> Vec<LimitInForce> {
    let in_force = |limit: Limit| LimitInForce {
        key: limit.key().to_owned(),
        value: limits.amount(limit).written().trim_matches('"').to_owned(),
        overridden: asked.contains(&limit),
    };
    Limit::ALL.into_iter().map(in_force).collect()
}

/// After what time a run is asked to wind down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleTimeout {
    pub cycle: String,
    #[serde(rename = "timeout_seconds", with = "json::seconds")]
    pub timeout: Duration,
}

/// What became of one control of one chore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controlled {
    pub chore: String,
    /// The control in one word: "trigger", "pause", ...
    pub control: String,
    /// What was asked for has come about. A run that was waited for has succeeded.
    pub ok: bool,
    /// Why not, if it could not be carried out.
    pub problem: Option<Problem>,
    /// Of a trigger.
    #[serde(flatten)]
    pub triggered: Option<Triggered>,
    /// Of what changes versions.
    pub changes: Vec<Change>,
}

/// Why a request was not carried out, as RFC 9457 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// One for each kind of problem, and always the same.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// That of HTTP.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: String,
}
