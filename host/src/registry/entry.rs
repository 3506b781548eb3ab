//! What is known of one chore: how it stands, which file was refused, which versions there were.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use super::prepare::Component;
use crate::chore::{Board, Chore};
use crate::clock::Timestamp;
use crate::history::History;
use crate::limits::SIGNATURE_WAIT;
use crate::memory::{self, Memory};
use crate::name::ChoreName;
use crate::plan::{Known, Pair};
use crate::status::{Build, ChoreStatus, RefusedFile, SignatureStatus};

#[derive(Default)]
pub(super) struct Entry {
    pub standing: Standing,
    /// A change is under way.
    pub busy: bool,
    /// Of the files as they are now.
    pub refused: Option<Refused>,
    pub history: History,
    /// The history is to be written down.
    pub unsaved: bool,
    /// A run on probation failed: which, and why.
    pub go_back: Option<GoBack>,
    /// The copies of earlier versions do not load either.
    pub no_fallback: bool,
    /// Not refused yet: a signature that fits may be on its way.
    pub unvouched: Option<Unvouched>,
}

pub(super) struct Unvouched {
    pub pair: Pair,
    pub since: Instant,
}

impl Unvouched {
    pub fn ends(&self) -> Instant {
        self.since + SIGNATURE_WAIT
    }

    pub fn is_waiting(&self) -> bool {
        Instant::now() < self.ends()
    }
}

#[derive(Clone)]
pub(super) struct GoBack {
    pub cycle: String,
    pub reason: String,
}

#[derive(Default)]
pub(super) enum Standing {
    #[default]
    Absent,
    Loaded(Loaded),
    /// With its peer. Controls still answer.
    Closed(Arc<Board>),
}

/// What runs.
#[derive(Clone)]
pub(super) struct Loaded {
    pub chore: Arc<Chore>,
    pub component: Arc<Component>,
    pub pair: Pair,
    pub grants: Vec<String>,
    pub signature: Option<SignatureStatus>,
    /// When it was opened, or opened again with other settings.
    pub since: Timestamp,
}

#[derive(Clone)]
pub(super) struct Refused {
    pub file: String,
    /// `None` if it was refused before it was read.
    pub pair: Option<Pair>,
    pub version: String,
    pub reason: String,
    pub since: Timestamp,
}

impl Standing {
    /// What runs, if something does; controls go on to answer.
    pub fn close(&mut self) -> Option<Loaded> {
        let Standing::Loaded(loaded) = self else { return None };
        let loaded = loaded.clone();
        *self = Standing::Closed(loaded.chore.board().clone());
        Some(loaded)
    }
}

impl Loaded {
    pub fn build(&self) -> Build {
        let version = self.component.descriptor.version.clone();
        Build { version, digest: self.pair.component.hex() }
    }
}

impl Entry {
    pub fn loaded(&self) -> Option<&Loaded> {
        match &self.standing {
            Standing::Loaded(loaded) => Some(loaded),
            Standing::Absent | Standing::Closed(_) => None,
        }
    }

    pub fn board(&self) -> Option<Arc<Board>> {
        match &self.standing {
            Standing::Loaded(loaded) => Some(loaded.chore.board().clone()),
            Standing::Closed(board) => Some(board.clone()),
            Standing::Absent => None,
        }
    }

    pub fn known(&self) -> Known {
        let quarantined = self.history.quarantined.as_ref();
        // Its runs failed, whoever vouches for it.
        let quarantined = quarantined.map(|of| Pair {
            component: of.component,
            manifest: of.manifest,
            signature: None,
        });
        Known {
            running: self.loaded().map(|loaded| loaded.pair),
            refused: self.refused.as_ref().and_then(|refused| refused.pair),
            quarantined,
            unvouched: self.waits_for_signature().map(|unvouched| unvouched.pair),
            unloaded: self.history.unloaded.is_some(),
            busy: self.busy,
        }
    }

    pub fn waits_for_signature(&self) -> Option<&Unvouched> {
        self.unvouched.as_ref().filter(|unvouched| unvouched.is_waiting())
    }

    pub fn status(&self, name: &ChoreName) -> ChoreStatus {
        let refused = self.refused_file(name);
        let mut status = ChoreStatus {
            name: name.as_str().to_owned(),
            state: self.state().to_owned(),
            reason: self.status_reason(name.as_str()),
            generation: self.history.generation,
            watched_runs_left: self.history.probation.as_ref().map_or(0, |left| left.runs_left),
            cycles: self.board().map(|board| board.status()).unwrap_or_default(),
            ..ChoreStatus::default()
        };
        match (self.loaded(), refused) {
            (Some(loaded), refused) => {
                let Build { version, digest } = loaded.build();
                (status.version, status.digest) = (version, digest);
                status.about.clone_from(&loaded.component.descriptor.about);
                status.grants.clone_from(&loaded.grants);
                status.signature.clone_from(&loaded.signature);
                status.refused = refused;
            }
            (None, Some(refused)) => {
                (status.version, status.digest) = (refused.version, refused.digest);
            }
            (None, None) => {
                if let Some(ran) = &self.history.running {
                    (status.version, status.digest) = (ran.version.clone(), ran.component.hex());
                }
            }
        }
        status
    }

    fn state(&self) -> &'static str {
        match &self.standing {
            Standing::Loaded(_) => "loaded",
            Standing::Closed(_) => "closed",
            Standing::Absent if self.history.unloaded.is_some() => "unloaded",
            Standing::Absent if self.busy || self.waits_for_signature().is_some() => "loading",
            Standing::Absent => "refused",
        }
    }

    /// Why it is not loaded, and what to do; empty if it is.
    pub fn status_reason(&self, name: &str) -> String {
        match (&self.standing, self.history.unloaded, &self.refused) {
            (Standing::Loaded(_) | Standing::Closed(_), _, _) => String::new(),
            (_, Some(at), _) => {
                format!("unloaded by the operator at {at}: `chore load {name}` brings it back")
            }
            _ if self.busy => "it is being loaded".to_owned(),
            _ if self.waits_for_signature().is_some() => {
                "a signature that fits is waited for".to_owned()
            }
            (_, _, Some(refused)) => refused.reason.clone(),
            (_, _, None) => match &self.history.quarantined {
                Some(of) => of.reason.clone(),
                None => "its file is still being written".to_owned(),
            },
        }
    }

    fn refused_file(&self, name: &ChoreName) -> Option<RefusedFile> {
        if let Some(refused) = &self.refused {
            return Some(RefusedFile {
                file: refused.file.clone(),
                digest: refused.pair.map(|pair| pair.component.hex()).unwrap_or_default(),
                version: refused.version.clone(),
                reason: refused.reason.clone(),
                quarantined: false,
            });
        }
        let of = self.history.quarantined.as_ref()?;
        Some(RefusedFile {
            file: format!("{name}.wasm"),
            digest: of.component.hex(),
            version: of.version.clone(),
            reason: format!(
                "{}; it is not tried again until it or its config changes, or by \
                 `chore reload {name} --force`",
                of.reason
            ),
            quarantined: true,
        })
    }
}

/// A file whose name is no chore's.
pub(super) fn misnamed(file: &str, reason: &str) -> ChoreStatus {
    ChoreStatus {
        name: file.to_owned(),
        state: "refused".to_owned(),
        reason: reason.to_owned(),
        ..ChoreStatus::default()
    }
}

/// What an earlier life of the peer knew of its chores. What cannot be read is as good as nothing.
pub(super) async fn remembered(
    memory: &Memory,
) -> Result<BTreeMap<ChoreName, Entry>, memory::Error> {
    let mut entries = BTreeMap::new();
    for (name, record) in memory.load_histories().await? {
        let (Ok(name), Ok(history)) = (ChoreName::new(&name), serde_json::from_str(&record)) else {
            warn!(chore = name, "its history cannot be read, it begins anew");
            continue;
        };
        entries.insert(name, Entry { history, ..Entry::default() });
    }
    Ok(entries)
}
