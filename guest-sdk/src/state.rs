//! What one call leaves for the next, over restarts and versions of the chore.
//!
//! It is small, at most 1 MiB; more belongs in [`sql`](crate::sql). [`load_json`] and [`save_json`]
//! are for a struct, [`load_text`] and [`save_text`] for one number or line, [`load`] and [`save`]
//! for bytes of any other sort.
//!
//! # Over versions
//!
//! A peer replaces a chore while it runs, and what one version saved the next one loads. When it
//! goes back by itself, it gives the older version the state that this had; an operator who
//! installs an older version gives it what the newer one saved. So:
//!
//! - A field that is new has `#[serde(default)]`. An older version ignores it, and saves without it.
//! - A field whose type or meaning changes gets a new name, so that it cannot be read as the other.
//! - What is another type altogether is for [`load_json_or`], which gets what does not read.
//! - What reads as before, and means another thing, is told apart by who wrote it:
//!   [`Saved::before`].
//!
//! ```
//! # use chore_sdk::{prelude::*, testing::World};
//! # use serde::{Deserialize, Serialize};
//! #[derive(Default, Deserialize, Serialize)]
//! struct Progress {
//!     /// Bytes; before version 1 it was KiB.
//!     sent: u64,
//! }
//!
//! async fn progress() -> Result<Progress> {
//!     let Some(saved) = state::load().await? else { return Ok(Progress::default()) };
//!     let mut progress: Progress = saved.json()?;
//!     if saved.before("1.0.0") {
//!         progress.sent *= 1024;
//!     }
//!     Ok(progress)
//! }
//! # for (version, sent) in [("0.9.2", 3_072), ("1.0.0", 3), ("1.1.0", 3)] {
//! #     let world = World::new().saved(br#"{"sent":3}"#, version);
//! #     assert_eq!(world.block_on(progress()).unwrap().sent, sent, "{version}");
//! # }
//! ```

use std::fmt::Display;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Kind, Result, backend};

/// What an earlier call saved.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # state::save("7").await?;
/// if let Some(saved) = state::load().await? {
///     debug!(bytes = saved.data.len(), version = saved.version, "found");
/// }
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// As it was saved.
    pub data: Vec<u8>,
    /// The version of the chore that saved it: an older one may have written it differently.
    pub version: String,
}

impl Saved {
    /// The data as JSON of a `T`.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] if it is no such thing; the message says who saved it.
    ///
    /// ```
    /// # use chore_sdk::state::Saved;
    /// let saved = Saved { data: b"[1, 2]".to_vec(), version: "1.0.0".to_owned() };
    /// assert_eq!(saved.json::<Vec<u8>>().unwrap(), [1, 2]);
    /// let err = saved.json::<bool>().unwrap_err().to_string();
    /// assert!(err.starts_with("load state: what version 1.0.0 saved does not read: "), "{err}");
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.data).map_err(|err| self.unreadable(&format!(": {err}")))
    }

    /// The data as [`save_text`] writes it.
    ///
    /// # Errors
    ///
    /// [`Kind::Invalid`] if it is no such thing; the message says who saved it.
    ///
    /// ```
    /// # use chore_sdk::state::Saved;
    /// let saved = Saved { data: b"7".to_vec(), version: "1.0.0".to_owned() };
    /// assert_eq!(saved.text::<u64>().unwrap(), 7);
    /// ```
    pub fn text<T: FromStr>(&self) -> Result<T> {
        let value = std::str::from_utf8(&self.data).ok().and_then(|text| text.parse().ok());
        value.ok_or_else(|| self.unreadable(""))
    }

    /// Whether an older version than this one saved it. Versions are compared as in semantic
    /// versioning; parts that are left out are 0.
    ///
    /// ```
    /// # use chore_sdk::state::Saved;
    /// let saved = Saved { data: b"7".to_vec(), version: "0.9.2".to_owned() };
    /// assert!(saved.before("0.10.0") && saved.before("1"));
    /// assert!(!saved.before("0.9.2") && !saved.before("0.9"));
    /// ```
    pub fn before(&self, version: &str) -> bool {
        precedence(&self.version) < precedence(version)
    }

    fn unreadable(&self, why: &str) -> Error {
        let message = format!("load state: what version {} saved does not read{why}", self.version);
        Error::of(Kind::Invalid, message)
    }
}

/// Where a version stands among others: its numbers, and that a pre-release, whose parts are numbers
/// before texts, is before what it precedes.
fn precedence(version: &str) -> impl Ord {
    let version = version.split('+').next().unwrap_or_default();
    let (numbers, pre_release) = match version.split_once('-') {
        Some((numbers, pre_release)) => (numbers, Some(pre_release)),
        None => (version, None),
    };
    let mut numbers = numbers.split('.').map(|number| number.parse::<u64>().unwrap_or(0));
    let numbers: [u64; 3] = std::array::from_fn(|_| numbers.next().unwrap_or(0));
    let part = |part: &str| match part.parse::<u64>() {
        Ok(number) => (false, number, String::new()),
        Err(_) => (true, 0, part.to_owned()),
    };
    let parts: Vec<_> = pre_release.iter().flat_map(|it| it.split('.')).map(part).collect();
    (numbers, pre_release.is_none(), parts)
}

/// What the last successful call saved. A call does not see what it saves itself.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// let before = state::load().await?;
/// assert_eq!(before, None);
/// # Ok(()) }).unwrap();
/// ```
pub async fn load() -> Result<Option<Saved>> {
    backend::state_load().await
}

/// Keeps `data` once this call has succeeded; if it fails, the old data stays. The last save counts.
///
/// # Errors
///
/// [`Kind::TooLarge`] over 1 MiB.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// state::save(vec![1, 2, 3]).await?;
/// // Only the next call sees it.
/// assert_eq!(state::load().await?, None);
/// # Ok(()) }).unwrap();
/// ```
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
    load().await?.map(|saved| saved.text()).transpose()
}

/// As [`save`], for anything that can be written as text.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// state::save_text(7).await?;
/// # Ok(()) }).unwrap();
/// ```
pub async fn save_text(value: impl Display) -> Result<()> {
    save(value.to_string()).await
}

/// As [`load`], for what [`save_json`] saved.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Deserialize, Serialize)]
/// struct Progress {
///     seen: u64,
///     /// Since 1.1; what 1.0 saved has none.
///     #[serde(default)]
///     failed: u64,
/// }
///
/// # async fn example() -> Result<()> {
/// let mut progress: Progress = state::load_json().await?.unwrap_or_default();
/// progress.seen += 1;
/// state::save_json(&progress).await
/// # }
/// # let world = World::new().saved(br#"{"seen": 6}"#, "1.0.0");
/// # world.block_on(example()).unwrap();
/// ```
///
/// # Errors
///
/// [`Kind::Invalid`] if it is no JSON of a `T`: [`load_json_or`] reads what other versions saved.
pub async fn load_json<T: DeserializeOwned>() -> Result<Option<T>> {
    load_json_or(|saved| saved.json()).await
}

/// As [`load_json`]; what is no JSON of a `T` goes to `other`, which makes one of it, or gives up
/// with an error or a default.
///
/// ```
/// # use chore_sdk::{prelude::*, state::Saved, testing::World};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Default, Deserialize, Serialize)]
/// # #[derive(Debug, PartialEq)]
/// struct Progress {
///     by_node: Vec<(String, u64)>,
/// }
///
/// /// What versions 1 saved.
/// #[derive(Deserialize)]
/// struct Total {
///     seen: u64,
/// }
///
/// fn other(saved: Saved) -> Result<Progress> {
///     if saved.before("2.0.0") {
///         let Total { seen } = saved.json()?;
///         return Ok(Progress { by_node: vec![("unknown".to_owned(), seen)] });
///     }
///     // A newer version's, which somebody went back from: this one begins anew.
///     warn!(version = saved.version, "forgets what another version saved");
///     Ok(Progress::default())
/// }
///
/// # async fn example() -> Result<Option<Progress>> {
/// let progress = state::load_json_or(other).await?;
/// # Ok(progress) }
/// # let old = World::new().saved(br#"{"seen": 6}"#, "1.4.0").block_on(example()).unwrap().unwrap();
/// # assert_eq!(old.by_node, [("unknown".to_owned(), 6)]);
/// # let newer = World::new().saved(b"[]?", "3.0.0").block_on(example()).unwrap();
/// # assert_eq!(newer, Some(Progress::default()));
/// ```
///
/// # Errors
///
/// Those of `other`.
pub async fn load_json_or<T, F>(other: F) -> Result<Option<T>>
where
    T: DeserializeOwned,
    F: FnOnce(Saved) -> Result<T>,
{
    let Some(saved) = load().await? else { return Ok(None) };
    saved.json().or_else(|_| other(saved)).map(Some)
}

/// As [`save`], as JSON; see [`load_json`].
///
/// # Errors
///
/// [`Kind::TooLarge`] over 1 MiB, [`Kind::Invalid`] for what JSON cannot say, such as a map whose
/// keys are no texts.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// state::save_json(&["a", "b"]).await?;
/// # Ok(()) }).unwrap();
/// ```
pub async fn save_json<T: Serialize + ?Sized>(value: &T) -> Result<()> {
    let data = serde_json::to_vec(value).map_err(|err| {
        Error::of(Kind::Invalid, format!("save state: it cannot be written as JSON: {err}"))
    })?;
    save(data).await
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::testing::World;

    /// What version 2 keeps; version 1 kept a number, and version 3 will keep a text.
    #[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
    struct Progress {
        seen: Vec<u64>,
        /// Since 2.1.
        #[serde(default)]
        failed: u64,
    }

    fn other(saved: Saved) -> Result<Progress> {
        match saved.version.split('.').next() {
            Some("1") => Ok(Progress { seen: vec![saved.json()?], failed: 0 }),
            Some("3") => Ok(Progress::default()),
            _ => Err(Error::new("who wrote this?")),
        }
    }

    #[test]
    fn a_version_loads_what_others_saved() {
        let progress = |seen: &[u64], failed| Ok(Some(Progress { seen: seen.to_vec(), failed }));
        let no_json =
            "load state: what version 1.0.0 saved does not read: expected value at line 1 column 1";
        for (version, data, wanted) in [
            ("2.1.0", r#"{"seen":[1,2],"failed":3}"#, progress(&[1, 2], 3)),
            ("2.0.0", r#"{"seen":[1,2]}"#, progress(&[1, 2], 0)),
            ("2.2.0", r#"{"seen":[1,2],"failed":3,"new":4}"#, progress(&[1, 2], 3)),
            ("1.0.0", "7", progress(&[7], 0)),
            ("3.0.0", r#"{"seen":"1 2"}"#, progress(&[], 0)),
            ("1.0.0", "?", Err(no_json)),
            ("4.0.0", "?", Err("who wrote this?")),
        ] {
            let world = World::new().saved(data.as_bytes(), version);
            let found = world.block_on(load_json_or(other)).map_err(|err| err.to_string());
            assert_eq!(found, wanted.map_err(str::to_owned), "{version}: {data}");
        }
        assert_eq!(World::new().block_on(load_json::<Progress>()), Ok(None));
    }

    #[test]
    fn versions_are_in_the_order_of_semantic_versioning() {
        let versions = [
            "0.9.2",
            "0.10.0",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta",
            "1.0.0",
            "1.0.1",
        ];
        for (index, version) in versions.iter().enumerate() {
            let saved = Saved { data: Vec::new(), version: format!("{version}+build.7") };
            let before: Vec<_> = versions.iter().map(|other| saved.before(other)).collect();
            let wanted: Vec<_> = (0..versions.len()).map(|other| index < other).collect();
            assert_eq!(before, wanted, "{version}");
        }
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        let saved = World::new().block_on(async {
            save_json(&Progress { seen: vec![1], failed: 0 }).await?;
            let keys = std::collections::BTreeMap::from([(vec![1], 1)]);
            Ok(save_json(&keys).await.map_err(|err| err.to_string()))
        });
        let why = "save state: it cannot be written as JSON: key must be a string";
        assert_eq!(saved, Ok(Err(why.to_owned())));
    }
}
