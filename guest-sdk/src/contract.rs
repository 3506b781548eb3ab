//! What a chore can rely on of its peer, as a chore that finds out. It must have the same
//! outcomes in a [`World`](crate::testing) of fakes and in a peer, or the fakes are wrong. It is no
//! part of the interface.
//!
//! Its cycles are run in the order in which they are written here. All succeed but `fails`.

mod services;

use crate::prelude::*;
use crate::sql::{Row, Value};
use crate::state::Saved;

/// Finds out what the peer keeps of its contract.
#[derive(Settings)]
pub struct Contract {
    /// The version of the package, under which it saves.
    version: String,
}

/// What a failed run fails with.
pub const ON_PURPOSE: &str = "fails on purpose";

/// As the host's.
const STATE_BYTES_MAX: usize = 1024 * 1024;
const ROWS_MAX: i64 = 10_000;

#[chore]
impl Chore for Contract {
    /// One statement after the other.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn statements(&mut self, _: Tick) -> Result<()> {
        sql::execute("DROP TABLE IF EXISTS t", params![]).await?;
        for (call, statement, parameters, wanted) in statements() {
            let found = call.ask(statement, parameters).await;
            if found != wanted {
                let start: String = statement.chars().take(60).collect();
                bail!("{call:?} {start}: {found:?}, not {wanted:?}");
            }
        }
        for (statement, kind) in refused() {
            refused_everywhere(statement, kind).await.with_context(|| statement.to_owned())?;
        }
        Ok(())
    }

    /// Statements that belong together.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn transactions(&mut self, _: Tick) -> Result<()> {
        sql::execute("DROP TABLE IF EXISTS child", params![]).await?;
        sql::execute("DROP TABLE IF EXISTS t", params![]).await?;
        sql::execute("CREATE TABLE t (k INTEGER PRIMARY KEY, v)", params![]).await?;
        whole_or_not_at_all().await.context("whole or not at all")?;
        a_failure_is_undone_alone().await.context("a failure is undone alone")?;
        a_rollback_inside_is_final().await.context("a rollback inside is final")?;
        a_commit_that_fails_leaves_nothing().await.context("a commit that fails")?;
        who_writes_waits().await.context("who writes waits")?;
        who_reads_does_not_wait().await.context("who reads does not wait")
    }

    /// What a chore does when it opens.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn migrations(&mut self, _: Tick) -> Result<()> {
        for table in ["chore_migrations", "m"] {
            sql::execute(&format!("DROP TABLE IF EXISTS {table}"), params![]).await?;
        }
        let all = ["CREATE TABLE m (k)", "INSERT INTO m VALUES (7)", "CREATE TABLE m (k)"];
        for (migrations, wanted, seen) in [
            (&all[..1], Ok(1), 1),
            (&all[..2], Ok(1), 2),
            (&all[..2], Ok(0), 2),
            (&all[..3], Err(Kind::Invalid), 2),
            // An older version, and one that forgot what it did.
            (&all[..1], Ok(0), 2),
            (&all[1..], Err(Kind::Conflict), 2),
        ] {
            let applied = sql::migrate(migrations).await.map_err(|err| err.kind());
            let migrated = sql::migrated().await?;
            same("migrations", (applied, migrated), (wanted, seen))?;
        }
        same("the row", sql::value("SELECT k FROM m", params![]).await?, Some(7))
    }

    /// What time does, and chance.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn times(&mut self, tick: Tick) -> Result<()> {
        services::times(&tick).await?;
        services::chance()
    }

    /// Its own cycles.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn controls(&mut self, _: Tick) -> Result<()> {
        services::controls().await
    }

    #[cycle(added)]
    async fn extra(&mut self, _: Tick) -> Result<()> {
        Ok(())
    }

    /// Orders that it enqueues, and those that it archives.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn orders(&mut self, _: Tick) -> Result<()> {
        services::orders().await
    }

    /// Nodes that are not there.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn nodes(&mut self, _: Tick) -> Result<()> {
        services::nodes().await
    }

    /// Saves, and commits nothing.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn saves(&mut self, _: Tick) -> Result<()> {
        sql::execute("DELETE FROM t", params![]).await?;
        let before = state::load().await?;
        state::save_text("lost").await?;
        state::save_json(&["first"]).await?;
        same("what it loads after it saved", state::load().await?, before)
    }

    /// Saves and commits, and fails.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn fails(&mut self, _: Tick) -> Result<()> {
        state::save_text("second").await?;
        sql::execute("INSERT INTO t VALUES (1, 'committed')", params![]).await?;
        let open = sql::begin().await?;
        open.execute("INSERT INTO t VALUES (2, 'not committed')", params![]).await?;
        Err(ON_PURPOSE.into())
    }

    /// Looks at what the failed run left.
    #[cycle(interval = "1h", timeout = "1m", delay_start)]
    async fn looks(&mut self, _: Tick) -> Result<()> {
        let saved = Saved { data: br#"["first"]"#.to_vec(), version: self.version.clone() };
        same("the state", state::load().await?, Some(saved))?;
        same("the state as JSON", state::load_json().await?, Some(["first".to_owned()]))?;
        same("the rows", keys().await?, vec![1])?;
        let most = vec![0; STATE_BYTES_MAX];
        let over = state::save([&most[..], b"1"].concat()).await;
        same("a save over the limit", over.map_err(|err| err.kind()), Err(Kind::TooLarge))?;
        state::save(most).await?;
        // In place of the large one.
        state::save_text("third").await
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<()> {
    if found != wanted {
        bail!("{what}: {found:?}, not {wanted:?}");
    }
    Ok(())
}

/// How a statement is run.
#[derive(Clone, Copy, Debug)]
enum Call {
    Execute,
    Query,
    Stream,
}

use Call::{Execute, Query, Stream};

/// What comes of a statement.
#[derive(Debug, PartialEq)]
enum Answer {
    Changed(u64),
    Rows(Vec<Row>),
    Fails(Kind),
}

use Answer::{Changed, Fails};

impl Call {
    async fn ask(self, statement: &str, parameters: Vec<Value>) -> Answer {
        let answer = match self {
            Execute => sql::execute(statement, parameters).await.map(Changed),
            Query => sql::query(statement, parameters).await.map(Answer::Rows),
            Stream => streamed(statement, parameters).await.map(Answer::Rows),
        };
        answer.unwrap_or_else(|err| Fails(err.kind()))
    }
}

async fn streamed(statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>> {
    let mut stream = sql::stream(statement, parameters).await?;
    let mut rows = Vec::new();
    while let Some(row) = stream.next().await? {
        rows.push(row);
    }
    Ok(rows)
}

/// Rows of one column.
fn rows<T: Into<Value>>(values: impl IntoIterator<Item = T>) -> Answer {
    Answer::Rows(values.into_iter().map(|value| Row::new(vec![value.into()])).collect())
}

type Case = (Call, &'static str, Vec<Value>, Answer);

/// In this order, in a database without a table "t".
fn statements() -> Vec<Case> {
    let all = || params![i64::MIN, 0.5, "ü\0x", vec![0u8, 255], None::<i64>];
    let numbers = "WITH RECURSIVE n (k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n WHERE k < ?1) \
                   SELECT k FROM n";
    vec![
        (Execute, "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT UNIQUE)", vec![], Changed(0)),
        (Execute, "CREATE TABLE t (k)", vec![], Fails(Kind::Invalid)),
        // Changes.
        (Execute, "INSERT INTO t (k) VALUES (1), (2), (3)", vec![], Changed(3)),
        (Execute, "SELECT * FROM t", vec![], Changed(0)),
        (Execute, "UPDATE t SET v = ?1 WHERE k = ?2", params!["a", 2], Changed(1)),
        (Execute, "INSERT INTO t VALUES (4, 'b') RETURNING k", vec![], Changed(1)),
        (Execute, "DELETE FROM t WHERE k > 9", vec![], Changed(0)),
        (Query, "INSERT INTO t VALUES (5, 'c') RETURNING k", vec![], rows([5])),
        (Query, "DELETE FROM t WHERE k > ? RETURNING k", params![3], rows([4, 5])),
        // Rows.
        (Query, "SELECT k FROM t ORDER BY k", vec![], rows([1, 2, 3])),
        (Stream, "SELECT k FROM t ORDER BY k DESC", vec![], rows([3, 2, 1])),
        (Query, "SELECT k FROM t WHERE k > 9", vec![], Answer::Rows(vec![])),
        (Query, "SELECT ?, ?, ?, ?, ?", all(), Answer::Rows(vec![Row::new(all())])),
        (Query, "SELECT name FROM pragma_table_info('t')", vec![], rows(["k", "v"])),
        (Query, "PRAGMA foreign_key_check", vec![], Answer::Rows(vec![])),
        // What is wrong.
        (Query, "", vec![], Fails(Kind::Invalid)),
        (Query, "-- nothing", vec![], Fails(Kind::Invalid)),
        (Query, "SELEC 1", vec![], Fails(Kind::Invalid)),
        (Query, "SELECT 1; SELECT 2", vec![], Fails(Kind::Invalid)),
        (Query, "SELECT * FROM nowhere", vec![], Fails(Kind::Invalid)),
        (Query, "SELECT ?", vec![], Fails(Kind::Invalid)),
        (Query, "SELECT ?", params![1, 2], Fails(Kind::Invalid)),
        (Query, "SELECT CAST(x'ff' AS TEXT)", vec![], Fails(Kind::Invalid)),
        (Stream, "DELETE FROM t", vec![], Fails(Kind::Invalid)),
        (Execute, "INSERT INTO t (k) VALUES ('text')", vec![], Fails(Kind::Invalid)),
        (Execute, "VACUUM INTO '/tmp/copy.db'", vec![], Fails(Kind::Invalid)),
        (Execute, "INSERT INTO t (k) VALUES (1)", vec![], Fails(Kind::Conflict)),
        (Execute, "UPDATE t SET v = 'a'", vec![], Fails(Kind::Conflict)),
        (Query, "INSERT INTO t VALUES (9, 'a') RETURNING k", vec![], Fails(Kind::Conflict)),
        // What is too much.
        (Query, "SELECT randomblob(2000000)", vec![], Fails(Kind::TooLarge)),
        (Query, numbers, params![ROWS_MAX + 1], Fails(Kind::TooLarge)),
        (Query, numbers, params![ROWS_MAX], rows(1..=ROWS_MAX)),
        (Stream, numbers, params![2 * ROWS_MAX], rows(1..=2 * ROWS_MAX)),
        // All that failed changed nothing.
        (Query, "SELECT k FROM t WHERE v IS NULL ORDER BY k", vec![], rows([1, 3])),
        (Execute, "DELETE FROM t", vec![], Changed(3)),
    ]
}

/// However it is run.
fn refused() -> [(&'static str, Kind); 13] {
    [
        ("ATTACH '/tmp/other.db' AS other", Kind::Denied),
        ("ATTACH ':memory:' AS other", Kind::Denied),
        ("DETACH main", Kind::Denied),
        ("BEGIN", Kind::Denied),
        ("COMMIT", Kind::Denied),
        ("ROLLBACK", Kind::Denied),
        ("SAVEPOINT s", Kind::Denied),
        ("PRAGMA journal_mode = DELETE", Kind::Denied),
        ("PRAGMA database_list", Kind::Denied),
        ("SELECT * FROM pragma_database_list", Kind::Denied),
        ("SELECT load_extension('x')", Kind::Denied),
        ("CREATE TEMP TABLE u (k)", Kind::Denied),
        ("UPDATE sqlite_schema SET sql = ''", Kind::Invalid),
    ]
}

async fn refused_everywhere(statement: &str, kind: Kind) -> Result<()> {
    let transaction = sql::begin().await?;
    let within = transaction.execute(statement, params![]).await;
    let kind_of = |err: Error| err.kind();
    same("in a transaction", within.map(drop).map_err(kind_of), Err(kind))?;
    transaction.rollback().await?;
    same("execute", Execute.ask(statement, params![]).await, Fails(kind))?;
    same("query", Query.ask(statement, params![]).await, Fails(kind))
}

const INSERT: &str = "INSERT INTO t (k) VALUES (?1)";

/// What is committed.
async fn keys() -> Result<Vec<i64>> {
    let found = sql::rows::<(i64,)>("SELECT k FROM t ORDER BY k", params![]).await?;
    Ok(found.into_iter().map(|(key,)| key).collect())
}

async fn whole_or_not_at_all() -> Result<()> {
    let kept = sql::begin().await?;
    kept.execute(INSERT, params![1]).await?;
    same("rows outside", keys().await?, vec![])?;
    same("rows inside", kept.value("SELECT max(k) FROM t", params![]).await?, Some(1))?;
    kept.commit().await?;
    same("rows committed", keys().await?, vec![1])?;
    let undone = sql::begin().await?;
    undone.execute(INSERT, params![2]).await?;
    undone.rollback().await?;
    let dropped = sql::begin().await?;
    dropped.execute(INSERT, params![3]).await?;
    drop(dropped);
    sql::execute(INSERT, params![4]).await?;
    same("rows in the end", keys().await?, vec![1, 4])
}

async fn a_failure_is_undone_alone() -> Result<()> {
    sql::execute("DELETE FROM t", params![]).await?;
    let transaction = sql::begin().await?;
    transaction.execute(INSERT, params![1]).await?;
    // By itself, this would leave the first of its rows.
    let insert = "INSERT OR FAIL INTO t (k) VALUES (2), (1)";
    let several = transaction.execute(insert, params![]).await;
    same("twice", several.map_err(|err| err.kind()), Err(Kind::Conflict))?;
    transaction.execute(INSERT, params![3]).await?;
    transaction.commit().await?;
    same("rows", keys().await?, vec![1, 3])
}

async fn a_rollback_inside_is_final() -> Result<()> {
    sql::execute("DELETE FROM t", params![]).await?;
    let transaction = sql::begin().await?;
    let insert = "INSERT OR ROLLBACK INTO t (k) VALUES (1)";
    transaction.execute(insert, params![]).await?;
    for what in ["the second insert", "what comes after it"] {
        let failed = transaction.execute(insert, params![]).await;
        same(what, failed.map_err(|err| err.kind()), Err(Kind::Conflict))?;
    }
    let commit = transaction.commit().await;
    same("commit", commit.map_err(|err| err.kind()), Err(Kind::Conflict))?;
    same("rows", keys().await?, vec![])
}

async fn a_commit_that_fails_leaves_nothing() -> Result<()> {
    let child = "CREATE TABLE child (k REFERENCES t (k) DEFERRABLE INITIALLY DEFERRED)";
    sql::execute(child, params![]).await?;
    let transaction = sql::begin().await?;
    transaction.execute(INSERT, params![1]).await?;
    transaction.execute("INSERT INTO child VALUES (2)", params![]).await?;
    let commit = transaction.commit().await;
    same("commit", commit.map_err(|err| err.kind()), Err(Kind::Conflict))?;
    same("rows", keys().await?, vec![])
}

/// What writes beside a transaction takes effect after it.
async fn who_writes_waits() -> Result<()> {
    let first = sql::begin().await?;
    first.execute(INSERT, params![1]).await?;
    let commit = async {
        first.execute(INSERT, params![2]).await?;
        first.commit().await
    };
    let update = sql::execute("UPDATE t SET v = 'seen'", params![]);
    let (changed, committed) = futures::join!(update, commit);
    committed?;
    same("rows that the second saw", changed?, 2)
}

/// A stream goes on with what was there when it began.
async fn who_reads_does_not_wait() -> Result<()> {
    let mut stream = sql::stream("SELECT k FROM t ORDER BY k", params![]).await?;
    let mut found: Vec<i64> = Vec::new();
    while let Some((key,)) = stream.next_as().await? {
        sql::execute("DELETE FROM t", params![]).await?;
        found.push(key);
    }
    same("rows of the stream", found, vec![1, 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, tick_of};

    #[test]
    fn the_fakes_keep_the_contract() {
        let world = World::new().version("1.2.3").setting("version", "1.2.3");
        for cycle in [
            "statements",
            "transactions",
            "migrations",
            "times",
            "controls",
            "orders",
            "nodes",
            "saves",
            "fails",
            "looks",
        ] {
            let wanted = match cycle {
                "fails" => Err(Error::new(ON_PURPOSE)),
                _ => Ok(()),
            };
            assert_eq!(world.run::<Contract>(tick_of(cycle)), wanted, "{cycle}");
        }
        assert_eq!(world.state().map(|saved| saved.data), Some(b"third".to_vec()));
    }
}
