//! What callers hold: the transport, a connection, and the answers of a call.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, TryFutureExt};
use http::Uri;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::{Status, Streaming};

use super::codec::{Raw, Received, lost};
use super::pool::{Found, Link, Options, Pool};
use super::requests::{Control, controlled, too_large};
use super::timeout::{Timed, exceeded};
use super::usage::Use;
use super::{Error, method, tls};
use crate::database::lock;
use crate::identity::{Identity, PublicIdentity};
use crate::limits::{CALL_TIMEOUT_MAX, DIAL_TIMEOUT_MAX};
use crate::node_id::{NodeId, NodeUrl, check_address};
use crate::traces::{TRACEPARENT, traceparent};

/// Dials peers as one identity. Clones share their connections, and with them what a peer takes and
/// what they have not read; those that have nothing to do with each other are made by
/// [`Transport::another`].
///
/// Connections and calls end when the last clone and the last [`Connection`] are dropped, or at
/// once with [`Transport::close`].
#[derive(Clone)]
pub struct Transport(Arc<Pool>);

impl Transport {
    /// Must be called within a tokio runtime, which runs the connections.
    pub fn new(identity: Arc<Identity>, options: Options) -> Transport {
        Transport(Arc::new(Pool::new(tls::client(&identity), options)))
    }

    /// With connections of its own, for another user: neither can hold up the other's calls, or take
    /// its places. They are counted together, and this one ends with the one it was made from.
    pub fn another(&self) -> Transport {
        Transport(Arc::new(self.0.another()))
    }

    /// A connection to `node`, whose id it has proved: one that is open, or else a new one. Callers
    /// who dial the same node at once share one dial and its outcome; a failed one is not
    /// remembered. Waits at most `timeout`, and [`DIAL_TIMEOUT_MAX`], for everything from the name
    /// to the peer's first HTTP/2 bytes.
    pub async fn dial_node(&self, node: &NodeUrl, timeout: Duration) -> Result<Connection, Error> {
        check_address(&node.address)
            .map_err(|source| Error::Address { node: node.clone(), source })?;
        let attempt = match self.0.find(node)? {
            Found::Open(connection) => return Ok(connection),
            Found::Dialing(attempt) => attempt,
        };
        let timeout = timeout.min(DIAL_TIMEOUT_MAX);
        match tokio::time::timeout(timeout, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Timeout { node: node.clone(), timeout }),
        }
    }

    /// Connections that are open, and how many dials ended in which way, for all users.
    pub fn usage(&self) -> (usize, BTreeMap<&'static str, u64>) {
        (self.0.open(), self.0.common.dials.counts())
    }

    /// How many dials of each node failed, of the first ones that were dialed, and of all others.
    pub fn dials_failed(&self) -> (Vec<(NodeId, u64)>, Option<u64>) {
        lock(&self.0.common.by_node).counts()
    }

    /// Ends every dial, connection and call, and refuses new ones. Says whether all their tasks
    /// ended within `limit`.
    pub async fn close(&self, limit: Duration) -> bool {
        self.0.close(limit).await
    }
}

/// An open connection to a peer. Clones are cheap; it stays open as long as one of them lives, the
/// peer permitting.
#[derive(Clone)]
pub struct Connection {
    link: Arc<Link>,
    pool: Arc<Pool>,
    _in_use: Use,
}

impl Connection {
    pub(super) fn new(link: Arc<Link>, pool: Arc<Pool>) -> Connection {
        let in_use = link.usage.begin();
        Connection { link, pool, _in_use: in_use }
    }

    /// Who the peer proved to be.
    pub fn peer(&self) -> &PublicIdentity {
        &self.link.peer
    }

    pub fn node(&self) -> &NodeUrl {
        &self.link.node
    }

    /// Whether calls can only fail. Another dial makes a new connection.
    pub fn is_closed(&self) -> bool {
        self.link.sender.is_closed()
    }

    /// Sends one message and waits for the one that answers it, at most `timeout` and
    /// [`CALL_TIMEOUT_MAX`]. `method` is a path as `/package.Service/Method`.
    pub async fn unary(
        &self,
        method: &str,
        request: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, Status> {
        let bytes_max = self.pool.common.options.message_bytes_max;
        if request.len() > bytes_max {
            return Err(too_large(request.len(), bytes_max));
        }
        let request = futures::stream::once(std::future::ready(request));
        let mut responses = self.stream(method, request, timeout).await?;
        let wrong = |count| Status::internal(format!("call {method}: peer answered {count}"));
        let response = responses.next().await.unwrap_or_else(|| Err(wrong("without a message")))?;
        // The status comes after the message.
        match responses.next().await {
            None => Ok(response),
            Some(Ok(_)) => Err(wrong("with more than one message")),
            Some(Err(status)) => Err(status),
        }
    }

    /// Starts a call that sends `requests` as the peer takes them. Returns without waiting for the
    /// peer, so a peer that answers only after the first request is no deadlock; its refusal is
    /// then the first item. Fails at once if the method is malformed or the connection closed.
    /// Dropping the answers ends the call.
    pub async fn stream(
        &self,
        method: &str,
        requests: impl Stream<Item = Vec<u8>> + Send + 'static,
        timeout: Duration,
    ) -> Result<ResponseStream, Status> {
        let path = method::path(method)?;
        let origin = Uri::builder().scheme("https").authority(self.link.node.address.as_str());
        let origin = origin.path_and_query("/").build();
        let origin = origin.map_err(|err| Status::invalid_argument(err.to_string()))?;
        let timeout = timeout.min(CALL_TIMEOUT_MAX);
        let deadline = Instant::now() + timeout;
        let bytes_max = self.pool.common.options.message_bytes_max;
        let (requests, control) = controlled(requests, bytes_max);
        let mut grpc = Grpc::with_origin(Channel(self.clone()), origin)
            .max_decoding_message_size(bytes_max)
            .max_encoding_message_size(bytes_max);
        let mut request = tonic::Request::new(requests);
        request.set_timeout(timeout);
        let span = tracing::debug_span!(
            "transport.call",
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            otel.status_description = tracing::field::Empty,
            rpc.system = "grpc",
            rpc.method = method,
            peer = %self.link.node.id,
        );
        let parent = traceparent(&span).and_then(|parent| parent.parse().ok());
        if let Some(parent) = parent {
            request.metadata_mut().insert(TRACEPARENT, parent);
        }
        let mut opening: Opening = Box::pin(async move {
            grpc.streaming(request, path, Raw).await.map(tonic::Response::into_inner)
        });
        // Polled once, the call is under way; from here the connection feeds it.
        let answers = match futures::poll!(opening.as_mut()) {
            Poll::Ready(opened) => Answers::Open(Box::new(opened?)),
            Poll::Pending => Answers::Opening(opening),
        };
        let answers = Timed::new(answers, deadline, exceeded(method, timeout));
        let connection = self.clone();
        let (control, ended) = (Some(control), false);
        Ok(ResponseStream { answers, control, connection, deadline, ended, span })
    }
}

type Opening = BoxFuture<'static, Result<Streaming<Vec<u8>>, Status>>;

enum Answers {
    Opening(Opening),
    Open(Box<Streaming<Vec<u8>>>),
}

impl Stream for Answers {
    type Item = Result<Vec<u8>, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match &mut *self {
                Answers::Open(stream) => return stream.poll_next_unpin(cx),
                Answers::Opening(opening) => match std::task::ready!(opening.poll_unpin(cx)) {
                    Ok(stream) => *self = Answers::Open(Box::new(stream)),
                    Err(status) => return Poll::Ready(Some(Err(status))),
                },
            }
        }
    }
}

/// What the peer answers. Ends after the first error; without one, the peer ended the call with
/// `Ok`. Ends by the call's deadline, whatever the peer does.
#[must_use = "dropping the answers ends the call"]
pub struct ResponseStream {
    answers: Timed<Answers>,
    control: Option<Control>,
    connection: Connection,
    deadline: Instant,
    ended: bool,
    /// From the call to the end of the answers.
    span: tracing::Span,
}

impl Stream for ResponseStream {
    type Item = Result<Vec<u8>, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // Our own fault first: what the peer says of it is only that the stream was reset.
        let fault = self.control.as_mut().map(|control| control.poll_fault(cx));
        let item = match fault {
            Some(Poll::Ready(fault)) => Some(Err(fault)),
            _ => std::task::ready!(self.answers.poll_next_unpin(cx)),
        };
        if !matches!(item, Some(Ok(_))) {
            self.ended = true;
            if let Some(Err(status)) = &item {
                self.span.record("otel.status_code", "ERROR");
                self.span.record("otel.status_description", status.message());
            }
            self.span = tracing::Span::none();
            if let Some(control) = &self.control {
                control.stop();
            }
        }
        Poll::Ready(item)
    }
}

impl Drop for ResponseStream {
    /// A peer that takes no bytes holds our requests, and HTTP/2 cannot take them back. Past the
    /// deadline, which the peer knows, the connection goes with them.
    fn drop(&mut self) {
        let Some(mut control) = self.control.take() else { return };
        control.stop();
        if control.is_over() {
            return;
        }
        let tasks = self.connection.link.tasks.clone();
        let limit = self.deadline + self.connection.pool.common.options.stall_grace;
        self.connection.link.tasks.spawn(async move {
            if tokio::time::timeout_at(limit, control.over()).await.is_err() {
                tasks.stop();
            }
        });
    }
}

/// The connection as tonic calls it.
struct Channel(Connection);

impl tower_service::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Received>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<http::Response<Received>, Status>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let node = self.0.link.node.clone();
        // Each call has its own sender: it is a handle of the one connection.
        let sent = self.0.link.sender.clone().send_request(request);
        sent.map_ok(|response| response.map(Received::new))
            .map_err(move |err| {
                let status = lost(&err);
                Status::new(status.code(), format!("call {node}: {}", status.message()))
            })
            .boxed()
    }
}
