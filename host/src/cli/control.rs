//! Commands that ask a running peer: they talk to its control socket and show what it says.

use serde_json::json;

use super::output::Out;
use super::show::{self, ChoreView, RunView};
use super::{Error, Target};
use crate::clock::Timestamp;
use crate::control::{Client, Command};
use crate::peer::Home;
use crate::status::{Actor, ChoreStatus, Triggered};

/// How alike two names must be, from 0 to 1, to ask whether one was meant for the other.
const LIKENESS_MIN: f64 = 0.7;

pub(super) async fn ls(out: &Out, home: &Home) -> Result<u8, Error> {
    let status = Client::connect(home).await?.status().await?;
    let views: Vec<ChoreView> = status.chores.iter().map(ChoreView::from).collect();
    out.show(&views, || match status.chores.as_slice() {
        [] => format!("no chores: put a NAME.wasm into {}", home.chores().display()),
        chores => show::chores(chores, Timestamp::now()),
    })?;
    if !status.problem.is_empty() {
        out.tell(&format!(
            "\nno chore is loaded or replaced now: {}",
            show::plain(&status.problem)
        ))?;
    }
    Ok(0)
}

pub(super) async fn status(out: &Out, home: &Home, name: &str) -> Result<u8, Error> {
    let status = Client::connect(home).await?.status().await?;
    let Some(chore) = status.chores.iter().find(|chore| chore.name == name) else {
        let nearest = nearest(name, &status.chores);
        return Err(Error::NoChore { name: name.to_owned(), chores: home.chores(), nearest });
    };
    out.show(&ChoreView::from(chore), || show::chore(chore, Timestamp::now()))?;
    Ok(0)
}

pub(super) async fn trigger(
    out: &Out,
    home: &Home,
    target: &Target,
    wait: bool,
    actor: Actor,
) -> Result<u8, Error> {
    let (name, cycle) = (&target.name, target.cycle.as_deref());
    match Client::connect(home).await?.act(actor).trigger(name, cycle, wait).await? {
        Triggered::Began { iteration } => {
            let value = json!({ "chore": name, "triggered": "began", "iteration": iteration });
            out.show(&value, || format!("run {iteration} of {name} began"))?;
            Ok(0)
        }
        Triggered::Ended { run } => {
            let view = RunView::from(&run);
            let value = json!({ "chore": name, "triggered": "ended", "run": view });
            out.show(&value, || format!("run {} of {name} {}", run.run, show::run(&run)))?;
            Ok(if run.outcome.succeeded() { 0 } else { 1 })
        }
        Triggered::Stopped => Err(Error::Stopped(name.clone())),
    }
}

pub(super) async fn command(
    out: &Out,
    home: &Home,
    command: Command,
    target: &Target,
    actor: Actor,
) -> Result<u8, Error> {
    let (name, word) = (&target.name, command.word());
    let mut client = Client::connect(home).await?.act(actor);
    client.command(command, name, target.cycle.as_deref()).await?;
    let value = json!({ "chore": name, "cycle": target.cycle, "done": word });
    out.show(&value, || format!("{word} {name}: done"))?;
    Ok(0)
}

fn nearest(name: &str, chores: &[ChoreStatus]) -> Option<String> {
    let alike = |chore: &ChoreStatus| strsim::jaro_winkler(name, &chore.name);
    let best = chores.iter().max_by(|a, b| alike(a).total_cmp(&alike(b)))?;
    (alike(best) >= LIKENESS_MIN).then(|| best.name.clone())
}
