//! What is kept of changes and of runs: the log line, the history, and the copies of components.

use tracing::{info, warn};

use super::Inner;
use super::entry::GoBack;
use crate::clock::Timestamp;
use crate::error::chain;
use crate::history::Judgement;
use crate::name::ChoreName;
use crate::plan::Pair;
use crate::record::EventRecord;
use crate::status::{Build, Change, ChangeKind, LastRun, Phase};

/// One log line for each change; a refusal had its own.
pub(super) fn tell(change: &Change) {
    let Change { chore, kind, from, to, generation, phases, reason } = change;
    let short = |build: &Option<Build>| match build {
        Some(Build { version, digest }) => {
            format!("{version} ({})", digest.get(..12).unwrap_or(digest))
        }
        None => String::new(),
    };
    let (from, to) = (short(from), short(to));
    let phase = |phase: &Phase| format!("{} {:.1?}", phase.name, phase.elapsed);
    let phases = phases.iter().map(phase).collect::<Vec<_>>().join(", ");
    match kind {
        ChangeKind::Loaded if reason.is_empty() => {
            info!(chore, version = to, generation, phases, "chore loaded");
        }
        ChangeKind::Loaded => {
            warn!(chore, version = to, generation, phases, "last good version loaded: {reason}");
        }
        ChangeKind::Replaced => info!(chore, from, to, generation, phases, "chore replaced"),
        ChangeKind::WentBack => {
            warn!(chore, from, to, generation, phases, "went back: {reason}");
        }
        ChangeKind::Reconfigured => info!(chore, version = to, phases, "chore reconfigured"),
        ChangeKind::Unloaded => info!(chore, version = from, "chore unloaded"),
        ChangeKind::Refused | ChangeKind::Unchanged => {}
    }
}

/// The same for the ledger.
pub(super) fn event(change: &Change) -> EventRecord {
    let Change { chore, kind, from, to, generation, reason, .. } = change;
    let version = |build: &Option<Build>| build.as_ref().map(|build| build.version.clone());
    let (from, to) = (version(from).unwrap_or_default(), version(to).unwrap_or_default());
    let (what, note) = match kind {
        ChangeKind::Loaded => ("loaded", format!("version {to}, generation {generation}")),
        ChangeKind::Replaced => ("replaced", format!("{from} by {to}, generation {generation}")),
        ChangeKind::WentBack => ("went back", format!("from {from} to {to}: {reason}")),
        ChangeKind::Reconfigured => ("reconfigured", format!("version {to}")),
        ChangeKind::Unloaded => ("unloaded", format!("version {from}")),
        ChangeKind::Refused => ("refused", reason.clone()),
        ChangeKind::Unchanged => ("unchanged", String::new()),
    };
    let (at, by, chore) = (Timestamp::now(), "the peer".to_owned(), chore.clone());
    EventRecord { at, by, what: what.to_owned(), chore, cycle: String::new(), note }
}

impl Inner {
    /// Whether a version of earlier is to be loaded where nothing runs, though there is a file.
    pub(super) fn falls_back(&self, name: &ChoreName) -> bool {
        self.shelf().entries.get(name).is_some_and(|entry| {
            entry.loaded().is_none() && !entry.no_fallback && entry.history.running.is_some()
        })
    }

    /// Called with the end of each run.
    pub(super) fn run_ended(&self, name: &ChoreName, pair: Pair, cycle: &str, last: &LastRun) {
        let mut shelf = self.shelf();
        let Some(entry) = shelf.entries.get_mut(name) else { return };
        if entry.loaded().is_none_or(|loaded| loaded.pair != pair) {
            return;
        }
        match entry.history.run_ended(cycle, last.iteration, &last.outcome) {
            Judgement::Unwatched => return,
            Judgement::Watch { runs_left } => {
                info!(chore = %name, runs_left, "the new version is watched");
            }
            Judgement::Passed => info!(chore = %name, "the new version is good"),
            Judgement::GoBack { reason } => {
                entry.go_back = Some(GoBack { cycle: cycle.to_owned(), reason });
            }
        }
        entry.unsaved = true;
        drop(shelf);
        self.nudge.notify_one();
    }

    pub(super) async fn save_history(&self, name: &ChoreName) {
        let record = {
            let mut shelf = self.shelf();
            let Some(entry) = shelf.entries.get_mut(name) else { return };
            entry.unsaved = false;
            serde_json::to_string(&entry.history)
        };
        let saved = match record {
            Ok(record) => {
                let saved = self.options.memory.save_history(name.as_str(), record).await;
                saved.map_err(|err| chain(&err))
            }
            Err(err) => Err(err.to_string()),
        };
        if let Err(reason) = saved {
            warn!(chore = %name, "its history was not saved: {reason}");
        }
    }

    /// Deletes copies of components that nothing would go back to.
    pub(super) async fn tidy_components(&self) {
        let wanted = {
            let shelf = self.shelf();
            shelf.entries.values().flat_map(|entry| entry.history.digests()).collect()
        };
        if let Err(err) = self.components.retain(wanted).await {
            warn!("deleting copies of components: {}", chain(&err));
        }
    }
}
