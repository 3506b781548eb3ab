//! Runs one statement of a guest: its parameters, its rows, its time. It knows no task.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, Row, ToSql, params_from_iter};

use super::connection::{Guest, Turn};
use super::{Error, Value};
use crate::database::lock;
use crate::limits::{SQL_BYTES_MAX, SQL_INSTRUCTIONS_PER_LOOK, SQL_ROW_BYTES_MAX, SQL_ROWS_MAX};

/// How long a statement may run, and whether anybody still waits for it.
#[derive(Clone)]
pub(super) struct Budget {
    until: Arc<Mutex<Instant>>,
    cancelled: Arc<AtomicBool>,
}

/// Dropped with the future or the stream that waits for a statement, it ends the statement.
pub(super) struct Cancel(Arc<AtomicBool>);

impl Budget {
    pub(super) fn new(left: Duration) -> (Budget, Cancel) {
        let cancelled = Arc::new(AtomicBool::new(false));
        // A time that no clock can tell does not come.
        let until = Instant::now().checked_add(left);
        let until = until.unwrap_or_else(|| Instant::now() + Duration::from_secs(u32::MAX.into()));
        let budget = Budget { until: Arc::new(Mutex::new(until)), cancelled: cancelled.clone() };
        (budget, Cancel(cancelled))
    }

    fn is_over(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || Instant::now() >= *lock(&self.until)
    }

    /// Time in which the statement stood still is not its own.
    pub(super) fn extend(&self, waited: Duration) {
        let mut until = lock(&self.until);
        *until = until.checked_add(waited).unwrap_or(*until);
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A statement with its parameters.
pub(super) struct Call {
    pub(super) statement: String,
    pub(super) values: Vec<Value>,
    pub(super) budget: Budget,
}

/// What a statement did.
pub(super) enum Done {
    /// Rows inserted, changed or deleted.
    Changed(u64),
    /// Nothing yet: it writes, and was only to read.
    Writes,
}

type Rows = Vec<Vec<Value>>;

/// Whether a query has been answered by a reader.
pub(super) enum Found {
    Rows(Rows),
    Writes(Call),
}

/// Runs a statement in a transaction of its own. If it fails, the turn rolls back when it ends.
pub(super) fn alone<T>(
    turn: &mut Turn,
    run: impl FnOnce(&mut Guest, &Path) -> Result<T, Error>,
) -> Result<T, Error> {
    turn.check_log()?;
    begin(turn)?;
    let path = turn.pool().path.clone();
    let result = run(turn.guest()?, &path)?;
    commit(turn)?;
    Ok(result)
}

/// Runs a statement in the transaction that the turn holds. If it fails, it alone is undone.
pub(super) fn within<T>(
    turn: &mut Turn,
    run: impl FnOnce(&mut Guest, &Path) -> Result<T, Error>,
) -> Result<T, Error> {
    turn.check_log()?;
    let path = turn.pool().path.clone();
    let guest = turn.guest()?;
    if guest.connection.is_autocommit() {
        return Err(Error::RolledBack);
    }
    let host = |guest: &Guest, sql| guest.host(sql).map_err(|err| Error::of(&path, guest, &err));
    host(guest, "SAVEPOINT statement")?;
    let result = run(guest, &path);
    guest.forget_call();
    // Some failures end the whole transaction, and the savepoint with it.
    if !guest.connection.is_autocommit() {
        if result.is_err() {
            host(guest, "ROLLBACK TO statement")?;
        }
        host(guest, "RELEASE statement")?;
    }
    result
}

pub(super) fn begin(turn: &mut Turn) -> Result<(), Error> {
    let path = turn.pool().path.clone();
    let guest = turn.guest()?;
    guest.host("BEGIN IMMEDIATE").map_err(|err| Error::of(&path, guest, &err))
}

/// Nothing interrupts a commit. If it fails, the turn rolls back when it ends.
pub(super) fn commit(turn: &mut Turn) -> Result<(), Error> {
    let path = turn.pool().path.clone();
    let guest = turn.guest()?;
    guest.forget_call();
    if guest.connection.is_autocommit() {
        return Err(Error::RolledBack);
    }
    guest.host("COMMIT").map_err(|err| Error::of(&path, guest, &err))
}

/// How many rows a statement changed. Rows that it answers are read and forgotten.
pub(super) fn execute(guest: &mut Guest, path: &Path, call: &Call) -> Result<u64, Error> {
    match run(guest, path, call, false, |_| Ok(()))? {
        Done::Changed(rows) => Ok(rows),
        Done::Writes => Ok(0),
    }
}

/// All rows of a statement that writes or reads.
pub(super) fn query(guest: &mut Guest, path: &Path, call: &Call) -> Result<Rows, Error> {
    let mut rows = Collected::default();
    run(guest, path, call, false, |row| rows.add(row))?;
    Ok(rows.rows)
}

/// All rows of a statement, if it only reads.
pub(super) fn read(guest: &mut Guest, path: &Path, call: Call) -> Result<Found, Error> {
    let mut rows = Collected::default();
    match run(guest, path, &call, true, |row| rows.add(row))? {
        Done::Changed(_) => Ok(Found::Rows(rows.rows)),
        Done::Writes => Ok(Found::Writes(call)),
    }
}

/// Each row of a statement that only reads, as it is found. `started` is called before the first.
pub(super) fn each(
    guest: &mut Guest,
    path: &Path,
    call: &Call,
    mut row: impl FnMut(Vec<Value>) -> Result<(), Error>,
) -> Result<(), Error> {
    let next = |found: &Row<'_>| row(values(found, SQL_ROW_BYTES_MAX, Error::RowTooLarge)?.0);
    match run(guest, path, call, true, next)? {
        Done::Changed(_) => Ok(()),
        Done::Writes => Err(Error::StreamWrites),
    }
}

/// Compiles and runs a statement until its rows or its time end.
fn run(
    guest: &mut Guest,
    path: &Path,
    call: &Call,
    only_read: bool,
    mut row: impl FnMut(&Row<'_>) -> Result<(), Error>,
) -> Result<Done, Error> {
    if call.budget.is_over() {
        return Err(Error::TimedOut);
    }
    let budget = call.budget.clone();
    let look = Some(move || budget.is_over());
    let hooked = guest.connection.progress_handler(SQL_INSTRUCTIONS_PER_LOOK, look);
    hooked.map_err(|err| Error::host(path, &err))?;
    guest.refused();
    let failed = |err: rusqlite::Error| Error::of(path, guest, &err);

    let connection = &guest.connection;
    // Not `prepare`, which looks for a second statement by calling itself: a text of many thousand
    // statements would overflow the stack.
    let mut statements = Batch::new(connection, &call.statement);
    let mut statement = statements.next().map_err(failed)?.ok_or(Error::NoStatement)?;
    if statements.next().map_err(failed)?.is_some() {
        return Err(Error::ManyStatements);
    }
    if only_read && !statement.readonly() {
        return Ok(Done::Writes);
    }
    let before = connection.total_changes();
    let mut rows = statement.query(params_from_iter(&call.values)).map_err(failed)?;
    while let Some(found) = rows.next().map_err(failed)? {
        row(found)?;
    }
    // What SQLite says of a statement that changes no rows is about the one before it.
    let changed = match connection.total_changes() == before {
        true => 0,
        false => connection.changes(),
    };
    Ok(Done::Changed(changed))
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Value::Null => ValueRef::Null,
            Value::Integer(integer) => ValueRef::Integer(*integer),
            Value::Real(real) => ValueRef::Real(*real),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

#[derive(Default)]
struct Collected {
    rows: Rows,
    bytes: usize,
}

impl Collected {
    fn add(&mut self, row: &Row<'_>) -> Result<(), Error> {
        if self.rows.len() >= SQL_ROWS_MAX {
            return Err(Error::ManyRows);
        }
        let (values, bytes) = values(row, SQL_BYTES_MAX - self.bytes, Error::ManyBytes)?;
        self.bytes += bytes;
        self.rows.push(values);
        Ok(())
    }
}

/// The values of a row and their size in memory; refused before they are copied if they are more
/// than `bytes_max`.
fn values(row: &Row<'_>, bytes_max: usize, too_large: Error) -> Result<(Vec<Value>, usize), Error> {
    let mut values = Vec::new();
    let mut bytes = size_of::<Vec<Value>>();
    // A column that is not there ends the row.
    while let Ok(value) = row.get_ref(values.len()) {
        bytes += size_of::<Value>();
        if let ValueRef::Text(data) | ValueRef::Blob(data) = value {
            bytes += data.len();
        }
        if bytes > bytes_max {
            return Err(too_large);
        }
        values.push(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(integer) => Value::Integer(integer),
            ValueRef::Real(real) => Value::Real(real),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => return Err(Error::NotText { column: values.len() + 1 }),
            },
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
        });
    }
    Ok((values, bytes))
}
