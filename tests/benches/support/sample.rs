//! Orders that nobody signed, of the size of real ones, for databases that do not look inside.

use std::time::Duration;

use chore_host::clock::Timestamp;
use chore_host::node_id::NodeId;
use chore_host::orders::{Info, Orders};
use futures::future::join_all;

/// What the limits and orders of `chore_host::planet` have, encoded.
const LIMIT_BYTES: usize = 261;
const ORDER_BYTES: usize = 89;

pub fn satellite() -> NodeId {
    NodeId::from_public_key_der(b"a satellite")
}

/// The order with this number; no other has its serial number.
pub fn order(number: u64) -> Info {
    // As random as real ones, which lie anywhere in the index.
    let serial = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Info {
        satellite: satellite(),
        serial: serial.to_be_bytes().to_vec(),
        limit: vec![1; LIMIT_BYTES],
        order: vec![2; ORDER_BYTES],
        expires: Timestamp::now().plus(Duration::from_secs(48 * 3600)),
    }
}

/// Enqueues them together; returns when all are durable.
pub async fn enqueue(orders: &Orders, infos: Vec<Info>) {
    let enqueued = join_all(infos.into_iter().map(|info| orders.enqueue(info))).await;
    enqueued.into_iter().collect::<Result<(), _>>().expect("orders are enqueued");
}
