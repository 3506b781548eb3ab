//! What the operator decides for one chore, `NAME.toml`, and how it is joined with what the
//! component says of itself. It opens no file and knows no wasm.

mod resolve;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

pub use self::resolve::{Resolved, ResolvedCycle};
use crate::config::document::{Document, Key, Kind, Otherwise, Section, interval};
use crate::config::keys::{
    BACKOFF_FIRST, BACKOFF_MAX_MULTIPLE, FAILURE_AFTER, FAILURE_POLICY, LIMITS, LOG_LEVELS,
};
use crate::config::{self, Asked, Chores, FailurePolicy, Limits, LogLevel, Place, Problem};
use crate::cycle::{Interval, Start};
use crate::grant::Grants;
use crate::limits::{CONFIG_BYTES_MAX, CYCLE_INTERVAL_MAX, Limit, RUN_TIMEOUT_MAX};

/// Every section and key of `NAME.toml`. What a chore's own defaults are, its descriptor says.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "",
        help: "",
        decides: false,
        keys: &[Key {
            name: "grants",
            kind: Kind::Grants,
            otherwise: Otherwise::Is("[]"),
            help: "What the chore may use besides its log, settings, state, cycles, metrics and \
                   own SQL database: \"orders\", or a part of it, \"orders:read\" or \
                   \"orders:settle\"; \"kademlia\" and \"transport\", or \"transport:NODE-ID\" for one \
                   node alone. `grants-max` in the peer's [chores] is the ceiling.",
        }],
    },
    Section {
        name: "cycles.*",
        help: "When one cycle runs. Without a key, the chore's own default holds.",
        decides: true,
        keys: &[
            Key {
                name: "interval",
                kind: Kind::Interval,
                otherwise: Otherwise::Example("\"5m\""),
                help: "Time between the beginnings of two runs. \"off\": only when triggered.",
            },
            Key {
                name: "timeout",
                kind: Kind::Duration { min: Duration::from_millis(1), max: RUN_TIMEOUT_MAX },
                otherwise: Otherwise::Example("\"10m\""),
                help: "A run that takes longer is asked to wind down.",
            },
            Key {
                name: "start",
                kind: Kind::OneOf(&["now", "delay", "resume"]),
                otherwise: Otherwise::Example("\"resume\""),
                help: "When the peer starts: run at once, wait for the next slot, or run only if a \
                       slot has passed since the last run.",
            },
            Key {
                name: "jitter",
                kind: Kind::Duration { min: Duration::ZERO, max: CYCLE_INTERVAL_MAX },
                otherwise: Otherwise::Is("\"0s\""),
                help: "How far after its slot a run may begin, so that peers spread out.",
            },
        ],
    },
    Section {
        name: "limits",
        help: "What the chore may use. The defaults are those in the peer's [chores.limits], the \
               most that may stand here is in its [chores.ceiling].",
        decides: false,
        keys: LIMITS,
    },
    Section {
        name: "failure",
        help: "What happens after failures. The defaults are those in the peer's [chores.failure].",
        decides: false,
        keys: &[FAILURE_POLICY, FAILURE_AFTER, BACKOFF_FIRST, BACKOFF_MAX_MULTIPLE],
    },
    Section {
        name: "log",
        help: "What is logged about the chore.",
        decides: false,
        keys: &[Key {
            name: "level",
            kind: Kind::OneOf(LOG_LEVELS),
            otherwise: Otherwise::Example("\"debug\""),
            help: "How much. The default is the level in the peer's [log]; `chore log-level NAME` \
                   changes it while the peer runs.",
        }],
    },
    Section {
        name: "settings",
        help: "What the chore reads.",
        decides: false,
        keys: &[Key {
            name: "*",
            kind: Kind::Scalar,
            otherwise: Otherwise::Example("\"text\""),
            help: "A setting of the chore.",
        }],
    },
];

/// Why a `NAME.toml` does not fit, by itself or to its component.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("{origin} has more than {CONFIG_BYTES_MAX} bytes")]
    TooLarge { origin: String },
    #[error("{origin} is not UTF-8 text")]
    NotText { origin: String },
    #[error(transparent)]
    File(#[from] config::Error),
    #[error("{place}: the chore has no {what} {name}{hint} (line: {})", .place.excerpt)]
    Unknown { place: Box<Place>, what: &'static str, name: String, hint: String },
    #[error(
        "{origin}: setting \"{name}\" must be set: write {name} = {example} below [settings]{help}"
    )]
    Missing { origin: String, name: String, example: &'static str, help: String },
    #[error(
        "{place}: limits.{key} is {found}, above this peer's ceiling of {most}: lower it, or write \
         {key} = {found} below [chores.ceiling] in chore.toml (line: {})",
        .place.excerpt
    )]
    AboveCeiling { place: Box<Place>, key: &'static str, found: String, most: String },
    #[error("{place}: setting \"{name}\" must be {kind}: {reason}")]
    Setting { place: Box<Place>, name: String, kind: &'static str, reason: String },
}

/// A `NAME.toml`, read but not yet joined with its component.
#[derive(Clone)]
pub struct Manifest {
    origin: String,
    grants: Grants,
    cycles: BTreeMap<String, (Box<Place>, CycleKeys)>,
    limits: Asked,
    /// Where each limit stands that is asked for.
    limit_places: BTreeMap<Limit, Box<Place>>,
    failure: FailureKeys,
    /// When `None`, the peer's own.
    log_level: Option<LogLevel>,
    settings: BTreeMap<String, (Box<Place>, String)>,
}

/// What is set for one cycle. When `None`, the chore's own default holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CycleKeys {
    interval: Option<Interval>,
    timeout: Option<Duration>,
    start: Option<Start>,
    jitter: Option<Duration>,
}

/// When `None`, the peer's default holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FailureKeys {
    policy: Option<FailurePolicy>,
    after: Option<u32>,
    backoff_first: Option<Duration>,
    backoff_max_multiple: Option<u32>,
}

/// The file as serde reads it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    grants: Grants,
    cycles: BTreeMap<String, CycleFile>,
    limits: Asked,
    failure: FailureFile,
    log: LogFile,
    settings: BTreeMap<String, toml::Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CycleFile {
    interval: Option<Every>,
    timeout: Option<Span>,
    start: Option<Start>,
    jitter: Option<Span>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct FailureFile {
    policy: Option<FailurePolicy>,
    after: Option<u32>,
    backoff_first: Option<Span>,
    backoff_max_multiple: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LogFile {
    level: Option<LogLevel>,
}

#[derive(Deserialize)]
struct Span(#[serde(with = "crate::units::duration")] Duration);

/// Read by our own units: see `units`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Every(Interval);

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Every, String> {
        interval(&text).map(Every)
    }
}

impl Manifest {
    /// Reads the bytes of a `NAME.toml`, as [`Manifest::parse`] does its text, which comes with it.
    ///
    /// # Errors
    ///
    /// Too many bytes, or no text; otherwise those of [`Manifest::parse`].
    pub fn read<'a>(bytes: &'a [u8], origin: &str) -> Result<(&'a str, Manifest), Error> {
        if bytes.len() as u64 > CONFIG_BYTES_MAX {
            return Err(Error::TooLarge { origin: origin.to_owned() });
        }
        let not_text = |_| Error::NotText { origin: origin.to_owned() };
        let text = std::str::from_utf8(bytes).map_err(not_text)?;
        Ok((text, Manifest::parse(text, origin)?))
    }

    /// Reads the text of a `NAME.toml`; `origin` is what errors call it. A chore without a file is
    /// one with an empty text.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its line, and what to write instead.
    pub fn parse(text: &str, origin: &str) -> Result<Manifest, Error> {
        let document = Document::parse(text, origin, SECTIONS)?;
        let file: File = document.read()?;
        let mut settings = BTreeMap::new();
        for (name, value) in file.settings {
            let place = document.place_of(&["settings", &name]);
            match text_of(&value) {
                Some(text) => settings.insert(name, (place, text)),
                // The table of keys allows none of these; it is a second net.
                None => {
                    let problem =
                        Problem::Invalid("a setting is a text, a number or a boolean".into());
                    return Err(document.error_at(&["settings", &name], problem).into());
                }
            };
        }
        let cycle = |(name, keys): (String, CycleFile)| {
            let place = document.place_of(&["cycles", &name]);
            (name, (place, keys.into()))
        };
        let limit_place = |limit: Limit| (limit, document.place_of(&["limits", limit.key()]));
        Ok(Manifest {
            origin: origin.to_owned(),
            grants: file.grants,
            cycles: file.cycles.into_iter().map(cycle).collect(),
            limits: file.limits,
            limit_places: file.limits.limits().map(limit_place).collect(),
            failure: FailureKeys {
                policy: file.failure.policy,
                after: file.failure.after,
                backoff_first: file.failure.backoff_first.map(|span| span.0),
                backoff_max_multiple: file.failure.backoff_max_multiple,
            },
            log_level: file.log.level,
            settings,
        })
    }

    /// What the operator granted, besides what every chore gets.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// What each call of the chore may use at a peer with these defaults and ceilings.
    pub fn limits(&self, peer: &Chores) -> Limits {
        self.limits.over(&peer.limits).within(&peer.ceiling.0)
    }
}

impl From<CycleFile> for CycleKeys {
    fn from(keys: CycleFile) -> CycleKeys {
        CycleKeys {
            interval: keys.interval.map(|every| every.0),
            timeout: keys.timeout.map(|span| span.0),
            start: keys.start,
            jitter: keys.jitter.map(|span| span.0),
        }
    }
}

fn text_of(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}
