//! The settlement service over a real connection and a real book.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use chore_proto::{Order, OrderLimit, SETTLEMENT_METHOD, SettlementRequest};
use tempfile::TempDir;
use tonic::Code;

use super::*;
use crate::limits::{MESSAGE_BYTES_MAX, REQUEST_BYTES_MAX};
use crate::node_id::NodeUrl;
use crate::signing::cast::{Cast, LIFE, NOW};
use crate::transport::{Options, Server, ServerOptions, Transport};

const ACCEPTED: &str = "accepted";
const USED: &str = "serial number already used by another order";
const EXPIRED: &str = "order limit expired at 2023-11-14T23:13:20Z";
const TIMEOUT: Duration = Duration::from_secs(60);

type Pair = (OrderLimit, Order);

/// A satellite whose settlement can be opened again, and its time.
struct Stage {
    cast: Cast,
    now: Arc<AtomicI64>,
    folder: TempDir,
}

/// A satellite that listens.
struct Open {
    settlement: Settlement,
    server: Server,
    url: NodeUrl,
}

impl Stage {
    fn new() -> Stage {
        let now = Arc::new(AtomicI64::new(NOW.as_nanos()));
        Stage { cast: Cast::new(), now, folder: TempDir::new().unwrap() }
    }

    fn set_time(&self, now: Timestamp) {
        self.now.store(now.as_nanos(), Ordering::Relaxed);
    }

    async fn open(&self) -> Open {
        self.open_with(Manner::default()).await
    }

    async fn open_with(&self, manner: Manner) -> Open {
        let now = Arc::clone(&self.now);
        let clock: Clock = Arc::new(move || Timestamp::from_nanos(now.load(Ordering::Relaxed)));
        let path = self.folder.path().join("settlement.db");
        let satellite = &self.cast.satellite;
        let opened = Settlement::open_with_manner(&path, satellite, clock, manner);
        let settlement = opened.await.unwrap();
        let routes: crate::transport::Routes =
            vec![(SETTLEMENT_METHOD, Arc::new(settlement.clone()))];
        let options = ServerOptions::default();
        let bound = Server::bind(Arc::clone(satellite), "127.0.0.1:0", routes, options);
        let server = bound.await.unwrap();
        server.serve();
        let url = NodeUrl::new(satellite.id(), server.local_addr().to_string()).unwrap();
        Open { settlement, server, url }
    }

    fn node(&self) -> Transport {
        Transport::new(Arc::clone(&self.cast.node), Options::default())
    }
}

impl Open {
    /// Sends everything at once; the answers, and how the stream ended.
    async fn settle(&self, node: &Transport, requests: Vec<Vec<u8>>) -> (Vec<Answer>, Option<End>) {
        let connection = node.dial_node(&self.url, TIMEOUT).await.unwrap();
        let requests = stream::iter(requests);
        let mut responses = connection.stream(SETTLEMENT_METHOD, requests, TIMEOUT).await.unwrap();
        let mut answers = Vec::new();
        while let Some(response) = responses.next().await {
            match response {
                Ok(bytes) => answers.push(read(&bytes)),
                Err(status) => return (answers, Some((status.code(), status.message().into()))),
            }
        }
        (answers, None)
    }

    async fn settle_pairs(&self, node: &Transport, pairs: &[Pair]) -> Vec<Answer> {
        let (answers, end) = self.settle(node, pairs.iter().map(request).collect()).await;
        assert_eq!(end, None);
        let serials = pairs.iter().map(|(limit, _)| &limit.serial_number);
        assert!(answers.iter().map(|answer| &answer.serial).eq(serials), "answers out of order");
        answers
    }

    async fn verdicts(&self, node: &Transport, pairs: &[Pair]) -> Vec<String> {
        let answers = self.settle_pairs(node, pairs).await;
        answers.into_iter().map(|answer| answer.verdict).collect()
    }

    async fn close(self) {
        self.server.shutdown(TIMEOUT).await;
        self.settlement.close().await.unwrap();
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    serial: Vec<u8>,
    verdict: String,
}

type End = (Code, String);

fn read(bytes: &[u8]) -> Answer {
    let response = SettlementResponse::decode(bytes).unwrap();
    let verdict = match response.status() {
        SettlementStatus::Accepted => ACCEPTED.to_owned(),
        SettlementStatus::Rejected => response.reason.clone(),
        SettlementStatus::Invalid => "no verdict".to_owned(),
    };
    Answer { serial: response.serial_number, verdict }
}

fn request((limit, order): &Pair) -> Vec<u8> {
    SettlementRequest { limit: limit.encode_to_vec(), order: order.encode_to_vec() }.encode_to_vec()
}

fn totals(accepted: u64, rejected: u64, bytes: u64) -> Totals {
    Totals { accepted, rejected, bytes }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_orders_settle_and_settle_again_for_nothing() {
    let stage = Stage::new();
    let (open, node) = (stage.open().await, stage.node());
    let pairs: Vec<_> = (0..1000).map(|_| stage.cast.pair()).collect();
    for _ in 0..2 {
        assert_eq!(open.verdicts(&node, &pairs).await, vec![ACCEPTED; 1000]);
        assert_eq!(open.settlement.totals().await.unwrap(), totals(1000, 0, 700_000));
    }
    let of = |id| open.settlement.totals_of(id);
    assert_eq!(of(stage.cast.node.id()).await.unwrap(), totals(1000, 0, 700_000));
    assert_eq!(of(stage.cast.stranger.id()).await.unwrap(), totals(0, 0, 0));
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_orders_are_rejected_and_the_good_ones_around_them_count() {
    let stage = Stage::new();
    let (open, node) = (stage.open().await, stage.node());
    let cast = &stage.cast;
    let used = cast.pair();
    let reused = cast.instead(&used.0, 900);
    let over = cast.instead(&cast.pair().0, 1001);
    let (limit, order) = cast.pair();
    let order = [order.encode_to_vec(), vec![0x20, 1]].concat();
    let strange_field = SettlementRequest { limit: limit.encode_to_vec(), order }.encode_to_vec();
    let (pair, forged_limit) = (request(&used), request(&cast.forged_limit()));
    let table = [
        (pair.clone(), ACCEPTED),
        (forged_limit, "order limit has a signature that is not its satellite's"),
        (
            request(&cast.forged_order()),
            "order has a signature that is not of the key in its limit",
        ),
        (request(&over), "order amounts to 1001 bytes, its limit allows 1000"),
        (request(&reused), USED),
        (strange_field, "order has fields that are unknown or not properly encoded"),
        (pair, ACCEPTED),
        (request(&cast.pair()), ACCEPTED),
    ];
    let (requests, expected): (Vec<_>, Vec<_>) = table.into_iter().unzip();
    let (answers, end) = open.settle(&node, requests).await;
    assert_eq!(end, None);
    let verdicts: Vec<_> = answers.iter().map(|answer| answer.verdict.as_str()).collect();
    assert_eq!(verdicts, expected);
    assert_eq!(open.settlement.totals().await.unwrap(), totals(2, 5, 1400));
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_stays_accepted_over_a_restart_and_past_its_time() {
    let stage = Stage::new();
    let node = stage.node();
    let (paid, unpaid) = (stage.cast.pair(), stage.cast.pair());
    let other = stage.cast.instead(&paid.0, 1);
    let open = stage.open().await;
    assert_eq!(open.verdicts(&node, std::slice::from_ref(&paid)).await, [ACCEPTED]);
    open.close().await;

    let open = stage.open().await;
    let both = [paid.clone(), other.clone()];
    assert_eq!(open.verdicts(&node, &both).await, [ACCEPTED, USED]);
    stage.set_time(NOW.plus(2 * LIFE));
    let all = [paid, other, unpaid];
    assert_eq!(open.verdicts(&node, &all).await, [ACCEPTED, EXPIRED, EXPIRED]);
    assert_eq!(open.settlement.totals().await.unwrap(), totals(1, 3, 700));
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_serial_numbers_are_forgotten_and_stay_used() {
    let stage = Stage::new();
    let (open, node) = (stage.open().await, stage.node());
    let pair = [stage.cast.pair()];
    open.verdicts(&node, &pair).await;
    let forgotten = NOW.plus(LIFE);
    assert_eq!(open.settlement.clean_expired(forgotten).await.unwrap(), 0, "too early");
    let forgotten = forgotten.plus(Duration::from_nanos(1));
    assert_eq!(open.settlement.clean_expired(forgotten).await.unwrap(), 1);
    assert_eq!(open.settlement.clean_expired(forgotten).await.unwrap(), 0);
    stage.set_time(forgotten);
    assert_eq!(open.verdicts(&node, &pair).await, [EXPIRED]);
    assert_eq!(open.settlement.totals().await.unwrap(), totals(1, 1, 700));
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_that_ends_badly_ends_alone() {
    let stage = Stage::new();
    let (open, node) = (stage.open().await, stage.node());
    let good = || request(&stage.cast.pair());
    let connection = node.dial_node(&open.url, TIMEOUT).await.unwrap();
    let (sender, requests) = futures::channel::mpsc::channel(1);
    let mut sender: futures::channel::mpsc::Sender<Vec<u8>> = sender;
    let mut beside = connection.stream(SETTLEMENT_METHOD, requests, TIMEOUT).await.unwrap();

    let missing = SettlementRequest { limit: vec![], order: vec![] };
    let no_message = vec![0xff; 8];
    let table = [
        (no_message, "is not a protobuf message"),
        (missing.encode_to_vec(), "order limit is missing"),
        (vec![0; REQUEST_BYTES_MAX + 1], "at most 66560"),
    ];
    for (bad, words) in table {
        let (answers, end) = open.settle(&node, vec![good(), bad, good()]).await;
        let (found, message) = end.unwrap();
        assert_eq!((found, answers.len()), (Code::InvalidArgument, 1), "{message}");
        assert!(message.contains(words), "{message}");
        // Answered before the next is sent: nothing waits for a batch to fill.
        futures::SinkExt::send(&mut sender, good()).await.unwrap();
        let answer = tokio::time::timeout(TIMEOUT, beside.next()).await.unwrap().unwrap();
        assert_eq!(read(&answer.unwrap()).verdict, ACCEPTED);
    }
    // What is behind a failure is not looked at: 3 and 3 of the good ones count.
    assert_eq!(open.settlement.totals().await.unwrap(), totals(6, 0, 4200));
    drop(sender);
    assert!(beside.next().await.is_none());
    drop((beside, connection));
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_not_paid_for_anothers_order_and_uses_up_no_serial_number() {
    let stage = Stage::new();
    let (open, node) = (stage.open().await, stage.node());
    let stranger = Transport::new(Arc::clone(&stage.cast.stranger), Options::default());
    let pair = [stage.cast.pair()];
    let others = "order limit is for another storage node";
    assert_eq!(open.verdicts(&stranger, &pair).await, [others]);
    assert_eq!(open.verdicts(&node, &pair).await, [ACCEPTED]);
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_beyond_all_measure_ends_its_stream_only() {
    let stage = Stage::new();
    let (open, node) = (stage.open().await, stage.node());
    let options = Options { message_bytes_max: 2 * MESSAGE_BYTES_MAX, ..Options::default() };
    let huge = Transport::new(Arc::clone(&stage.cast.node), options);
    let (_, end) = open.settle(&huge, vec![vec![0; MESSAGE_BYTES_MAX + 1]]).await;
    assert!(end.is_some(), "it was taken");
    assert_eq!(open.verdicts(&node, &[stage.cast.pair()]).await, [ACCEPTED]);
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serial_number_is_paid_once_however_many_streams_race() {
    let stage = Stage::new();
    let (open, node) = (stage.open().await, stage.node());
    let (limit, _) = stage.cast.pair();
    let rivals: Vec<_> = (1..=16).map(|amount| [stage.cast.instead(&limit, amount)]).collect();
    let streams = rivals.iter().map(|rival| open.verdicts(&node, rival));
    let verdicts = futures::future::join_all(streams).await.concat();
    let paid = verdicts.iter().filter(|verdict| *verdict == ACCEPTED).count();
    let used = verdicts.iter().filter(|verdict| *verdict == USED).count();
    assert_eq!((paid, used), (1, 15), "{verdicts:?}");
    let total = open.settlement.totals().await.unwrap();
    assert_eq!((total.accepted, total.rejected), (1, 15));
    let winner = verdicts.iter().position(|verdict| verdict == ACCEPTED).unwrap();
    assert_eq!(total.bytes, winner as u64 + 1);
    open.close().await;
}

#[tokio::test]
async fn a_node_that_does_not_read_is_not_read_from() {
    let stage = Stage::new();
    let open = stage.open().await;
    let message = request(&stage.cast.pair());
    let taken = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&taken);
    let endless = stream::repeat(message)
        .inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        })
        .map(Ok);
    let peer = Arc::new(stage.cast.node.public().clone());
    let mut answers = open.settlement.call(peer, Box::pin(endless)).await.unwrap();
    for _ in 0..3 * SETTLEMENT_BATCH {
        answers.next().await.unwrap().unwrap();
    }
    let most = SETTLEMENT_BATCH * (3 + SETTLEMENT_BATCHES_AT_ONCE);
    let taken = taken.load(Ordering::Relaxed);
    assert!(taken <= most, "{taken} requests were read, more than {most}");
    drop(answers);
    open.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manners_are_kept() {
    let stage = Stage::new();
    let node = stage.node();
    let delay = Duration::from_millis(20);
    let reject = Some("not today".to_owned());
    let open = stage.open_with(Manner { answer_delay: delay, reject }).await;
    let began = std::time::Instant::now();
    let pairs = [stage.cast.pair(), stage.cast.pair()];
    assert_eq!(open.verdicts(&node, &pairs).await, ["not today"; 2]);
    assert!(began.elapsed() >= 2 * delay);
    assert_eq!(open.settlement.totals().await.unwrap(), totals(0, 2, 0));
    open.close().await;
}

#[tokio::test]
async fn a_closed_book_says_come_again() {
    let stage = Stage::new();
    let (open, node) = (stage.open().await, stage.node());
    open.settlement.close().await.unwrap();
    let (answers, end) = open.settle(&node, vec![request(&stage.cast.pair())]).await;
    assert_eq!(answers, []);
    let expected = "the satellite cannot write down orders: try again later";
    assert_eq!(end, Some((Code::Unavailable, expected.to_owned())));
}
