//! The order sender as it would be if it were part of the peer: the same services, the same steps
//! and the same batches as `chores/order-sender`, and no wasm between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chore_host::clock::Timestamp;
use chore_host::kademlia::Kademlia;
use chore_host::limits::{METRIC_SERIES_MAX, ORDERS_PER_PAGE};
use chore_host::meters::{Meters, Whose};
use chore_host::node_id::NodeId;
use chore_host::orders::{ArchiveRequest, Info, Orders, Status};
use chore_host::transport::Transport;
use chore_proto::{
    SERIAL_BYTES, SETTLEMENT_METHOD, SettlementRequest, SettlementResponse, SettlementStatus,
};
use futures::{Stream, StreamExt};
use prost::Message;

/// As the chore's setting `batch-size`.
const BATCH_SIZE: usize = 500;

/// As the chore's setting `dial-timeout`.
const DIAL_TIMEOUT: Duration = Duration::from_secs(60);

/// As the chore's cycle.
const RUN_TIMEOUT: Duration = Duration::from_secs(3600);

/// How many satellites at the same time, as in the chore.
const SATELLITES_AT_ONCE: usize = 1_000;

#[derive(Clone)]
pub struct NativeSender {
    pub orders: Orders,
    pub kademlia: Arc<dyn Kademlia>,
    pub transport: Transport,
    pub meters: Meters,
}

impl NativeSender {
    /// Settles what waits for every satellite; says how many orders that were.
    pub async fn run(self) -> usize {
        let waiting = self.orders.count_unsent().await.expect("unsent orders are counted");
        let settlements = waiting.into_iter().map(|(satellite, _)| self.settle(satellite));
        let settled: Vec<usize> =
            futures::stream::iter(settlements).buffer_unordered(SATELLITES_AT_ONCE).collect().await;
        settled.into_iter().sum()
    }

    async fn settle(&self, satellite: NodeId) -> usize {
        let node = self.kademlia.find_node(satellite).await.expect("the satellite is known");
        let connection = self.transport.dial_node(&node, DIAL_TIMEOUT).await.expect("it answers");
        let sent = Arc::new(AtomicU64::new(0));
        let counter = sent.clone();
        let requests = unsent(self.orders.clone(), satellite).map(move |info| {
            counter.fetch_add(1, Ordering::Relaxed);
            SettlementRequest { limit: info.limit, order: info.order }.encode_to_vec()
        });
        let responses = connection.stream(SETTLEMENT_METHOD, requests, RUN_TIMEOUT).await;
        let mut responses = responses.expect("the call begins");
        let (mut answers, mut settled) = (0, 0);
        let mut batch = Vec::new();
        while let Some(response) = responses.next().await {
            answers += 1;
            assert!(answers <= sent.load(Ordering::Relaxed), "no more answers than orders");
            batch.push(request(satellite, &response.expect("the satellite goes on")));
            if batch.len() >= BATCH_SIZE {
                settled += self.archive(satellite, std::mem::take(&mut batch)).await;
            }
        }
        settled + self.archive(satellite, batch).await
    }

    async fn archive(&self, satellite: NodeId, batch: Vec<ArchiveRequest>) -> usize {
        if batch.is_empty() {
            return 0;
        }
        let archived = self.orders.archive(batch.clone(), Timestamp::now()).await;
        let mut missing = archived.expect("answers are archived");
        missing.sort_unstable();
        let known = |request: &&ArchiveRequest| missing.binary_search(&request.serial).is_err();
        let accepted = batch.iter().filter(known).count();
        let labels = [("satellite", satellite.to_string()), ("status", "accepted".to_owned())];
        let labels = labels.map(|(key, value)| (key.to_owned(), value)).to_vec();
        let whose = Whose { chore: "native-sender", series_max: METRIC_SERIES_MAX as u64 };
        self.meters.count(whose, "orders_settled_total", labels, accepted as u64);
        accepted
    }
}

/// The orders of one satellite, in the pages that the host reads for a chore.
fn unsent(orders: Orders, satellite: NodeId) -> impl Stream<Item = Info> + Send + 'static {
    let pages = futures::stream::unfold(Some((orders, None)), move |state| async move {
        let (orders, after) = state?;
        let page = orders.unsent_page(satellite, after, ORDERS_PER_PAGE).await;
        let (infos, next) = page.expect("unsent orders are read");
        Some((infos, next.map(|next| (orders, Some(next)))))
    });
    pages.flat_map(futures::stream::iter)
}

/// What a satellite's answer means for the archive. The satellite of this benchmark accepts all.
fn request(satellite: NodeId, response: &[u8]) -> ArchiveRequest {
    let response = SettlementResponse::decode(response).expect("an answer");
    assert_eq!(response.status, SettlementStatus::Accepted as i32, "{}", response.reason);
    assert_eq!(response.serial_number.len(), SERIAL_BYTES);
    let serial = response.serial_number;
    ArchiveRequest { satellite, serial, status: Status::Accepted, reason: String::new() }
}
