//! `chore logs`: what chores logged in their runs, and how these ended: the last lines, and with `-f`
//! those that come.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::Error;
use super::output::Out;
use super::show::{elapsed, plain, rfc3339};
use crate::control::{Client, ClientError};
use crate::limits::{LEDGER_ENTRIES_AT_ONCE, LOGS_ASK_EVERY, LOGS_RECONNECT_EVERY};
use crate::name::nearest;
use crate::peer::Home;
use crate::record::{Entry, Query, RunRecord};

/// Lines that are shown unless more are asked for.
const SHOWN: u32 = 50;

/// Runs that are asked for at once while following: what the fastest cycle has between two looks.
const RUNS_AT_ONCE: u32 = 1_000;

#[derive(Args)]
pub(super) struct Asked {
    /// Only this chore
    name: Option<String>,
    /// Go on with the lines of runs that end from here on, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// How many of the last lines to begin with
    #[arg(
        short = 'n', long, value_name = "N", default_value_t = SHOWN,
        value_parser = clap::value_parser!(u32).range(0..=10_000),
    )]
    lines: u32,
}

/// One line, as `--json` shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Line<'a> {
    /// When its run began, RFC 3339.
    started: String,
    chore: &'a str,
    cycle: &'a str,
    run: u64,
    /// "ERROR" to "TRACE" for what the chore logged; "RUN" for how the run ended.
    level: &'a str,
    message: String,
}

pub(super) async fn logs(out: &Out, home: &Home, asked: Asked) -> Result<u8, Error> {
    let mut source = Source { chore: asked.name, told: BTreeSet::new() };
    let mut client = Client::connect(home).await?;
    let runs = source.next(&mut client, LEDGER_ENTRIES_AT_ONCE).await?;
    if runs.is_empty() && !asked.follow {
        check_name(&mut client, home, source.chore.as_deref()).await?;
    }
    let all: Vec<Line<'_>> = runs.iter().flat_map(lines).collect();
    let first = all.len().saturating_sub(asked.lines as usize);
    for line in &all[first..] {
        print(out, line)?;
    }
    if asked.follow { follow(out, home, client, source).await } else { Ok(0) }
}

/// Until the reader goes away. A peer that goes away is waited for.
async fn follow(out: &Out, home: &Home, client: Client, mut source: Source) -> Result<u8, Error> {
    let mut client = Some(client);
    while !out.closed() {
        let Some(connected) = &mut client else {
            tokio::time::sleep(LOGS_RECONNECT_EVERY).await;
            client = Client::connect(home).await.ok();
            continue;
        };
        match source.next(connected, RUNS_AT_ONCE).await {
            Ok(runs) => {
                for line in runs.iter().flat_map(lines) {
                    print(out, &line)?;
                }
                tokio::time::sleep(LOGS_ASK_EVERY).await;
            }
            Err(_) => {
                eprintln!("the peer is gone: waiting for it");
                client = None;
            }
        }
    }
    Ok(0)
}

/// Where runs come from: the ledger, asked again and again for those that have ended since.
struct Source {
    chore: Option<String>,
    /// Runs that were told, of those that the next look may find again.
    told: BTreeSet<u64>,
}

impl Source {
    /// Runs that have ended since the last time, in the order in which they ended.
    async fn next(
        &mut self,
        client: &mut Client,
        limit: u32,
    ) -> Result<Vec<RunRecord>, ClientError> {
        let chore = self.chore.clone();
        let query = Query { chore, runs: true, limit, ..Query::default() };
        Ok(self.ended(client.history(&query).await?.entries))
    }

    fn ended(&mut self, entries: Vec<Entry>) -> Vec<RunRecord> {
        let runs = entries.into_iter().filter_map(|entry| match entry {
            Entry::Run(run) => Some(run),
            Entry::Skip(_) | Entry::Event(_) => None,
        });
        let ended: Vec<RunRecord> = runs.filter(|run| run.outcome.is_some()).collect();
        let found = ended.iter().map(|run| run.run).collect();
        let mut new = ended;
        new.retain(|run| !self.told.contains(&run.run));
        new.sort_by_key(|run| (run.started.plus(run.elapsed.unwrap_or_default()), run.run));
        self.told = found;
        new
    }
}

/// An unknown name is more often a slip than a chore that never ran.
async fn check_name(client: &mut Client, home: &Home, name: Option<&str>) -> Result<(), Error> {
    let Some(name) = name else { return Ok(()) };
    let chores = client.status().await?.chores;
    if chores.iter().any(|chore| chore.name == name) {
        return Ok(());
    }
    let nearest = nearest(name, chores.iter().map(|chore| chore.name.as_str()));
    let nearest = nearest.map(str::to_owned);
    Err(Error::NoChore { name: name.to_owned(), chores: home.chores(), nearest })
}

fn lines(run: &RunRecord) -> Vec<Line<'_>> {
    let line = |level, message: String| Line {
        started: rfc3339(run.started),
        chore: &run.chore,
        cycle: &run.cycle,
        run: run.run,
        level,
        message,
    };
    let mut lines = Vec::new();
    let lost = run.log_lines.saturating_sub(run.log.len() as u64);
    if lost > 0 {
        lines.push(line("RUN", format!("{lost} earlier lines of this run are not kept")));
    }
    lines.extend(run.log.iter().map(|text| {
        let (level, message) = text.split_once(' ').unwrap_or(("INFO", text));
        line(level, message.to_owned())
    }));
    if let Some(outcome) = &run.outcome {
        let took = elapsed(run.elapsed.unwrap_or(Duration::ZERO));
        let message = match outcome.message() {
            "" => String::new(),
            message => format!(": {message}"),
        };
        lines.push(line("RUN", format!("{} after {took}{message}", outcome.word())));
    }
    lines
}

/// "2023-11-14T22:13:20.000Z  sender  main  run 7  WARN  no route": columns that a reader can split.
fn text(line: &Line<'_>) -> String {
    let Line { started, chore, cycle, run, level, message } = line;
    let (chore, cycle) = (plain(chore), plain(cycle));
    format!("{started}  {chore}  {cycle}  run {run}  {level:<5}  {}", plain(message))
}

fn print(out: &Out, line: &Line<'_>) -> Result<(), Error> {
    out.show(line, || text(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::record::{SkipRecord, Usage};
    use crate::status::Outcome;

    const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

    fn run(number: u64, outcome: Option<Outcome>, seconds: u64) -> RunRecord {
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
            elapsed: outcome.as_ref().map(|_| Duration::from_secs(seconds)),
            outcome,
            usage: Usage::default(),
            log: vec!["INFO one".into(), "WARN two\u{1b}[2J words".into()],
            log_lines: 5,
            backtrace: Vec::new(),
        }
    }

    #[test]
    fn lines_of_a_run_and_its_end() {
        let failed = run(7, Some(Outcome::Failed { message: "no\nroute".into() }), 2);
        let shown: Vec<String> = lines(&failed).iter().map(text).collect();
        let head = "2023-11-14T22:13:20.000Z  sender  main  run 7";
        let expected = [
            format!("{head}  RUN    3 earlier lines of this run are not kept"),
            format!("{head}  INFO   one"),
            format!("{head}  WARN   two\\u{{1b}}[2J words"),
            format!("{head}  RUN    failed after 2.0s: no\\nroute"),
        ];
        assert_eq!(shown, expected);
        let json = serde_json::to_value(&lines(&failed)[2]).unwrap_or_default();
        assert_eq!((&json["level"], &json["run"]), (&"WARN".into(), &7.into()));
    }

    #[test]
    fn each_run_is_told_once_when_it_has_ended() {
        let mut source = Source { chore: None, told: BTreeSet::new() };
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
            source.ended(entries).iter().map(|run| run.run).collect()
        };
        let done = |number, seconds| run(number, Some(Outcome::Succeeded), seconds);
        // The newest first, as the ledger has them; the order is that of their ends.
        assert_eq!(look(vec![run(3, None, 0), done(2, 1), done(1, 5)]), [2, 1]);
        assert_eq!(look(vec![run(3, None, 0), done(2, 1), done(1, 5)]), Vec::<u64>::new());
        assert_eq!(look(vec![done(4, 1), done(3, 9), done(2, 1)]), [4, 3]);
    }
}
