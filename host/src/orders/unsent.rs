//! The statements about unsent orders.

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::Info;
use super::row::{self, COLUMNS, Listed, Room};
use crate::clock::Timestamp;
use crate::limits::ORDERS_BYTES_PER_PAGE;
use crate::node_id::NodeId;

/// Where the next page of unsent orders begins, and where the last one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    after: i64,
    until: i64,
}

/// Whether the order was new.
pub(super) fn insert(connection: &Connection, info: &Info) -> rusqlite::Result<bool> {
    let sql = "INSERT INTO unsent (satellite, serial, order_limit, order_bytes, expires, enqueued)
        SELECT ?1, ?2, ?3, ?4, ?5, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000000
        WHERE NOT EXISTS (SELECT 1 FROM archived WHERE satellite = ?1 AND serial = ?2)
        ON CONFLICT DO NOTHING";
    let changed = connection.prepare_cached(sql)?.execute(params![
        info.satellite.as_bytes(),
        info.serial,
        info.limit,
        info.order,
        info.expires.as_nanos(),
    ])?;
    Ok(changed == 1)
}

pub(super) fn list(connection: &Connection, limit: u32) -> rusqlite::Result<Listed<Vec<Info>>> {
    let sql = format!("SELECT {COLUMNS} FROM unsent ORDER BY id LIMIT ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut room = Room::of_call(limit);
    let run = run(&mut statement, params![limit], &mut room)?;
    Ok(run.map(|run| run.infos))
}

/// When the oldest order came. Those of a file from before this was written down do not count.
pub(super) fn oldest(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let sql = "SELECT enqueued FROM unsent ORDER BY id LIMIT 1";
    let oldest: Option<i64> =
        connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(oldest.filter(|nanos| *nanos > 0).map(Timestamp::from_nanos))
}

/// What one reading of a statement found.
struct Run {
    infos: Vec<Info>,
    /// The last row that was looked at, left out or not.
    last: Option<i64>,
    /// How many were looked at.
    rows: u32,
    /// There was no room for the next.
    full: bool,
}

fn run(
    statement: &mut Statement,
    params: impl rusqlite::Params,
    room: &mut Room,
) -> rusqlite::Result<Listed<Run>> {
    let mut run = Run { infos: Vec::new(), last: None, rows: 0, full: false };
    let mut skipped = Vec::new();
    let mut rows = statement.query(params)?;
    while let Some(row) = rows.next()? {
        match row::info(row)? {
            Ok(info) => {
                if !room.take(row::size(&info), run.infos.is_empty()) {
                    run.full = true;
                    break;
                }
                run.infos.push(info);
            }
            Err(fault) => skipped.push(fault),
        }
        run.last = Some(row.get(0)?);
        run.rows += 1;
    }
    Ok(Listed { found: run, skipped })
}

/// Orders, by the satellite that pays for them.
pub(super) type BySatellite = Vec<(NodeId, Vec<Info>)>;

/// The satellites with the fewest orders are served first, each with an equal share of the room
/// that is left: what one does not need, the longer ones get.
pub(super) fn list_by_satellite(
    connection: &Connection,
    limit: u32,
) -> rusqlite::Result<Listed<BySatellite>> {
    // One moment for all satellites.
    let transaction = connection.unchecked_transaction()?;
    let Listed { found: mut waiting, mut skipped } = count(&transaction)?;
    waiting.sort_by_key(|(_, count)| *count);
    let sql = format!("SELECT {COLUMNS} FROM unsent WHERE satellite = ?1 ORDER BY id LIMIT ?2");
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut room = Room::of_call(limit);
    let mut groups = Vec::with_capacity(waiting.len());
    for (served, (satellite, _)) in waiting.iter().enumerate() {
        let left = waiting.len() - served;
        let rows = room.rows.div_ceil(u32::try_from(left).unwrap_or(u32::MAX));
        if rows == 0 || room.bytes == 0 {
            break;
        }
        let mut share = Room { rows, bytes: room.bytes / left };
        let found = run(&mut statement, params![satellite.as_bytes(), rows], &mut share)?;
        skipped.extend(found.skipped);
        let infos = found.found.infos;
        room.rows -= u32::try_from(infos.len()).unwrap_or(rows).min(rows);
        room.bytes = room.bytes.saturating_sub(infos.iter().map(row::size).sum());
        if !infos.is_empty() {
            groups.push((*satellite, infos));
        }
    }
    groups.sort_by_key(|(satellite, _)| *satellite);
    Ok(Listed { found: groups, skipped })
}

pub(super) fn count(connection: &Connection) -> rusqlite::Result<Listed<Vec<(NodeId, u64)>>> {
    let sql = "SELECT satellite, count(*) FROM unsent GROUP BY satellite";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let count: i64 = row.get(1)?;
        match row::satellite(row, 0)? {
            Ok(satellite) => found.push((satellite, count.unsigned_abs())),
            Err(fault) => skipped.push(format!("{count} rows: {fault}")),
        }
    }
    Ok(Listed { found, skipped })
}

pub(super) fn page(
    connection: &Connection,
    satellite: NodeId,
    after: Option<Cursor>,
    limit: u32,
) -> rusqlite::Result<Listed<(Vec<Info>, Option<Cursor>)>> {
    // A page of no orders would never end.
    let limit = limit.max(1);
    let Cursor { after, until } = match after {
        Some(cursor) => cursor,
        None => {
            let sql = "SELECT id FROM unsent WHERE satellite = ?1 ORDER BY id DESC LIMIT 1";
            let mut newest = connection.prepare_cached(sql)?;
            let newest = newest.query_row([satellite.as_bytes()], |row| row.get(0)).optional()?;
            Cursor { after: i64::MIN, until: newest.unwrap_or(i64::MIN) }
        }
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM unsent
         WHERE satellite = ?1 AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut room = Room { rows: limit, bytes: ORDERS_BYTES_PER_PAGE };
    let params = params![satellite.as_bytes(), after, until, limit];
    let found = run(&mut statement, params, &mut room)?;
    Ok(found.map(|run| {
        let more = run.full || run.rows >= limit;
        let next = run.last.filter(|last| more && *last < until);
        (run.infos, next.map(|after| Cursor { after, until }))
    }))
}
