//! Authenticated connections to other peers: gRPC over mutual TLS. It needs the grant `transport`.
//!
//! [`Connection::call`] and [`Connection::call_stream`] speak messages that are derived with
//! [`prost`]; [`Connection::unary`] and [`Connection::stream`] speak bytes, for what is encoded
//! already or by something else.
//!
//! ```
//! use chore_sdk::prelude::*;
//! # use chore_sdk::testing::World;
//!
//! #[derive(Clone, PartialEq, prost::Message)]
//! struct Ping {
//!     #[prost(uint64, tag = "1")]
//!     number: u64,
//! }
//!
//! # async fn example(id: NodeId) -> Result<()> {
//! let node = kademlia::find_node(id).await?;
//! let connection = transport::dial_node(node, Duration::from_secs(10)).await?;
//! let pong: Ping = connection.call("/ping.Ping/Ping", &Ping { number: 7 }).await?;
//! # assert_eq!(pong.number, 8);
//! # Ok(()) }
//! # let node = NodeId::fake(1);
//! # let world = World::new().answers(node, "/ping.Ping/Ping", |ping: Ping| {
//! #     Ok(Ping { number: ping.number + 1 })
//! # });
//! # world.block_on(example(node)).unwrap();
//! ```

mod typed;

use std::fmt;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::LocalBoxFuture;

use crate::kademlia::Node;
use crate::{Incoming, Kind, Result, backend};

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use typed::decode;
pub use typed::{MessageRequests, MessageResponses};

/// Most bytes of one message.
///
/// ```
/// # use chore_sdk::prelude::*;
/// fn fits(message: &[u8]) -> bool {
///     message.len() <= transport::MESSAGE_BYTES_MAX
/// }
/// # assert!(fits(b"short"));
/// ```
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Connects to a node and makes sure that it is the one it should be. The host keeps connections
/// and shares them: dialling again costs little.
///
/// # Errors
///
/// [`Kind::TimedOut`] after `timeout`, of which more than 5 min counts as 5 min;
/// [`Kind::Unavailable`] if the node cannot be reached or is another one.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new().node_silent(NodeId::fake(1));
/// # world.block_on(async {
/// let node = kademlia::find_node(NodeId::fake(1)).await?;
/// let dialled = transport::dial_node(node, Duration::from_secs(20)).await;
/// assert_eq!(dialled.err().unwrap().kind(), Kind::TimedOut);
/// # Ok(()) }).unwrap();
/// ```
pub async fn dial_node(node: Node, timeout: Duration) -> Result<Connection> {
    backend::dial_node(node, timeout).await.map(Connection)
}

/// A connection to one node. Calls on it may overlap.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new().node(NodeId::fake(1), |mut call| async move {
/// #     while let Some(request) = call.next().await {
/// #         call.respond(request).await?;
/// #     }
/// #     Ok(())
/// # });
/// # world.block_on(async {
/// let node = kademlia::find_node(NodeId::fake(1)).await?;
/// let connection = transport::dial_node(node, Duration::from_secs(20)).await?;
/// // Clones share the connection, and calls may overlap.
/// let (one, other) = (connection.clone(), connection);
/// let both = futures::join!(one.unary("/e.E/E", vec![1]), other.unary("/e.E/E", vec![2]));
/// assert_eq!(both, (Ok(vec![1]), Ok(vec![2])));
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Connection(backend::Connection);

impl Connection {
    /// One message there, one back. `method` is the full path, such as "/orders.Orders/Settlement".
    ///
    /// # Errors
    ///
    /// What the other peer, or the way to it, says.
    ///
    /// ```
    /// # use chore_sdk::prelude::*;
    /// # async fn example(connection: transport::Connection) -> Result<()> {
    /// let answer: Vec<u8> = connection.unary("/echo.Echo/Echo", b"hello".to_vec()).await?;
    /// # Ok(()) }
    /// ```
    pub async fn unary(&self, method: &str, request: Vec<u8>) -> Result<Vec<u8>, Status> {
        self.0.unary(method, request).await
    }

    /// Messages in both directions. The call has begun when this returns; how it went is for
    /// [`Responses::next`] to say.
    ///
    /// Both ways have back-pressure: a peer that is not read from may stop to read. So read while
    /// sending, with `futures::join!` for example. Dropping the [`Requests`] says that there are no
    /// more; dropping the [`Responses`] gives up the call.
    ///
    /// ```no_run
    /// # use chore_sdk::{prelude::*, transport::Connection};
    /// # async fn example(connection: Connection) -> Result<()> {
    /// let (mut requests, mut responses) = connection.stream("/echo.Echo/Echo").await;
    /// let send = async move {
    ///     for n in 0..3u8 {
    ///         // A peer that closes early says why in the responses.
    ///         if requests.send(vec![n]).await.is_err() {
    ///             break;
    ///         }
    ///     }
    /// };
    /// let receive = async {
    ///     while let Some(response) = responses.next().await? {
    ///         info!("{response:?}");
    ///     }
    ///     Ok::<_, transport::Status>(())
    /// };
    /// futures::join!(send, receive).1?;
    /// # Ok(()) }
    /// ```
    pub async fn stream(&self, method: &str) -> (Requests, Responses) {
        let (requests, opening) = self.0.stream(method);
        let mut responses = Responses { phase: Phase::Opening(opening) };
        // The first look starts the call, so that what is sent goes somewhere even if nobody has
        // asked for a response yet.
        std::future::poll_fn(|cx| {
            let _ = responses.poll_open(cx);
            Poll::Ready(())
        })
        .await;
        (Requests(requests), responses)
    }
}

/// The way there of a streaming call. Dropped, it says that there are no more messages.
///
/// ```
/// # use chore_sdk::prelude::*;
/// # async fn example(connection: transport::Connection) -> Result<()> {
/// let (mut requests, mut responses) = connection.stream("/echo.Echo/Echo").await;
/// requests.send(vec![1]).await?;
/// // There are no more.
/// drop(requests);
/// while let Some(response) = responses.next().await? {
///     info!("{response:?}");
/// }
/// # Ok(()) }
/// ```
pub struct Requests(backend::Requests);

impl Requests {
    /// Waits until there is room for the message. Given up halfway, it may or may not be sent.
    ///
    /// # Errors
    ///
    /// The other side reads no more; the [`Responses`] say why.
    pub async fn send(&mut self, message: Vec<u8>) -> Result<(), Closed> {
        self.0.send(message).await
    }
}

/// The other side of a stream reads no more.
///
/// ```
/// # use chore_sdk::prelude::*;
/// let closed: Error = transport::Closed.into();
/// assert_eq!(closed.kind(), Kind::Unavailable);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other side reads no more requests")
    }
}

impl std::error::Error for Closed {}

/// A call that the host has been asked for, and what it answers.
pub(crate) type Opening = LocalBoxFuture<'static, Result<Incoming<Vec<u8>, Status>, Status>>;

enum Phase {
    Opening(Opening),
    Open(Incoming<Vec<u8>, Status>),
    Refused(Status),
    Ended,
}

/// The way back of a streaming call.
///
/// ```
/// # use chore_sdk::prelude::*;
/// # async fn example(mut responses: transport::Responses) -> Result<()> {
/// let first = match responses.next().await {
///     Ok(first) => first.context("it answered nothing")?,
///     Err(status) if status.code == transport::Code::UNIMPLEMENTED => bail!("it is too old"),
///     Err(status) => return Err(status.into()),
/// };
/// # Ok(()) }
/// ```
pub struct Responses {
    phase: Phase,
}

impl Responses {
    /// The next message; `None` when the other side ended well. Waiting for it may be given up at
    /// any time without losing one.
    ///
    /// # Errors
    ///
    /// What ended the call. Messages before it count; after it there is nothing more.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Status> {
        std::future::poll_fn(|cx| {
            ready!(self.poll_open(cx));
            match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Open(mut incoming) => {
                    let item = incoming.poll_item(cx);
                    self.phase = Phase::Open(incoming);
                    item.map(Option::transpose)
                }
                Phase::Refused(status) => Poll::Ready(Err(status)),
                Phase::Opening(_) | Phase::Ended => Poll::Ready(Ok(None)),
            }
        })
        .await
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Phase::Opening(opening) = &mut self.phase {
            self.phase = match ready!(opening.as_mut().poll(cx)) {
                Ok(incoming) => Phase::Open(incoming),
                Err(status) => Phase::Refused(status),
            };
        }
        Poll::Ready(())
    }
}

/// A gRPC status that is not OK: how a call failed.
///
/// ```
/// # use chore_sdk::{prelude::*, transport::{Code, Status}};
/// let status = Status::new(Code::UNAVAILABLE, "going down");
/// assert_eq!(status.to_string(), "unavailable: going down");
/// assert_eq!(Error::from(status).kind(), Kind::Unavailable);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Which failure it is.
    pub code: Code,
    /// The other peer's words: not to be trusted.
    pub message: String,
}

impl Status {
    /// For the handlers of [`testing`](crate::testing) and for what a chore fails itself.
    pub fn new(code: Code, message: impl Into<String>) -> Status {
        Status { code, message: message.into() }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Status {}

/// The code of a gRPC status. Its constants have gRPC's own names.
///
/// ```
/// # use chore_sdk::{prelude::*, transport::Code};
/// assert_eq!(Code::UNAVAILABLE.kind(), Kind::Unavailable);
/// assert_eq!(Code::UNAVAILABLE.to_string(), "unavailable");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

impl Code {
    /// No failure.
    pub const OK: Code = Code(0);
    /// The call was given up.
    pub const CANCELLED: Code = Code(1);
    /// The other side does not say.
    pub const UNKNOWN: Code = Code(2);
    /// The request makes no sense.
    pub const INVALID_ARGUMENT: Code = Code(3);
    /// It took too long.
    pub const DEADLINE_EXCEEDED: Code = Code(4);
    /// There is no such thing.
    pub const NOT_FOUND: Code = Code(5);
    /// The thing exists already.
    pub const ALREADY_EXISTS: Code = Code(6);
    /// The caller may not do it.
    pub const PERMISSION_DENIED: Code = Code(7);
    /// Over a limit, such as that of a message.
    pub const RESOURCE_EXHAUSTED: Code = Code(8);
    /// Not as things are now.
    pub const FAILED_PRECONDITION: Code = Code(9);
    /// Something else came between.
    pub const ABORTED: Code = Code(10);
    /// Beyond what there is, such as a response that is too large.
    pub const OUT_OF_RANGE: Code = Code(11);
    /// There is no such method.
    pub const UNIMPLEMENTED: Code = Code(12);
    /// Something is broken.
    pub const INTERNAL: Code = Code(13);
    /// The other side cannot be reached now; trying again later may work.
    pub const UNAVAILABLE: Code = Code(14);
    /// Data is lost for good.
    pub const DATA_LOSS: Code = Code(15);
    /// It is not clear who the caller is.
    pub const UNAUTHENTICATED: Code = Code(16);

    const NAMES: [&'static str; 17] = [
        "ok",
        "cancelled",
        "unknown",
        "invalid argument",
        "deadline exceeded",
        "not found",
        "already exists",
        "permission denied",
        "resource exhausted",
        "failed precondition",
        "aborted",
        "out of range",
        "unimplemented",
        "internal",
        "unavailable",
        "data loss",
        "unauthenticated",
    ];

    /// The kind of error that this is for a chore. Another peer's internal error is not the host's.
    pub fn kind(self) -> Kind {
        match self {
            Code::CANCELLED => Kind::Cancelled,
            Code::INVALID_ARGUMENT => Kind::Invalid,
            Code::DEADLINE_EXCEEDED => Kind::TimedOut,
            Code::NOT_FOUND => Kind::NotFound,
            Code::ALREADY_EXISTS | Code::ABORTED => Kind::Conflict,
            Code::PERMISSION_DENIED | Code::UNAUTHENTICATED => Kind::Denied,
            Code::RESOURCE_EXHAUSTED => Kind::TooLarge,
            Code::UNAVAILABLE => Kind::Unavailable,
            _ => Kind::Other,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Code::NAMES.get(self.0 as usize) {
            Some(name) => f.write_str(name),
            None => write!(f, "code {}", self.0),
        }
    }
}
