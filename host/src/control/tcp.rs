//! The API over TCP: the same routes behind the guard, and the pages of the panel beside them. It
//! listens where the config says, which is this machine unless the operator allows more.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Extension, Router, middleware};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connection::{self, Listener, shutdown};
use super::guard::{self, Guard, PeerAddress};
use super::tokens::Tokens;
use super::{Controls, Error, routes};
use crate::limits::CONTROL_TCP_CONNECTIONS_MAX;

/// Where to listen, and for whom.
pub struct TcpOptions {
    pub listen: SocketAddr,
    /// By which browsers reach it, besides loopback.
    pub name: Option<String>,
    pub tokens: Tokens,
}

/// Listens and serves. Must be called within a tokio runtime.
///
/// # Errors
///
/// If the port is in use, or is not ours to use.
pub async fn serve_tcp<C: Controls>(controls: C, options: TcpOptions) -> Result<TcpServer, Error> {
    let TcpOptions { listen, name, tokens } = options;
    let failed = |source| Error::ListenTcp { address: listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let stop = CancellationToken::new();
    let guard = Arc::new(Guard::new(address, name, tokens));
    let router =
        whole(controls, stop.clone()).layer(middleware::from_fn_with_state(guard, guard::guard));
    let port = Port { listener, router };
    let serving = connection::accept(port, CONTROL_TCP_CONNECTIONS_MAX, stop.clone());
    Ok(TcpServer { task: tokio::spawn(serving), stop, address })
}

/// Everything that is served over TCP.
fn whole<C: Controls>(controls: C, stop: CancellationToken) -> Router {
    crate::panel::router(controls.clone()).merge(routes::router(controls, stop))
}

/// The API over TCP. Shut it down; dropping it ends its connections at once.
#[must_use]
pub struct TcpServer {
    task: JoinHandle<()>,
    stop: CancellationToken,
    address: SocketAddr,
}

impl TcpServer {
    /// With the port that the system chose, if the config left it open.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more requests, and lets those in progress end for a moment.
    pub async fn shutdown(mut self) {
        shutdown(&mut self.task, &self.stop).await;
    }
}

impl Drop for TcpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Port {
    listener: TcpListener,
    router: Router,
}

impl Listener for Port {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Router)> {
        let (stream, from) = self.listener.accept().await?;
        // Events are small, and somebody looks at them.
        let _ = stream.set_nodelay(true);
        Ok((stream, self.router.clone().layer(Extension(PeerAddress(from.ip())))))
    }
}
