//! Nodes that answer calls with what a test says, over bounded channels as a host has them.

use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::future::{Either, LocalBoxFuture, select};
use futures::{FutureExt, StreamExt};
use prost::Message;

use super::{World, current};
use crate::transport::{Closed, Code, MESSAGE_BYTES_MAX, Opening, Status, decode};
use crate::{Error, Incoming, Kind, NodeId, Result, kademlia};

/// Messages that wait between a chore and a node, each way, as in the host.
const MESSAGES_WAITING: usize = 64;

pub(crate) type Handler = Rc<dyn Fn(Call) -> LocalBoxFuture<'static, Ended>>;

/// How a call ended.
type Ended = Result<(), Status>;

pub(crate) enum Node {
    Up(Handler),
    Down,
    Silent,
}

impl World {
    pub fn find_node(&self, id: NodeId) -> Result<kademlia::Node> {
        self.granted("kademlia")?;
        if !self.nodes.contains_key(&id) {
            return Err(Error::of(Kind::NotFound, format!("find node {id}: nobody knows it")));
        }
        Ok(kademlia::Node { id, address: "127.0.0.1:7777".to_owned() })
    }

    /// Has a node answer the calls of one method, beside those that it answers already.
    pub fn answer(&mut self, id: NodeId, method: &str, handler: Handler) {
        let others = match self.nodes.remove(&id) {
            Some(Node::Up(others)) => Some(others),
            _ => None,
        };
        let method = method.to_owned();
        let both: Handler = Rc::new(move |call: Call| match &others {
            _ if call.method == method => handler(call),
            Some(others) => others(call),
            None => {
                let message = format!("the node has no method {}", call.method);
                let status = Status::new(Code::UNIMPLEMENTED, message);
                futures::future::ready(Err(status)).boxed_local()
            }
        });
        self.nodes.insert(id, Node::Up(both));
    }

    /// `None` for a node that does not answer.
    pub fn dial(&self, node: &kademlia::Node) -> Result<Option<Connection>> {
        self.granted("transport")?;
        match self.nodes.get(&node.id) {
            Some(Node::Up(handler)) => Ok(Some(Connection(Rc::clone(handler)))),
            Some(Node::Silent) => Ok(None),
            Some(Node::Down) | None => {
                let message = format!("dial {}: connection refused", node.address);
                Err(Error::of(Kind::Unavailable, message))
            }
        }
    }
}

/// A call that a chore made, as the node sees it.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World, transport::{Code, Status}};
/// use chore_proto::{SettlementRequest, SettlementResponse};
///
/// // Answers twice, slowly, and goes down.
/// let world = World::new().node(NodeId::fake(1), |mut call| async move {
///     assert_eq!(call.method, "/orders.Orders/Settlement");
///     for _ in 0..2 {
///         let Some(request) = call.next_as::<SettlementRequest>().await? else { return Ok(()) };
///         time::sleep(Duration::from_secs(5)).await;
///         let serial_number = request.limit;
///         call.answer(&SettlementResponse { serial_number, ..Default::default() }).await?;
///     }
///     Err(Status::new(Code::UNAVAILABLE, "going down"))
/// });
/// # let responses = world.block_on(async {
/// #     let node = kademlia::find_node(NodeId::fake(1)).await?;
/// #     let connection = transport::dial_node(node, Duration::from_secs(1)).await?;
/// #     let (mut requests, mut responses) =
/// #         connection.call_stream("/orders.Orders/Settlement").await;
/// #     for n in 0..2 {
/// #         requests.send(&SettlementRequest { limit: vec![n], order: vec![] }).await?;
/// #     }
/// #     let mut seen = Vec::new();
/// #     loop {
/// #         match responses.next().await {
/// #             Ok(Some(SettlementResponse { serial_number, .. })) => seen.push(serial_number),
/// #             ended => break Ok((seen, ended.unwrap_err().to_string())),
/// #         }
/// #     }
/// # });
/// # let down = "unavailable: going down".to_owned();
/// # assert_eq!(responses, Ok((vec![vec![0], vec![1]], down)));
/// ```
pub struct Call {
    /// The full path that the chore called.
    pub method: String,
    requests: mpsc::Receiver<Vec<u8>>,
    responses: mpsc::Sender<Vec<u8>>,
    /// Told when the node begins to answer.
    began: Option<oneshot::Sender<()>>,
}

impl Call {
    /// The chore's next message; `None` when there are no more.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let request = self.requests.next().await;
        if let (Some(_), Some(world)) = (&request, current()) {
            world.borrow_mut().orders.delivered();
        }
        request
    }

    /// Waits until there is room for the message.
    ///
    /// # Errors
    ///
    /// The chore has given up the call, or the message is over
    /// [`MESSAGE_BYTES_MAX`](crate::transport::MESSAGE_BYTES_MAX).
    pub async fn respond(&mut self, response: impl Into<Vec<u8>>) -> Result<(), Status> {
        let response = response.into();
        if response.len() > MESSAGE_BYTES_MAX {
            return Err(Status { code: Code::OUT_OF_RANGE, ..too_large(response.len()) });
        }
        if let Some(began) = self.began.take() {
            // Nobody waits if the chore has given up.
            let _ = began.send(());
        }
        let gone = |_| Status::new(Code::CANCELLED, "the chore reads no more");
        std::future::poll_fn(|cx| self.responses.poll_ready(cx)).await.map_err(gone)?;
        self.responses.start_send(response).map_err(gone)
    }

    /// As [`Call::next`], as a message.
    ///
    /// # Errors
    ///
    /// [`Code::INVALID_ARGUMENT`] if it is none: the call ends with it, and the chore reads why.
    pub async fn next_as<T: Message + Default>(&mut self) -> Result<Option<T>, Status> {
        let request = self.next().await;
        request.map(|request| decode(&request, Code::INVALID_ARGUMENT)).transpose()
    }

    /// As [`Call::respond`], with a message.
    ///
    /// # Errors
    ///
    /// Those of [`Call::respond`].
    pub async fn answer(&mut self, response: &impl Message) -> Result<(), Status> {
        self.respond(response.encode_to_vec()).await
    }
}

/// What a peer says of a message that is too large to be sent.
fn too_large(bytes: usize) -> Status {
    let message =
        format!("a message has {bytes} bytes, more than the {MESSAGE_BYTES_MAX} that are sent");
    Status::new(Code::RESOURCE_EXHAUSTED, message)
}

#[derive(Clone)]
pub(crate) struct Connection(Handler);

impl Connection {
    pub async fn unary(&self, method: &str, request: Vec<u8>) -> Result<Vec<u8>, Status> {
        let (mut requests, opening) = self.stream(method);
        let send = async move { requests.send(request).await };
        let receive = async {
            let wrong = |count| {
                Status::new(Code::INTERNAL, format!("call {method}: peer answered {count}"))
            };
            let mut responses = opening.await?;
            let response = responses.next().await?;
            if responses.next().await?.is_some() {
                return Err(wrong("with more than one message"));
            }
            response.ok_or_else(|| wrong("without a message"))
        };
        futures::future::join(send, receive).await.1
    }

    /// The node sees the call when it is first waited for, and the chore sees that it is open when
    /// the node first answers: what waits for that before it sends anything gets stuck, here as
    /// elsewhere.
    pub fn stream(&self, method: &str) -> (Requests, Opening) {
        // A channel has one place more for every sender.
        let (request_sender, requests) = mpsc::channel(MESSAGES_WAITING - 1);
        let (responses, response_receiver) = mpsc::channel(MESSAGES_WAITING - 1);
        let (began, begin) = oneshot::channel();
        let (fault_sender, fault) = oneshot::channel();
        let (handler, method) = (Rc::clone(&self.0), method.to_owned());
        let opening = async move {
            let (ended, end) = oneshot::channel();
            let call = Call { method, requests, responses, began: Some(began) };
            serve(handler(call), ended);
            match select(begin, ending(end, fault).boxed_local()).await {
                Either::Left((Ok(()), end)) => {
                    Ok(Incoming::new(response_receiver.boxed_local(), end))
                }
                // It ended without an answer: if badly, there never was a stream.
                Either::Left((Err(_), end)) => nothing(end.await),
                Either::Right((ended, _)) => nothing(ended),
            }
        };
        (Requests { messages: request_sender, fault: Some(fault_sender) }, opening.boxed_local())
    }
}

/// How a call ends: with the fault of a message that cannot be sent, or as the node ends it.
async fn ending(end: oneshot::Receiver<Ended>, fault: oneshot::Receiver<Status>) -> Ended {
    let gone = |_| Err(Status::new(Code::UNAVAILABLE, "the node is gone"));
    match select(fault, end).await {
        Either::Left((Ok(fault), _)) => Err(fault),
        Either::Left((Err(_), end)) => end.await.unwrap_or_else(gone),
        Either::Right((ended, mut fault)) => match fault.try_recv() {
            Ok(Some(fault)) => Err(fault),
            _ => ended.unwrap_or_else(gone),
        },
    }
}

/// The responses of a call that had none.
fn nothing(ended: Ended) -> Result<Incoming<Vec<u8>, Status>, Status> {
    let ended = futures::future::ready(Ok(ended?)).boxed_local();
    Ok(Incoming::new(futures::stream::empty().boxed_local(), ended))
}

/// Has the world run a handler.
fn serve(handler: LocalBoxFuture<'static, Ended>, ended: oneshot::Sender<Ended>) {
    let Some(world) = current() else { return };
    world.borrow_mut().tasks.push(Box::pin(async move {
        let outcome = handler.await;
        // Nobody waits if the chore has given up.
        let _ = ended.send(outcome);
    }));
}

pub(crate) struct Requests {
    messages: mpsc::Sender<Vec<u8>>,
    /// Told why the call cannot go on.
    fault: Option<oneshot::Sender<Status>>,
}

impl Requests {
    pub async fn send(&mut self, message: Vec<u8>) -> Result<(), Closed> {
        if message.len() > MESSAGE_BYTES_MAX {
            self.messages.close_channel();
            if let Some(fault) = self.fault.take() {
                // Nobody waits if the chore has given up.
                let _ = fault.send(too_large(message.len()));
            }
        }
        let Requests { messages, .. } = self;
        std::future::poll_fn(|cx| messages.poll_ready(cx)).await.map_err(|_| Closed)?;
        messages.start_send(message).map_err(|_| Closed)
    }
}
