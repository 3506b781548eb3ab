//! One sentence for any moment of a cycle, past or to come: why a run came, or why none did. It is
//! told what is known, and the time.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::cycle::SkipReason;
use crate::record::{Around, EventRecord, RunRecord, SkipRecord};
use crate::status::{ChoreStatus, CycleStatus, Outcome, PauseStatus};

/// What is asked: a moment, as exactly as it was named. "10:00" is a whole minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    pub from: Timestamp,
    /// The last nanosecond that belongs to it.
    pub to: Timestamp,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    pub chore: String,
    pub cycle: String,
    pub because: String,
}

/// Why the next run comes when it does, or does not come.
pub fn next(chore: &ChoreStatus, cycle: &str, now: Timestamp) -> String {
    let name = &chore.name;
    match chore.state.as_str() {
        "loaded" => {}
        "unloaded" => {
            return format!(
                "no run will come: unloaded by the operator; `chore load {name}` ends that"
            );
        }
        "loading" => return "no run yet: the chore is being loaded".to_owned(),
        state => return format!("no run will come: the chore is {state}: {}", chore.reason),
    }
    let Some(cycle) = chore.cycles.iter().find(|known| known.name == cycle) else {
        return format!("no run will come: {name} has no cycle {cycle:?} now");
    };
    if let Some(since) = cycle.running_since {
        return format!("a run is in progress since {}{}", when(since, now), after(cycle, now));
    }
    if cycle.state == "waiting" {
        let due = cycle.next.map_or_else(String::new, |due| format!(" since {}", when(due, now)));
        return format!(
            "a run is due{due} and waits for its turn: as many runs of {name} are in progress as \
             may be at once; raise `limits.runs` in {name}.toml"
        );
    }
    if let Some(pause) = &cycle.pause {
        let ends = match pause.until {
            Some(until) => format!("until {}", when(until, now)),
            None => format!("until `chore restart {name}`"),
        };
        return format!("no run will come by itself {ends}: {}", paused(pause, now));
    }
    match (cycle.state.as_str(), cycle.next) {
        ("off", _) => format!(
            "no run will come by itself: its interval is off; `chore trigger {name}` runs it once"
        ),
        ("held", _) => "no run just now: the chore is being replaced".to_owned(),
        (_, None) => "no run will come: its next slot is beyond the end of time".to_owned(),
        (_, Some(due)) if cycle.backing_off_until.is_some() => {
            format!("next run {}: {}", when(due, now), backing_off(cycle))
        }
        (_, Some(due)) if due <= now => format!("a run is due since {}", when(due, now)),
        (_, Some(due)) => {
            let jitter = match cycle.jitter {
                Duration::ZERO => String::new(),
                jitter => format!(" + jitter {}", rounded(jitter)),
            };
            let changed = if cycle.overridden { ", changed while the peer ran" } else { "" };
            format!("next run {}: interval {}{jitter}{changed}", when(due, now), cycle.interval)
        }
    }
}

fn after(cycle: &CycleStatus, now: Timestamp) -> String {
    match (&cycle.pause, cycle.next) {
        (Some(pause), _) => format!("; none will follow by itself: {}", paused(pause, now)),
        (None, Some(due)) if due <= now => "; another is due at its end".to_owned(),
        (None, Some(due)) => format!("; the next is due {}", when(due, now)),
        (None, None) => String::new(),
    }
}

fn backing_off(cycle: &CycleStatus) -> String {
    let failures = match cycle.failures {
        1 => "1 failure".to_owned(),
        failures => format!("{failures} failures"),
    };
    let last = cycle.last.as_ref().map(|last| format!(", the last: {}", told(&last.outcome)));
    format!("backing off after {failures}{}", last.unwrap_or_default())
}

fn paused(pause: &PauseStatus, now: Timestamp) -> String {
    let by = match pause.note.by.as_str() {
        "" => String::new(),
        by => format!(" by {by}"),
    };
    format!("paused{by} at {}{}", when(pause.since, now), noted(&pause.note.note))
}

fn noted(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!(" (note: {note})") }
}

/// Why a run came at a moment that has passed, or none did.
pub fn past(
    around: &Around,
    moment: Moment,
    cycle: Option<&CycleStatus>,
    now: Timestamp,
) -> String {
    let Around { run, skip, event, next } = around;
    // A time from the history is that at which it began, which may be after it was due.
    let began = |run: &RunRecord| (moment.from..=moment.to).contains(&run.started);
    let begins = |run: &&RunRecord| begin(run) >= moment.from || began(run);
    if let Some(run) = run.as_ref().filter(begins) {
        return ran(run, now);
    }
    if let Some(skip) = skip.as_ref().filter(|skip| skip.last >= moment.from) {
        return skipped(skip, event.as_ref(), moment, now);
    }
    if let Some(pause) = cycle.and_then(|cycle| cycle.pause.as_ref())
        && pause.since <= moment.to
    {
        return format!("no run at {}: {}", when(moment.from, now), paused(pause, now));
    }
    let is_over = |run: &RunRecord| {
        let end = run.elapsed.map(|elapsed| run.started.plus(elapsed));
        // One that its peer did not survive has no end that is known.
        run.outcome.is_some() && end.is_none_or(|end| end < moment.from)
    };
    match (run, next) {
        (Some(run), _) if !is_over(run) => {
            format!(
                "run {} was in progress at {}: {}",
                run.run,
                when(moment.from, now),
                ran(run, now)
            )
        }
        (None, None) => {
            format!(
                "nothing is known of {}: the ledger has no run of this cycle",
                when(moment.from, now)
            )
        }
        (Some(before), Some(next)) => format!(
            "nothing was due at {}: the run before was due {}, the next {}",
            when(moment.from, now),
            when(begin(before), now),
            when(begin(next), now)
        ),
        (Some(before), None) => format!(
            "nothing was due at {}: the last run was due {}",
            when(moment.from, now),
            when(begin(before), now)
        ),
        (None, Some(next)) => format!(
            "nothing is known of {}: the first run in the ledger was due {}",
            when(moment.from, now),
            when(begin(next), now)
        ),
    }
}

/// The slot that it served, or else when it was asked for.
fn begin(run: &RunRecord) -> Timestamp {
    run.slot.unwrap_or(run.due).min(run.started)
}

fn ran(run: &RunRecord, now: Timestamp) -> String {
    let why = match (run.reason.as_str(), run.by.as_str()) {
        ("start", _) => "because its chore was loaded".to_owned(),
        ("trigger", "") => "because it was triggered".to_owned(),
        ("trigger", by) => format!("because {by} triggered it"),
        _ => "because it was due".to_owned(),
    };
    let late = run.started.since(begin(run));
    let late = match late >= LATE_SHOWN {
        true => format!(", {} after it was due", rounded(late)),
        false => String::new(),
    };
    let ended = match (&run.outcome, run.elapsed) {
        (None, _) => "and is in progress".to_owned(),
        (Some(outcome), None) => format!("and {}", told(outcome)),
        (Some(outcome), Some(elapsed)) => {
            format!("and after {} {}", rounded(elapsed), told(outcome))
        }
    };
    format!("run {} began {}{late}, {why}, {ended}", run.run, when(run.started, now))
}

/// What a reader wants to know of is later than this.
const LATE_SHOWN: Duration = Duration::from_secs(1);

fn told(outcome: &Outcome) -> String {
    let verb = match outcome {
        Outcome::Succeeded | Outcome::Failed { .. } | Outcome::Trapped { .. } => outcome.word(),
        Outcome::OutOfMemory { .. } => "ran out of memory",
        Outcome::OutOfCpu { .. } => "ran out of CPU time",
        Outcome::TimedOut { .. } => "timed out",
        Outcome::Cancelled { .. } => "was cancelled",
        Outcome::HostFailed { .. } => "was failed by the host",
        Outcome::Interrupted { .. } => "was interrupted",
    };
    match outcome.message() {
        "" => verb.to_owned(),
        message => format!("{verb}: {message}"),
    }
}

fn skipped(
    skip: &SkipRecord,
    event: Option<&EventRecord>,
    moment: Moment,
    now: Timestamp,
) -> String {
    let at = when(skip.first.max(moment.from.min(skip.last)), now);
    let which = match skip.slots {
        1 => format!("skipped at {}", when(skip.first, now)),
        slots => format!(
            "skipped at {at}, one of {slots} slots from {} to {}",
            when(skip.first, now),
            when(skip.last, now)
        ),
    };
    format!("{which}: {}", reason(skip.reason, event, now))
}

fn reason(reason: SkipReason, event: Option<&EventRecord>, now: Timestamp) -> String {
    let did = |what: &str| event.filter(|event| event.what == what);
    match (reason, did("pause"), did("restart")) {
        (SkipReason::Paused, Some(event), _) => {
            format!("paused by {} at {}{}", event.by, when(event.at, now), noted(&event.note))
        }
        (SkipReason::Paused, None, _) => "paused".to_owned(),
        (SkipReason::Restarted, _, Some(event)) => format!(
            "restarted by {} at {}, which begins a full interval",
            event.by,
            when(event.at, now)
        ),
        (SkipReason::Restarted, ..) => "a restart began a full interval".to_owned(),
        (SkipReason::Running, ..) => {
            "the run before was still in progress, and one slot waited for it already".to_owned()
        }
        (SkipReason::Crowded, ..) => {
            "as many runs of the chore were in progress as may be at once (`limits.runs`), and one \
             slot waited already"
                .to_owned()
        }
        (SkipReason::Held, ..) => {
            "the chore was being replaced, and one slot waited already".to_owned()
        }
        (SkipReason::BackingOff, ..) => {
            "backing off after failures, and one slot waited already".to_owned()
        }
        (SkipReason::Late, ..) => {
            "nobody looked at the clock in time: the machine slept, was overloaded, or its clock \
             was set forward"
                .to_owned()
        }
        (SkipReason::Off, ..) => "its interval was changed to off".to_owned(),
        (SkipReason::Stopped, ..) => "the chore was closed while the slot waited".to_owned(),
        (SkipReason::Away, ..) => "the peer was not running, or the chore not loaded".to_owned(),
    }
}

/// The time of day, with its day if that is another. UTC, as in the log.
fn when(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (at.to_string(), now.to_string());
    match (at.split_once('T'), now.split_once('T')) {
        (Some((day, time)), Some((today, _))) if day == today => time.to_owned(),
        _ => at,
    }
}

/// As exact as a reader needs it.
fn rounded(duration: Duration) -> String {
    let step = match duration {
        long if long >= Duration::from_secs(10) => Duration::from_secs(1),
        short if short >= Duration::from_millis(10) => Duration::from_millis(1),
        shorter => return format!("{shorter:.1?}"),
    };
    let steps = duration.as_nanos() / step.as_nanos();
    let rounded = step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
    humantime::format_duration(rounded).to_string()
}
