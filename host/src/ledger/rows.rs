//! The tables of the ledger, and how news become rows. It keeps no more than it is told to, and
//! deletes in small steps, in the commit that adds.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{Counts, Cycle, Ended, Keep, News};
use crate::clock::Timestamp;
use crate::limits::LEDGER_DELETED_AT_ONCE;
use crate::record::{EventRecord, RunRecord, SkipRecord};
use crate::status::Outcome;

/// Times in nanoseconds since the Unix epoch, durations in nanoseconds. `outcome` is NULL while a
/// run is in progress.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE run (
        id INTEGER NOT NULL PRIMARY KEY,
        chore TEXT NOT NULL,
        cycle TEXT NOT NULL,
        version TEXT NOT NULL,
        digest TEXT NOT NULL,
        generation INTEGER NOT NULL,
        iteration INTEGER NOT NULL,
        reason TEXT NOT NULL,
        asked_by TEXT NOT NULL,
        due INTEGER NOT NULL,
        slot INTEGER,
        started INTEGER NOT NULL,
        elapsed INTEGER,
        outcome TEXT,
        message TEXT NOT NULL,
        cpu INTEGER NOT NULL,
        memory_bytes INTEGER NOT NULL,
        log TEXT NOT NULL,
        log_lines INTEGER NOT NULL,
        backtrace TEXT NOT NULL,
        host_calls INTEGER NOT NULL,
        host_bytes INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX run_of_cycle ON run (chore, cycle, started);
    CREATE INDEX run_by_start ON run (started);
    CREATE INDEX run_in_progress ON run (id) WHERE outcome IS NULL;
    CREATE TABLE skip (
        id INTEGER NOT NULL PRIMARY KEY,
        chore TEXT NOT NULL,
        cycle TEXT NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        slots INTEGER NOT NULL,
        reason TEXT NOT NULL
    ) STRICT;
    CREATE INDEX skip_of_cycle ON skip (chore, cycle, first);
    CREATE INDEX skip_by_first ON skip (first);
    CREATE TABLE event (
        id INTEGER NOT NULL PRIMARY KEY,
        at INTEGER NOT NULL,
        asked_by TEXT NOT NULL,
        what TEXT NOT NULL,
        chore TEXT NOT NULL,
        cycle TEXT NOT NULL,
        note TEXT NOT NULL
    ) STRICT;
    CREATE INDEX event_of_chore ON event (chore, at);
"];

/// Ends what an earlier life of the peer left running; the last run, and how many rows there are.
pub(super) fn begin(connection: &Connection) -> rusqlite::Result<(u64, Counts)> {
    let interrupted = Outcome::Interrupted { message: "the peer ended during the run".into() };
    connection.execute(
        "UPDATE run SET outcome = ?1, message = ?2 WHERE outcome IS NULL",
        params![interrupted.word(), interrupted.message()],
    )?;
    let last: Option<i64> =
        connection.query_row("SELECT max(id) FROM run", [], |row| row.get(0))?;
    Ok((
        last.unwrap_or(0).unsigned_abs(),
        Counts { runs: counts(connection, "run")?, skips: counts(connection, "skip")? },
    ))
}

fn counts(connection: &Connection, table: &str) -> rusqlite::Result<HashMap<Cycle, u64>> {
    let sql = format!("SELECT chore, cycle, count(*) FROM {table} GROUP BY chore, cycle");
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        let count: i64 = row.get(2)?;
        Ok(((row.get(0)?, row.get(1)?), count.unsigned_abs()))
    })?;
    rows.collect()
}

/// A run that began and ended since the last time is one row, written once.
pub(super) fn write(
    connection: &Connection,
    news: Vec<News>,
    counts: &mut Counts,
    keep: Keep,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut began: HashMap<u64, Arc<RunRecord>> = HashMap::new();
    for news in news {
        match news {
            News::Began(run) => {
                let cycle = (run.chore.clone(), run.cycle.clone());
                *counts.runs.entry(cycle).or_default() += 1;
                began.insert(run.run, run);
            }
            News::Ended(id, ended) => match began.remove(&id) {
                Some(run) => insert(connection, &run, Some(&ended))?,
                None => update(connection, id, &ended)?,
            },
            News::Skipped(skip) => {
                let cycle = (skip.chore.clone(), skip.cycle.clone());
                *counts.skips.entry(cycle).or_default() += 1;
                insert_skip(connection, &skip)?;
            }
            News::Event(event) => insert_event(connection, &event)?,
        }
    }
    for run in began.values() {
        insert(connection, run, None)?;
    }
    for (table, time, counts) in
        [("run", "started", &mut counts.runs), ("skip", "first", &mut counts.skips)]
    {
        delete_surplus(connection, table, time, counts, keep.rows)?;
        delete_older(connection, table, time, counts, now.minus(keep.age))?;
    }
    let sql = "DELETE FROM event WHERE id IN (SELECT id FROM event
        WHERE at < ?1 OR id <= (SELECT max(id) FROM event) - ?2 ORDER BY id LIMIT ?3)";
    let oldest = now.minus(keep.age).as_nanos();
    connection.prepare_cached(sql)?.execute(params![
        oldest,
        integer(keep.rows),
        integer(LEDGER_DELETED_AT_ONCE)
    ])?;
    Ok(())
}

/// Of each cycle that has more than `keep` rows, the oldest.
fn delete_surplus(
    connection: &Connection,
    table: &str,
    time: &str,
    counts: &mut HashMap<Cycle, u64>,
    keep: u64,
) -> rusqlite::Result<()> {
    for ((chore, cycle), count) in counts.iter_mut().filter(|(_, count)| **count > keep) {
        let surplus = (*count - keep).min(LEDGER_DELETED_AT_ONCE);
        let sql = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table}
             WHERE chore = ?1 AND cycle = ?2 ORDER BY {time} LIMIT ?3)"
        );
        let deleted =
            connection.prepare_cached(&sql)?.execute(params![chore, cycle, integer(surplus)])?;
        *count = count.saturating_sub(deleted as u64);
    }
    Ok(())
}

fn delete_older(
    connection: &Connection,
    table: &str,
    time: &str,
    counts: &mut HashMap<Cycle, u64>,
    oldest: Timestamp,
) -> rusqlite::Result<()> {
    let sql = format!(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table}
         WHERE {time} < ?1 ORDER BY {time} LIMIT ?2) RETURNING chore, cycle"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut deleted =
        statement.query(params![oldest.as_nanos(), integer(LEDGER_DELETED_AT_ONCE)])?;
    while let Some(row) = deleted.next()? {
        if let Some(count) = counts.get_mut(&(row.get(0)?, row.get(1)?)) {
            *count = count.saturating_sub(1);
        }
    }
    Ok(())
}

/// SQLite's integers have a sign.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn nanos(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

fn insert(connection: &Connection, run: &RunRecord, ended: Option<&Ended>) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO run (id, chore, cycle, version, digest, generation, iteration,
            reason, asked_by, due, slot, started, elapsed, outcome, message, cpu, memory_bytes, log,
            log_lines, backtrace, host_calls, host_bytes)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
            ?20, ?21, ?22)";
    connection.prepare_cached(sql)?.execute(params![
        integer(run.run),
        run.chore,
        run.cycle,
        run.version,
        run.digest,
        integer(run.generation),
        integer(run.iteration),
        run.reason,
        run.by,
        run.due.as_nanos(),
        run.slot.map(Timestamp::as_nanos),
        run.started.as_nanos(),
        ended.map(|ended| nanos(ended.elapsed)),
        ended.map(|ended| ended.outcome.word()),
        ended.map_or("", |ended| ended.outcome.message()),
        ended.map_or(0, |ended| nanos(ended.usage.cpu)),
        ended.map_or(0, |ended| integer(ended.usage.memory_bytes)),
        ended.map_or_else(String::new, |ended| ended.log.join("\n")),
        ended.map_or(0, |ended| integer(ended.log_lines)),
        ended.map_or_else(String::new, |ended| ended.backtrace.join("\n")),
        ended.map_or(0, |ended| integer(ended.usage.host_calls)),
        ended.map_or(0, |ended| integer(ended.usage.host_bytes)),
    ])?;
    Ok(())
}

fn update(connection: &Connection, id: u64, ended: &Ended) -> rusqlite::Result<()> {
    let sql =
        "UPDATE run SET elapsed = ?2, outcome = ?3, message = ?4, cpu = ?5, memory_bytes = ?6,
        log = ?7, log_lines = ?8, backtrace = ?9, host_calls = ?10, host_bytes = ?11 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        integer(id),
        nanos(ended.elapsed),
        ended.outcome.word(),
        ended.outcome.message(),
        nanos(ended.usage.cpu),
        integer(ended.usage.memory_bytes),
        ended.log.join("\n"),
        integer(ended.log_lines),
        ended.backtrace.join("\n"),
        integer(ended.usage.host_calls),
        integer(ended.usage.host_bytes),
    ])?;
    Ok(())
}

fn insert_skip(connection: &Connection, skip: &SkipRecord) -> rusqlite::Result<()> {
    let sql = "INSERT INTO skip (chore, cycle, first, last, slots, reason)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![
        skip.chore,
        skip.cycle,
        skip.first.as_nanos(),
        skip.last.as_nanos(),
        integer(skip.slots),
        skip.reason.word(),
    ])?;
    Ok(())
}

fn insert_event(connection: &Connection, event: &EventRecord) -> rusqlite::Result<()> {
    let sql = "INSERT INTO event (at, asked_by, what, chore, cycle, note)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    connection.prepare_cached(sql)?.execute(params![
        event.at.as_nanos(),
        event.by,
        event.what,
        event.chore,
        event.cycle,
        event.note,
    ])?;
    Ok(())
}
