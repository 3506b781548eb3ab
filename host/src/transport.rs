//! Authenticated calls between peers: gRPC over mutual TLS, with messages as raw bytes. It knows no
//! service's messages, and asks nobody where a node is.
//!
//! Both sides prove their node id in the handshake (`identity`), and both refuse a peer without
//! one. A [`Transport`] dials and keeps connections for the next dial; a [`Server`] listens and
//! routes each call to its [`Handler`]. Every call is a stream of messages in both directions; a
//! unary call is a stream of one. A stream holds back its sender: nothing is read ahead but what
//! the HTTP/2 windows allow.

mod client;
mod codec;
mod dial;
mod dials;
mod first_bytes;
mod method;
mod pool;
mod requests;
mod server;
mod tasks;
mod timeout;
mod tls;
mod usage;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use tonic::Status;

use crate::node_id::{self, NodeId, NodeUrl};

pub use client::{Connection, ResponseStream, Transport};
pub use pool::Options;
pub use server::{Ended, Handler, Routes, Server, ServerOptions};

/// The messages of one call as they arrive. Ends after the first error.
pub type Incoming = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;

/// The messages that answer a call. An error ends the call with that status.
pub type Outgoing = Pin<Box<dyn Stream<Item = Result<Vec<u8>, Status>> + Send>>;

/// Why a peer was not reached, or a server does not listen. Callers who share one dial share its
/// error, hence `Clone`.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("dial {node}: use the address")]
    Address { node: NodeUrl, source: node_id::Error },
    #[error("dial {node}: look up the name")]
    Lookup { node: NodeUrl, source: Arc<io::Error> },
    #[error("dial {node}: connect")]
    Connect { node: NodeUrl, source: Arc<io::Error> },
    #[error("dial {node}: tls handshake")]
    Handshake { node: NodeUrl, source: Arc<io::Error> },
    #[error("dial {node}: check the peer's certificates")]
    Certificates { node: NodeUrl, source: Arc<dyn std::error::Error + Send + Sync> },
    #[error("dial {node}: peer identified itself as {actual}")]
    WrongPeer { node: NodeUrl, actual: NodeId },
    #[error("dial {node}: peer does not speak HTTP/2, which gRPC needs")]
    NoHttp2 { node: NodeUrl },
    #[error("dial {node}: peer ended the connection before it was ready")]
    Refused { node: NodeUrl, source: Arc<io::Error> },
    #[error("dial {node}: start HTTP/2")]
    Http2 { node: NodeUrl, source: Arc<hyper::Error> },
    #[error("dial {node}: not connected within {}", humantime::format_duration(*timeout))]
    Timeout { node: NodeUrl, timeout: Duration },
    #[error("dial {node}: all {connections_max} connections are in use: close some first")]
    TooMany { node: NodeUrl, connections_max: usize },
    #[error("dial {node}: this peer is closing")]
    Closed { node: NodeUrl },
    #[error("set up tls")]
    Tls(#[from] rustls::Error),
    #[error(
        "listen on {address}: the port is in use: stop the program that uses it, or set another \
         port in chore.toml"
    )]
    PortInUse { address: String },
    #[error("listen on {address}")]
    Listen { address: String, source: Arc<io::Error> },
    #[error("route {method:?}: a method is /package.Service/Method, and has one handler")]
    Route { method: &'static str },
}

impl Error {
    /// Whether the deadline passed; then the peer may be there, only slow.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Error::Timeout { .. })
    }
}

#[cfg(test)]
mod tests;
