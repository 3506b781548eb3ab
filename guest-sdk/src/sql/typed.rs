//! Rows as tuples.

use super::{FromValue, Row, Rows};
use crate::{Error, Kind, Result};

/// A type that a row can be read as: tuples of one to eight columns, and [`Row`] itself. A struct is
/// made of a tuple.
///
/// ```
/// # use chore_sdk::{prelude::*, sql::{FromRow, Row}, testing::World};
/// # #[derive(Debug, PartialEq)]
/// struct Seen {
///     node: String,
///     times: u32,
/// }
///
/// impl FromRow for Seen {
///     fn from_row(row: &Row) -> Result<Seen> {
///         let (node, times) = FromRow::from_row(row)?;
///         Ok(Seen { node, times })
///     }
/// }
/// # let seen = World::new().rows::<Seen>("SELECT 'a', 1", params![]).unwrap();
/// # assert_eq!(seen, [Seen { node: "a".to_owned(), times: 1 }]);
/// ```
#[diagnostic::on_unimplemented(
    message = "a row cannot be read as `{Self}`",
    note = "a row is a tuple such as (i64, String), with a comma if it has one column: (i64,)"
)]
pub trait FromRow: Sized {
    /// # Errors
    ///
    /// [`Kind::Invalid`] if it has other columns; the message names the one and both types.
    fn from_row(row: &Row) -> Result<Self>;
}

impl FromRow for Row {
    fn from_row(row: &Row) -> Result<Row> {
        Ok(row.clone())
    }
}

macro_rules! tuples {
    ($(($count:literal: $($type:ident $column:literal)*))*) => {$(
        impl<$($type: FromValue),*> FromRow for ($($type,)*) {
            fn from_row(row: &Row) -> Result<Self> {
                has(row, $count)?;
                Ok(($(row.get::<$type>($column)?,)*))
            }
        }
    )*};
}

tuples! {
    (1: A 0)
    (2: A 0 B 1)
    (3: A 0 B 1 C 2)
    (4: A 0 B 1 C 2 D 3)
    (5: A 0 B 1 C 2 D 3 E 4)
    (6: A 0 B 1 C 2 D 3 E 4 F 5)
    (7: A 0 B 1 C 2 D 3 E 4 F 5 G 6)
    (8: A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7)
}

fn has(row: &Row, columns: usize) -> Result<()> {
    match row.values().len() {
        found if found == columns => Ok(()),
        found => {
            let message = format!("the row has {found} columns, not {columns}: name those to read");
            Err(Error::of(Kind::Invalid, message))
        }
    }
}

fn read<T: FromRow>(row: &Row) -> Result<T> {
    T::from_row(row).map_err(|err| err.context("read row"))
}

pub(super) fn all<T: FromRow>(rows: Vec<Row>) -> Result<Vec<T>> {
    rows.iter().map(read).collect()
}

pub(super) fn first<T: FromRow>(rows: Vec<Row>) -> Result<Option<T>> {
    rows.first().map(read).transpose()
}

pub(super) fn value<T: FromValue>(rows: Vec<Row>) -> Result<Option<T>> {
    Ok(first::<(Option<T>,)>(rows)?.and_then(|(value,)| value))
}

impl Rows {
    /// As [`next`](Rows::next), read as `T`. A row that is no `T` is taken all the same.
    ///
    /// # Errors
    ///
    /// What ended the rows early, and [`Kind::Invalid`] for a row that is no `T`.
    pub async fn next_as<T: FromRow>(&mut self) -> Result<Option<T>> {
        self.next().await?.as_ref().map(read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params;

    #[test]
    fn a_row_is_a_tuple_or_says_why_not() {
        let row = || vec![Row::new(params![1, "a", None::<i64>])];
        let one = || vec![Row::new(params![1])];
        type Three = (i64, String, Option<u8>);
        assert_eq!(first::<Three>(row()), Ok(Some((1, "a".to_owned(), None))));
        assert_eq!(all::<Row>(row()), Ok(row()));
        assert_eq!(first::<(i64,)>(Vec::new()), Ok(None));
        assert_eq!(value::<i64>(one()), Ok(Some(1)));
        assert_eq!(value::<i64>(vec![Row::new(params![None::<i64>])]), Ok(None));
        for (wrong, message) in [
            (first::<(i64, i64, i64)>(row()).map(drop), "read row: column 1: a text is no i64"),
            (
                first::<(i64, String, i64)>(row()).map(drop),
                "read row: column 2: NULL is no i64: read it as an Option",
            ),
            (
                first::<(i64, String)>(row()).map(drop),
                "read row: the row has 3 columns, not 2: name those to read",
            ),
            (
                value::<bool>(row()).map(drop),
                "read row: the row has 3 columns, not 1: name those to read",
            ),
            (
                value::<String>(one()).map(drop),
                "read row: column 0: an integer is no Option<String>",
            ),
        ] {
            let said = wrong.map_err(|err| (err.kind(), err.to_string()));
            assert_eq!(said, Err((Kind::Invalid, message.to_owned())));
        }
    }
}
