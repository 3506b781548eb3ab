//! What a database promises: grouping, isolation of jobs, durability, refusals by name.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::limits::GROUP_COMMIT_JOBS_MAX;

const V1: &[&str] = &["CREATE TABLE t (k INTEGER PRIMARY KEY)"];
const V2: &[&str] = &["CREATE TABLE t (k INTEGER PRIMARY KEY)", "ALTER TABLE t ADD COLUMN v TEXT"];

fn home() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("test.db");
    (home, path)
}

fn insert(k: i64) -> impl FnOnce(&Connection) -> rusqlite::Result<usize> + Send + 'static {
    move |connection| connection.execute("INSERT INTO t (k) VALUES (?1)", [k])
}

async fn keys(database: &Database) -> Vec<i64> {
    let query = |connection: &Connection| {
        let mut statement = connection.prepare("SELECT k FROM t ORDER BY k")?;
        statement.query_map([], |row| row.get(0))?.collect()
    };
    database.read(query).await.unwrap()
}

/// Holds the writer up, so that what is written meanwhile waits together.
async fn hold(database: &Database) -> std::sync::mpsc::Sender<()> {
    let (release, held) = std::sync::mpsc::channel();
    let (begun, running) = oneshot::channel();
    let database = database.clone();
    tokio::spawn(async move {
        let job = move |_: &Connection| {
            begun.send(()).unwrap();
            // A dropped sender releases too.
            let _ = held.recv();
            Ok(())
        };
        database.write(job).await.unwrap();
    });
    running.await.unwrap();
    release
}

#[tokio::test]
async fn jobs_that_wait_together_share_a_commit_and_fail_alone() {
    let (_home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    database.write(insert(-1)).await.unwrap();
    let release = hold(&database).await;
    let before = database.commits();
    // The fourth of each five is there already, the fifth panics half way.
    let writes = (0..200).map(|n| {
        let database = &database;
        async move {
            match n % 5 {
                3 => database.write(insert(-1)).await.map(drop),
                4 => {
                    let half = move |connection: &Connection| {
                        insert(n)(connection)?;
                        if n >= 0 {
                            panic!("a job that panics, as this test wants")
                        } else {
                            Ok(())
                        }
                    };
                    database.write(half).await
                }
                _ => database.write(insert(n)).await.map(drop),
            }
        }
    });
    // Unconstrained, because tokio lets nobody send more than some hundred at once otherwise.
    let mut writes = Box::pin(tokio::task::unconstrained(futures::future::join_all(writes)));
    assert!(futures::poll!(&mut writes).is_pending());
    release.send(()).unwrap();
    for (n, answer) in writes.await.into_iter().enumerate() {
        match n % 5 {
            3 => assert!(matches!(answer, Err(Error::Use { .. })), "{n}: {answer:?}"),
            4 => assert!(matches!(answer, Err(Error::Panicked { .. })), "{n}: {answer:?}"),
            _ => assert!(answer.is_ok(), "{n}: {answer:?}"),
        }
    }
    assert_eq!(keys(&database).await, (-1..200).filter(|n| n % 5 < 3).collect::<Vec<_>>());
    // One for the job that held the writer up, one for the two hundred.
    assert_eq!(database.commits() - before, 2);
}

#[tokio::test]
async fn a_group_has_a_limit() {
    let (_home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    let release = hold(&database).await;
    let before = database.commits();
    let count = GROUP_COMMIT_JOBS_MAX as i64 + 1;
    let writes = (0..count).map(|n| database.write(insert(n)));
    // Unconstrained, because tokio lets nobody send more than some hundred at once otherwise.
    let mut writes = Box::pin(tokio::task::unconstrained(futures::future::join_all(writes)));
    assert!(futures::poll!(&mut writes).is_pending());
    release.send(()).unwrap();
    assert!(writes.await.iter().all(Result::is_ok));
    assert_eq!(database.commits() - before, 3);
}

#[tokio::test]
async fn a_failure_that_ends_the_transaction_fails_the_whole_group() {
    let (_home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    let release = hold(&database).await;
    let bad = |connection: &Connection| {
        insert(2)(connection)?;
        connection.execute_batch("ROLLBACK")
    };
    let (first, bad, last) =
        (database.write(insert(1)), database.write(bad), database.write(insert(3)));
    let mut all = Box::pin(async { futures::join!(first, bad, last) });
    assert!(futures::poll!(&mut all).is_pending());
    release.send(()).unwrap();
    let (first, bad, last) = all.await;
    assert!(matches!(first, Err(Error::Commit { .. })), "{first:?}");
    assert!(matches!(bad, Err(Error::Commit { .. })), "{bad:?}");
    assert!(matches!(last, Err(Error::Commit { .. })), "{last:?}");
    assert!(keys(&database).await.is_empty());
    database.write(insert(4)).await.unwrap();
    assert_eq!(keys(&database).await, [4]);
}

#[tokio::test]
async fn readers_and_the_writer_do_not_wait_for_each_other() {
    let (_home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    database.write(insert(1)).await.unwrap();
    // All readers but one sit in a transaction.
    let mut releases = Vec::new();
    let mut reads = Vec::new();
    for _ in 1..DATABASE_READERS_MAX {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (begun, running) = oneshot::channel();
        let database = database.clone();
        let read = move |connection: &Connection| {
            let transaction = connection.unchecked_transaction()?;
            let count = || transaction.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
            let first: i64 = count()?;
            begun.send(()).unwrap();
            let _ = held.recv();
            Ok((first, count()?))
        };
        reads.push(tokio::spawn(async move { database.read(read).await }));
        running.await.unwrap();
        releases.push(release);
    }
    database.write(insert(2)).await.unwrap();
    assert_eq!(keys(&database).await, [1, 2]);
    drop(releases);
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap(), (1, 1));
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_without_a_close() {
    let (_home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    for k in 0..20 {
        database.write(insert(k)).await.unwrap();
    }
    // As a crash would leave it: the files of this very moment, elsewhere.
    let copy = path.with_file_name("copy.db");
    for end in ["", "-wal"] {
        let of = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
        std::fs::copy(of(&path), of(&copy)).unwrap();
    }
    let copy = Database::open(&copy, V1).await.unwrap();
    assert_eq!(keys(&copy).await, (0..20).collect::<Vec<_>>());
    // Dropped without a close, and opened at once.
    drop(database);
    let again = Database::open(&path, V1).await.unwrap();
    assert_eq!(keys(&again).await, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn close_finishes_what_waits_and_then_refuses() {
    let (_home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    let release = hold(&database).await;
    let writes = (0..50).map(|n| database.write(insert(n)));
    // Unconstrained, because tokio lets nobody send more than some hundred at once otherwise.
    let mut writes = Box::pin(tokio::task::unconstrained(futures::future::join_all(writes)));
    assert!(futures::poll!(&mut writes).is_pending());
    let mut close = Box::pin(database.close());
    assert!(futures::poll!(&mut close).is_pending());
    release.send(()).unwrap();
    assert!(writes.await.iter().all(Result::is_ok));
    close.await.unwrap();
    database.close().await.unwrap();
    assert!(!path.with_file_name("test.db-wal").exists());
    let (write, read) = (database.write(insert(99)).await, database.read(|_| Ok(())).await);
    assert!(matches!(write, Err(Error::Closed { .. })), "{write:?}");
    assert!(matches!(read, Err(Error::Closed { .. })), "{read:?}");
    let again = Database::open(&path, V1).await.unwrap();
    assert_eq!(keys(&again).await.len(), 50);
}

#[tokio::test]
async fn a_schema_goes_forward_only() {
    let (_home, path) = home();
    let old = Database::open(&path, V1).await.unwrap();
    old.write(insert(1)).await.unwrap();
    old.close().await.unwrap();

    let early = Database::open_read_only(&path, V2).await.err().unwrap();
    assert!(matches!(early, Error::Older { found: 1, known: 2, .. }), "{early}");
    let new = Database::open(&path, V2).await.unwrap();
    let update = |connection: &Connection| connection.execute("UPDATE t SET v = 'x'", []);
    assert_eq!(new.write(update).await.unwrap(), 1);
    new.close().await.unwrap();

    for refused in
        [Database::open(&path, V1).await.err(), Database::open_read_only(&path, V1).await.err()]
    {
        let message = refused.unwrap().to_string();
        let expected = format!(
            "open database {}: a newer version of this program wrote it \
             (schema 2, this one knows 1): update this program",
            path.display()
        );
        assert_eq!(message, expected);
    }
}

#[tokio::test]
async fn a_step_that_fails_leaves_the_schema_as_it_was() {
    let (_home, path) = home();
    Database::open(&path, V1).await.unwrap().close().await.unwrap();
    const BAD: &[&str] = &[V1[0], "CREATE TABLE u (k); CREATE TABLE t (k)"];
    let err = Database::open(&path, BAD).await.err().unwrap();
    assert!(matches!(err, Error::Migrate { from: 1, .. }), "{err}");
    let database = Database::open(&path, V1).await.unwrap();
    let tables = |connection: &Connection| {
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(database.read(tables).await.unwrap(), 1);
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    let (home, path) = home();
    let garbage = home.path().join("garbage.db");
    std::fs::write(&garbage, "this is no database, it is only text that somebody put here")
        .unwrap();
    let damaged = Database::open(&garbage, V1).await.err().unwrap();
    assert!(matches!(damaged, Error::Damaged { .. }), "{damaged}");
    assert!(damaged.to_string().contains("garbage.db"), "{damaged}");

    let nowhere = home.path().join("no/such/test.db");
    let missing = Database::open(&nowhere, V1).await.err().unwrap();
    assert!(matches!(missing, Error::Create { .. }), "{missing}");
    assert!(missing.to_string().contains("no/such/test.db"), "{missing}");
    let missing = Database::open_read_only(&path, V1).await.err().unwrap();
    assert!(matches!(missing, Error::Open { .. }), "{missing}");
    assert!(!path.exists());
}

#[tokio::test]
async fn damage_that_is_found_later_is_named_too() {
    let (_home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    let fill = |connection: &Connection| {
        connection.execute_batch(
            "WITH RECURSIVE n (k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n WHERE k < 20000)
             INSERT INTO t SELECT k FROM n",
        )
    };
    database.write(fill).await.unwrap();
    database.close().await.unwrap();
    // The header and the schema stay, the rows go.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let database = Database::open(&path, V1).await.unwrap();
    let sum = |connection: &Connection| {
        connection.query_row("SELECT sum(k) FROM t", [], |row| row.get::<_, i64>(0))
    };
    let err = database.read(sum).await.unwrap_err();
    assert!(matches!(err, Error::Damaged { .. }), "{err:?}");
    assert!(err.to_string().contains("test.db"), "{err}");
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_reads_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let (home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    database.write(insert(1)).await.unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
        seen += 1;
    }
    assert_eq!(seen, 3, "the file, its log and its index");
}

#[tokio::test]
async fn who_only_reads_cannot_write() {
    let (_home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    let look = Database::open_read_only(&path, V1).await.unwrap();
    database.write(insert(1)).await.unwrap();
    assert_eq!(keys(&look).await, [1]);
    let write = look.write(insert(2)).await;
    assert!(matches!(write, Err(Error::ReadOnly { .. })), "{write:?}");
    let trick = look.read(insert(3)).await;
    assert!(matches!(trick, Err(Error::Use { .. })), "{trick:?}");
    look.close().await.unwrap();
    assert_eq!(keys(&database).await, [1]);
}

#[tokio::test]
async fn what_the_disk_refuses_is_a_fault_until_it_does_not() {
    let (_home, path) = home();
    let database = Database::open(&path, V1).await.unwrap();
    assert_eq!(database.fault(), None);
    let pages = |pages: u32| {
        move |connection: &Connection| {
            connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        }
    };
    let fill = |connection: &Connection| {
        let many =
            "WITH RECURSIVE n (k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n WHERE k < 20000)
            INSERT INTO t SELECT k FROM n";
        connection.execute_batch(many)
    };
    database.write(pages(3)).await.unwrap();
    database.write(fill).await.unwrap_err();
    let fault = database.fault().unwrap();
    assert!(fault.contains("test.db") && fault.contains("is full"), "{fault}");
    // A mistake of a statement is none, and takes none away.
    database.write(|connection| connection.execute_batch("nonsense")).await.unwrap_err();
    assert_eq!(database.fault(), Some(fault));
    database.write(pages(10_000)).await.unwrap();
    assert_eq!(database.fault(), None);
    database.write(fill).await.unwrap();
}

/// A database with 2,000 rows, some of whose pages are overwritten.
fn damaged(tables: &str, pages: std::ops::Range<usize>) -> (tempfile::TempDir, std::path::PathBuf) {
    let (home, path) = home();
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(tables).unwrap();
    let fill = "WITH RECURSIVE n (k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n WHERE k < 2000)
        INSERT INTO t SELECT k, randomblob(400) FROM n";
    connection.execute_batch(fill).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    connection.close().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[pages.start * 4096..pages.end * 4096].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    (home, path)
}

#[test]
fn what_can_be_read_of_a_damaged_file_is_saved_and_the_file_kept() {
    const ROWS: &str = "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB) STRICT;
        CREATE INDEX by_k ON t (k); CREATE TABLE \"o\"\"dd\" (a)";
    const KEYS: &str = "CREATE TABLE t (k INTEGER PRIMARY KEY, v BLOB) WITHOUT ROWID";
    // Pages that are lost, how many rows are saved at least, and whether there are gaps.
    let table = [
        (ROWS, 0..0, 2_000, false),
        (ROWS, 50..54, 1_950, true),
        (ROWS, 50..60, 1_850, true),
        (KEYS, 0..0, 2_000, false),
        (KEYS, 50..54, 1_900, true),
    ];
    for (tables, pages, least, has_gaps) in table {
        let what = format!("{pages:?} of {tables}");
        let (_home, path) = damaged(tables, pages);
        let bytes = std::fs::read(&path).unwrap();
        let kept = set_aside(&path, crate::clock::Timestamp::EPOCH).unwrap();
        assert_eq!((path.exists(), std::fs::read(&kept).unwrap() == bytes), (false, true));
        let saved = save(&kept, &path).unwrap().unwrap();
        assert!(saved.rows >= least && (saved.gaps > 0) == has_gaps, "{what}: {saved:?}");
        assert_eq!(std::fs::read(&kept).unwrap(), bytes, "{what}: it is read only");
        let connection = Connection::open(&path).unwrap();
        let of = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(of("SELECT count(*) FROM t").unsigned_abs(), saved.rows, "{what}");
        assert_eq!(of("PRAGMA user_version"), 7);
        let whole = "PRAGMA integrity_check";
        let whole = connection.query_row(whole, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(whole, "ok", "{what}");
    }
    // Without the names of its tables, nothing.
    let (_home, path) = damaged(ROWS, 0..1);
    let kept = set_aside(&path, crate::clock::Timestamp::EPOCH).unwrap();
    assert_eq!(save(&kept, &path).unwrap(), None);
    assert!(!path.exists());
}

#[test]
fn no_damaged_file_takes_the_place_of_another() {
    let (_home, path) = home();
    let mut kept = std::collections::BTreeSet::new();
    for nth in 0..3 {
        std::fs::write(&path, format!("{nth}")).unwrap();
        std::fs::write(path.with_extension("db-wal"), format!("log {nth}")).unwrap();
        let to = set_aside(&path, crate::clock::Timestamp::EPOCH).unwrap();
        let log = format!("{}-wal", to.display());
        assert_eq!(std::fs::read_to_string(log).unwrap(), format!("log {nth}"));
        kept.insert(std::fs::read_to_string(to).unwrap());
    }
    assert_eq!(kept.len(), 3);
}
