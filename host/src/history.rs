//! What the peer knows of one chore over its versions: which one is good, when to go back to it, and
//! what is not tried again. Plain data and pure decisions, saved as JSON; told the time.
//!
//! A version is a component with the config file it runs with. A new one that replaces another is
//! on probation for a few runs, whatever their cycle. It passes, and is good from then on, or one
//! run fails that did not fail before, and then what was good is gone back to and the new pair is
//! quarantined.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::package::Digest;
use crate::status::Outcome;

/// A component and the config file that it runs with, and who vouches for the component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub component: Digest,
    /// Of its config file, if it has one.
    pub manifest: Option<Digest>,
    /// As the component says.
    pub version: String,
    /// Because the file in the chores directory is another by the time that this is gone back to.
    pub manifest_text: Option<String>,
    /// The same for who vouches for it: it is verified again by the keys that are trusted then.
    #[serde(default)]
    pub signature_text: Option<String>,
}

impl Version {
    fn is(&self, component: Digest, manifest: Option<Digest>) -> bool {
        self.component == component && self.manifest == manifest
    }

    fn is_same(&self, other: &Version) -> bool {
        self.is(other.component, other.manifest)
    }
}

/// One chore over its versions. The default is that of a chore that was never loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// 0 if it was never loaded; then it counts what was put in another's place, over restarts of
    /// the peer too.
    pub generation: u64,
    /// When the operator unloaded it, and so it stays.
    pub unloaded: Option<Timestamp>,
    /// What runs, or ran last.
    pub running: Option<Version>,
    /// What is gone back to during a probation, and then it is not what runs.
    pub good: Option<Version>,
    /// What was good before that, for the operator to go back to.
    #[serde(default)]
    pub previous: Option<Version>,
    pub probation: Option<Probation>,
    pub quarantined: Option<Quarantined>,
}

/// A new version is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probation {
    /// How many runs it lasts.
    pub runs: u32,
    /// How many of them are still to come.
    pub runs_left: u32,
    /// By cycle: whether the good version's last run of it failed.
    pub baseline: BTreeMap<String, bool>,
}

/// What failed on probation. It is not tried again until it or its config changes, or the operator
/// says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantined {
    pub component: Digest,
    pub manifest: Option<Digest>,
    pub version: String,
    pub reason: String,
    pub since: Timestamp,
}

/// What the end of a run means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// There is no probation.
    Unwatched,
    /// It goes on.
    Watch { runs_left: u32 },
    /// What runs is good.
    Passed,
    /// Nothing is changed yet: [`History::went_back`] or [`History::going_back_failed`] follows.
    GoBack { reason: String },
}

impl History {
    /// The chore was loaded where nothing ran: the peer started, the file is new, or it was
    /// unloaded before. If the component is the one that ran last, nothing was replaced, and a
    /// probation goes on; else see [`History::replaced`].
    pub fn loaded(&mut self, version: Version, last: BTreeMap<String, bool>, probation_runs: u32) {
        match &self.running {
            Some(ran) if ran.component == version.component => {
                if !ran.is_same(&version) {
                    self.quarantined = None;
                }
                self.runs(version);
            }
            _ => self.replaced(version, last, probation_runs),
        }
    }

    /// `version` runs where another did. `last` says of each cycle of that whether its last run
    /// failed. With no `probation_runs`, the new version is good at once.
    ///
    /// A quarantine ends: its pair is no longer what the operator wants, or is tried again because
    /// the operator said so.
    pub fn replaced(
        &mut self,
        version: Version,
        last: BTreeMap<String, bool>,
        probation_runs: u32,
    ) {
        self.generation = self.generation.saturating_add(1);
        self.quarantined = None;
        let probation = self.probation.take();
        match self.running.take() {
            None => self.good = None,
            Some(ran) => {
                // What did not pass is not gone back to.
                let baseline = match probation {
                    Some(probation) if self.good.is_some() => probation.baseline,
                    _ => {
                        self.good = Some(ran);
                        last
                    }
                };
                if probation_runs == 0 {
                    self.previous = self.good.replace(version.clone());
                }
                let runs_left = probation_runs;
                self.probation = Some(Probation { runs: probation_runs, runs_left, baseline });
            }
        }
        self.runs(version);
    }

    /// What is good need not be watched: it would go back to itself.
    fn runs(&mut self, version: Version) {
        if self.good.as_ref().is_some_and(|good| good.is_same(&version)) {
            self.probation = None;
        }
        self.running = Some(version);
        self.unloaded = None;
    }

    /// Whether this follows on `before` with a probation that was not there: then what ran until
    /// now is what will be gone back to, and its saved state is to be kept before the new version
    /// is called. To know it in time, ask a clone on which `loaded` or `replaced` was called.
    pub fn begins_probation(&self, before: &History) -> bool {
        self.probation.is_some() && before.probation.is_none()
    }

    /// A run of what runs has ended. A version is not judged by what is not its fault, nor for what
    /// the good one does no better.
    pub fn run_ended(&mut self, cycle: &str, iteration: u64, outcome: &Outcome) -> Judgement {
        let Some(probation) = &mut self.probation else { return Judgement::Unwatched };
        match outcome {
            Outcome::Cancelled { .. }
            | Outcome::HostFailed { .. }
            | Outcome::Interrupted { .. } => {
                return Judgement::Watch { runs_left: probation.runs_left };
            }
            Outcome::Succeeded => {}
            Outcome::Failed { .. }
            | Outcome::Trapped { .. }
            | Outcome::OutOfMemory { .. }
            | Outcome::OutOfCpu { .. }
            | Outcome::TimedOut { .. } => {
                let failed_before = probation.baseline.get(cycle).copied().unwrap_or(false);
                if !failed_before && self.good.is_some() {
                    return Judgement::GoBack { reason: self.reason(cycle, iteration, outcome) };
                }
            }
        }
        probation.runs_left = probation.runs_left.saturating_sub(1);
        if probation.runs_left > 0 {
            return Judgement::Watch { runs_left: probation.runs_left };
        }
        self.probation = None;
        self.previous = std::mem::replace(&mut self.good, self.running.clone());
        Judgement::Passed
    }

    fn reason(&self, cycle: &str, iteration: u64, outcome: &Outcome) -> String {
        let version = self.running.as_ref().map_or("", |running| &running.version);
        let (run, runs) = self.probation.as_ref().map_or((0, 0), |probation| {
            (probation.runs.saturating_sub(probation.runs_left).saturating_add(1), probation.runs)
        });
        format!(
            "run {iteration} of {cycle} {}: {} (version {version}, {run} of {runs} watched runs)",
            outcome.word(),
            outcome.message()
        )
    }

    /// The last version that was good and does not run.
    pub fn to_go_back_to(&self) -> Option<&Version> {
        let runs = |version: &Version| {
            self.running.as_ref().is_some_and(|running| running.is_same(version))
        };
        self.good.iter().chain(&self.previous).find(|version| !runs(version))
    }

    /// [`History::to_go_back_to`] runs again, and what ran is not tried again by itself.
    pub fn went_back(&mut self, now: Timestamp, reason: String) {
        let Some(version) = self.to_go_back_to().cloned() else { return };
        self.generation = self.generation.saturating_add(1);
        self.probation = None;
        self.previous.take_if(|previous| previous.is_same(&version));
        self.good = Some(version.clone());
        let ran = self.running.replace(version);
        self.quarantined = ran.map(|ran| Quarantined {
            component: ran.component,
            manifest: ran.manifest,
            version: ran.version,
            reason,
            since: now,
        });
    }

    /// What was good cannot be run again, so what runs goes on, unwatched.
    pub fn going_back_failed(&mut self) {
        self.probation = None;
    }

    /// The operator wants to try again what is quarantined.
    pub fn forgive(&mut self) {
        self.quarantined = None;
    }

    /// The operator unloaded the chore; [`History::loaded`] ends that.
    pub fn unload(&mut self, now: Timestamp) {
        self.unloaded = Some(now);
    }

    /// Components that may have to be loaded when their files are gone.
    pub fn digests(&self) -> BTreeSet<Digest> {
        let kept = self.running.iter().chain(&self.good).chain(&self.previous);
        kept.map(|version| version.component).collect()
    }
}
