//! The only room that loads, replaces and unloads chores. It knows no config file of the peer, and
//! nobody who asks.
//!
//! One task, the keeper, follows the chores directory and takes commands. It decides with `plan`,
//! and begins a change for each chore that needs one: one at a time for a chore, and side by side
//! for several, so that one that takes its time holds up no other. What cannot be loaded is kept by
//! name with the reason, for whoever looks.

mod change;
pub(crate) mod describe;
mod detail;
mod entry;
mod keeper;
mod origin;
mod prepare;
mod record;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::bindings::lifecycle::CloseReason;
use crate::chore::{self, Board, Chore, StopWanted};
use crate::components::{self, Components};
use crate::config::Chores;
use crate::error::chain;
use crate::folder::{self, Folder, Reader};
use crate::kademlia::Kademlia;
use crate::ledger::Ledger;
use crate::limits::{CLOSE_TIMEOUT, LOAD_AT_START_MAX, REGISTRY_COMMANDS_WAITING};
use crate::logs::Logs;
use crate::memory::{self, Memory};
use crate::meters::Meters;
use crate::name::{ChoreName, nearest};
use crate::news::News;
use crate::node_id::NodeId;
use crate::orders::Orders;
use crate::runtime::Runtime;
use crate::status::{Change, ChoreDetail, ChoreStatus, Triggered};
use crate::transport::Transport;
use crate::watch::Sights;
use entry::Entry;
use keeper::{Command, Keeper};

/// Why no chores can be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Folder(#[from] folder::Error),
    #[error(transparent)]
    Components(#[from] components::Error),
    #[error("the histories of chores")]
    Memory(#[from] memory::Error),
}

/// Why a control was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("no chore {name:?} is in this peer{}", hint(.nearest))]
    UnknownChore { name: String, nearest: Option<String> },
    #[error(transparent)]
    UnknownCycle(#[from] chore::ControlError),
    #[error("chore {name} is not loaded: {reason}")]
    Refused { name: String, reason: String },
    #[error("chore {0} has no earlier version that was good: there is nothing to go back to")]
    NothingToGoBackTo(String),
    /// The chores directory cannot be read.
    #[error("{0}")]
    Folder(String),
    #[error("the peer is closing: no run will come")]
    Stopped,
    #[error("no run {0} is in the ledger: it keeps the last ones of each cycle")]
    UnknownRun(u64),
    /// The ledger cannot be read.
    #[error("{0}")]
    Ledger(String),
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

/// What chores are loaded with.
pub struct Options {
    /// Where `NAME.wasm` and `NAME.toml` are.
    pub directory: PathBuf,
    /// Where each chore's own database goes, as `NAME.db`. It exists.
    pub databases: PathBuf,
    /// Where copies of components go, so that there is something to go back to.
    pub components: PathBuf,
    pub config: Chores,
    /// Jitter differs from node to node.
    pub node: NodeId,
    pub runtime: Runtime,
    pub memory: Memory,
    pub meters: Meters,
    pub ledger: Ledger,
    pub news: News,
    pub logs: Logs,
    pub stop_wanted: StopWanted,
    /// `None` where the peer keeps no orders.
    pub orders: Option<Orders>,
    pub kademlia: Arc<dyn Kademlia>,
    pub transport: Transport,
}

/// The chores of one peer. Clones share them.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
    commands: mpsc::Sender<Command>,
    keeper: Arc<Mutex<Option<AbortOnDropHandle<()>>>>,
}

/// The chores of the start are being loaded.
pub type Loading = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Inner {
    options: Options,
    components: Components,
    reader: Reader,
    shelf: Mutex<Shelf>,
    /// A chore wants to go back, or its history is to be written down.
    nudge: Notify,
    /// The keeper is to end.
    stop: CancellationToken,
}

#[derive(Default)]
struct Shelf {
    entries: BTreeMap<ChoreName, Entry>,
    /// Files whose names are no chore's, and why.
    misnamed: BTreeMap<String, String>,
    /// Why the directory cannot be followed; empty if it can.
    problem: String,
}

impl Registry {
    /// Loads what is in the chores directory, and follows it from here on. Fails only if the
    /// directory cannot be read; what is wrong with one chore stands in its status.
    ///
    /// What is returned beside it ends when every chore is loaded or refused, or after
    /// [`LOAD_AT_START_MAX`].
    pub async fn start(options: Options) -> Result<(Registry, Loading), Error> {
        let components = Components::open(options.components.clone()).await?;
        let entries = entry::remembered(&options.memory).await?;
        let shelf = Mutex::new(Shelf { entries, ..Shelf::default() });
        let folder = Folder::open(options.directory.clone(), options.config.scan_interval);
        let (reader, nudge, stop) = (folder.reader(), Notify::new(), CancellationToken::new());
        let inner = Arc::new(Inner { options, components, reader, shelf, nudge, stop });
        let (commands, taken) = mpsc::channel(REGISTRY_COMMANDS_WAITING);
        let mut keeper = Keeper::new(inner.clone(), folder, taken);
        let loaded = keeper.first_look().await?;
        let keeper = AbortOnDropHandle::new(tokio::spawn(keeper.keep()));
        let loading = Box::pin(async {
            if timeout(LOAD_AT_START_MAX, loaded).await.is_err() {
                warn!("not all chores are loaded yet: the peer goes on without them meanwhile");
            }
        });
        let keeper = Arc::new(Mutex::new(Some(keeper)));
        Ok((Registry { inner, commands, keeper }, loading))
    }

    /// By name. Never waits for a run.
    pub fn status(&self) -> Vec<ChoreStatus> {
        let shelf = self.inner.shelf();
        let misnamed = shelf.misnamed.iter().map(|(file, reason)| entry::misnamed(file, reason));
        let entries = shelf.entries.iter().map(|(name, entry)| entry.status(name));
        let mut all: Vec<ChoreStatus> = entries.chain(misnamed).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// One of them, whatever its state.
    pub fn chore(&self, name: &str) -> Result<ChoreStatus, ControlError> {
        let shelf = self.inner.shelf();
        let found = shelf.entries.get_key_value(name);
        found.map(|(name, entry)| entry.status(name)).ok_or_else(|| shelf.unknown(name))
    }

    /// One of them in full, whatever its state.
    pub fn detail(&self, name: &str) -> Result<ChoreDetail, ControlError> {
        let shelf = self.inner.shelf();
        match (shelf.entries.get_key_value(name), shelf.misnamed.get(name)) {
            (Some((name, entry)), _) => Ok(entry.detail(name)),
            (None, Some(reason)) => Ok(entry::misnamed(name, reason).into()),
            (None, None) => Err(shelf.unknown(name)),
        }
    }

    /// For the watchdog, which waits for nothing: `None` while somebody else looks or changes it.
    pub fn sights(&self) -> Option<Sights> {
        let shelf = match self.inner.shelf.try_lock() {
            Ok(shelf) => shelf,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let loaded = shelf.entries.iter().filter_map(|(name, entry)| Some((name, entry.loaded()?)));
        let sights = loaded.map(|(name, loaded)| (name.to_string(), loaded.chore.board().sights()));
        Some(sights.collect())
    }

    /// Why the chores directory cannot be followed now; empty if it can.
    pub fn problem(&self) -> String {
        self.inner.shelf().problem.clone()
    }

    /// The cycles of a chore, for controls.
    pub fn board(&self, name: &str) -> Result<Arc<Board>, ControlError> {
        let shelf = self.inner.shelf();
        let Some(entry) = shelf.entries.get(name) else { return Err(shelf.unknown(name)) };
        entry.board().ok_or_else(|| ControlError::Refused {
            name: name.to_owned(),
            reason: entry.status_reason(name),
        })
    }

    /// Runs a cycle now; with `wait`, answers when that run has ended.
    pub async fn trigger(
        &self,
        name: &str,
        cycle: Option<&str>,
        wait: bool,
        by: &str,
    ) -> Result<Triggered, ControlError> {
        let answer = self.board(name)?.trigger(cycle, wait, by)?;
        answer.await.map_err(|_| ControlError::Stopped)
    }

    /// Looks at the directory now, tries again what was refused, and answers when all of it is done
    /// with what has changed. With `force`, also what was quarantined. With a name, only that chore
    /// is waited for, and it is among the answers even if nothing changed.
    pub async fn reload(
        &self,
        name: Option<&str>,
        force: bool,
    ) -> Result<Vec<Change>, ControlError> {
        let name = name.map(str::to_owned);
        self.ask(|answer| Command::Reload { name, force, answer }).await
    }

    /// Closes a chore, which stays unloaded, over restarts of the peer too, until [`Registry::load`].
    pub async fn unload(&self, name: &str) -> Result<Vec<Change>, ControlError> {
        let name = name.to_owned();
        self.ask(|answer| Command::Unload { name, answer }).await
    }

    /// Ends an unload.
    pub async fn load(&self, name: &str) -> Result<Vec<Change>, ControlError> {
        let name = name.to_owned();
        self.ask(|answer| Command::Load { name, answer }).await
    }

    /// Lets the last good version that does not run take over again. What ran is in quarantine then.
    pub async fn go_back(&self, name: &str, reason: String) -> Result<Vec<Change>, ControlError> {
        let name = name.to_owned();
        self.ask(|answer| Command::GoBack { name, reason, answer }).await
    }

    async fn ask(
        &self,
        command: impl FnOnce(keeper::Answer) -> Command,
    ) -> Result<Vec<Change>, ControlError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| ControlError::Stopped)?;
        answered.await.map_err(|_| ControlError::Stopped)?
    }

    /// Closes every chore, all at once because none depends on another, and returns within
    /// `budget`: changes under way are dropped, runs in progress are asked to wind down, then
    /// interrupted, and `close` is called.
    pub async fn close(&self, budget: Duration) {
        let end = Instant::now() + budget;
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            self.inner.stop.cancel();
            // Dropping it aborts it.
            if timeout_at(end, keeper).await.is_err() {
                warn!("the chores directory could not be left in time");
            }
        }
        // What is left after the runs must do for `close`.
        let drain = budget.saturating_sub(CLOSE_TIMEOUT).max(budget / 2);
        let closing: Vec<_> = {
            let mut shelf = self.inner.shelf();
            let closing = shelf.entries.iter_mut().filter_map(|(name, entry)| {
                let loaded = entry.standing.close()?;
                Some((name.clone(), loaded.chore))
            });
            closing.collect()
        };
        let close = |(name, chore)| async move {
            let closed = close_chore(&name, chore, CloseReason::Shutdown, drain);
            if timeout_at(end, closed).await.is_err() {
                warn!(chore = %name, "chore not closed within the budget: ended");
            }
        };
        join_all(closing.into_iter().map(close)).await;
    }
}

/// Closes a chore that is in no entry any more, and says how that went.
async fn close_chore(name: &ChoreName, chore: Arc<Chore>, reason: CloseReason, drain: Duration) {
    let outcome = chore.close(reason, drain).await;
    match outcome.succeeded() {
        true => info!(chore = %name, "chore closed"),
        false => {
            let message = outcome.message();
            warn!(chore = %name, "closing the chore {}: {message}", outcome.word());
        }
    }
    if let Err(err) = chore.spec().services.sql.close().await {
        warn!(chore = %name, "closing the chore's database failed: {}", chain(&err));
    }
}

impl Inner {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        // Every change is one insert or a few assignments, so a panic elsewhere leaves it whole.
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn unknown(&self, name: &str) -> ControlError {
        let known = self.entries.keys().map(ChoreName::as_str);
        let known = known.chain(self.misnamed.keys().map(String::as_str));
        let nearest = nearest(name, known).map(str::to_owned);
        ControlError::UnknownChore { name: name.to_owned(), nearest }
    }
}
