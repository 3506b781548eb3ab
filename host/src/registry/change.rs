//! One change of one chore: loaded, replaced, reconfigured, gone back, or unloaded.
//!
//! A replacement is a transaction. The new version is prepared while the old one runs; then ticks
//! and triggers are held, the run in progress winds down, and the new version's `open` decides:
//! until it has succeeded, whatever fails leaves the old version running with its schedule and
//! state. A change that is dropped half way, because the peer closes, does the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::entry::{GoBack, Loaded, Refused, Standing, Unvouched};
use super::origin::Origin;
use super::prepare::{Phases, Prepared, Refusal, Source, prepare};
use super::record::{event, tell};
use super::{Inner, close_chore};
use crate::bindings::lifecycle::{CloseReason, OpenReason};
use crate::chore::{Chore, Held, Remembered};
use crate::clock::Timestamp;
use crate::error::chain;
use crate::history::Version;
use crate::name::ChoreName;
use crate::news::Event;
use crate::package::Digest;
use crate::plan::Pair;
use crate::status::{Build, Change, ChangeKind, Outcome};

/// What is to be done about one chore.
pub(super) enum Task {
    /// Nothing runs under this name.
    Load(Origin),
    /// Another component, or another config, is to take over from what runs.
    Replace(Origin),
    /// From a version whose run failed to the last good one.
    GoBack(GoBack),
    /// What ran before, because the files of the directory do not load.
    FallBack,
    /// The component's file is gone.
    Remove,
    /// The operator wants it so.
    Unload,
}

/// Carries a task out to its end, whatever that is. `None`: nothing has come of it yet, because what
/// vouches for the component may be on its way.
pub(super) async fn carry_out(inner: Arc<Inner>, name: ChoreName, task: Task) -> Option<Change> {
    let change = Work { inner: &inner, name: &name };
    Some(match task {
        Task::Load(origin) => return change.load(origin).await,
        Task::Replace(origin) => return change.replace(origin).await,
        Task::GoBack(go_back) => change.go_back(go_back).await,
        Task::FallBack => change.fall_back(None).await,
        Task::Remove => change.remove(false).await,
        Task::Unload => change.remove(true).await,
    })
}

struct Work<'a> {
    inner: &'a Arc<Inner>,
    name: &'a ChoreName,
}

impl Work<'_> {
    async fn load(&self, origin: Origin) -> Option<Change> {
        let mut phases = Phases::begin();
        let pair = origin.files.pair;
        let file = origin.files.component.to_string_lossy().into_owned();
        let loaded = match origin.read().await {
            Ok(source) => self.open(&source, &mut phases).await,
            Err(refusal) => Err(refusal),
        };
        match loaded {
            Ok(()) => Some(self.changed(ChangeKind::Loaded, None, phases, String::new())),
            Err(refusal) if refusal.unvouched && self.waits_for_signature(pair) => None,
            Err(refusal) => {
                let refused = self.refuse(file, Some(pair), refusal, phases);
                // What ran before the peer was restarted still may.
                Some(match self.inner.falls_back(self.name) {
                    true => self.fall_back(Some((refused, pair))).await,
                    false => refused,
                })
            }
        }
    }

    /// Component and signature come one after the other: whichever is first does not fit yet.
    fn waits_for_signature(&self, pair: Pair) -> bool {
        self.entry(|entry| match &entry.unvouched {
            Some(unvouched) if unvouched.pair == pair => unvouched.is_waiting(),
            _ => {
                debug!(chore = %self.name, "a signature that fits is waited for");
                entry.unvouched = Some(Unvouched { pair, since: Instant::now() });
                true
            }
        })
    }

    /// Loads a version of earlier from the peer's own copy, where the files of the directory were
    /// refused.
    async fn fall_back(&self, refused: Option<(Change, Pair)>) -> Change {
        let (refused, tried) = refused.unzip();
        let history = self.history(|history| history.clone());
        let mut reason = refused.as_ref().map(|change| change.reason.clone()).unwrap_or_default();
        for version in history.running.iter().chain(&history.good).chain(&history.previous) {
            if tried == Some(pair_of(version)) {
                continue;
            }
            let mut phases = Phases::begin();
            let loaded = match self.kept(version).await {
                Ok(source) => self.open(&source, &mut phases).await,
                Err(refusal) => Err(refusal),
            };
            match loaded {
                Ok(()) => return self.changed(ChangeKind::Loaded, None, phases, reason),
                Err(refusal) => {
                    let version = &version.version;
                    warn!(chore = %self.name, version, "nor is its copy loaded: {}", refusal.reason);
                    reason = refusal.reason;
                }
            }
        }
        self.entry(|entry| entry.no_fallback = true);
        refused.unwrap_or_else(|| self.changed(ChangeKind::Refused, None, Phases::begin(), reason))
    }

    async fn kept(&self, version: &Version) -> Result<Source, Refusal> {
        let read = self.inner.components.read(version.component).await;
        let component = read.map_err(|err| Refusal::new(chain(&err)))?;
        let text = |text: &Option<String>| text.as_ref().map(|text| text.as_bytes().into());
        let (manifest, signature) = (text(&version.manifest_text), text(&version.signature_text));
        let grants = self.inner.grants_now(self.name).await;
        Ok(Source { pair: pair_of(version), component, manifest, signature, grants })
    }

    /// Where nothing runs.
    async fn open(&self, source: &Source, phases: &mut Phases) -> Result<(), Refusal> {
        phases.end("read");
        let prepared = prepare(self.inner, self.name, source, None, phases).await?;
        let Prepared { mut spec, component, grants, signature, version } = prepared;
        let failed = |(cycle, of): (&String, &Remembered)| Some((cycle.clone(), of.failed()?));
        let failed = spec.remembered.iter().filter_map(failed).collect();
        let runs = self.inner.options.config.probation_runs;
        let before = self.history(|history| history.clone());
        let mut next = before.clone();
        next.loaded(version, failed, runs);
        spec.generation = next.generation;
        let watched = next.begins_probation(&before);
        if watched {
            // A copy that is there is of a replacement that a power cut interrupted.
            self.keep_state(true).await;
        }
        let opened = Chore::open(spec, OpenReason::Loaded).await;
        phases.end("open");
        let chore = match opened {
            Ok(chore) => Arc::new(chore),
            Err(outcome) => {
                if watched {
                    self.undo_state().await;
                }
                return Err(of_open(&component.descriptor.version, &outcome));
            }
        };
        let (pair, since) = (source.pair, Timestamp::now());
        self.entry(|entry| {
            entry.standing =
                Standing::Loaded(Loaded { chore, component, pair, grants, signature, since });
            entry.refused.take_if(|refused| refused.pair == Some(pair));
            entry.history = next;
        });
        self.keep(source).await;
        Ok(())
    }

    async fn replace(&self, origin: Origin) -> Option<Change> {
        let mut phases = Phases::begin();
        let pair = origin.files.pair;
        let file = origin.files.component.to_string_lossy().into_owned();
        let Some(running) = self.running() else { return self.load(origin).await };
        let replaced = match origin.read().await {
            Ok(source) => self.take_over(&running, &source, &mut phases).await,
            Err(refusal) => Err(refusal),
        };
        let before = running.build();
        match replaced {
            Ok(kind) => Some(self.changed(kind, Some(before), phases, String::new())),
            Err(refusal) if refusal.unvouched && self.waits_for_signature(pair) => None,
            Err(refusal) => {
                if refusal.not_granted && running.pair.component == pair.component {
                    // The operator took away what it needs, in a config that is in order.
                    self.close_running(CloseReason::Removed).await;
                }
                Some(self.refuse(file, Some(pair), refusal, phases))
            }
        }
    }

    async fn take_over(
        &self,
        running: &Loaded,
        source: &Source,
        phases: &mut Phases,
    ) -> Result<ChangeKind, Refusal> {
        phases.end("read");
        let mut prepared = prepare(self.inner, self.name, source, Some(running), phases).await?;
        if running.pair.component != source.pair.component {
            let held = self.hold(running, phases).await?;
            // From here on no run of the old version changes what is known of it.
            let before = self.history(|history| history.clone());
            let mut next = before.clone();
            let runs = self.inner.options.config.probation_runs;
            next.replaced(prepared.version.clone(), running.chore.board().failed(), runs);
            prepared.spec.generation = next.generation;
            let watched = next.begins_probation(&before);
            if watched {
                self.keep_state(false).await;
            }
            let reason = OpenReason::Replaced;
            let handed = self.hand_over(&held, running, source, prepared, reason, phases).await;
            if let Err(refusal) = handed {
                if watched {
                    self.undo_state().await;
                }
                return Err(refusal);
            }
            self.entry(|entry| entry.history = next);
            drop(held);
            self.keep(source).await;
            return Ok(ChangeKind::Replaced);
        }
        let version = prepared.version.clone();
        if prepared.spec.settings == running.chore.spec().settings {
            let Prepared { spec, component, grants, signature, .. } = prepared;
            running.chore.reconfigure(spec);
            let chore = running.chore.clone();
            let (pair, since) = (source.pair, Timestamp::now());
            self.now_runs(Loaded { chore, component, pair, grants, signature, since });
            phases.end("apply");
        } else {
            let held = self.hold(running, phases).await?;
            let reason = OpenReason::SettingsChanged;
            self.hand_over(&held, running, source, prepared, reason, phases).await?;
        }
        let runs = self.inner.options.config.probation_runs;
        self.entry(|entry| entry.history.loaded(version, BTreeMap::new(), runs));
        self.keep(source).await;
        Ok(ChangeKind::Reconfigured)
    }

    async fn hold(&self, running: &Loaded, phases: &mut Phases) -> Result<Held, Refusal> {
        let held = running.chore.hold().await;
        phases.end("drain");
        held.map_err(|outcome| Refusal::new(outcome.message()))
    }

    async fn hand_over(
        &self,
        held: &Held,
        running: &Loaded,
        source: &Source,
        prepared: Prepared,
        reason: OpenReason,
        phases: &mut Phases,
    ) -> Result<(), Refusal> {
        let Prepared { spec, component, grants, signature, .. } = prepared;
        let version = &component.descriptor.version;
        held.take_over(spec, reason).await.map_err(|outcome| of_open(version, &outcome))?;
        let (chore, pair, since) = (running.chore.clone(), source.pair, Timestamp::now());
        self.now_runs(Loaded { chore, component, pair, grants, signature, since });
        phases.end("open");
        Ok(())
    }

    fn now_runs(&self, loaded: Loaded) {
        self.entry(|entry| {
            entry.standing = Standing::Loaded(loaded);
            entry.refused = None;
            // It was of what ran until now.
            entry.go_back = None;
        });
    }

    async fn go_back(&self, wish: GoBack) -> Change {
        let mut phases = Phases::begin();
        let good = self.history(|history| history.to_go_back_to().cloned());
        let (Some(running), Some(good)) = (self.running(), good) else {
            return self.changed(ChangeKind::Unchanged, None, phases, String::new());
        };
        let before = running.build();
        match self.take_back(&running, &good, &wish, &mut phases).await {
            Ok(()) => self.changed(ChangeKind::WentBack, Some(before), phases, wish.reason),
            Err(refusal) => {
                let version = &before.version;
                warn!(
                    chore = %self.name, version,
                    "going back failed, so this version goes on: {}", refusal.reason
                );
                self.entry(|entry| entry.history.going_back_failed());
                self.save_history().await;
                let reason = format!("going back failed: {}", refusal.reason);
                self.changed(ChangeKind::Refused, Some(before), phases, reason)
            }
        }
    }

    async fn take_back(
        &self,
        running: &Loaded,
        good: &Version,
        wish: &GoBack,
        phases: &mut Phases,
    ) -> Result<(), Refusal> {
        let source = self.kept(good).await?;
        phases.end("read");
        let mut prepared = prepare(self.inner, self.name, &source, Some(running), phases).await?;
        // What is gone back to is a replacement too.
        prepared.spec.generation = prepared.spec.generation.saturating_add(1);
        let held = self.hold(running, phases).await?;
        // The state of the version that failed may be nothing that the good one can read.
        let (memory, name) = (&self.inner.options.memory, self.name.as_str());
        let state = memory.load_state(name).await.map_err(|err| Refusal::new(chain(&err)))?;
        memory.restore_state(name).await.map_err(|err| Refusal::new(chain(&err)))?;
        let reason = OpenReason::Replaced;
        let handed = self.hand_over(&held, running, &source, prepared, reason, phases).await;
        if let Err(refusal) = handed {
            if let Err(err) = memory.set_state(name, state).await {
                warn!(chore = %self.name, "giving its state back: {}", chain(&err));
            }
            return Err(refusal);
        }
        self.entry(|entry| entry.history.went_back(Timestamp::now(), wish.reason.clone()));
        held.make_due(&wish.cycle);
        drop(held);
        self.keep(&source).await;
        // Not before it is written down that this is done.
        self.drop_kept_state().await;
        Ok(())
    }

    async fn remove(&self, by_operator: bool) -> Change {
        let phases = Phases::begin();
        let before = self.close_running(CloseReason::Removed).await;
        if by_operator {
            self.entry(|entry| entry.history.unload(Timestamp::now()));
            self.save_history().await;
        } else {
            let name = self.name.as_str();
            self.inner.shelf().entries.remove(self.name);
            if let Err(err) = self.inner.options.memory.remove_history(name).await {
                warn!(chore = name, "forgetting its history: {}", chain(&err));
            }
            self.drop_kept_state().await;
            self.inner.tidy_components().await;
        }
        self.changed(ChangeKind::Unloaded, before, phases, String::new())
    }

    async fn close_running(&self, reason: CloseReason) -> Option<Build> {
        let running = self.running()?;
        let grace = running.chore.spec().limits.grace;
        close_chore(self.name, running.chore.clone(), reason, grace).await;
        self.entry(|entry| entry.standing = Standing::Absent);
        Some(running.build())
    }

    // What is written down.

    /// Keeps the bytes of what runs, so that it can be gone back to when its file is another, and
    /// writes the history down. Without it the chore runs all the same.
    async fn keep(&self, source: &Source) {
        let digest = source.pair.component;
        if let Err(err) = self.inner.components.keep(digest, source.component.clone()).await {
            warn!(chore = %self.name, "it cannot be gone back to: {}", chain(&err));
        }
        self.save_history().await;
        self.inner.tidy_components().await;
    }

    async fn save_history(&self) {
        self.inner.save_history(self.name).await;
    }

    async fn keep_state(&self, first: bool) {
        let memory = &self.inner.options.memory;
        if let Err(err) = memory.keep_state(self.name.as_str(), first).await {
            warn!(chore = %self.name, "its state cannot be gone back to: {}", chain(&err));
        }
    }

    /// What is to be watched did not open.
    async fn undo_state(&self) {
        if let Err(err) = self.inner.options.memory.restore_state(self.name.as_str()).await {
            warn!(chore = %self.name, "giving its state back: {}", chain(&err));
        }
        self.drop_kept_state().await;
    }

    async fn drop_kept_state(&self) {
        if let Err(err) = self.inner.options.memory.drop_kept_state(self.name.as_str()).await {
            warn!(chore = %self.name, "dropping a copy of its state: {}", chain(&err));
        }
    }

    // The entry.

    fn entry<T>(&self, change: impl FnOnce(&mut super::Entry) -> T) -> T {
        match self.inner.shelf().entries.get_mut(self.name) {
            Some(entry) => change(entry),
            // It was removed.
            None => change(&mut super::Entry::default()),
        }
    }

    fn history<T>(&self, look: impl FnOnce(&crate::history::History) -> T) -> T {
        self.entry(|entry| look(&entry.history))
    }

    fn running(&self) -> Option<Loaded> {
        self.entry(|entry| entry.loaded().cloned())
    }

    // What is said of it.

    fn refuse(&self, file: String, pair: Option<Pair>, refusal: Refusal, phases: Phases) -> Change {
        let Refusal { version, reason, .. } = refusal;
        let digest = pair.map(|pair| pair.component.to_string()).unwrap_or_default();
        let goes_on = self.running().map(|running| running.build().version);
        match &goes_on {
            Some(runs) => {
                warn!(chore = %self.name, file, digest, "not replaced, {runs} goes on: {reason}");
            }
            None => warn!(chore = %self.name, file, digest, "chore not loaded: {reason}"),
        }
        let told = reason.clone();
        let since = Timestamp::now();
        self.entry(|entry| entry.refused = Some(Refused { file, pair, version, reason, since }));
        self.changed(ChangeKind::Refused, None, phases, told)
    }

    fn changed(
        &self,
        kind: ChangeKind,
        from: Option<Build>,
        phases: Phases,
        reason: String,
    ) -> Change {
        let (to, generation) = self.entry(|entry| {
            // Whatever was waited for, this is what has come of it.
            entry.unvouched = None;
            (entry.loaded().map(Loaded::build), entry.history.generation)
        });
        let chore = self.name.as_str().to_owned();
        let change = Change { chore, kind, from, to, generation, phases: phases.list(), reason };
        tell(&change);
        self.inner.options.meters.changed(&change.chore, change.kind.word());
        self.inner.options.ledger.event(event(&change));
        self.inner.options.news.tell(|| Event::Change(change.clone()));
        change
    }
}

fn pair_of(version: &Version) -> Pair {
    let signature = version.signature_text.as_ref().map(|text| Digest::of(text.as_bytes()));
    Pair { component: version.component, manifest: version.manifest, signature }
}

fn of_open(version: &str, outcome: &Outcome) -> Refusal {
    let reason = format!("its open {}: {}", outcome.word(), outcome.message());
    Refusal { version: version.to_owned(), ..Refusal::new(reason) }
}
