//! The only room that loads and unloads chores. It knows no config file of the peer, and nobody who
//! asks.
//!
//! Chores are loaded side by side, so that one that takes its time to open holds up no other. One
//! that cannot be loaded is kept by name with the reason, for whoever looks.

mod describe;
mod folder;
mod load;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use crate::bindings::lifecycle::CloseReason;
use crate::chore::{self, Board, Chore};
use crate::config::Chores;
use crate::kademlia::Kademlia;
use crate::limits::CLOSE_TIMEOUT;
use crate::memory::Memory;
use crate::meters::Meters;
use crate::name::nearest;
use crate::node_id::NodeId;
use crate::orders::Orders;
use crate::plan::Verdict;
use crate::runtime::Runtime;
use crate::status::{ChoreStatus, Triggered};
use crate::transport::Transport;

pub use folder::Error;

/// Why a control was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("no chore {name:?} is in this peer{}", hint(.nearest))]
    UnknownChore { name: String, nearest: Option<String> },
    #[error(transparent)]
    UnknownCycle(#[from] chore::ControlError),
    #[error("chore {name} is not loaded: {reason}")]
    Refused { name: String, reason: String },
    #[error("the peer is closing: no run will come")]
    Stopped,
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
    pub config: Chores,
    /// Jitter differs from node to node.
    pub node: NodeId,
    pub runtime: Runtime,
    pub memory: Memory,
    pub meters: Meters,
    /// `None` where the peer keeps no orders.
    pub orders: Option<Orders>,
    pub kademlia: Arc<dyn Kademlia>,
    pub transport: Transport,
}

/// The chores of one peer. Clones share them.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    options: Options,
    entries: Mutex<BTreeMap<String, Entry>>,
}

/// One component of the chores directory.
struct Entry {
    digest: String,
    version: String,
    about: String,
    grants: Vec<String>,
    standing: Standing,
}

enum Standing {
    Loaded(Chore),
    /// Controls still answer.
    Closed(Arc<Board>),
    Refused {
        reason: String,
    },
}

impl Registry {
    /// Loads what is in the chores directory. Fails only if the directory cannot be read; what is
    /// wrong with one chore stands in its status.
    pub async fn load(options: Options) -> Result<Registry, Error> {
        let verdicts = folder::list(options.directory.clone()).await?;
        let registry = Registry(Arc::new(Inner { options, entries: Mutex::default() }));
        join_all(verdicts.into_iter().map(|verdict| registry.carry_out(verdict))).await;
        Ok(registry)
    }

    async fn carry_out(&self, verdict: Verdict) {
        let options = &self.0.options;
        let (name, entry) = match verdict {
            Verdict::Load { name, component, manifest } => {
                let files = load::Files { name: name.clone(), component, manifest };
                let begun = Instant::now();
                let entry = load::load(options, files).await;
                if let Standing::Loaded(chore) = &entry.standing {
                    let (version, digest) = (&chore.spec().version, &entry.digest[..12]);
                    let elapsed = format!("{:.1?}", begun.elapsed());
                    info!(chore = %name, version, digest, elapsed, "chore loaded");
                }
                (name.as_str().to_owned(), entry)
            }
            Verdict::Refuse { file, reason } => {
                let name = file.to_string_lossy().into_owned();
                (name, Entry::refused(String::new(), reason.to_string()))
            }
            Verdict::Note { file, reason } => {
                warn!(file = %file.to_string_lossy(), "not used: {reason}");
                return;
            }
        };
        if let Standing::Refused { reason } = &entry.standing {
            warn!(chore = name, "chore not loaded: {reason}");
        }
        self.entries().insert(name, entry);
    }

    /// By name. Never waits for a run.
    pub fn status(&self) -> Vec<ChoreStatus> {
        self.entries().iter().map(|(name, entry)| entry.status(name)).collect()
    }

    /// The cycles of a chore, for controls.
    pub fn board(&self, name: &str) -> Result<Arc<Board>, ControlError> {
        let entries = self.entries();
        match entries.get(name).map(|entry| &entry.standing) {
            Some(Standing::Loaded(chore)) => Ok(chore.board().clone()),
            Some(Standing::Closed(board)) => Ok(board.clone()),
            Some(Standing::Refused { reason }) => {
                Err(ControlError::Refused { name: name.to_owned(), reason: reason.clone() })
            }
            None => {
                let nearest = nearest(name, entries.keys().map(String::as_str)).map(str::to_owned);
                Err(ControlError::UnknownChore { name: name.to_owned(), nearest })
            }
        }
    }

    /// Runs a cycle now; with `wait`, answers when that run has ended.
    pub async fn trigger(
        &self,
        name: &str,
        cycle: Option<&str>,
        wait: bool,
    ) -> Result<Triggered, ControlError> {
        let answer = self.board(name)?.trigger(cycle, wait)?;
        answer.await.map_err(|_| ControlError::Stopped)
    }

    /// Closes every chore, all at once because none depends on another, and returns within
    /// `budget`: runs in progress are asked to wind down, then interrupted, and `close` is called.
    pub async fn close(&self, budget: Duration) {
        let end = Instant::now() + budget;
        // What is left after the runs must do for `close`.
        let drain = budget.saturating_sub(CLOSE_TIMEOUT).max(budget / 2);
        let closing: Vec<_> = {
            let mut entries = self.entries();
            let closing = entries.iter_mut().filter_map(|(name, entry)| {
                let chore = entry.standing.close()?;
                Some((name.clone(), chore))
            });
            closing.collect()
        };
        let close = |(name, chore): (String, Chore)| async move {
            let sql = chore.spec().services.sql.clone();
            match timeout_at(end, chore.close(CloseReason::Shutdown, drain)).await {
                Ok(outcome) if outcome.succeeded() => info!(chore = name, "chore closed"),
                Ok(outcome) => {
                    let message = outcome.message();
                    warn!(chore = name, "closing the chore {}: {message}", outcome.word());
                }
                Err(_) => warn!(chore = name, "chore not closed within the budget: ended"),
            }
            if let Ok(Err(err)) = timeout_at(end, sql.close()).await {
                warn!(chore = name, "closing the chore's database failed: {err}");
            }
        };
        join_all(closing.into_iter().map(close)).await;
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // Every change is one insert or one assignment, so a panic elsewhere leaves it whole.
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    /// The chore, if it was loaded; controls go on to answer.
    fn close(&mut self) -> Option<Chore> {
        let Standing::Loaded(chore) = self else { return None };
        let board = chore.board().clone();
        match std::mem::replace(self, Standing::Closed(board)) {
            Standing::Loaded(chore) => Some(chore),
            Standing::Closed(_) | Standing::Refused { .. } => None,
        }
    }
}

impl Entry {
    fn refused(digest: String, reason: String) -> Entry {
        Entry {
            digest,
            version: String::new(),
            about: String::new(),
            grants: Vec::new(),
            standing: Standing::Refused { reason },
        }
    }

    fn status(&self, name: &str) -> ChoreStatus {
        let (state, reason, cycles) = match &self.standing {
            Standing::Loaded(chore) => ("loaded", "", chore.cycles()),
            Standing::Closed(board) => ("closed", "", board.status()),
            Standing::Refused { reason } => ("refused", reason.as_str(), Vec::new()),
        };
        ChoreStatus {
            name: name.to_owned(),
            state: state.to_owned(),
            reason: reason.to_owned(),
            digest: self.digest.clone(),
            version: self.version.clone(),
            about: self.about.clone(),
            grants: self.grants.clone(),
            cycles,
        }
    }
}
