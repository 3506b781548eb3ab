//! What the panel makes of a chore's state: the word, its mark, and what is wrong. Colour is never
//! the only sign: each state has a word and a mark of its own.

use maud::{Markup, html};

use crate::clock::Timestamp;
use crate::status::{ChoreStatus, CycleStatus, LastRun, Outcome, PeerStatus};

use super::words;

/// How grave something is. Names of classes, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Quiet,
    Busy,
    Warning,
    Bad,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Quiet => "quiet",
            Tone::Busy => "busy",
            Tone::Warning => "warning",
            Tone::Bad => "bad",
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Tone::Good => "✓",
            Tone::Quiet => "–",
            Tone::Busy => "▸",
            Tone::Warning => "!",
            Tone::Bad => "✕",
        }
    }
}

/// A word with its mark.
pub(super) fn chip(tone: Tone, word: &str) -> Markup {
    html! {
        span.chip.(tone.class()) { span.mark aria-hidden="true" { (tone.mark()) } (word) }
    }
}

pub(super) fn of_chore(chore: &ChoreStatus) -> Markup {
    chip(tone_of_chore(chore), &chore.state)
}

fn tone_of_chore(chore: &ChoreStatus) -> Tone {
    match chore.state.as_str() {
        "loaded" => Tone::Good,
        "loading" => Tone::Busy,
        "refused" => Tone::Bad,
        _ => Tone::Quiet,
    }
}

pub(super) fn of_cycle(cycle: &CycleStatus) -> Markup {
    let tone = match cycle.state.as_str() {
        "running" => Tone::Busy,
        "backing-off" => Tone::Bad,
        "paused" | "winding-down" | "held" | "waiting" => Tone::Warning,
        _ => Tone::Quiet,
    };
    let mark = match cycle.state.as_str() {
        "paused" => "‖",
        "idle" => "·",
        _ => tone.mark(),
    };
    html! {
        span.chip.(tone.class()) { span.mark aria-hidden="true" { (mark) } (cycle.state) }
    }
}

pub(super) fn of_outcome(outcome: Option<&Outcome>) -> Markup {
    match outcome {
        None => chip(Tone::Busy, "running"),
        Some(outcome) => chip(tone_of_outcome(outcome), outcome.word()),
    }
}

pub(super) fn tone_of_outcome(outcome: &Outcome) -> Tone {
    match outcome {
        Outcome::Succeeded => Tone::Good,
        Outcome::Cancelled { .. } | Outcome::Interrupted { .. } => Tone::Warning,
        _ => Tone::Bad,
    }
}

/// How the last run ended, when, and how long it took.
pub(super) fn last_run(last: Option<&LastRun>, now: Timestamp) -> Markup {
    html! {
        @match last {
            None => span.faint { "no run yet" },
            Some(last) => {
                (of_outcome(Some(&last.outcome))) " "
                span.aside {
                    (words::ago(last.started.plus(last.elapsed), now)) ", "
                    @if last.run > 0 {
                        a href={ "/runs/" (last.run) } { "took " (words::duration(last.elapsed)) }
                    } @else { "took " (words::duration(last.elapsed)) }
                }
            }
        }
    }
}

/// When the next run comes, or why none does, in a few words.
pub(super) fn next_run(cycle: &CycleStatus, now: Timestamp) -> Markup {
    html! {
        @if let Some(since) = cycle.running_since {
            span { "running, began " (words::ago(since, now)) }
        } @else if let Some(pause) = &cycle.pause {
            @match pause.until {
                Some(until) => span { "paused, ends " (words::countdown(until, now)) },
                None => span.faint { "paused" },
            }
        } @else if let Some(next) = cycle.next {
            (words::countdown(next, now))
        } @else {
            span.faint { (cycle.state) }
        }
    }
}

/// Who paused it and why.
pub(super) fn pause(cycle: &CycleStatus, now: Timestamp) -> Option<Markup> {
    let pause = cycle.pause.as_ref()?;
    Some(html! {
        p.pause {
            "Paused"
            @if !pause.note.by.is_empty() { " by " b { (pause.note.by) } }
            " at " (words::moment(pause.since, now))
            @if !pause.note.note.is_empty() { ": “" (pause.note.note) "”" }
        }
    })
}

/// Something that an operator should look at.
pub(super) struct Problem {
    /// "failing", "overdue", ...
    pub word: &'static str,
    pub tone: Tone,
    /// `None` for what concerns the whole peer.
    pub chore: Option<String>,
    pub cycle: Option<String>,
    pub sentence: String,
}

/// The gravest first.
pub(super) fn problems(peer: &PeerStatus, now: Timestamp) -> Vec<Problem> {
    let mut problems = Vec::new();
    if !peer.problem.is_empty() {
        let sentence = peer.problem.clone();
        let (word, tone) = ("peer", Tone::Bad);
        problems.push(Problem { word, tone, chore: None, cycle: None, sentence });
    }
    problems.extend(peer.chores.iter().flat_map(|chore| of_one(chore, now)));
    problems.sort_by_key(|problem| problem.tone != Tone::Bad);
    problems
}

/// What is wrong with one chore.
pub(super) fn of_one(chore: &ChoreStatus, now: Timestamp) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |word, tone, cycle: Option<&CycleStatus>, sentence: String| {
        let (chore, cycle) = (Some(chore.name.clone()), cycle.map(|cycle| cycle.name.clone()));
        problems.push(Problem { word, tone, chore, cycle, sentence });
    };
    if chore.state == "refused" {
        add("refused", Tone::Bad, None, chore.reason.clone());
    }
    for cycle in &chore.cycles {
        if cycle.failures > 0 {
            let last = cycle.last.as_ref().map(|last| &last.outcome);
            let why = match last.map(|last| (last.word(), last.message())) {
                Some((word, "")) => word.to_owned(),
                Some((word, message)) => format!("{word}: {message}"),
                None => String::new(),
            };
            let times = match cycle.failures {
                1 => "Failed once".to_owned(),
                failures => format!("Failed {failures} times in a row"),
            };
            add("failing", Tone::Bad, Some(cycle), format!("{times}: {why}"));
        }
        // The watchdog says so.
        if let Some(since) = cycle.overdue {
            let sentence = format!("A run is overdue by {}", words::duration(now.since(since)));
            add("overdue", Tone::Bad, Some(cycle), sentence);
        }
    }
    if let Some(refused) = &chore.refused {
        let word = if refused.quarantined { "quarantined" } else { "refused" };
        let version = match refused.version.as_str() {
            "" => refused.file.clone(),
            version => format!("Version {version}"),
        };
        let sentence = format!("{version} does not take over: {}", refused.reason);
        add(word, Tone::Warning, None, sentence);
    }
    problems
}

/// What stands out of a peer's chores, for the line that counts them.
pub(super) fn is_shown(chore: &ChoreStatus, show: &str, now: Timestamp) -> bool {
    let any = |state: &str| chore.cycles.iter().any(|cycle| cycle.state == state);
    match show {
        "problems" => !of_one(chore, now).is_empty(),
        "running" => any("running") || any("winding-down"),
        "paused" => any("paused"),
        "failing" => chore.cycles.iter().any(|cycle| cycle.failures > 0),
        "" => true,
        state => chore.state == state,
    }
}
