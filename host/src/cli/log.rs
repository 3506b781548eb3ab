//! The log of this process on its standard error: lines for people or JSON, and a level that can be
//! changed while it runs.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::{Error, ink};
use crate::config::{Log, LogFormat, LogLevel};
use crate::logs;
use crate::traces::SpanLayer;

/// Overrides the level that the program or its config file names.
const LEVEL_VARIABLE: &str = "CHORE_LOG";

/// Overrides the format.
const FORMAT_VARIABLE: &str = "CHORE_LOG_FORMAT";

/// All lines about chores pass here: their own levels have decided before.
const ABOUT_CHORES: &str = "chore::=trace";

/// Starts it, and sends spans to whatever takes them, which no filter of the log is in the way of.
/// What cannot be written is lost: a log must not stop a peer.
pub(super) fn start(config: Log, spans: Option<SpanLayer>) -> Result<(), Error> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let filter = variable(LEVEL_VARIABLE).unwrap_or_else(|| config.level.to_string());
    let format = match variable(FORMAT_VARIABLE) {
        Some(word) => format(&word)?,
        None => config.format,
    };
    let (filtering, handle) = reload::Layer::new(parse(&filter)?);
    let at_start = filter.clone();
    let change = move |level: Option<LogLevel>| {
        let filter = level.map_or_else(|| at_start.clone(), |level| level.to_string());
        // It was parsed before, or is a level. Without the log there is nothing to change.
        if let Ok(filter) = parse(&filter) {
            let _ = handle.reload(filter);
        }
    };
    logs::printed(level(&filter), Box::new(change));
    let lines = fmt::layer().with_writer(stderr).log_internal_errors(false);
    let lines: Box<dyn Layer<_> + Send + Sync> = match is_json(format, stderr().is_terminal()) {
        true => lines.json().flatten_event(true).boxed(),
        false => lines.with_ansi(ink::is_wanted(&stderr())).with_target(false).boxed(),
    };
    Registry::default().with(spans).with(lines.with_filter(filtering)).init();
    Ok(())
}

fn is_json(format: LogFormat, is_terminal: bool) -> bool {
    match format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !is_terminal,
    }
}

fn format(word: &str) -> Result<LogFormat, Error> {
    match word {
        "auto" => Ok(LogFormat::Auto),
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(Error::LogFormat(word.into())),
    }
}

fn parse(filter: &str) -> Result<EnvFilter, Error> {
    let parsed = EnvFilter::builder().parse(format!("{filter},{ABOUT_CHORES}"));
    parsed.map_err(|err| Error::LogFilter { filter: filter.into(), reason: err.to_string() })
}

/// What a filter says of everything, which is what chores without a level of their own have.
fn level(filter: &str) -> LogLevel {
    let bare =
        filter.split(',').filter_map(|part| part.trim().to_lowercase().parse().ok()).next_back();
    // As a filter has it that says nothing of the rest.
    bare.unwrap_or(LogLevel::Error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn where_there_is_json() {
        let table = [
            (LogFormat::Auto, true, false),
            (LogFormat::Auto, false, true),
            (LogFormat::Text, false, false),
            (LogFormat::Json, true, true),
        ];
        for (format, is_terminal, expected) in table {
            assert_eq!(is_json(format, is_terminal), expected, "{format:?} {is_terminal}");
        }
        assert_eq!(format("json").unwrap(), LogFormat::Json);
        let wrong = format("yaml").unwrap_err().to_string();
        assert!(wrong.contains("CHORE_LOG_FORMAT") && wrong.contains("json"), "{wrong}");
    }

    #[test]
    fn a_filter_says_the_level_of_chores() {
        for (filter, expected) in [
            ("info", LogLevel::Info),
            ("DEBUG", LogLevel::Debug),
            ("chore_host::transport=trace,warn", LogLevel::Warn),
            ("chore_host=debug", LogLevel::Error),
            ("off", LogLevel::Off),
        ] {
            assert_eq!(level(filter), expected, "{filter}");
            parse(filter).unwrap();
        }
        assert!(parse("info=info=info").is_err());
    }
}
