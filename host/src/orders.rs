//! Orders that wait to be sent to satellites, and what became of them. It checks no signature and
//! knows no satellite's address.
//!
//! An order is acknowledged only when it is durable, and leaves "unsent" only when the satellite's
//! answer is: the move is one transaction. Whatever waits for the disk at the same moment shares one
//! commit, see [`crate::database`].
//!
//! A row that is no order (of a damaged or foreign file) stops nobody: listings log it, count it in
//! [`Orders::skipped`] and go on.

mod archive;
mod row;
mod unsent;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use unsent::Cursor;

use crate::clock::Timestamp;
use crate::database::{self, Database};
use crate::limits::{
    ORDER_BYTES_MAX, ORDER_SERIAL_BYTES, ORDERS_CLEANED_AT_ONCE, ORDERS_PER_CALL_MAX,
};
use crate::node_id::NodeId;
use crate::units::hex;

/// The wide rows lie in the order they came, so that an insertion appends and a listing reads on;
/// only the narrow index of (satellite, serial) is touched at random. AUTOINCREMENT, because an id
/// that is used again would hide a new order from a cursor that has passed it.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE unsent (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        satellite BLOB NOT NULL,
        serial BLOB NOT NULL,
        order_limit BLOB NOT NULL,
        order_bytes BLOB NOT NULL,
        expires INTEGER NOT NULL,
        UNIQUE (satellite, serial)
    ) STRICT;
    CREATE INDEX unsent_by_satellite ON unsent (satellite);
    CREATE TABLE archived (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        satellite BLOB NOT NULL,
        serial BLOB NOT NULL,
        order_limit BLOB NOT NULL,
        order_bytes BLOB NOT NULL,
        expires INTEGER NOT NULL,
        status INTEGER NOT NULL,
        reason TEXT NOT NULL,
        archived INTEGER NOT NULL,
        UNIQUE (satellite, serial)
    ) STRICT;
    CREATE INDEX archived_by_time ON archived (archived, status);
",
    "
    -- When it came, for whoever watches how long orders wait; nothing is decided by it.
    ALTER TABLE unsent ADD COLUMN enqueued INTEGER NOT NULL DEFAULT 0;
",
];

/// How many schemas its file has had: that of a file of the newest.
pub const SCHEMA: usize = MIGRATIONS.len();

/// Why an order is not taken, not found or not moved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "enqueue order {serial} for satellite {satellite}: it is there already, unsent or archived"
    )]
    Exists { satellite: NodeId, serial: String },
    #[error("enqueue order: a serial number has {ORDER_SERIAL_BYTES} bytes, this one has {length}")]
    Invalid { length: usize },
    /// `what` says of which thing `size` is.
    #[error("{what}: {size}, at most {max} are taken")]
    TooLarge { what: &'static str, size: usize, max: usize },
    #[error(transparent)]
    Database(#[from] database::Error),
}

/// An order and the limit it draws on, both encoded as they were signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    pub satellite: NodeId,
    /// [`ORDER_SERIAL_BYTES`] bytes.
    pub serial: Vec<u8>,
    /// At most [`ORDER_BYTES_MAX`] bytes.
    pub limit: Vec<u8>,
    /// At most [`ORDER_BYTES_MAX`] bytes.
    pub order: Vec<u8>,
    pub expires: Timestamp,
}

/// What a satellite decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Accepted,
    Rejected,
}

/// An order that its satellite has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    pub info: Info,
    pub status: Status,
    /// Why it was rejected, in the satellite's words; empty if it said nothing.
    pub reason: String,
    pub archived: Timestamp,
}

/// A satellite's answer to one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveRequest {
    pub satellite: NodeId,
    pub serial: Vec<u8>,
    pub status: Status,
    /// Cut off after [`crate::limits::ORDER_REASON_BYTES_MAX`] bytes.
    pub reason: String,
}

/// How many orders there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub unsent: u64,
    pub accepted: u64,
    pub rejected: u64,
}

/// The orders of one storage node. Clones share them. Every future may be dropped: a write that was
/// handed over happens all the same, whole.
#[derive(Clone)]
pub struct Orders {
    database: Database,
    skipped: Arc<AtomicU64>,
}

impl Orders {
    /// Opens the file, or creates it in a directory that must exist.
    pub async fn open(path: &Path) -> Result<Orders, Error> {
        let database = Database::open(path, MIGRATIONS).await?;
        Ok(Orders { database, skipped: Arc::default() })
    }

    /// For a look from another process while the peer runs, or when it does not. Writes fail.
    pub async fn open_read_only(path: &Path) -> Result<Orders, Error> {
        let database = Database::open_read_only(path, MIGRATIONS).await?;
        Ok(Orders { database, skipped: Arc::default() })
    }

    /// Durable when it returns. Fails if the satellite's serial number is known already, unsent or
    /// archived.
    pub async fn enqueue(&self, info: Info) -> Result<(), Error> {
        check(&info)?;
        let (satellite, serial) = (info.satellite, hex(&info.serial));
        match self.database.write(move |connection| unsent::insert(connection, &info)).await? {
            true => Ok(()),
            false => Err(Error::Exists { satellite, serial }),
        }
    }

    /// The oldest unsent orders: at most `limit`, and at most
    /// [`crate::limits::ORDERS_BYTES_PER_CALL_MAX`] bytes. A satellite with a long backlog can fill
    /// the list.
    pub async fn list_unsent(&self, limit: u32) -> Result<Vec<Info>, Error> {
        let listed = self.database.read(move |connection| unsent::list(connection, limit)).await?;
        Ok(self.taken(listed))
    }

    /// The oldest unsent orders of each satellite: at most `limit` in all, and at most
    /// [`crate::limits::ORDERS_BYTES_PER_CALL_MAX`] bytes. The room is shared fairly: a satellite
    /// that has been away for weeks does not crowd out the others.
    pub async fn list_unsent_by_satellite(
        &self,
        limit: u32,
    ) -> Result<Vec<(NodeId, Vec<Info>)>, Error> {
        let list = move |connection: &_| unsent::list_by_satellite(connection, limit);
        let listed = self.database.read(list).await?;
        Ok(self.taken(listed))
    }

    /// How many orders wait for each satellite.
    pub async fn count_unsent(&self) -> Result<Vec<(NodeId, u64)>, Error> {
        let counted = self.database.read(unsent::count).await?;
        Ok(self.taken(counted))
    }

    /// The unsent orders of one satellite in the order they came, a page at a time: at most `limit`
    /// (but one), and at most [`crate::limits::ORDERS_BYTES_PER_PAGE`] bytes. Without a cursor in
    /// the answer there is no further page. What is enqueued or archived meanwhile neither shifts
    /// nor prolongs the pages: they end with the newest order of the first page's moment.
    pub async fn unsent_page(
        &self,
        satellite: NodeId,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<(Vec<Info>, Option<Cursor>), Error> {
        let page = move |connection: &_| unsent::page(connection, satellite, after, limit);
        let listed = self.database.read(page).await?;
        Ok(self.taken(listed))
    }

    /// Moves orders to the archive in one transaction, durable when it returns. Answers the serial
    /// numbers that were not unsent, which may be archived already; the rest is moved all the same.
    pub async fn archive(
        &self,
        requests: Vec<ArchiveRequest>,
        now: Timestamp,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let max = ORDERS_PER_CALL_MAX as usize;
        if requests.len() > max {
            return Err(Error::TooLarge { what: "orders to archive", size: requests.len(), max });
        }
        let archive = move |connection: &_| archive::insert(connection, requests, now);
        Ok(self.database.write(archive).await?)
    }

    /// The newest archived orders, the last archived first: at most `limit`, and at most
    /// [`crate::limits::ORDERS_BYTES_PER_CALL_MAX`] bytes.
    pub async fn list_archived(&self, limit: u32) -> Result<Vec<Archived>, Error> {
        let listed = self.database.read(move |connection| archive::list(connection, limit)).await?;
        Ok(self.taken(listed))
    }

    pub async fn counts(&self) -> Result<Counts, Error> {
        Ok(self.database.read(archive::counts).await?)
    }

    /// Deletes what was archived before `before` and answers how many orders that were. Others
    /// write between its batches.
    pub async fn clean_archive(&self, before: Timestamp) -> Result<u64, Error> {
        let mut deleted = 0;
        loop {
            let batch = self.database.write(move |connection| archive::delete(connection, before));
            let batch = batch.await?;
            deleted += batch;
            if batch < u64::from(ORDERS_CLEANED_AT_ONCE) {
                return Ok(deleted);
            }
        }
    }

    /// As [`Database::fault`].
    pub fn fault(&self) -> Option<String> {
        self.database.fault()
    }

    pub fn usage(&self) -> database::Usage {
        self.database.usage()
    }

    /// When the oldest unsent order came; `None` if there is none.
    pub async fn oldest_unsent(&self) -> Result<Option<Timestamp>, Error> {
        Ok(self.database.read(unsent::oldest).await?)
    }

    /// Rows that were no orders and that listings left out since the file was opened; a row counts
    /// each time.
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// Writes down what is under way and closes the file. Later calls fail.
    pub async fn close(&self) -> Result<(), Error> {
        Ok(self.database.close().await?)
    }

    fn taken<T>(&self, listed: row::Listed<T>) -> T {
        for fault in &listed.skipped {
            let path = self.database.path().display();
            tracing::error!(%path, fault, "a row that is no order was left out");
        }
        self.skipped.fetch_add(listed.skipped.len() as u64, Ordering::Relaxed);
        listed.found
    }
}

fn check(info: &Info) -> Result<(), Error> {
    if info.serial.len() != ORDER_SERIAL_BYTES {
        return Err(Error::Invalid { length: info.serial.len() });
    }
    let parts = [
        ("bytes of the order limit to enqueue", info.limit.len()),
        ("bytes of the order to enqueue", info.order.len()),
    ];
    let max = ORDER_BYTES_MAX;
    match parts.into_iter().find(|(_, size)| *size > max) {
        Some((what, size)) => Err(Error::TooLarge { what, size, max }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
