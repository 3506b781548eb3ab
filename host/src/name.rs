//! What a chore may be called, and how a wrong word is answered: quoted, with the nearest known
//! one. It knows no file and no chore.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::CHORE_NAME_BYTES_MAX;

/// How much of a wrong text an error repeats, in characters.
const QUOTE_CHARS_MAX: usize = 80;

/// Longest word that is compared with known ones, in bytes: comparing takes quadratic time.
const COMPARED_BYTES_MAX: usize = 64;

/// Why a text is no name of a chore.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a chore's name is empty: use a-z, 0-9 and \"-\"")]
    Empty,
    #[error(
        "chore name {name} has {bytes} bytes: use at most {max}",
        max = CHORE_NAME_BYTES_MAX
    )]
    TooLong { name: String, bytes: usize },
    #[error("chore name {name} begins with {first:?}: begin with a-z or 0-9")]
    First { name: String, first: char },
    #[error("chore name {name} has {character:?}: use a-z, 0-9 and \"-\"{hint}")]
    Character { name: String, character: char, hint: String },
}

/// A chore's name, which is also its file's stem, its config key, its log field, its argument on the
/// command line and its path in the API: `[a-z0-9][a-z0-9-]{0,62}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChoreName(std::sync::Arc<str>);

impl ChoreName {
    /// # Errors
    ///
    /// Names what is wrong, and the name that was probably meant.
    pub fn new(name: &str) -> Result<ChoreName, Error> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let Some(first) = name.chars().next() else { return Err(Error::Empty) };
        if name.len() > CHORE_NAME_BYTES_MAX {
            return Err(Error::TooLong { name: quote(name), bytes: name.len() });
        }
        if let Some(character) = name.chars().find(|c| !allowed(*c) && *c != '-') {
            let meant = name.to_ascii_lowercase().replace(['_', ' ', '.'], "-");
            let good = meant.starts_with(allowed) && meant.chars().all(|c| allowed(c) || c == '-');
            let hint = if good { format!(", as in \"{meant}\"") } else { String::new() };
            return Err(Error::Character { name: quote(name), character, hint });
        }
        if !allowed(first) {
            return Err(Error::First { name: quote(name), first });
        }
        Ok(ChoreName(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ChoreName {
    type Err = Error;

    fn from_str(name: &str) -> Result<ChoreName, Error> {
        ChoreName::new(name)
    }
}

impl AsRef<str> for ChoreName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ChoreName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ChoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for ChoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for ChoreName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ChoreName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ChoreName, D::Error> {
        let name = String::deserialize(deserializer)?;
        ChoreName::new(&name).map_err(serde::de::Error::custom)
    }
}

/// Hostile text as an error repeats it: in quotes, escaped, and not without end.
pub(crate) fn quote(text: &str) -> String {
    let head: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    let more = if head.len() < text.len() { " ..." } else { "" };
    format!("{head:?}{more}")
}

/// As [`quote`], without the quotes: for what stands between other quotes.
pub(crate) fn cut(text: &str) -> String {
    let head: String = text.chars().take(QUOTE_CHARS_MAX).collect();
    let more = if head.len() < text.len() { " ..." } else { "" };
    format!("{}{more}", head.replace(char::is_control, "\u{fffd}"))
}

/// The known word that `word` was probably meant to be, if one is near.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > COMPARED_BYTES_MAX {
        return None;
    }
    // As file names, keys and Rust names differ: "archive_ttl" is "archive-ttl".
    let plain = |text: &str| text.to_lowercase().replace('_', "-");
    let word = plain(word);
    // One slip in three letters; a word of two letters is near to nothing.
    let distance_max = word.chars().count().div_ceil(3).min(4);
    let measured = known.into_iter().filter(|known| known.len() <= COMPARED_BYTES_MAX);
    let measured = measured.map(|known| (strsim::damerau_levenshtein(&word, &plain(known)), known));
    let (distance, known) = measured.min()?;
    (distance <= distance_max && distance < known.len()).then_some(known)
}

/// ": did you mean "x"?", or nothing.
pub(crate) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|known| format!(": did you mean \"{known}\"?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_file_stems() {
        for name in ["a", "0", "order-sender", "a--b-", "9lives", &"a".repeat(63)] {
            let chore: ChoreName = name.parse().unwrap();
            assert_eq!(chore.as_str(), name);
            assert_eq!(chore.to_string(), name);
            let json = serde_json::to_string(&chore).unwrap();
            assert_eq!(json, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<ChoreName>(&json).unwrap(), chore);
        }
    }

    #[test]
    fn wrong_names_are_explained() {
        for (name, expected) in [
            ("", "is empty"),
            ("-a", "begins with '-'"),
            ("order_sender", "has '_': use a-z, 0-9 and \"-\", as in \"order-sender\""),
            ("Order Sender", "as in \"order-sender\""),
            ("a.b", "as in \"a-b\""),
            ("_a", "has '_': use a-z, 0-9 and \"-\""),
            ("a/../b", "has '/'"),
            ("bücher", "has 'ü'"),
            ("a\0b", "has '\\0'"),
            (&"a".repeat(64), "has 64 bytes: use at most 63"),
        ] {
            let message = ChoreName::new(name).unwrap_err().to_string();
            assert!(message.contains(expected), "{name:?}: {message}");
            let json = serde_json::to_string(name).unwrap();
            assert!(serde_json::from_str::<ChoreName>(&json).is_err());
        }
        let long = ChoreName::new(&"é\n".repeat(1_000_000)).unwrap_err().to_string();
        assert!(long.len() < 500 && !long.contains('\n'), "{long}");
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["listen", "external-address", "log", "sql", "orders", "intake"];
        for (word, expected) in [
            ("lisen", Some("listen")),
            ("listne", Some("listen")),
            ("Listen", Some("listen")),
            ("external_address", Some("external-address")),
            ("order", Some("orders")),
            ("sqk", Some("sql")),
            ("colour", None),
            ("", None),
            ("x", None),
            (&"l".repeat(100_000), None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word:.20}");
        }
    }
}
