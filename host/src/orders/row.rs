//! How an order lies in a row, and what is done with a row that is no order.

use rusqlite::Row;

use super::{Archived, Info, Status};
use crate::clock::Timestamp;
use crate::limits::{ORDER_BYTES_MAX, ORDER_SERIAL_BYTES, ORDERS_BYTES_PER_CALL_MAX};
use crate::node_id::NodeId;

/// What [`info`] reads, in this order.
pub(super) const COLUMNS: &str = "id, satellite, serial, order_limit, order_bytes, expires";

/// What was found, and why some rows were left out.
pub(super) struct Listed<T> {
    pub found: T,
    pub skipped: Vec<String>,
}

impl<T> Listed<T> {
    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> Listed<U> {
        Listed { found: change(self.found), skipped: self.skipped }
    }
}

/// How much a listing may still take.
#[derive(Clone, Copy)]
pub(super) struct Room {
    pub rows: u32,
    pub bytes: usize,
}

impl Room {
    pub(super) fn of_call(rows: u32) -> Room {
        Room { rows, bytes: ORDERS_BYTES_PER_CALL_MAX }
    }

    /// Takes the room for one order of this size, if there is enough. The first order always fits,
    /// so that no size of room lets a listing stand still.
    pub(super) fn take(&mut self, bytes: usize, first: bool) -> bool {
        if self.rows == 0 || (bytes > self.bytes && !first) {
            return false;
        }
        self.rows -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        true
    }
}

/// The order in a row, or what is wrong with it.
pub(super) fn info(row: &Row) -> rusqlite::Result<Result<Info, String>> {
    let id: i64 = row.get(0)?;
    let satellite = satellite(row, 1)?;
    let serial: Vec<u8> = row.get(2)?;
    let limit: Vec<u8> = row.get(3)?;
    let order: Vec<u8> = row.get(4)?;
    let expires = Timestamp::from_nanos(row.get(5)?);
    let fault = |fault: String| Ok(Err(format!("row {id}: {fault}")));
    if serial.len() != ORDER_SERIAL_BYTES {
        return fault(format!("its serial number has {} bytes", serial.len()));
    }
    if limit.len().max(order.len()) > ORDER_BYTES_MAX {
        return fault(format!("its limit or order has more than {ORDER_BYTES_MAX} bytes"));
    }
    match satellite {
        Ok(satellite) => Ok(Ok(Info { satellite, serial, limit, order, expires })),
        Err(err) => fault(err),
    }
}

pub(super) fn satellite(row: &Row, column: usize) -> rusqlite::Result<Result<NodeId, String>> {
    let bytes: Vec<u8> = row.get(column)?;
    Ok(NodeId::from_bytes(&bytes).map_err(|err| err.to_string()))
}

/// As [`info`], with status, reason and time in the columns after it.
pub(super) fn archived(row: &Row) -> rusqlite::Result<Result<Archived, String>> {
    let status: i64 = row.get(6)?;
    let reason: String = row.get(7)?;
    let archived = Timestamp::from_nanos(row.get(8)?);
    let info = match info(row)? {
        Ok(info) => info,
        Err(fault) => return Ok(Err(fault)),
    };
    match status_of(status) {
        Some(status) => Ok(Ok(Archived { info, status, reason, archived })),
        None => {
            Ok(Err(format!("archived order {}: unknown status {status}", super::hex(&info.serial))))
        }
    }
}

/// The seed system's numbers.
pub(super) fn number(status: Status) -> i64 {
    match status {
        Status::Accepted => 1,
        Status::Rejected => 2,
    }
}

pub(super) fn status_of(number: i64) -> Option<Status> {
    [Status::Accepted, Status::Rejected].into_iter().find(|status| self::number(*status) == number)
}

pub(super) fn size(info: &Info) -> usize {
    info.limit.len() + info.order.len()
}
