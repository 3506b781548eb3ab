//! What one call of a chore may use: the peer's defaults, its ceilings, and what a `NAME.toml` asks
//! for under them. Which limits there are, `limits` says.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::document::{Key, Kind, Otherwise};
use crate::limits::{Amount, Limit};
use crate::units;

/// How much of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Memories and tables of one instance together, in bytes.
    #[serde(with = "units::size")]
    pub memory: u64,
    /// Time of one call on a processor. A call that waits uses none.
    #[serde(with = "units::duration")]
    pub cpu: Duration,
    /// From the wish to wind down to the end of an instance.
    #[serde(with = "units::duration")]
    pub grace: Duration,
    /// Lines that one call logs.
    pub log_lines: u64,
    /// Series that the chore has, for as long as the peer runs.
    pub metric_series: u64,
    /// The file of the chore's database, in bytes.
    #[serde(with = "units::size")]
    pub sql_database: u64,
    /// One SQL statement.
    #[serde(with = "units::duration")]
    pub sql_statement: Duration,
    /// Streams that one call has open at once.
    pub streams: u64,
    /// Bytes that one call has handed over and that have no answer yet.
    #[serde(with = "units::size")]
    pub in_flight: u64,
    /// Runs in progress at once, each of another cycle.
    pub runs: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::of(|limit| limit.range().default)
    }
}

impl Limits {
    fn of(amount: impl Fn(Limit) -> Amount) -> Limits {
        let number = |limit| match amount(limit) {
            Amount::Bytes(number) | Amount::Count(number) => number,
            Amount::Time(_) => 0,
        };
        let time = |limit| match amount(limit) {
            Amount::Time(time) => time,
            Amount::Bytes(_) | Amount::Count(_) => Duration::ZERO,
        };
        Limits {
            memory: number(Limit::Memory),
            cpu: time(Limit::Cpu),
            grace: time(Limit::Grace),
            log_lines: number(Limit::LogLines),
            metric_series: number(Limit::MetricSeries),
            sql_database: number(Limit::SqlDatabase),
            sql_statement: time(Limit::SqlStatement),
            streams: number(Limit::Streams),
            in_flight: number(Limit::InFlight),
            runs: number(Limit::Runs),
        }
    }

    pub fn amount(&self, limit: Limit) -> Amount {
        match limit {
            Limit::Memory => Amount::Bytes(self.memory),
            Limit::Cpu => Amount::Time(self.cpu),
            Limit::Grace => Amount::Time(self.grace),
            Limit::LogLines => Amount::Count(self.log_lines),
            Limit::MetricSeries => Amount::Count(self.metric_series),
            Limit::SqlDatabase => Amount::Bytes(self.sql_database),
            Limit::SqlStatement => Amount::Time(self.sql_statement),
            Limit::Streams => Amount::Count(self.streams),
            Limit::InFlight => Amount::Bytes(self.in_flight),
            Limit::Runs => Amount::Count(self.runs),
        }
    }

    /// Of each the smaller.
    pub fn within(&self, ceiling: &Limits) -> Limits {
        Limits::of(|limit| match (self.amount(limit), ceiling.amount(limit)) {
            (amount, most) if amount <= most => amount,
            (_, most) => most,
        })
    }

    /// Runs at once.
    pub fn runs_max(&self) -> usize {
        usize::try_from(self.runs).unwrap_or(usize::MAX)
    }

    /// Memory of one instance, in bytes.
    pub fn memory_bytes_max(&self) -> usize {
        usize::try_from(self.memory).unwrap_or(usize::MAX)
    }
}

/// The most that each may be in a `NAME.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Asked", into = "Limits")]
pub struct Ceiling(pub Limits);

impl Default for Ceiling {
    fn default() -> Ceiling {
        Ceiling(Limits::of(|limit| limit.range().ceiling))
    }
}

impl From<Asked> for Ceiling {
    fn from(asked: Asked) -> Ceiling {
        Ceiling(asked.over(&Ceiling::default().0))
    }
}

impl From<Ceiling> for Limits {
    fn from(ceiling: Ceiling) -> Limits {
        ceiling.0
    }
}

/// What a file says. When `None`, it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Asked {
    memory: Option<Size>,
    cpu: Option<Span>,
    grace: Option<Span>,
    log_lines: Option<u64>,
    metric_series: Option<u64>,
    sql_database: Option<Size>,
    sql_statement: Option<Span>,
    streams: Option<u64>,
    in_flight: Option<Size>,
    runs: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Size(#[serde(with = "units::size")] u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Span(#[serde(with = "units::duration")] Duration);

impl Asked {
    pub fn amount(&self, limit: Limit) -> Option<Amount> {
        let bytes = |size: Option<Size>| size.map(|size| Amount::Bytes(size.0));
        let time = |span: Option<Span>| span.map(|span| Amount::Time(span.0));
        let count = |count: Option<u64>| count.map(Amount::Count);
        match limit {
            Limit::Memory => bytes(self.memory),
            Limit::Cpu => time(self.cpu),
            Limit::Grace => time(self.grace),
            Limit::LogLines => count(self.log_lines),
            Limit::MetricSeries => count(self.metric_series),
            Limit::SqlDatabase => bytes(self.sql_database),
            Limit::SqlStatement => time(self.sql_statement),
            Limit::Streams => count(self.streams),
            Limit::InFlight => bytes(self.in_flight),
            Limit::Runs => count(self.runs),
        }
    }

    /// What is asked for, and the rest as it was.
    pub fn over(&self, base: &Limits) -> Limits {
        Limits::of(|limit| self.amount(limit).unwrap_or_else(|| base.amount(limit)))
    }

    /// Which are asked for.
    pub fn limits(&self) -> impl Iterator<Item = Limit> {
        Limit::ALL.into_iter().filter(|limit| self.amount(*limit).is_some())
    }
}

/// The keys of every section of limits, for the peer's defaults and for a `NAME.toml`.
pub const KEYS: &[Key] = &[
    key(Limit::Memory, "\"64MiB\"", "Memory of one call: all its memories and tables together."),
    key(
        Limit::Cpu,
        "\"5m\"",
        "Time of one call on a processor: one that computes for longer is ended. Waiting is free.",
    ),
    key(
        Limit::Grace,
        "\"10s\"",
        "How long a call that was asked to wind down has before it is ended.",
    ),
    key(Limit::LogLines, "10000", "Lines that one call logs; the rest is dropped and counted."),
    key(
        Limit::MetricSeries,
        "1000",
        "Series of the chore's own metrics, for as long as the peer runs; new ones beyond are refused.",
    ),
    key(Limit::SqlDatabase, "\"1GiB\"", "The file of the chore's own database."),
    key(Limit::SqlStatement, "\"30s\"", "How long one SQL statement may run."),
    key(Limit::Streams, "64", "Streams that one call has open at once."),
    key(
        Limit::InFlight,
        "\"64MiB\"",
        "Requests, statements and parameters of one call that have no answer yet.",
    ),
    key(Limit::Runs, "16", "Runs of one chore in progress at once; others wait for their turn."),
];

/// The same, for the peer's ceilings.
pub const CEILING_KEYS: &[Key] = &[
    ceiling(&KEYS[0], "\"1GiB\""),
    ceiling(&KEYS[1], "\"1h\""),
    ceiling(&KEYS[2], "\"10m\""),
    ceiling(&KEYS[3], "1000000"),
    ceiling(&KEYS[4], "10000"),
    ceiling(&KEYS[5], "\"16GiB\""),
    ceiling(&KEYS[6], "\"10m\""),
    ceiling(&KEYS[7], "1000"),
    ceiling(&KEYS[8], "\"1GiB\""),
    ceiling(&KEYS[9], "1000"),
];

const fn key(limit: Limit, default: &'static str, help: &'static str) -> Key {
    let range = limit.range();
    let kind = match (range.min, range.max) {
        (Amount::Bytes(min), Amount::Bytes(max)) => Kind::Size { min, max },
        (Amount::Time(min), Amount::Time(max)) => Kind::Duration { min, max },
        (Amount::Count(min), Amount::Count(max)) => {
            Kind::Integer { min: min as i64, max: max as i64 }
        }
        // No range mixes them.
        _ => Kind::Scalar,
    };
    Key { name: limit.key(), kind, otherwise: Otherwise::Is(default), help }
}

const fn ceiling(key: &Key, default: &'static str) -> Key {
    Key { name: key.name, kind: key.kind, otherwise: Otherwise::Is(default), help: key.help }
}
