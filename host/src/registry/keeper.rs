//! The task that follows the chores directory: it looks, plans, begins changes and answers
//! commands. It waits for no change, so that a chore that takes its time holds up no other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{error, info, warn};

use super::change::{Task, carry_out};
use super::entry::{Entry, GoBack, Refused, Unvouched};
use super::origin::Origin;
use super::{ControlError, Inner, Shelf};
use crate::clock::Timestamp;
use crate::error::chain;
use crate::folder::{self, Folder, Listing};
use crate::limits::RELOAD_SETTLE_MAX;
use crate::name::ChoreName;
use crate::news::Event;
use crate::plan::{Reason, Verdict, is_signature, plan};
use crate::record::ProblemRecord;
use crate::status::{Change, ChangeKind};

pub(super) type Answer = oneshot::Sender<Result<Vec<Change>, ControlError>>;

pub(super) enum Command {
    Reload { name: Option<String>, force: bool, answer: Answer },
    Unload { name: String, answer: Answer },
    Load { name: String, answer: Answer },
    GoBack { name: String, reason: String, answer: Answer },
}

pub(super) struct Keeper {
    inner: Arc<Inner>,
    folder: Folder,
    commands: mpsc::Receiver<Command>,
    changes: JoinSet<Option<Change>>,
    /// Whose change a task is: one that panicked cannot say.
    names: HashMap<Id, ChoreName>,
    waiting: Vec<Waiting>,
    /// Chores to be unloaded when the change under way is done.
    unloading: BTreeSet<ChoreName>,
    /// At the last look some file was still being written.
    settling: bool,
    /// Files that were mentioned once.
    noted: BTreeSet<OsString>,
}

/// A command that is answered when what it began is done.
struct Waiting {
    /// `None`: of all chores.
    name: Option<ChoreName>,
    since: Instant,
    changes: Vec<Change>,
    answer: Answer,
}

impl Keeper {
    pub fn new(inner: Arc<Inner>, folder: Folder, commands: mpsc::Receiver<Command>) -> Keeper {
        Keeper {
            inner,
            folder,
            commands,
            changes: JoinSet::new(),
            names: HashMap::new(),
            waiting: Vec::new(),
            unloading: BTreeSet::new(),
            settling: false,
            noted: BTreeSet::new(),
        }
    }

    /// Begins to load what is there. What is returned ends when that is done.
    pub async fn first_look(&mut self) -> Result<impl Future<Output = ()> + use<>, folder::Error> {
        let listing = self.folder.look().await?;
        self.follow(listing).await;
        let (answer, answered) = oneshot::channel();
        self.wait(None, answer);
        self.answer();
        // How it went stands in each chore's status.
        Ok(async { drop(answered.await) })
    }

    /// Ends when the registry closes, with no change under way.
    pub async fn keep(mut self) {
        let stop = self.inner.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.give_up().await,
                Some(command) = self.commands.recv() => self.command(command).await,
                Some(done) = self.changes.join_next_with_id() => {
                    self.done(done);
                    // The files may have changed again meanwhile.
                    self.look().await;
                }
                () = self.inner.nudge.notified() => self.nudged().await,
                () = self.folder.changed() => self.look().await,
                () = waited_for(self.inner.shelf().signatures_end()) => self.look().await,
            }
            self.answer();
        }
    }

    /// Drops the changes under way, and says of which chores.
    async fn give_up(&mut self) {
        for name in self.names.values() {
            warn!(chore = %name, "the peer closes: loading or unloading the chore was interrupted");
        }
        self.changes.shutdown().await;
    }

    async fn look(&mut self) {
        match self.folder.look().await {
            Ok(listing) => {
                let problem = std::mem::take(&mut self.inner.shelf().problem);
                if !problem.is_empty() {
                    info!("the chores directory is followed again");
                    self.tell_problem("");
                }
                self.follow(listing).await;
            }
            // Whatever it is, what runs goes on.
            Err(err) => {
                let problem = chain(&err);
                let before = std::mem::replace(&mut self.inner.shelf().problem, problem.clone());
                if before != problem {
                    self.tell_problem(&problem);
                    warn!("no chore is loaded, replaced or unloaded now: {problem}");
                }
            }
        }
    }

    fn tell_problem(&self, message: &str) {
        self.inner.options.news.tell(|| {
            let (at, chore) = (Timestamp::now(), String::new());
            let (what, message) = ("directory".to_owned(), message.to_owned());
            Event::Problem(ProblemRecord { at, chore, what, message })
        });
    }

    /// Begins what the plan says.
    async fn follow(&mut self, mut listing: Listing) {
        self.settling = listing.settling;
        if self.inner.options.config.trusted_keys.is_empty() {
            // They say nothing to a peer that asks for none.
            listing.found.retain(|found| !is_signature(&found.file_name));
        }
        let known = self.inner.shelf().known();
        let verdicts = plan(&listing.found, &known);
        let forgotten = self.inner.shelf().note(&verdicts);
        for name in forgotten {
            if let Err(err) = self.inner.options.memory.remove_history(name.as_str()).await {
                warn!(chore = %name, "forgetting its history: {}", chain(&err));
            }
        }
        for verdict in verdicts {
            if let Verdict::Note { file, reason } = &verdict {
                self.note(file, reason);
            }
            if let Some((name, task)) = self.task(verdict, &mut listing) {
                self.begin(name, task);
            }
        }
    }

    fn note(&mut self, file: &OsString, reason: &Reason) {
        if self.noted.insert(file.clone()) {
            warn!(file = %file.to_string_lossy(), "not used: {reason}");
        }
    }

    fn task(&mut self, verdict: Verdict, listing: &mut Listing) -> Option<(ChoreName, Task)> {
        match verdict {
            Verdict::Load { name, files } => Some((name, Task::Load(self.origin(files, listing)))),
            Verdict::Replace { name, files } | Verdict::Reconfigure { name, files } => {
                Some((name, Task::Replace(self.origin(files, listing))))
            }
            Verdict::Unload { name } => Some((name, Task::Remove)),
            // There is a file, and it is not to be loaded: what ran before still is.
            Verdict::Refuse { name: Some(name), .. } | Verdict::Keep { name, pair: Some(_) } => {
                let idle = self.inner.shelf().entries.get(&name).is_some_and(Entry::is_idle);
                (idle && self.inner.falls_back(&name)).then_some((name, Task::FallBack))
            }
            Verdict::Refuse { .. } | Verdict::Keep { .. } | Verdict::Note { .. } => None,
        }
    }

    fn origin(&self, files: crate::plan::Files, listing: &mut Listing) -> Origin {
        let component = listing.take(&files.component);
        let manifest = files.manifest.as_ref().and_then(|file| listing.take(file));
        let signature = files.signature.as_ref().and_then(|file| listing.take(file));
        Origin { component, manifest, signature, reader: self.folder.reader(), files }
    }

    fn begin(&mut self, name: ChoreName, task: Task) {
        self.inner.shelf().entries.entry(name.clone()).or_default().busy = true;
        let change = carry_out(self.inner.clone(), name.clone(), task);
        let id = self.changes.spawn(change).id();
        self.names.insert(id, name);
    }

    fn done(&mut self, done: Result<(Id, Option<Change>), JoinError>) {
        let (id, change) = match done {
            Ok((id, change)) => (id, change),
            Err(err) => {
                error!("the host failed while a chore was changed: {err}");
                (err.id(), None)
            }
        };
        let Some(name) = self.names.remove(&id) else { return };
        if let Some(entry) = self.inner.shelf().entries.get_mut(&name) {
            entry.busy = false;
        }
        if let Some(change) = change {
            for waiting in &mut self.waiting {
                if waiting.name.as_ref().is_none_or(|of| *of == name) {
                    waiting.changes.push(change.clone());
                }
            }
        }
        if self.unloading.remove(&name) {
            self.begin(name, Task::Unload);
        }
        // It may have waited for the end of this change.
        self.inner.nudge.notify_one();
    }

    /// Goes back where a run says so, and writes down what runs have changed.
    async fn nudged(&mut self) {
        let (mut backs, mut unsaved) = (Vec::new(), Vec::new());
        for (name, entry) in &mut self.inner.shelf().entries {
            if !entry.busy {
                backs.extend(entry.go_back.take().map(|wish| (name.clone(), wish)));
            }
            if entry.unsaved {
                unsaved.push((name.clone(), entry.history.probation.is_none()));
            }
        }
        for (name, wish) in backs {
            self.begin(name, Task::GoBack(wish));
        }
        for (name, good) in unsaved {
            self.inner.save_history(&name).await;
            if good && let Err(err) = self.inner.options.memory.drop_kept_state(name.as_str()).await
            {
                warn!(chore = %name, "dropping a copy of its state: {}", chain(&err));
            }
        }
    }

    // Commands.

    async fn command(&mut self, command: Command) {
        match command {
            Command::Reload { name, force, answer } => {
                self.inner.shelf().forgive(name.as_deref(), force);
                self.look().await;
                let problem = self.inner.shelf().problem.clone();
                if !problem.is_empty() {
                    return refuse(answer, ControlError::Folder(problem));
                }
                // Not before: its file may have been dropped a moment ago.
                match name.map(|name| self.known(&name)).transpose() {
                    Ok(name) => self.wait(name, answer),
                    Err(err) => refuse(answer, err),
                }
            }
            Command::Unload { name, answer } => match self.known(&name) {
                Ok(name) => {
                    let busy = self.inner.shelf().entries.get(&name).is_some_and(|of| of.busy);
                    match busy {
                        true => drop(self.unloading.insert(name.clone())),
                        false => self.begin(name.clone(), Task::Unload),
                    }
                    self.wait(Some(name), answer);
                }
                Err(err) => refuse(answer, err),
            },
            Command::GoBack { name, reason, answer } => match self.known(&name) {
                Ok(name) => match self.wishes_back(&name, reason) {
                    true => {
                        self.nudged().await;
                        self.wait(Some(name), answer);
                    }
                    false => refuse(answer, ControlError::NothingToGoBackTo(name.to_string())),
                },
                Err(err) => refuse(answer, err),
            },
            Command::Load { name, answer } => match self.known(&name) {
                Ok(name) => {
                    if let Some(entry) = self.inner.shelf().entries.get_mut(&name) {
                        entry.history.unloaded = None;
                    }
                    self.inner.save_history(&name).await;
                    self.look().await;
                    self.wait(Some(name), answer);
                }
                Err(err) => refuse(answer, err),
            },
        }
    }

    /// Whether there is something to go back to; then that is what comes next.
    fn wishes_back(&self, name: &ChoreName, reason: String) -> bool {
        let mut shelf = self.inner.shelf();
        let Some(entry) = shelf.entries.get_mut(name) else { return false };
        let possible = entry.loaded().is_some() && entry.history.to_go_back_to().is_some();
        if possible {
            // No run is to be made up for.
            entry.go_back = Some(GoBack { cycle: String::new(), reason });
        }
        possible
    }

    /// The chore of this name, even if it only has a file that was refused.
    fn known(&self, name: &str) -> Result<ChoreName, ControlError> {
        let shelf = self.inner.shelf();
        match shelf.entries.get_key_value(name) {
            Some((name, _)) => Ok(name.clone()),
            // A file that was dropped a moment ago is not known yet.
            None => match (ChoreName::new(name), self.settling) {
                (Ok(name), true) => Ok(name),
                _ => Err(shelf.unknown(name)),
            },
        }
    }

    fn wait(&mut self, name: Option<ChoreName>, answer: Answer) {
        self.waiting.push(Waiting { name, since: Instant::now(), changes: Vec::new(), answer });
    }

    /// Answers the commands that have nothing to wait for any more.
    fn answer(&mut self) {
        let waits = |waiting: &mut Waiting| {
            let shelf = self.inner.shelf();
            let busy = match &waiting.name {
                Some(name) => {
                    shelf
                        .entries
                        .get(name)
                        .is_some_and(|entry| entry.is_changing() || entry.go_back.is_some())
                        || self.unloading.contains(name)
                }
                None => shelf.entries.values().any(Entry::is_changing),
            };
            let settling = self.settling && waiting.since.elapsed() < RELOAD_SETTLE_MAX;
            !busy && !settling
        };
        for waiting in self.waiting.extract_if(.., waits) {
            let Waiting { name, mut changes, answer, .. } = waiting;
            if let Some(name) = name
                && changes.is_empty()
            {
                changes.push(self.inner.shelf().unchanged(&name));
            }
            // Who asked may have gone.
            let _ = answer.send(Ok(changes));
        }
    }
}

/// Never, if nothing is.
async fn waited_for(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => std::future::pending().await,
    }
}

fn refuse(answer: Answer, err: ControlError) {
    // Who asked may have gone.
    let _ = answer.send(Err(err));
}

impl Entry {
    fn is_changing(&self) -> bool {
        self.busy || self.waits_for_signature().is_some()
    }

    fn is_idle(&self) -> bool {
        !self.busy && self.loaded().is_none() && self.history.unloaded.is_none()
    }
}

impl Shelf {
    /// When the next chore has waited for its signature long enough.
    fn signatures_end(&self) -> Option<Instant> {
        let waiting = self.entries.values().filter_map(Entry::waits_for_signature);
        waiting.map(Unvouched::ends).min()
    }

    fn known(&self) -> BTreeMap<ChoreName, crate::plan::Known> {
        self.entries.iter().map(|(name, entry)| (name.clone(), entry.known())).collect()
    }

    /// Takes down what the plan says of files that are not to be read, and forgets what is gone:
    /// what it answers had been loaded once.
    fn note(&mut self, verdicts: &[Verdict]) -> Vec<ChoreName> {
        let told = std::mem::take(&mut self.misnamed);
        let mut there = BTreeSet::new();
        for verdict in verdicts {
            match verdict {
                Verdict::Refuse { file, name: None, reason } => {
                    let (file, reason) = (file.to_string_lossy(), reason.to_string());
                    if told.get(&*file) != Some(&reason) {
                        warn!(file = &*file, "not loaded: {reason}");
                    }
                    self.misnamed.insert(file.into_owned(), reason);
                }
                Verdict::Refuse { file, name: Some(name), reason } => {
                    there.insert(name);
                    self.refuse(name, file.to_string_lossy().into_owned(), reason.to_string());
                }
                Verdict::Keep { name, pair } => {
                    there.insert(name);
                    let stale = |refused: &mut Refused| pair.is_some() && refused.pair != *pair;
                    if let Some(entry) = self.entries.get_mut(name) {
                        entry.refused.take_if(stale);
                    }
                }
                Verdict::Load { name, .. }
                | Verdict::Replace { name, .. }
                | Verdict::Reconfigure { name, .. }
                | Verdict::Unload { name } => {
                    there.insert(name);
                }
                Verdict::Note { .. } => {}
            }
        }
        let gone = |name: &ChoreName, entry: &mut Entry| !there.contains(name) && entry.is_idle();
        let gone: Vec<_> = self.entries.extract_if(.., gone).collect();
        gone.into_iter().filter(|(_, of)| of.history.generation > 0).map(|(name, _)| name).collect()
    }

    fn refuse(&mut self, name: &ChoreName, file: String, reason: String) {
        let entry = self.entries.entry(name.clone()).or_default();
        if entry.refused.as_ref().is_some_and(|refused| refused.reason == reason) {
            return;
        }
        warn!(chore = %name, file, "not loaded: {reason}");
        entry.refused = Some(Refused {
            file,
            pair: None,
            version: String::new(),
            reason,
            since: Timestamp::now(),
        });
    }

    /// What was refused is tried again; with `force`, what is in quarantine too.
    fn forgive(&mut self, name: Option<&str>, force: bool) {
        for (of, entry) in &mut self.entries {
            if name.is_none_or(|name| name == of.as_str()) {
                entry.refused = None;
                entry.no_fallback = false;
                if force {
                    entry.history.forgive();
                }
            }
        }
    }

    /// Of a chore that a command named and that needed nothing.
    fn unchanged(&self, name: &ChoreName) -> Change {
        let entry = self.entries.get(name);
        let to = entry.and_then(|entry| Some(entry.loaded()?.build()));
        let status = entry.map(|entry| entry.status(name));
        let refused = status.as_ref().and_then(|status| status.refused.as_ref());
        let reason = match (refused, &status) {
            (Some(refused), _) => refused.reason.clone(),
            (None, Some(status)) => status.reason.clone(),
            (None, None) => format!("there is no {name}.wasm"),
        };
        let kind = if reason.is_empty() { ChangeKind::Unchanged } else { ChangeKind::Refused };
        let generation = entry.map_or(0, |entry| entry.history.generation);
        let chore = name.as_str().to_owned();
        Change { chore, kind, from: to.clone(), to, generation, phases: Vec::new(), reason }
    }
}
