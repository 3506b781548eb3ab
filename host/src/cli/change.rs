//! Commands about the files of chores, and what a change looks like.

use std::time::Duration;

use serde::Serialize;

use super::Error;
use super::output::Out;
use super::show::{DIGEST_CHARS, elapsed, plain};
use crate::control::Client;
use crate::peer::Home;
use crate::status::{Actor, Build, Change, ChangeKind};

pub(super) async fn reload(
    out: &Out,
    home: &Home,
    name: Option<&str>,
    force: bool,
    actor: Actor,
) -> Result<u8, Error> {
    show(out, &Client::connect(home).await?.act(actor).reload(name, force).await?)
}

pub(super) async fn unload(out: &Out, home: &Home, name: &str, actor: Actor) -> Result<u8, Error> {
    show(out, &Client::connect(home).await?.act(actor).unload(name).await?)
}

pub(super) async fn load(out: &Out, home: &Home, name: &str, actor: Actor) -> Result<u8, Error> {
    show(out, &Client::connect(home).await?.act(actor).load(name).await?)
}

/// That it went back is what was asked for.
pub(super) async fn go_back(out: &Out, home: &Home, name: &str, actor: Actor) -> Result<u8, Error> {
    let changes = Client::connect(home).await?.act(actor).go_back(name).await?;
    let views: Vec<ChangeView> = changes.iter().map(ChangeView::from).collect();
    out.show(&views, || changes.iter().map(line).collect::<Vec<_>>().join("\n"))?;
    let went = |change: &Change| change.kind == ChangeKind::WentBack;
    Ok(u8::from(!changes.iter().any(went)))
}

/// Fails if something was refused or gone back from.
fn show(out: &Out, changes: &[Change]) -> Result<u8, Error> {
    let views: Vec<ChangeView> = changes.iter().map(ChangeView::from).collect();
    out.show(&views, || match changes {
        [] => "nothing changed".to_owned(),
        changes => changes.iter().map(line).collect::<Vec<_>>().join("\n"),
    })?;
    let bad = |change: &Change| matches!(change.kind, ChangeKind::Refused | ChangeKind::WentBack);
    Ok(u8::from(changes.iter().any(bad)))
}

/// What became of a chore, on one line.
pub(super) fn line(change: &Change) -> String {
    let Change { chore, kind, from, to, generation, reason, .. } = change;
    let (from, to) = (from.as_ref().map(build), to.as_ref().map(build));
    let (old, new) = (from.unwrap_or_default(), to.clone().unwrap_or_default());
    let took = took(change);
    let what = match kind {
        ChangeKind::Loaded => format!("loaded {new}, generation {generation}{took}"),
        ChangeKind::Replaced => format!("{old} -> {new}, generation {generation}{took}"),
        ChangeKind::WentBack => format!("{old} -> {new}, generation {generation}{took}"),
        ChangeKind::Reconfigured => format!("reconfigured {new}{took}"),
        ChangeKind::Unloaded => "unloaded".to_owned(),
        ChangeKind::Unchanged => format!("unchanged {new}"),
        ChangeKind::Refused if to.is_some() => format!("refused, {new} goes on"),
        ChangeKind::Refused => "refused".to_owned(),
    };
    let before = if *kind == ChangeKind::WentBack { "went back: " } else { "" };
    let reason = if reason.is_empty() { String::new() } else { format!(": {}", plain(reason)) };
    format!("{chore}: {before}{what}{reason}")
}

fn build(build: &Build) -> String {
    let digest = build.digest.get(..DIGEST_CHARS).unwrap_or(&build.digest);
    format!("{} ({digest})", plain(&build.version))
}

/// " in 132ms: compile 93ms, open 1ms": all of it, and the phases that took a millisecond.
fn took(change: &Change) -> String {
    let total: Duration = change.phases.iter().map(|phase| phase.elapsed).sum();
    let long = change.phases.iter().filter(|phase| phase.elapsed >= Duration::from_millis(1));
    let long: Vec<String> =
        long.map(|phase| format!("{} {}", phase.name, elapsed(phase.elapsed))).collect();
    let colon = if long.is_empty() { "" } else { ": " };
    format!(" in {}{colon}{}", elapsed(total), long.join(", "))
}

/// As `--json` shows it.
#[derive(Serialize)]
struct ChangeView<'a> {
    chore: &'a str,
    change: ChangeKind,
    from: Option<&'a Build>,
    to: Option<&'a Build>,
    generation: u64,
    phases: Vec<PhaseView<'a>>,
    reason: &'a str,
}

#[derive(Serialize)]
struct PhaseView<'a> {
    name: &'a str,
    seconds: f64,
}

impl<'a> From<&'a Change> for ChangeView<'a> {
    fn from(change: &'a Change) -> ChangeView<'a> {
        let phases = change
            .phases
            .iter()
            .map(|phase| PhaseView { name: &phase.name, seconds: phase.elapsed.as_secs_f64() });
        ChangeView {
            chore: &change.chore,
            change: change.kind,
            from: change.from.as_ref(),
            to: change.to.as_ref(),
            generation: change.generation,
            phases: phases.collect(),
            reason: &change.reason,
        }
    }
}
