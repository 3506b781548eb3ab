//! Orders waiting to be sent to satellites, and what became of them. It needs the grant `orders`.
//!
//! Every function fails with [`Kind::Denied`](crate::Kind::Denied) without the grant.
//!
//! ```
//! use chore_sdk::orders::{ArchiveRequest, Status};
//! # use chore_sdk::{prelude::*, testing::World};
//! # let world = World::new().unsent(NodeId::fake(1), 3);
//! # world.block_on(async {
//! for (satellite, _) in orders::count_unsent().await? {
//!     let mut unsent = orders::stream_unsent(satellite).await?;
//!     let mut refused = Vec::new();
//!     while let Some(info) = unsent.next().await? {
//!         let (serial, reason) = (info.serial, "the satellite is gone".to_owned());
//!         refused.push(ArchiveRequest { satellite, serial, status: Status::Rejected, reason });
//!     }
//!     orders::archive(refused).await?;
//! }
//! # Ok(()) }).unwrap();
//! # assert_eq!(world.archived().len(), 3);
//! ```

use crate::time::Timestamp;
use crate::{Error, Incoming, NodeId, Result, backend};

/// Orders that one call lists or archives at most.
pub const AT_ONCE_MAX: usize = 10_000;

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It waits to be sent.
    Unsent,
    /// The satellite counts it.
    Accepted,
    /// The satellite will never count it.
    Rejected,
}

/// An order and the limit it draws on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Who pays for it.
    pub satellite: NodeId,
    /// Unique for the satellite, 16 bytes.
    pub serial: Vec<u8>,
    /// A serialized `OrderLimit`. It is signed: pass it on as it is.
    pub limit: Vec<u8>,
    /// A serialized `Order`. It is signed: pass it on as it is.
    pub order: Vec<u8>,
    /// After this the satellite does not settle it any more.
    pub expires: Timestamp,
}

/// An order and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchivedInfo {
    /// The order.
    pub info: Info,
    /// [`Status::Accepted`] or [`Status::Rejected`].
    pub status: Status,
    /// Why it was rejected; empty otherwise.
    pub reason: String,
    /// When it was archived.
    pub archived: Timestamp,
}

/// What became of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRequest {
    /// Who answered.
    pub satellite: NodeId,
    /// That of the order.
    pub serial: Vec<u8>,
    /// [`Status::Accepted`] or [`Status::Rejected`].
    pub status: Status,
    /// Why it was rejected, for people.
    pub reason: String,
}

/// Unsent orders of one satellite, in bounded memory.
pub type Unsent = Incoming<Info, Error>;

/// Adds an order; durable once answered.
///
/// # Errors
///
/// [`Kind::Conflict`](crate::Kind::Conflict) if the satellite has one of that serial.
pub async fn enqueue(info: Info) -> Result<()> {
    backend::orders_enqueue(info).await
}

/// Up to `limit` unsent orders of all satellites, at most [`AT_ONCE_MAX`].
pub async fn list_unsent(limit: u32) -> Result<Vec<Info>> {
    backend::orders_list_unsent(limit).await
}

/// Unsent orders by satellite, at most [`AT_ONCE_MAX`] together. Where more may wait, use
/// [`count_unsent`] and [`stream_unsent`].
pub async fn list_unsent_by_satellite() -> Result<Vec<(NodeId, Vec<Info>)>> {
    backend::orders_list_unsent_by_satellite().await
}

/// How many orders wait for each satellite; those with none are left out.
pub async fn count_unsent() -> Result<Vec<(NodeId, u64)>> {
    backend::orders_count_unsent().await
}

/// All unsent orders of one satellite, as they are read.
pub async fn stream_unsent(satellite: NodeId) -> Result<Unsent> {
    backend::orders_stream_unsent(satellite).await
}

/// Moves orders from unsent to archived, all or none, durable once answered. Returns the serial
/// numbers that were not unsent, which change nothing.
///
/// # Errors
///
/// [`Kind::TooLarge`](crate::Kind::TooLarge) for more than [`AT_ONCE_MAX`],
/// [`Kind::Invalid`](crate::Kind::Invalid) for [`Status::Unsent`].
pub async fn archive(requests: Vec<ArchiveRequest>) -> Result<Vec<Vec<u8>>> {
    backend::orders_archive(requests).await
}

/// Up to `limit` archived orders, at most [`AT_ONCE_MAX`].
pub async fn list_archived(limit: u32) -> Result<Vec<ArchivedInfo>> {
    backend::orders_list_archived(limit).await
}

/// Deletes what was archived at that time or earlier; returns how many.
pub async fn clean_archive(before: Timestamp) -> Result<u64> {
    backend::orders_clean_archive(before).await
}
