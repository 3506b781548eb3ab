//! Limits and orders as signed words: encoding, signing, verifying and the rules that both ends
//! share. It knows no clock, no database and no network.
//!
//! A satellite signs a limit, and an uplink's piece key signs the order that draws on it. What is
//! signed is the protobuf encoding without the signature. A message counts only in its one proper
//! encoding: a field that is unknown here would be covered by no rule, yet passed on as if it were.

use std::fmt;

use chore_proto::{Order, OrderLimit, PieceAction, SERIAL_BYTES};
use prost::Message;
use ring::rand::SecureRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::clock::Timestamp;
use crate::identity::{self, Identity, PublicIdentity};
use crate::limits::{ORDER_BYTES_MAX, SIGNATURE_BYTES_MAX};
use crate::node_id::{NODE_ID_BYTES, NodeId};

/// Length of an Ed25519 public key, in bytes.
pub const PIECE_KEY_BYTES: usize = 32;

/// Length of a piece id, in bytes.
pub const PIECE_ID_BYTES: usize = 32;

/// Unique for a satellite: big-endian Unix seconds of the expiration, then eight random bytes.
pub type Serial = [u8; SERIAL_BYTES];

/// Which of the two messages an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Limit,
    Order,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Limit => "order limit",
            Part::Order => "order",
        })
    }
}

/// Why a message cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0} is missing")]
    Missing(Part),
    #[error("{part} has {bytes} bytes, at most {ORDER_BYTES_MAX} are taken")]
    TooLong { part: Part, bytes: usize },
    #[error("{part} is not a protobuf message")]
    Decode { part: Part, source: prost::DecodeError },
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("draw random bytes: the system gives none")]
    Random,
    #[error("sign an order limit")]
    Sign(#[source] identity::Error),
}

/// Why an order does not count. These are the words that the other side reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("{0} has fields that are unknown or not properly encoded")]
    Encoding(Part),
    #[error("{part}: {field} has {bytes} bytes, not {expected}")]
    Length { part: Part, field: &'static str, bytes: usize, expected: usize },
    #[error("{part}: {field} is {value}, which is negative")]
    Negative { part: Part, field: &'static str, value: i64 },
    #[error("order limit: {0} is no time")]
    Time(&'static str),
    #[error("order limit has no expiration")]
    NoExpiration,
    #[error("order limit is for another satellite")]
    OtherSatellite,
    #[error("order limit is for another storage node")]
    OtherNode,
    #[error("order limit has a signature that is not its satellite's")]
    LimitSignature,
    #[error("order has a signature that is not of the key in its limit")]
    OrderSignature,
    #[error("order and limit have different serial numbers")]
    Serials,
    #[error("order limit expired at {0}")]
    Expired(Timestamp),
    #[error("order amounts to {amount} bytes, its limit allows {limit}")]
    Amount { amount: i64, limit: i64 },
    #[error("order limit has action {0}, which is none")]
    Action(i32),
}

impl Fault {
    /// One word for metric labels: what goes wrong together has one.
    pub fn word(&self) -> &'static str {
        match self {
            Fault::Encoding(_)
            | Fault::Length { .. }
            | Fault::Negative { .. }
            | Fault::Time(_)
            | Fault::NoExpiration
            | Fault::Action(_) => "malformed",
            Fault::OtherSatellite => "other-satellite",
            Fault::OtherNode => "other-node",
            Fault::LimitSignature | Fault::OrderSignature => "signature",
            Fault::Serials => "serials",
            Fault::Expired(_) => "expired",
            Fault::Amount { .. } => "amount",
        }
    }
}

// Reading.

/// Takes the encoding apart, without asking whether it follows the rules: see [`check_limit`].
pub fn parse_limit(bytes: &[u8]) -> Result<OrderLimit, Error> {
    parse(Part::Limit, bytes)
}

/// Takes the encoding apart, without asking whether it follows the rules: see [`check_order`].
pub fn parse_order(bytes: &[u8]) -> Result<Order, Error> {
    parse(Part::Order, bytes)
}

/// An order limit that follows the rules of [`check_limit`].
pub fn decode_limit(bytes: &[u8]) -> Result<OrderLimit, Error> {
    let limit = parse_limit(bytes)?;
    check_limit(&limit, bytes)?;
    Ok(limit)
}

/// An order that follows the rules of [`check_order`].
pub fn decode_order(bytes: &[u8]) -> Result<Order, Error> {
    let order = parse_order(bytes)?;
    check_order(&order, bytes)?;
    Ok(order)
}

fn parse<M: Message + Default>(part: Part, bytes: &[u8]) -> Result<M, Error> {
    match bytes.len() {
        0 => Err(Error::Missing(part)),
        1..=ORDER_BYTES_MAX => M::decode(bytes).map_err(|source| Error::Decode { part, source }),
        bytes => Err(Error::TooLong { part, bytes }),
    }
}

/// Fails unless `bytes` is the one proper encoding of `limit`, every field has its length, the
/// limit is not negative and the times are times, an expiration among them.
pub fn check_limit(limit: &OrderLimit, bytes: &[u8]) -> Result<(), Fault> {
    const PART: Part = Part::Limit;
    same_bytes(PART, limit, bytes)?;
    length(PART, "serial number", &limit.serial_number, SERIAL_BYTES)?;
    length(PART, "satellite id", &limit.satellite_id, NODE_ID_BYTES)?;
    length(PART, "storage node id", &limit.storage_node_id, NODE_ID_BYTES)?;
    length(PART, "piece id", &limit.piece_id, PIECE_ID_BYTES)?;
    length(PART, "uplink public key", &limit.uplink_public_key, PIECE_KEY_BYTES)?;
    signature_length(PART, &limit.satellite_signature)?;
    not_negative(PART, "limit", limit.limit)?;
    expiration(limit)?;
    for (field, time) in
        [("piece expiration", limit.piece_expiration), ("order creation", limit.order_creation)]
    {
        time.map_or(Some(Timestamp::EPOCH), timestamp).ok_or(Fault::Time(field))?;
    }
    Ok(())
}

/// Fails unless `bytes` is the one proper encoding of `order`, every field has its length and the
/// amount is not negative.
pub fn check_order(order: &Order, bytes: &[u8]) -> Result<(), Fault> {
    const PART: Part = Part::Order;
    same_bytes(PART, order, bytes)?;
    length(PART, "serial number", &order.serial_number, SERIAL_BYTES)?;
    signature_length(PART, &order.uplink_signature)?;
    not_negative(PART, "amount", order.amount)
}

fn same_bytes(part: Part, message: &impl Message, bytes: &[u8]) -> Result<(), Fault> {
    if message.encode_to_vec() == bytes { Ok(()) } else { Err(Fault::Encoding(part)) }
}

fn length(part: Part, field: &'static str, bytes: &[u8], expected: usize) -> Result<(), Fault> {
    match bytes.len() {
        bytes if bytes == expected => Ok(()),
        bytes => Err(Fault::Length { part, field, bytes, expected }),
    }
}

/// A signature that is missing or too short is found out by whoever verifies it.
fn signature_length(part: Part, signature: &[u8]) -> Result<(), Fault> {
    let bytes = signature.len().min(SIGNATURE_BYTES_MAX);
    length(part, "signature", signature, bytes)
}

fn not_negative(part: Part, field: &'static str, value: i64) -> Result<(), Fault> {
    if value < 0 { Err(Fault::Negative { part, field, value }) } else { Ok(()) }
}

/// The last moment at which an order under this limit is settled.
pub fn expiration(limit: &OrderLimit) -> Result<Timestamp, Fault> {
    let expiration = limit.order_expiration.ok_or(Fault::NoExpiration)?;
    timestamp(expiration).ok_or(Fault::Time("order expiration"))
}

/// The satellite that a limit names. Fails unless it is a node id.
pub fn satellite(limit: &OrderLimit) -> Result<NodeId, Fault> {
    NodeId::from_bytes(&limit.satellite_id).map_err(|_| Fault::OtherSatellite)
}

/// Saturates outside the years that [`Timestamp`] covers; `None` if the nanoseconds overflow.
fn timestamp(time: chore_proto::Timestamp) -> Option<Timestamp> {
    if !(0..NANOS_PER_SECOND).contains(&i64::from(time.nanos)) {
        return None;
    }
    let nanos = time.seconds.saturating_mul(NANOS_PER_SECOND);
    Some(Timestamp::from_nanos(nanos.saturating_add(i64::from(time.nanos))))
}

const NANOS_PER_SECOND: i64 = 1_000_000_000;

fn proto_timestamp(time: Timestamp) -> chore_proto::Timestamp {
    let nanos = time.as_nanos().rem_euclid(NANOS_PER_SECOND);
    chore_proto::Timestamp {
        seconds: time.as_nanos().div_euclid(NANOS_PER_SECOND),
        nanos: i32::try_from(nanos).unwrap_or_default(),
    }
}

// The rules of a pair, one function each: who checks puts them in the order that it promises.

/// Fails unless order and limit carry the same serial number.
pub fn check_serials(limit: &OrderLimit, order: &Order) -> Result<(), Fault> {
    if limit.serial_number == order.serial_number { Ok(()) } else { Err(Fault::Serials) }
}

/// Fails once `now` is past the limit's last moment.
pub fn check_time(limit: &OrderLimit, now: Timestamp) -> Result<(), Fault> {
    let expiration = expiration(limit)?;
    if now > expiration { Err(Fault::Expired(expiration)) } else { Ok(()) }
}

/// Fails if the order draws more than its limit allows, or less than nothing.
pub fn check_amount(limit: &OrderLimit, order: &Order) -> Result<(), Fault> {
    not_negative(Part::Order, "amount", order.amount)?;
    match order.amount <= limit.limit {
        true => Ok(()),
        false => Err(Fault::Amount { amount: order.amount, limit: limit.limit }),
    }
}

/// Fails unless the limit names an action.
pub fn check_action(limit: &OrderLimit) -> Result<(), Fault> {
    match PieceAction::try_from(limit.action) {
        Ok(PieceAction::Invalid) | Err(_) => Err(Fault::Action(limit.action)),
        Ok(_) => Ok(()),
    }
}

// Signing.

fn signed_limit(limit: &OrderLimit) -> Vec<u8> {
    OrderLimit { satellite_signature: Vec::new(), ..limit.clone() }.encode_to_vec()
}

fn signed_order(order: &Order) -> Vec<u8> {
    Order { uplink_signature: Vec::new(), ..order.clone() }.encode_to_vec()
}

/// Signs as the satellite that `identity` is: ECDSA with SHA-256.
pub fn sign_limit(identity: &Identity, limit: &mut OrderLimit) -> Result<(), Error> {
    limit.satellite_signature = identity.sign(&signed_limit(limit)).map_err(Error::Sign)?;
    Ok(())
}

/// Fails unless `satellite` signed the limit.
pub fn verify_limit(satellite: &PublicIdentity, limit: &OrderLimit) -> Result<(), Fault> {
    satellite
        .verify(&signed_limit(limit), &limit.satellite_signature)
        .map_err(|_| Fault::LimitSignature)
}

/// Signs as the uplink that holds the piece key: Ed25519.
pub fn sign_order(key: &PieceKey, order: &mut Order) {
    order.uplink_signature = key.0.sign(&signed_order(order)).as_ref().to_vec();
}

/// Fails unless the holder of `public_key`, an Ed25519 key of [`PIECE_KEY_BYTES`], signed the order.
pub fn verify_order(public_key: &[u8], order: &Order) -> Result<(), Fault> {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(&signed_order(order), &order.uplink_signature)
        .map_err(|_| Fault::OrderSignature)
}

/// The key that an uplink signs the orders of one piece with.
pub struct PieceKey(Ed25519KeyPair);

impl PieceKey {
    /// Fails if the system gives no random bytes.
    pub fn generate(random: &dyn SecureRandom) -> Result<PieceKey, Error> {
        let mut seed = [0; 32];
        random.fill(&mut seed).map_err(|_| Error::Random)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| Error::Random)?;
        Ok(PieceKey(pair))
    }

    /// [`PIECE_KEY_BYTES`] long.
    pub fn public(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }
}

impl fmt::Debug for PieceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PieceKey").field(&self.0.public_key()).finish()
    }
}

// Issuing.

/// What a satellite promises, and to whom.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    pub node: NodeId,
    /// The public half of the piece key.
    pub piece_key: &'a [u8],
    pub action: PieceAction,
    /// Most that the order may amount to, in bytes.
    pub limit: i64,
    pub now: Timestamp,
    pub expires: Timestamp,
}

/// A signed limit with a fresh serial number and piece id.
pub fn issue_limit(
    satellite: &Identity,
    terms: &Terms<'_>,
    random: &dyn SecureRandom,
) -> Result<OrderLimit, Error> {
    let mut chance = [0; 8 + PIECE_ID_BYTES];
    random.fill(&mut chance).map_err(|_| Error::Random)?;
    let (serial_chance, piece_id) = chance.split_at(8);
    let expiration = proto_timestamp(terms.expires);
    let mut limit = OrderLimit {
        serial_number: [&expiration.seconds.to_be_bytes(), serial_chance].concat(),
        satellite_id: satellite.id().as_bytes().to_vec(),
        storage_node_id: terms.node.as_bytes().to_vec(),
        piece_id: piece_id.to_vec(),
        limit: terms.limit,
        action: terms.action.into(),
        order_expiration: Some(expiration),
        order_creation: Some(proto_timestamp(terms.now)),
        uplink_public_key: terms.piece_key.to_vec(),
        ..OrderLimit::default()
    };
    sign_limit(satellite, &mut limit)?;
    Ok(limit)
}

/// The signed order of `amount` bytes under `limit`.
pub fn draw(key: &PieceKey, limit: &OrderLimit, amount: i64) -> Order {
    let serial_number = limit.serial_number.clone();
    let mut order = Order { serial_number, amount, uplink_signature: Vec::new() };
    sign_order(key, &mut order);
    order
}

#[cfg(test)]
pub(crate) mod cast;
#[cfg(test)]
mod tests;
