//! One client, from its first byte to its last. It knows no routes.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::server::TlsStream;

use super::Shared;
use super::call::{self, Client};
use crate::limits::{
    CONNECTION_CLOSE_WAIT, CONNECTION_WINDOW_BYTES, HEADER_BYTES_MAX, STREAM_WINDOW_BYTES,
};
use crate::transport::first_bytes::FirstBytes;
use crate::transport::tls;
use crate::transport::usage::Usage;

type FirstSignal = oneshot::Receiver<std::io::Result<()>>;

/// Serves one client until it goes, is idle for too long, or the server closes. `place` is given
/// back when the handshake is done.
pub(super) async fn serve(
    shared: Arc<Shared>,
    tcp: TcpStream,
    from: SocketAddr,
    place: OwnedSemaphorePermit,
) {
    let deadline = Instant::now() + shared.options.handshake_timeout;
    let handshake = timeout_at(deadline, handshake(&shared, tcp));
    // A client that is not through yet has no call to finish.
    let Some(handshake) = shared.closing.run_until_cancelled(handshake).await else { return };
    let refused = match handshake {
        Ok(Ok((stream, client))) => return serve_http2(stream, client, deadline, place).await,
        Ok(Err(reason)) => reason,
        Err(_) => "not finished in time".to_owned(),
    };
    tracing::debug!(%from, reason = refused, "a client's handshake failed");
}

async fn handshake(
    shared: &Arc<Shared>,
    tcp: TcpStream,
) -> Result<(TlsStream<TcpStream>, Client), String> {
    tcp.set_nodelay(true).map_err(|err| err.to_string())?;
    let stream = shared.tls.accept(tcp).await.map_err(|err| err.to_string())?;
    let (_, state) = stream.get_ref();
    let peer = tls::peer(state).map_err(|err| err.to_string())?;
    if state.alpn_protocol() != Some(tls::ALPN) {
        return Err(format!("{} does not speak HTTP/2", peer.id()));
    }
    let client = Client {
        shared: Arc::clone(shared),
        peer: Arc::new(peer),
        usage: Usage::new(),
        tasks: shared.tasks.child(),
    };
    Ok((stream, client))
}

async fn serve_http2(
    stream: TlsStream<TcpStream>,
    client: Client,
    deadline: Instant,
    place: OwnedSemaphorePermit,
) {
    let (stream, first) = FirstBytes::new(stream);
    let options = client.shared.options.clone();
    let client = Arc::new(client);
    let calls = Arc::clone(&client);
    let service = service_fn(move |request| call::respond(Arc::clone(&calls), request));
    let http = http2::Builder::new(client.tasks.clone())
        .timer(TokioTimer::new())
        .keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout)
        .max_concurrent_streams(options.streams_max)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut http = pin!(http);
    let serving = async {
        tokio::select! {
            ended = http.as_mut() => return Some(ended),
            () = wants_to_end(&client, first, deadline, place) => {}
        }
        // Tells the client, which ends it once its calls are done.
        http.as_mut().graceful_shutdown();
        tokio::select! {
            ended = http.as_mut() => Some(ended),
            // One without calls has nothing to wait for but this.
            () = unused_for_a_moment(&client.usage) => None,
        }
    };
    // A call that is held for too long stops its client's tasks, and this with them.
    if let Some(Some(Err(err))) = client.tasks.unless_stopped(serving).await {
        tracing::debug!(peer = %client.peer.id(), error = %err, "a client's connection ended");
    }
    client.tasks.stop();
}

/// Waits for a reason to end the connection: the client said nothing after the handshake, made no
/// call for too long, or the server closes.
async fn wants_to_end(
    client: &Client,
    first: FirstSignal,
    deadline: Instant,
    place: OwnedSemaphorePermit,
) {
    let reason = async {
        match timeout_at(deadline, first).await {
            Ok(_) => drop(place),
            Err(_) => return,
        }
        let idle = client.shared.options.connection_idle;
        loop {
            let since = client.usage.idle_since();
            let expires = since.unwrap_or_else(Instant::now) + idle;
            if since.is_some() && expires <= Instant::now() {
                return;
            }
            sleep_until(expires).await;
        }
    };
    client.shared.closing.run_until_cancelled(reason).await;
}

async fn unused_for_a_moment(usage: &Usage) {
    loop {
        usage.idle().await;
        tokio::time::sleep(CONNECTION_CLOSE_WAIT).await;
        if usage.idle_since().is_some_and(|since| since.elapsed() >= CONNECTION_CLOSE_WAIT) {
            return;
        }
    }
}
