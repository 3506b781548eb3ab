//! What one call leaves for the next, over restarts and versions of the chore.
//!
//! It is small, at most 1 MiB; more belongs in [`sql`](crate::sql).

use std::fmt::Display;
use std::str::FromStr;

use crate::{Error, Kind, Result, backend};

/// What an earlier call saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    pub data: Vec<u8>,
    /// The version of the chore that saved it: an older one may have written it differently.
    pub version: String,
}

/// What the last successful call saved. A call does not see what it saves itself.
pub async fn load() -> Result<Option<Saved>> {
    backend::state_load().await
}

/// Keeps `data` once this call has succeeded; if it fails, the old data stays. The last save counts.
///
/// # Errors
///
/// [`Kind::TooLarge`] over 1 MiB.
pub async fn save(data: impl Into<Vec<u8>>) -> Result<()> {
    backend::state_save(data.into()).await
}

/// As [`load`], for what [`save_text`] saved: a number, a timestamp, a line of text.
///
/// # Errors
///
/// [`Kind::Invalid`] if it is no such thing.
///
/// ```
/// # use chore_sdk::prelude::*;
/// # async fn example() -> Result<()> {
/// let count: u64 = state::load_text().await?.unwrap_or(0);
/// state::save_text(count + 1).await?;
/// # Ok(()) }
/// ```
pub async fn load_text<T: FromStr>() -> Result<Option<T>> {
    let Some(saved) = load().await? else { return Ok(None) };
    let value = std::str::from_utf8(&saved.data).ok().and_then(|text| text.parse().ok());
    match value {
        Some(value) => Ok(Some(value)),
        None => {
            let message = format!("load state: what version {} saved does not read", saved.version);
            Err(Error::of(Kind::Invalid, message))
        }
    }
}

/// As [`save`], for anything that can be written as text.
pub async fn save_text(value: impl Display) -> Result<()> {
    save(value.to_string()).await
}
