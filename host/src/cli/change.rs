//! What a change of a chore looks like.

use std::time::Duration;

use super::show::{DIGEST_CHARS, elapsed, plain};
use crate::status::{Build, Change, ChangeKind};

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
