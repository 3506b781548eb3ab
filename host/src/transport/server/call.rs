//! One call: routed, timed, and kept from taking others with it. It knows no connection.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt};
use hyper::body::Incoming as HttpIncoming;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tonic::body::Body;
use tonic::server::{Grpc, StreamingService};
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, Span};

use super::{Handler, Shared};
use crate::identity::PublicIdentity;
use crate::limits::METHOD_BYTES_MAX;
use crate::traces::{TRACEPARENT, set_parent};
use crate::transport::Outgoing;
use crate::transport::codec::{Message, Raw, Received};
use crate::transport::tasks::Tasks;
use crate::transport::timeout::{Timed, exceeded, of_call};
use crate::transport::usage::{Usage, Use};

/// What a client's calls have in common.
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    pub(super) peer: Arc<PublicIdentity>,
    pub(super) usage: Arc<Usage>,
    pub(super) tasks: Tasks,
}

/// What gRPC requests begin their content type with.
const CONTENT_TYPE: &str = "application/grpc";

pub(super) async fn respond(
    client: Arc<Client>,
    request: http::Request<HttpIncoming>,
) -> Result<http::Response<Body>, Infallible> {
    Ok(match route(&client, &request) {
        Ok(call) => {
            let bytes_max = client.shared.options.message_bytes_max;
            let mut grpc = Grpc::new(Raw)
                .max_decoding_message_size(bytes_max)
                .max_encoding_message_size(bytes_max);
            grpc.streaming(call, request.map(Received::new)).await
        }
        Err(Refusal::Http(code)) => {
            let mut response = http::Response::new(Body::empty());
            *response.status_mut() = code;
            response
        }
        Err(Refusal::Grpc(status)) => status.into_http(),
    })
}

enum Refusal {
    /// For who does not speak gRPC.
    Http(http::StatusCode),
    Grpc(Status),
}

fn route(client: &Arc<Client>, request: &http::Request<HttpIncoming>) -> Result<Call, Refusal> {
    if request.method() != http::Method::POST {
        return Err(Refusal::Http(http::StatusCode::METHOD_NOT_ALLOWED));
    }
    let content = request.headers().get(http::header::CONTENT_TYPE);
    if !content.is_some_and(|content| content.as_bytes().starts_with(CONTENT_TYPE.as_bytes())) {
        return Err(Refusal::Http(http::StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let path = request.uri().path();
    let Some((method, handler)) = client.shared.routes.get_key_value(path) else {
        let shown: String = path.chars().take(METHOD_BYTES_MAX).collect();
        let message = format!("this peer does not serve {shown}");
        return Err(Refusal::Grpc(Status::unimplemented(message)));
    };
    let timeout = of_call(request.headers()).map_err(Refusal::Grpc)?;
    let span = tracing::debug_span!(
        "transport.serve",
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
        rpc.system = "grpc",
        rpc.method = method,
        peer = %client.peer.id(),
    );
    let caller = request.headers().get(TRACEPARENT).and_then(|header| header.to_str().ok());
    caller.inspect(|caller| set_parent(&span, caller));
    Ok(Call {
        method,
        span,
        handler: Arc::clone(handler),
        peer: Arc::clone(&client.peer),
        timeout,
        guard: Guard::new(client, Instant::now() + timeout),
    })
}

/// Lives as long as its call.
#[derive(Clone)]
struct Guard {
    _in_use: Use,
    _ended: Arc<oneshot::Sender<()>>,
}

impl Guard {
    /// A client that takes no bytes keeps its call from being polled, so that it would not see its
    /// deadline. Past that, the connection goes.
    fn new(client: &Client, deadline: Instant) -> Guard {
        let (sender, ended) = oneshot::channel();
        let tasks = client.tasks.clone();
        let limit = deadline + client.shared.options.stall_grace;
        client.tasks.spawn(async move {
            if timeout_at(limit, ended).await.is_err() {
                tasks.stop();
            }
        });
        Guard { _in_use: client.usage.begin(), _ended: Arc::new(sender) }
    }
}

struct Call {
    method: &'static str,
    /// From the call to the end of its answers.
    span: Span,
    handler: Arc<dyn Handler>,
    peer: Arc<PublicIdentity>,
    timeout: Duration,
    guard: Guard,
}

impl StreamingService<Vec<u8>> for Call {
    type Response = Message;
    type ResponseStream = Answers;
    type Future = BoxFuture<'static, Result<Response<Answers>, Status>>;

    fn call(&mut self, request: Request<Streaming<Vec<u8>>>) -> Self::Future {
        let deadline = Instant::now() + self.timeout;
        let late = exceeded(self.method, self.timeout);
        let (handler, peer) = (Arc::clone(&self.handler), Arc::clone(&self.peer));
        let (method, guard, span) = (self.method, self.guard.clone(), self.span.clone());
        // Also ends after an error, where tonic's own would read on.
        let requests = Box::pin(Timed::new(request.into_inner(), deadline, late.clone()));
        Box::pin(async move {
            let id = peer.id();
            // Inside, so that a panic before the first await is caught too.
            let call = async { handler.call(peer, requests).await };
            let call = AssertUnwindSafe(call).catch_unwind().instrument(span.clone());
            let answers = match timeout_at(deadline, call).await {
                Ok(Ok(answers)) => answers,
                Ok(Err(panic)) => Err(panicked(method, panic.as_ref())),
                Err(_) => Err(late.clone()),
            };
            let answers = answers.inspect_err(|status| failed(&span, status))?;
            tracing::trace!(%id, method, "call accepted");
            let answers = Caught { answers: Some(answers), method };
            let answers = Timed::new(answers, deadline, late);
            Ok(Response::new(Answers { answers, span, _guard: guard }))
        })
    }
}

fn failed(span: &Span, status: &Status) {
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", status.message());
}

/// The client is told no more than that: what a panic says is for our log.
fn panicked(method: &str, panic: &(dyn Any + Send)) -> Status {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(method, panic = text.unwrap_or("not a text"), "a handler panicked");
    Status::internal(format!("call {method}: the handler broke"))
}

/// A handler's answers; a panic in them is a status.
struct Caught {
    answers: Option<Outgoing>,
    method: &'static str,
}

impl Stream for Caught {
    type Item = Result<Vec<u8>, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(answers) = &mut self.answers else { return Poll::Ready(None) };
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| answers.poll_next_unpin(cx)));
        polled.unwrap_or_else(|panic| {
            self.answers = None;
            Poll::Ready(Some(Err(panicked(self.method, panic.as_ref()))))
        })
    }
}

struct Answers {
    answers: Timed<Caught>,
    span: Span,
    _guard: Guard,
}

impl Stream for Answers {
    type Item = Result<Message, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = {
            let _inside = self.span.clone().entered();
            std::task::ready!(self.answers.poll_next_unpin(cx))
        };
        match &item {
            Some(Ok(_)) => {}
            Some(Err(status)) => failed(&self.span, status),
            // The connection may keep what has ended for a while.
            None => self.span = Span::none(),
        }
        Poll::Ready(item.map(|answer| answer.map(Ok)))
    }
}
