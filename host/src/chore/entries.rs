//! What the ledger and whoever listens are told of the runs of one chore.

use std::time::Duration;

use crate::chore::Spec;
use crate::chore::calls::{self, Finished};
use crate::clock::Timestamp;
use crate::cycle::{Run, Skipped};
use crate::ledger::Ended;
use crate::news::Event;
use crate::record::{RunRecord, SkipRecord, Usage};
use crate::status::{LastRun, Outcome};

/// A run that begins now, with its number.
pub(super) fn began(spec: &Spec, cycle: &str, run: &Run, by: String) -> RunRecord {
    let ledger = &spec.services.ledger;
    let record = RunRecord {
        run: ledger.next_run(),
        chore: spec.name.as_str().to_owned(),
        cycle: cycle.to_owned(),
        version: spec.version.clone(),
        digest: spec.digest.clone(),
        generation: spec.generation,
        iteration: run.iteration,
        reason: calls::reason(run.reason).to_owned(),
        by,
        due: run.due,
        slot: run.slot,
        started: Timestamp::now(),
        elapsed: None,
        outcome: None,
        usage: Usage::default(),
        log: Vec::new(),
        log_lines: 0,
        backtrace: Vec::new(),
    };
    ledger.began(record.clone());
    spec.services.news.tell(|| Event::Run(record.clone()));
    record
}

/// `record` is what was told when it began.
pub(super) fn ended(spec: &Spec, record: RunRecord, finished: Finished) -> LastRun {
    let Finished { last, log, log_lines, backtrace } = finished;
    let (elapsed, outcome, usage) = (last.elapsed, last.outcome.clone(), last.usage);
    spec.services.news.tell(|| {
        let (elapsed, outcome) = (Some(elapsed), Some(outcome.clone()));
        let (log, backtrace) = (log.clone(), backtrace.clone());
        Event::Run(RunRecord { elapsed, outcome, usage, log, log_lines, backtrace, ..record })
    });
    let ended = Ended { elapsed, outcome, usage, log, log_lines, backtrace };
    spec.services.ledger.ended(last.run, ended);
    last
}

pub(super) fn skipped(spec: &Spec, cycle: &str, skipped: Skipped) {
    let name = spec.name.as_str();
    spec.services.news.tell(|| Event::Skip(SkipRecord::of(name, cycle, skipped)));
    spec.services.ledger.skipped(name, cycle, skipped);
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
