//! The messages that uplinks, storage nodes and satellites exchange about orders, in protobuf.
//!
//! Field numbers are those of the public Storj protocol, so that the bytes mean the same there.
//! This crate knows no signature, no transport and no database: it compiles for a host and for a
//! chore alike.

use prost::{Enumeration, Message};

/// gRPC method by which a storage node settles orders with a satellite: a stream of
/// [`SettlementRequest`] one way, one [`SettlementResponse`] for each the other way.
pub const SETTLEMENT_METHOD: &str = "/orders.Orders/Settlement";

/// gRPC method by which an uplink hands orders to a storage node: a stream of
/// [`EnqueueRequest`] one way, one [`EnqueueResponse`] for each the other way, in order.
pub const ENQUEUE_METHOD: &str = "/orders.Intake/Enqueue";

/// Length of a serial number, in bytes.
pub const SERIAL_BYTES: usize = 16;

/// A point in time, as `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Message)]
pub struct Timestamp {
    /// Seconds since the Unix epoch, UTC.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    /// Nanoseconds within the second: 0 to 999,999,999.
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// What an uplink may do with a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum PieceAction {
    Invalid = 0,
    Put = 1,
    Get = 2,
    GetAudit = 3,
    GetRepair = 4,
    PutRepair = 5,
    Delete = 6,
    PutGracefulExit = 7,
}

/// A satellite's promise to pay a storage node for up to `limit` bytes.
#[derive(Clone, PartialEq, Message)]
pub struct OrderLimit {
    /// Unique for the satellite; [`SERIAL_BYTES`] long.
    #[prost(bytes = "vec", tag = "1")]
    pub serial_number: Vec<u8>,
    /// Node id of the satellite that signed this.
    #[prost(bytes = "vec", tag = "2")]
    pub satellite_id: Vec<u8>,
    /// Node id of the storage node that is paid.
    #[prost(bytes = "vec", tag = "4")]
    pub storage_node_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub piece_id: Vec<u8>,
    /// Most that an order under this limit may amount to, in bytes.
    #[prost(int64, tag = "6")]
    pub limit: i64,
    #[prost(enumeration = "PieceAction", tag = "7")]
    pub action: i32,
    #[prost(message, optional, tag = "8")]
    pub piece_expiration: Option<Timestamp>,
    /// Last moment at which the satellite settles an order under this limit.
    #[prost(message, optional, tag = "9")]
    pub order_expiration: Option<Timestamp>,
    /// Over the encoding of this message without this field.
    #[prost(bytes = "vec", tag = "10")]
    pub satellite_signature: Vec<u8>,
    #[prost(message, optional, tag = "12")]
    pub order_creation: Option<Timestamp>,
    /// Ed25519 key whose private half signs the order, 32 bytes.
    #[prost(bytes = "vec", tag = "13")]
    pub uplink_public_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "14")]
    pub encrypted_metadata_key_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "15")]
    pub encrypted_metadata: Vec<u8>,
}

/// An uplink's word that a storage node served `amount` bytes.
#[derive(Clone, PartialEq, Message)]
pub struct Order {
    /// The serial number of the limit that this order draws on.
    #[prost(bytes = "vec", tag = "1")]
    pub serial_number: Vec<u8>,
    /// Bytes; at most the limit's `limit`.
    #[prost(int64, tag = "2")]
    pub amount: i64,
    /// Over the encoding of this message without this field.
    #[prost(bytes = "vec", tag = "3")]
    pub uplink_signature: Vec<u8>,
}

/// One order that a storage node wants settled.
///
/// Both fields are messages on the wire; they stay encoded here, so that who only passes them on
/// passes on the very bytes that were signed. Empty means missing.
#[derive(Clone, PartialEq, Message)]
pub struct SettlementRequest {
    /// An encoded [`OrderLimit`].
    #[prost(bytes = "vec", tag = "1")]
    pub limit: Vec<u8>,
    /// An encoded [`Order`].
    #[prost(bytes = "vec", tag = "2")]
    pub order: Vec<u8>,
}

/// A satellite's verdict on one order.
#[derive(Clone, PartialEq, Message)]
pub struct SettlementResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub serial_number: Vec<u8>,
    #[prost(enumeration = "SettlementStatus", tag = "2")]
    pub status: i32,
    /// Why it was rejected, for the node's log; empty if accepted. Peers of the public protocol
    /// neither send nor expect it.
    #[prost(string, tag = "3")]
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum SettlementStatus {
    Invalid = 0,
    /// The order counts, now or since an earlier time it was sent.
    Accepted = 1,
    /// The order will never count.
    Rejected = 2,
}

/// An order that an uplink hands to a storage node.
#[derive(Clone, PartialEq, Message)]
pub struct EnqueueRequest {
    /// An encoded [`OrderLimit`].
    #[prost(bytes = "vec", tag = "1")]
    pub limit: Vec<u8>,
    /// An encoded [`Order`].
    #[prost(bytes = "vec", tag = "2")]
    pub order: Vec<u8>,
}

/// A storage node's answer to one [`EnqueueRequest`], given only when the order is durable.
#[derive(Clone, PartialEq, Message)]
pub struct EnqueueResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub serial_number: Vec<u8>,
    /// Why the node does not take this order; empty if it did.
    #[prost(string, tag = "2")]
    pub refused: String,
}
