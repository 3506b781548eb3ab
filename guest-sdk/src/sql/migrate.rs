//! Migrations: how the database of one version becomes that of the next.

use super::{begin, rows, value};
use crate::{Context, Error, Kind, Result, params};

/// Where it is kept what was applied. Chores leave it alone.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS chore_migrations \
                     (number INTEGER PRIMARY KEY, statement TEXT NOT NULL)";

const IS_THERE: &str = "SELECT count(*) FROM sqlite_schema WHERE name = 'chore_migrations'";

/// Brings the database to where this version wants it: applies each migration that it has not seen
/// yet, in order, and remembers it. Answers how many those were. It belongs into
/// [`open`](crate::Chore::open).
///
/// A migration is one statement, applied in a transaction of its own: if one fails, those before it
/// stay applied, and the next call begins with it. A new version appends to the list and changes
/// nothing in it.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// const MIGRATIONS: &[&str] = &[
///     "CREATE TABLE seen (node TEXT PRIMARY KEY, times INTEGER NOT NULL)",
///     "CREATE INDEX seen_times ON seen (times)",
///     // Since 1.1:
///     "ALTER TABLE seen ADD COLUMN country TEXT NOT NULL DEFAULT ''",
/// ];
/// # World::new().block_on(async {
/// assert_eq!(sql::migrate(MIGRATIONS).await?, 3);
/// assert_eq!(sql::migrate(MIGRATIONS).await?, 0);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Migrations only add
///
/// A peer goes back to the version before by itself when a new one fails, and the database stays
/// as the new one left it. If the older version refused a newer database, going back would help
/// nobody. So a database that has seen more than the list is fine, and in return every migration
/// leaves a database in which the version before still works: add tables, indexes and columns with
/// a default; name the columns of an INSERT; never drop or rename what the version before uses. A
/// later version, to which nobody goes back any more, can tidy up. [`migrated`] tells how far a
/// database is.
///
/// # Errors
///
/// What the database says of a migration, with its number counted from 1; [`Kind::Conflict`] if one
/// that was applied differs from the list in more than white space.
pub async fn migrate(migrations: &[&str]) -> Result<usize> {
    let before = check(migrations).await?;
    let mut applied = 0;
    for (index, migration) in migrations.iter().enumerate().skip(before) {
        let number = index + 1;
        let done = apply(number, migration).await;
        applied += usize::from(done.with_context(|| format!("apply migration {number}"))?);
    }
    Ok(applied)
}

/// How many migrations the database has seen; more than this version knows after going back to it.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # World::new().block_on(async {
/// # const MIGRATIONS: &[&str] = &["CREATE TABLE t (k)"];
/// assert_eq!(sql::migrated().await?, 0);
/// sql::migrate(MIGRATIONS).await?;
/// assert_eq!(sql::migrated().await?, MIGRATIONS.len());
/// # Ok(()) }).unwrap();
/// ```
pub async fn migrated() -> Result<usize> {
    if value::<u64>(IS_THERE, Vec::new()).await? == Some(0) {
        return Ok(0);
    }
    let last = value("SELECT max(number) FROM chore_migrations", Vec::new()).await?;
    Ok(last.unwrap_or(0))
}

/// How many were applied, of which those in the list are as they were then.
async fn check(migrations: &[&str]) -> Result<usize> {
    let applied = migrated().await?;
    if applied == 0 {
        return Ok(0);
    }
    let all = "SELECT number, statement FROM chore_migrations ORDER BY number";
    for (number, statement) in rows::<(usize, String)>(all, Vec::new()).await? {
        let Some(migration) = number.checked_sub(1).and_then(|index| migrations.get(index)) else {
            break;
        };
        if !migration.split_whitespace().eq(statement.split_whitespace()) {
            let message = format!(
                "check migrations: number {number} was applied as {statement:?}, and is another \
                 now: leave it as it was, and append one that does what is missing"
            );
            return Err(Error::of(Kind::Conflict, message));
        }
    }
    Ok(applied)
}

/// False if another call was faster.
async fn apply(number: usize, migration: &str) -> Result<bool> {
    let transaction = begin().await?;
    transaction.execute(TABLE, Vec::new()).await?;
    let number = i64::try_from(number)?;
    let seen = "SELECT number FROM chore_migrations WHERE number = ?1";
    if transaction.value::<i64>(seen, params![number]).await?.is_some() {
        transaction.rollback().await?;
        return Ok(false);
    }
    transaction.execute(migration, Vec::new()).await?;
    let insert = "INSERT INTO chore_migrations (number, statement) VALUES (?1, ?2)";
    transaction.execute(insert, params![number, migration]).await?;
    transaction.commit().await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql;
    use crate::testing::World;

    const FIRST: &str = "CREATE TABLE t (k INTEGER PRIMARY KEY)";
    const SECOND: &str = "ALTER TABLE t ADD COLUMN v TEXT NOT NULL DEFAULT ''";

    fn migrate_in(world: &World, migrations: &[&str]) -> Result<usize> {
        world.block_on(migrate(migrations))
    }

    #[test]
    fn each_is_applied_once_and_a_newer_database_is_fine() {
        let world = World::new();
        for (migrations, applied, seen) in [
            (&[][..], 0, 0),
            (&[FIRST], 1, 1),
            (&[FIRST], 0, 1),
            (&[FIRST, SECOND], 1, 2),
            // Gone back to the version before, which still works.
            (&[FIRST], 0, 2),
            (&[], 0, 2),
        ] {
            assert_eq!(migrate_in(&world, migrations), Ok(applied), "{migrations:?}");
            assert_eq!(world.block_on(migrated()), Ok(seen), "{migrations:?}");
        }
        assert_eq!(world.script("INSERT INTO t (k) VALUES (1)"), Ok(()));
    }

    #[test]
    fn one_that_fails_leaves_those_before_it() {
        let world = World::new();
        let err = migrate_in(&world, &[FIRST, "CREATE TABLE t (k)"]).expect_err("it is there");
        let said = "apply migration 2: run statement: table t already exists";
        assert!(err.message().starts_with(said), "{err}");
        assert_eq!(world.block_on(migrated()), Ok(1));
        assert_eq!(migrate_in(&world, &[FIRST, SECOND]), Ok(1));
    }

    #[test]
    fn one_that_was_changed_is_refused() {
        let world = World::new();
        assert_eq!(migrate_in(&world, &[FIRST, SECOND]), Ok(2));
        let spaced = FIRST.replace(' ', "\n    ");
        assert_eq!(migrate_in(&world, &[&spaced]), Ok(0), "only spaces differ");
        let err = migrate_in(&world, &[FIRST, "DROP TABLE t"]).expect_err("differs");
        assert_eq!(err.kind(), Kind::Conflict);
        assert!(err.message().contains("number 2"), "{err}");
    }

    #[test]
    fn calls_that_overlap_apply_it_once() {
        let world = World::new();
        let both = world.block_on(async {
            let (a, b) = futures::join!(migrate(&[FIRST, SECOND]), migrate(&[FIRST, SECOND]));
            Ok(a? + b?)
        });
        assert_eq!(both, Ok(2));
        let rows = world.rows::<sql::Row>("SELECT * FROM chore_migrations", params![]);
        assert_eq!(rows.map(|rows| rows.len()), Ok(2));
    }
}
