//! Connections of one listener: how many there are, how long each may be silent, and how they end.
//! It knows no route and no kind of socket.

use std::future::Future;
use std::io;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::limits::{ACCEPT_PAUSE, CONTROL_HEAD_BYTES_MAX, CONTROL_SHUTDOWN_MAX, CONTROL_TIMEOUT};

/// Where connections come from, each with what answers it.
pub(super) trait Listener: Send + 'static {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Router)>> + Send;
}

/// Serves a listener until it is stopped.
pub(super) async fn accept(listener: impl Listener, max: usize, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let full = connections.len() >= max;
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if !full => match accepted {
                Ok((stream, router)) => {
                    connections.spawn(talk(stream, router, stop.clone()));
                }
                Err(err) => {
                    debug!(error = %err, "a control listener accepted nothing");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    stop: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(CONTROL_TIMEOUT);
    http.max_buf_size(CONTROL_HEAD_BYTES_MAX);
    let service = TowerToHyperService::new(router);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(err) = ended {
        debug!(error = %err, "control connection broke");
    }
}

/// Takes no more requests, and lets those in progress end for a moment.
pub(super) async fn shutdown(task: &mut JoinHandle<()>, stop: &CancellationToken) {
    stop.cancel();
    if timeout(CONTROL_SHUTDOWN_MAX, &mut *task).await.is_err() {
        task.abort();
        // An aborted task ends at its next wait, and its connections with it.
        let _ = task.await;
    }
}
