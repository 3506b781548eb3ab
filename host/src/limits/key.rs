//! The limits that an operator changes for one chore, each with its key below `[limits]`, and what is
//! said when one is reached: what was wanted, how much there is, and the line to change.

use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;

use super::{
    CHORE_CPU, CHORE_CPU_CEILING, CHORE_CPU_MIN, CHORE_MEMORY_BYTES, CHORE_MEMORY_BYTES_CEILING,
    CHORE_MEMORY_BYTES_MAX, CHORE_MEMORY_BYTES_MIN, CYCLES_MAX, GRACE, GRACE_MAX,
    IN_FLIGHT_BYTES_CEILING, IN_FLIGHT_BYTES_MAX, LOG_LINES_PER_CALL_CEILING,
    LOG_LINES_PER_CALL_MAX, METRIC_SERIES_CEILING, METRIC_SERIES_MAX, MIB, RUN_TIMEOUT_MAX,
    RUNS_AT_ONCE, SQL_DATABASE_BYTES_CEILING, SQL_DATABASE_BYTES_MAX, SQL_STATEMENT_TIMEOUT,
    SQL_STATEMENT_TIMEOUT_CEILING, STREAMS_CEILING, STREAMS_MAX,
};
use crate::units;

/// One limit of a chore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    Memory,
    Cpu,
    Grace,
    LogLines,
    MetricSeries,
    SqlDatabase,
    SqlStatement,
    Streams,
    InFlight,
    Runs,
}

/// How much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Amount {
    Bytes(u64),
    Time(Duration),
    Count(u64),
}

/// What its key may say, and what it is without one.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub min: Amount,
    /// What nobody can change.
    pub max: Amount,
    /// Unless the peer's `[chores.limits]` says otherwise.
    pub default: Amount,
    /// The most that a `NAME.toml` may say, unless the peer's `[chores.ceiling]` says otherwise.
    pub ceiling: Amount,
}

/// Beyond, a number is a typing error.
const COUNT_MAX: u64 = 1_000_000_000;

/// Beyond, a size is a typing error: more than a disk has.
const BYTES_MAX: u64 = 1 << 50;

impl Limit {
    /// In the order in which they are written.
    pub const ALL: [Limit; 10] = [
        Limit::Memory,
        Limit::Cpu,
        Limit::Grace,
        Limit::LogLines,
        Limit::MetricSeries,
        Limit::SqlDatabase,
        Limit::SqlStatement,
        Limit::Streams,
        Limit::InFlight,
        Limit::Runs,
    ];

    /// As a config file has it below its section.
    pub const fn key(self) -> &'static str {
        match self {
            Limit::Memory => "memory",
            Limit::Cpu => "cpu",
            Limit::Grace => "grace",
            Limit::LogLines => "log-lines",
            Limit::MetricSeries => "metric-series",
            Limit::SqlDatabase => "sql-database",
            Limit::SqlStatement => "sql-statement",
            Limit::Streams => "streams",
            Limit::InFlight => "in-flight",
            Limit::Runs => "runs",
        }
    }

    pub const fn range(self) -> Range {
        match self {
            Limit::Memory => bytes(
                [CHORE_MEMORY_BYTES_MIN, CHORE_MEMORY_BYTES_MAX],
                [CHORE_MEMORY_BYTES, CHORE_MEMORY_BYTES_CEILING],
            ),
            Limit::Cpu => time([CHORE_CPU_MIN, RUN_TIMEOUT_MAX], [CHORE_CPU, CHORE_CPU_CEILING]),
            Limit::Grace => time([Duration::ZERO, GRACE_MAX], [GRACE, GRACE_MAX]),
            Limit::LogLines => count(0, [LOG_LINES_PER_CALL_MAX, LOG_LINES_PER_CALL_CEILING]),
            Limit::MetricSeries => {
                count(0, [METRIC_SERIES_MAX as u64, METRIC_SERIES_CEILING as u64])
            }
            Limit::SqlDatabase => {
                bytes([MIB as u64, BYTES_MAX], [SQL_DATABASE_BYTES_MAX, SQL_DATABASE_BYTES_CEILING])
            }
            Limit::SqlStatement => time(
                [Duration::from_millis(1), RUN_TIMEOUT_MAX],
                [SQL_STATEMENT_TIMEOUT, SQL_STATEMENT_TIMEOUT_CEILING],
            ),
            Limit::Streams => count(0, [STREAMS_MAX as u64, STREAMS_CEILING as u64]),
            Limit::InFlight => {
                bytes([MIB as u64, BYTES_MAX], [IN_FLIGHT_BYTES_MAX, IN_FLIGHT_BYTES_CEILING])
            }
            Limit::Runs => count(1, [RUNS_AT_ONCE as u64, CYCLES_MAX as u64]),
        }
    }

    /// What is wrong when there is not more of it.
    fn lack(self) -> &'static str {
        match self {
            Limit::Memory => "out of memory",
            Limit::Cpu => "out of CPU time",
            Limit::Grace => "interrupted: past its deadline, and it did not wind down",
            Limit::LogLines => "too many log lines in one call, the rest was dropped",
            Limit::MetricSeries => "too many metric series, new ones are not kept",
            Limit::SqlDatabase => "the chore's database is full",
            Limit::SqlStatement => "the SQL statement took too long",
            Limit::Streams => "too many streams at once",
            Limit::InFlight => "too many bytes in calls without an answer yet",
            Limit::Runs => "too many runs at once, others wait for their turn",
        }
    }

    /// "out of memory: wanted 80 MiB, limit 64 MiB; raise `limits.memory` in order-sender.toml".
    pub fn reached(self, chore: &str, wanted: Option<Amount>, limit: Amount) -> String {
        let wanted = wanted.map(|wanted| format!("wanted {wanted}, ")).unwrap_or_default();
        let (lack, key) = (self.lack(), self.key());
        format!("{lack}: {wanted}limit {limit}; raise `limits.{key}` in {chore}.toml")
    }
}

const fn bytes([min, max]: [u64; 2], [default, ceiling]: [usize; 2]) -> Range {
    Range {
        min: Amount::Bytes(min),
        max: Amount::Bytes(max),
        default: Amount::Bytes(default as u64),
        ceiling: Amount::Bytes(ceiling as u64),
    }
}

const fn time([min, max]: [Duration; 2], [default, ceiling]: [Duration; 2]) -> Range {
    Range {
        min: Amount::Time(min),
        max: Amount::Time(max),
        default: Amount::Time(default),
        ceiling: Amount::Time(ceiling),
    }
}

const fn count(min: u64, [default, ceiling]: [u64; 2]) -> Range {
    Range {
        min: Amount::Count(min),
        max: Amount::Count(COUNT_MAX),
        default: Amount::Count(default),
        ceiling: Amount::Count(ceiling),
    }
}

impl Amount {
    /// As one writes it in a config file.
    pub fn written(self) -> String {
        match self {
            Amount::Bytes(bytes) => format!("\"{}\"", units::format_size(bytes)),
            Amount::Time(time) => format!("\"{}\"", units::format_duration(time)),
            Amount::Count(count) => count.to_string(),
        }
    }
}

/// For people, sizes rounded to a tenth.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Bytes(bytes) => f.write_str(&ByteSize(*bytes).to_string().replace(".0 ", " ")),
            Amount::Time(time) => f.write_str(&units::format_duration(*time)),
            Amount::Count(count) => count.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_reached_is_said_with_numbers_and_what_to_do() {
        let mib = |mib: u64| Amount::Bytes(mib << 20);
        let table = [
            (
                Limit::Memory,
                Some(mib(80)),
                mib(64),
                "out of memory: wanted 80 MiB, limit 64 MiB; raise `limits.memory` in a.toml",
            ),
            (
                Limit::Cpu,
                None,
                Amount::Time(Duration::from_millis(1_500)),
                "out of CPU time: limit 1s500ms; raise `limits.cpu` in a.toml",
            ),
            (
                Limit::Streams,
                Some(Amount::Count(65)),
                Amount::Count(64),
                "too many streams at once: wanted 65, limit 64; raise `limits.streams` in a.toml",
            ),
        ];
        for (limit, wanted, max, expected) in table {
            assert_eq!(limit.reached("a", wanted, max), expected);
        }
    }

    #[test]
    fn defaults_are_within_their_ceilings_and_those_within_what_can_be_written() {
        for limit in Limit::ALL {
            let Range { min, max, default, ceiling } = limit.range();
            assert!(min <= default && default <= ceiling && ceiling <= max, "{}", limit.key());
        }
    }

    #[test]
    fn amounts_are_rounded_for_people_and_exact_in_files() {
        let table = [
            (Amount::Bytes(64 << 20), "64 MiB", "\"64MiB\""),
            (Amount::Bytes((64 << 20) + (200 << 10)), "64.2 MiB", "\"65736KiB\""),
            (Amount::Bytes(12), "12 B", "\"12B\""),
            (Amount::Time(Duration::from_millis(90_500)), "1m30s500ms", "\"1m30s500ms\""),
            (Amount::Count(10_000), "10000", "10000"),
        ];
        for (amount, shown, written) in table {
            assert_eq!((amount.to_string().as_str(), amount.written().as_str()), (shown, written));
        }
    }
}
