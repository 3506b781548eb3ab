//! What a chore may ask of its peer: one room for each WIT interface, each with the same four
//! parts in the same order: bindings, context, view, `add_to_linker`. The synchronous twins of all
//! share one room, `sync`, which asks the same contexts.
//!
//! A context is what one call of one chore owns; a view is what a host function sees of it. Every
//! number and every byte here comes from a guest and is hostile: sizes are capped, times clamped,
//! and every function that may wait ends by the call's deadline.

pub mod clocks;
pub mod cycle;
pub mod kademlia;
pub mod log;
pub mod metrics;
pub mod orders;
pub mod quota;
pub mod settings;
pub mod sql;
pub mod state;
pub mod streams;
pub mod sync;
pub mod traffic;
pub mod transport;
pub mod turns;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{Instrument, Span};

use crate::bindings::types::{Error, ErrorKind};
use crate::grant::Scope;
use crate::node_id::NodeId;
pub use quota::Quota;
pub use traffic::Traffic;
pub use turns::{Shared, Turns};

/// Everything that one call may touch.
pub struct Contexts {
    pub quota: Quota,
    pub log: log::Context,
    pub settings: settings::Context,
    pub state: state::Context,
    pub cycle: cycle::Context,
    pub sql: sql::Context,
    pub orders: orders::Context,
    pub kademlia: kademlia::Context,
    pub transport: transport::Context,
    pub metrics: metrics::Context,
}

/// When host functions of one call must have answered.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Instant);

impl Deadline {
    /// What is left, at most `longest`.
    pub fn left(self, longest: Duration) -> Duration {
        self.0.saturating_duration_since(Instant::now()).min(longest)
    }

    /// The answer of `work`, or `timed-out` when the call's time is up.
    pub async fn bound<T>(
        self,
        operation: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let work = async {
            match tokio::time::timeout_at(self.0, work).await {
                Ok(answer) => answer,
                Err(_) => {
                    Err(error(ErrorKind::TimedOut, format!("{operation}: the call's time is up")))
                }
            }
        };
        traced(operation, work).await
    }
}

/// The span of a host call.
pub(crate) fn span(operation: &'static str) -> Span {
    tracing::debug_span!(
        "host.call",
        otel.name = operation,
        otel.status_code = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
    )
}

/// Says in the span that its call failed.
pub(crate) fn failed(span: &Span, err: &Error) {
    span.record("otel.status_code", "ERROR");
    span.record("otel.status_description", err.message.as_str());
}

/// `work` in a span that ends with it, and says if it failed.
pub(crate) fn traced<T>(
    operation: &'static str,
    work: impl Future<Output = Result<T, Error>>,
) -> impl Future<Output = Result<T, Error>> {
    traced_in(span(operation), work)
}

/// The same in a span that goes on as long as whoever else holds it.
pub(crate) fn traced_in<T>(
    span: Span,
    work: impl Future<Output = Result<T, Error>>,
) -> impl Future<Output = Result<T, Error>> {
    let inside = span.clone();
    async move { work.await.inspect_err(|err| failed(&span, err)) }.instrument(inside)
}

pub(crate) fn error(kind: ErrorKind, message: impl Into<String>) -> Error {
    Error { kind, message: message.into() }
}

/// A service, and how far the chore may use it.
#[derive(Clone)]
pub struct Granted<T> {
    service: T,
    scope: Scope,
}

impl<T> Granted<T> {
    pub fn of((service, scope): (T, Scope)) -> Granted<T> {
        Granted { service, scope }
    }
}

/// A service that the operator did not grant, or that this peer does not have, is absent. `allows`
/// says whether what is asked for lies in the scope; `wanted` is the grant that would allow it.
pub(crate) fn granted<T>(
    service: Option<&Granted<T>>,
    allows: impl FnOnce(&Scope) -> bool,
    wanted: impl FnOnce() -> String,
) -> Result<&T, Error> {
    match service {
        Some(Granted { service, scope }) if allows(scope) => Ok(service),
        _ => {
            let message = format!("\"{}\" is not granted to this chore", wanted());
            Err(error(ErrorKind::Denied, message))
        }
    }
}

/// A guest's node id is any list of bytes.
pub(crate) fn node_id(bytes: &[u8]) -> Result<NodeId, Error> {
    NodeId::from_bytes(bytes).map_err(|err| error(ErrorKind::Invalid, format!("node id: {err}")))
}

/// The first `bytes_max` bytes of a guest's text, cut between characters.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
