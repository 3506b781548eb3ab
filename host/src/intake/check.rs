//! Whether a storage node takes an order that an uplink hands in, decided from values alone. It
//! knows no clock, no database and no stream.

use chore_proto::{EnqueueRequest, Order, OrderLimit};
use prost::Message;

use crate::clock::Timestamp;
use crate::identity::PublicIdentity;
use crate::limits::REQUEST_BYTES_MAX;
use crate::node_id::NodeId;
use crate::signing::{self, Fault};

/// Why a stream ends: the uplink does not speak the protocol.
#[derive(Debug, thiserror::Error)]
pub enum Ending {
    #[error("enqueue request has {0} bytes, at most {REQUEST_BYTES_MAX} are taken")]
    TooLong(usize),
    #[error("enqueue request is not a protobuf message")]
    Request(#[source] prost::DecodeError),
    #[error("enqueue request has a part that cannot be read")]
    Part(#[source] signing::Error),
}

/// A limit and its order, taken apart but not yet believed.
#[derive(Clone, Debug)]
pub struct Offer {
    pub limit: OrderLimit,
    pub order: Order,
    /// The very bytes that were signed: they are what is stored and settled.
    pub limit_bytes: Vec<u8>,
    pub order_bytes: Vec<u8>,
}

/// Takes one request apart, or says why the stream ends.
pub fn read(message: &[u8]) -> Result<Offer, Ending> {
    if message.len() > REQUEST_BYTES_MAX {
        return Err(Ending::TooLong(message.len()));
    }
    let request = EnqueueRequest::decode(message).map_err(Ending::Request)?;
    let limit = signing::parse_limit(&request.limit).map_err(Ending::Part)?;
    let order = signing::parse_order(&request.order).map_err(Ending::Part)?;
    Ok(Offer { limit, order, limit_bytes: request.limit, order_bytes: request.order })
}

/// The satellite that has to stand for this offer, if the messages are in their proper form.
pub fn satellite(offer: &Offer) -> Result<NodeId, Fault> {
    signing::check_limit(&offer.limit, &offer.limit_bytes)?;
    signing::check_order(&offer.order, &offer.order_bytes)?;
    signing::satellite(&offer.limit)
}

/// Checks everything but whether the satellite is trusted and the serial number is new. Costs two
/// signature checks. The answer is when the order expires.
pub fn check(
    satellite: &PublicIdentity,
    node: NodeId,
    now: Timestamp,
    offer: &Offer,
) -> Result<Timestamp, Fault> {
    let Offer { limit, order, .. } = offer;
    signing::verify_limit(satellite, limit)?;
    if limit.storage_node_id != node.as_bytes() {
        return Err(Fault::OtherNode);
    }
    signing::verify_order(&limit.uplink_public_key, order)?;
    signing::check_serials(limit, order)?;
    signing::check_time(limit, now)?;
    signing::check_amount(limit, order)?;
    signing::check_action(limit)?;
    signing::expiration(limit)
}

#[cfg(test)]
mod tests;
