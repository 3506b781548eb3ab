//! Commands that ask the ledger: what ran, what did not, who did what, and why.

use clap::Args;

use super::Error;
use super::moment::Typed;
use super::output::Out;
use super::show::{elapsed, plain, rfc3339, table};
use crate::clock::Timestamp;
use crate::control::Client;
use crate::peer::Home;
use crate::record::{Entry, Query, RunRecord, SkipRecord};

/// Entries that are shown unless more are asked for.
const SHOWN: u32 = 20;

#[derive(Args)]
pub(super) struct Asked {
    /// Only this chore
    name: Option<String>,
    /// Only this cycle
    #[arg(long)]
    cycle: Option<String>,
    /// Only runs that ended so: succeeded, failed, trapped, out-of-memory, out-of-cpu, timed-out,
    /// cancelled, host-failed, interrupted; or running
    #[arg(long, value_parser = Query::OUTCOMES, hide_possible_values = true)]
    outcome: Option<String>,
    /// Only runs, not what was skipped or done
    #[arg(long)]
    runs: bool,
    /// Only what began before this time, in UTC: 10:30, 2026-11-25T10:30:07Z, or 90m for that long
    /// ago
    #[arg(long, value_name = "TIME")]
    before: Option<Typed>,
    /// How many entries, the newest first; at most 1000
    #[arg(long, default_value_t = SHOWN)]
    limit: u32,
    /// Show this run in full, with the last lines that it logged
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["name", "cycle", "outcome", "before"])]
    run: Option<u64>,
}

#[derive(Args)]
pub(super) struct WhyAsked {
    /// Name of the chore
    name: String,
    /// This cycle; else main, or the first
    #[arg(long)]
    cycle: Option<String>,
    /// Ask about this time, in UTC: 10:30, 10:30:07, 2026-11-25T10:30:07Z, or 90m for that long
    /// ago. Without it: about the next run
    #[arg(long, value_name = "TIME")]
    at: Option<Typed>,
}

pub(super) async fn history(out: &Out, home: &Home, asked: Asked) -> Result<u8, Error> {
    let mut client = Client::connect(home).await?;
    if let Some(run) = asked.run {
        let run = client.run(run).await?;
        out.show(&run, || in_full(&run))?;
        return Ok(0);
    }
    let query = Query {
        chore: asked.name,
        cycle: asked.cycle,
        before: asked.before.map(|before| before.at(Timestamp::now()).from.into()),
        outcome: asked.outcome,
        runs: asked.runs,
        events: false,
        limit: asked.limit,
    };
    let entries = client.history(&query).await?.entries;
    out.show(&entries, || match entries.as_slice() {
        [] => "nothing in the ledger".to_owned(),
        entries => rows(entries),
    })?;
    Ok(0)
}

pub(super) async fn why(out: &Out, home: &Home, asked: WhyAsked) -> Result<u8, Error> {
    let moment = asked.at.map(|at| at.at(Timestamp::now()));
    let mut client = Client::connect(home).await?;
    let why = client.why(&asked.name, asked.cycle.as_deref(), moment).await?;
    out.show(&why, || plain(&why.because))?;
    Ok(0)
}

fn outcome(run: &RunRecord) -> &str {
    run.outcome.as_ref().map_or("running", |outcome| outcome.word())
}

fn message(run: &RunRecord) -> &str {
    run.outcome.as_ref().map_or("", |outcome| outcome.message())
}

fn rows(entries: &[Entry]) -> String {
    let head = ["TIME", "CHORE", "CYCLE", "WHAT", "RUN", "WHY", "TOOK", "CPU", "MEMORY", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(entries.iter().map(row));
    table(&rows)
}

fn row(entry: &Entry) -> Vec<String> {
    let dash = || "-".to_owned();
    let none = || [dash(), dash(), dash()];
    let (chore, cycle, what, run, why, [took, cpu, memory], more) = match entry {
        Entry::Run(run) => {
            let used = match run.elapsed {
                Some(took) => [
                    elapsed(took),
                    elapsed(run.usage.cpu),
                    bytesize::ByteSize(run.usage.memory_bytes).to_string(),
                ],
                None => none(),
            };
            let why = match run.by.as_str() {
                "" => run.reason.clone(),
                by => format!("{} by {by}", run.reason),
            };
            let number = run.run.to_string();
            let more = message(run).to_owned();
            (&run.chore, &run.cycle, outcome(run).to_owned(), number, why, used, more)
        }
        Entry::Skip(skip) => {
            let slots = match skip.slots {
                1 => "skipped".to_owned(),
                slots => format!("skipped {slots}"),
            };
            let why = skip.reason.word().to_owned();
            (&skip.chore, &skip.cycle, slots, dash(), why, none(), until(skip))
        }
        Entry::Event(event) => {
            let by = format!("by {}", event.by);
            let (what, note) = (event.what.clone(), event.note.clone());
            (&event.chore, &event.cycle, what, dash(), by, none(), note)
        }
    };
    let or_dash = |text: &str| if text.is_empty() { dash() } else { plain(text) };
    vec![
        entry.at().to_string(),
        or_dash(chore),
        or_dash(cycle),
        plain(&what),
        run,
        plain(&why),
        took,
        cpu,
        memory,
        plain(&more),
    ]
}

fn until(skip: &SkipRecord) -> String {
    if skip.slots == 1 { String::new() } else { format!("until {}", skip.last) }
}

fn in_full(run: &RunRecord) -> String {
    let mut lines = vec![format!("run {} of {} {}", run.run, plain(&run.chore), outcome(run))];
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("  {name:<10} {value}"));
        }
    };
    add("message", plain(message(run)));
    add("cycle", format!("{}, iteration {}", plain(&run.cycle), run.iteration));
    let digest: String = run.digest.chars().take(super::show::DIGEST_CHARS).collect();
    add("version", format!("{} ({digest}), generation {}", plain(&run.version), run.generation));
    add("reason", plain(&run.reason));
    add("by", plain(&run.by));
    add("due", rfc3339(run.due));
    add("slot", run.slot.map(rfc3339).unwrap_or_default());
    add("started", rfc3339(run.started));
    add("took", run.elapsed.map(elapsed).unwrap_or_default());
    if run.elapsed.is_some() {
        add("cpu", elapsed(run.usage.cpu));
        add("memory", bytesize::ByteSize(run.usage.memory_bytes).to_string());
        add("host calls", run.usage.host_calls.to_string());
        add("host bytes", bytesize::ByteSize(run.usage.host_bytes).to_string());
    }
    let kept = run.log.len();
    let log = format!("log        the last {kept} of {} lines:", run.log_lines);
    for (head, below) in [("backtrace", &run.backtrace), (&log, &run.log)] {
        if !below.is_empty() {
            lines.push(format!("  {head}"));
            lines.extend(below.iter().map(|line| format!("    {}", plain(line))));
        }
    }
    lines.join("\n")
}
