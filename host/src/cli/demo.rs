//! `chore demo`: a small network on this machine whose storage node settles real orders, for people
//! to watch, or for a program to check.

mod exact;
mod polyglot;
mod sender;
mod steady;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::Error as CliError;
use super::log;
use super::output::Out;
use super::progress::Progress;
use super::run::Stop;
use crate::config::{Log, LogFormat, LogLevel};
use crate::peer::ControlError;
use crate::planet::{Planet, PlanetOptions};
use crate::runtime::Runtime;
use crate::{orders, settlement, signing};
use polyglot::Found;

/// The chore that is shown.
const SENDER: &str = "order-sender";

/// What an operator would write for it.
const GRANTS: &str = "grants = [\"orders\", \"kademlia\", \"transport\"]\n";

/// Short, so that there is something to see.
const INTERVAL: &str = "\n[cycles.main]\ninterval = \"5s\"\n";

/// As a shell reports a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// Logs of peers that do well would hide what the demonstration says itself.
const LOG: Log = Log { level: LogLevel::Warn, format: LogFormat::Text };

#[derive(Args)]
pub(super) struct Asked {
    /// Settle exactly N orders, print a summary and end; without it, orders come until Ctrl-C
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    orders: Option<u32>,

    /// Slip M more orders with a broken signature past the node's checks: satellites reject them
    #[arg(
        long, value_name = "M", default_value_t = 0, requires = "orders",
        value_parser = clap::value_parser!(u32).range(0..=100_000),
    )]
    forged: u32,

    /// Satellites that the orders are spread over
    #[arg(
        long, value_name = "K", default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=16),
    )]
    satellites: u32,

    /// The order sender as a component; without it, it is built from the source of this program
    #[arg(long, value_name = "FILE.wasm")]
    chore: Option<PathBuf>,

    /// Run our chores in other languages beside it in one node, sum up what each cost, and end
    ///
    /// They are built from the source of this program, which for those in Python takes Python 3.10 or
    /// later with its venv, and the first time a network.
    #[arg(long, conflicts_with = "orders")]
    polyglot: bool,

    /// Take the chores in other languages from there, as NAME.wasm, and build none
    #[arg(long, value_name = "DIR", requires = "polyglot")]
    chores_from: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("build the order sender: its source, {}, is gone: pass --chore FILE.wasm", .0.display())]
    NoSource(PathBuf),
    #[error("open the component {}", .path.display())]
    Component { path: PathBuf, source: io::Error },
    #[error("make a directory for the demonstration")]
    Directory(#[source] io::Error),
    #[error("the storage node did not load {name}: {reason}")]
    Refused { name: &'static str, reason: String },
    #[error("load {name}")]
    Load { name: &'static str, source: ControlError },
    #[error("trigger {name}")]
    Trigger { name: &'static str, source: ControlError },
    #[error("run {name}: not ended within {}", humantime::format_duration(*.max))]
    RunTooLong { name: &'static str, max: Duration },
    #[error("find {}: build it with {}", .component.display(), .script.display())]
    NotBuilt { component: PathBuf, script: PathBuf },
    #[error("there is no chore in another language: name their folder with --chores-from DIR")]
    Alone,
    #[error("{0} has no {1} service")]
    NoService(String, &'static str),
    #[error("count what {0} accepted")]
    Totals(String, #[source] settlement::Error),
    #[error("ask the storage node for its orders")]
    Orders(#[from] orders::Error),
    #[error("forge orders")]
    Forge(#[source] signing::Fault),
    #[error("issue orders: the thread that signs them broke")]
    Signer(#[source] tokio::task::JoinError),
}

pub(super) async fn demo(out: &Out, asked: Asked) -> Result<u8, CliError> {
    log::start(LOG, None)?;
    let component = match &asked.chore {
        Some(path) => path.clone(),
        None => sender::build(out).await?,
    };
    let others = match asked.polyglot {
        true => polyglot::find(out, &component, asked.chores_from.as_deref()).await?,
        false => Vec::new(),
    };
    // From here on a signal ends the demonstration in order, and its directory is removed.
    let mut stop = Stop::new()?;
    let root =
        tempfile::Builder::new().prefix("chore-demo-").tempdir().map_err(Error::Directory)?;
    let mut options = PlanetOptions::new(root.path(), Runtime::new()?);
    options.satellites = asked.satellites as usize;
    if !asked.polyglot {
        let sender = installable(&component, root.path(), SENDER)?;
        options.chore_files = vec![(sender, Some(format!("{GRANTS}{INTERVAL}")))];
    }
    let first = if asked.polyglot { "" } else { "; the chore is compiled first" };
    out.tell(&format!("starting satellites, a storage node and an uplink{first} ..."))?;
    let progress = Progress::begin("starting");
    let planet = tokio::select! {
        planet = Planet::start(options) => planet?,
        _ = stop.signal() => return Ok(INTERRUPTED),
    };
    drop(progress);
    let shown = tokio::select! {
        shown = show(out, &planet, &asked, &others, root.path()) => shown,
        _ = stop.signal() => interrupted(out, &asked),
    };
    let closed = planet.shutdown().await;
    let code = shown?;
    closed?;
    Ok(code)
}

/// A component under its chore's name, whatever its file is called.
fn installable(component: &Path, root: &Path, name: &str) -> Result<PathBuf, Error> {
    let file = root.join(format!("{name}.wasm"));
    let copied = std::fs::copy(component, &file);
    copied.map_err(|source| Error::Component { path: component.into(), source })?;
    Ok(file)
}

async fn show(
    out: &Out,
    planet: &Planet,
    asked: &Asked,
    others: &[Found],
    root: &Path,
) -> Result<u8, CliError> {
    for member in planet.satellites().iter().chain(planet.nodes()) {
        out.tell(&format!("{:<12} {}", member.name(), member.url()))?;
    }
    let home = planet.node(0).home().root().display();
    out.tell(&format!("in another terminal: chore --home {home} ls\n"))?;
    if asked.polyglot {
        return polyglot::watch(out, planet, others, root).await;
    }
    loaded(planet)?;
    match asked.orders {
        Some(orders) => exact::settle(out, planet, orders, asked.forged).await,
        None => steady::watch(out, planet).await,
    }
}

/// Without a limit, Ctrl-C is how it is meant to end.
fn interrupted(out: &Out, asked: &Asked) -> Result<u8, CliError> {
    out.tell("\nclosing ...")?;
    let has_end = asked.orders.is_some() || asked.polyglot;
    Ok(if has_end { INTERRUPTED } else { 0 })
}

/// Fails with the reason if the node refused the sender.
fn loaded(planet: &Planet) -> Result<(), Error> {
    let status = planet.node(0).handle().status();
    let refused = |reason| Err(Error::Refused { name: SENDER, reason });
    match status.chores.iter().find(|chore| chore.name == SENDER) {
        Some(chore) if chore.reason.is_empty() => Ok(()),
        Some(chore) => refused(chore.reason.clone()),
        None => refused("it is not in the list of its chores".into()),
    }
}
