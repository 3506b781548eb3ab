//! Values and rows, and what Rust makes of them. It knows no database.

use crate::{Error, Kind, Result};

/// A value of a column or of a parameter.
///
/// ```
/// # use chore_sdk::sql::Value;
/// assert_eq!(Value::from(true), Value::Integer(1));
/// assert_eq!(Value::from(None::<&str>), Value::Null);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// A whole number; a `bool` is 0 or 1.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// UTF-8.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// One row of a result.
///
/// ```
/// # use chore_sdk::{prelude::*, sql::{Row, Value}};
/// let row = Row::new(params!["a", 7]);
/// assert_eq!(row.values()[1], Value::Integer(7));
/// assert_eq!(row.into_values().len(), 2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Vec<Value>);

impl Row {
    /// A row of these, for what is tested without a database.
    pub fn new(values: Vec<Value>) -> Row {
        Row(values)
    }

    /// The value of a column, counted from 0.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, sql::Row};
    /// let row = Row::new(params!["a", 7]);
    /// assert_eq!(row.get(1), Ok(7u32));
    /// assert_eq!(row.get::<u8>(0).unwrap_err().to_string(), "column 0: a text is no u8");
    /// ```
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
            let (found, wanted) = (value.kind(), short(std::any::type_name::<T>()));
            let what_to_do = match value {
                Value::Null => ": read it as an Option",
                _ => "",
            };
            let message = format!("column {column}: {found} is no {wanted}{what_to_do}");
            Error::of(Kind::Invalid, message)
        })
    }

    /// The values in the order of the columns.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// The values in the order of the columns, without a copy.
    pub fn into_values(self) -> Vec<Value> {
        self.0
    }
}

/// The name of a type without the modules that it is in, also of one in angle brackets.
fn short(name: &str) -> String {
    let part = |part: &str| part.rsplit("::").next().unwrap_or_default().to_owned();
    name.split('<').map(part).collect::<Vec<_>>().join("<")
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

/// A type that a column can be read as: integers, `bool`, `f64`, `String`, `Vec<u8>`, [`Value`],
/// and an [`Option`] of one for a column that may be NULL. Others are made of these.
///
/// ```
/// # use chore_sdk::{prelude::*, sql::{FromValue, Value}, testing::World};
/// # #[derive(Debug, PartialEq)]
/// struct Seconds(Duration);
///
/// impl FromValue for Seconds {
///     fn from_value(value: &Value) -> Option<Seconds> {
///         u64::from_value(value).map(|seconds| Seconds(Duration::from_secs(seconds)))
///     }
/// }
/// # let world = World::new();
/// # let found = world.rows::<(Seconds,)>("SELECT 60", params![]).unwrap();
/// # assert_eq!(found, [(Seconds(Duration::from_secs(60)),)]);
/// ```
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
    use crate::params;

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
            (row.get::<Option<Vec<u8>>>(1).map(drop), "column 1: a text is no Option<Vec<u8>>"),
            (row.get::<bool>(0).map(drop), "column 0: an integer is no bool"),
            (row.get::<i64>(2).map(drop), "column 2: the row has 2"),
        ] {
            assert_eq!(found.map_err(wrong), Err((Kind::Invalid, message.to_owned())));
        }
    }
}
