//! `chore demo`: a small network on this machine whose storage node settles real orders, for people
//! to watch, or for a program to check.

mod exact;
mod sender;
mod steady;

use std::io;
use std::path::PathBuf;

use clap::Args;

use super::Error as CliError;
use super::output::Out;
use super::run::{Stop, log_to_stderr};
use crate::config::LogFormat;
use crate::peer::ControlError;
use crate::planet::{Planet, PlanetOptions};
use crate::runtime::Runtime;
use crate::{orders, settlement, signing};

/// The chore that is shown.
const SENDER: &str = "order-sender";

/// What an operator would write for it; the interval is short, so that there is something to see.
const SENDER_CONFIG: &str = "\
grants = [\"orders\", \"kademlia\", \"transport\"]

[cycles.main]
interval = \"5s\"
";

/// As a shell reports a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// Logs of peers that do well would hide what the demonstration says itself.
const LOG_LEVEL: &str = "warn";

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
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("build the order sender: its source, {}, is gone: pass --chore FILE.wasm", .0.display())]
    NoSource(PathBuf),
    #[error("open the order sender {}", .path.display())]
    Component { path: PathBuf, source: io::Error },
    #[error("make a directory for the demonstration")]
    Directory(#[source] io::Error),
    #[error("the storage node did not load {SENDER}: {0}")]
    Refused(String),
    #[error("trigger {SENDER}")]
    Trigger(#[source] ControlError),
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
    log_to_stderr(LOG_LEVEL, LogFormat::Text)?;
    let component = match &asked.chore {
        Some(path) => path.clone(),
        None => sender::build(out).await?,
    };
    // From here on a signal ends the demonstration in order, and its directory is removed.
    let mut stop = Stop::new()?;
    let root =
        tempfile::Builder::new().prefix("chore-demo-").tempdir().map_err(Error::Directory)?;
    // Whatever the file is called, the chore is the order sender.
    let installed = root.path().join(format!("{SENDER}.wasm"));
    std::fs::copy(&component, &installed)
        .map_err(|source| Error::Component { path: component, source })?;
    let options = PlanetOptions {
        satellites: asked.satellites as usize,
        chore_files: vec![(installed, Some(SENDER_CONFIG.to_owned()))],
        ..PlanetOptions::new(root.path(), Runtime::new()?)
    };
    out.tell("starting satellites, a storage node and an uplink; the chore is compiled first ...")?;
    let planet = tokio::select! {
        planet = Planet::start(options) => planet?,
        _ = stop.signal() => return Ok(INTERRUPTED),
    };
    let shown = tokio::select! {
        shown = show(out, &planet, &asked) => shown,
        _ = stop.signal() => interrupted(out, &asked),
    };
    let closed = planet.shutdown().await;
    let code = shown?;
    closed?;
    Ok(code)
}

async fn show(out: &Out, planet: &Planet, asked: &Asked) -> Result<u8, CliError> {
    for member in planet.satellites().iter().chain(planet.nodes()) {
        out.tell(&format!("{:<12} {}", member.name(), member.url()))?;
    }
    let home = planet.node(0).home().root().display();
    out.tell(&format!("in another terminal: chore --home {home} ls\n"))?;
    loaded(planet)?;
    match asked.orders {
        Some(orders) => exact::settle(out, planet, orders, asked.forged).await,
        None => steady::watch(out, planet).await,
    }
}

/// Without a limit, Ctrl-C is how it is meant to end.
fn interrupted(out: &Out, asked: &Asked) -> Result<u8, CliError> {
    out.tell("\nclosing ...")?;
    Ok(if asked.orders.is_some() { INTERRUPTED } else { 0 })
}

/// Fails with the reason if the node refused the sender.
fn loaded(planet: &Planet) -> Result<(), Error> {
    let status = planet.node(0).handle().status();
    match status.chores.iter().find(|chore| chore.name == SENDER) {
        Some(chore) if chore.reason.is_empty() => Ok(()),
        Some(chore) => Err(Error::Refused(chore.reason.clone())),
        None => Err(Error::Refused("it is not in the list of its chores".into())),
    }
}
