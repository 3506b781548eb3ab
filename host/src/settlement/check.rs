//! The verdict on one settlement request, decided from values alone. It knows no clock, no
//! database and no stream.
//!
//! The order of the checks is a promise: what ends the stream comes first, then what only this
//! order is rejected for. A stream ends only at what is no order; one that is none of this node's,
//! as after a change of its identity, is rejected like any other, for else it would stop those
//! behind it for ever. (The seed system ended the stream there.)

use chore_proto::{Order, OrderLimit, SettlementRequest};
use prost::Message;
use ring::digest::{SHA256, digest};

use crate::clock::Timestamp;
use crate::identity::PublicIdentity;
use crate::limits::REQUEST_BYTES_MAX;
use crate::node_id::NodeId;
use crate::signing::{self, Fault};

/// Length of the digest by which an order is known again, in bytes.
pub const DIGEST_BYTES: usize = 32;

/// Why a stream ends.
#[derive(Debug, thiserror::Error)]
pub enum Ending {
    #[error("settlement request has {0} bytes, at most {REQUEST_BYTES_MAX} are taken")]
    TooLong(usize),
    #[error("settlement request is not a protobuf message")]
    Request(#[source] prost::DecodeError),
    #[error("settlement request has a part that cannot be read")]
    Part(#[source] signing::Error),
}

/// A limit and its order, taken apart but not yet believed.
#[derive(Clone, Debug)]
pub struct Claim {
    pub limit: OrderLimit,
    pub order: Order,
    limit_bytes: Vec<u8>,
    order_bytes: Vec<u8>,
}

/// What the satellite writes down of an order that it accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub serial: Vec<u8>,
    pub node: NodeId,
    /// Of the order's bytes.
    pub digest: [u8; DIGEST_BYTES],
    /// Bytes; not negative.
    pub amount: i64,
    pub expires: Timestamp,
}

/// An order that nothing but the serial numbers used before can speak against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub entry: Entry,
    /// Set if the limit expired: then only an order that was accepted in time still counts.
    pub late: Option<Fault>,
}

/// What the satellite finds under a serial number that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub node: Vec<u8>,
    pub digest: Vec<u8>,
}

/// What becomes of an order, given what is known of its serial number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts from now on, once it is written down.
    Accept,
    /// It was accepted before; the node may have missed the answer.
    Again,
    Reject(Reason),
}

/// Why an order will never count, in the words that the node logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("serial number already used by another order")]
    Used,
    /// A test's own words.
    #[error("{0}")]
    Manner(String),
}

impl Reason {
    /// One word for metric labels.
    pub fn word(&self) -> &'static str {
        match self {
            Reason::Fault(fault) => fault.word(),
            Reason::Used => "used",
            Reason::Manner(_) => "unwanted",
        }
    }
}

/// Takes one request apart, or says why the stream ends.
pub fn read(message: &[u8]) -> Result<Claim, Ending> {
    if message.len() > REQUEST_BYTES_MAX {
        return Err(Ending::TooLong(message.len()));
    }
    let request = SettlementRequest::decode(message).map_err(Ending::Request)?;
    let limit = signing::parse_limit(&request.limit).map_err(Ending::Part)?;
    let order = signing::parse_order(&request.order).map_err(Ending::Part)?;
    Ok(Claim { limit, order, limit_bytes: request.limit, order_bytes: request.order })
}

/// Checks everything that needs no memory of other orders. Costs two signature checks.
pub fn check(
    satellite: &PublicIdentity,
    peer: NodeId,
    now: Timestamp,
    claim: &Claim,
) -> Result<Checked, Fault> {
    let Claim { limit, order, limit_bytes, order_bytes } = claim;
    if limit.storage_node_id != peer.as_bytes() {
        return Err(Fault::OtherNode);
    }
    signing::check_limit(limit, limit_bytes)?;
    signing::check_order(order, order_bytes)?;
    if limit.satellite_id != satellite.id().as_bytes() {
        return Err(Fault::OtherSatellite);
    }
    signing::verify_limit(satellite, limit)?;
    signing::verify_order(&limit.uplink_public_key, order)?;
    signing::check_serials(limit, order)?;
    let late = signing::check_time(limit, now).err();
    if let Err(fault) = signing::check_amount(limit, order) {
        return Err(late.unwrap_or(fault));
    }
    let mut order_digest = [0; DIGEST_BYTES];
    order_digest.copy_from_slice(digest(&SHA256, order_bytes).as_ref());
    let entry = Entry {
        serial: order.serial_number.clone(),
        node: peer,
        digest: order_digest,
        amount: order.amount,
        expires: signing::expiration(limit)?,
    };
    Ok(Checked { entry, late })
}

/// The verdict, given what was accepted under the same serial number before.
///
/// What was accepted once is accepted for as long as it is remembered, also past its expiration: a
/// node that was down for days learns that it was paid.
pub fn decide(checked: &Checked, known: Option<&Known>) -> Verdict {
    let Checked { entry, late } = checked;
    match (known, late) {
        (Some(known), _) if known.node == entry.node.as_bytes() && known.digest == entry.digest => {
            Verdict::Again
        }
        (_, Some(late)) => Verdict::Reject(late.clone().into()),
        (Some(_), None) => Verdict::Reject(Reason::Used),
        (None, None) => Verdict::Accept,
    }
}

#[cfg(test)]
mod tests;
