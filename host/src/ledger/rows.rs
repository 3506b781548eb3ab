//! The tables of the ledger, and how news become rows. It keeps little more than it is told to, and
//! deletes in small steps, in the commit that adds.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, params};

use super::{Began, Build, Ended, Keep, News};
use crate::clock::Timestamp;
use crate::limits::{CYCLES_MAX, LEDGER_DELETED_AT_ONCE};
use crate::record::{EventRecord, SkipRecord};
use crate::status::Outcome;

/// Times in nanoseconds since the Unix epoch, durations in nanoseconds. `outcome` is NULL while a
/// run is in progress.
pub(super) const MIGRATIONS: &[&str] = &[
    "
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
",
    // What many rows have in common is written once: a row of a fast cycle is half as long.
    "
    ALTER TABLE run RENAME TO run_1;
    ALTER TABLE skip RENAME TO skip_1;
    DROP INDEX run_of_cycle;
    DROP INDEX run_by_start;
    DROP INDEX run_in_progress;
    DROP INDEX skip_of_cycle;
    DROP INDEX skip_by_first;
    CREATE TABLE cycle (
        id INTEGER NOT NULL PRIMARY KEY,
        chore TEXT NOT NULL,
        name TEXT NOT NULL,
        UNIQUE (chore, name)
    ) STRICT;
    CREATE TABLE build (
        id INTEGER NOT NULL PRIMARY KEY,
        version TEXT NOT NULL,
        digest TEXT NOT NULL,
        UNIQUE (version, digest)
    ) STRICT;
    CREATE TABLE run_row (
        id INTEGER NOT NULL PRIMARY KEY,
        cycle_id INTEGER NOT NULL,
        build_id INTEGER NOT NULL,
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
    CREATE TABLE skip_row (
        id INTEGER NOT NULL PRIMARY KEY,
        cycle_id INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        slots INTEGER NOT NULL,
        reason TEXT NOT NULL
    ) STRICT;
    INSERT INTO cycle (chore, name)
        SELECT chore, cycle FROM run_1 UNION SELECT chore, cycle FROM skip_1;
    INSERT INTO build (version, digest) SELECT DISTINCT version, digest FROM run_1;
    INSERT INTO run_row
        SELECT run_1.id, cycle.id, build.id, generation, iteration, reason, asked_by, due, slot,
            started, elapsed, outcome, message, cpu, memory_bytes, log, log_lines, backtrace,
            host_calls, host_bytes
        FROM run_1
            JOIN cycle ON cycle.chore = run_1.chore AND cycle.name = run_1.cycle
            JOIN build ON build.version = run_1.version AND build.digest = run_1.digest;
    INSERT INTO skip_row
        SELECT skip_1.id, cycle.id, first, last, slots, reason
        FROM skip_1 JOIN cycle ON cycle.chore = skip_1.chore AND cycle.name = skip_1.cycle;
    DROP TABLE run_1;
    DROP TABLE skip_1;
    CREATE INDEX run_of_cycle ON run_row (cycle_id, started);
    CREATE INDEX run_by_start ON run_row (started);
    CREATE INDEX run_in_progress ON run_row (id) WHERE outcome IS NULL;
    CREATE INDEX skip_of_cycle ON skip_row (cycle_id, first);
    CREATE INDEX skip_by_first ON skip_row (first);
    -- Joined from left to right: how rows are found is said of the first alone.
    CREATE VIEW run AS
        SELECT run_row.id AS id, cycle_id, chore, name AS cycle, version, digest, generation,
            iteration, reason, asked_by, due, slot, started, elapsed, outcome, message, cpu,
            memory_bytes, log, log_lines, backtrace, host_calls, host_bytes
        FROM run_row CROSS JOIN cycle ON cycle.id = cycle_id CROSS JOIN build ON build.id = build_id;
    CREATE VIEW skip AS
        SELECT skip_row.id AS id, cycle_id, chore, name AS cycle, first, last, slots, reason
        FROM skip_row CROSS JOIN cycle ON cycle.id = cycle_id;
",
];

/// A table of which each cycle may have so many rows.
struct Kept {
    table: &'static str,
    /// The column that says which are the oldest.
    time: &'static str,
}

const KEPT: [Kept; 2] =
    [Kept { table: "run_row", time: "started" }, Kept { table: "skip_row", time: "first" }];

/// Places in [`KEPT`].
const RUNS: usize = 0;
const SKIPS: usize = 1;

/// What the file has, so that no row has to look it up.
pub(super) struct Known {
    cycles: Names,
    rows: HashMap<i64, Rows>,
    /// By version and digest.
    builds: Names,
    /// Counts rows, as they come.
    newest: u64,
}

/// Of one cycle.
#[derive(Default)]
struct Rows {
    /// In each table of [`KEPT`].
    counts: [u64; 2],
    /// When the newest came, as [`Known::newest`] counts.
    newest: u64,
}

/// Numbers by two names, neither of which has to be copied to find the other.
type Names = HashMap<String, HashMap<String, i64>>;

/// Ends what an earlier life of the peer left running; the number of the last run.
pub(super) fn begin(connection: &Connection) -> rusqlite::Result<u64> {
    let interrupted = Outcome::Interrupted { message: "the peer ended during the run".into() };
    connection.execute(
        "UPDATE run_row SET outcome = ?1, message = ?2 WHERE outcome IS NULL",
        params![interrupted.word(), interrupted.message()],
    )?;
    let last: Option<i64> =
        connection.query_row("SELECT max(id) FROM run_row", [], |row| row.get(0))?;
    Ok(last.unwrap_or(0).unsigned_abs())
}

impl Known {
    /// Forgets the names of what has no rows.
    fn read(connection: &Connection) -> rusqlite::Result<Known> {
        connection.execute_batch(
            "DELETE FROM build WHERE id NOT IN (SELECT build_id FROM run_row);
             DELETE FROM cycle WHERE id NOT IN (SELECT cycle_id FROM run_row)
                AND id NOT IN (SELECT cycle_id FROM skip_row);",
        )?;
        let mut rows = HashMap::<i64, Rows>::new();
        for (nth, Kept { table, .. }) in KEPT.iter().enumerate() {
            let sql = format!("SELECT cycle_id, count(*) FROM {table} GROUP BY cycle_id");
            let mut statement = connection.prepare(&sql)?;
            let mut counts = statement.query([])?;
            while let Some(row) = counts.next()? {
                let count: i64 = row.get(1)?;
                rows.entry(row.get(0)?).or_default().counts[nth] = count.unsigned_abs();
            }
        }
        let cycles = names(connection, "SELECT chore, name, id FROM cycle")?;
        let builds = names(connection, "SELECT version, digest, id FROM build")?;
        let mut known = Known { cycles, rows, builds, newest: 0 };
        let mut order = connection
            .prepare("SELECT cycle_id FROM run_row GROUP BY cycle_id ORDER BY max(id)")?;
        let mut order = order.query([])?;
        while let Some(row) = order.next()? {
            known.touch(row.get(0)?);
        }
        Ok(known)
    }

    /// The number of a cycle, which has one more row now in that table of [`KEPT`].
    fn cycle(
        &mut self,
        connection: &Connection,
        names: [&str; 2],
        table: usize,
    ) -> rusqlite::Result<i64> {
        let sql = "INSERT INTO cycle (chore, name) VALUES (?1, ?2)";
        let id = number(connection, &mut self.cycles, sql, names)?;
        self.count(id, table);
        Ok(id)
    }

    fn count(&mut self, cycle: i64, table: usize) {
        self.touch(cycle).counts[table] += 1;
    }

    fn touch(&mut self, cycle: i64) -> &mut Rows {
        self.newest += 1;
        let rows = self.rows.entry(cycle).or_default();
        rows.newest = self.newest;
        rows
    }
}

/// The number of what has these names; new ones are added to the table.
fn number(
    connection: &Connection,
    known: &mut Names,
    insert: &str,
    [first, second]: [&str; 2],
) -> rusqlite::Result<i64> {
    if let Some(id) = known.get(first).and_then(|all| all.get(second)) {
        return Ok(*id);
    }
    connection.prepare_cached(insert)?.execute([first, second])?;
    let id = connection.last_insert_rowid();
    known.entry(first.to_owned()).or_default().insert(second.to_owned(), id);
    Ok(id)
}

fn names(connection: &Connection, sql: &str) -> rusqlite::Result<Names> {
    let mut names = Names::new();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        names.entry(row.get(0)?).or_default().insert(row.get(1)?, row.get(2)?);
    }
    Ok(names)
}

/// A run that began and ended since the last time is one row, written once. `known` is `None` at
/// first, and after a commit that failed.
pub(super) fn write(
    connection: &Connection,
    news: &[News],
    known: &mut Option<Known>,
    keep: Keep,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let mut new = match known.take() {
        Some(known) => known,
        None => Known::read(connection)?,
    };
    write_runs(connection, news, &mut new)?;
    for news in news {
        match news {
            News::Began(_) | News::Ended(..) => {}
            News::Skipped(skip) => insert_skip(connection, &mut new, skip)?,
            News::Event(event) => insert_event(connection, event)?,
        }
    }
    for nth in 0..KEPT.len() {
        delete_surplus(connection, &mut new, nth, keep.rows)?;
        delete_older(connection, &mut new, nth, now.minus(keep.age))?;
    }
    // More than came, however much that was.
    delete_cycles(connection, &mut new, LEDGER_DELETED_AT_ONCE + 2 * news.len() as u64)?;
    let sql = "DELETE FROM event WHERE id IN (SELECT id FROM event
        WHERE at < ?1 OR id <= (SELECT max(id) FROM event) - ?2 ORDER BY id LIMIT ?3)";
    let oldest = now.minus(keep.age).as_nanos();
    connection.prepare_cached(sql)?.execute(params![
        oldest,
        integer(keep.rows),
        integer(LEDGER_DELETED_AT_ONCE)
    ])?;
    *known = Some(new);
    Ok(())
}

fn write_runs(connection: &Connection, news: &[News], known: &mut Known) -> rusqlite::Result<()> {
    let mut began: HashMap<u64, &Arc<Began>> = HashMap::new();
    let mut inserts =
        Inserts { connection, statement: connection.prepare_cached(INSERT)?, last: None };
    for news in news {
        match news {
            News::Began(run) => drop(began.insert(run.run, run)),
            News::Ended(id, ended) => match began.remove(id) {
                Some(run) => inserts.insert(known, run, Some(ended))?,
                None => update(connection, *id, ended)?,
            },
            News::Skipped(_) | News::Event(_) => {}
        }
    }
    for run in began.into_values() {
        inserts.insert(known, run, None)?;
    }
    Ok(())
}

/// Of each cycle that has too many rows, the oldest: many at a time, but not more than a tenth of
/// what is kept. A row that is deleted with its neighbours costs less.
fn delete_surplus(
    connection: &Connection,
    known: &mut Known,
    nth: usize,
    keep: u64,
) -> rusqlite::Result<()> {
    let spare = (keep / 10).min(LEDGER_DELETED_AT_ONCE);
    for (id, rows) in &mut known.rows {
        let count = &mut rows.counts[nth];
        if *count <= keep + spare {
            continue;
        }
        let surplus = (*count - keep).min(LEDGER_DELETED_AT_ONCE);
        *count = count.saturating_sub(delete_oldest(connection, nth, *id, surplus)?);
    }
    Ok(())
}

/// How many of a cycle's rows went.
fn delete_oldest(
    connection: &Connection,
    nth: usize,
    cycle: i64,
    most: u64,
) -> rusqlite::Result<u64> {
    let Kept { table, time } = KEPT[nth];
    let sql = format!(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table}
         WHERE cycle_id = ?1 ORDER BY {time} LIMIT ?2)"
    );
    let deleted = connection.prepare_cached(&sql)?.execute([cycle, integer(most)])?;
    Ok(deleted as u64)
}

fn delete_older(
    connection: &Connection,
    known: &mut Known,
    nth: usize,
    oldest: Timestamp,
) -> rusqlite::Result<()> {
    let Kept { table, time } = KEPT[nth];
    let sql = format!(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table}
         WHERE {time} < ?1 ORDER BY {time} LIMIT ?2) RETURNING cycle_id"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut deleted = statement.query([oldest.as_nanos(), integer(LEDGER_DELETED_AT_ONCE)])?;
    while let Some(row) = deleted.next()? {
        if let Some(rows) = known.rows.get_mut(&row.get(0)?) {
            rows.counts[nth] = rows.counts[nth].saturating_sub(1);
        }
    }
    Ok(())
}

/// Of a chore that has had more cycles than one may have at once, because it removes some and adds
/// others, those that have had no row for the longest.
fn delete_cycles(connection: &Connection, known: &mut Known, most: u64) -> rusqlite::Result<()> {
    let mut left = most;
    let Known { cycles, rows, .. } = known;
    for cycles in cycles.values_mut().filter(|cycles| cycles.len() > CYCLES_MAX) {
        let newest = |id: i64| rows.get(&id).map_or(0, |rows| rows.newest);
        let mut oldest: Vec<i64> = cycles.values().copied().collect();
        oldest.sort_unstable_by_key(|id| newest(*id));
        oldest.truncate(cycles.len() - CYCLES_MAX);
        let mut gone = BTreeSet::new();
        for id in oldest {
            let of_cycle = rows.entry(id).or_default();
            for (nth, count) in of_cycle.counts.iter_mut().enumerate() {
                let deleted = delete_oldest(connection, nth, id, left)?;
                *count = count.saturating_sub(deleted);
                left = left.saturating_sub(deleted);
            }
            if left == 0 {
                break;
            }
            connection.prepare_cached("DELETE FROM cycle WHERE id = ?1")?.execute([id])?;
            rows.remove(&id);
            gone.insert(id);
        }
        cycles.retain(|_, id| !gone.contains(id));
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

const INSERT: &str = "INSERT INTO run_row (id, cycle_id, build_id, generation, iteration, reason,
        asked_by, due, slot, started, elapsed, outcome, message, cpu, memory_bytes, log, log_lines,
        backtrace, host_calls, host_bytes)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
        ?20)";

/// Runs, one after the other.
struct Inserts<'c> {
    connection: &'c Connection,
    statement: CachedStatement<'c>,
    /// The last one, with the numbers of its cycle and its build: the next has them most often, too.
    last: Option<(Arc<Began>, [i64; 2])>,
}

impl Inserts<'_> {
    fn insert(
        &mut self,
        known: &mut Known,
        run: &Arc<Began>,
        ended: Option<&Arc<Ended>>,
    ) -> rusqlite::Result<()> {
        let [cycle, build] = self.numbers(known, run)?;
        self.statement.execute(params![
            integer(run.run),
            cycle,
            build,
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

    /// Of the cycle, which has one more row now, and of the build.
    fn numbers(&mut self, known: &mut Known, run: &Arc<Began>) -> rusqlite::Result<[i64; 2]> {
        match &self.last {
            Some((last, numbers))
                if Arc::ptr_eq(&last.build, &run.build) && last.cycle == run.cycle =>
            {
                known.count(numbers[0], RUNS);
                return Ok(*numbers);
            }
            _ => {}
        }
        let Build { chore, version, digest } = &*run.build;
        let cycle = known.cycle(self.connection, [chore, &run.cycle], RUNS)?;
        let sql = "INSERT INTO build (version, digest) VALUES (?1, ?2)";
        let build = number(self.connection, &mut known.builds, sql, [version, digest])?;
        self.last = Some((run.clone(), [cycle, build]));
        Ok([cycle, build])
    }
}

fn update(connection: &Connection, id: u64, ended: &Ended) -> rusqlite::Result<()> {
    let sql =
        "UPDATE run_row SET elapsed = ?2, outcome = ?3, message = ?4, cpu = ?5, memory_bytes = ?6,
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

fn insert_skip(
    connection: &Connection,
    known: &mut Known,
    skip: &SkipRecord,
) -> rusqlite::Result<()> {
    let cycle = known.cycle(connection, [&skip.chore, &skip.cycle], SKIPS)?;
    let sql = "INSERT INTO skip_row (cycle_id, first, last, slots, reason)
        VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        cycle,
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
