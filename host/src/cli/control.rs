//! Commands that ask a running peer: they talk to its control socket and show what it says.

use super::Error;
use super::output::Out;
use super::{change, show};
use crate::clock::Timestamp;
use crate::control::{Client, Control};
use crate::log_gate::Wish;
use crate::peer::Home;
use crate::status::{Actor, Controlled, Triggered};

/// What is said of a control that came about and answers nothing else.
const DONE: &str = "done";

pub(super) async fn ls(out: &Out, home: &Home) -> Result<u8, Error> {
    let status = Client::connect(home).await?.status().await?;
    out.show(&status.chores, || match status.chores.as_slice() {
        [] => format!("no chores: put a NAME.wasm into {}", home.chores().display()),
        chores => show::chores(chores, Timestamp::now()),
    })?;
    if !status.problem.is_empty() {
        out.tell(&format!("\nthe peer: {}", show::plain(&status.problem)))?;
    }
    Ok(0)
}

pub(super) async fn status(out: &Out, home: &Home, name: &str) -> Result<u8, Error> {
    let detail = Client::connect(home).await?.chore(name).await?;
    out.show(&detail, || show::detail(&detail, Timestamp::now()))?;
    Ok(0)
}

/// One chore, or those that fit a pattern. Fails if it did not come about for one of them.
pub(super) async fn control(
    out: &Out,
    home: &Home,
    which: &str,
    cycle: Option<&str>,
    control: Control,
    actor: Actor,
) -> Result<u8, Error> {
    let did = match control {
        Control::LogLevel(wish) => level(wish),
        _ => DONE.to_owned(),
    };
    let all = Client::connect(home).await?.act(actor).control(which, control, cycle).await?;
    tell(out, &all, &did)
}

/// Looks at the whole directory.
pub(super) async fn reload(out: &Out, home: &Home, force: bool, actor: Actor) -> Result<u8, Error> {
    tell(out, &Client::connect(home).await?.act(actor).reload(force).await?, DONE)
}

/// Of the peer, and of the chores that have no level of their own.
pub(super) async fn peer_log_level(
    out: &Out,
    home: &Home,
    wish: Option<Wish>,
    actor: Actor,
) -> Result<u8, Error> {
    let all = Client::connect(home).await?.act(actor).log_level(wish).await?;
    tell(out, &all, &level(wish))
}

/// "debug, until 2026-11-25 10:30:07 UTC"
fn level(wish: Option<Wish>) -> String {
    let Some(Wish { level, until }) = wish else { return "as its config says".to_owned() };
    until.map_or(level.to_string(), |until| format!("{level}, until {until}"))
}

/// `did` is what is said in place of [`DONE`].
fn tell(out: &Out, all: &[Controlled], did: &str) -> Result<u8, Error> {
    out.show(&all, || match all {
        [] => "nothing changed".to_owned(),
        all => all.iter().map(|controlled| lines(controlled, did)).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(u8::from(!all.iter().all(|controlled| controlled.ok)))
}

fn lines(controlled: &Controlled, did: &str) -> String {
    let Controlled { chore, control, problem, triggered, changes, .. } = controlled;
    let chore = if chore.is_empty() { "the peer" } else { chore };
    match (problem, triggered, changes.as_slice()) {
        (Some(problem), ..) => {
            format!("{control} {chore}: failed: {}", show::plain(&problem.detail))
        }
        (None, Some(Triggered::Began { iteration }), _) => {
            format!("run {iteration} of {chore} began")
        }
        (None, Some(Triggered::Ended { run }), _) => {
            format!("run {} of {chore} {}", run.run, show::run(run))
        }
        (None, Some(Triggered::Stopped) | None, []) => format!("{control} {chore}: {did}"),
        (None, _, changes) => changes.iter().map(change::line).collect::<Vec<_>>().join("\n"),
    }
}
