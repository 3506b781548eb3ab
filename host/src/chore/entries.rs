//! What the ledger and whoever listens are told of the runs of one chore.

use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use crate::chore::Spec;
use crate::chore::calls::{self, Finished};
use crate::clock::Timestamp;
use crate::cycle::{GiveUpHow, Run, Skipped};
use crate::ledger::{Began, Ended};
use crate::news::Event;
use crate::record::{EventRecord, SkipRecord, Usage};
use crate::status::{LastRun, Outcome};

/// Who does what the failure policy of a chore says.
pub(super) const BY_POLICY: &str = "its failure policy";

/// A run that begins now, with its number.
pub(super) fn began(spec: &Spec, cycle: &str, run: &Run, by: String) -> Arc<Began> {
    let ledger = &spec.services.ledger;
    let began = Arc::new(Began {
        run: ledger.next_run(),
        build: spec.build.clone(),
        generation: spec.generation,
        cycle: cycle.to_owned(),
        iteration: run.iteration,
        reason: calls::reason(run.reason),
        by,
        due: run.due,
        slot: run.slot,
        started: Timestamp::now(),
    });
    ledger.began(began.clone());
    spec.services.news.tell(|| Event::Run(began.record(None)));
    began
}

pub(super) fn ended(spec: &Spec, began: &Began, finished: Finished) -> LastRun {
    let Finished { last, log, log_lines, backtrace } = finished;
    let (elapsed, outcome, usage) = (last.elapsed, last.outcome.clone(), last.usage);
    let ended = Arc::new(Ended { elapsed, outcome, usage, log, log_lines, backtrace });
    // First, so that whoever begins to listen now finds it there.
    spec.services.ledger.ended(last.run, ended.clone());
    spec.services.news.tell(|| Event::Run(began.record(Some(&ended))));
    last
}

pub(super) fn skipped(spec: &Spec, cycle: &str, skipped: Skipped) {
    let name = spec.name.as_str();
    spec.services.news.tell(|| Event::Skip(SkipRecord::of(name, cycle, skipped)));
    spec.services.ledger.skipped(name, cycle, skipped);
}

/// What to say of a cycle that gave up: who reads it knows what to do.
pub(super) fn given_up(failures: u32, message: &str) -> String {
    let times =
        if failures == 1 { "once".to_owned() } else { format!("{failures} times in a row") };
    format!("it failed {times}, the last time with: {message}")
}

pub(super) fn gave_up(spec: &Spec, cycle: &str, failures: u32, how: GiveUpHow, message: &str) {
    let (chore, note) = (spec.name.as_str(), given_up(failures, message));
    let what = match how {
        GiveUpHow::Pause => {
            error!(
                chore,
                cycle, "paused: {note}; once that is mended: chore restart {chore} --cycle {cycle}"
            );
            "pause"
        }
        GiveUpHow::StopPeer => {
            let why = format!("chore {chore} ({cycle}) is a check that must not fail: {note}");
            // The first reason is the one that counts.
            spec.services.stop_wanted.send_if_modified(|wanted| {
                let first = wanted.is_none();
                wanted.get_or_insert(why);
                first
            });
            "stop peer"
        }
    };
    let (chore, cycle) = (chore.to_owned(), cycle.to_owned());
    let (by, what, at) = (BY_POLICY.to_owned(), what.to_owned(), Timestamp::now());
    let event = EventRecord { at, by, what, chore, cycle, note };
    spec.services.news.tell(|| Event::Control(event.clone()));
    spec.services.ledger.event(event);
}

/// Of a run whose task is gone.
pub(super) fn broken(number: u64, run: &Run) -> Finished {
    let last = LastRun {
        run: number,
        iteration: run.iteration,
        reason: calls::reason(run.reason).to_owned(),
        started: run.due,
        elapsed: Duration::ZERO,
        outcome: Outcome::HostFailed {
            message: "a host function panicked: this is a bug of the peer".into(),
        },
        usage: Usage::default(),
    };
    Finished { last, log: Vec::new(), log_lines: 0, backtrace: Vec::new() }
}
