//! What a chore's database promises: one writer, bounded answers, and no way out.

#![allow(clippy::unwrap_used)]

use futures::{StreamExt, TryStreamExt};
use tempfile::TempDir;

use super::*;

const LEFT: Duration = Duration::from_secs(60);
const ENDLESS: &str =
    "WITH RECURSIVE n (k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n) SELECT max(k) FROM n";

fn home() -> (TempDir, Sql) {
    let home = tempfile::tempdir().unwrap();
    let sql = Sql::new(home.path().join("chore.db"));
    (home, sql)
}

/// With `t (k INTEGER PRIMARY KEY, v)`.
async fn table() -> (TempDir, Sql) {
    let (home, sql) = home();
    sql.execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", vec![], LEFT).await.unwrap();
    (home, sql)
}

async fn keys(sql: &Sql) -> Vec<Value> {
    sql.query("SELECT k FROM t ORDER BY k", vec![], LEFT).await.unwrap().concat()
}

fn numbers(count: i64) -> String {
    format!(
        "WITH RECURSIVE n (k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n WHERE k < {count}) \
         SELECT k FROM n"
    )
}

#[tokio::test]
async fn values_come_back_as_they_were_and_the_file_comes_with_the_first_use() {
    let (home, sql) = home();
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    let row = vec![
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Real(0.5),
        Value::Text("ü\0x".into()),
        Value::Blob(vec![0, 255]),
    ];
    let found = sql.query("SELECT ?, ?, ?, ?, ?", row.clone(), LEFT).await.unwrap();
    assert_eq!(found, [row]);
    assert!(home.path().join("chore.db").exists());
}

#[tokio::test]
async fn execute_counts_the_rows_it_changed() {
    let (_home, sql) = table().await;
    for (statement, changed) in [
        ("INSERT INTO t (k) VALUES (1), (2), (3)", 3),
        ("SELECT * FROM t", 0),
        ("UPDATE t SET v = 1 WHERE k > 1", 2),
        ("CREATE INDEX i ON t (v)", 0),
        ("INSERT INTO t (k) VALUES (4) RETURNING k", 1),
        ("DELETE FROM t WHERE k > 9", 0),
        ("DELETE FROM t", 4),
    ] {
        assert_eq!(sql.execute(statement, vec![], LEFT).await.unwrap(), changed, "{statement}");
    }
    let found = sql.query("INSERT INTO t (k) VALUES (7) RETURNING k", vec![], LEFT).await;
    assert_eq!(found.unwrap(), [[Value::Integer(7)]]);
    assert_eq!(keys(&sql).await, [Value::Integer(7)]);
}

#[tokio::test]
async fn what_cannot_be_done_is_told_by_kind() {
    let (_home, sql) = table().await;
    sql.execute("INSERT INTO t (k) VALUES (1)", vec![], LEFT).await.unwrap();
    let many = "SELECT 1;".repeat(20_000);
    let deep = format!("SELECT {}1{}", "(1+".repeat(5_000), ")".repeat(5_000));
    let long = format!("SELECT '{}'", "x".repeat(300_000));
    for (statement, kind) in [
        ("", Kind::Invalid),
        ("-- nothing", Kind::Invalid),
        ("SELEC 1", Kind::Invalid),
        ("SELECT * FROM nowhere", Kind::Invalid),
        ("SELECT 1; SELECT 2", Kind::Invalid),
        (&many, Kind::Invalid),
        (&deep, Kind::Invalid),
        ("SELECT ?", Kind::Invalid),
        ("SELECT CAST(x'ff' AS TEXT)", Kind::Invalid),
        ("INSERT INTO t (k) VALUES ('text')", Kind::Invalid),
        ("INSERT INTO t (k) VALUES (1)", Kind::Conflict),
        ("SELECT randomblob(2000000)", Kind::TooLarge),
        (&long, Kind::TooLarge),
    ] {
        let err = sql.query(statement, vec![], LEFT).await.unwrap_err();
        let start = &statement[..statement.len().min(60)];
        assert_eq!(err.kind(), kind, "{start}: {err}");
        assert!(!err.to_string().contains("chore.db"), "{err}");
    }
}

#[tokio::test]
async fn there_is_no_way_out() {
    let (home, sql) = table().await;
    let out = home.path().join("out.db");
    let attach = format!("ATTACH '{}' AS out", out.display());
    let vacuum = format!("VACUUM INTO '{}'", out.display());
    for statement in [
        &attach,
        "ATTACH ':memory:' AS m",
        "DETACH main",
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT s",
        "RELEASE s",
        "SELECT load_extension('x')",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA max_page_count = 1000000000",
        "PRAGMA writable_schema = 1",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA database_list",
        "SELECT * FROM pragma_database_list",
        "CREATE TEMP TABLE u (k)",
        "CREATE TEMP VIEW u AS SELECT 1",
    ] {
        refused(&sql, statement, &[Kind::Denied]).await;
    }
    for statement in [&vacuum, "VACUUM", "UPDATE sqlite_schema SET sql = ''"] {
        refused(&sql, statement, &[Kind::Denied, Kind::Invalid]).await;
    }
    assert!(!out.exists());
    for statement in [
        "PRAGMA table_info(t)",
        "PRAGMA TABLE_XINFO(t)",
        "SELECT name FROM pragma_table_info('t')",
        "SELECT name FROM pragma_table_list WHERE name = 't'",
        "PRAGMA foreign_key_check",
    ] {
        sql.query(statement, vec![], LEFT).await.unwrap();
    }
}

/// However it is asked.
async fn refused(sql: &Sql, statement: &str, kinds: &[Kind]) {
    let transaction = sql.begin(LEFT).await.unwrap();
    let within = transaction.execute(statement, vec![], LEFT).await.unwrap_err();
    transaction.rollback(LEFT).await.unwrap();
    for err in [
        within,
        sql.execute(statement, vec![], LEFT).await.unwrap_err(),
        sql.query(statement, vec![], LEFT).await.unwrap_err(),
        sql.stream(statement, vec![], LEFT).await.err().unwrap(),
    ] {
        let stream = matches!(err, Error::StreamWrites);
        assert!(stream || kinds.contains(&err.kind()), "{statement}: {err:?}");
    }
}

#[tokio::test]
async fn answers_are_bounded_and_a_statement_that_answers_too_much_changes_nothing() {
    let (_home, sql) = table().await;
    let most = SQL_ROWS_MAX as i64;
    let found = sql.query(&numbers(most), vec![], LEFT).await.unwrap();
    assert_eq!(found.len(), SQL_ROWS_MAX);
    let wide = format!("SELECT randomblob(1000000) FROM ({})", numbers(9));
    let insert = format!("INSERT INTO t (k) {} RETURNING k", numbers(most + 1));
    let transaction = sql.begin(LEFT).await.unwrap();
    let within = transaction.query(&insert, vec![], LEFT).await.unwrap_err();
    transaction.commit(LEFT).await.unwrap();
    assert_eq!(within.kind(), Kind::TooLarge);
    for statement in [&numbers(most + 1), &wide, &insert] {
        let err = sql.query(statement, vec![], LEFT).await.unwrap_err();
        assert_eq!(err.kind(), Kind::TooLarge, "{err}");
        assert!(err.to_string().ends_with("add a LIMIT or use stream"), "{err}");
    }
    assert_eq!(keys(&sql).await, []);
    let rows: Vec<_> = sql.stream(&wide, vec![], LEFT).await.unwrap().try_collect().await.unwrap();
    assert_eq!(rows.len(), 9);
    let wider = "SELECT randomblob(1000000), randomblob(1000000), randomblob(1000000), \
                 randomblob(1000000), randomblob(1000000)";
    let err = sql.stream(wider, vec![], LEFT).await.err().unwrap();
    assert!(matches!(err, Error::RowTooLarge), "{err}");
}

#[tokio::test]
async fn a_transaction_happens_whole_or_not_at_all() {
    let (_home, sql) = table().await;
    let insert = "INSERT INTO t (k) VALUES (?)";
    let value = |k| vec![Value::Integer(k)];
    let kept = sql.begin(LEFT).await.unwrap();
    kept.execute(insert, value(1), LEFT).await.unwrap();
    assert_eq!(keys(&sql).await, [], "readers neither wait nor see it");
    let seen = kept.query("SELECT k FROM t", vec![], LEFT).await.unwrap();
    assert_eq!(seen, [[Value::Integer(1)]]);
    let again = kept.execute(insert, value(1), LEFT).await.unwrap_err();
    assert_eq!(again.kind(), Kind::Conflict, "{again}");
    for busy in [
        sql.begin(Duration::ZERO).await.err().unwrap(),
        sql.execute(insert, value(9), Duration::ZERO).await.unwrap_err(),
    ] {
        assert!(matches!(busy, Error::Writing), "{busy}");
    }
    let other = kept.clone();
    kept.commit(LEFT).await.unwrap();
    assert_eq!(keys(&sql).await, value(1));
    let ended = other.execute(insert, value(2), LEFT).await.unwrap_err();
    assert!(matches!(ended, Error::Ended), "{ended}");

    let undone = sql.begin(LEFT).await.unwrap();
    undone.execute(insert, value(3), LEFT).await.unwrap();
    undone.rollback(LEFT).await.unwrap();
    let dropped = sql.begin(LEFT).await.unwrap();
    dropped.execute(insert, value(4), LEFT).await.unwrap();
    drop(dropped);
    sql.execute(insert, value(5), LEFT).await.unwrap();
    assert_eq!(keys(&sql).await, [Value::Integer(1), Value::Integer(5)]);
}

#[tokio::test]
async fn a_transaction_that_was_rolled_back_inside_stays_so() {
    let (_home, sql) = table().await;
    let transaction = sql.begin(LEFT).await.unwrap();
    let insert = "INSERT OR ROLLBACK INTO t (k) VALUES (1)";
    transaction.execute(insert, vec![], LEFT).await.unwrap();
    let err = transaction.execute(insert, vec![], LEFT).await.unwrap_err();
    assert_eq!(err.kind(), Kind::Conflict, "{err}");
    let next = transaction.execute(insert, vec![], LEFT).await.unwrap_err();
    assert!(matches!(next, Error::RolledBack), "{next}");
    let commit = transaction.commit(LEFT).await.unwrap_err();
    assert!(matches!(commit, Error::RolledBack), "{commit}");
    assert_eq!(keys(&sql).await, []);
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing() {
    let (_home, sql) = table().await;
    let child = "CREATE TABLE c (k REFERENCES t (k) DEFERRABLE INITIALLY DEFERRED)";
    sql.execute(child, vec![], LEFT).await.unwrap();
    let transaction = sql.begin(LEFT).await.unwrap();
    transaction.execute("INSERT INTO t (k) VALUES (1)", vec![], LEFT).await.unwrap();
    transaction.execute("INSERT INTO c (k) VALUES (2)", vec![], LEFT).await.unwrap();
    let err = transaction.commit(LEFT).await.unwrap_err();
    assert_eq!(err.kind(), Kind::Conflict, "{err}");
    assert_eq!(keys(&sql).await, []);
    sql.execute("INSERT INTO t (k) VALUES (3)", vec![], LEFT).await.unwrap();
}

#[tokio::test]
async fn a_statement_ends_with_its_time_or_with_who_waits_for_it() {
    let (_home, sql) = table().await;
    let short = Duration::from_millis(50);
    let write = format!("INSERT INTO t (k) {ENDLESS}");
    for err in [
        sql.query(ENDLESS, vec![], short).await.unwrap_err(),
        sql.execute(&write, vec![], short).await.unwrap_err(),
        sql.stream(ENDLESS, vec![], short).await.err().unwrap(),
    ] {
        assert!(matches!(err, Error::TimedOut), "{err}");
    }
    // Every writer and reader would be busy for an hour if these went on.
    let hour = Duration::from_secs(3600);
    for _ in 0..2 * DATABASE_READERS_MAX {
        let _ = tokio::time::timeout(short, sql.query(ENDLESS, vec![], hour)).await;
        let _ = tokio::time::timeout(short, sql.execute(&write, vec![], hour)).await;
        let _ = tokio::time::timeout(short, sql.stream(ENDLESS, vec![], hour)).await;
    }
    sql.execute("INSERT INTO t (k) VALUES (1)", vec![], LEFT).await.unwrap();
    assert_eq!(keys(&sql).await, [Value::Integer(1)]);
}

#[tokio::test]
async fn a_stream_is_read_at_its_readers_pace_and_ends_when_dropped() {
    let (_home, sql) = table().await;
    let endless = numbers(i64::MAX);
    let mut streams = Vec::new();
    for _ in 0..SQL_STREAMS_MAX {
        let mut stream = Box::pin(sql.stream(&endless, vec![], LEFT).await.unwrap());
        let first = stream.next().await.unwrap().unwrap();
        assert_eq!(first, [Value::Integer(1)]);
        streams.push(stream);
    }
    let busy = sql.stream(&endless, vec![], Duration::ZERO).await.err().unwrap();
    assert!(matches!(busy, Error::Reading), "{busy}");
    assert_eq!(keys(&sql).await, [], "a reader is left for queries");
    drop(streams);
    let rows = sql.stream(&numbers(1000), vec![], LEFT).await.unwrap();
    let rows: Vec<_> = rows.try_collect().await.unwrap();
    assert_eq!(rows.concat(), (1..=1000).map(Value::Integer).collect::<Vec<_>>());
    sql.close().await.unwrap();
}

#[tokio::test]
async fn close_waits_for_what_is_under_way_and_then_refuses() {
    let (home, sql) = table().await;
    let transaction = sql.begin(LEFT).await.unwrap();
    transaction.execute("INSERT INTO t (k) VALUES (1)", vec![], LEFT).await.unwrap();
    let mut close = Box::pin(sql.close());
    assert!(futures::poll!(&mut close).is_pending());
    transaction.commit(LEFT).await.unwrap();
    close.await.unwrap();
    assert!(!home.path().join("chore.db-wal").exists());
    for err in [
        sql.query("SELECT 1", vec![], LEFT).await.unwrap_err(),
        sql.execute("DELETE FROM t", vec![], LEFT).await.unwrap_err(),
        sql.begin(LEFT).await.err().unwrap(),
    ] {
        assert!(matches!(err, Error::Closed), "{err}");
    }
    sql.close().await.unwrap();
    let again = Sql::new(home.path().join("chore.db"));
    assert_eq!(keys(&again).await, [Value::Integer(1)]);
}

#[tokio::test]
async fn the_file_grows_to_its_limit_which_holds_at_once_when_it_is_another() {
    let (home, sql) = table().await;
    let insert = "INSERT INTO t (v) VALUES (zeroblob(300000))";
    sql.set_bytes_max(1 << 20);
    let fill = async |sql: &Sql| {
        for rows in 0.. {
            if let Err(err) = sql.execute(insert, vec![], LEFT).await {
                return (rows, err);
            }
        }
        unreachable!()
    };
    let (rows, err) = fill(&sql).await;
    assert_eq!((rows, err.kind()), (3, Kind::TooLarge));
    let message =
        "run statement: the database is full, with at most 1MiB: delete what is not needed";
    assert_eq!(err.to_string(), message);
    let transaction = sql.begin(LEFT).await.unwrap();
    let err = transaction.execute(insert, vec![], LEFT).await.unwrap_err();
    assert_eq!(err.to_string(), message, "in a transaction");
    drop(transaction);
    sql.set_bytes_max(2 << 20);
    assert_eq!(fill(&sql).await.0, 3);
    // Less than it has: it can be read, and made smaller.
    sql.set_bytes_max(1 << 20);
    assert_eq!((keys(&sql).await.len(), fill(&sql).await.0), (6, 0));
    sql.execute("DELETE FROM t", vec![], LEFT).await.unwrap();
    assert!(fill(&sql).await.0 >= 3);
    sql.close().await.unwrap();
    assert!(std::fs::metadata(home.path().join("chore.db")).unwrap().len() <= 2 << 20);
}

#[tokio::test]
async fn a_failure_of_the_host_names_no_path() {
    let sql = Sql::new("/no/such/directory/chore.db".into());
    let err = sql.query("SELECT 1", vec![], LEFT).await.unwrap_err();
    assert_eq!(err.kind(), Kind::Internal);
    assert_eq!(err.to_string(), "the host's database failed; its log says more");
}
