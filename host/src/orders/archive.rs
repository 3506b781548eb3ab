//! The statements about archived orders.

use rusqlite::{Connection, params};

use super::row::{self, COLUMNS, Listed, Room};
use super::{ArchiveRequest, Archived, Counts, Status};
use crate::clock::Timestamp;
use crate::limits::{ORDER_REASON_BYTES_MAX, ORDERS_CLEANED_AT_ONCE};

/// The serial numbers that were not unsent.
pub(super) fn insert(
    connection: &Connection,
    requests: Vec<ArchiveRequest>,
    now: Timestamp,
) -> rusqlite::Result<Vec<Vec<u8>>> {
    // Should an order be in both tables, against all that is written here, its first verdict stays.
    let mut insert = connection.prepare_cached(
        "INSERT INTO archived
            (satellite, serial, order_limit, order_bytes, expires, status, reason, archived)
         SELECT satellite, serial, order_limit, order_bytes, expires, ?3, ?4, ?5
         FROM unsent WHERE satellite = ?1 AND serial = ?2
         ON CONFLICT DO NOTHING",
    )?;
    let mut delete =
        connection.prepare_cached("DELETE FROM unsent WHERE satellite = ?1 AND serial = ?2")?;
    let mut missing = Vec::new();
    for request in requests {
        let satellite = request.satellite.as_bytes();
        let reason = cut(&request.reason);
        let status = row::number(request.status);
        insert.execute(params![satellite, request.serial, status, reason, now.as_nanos()])?;
        if delete.execute(params![satellite, request.serial])? == 0 {
            missing.push(request.serial);
        }
    }
    Ok(missing)
}

/// A satellite can say as much as it likes; only the beginning is kept.
fn cut(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(ORDER_REASON_BYTES_MAX)]
}

/// Ids grow as orders are archived, even if the clock jumps back.
pub(super) fn list(connection: &Connection, limit: u32) -> rusqlite::Result<Listed<Vec<Archived>>> {
    let sql = format!(
        "SELECT {COLUMNS}, status, reason, archived FROM archived ORDER BY id DESC LIMIT ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([limit])?;
    let mut room = Room::of_call(limit);
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match row::archived(row)? {
            Ok(order) => {
                let bytes = row::size(&order.info) + order.reason.len();
                if !room.take(bytes, found.is_empty()) {
                    break;
                }
                found.push(order);
            }
            Err(fault) => skipped.push(fault),
        }
    }
    Ok(Listed { found, skipped })
}

pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Counts> {
    // One statement, so that an order on its way to the archive is counted once.
    let sql = "SELECT 0, count(*) FROM unsent
         UNION ALL SELECT status, count(*) FROM archived GROUP BY status";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut counts = Counts::default();
    while let Some(row) = rows.next()? {
        let (status, count): (i64, i64) = (row.get(0)?, row.get(1)?);
        let count = count.unsigned_abs();
        match row::status_of(status) {
            Some(Status::Accepted) => counts.accepted = count,
            Some(Status::Rejected) => counts.rejected = count,
            None if status == 0 => counts.unsent += count,
            None => {}
        }
    }
    Ok(counts)
}

/// Deletes one batch, the oldest first.
pub(super) fn delete(connection: &Connection, before: Timestamp) -> rusqlite::Result<u64> {
    let sql = "DELETE FROM archived WHERE id IN
        (SELECT id FROM archived WHERE archived < ?1 ORDER BY archived LIMIT ?2)";
    let mut statement = connection.prepare_cached(sql)?;
    let deleted = statement.execute(params![before.as_nanos(), ORDERS_CLEANED_AT_ONCE])?;
    Ok(deleted as u64)
}
