//! Nodes that answer calls with what a test says, over bounded channels as a host has them.

use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::future::LocalBoxFuture;
use futures::{FutureExt, StreamExt};

use super::{World, current};
use crate::transport::{Closed, Code, Opening, Status};
use crate::{Error, Incoming, Kind, NodeId, Result, kademlia};

/// Messages that wait between a chore and a node, each way, as in the host.
const MESSAGES_WAITING: usize = 64;

pub(crate) type Handler = Rc<dyn Fn(Call) -> LocalBoxFuture<'static, Result<(), Status>>>;

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
pub struct Call {
    /// The full path that the chore called.
    pub method: String,
    requests: mpsc::Receiver<Vec<u8>>,
    responses: mpsc::Sender<Vec<u8>>,
    /// Told when the node begins to answer.
    began: Option<oneshot::Sender<Result<(), Status>>>,
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
    /// The chore has given up the call.
    pub async fn respond(&mut self, response: impl Into<Vec<u8>>) -> Result<(), Status> {
        if let Some(began) = self.began.take() {
            // Nobody waits if the chore has given up.
            let _ = began.send(Ok(()));
        }
        let gone = |_| Status::new(Code::CANCELLED, "the chore reads no more");
        std::future::poll_fn(|cx| self.responses.poll_ready(cx)).await.map_err(gone)?;
        self.responses.start_send(response.into()).map_err(gone)
    }
}

#[derive(Clone)]
pub(crate) struct Connection(Handler);

impl Connection {
    pub async fn unary(&self, method: &str, request: Vec<u8>) -> Result<Vec<u8>, Status> {
        let (mut requests, opening) = self.stream(method);
        let send = async move { requests.send(request).await };
        let receive = async {
            let mut responses = opening.await?;
            let first = responses.next().await?;
            while responses.next().await?.is_some() {}
            first.ok_or_else(|| Status::new(Code::INTERNAL, "the node answered nothing"))
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
        let (handler, method) = (Rc::clone(&self.0), method.to_owned());
        let opening = async move {
            let (ended, end) = oneshot::channel();
            let call = Call { method, requests, responses, began: Some(began) };
            serve(handler(call), ended);
            let gone = || Status::new(Code::UNAVAILABLE, "the node is gone");
            let end = async move { end.await.unwrap_or_else(|_| Err(gone())) };
            match begin.await {
                Ok(begun) => begun?,
                // It ended without an answer: if badly, there never was a stream.
                Err(_) => {
                    end.await?;
                    return Ok(Incoming::new(
                        futures::stream::empty().boxed_local(),
                        futures::future::ready(Ok(())).boxed_local(),
                    ));
                }
            }
            Ok(Incoming::new(response_receiver.boxed_local(), end.boxed_local()))
        };
        (Requests(request_sender), opening.boxed_local())
    }
}

/// Has the world run a handler.
fn serve(
    handler: LocalBoxFuture<'static, Result<(), Status>>,
    ended: oneshot::Sender<Result<(), Status>>,
) {
    let Some(world) = current() else { return };
    world.borrow_mut().tasks.push(Box::pin(async move {
        let outcome = handler.await;
        // Nobody waits if the chore has given up.
        let _ = ended.send(outcome);
    }));
}

pub(crate) struct Requests(mpsc::Sender<Vec<u8>>);

impl Requests {
    pub async fn send(&mut self, message: Vec<u8>) -> Result<(), Closed> {
        std::future::poll_fn(|cx| self.0.poll_ready(cx)).await.map_err(|_| Closed)?;
        self.0.start_send(message).map_err(|_| Closed)
    }
}
