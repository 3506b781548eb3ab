//! The intake over a real connection, with a real satellite's identity.

use std::time::Duration;

use chore_proto::{ENQUEUE_METHOD, EnqueueRequest, Order, OrderLimit};
use futures::stream;
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::limits::REQUEST_BYTES_MAX;
use crate::node_id::NodeUrl;
use crate::signing::cast::{Cast, LIFE, NOW};
use crate::transport::{Options, Routes, Server, ServerOptions, Transport};
use crate::uplink::{HandedIn, Uplink};

const TIMEOUT: Duration = Duration::from_secs(60);

type Pair = (OrderLimit, Order);

/// A storage node that takes orders, and a satellite that it trusts.
struct Stage {
    cast: Cast,
    orders: Orders,
    uplink: Transport,
    url: NodeUrl,
    satellite: Server,
    _server: Server,
    _folder: TempDir,
}

async fn listen(identity: &Arc<crate::identity::Identity>, routes: Routes) -> (Server, NodeUrl) {
    let options = ServerOptions::default();
    let server = Server::bind(Arc::clone(identity), "127.0.0.1:0", routes, options).await.unwrap();
    server.serve();
    let url = NodeUrl::new(identity.id(), server.local_addr().to_string()).unwrap();
    (server, url)
}

impl Stage {
    async fn new() -> Stage {
        Stage::at(NOW).await
    }

    async fn at(now: Timestamp) -> Stage {
        let (cast, folder) = (Cast::new(), TempDir::new().unwrap());
        let (satellite, satellite_url) = listen(&cast.satellite, vec![]).await;
        let orders = Orders::open(&folder.path().join("orders.db")).await.unwrap();
        let transport = Transport::new(Arc::clone(&cast.node), Options::default());
        let trust = Trust::new(transport, [satellite_url], &folder.path().join("trust")).unwrap();
        let intake = Intake::new(orders.clone(), cast.node.id(), trust, Arc::new(move || now));
        let (server, url) = listen(&cast.node, vec![(ENQUEUE_METHOD, Arc::new(intake))]).await;
        let uplink = Transport::new(Arc::clone(&cast.stranger), Options::default());
        Stage { cast, orders, uplink, url, satellite, _server: server, _folder: folder }
    }

    async fn hand_in(&self, pairs: &[Pair]) -> Vec<HandedIn> {
        Uplink::new(self.uplink.clone()).hand_in(&self.url, pairs.to_vec()).await
    }

    async fn stored(&self) -> Vec<Info> {
        let mut stored = self.orders.list_unsent(10_000).await.unwrap();
        stored.sort_by(|a, b| a.serial.cmp(&b.serial));
        stored
    }

    async fn raw(&self, requests: Vec<Vec<u8>>) -> (usize, Option<(Code, String)>) {
        let connection = self.uplink.dial_node(&self.url, TIMEOUT).await.unwrap();
        let requests = stream::iter(requests);
        let mut responses = connection.stream(ENQUEUE_METHOD, requests, TIMEOUT).await.unwrap();
        let mut answered = 0;
        while let Some(response) = responses.next().await {
            match response {
                Ok(_) => answered += 1,
                Err(status) => return (answered, Some((status.code(), status.message().into()))),
            }
        }
        (answered, None)
    }
}

fn request((limit, order): &Pair) -> Vec<u8> {
    EnqueueRequest { limit: limit.encode_to_vec(), order: order.encode_to_vec() }.encode_to_vec()
}

fn taken(pair: &Pair) -> HandedIn {
    Ok(pair.0.serial_number.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_orders_are_stored_as_they_were_signed() {
    let stage = Stage::new().await;
    let pairs: Vec<_> = (0..1000).map(|_| stage.cast.pair()).collect();
    let expected: Vec<_> = pairs.iter().map(taken).collect();
    assert_eq!(stage.hand_in(&pairs).await, expected);
    let stored = stage.stored().await;
    let mut pairs = pairs;
    pairs.sort_by(|a, b| a.0.serial_number.cmp(&b.0.serial_number));
    assert_eq!(stored.len(), pairs.len());
    for (info, (limit, order)) in stored.iter().zip(&pairs) {
        assert_eq!(info.satellite, stage.cast.satellite.id());
        assert_eq!(info.serial, limit.serial_number);
        assert_eq!(info.limit, limit.encode_to_vec());
        assert_eq!(info.order, order.encode_to_vec());
        assert_eq!(info.expires, NOW.plus(LIFE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_orders_are_refused_and_the_good_ones_around_them_are_taken() {
    let stage = Stage::new().await;
    let cast = &stage.cast;
    let stranger = Cast::new();
    let strange_node = Cast { satellite: Arc::clone(&cast.satellite), ..Cast::new() };
    let first = cast.pair();
    let table = [
        (first.clone(), ""),
        (cast.forged_limit(), "order limit has a signature that is not its satellite's"),
        (cast.forged_order(), "order has a signature that is not of the key in its limit"),
        (strange_node.pair(), "order limit is for another storage node"),
        (cast.instead(&cast.pair().0, 1001), "order amounts to 1001 bytes, its limit allows 1000"),
        (
            cast.pair_to(chore_proto::PieceAction::Invalid),
            "order limit has action 0, which is none",
        ),
        (stranger.pair(), "is not trusted by this storage node"),
        (cast.pair(), ""),
    ];
    let (pairs, expected): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    let outcomes = stage.hand_in(&pairs).await;
    for (outcome, expected) in outcomes.iter().zip(expected) {
        let refused = outcome.as_ref().err().map(String::as_str).unwrap_or_default();
        assert!(
            refused.ends_with(expected) && refused.is_empty() == expected.is_empty(),
            "{refused}"
        );
    }
    // Those of one stream are under way at once, so that any of three could have been the first.
    for again in [cast.instead(&first.0, 1), first] {
        let outcomes = stage.hand_in(&[again]).await;
        let expected = "the storage node has taken an order with this serial number before";
        let refused = outcomes[0].as_ref().err().map(String::as_str).unwrap_or_default();
        assert!(refused.ends_with(expected), "{refused}");
    }
    assert_eq!(stage.stored().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_order_is_refused() {
    let late = NOW.plus(LIFE).plus(Duration::from_nanos(1));
    let stage = Stage::at(late).await;
    let outcomes = stage.hand_in(&[stage.cast.pair()]).await;
    assert_eq!(outcomes, [Err("order limit expired at 2023-11-14T23:13:20Z".to_owned())]);
    assert_eq!(stage.stored().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_that_is_down_is_an_answer_and_not_the_end() {
    let stage = Stage::new().await;
    stage.satellite.shutdown(Duration::ZERO).await;
    let pairs = [stage.cast.pair(), stage.cast.pair()];
    let outcomes = stage.hand_in(&pairs).await;
    for outcome in &outcomes {
        let refused = outcome.as_ref().unwrap_err();
        assert!(refused.contains("could not be asked for its identity"), "{refused}");
    }
    assert_eq!(outcomes.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_may_go_once_it_is_known() {
    let stage = Stage::new().await;
    let (first, second) = (stage.cast.pair(), stage.cast.pair());
    assert_eq!(stage.hand_in(std::slice::from_ref(&first)).await, [taken(&first)]);
    stage.satellite.shutdown(Duration::ZERO).await;
    assert_eq!(stage.hand_in(std::slice::from_ref(&second)).await, [taken(&second)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_order_ends_its_stream_only() {
    let stage = Stage::new().await;
    let good = || request(&stage.cast.pair());
    let missing = EnqueueRequest { limit: vec![], order: vec![] }.encode_to_vec();
    let table = [
        (vec![0xff; 8], "is not a protobuf message"),
        (missing, "order limit is missing"),
        (vec![0; REQUEST_BYTES_MAX + 1], "at most 66560 are taken"),
    ];
    for (bad, words) in table {
        let (answered, end) = stage.raw(vec![good(), bad, good()]).await;
        let (code, message) = end.unwrap();
        assert_eq!((code, answered), (Code::InvalidArgument, 1), "{message}");
        assert!(message.contains(words), "{message}");
        assert_eq!(stage.raw(vec![good()]).await, (1, None));
    }
    assert_eq!(stage.stored().await.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uplink_that_reaches_nobody_hears_why() {
    let stage = Stage::new().await;
    let nobody = NodeUrl::new(stage.cast.stranger.id(), stage.url.address.clone()).unwrap();
    let uplink = Uplink::new(stage.uplink.clone());
    let outcomes = uplink.hand_in(&nobody, vec![stage.cast.pair(), stage.cast.pair()]).await;
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        let refused = outcome.unwrap_err();
        assert!(refused.contains("peer identified itself as"), "{refused}");
    }
}
