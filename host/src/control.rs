//! What operators reach a running peer by: HTTP and JSON, over a Unix socket that only its owner can
//! open, and over TCP if the config says so. It knows no wasm and no terminal.
//!
//! `routes` is what is answered, whoever asks; `access` who asks and what they may read; `server` the
//! socket; `tcp` and its `guard` the port, with the `tokens` that a change needs there. What each
//! answer looks like is in `docs/api.md`, and for programs in `openapi`.

mod access;
mod asked;
mod client;
mod connection;
mod events;
mod guard;
mod openapi;
mod problem;
mod routes;
mod server;
mod tcp;
#[cfg(test)]
mod tests;
mod tokens;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use asked::Control;
pub use client::{Client, ClientError, Events};
pub use server::{Claim, Server, claim, serve};
pub use tcp::{TcpOptions, TcpServer, serve_tcp};
pub use tokens::{Token, Tokens, TokensError};

use crate::clock::Timestamp;
use crate::cycle::Interval;
use crate::limits::SOCKET_PATH_BYTES_MAX;
use crate::log_gate::Wish;
use crate::news::News;
use crate::peer::{ControlError, Handle};
use crate::record::{Entry, Page, Query, RunRecord};
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
    #[error("listen on {address} for the API: choose another `listen` in [control] of chore.toml")]
    ListenTcp { address: SocketAddr, source: io::Error },
}

/// What a peer lets its operator do. None of it but a trigger waits for a run.
pub trait Controls: Clone + Send + Sync + 'static {
    /// The same, in the name of `actor`.
    fn acting(&self, actor: Actor) -> Self;

    /// As [`Controls::page`], without where the next ones begin.
    fn history(
        &self,
        query: Query,
    ) -> impl Future<Output = Result<Vec<Entry>, ControlError>> + Send {
        let page = self.page(query);
        async { Ok(page.await?.entries) }
    }

    /// Entries of the ledger, the newest first.
    fn page(&self, query: Query) -> impl Future<Output = Result<Page, ControlError>> + Send;

    /// What happens from here on.
    fn news(&self) -> News;

    /// One chore in full, whatever its state.
    fn chore(&self, chore: &str) -> Result<ChoreDetail, ControlError>;

    fn run(&self, run: u64) -> impl Future<Output = Result<RunRecord, ControlError>> + Send;

    fn why(
        &self,
        chore: &str,
        cycle: Option<&str>,
        moment: Option<Moment>,
    ) -> impl Future<Output = Result<Why, ControlError>> + Send;

    fn status(&self) -> PeerStatus;

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

    /// As `Handle::log_level`.
    fn log_level(
        &self,
        chore: Option<&str>,
        wish: Option<Wish>,
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

impl Controls for Handle {
    fn acting(&self, actor: Actor) -> Handle {
        Handle::acting(self, actor)
    }

    async fn page(&self, query: Query) -> Result<Page, ControlError> {
        Handle::history(self, query).await
    }

    fn news(&self) -> News {
        Handle::news(self)
    }

    fn chore(&self, chore: &str) -> Result<ChoreDetail, ControlError> {
        Handle::chore(self, chore)
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

    async fn log_level(&self, chore: Option<&str>, wish: Option<Wish>) -> Result<(), ControlError> {
        Handle::log_level(self, chore, wish).await
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
