//! What the ledger is told of the runs of one chore.

use std::time::Duration;

use crate::chore::Spec;
use crate::chore::calls::{self, Finished};
use crate::clock::Timestamp;
use crate::cycle::Run;
use crate::ledger::Ended;
use crate::record::{RunRecord, Usage};
use crate::status::{LastRun, Outcome};

/// A run that begins now, and its number.
pub(super) fn began(spec: &Spec, cycle: &str, run: &Run, by: String) -> u64 {
    let ledger = &spec.services.ledger;
    let number = ledger.next_run();
    ledger.began(RunRecord {
        run: number,
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
    });
    number
}

pub(super) fn ended(spec: &Spec, finished: Finished) -> LastRun {
    let Finished { last, log, log_lines, backtrace } = finished;
    let (elapsed, outcome, usage) = (last.elapsed, last.outcome.clone(), last.usage);
    let ended = Ended { elapsed, outcome, usage, log, log_lines, backtrace };
    spec.services.ledger.ended(last.run, ended);
    last
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
