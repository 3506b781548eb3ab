//! `chore doctor`: looks at everything that a peer needs, whether it runs or not, and says of each
//! thing in one sentence how it is, and what to type if it is not well. It changes nothing.

mod probes;
#[cfg(test)]
mod tests;
mod verdicts;

use std::path::Path;

use clap::Args;
use serde_json::json;

use super::output::Out;
use super::progress::Progress;
use super::show::{plain, relative};
use super::{Error, check, run};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::control::{Client, ClientError};
use crate::error::chain;
use crate::peer::Home;
use crate::status::{ChoreStatus, PeerStatus};
use verdicts::{Finding, Health, ok, problem, warning};

#[derive(Args)]
pub(super) struct Asked {
    /// Only ask whether the peer runs and answers, which it must: for a container's health check
    #[arg(long)]
    live: bool,
}

/// Exit codes: 0 if there is no problem, whatever the warnings; else 1.
pub(super) async fn doctor(out: &Out, home: &Home, asked: Asked) -> Result<u8, Error> {
    let status = match Client::connect(home).await {
        Ok(mut client) => client.status().await,
        Err(err) => Err(err),
    };
    let findings = match asked.live {
        true => vec![peer(home, &status, true)],
        false => look(home, &status).await?,
    };
    let is_well = findings.iter().all(|finding| finding.health != Health::Problem);
    let value = json!({ "healthy": is_well, "checks": findings });
    out.show(&value, || text(&findings))?;
    Ok(u8::from(!is_well))
}

/// Databases that are damaged.
pub(super) fn damaged(home: &Home) -> Vec<std::path::PathBuf> {
    let all = probes::databases(home).into_iter();
    all.filter(|(_, found)| matches!(found, verdicts::Database::Damaged(_)))
        .map(|(file, _)| home.root().join(file))
        .collect()
}

type Status = Result<PeerStatus, ClientError>;

async fn look(home: &Home, status: &Status) -> Result<Vec<Finding>, Error> {
    let shown = home.root().display().to_string();
    if let Some(missing) = probes::missing(home) {
        let says = format!("{} does not exist", missing.display());
        let advice = format!("chore --home {shown} setup");
        let advice = match home.config().exists() {
            true => "restore it from a copy".to_owned(),
            false => advice,
        };
        return Ok(vec![problem("home", says, advice)]);
    }
    let progress = Progress::begin("looking");
    let config = config(home);
    let runs = status.is_ok();
    let usable = config.as_ref().ok();
    let mut findings = vec![peer(home, status, false), of_config(&config)];
    findings.push(verdicts::permissions(&probes::access(home), probes::is_root()));
    findings.push(verdicts::clock(probes::clock(home)));
    findings.push(match probes::disk(home) {
        Some(disk) => verdicts::disk(disk, &shown),
        None => warning("disk", "the disk of the home does not say what is free", "df -h"),
    });
    if let Some(config) = usable {
        let listen = config.server.listen.map(|at| (at.to_string(), probes::port(at)));
        let listen = listen.as_ref().map(|(at, port)| (at.as_str(), *port));
        findings.push(verdicts::port(listen, runs));
    }
    progress.says("looking at the databases");
    findings.push(verdicts::databases(&probes::databases(home), &shown));
    findings.push(verdicts::cache(probes::cache(home), &shown));
    let mut needed = 0;
    if let Some(config) = usable {
        progress.says("looking at the chores");
        let (all, wrong) = match status {
            Ok(status) => of_running(&status.chores),
            Err(_) => examined(&home.root().join(&config.chores.directory), home).await?,
        };
        needed = config.chores.limits.memory.saturating_mul(all as u64);
        findings.push(chores(home, config, all, &wrong));
        findings.push(verdicts::signatures(&config.chores));
    }
    findings.push(verdicts::files(probes::files_max()));
    findings.push(verdicts::memory(probes::memory_available(), needed));
    progress.says("looking for tools of authors");
    findings.extend(verdicts::tools(probes::tools()));
    Ok(findings)
}

fn config(home: &Home) -> Result<Config, String> {
    let path = home.config();
    let text = run::read(&path).map_err(|err| chain(&err))?;
    Config::parse(&text, &path.display().to_string()).map_err(|err| chain(&err))
}

fn of_config(config: &Result<Config, String>) -> Finding {
    match config {
        Ok(_) => ok("config", "chore.toml is in order"),
        Err(why) => problem("config", plain(why), "correct that line of chore.toml"),
    }
}

/// Whether the peer runs. `must`: it is a problem if it does not.
fn peer(home: &Home, status: &Status, must: bool) -> Finding {
    let check = "peer";
    let start = format!("chore --home {} run", home.root().display());
    match status {
        Ok(status) if status.problem.is_empty() => {
            let since = relative(status.started, Timestamp::now());
            ok(check, format!("version {} runs, and was started {since}", plain(&status.version)))
        }
        Ok(status) => {
            let says = format!("it runs, but {}", plain(&status.problem));
            problem(check, says, "look at the chores directory: chore ls")
        }
        Err(ClientError::NotRunning(_)) if must => problem(check, "no peer runs here", start),
        Err(ClientError::NotRunning(_)) => warning(check, "no peer runs here", start),
        Err(err @ ClientError::Silent { .. }) => {
            problem(check, chain(err), "it hangs: end it, and start it again")
        }
        Err(err) => problem(check, chain(err), "run the doctor as the user of the home"),
    }
}

/// How many chores there are, and which are not in order, and why.
type Chores = (usize, Vec<(String, String)>);

fn of_running(chores: &[ChoreStatus]) -> Chores {
    let refused = |chore: &ChoreStatus| chore.refused.as_ref().map(|of| of.reason.clone());
    let why = |chore: &ChoreStatus| {
        let reason = Some(chore.reason.clone()).filter(|reason| !reason.is_empty());
        // An operator's own wish is nothing wrong.
        let reason = reason.filter(|_| !matches!(&*chore.state, "unloaded" | "loading"));
        reason.or_else(|| refused(chore))
    };
    let wrong = chores.iter().filter_map(|chore| Some((plain(&chore.name), plain(&why(chore)?))));
    (chores.len(), wrong.collect())
}

/// As a peer would see each file if it started now.
async fn examined(folder: &Path, home: &Home) -> Result<Chores, Error> {
    let files = probes::files(folder).into_iter();
    let files: Vec<_> = files.filter(|file| probes::has_extension(file, "wasm")).collect();
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let why = match check::examine(file, Some(home.clone())).await {
            Ok(report) => report.problems.into_iter().next().map(|problem| problem.message),
            Err(err) => Some(chain(&err)),
        };
        wrong.extend(why.map(|why| (plain(&name), plain(&why))));
    }
    Ok((files.len(), wrong))
}

fn chores(home: &Home, config: &Config, all: usize, wrong: &[(String, String)]) -> Finding {
    let folder = home.root().join(&config.chores.directory);
    if !folder.is_dir() {
        let says = format!("the chores directory {} is not there", folder.display());
        return problem("chores", says, format!("mkdir {}", folder.display()));
    }
    verdicts::chores(all, wrong)
}

/// A line for each, what to do below it, and the sum.
fn text(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for Finding { check, health, says, advice } in findings {
        lines.push(format!("{:<9}{check:<15}{}", health.word(), plain(says)));
        if !advice.is_empty() {
            lines.push(format!("{:24}-> {}", "", plain(advice)));
        }
    }
    let count = |health| findings.iter().filter(|finding| finding.health == health).count();
    let many = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    };
    let (problems, warnings) = (count(Health::Problem), count(Health::Warning));
    let sum = match (problems, warnings) {
        (0, 0) => "all is well".to_owned(),
        (0, warnings) => many(warnings, "warning"),
        (problems, 0) => many(problems, "problem"),
        _ => format!("{}, {}", many(problems, "problem"), many(warnings, "warning")),
    };
    lines.extend([String::new(), sum]);
    lines.join("\n")
}
