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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// let some = orders::list_unsent(orders::AT_ONCE_MAX as u32).await?;
/// # assert_eq!(some.len(), 3);
/// # Ok(()) }).unwrap();
/// ```
pub const AT_ONCE_MAX: usize = 10_000;

/// Where an order is.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// # let info = orders::list_unsent(1).await?.remove(0);
/// # let (serial, status, reason) = (info.serial, orders::Status::Accepted, String::new());
/// # orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
/// let archived = orders::list_archived(100).await?;
/// let accepted = archived.iter().filter(|it| it.status == orders::Status::Accepted).count();
/// # assert_eq!(accepted, 1);
/// # Ok(()) }).unwrap();
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// for info in orders::list_unsent(100).await? {
///     let left = info.expires.saturating_since(time::now());
///     if left < Duration::from_secs(3600) {
///         warn!(satellite = info.satellite, ?left, "an order expires soon");
///     }
/// }
/// # Ok(()) }).unwrap();
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// for archived in orders::list_archived(100).await? {
///     if archived.status == orders::Status::Rejected {
///         info!(satellite = archived.info.satellite, reason = archived.reason, "rejected");
///     }
/// }
/// # Ok(()) }).unwrap();
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// # let info = orders::list_unsent(1).await?.remove(0);
/// let rejected = orders::ArchiveRequest {
///     satellite,
///     serial: info.serial,
///     status: orders::Status::Rejected,
///     reason: "expired".to_owned(),
/// };
/// orders::archive(vec![rejected]).await?;
/// # Ok(()) }).unwrap();
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// let mut unsent: orders::Unsent = orders::stream_unsent(satellite).await?;
/// let first = unsent.next().await?;
/// # assert!(first.is_some());
/// # Ok(()) }).unwrap();
/// ```
pub type Unsent = Incoming<Info, Error>;

/// Adds an order; durable once answered.
///
/// # Errors
///
/// [`Kind::Conflict`](crate::Kind::Conflict) if the satellite has one of that serial.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// # let serial = vec![9; 16];
/// # let (limit, order, expires) = (vec![1], vec![2], time::now());
/// let info = orders::Info { satellite, serial, limit, order, expires };
/// orders::enqueue(info.clone()).await?;
/// assert_eq!(orders::enqueue(info).await.unwrap_err().kind(), Kind::Conflict);
/// # Ok(()) }).unwrap();
/// ```
pub async fn enqueue(info: Info) -> Result<()> {
    backend::orders_enqueue(info).await
}

/// Up to `limit` unsent orders of all satellites, at most [`AT_ONCE_MAX`].
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// assert_eq!(orders::list_unsent(2).await?.len(), 2);
/// # Ok(()) }).unwrap();
/// ```
pub async fn list_unsent(limit: u32) -> Result<Vec<Info>> {
    backend::orders_list_unsent(limit).await
}

/// Unsent orders by satellite, at most [`AT_ONCE_MAX`] together. Where more may wait, use
/// [`count_unsent`] and [`stream_unsent`].
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// for (satellite, infos) in orders::list_unsent_by_satellite().await? {
///     info!(satellite, waiting = infos.len(), "has orders");
/// }
/// # assert_eq!(world.logs()[0].fields[1].1, "3");
/// # Ok(()) }).unwrap();
/// ```
pub async fn list_unsent_by_satellite() -> Result<Vec<(NodeId, Vec<Info>)>> {
    backend::orders_list_unsent_by_satellite().await
}

/// How many orders wait for each satellite; those with none are left out.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// for (satellite, waiting) in orders::count_unsent().await? {
///     metrics::gauge("waiting", &[("satellite", &satellite.to_string())], waiting as f64);
/// }
/// # assert_eq!(world.gauge("waiting", &[("satellite", &satellite.to_string())]), Some(3.0));
/// # Ok(()) }).unwrap();
/// ```
pub async fn count_unsent() -> Result<Vec<(NodeId, u64)>> {
    backend::orders_count_unsent().await
}

/// All unsent orders of one satellite, as they are read.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// let mut unsent = orders::stream_unsent(satellite).await?;
/// let mut bytes = 0;
/// while let Some(info) = unsent.next().await? {
///     bytes += info.order.len();
/// }
/// # assert!(bytes > 0);
/// # Ok(()) }).unwrap();
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// # let info = orders::list_unsent(1).await?.remove(0);
/// let accepted = orders::ArchiveRequest {
///     satellite,
///     serial: info.serial.clone(),
///     status: orders::Status::Accepted,
///     reason: String::new(),
/// };
/// assert_eq!(orders::archive(vec![accepted.clone()]).await?, [[0; 0]; 0]);
/// // It is not unsent any more.
/// assert_eq!(orders::archive(vec![accepted]).await?, [info.serial]);
/// # Ok(()) }).unwrap();
/// ```
pub async fn archive(requests: Vec<ArchiveRequest>) -> Result<Vec<Vec<u8>>> {
    backend::orders_archive(requests).await
}

/// Up to `limit` archived orders, at most [`AT_ONCE_MAX`].
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// assert_eq!(orders::list_archived(10).await?, []);
/// # Ok(()) }).unwrap();
/// ```
pub async fn list_archived(limit: u32) -> Result<Vec<ArchivedInfo>> {
    backend::orders_list_archived(limit).await
}

/// Deletes what was archived at that time or earlier; returns how many.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let satellite = NodeId::fake(1);
/// # let world = World::new().unsent(NodeId::fake(1), 3);
/// # world.block_on(async {
/// let a_month_ago = time::now().saturating_sub(Duration::from_secs(30 * 24 * 3600));
/// let deleted = orders::clean_archive(a_month_ago).await?;
/// # assert_eq!(deleted, 0);
/// # Ok(()) }).unwrap();
/// ```
pub async fn clean_archive(before: Timestamp) -> Result<u64> {
    backend::orders_clean_archive(before).await
}
