//! One dial: name, TCP, TLS, id, HTTP/2. It knows no pool, and whoever drops it ends it.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use futures::future::select_ok;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;

use super::Error;
use super::first_bytes::FirstBytes;
use super::pool::Options;
use super::tasks::Tasks;
use super::tls;
use crate::blocking::in_turn;
use crate::identity::PublicIdentity;
use crate::limits::{
    ADDRESS_HEAD_START, ADDRESSES_TRIED_MAX, CONNECTION_WINDOW_BYTES, HEADER_BYTES_MAX,
    STREAM_WINDOW_BYTES,
};
use crate::node_id::NodeUrl;

type Io = TokioIo<FirstBytes<TlsStream<TcpStream>>>;

/// A connection whose peer is who it should be, and has taken us for who we are.
pub(super) struct Dialed {
    pub(super) peer: PublicIdentity,
    pub(super) sender: http2::SendRequest<Body>,
    /// Must be polled for calls to be sent.
    pub(super) http: http2::Connection<Io, Body, Tasks>,
}

/// `tasks` get what HTTP/2 spawns. The address was checked.
pub(super) async fn dial(
    node: &NodeUrl,
    tls: &Arc<ClientConfig>,
    options: &Options,
    lookups: &Arc<Semaphore>,
    tasks: &Tasks,
) -> Result<Dialed, Error> {
    let addresses = look_up(node, lookups).await?;
    let tcp = connect(node, &addresses).await?;
    let connector = TlsConnector::from(Arc::clone(tls));
    let stream = connector.connect(tls::no_name(), tcp).await;
    let stream = stream.map_err(|err| match tls::why_refused(&err) {
        Some(source) => Error::Certificates { node: node.clone(), source },
        None => Error::Handshake { node: node.clone(), source: Arc::new(err) },
    })?;
    let (_, state) = stream.get_ref();
    let peer = tls::peer(state)
        .map_err(|source| Error::Certificates { node: node.clone(), source: Arc::new(source) })?;
    if peer.id() != node.id {
        return Err(Error::WrongPeer { node: node.clone(), actual: peer.id() });
    }
    if state.alpn_protocol() != Some(tls::ALPN) {
        return Err(Error::NoHttp2 { node: node.clone() });
    }
    start_http2(node, stream, peer, options, tasks).await
}

async fn start_http2(
    node: &NodeUrl,
    stream: TlsStream<TcpStream>,
    peer: PublicIdentity,
    options: &Options,
    tasks: &Tasks,
) -> Result<Dialed, Error> {
    let (stream, mut first) = FirstBytes::new(stream);
    let (sender, mut http) = http2::Builder::new(tasks.clone())
        .timer(TokioTimer::new())
        .keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|source| Error::Http2 { node: node.clone(), source: Arc::new(source) })?;
    let refused = |source| Error::Refused { node: node.clone(), source: Arc::new(source) };
    tokio::select! {
        // The bytes, or why there are none, say more than the end of the connection.
        biased;
        first = &mut first => match first {
            Ok(first) => first.map_err(refused)?,
            Err(_) => return Err(refused(io::ErrorKind::UnexpectedEof.into())),
        },
        ended = &mut http => return Err(match ended {
            Ok(()) => refused(io::ErrorKind::UnexpectedEof.into()),
            Err(source) => Error::Http2 { node: node.clone(), source: Arc::new(source) },
        }),
    }
    Ok(Dialed { peer, sender, http })
}

/// The first addresses of the node's host, at least one.
async fn look_up(node: &NodeUrl, lookups: &Arc<Semaphore>) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = node.address.parse::<SocketAddr>() {
        return Ok(vec![address]);
    }
    let failed = |source| Error::Lookup { node: node.clone(), source: Arc::new(source) };
    let closed = || failed(io::ErrorKind::NotConnected.into());
    let address = node.address.clone();
    // The system's lookup keeps its thread, and its place, after we stopped waiting, so that names
    // which never answer cannot take every thread there is.
    let lookup = in_turn(lookups, move || {
        let found = address.to_socket_addrs()?.take(ADDRESSES_TRIED_MAX).collect::<Vec<_>>();
        match found.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
            false => Ok(found),
        }
    });
    match lookup.await {
        Ok(found) => found.map_err(failed),
        Err(_) => Err(closed()),
    }
}

/// The first connection that comes about. An address that does not answer holds up the others for
/// [`ADDRESS_HEAD_START`] only.
async fn connect(node: &NodeUrl, addresses: &[SocketAddr]) -> Result<TcpStream, Error> {
    let attempts = addresses.iter().zip(0u32..).map(|(address, before)| {
        Box::pin(async move {
            tokio::time::sleep(ADDRESS_HEAD_START * before).await;
            let tcp = TcpStream::connect(address).await?;
            // Messages are small and wanted at once.
            tcp.set_nodelay(true)?;
            refuse_self(&tcp)?;
            Ok(tcp)
        })
    });
    match select_ok(attempts).await {
        Ok((tcp, _)) => Ok(tcp),
        Err(source) => Err(Error::Connect { node: node.clone(), source: Arc::new(source) }),
    }
}

/// A dial to a free local port can, by TCP's simultaneous open, connect to itself.
fn refuse_self(tcp: &TcpStream) -> io::Result<()> {
    match tcp.local_addr()? == tcp.peer_addr()? {
        true => Err(io::ErrorKind::ConnectionRefused.into()),
        false => Ok(()),
    }
}
