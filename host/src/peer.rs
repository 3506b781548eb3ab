//! One peer: builds every room from one config, starts them in order, and closes them in reverse.
//! It knows no terminal and no signal.
//!
//! What the config has decides what it is: with `[intake]` and `[orders]` a storage node, with
//! `[settlement]` a satellite, with neither a plain host of chores.

mod home;
mod housekeeping;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chore_proto::{ENQUEUE_METHOD, SETTLEMENT_METHOD};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::cycle::Control;
use crate::identity::{self, Identity};
use crate::intake::Intake;
use crate::kademlia::{self, StaticNodes};
use crate::limits::{ABORT_WAIT, TRANSPORT_CLOSE_WAIT};
use crate::memory::{self, Memory};
use crate::meters::Meters;
use crate::orders::{self, Orders};
use crate::registry::{self, Registry};
use crate::runtime::{self, Runtime};
use crate::settlement::{self, Manner, Settlement};
use crate::status::{Change, PeerStatus, Triggered};
use crate::transport::{self, Ended, Routes, Server, ServerOptions, Transport};
use crate::trust::{self, Trust};

pub use crate::registry::ControlError;
pub use home::Home;

/// Why a peer did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error("the peer's memory")]
    Memory(#[from] memory::Error),
    #[error("the orders database")]
    Orders(#[from] orders::Error),
    #[error("the settlement database")]
    Settlement(#[from] settlement::Error),
    #[error(transparent)]
    Kademlia(#[from] kademlia::Error),
    #[error(transparent)]
    Trust(#[from] trust::Error),
    #[error(transparent)]
    Transport(#[from] transport::Error),
    #[error(transparent)]
    Runtime(#[from] runtime::Error),
    #[error(transparent)]
    Registry(#[from] registry::Error),
    #[error("create directory {}", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    #[error("the peer is closing")]
    Closed,
}

/// What to start.
pub struct Options {
    pub home: Home,
    pub config: Config,
    /// When `None`, the peer has an engine of its own.
    pub runtime: Option<Runtime>,
    /// How it behaves as a satellite.
    pub manner: Manner,
}

/// A peer that runs. Close it, so that its rooms end in order; dropping it ends them at once.
#[must_use]
pub struct Peer {
    handle: Handle,
    memory: Memory,
    transport: Transport,
    server: Option<Server>,
    housekeeping: JoinHandle<()>,
    shutdown_budget: Duration,
}

/// How to look at a peer and control it. Clones are cheap, and still answer when it has closed.
#[derive(Clone)]
pub struct Handle(Arc<Shared>);

struct Shared {
    registry: Registry,
    meters: Meters,
    orders: Option<Orders>,
    settlement: Option<Settlement>,
    node: String,
    listen: String,
    started: Timestamp,
}

/// Compiled code is kept in the home, where nobody else can write.
fn runtime_options(home: &Home, config: &Config) -> runtime::Options {
    let place = runtime::cache::Place { directory: home.compiled(), secret: home.cache_secret() };
    let compilations_at_once = config.chores.compile_at_once;
    runtime::Options { compilations_at_once, cache: Some(place) }
}

impl Peer {
    /// Starts the rooms from the ground up: databases, transport, what others call, chores. A chore
    /// that cannot be loaded is no failure of the peer: its status says why.
    pub async fn start(options: Options) -> Result<Peer, Error> {
        let Options { home, config, runtime, manner } = options;
        let identity = identity(&home).await?;
        make_private(&home.databases())?;
        let memory = Memory::open(&home.data().join("peer.db")).await?;
        let orders = match config.orders {
            Some(_) => Some(Orders::open(&home.orders()).await?),
            None => None,
        };
        let settlement = match config.settlement {
            Some(_) => {
                let path = home.data().join("settlement.db");
                let clock = Arc::new(Timestamp::now);
                Some(Settlement::open_with_manner(&path, &identity, clock, manner).await?)
            }
            None => None,
        };
        let transport = Transport::new(identity.clone(), transport::Options::default());
        let kademlia = Arc::new(StaticNodes::new(config.nodes.known.clone())?);

        let mut routes: Routes = Vec::new();
        if let (Some(intake), Some(orders)) = (&config.intake, &orders) {
            let satellites = intake.satellites.clone();
            let trust = Trust::new(transport.clone(), satellites, &home.satellites())?;
            let clock = Arc::new(Timestamp::now);
            let intake = Intake::new(orders.clone(), identity.id(), trust, clock);
            routes.push((ENQUEUE_METHOD, Arc::new(intake)));
        }
        if let Some(settlement) = &settlement {
            routes.push((SETTLEMENT_METHOD, Arc::new(settlement.clone())));
        }
        let server = match config.server.listen {
            Some(address) => {
                let options = ServerOptions::default();
                Some(Server::bind(identity.clone(), &address.to_string(), routes, options).await?)
            }
            None => None,
        };
        let own = || Runtime::with(runtime_options(&home, &config));
        let runtime = runtime.map_or_else(own, Ok)?;
        // Nobody should wait for a chore that compiles.
        server.iter().for_each(Server::serve);

        let meters = Meters::new();
        let registry = Registry::start(registry::Options {
            directory: home.root().join(&config.chores.directory),
            databases: home.databases(),
            components: home.components(),
            config: config.chores.clone(),
            node: identity.id(),
            runtime,
            memory: memory.clone(),
            meters: meters.clone(),
            orders: orders.clone(),
            kademlia,
            transport: transport.clone(),
        })
        .await?;
        let housekeeping =
            tokio::spawn(housekeeping::keep(config.clone(), orders.clone(), settlement.clone()));
        let address = server.as_ref().map(|server| server.local_addr().to_string());
        let listen = config.server.external_address.or(address).unwrap_or_default();
        let node = identity.id().to_string();
        let started = Timestamp::now();
        let shared = Shared { registry, meters, orders, settlement, node, listen, started };
        let shutdown_budget = config.chores.shutdown_budget;
        let handle = Handle(Arc::new(shared));
        Ok(Peer { handle, memory, transport, server, housekeeping, shutdown_budget })
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What [`Peer::close`] takes at most.
    pub fn shutdown_budget(&self) -> Duration {
        self.shutdown_budget
    }

    /// Closes the rooms in reverse, within the budget, and says in the log what did not end well:
    ///
    /// 1. chores: their runs wind down, are interrupted if they do not, and `close` is called;
    /// 2. the server: nothing new is accepted, calls in progress have half of what is left;
    /// 3. connections to other peers;
    /// 4. databases, once all is written.
    pub async fn close(mut self) {
        let end = Instant::now() + self.shutdown_budget;
        let left = || end.saturating_duration_since(Instant::now());
        let shared = &self.handle.0;
        // A third is kept for what comes after the chores.
        shared.registry.close(self.shutdown_budget * 2 / 3).await;
        self.housekeeping.abort();
        // Aborted is how it ends.
        let _ = (&mut self.housekeeping).await;
        if let Some(server) = &self.server {
            let grace = left().saturating_sub(ABORT_WAIT) / 2;
            match server.shutdown(grace).await {
                Ended::Drained => {}
                Ended::Aborted => warn!("calls of other peers went on too long: ended"),
                Ended::Stuck => warn!("a call of another peer could not be ended"),
            }
        }
        if !self.transport.close(TRANSPORT_CLOSE_WAIT.min(left())).await {
            warn!("a connection to another peer could not be ended");
        }
        let databases = async {
            if let Some(settlement) = &shared.settlement {
                closed("settlement", settlement.close().await);
            }
            if let Some(orders) = &shared.orders {
                closed("orders", orders.close().await);
            }
            closed("memory", self.memory.close().await);
        };
        if timeout_at(end, databases).await.is_err() {
            warn!("databases were not closed within the budget: what was acknowledged is safe");
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.housekeeping.abort();
    }
}

fn closed<E: std::error::Error>(database: &str, outcome: Result<(), E>) {
    if let Err(err) = outcome {
        warn!(database, "closing a database failed: {}", crate::error::chain(&err));
    }
}

async fn identity(home: &Home) -> Result<Arc<Identity>, Error> {
    let directory = home.identity();
    let loaded = tokio::task::spawn_blocking(move || Identity::load(&directory)).await;
    Ok(Arc::new(loaded.map_err(|_| Error::Closed)??))
}

/// A directory that nobody else can look into.
fn make_private(path: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let made = builder.recursive(true).create(path);
    made.map_err(|source| Error::Directory { path: path.into(), source })
}

impl Handle {
    /// Never waits for a run.
    pub fn status(&self) -> PeerStatus {
        PeerStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: self.0.node.clone(),
            listen: self.0.listen.clone(),
            started: self.0.started,
            problem: self.0.registry.problem(),
            chores: self.0.registry.status(),
        }
    }

    /// Prometheus text.
    pub fn metrics(&self) -> String {
        self.0.meters.render()
    }

    /// Answers when a run has begun, or with `wait` when it has ended.
    pub async fn trigger(
        &self,
        chore: &str,
        cycle: Option<&str>,
        wait: bool,
    ) -> Result<Triggered, ControlError> {
        self.0.registry.trigger(chore, cycle, wait).await
    }

    /// Looks at the chores directory now, and answers with what has changed when all is done; with
    /// a name, only that chore is waited for. What was refused is tried again, with `force` also
    /// what is in quarantine.
    pub async fn reload(
        &self,
        chore: Option<&str>,
        force: bool,
    ) -> Result<Vec<Change>, ControlError> {
        self.0.registry.reload(chore, force).await
    }

    /// Closes a chore until [`Handle::load`], over restarts of the peer too.
    pub async fn unload(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        self.0.registry.unload(chore).await
    }

    pub async fn load(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        self.0.registry.load(chore).await
    }

    /// As every control below: of one cycle, or of all if none is named.
    pub async fn pause(&self, chore: &str, cycle: Option<&str>) -> Result<(), ControlError> {
        self.control(chore, cycle, Control::Pause)
    }

    pub async fn restart(&self, chore: &str, cycle: Option<&str>) -> Result<(), ControlError> {
        self.control(chore, cycle, Control::Restart)
    }

    /// Asks a run in progress to wind down.
    pub async fn cancel(&self, chore: &str, cycle: Option<&str>) -> Result<(), ControlError> {
        self.control(chore, cycle, Control::Cancel)
    }

    fn control(
        &self,
        chore: &str,
        cycle: Option<&str>,
        control: Control,
    ) -> Result<(), ControlError> {
        Ok(self.0.registry.board(chore)?.control(cycle, control)?)
    }

    /// The orders of a storage node.
    pub fn orders(&self) -> Option<Orders> {
        self.0.orders.clone()
    }

    /// The service of a satellite.
    pub fn settlement(&self) -> Option<Settlement> {
        self.0.settlement.clone()
    }
}
