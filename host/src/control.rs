//! What operators reach a running peer by: HTTP and JSON over a Unix socket that only its owner can
//! open. It knows no wasm and no terminal.
//!
//! | route | what |
//! |---|---|
//! | `GET /status` | a `PeerStatus` |
//! | `GET /metrics` | Prometheus text |
//! | `GET /history?chore=&cycle=&before=&outcome=&runs=&events=&limit=` | each `Entry`, the newest first |
//! | `GET /runs/{run}` | a `RunRecord` |
//! | `GET /chores/{name}/why?cycle=&from=&to=` | a `Why` |
//! | `POST /chores/{name}/trigger?cycle=&wait=` | a `Triggered`, when a run begins, or has ended |
//! | `POST /chores/{name}/pause?cycle=&until=`, `restart`, `cancel` | nothing, when it is done |
//! | `POST /chores/{name}/interval?cycle=&interval=` | the same |
//! | `POST /reload?force=`, `/chores/{name}/reload?force=` | each `Change`, when all is done |
//! | `POST /chores/{name}/unload`, `load`, `go-back` | the same |
//!
//! Times are nanoseconds since the Unix epoch. Each `POST` takes `by=` and `note=`: who does it, and
//! why, for the ledger.
//!
//! Every error has the body `{"error": "..."}`.

mod client;
mod routes;
mod server;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::path::PathBuf;

pub use client::{Client, ClientError};
pub use server::{Claim, Server, claim, serve};

use crate::clock::Timestamp;
use crate::cycle::Interval;
use crate::limits::SOCKET_PATH_BYTES_MAX;
use crate::peer::{ControlError, Handle};
use crate::record::{Entry, Query, RunRecord};
use crate::status::{Actor, Change, ChoreDetail, PeerStatus, Triggered};
use crate::why::{Moment, Why};

/// Why the control socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a peer is already running in {}", .0.display())]
    Running(PathBuf),
    #[error(
        "control socket {} has a path of {} bytes, and the system allows {SOCKET_PATH_BYTES_MAX}: \
         choose a shorter home", .0.display(), .0.as_os_str().len()
    )]
    PathTooLong(PathBuf),
    #[error("{} is not a socket: move it away, the peer needs that name", .0.display())]
    NotASocket(PathBuf),
    #[error("open lock file {}", .path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("listen on control socket {}", .path.display())]
    Listen { path: PathBuf, source: io::Error },
}

/// What a peer lets its operator do. None of it but a trigger waits for a run.
pub trait Controls: Clone + Send + Sync + 'static {
    /// The same, in the name of `actor`.
    fn acting(&self, actor: Actor) -> Self;

    fn history(
        &self,
        query: Query,
    ) -> impl Future<Output = Result<Vec<Entry>, ControlError>> + Send;

    fn run(&self, run: u64) -> impl Future<Output = Result<RunRecord, ControlError>> + Send;

    fn why(
        &self,
        chore: &str,
        cycle: Option<&str>,
        moment: Option<Moment>,
    ) -> impl Future<Output = Result<Why, ControlError>> + Send;

    fn status(&self) -> PeerStatus;

    /// As `Handle::detail`.
    fn detail(&self, chore: &str) -> Result<ChoreDetail, ControlError>;

    /// Prometheus text.
    fn metrics(&self) -> String;

    fn trigger(
        &self,
        chore: &str,
        cycle: Option<&str>,
        wait: bool,
    ) -> impl Future<Output = Result<Triggered, ControlError>> + Send;

    fn command(
        &self,
        command: Command,
        chore: &str,
        cycle: Option<&str>,
    ) -> impl Future<Output = Result<(), ControlError>> + Send;

    /// As `Handle::reload`.
    fn reload(
        &self,
        chore: Option<&str>,
        force: bool,
    ) -> impl Future<Output = Result<Vec<Change>, ControlError>> + Send;

    /// As `Handle::unload`.
    fn unload(&self, chore: &str)
    -> impl Future<Output = Result<Vec<Change>, ControlError>> + Send;

    /// As `Handle::load`.
    fn load(&self, chore: &str) -> impl Future<Output = Result<Vec<Change>, ControlError>> + Send;

    /// As `Handle::go_back`.
    fn go_back(
        &self,
        chore: &str,
    ) -> impl Future<Output = Result<Vec<Change>, ControlError>> + Send;
}

/// What an operator may ask of a chore's cycle, or of all its cycles, without waiting for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Until a restart, or a moment.
    Pause {
        until: Option<Timestamp>,
    },
    Restart,
    Cancel,
    Interval(Interval),
}

impl Command {
    /// The last part of its route, and the word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Command::Pause { .. } => "pause",
            Command::Restart => "restart",
            Command::Cancel => "cancel",
            Command::Interval(_) => "interval",
        }
    }
}

impl Controls for Handle {
    fn acting(&self, actor: Actor) -> Handle {
        Handle::acting(self, actor)
    }

    async fn history(&self, query: Query) -> Result<Vec<Entry>, ControlError> {
        Handle::history(self, query).await
    }

    async fn run(&self, run: u64) -> Result<RunRecord, ControlError> {
        Handle::run(self, run).await
    }

    async fn why(
        &self,
        chore: &str,
        cycle: Option<&str>,
        moment: Option<Moment>,
    ) -> Result<Why, ControlError> {
        Handle::why(self, chore, cycle, moment).await
    }

    fn status(&self) -> PeerStatus {
        Handle::status(self)
    }

    fn detail(&self, chore: &str) -> Result<ChoreDetail, ControlError> {
        Handle::detail(self, chore)
    }

    fn metrics(&self) -> String {
        Handle::metrics(self)
    }

    async fn trigger(
        &self,
        chore: &str,
        cycle: Option<&str>,
        wait: bool,
    ) -> Result<Triggered, ControlError> {
        Handle::trigger(self, chore, cycle, wait).await
    }

    async fn command(
        &self,
        command: Command,
        chore: &str,
        cycle: Option<&str>,
    ) -> Result<(), ControlError> {
        match command {
            Command::Pause { until } => self.pause_until(chore, cycle, until).await,
            Command::Restart => self.restart(chore, cycle).await,
            Command::Cancel => self.cancel(chore, cycle).await,
            Command::Interval(interval) => self.change_interval(chore, cycle, interval).await,
        }
    }

    async fn reload(&self, chore: Option<&str>, force: bool) -> Result<Vec<Change>, ControlError> {
        Handle::reload(self, chore, force).await
    }

    async fn unload(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        Handle::unload(self, chore).await
    }

    async fn load(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        Handle::load(self, chore).await
    }

    async fn go_back(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        Handle::go_back(self, chore).await
    }
}
