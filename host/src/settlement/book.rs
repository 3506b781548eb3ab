//! The book of settled orders: which serial numbers were used, and what each node is owed. It knows
//! no signature and no stream.
//!
//! Sums are kept apart from the serial numbers, in the same transaction: they go on when serial
//! numbers are forgotten.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::check::{Checked, Known, Reason, Verdict, decide};
use crate::clock::Timestamp;
use crate::database::{self, Database};
use crate::limits::SETTLED_CLEANED_AT_ONCE;
use crate::node_id::NodeId;

/// Times are nanoseconds since the Unix epoch, amounts are bytes.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE settled (
        serial BLOB NOT NULL PRIMARY KEY,
        node BLOB NOT NULL,
        digest BLOB NOT NULL,
        amount INTEGER NOT NULL,
        expires INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX settled_by_expires ON settled (expires);
    -- The node with no bytes is whoever never settled an order.
    CREATE TABLE totals (
        node BLOB NOT NULL PRIMARY KEY,
        accepted INTEGER NOT NULL,
        rejected INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
"];

/// How many schemas its file has had: that of a file of the newest.
pub const SCHEMA: usize = MIGRATIONS.len();

/// Key of the row that counts for nodes without one.
const NOBODY: &[u8] = &[];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("open the book of settled orders")]
    Open(#[source] database::Error),
    #[error("write down settled orders")]
    Settle(#[source] database::Error),
    #[error("count settled orders")]
    Count(#[source] database::Error),
    #[error("forget expired serial numbers")]
    Clean(#[source] database::Error),
    #[error("close the book of settled orders")]
    Close(#[source] database::Error),
}

/// What was settled since the book began. Sums saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Distinct serial numbers, however often they were sent.
    pub accepted: u64,
    /// Orders, each time they were sent. Those of a node that was never paid count for all nodes
    /// together only: who can just connect must not make the book grow.
    pub rejected: u64,
    /// What the accepted orders amount to.
    pub bytes: u64,
}

impl Totals {
    fn plus(self, other: Totals) -> Totals {
        Totals {
            accepted: self.accepted.saturating_add(other.accepted),
            rejected: self.rejected.saturating_add(other.rejected),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

pub struct Book(Database);

impl Book {
    pub async fn open(path: &Path) -> Result<Book, Error> {
        Database::open(path, MIGRATIONS).await.map(Book).map_err(Error::Open)
    }

    /// Settles a batch in one transaction. The answer, one for each in the same order, is given
    /// when it is durable.
    pub async fn settle(
        &self,
        node: NodeId,
        batch: Vec<Result<Checked, Reason>>,
    ) -> Result<Vec<Result<(), Reason>>, Error> {
        self.0.write(move |connection| settle(connection, node, batch)).await.map_err(Error::Settle)
    }

    pub fn fault(&self) -> Option<String> {
        self.0.fault()
    }

    pub fn usage(&self) -> database::Usage {
        self.0.usage()
    }

    pub async fn totals(&self) -> Result<Totals, Error> {
        let all = |connection: &Connection| {
            let mut rows =
                connection.prepare_cached("SELECT accepted, rejected, bytes FROM totals")?;
            let mut rows = rows.query_map([], read_totals)?;
            rows.try_fold(Totals::default(), |sum, row| Ok(sum.plus(row?)))
        };
        self.0.read(all).await.map_err(Error::Count)
    }

    pub async fn totals_of(&self, node: NodeId) -> Result<Totals, Error> {
        let of = move |connection: &Connection| find_totals(connection, node.as_bytes());
        self.0.read(of).await.map(Option::unwrap_or_default).map_err(Error::Count)
    }

    /// Forgets at most [`SETTLED_CLEANED_AT_ONCE`] serial numbers whose limits expired before
    /// `expired`, and answers how many they were.
    pub async fn clean(&self, expired: Timestamp) -> Result<u64, Error> {
        let delete = move |connection: &Connection| {
            let mut delete = connection.prepare_cached(
                "DELETE FROM settled WHERE serial IN (
                     SELECT serial FROM settled WHERE expires < ?1 ORDER BY expires LIMIT ?2)",
            )?;
            delete.execute(params![expired.as_nanos(), SETTLED_CLEANED_AT_ONCE])
        };
        let deleted = self.0.write(delete).await.map_err(Error::Clean)?;
        Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
    }

    pub async fn close(&self) -> Result<(), Error> {
        self.0.close().await.map_err(Error::Close)
    }
}

fn settle(
    connection: &Connection,
    node: NodeId,
    batch: Vec<Result<Checked, Reason>>,
) -> rusqlite::Result<Vec<Result<(), Reason>>> {
    let mut find =
        connection.prepare_cached("SELECT node, digest FROM settled WHERE serial = ?1")?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO settled (serial, node, digest, amount, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let (mut verdicts, mut more) = (Vec::with_capacity(batch.len()), Totals::default());
    for checked in batch {
        let verdict = match checked {
            Ok(checked) => {
                let entry = &checked.entry;
                let known = find.query_row([&entry.serial], |row| {
                    Ok(Known { node: row.get(0)?, digest: row.get(1)? })
                });
                let verdict = decide(&checked, known.optional()?.as_ref());
                if verdict == Verdict::Accept {
                    let (node, expires) = (entry.node.as_bytes(), entry.expires.as_nanos());
                    insert.execute(params![
                        entry.serial,
                        node,
                        entry.digest,
                        entry.amount,
                        expires
                    ])?;
                    let bytes = u64::try_from(entry.amount).unwrap_or(0);
                    more = more.plus(Totals { accepted: 1, rejected: 0, bytes });
                }
                verdict
            }
            Err(reason) => Verdict::Reject(reason),
        };
        verdicts.push(match verdict {
            Verdict::Accept | Verdict::Again => Ok(()),
            Verdict::Reject(reason) => {
                more.rejected = more.rejected.saturating_add(1);
                Err(reason)
            }
        });
    }
    add_totals(connection, node, more)?;
    Ok(verdicts)
}

fn add_totals(connection: &Connection, node: NodeId, more: Totals) -> rusqlite::Result<()> {
    if more == Totals::default() {
        return Ok(());
    }
    let mut key: &[u8] = node.as_bytes();
    let mut before = find_totals(connection, key)?;
    if before.is_none() && more.accepted == 0 {
        key = NOBODY;
        before = find_totals(connection, key)?;
    }
    let sum = before.unwrap_or_default().plus(more);
    let stored = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut replace = connection.prepare_cached(
        "REPLACE INTO totals (node, accepted, rejected, bytes) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let numbers = (stored(sum.accepted), stored(sum.rejected), stored(sum.bytes));
    replace.execute(params![key, numbers.0, numbers.1, numbers.2])?;
    Ok(())
}

fn find_totals(connection: &Connection, key: &[u8]) -> rusqlite::Result<Option<Totals>> {
    let mut find = connection
        .prepare_cached("SELECT accepted, rejected, bytes FROM totals WHERE node = ?1")?;
    find.query_row([key], read_totals).optional()
}

fn read_totals(row: &rusqlite::Row<'_>) -> rusqlite::Result<Totals> {
    let number = |column| row.get(column).map(|number: i64| u64::try_from(number).unwrap_or(0));
    Ok(Totals { accepted: number(0)?, rejected: number(1)?, bytes: number(2)? })
}
