//! What an operator may do from a page: a button for each, with the words that its dialog asks with.
//! The script sends it to the route of the same word.

use maud::{Markup, html};

use crate::status::{ChoreDetail, ChoreStatus, CycleStatus};

/// One thing to do to a chore or to one of its cycles.
struct Action {
    /// The last part of its route.
    word: &'static str,
    label: &'static str,
    /// What will happen.
    what: &'static str,
    /// The fields of the dialog, besides note and token.
    fields: &'static str,
}

const TRIGGER: Action = Action {
    word: "trigger",
    label: "Trigger",
    what: "It runs once, now, or when the run in progress has ended.",
    fields: "",
};
const PAUSE: Action = Action {
    word: "pause",
    label: "Pause",
    what: "No run comes by itself meanwhile. A run in progress goes on to its end.",
    fields: "for",
};
const RESTART: Action = Action {
    word: "restart",
    label: "Restart",
    what: "Ends a pause and a backing off. The next run comes a full interval from now.",
    fields: "",
};
const CANCEL: Action = Action {
    word: "cancel",
    label: "Cancel run",
    what: "The run in progress is asked to wind down, and interrupted if it does not.",
    fields: "",
};
const INTERVAL: Action = Action {
    word: "interval",
    label: "Interval",
    what: "A full interval of the new length begins. It holds until the config's own changes.",
    fields: "interval",
};
const RELOAD: Action = Action {
    word: "reload",
    label: "Reload",
    what: "The chore's files are looked at now, and what was refused is tried again.",
    fields: "force",
};
const UNLOAD: Action = Action {
    word: "unload",
    label: "Unload",
    what: "The chore is closed and stays away, over restarts of the peer too, until it is loaded.",
    fields: "",
};
const LOAD: Action = Action {
    word: "load",
    label: "Load",
    what: "The chore is loaded again from its file.",
    fields: "",
};
const GO_BACK: Action = Action {
    word: "go-back",
    label: "Go back",
    what: "The last good version takes over. What runs now is in quarantine until its files change, \
           or a reload says so.",
    fields: "",
};

fn button(action: &Action, chore: &str, cycle: Option<&str>, label: &str) -> Markup {
    let Action { word, what, fields, .. } = action;
    let title = match cycle {
        Some(cycle) => format!("{} {chore}, cycle {cycle}", action.label),
        None => format!("{} {chore}", action.label),
    };
    let id = format!("{word}:{chore}:{}", cycle.unwrap_or_default());
    html! {
        button.script id=(id) type="button" data-act=(word) data-chore=(chore) data-cycle=[cycle]
            data-title=(title) data-label=(action.label) data-what=(what) data-fields=(fields)
            aria-label=[(label == action.label).then_some(title)] aria-haspopup="dialog"
        { (label) }
    }
}

/// What is done most, for the overview.
pub(super) fn brief(chore: &ChoreStatus, cycle: &CycleStatus) -> Markup {
    let (name, of) = (&chore.name, Some(cycle.name.as_str()));
    html! {
        div.actions id={ "actions:" (name) ":" (cycle.name) } {
            (button(&TRIGGER, name, of, TRIGGER.label))
            @if cycle.pause.is_some() { (button(&RESTART, name, of, RESTART.label)) }
            @else { (button(&PAUSE, name, of, PAUSE.label)) }
        }
    }
}

/// Everything that can be done to a cycle.
pub(super) fn of_cycle(chore: &ChoreStatus, cycle: &CycleStatus) -> Markup {
    let (name, of) = (&chore.name, Some(cycle.name.as_str()));
    html! {
        div.actions id={ "actions:" (name) ":" (cycle.name) } {
            (button(&TRIGGER, name, of, TRIGGER.label))
            (button(&PAUSE, name, of, PAUSE.label))
            (button(&RESTART, name, of, RESTART.label))
            @if cycle.running_since.is_some() { (button(&CANCEL, name, of, CANCEL.label)) }
            (button(&INTERVAL, name, of, INTERVAL.label))
        }
    }
}

/// Everything that can be done to a chore as a whole.
pub(super) fn of_chore(chore: &ChoreStatus) -> Markup {
    let name = &chore.name;
    html! {
        div.actions id={ "actions:" (name) } {
            (button(&RELOAD, name, None, RELOAD.label))
            @if chore.state == "loaded" { (button(&UNLOAD, name, None, UNLOAD.label)) }
            @else if chore.state == "unloaded" { (button(&LOAD, name, None, LOAD.label)) }
        }
    }
}

/// `None` where there is nothing to go back to.
pub(super) fn go_back(chore: &ChoreStatus, detail: &ChoreDetail) -> Option<Markup> {
    let running = detail.versions.iter().find(|version| version.is == "running")?;
    let to = detail.versions.iter().find(|version| {
        matches!(version.is.as_str(), "good" | "previous") && version.digest != running.digest
    })?;
    let label = format!("Go back to {}", to.version);
    Some(button(&GO_BACK, &chore.name, None, &label))
}
