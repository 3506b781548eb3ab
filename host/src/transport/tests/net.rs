//! What the tests share: identities, a relay that counts, and handlers with one habit each.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio::net::{TcpListener, TcpStream};
use tonic::{Code, Status};

use crate::identity::{Identity, PublicIdentity};
use crate::node_id::NodeUrl;
use crate::transport::{
    Handler, Incoming, Options, Outgoing, Routes, Server, ServerOptions, Transport,
};

/// Longer than anything here takes, so that a test which hangs fails instead.
pub(super) const LONG: Duration = Duration::from_secs(20);

/// A deadline that is meant to pass.
pub(super) const SHORT: Duration = Duration::from_millis(200);

pub(super) const ECHO: &str = "/test.Test/Echo";
pub(super) const WHO: &str = "/test.Test/Who";
pub(super) const NEVER: &str = "/test.Test/Never";
pub(super) const DEAF: &str = "/test.Test/Deaf";
pub(super) const PANIC: &str = "/test.Test/Panic";
pub(super) const PANIC_LATER: &str = "/test.Test/PanicLater";
pub(super) const FAIL_LATER: &str = "/test.Test/FailLater";
pub(super) const FLOOD: &str = "/test.Test/Flood";
pub(super) const BIG: &str = "/test.Test/Big";
pub(super) const BIG_ENOUGH: &str = "/test.Test/BigEnough";
pub(super) const COUNT: &str = "/test.Test/Count";

/// A handler from a function.
struct Serve<F>(F);

impl<F> Handler for Serve<F>
where
    F: Fn(Arc<PublicIdentity>, Incoming) -> BoxFuture<'static, Result<Outgoing, Status>>
        + Send
        + Sync
        + 'static,
{
    fn call(
        &self,
        peer: Arc<PublicIdentity>,
        requests: Incoming,
    ) -> BoxFuture<'static, Result<Outgoing, Status>> {
        (self.0)(peer, requests)
    }
}

pub(super) fn serve<F>(handler: F) -> Arc<dyn Handler>
where
    F: Fn(Arc<PublicIdentity>, Incoming) -> BoxFuture<'static, Result<Outgoing, Status>>
        + Send
        + Sync
        + 'static,
{
    Arc::new(Serve(handler))
}

fn answers(
    stream: impl stream::Stream<Item = Result<Vec<u8>, Status>> + Send + 'static,
) -> BoxFuture<'static, Result<Outgoing, Status>> {
    let outgoing: Outgoing = Box::pin(stream);
    std::future::ready(Ok(outgoing)).boxed()
}

pub(super) fn routes(big_bytes: usize) -> Routes {
    let who = |peer: Arc<PublicIdentity>| stream::iter([Ok(peer.id().to_string().into_bytes())]);
    let count = |requests: Incoming| async move {
        let bytes: Vec<_> = requests.map(|item| item.map(|message| message.len())).collect().await;
        let bytes: Result<Vec<usize>, Status> = bytes.into_iter().collect();
        let answer = format!("{:?}", bytes?);
        let outgoing: Outgoing = Box::pin(stream::iter([Ok(answer.into_bytes())]));
        Ok(outgoing)
    };
    let fail_later = || stream::iter([Ok(b"one".to_vec()), Err(Status::data_loss("two is gone"))]);
    let panic_later = || {
        let one = stream::iter([Ok(b"one".to_vec())]);
        one.chain(stream::once(async { panic!("a handler's answers panic, as planned") }))
    };
    vec![
        (ECHO, serve(|_, requests| answers(requests))),
        (WHO, serve(move |peer, _| answers(who(peer)))),
        (NEVER, serve(|_, _| std::future::pending().boxed())),
        // Takes the call, and keeps its requests without reading them.
        (DEAF, serve(|_, requests| answers(stream::pending().chain(requests)))),
        (PANIC, serve(|_, _| panic!("a handler panics, as planned"))),
        (PANIC_LATER, serve(move |_, _| answers(panic_later()))),
        (FAIL_LATER, serve(move |_, _| answers(fail_later()))),
        (FLOOD, serve(|_, _| answers(stream::repeat_with(|| Ok(vec![0; 1000]))))),
        (BIG, serve(move |_, _| answers(stream::iter([Ok(vec![7; big_bytes])])))),
        (BIG_ENOUGH, serve(move |_, _| answers(stream::iter([Ok(vec![7; big_bytes - 1])])))),
        (COUNT, serve(move |_, requests| count(requests).boxed())),
    ]
}

/// Small messages, so that large ones are quickly made.
pub(super) const MESSAGE_BYTES_MAX: usize = 100_000;

pub(super) fn options() -> Options {
    Options { message_bytes_max: MESSAGE_BYTES_MAX, ..Options::default() }
}

pub(super) fn server_options() -> ServerOptions {
    ServerOptions { message_bytes_max: MESSAGE_BYTES_MAX, ..ServerOptions::default() }
}

pub(super) fn identity() -> Arc<Identity> {
    Arc::new(Identity::create().unwrap())
}

/// A server and a client that trust nothing but ids.
pub(super) struct Net {
    pub(super) server: Server,
    pub(super) node: NodeUrl,
    pub(super) client: Arc<Identity>,
    pub(super) transport: Transport,
}

pub(super) async fn net() -> Net {
    net_with(options(), server_options()).await
}

pub(super) async fn net_with(options: Options, server_options: ServerOptions) -> Net {
    let (identity, client) = (identity(), identity());
    let big = MESSAGE_BYTES_MAX + 1;
    let server = Server::bind(Arc::clone(&identity), "127.0.0.1:0", routes(big), server_options);
    let server = server.await.unwrap();
    server.serve();
    let node = NodeUrl::new(identity.id(), server.local_addr().to_string()).unwrap();
    let transport = Transport::new(Arc::clone(&client), options);
    Net { server, node, client, transport }
}

impl Net {
    pub(super) async fn echo(&self, text: &str) -> Result<Vec<u8>, Code> {
        let connection = self.transport.dial_node(&self.node, LONG).await.unwrap();
        let answer = connection.unary(ECHO, text.into(), LONG).await;
        answer.map_err(|status| status.code())
    }
}

/// Passes bytes on to a server and counts the connections.
pub(super) struct Relay {
    pub(super) node: NodeUrl,
    accepted: Arc<AtomicUsize>,
}

impl Relay {
    pub(super) async fn to(node: &NodeUrl) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (accepted, target) = (Arc::new(AtomicUsize::new(0)), node.address.clone());
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let target = target.clone();
                tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(target).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Relay { node: NodeUrl { id: node.id, address }, accepted }
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

/// Waits until `condition` holds; panics with `reason` if it does not within [`LONG`].
pub(super) async fn eventually(reason: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, poll).await.is_ok(), "{reason}");
}
