//! The chore's own SQL database (SQLite), which no other chore can see.
//!
//! A statement has 30 s. Rows are what [`Row::get`] reads; parameters are made by
//! [`params!`](crate::params). Natively, in tests, there is no database yet: every call fails with
//! [`Kind::Other`].
//!
//! ```no_run
//! # use chore_sdk::{prelude::*, params};
//! # async fn example() -> Result<()> {
//! sql::execute("CREATE TABLE IF NOT EXISTS seen (node TEXT PRIMARY KEY, times INTEGER)", params![]).await?;
//! let transaction = sql::begin().await?;
//! transaction.execute("INSERT INTO seen VALUES (?1, ?2)", params!["a", 1]).await?;
//! transaction.commit().await?;
//! for row in sql::query("SELECT node, times FROM seen LIMIT 100", params![]).await? {
//!     let (node, times): (String, u32) = (row.get(0)?, row.get(1)?);
//!     info!(node, times, "seen");
//! }
//! # Ok(()) }
//! ```

use crate::{Error, Incoming, Kind, Result, backend};

/// A value of a column or of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

/// Parameters of a statement, in order: anything that a [`Value`] can be made from.
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        ::std::vec![$($crate::sql::Value::from($value)),*]
    };
}

/// Rows as they are read, in bounded memory.
pub type Rows = Incoming<Row, Error>;

/// One row of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Vec<Value>);

impl Row {
    pub fn new(values: Vec<Value>) -> Row {
        Row(values)
    }

    /// The value of a column, counted from 0.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] if there is no such column, or it is of another type.
    pub fn get<T: FromValue>(&self, column: usize) -> Result<T> {
        let Some(value) = self.0.get(column) else {
            let message = format!("column {column}: the row has {}", self.0.len());
            return Err(Error::of(Kind::Invalid, message));
        };
        T::from_value(value).ok_or_else(|| {
            let wanted = std::any::type_name::<T>();
            let message = format!("column {column}: {} is no {wanted}", value.kind());
            Error::of(Kind::Invalid, message)
        })
    }

    pub fn values(&self) -> &[Value] {
        &self.0
    }

    pub fn into_values(self) -> Vec<Value> {
        self.0
    }
}

impl Value {
    /// What it is, for messages: the value itself may be large or secret.
    fn kind(&self) -> &'static str {
        match self {
            Value::Null => "NULL",
            Value::Integer(_) => "an integer",
            Value::Real(_) => "a real",
            Value::Text(_) => "a text",
            Value::Blob(_) => "a blob",
        }
    }
}

/// Runs one statement in a transaction of its own; returns how many rows it changed.
///
/// # Errors
///
/// [`Kind::Invalid`] for a statement that is wrong, [`Kind::Conflict`] for a broken constraint or a
/// lock that was not free in time, [`Kind::TimedOut`] after 30 s.
pub async fn execute(statement: &str, parameters: Vec<Value>) -> Result<u64> {
    backend::sql_execute(statement, parameters).await
}

/// All rows of a statement, which should have a LIMIT.
///
/// # Errors
///
/// As [`execute`], and [`Kind::TooLarge`] if the rows are more than the host copies at once.
pub async fn query(statement: &str, parameters: Vec<Value>) -> Result<Vec<Row>> {
    backend::sql_query(statement, parameters).await
}

/// The first row of a statement, if there is one.
pub async fn query_row(statement: &str, parameters: Vec<Value>) -> Result<Option<Row>> {
    Ok(query(statement, parameters).await?.into_iter().next())
}

/// The rows of a statement as they are read.
pub async fn stream(statement: &str, parameters: Vec<Value>) -> Result<Rows> {
    backend::sql_stream(statement, parameters).await
}

/// Begins a transaction. While it is open no other call of this chore can write: keep it short.
///
/// # Errors
///
/// [`Kind::Conflict`] if another stays open for too long.
pub async fn begin() -> Result<Transaction> {
    backend::sql_begin().await.map(Transaction)
}

/// Statements that take effect together or not at all. Dropped without a commit, it rolls back.
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

    /// Durable once answered; after an error nothing of it has happened.
    pub async fn commit(self) -> Result<()> {
        self.0.commit().await
    }

    pub async fn rollback(self) -> Result<()> {
        self.0.rollback().await
    }
}

macro_rules! into_value {
    ($($type:ty => |$value:ident| $made:expr;)*) => {$(
        impl From<$type> for Value {
            fn from($value: $type) -> Value {
                $made
            }
        }
    )*};
}

into_value! {
    bool => |value| Value::Integer(value.into());
    i8 => |value| Value::Integer(value.into());
    i16 => |value| Value::Integer(value.into());
    i32 => |value| Value::Integer(value.into());
    i64 => |value| Value::Integer(value);
    u8 => |value| Value::Integer(value.into());
    u16 => |value| Value::Integer(value.into());
    u32 => |value| Value::Integer(value.into());
    f64 => |value| Value::Real(value);
    &str => |value| Value::Text(value.to_owned());
    String => |value| Value::Text(value);
    &[u8] => |value| Value::Blob(value.to_vec());
    Vec<u8> => |value| Value::Blob(value);
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// A type that a column can be read as.
pub trait FromValue: Sized {
    /// `None` if the value is of another type, or does not fit.
    fn from_value(value: &Value) -> Option<Self>;
}

macro_rules! from_integer {
    ($($type:ty)*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<$type> {
                match value {
                    Value::Integer(value) => (*value).try_into().ok(),
                    _ => None,
                }
            }
        }
    )*};
}

from_integer!(i8 i16 i32 i64 u8 u16 u32 u64 usize);

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<bool> {
        match value {
            Value::Integer(0) => Some(false),
            Value::Integer(1) => Some(true),
            _ => None,
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<f64> {
        match value {
            Value::Real(value) => Some(*value),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<String> {
        match value {
            Value::Text(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Vec<u8>> {
        match value {
            Value::Blob(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Option<Value> {
        Some(value.clone())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Option<T>> {
        match value {
            Value::Null => Some(None),
            value => T::from_value(value).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_in_and_come_out() {
        let row = Row::new(params![-1, 7u32, 0.5, "text", vec![1u8, 2], true, None::<i64>]);
        assert_eq!(row.get(0), Ok(-1i64));
        assert_eq!(row.get(1), Ok(7u64));
        assert_eq!(row.get(2), Ok(0.5));
        assert_eq!(row.get(3), Ok("text".to_owned()));
        assert_eq!(row.get(4), Ok(vec![1u8, 2]));
        assert_eq!(row.get(5), Ok(true));
        assert_eq!(row.get(6), Ok(None::<String>));
        assert_eq!(row.get(3), Ok(Some("text".to_owned())));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let row = Row::new(params![-1, "text"]);
        let wrong = |err: Error| (err.kind(), err.to_string());
        for (found, message) in [
            (row.get::<u64>(0).map(drop), "column 0: an integer is no u64"),
            (row.get::<i64>(1).map(drop), "column 1: a text is no i64"),
            (row.get::<bool>(0).map(drop), "column 0: an integer is no bool"),
            (row.get::<i64>(2).map(drop), "column 2: the row has 2"),
        ] {
            assert_eq!(found.map_err(wrong), Err((Kind::Invalid, message.to_owned())));
        }
    }
}
