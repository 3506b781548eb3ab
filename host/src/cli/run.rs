//! Runs one peer until it is told to stop: reads its config, starts its log, serves its control
//! socket, and closes it within the budget that it names.

use std::io::{IsTerminal, Read, stderr};
use std::path::Path;
use std::process::exit;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::Error;
use crate::config::{self, Config, LogFormat};
use crate::control::{self, TcpOptions, TcpServer, Tokens, serve_tcp};
use crate::limits::{CLOSE_MARGIN, CONFIG_BYTES_MAX};
use crate::peer::{Home, Options, Peer};
use crate::settlement::Manner;
use crate::traces::{SpanLayer, Traces};

/// Overrides the level that the program or its config file names.
const LOG_VARIABLE: &str = "CHORE_LOG";

/// As a shell reports a program that a signal ended.
const INTERRUPTED: i32 = 130;

pub(super) async fn run(home: Home) -> Result<u8, Error> {
    if !home.config().exists() || !home.identity().exists() {
        return Err(Error::NotSetUp(home.root().into()));
    }
    let path = home.config();
    let config = Config::parse(&read(&path)?, &path.display().to_string())?;
    let (traces, layer) = Traces::start(&config.traces)?.unzip();
    log_with(&config.log.level.to_string(), config.log.format, layer)?;
    let mut stop = Stop::new()?;
    // Before anything of the home is opened, so that a second peer disturbs nothing.
    let claim = control::claim(&home.socket())?;
    let listens = config.control.clone();
    let spans = traces.as_ref().map(Traces::spans);
    let options =
        Options { home: home.clone(), config, runtime: None, manner: Manner::default(), spans };
    let peer = tokio::select! {
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
    let status = peer.handle().status();
    info!(
        version = status.version,
        node = status.node,
        listen = status.listen,
        api = tcp.as_ref().map(|tcp| tcp.local_addr().to_string()).unwrap_or_default(),
        home = %home.root().display(),
        "peer runs"
    );
    let signal = stop.signal().await;
    let budget = humantime::format_duration(peer.shutdown_budget()).to_string();
    info!(signal, budget, "closing; a second signal ends it at once");
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
    Ok(0)
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

/// Lines for people, or JSON, of this level unless the variable names another filter. What cannot be
/// written is lost: a log must not stop a peer.
pub(super) fn log_to_stderr(level: &str, format: LogFormat) -> Result<(), Error> {
    log_with(level, format, None)
}

/// The same, and spans to whatever takes them, which no filter of the log is in the way of.
fn log_with(level: &str, format: LogFormat, spans: Option<SpanLayer>) -> Result<(), Error> {
    let variable = std::env::var(LOG_VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = variable.as_deref().unwrap_or(level);
    let parsed = EnvFilter::builder().parse(filter);
    let parsed = parsed
        .map_err(|err| Error::LogFilter { filter: filter.into(), reason: err.to_string() })?;
    let lines = fmt::layer().with_writer(stderr).log_internal_errors(false);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.with_ansi(stderr().is_terminal()).with_target(false).boxed(),
    };
    tracing_subscriber::registry().with(spans).with(lines.with_filter(parsed)).init();
    Ok(())
}
