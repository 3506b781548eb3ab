//! A TOML text read strictly against a table of its keys: every error says where it stands and what
//! to write instead. It knows no particular key; `config` and `manifest` bring theirs.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cycle::Interval;
use crate::grant::Grant;
use crate::limits::CONFIG_BYTES_MAX;
use crate::minisig::TrustedKey;
use crate::name::{cut, did_you_mean, nearest, quote};
use crate::node_id::{self, NodeUrl};
use crate::units;

/// How much of a line an error repeats, in characters.
const LINE_CHARS_MAX: usize = 120;

/// One section of a file. The section "" has the keys before the first header. A name may have the
/// part "*", which stands for any word.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub name: &'static str,
    /// What it is for: whole sentences.
    pub help: &'static str,
    /// Whether it is there decides something, so that a template has its header as a comment.
    pub decides: bool,
    pub keys: &'static [Key],
}

/// One key of a section, or "*" for any.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub otherwise: Otherwise,
    pub help: &'static str,
}

/// What a key is when the file does not have it, as TOML.
#[derive(Clone, Copy, Debug)]
pub enum Otherwise {
    Is(&'static str),
    /// Nothing, or what the help says; this is what one could write.
    Example(&'static str),
}

/// What may stand behind a key.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    Duration {
        min: Duration,
        max: Duration,
    },
    /// In bytes.
    Size {
        min: u64,
        max: u64,
    },
    Integer {
        min: i64,
        max: i64,
    },
    /// A duration, or "off".
    Interval,
    OneOf(&'static [&'static str]),
    /// True or false.
    Switch,
    Text,
    /// An IP address and a port.
    Socket,
    /// `host:port`.
    Address,
    /// A list of nodes.
    Nodes,
    /// A list of capabilities.
    Grants,
    /// A list of public keys.
    PublicKeys,
    /// Text, number or boolean: a setting, whose kind only its chore knows.
    Scalar,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Duration { min, max } => {
                let (min, max) = (units::format_duration(*min), units::format_duration(*max));
                write!(f, "a duration from {min} to {max}")
            }
            Kind::Size { min, max } => {
                write!(
                    f,
                    "a size from {} to {}",
                    units::format_size(*min),
                    units::format_size(*max)
                )
            }
            Kind::Integer { min, max } => write!(f, "a number from {min} to {max}"),
            Kind::Interval => f.write_str("a duration, or \"off\""),
            Kind::OneOf(words) => write!(f, "one of \"{}\"", words.join("\", \"")),
            Kind::Switch => f.write_str("true or false"),
            Kind::Text => f.write_str("a text"),
            Kind::Socket => f.write_str("an IP address with a port"),
            Kind::Address => f.write_str("a host and a port"),
            Kind::Nodes => f.write_str("a list of nodes, each as \"ID@host:port\""),
            Kind::Grants => f.write_str("a list of names"),
            Kind::PublicKeys => f.write_str("a list of public keys of minisign, each as \"RW...\""),
            Kind::Scalar => f.write_str("a text, a number, true or false"),
        }
    }
}

/// Where in a file something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as errors name it.
    pub origin: String,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// The line itself, cut; of what is or may be a setting, and so a secret, only its key.
    pub excerpt: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.origin, self.line, self.column)
    }
}

/// A file that cannot be used, and where it says so.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{place}: {problem}{}", shown(.place))]
pub struct Error {
    pub place: Box<Place>,
    pub problem: Problem,
}

fn shown(place: &Place) -> String {
    if place.excerpt.is_empty() { String::new() } else { format!(" (line: {})", place.excerpt) }
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    #[error("the file has {bytes} bytes, at most {CONFIG_BYTES_MAX} are read")]
    TooLarge { bytes: usize },
    #[error("not TOML: {0}")]
    Syntax(String),
    #[error("{0}")]
    Invalid(String),
    #[error("unknown key {key} {within}{hint}")]
    UnknownKey { key: String, within: String, hint: String },
    #[error("unknown section [{section}]{hint}")]
    UnknownSection { section: String, hint: String },
    #[error("{section} is a section: write [{section}], and its keys on the lines below")]
    NotASection { section: String },
    #[error("{key} must be {kind}{found}")]
    Value { key: String, kind: String, found: String },
    #[error("{key} lists {id} twice")]
    Twice { key: String, id: String },
    #[error(
        "{key} is {found}, above the ceiling of {most}: lower it, or raise it in [chores.ceiling]"
    )]
    AboveCeiling { key: String, found: String, most: String },
    #[error("[{section}] needs {needs}")]
    Needs { section: &'static str, needs: &'static str },
}

/// A text whose keys are all known and whose values are all of their kind.
pub struct Document<'a> {
    text: &'a str,
    origin: &'a str,
    table: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// # Errors
    ///
    /// The first thing in the text that the sections do not allow.
    pub fn parse(
        text: &'a str,
        origin: &'a str,
        sections: &'static [Section],
    ) -> Result<Document<'a>, Error> {
        if text.len() as u64 > CONFIG_BYTES_MAX {
            let place = Place { origin: origin.into(), line: 1, column: 1, excerpt: String::new() };
            let problem = Problem::TooLarge { bytes: text.len() };
            return Err(Error { place: Box::new(place), problem });
        }
        let table = DeTable::parse(text).map_err(|err| {
            // The parser could not tell a setting, so no value is shown where one may be.
            let (at, secret) = (err.span().unwrap_or_default().start, has_settings(sections));
            let problem = Problem::Syntax(err.message().to_owned());
            Error { place: place(text, origin, at, secret), problem }
        })?;
        let mut checker = Checker { sections, path: Vec::new(), found: Vec::new() };
        checker.section(table.get_ref());
        let first = checker.found.into_iter().min_by_key(|found| found.at.start);
        if let Some(Found { at, secret, problem }) = first {
            return Err(Error { place: place(text, origin, at.start, secret), problem });
        }
        Ok(Document { text, origin, table })
    }

    /// The values as a type of serde.
    ///
    /// # Errors
    ///
    /// What only the type itself can check, such as a node's id.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let table = toml::de::Deserializer::from(self.table.clone());
        T::deserialize(table).map_err(|err| {
            let at = err.span().unwrap_or_default().start;
            let problem = Problem::Invalid(err.message().to_owned());
            // Whatever may stand in a setting was taken by `Kind::Scalar` before.
            Error { place: place(self.text, self.origin, at, false), problem }
        })
    }

    /// Where the key or section stands, or the beginning of the file.
    pub fn place_of(&self, path: &[&str]) -> Box<Place> {
        let mut table = self.table.get_ref();
        let mut at = 0;
        for part in path {
            let Some((key, value)) = table.get_key_value(*part) else { break };
            at = key.span().start;
            let DeValue::Table(inner) = value.get_ref() else { break };
            table = inner;
        }
        place(self.text, self.origin, at, path.first() == Some(&SETTINGS))
    }

    /// Whether there is such a key or section.
    pub fn has(&self, path: &[&str]) -> bool {
        let Some((last, sections)) = path.split_last() else { return true };
        let mut table = self.table.get_ref();
        for section in sections {
            match table.get(*section).map(Spanned::get_ref) {
                Some(DeValue::Table(inner)) => table = inner,
                _ => return false,
            }
        }
        table.contains_key(*last)
    }

    /// An error about a key or section that is there.
    pub fn error_at(&self, path: &[&str], problem: Problem) -> Error {
        Error { place: self.place_of(path), problem }
    }
}

fn place(text: &str, origin: &str, at: usize, secret: bool) -> Box<Place> {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    let line = text[start..end].trim();
    let line: String = match secret {
        true => without_value(&text[..start], line),
        false => line.chars().take(LINE_CHARS_MAX).collect(),
    };
    Box::new(Place {
        origin: origin.to_owned(),
        line: text[..at].matches('\n').count() + 1,
        column: text[start..at].chars().count() + 1,
        excerpt: line.replace(char::is_control, "\u{fffd}"),
    })
}

/// The section whose values may be secrets.
const SETTINGS: &str = "settings";

/// Whether a value may be a secret that was put in the wrong place.
fn has_settings(sections: &[Section]) -> bool {
    sections.iter().any(|section| section.name == SETTINGS)
}

/// The key or the header of a line. Nothing of a line that may be within a text or a list, and so is
/// a value itself.
fn without_value(before: &str, line: &str) -> String {
    let is_key = |word: &str| {
        let bare = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
        !word.trim().is_empty() && word.chars().all(bare)
    };
    let is_open = |quotes| !before.matches(quotes).count().is_multiple_of(2);
    let shown = match line.split_once('=') {
        _ if is_open("\"\"\"") || is_open("'''") => String::new(),
        Some((key, _)) if is_key(key) => format!("{key}= ..."),
        None if line.starts_with('[') && is_key(line.trim_matches(['[', ']'])) => line.to_owned(),
        _ => String::new(),
    };
    shown.chars().take(LINE_CHARS_MAX).collect()
}

struct Found {
    at: Range<usize>,
    secret: bool,
    problem: Problem,
}

/// Walks a document and collects what its sections do not allow.
struct Checker {
    sections: &'static [Section],
    path: Vec<String>,
    found: Vec<Found>,
}

impl Checker {
    fn section(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            self.path.push(key.get_ref().to_string());
            if self.is_section(&self.path) {
                match value.get_ref() {
                    DeValue::Table(inner) => self.section(inner),
                    _ => {
                        let problem = self.no_section(key.get_ref());
                        self.report(key.span(), problem);
                    }
                }
            } else {
                match self.key() {
                    Some(known) => self.value(known, value),
                    None => {
                        let problem = self.unknown(matches!(value.get_ref(), DeValue::Table(_)));
                        self.report(key.span(), problem);
                    }
                }
            }
            self.path.pop();
        }
    }

    fn report(&mut self, at: Range<usize>, problem: Problem) {
        // What stands in the wrong place may be a setting.
        let secret = has_settings(self.sections) && !matches!(problem, Problem::Value { .. });
        let secret = secret || self.path.first().is_some_and(|first| first == SETTINGS);
        self.found.push(Found { at, secret, problem });
    }

    /// True for "chores" too if there is "chores.limits".
    fn is_section(&self, path: &[String]) -> bool {
        self.sections.iter().any(|section| {
            let parts: Vec<&str> =
                section.name.split('.').filter(|part| !part.is_empty()).collect();
            parts.len() >= path.len() && path.iter().zip(parts).all(|(word, part)| fits(part, word))
        })
    }

    fn keys_of(&self, path: &[String]) -> &'static [Key] {
        let same = |section: &&Section| {
            let mut parts = section.name.split('.').filter(|part| !part.is_empty());
            path.iter().all(|word| parts.next().is_some_and(|part| fits(part, word)))
                && parts.next().is_none()
        };
        self.sections.iter().find(same).map_or(&[], |section| section.keys)
    }

    fn key(&self) -> Option<&'static Key> {
        let (word, path) = self.path.split_last()?;
        self.keys_of(path).iter().find(|key| fits(key.name, word))
    }

    fn shown_path(&self) -> String {
        cut(&self.path.join("."))
    }

    /// A value where a section belongs: often a key that belongs into that section.
    fn no_section(&self, word: &str) -> Problem {
        let is_key = |section: &Section| section.keys.iter().any(|key| key.name == word);
        if self.path.len() > 1 && self.sections.iter().any(is_key) {
            return self.unknown(false);
        }
        Problem::NotASection { section: self.shown_path() }
    }

    fn unknown(&self, is_table: bool) -> Problem {
        let Some((word, path)) = self.path.split_last() else {
            return Problem::Syntax("empty key".into());
        };
        let keys = self.keys_of(path).iter().map(|key| key.name);
        let names = self.sections.iter().filter(|_| path.is_empty()).map(|section| section.name);
        let near = nearest(word, keys.clone().chain(names).filter(|name| !name.contains('*')));
        if is_table && keys.clone().all(|key| Some(key) != near) {
            let within = self.sections.iter().map(|section| section.name);
            let near = nearest(&self.path.join("."), within);
            let hint = near.map(|near| format!(": did you mean [{near}]?")).unwrap_or_default();
            return Problem::UnknownSection { section: self.shown_path(), hint };
        }
        let elsewhere = |section: &&Section| section.keys.iter().any(|key| key.name == word);
        let hint = match (near, self.sections.iter().find(elsewhere)) {
            (_, Some(section)) if section.name.is_empty() => {
                ": it belongs before the first section".to_owned()
            }
            (_, Some(section)) => {
                format!(": it belongs in [{}]", section.name.replace('*', "main"))
            }
            (Some(near), None) if keys.clone().any(|key| key == near) => did_you_mean(Some(near)),
            (Some(near), None) => format!(": did you mean the section [{near}]?"),
            (None, None) => {
                let known: Vec<&str> = keys.collect();
                if known.is_empty() { String::new() } else { format!(": use {}", known.join(", ")) }
            }
        };
        let within = match path {
            [] => "before the first section".to_owned(),
            path => format!("in [{}]", cut(&path.join("."))),
        };
        Problem::UnknownKey { key: quote(word), within, hint }
    }

    fn value(&mut self, key: &'static Key, value: &Spanned<DeValue<'_>>) {
        let (at, found) = match (key.kind.item(), value.get_ref()) {
            (Some(check), DeValue::Array(list)) => {
                let wrong = |item: &Spanned<DeValue<'_>>| {
                    let checked = item.get_ref().as_str().ok_or_else(String::new).and_then(check);
                    checked.err().map(|why| (item.span(), why))
                };
                match list.iter().find_map(wrong) {
                    Some(wrong) => wrong,
                    None => return,
                }
            }
            _ => match check(&key.kind, value.get_ref()) {
                Ok(()) => return,
                Err(why) => (value.span(), why),
            },
        };
        let found = if found.is_empty() { found } else { format!(": {found}") };
        let hint = match key.otherwise {
            Otherwise::Is(default) => format!("{found} (the default is {default})"),
            Otherwise::Example(example) => format!("{found} (for example {example})"),
        };
        let kind = key.kind.to_string();
        self.report(at, Problem::Value { key: self.shown_path(), kind, found: hint });
    }
}

/// Says why a text cannot be used.
type Check = fn(&str) -> Result<(), String>;

impl Kind {
    /// How an item is checked, if this is a list.
    fn item(&self) -> Option<Check> {
        match self {
            Kind::Nodes => Some(is::<NodeUrl>),
            Kind::Grants => Some(is::<Grant>),
            Kind::PublicKeys => Some(is::<TrustedKey>),
            _ => None,
        }
    }
}

fn is<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|err| err.to_string())
}

fn fits(part: &str, word: &str) -> bool {
    part == "*" || part == word
}

/// The error says what was found, if that is not plain from the kind.
fn check(kind: &Kind, value: &DeValue<'_>) -> Result<(), String> {
    let within = |inside: bool| if inside { Ok(()) } else { Err("this is outside".to_owned()) };
    let text = value.as_str();
    // A number without its unit gets the answer that says so.
    let number = match value {
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        _ => None,
    };
    match kind {
        Kind::Duration { min, max } => {
            let text = text.or(number.as_deref()).ok_or_else(String::new)?;
            let duration = units::parse_duration(text).map_err(|err| err.to_string())?;
            within(*min <= duration && duration <= *max)
        }
        Kind::Size { min, max } => {
            let text = text.or(number.as_deref()).ok_or_else(String::new)?;
            let size = units::parse_size(text).map_err(|err| err.to_string())?;
            within(*min <= size && size <= *max)
        }
        Kind::Interval => {
            let text = text.or(number.as_deref()).ok_or_else(String::new)?;
            interval(text).map(drop)
        }
        Kind::Integer { min, max } => match value {
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                within(number.is_ok_and(|number| *min <= number && number <= *max))
            }
            DeValue::String(_) => Err("write it without quotes".into()),
            _ => Err(String::new()),
        },
        Kind::OneOf(words) => match text {
            Some(text) if words.contains(&text) => Ok(()),
            Some(text) => Err(format!(
                "{}{}",
                quote(text),
                did_you_mean(nearest(text, words.iter().copied()))
            )),
            None => Err(String::new()),
        },
        Kind::Switch => switch(value),
        Kind::Text => text.map(drop).ok_or_else(String::new),
        Kind::Socket => {
            let text = text.ok_or_else(String::new)?;
            text.parse::<SocketAddr>().map(drop).map_err(|_| quote(text))
        }
        Kind::Address => {
            let text = text.ok_or_else(String::new)?;
            node_id::check_address(text).map_err(|err| err.to_string())
        }
        // The items of a list have been checked.
        Kind::Nodes | Kind::Grants | Kind::PublicKeys => Err(match text {
            Some(_) => "write [\"...\"]".to_owned(),
            None => String::new(),
        }),
        Kind::Scalar => match value {
            DeValue::Integer(number)
                if i64::from_str_radix(number.as_str(), number.radix()).is_err() =>
            {
                Err("the number is too large".into())
            }
            DeValue::Datetime(_) => Err("write a date as a text, in quotes".into()),
            DeValue::Array(_) | DeValue::Table(_) => Err(String::new()),
            _ => Ok(()),
        },
    }
}

fn switch(value: &DeValue<'_>) -> Result<(), String> {
    match (value, value.as_str()) {
        (DeValue::Boolean(_), _) => Ok(()),
        (_, Some("true" | "false")) => Err("write it without quotes".into()),
        _ => Err(String::new()),
    }
}

/// "5m", or "off".
pub(crate) fn interval(text: &str) -> Result<Interval, String> {
    if text == "off" {
        return Ok(Interval::Off);
    }
    let duration = units::parse_duration(text).map_err(|err| err.to_string())?;
    Interval::every(duration).map_err(|err| err.to_string())
}
