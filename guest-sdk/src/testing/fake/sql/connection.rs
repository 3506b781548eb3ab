//! One connection to the database in memory: what a chore may run on it, and what it is told of
//! what failed. It knows nobody who waits. What is refused here the host refuses too: `contract.rs`
//! compares them.

use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{Value as Owned, ValueRef};
use rusqlite::{Batch, ErrorCode, MAIN_DB, params_from_iter};

use crate::sql::{Row, Value};
use crate::{Error, Kind, Result};

/// Limits of one statement, as the host's.
const LIMITS: [(Limit, c_int); 7] = [
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_LENGTH, 1024 * 1024),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 256 * 1024),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 32),
];

/// Steps of SQLite's machine that count as a statement's 30 s: a second or so. A number of steps is
/// the same on every machine.
const STEPS_MAX: u32 = 50_000_000;
const STEPS_PER_LOOK: u16 = 1_000;

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

pub(super) struct Connection {
    sqlite: rusqlite::Connection,
    guard: Arc<Guard>,
}

/// What the authorizer of a connection knows.
#[derive(Default)]
struct Guard {
    /// A statement of the fake itself is being compiled.
    host: AtomicBool,
    refused: Mutex<Option<&'static str>>,
}

/// What a statement did.
pub(super) enum Found {
    /// Rows inserted, changed or deleted.
    Changed(u64),
    /// Nothing yet: it writes, and was only to read.
    Writes,
}

impl Found {
    pub(super) fn changed(self) -> u64 {
        match self {
            Found::Changed(rows) => rows,
            Found::Writes => 0,
        }
    }
}

impl Connection {
    pub(super) fn open() -> Result<Connection> {
        let guard = Arc::new(Guard::default());
        let open = || {
            let mut sqlite = rusqlite::Connection::open_in_memory()?;
            restrict(&mut sqlite, Arc::clone(&guard))?;
            Ok(sqlite)
        };
        let sqlite = open().map_err(|err| fault(&err))?;
        Ok(Connection { sqlite, guard })
    }

    /// Another connection, to a copy of what is in the database now.
    pub(super) fn copy(&mut self) -> Result<Connection> {
        let mut copy = Connection::open()?;
        let guard = Arc::clone(&self.guard);
        guard.host.store(true, Ordering::Relaxed);
        let copied = match self.sqlite.serialize(MAIN_DB) {
            Ok(data) => copy.load(&data),
            Err(err) => Err(err),
        };
        guard.host.store(false, Ordering::Relaxed);
        copied.map_err(|err| fault(&err))?;
        Ok(copy)
    }

    fn load(&mut self, mut data: &[u8]) -> rusqlite::Result<()> {
        let bytes = data.len();
        self.guard.host.store(true, Ordering::Relaxed);
        let loaded = self.sqlite.deserialize_read_exact(MAIN_DB, &mut data, bytes, true);
        self.guard.host.store(false, Ordering::Relaxed);
        loaded
    }

    pub(super) fn in_transaction(&self) -> bool {
        !self.sqlite.is_autocommit()
    }

    /// Runs statements that a chore may not.
    pub(super) fn host(&self, statements: &str) -> Result<()> {
        self.guard.host.store(true, Ordering::Relaxed);
        let result = self.sqlite.execute_batch(statements);
        self.guard.host.store(false, Ordering::Relaxed);
        result.map_err(|err| self.said(err))
    }

    /// Compiles and runs one statement until its rows, or its steps, end.
    pub(super) fn run(
        &mut self,
        statement: &str,
        values: Vec<Value>,
        only_read: bool,
        row: impl FnMut(Row) -> Result<()>,
    ) -> Result<Found> {
        let mut looks = 0;
        let is_over = move || {
            looks += 1;
            looks > STEPS_MAX / u32::from(STEPS_PER_LOOK)
        };
        let hooked = self.sqlite.progress_handler(STEPS_PER_LOOK.into(), Some(is_over));
        hooked.map_err(|err| fault(&err))?;
        let found = self.run_on(statement, values, only_read, row);
        // Nothing interrupts what undoes or commits it.
        let none: Option<fn() -> bool> = None;
        self.sqlite.progress_handler(0, none).map_err(|err| fault(&err))?;
        found
    }

    fn run_on(
        &self,
        statement: &str,
        values: Vec<Value>,
        only_read: bool,
        mut row: impl FnMut(Row) -> Result<()>,
    ) -> Result<Found> {
        self.guard.refused().take();
        let failed = |err| self.said(err);

        let mut statements = Batch::new(&self.sqlite, statement);
        let Some(mut statement) = statements.next().map_err(failed)? else {
            return Err(invalid("run statement: there is none in the text"));
        };
        if statements.next().map_err(failed)?.is_some() {
            return Err(invalid(
                "run statement: there are several: pass one per call, in a transaction if they \
                 belong together",
            ));
        }
        if only_read && !statement.readonly() {
            return Ok(Found::Writes);
        }
        let before = self.sqlite.total_changes();
        let values = values.into_iter().map(inside);
        let mut rows = statement.query(params_from_iter(values)).map_err(failed)?;
        while let Some(found) = rows.next().map_err(failed)? {
            row(outside(found)?)?;
        }
        // What SQLite says of a statement that changes no rows is about the one before it.
        let changed = match self.sqlite.total_changes() == before {
            true => 0,
            false => self.sqlite.changes(),
        };
        Ok(Found::Changed(changed))
    }

    /// What SQLite said, as the host would say it.
    fn said(&self, err: rusqlite::Error) -> Error {
        use rusqlite::Error as Sqlite;
        let (code, message) = match err {
            Sqlite::SqliteFailure(err, Some(message)) => (err.code, message),
            Sqlite::SqliteFailure(err, None) => (err.code, err.to_string()),
            Sqlite::SqlInputError { error, msg, .. } => (error.code, msg),
            Sqlite::InvalidParameterCount(given, wanted) => {
                return invalid(&format!("run statement: it has {wanted} parameters, not {given}"));
            }
            Sqlite::NulError(_) | Sqlite::Utf8Error(..) => {
                return invalid(&format!("run statement: {err}"));
            }
            _ => return fault(&err),
        };
        let refused = self.guard.refused().take();
        let (kind, why) = match code {
            ErrorCode::Unknown | ErrorCode::TypeMismatch | ErrorCode::ParameterOutOfRange => {
                match refused {
                    Some(why) => (Kind::Denied, why.to_owned()),
                    None => (Kind::Invalid, message),
                }
            }
            ErrorCode::AuthorizationForStatementDenied => {
                (Kind::Denied, refused.unwrap_or("a chore may not do this").to_owned())
            }
            ErrorCode::ConstraintViolation
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::SchemaChanged => (Kind::Conflict, message),
            ErrorCode::TooBig => (Kind::TooLarge, format!("{message}: split it")),
            ErrorCode::OperationInterrupted => {
                (Kind::TimedOut, "its time is up: do less in one statement".to_owned())
            }
            _ => (Kind::Internal, message),
        };
        Error::of(kind, format!("run statement: {why}"))
    }
}

fn invalid(message: &str) -> Error {
    Error::of(Kind::Invalid, message)
}

/// A failure that no statement of a chore is to blame for.
fn fault(err: &rusqlite::Error) -> Error {
    Error::of(Kind::Internal, format!("the fake peer's database failed: {err}"))
}

impl Guard {
    fn refused(&self) -> MutexGuard<'_, Option<&'static str>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn inside(value: Value) -> Owned {
    match value {
        Value::Null => Owned::Null,
        Value::Integer(integer) => Owned::Integer(integer),
        Value::Real(real) => Owned::Real(real),
        Value::Text(text) => Owned::Text(text),
        Value::Blob(bytes) => Owned::Blob(bytes),
    }
}

fn outside(row: &rusqlite::Row<'_>) -> Result<Row> {
    let mut values = Vec::new();
    // A column that is not there ends the row.
    while let Ok(value) = row.get_ref(values.len()) {
        values.push(match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(integer) => Value::Integer(integer),
            ValueRef::Real(real) => Value::Real(real),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => {
                    let column = values.len() + 1;
                    return Err(invalid(&format!(
                        "read rows: the text in column {column} is not UTF-8: cast it to a blob"
                    )));
                }
            },
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_owned()),
        });
    }
    Ok(Row::new(values))
}

/// What keeps a chore in its own database: defensive mode, limits, and the authorizer.
fn restrict(sqlite: &mut rusqlite::Connection, guard: Arc<Guard>) -> rusqlite::Result<()> {
    sqlite.pragma_update(None, "foreign_keys", true)?;
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    sqlite.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    for (limit, most) in LIMITS {
        sqlite.set_limit(limit, most)?;
    }
    sqlite.authorizer(Some(move |context: AuthContext<'_>| {
        if guard.host.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        match refusal(&context.action) {
            None => Authorization::Allow,
            Some(why) => {
                *guard.refused() = Some(why);
                Authorization::Deny
            }
        }
    }))
}

/// Why a chore may not do this; `None` if it may.
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
        AuthAction::CreateTempTable { .. }
        | AuthAction::CreateTempIndex { .. }
        | AuthAction::CreateTempTrigger { .. }
        | AuthAction::CreateTempView { .. } => Some("nothing temporary is kept: create a table"),
        AuthAction::Unknown { .. } => Some("the host does not know what this statement does"),
        _ => None,
    }
}
