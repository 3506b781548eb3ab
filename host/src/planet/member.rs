//! One peer of a planet: its home, and the peer that runs in it, which can be stopped and started
//! again as an operator would.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{PlanetOptions, Seat};
use crate::config::{self, Config};
use crate::control;
use crate::database::lock;
use crate::identity::{self, Identity};
use crate::limits::CLOSE_MARGIN;
use crate::node_id::{NodeId, NodeUrl};
use crate::peer::{self, Handle, Home, Options, Peer};
use crate::runtime::Runtime;
use crate::settlement::Manner;
use crate::signing;

/// How long a peer may take to start: it compiles its chores, which without optimisation takes
/// minutes.
const START_MAX: Duration = Duration::from_secs(10 * 60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Satellite,
    Node,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Satellite => "satellite",
            Role::Node => "node",
        })
    }
}

/// Why a planet cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("prepare {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("install chore {}: its file has no name", .0.display())]
    Nameless(PathBuf),
    #[error("install chore {}", .path.display())]
    Install { path: PathBuf, source: io::Error },
    #[error("make an identity for the uplink")]
    Uplink(#[source] identity::Error),
    #[error("store the identity of {name}")]
    Store { name: String, source: identity::Error },
    #[error("make an identity for {role} {index}")]
    Identity { role: Role, index: usize, source: identity::Error },
    #[error("find a free port for {role} {index}")]
    Port { role: Role, index: usize, source: io::Error },
    #[error("start {name}: its config file")]
    Config { name: String, source: config::Error },
    #[error("start {name}: its control socket")]
    Control { name: String, source: control::Error },
    #[error("start {name}")]
    Start { name: String, source: Box<peer::Error> },
    #[error("start {name}: not done within {}", humantime::format_duration(START_MAX))]
    StartTooLong { name: String },
    #[error("start {name}: it runs already")]
    Running { name: String },
    #[error("close {name}: not done within {}", humantime::format_duration(*.budget))]
    CloseTooLong { name: String, budget: Duration },
    #[error("issue orders")]
    Issue(#[source] signing::Error),
    #[error("hand orders in: node {index} took not all of them: {reason}")]
    NotTaken { index: usize, reason: String },
}

/// One peer of a planet.
pub struct Member {
    name: String,
    home: Home,
    url: NodeUrl,
    identity: Arc<Identity>,
    manner: std::sync::Mutex<Manner>,
    runtime: Runtime,
    /// Held while it starts or stops, so that it does one at a time.
    running: Mutex<Option<Running>>,
    /// Of the peer that runs, or ran last.
    handle: std::sync::Mutex<Handle>,
}

struct Running {
    peer: Peer,
    server: control::Server,
}

impl Member {
    /// Makes its home as `chore setup` and an operator would, and starts the peer.
    pub(super) async fn settle(
        name: String,
        options: &PlanetOptions,
        seat: Seat,
        config: &str,
        chore_files: &[(PathBuf, Option<String>)],
        manner: Manner,
    ) -> Result<Member, Error> {
        let home = Home::new(options.root.join(&name));
        for path in [home.root(), &home.chores(), &home.data(), &home.cache()] {
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|source| Error::File { path: path.into(), source })?;
        }
        let stored = seat.identity.store(&home.identity());
        stored.map_err(|source| Error::Store { name: name.clone(), source })?;
        write(&home.config(), config)?;
        install(&home, chore_files)?;
        let runtime = options.runtime.clone();
        let running = Running::start(&name, &home, &runtime, &manner).await?;
        Ok(Member {
            handle: std::sync::Mutex::new(running.peer.handle()),
            running: Mutex::new(Some(running)),
            name,
            home,
            url: seat.url,
            identity: seat.identity,
            manner: std::sync::Mutex::new(manner),
            runtime,
        })
    }

    /// Puts chores into its chores directory: the config file first, because a component without
    /// its grants would be refused.
    pub fn install(&self, files: &[(PathBuf, Option<String>)]) -> Result<(), Error> {
        install(&self.home, files)
    }

    /// Starts the peer in its home, as its config file is now. Fails if it runs.
    pub async fn start(&self) -> Result<(), Error> {
        let mut running = self.running.lock().await;
        if running.is_some() {
            return Err(Error::Running { name: self.name.clone() });
        }
        let manner = lock(&self.manner).clone();
        let started = Running::start(&self.name, &self.home, &self.runtime, &manner).await?;
        *lock(&self.handle) = started.peer.handle();
        *running = Some(started);
        Ok(())
    }

    /// Closes the peer within its budget. Nothing happens if it does not run.
    pub async fn stop(&self) -> Result<(), Error> {
        match self.running.lock().await.take() {
            Some(running) => running.stop(&self.name).await,
            None => Ok(()),
        }
    }

    /// Of the peer that runs, or ran last; its controls answer in both cases.
    pub fn handle(&self) -> Handle {
        lock(&self.handle).clone()
    }

    /// How it behaves from its next start on, if it is a satellite.
    pub fn set_manner(&self, manner: Manner) {
        *lock(&self.manner) = manner;
    }

    /// "satellite-0", "node-1" ...: the name of its home, too.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    /// The same over restarts.
    pub fn url(&self) -> &NodeUrl {
        &self.url
    }

    pub fn node_id(&self) -> NodeId {
        self.url.id
    }

    pub fn identity(&self) -> &Arc<Identity> {
        &self.identity
    }
}

impl Running {
    async fn start(
        name: &str,
        home: &Home,
        runtime: &Runtime,
        manner: &Manner,
    ) -> Result<Running, Error> {
        let control = |source| Error::Control { name: name.to_owned(), source };
        let claim = control::claim(&home.socket()).map_err(control)?;
        let options = Options {
            home: Home::new(home.root()),
            config: read_config(name, &home.config())?,
            runtime: Some(runtime.clone()),
            manner: manner.clone(),
            spans: None,
        };
        let start = async {
            let mut peer = Peer::start(options).await?;
            peer.loaded().await;
            Ok(peer)
        };
        let peer = match timeout(START_MAX, start).await {
            Ok(started) => started.map_err(|err: peer::Error| Error::Start {
                name: name.to_owned(),
                source: Box::new(err),
            })?,
            Err(_) => return Err(Error::StartTooLong { name: name.to_owned() }),
        };
        match claim.serve(peer.handle()) {
            Ok(server) => Ok(Running { peer, server }),
            Err(err) => {
                close(name, peer).await?;
                Err(control(err))
            }
        }
    }

    async fn stop(self, name: &str) -> Result<(), Error> {
        let closed = close(name, self.peer).await;
        self.server.shutdown().await;
        closed
    }
}

async fn close(name: &str, peer: Peer) -> Result<(), Error> {
    let budget = peer.shutdown_budget().saturating_add(CLOSE_MARGIN);
    let closed = timeout(budget, peer.close()).await;
    closed.map_err(|_| Error::CloseTooLong { name: name.to_owned(), budget })
}

fn read_config(name: &str, path: &Path) -> Result<Config, Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::File { path: path.into(), source })?;
    Config::parse(&text, &path.display().to_string())
        .map_err(|source| Error::Config { name: name.to_owned(), source })
}

/// See [`Member::install`].
fn install(home: &Home, files: &[(PathBuf, Option<String>)]) -> Result<(), Error> {
    for (component, config) in files {
        let stem = component.file_stem().and_then(|stem| stem.to_str());
        let name = stem.ok_or_else(|| Error::Nameless(component.clone()))?.replace('_', "-");
        if let Some(config) = config {
            write(&home.chores().join(format!("{name}.toml")), config)?;
        }
        // Under a name of its own first, so that a running peer never sees half a file.
        let target = home.chores().join(format!("{name}.wasm"));
        let part = target.with_extension("part");
        fs::copy(component, &part)
            .and_then(|_| fs::rename(&part, &target))
            .map_err(|source| Error::Install { path: component.clone(), source })?;
    }
    Ok(())
}

/// A file that only its owner can read.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::File { path: path.into(), source };
    let mut options = fs::File::options();
    options.create(true).truncate(true).write(true).mode(0o600);
    let mut file = options.open(path).map_err(failed)?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)
}
