//! Tests of the ledger on real files.

#![allow(clippy::unwrap_used)]

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::cycle::SkipReason;
use crate::limits::CYCLES_MAX;
use crate::record::{Cursor, Entry};

const KEEP: Keep = Keep { age: Duration::from_secs(3600), rows: 1_000 };

struct Home(TempDir);

const USED: Usage = Usage {
    cpu: Duration::from_micros(34),
    memory_bytes: 1 << 20,
    host_calls: 7,
    host_bytes: 1234,
};

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    async fn open(&self, keep: Keep) -> Ledger {
        Ledger::open(&self.0.path().join("ledger.db"), keep).await.unwrap()
    }
}

/// Tells the ledger of a run that begins now.
fn begin(ledger: &Ledger, chore: &str, cycle: &str, started: Timestamp) -> u64 {
    let run = ledger.next_run();
    let (chore, version, digest) = (chore.into(), "1.0.0".into(), "ab".repeat(32));
    ledger.began(Arc::new(Began {
        run,
        build: Arc::new(Build { chore, version, digest }),
        generation: 3,
        cycle: cycle.into(),
        iteration: run + 10,
        reason: "trigger",
        by: "alice".into(),
        due: started.minus(Duration::from_millis(5)),
        slot: Some(started.minus(Duration::from_millis(7))),
        started,
    }));
    run
}

fn end(ledger: &Ledger, run: u64, outcome: Outcome) {
    ledger.ended(
        run,
        Arc::new(Ended {
            elapsed: Duration::from_millis(12),
            outcome,
            usage: USED,
            log: vec!["INFO one".into(), "WARN two".into()],
            log_lines: 9,
            backtrace: vec!["a::b".into(), "c".into()],
        }),
    );
}

fn ago(seconds: u64) -> Timestamp {
    Timestamp::now().minus(Duration::from_secs(seconds))
}

async fn runs(ledger: &Ledger, query: Query) -> Vec<u64> {
    let entries = ledger.entries(query).await.unwrap();
    let run = |entry: Entry| match entry {
        Entry::Run(run) => Some(run.run),
        _ => None,
    };
    entries.entries.into_iter().filter_map(run).collect()
}

#[tokio::test]
async fn a_run_is_one_row_with_all_that_is_known_of_it() {
    let home = Home::new();
    let ledger = home.open(KEEP).await;
    let outcome = Outcome::Failed { message: "no luck".into() };
    // Both ends in one commit, and in two.
    for flush_between in [false, true] {
        let started = ago(10);
        let run = begin(&ledger, "a", "main", started);
        if flush_between {
            let found = ledger.run(run).await.unwrap().unwrap();
            assert_eq!((found.outcome, found.elapsed), (None, None));
        }
        end(&ledger, run, outcome.clone());
        let found = ledger.run(run).await.unwrap().unwrap();
        assert_eq!(found.outcome, Some(outcome.clone()));
        assert_eq!(found.elapsed, Some(Duration::from_millis(12)));
        assert_eq!(found.usage, USED);
        assert_eq!(found.log, ["INFO one", "WARN two"]);
        assert_eq!(found.backtrace, ["a::b", "c"]);
        assert_eq!((found.log_lines, found.generation, found.iteration), (9, 3, run + 10));
        assert_eq!((found.by.as_str(), found.started), ("alice", started));
        assert_eq!(found.slot, Some(started.minus(Duration::from_millis(7))));
    }
    assert_eq!(ledger.run(99).await.unwrap(), None);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_run_that_its_peer_did_not_survive_is_interrupted() {
    let home = Home::new();
    let ledger = home.open(KEEP).await;
    let run = begin(&ledger, "a", "main", ago(10));
    ledger.written().await;
    // No close: the process ended.
    drop(ledger);
    let ledger = home.open(KEEP).await;
    let found = ledger.run(run).await.unwrap().unwrap();
    let message = "the peer ended during the run".to_owned();
    assert_eq!(found.outcome, Some(Outcome::Interrupted { message }));
    assert_eq!(begin(&ledger, "a", "main", ago(1)), run + 1, "numbers go on");
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn what_was_told_before_the_close_is_written() {
    let home = Home::new();
    let ledger = home.open(KEEP).await;
    let run = begin(&ledger, "a", "main", ago(10));
    end(&ledger, run, Outcome::Succeeded);
    ledger.close().await.unwrap();
    let ledger = home.open(KEEP).await;
    assert_eq!(ledger.run(run).await.unwrap().unwrap().outcome, Some(Outcome::Succeeded));
}

#[tokio::test]
async fn entries_are_found_by_what_is_asked_newest_first() {
    let home = Home::new();
    let ledger = home.open(KEEP).await;
    for (chore, cycle, seconds, outcome) in [
        ("a", "main", 50, Some(Outcome::Succeeded)),
        ("a", "other", 40, Some(Outcome::Failed { message: "x".into() })),
        ("b", "main", 30, Some(Outcome::Succeeded)),
        ("a", "main", 20, None),
    ] {
        let run = begin(&ledger, chore, cycle, ago(seconds));
        if let Some(outcome) = outcome {
            end(&ledger, run, outcome);
        }
    }
    let (first, last, slots, reason) = (ago(35), ago(33), 2, SkipReason::Paused);
    ledger.skipped("a", "main", Skipped { first, last, slots, reason });
    for (cycle, seconds) in [("", 45), ("main", 44), ("other", 43)] {
        ledger.event(EventRecord {
            at: ago(seconds),
            by: "alice".into(),
            what: "pause".into(),
            chore: "a".into(),
            cycle: cycle.into(),
            note: "why".into(),
        });
    }
    let query = |chore: &str, cycle: &str| Query {
        chore: Some(chore.to_owned()).filter(|text| !text.is_empty()),
        cycle: Some(cycle.to_owned()).filter(|text| !text.is_empty()),
        ..Query::default()
    };
    let outcome = |outcome: &str| Query { outcome: Some(outcome.into()), ..Query::default() };
    for (query, wanted) in [
        (query("", ""), &[4, 3, 2, 1][..]),
        (query("a", ""), &[4, 2, 1]),
        (query("a", "main"), &[4, 1]),
        (query("c", ""), &[]),
        (outcome("failed"), &[2]),
        (outcome("running"), &[4]),
        (Query { before: Some(ago(35).into()), ..Query::default() }, &[2, 1]),
        (Query { runs: true, limit: 2, ..Query::default() }, &[4, 3]),
    ] {
        assert_eq!(runs(&ledger, query.clone()).await, wanted, "{query:?}");
    }
    let kinds = |entries: Vec<Entry>| -> String {
        let kind = |entry: &Entry| match entry {
            Entry::Run(_) => 'r',
            Entry::Skip(_) => 's',
            Entry::Event(_) => 'e',
        };
        entries.iter().map(kind).collect()
    };
    let all = ledger.entries(query("a", "main")).await.unwrap().entries;
    assert!(all.is_sorted_by_key(|entry| std::cmp::Reverse(entry.at())));
    assert_eq!(kinds(all), "rseer", "what was done to all cycles was done to this one");
    let events = Query { events: true, ..query("a", "main") };
    assert_eq!(kinds(ledger.entries(events).await.unwrap().entries), "ee");
}

#[tokio::test]
async fn pages_lose_nothing_and_repeat_nothing_though_times_are_the_same() {
    let home = Home::new();
    let ledger = home.open(KEEP).await;
    let times = [ago(30), ago(20), ago(10)];
    for at in times {
        for i in 0..5_u64 {
            begin(&ledger, "a", "main", at);
            let reason = SkipReason::Paused;
            ledger.skipped("a", "main", Skipped { first: at, last: at, slots: i, reason });
            let (what, chore) = (i.to_string(), "a".to_owned());
            ledger.event(EventRecord { at, what, chore, ..EventRecord::default() });
        }
    }
    let all = ledger.entries(Query::default()).await.unwrap();
    assert_eq!((all.entries.len(), all.before), (45, None));
    for limit in [1, 2, 3, 7, 15, 44, 45, 46] {
        let (mut paged, mut before) = (Vec::new(), None);
        loop {
            let query = Query { limit, before, ..Query::default() };
            let page = ledger.entries(query).await.unwrap();
            assert!(page.entries.len() <= limit as usize && !page.entries.is_empty());
            paged.extend(page.entries);
            let Some(next) = page.before else { break };
            // As it goes through a URL.
            let text = String::from(next);
            before = Some(Cursor::try_from(text.clone()).unwrap());
            assert_eq!(before, Some(next), "{text}");
            // What comes meanwhile is newer, and not of an older page.
            begin(&ledger, "a", "main", Timestamp::now());
        }
        let seen = |entry: &Entry| times.contains(&entry.at());
        paged.retain(seen);
        assert_eq!(paged, all.entries, "in pages of {limit}");
    }
    let of_time = Query { before: Some(times[1].into()), ..Query::default() };
    let older = ledger.entries(of_time).await.unwrap().entries;
    assert!(older.len() == 15 && older.iter().all(|entry| entry.at() == times[0]));
    for wrong in ["", "now", "2026-11-25T10:30:07Z.9.1", "2026-11-25T10:30:07Z1.1", "Z.1.1"] {
        assert!(Cursor::try_from(wrong.to_owned()).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_moment_is_told_by_what_was_before_and_after() {
    let home = Home::new();
    let ledger = home.open(KEEP).await;
    for seconds in [100, 50] {
        let run = begin(&ledger, "a", "main", ago(seconds));
        end(&ledger, run, Outcome::Succeeded);
    }
    let (first, last, slots, reason) = (ago(80), ago(60), 3, SkipReason::Running);
    ledger.skipped("a", "main", Skipped { first, last, slots, reason });
    for (seconds, run, skip, next) in [
        (200, None, None, Some(1)),
        (99, Some(1), None, Some(2)),
        (70, Some(1), Some(3), Some(2)),
        (10, Some(2), Some(3), None),
    ] {
        let around = ledger.around("a", "main", ago(seconds)).await.unwrap();
        let number = |run: Option<RunRecord>| run.map(|run| run.run);
        let found = (number(around.run), around.skip.map(|skip| skip.slots), number(around.next));
        assert_eq!(found, (run, skip, next), "{seconds} s ago");
    }
}

#[tokio::test]
async fn no_more_is_kept_than_is_asked_for() {
    let home = Home::new();
    let keep = Keep { age: Duration::from_secs(3600), rows: 5 };
    let ledger = home.open(keep).await;
    for chore in ["a", "b"] {
        for i in 0..9 {
            let run = begin(&ledger, chore, "main", ago(100 - i));
            end(&ledger, run, Outcome::Succeeded);
            let (first, reason) = (ago(100 - i), SkipReason::Late);
            ledger.skipped(chore, "main", Skipped { first, last: first, slots: 1, reason });
        }
    }
    let run = begin(&ledger, "old", "main", ago(2 * 3600));
    end(&ledger, run, Outcome::Succeeded);
    ledger.written().await;
    assert_eq!(runs(&ledger, Query::default()).await, [18, 9, 17, 8, 16, 7, 15, 6, 14, 5]);
    assert_eq!(ledger.entries(Query::default()).await.unwrap().entries.len(), 20);
    // The counts outlive the process.
    ledger.close().await.unwrap();
    let ledger = home.open(keep).await;
    let run = begin(&ledger, "a", "main", ago(1));
    end(&ledger, run, Outcome::Succeeded);
    let query = Query { chore: Some("a".into()), runs: true, ..Query::default() };
    assert_eq!(runs(&ledger, query).await, [run, 9, 8, 7, 6]);
}

#[tokio::test]
async fn many_rows_go_at_once_and_never_more_than_a_tenth_too_many_stay() {
    let home = Home::new();
    let ledger = home.open(Keep { rows: 100, ..KEEP }).await;
    let mut most = 0;
    for i in 1..=250 {
        let run = begin(&ledger, "a", "main", ago(1_000 - i));
        end(&ledger, run, Outcome::Succeeded);
        let kept = runs(&ledger, Query { runs: true, ..Query::default() }).await;
        most = most.max(kept.len());
        assert_eq!((kept.first(), kept.len() as u64 >= i.min(100)), (Some(&run), true));
    }
    assert_eq!(most, 110);
}

#[tokio::test]
async fn a_chore_that_changes_the_names_of_its_cycles_for_ever_fills_no_disk() {
    let home = Home::new();
    let ledger = home.open(KEEP).await;
    let rows = || {
        let connection = Connection::open(home.0.path().join("ledger.db")).unwrap();
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        ["run_row", "skip_row", "cycle"].map(count)
    };
    for life in 0..2 {
        let mut last = 0;
        for name in 0..CYCLES_MAX + 50 {
            let cycle = format!("{life}-{name}");
            last = begin(&ledger, "a", &cycle, ago(10));
            end(&ledger, last, Outcome::Succeeded);
            let (first, reason) = (ago(9), SkipReason::Late);
            ledger.skipped("a", &cycle, Skipped { first, last: first, slots: 1, reason });
        }
        ledger.written().await;
        assert_eq!(rows(), [CYCLES_MAX as i64; 3], "life {life}");
        let newest = runs(&ledger, Query { limit: 1, runs: true, ..Query::default() }).await;
        assert_eq!(newest, [last]);
    }
}

#[tokio::test]
async fn rows_of_the_first_schema_are_kept() {
    let home = Home::new();
    let path = home.0.path().join("ledger.db");
    let old = Database::open(&path, &rows::MIGRATIONS[..1]).await.unwrap();
    let started = ago(10).as_nanos();
    let fill = move |connection: &Connection| {
        for (id, cycle, digest) in [(3, "main", "ab"), (4, "other", "ab"), (5, "main", "cd")] {
            connection.execute(
                "INSERT INTO run VALUES (?1, 'a', ?2, '1.0.0', ?3, 1, ?1, 'start', '', ?4, NULL,
                    ?4, 7, 'succeeded', '', 8, 9, 'INFO x', 1, '', 2, 3)",
                (id, cycle, digest, started + id),
            )?;
        }
        connection
            .execute("INSERT INTO skip VALUES (1, 'a', 'rare', ?1, ?1, 2, 'late')", [started])?;
        Ok(())
    };
    old.write(fill).await.unwrap();
    old.close().await.unwrap();
    let ledger = home.open(KEEP).await;
    let of_cycle = |cycle: &str| Query {
        chore: Some("a".into()),
        cycle: Some(cycle.into()),
        ..Query::default()
    };
    assert_eq!(runs(&ledger, Query::default()).await, [5, 4, 3]);
    assert_eq!(runs(&ledger, of_cycle("main")).await, [5, 3]);
    let found = ledger.run(5).await.unwrap().unwrap();
    assert_eq!((found.cycle.as_str(), found.digest.as_str()), ("main", "cd"));
    assert_eq!((found.log, found.usage.host_bytes), (vec!["INFO x".to_owned()], 3));
    let rare = ledger.entries(of_cycle("rare")).await.unwrap().entries;
    assert!(matches!(&rare[..], [Entry::Skip(skip)] if skip.slots == 2), "{rare:?}");
    // New ones are of the same cycles.
    assert_eq!(begin(&ledger, "a", "main", ago(1)), 6);
    assert_eq!(runs(&ledger, of_cycle("main")).await, [6, 5, 3]);
}

#[tokio::test]
async fn what_could_not_be_written_leaves_the_next_rows_whole() {
    let home = Home::new();
    let ledger = home.open(KEEP).await;
    let path = home.0.path().join("ledger.db");
    let other = Connection::open(&path).unwrap();
    let trigger = |sql: &str| other.execute_batch(sql).unwrap();
    trigger("CREATE TRIGGER no BEFORE INSERT ON run_row BEGIN SELECT raise(ROLLBACK, 'no'); END");
    begin(&ledger, "a", "main", ago(20));
    ledger.written().await;
    assert_eq!(ledger.counts().lost, 1);
    trigger("DROP TRIGGER no");
    // Its cycle was undone with it.
    let run = begin(&ledger, "a", "main", ago(10));
    assert_eq!(runs(&ledger, Query::default()).await, [run]);
    assert_eq!(ledger.run(run).await.unwrap().unwrap().cycle, "main");
}

#[tokio::test]
async fn one_that_is_off_writes_nothing() {
    let ledger = Ledger::off();
    let run = begin(&ledger, "a", "main", ago(1));
    end(&ledger, run, Outcome::Succeeded);
    ledger.written().await;
    assert_eq!(ledger.entries(Query::default()).await.unwrap(), Page::default());
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_damaged_one_is_set_aside_and_named() {
    let home = Home::new();
    let path = home.0.path().join("ledger.db");
    std::fs::write(&path, "no ledger at all, but some text that somebody put here").unwrap();
    let ledger = home.open(KEEP).await;
    let fault = ledger.fault().unwrap();
    let kept = fault.split("keeps the old one as ").nth(1).unwrap();
    assert!(std::fs::read_to_string(kept).unwrap().starts_with("no ledger"), "{fault}");
    let run = begin(&ledger, "a", "main", ago(1));
    end(&ledger, run, Outcome::Succeeded);
    assert_eq!(runs(&ledger, Query::default()).await, [run]);
    ledger.close().await.unwrap();
    assert_eq!(home.open(KEEP).await.fault(), None, "the next one is whole");
}
