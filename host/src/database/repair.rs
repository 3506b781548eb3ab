//! What becomes of a file that is damaged: it is kept, and what can be read of it is saved into a new
//! one. It knows no table.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

use crate::clock::Timestamp;

/// What an operator does about a damaged file.
pub(crate) const ADVICE: &str =
    "stop the peer, then `chore repair` keeps it and saves what can be read of it";

/// What SQLite keeps beside a database, and must go where that goes: the log has the last commits.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// What was saved of a damaged file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    pub tables: u64,
    pub rows: u64,
    /// Places where nothing could be read, however many rows they had.
    pub gaps: u64,
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut whole = OsString::from(path);
    whole.push(end);
    PathBuf::from(whole)
}

/// Renames a damaged file, and answers its new name: what is there under that name stays.
pub(crate) fn set_aside(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let seconds = now.as_nanos() / 1_000_000_000;
    let mut kept = with(path, &format!(".damaged-{seconds}"));
    let mut nth = 1;
    while kept.exists() {
        nth += 1;
        kept = with(path, &format!(".damaged-{seconds}-{nth}"));
    }
    for end in BESIDE {
        match std::fs::rename(with(path, end), with(&kept, end)) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
            _ => {}
        }
    }
    Ok(kept)
}

/// Saves what can be read of `damaged` into `path`, which must not exist. Nothing is made there if not
/// even the names of the tables can be read: then whoever opens it begins a new one.
pub(crate) fn save(damaged: &Path, path: &Path) -> rusqlite::Result<Option<Saved>> {
    let Ok((tables, others, version)) = schema(damaged) else { return Ok(None) };
    if tables.is_empty() {
        return Ok(None);
    }
    // Under another name until it is whole, so that half of it is never taken for all.
    let part = with(path, ".part");
    let saved = fill(damaged, &part, &tables, &others, version);
    let renamed = saved.and_then(|saved| match std::fs::rename(&part, path) {
        Ok(()) => Ok(Some(saved)),
        Err(err) => Err(rusqlite::Error::ToSqlConversionFailure(Box::new(err))),
    });
    if renamed.is_err() {
        // Why it failed is the better answer.
        let _ = std::fs::remove_file(part);
    }
    renamed
}

fn fill(
    damaged: &Path,
    path: &Path,
    tables: &[(String, String)],
    others: &[String],
    version: i64,
) -> rusqlite::Result<Saved> {
    super::file::create(path)
        .map_err(|err| rusqlite::Error::ToSqlConversionFailure(Box::new(err)))?;
    let new = Connection::open(path)?;
    new.execute_batch("PRAGMA synchronous = FULL; BEGIN IMMEDIATE")?;
    let mut saved = Saved::default();
    for (name, sql) in tables {
        new.execute_batch(sql)?;
        saved.tables += 1;
        // Its own connection: one that has met damage keeps nothing of it in its cache.
        copy(&read_only(damaged)?, &new, name, sql, &mut saved)?;
    }
    for sql in others {
        new.execute_batch(sql)?;
    }
    new.pragma_update(None, "user_version", version)?;
    new.execute_batch("COMMIT")?;
    Ok(saved)
}

/// Also recovers its log, which is why it is opened to write.
fn read_only(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

/// Tables by name, then what belongs to them, as statements; and the version of it all.
type Schema = (Vec<(String, String)>, Vec<String>, i64);

fn schema(path: &Path) -> rusqlite::Result<Schema> {
    let connection = read_only(path)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let mut statement = connection.prepare(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows: Vec<(String, String, String)> = rows.collect::<rusqlite::Result<_>>()?;
    let (tables, others): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|(kind, ..)| kind == "table");
    let tables = tables.into_iter().map(|(_, name, sql)| (name, sql)).collect();
    Ok((tables, others.into_iter().map(|(.., sql)| sql).collect(), version))
}

/// Copies what can be read of one table, past what cannot.
fn copy(
    old: &Connection,
    new: &Connection,
    name: &str,
    sql: &str,
    saved: &mut Saved,
) -> rusqlite::Result<()> {
    let name = quoted(name);
    if sql.to_ascii_uppercase().contains("WITHOUT ROWID") {
        // Its rows have no numbers to go on from: from one end to the damage, and from the other.
        let forward = take(old, new, &name, &format!("SELECT 0, * FROM {name}"), None, saved)?;
        if forward.is_damaged {
            saved.gaps += 1;
            let key = format!("SELECT 0, * FROM {name} ORDER BY {} DESC", keys(old, &name)?);
            take(old, new, &name, &key, None, saved)?;
        }
        return Ok(());
    }
    let after = format!("SELECT rowid, * FROM {name} NOT INDEXED WHERE rowid > ?1 ORDER BY rowid");
    let (mut last, mut step, mut is_gap) = (i64::MIN, 0, false);
    loop {
        let taken = take(old, new, &name, &after, Some(last.saturating_add(step)), saved)?;
        if !taken.is_damaged {
            return Ok(());
        }
        match taken.last {
            Some(read) => (last, step, is_gap) = (read, 1, false),
            // From before the first row, straight to the usual numbers.
            None if last.saturating_add(step) < 0 => (last, step) = (0, 0),
            None => step = step.saturating_mul(2).max(1),
        }
        saved.gaps += u64::from(!std::mem::replace(&mut is_gap, true));
        if last.saturating_add(step) == i64::MAX {
            return Ok(());
        }
    }
}

/// The columns by which the rows of a table lie in the file, the last of them first.
fn keys(connection: &Connection, name: &str) -> rusqlite::Result<String> {
    let mut statement = connection.prepare(&format!("PRAGMA table_info({name})"))?;
    let column =
        |row: &rusqlite::Row| Ok((row.get::<_, i64>("pk")?, row.get::<_, String>("name")?));
    let mut columns: Vec<_> = statement.query_map([], column)?.collect::<rusqlite::Result<_>>()?;
    columns.retain(|(place, _)| *place > 0);
    columns.sort_unstable();
    let quoted = columns.iter().map(|(_, name)| quoted(name));
    Ok(quoted.collect::<Vec<_>>().join(" DESC, "))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

struct Taken {
    last: Option<i64>,
    is_damaged: bool,
}

/// The first column is the row's number, and is not copied.
fn take(
    old: &Connection,
    new: &Connection,
    table: &str,
    select: &str,
    after: Option<i64>,
    saved: &mut Saved,
) -> rusqlite::Result<Taken> {
    let mut taken = Taken { last: None, is_damaged: true };
    let Ok(mut statement) = old.prepare(select) else { return Ok(taken) };
    let columns = statement.column_count();
    let places = vec!["?"; columns.saturating_sub(1)].join(", ");
    let mut insert =
        new.prepare_cached(&format!("INSERT OR IGNORE INTO {table} VALUES ({places})"))?;
    let Ok(mut rows) = statement.query(params_from_iter(after)) else { return Ok(taken) };
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => {
                taken.is_damaged = false;
                return Ok(taken);
            }
            Err(_) => return Ok(taken),
        };
        let Ok(number) = row.get::<_, i64>(0) else { return Ok(taken) };
        taken.last = Some(number);
        let values: Result<Vec<Value>, _> = (1..columns).map(|column| row.get(column)).collect();
        // What is no value, or none that the table takes, is not a row any more.
        if let Ok(values) = values
            && let Ok(inserted) = insert.execute(params_from_iter(values))
        {
            saved.rows += inserted as u64;
        }
    }
}
