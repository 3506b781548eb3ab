//! Which lines of runs have been told: each is told once, whether it came live, with the end of its
//! run, or from the ledger. It asks nobody and prints nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use crate::cli::show::{elapsed, plain, rfc3339};
use crate::limits::LOGS_RUNS_REMEMBERED;
use crate::record::{Entry, LogLine, RunRecord};

/// One line, as `--json` shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// When it was logged or, of lines that were not seen live, when the run began; RFC 3339.
    time: String,
    chore: String,
    /// Empty while the chore opens and closes.
    cycle: String,
    /// 0 while the chore opens and closes.
    run: u64,
    /// "ERROR" to "TRACE" for what the chore logged; "RUN" for how the run ended.
    level: String,
    message: String,
}

impl Line {
    /// "2023-11-14T22:13:20.000Z  sender  main  run 7  WARN  no route": columns that a reader can split.
    pub fn text(&self) -> String {
        let Line { time, chore, cycle, run, level, message } = self;
        let (chore, cycle) = (plain(chore), if cycle.is_empty() { "-" } else { &plain(cycle) });
        format!("{time}  {chore}  {cycle}  run {run}  {level:<5}  {}", plain(message))
    }
}

/// What was told.
#[derive(Default)]
pub(super) struct Told {
    /// Of runs whose end was not: the numbers of their lines.
    lines: BTreeMap<u64, Vec<RangeInclusive<u64>>>,
    /// Runs that were told to their end. The ledger may have them again.
    ended: BTreeSet<u64>,
}

impl Told {
    /// A line as it was logged; `None` if it was told.
    pub fn line(&mut self, line: LogLine) -> Option<Line> {
        let LogLine { at, chore, cycle, run, number, level, line: message } = line;
        // What has no run is only ever told live.
        if run != 0 {
            if self.ended.contains(&run) {
                return None;
            }
            let told = self.lines.entry(run).or_default();
            if told.iter().any(|numbers| numbers.contains(&number)) {
                return None;
            }
            match told.iter_mut().find(|numbers| numbers.end() + 1 == number) {
                Some(numbers) => *numbers = *numbers.start()..=number,
                None => told.push(number..=number),
            }
            self.forget();
        }
        let (time, level) = (rfc3339(at), level.to_uppercase());
        Some(Line { time, chore, cycle, run, level, message })
    }

    /// The rest of runs that have ended, in the order in which they did.
    pub fn entries(&mut self, entries: Vec<Entry>) -> Vec<Line> {
        let run = |entry| match entry {
            Entry::Run(run) => Some(run),
            Entry::Skip(_) | Entry::Event(_) => None,
        };
        let mut runs: Vec<RunRecord> = entries.into_iter().filter_map(run).collect();
        runs.sort_by_key(|run| (run.started.plus(run.elapsed.unwrap_or_default()), run.run));
        runs.iter().flat_map(|run| self.end(run)).collect()
    }

    /// The rest of a run, if it has ended and that was not told: lines that did not come live, and how
    /// it ended.
    pub fn end(&mut self, run: &RunRecord) -> Vec<Line> {
        if run.outcome.is_none() || (run.run != 0 && !self.ended.insert(run.run)) {
            return Vec::new();
        }
        let told = self.lines.remove(&run.run).unwrap_or_default();
        self.forget();
        rest(run, &told)
    }

    /// A run that is long past is not told of again.
    fn forget(&mut self) {
        while self.ended.len() > LOGS_RUNS_REMEMBERED {
            self.ended.pop_first();
        }
        while self.lines.len() > LOGS_RUNS_REMEMBERED {
            self.lines.pop_first();
        }
    }
}

/// The last of the lines that were kept has the number of all of them.
fn rest(run: &RunRecord, told: &[RangeInclusive<u64>]) -> Vec<Line> {
    let line = |at, level: &str, message: String| Line {
        time: rfc3339(at),
        chore: run.chore.clone(),
        cycle: run.cycle.clone(),
        run: run.run,
        level: level.to_owned(),
        message,
    };
    let is_told = |number: &u64| told.iter().any(|numbers| numbers.contains(number));
    let first = (run.log_lines + 1).saturating_sub(run.log.len() as u64);
    let before = |numbers: &RangeInclusive<u64>| {
        (*numbers.end()).min(first.saturating_sub(1)).saturating_add(1) - numbers.start()
    };
    let told_before = told.iter().filter(|numbers| *numbers.start() < first).map(before);
    let lost = first.saturating_sub(1).saturating_sub(told_before.sum());
    let mut lines = Vec::new();
    if lost > 0 {
        let message = format!("{lost} earlier lines of this run are not kept");
        lines.push(line(run.started, "RUN", message));
    }
    let kept = (first..).zip(&run.log).filter(|(number, _)| !is_told(number));
    lines.extend(kept.map(|(_, text)| {
        let (level, message) = text.split_once(' ').unwrap_or(("INFO", text));
        line(run.started, level, message.to_owned())
    }));
    if let Some(outcome) = &run.outcome {
        let took = run.elapsed.unwrap_or(Duration::ZERO);
        let message = match outcome.message() {
            "" => String::new(),
            message => format!(": {message}"),
        };
        let message = format!("{} after {}{message}", outcome.word(), elapsed(took));
        lines.push(line(run.started.plus(took), "RUN", message));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::record::{SkipRecord, Usage};
    use crate::status::Outcome;

    const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

    /// No lines.
    const NONE: RangeInclusive<u64> = RangeInclusive::new(1, 0);

    /// Its lines are numbers.
    fn run(number: u64, outcome: Option<Outcome>, lines: RangeInclusive<u64>) -> RunRecord {
        RunRecord {
            run: number,
            chore: "sender".into(),
            cycle: "main".into(),
            version: "1.0.0".into(),
            digest: String::new(),
            generation: 1,
            iteration: number,
            reason: "interval".into(),
            by: String::new(),
            due: NOW,
            slot: None,
            started: NOW,
            elapsed: outcome.as_ref().map(|_| Duration::from_secs(2)),
            outcome,
            usage: Usage::default(),
            log_lines: *lines.end(),
            log: lines.map(|number| format!("INFO {number}")).collect(),
            backtrace: Vec::new(),
        }
    }

    fn done(number: u64, lines: RangeInclusive<u64>) -> RunRecord {
        run(number, Some(Outcome::Succeeded), lines)
    }

    fn live(run: u64, number: u64) -> LogLine {
        LogLine {
            at: NOW,
            chore: "sender".into(),
            cycle: "main".into(),
            run,
            number,
            level: "info".into(),
            line: number.to_string(),
        }
    }

    fn messages(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.message.as_str()).collect()
    }

    #[test]
    fn lines_of_a_run_and_its_end() {
        let mut failed = run(7, Some(Outcome::Failed { message: "no\nroute".into() }), 4..=5);
        failed.log = vec!["INFO one".into(), "WARN two\u{1b}[2J words".into()];
        let lines = Told::default().end(&failed);
        let shown: Vec<String> = lines.iter().map(Line::text).collect();
        let head = "2023-11-14T22:13:20.000Z  sender  main  run 7";
        let expected = [
            format!("{head}  RUN    3 earlier lines of this run are not kept"),
            format!("{head}  INFO   one"),
            format!("{head}  WARN   two\\u{{1b}}[2J words"),
            "2023-11-14T22:13:22.000Z  sender  main  run 7  RUN    failed after 2.0s: no\\nroute"
                .to_owned(),
        ];
        assert_eq!(shown, expected);
        let json = serde_json::to_value(&lines[2]).unwrap_or_default();
        assert_eq!((&json["level"], &json["run"]), (&"WARN".into(), &7.into()));
    }

    /// The numbers of lines that came live, what the end of the run has, and what is told with it.
    #[test]
    fn each_line_is_told_once() {
        type Case = (&'static [u64], RangeInclusive<u64>, &'static [&'static str]);
        let cases: [Case; 7] = [
            (&[], 1..=3, &["1", "2", "3"]),
            (&[1, 2, 3], 1..=3, &[]),
            (&[1, 2, 2, 1], 1..=3, &["3"]),
            // The listener came later, or was too slow.
            (&[3], 1..=3, &["1", "2"]),
            (
                &[1, 2, 7, 8],
                4..=9,
                &["1 earlier lines of this run are not kept", "4", "5", "6", "9"],
            ),
            (&[1, 2, 3, 4], 3..=4, &[]),
            (&[2, 3], 5..=5, &["2 earlier lines of this run are not kept", "5"]),
        ];
        for (numbers, kept, expected) in cases {
            let mut told = Told::default();
            let mut seen = BTreeSet::new();
            for number in numbers {
                assert_eq!(told.line(live(7, *number)).is_some(), seen.insert(number), "{number}");
            }
            let ended = told.end(&done(7, kept.clone()));
            let (end, rest) = ended.split_last().expect("an end");
            assert_eq!(end.message, "succeeded after 2.0s");
            assert_eq!(messages(rest), expected, "{numbers:?} {kept:?}");
            assert_eq!(told.end(&done(7, kept)), []);
            assert_eq!(told.line(live(7, 1)), None);
        }
    }

    #[test]
    fn each_run_is_told_once_when_it_has_ended() {
        let mut told = Told::default();
        let mut look = |runs: Vec<RunRecord>| -> Vec<u64> {
            let skip = SkipRecord {
                chore: "sender".into(),
                cycle: "main".into(),
                first: NOW,
                last: NOW,
                slots: 1,
                reason: crate::cycle::SkipReason::Paused,
            };
            let entries = runs.into_iter().map(Entry::Run).chain([Entry::Skip(skip)]).collect();
            told.entries(entries).iter().map(|line| line.run).collect()
        };
        let took = |number, seconds| RunRecord {
            elapsed: Some(Duration::from_secs(seconds)),
            ..done(number, NONE)
        };
        // The newest first, as the ledger has them; the order is that of their ends.
        let first = || vec![run(3, None, NONE), took(2, 1), took(1, 5)];
        assert_eq!(look(first()), [2, 1]);
        assert_eq!(look(first()), Vec::<u64>::new());
        assert_eq!(look(vec![took(4, 1), took(3, 9), took(2, 1)]), [4, 3]);
    }

    #[test]
    fn what_has_no_run_is_told_as_it_comes() {
        let mut told = Told::default();
        for _ in 0..2 {
            let line = told.line(LogLine { cycle: String::new(), ..live(0, 1) }).expect("a line");
            let expected = "2023-11-14T22:13:20.000Z  sender  -  run 0  INFO   1";
            assert_eq!(line.text(), expected);
        }
    }
}
