//! A listener whose clients have proved their ids: accepts, bounds, and ends them. It knows no
//! service.

mod call;
mod connection;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::tasks::Tasks;
use super::{Error, Incoming, Outgoing, method, tls};
use crate::identity::{Identity, PublicIdentity};
use crate::limits::{
    ABORT_WAIT, ACCEPT_PAUSE, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, MESSAGE_BYTES_MAX,
    SERVER_CONNECTIONS_MAX, SERVER_HANDSHAKE_TIMEOUT, SERVER_HANDSHAKES_MAX, SERVER_IDLE,
    SERVER_STREAMS_MAX, STREAM_STALL_GRACE,
};

/// Serves one method.
pub trait Handler: Send + Sync + 'static {
    /// Answers one call of `peer`. The call ends when the answers end, when the client gives up, or
    /// at its deadline; then both streams and this future are dropped. A panic ends this call only.
    fn call(
        &self,
        peer: Arc<PublicIdentity>,
        requests: Incoming,
    ) -> BoxFuture<'_, Result<Outgoing, Status>>;
}

/// Method paths (`/package.Service/Method`) and who serves them.
pub type Routes = Vec<(&'static str, Arc<dyn Handler>)>;

/// What a server's clients may use. The reasons stand in `limits`.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Connections at once; more are closed as they come.
    pub connections_max: usize,
    /// Handshakes at once; more wait to be accepted.
    pub handshakes_max: usize,
    /// How long a client may take from TCP to its first HTTP/2 bytes.
    pub handshake_timeout: Duration,
    /// Calls at once on one connection; more wait on the client's side.
    pub streams_max: u32,
    /// How long a connection is kept without calls.
    pub connection_idle: Duration,
    /// How often a silent connection is checked, and how long the answer may take.
    pub keepalive_interval: Duration,
    pub keepalive_timeout: Duration,
    /// How long past its deadline a call may be held by a client that takes no bytes.
    pub stall_grace: Duration,
    /// Largest message either way, in bytes.
    pub message_bytes_max: usize,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        ServerOptions {
            connections_max: SERVER_CONNECTIONS_MAX,
            handshakes_max: SERVER_HANDSHAKES_MAX,
            handshake_timeout: SERVER_HANDSHAKE_TIMEOUT,
            streams_max: SERVER_STREAMS_MAX,
            connection_idle: SERVER_IDLE,
            keepalive_interval: KEEPALIVE_INTERVAL,
            keepalive_timeout: KEEPALIVE_TIMEOUT,
            stall_grace: STREAM_STALL_GRACE,
            message_bytes_max: MESSAGE_BYTES_MAX,
        }
    }
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every call was finished.
    Drained,
    /// Calls that went on past the deadline were dropped.
    Aborted,
    /// A handler blocks its thread and cannot be ended.
    Stuck,
}

/// A bound port, and once it serves, its connections. Dropping it drops their calls.
pub struct Server {
    address: SocketAddr,
    /// Until it serves.
    listener: Mutex<Option<TcpListener>>,
    shared: Arc<Shared>,
}

struct Shared {
    routes: HashMap<&'static str, Arc<dyn Handler>>,
    options: ServerOptions,
    tls: TlsAcceptor,
    tasks: Tasks,
    /// Says that nothing new begins.
    closing: CancellationToken,
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
}

impl Server {
    /// Listens on `address` (`host:port`, port 0 for any free one). Clients wait until
    /// [`Server::serve`]. Fails if the port is in use, or if a method is malformed or routed twice.
    pub async fn bind(
        identity: Arc<Identity>,
        address: &str,
        routes: Routes,
        options: ServerOptions,
    ) -> Result<Server, Error> {
        let mut by_method = HashMap::new();
        for (method, handler) in routes {
            if !method::is_valid(method) || by_method.insert(method, handler).is_some() {
                return Err(Error::Route { method });
            }
        }
        let tls = TlsAcceptor::from(tls::server(&identity)?);
        let failed = |err: io::Error| match err.kind() {
            io::ErrorKind::AddrInUse => Error::PortInUse { address: address.to_owned() },
            _ => Error::Listen { address: address.to_owned(), source: Arc::new(err) },
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let shared = Shared {
            routes: by_method,
            tls,
            tasks: Tasks::new(),
            closing: CancellationToken::new(),
            connections: Arc::new(Semaphore::new(options.connections_max)),
            handshakes: Arc::new(Semaphore::new(options.handshakes_max)),
            options,
        };
        Ok(Server {
            address: listener.local_addr().map_err(failed)?,
            listener: Mutex::new(Some(listener)),
            shared: Arc::new(shared),
        })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        let Shared { connections, options, .. } = &*self.shared;
        options.connections_max.saturating_sub(connections.available_permits())
    }

    /// Begins to accept. Again, or after a shutdown, it does nothing.
    pub fn serve(&self) {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listener) = listener {
            self.shared.tasks.spawn(Arc::clone(&self.shared).accept(listener));
        }
    }

    /// Ends the server, and says how:
    ///
    /// 1. nothing new is accepted, and the port is free;
    /// 2. clients are told to begin no more calls;
    /// 3. calls in progress have `grace` to end;
    /// 4. those that did not are dropped.
    ///
    /// Returns within `grace` and [`ABORT_WAIT`].
    pub async fn shutdown(&self, grace: Duration) -> Ended {
        self.shared.closing.cancel();
        drop(self.listener.lock().unwrap_or_else(PoisonError::into_inner).take());
        if self.shared.tasks.ended(grace).await {
            return Ended::Drained;
        }
        self.shared.tasks.stop();
        match self.shared.tasks.ended(ABORT_WAIT).await {
            true => Ended::Aborted,
            false => Ended::Stuck,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.closing.cancel();
        self.shared.tasks.stop();
    }
}

impl Shared {
    async fn accept(self: Arc<Shared>, listener: TcpListener) {
        let accept = async {
            loop {
                // Who is not accepted waits in the system's queue, and costs nothing here.
                let Ok(place) = Arc::clone(&self.handshakes).acquire_owned().await else { return };
                match listener.accept().await {
                    Ok((tcp, from)) => match Arc::clone(&self.connections).try_acquire_owned() {
                        Ok(room) => {
                            let connection = connection::serve(Arc::clone(&self), tcp, from, place);
                            self.tasks.spawn(async move {
                                connection.await;
                                drop(room);
                            });
                        }
                        Err(_) => {
                            tracing::debug!(%from, "refused a connection: there are too many")
                        }
                    },
                    Err(err) => {
                        let pause = pause_after(&err);
                        if !pause.is_zero() {
                            tracing::warn!(error = %err, "accepting a connection failed");
                        }
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        };
        self.closing.run_until_cancelled(accept).await;
    }
}

/// How long to wait before the next accept. When only one client is gone there is no reason to;
/// when files or memory are, to ask again at once would take a core.
fn pause_after(err: &io::Error) -> Duration {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    match err.kind() {
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted => Duration::ZERO,
        _ => ACCEPT_PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_the_machine_pause_the_listener() {
        // Numbers as Linux and macOS have them: EMFILE, ENFILE, EINTR.
        let cases = [
            (io::Error::from_raw_os_error(24), ACCEPT_PAUSE),
            (io::Error::from_raw_os_error(23), ACCEPT_PAUSE),
            (io::Error::from_raw_os_error(4), Duration::ZERO),
            (io::ErrorKind::ConnectionAborted.into(), Duration::ZERO),
            (io::ErrorKind::ConnectionReset.into(), Duration::ZERO),
        ];
        for (err, expected) in cases {
            assert_eq!(pause_after(&err), expected, "{err}");
        }
    }
}
