//! A chore's own database: one SQLite file in which a guest's SQL runs, and which it cannot leave.
//! It knows neither chore nor wasm.
//!
//! One connection writes, and who opens a transaction has it until the transaction ends; others
//! wait, and are told so when their time is up. Statements that only read run beside it on
//! connections of their own. Every statement runs on a thread that may block, and ends with its
//! time or with the future that waits for it, whichever is first.

mod connection;
mod statement;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::Stream;
use rusqlite::ErrorCode;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::database::{ADVICE, Access};
use crate::limits::{
    DATABASE_CLOSE_TIMEOUT, DATABASE_READERS_MAX, DATABASE_WRITER_CACHE_KIB, DISK_BYTES_FREE_MIN,
    SQL_BYTES_MAX, SQL_ROW_BYTES_MAX, SQL_ROWS_MAX, SQL_STREAM_IDLE, SQL_STREAM_ROWS_WAITING,
    SQL_STREAMS_MAX,
};
use crate::units;
use connection::{Guest, Pool, Turn};
use statement::{Budget, Call, Cancel, Found};

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// Why a statement was not run. A guest sees it, so it names no path; what broke on the host is in
/// the host's log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("run statement: {0}")]
    Invalid(String),
    #[error("run statement: there is none in the text")]
    NoStatement,
    #[error(
        "run statement: there are several: pass one per call, in a transaction if they belong together"
    )]
    ManyStatements,
    #[error("stream rows: the statement writes: run it with execute or query")]
    StreamWrites,
    #[error("read rows: the text in column {column} is not UTF-8: cast it to a blob")]
    NotText { column: usize },
    #[error("run statement: {0}")]
    Conflict(String),
    #[error("wait to write: another transaction stays open: end it, or try again later")]
    Writing,
    #[error("wait to read: others read for too long: read streams to their end, or drop them")]
    Reading,
    #[error("use transaction: it has ended: begin another one")]
    Ended,
    #[error("use transaction: an earlier failure rolled it back: begin it again")]
    RolledBack,
    #[error("run query: more than {SQL_ROWS_MAX} rows: add a LIMIT or use stream")]
    ManyRows,
    #[error("run query: its rows have more than {SQL_BYTES_MAX} bytes: add a LIMIT or use stream")]
    ManyBytes,
    #[error("stream rows: one has more than {SQL_ROW_BYTES_MAX} bytes: select less of it")]
    RowTooLarge,
    #[error(
        "run statement: the database is full, with at most {}: delete what is not needed",
        units::format_size(*.bytes_max)
    )]
    Full { bytes_max: u64 },
    #[error("run statement: the host's disk is full")]
    DiskFull,
    #[error(
        "write: the log is full: end the streams and transactions that are open, then try again"
    )]
    LogFull,
    #[error("run statement: {0}: split it into smaller values")]
    TooBig(String),
    #[error("run statement: its time is up: do less in one statement")]
    TimedOut,
    #[error(
        "stream rows: nobody took them for {}: read faster, or page with a LIMIT",
        humantime::format_duration(SQL_STREAM_IDLE)
    )]
    Idle,
    #[error(
        "close database: statements are still under way after {}",
        humantime::format_duration(DATABASE_CLOSE_TIMEOUT)
    )]
    CloseTimedOut,
    #[error("run statement: {0}")]
    Denied(&'static str),
    #[error("use database: it is closed")]
    Closed,
    #[error("use database: its file is damaged; the host's log says how to repair it")]
    Damaged,
    #[error("the host's database failed; its log says more")]
    Host,
}

/// What a guest can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Invalid,
    Conflict,
    TooLarge,
    TimedOut,
    Denied,
    Internal,
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Error::Invalid(_)
            | Error::NoStatement
            | Error::ManyStatements
            | Error::StreamWrites
            | Error::NotText { .. } => Kind::Invalid,
            Error::Conflict(_)
            | Error::Writing
            | Error::Reading
            | Error::Ended
            | Error::RolledBack => Kind::Conflict,
            Error::ManyRows
            | Error::ManyBytes
            | Error::RowTooLarge
            | Error::Full { .. }
            | Error::LogFull
            | Error::TooBig(_) => Kind::TooLarge,
            Error::TimedOut | Error::Idle | Error::CloseTimedOut => Kind::TimedOut,
            Error::Denied(_) => Kind::Denied,
            Error::DiskFull | Error::Closed | Error::Damaged | Error::Host => Kind::Internal,
        }
    }

    /// What SQLite said of a statement, told apart by whose fault it is.
    fn of(path: &Path, guest: &Guest, source: &rusqlite::Error) -> Error {
        use rusqlite::Error as Sqlite;
        let (code, message) = match source {
            Sqlite::SqliteFailure(err, Some(message)) => (err.code, message.clone()),
            Sqlite::SqliteFailure(err, None) => (err.code, err.to_string()),
            Sqlite::SqlInputError { error, msg, .. } => (error.code, msg.clone()),
            Sqlite::InvalidParameterCount(given, wanted) => {
                let message = format!("it has {wanted} parameters, not {given}");
                return Error::Invalid(message);
            }
            Sqlite::NulError(_) | Sqlite::Utf8Error(..) => {
                return Error::Invalid(source.to_string());
            }
            _ => return Error::host(path, source),
        };
        match code {
            ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::ParameterOutOfRange => {
                // VACUUM finds out about the authorizer late, and calls it an error of its own.
                guest.refused().map_or(Error::Invalid(message), Error::Denied)
            }
            ErrorCode::AuthorizationForStatementDenied => {
                Error::Denied(guest.refused().unwrap_or("a chore may not do this"))
            }
            ErrorCode::ConstraintViolation
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SchemaChanged => Error::Conflict(message),
            ErrorCode::DiskFull => {
                if disk_is_full(path) || has_room(path, guest.bytes_max) {
                    tracing::error!(path = %path.display(), "the disk of a chore's database is full");
                    return Error::DiskFull;
                }
                Error::Full { bytes_max: guest.bytes_max }
            }
            ErrorCode::TooBig => Error::TooBig(message),
            ErrorCode::OperationInterrupted => Error::TimedOut,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Error::damaged(path),
            _ => Error::host(path, source),
        }
    }

    fn damaged(path: &Path) -> Error {
        tracing::error!(
            path = %path.display(),
            "a chore's database is damaged: restore it from a copy, or {ADVICE}"
        );
        Error::Damaged
    }

    fn host(path: &Path, source: &rusqlite::Error) -> Error {
        tracing::error!(path = %path.display(), error = %source, "a chore's database failed");
        Error::Host
    }
}

/// Whether its files are so far from their limit that it cannot have been that: a disk may also be
/// full for this user, or for files of this size. What did not fit is in the log but for what the
/// connection has in memory.
fn has_room(path: &Path, bytes_max: u64) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let files = size(path).saturating_add(size(Path::new(&log)));
    files.saturating_add(2 * 1024 * DATABASE_WRITER_CACHE_KIB.unsigned_abs()) < bytes_max
}

/// SQLite has one code for a full disk and for a full file. What failed has been rolled back, but the
/// log keeps its size, so that the disk is still as good as full.
fn disk_is_full(path: &Path) -> bool {
    let disk = path.parent().and_then(|directory| rustix::fs::statvfs(directory).ok());
    disk.is_some_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < DISK_BYTES_FREE_MIN)
}

/// A chore's database. Clones share it.
#[derive(Clone)]
pub struct Sql(Arc<Inner>);

struct Inner {
    pool: Arc<Pool>,
    writing: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    streaming: Arc<Semaphore>,
}

impl Sql {
    /// Nothing is opened or created before the first use, in a directory that must exist then.
    pub fn new(path: PathBuf) -> Sql {
        Sql(Arc::new(Inner {
            pool: Arc::new(Pool::new(path)),
            writing: Arc::new(Semaphore::new(1)),
            reading: Arc::new(Semaphore::new(DATABASE_READERS_MAX)),
            streaming: Arc::new(Semaphore::new(SQL_STREAMS_MAX)),
        }))
    }

    /// Holds for every statement from now on. A file that is larger already only shrinks.
    pub fn set_bytes_max(&self, bytes_max: u64) {
        self.0.pool.set_bytes_max(bytes_max);
    }

    /// Runs one statement in a transaction of its own: how many rows it inserted, changed or
    /// deleted. Durable when it returns.
    pub async fn execute(
        &self,
        statement: &str,
        values: Vec<Value>,
        left: Duration,
    ) -> Result<u64, Error> {
        let (call, _cancel) = call(statement, values, left);
        let mut turn = self.write_turn(left).await?;
        let run = move |guest: &mut Guest, path: &Path| statement::execute(guest, path, &call);
        self.blocking(move || statement::alone(&mut turn, run)).await
    }

    /// All rows of one statement, at most [`SQL_ROWS_MAX`] with [`SQL_BYTES_MAX`] bytes. If it
    /// writes, it does so in a transaction of its own.
    pub async fn query(
        &self,
        statement: &str,
        values: Vec<Value>,
        left: Duration,
    ) -> Result<Vec<Vec<Value>>, Error> {
        let since = Instant::now();
        let (call, _cancel) = call(statement, values, left);
        let mut turn = self.read_turn(left, Vec::new()).await?;
        let read = move || {
            let path = turn.pool().path.clone();
            statement::read(turn.guest()?, &path, call)
        };
        let call = match self.blocking(read).await? {
            Found::Rows(rows) => return Ok(rows),
            Found::Writes(call) => call,
        };
        let mut turn = self.write_turn(left.saturating_sub(since.elapsed())).await?;
        let run = move |guest: &mut Guest, path: &Path| statement::query(guest, path, &call);
        self.blocking(move || statement::alone(&mut turn, run)).await
    }

    /// The rows of one statement that only reads, as of now, while they are read. Waiting for its
    /// reader does not count as the statement's time. An error is the last item.
    pub async fn stream(
        &self,
        statement: &str,
        values: Vec<Value>,
        left: Duration,
    ) -> Result<impl Stream<Item = Result<Vec<Value>, Error>> + Send + 'static + use<>, Error> {
        let since = Instant::now();
        let (call, cancel) = call(statement, values, left);
        let permit = turn(&self.0.streaming, left, Error::Reading).await?;
        let left = left.saturating_sub(since.elapsed());
        let mut turn = self.read_turn(left, vec![permit]).await?;
        let (rows, taken) = mpsc::channel(SQL_STREAM_ROWS_WAITING);
        let (end, ended) = oneshot::channel();
        let budget = call.budget.clone();
        let run = move || {
            let path = turn.pool().path.clone();
            let send = |row| send(&rows, &budget, row);
            let result = turn.guest().and_then(|guest| statement::each(guest, &path, &call, send));
            // The reader is free again before anyone hears that the rows have ended.
            drop(turn);
            // Nobody waits when the stream was dropped.
            let _ = end.send(result);
        };
        // It ends by itself: with its rows, its time, or the stream.
        drop(tokio::task::spawn_blocking(run));
        let mut rows = Rows { taken, ended: Some(ended), _cancel: cancel };
        // A statement that cannot even start fails here and not in the stream.
        let first = rows.next().await.transpose()?;
        Ok(futures::stream::unfold((first, rows), |(first, mut rows)| async move {
            let item = match first {
                Some(row) => Ok(row),
                None => rows.next().await?,
            };
            Some((item, (None, rows)))
        }))
    }

    /// Waits until no other transaction is open, but at most as long as is left.
    pub async fn begin(&self, left: Duration) -> Result<Transaction, Error> {
        let mut turn = self.write_turn(left).await?;
        let begin = move || {
            statement::begin(&mut turn)?;
            Ok(Open(Some(turn)))
        };
        let open = self.blocking(begin).await?;
        Ok(Transaction { sql: self.clone(), open: Arc::new(Mutex::new(open)) })
    }

    /// Waits for what is under way and closes the file. Later calls are refused, also if that takes
    /// longer than [`DATABASE_CLOSE_TIMEOUT`], which fails.
    pub async fn close(&self) -> Result<(), Error> {
        let all = u32::try_from(DATABASE_READERS_MAX).unwrap_or(u32::MAX);
        let idle = async {
            let writer = self.0.writing.acquire().await;
            let readers = self.0.reading.acquire_many(all).await;
            // What waited for a turn behind this must not get one when the permits go back.
            self.0.refuse();
            drop((writer, readers));
        };
        let finished = tokio::time::timeout(DATABASE_CLOSE_TIMEOUT, idle).await;
        self.0.refuse();
        let pool = Arc::clone(&self.0.pool);
        self.blocking(move || {
            pool.close();
            Ok(())
        })
        .await?;
        finished.map_err(|_| Error::CloseTimedOut)
    }

    async fn write_turn(&self, left: Duration) -> Result<Turn, Error> {
        let permit = turn(&self.0.writing, left, Error::Writing).await?;
        Ok(Turn::new(self.0.pool.clone(), Access::Write, vec![permit]))
    }

    async fn read_turn(
        &self,
        left: Duration,
        mut permits: Vec<OwnedSemaphorePermit>,
    ) -> Result<Turn, Error> {
        permits.push(turn(&self.0.reading, left, Error::Reading).await?);
        Ok(Turn::new(self.0.pool.clone(), Access::Read, permits))
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(err) => {
                let path = self.0.pool.path.display();
                tracing::error!(%path, error = %err, "a statement of a chore did not end");
                Err(Error::Host)
            }
        }
    }
}

impl Inner {
    fn refuse(&self) {
        self.writing.close();
        self.reading.close();
        self.streaming.close();
    }
}

/// Statements that take effect together or not at all. Clones share it; when the last one goes
/// without a commit, it rolls back, after the statement that may be running.
#[derive(Clone)]
pub struct Transaction {
    sql: Sql,
    open: Arc<Mutex<Open>>,
}

/// `None` once it has ended.
struct Open(Option<Turn>);

impl Drop for Open {
    fn drop(&mut self) {
        let Some(turn) = self.0.take() else { return };
        // Rolling back may touch the disk, and who drops a transaction may not wait.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(turn));
        }
    }
}

impl Transaction {
    /// How many rows the statement inserted, changed or deleted.
    pub async fn execute(
        &self,
        statement: &str,
        values: Vec<Value>,
        left: Duration,
    ) -> Result<u64, Error> {
        let (call, _cancel) = call(statement, values, left);
        self.run(left, move |guest, path| statement::execute(guest, path, &call)).await
    }

    /// All rows of a statement, which also sees what the transaction wrote.
    pub async fn query(
        &self,
        statement: &str,
        values: Vec<Value>,
        left: Duration,
    ) -> Result<Vec<Vec<Value>>, Error> {
        let (call, _cancel) = call(statement, values, left);
        self.run(left, move |guest, path| statement::query(guest, path, &call)).await
    }

    /// Durable when it returns. After an error nothing of the transaction has happened.
    pub async fn commit(self, left: Duration) -> Result<(), Error> {
        let mut open = self.lock(left).await?;
        let commit = move || statement::commit(&mut open.0.take().ok_or(Error::Ended)?);
        self.sql.blocking(commit).await
    }

    pub async fn rollback(self, left: Duration) -> Result<(), Error> {
        let mut open = self.lock(left).await?;
        let rollback = move || open.0.take().map(drop).ok_or(Error::Ended);
        self.sql.blocking(rollback).await
    }

    async fn run<T: Send + 'static>(
        &self,
        left: Duration,
        run: impl FnOnce(&mut Guest, &Path) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let mut open = self.lock(left).await?;
        let within = move || statement::within(open.0.as_mut().ok_or(Error::Ended)?, run);
        self.sql.blocking(within).await
    }

    /// One statement of a transaction runs at a time.
    async fn lock(&self, left: Duration) -> Result<OwnedMutexGuard<Open>, Error> {
        let open = tokio::time::timeout(left, Arc::clone(&self.open).lock_owned()).await;
        open.map_err(|_| Error::TimedOut)
    }
}

/// The rows that a thread finds, and how they ended.
struct Rows {
    taken: mpsc::Receiver<Vec<Value>>,
    ended: Option<oneshot::Receiver<Result<(), Error>>>,
    _cancel: Cancel,
}

impl Rows {
    async fn next(&mut self) -> Option<Result<Vec<Value>, Error>> {
        if let Some(row) = self.taken.recv().await {
            return Some(Ok(row));
        }
        match self.ended.take()?.await {
            Ok(Ok(())) => None,
            Ok(Err(err)) => Some(Err(err)),
            Err(_) => {
                tracing::error!("the thread of a chore's stream ended without saying why");
                Some(Err(Error::Host))
            }
        }
    }
}

/// Hands a row over, when there is room for it.
fn send(rows: &mpsc::Sender<Vec<Value>>, budget: &Budget, row: Vec<Value>) -> Result<(), Error> {
    let row = match rows.try_send(row) {
        Ok(()) => return Ok(()),
        Err(mpsc::error::TrySendError::Full(row)) => row,
        // Nobody hears this.
        Err(mpsc::error::TrySendError::Closed(_)) => return Err(Error::Closed),
    };
    let since = Instant::now();
    let room = async { tokio::time::timeout(SQL_STREAM_IDLE, rows.send(row)).await };
    let sent = tokio::runtime::Handle::current().block_on(room);
    budget.extend(since.elapsed());
    match sent {
        Ok(sent) => sent.map_err(|_| Error::Closed),
        Err(_) => Err(Error::Idle),
    }
}

fn call(statement: &str, values: Vec<Value>, left: Duration) -> (Call, Cancel) {
    let (budget, cancel) = Budget::new(left);
    (Call { statement: statement.to_owned(), values, budget }, cancel)
}

async fn turn(
    semaphore: &Arc<Semaphore>,
    left: Duration,
    busy: Error,
) -> Result<OwnedSemaphorePermit, Error> {
    match tokio::time::timeout(left, Arc::clone(semaphore).acquire_owned()).await {
        Ok(permit) => permit.map_err(|_| Error::Closed),
        Err(_) => Err(busy),
    }
}

#[cfg(test)]
mod tests;
