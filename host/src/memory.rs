//! What the peer remembers of its chores over a restart: what each saved for its next call, where
//! each of its cycles stood, and which versions of it there were. It knows neither chore nor cycle,
//! only their names.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use crate::database::{self, Database};
use crate::limits::{HISTORY_BYTES_MAX, SCHEDULE_BYTES_MAX, STATE_BYTES_MAX};

const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE state (
        chore TEXT NOT NULL PRIMARY KEY,
        data BLOB NOT NULL,
        version TEXT NOT NULL
    ) STRICT;
    CREATE TABLE schedule (
        chore TEXT NOT NULL,
        cycle TEXT NOT NULL,
        saved TEXT NOT NULL,
        PRIMARY KEY (chore, cycle)
    ) STRICT, WITHOUT ROWID;
    ",
    // No row in `good_state`: nothing is kept. A row of NULLs: kept is that there was no state.
    "
    CREATE TABLE history (
        chore TEXT NOT NULL PRIMARY KEY,
        record TEXT NOT NULL
    ) STRICT;
    CREATE TABLE good_state (
        chore TEXT NOT NULL PRIMARY KEY,
        data BLOB,
        version TEXT,
        CHECK ((data IS NULL) = (version IS NULL))
    ) STRICT;
    ",
];

/// How many schemas its file has had: that of a file of the newest.
pub const SCHEMA: usize = MIGRATIONS.len();

/// The join makes a row of NULLs where there is no state.
const KEEP_STATE: &str = "INTO good_state (chore, data, version)
    SELECT one.chore, state.data, state.version
    FROM (SELECT ?1 AS chore) AS one LEFT JOIN state ON state.chore = one.chore";

/// Nothing, if the copy is that there was no state.
const RESTORE_STATE: &str = "INSERT INTO state (chore, data, version)
    SELECT chore, data, version FROM good_state WHERE chore = ?1 AND data IS NOT NULL";

/// Why something is not remembered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("save {what} of chore {chore}: {size} bytes, at most {max} are kept")]
    TooLarge { what: &'static str, chore: String, size: usize, max: usize },
    #[error(transparent)]
    Database(#[from] database::Error),
}

/// What a chore's last successful call saved, and the version of the chore that did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    pub data: Vec<u8>,
    pub version: String,
}

/// The memory of one peer. Clones share it. Writes are durable when they return.
#[derive(Clone)]
pub struct Memory(Database);

impl Memory {
    /// Opens the file, or creates it in a directory that must exist.
    pub async fn open(path: &Path) -> Result<Memory, Error> {
        Ok(Memory(Database::open(path, MIGRATIONS).await?))
    }

    pub async fn load_state(&self, chore: &str) -> Result<Option<State>, Error> {
        let chore = chore.to_owned();
        let load = move |connection: &Connection| {
            let sql = "SELECT data, version FROM state WHERE chore = ?1";
            let state = |row: &rusqlite::Row| Ok(State { data: row.get(0)?, version: row.get(1)? });
            connection.prepare_cached(sql)?.query_row([chore], state).optional()
        };
        Ok(self.0.read(load).await?)
    }

    /// At most [`STATE_BYTES_MAX`] bytes.
    pub async fn save_state(&self, chore: &str, data: Vec<u8>, version: &str) -> Result<(), Error> {
        fits("state", chore, data.len(), STATE_BYTES_MAX)?;
        let (chore, version) = (chore.to_owned(), version.to_owned());
        let save = move |connection: &Connection| {
            let sql = "INSERT OR REPLACE INTO state (chore, data, version) VALUES (?1, ?2, ?3)";
            connection.prepare_cached(sql)?.execute(params![chore, data, version])
        };
        self.0.write(save).await?;
        Ok(())
    }

    /// Each cycle of the chore, with the text that was saved of it, by name.
    pub async fn load_schedules(&self, chore: &str) -> Result<Vec<(String, String)>, Error> {
        let chore = chore.to_owned();
        let load = move |connection: &Connection| {
            let sql = "SELECT cycle, saved FROM schedule WHERE chore = ?1 ORDER BY cycle";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([chore], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        Ok(self.0.read(load).await?)
    }

    /// Of some cycles of a chore, in one commit: a chore may have a thousand, and all chores share
    /// the file. If one has too much, none is saved.
    pub async fn save_schedules(
        &self,
        chore: &str,
        schedules: Vec<(String, String)>,
    ) -> Result<(), Error> {
        for (_, saved) in &schedules {
            fits("a schedule", chore, saved.len(), SCHEDULE_BYTES_MAX)?;
        }
        let chore = chore.to_owned();
        let save = move |connection: &Connection| {
            let sql = "INSERT OR REPLACE INTO schedule (chore, cycle, saved) VALUES (?1, ?2, ?3)";
            let mut statement = connection.prepare_cached(sql)?;
            for (cycle, saved) in &schedules {
                statement.execute(params![chore, cycle, saved])?;
            }
            Ok(())
        };
        self.0.write(save).await?;
        Ok(())
    }

    /// Forgets a cycle that the chore has no longer. That it was never known is no error.
    pub async fn remove_schedule(&self, chore: &str, cycle: &str) -> Result<(), Error> {
        let (chore, cycle) = (chore.to_owned(), cycle.to_owned());
        let remove = move |connection: &Connection| {
            let sql = "DELETE FROM schedule WHERE chore = ?1 AND cycle = ?2";
            connection.prepare_cached(sql)?.execute(params![chore, cycle])
        };
        self.0.write(remove).await?;
        Ok(())
    }

    /// Each chore of which there is a history, with its text, by name.
    pub async fn load_histories(&self) -> Result<Vec<(String, String)>, Error> {
        let load = |connection: &Connection| {
            let sql = "SELECT chore, record FROM history ORDER BY chore";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        Ok(self.0.read(load).await?)
    }

    /// At most [`HISTORY_BYTES_MAX`] bytes.
    pub async fn save_history(&self, chore: &str, record: String) -> Result<(), Error> {
        fits("the history", chore, record.len(), HISTORY_BYTES_MAX)?;
        let chore = chore.to_owned();
        let save = move |connection: &Connection| {
            let sql = "INSERT OR REPLACE INTO history (chore, record) VALUES (?1, ?2)";
            connection.prepare_cached(sql)?.execute(params![chore, record])
        };
        self.0.write(save).await?;
        Ok(())
    }

    /// That there was none is no error.
    pub async fn remove_history(&self, chore: &str) -> Result<(), Error> {
        self.remove(chore, "DELETE FROM history WHERE chore = ?1").await
    }

    /// Keeps a copy of the chore's present state, also that it has none, as the state of its good
    /// version. It replaces an earlier copy, unless `first` says that the earlier one counts.
    pub async fn keep_state(&self, chore: &str, first: bool) -> Result<(), Error> {
        let chore = chore.to_owned();
        let keep = move |connection: &Connection| {
            let otherwise = if first { "IGNORE" } else { "REPLACE" };
            let sql = format!("INSERT OR {otherwise} {KEEP_STATE}");
            connection.prepare_cached(&sql)?.execute([chore])
        };
        self.0.write(keep).await?;
        Ok(())
    }

    /// Makes the copy the present state. It stays a copy, so that after a power cut the same can be
    /// done again. False, and nothing changed, if there was no copy.
    pub async fn restore_state(&self, chore: &str) -> Result<bool, Error> {
        let chore = chore.to_owned();
        let restore = move |connection: &Connection| {
            let is_kept = "SELECT 1 FROM good_state WHERE chore = ?1";
            if !connection.prepare_cached(is_kept)?.exists([&chore])? {
                return Ok(false);
            }
            connection.prepare_cached("DELETE FROM state WHERE chore = ?1")?.execute([&chore])?;
            connection.prepare_cached(RESTORE_STATE)?.execute([&chore])?;
            Ok(true)
        };
        Ok(self.0.write(restore).await?)
    }

    /// Makes `state` the present one.
    pub async fn set_state(&self, chore: &str, state: Option<State>) -> Result<(), Error> {
        match state {
            Some(State { data, version }) => self.save_state(chore, data, &version).await,
            None => self.remove(chore, "DELETE FROM state WHERE chore = ?1").await,
        }
    }

    /// That there was no copy is no error.
    pub async fn drop_kept_state(&self, chore: &str) -> Result<(), Error> {
        self.remove(chore, "DELETE FROM good_state WHERE chore = ?1").await
    }

    async fn remove(&self, chore: &str, sql: &'static str) -> Result<(), Error> {
        let chore = chore.to_owned();
        let remove =
            move |connection: &Connection| connection.prepare_cached(sql)?.execute([chore]);
        self.0.write(remove).await?;
        Ok(())
    }

    /// As [`Database::fault`].
    pub fn fault(&self) -> Option<String> {
        self.0.fault()
    }

    pub fn usage(&self) -> database::Usage {
        self.0.usage()
    }

    /// Writes down what is under way and closes the file. Later calls fail.
    pub async fn close(&self) -> Result<(), Error> {
        Ok(self.0.close().await?)
    }
}

fn fits(what: &'static str, chore: &str, size: usize, max: usize) -> Result<(), Error> {
    match size <= max {
        true => Ok(()),
        false => Err(Error::TooLarge { what, chore: chore.to_owned(), size, max }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn state_and_schedules_outlive_the_peer() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("peer.db");
        let memory = Memory::open(&path).await.unwrap();
        assert_eq!(memory.load_state("a").await.unwrap(), None);
        memory.save_state("a", vec![1], "1.0.0").await.unwrap();
        memory.save_state("a", vec![], "1.1.0").await.unwrap();
        for (chore, cycle, saved) in [
            ("a", "main", "{1}"),
            ("a", "main", "{2}"),
            ("a", "extra", "{3}"),
            ("b", "main", "{4}"),
        ] {
            memory.save_schedules(chore, vec![(cycle.into(), saved.into())]).await.unwrap();
        }
        memory.close().await.unwrap();

        let memory = Memory::open(&path).await.unwrap();
        let state = State { data: vec![], version: "1.1.0".into() };
        assert_eq!(memory.load_state("a").await.unwrap(), Some(state));
        assert_eq!(memory.load_state("b").await.unwrap(), None);
        let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(cycle, saved)| ((*cycle).into(), (*saved).into())).collect()
        };
        let found = memory.load_schedules("a").await.unwrap();
        assert_eq!(found, text(&[("extra", "{3}"), ("main", "{2}")]));
        memory.remove_schedule("a", "main").await.unwrap();
        memory.remove_schedule("a", "main").await.unwrap();
        assert_eq!(memory.load_schedules("a").await.unwrap(), text(&[("extra", "{3}")]));
        assert_eq!(memory.load_schedules("b").await.unwrap(), text(&[("main", "{4}")]));
    }

    #[tokio::test]
    async fn too_much_is_refused_and_changes_nothing() {
        let home = tempfile::tempdir().unwrap();
        let memory = Memory::open(&home.path().join("peer.db")).await.unwrap();
        memory.save_state("a", vec![7; STATE_BYTES_MAX], "1").await.unwrap();
        let err = memory.save_state("a", vec![8; STATE_BYTES_MAX + 1], "2").await.unwrap_err();
        let message = "save state of chore a: 1048577 bytes, at most 1048576 are kept";
        assert_eq!(err.to_string(), message);
        assert_eq!(memory.load_state("a").await.unwrap().unwrap().data[0], 7);
        let saved = "x".repeat(SCHEDULE_BYTES_MAX + 1);
        let err = memory.save_schedules("a", vec![("main".into(), saved)]).await.unwrap_err();
        assert!(matches!(err, Error::TooLarge { what: "a schedule", .. }), "{err}");
    }
    #[tokio::test]
    async fn histories_outlive_the_peer() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("peer.db");
        let memory = Memory::open(&path).await.unwrap();
        for (chore, record) in [("b", "{1}"), ("a", "{2}"), ("b", "{3}"), ("c", "{4}")] {
            memory.save_history(chore, record.into()).await.unwrap();
        }
        let err = memory.save_history("a", "x".repeat(HISTORY_BYTES_MAX + 1)).await.unwrap_err();
        assert!(matches!(err, Error::TooLarge { what: "the history", .. }), "{err}");
        memory.remove_history("c").await.unwrap();
        memory.remove_history("c").await.unwrap();
        memory.close().await.unwrap();

        let memory = Memory::open(&path).await.unwrap();
        let found = memory.load_histories().await.unwrap();
        assert_eq!(found, [("a".into(), "{2}".into()), ("b".into(), "{3}".into())]);
    }

    #[tokio::test]
    async fn the_good_versions_state_comes_back_as_it_was() {
        /// What is done to chore "a", with the byte that is saved.
        #[derive(Clone, Copy, Debug)]
        enum Do {
            Save(u8),
            Keep,
            KeepFirst,
            Drop,
        }
        use Do::{Drop, Keep, KeepFirst, Save};
        for (steps, restored, state) in [
            (&[Save(1), Keep, Save(2)][..], true, Some(1)),
            (&[Keep, Save(2)], true, None),
            (&[Keep], true, None),
            (&[Save(1), Keep], true, Some(1)),
            (&[Save(1)], false, Some(1)),
            (&[Save(1), Keep, Save(2), Keep, Save(3)], true, Some(2)),
            (&[Keep, Save(1), Keep, Save(2)], true, Some(1)),
            (&[Save(1), KeepFirst, Save(2)], true, Some(1)),
            (&[Save(1), Keep, Save(2), KeepFirst, Save(3)], true, Some(1)),
            (&[Keep, Save(1), KeepFirst], true, None),
            (&[Save(1), Keep, Save(2), Drop], false, Some(2)),
            (&[Drop], false, None),
        ] {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("peer.db");
            let memory = Memory::open(&path).await.unwrap();
            memory.save_state("b", vec![9], "9.0.0").await.unwrap();
            for step in steps {
                match step {
                    Save(byte) => memory.save_state("a", vec![*byte], &format!("{byte}.0.0")).await,
                    Keep => memory.keep_state("a", false).await,
                    KeepFirst => memory.keep_state("a", true).await,
                    Drop => memory.drop_kept_state("a").await,
                }
                .unwrap();
            }
            memory.close().await.unwrap();

            let memory = Memory::open(&path).await.unwrap();
            let before = memory.load_state("a").await.unwrap();
            let state =
                state.map(|byte| State { data: vec![byte], version: format!("{byte}.0.0") });
            for again in [false, true] {
                assert_eq!(memory.restore_state("a").await.unwrap(), restored, "{steps:?}");
                let found = memory.load_state("a").await.unwrap();
                assert_eq!(found, state, "{steps:?}: {again}");
                memory.set_state("a", before.clone()).await.unwrap();
                assert_eq!(memory.load_state("a").await.unwrap(), before, "{steps:?}: undone");
            }
            assert_eq!(memory.load_state("b").await.unwrap().unwrap().data, [9], "{steps:?}");
        }
    }

    #[tokio::test]
    async fn an_older_database_is_brought_up_to_date() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("peer.db");
        let older = Memory(Database::open(&path, &MIGRATIONS[..1]).await.unwrap());
        older.save_state("a", vec![1], "1.0.0").await.unwrap();
        older.save_schedules("a", vec![("main".into(), "{1}".into())]).await.unwrap();
        older.close().await.unwrap();

        let memory = Memory::open(&path).await.unwrap();
        assert_eq!(memory.load_state("a").await.unwrap().unwrap().version, "1.0.0");
        assert_eq!(memory.load_schedules("a").await.unwrap().len(), 1);
        assert_eq!(memory.load_histories().await.unwrap(), []);
        memory.keep_state("a", false).await.unwrap();
        assert!(memory.restore_state("a").await.unwrap());
    }
}
