//! What only the fake does: who waits for ever has waited too long, and nothing takes time. What it
//! has in common with a peer is in `contract.rs`.

use crate::prelude::*;
use crate::sql::Row;
use crate::testing::{World, tick};

/// Inserts one row, and another in a transaction; what then happens the setting says.
#[derive(Settings)]
struct Inserts {
    /// "commit", "wait" or "fail".
    then: String,
}

#[chore(interval = "1h", timeout = "1m")]
impl Chore for Inserts {
    async fn run(&mut self, _: Tick) -> Result<()> {
        sql::execute("INSERT INTO t VALUES (1)", params![]).await?;
        let transaction = sql::begin().await?;
        transaction.execute("INSERT INTO t VALUES (2)", params![]).await?;
        match self.then.as_str() {
            "commit" => transaction.commit().await,
            "wait" => std::future::pending().await,
            _ => bail!("no more"),
        }
    }
}

fn world() -> World {
    let world = World::new();
    world.script("CREATE TABLE t (k)").unwrap();
    world
}

fn keys(world: &World) -> Vec<(i64,)> {
    world.rows("SELECT k FROM t ORDER BY k", params![]).unwrap()
}

#[test]
fn a_call_that_ends_early_keeps_what_it_committed() {
    for (then, outcome, kept) in [
        ("commit", Ok(()), vec![(1,), (2,)]),
        ("fail", Err(Kind::Other), vec![(1,)]),
        ("wait", Err(Kind::Cancelled), vec![(1,)]),
    ] {
        let world = world().setting("then", then);
        let found = world.run::<Inserts>(tick()).map_err(|err| err.kind());
        assert_eq!((found, keys(&world)), (outcome, kept), "{then}");
        // The transaction is gone, so others can write.
        assert_eq!(world.script("INSERT INTO t VALUES (3)"), Ok(()), "{then}");
    }
}

#[test]
fn who_waits_for_its_own_transaction_has_waited_too_long() {
    let world = world();
    let outcome = world.block_on(async {
        let open = sql::begin().await?;
        for waited in [
            sql::begin().await.err(),
            sql::execute("INSERT INTO t VALUES (1)", params![]).await.err(),
            sql::query("INSERT INTO t VALUES (1) RETURNING k", params![]).await.err(),
        ] {
            let err = waited.expect("cannot write");
            assert_eq!(err.kind(), Kind::Conflict, "{err}");
            assert!(err.message().starts_with("wait to write: another"), "{err}");
        }
        open.execute("INSERT INTO t VALUES (2)", params![]).await?;
        open.commit().await
    });
    assert_eq!((outcome, keys(&world)), (Ok(()), vec![(2,)]));
    assert!(!world.was_cancelled());
}

#[test]
fn a_statement_without_an_end_has_no_time_left() {
    const ENDLESS: &str =
        "WITH RECURSIVE n (k) AS (VALUES (1) UNION ALL SELECT k + 1 FROM n) SELECT max(k) FROM n";
    let world = world();
    let insert = format!("INSERT INTO t {ENDLESS}");
    for (statement, executed) in [(ENDLESS, false), (&insert, true)] {
        let outcome = world.block_on(async {
            match executed {
                true => sql::execute(statement, params![]).await.map(drop),
                false => sql::query(statement, params![]).await.map(drop),
            }
        });
        assert_eq!(outcome.map_err(|err| err.kind()), Err(Kind::TimedOut), "{statement}");
    }
    assert_eq!(keys(&world), []);
}

#[test]
fn a_test_sees_what_is_committed() {
    let world = world();
    let outcome = world.block_on(async {
        let open = sql::begin().await?;
        open.execute("INSERT INTO t VALUES (1)", params![]).await?;
        assert_eq!(keys(&world), []);
        let busy = world.script("DELETE FROM t").map_err(|err| err.kind());
        assert_eq!(busy, Err(Kind::Conflict));
        let busy = world.rows::<Row>("DELETE FROM t RETURNING k", params![]);
        assert_eq!(busy.map_err(|err| err.kind()), Err(Kind::Conflict));
        open.commit().await
    });
    assert_eq!((outcome, keys(&world)), (Ok(()), vec![(1,)]));
}

#[test]
fn every_world_has_a_database_of_its_own() {
    let (one, other) = (world(), World::new());
    assert!(other.rows::<Row>("SELECT * FROM t", params![]).is_err());
    assert_eq!(one.clone().script("INSERT INTO t VALUES (1)"), Ok(()));
    assert_eq!(keys(&one), [(1,)]);
}
