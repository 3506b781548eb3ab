//! `chore:peer/log`: a chore's lines in the peer's log, as its level and its rate allow.

use std::collections::VecDeque;

use tracing::{debug, error, info, trace, warn};
use wasmtime::component::{HasData, Linker};

use crate::bindings::log::{self, Field, Level};
use crate::capability::{Quota, cut};
use crate::clock::Timestamp;
use crate::config::LogLevel;
use crate::limits::{
    LOG_FIELDS_MAX, LOG_LINE_BYTES_MAX, Limit, RUN_LOG_BYTES_KEPT, RUN_LOG_LINES_KEPT,
};
use crate::log_gate::Kind;
use crate::logs::ChoreLog;
use crate::name::ChoreName;
use crate::news::{Event, News};
use crate::record::LogLine;

/// How much one call has logged. Whose line it is stands in the span that the call runs in.
pub struct Context {
    log: ChoreLog,
    lines: u64,
    /// The last lines that were taken, of at most [`RUN_LOG_BYTES_KEPT`] bytes.
    last: VecDeque<String>,
    last_bytes: usize,
    listeners: Listeners,
    quota: Quota,
}

/// Who hears of each line, and whose line it is.
pub struct Listeners {
    pub news: News,
    pub chore: ChoreName,
    /// Empty outside a run.
    pub cycle: String,
    /// Its number in the ledger; 0 outside a run.
    pub run: u64,
}

impl Listeners {
    fn tell(&self, number: u64, level: Level, line: &str) {
        self.news.tell(|| {
            Event::Log(LogLine {
                at: Timestamp::now(),
                chore: self.chore.as_str().to_owned(),
                cycle: self.cycle.clone(),
                run: self.run,
                number,
                level: word(level).to_lowercase(),
                line: line.to_owned(),
            })
        });
    }
}

impl Context {
    pub fn new(log: ChoreLog, listeners: Listeners, quota: Quota) -> Context {
        Context { log, lines: 0, last: VecDeque::new(), last_bytes: 0, listeners, quota }
    }

    /// Lines that were taken.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// The last lines, each with its level.
    pub fn take_last(&mut self) -> Vec<String> {
        std::mem::take(&mut self.last).into()
    }

    fn keep(&mut self, level: Level, line: &str) {
        let line = cut(line, RUN_LOG_BYTES_KEPT - LEVEL_BYTES_MAX);
        let line = format!("{} {line}", word(level));
        self.last_bytes += line.len();
        self.last.push_back(line);
        while self.last.len() > RUN_LOG_LINES_KEPT || self.last_bytes > RUN_LOG_BYTES_KEPT {
            let Some(first) = self.last.pop_front() else { break };
            self.last_bytes -= first.len();
        }
    }
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

impl log::Host for View<'_> {
    fn write(&mut self, level: Level, message: String, fields: Vec<Field>) -> wasmtime::Result<()> {
        self.0.quota.traffic().called(&[&message, &fields]);
        if self.0.lines >= self.0.quota.limits().log_lines {
            self.0.quota.reached(Limit::LogLines, None);
            return Ok(());
        }
        self.0.lines += 1;
        let line = line(&message, &fields);
        self.0.keep(level, &line);
        self.0.listeners.tell(self.0.lines, level, &line);
        if !self.0.log.pass(Kind::Line, rank(level)) {
            return Ok(());
        }
        // Below this target, only the chore's own level decides.
        match level {
            Level::Trace => trace!(target: "chore::line", "{line}"),
            Level::Debug => debug!(target: "chore::line", "{line}"),
            Level::Info => info!(target: "chore::line", "{line}"),
            Level::Warn => warn!(target: "chore::line", "{line}"),
            Level::Error => error!(target: "chore::line", "{line}"),
        }
        Ok(())
    }

    fn enabled(&mut self, level: Level) -> wasmtime::Result<bool> {
        self.0.quota.traffic().called(&[]);
        Ok(self.0.log.enabled(rank(level)))
    }
}

fn rank(level: Level) -> LogLevel {
    match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}

/// A level and the space after it.
const LEVEL_BYTES_MAX: usize = "ERROR ".len();

fn word(level: Level) -> &'static str {
    match level {
        Level::Trace => "TRACE",
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warn => "WARN",
        Level::Error => "ERROR",
    }
}

/// A guest's line: control characters would let it forge other lines or drive a terminal.
fn line(message: &str, fields: &[Field]) -> String {
    let mut text = cut(message, LOG_LINE_BYTES_MAX).to_owned();
    for field in fields.iter().take(LOG_FIELDS_MAX) {
        text.push(' ');
        text.push_str(cut(&field.key, LOG_LINE_BYTES_MAX));
        text.push('=');
        text.push_str(cut(&field.value, LOG_LINE_BYTES_MAX));
    }
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    cut(&text, LOG_LINE_BYTES_MAX).chars().map(printable).collect()
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    log::add_to_linker::<T, Has>(linker, view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;

    #[test]
    fn a_line_is_one_line_and_has_an_end() {
        let field = |key: &str, value: &str| Field { key: key.into(), value: value.into() };
        assert_eq!(line("a\nb\u{1b}[2J", &[]), "a b [2J");
        assert_eq!(line("sent", &[field("orders", "3")]), "sent orders=3");
        assert_eq!(line(&"é".repeat(LOG_LINE_BYTES_MAX), &[]).len(), LOG_LINE_BYTES_MAX);
    }

    fn new() -> Context {
        let name = crate::name::ChoreName::new("a").expect("a name");
        let log = crate::logs::Logs::new(LogLevel::Info).of(&name, None);
        let (news, cycle) = (News::new(Timestamp::EPOCH), String::new());
        let limits = Limits { log_lines: 3, ..Limits::default() };
        let quota = Quota::new(name.clone(), limits);
        Context::new(log, Listeners { news, chore: name, cycle, run: 0 }, quota)
    }

    #[test]
    fn lines_over_the_limit_are_dropped_counted_and_told() {
        use crate::bindings::log::Host as _;
        let mut context = new();
        for i in 0..8 {
            View(&mut context).write(Level::Info, format!("line {i}"), Vec::new()).expect("a line");
        }
        let reached = context.quota.all_reached();
        let message = "too many log lines in one call, the rest was dropped: limit 3; raise \
                       `limits.log-lines` in a.toml";
        assert_eq!((reached.len(), reached[0].times, &reached[0].message[..]), (1, 5, message));
        assert_eq!((context.lines(), context.take_last().len()), (3, 3));
    }

    #[test]
    fn the_last_lines_are_kept() {
        let mut context = new();
        for i in 0..RUN_LOG_LINES_KEPT + 3 {
            context.keep(Level::Info, &format!("line {i}"));
        }
        let last = context.take_last();
        assert_eq!((last.len(), last[0].as_str()), (RUN_LOG_LINES_KEPT, "INFO line 3"));
        let mut context = new();
        for text in ["a".repeat(10), "b".repeat(2 * RUN_LOG_BYTES_KEPT)] {
            context.keep(Level::Warn, &text);
        }
        let last = context.take_last();
        assert_eq!(last.len(), 1);
        assert!(last[0].starts_with("WARN bb") && last[0].len() < RUN_LOG_BYTES_KEPT);
    }
}
