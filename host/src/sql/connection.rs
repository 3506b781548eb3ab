//! A connection that a guest's statements may use: what it refuses, and how it is passed around.
//! It knows no task.

use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::OwnedSemaphorePermit;

use super::Error;
use crate::database::{self, Access, lock};
use crate::limits::{
    SQL_COLUMNS_MAX, SQL_DATABASE_BYTES_MAX, SQL_DEPTH_MAX, SQL_INSTRUCTIONS_MAX,
    SQL_LOG_BYTES_MAX, SQL_OBJECTS_MAX, SQL_PATTERN_BYTES_MAX, SQL_STATEMENT_BYTES_MAX,
    SQL_TRIGGER_DEPTH_MAX, SQL_VALUE_BYTES_MAX,
};

/// Pragmas that only tell about the schema and its data.
const PRAGMAS: [&str; 7] = [
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Functions that load code.
const FUNCTIONS: [&str; 2] = ["load_extension", "fts3_tokenizer"];

/// Idle connections to one file, and whether it is there at all.
pub(super) struct Pool {
    pub(super) path: PathBuf,
    /// Of the file.
    bytes_max: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    created: bool,
    closed: bool,
    writer: Option<Guest>,
    readers: Vec<Guest>,
}

impl Pool {
    pub(super) fn new(path: PathBuf) -> Pool {
        let bytes_max = AtomicU64::new(SQL_DATABASE_BYTES_MAX as u64);
        Pool { path, bytes_max, state: Mutex::default() }
    }

    pub(super) fn set_bytes_max(&self, bytes_max: u64) {
        self.bytes_max.store(bytes_max, Ordering::Relaxed);
    }

    /// An idle connection, or a new one. The first use creates the file: a reader cannot.
    fn take(&self, access: Access) -> Result<Guest, Error> {
        let mut state = lock(&self.state);
        if state.closed {
            return Err(Error::Closed);
        }
        if !state.created {
            state.writer = Some(Guest::open(&self.path, Access::Write)?);
            state.created = true;
        }
        let idle = match access {
            Access::Write => state.writer.take(),
            Access::Read => state.readers.pop(),
        };
        drop(state);
        match idle {
            Some(guest) => Ok(guest),
            None => Guest::open(&self.path, access),
        }
    }

    fn put_back(&self, access: Access, guest: Guest) {
        let mut state = lock(&self.state);
        match access {
            // What is dropped here is closed.
            _ if state.closed => {}
            Access::Write => state.writer = Some(guest),
            Access::Read => state.readers.push(guest),
        }
    }

    /// Closes what is idle; what is in use closes when it is put back.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.readers.clear();
        // Last, so that it writes the log back into the file.
        state.writer = None;
    }
}

/// The right to use a connection, and the connection itself once it is needed. Dropped, it undoes
/// what is not committed and gives both back: it can block, so drop it where that is allowed.
pub(super) struct Turn {
    pool: Arc<Pool>,
    access: Access,
    guest: Option<Guest>,
    /// Given back after the connection, which `drop` does first.
    _permits: Vec<OwnedSemaphorePermit>,
}

impl Turn {
    pub(super) fn new(pool: Arc<Pool>, access: Access, permits: Vec<OwnedSemaphorePermit>) -> Turn {
        Turn { pool, access, guest: None, _permits: permits }
    }

    pub(super) fn guest(&mut self) -> Result<&mut Guest, Error> {
        let mut guest = match self.guest.take() {
            Some(guest) => guest,
            None => self.pool.take(self.access)?,
        };
        let bytes_max = self.pool.bytes_max.load(Ordering::Relaxed);
        // It counts what is written, and a reader writes nothing.
        if matches!(self.access, Access::Write) && guest.bytes_max != bytes_max {
            let limited = guest.limit(bytes_max);
            limited.map_err(|err| Error::host(&self.pool.path, &err))?;
        }
        Ok(self.guest.insert(guest))
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A log that cannot be written back, because someone still reads what it replaces, must not
    /// grow for ever: the limit on the file's pages does not count it.
    pub(super) fn check_log(&self) -> Result<(), Error> {
        let mut log = self.pool.path.clone().into_os_string();
        log.push("-wal");
        match std::fs::metadata(log) {
            Ok(log) if log.len() > SQL_LOG_BYTES_MAX => Err(Error::LogFull),
            // Without a log there is nothing to limit.
            _ => Ok(()),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(mut guest) = self.guest.take() else { return };
        guest.forget_call();
        if !guest.connection.is_autocommit()
            && let Err(err) = guest.host("ROLLBACK")
        {
            // Closing the connection rolls back too.
            tracing::error!(path = %self.pool.path.display(), error = %err, "rolling back failed");
            return;
        }
        self.pool.put_back(self.access, guest);
    }
}

/// A connection on which a guest's statements run.
pub(super) struct Guest {
    pub(super) connection: Connection,
    /// What the file may have, as the connection was told; 0: not yet.
    pub(super) bytes_max: u64,
    guard: Arc<Guard>,
}

#[derive(Default)]
struct Guard {
    /// A statement of the host itself is being compiled.
    host: AtomicBool,
    /// What was refused last, and why.
    refused: Mutex<Option<&'static str>>,
}

impl Guest {
    fn open(path: &Path, access: Access) -> Result<Guest, Error> {
        let failed = |err: database::Error| {
            if matches!(err, database::Error::Damaged { .. }) {
                return Error::damaged(path);
            }
            let source: &dyn std::error::Error = &err;
            let cause = source.source().map(ToString::to_string);
            tracing::error!(path = %path.display(), error = %err, cause, "opening a chore's database failed");
            Error::Host
        };
        let mut connection = database::connect(path, access).map_err(failed)?;
        let guard = Arc::new(Guard::default());
        match restrict(&mut connection, &guard) {
            Ok(()) => Ok(Guest { connection, bytes_max: 0, guard }),
            Err(source) => match source.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Err(Error::damaged(path))
                }
                _ => Err(Error::host(path, &source)),
            },
        }
    }

    /// Runs a statement of the host, which the authorizer lets pass.
    pub(super) fn host(&self, statement: &str) -> rusqlite::Result<()> {
        self.guard.host.store(true, Ordering::Relaxed);
        let result = self.connection.execute_batch(statement);
        self.guard.host.store(false, Ordering::Relaxed);
        result
    }

    fn limit(&mut self, bytes_max: u64) -> rusqlite::Result<()> {
        self.guard.host.store(true, Ordering::Relaxed);
        let limited = max_pages(&self.connection, bytes_max);
        self.guard.host.store(false, Ordering::Relaxed);
        limited?;
        self.bytes_max = bytes_max;
        Ok(())
    }

    /// Why a statement was refused, if one was since this was asked last.
    pub(super) fn refused(&self) -> Option<&'static str> {
        lock(&self.guard.refused).take()
    }

    /// From now on nothing interrupts the connection.
    pub(super) fn forget_call(&mut self) {
        let none: Option<fn() -> bool> = None;
        // It fails only without a connection.
        let _ = self.connection.progress_handler(0, none);
    }
}

fn max_pages(connection: &Connection, bytes_max: u64) -> rusqlite::Result<()> {
    let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = i64::try_from(bytes_max).unwrap_or(i64::MAX) / page_bytes.max(1);
    // SQLite has at most so many, and takes a larger number for nothing.
    let pages = pages.clamp(1, i64::from(u32::MAX - 1));
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
}

/// What keeps a guest in its own file: defensive mode, limits, and the authorizer.
fn restrict(connection: &mut Connection, guard: &Arc<Guard>) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_COLUMN, SQL_COLUMNS_MAX),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, SQL_DEPTH_MAX),
        (Limit::SQLITE_LIMIT_LENGTH, SQL_VALUE_BYTES_MAX),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, SQL_PATTERN_BYTES_MAX),
        (Limit::SQLITE_LIMIT_SCHEMA, SQL_OBJECTS_MAX),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_STATEMENT_BYTES_MAX),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, SQL_TRIGGER_DEPTH_MAX),
        (Limit::SQLITE_LIMIT_VDBE_OP, SQL_INSTRUCTIONS_MAX),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, c_int::try_from(most).unwrap_or(c_int::MAX))?;
    }
    let guard = Arc::clone(guard);
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if guard.host.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        match refusal(&context.action) {
            None => Authorization::Allow,
            Some(why) => {
                *lock(&guard.refused) = Some(why);
                Authorization::Deny
            }
        }
    }))
}

/// Why a guest may not do this; `None` if it may.
fn refusal(action: &AuthAction<'_>) -> Option<&'static str> {
    let is_one_of = |names: &[&str], name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
    match action {
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
            Some("other databases are out of reach: a chore has one, and VACUUM needs a second")
        }
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("transactions are not opened or ended in SQL: call begin, commit and rollback")
        }
        AuthAction::Pragma { pragma_name, .. } if !is_one_of(&PRAGMAS, pragma_name) => Some(
            "this pragma is not for chores: they may read the schema, with table_info and such",
        ),
        AuthAction::Function { function_name } if is_one_of(&FUNCTIONS, function_name) => {
            Some("extensions are not loaded")
        }
        // They would live in one connection only, in files that no limit counts.
        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => Some("nothing temporary is kept: create a table"),
        // What this library does not know, it cannot judge.
        AuthAction::Unknown { .. } => Some("the host does not know what this statement does"),
        _ => None,
    }
}
