//! How rows of the ledger become what is shown of them. It changes nothing.

use std::cmp::{Ordering, Reverse};
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::rows::integer;
use crate::clock::Timestamp;
use crate::cycle::SkipReason;
use crate::limits::LEDGER_ENTRIES_AT_ONCE;
use crate::record::{
    Around, Cursor, Entry, EventRecord, Page, Query, RunRecord, SkipRecord, Usage,
};
use crate::status::Outcome;

const RUN: &str =
    "SELECT id, chore, cycle, version, digest, generation, iteration, reason, asked_by,
    due, slot, started, elapsed, outcome, message, cpu, memory_bytes, log, log_lines,
    backtrace, host_calls, host_bytes FROM run";
const SKIP: &str = "SELECT chore, cycle, first, last, slots, reason, id FROM skip";
const EVENT: &str = "SELECT at, asked_by, what, chore, cycle, note, id FROM event";

/// One of the tables whose rows are entries, in the order of [`Cursor::kind`].
struct Table {
    kind: u8,
    select: &'static str,
    /// The column that it is ordered by.
    time: &'static str,
    /// What belongs to a cycle.
    of_cycle: &'static str,
    entry: fn(&Row) -> rusqlite::Result<(i64, Entry)>,
}

const RUNS: Table = Table {
    kind: 0,
    select: RUN,
    time: "started",
    of_cycle: "name = ?",
    entry: |row| Ok((row.get(0)?, Entry::Run(run_of(row)?))),
};
const SKIPS: Table = Table {
    kind: 1,
    select: SKIP,
    time: "first",
    of_cycle: "name = ?",
    entry: |row| Ok((row.get(6)?, Entry::Skip(skip_of(row)?))),
};
const EVENTS: Table = Table {
    kind: 2,
    select: EVENT,
    time: "at",
    // What was done to all cycles was done to this one.
    of_cycle: "cycle IN ('', ?)",
    entry: |row| Ok((row.get(6)?, Entry::Event(event_of(row)?))),
};

/// The newest first.
pub(super) fn entries(connection: &Connection, query: &Query) -> rusqlite::Result<Page> {
    let limit = match query.limit {
        0 => LEDGER_ENTRIES_AT_ONCE,
        limit => limit.min(LEDGER_ENTRIES_AT_ONCE),
    };
    let only_runs = query.runs || query.outcome.is_some();
    let tables: &[Table] = match (query.events, only_runs) {
        (true, _) => &[EVENTS],
        (false, true) => &[RUNS],
        (false, false) => &[RUNS, SKIPS, EVENTS],
    };
    let mut found = Vec::new();
    for table in tables {
        // One more, to see whether there are more.
        found.extend(Wanted::of(query, table).read(connection, table, limit + 1)?);
    }
    found.sort_by_key(|(place, _)| (Reverse(place.at), place.kind, Reverse(place.row)));
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let before = found.last().map(|(place, _)| *place).filter(|_| more);
    Ok(Page { entries: found.into_iter().map(|(_, entry)| entry).collect(), before })
}

/// The conditions on one table.
struct Wanted {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Wanted {
    fn of(query: &Query, table: &Table) -> Wanted {
        let mut wanted = Wanted { conditions: Vec::new(), values: Vec::new() };
        let chore = query.chore.clone().map(|chore| ("chore = ?", chore));
        let cycle = query.cycle.clone().map(|cycle| (table.of_cycle, cycle));
        let names: Vec<_> = chore.into_iter().chain(cycle).collect();
        if table.kind != EVENTS.kind && !names.is_empty() {
            // By number, which is what the index is for; one, if it can be no more.
            let conditions: Vec<&str> = names.iter().map(|(condition, _)| *condition).collect();
            let is = if names.len() == 2 { "=" } else { "IN" };
            let ids = format!("SELECT id FROM cycle WHERE {}", conditions.join(" AND "));
            wanted.conditions.push(format!("cycle_id {is} ({ids})"));
            wanted.values.extend(names.into_iter().map(|(_, name)| name.into()));
        } else {
            for (condition, name) in names {
                wanted.and(condition, [name.into()]);
            }
        }
        match query.outcome.as_deref() {
            None => {}
            Some("running") => wanted.and("outcome IS NULL", []),
            Some(outcome) => wanted.and("outcome = ?", [outcome.to_owned().into()]),
        }
        if let Some(before) = query.before {
            wanted.before(before, table);
        }
        wanted
    }

    /// Whatever comes after the cursor in the order of all entries.
    fn before(&mut self, Cursor { at, kind, row }: Cursor, table: &Table) {
        let (time, at) = (table.time, at.as_nanos());
        match table.kind.cmp(&kind) {
            Ordering::Less => self.and(&format!("{time} < ?"), [at.into()]),
            Ordering::Greater => self.and(&format!("{time} <= ?"), [at.into()]),
            // The first half is what the index is for.
            Ordering::Equal => {
                let condition = format!("{time} <= ? AND ({time} < ? OR id < ?)");
                self.and(&condition, [at.into(), at.into(), row.into()]);
            }
        }
    }

    fn and<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.conditions.push(condition.to_owned());
        self.values.extend(values);
    }

    fn read(
        self,
        connection: &Connection,
        table: &Table,
        limit: u32,
    ) -> rusqlite::Result<Vec<(Cursor, Entry)>> {
        let conditions = match self.conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.conditions.join(" AND ")),
        };
        let Table { kind, select, time, entry, .. } = table;
        let sql = format!("{select}{conditions} ORDER BY {time} DESC, id DESC LIMIT {limit}");
        let mut statement = connection.prepare_cached(&sql)?;
        let placed = |row: &Row| {
            let (row, entry) = entry(row)?;
            Ok((Cursor { at: entry.at(), kind: *kind, row }, entry))
        };
        statement.query_map(params_from_iter(self.values), placed)?.collect()
    }
}

pub(super) fn run(connection: &Connection, run: u64) -> rusqlite::Result<Option<RunRecord>> {
    let sql = format!("{RUN} WHERE id = ?1");
    connection.prepare_cached(&sql)?.query_row([integer(run)], run_of).optional()
}

pub(super) fn around(
    connection: &Connection,
    chore: &str,
    cycle: &str,
    at: Timestamp,
) -> rusqlite::Result<Around> {
    let of = params![chore, cycle, at.as_nanos()];
    let sql = |select: &str, rest: &str| format!("{select} WHERE {rest} LIMIT 1");
    let of_cycle = |select: &str, rest: &str| {
        let ids = "SELECT id FROM cycle WHERE chore = ?1 AND name = ?2";
        sql(select, &format!("cycle_id = ({ids}) AND {rest}"))
    };
    let begun = "min(coalesce(slot, due), started)";
    let runs = of_cycle(RUN, &format!("{begun} <= ?3 ORDER BY started DESC"));
    let next = of_cycle(RUN, &format!("{begun} > ?3 ORDER BY started"));
    let skips = of_cycle(SKIP, "first <= ?3 ORDER BY first DESC");
    let events = sql(EVENT, "chore = ?1 AND cycle IN ('', ?2) AND at <= ?3 ORDER BY at DESC");
    let one = |sql: &str| connection.prepare_cached(sql)?.query_row(of, run_of).optional();
    Ok(Around {
        run: one(&runs)?,
        next: one(&next)?,
        skip: connection.prepare_cached(&skips)?.query_row(of, skip_of).optional()?,
        event: connection.prepare_cached(&events)?.query_row(of, event_of).optional()?,
    })
}

fn run_of(row: &Row) -> rusqlite::Result<RunRecord> {
    let duration = |nanos: i64| Duration::from_nanos(nanos.max(0).unsigned_abs());
    let elapsed: Option<i64> = row.get(12)?;
    let outcome: Option<String> = row.get(13)?;
    let message: String = row.get(14)?;
    // A later version of this program may know more.
    let other = |word: &str| Outcome::HostFailed { message: format!("unknown outcome {word}") };
    let (log, backtrace): (String, String) = (row.get(17)?, row.get(19)?);
    let lines = |text: &str| text.lines().map(str::to_owned).collect();
    Ok(RunRecord {
        run: count(row, 0)?,
        chore: row.get(1)?,
        cycle: row.get(2)?,
        version: row.get(3)?,
        digest: row.get(4)?,
        generation: count(row, 5)?,
        iteration: count(row, 6)?,
        reason: row.get(7)?,
        by: row.get(8)?,
        due: time(row, 9)?,
        slot: row.get::<_, Option<i64>>(10)?.map(Timestamp::from_nanos),
        started: time(row, 11)?,
        elapsed: elapsed.map(duration),
        outcome: outcome
            .map(|word| Outcome::from_word(&word, message).unwrap_or_else(|| other(&word))),
        usage: Usage {
            cpu: duration(row.get(15)?),
            memory_bytes: count(row, 16)?,
            host_calls: count(row, 20)?,
            host_bytes: count(row, 21)?,
        },
        log: lines(&log),
        log_lines: count(row, 18)?,
        backtrace: lines(&backtrace),
    })
}

fn skip_of(row: &Row) -> rusqlite::Result<SkipRecord> {
    let reason: String = row.get(5)?;
    let reason = SkipReason::ALL.into_iter().find(|known| known.word() == reason);
    Ok(SkipRecord {
        chore: row.get(0)?,
        cycle: row.get(1)?,
        first: time(row, 2)?,
        last: time(row, 3)?,
        slots: count(row, 4)?,
        reason: reason.unwrap_or(SkipReason::Late),
    })
}

fn event_of(row: &Row) -> rusqlite::Result<EventRecord> {
    Ok(EventRecord {
        at: time(row, 0)?,
        by: row.get(1)?,
        what: row.get(2)?,
        chore: row.get(3)?,
        cycle: row.get(4)?,
        note: row.get(5)?,
    })
}

fn time(row: &Row, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_nanos)
}

fn count(row: &Row, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(|count: i64| count.max(0).unsigned_abs())
}
