//! The chore's own SQL database (SQLite), which no other chore can see.
//!
//! A statement has 30 s. [`migrate`] makes the tables, parameters are made by
//! [`params!`](crate::params), and [`rows`], [`row`] and [`value`] read what columns are. Natively,
//! in tests, it is the database of the [`World`](crate::testing::World).
//!
//! ```
//! # use chore_sdk::{prelude::*, testing::World};
//! # async fn example() -> Result<()> {
//! sql::migrate(&["CREATE TABLE seen (node TEXT PRIMARY KEY, times INTEGER NOT NULL)"]).await?;
//! let transaction = sql::begin().await?;
//! transaction.execute("INSERT INTO seen VALUES (?1, ?2)", params!["a", 1]).await?;
//! transaction.commit().await?;
//! for (node, times) in sql::rows::<(String, u32)>("SELECT * FROM seen LIMIT 100", params![]).await? {
//!     info!(node, times, "seen");
//! }
//! # Ok(()) }
//! # let world = World::new();
//! # world.block_on(example()).unwrap();
//! # assert_eq!(world.logs()[0].to_string(), "INFO seen node=a times=1");
//! ```

mod migrate;
mod typed;
mod value;

use crate::{Error, Incoming, Result, backend};

pub use migrate::{migrate, migrated};
pub use typed::FromRow;
pub use value::{FromValue, Row, Value};

/// Parameters of a statement, in order: anything that a [`Value`] can be made from.
///
/// ```
/// # use chore_sdk::{prelude::*, sql::Value};
/// let all = params!["a node", 7, 0.5, vec![1u8, 2], None::<i64>];
/// assert_eq!(all[0], Value::Text("a node".to_owned()));
/// assert_eq!(all[4], Value::Null);
/// ```
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        ::std::vec![$($crate::sql::Value::from($value)),*]
    };
}

/// Rows as they are read, in bounded memory.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// let mut rows: sql::Rows = sql::stream("SELECT 1 UNION SELECT 2", params![]).await?;
/// while let Some(row) = rows.next().await? {
///     info!(number = row.get::<i64>(0)?, "a row");
/// }
/// # Ok(()) }).unwrap();
/// ```
pub type Rows = Incoming<Row, Error>;

/// Runs one statement in a transaction of its own; returns how many rows it changed.
///
/// # Errors
///
/// [`Kind::Invalid`](crate::Kind::Invalid) for a statement that is wrong, [`Kind::Conflict`](crate::Kind::Conflict) for a broken constraint or a
/// lock that was not free in time, [`Kind::TimedOut`](crate::Kind::TimedOut) after 30 s.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # sql::execute("CREATE TABLE seen (node TEXT PRIMARY KEY, times INTEGER)", params![]).await?;
/// let insert = "INSERT INTO seen VALUES (?1, ?2)";
/// assert_eq!(sql::execute(insert, params!["a", 1]).await?, 1);
/// let twice = sql::execute(insert, params!["a", 1]).await.unwrap_err();
/// assert_eq!(twice.kind(), Kind::Conflict);
/// # Ok(()) }).unwrap();
/// ```
pub async fn execute(statement: &str, parameters: Vec<Value>) -> Result<u64> {
    backend::sql_execute(statement, parameters).await
}

/// All rows of a statement, which should have a LIMIT.
///
/// # Errors
///
/// As [`execute`], and [`Kind::TooLarge`](crate::Kind::TooLarge) if the rows are more than the host copies at once.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// for row in sql::query("SELECT 1, 'a' LIMIT 100", params![]).await? {
///     let (number, letter): (i64, String) = (row.get(0)?, row.get(1)?);
///     info!(number, letter, "a row");
/// }
/// # Ok(()) }).unwrap();
/// ```
pub async fn query(statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>> {
    backend::sql_query(statement, parameters).await
}

/// The first row of a statement, if there is one. [`row`] reads its values too.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// let row = sql::query_row("SELECT 1 LIMIT 1", params![]).await?.context("there is none")?;
/// assert_eq!(row.get(0), Ok(1));
/// # Ok(()) }).unwrap();
/// ```
pub async fn query_row(statement: &str, parameters: Vec<Value>) -> Result<Option<Row>> {
    Ok(query(statement, parameters).await?.into_iter().next())
}

/// The rows of a statement as they are read; [`Rows::next_as`] reads their values too.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # World::new().block_on(async {
/// let mut rows = sql::stream("SELECT 1, 'a' UNION SELECT 2, 'b'", params![]).await?;
/// while let Some((number, letter)) = rows.next_as::<(i64, String)>().await? {
///     info!("{letter} is letter {number}");
/// }
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
///
/// As [`execute`], and [`Kind::Invalid`](crate::Kind::Invalid) for a statement that writes.
pub async fn stream(statement: &str, parameters: Vec<Value>) -> Result<Rows> {
    backend::sql_stream(statement, parameters).await
}

/// The rows of a statement as `T`: a tuple of what the columns are, a [`Value`] for one that may be
/// anything, an [`Option`] for one that may be NULL. It should have a LIMIT.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # World::new().block_on(async {
/// sql::execute("CREATE TABLE seen (node TEXT, times INTEGER)", params![]).await?;
/// sql::execute("INSERT INTO seen VALUES (?1, ?2)", params!["a", 7]).await?;
/// let seen = "SELECT node, times FROM seen WHERE times > ?1 LIMIT 100";
/// for (node, times) in sql::rows::<(String, u32)>(seen, params![5]).await? {
///     info!(node, times, "seen");
/// }
/// let err = sql::rows::<(String, bool)>(seen, params![5]).await.unwrap_err();
/// assert_eq!(err.to_string(), "read row: column 1: an integer is no bool");
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
///
/// As [`query`], and [`Kind::Invalid`](crate::Kind::Invalid) for a row that is no `T`.
pub async fn rows<T: FromRow>(statement: &str, parameters: Vec<Value>) -> Result<Vec<T>> {
    typed::all(query(statement, parameters).await?)
}

/// As [`rows`], the first one, if there is one.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # World::new().block_on(async {
/// let found = sql::row::<(i64, String)>("SELECT 1, 'a' LIMIT 1", params![]).await?;
/// assert_eq!(found, Some((1, "a".to_owned())));
/// # Ok(()) }).unwrap();
/// ```
pub async fn row<T: FromRow>(statement: &str, parameters: Vec<Value>) -> Result<Option<T>> {
    typed::first(query(statement, parameters).await?)
}

/// The only value of the first row; `None` if there is no row or the value is NULL.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # World::new().block_on(async {
/// sql::execute("CREATE TABLE seen (times INTEGER)", params![]).await?;
/// assert_eq!(sql::value::<u64>("SELECT count(*) FROM seen", params![]).await?, Some(0));
/// assert_eq!(sql::value::<u64>("SELECT max(times) FROM seen", params![]).await?, None);
/// # Ok(()) }).unwrap();
/// ```
pub async fn value<T: FromValue>(statement: &str, parameters: Vec<Value>) -> Result<Option<T>> {
    typed::value(query(statement, parameters).await?)
}

/// Begins a transaction. While it is open no other call of this chore can write: keep it short.
///
/// # Errors
///
/// [`Kind::Conflict`](crate::Kind::Conflict) if another stays open for too long.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # sql::execute("CREATE TABLE seen (node TEXT PRIMARY KEY, times INTEGER)", params![]).await?;
/// let transaction = sql::begin().await?;
/// transaction.execute("INSERT INTO seen VALUES ('a', 1)", params![]).await?;
/// transaction.commit().await?;
/// # assert_eq!(sql::value("SELECT count(*) FROM seen", params![]).await?, Some(1));
/// # Ok(()) }).unwrap();
/// ```
pub async fn begin() -> Result<Transaction> {
    backend::sql_begin().await.map(Transaction)
}

/// Statements that take effect together or not at all. Dropped without a commit, it rolls back.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # sql::execute("CREATE TABLE seen (node TEXT PRIMARY KEY, times INTEGER)", params![]).await?;
/// let transaction = sql::begin().await?;
/// transaction.execute("INSERT INTO seen VALUES ('a', 1), ('b', 1)", params![]).await?;
/// let names: Vec<(String,)> = transaction.rows("SELECT node FROM seen LIMIT 9", params![]).await?;
/// let first: Option<(String,)> = transaction.row("SELECT node FROM seen", params![]).await?;
/// let sum: Option<u64> = transaction.value("SELECT sum(times) FROM seen", params![]).await?;
/// match sum {
///     Some(2) => transaction.commit().await?,
///     _ => transaction.rollback().await?,
/// }
/// # assert_eq!((names.len(), first), (2, Some(("a".to_owned(),))));
/// # Ok(()) }).unwrap();
/// ```
#[must_use = "a transaction that is dropped rolls back"]
pub struct Transaction(backend::Transaction);

impl Transaction {
    /// As [`execute`].
    pub async fn execute(&self, statement: &str, parameters: Vec<Value>) -> Result<u64> {
        self.0.execute(statement, parameters).await
    }

    /// As [`query`].
    pub async fn query(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>> {
        self.0.query(statement, parameters).await
    }

    /// As [`rows`].
    pub async fn rows<T: FromRow>(
        &self,
        statement: &str,
        parameters: Vec<Value>,
    ) -> Result<Vec<T>> {
        typed::all(self.query(statement, parameters).await?)
    }

    /// As [`row`].
    pub async fn row<T: FromRow>(
        &self,
        statement: &str,
        parameters: Vec<Value>,
    ) -> Result<Option<T>> {
        typed::first(self.query(statement, parameters).await?)
    }

    /// As [`value`].
    pub async fn value<T: FromValue>(
        &self,
        statement: &str,
        parameters: Vec<Value>,
    ) -> Result<Option<T>> {
        typed::value(self.query(statement, parameters).await?)
    }

    /// Durable once answered; after an error nothing of it has happened.
    pub async fn commit(self) -> Result<()> {
        self.0.commit().await
    }

    /// As if none of its statements had run.
    pub async fn rollback(self) -> Result<()> {
        self.0.rollback().await
    }
}
