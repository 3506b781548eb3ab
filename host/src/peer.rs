//! One peer: builds every room from one config, starts them in order, and closes them in reverse.
//! It knows no terminal and no signal.
//!
//! What the config has decides what it is: with `[intake]` and `[orders]` a storage node, with
//! `[settlement]` a satellite, with neither a plain host of chores.

mod home;
mod housekeeping;
mod samples;
mod watchdog;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use chore_proto::{ENQUEUE_METHOD, SETTLEMENT_METHOD};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};

use crate::chore::StopWanted;
use crate::clock::Timestamp;
use crate::config::{self, Config};
use crate::cycle::{Control, Interval};
use crate::database;
use crate::identity::{self, Identity};
use crate::intake::Intake;
use crate::kademlia::{self, StaticNodes};
use crate::ledger::{Keep, Ledger};
use crate::limits::{ABORT_WAIT, TRANSPORT_CLOSE_WAIT};
use crate::log_gate::Wish;
use crate::logs::Logs;
use crate::memory::{self, Memory};
use crate::meters::{Meters, Tally};
use crate::name::ChoreName;
use crate::news::{Event, News};
use crate::orders::{self, Orders};
use crate::record::{EventRecord, Page, Query, RunRecord};
use crate::registry::{self, Loading, Registry};
use crate::runtime::{self, Runtime};
use crate::settlement::{self, Manner, Settlement};
use crate::status::{Actor, Change, ChoreDetail, PeerStatus, Triggered};
use crate::traces;
use crate::transport::{self, Ended, Routes, Server, ServerOptions, Transport};
use crate::trust::{self, Trust};
use crate::why::{self, Moment, Why};

pub use crate::registry::ControlError;
pub use home::Home;
use samples::LookedUp;
use watchdog::{Findings, Watchdog};

/// Why a peer did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Identity(#[from] identity::Error),
    #[error("the peer's memory")]
    Memory(#[from] memory::Error),
    #[error("the ledger")]
    Ledger(#[source] database::Error),
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
    #[error("start the thread of the watchdog")]
    Watchdog(#[source] io::Error),
}

/// What to start.
pub struct Options {
    pub home: Home,
    pub config: Config,
    /// When `None`, the peer has an engine of its own.
    pub runtime: Option<Runtime>,
    /// How it behaves as a satellite.
    pub manner: Manner,
    /// What became of this process' spans, for the metrics; `None` if there are none.
    pub spans: Option<Arc<Tally>>,
}

/// A peer that runs. Close it, so that its rooms end in order; dropping it ends them at once.
#[must_use]
pub struct Peer {
    handle: Handle,
    server: Option<Arc<Server>>,
    watchdog: Watchdog,
    housekeeping: JoinHandle<()>,
    sampling: JoinHandle<()>,
    shutdown_budget: Duration,
    loading: Option<Loading>,
}

/// How to look at a peer and control it. Clones are cheap, and still answer when it has closed.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
    /// In whose name.
    actor: Actor,
}

struct Shared {
    registry: Registry,
    meters: Meters,
    ledger: Ledger,
    logs: Logs,
    news: News,
    stop_wanted: StopWanted,
    orders: Option<Orders>,
    settlement: Option<Settlement>,
    intake: Option<Intake>,
    memory: Memory,
    runtime: Runtime,
    transport: Transport,
    /// Gone with the peer: handles do not keep the port.
    server: Weak<Server>,
    spans: Arc<Tally>,
    looked_up: LookedUp,
    findings: Arc<Findings>,
    home: PathBuf,
    node: String,
    listen: String,
    started: Timestamp,
}

/// Compiled code is kept in the home, where nobody else can write.
fn runtime_options(home: &Home, config: &Config) -> runtime::Options {
    let place = runtime::cache::Place { directory: home.compiled(), secret: home.cache_secret() };
    let compilations_at_once = config.chores.compile_at_once;
    let compile_timeout = config.chores.compile_timeout;
    runtime::Options { compilations_at_once, compile_timeout, cache: Some(place) }
}

impl Peer {
    /// Starts the rooms from the ground up: databases, transport, what others call, chores. A chore
    /// that cannot be loaded is no failure of the peer: its status says why. [`Peer::loaded`] waits
    /// for them.
    pub async fn start(options: Options) -> Result<Peer, Error> {
        let Options { home, config, runtime, manner, spans } = options;
        let identity = identity(&home).await?;
        make_private(&home.databases())?;
        let memory = Memory::open(&home.data().join("peer.db")).await?;
        let ledger = ledger(&home, &config).await?;
        let mut orders = None;
        if config.orders.is_some() {
            orders = Some(Orders::open(&home.orders()).await?);
        }
        let settlement = open_settlement(&home, &config, &identity, manner).await?;
        let transport = Transport::new(identity.clone(), transport::Options::default());
        let kademlia = Arc::new(StaticNodes::new(config.nodes.known.clone())?);

        let intake = intake(&home, &config, &identity, &orders, &transport)?;
        let routes = routes(&intake, &settlement);
        let server = server(&config, &identity, routes).await?;
        let started = Timestamp::now();
        // Before any run.
        ledger.event(of_peer(started, "peer started"));
        let own = || Runtime::with(runtime_options(&home, &config));
        let runtime = runtime.map_or_else(own, Ok)?;
        // Nobody should wait for a chore that compiles.
        server.iter().for_each(|server| server.serve());

        let (meters, news) = (Meters::new(), News::new(started));
        let (logs, stop_wanted) = (Logs::new(config.log.level), StopWanted::new(None));
        let (registry, loading) = Registry::start(registry::Options {
            directory: home.root().join(&config.chores.directory),
            databases: home.databases(),
            components: home.components(),
            config: config.chores.clone(),
            node: identity.id(),
            runtime: runtime.clone(),
            memory: memory.clone(),
            meters: meters.clone(),
            ledger: ledger.clone(),
            news: news.clone(),
            logs: logs.clone(),
            stop_wanted: stop_wanted.clone(),
            orders: orders.clone(),
            kademlia,
            transport: transport.clone(),
        })
        .await?;
        let address = server.as_ref().map(|server| server.local_addr().to_string());
        let shared = Arc::new(Shared {
            registry,
            meters,
            ledger,
            logs,
            news,
            stop_wanted,
            orders,
            settlement,
            intake,
            memory,
            runtime,
            transport,
            server: server.as_ref().map(Arc::downgrade).unwrap_or_default(),
            spans: spans.unwrap_or_else(|| Arc::new(Tally::of(&traces::RESULTS))),
            looked_up: LookedUp::default(),
            findings: Arc::default(),
            home: home.root().to_owned(),
            node: identity.id().to_string(),
            listen: config.server.external_address.clone().or(address).unwrap_or_default(),
            started,
        });
        Peer::of(shared, server, config, loading)
    }

    /// Starts what only looks on.
    fn of(
        shared: Arc<Shared>,
        server: Option<Arc<Server>>,
        config: Config,
        loading: Loading,
    ) -> Result<Peer, Error> {
        let shutdown_budget = config.chores.shutdown_budget;
        let (orders, settlement) = (shared.orders.clone(), shared.settlement.clone());
        let housekeeping = tokio::spawn(housekeeping::keep(config, orders, settlement));
        let sampled = shared.clone();
        let sampling = tokio::spawn(async move {
            sampled.looked_up.keep(&sampled.meters, sampled.orders.as_ref()).await;
        });
        let (registry, ledger) = (shared.registry.clone(), shared.ledger.clone());
        let (meters, findings) = (shared.meters.clone(), shared.findings.clone());
        let watchdog = Watchdog::start(registry, ledger, meters, findings);
        let watchdog = watchdog.map_err(Error::Watchdog)?;
        let actor = Actor { by: "the program".into(), note: String::new() };
        let handle = Handle { shared, actor };
        let loading = Some(loading);
        Ok(Peer { handle, server, watchdog, housekeeping, sampling, shutdown_budget, loading })
    }

    /// Returns when each chore that was there at the start is loaded or refused, or after
    /// [`crate::limits::LOAD_AT_START_MAX`].
    pub async fn loaded(&mut self) {
        if let Some(loading) = &mut self.loading {
            loading.await;
            self.loading = None;
        }
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
    /// 0. what only looks on;
    /// 1. chores: their runs wind down, are interrupted if they do not, and `close` is called;
    /// 2. the server: nothing new is accepted, calls in progress have half of what is left;
    /// 3. connections to other peers;
    /// 4. databases, once all is written.
    pub async fn close(mut self) {
        let end = Instant::now() + self.shutdown_budget;
        let left = || end.saturating_duration_since(Instant::now());
        let shared = self.handle.shared.clone();
        self.watchdog.close().await;
        // A third is kept for what comes after the chores.
        shared.registry.close(self.shutdown_budget * 2 / 3).await;
        for task in [&mut self.housekeeping, &mut self.sampling] {
            task.abort();
            // Aborted is how it ends.
            let _ = task.await;
        }
        if let Some(server) = &self.server {
            let grace = left().saturating_sub(ABORT_WAIT) / 2;
            match server.shutdown(grace).await {
                Ended::Drained => {}
                Ended::Aborted => warn!("calls of other peers went on too long: ended"),
                Ended::Stuck => warn!("a call of another peer could not be ended"),
            }
        }
        if !shared.transport.close(TRANSPORT_CLOSE_WAIT.min(left())).await {
            warn!("a connection to another peer could not be ended");
        }
        let databases = async {
            if let Some(settlement) = &shared.settlement {
                closed("settlement", settlement.close().await);
            }
            if let Some(orders) = &shared.orders {
                closed("orders", orders.close().await);
            }
            closed("memory", shared.memory.close().await);
            shared.ledger.event(of_peer(Timestamp::now(), "peer closed"));
            closed("ledger", shared.ledger.close().await);
        };
        if timeout_at(end, databases).await.is_err() {
            warn!("databases were not closed within the budget: what was acknowledged is safe");
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.housekeeping.abort();
        self.sampling.abort();
    }
}

fn closed<E: std::error::Error>(database: &str, outcome: Result<(), E>) {
    if let Err(err) = outcome {
        warn!(database, "closing a database failed: {}", crate::error::chain(&err));
    }
}

fn intake(
    home: &Home,
    config: &Config,
    identity: &Identity,
    orders: &Option<Orders>,
    transport: &Transport,
) -> Result<Option<Intake>, Error> {
    let (Some(config), Some(orders)) = (&config.intake, orders) else { return Ok(None) };
    let satellites = config.satellites.clone();
    let trust = Trust::new(transport.clone(), satellites, &home.satellites())?;
    let clock = Arc::new(Timestamp::now);
    Ok(Some(Intake::new(orders.clone(), identity.id(), trust, clock)))
}

/// What other peers may call.
fn routes(intake: &Option<Intake>, settlement: &Option<Settlement>) -> Routes {
    let mut routes = Routes::new();
    if let Some(intake) = intake {
        routes.push((ENQUEUE_METHOD, Arc::new(intake.clone())));
    }
    if let Some(settlement) = settlement {
        routes.push((SETTLEMENT_METHOD, Arc::new(settlement.clone())));
    }
    routes
}

/// Bound; whoever calls waits until it serves.
async fn server(
    config: &Config,
    identity: &Arc<Identity>,
    routes: Routes,
) -> Result<Option<Arc<Server>>, Error> {
    let Some(address) = config.server.listen else { return Ok(None) };
    let (address, options) = (address.to_string(), ServerOptions::default());
    let server = Server::bind(identity.clone(), &address, routes, options).await?;
    Ok(Some(Arc::new(server)))
}

async fn ledger(home: &Home, config: &Config) -> Result<Ledger, Error> {
    let config::Ledger { keep, keep_runs } = config.ledger;
    if keep_runs == 0 {
        return Ok(Ledger::off());
    }
    let keep = Keep { age: keep, rows: keep_runs };
    Ledger::open(&home.ledger(), keep).await.map_err(Error::Ledger)
}

async fn open_settlement(
    home: &Home,
    config: &Config,
    identity: &Identity,
    manner: Manner,
) -> Result<Option<Settlement>, Error> {
    if config.settlement.is_none() {
        return Ok(None);
    }
    let path = home.data().join("settlement.db");
    let clock = Arc::new(Timestamp::now);
    Ok(Some(Settlement::open_with_manner(&path, identity, clock, manner).await?))
}

/// What becomes of the peer itself.
fn of_peer(at: Timestamp, what: &str) -> EventRecord {
    EventRecord { at, by: "the peer".into(), what: what.into(), ..EventRecord::default() }
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

impl Shared {
    /// What is wrong with the peer itself.
    fn problems(&self) -> Vec<String> {
        let directory = self.registry.problem();
        let directory = (!directory.is_empty())
            .then(|| format!("no chore is loaded or replaced now: {directory}"));
        let databases = [
            self.orders.as_ref().and_then(Orders::fault),
            self.settlement.as_ref().and_then(Settlement::fault),
            self.memory.fault(),
            self.ledger.fault(),
        ];
        directory.into_iter().chain(databases.into_iter().flatten()).collect()
    }
}

fn of_ledger(err: database::Error) -> ControlError {
    ControlError::Ledger(crate::error::chain(&err))
}

impl Handle {
    /// The same, in the name of `actor`: what it does stands in the ledger with that name.
    pub fn acting(&self, actor: Actor) -> Handle {
        Handle { shared: self.shared.clone(), actor }
    }

    /// Never waits for a run.
    pub fn status(&self) -> PeerStatus {
        let mut chores = self.shared.registry.status();
        self.shared.findings.mark(&mut chores);
        PeerStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node: self.shared.node.clone(),
            listen: self.shared.listen.clone(),
            started: self.shared.started,
            problem: self.shared.problems().join("; "),
            chores,
        }
    }

    /// Prometheus text.
    pub fn metrics(&self) -> String {
        self.shared.meters.render(&samples::samples(&self.shared, Timestamp::now()))
    }

    /// Answers when a run has begun, or with `wait` when it has ended.
    pub async fn trigger(
        &self,
        chore: &str,
        cycle: Option<&str>,
        wait: bool,
    ) -> Result<Triggered, ControlError> {
        self.shared.registry.board(chore)?;
        self.did("trigger", chore, cycle);
        self.shared.registry.trigger(chore, cycle, wait, &self.actor.by).await
    }

    /// Looks at the chores directory now, and answers with what has changed when all is done; with
    /// a name, only that chore is waited for. What was refused is tried again, with `force` also
    /// what is in quarantine.
    pub async fn reload(
        &self,
        chore: Option<&str>,
        force: bool,
    ) -> Result<Vec<Change>, ControlError> {
        self.did("reload", chore.unwrap_or_default(), None);
        self.shared.registry.reload(chore, force).await
    }

    /// Closes a chore until [`Handle::load`], over restarts of the peer too.
    pub async fn unload(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        self.did("unload", chore, None);
        self.shared.registry.unload(chore).await
    }

    pub async fn load(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        self.did("load", chore, None);
        self.shared.registry.load(chore).await
    }

    /// Lets the last good version that does not run take over again, until the files change or
    /// [`Handle::reload`] says `force`.
    pub async fn go_back(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        self.did("go back", chore, None);
        let Actor { by, note } = &self.actor;
        let note = if note.is_empty() { String::new() } else { format!(": {note}") };
        self.shared.registry.go_back(chore, format!("{by} wants it{note}")).await
    }

    /// As every control below: of one cycle, or of all if none is named.
    pub async fn pause(&self, chore: &str, cycle: Option<&str>) -> Result<(), ControlError> {
        self.pause_until(chore, cycle, None).await
    }

    /// Until [`Handle::restart`], or the moment that is given.
    pub async fn pause_until(
        &self,
        chore: &str,
        cycle: Option<&str>,
        until: Option<Timestamp>,
    ) -> Result<(), ControlError> {
        self.shared.registry.board(chore)?.pause(cycle, until, &self.actor)?;
        self.did("pause", chore, cycle);
        Ok(())
    }

    pub async fn restart(&self, chore: &str, cycle: Option<&str>) -> Result<(), ControlError> {
        self.shared.registry.board(chore)?.control(cycle, Control::Restart)?;
        self.did("restart", chore, cycle);
        Ok(())
    }

    /// Asks a run in progress to wind down.
    pub async fn cancel(&self, chore: &str, cycle: Option<&str>) -> Result<(), ControlError> {
        self.shared.registry.board(chore)?.control(cycle, Control::Cancel)?;
        self.did("cancel", chore, cycle);
        Ok(())
    }

    /// Begins a full interval of the new length, which holds until the config's own interval
    /// changes.
    pub async fn change_interval(
        &self,
        chore: &str,
        cycle: Option<&str>,
        interval: Interval,
    ) -> Result<(), ControlError> {
        let control = Control::ChangeInterval(interval);
        self.shared.registry.board(chore)?.control(cycle, control)?;
        self.did(&format!("interval {interval}"), chore, cycle);
        Ok(())
    }

    /// Another log level for one chore, or for the peer and the chores without one of their own,
    /// until the peer ends or the wish does. `None`: what the config says.
    pub async fn log_level(
        &self,
        chore: Option<&str>,
        wish: Option<Wish>,
    ) -> Result<(), ControlError> {
        match chore {
            Some(name) => {
                let known = self.shared.registry.chore(name)?;
                // What has no chore's name is a file that is no chore.
                if let Ok(name) = ChoreName::new(&known.name) {
                    self.shared.logs.change(&name, wish);
                }
            }
            None => self.shared.logs.change_peer(wish),
        }
        let level = wish.map_or("default".to_owned(), |wish| wish.level.to_string());
        let until = wish.and_then(|wish| wish.until);
        let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
        self.did(&format!("log level {level}{until}"), chore.unwrap_or_default(), None);
        Ok(())
    }

    /// For the audit log.
    fn did(&self, what: &str, chore: &str, cycle: Option<&str>) {
        let Actor { by, note } = self.actor.clone();
        let (chore, cycle) = (chore.to_owned(), cycle.unwrap_or_default().to_owned());
        let why = if note.is_empty() { String::new() } else { format!(": {note}") };
        let of = match (chore.as_str(), cycle.as_str()) {
            ("", _) => String::new(),
            (chore, "") => format!(" {chore}"),
            (chore, cycle) => format!(" {chore} ({cycle})"),
        };
        info!(by, "asked to {what}{of}{why}");
        let (at, what) = (Timestamp::now(), what.to_owned());
        let event = EventRecord { at, by, what, chore, cycle, note };
        self.shared.news.tell(|| Event::Control(event.clone()));
        self.shared.ledger.event(event);
    }

    /// Answers when the peer must not go on, with why: a chore whose failure policy says so has
    /// failed. Whoever runs the peer then closes it.
    pub async fn stop_wanted(&self) -> String {
        let mut wanted = self.shared.stop_wanted.subscribe();
        match wanted.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            // Not while this handle is there.
            Err(_) => std::future::pending().await,
        }
    }

    /// What happens from here on.
    pub fn news(&self) -> News {
        self.shared.news.clone()
    }

    /// One chore in full, whatever its state.
    pub fn chore(&self, chore: &str) -> Result<ChoreDetail, ControlError> {
        self.shared.registry.detail(chore)
    }

    /// What the ledger has, the newest first.
    pub async fn history(&self, query: Query) -> Result<Page, ControlError> {
        self.shared.ledger.entries(query).await.map_err(of_ledger)
    }

    /// One sentence: why a run came at a moment, or none did; without one, when the next comes.
    pub async fn why(
        &self,
        chore: &str,
        cycle: Option<&str>,
        moment: Option<Moment>,
    ) -> Result<Why, ControlError> {
        let status = self.shared.registry.chore(chore)?;
        let cycle = status.cycle(cycle).to_owned();
        let now = Timestamp::now();
        let because = match moment.filter(|moment| moment.from <= now) {
            None => why::next(&status, &cycle, now),
            Some(moment) => {
                let around = self.shared.ledger.around(chore, &cycle, moment.to).await;
                let of_cycle = status.cycles.iter().find(|known| known.name == cycle);
                why::past(&around.map_err(of_ledger)?, moment, of_cycle, now)
            }
        };
        Ok(Why { chore: chore.to_owned(), cycle, because })
    }

    /// One run in full.
    pub async fn run(&self, run: u64) -> Result<RunRecord, ControlError> {
        let found = self.shared.ledger.run(run).await.map_err(of_ledger)?;
        found.ok_or(ControlError::UnknownRun(run))
    }

    /// The orders of a storage node.
    pub fn orders(&self) -> Option<Orders> {
        self.shared.orders.clone()
    }

    /// The service of a satellite.
    pub fn settlement(&self) -> Option<Settlement> {
        self.shared.settlement.clone()
    }
}
