//! How a SQLite file is created, opened and brought up to date. It knows no thread and no table.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{Error, Sync};
use crate::limits::{
    DATABASE_BUSY_TIMEOUT, DATABASE_LOG_BYTES_KEPT, DATABASE_STATEMENTS_CACHED,
    DATABASE_WRITER_CACHE_KIB,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A connection with what every file here needs: a write-ahead log, so that readers and the writer
/// do not wait for each other; a full sync, so that what is committed survives a power cut; and
/// patience with other processes.
pub(crate) fn connect(path: &Path, access: Access) -> Result<Connection, Error> {
    let flags = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => {
            create(path)?;
            OpenFlags::SQLITE_OPEN_READ_WRITE
        }
    };
    let open = || {
        let connection =
            Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(DATABASE_BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(DATABASE_STATEMENTS_CACHED);
        connection.pragma_update(None, "foreign_keys", true)?;
        let mode = match access {
            Access::Read => connection.pragma_query_value(None, "journal_mode", |row| row.get(0)),
            Access::Write => {
                connection.pragma_update(None, "synchronous", "FULL")?;
                // Negative: in KiB, not pages.
                connection.pragma_update(None, "cache_size", -DATABASE_WRITER_CACHE_KIB)?;
                connection.pragma_update_and_check(
                    None,
                    "journal_size_limit",
                    DATABASE_LOG_BYTES_KEPT,
                    |_| Ok(()),
                )?;
                connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
            }
        };
        mode.map(|mode: String| (connection, mode))
    };
    let (connection, mode) = open().map_err(|source| failed(path, source))?;
    if access == Access::Write && mode != "wal" {
        return Err(Error::NoLog { path: path.into(), mode });
    }
    Ok(connection)
}

/// For the peer's own tables, whose statements are known to be small: what one of them would undo if
/// it failed is kept in memory, not in a file, which would be written more often than the database.
pub(super) fn tune(path: &Path, connection: &Connection, sync: Sync) -> Result<(), Error> {
    let tune = || {
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        match sync {
            Sync::Full => Ok(()),
            Sync::Process => connection.pragma_update(None, "synchronous", "NORMAL"),
        }
    };
    tune().map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: rusqlite::Error) -> Error {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::Damaged { path: path.into(), source: Arc::new(source) }
        }
        _ => Error::Open { path: path.into(), source },
    }
}

/// Nobody but its owner reads a new file, from the first moment on. SQLite gives its log and its
/// index the same mode. A file that exists keeps the mode that somebody gave it.
pub(super) fn create(path: &Path) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Create { path: path.into(), source }),
    }
}

/// Each step is one transaction that also writes the new version, so a crash leaves the old schema
/// or the new one. The version is read inside it, in case two processes start at once.
pub(super) fn migrate(
    path: &Path,
    connection: &mut Connection,
    migrations: &[&str],
) -> Result<(), Error> {
    let known = known(migrations);
    loop {
        let from = schema(path, connection)?;
        if from > known {
            return Err(Error::Newer { path: path.into(), found: from, known });
        }
        if from == known {
            return Ok(());
        }
        let mut step = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let found: i64 =
                transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if found == from {
                let sql = usize::try_from(from).ok().and_then(|from| migrations.get(from));
                transaction.execute_batch(sql.unwrap_or(&""))?;
                transaction.pragma_update(None, "user_version", from + 1)?;
            }
            transaction.commit()
        };
        step().map_err(|source| Error::Migrate { path: path.into(), from, source })?;
    }
}

/// For who only reads, the schema must be the one that this program knows.
pub(super) fn check_schema(
    path: &Path,
    connection: &Connection,
    migrations: &[&str],
) -> Result<(), Error> {
    let (found, known) = (schema(path, connection)?, known(migrations));
    let path = path.to_owned();
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Less => Err(Error::Older { path, found, known }),
        std::cmp::Ordering::Greater => Err(Error::Newer { path, found, known }),
    }
}

/// A negative version was never written by this program, so it counts as newer than any.
fn schema(path: &Path, connection: &Connection) -> Result<i64, Error> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    match found.map_err(|source| failed(path, source))? {
        negative @ ..0 => Ok(negative.saturating_neg().saturating_add(i64::from(u32::MAX))),
        found => Ok(found),
    }
}

fn known(migrations: &[&str]) -> i64 {
    i64::try_from(migrations.len()).unwrap_or(i64::MAX)
}
