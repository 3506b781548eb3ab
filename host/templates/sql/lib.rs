//! A chore with a table of its own: it notes every run, and forgets old ones.
//!
//! The database is the chore's, outlives its versions, and no other chore sees it.

use chore_sdk::prelude::*;

/// Applied in order, each once. A new version appends, and changes nothing: a peer may go back.
const MIGRATIONS: &[&str] =
    &["CREATE TABLE runs (at INTEGER PRIMARY KEY, iteration INTEGER NOT NULL)"];

/// Notes its runs, and forgets old ones.
#[derive(Settings)]
pub struct Notes {
    /// How long a run is remembered.
    #[setting(default = "30days", min = "1m")]
    keep: Duration,
}

#[chore(interval = "1h", timeout = "1m")]
impl Chore for Notes {
    /// Called before the first run of each version: the place to make and to change tables. If it
    /// fails, the version before goes on.
    async fn open(&mut self, _: OpenReason) -> Result<()> {
        sql::migrate(MIGRATIONS).await.map(drop)
    }

    async fn run(&mut self, tick: Tick) -> Result<()> {
        // Both or neither: a run may be cut short at any point, and the next one has to cope.
        let transaction = sql::begin().await?;
        let note = params![tick.due.as_nanos(), tick.iteration as i64];
        transaction
            .execute("INSERT OR REPLACE INTO runs VALUES (?1, ?2)", note)
            .await?;
        let oldest = params![tick.due.saturating_sub(self.keep).as_nanos()];
        let forgotten = transaction
            .execute("DELETE FROM runs WHERE at < ?1", oldest)
            .await?;
        transaction.commit().await?;
        let known: Option<i64> = sql::value("SELECT count(*) FROM runs", params![]).await?;
        info!(
            known = known.unwrap_or(0),
            forgotten, "noted run {}", tick.iteration
        );
        Ok(())
    }
}

chore_sdk::export!(Notes);

#[cfg(test)]
mod tests {
    use chore_sdk::testing::{World, tick};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    /// A real database in memory: no peer, and nothing to install.
    #[test]
    fn runs_are_noted_and_forgotten_when_they_are_old() {
        let world = World::new().setting("keep", "2h");
        world.open::<Notes>(OpenReason::Loaded).unwrap();
        for iteration in 1..=4 {
            let due = tick().due.saturating_add(HOUR * iteration);
            let tick = Tick {
                iteration: iteration.into(),
                due,
                ..tick()
            };
            world.run::<Notes>(tick).unwrap();
        }
        let rows: Vec<(i64,)> = world
            .rows("SELECT iteration FROM runs ORDER BY at", params![])
            .unwrap();
        assert_eq!(rows, [(2,), (3,), (4,)]);
    }
}
