//! Runs chores in several languages side by side in one node, and sums up what each cost.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::time::timeout;

use super::super::Error as CliError;
use super::super::language::Language;
use super::super::output::Out;
use super::super::{build, change, check, show};
use super::{Error, GRANTS, SENDER, installable};
use crate::clock::Timestamp;
use crate::planet::Planet;
use crate::status::{Change, LastRun, Outcome, Triggered};

/// Runs that must succeed of each chore, and how many are tried for that.
const SUCCEEDED_MIN: usize = 3;
const RUNS_MAX: usize = 10;

/// Longest that one run is waited for. Each takes some milliseconds.
const RUN_MAX: Duration = Duration::from_secs(60);

/// Orders that each satellite hands in before a round of runs.
const ORDERS_EACH: usize = 10;

/// One of our own chores.
struct Ours {
    name: &'static str,
    language: &'static str,
    config: &'static str,
}

/// In the order in which they run: what waits is counted, sent, and cleaned up.
const CHORES: [Ours; 3] = [
    Ours { name: "order-report", language: "Python", config: "grants = [\"orders\"]\n" },
    Ours { name: SENDER, language: "Rust", config: GRANTS },
    Ours { name: "archive-cleaner", language: "JavaScript", config: "grants = [\"orders\"]\n" },
];

/// A chore that is shown, and its component.
pub(super) struct Found {
    chore: &'static Ours,
    component: PathBuf,
}

/// Those that there are: in `from`, or of the source of this program, which are built.
pub(super) async fn find(
    out: &Out,
    sender: &Path,
    from: Option<&Path>,
) -> Result<Vec<Found>, CliError> {
    let mut found = Vec::new();
    for chore in &CHORES {
        let component = match from {
            _ if chore.name == SENDER => Some(sender.to_owned()),
            Some(folder) => {
                Some(folder.join(format!("{}.wasm", chore.name))).filter(|file| file.exists())
            }
            None => of_source(out, chore).await?,
        };
        match component {
            Some(component) => found.push(Found { chore, component }),
            None => out.tell(&format!("there is no {}: shown without it", chore.name))?,
        }
    }
    match found.len() {
        0 | 1 => Err(Error::Alone.into()),
        _ => Ok(found),
    }
}

/// `None` if this program's source has no such chore.
async fn of_source(out: &Out, chore: &Ours) -> Result<Option<PathBuf>, CliError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().unwrap_or(root);
    let folder = root.join("chores").join(chore.name);
    if !folder.is_dir() {
        return Ok(None);
    }
    if Language::of(&folder).is_some() {
        out.tell(&format!("building {} ...", chore.name))?;
        return build::built(out, &folder).await.map(Some);
    }
    // Of a language that `chore build` does not know, where its own script puts it.
    let place = root.join("target").join(chore.language.to_lowercase());
    let component = place.join(format!("{}.wasm", chore.name));
    match component.exists() {
        true => Ok(Some(component)),
        false => Err(Error::NotBuilt { component, script: folder.join("build.sh") }.into()),
    }
}

/// What is told of a chore at the end.
#[derive(Debug, Serialize)]
struct Row {
    chore: &'static str,
    language: &'static str,
    version: String,
    bytes: u64,
    compile_seconds: f64,
    runs: usize,
    /// How the last run ended: "succeeded", or what went wrong.
    outcome: String,
    /// On average, of those that succeeded.
    milliseconds_per_run: f64,
    #[serde(skip)]
    succeeded: Vec<Duration>,
}

impl Row {
    fn note(&mut self, run: &LastRun) {
        self.runs += 1;
        self.outcome = match run.outcome.message() {
            "" => run.outcome.word().to_owned(),
            message => format!("{}: {message}", run.outcome.word()),
        };
        if run.outcome == Outcome::Succeeded {
            self.succeeded.push(run.elapsed);
            let all: Duration = self.succeeded.iter().sum();
            self.milliseconds_per_run = all.as_secs_f64() * 1e3 / self.succeeded.len() as f64;
        }
    }

    fn is_done(&self) -> bool {
        self.succeeded.len() >= SUCCEEDED_MIN
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.chore.to_owned(),
            self.language.to_owned(),
            show::plain(&self.version),
            check::size(usize::try_from(self.bytes).unwrap_or(usize::MAX)),
            format!("{:.1} s", self.compile_seconds),
            self.runs.to_string(),
            show::plain(&self.outcome),
            format!("{:.1} ms", self.milliseconds_per_run),
        ]
    }
}

const HEAD: [&str; 8] =
    ["CHORE", "LANGUAGE", "VERSION", "SIZE", "COMPILED IN", "RUNS", "LAST RUN", "EACH RUN"];

/// Exit codes: 0 if enough runs of every chore succeeded, 1 if not.
pub(super) async fn watch(
    out: &Out,
    planet: &Planet,
    found: &[Found],
    root: &Path,
) -> Result<u8, CliError> {
    let mut rows = Vec::new();
    for found in found {
        rows.push(load(out, planet, found, root).await?);
    }
    let rounds = (0..RUNS_MAX).take_while(|_| !out.closed());
    for _ in rounds {
        if rows.iter().all(Row::is_done) {
            break;
        }
        for satellite in 0..planet.satellites().len() {
            let orders = planet.issue(satellite, 0, ORDERS_EACH, Timestamp::now())?;
            planet.enqueue(0, orders).await?;
        }
        for row in &mut rows {
            let run = run(planet, row.chore).await?;
            row.note(&run);
            out.tell(&format!("run {} of {} {}", run.iteration, row.chore, show::run(&run)))?;
        }
    }
    out.tell("")?;
    out.show(&rows, || {
        let head = vec![HEAD.map(str::to_owned).to_vec()];
        let all: Vec<_> = head.into_iter().chain(rows.iter().map(Row::cells)).collect();
        show::table(&all)
    })?;
    Ok(u8::from(!rows.iter().all(Row::is_done)))
}

/// Into the node that runs, where it is compiled for the first time.
async fn load(out: &Out, planet: &Planet, found: &Found, root: &Path) -> Result<Row, CliError> {
    let Found { chore: Ours { name, language, config }, component } = found;
    let node = planet.node(0);
    let component = installable(component, root, name)?;
    let failed = |source| Error::Component { path: component.clone(), source };
    let bytes = component.metadata().map_err(failed)?.len();
    out.tell(&format!("loading {name}, which is in {language} ..."))?;
    node.install(&[(component, Some((*config).to_owned()))])?;
    let changes = node.handle().reload(Some(name), false).await;
    let changes = changes.map_err(|source| Error::Load { name, source })?;
    let change = changes.into_iter().find(|change| change.chore == *name);
    let Some(Change { to: Some(build), phases, .. }) = &change else {
        let reason = change.map(|change| change.reason).unwrap_or_default();
        return Err(Error::Refused { name, reason }.into());
    };
    let compiled = phases.iter().filter(|phase| phase.name.starts_with("compile"));
    let compiled: Duration = compiled.map(|phase| phase.elapsed).sum();
    change.iter().try_for_each(|change| out.tell(&change::line(change)))?;
    Ok(Row {
        chore: name,
        language,
        version: build.version.clone(),
        bytes,
        compile_seconds: compiled.as_secs_f64(),
        runs: 0,
        outcome: String::new(),
        milliseconds_per_run: 0.0,
        succeeded: Vec::new(),
    })
}

async fn run(planet: &Planet, name: &'static str) -> Result<LastRun, CliError> {
    let triggered = timeout(RUN_MAX, planet.node(0).handle().trigger(name, None, true)).await;
    match triggered.map_err(|_| Error::RunTooLong { name, max: RUN_MAX })? {
        Ok(Triggered::Ended { run }) => Ok(run),
        Ok(Triggered::Began { .. } | Triggered::Stopped) => Err(CliError::Stopped(name.to_owned())),
        Err(source) => Err(Error::Trigger { name, source }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Usage;

    #[test]
    fn only_runs_that_succeed_count() {
        let run = |outcome, millis| LastRun {
            run: 0,
            usage: Usage::default(),
            iteration: 1,
            reason: "trigger".into(),
            started: Timestamp::from_nanos(0),
            elapsed: Duration::from_millis(millis),
            outcome,
        };
        let mut row = Row {
            chore: SENDER,
            language: "Rust",
            version: "0.1.0".into(),
            bytes: 2048,
            compile_seconds: 0.26,
            runs: 0,
            outcome: String::new(),
            milliseconds_per_run: 0.0,
            succeeded: Vec::new(),
        };
        let failed = || Outcome::Failed { message: "no\nroute".into() };
        for (outcome, millis, expected, done) in [
            (failed(), 900, "1 failed: no\\nroute 0.0 ms", false),
            (Outcome::Succeeded, 1, "2 succeeded 1.0 ms", false),
            (Outcome::Succeeded, 2, "3 succeeded 1.5 ms", false),
            (failed(), 900, "4 failed: no\\nroute 1.5 ms", false),
            (Outcome::Succeeded, 3, "5 succeeded 2.0 ms", true),
        ] {
            row.note(&run(outcome, millis));
            assert_eq!(row.cells()[5..].join(" "), expected);
            assert_eq!(row.is_done(), done, "{expected}");
        }
        assert_eq!(row.cells()[..5].join(" "), "order-sender Rust 0.1.0 2.0 KiB 0.3 s");
        assert_eq!(row.cells().len(), HEAD.len());
    }
}
