//! How durations and outcomes stand in JSON, for the API, for `--json` and for what is saved. What
//! earlier versions saved is read, too.

use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::{LastRun, Outcome};
use crate::clock::Timestamp;
use crate::record::Usage;

/// A duration as seconds.
pub(crate) mod seconds {
    use super::*;

    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(duration.as_secs_f64())
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Span::deserialize(from)?.duration().map_err(serde::de::Error::custom)
    }
}

/// The same, of what may not be known.
pub(crate) mod maybe_seconds {
    use super::*;

    pub fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        duration.map(|duration| duration.as_secs_f64()).serialize(to)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let span = Option::<Span>::deserialize(from)?;
        span.map(|span| span.duration().map_err(serde::de::Error::custom)).transpose()
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Span {
    Seconds(f64),
    /// As earlier versions saved it.
    Parts {
        secs: u64,
        nanos: u32,
    },
}

impl Span {
    fn duration(self) -> Result<Duration, String> {
        match self {
            Span::Seconds(seconds) => Duration::try_from_secs_f64(seconds)
                .map_err(|err| format!("{seconds} is no number of seconds: {err}")),
            Span::Parts { secs, nanos } => Duration::from_secs(secs)
                .checked_add(Duration::from_nanos(nanos.into()))
                .ok_or_else(|| "a duration is too long".to_owned()),
        }
    }
}

/// An outcome's word, and what went wrong.
#[derive(Serialize, Deserialize)]
pub(super) struct Told {
    outcome: String,
    #[serde(default)]
    message: String,
}

impl From<Outcome> for Told {
    fn from(outcome: Outcome) -> Told {
        Told { outcome: outcome.word().to_owned(), message: outcome.message().to_owned() }
    }
}

impl TryFrom<Told> for Outcome {
    type Error = String;

    fn try_from(Told { outcome, message }: Told) -> Result<Outcome, String> {
        Outcome::from_word(&outcome, message).ok_or_else(|| format!("unknown outcome {outcome:?}"))
    }
}

/// What a run that has not ended says in an outcome's place.
const RUNNING: &str = "running";

/// The outcome of a run that may be in progress.
pub(crate) mod ending {
    use super::*;

    pub fn serialize<S: Serializer>(outcome: &Option<Outcome>, to: S) -> Result<S::Ok, S::Error> {
        let running = || Told { outcome: RUNNING.to_owned(), message: String::new() };
        outcome.clone().map_or_else(running, Told::from).serialize(to)
    }

    pub fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Outcome>, D::Error> {
        let told = Told::deserialize(from)?;
        if told.outcome == RUNNING {
            return Ok(None);
        }
        Outcome::try_from(told).map(Some).map_err(serde::de::Error::custom)
    }
}

/// A [`LastRun`] as it is read: `peer.db` may have one of an earlier version.
#[derive(Deserialize)]
pub(super) struct SavedRun {
    #[serde(default)]
    run: u64,
    iteration: u64,
    reason: String,
    started: Timestamp,
    #[serde(rename = "elapsed_seconds", alias = "elapsed", with = "seconds")]
    elapsed: Duration,
    outcome: SavedOutcome,
    #[serde(default)]
    message: String,
    #[serde(default, with = "maybe_seconds")]
    cpu_seconds: Option<Duration>,
    #[serde(default)]
    memory_bytes: u64,
    #[serde(default)]
    host_calls: u64,
    #[serde(default)]
    host_bytes: u64,
    /// Of an earlier version.
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SavedOutcome {
    Word(String),
    /// As earlier versions saved it.
    Kind {
        kind: String,
        #[serde(default)]
        message: String,
    },
}

impl TryFrom<SavedRun> for LastRun {
    type Error = String;

    fn try_from(saved: SavedRun) -> Result<LastRun, String> {
        let (outcome, message) = match saved.outcome {
            SavedOutcome::Word(word) => (word, saved.message),
            SavedOutcome::Kind { kind, message } => (kind, message),
        };
        let usage = saved.usage.unwrap_or_else(|| Usage {
            cpu: saved.cpu_seconds.unwrap_or_default(),
            memory_bytes: saved.memory_bytes,
            host_calls: saved.host_calls,
            host_bytes: saved.host_bytes,
        });
        Ok(LastRun {
            run: saved.run,
            iteration: saved.iteration,
            reason: saved.reason,
            started: saved.started,
            elapsed: saved.elapsed,
            outcome: Told { outcome, message }.try_into()?,
            usage,
        })
    }
}
