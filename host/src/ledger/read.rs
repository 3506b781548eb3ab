//! How rows of the ledger become what is shown of them. It changes nothing.

use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::rows::integer;
use crate::clock::Timestamp;
use crate::cycle::SkipReason;
use crate::limits::LEDGER_ENTRIES_AT_ONCE;
use crate::record::{Around, Entry, EventRecord, Query, RunRecord, SkipRecord, Usage};
use crate::status::Outcome;

const RUN: &str =
    "SELECT id, chore, cycle, version, digest, generation, iteration, reason, asked_by,
    due, slot, started, elapsed, outcome, message, cpu, memory_bytes, log, log_lines, backtrace FROM run";
const SKIP: &str = "SELECT chore, cycle, first, last, slots, reason FROM skip";
const EVENT: &str = "SELECT at, asked_by, what, chore, cycle, note FROM event";

/// The newest first.
pub(super) fn entries(connection: &Connection, query: &Query) -> rusqlite::Result<Vec<Entry>> {
    let limit = match query.limit {
        0 => LEDGER_ENTRIES_AT_ONCE,
        limit => limit.min(LEDGER_ENTRIES_AT_ONCE),
    };
    let mut found = Vec::new();
    let mut wanted = Wanted::of(query, "started");
    match query.outcome.as_deref() {
        None => {}
        Some("running") => wanted.and("outcome IS NULL", None),
        Some(outcome) => wanted.and("outcome = ?", Some(outcome.to_owned().into())),
    }
    if !query.events {
        found.extend(wanted.read(connection, RUN, limit, run_of)?.into_iter().map(Entry::Run));
    }
    if !query.runs && query.outcome.is_none() {
        if !query.events {
            let skips = Wanted::of(query, "first").read(connection, SKIP, limit, skip_of)?;
            found.extend(skips.into_iter().map(Entry::Skip));
        }
        let mut wanted = Wanted::of(query, "at");
        if let Some(cycle) = wanted.conditions.iter_mut().find(|wanted| **wanted == "cycle = ?") {
            // What was done to all cycles was done to this one.
            *cycle = "cycle IN ('', ?)";
        }
        let events = wanted.read(connection, EVENT, limit, event_of)?;
        found.extend(events.into_iter().map(Entry::Event));
    }
    // Stable: what began at the same moment stays in the order of its kind.
    found.sort_by_key(|entry| std::cmp::Reverse(entry.at()));
    found.truncate(limit as usize);
    Ok(found)
}

/// The conditions of one table.
struct Wanted {
    time: &'static str,
    conditions: Vec<&'static str>,
    values: Vec<Value>,
}

impl Wanted {
    fn of(query: &Query, time: &'static str) -> Wanted {
        let mut wanted = Wanted { time, conditions: Vec::new(), values: Vec::new() };
        if let Some(chore) = &query.chore {
            wanted.and("chore = ?", Some(chore.clone().into()));
        }
        if let Some(cycle) = &query.cycle {
            wanted.and("cycle = ?", Some(cycle.clone().into()));
        }
        if let Some(before) = query.before {
            let condition = match time {
                "started" => "started < ?",
                "first" => "first < ?",
                _ => "at < ?",
            };
            wanted.and(condition, Some(before.as_nanos().into()));
        }
        wanted
    }

    fn and(&mut self, condition: &'static str, value: Option<Value>) {
        self.conditions.push(condition);
        self.values.extend(value);
    }

    fn read<T>(
        self,
        connection: &Connection,
        select: &str,
        limit: u32,
        row: fn(&Row) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let conditions = match self.conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", self.conditions.join(" AND ")),
        };
        let time = self.time;
        let sql = format!("{select}{conditions} ORDER BY {time} DESC, rowid DESC LIMIT {limit}");
        let mut statement = connection.prepare_cached(&sql)?;
        statement.query_map(params_from_iter(self.values), row)?.collect()
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
    let sql = |select: &str, rest: &str| format!("{select} WHERE chore = ?1 AND {rest} LIMIT 1");
    let runs =
        sql(RUN, "cycle = ?2 AND min(coalesce(slot, due), started) <= ?3 ORDER BY started DESC");
    let next = sql(RUN, "cycle = ?2 AND min(coalesce(slot, due), started) > ?3 ORDER BY started");
    let skips = sql(SKIP, "cycle = ?2 AND first <= ?3 ORDER BY first DESC");
    let events = sql(EVENT, "cycle IN ('', ?2) AND at <= ?3 ORDER BY at DESC");
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
        usage: Usage { cpu: duration(row.get(15)?), memory_bytes: count(row, 16)? },
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
