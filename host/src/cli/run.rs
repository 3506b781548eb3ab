//! Runs one peer until it is told to stop: reads its config, starts its log, serves its control
//! socket, tells its supervisor how it is, and closes it within the budget that it names.

use std::convert::Infallible;
use std::io::Read;
use std::path::Path;
use std::process::exit;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use super::{Error, log};
use crate::config::{self, Config};
use crate::control::{self, TcpOptions, TcpServer, Tokens, serve_tcp};
use crate::limits::{CLOSE_MARGIN, CONFIG_BYTES_MAX};
use crate::peer::{Handle, Home, Options, Peer};
use crate::settlement::Manner;
use crate::status::PeerStatus;
use crate::supervisor::Supervisor;
use crate::traces::Traces;

/// As a shell reports a program that a signal ended.
const INTERRUPTED: i32 = 130;

/// With the value "1", a crash leaves a core file, if the system keeps them.
const CORE_FILES: &str = "CHORE_CORE_FILES";

/// How often the supervisor is told how the peer is, if it does not want to know more often.
const STATUS_EVERY: Duration = Duration::from_secs(30);

pub(super) async fn run(home: Home) -> Result<u8, Error> {
    if !home.config().exists() || !home.identity().exists() {
        return Err(Error::NotSetUp(home.root().into()));
    }
    keep_memory_private()?;
    let path = home.config();
    let config = Config::parse(&read(&path)?, &path.display().to_string())?;
    let (traces, spans) = Traces::start(&config.traces)?.unzip();
    log::start(config.log.clone(), spans)?;
    let supervisor = Arc::new(Supervisor::of_this_process());
    supervisor.status("starting: chores are loaded");
    let mut stop = Stop::new()?;
    // Before anything of the home is opened, so that a second peer disturbs nothing.
    let claim = control::claim(&home.socket())?;
    let listens = config.control.clone();
    let spans = traces.as_ref().map(Traces::spans);
    let options =
        Options { home: home.clone(), config, runtime: None, manner: Manner::default(), spans };
    let mut peer = tokio::select! {
        started = Peer::start(options) => started?,
        signal = stop.signal() => {
            info!(signal, "stopped before the peer had started");
            return Ok(0);
        }
    };
    let server = match claim.serve(peer.handle()) {
        Ok(server) => server,
        Err(err) => {
            close(peer, &mut stop).await?;
            return Err(err.into());
        }
    };
    let tcp = match over_tcp(&peer, &home, listens).await {
        Ok(tcp) => tcp,
        Err(err) => {
            close(peer, &mut stop).await?;
            return Err(err);
        }
    };
    let api = tcp.as_ref().map(|tcp| tcp.local_addr().to_string()).unwrap_or_default();
    let (handle, budget) = (peer.handle(), peer.shutdown_budget());
    // It answers, and can be closed, while chores are loaded.
    let end = tokio::select! {
        end = until_the_end(&handle, budget, &mut stop) => end,
        never = say(&mut peer, &home, &api, &supervisor) => match never {},
    };
    supervisor.stopping("closing", peer.shutdown_budget().saturating_add(CLOSE_MARGIN));
    let closed = close(peer, &mut stop).await;
    if let Some(tcp) = tcp {
        tcp.shutdown().await;
    }
    server.shutdown().await;
    if let Some(traces) = traces {
        traces.close();
    }
    closed?;
    info!("closed");
    end.map(|()| 0)
}

/// Says in the log and to the supervisor that the peer runs, once its chores are loaded, and from then
/// on how it is.
async fn say(peer: &mut Peer, home: &Home, api: &str, supervisor: &Arc<Supervisor>) -> Infallible {
    peer.loaded().await;
    let status = peer.handle().status();
    info!(
        version = status.version,
        node = status.node,
        listen = status.listen,
        api,
        home = %home.root().display(),
        "peer runs"
    );
    supervisor.ready(&summary(&status));
    // A task of its own: what it proves is that such get their turn.
    let telling = tokio::spawn(tell(supervisor.clone(), peer.handle()));
    let _telling = AbortOnDropHandle::new(telling);
    std::future::pending().await
}

/// Says in the log why the peer is to close. An error is the peer's own wish.
async fn until_the_end(handle: &Handle, budget: Duration, stop: &mut Stop) -> Result<(), Error> {
    let budget = humantime::format_duration(budget).to_string();
    tokio::select! {
        signal = stop.signal() => {
            info!(signal, budget, "closing; a second signal ends it at once");
            Ok(())
        }
        why = handle.stop_wanted() => {
            error!(budget, "closing: {why}");
            Err(Error::StoppedByCheck(why))
        }
    }
}

/// Its memory has the node's key and the settings of chores, which belong in no core file, nor to
/// another process of the same user. Whoever looks for a crash of the peer can have it otherwise.
pub(super) fn keep_memory_private() -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    if std::env::var_os(CORE_FILES).is_none_or(|wish| wish != "1") {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let operation = "keep this process's memory private";
        set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .map_err(|source| Error::System { operation, source: source.into() })?;
    }
    Ok(())
}

/// The API over TCP, if the config has it.
async fn over_tcp(
    peer: &Peer,
    home: &Home,
    listens: config::Control,
) -> Result<Option<TcpServer>, Error> {
    let config::Control { listen: Some(listen), name, .. } = listens else { return Ok(None) };
    if !listen.ip().is_loopback() {
        warn!(%listen, "other machines can read what this peer does: allow-remote is set");
    }
    let tokens = Tokens::at(home.tokens());
    let options = TcpOptions { listen, name, tokens };
    Ok(Some(serve_tcp(peer.handle(), options).await?))
}

/// Tells the supervisor how the peer is, again and again. Each time proves that tasks are run, and
/// that nobody holds what a look at the peer needs: if either is not so, nothing is said, and the
/// supervisor starts another peer.
async fn tell(supervisor: Arc<Supervisor>, peer: Handle) {
    let every = supervisor.ping_every().unwrap_or(STATUS_EVERY);
    let mut told = String::new();
    loop {
        // In another task, which must get its turn too.
        let handle = peer.clone();
        let Ok(summary) = tokio::spawn(async move { summary(&handle.status()) }).await else {
            return;
        };
        supervisor.ping();
        if summary != told {
            supervisor.status(&summary);
            told = summary;
        }
        tokio::time::sleep(every).await;
    }
}

/// "3 chores are loaded, 1 is not".
fn summary(status: &PeerStatus) -> String {
    let loaded = status.chores.iter().filter(|chore| chore.state == "loaded").count();
    let others = status.chores.len() - loaded;
    let loaded = match loaded {
        1 => "1 chore is loaded".to_owned(),
        loaded => format!("{loaded} chores are loaded"),
    };
    match others {
        0 => loaded,
        1 => format!("{loaded}, 1 is not"),
        others => format!("{loaded}, {others} are not"),
    }
}

async fn close(peer: Peer, stop: &mut Stop) -> Result<(), Error> {
    let budget = peer.shutdown_budget().saturating_add(CLOSE_MARGIN);
    tokio::select! {
        closed = tokio::time::timeout(budget, peer.close()) => {
            closed.map_err(|_| Error::CloseTooLong(budget))
        }
        signal = stop.signal() => {
            warn!(signal, "second signal: ended at once");
            exit(INTERRUPTED)
        }
    }
}

/// The signals that ask a program to stop.
pub(super) struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// From here on these signals do not end the program by themselves.
    pub fn new() -> Result<Stop, Error> {
        let listen = |kind| {
            signal(kind).map_err(|source| Error::System { operation: "wait for signals", source })
        };
        Ok(Stop {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Its name, when one comes.
    pub async fn signal(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

pub(super) fn read(path: &Path) -> Result<String, Error> {
    let failed = |source| Error::File { operation: "read config file", path: path.into(), source };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(Error::ConfigTooLarge { path: path.into(), max: CONFIG_BYTES_MAX });
    }
    Ok(text)
}
