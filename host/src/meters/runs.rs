//! What is recorded of runs: for each cycle a set of meters that is made once, because runs may end
//! thousands of times a second.

use std::collections::HashMap;
use std::time::Duration;

use metrics::{Counter, Histogram, Recorder};

use super::catalogue::{
    CHANGES, HOST_BYTES, HOST_CALLS, RUN_CPU, RUN_DURATION, RUN_LATENESS, RUN_MEMORY, RUNS,
    SKIPPED_SLOTS, WATCHDOG_OVERDUE,
};
use super::{METADATA, Meters, host_key};
use crate::cycle::SkipReason;
use crate::database::lock;
use crate::limits::METRIC_CYCLES_MAX;
use crate::record::Usage;

/// By chore, then by cycle.
pub(super) type Runs = HashMap<String, HashMap<String, OfCycle>>;

/// Stands for all cycles of a chore, or satellites, that have no series of their own.
pub const OTHERS: &str = "(others)";

pub(super) struct OfCycle {
    duration: Histogram,
    lateness: Histogram,
    cpu: Histogram,
    memory: Histogram,
    /// Of all cycles of the chore.
    host_calls: Counter,
    host_bytes: Counter,
    overdue: Counter,
    /// By outcome and reason.
    ended: Vec<(&'static str, String, Counter)>,
}

/// A run that ended.
pub struct RunEnd<'a> {
    pub outcome: &'static str,
    pub reason: &'a str,
    pub elapsed: Duration,
    /// How much later than due it began.
    pub late: Duration,
    pub usage: Usage,
}

impl Meters {
    pub fn run_ended(&self, chore: &str, cycle: &str, end: &RunEnd<'_>) {
        self.of(chore, cycle, |cycle, meters| self.count_run(chore, cycle, meters, end));
    }

    fn count_run(&self, chore: &str, cycle: &str, meters: &mut OfCycle, end: &RunEnd<'_>) {
        meters.duration.record(end.elapsed.as_secs_f64());
        meters.lateness.record(end.late.as_secs_f64());
        meters.cpu.record(end.usage.cpu.as_secs_f64());
        meters.memory.record(end.usage.memory_bytes as f64);
        meters.host_calls.increment(end.usage.host_calls);
        meters.host_bytes.increment(end.usage.host_bytes);
        let same = |(outcome, reason, _): &&(&str, String, Counter)| {
            *outcome == end.outcome && reason == end.reason
        };
        if let Some((_, _, counter)) = meters.ended.iter().find(same) {
            return counter.increment(1);
        }
        let key = host_key(RUNS, &[chore, cycle, end.outcome, end.reason]);
        let counter = self.0.recorder.register_counter(&key, &METADATA);
        counter.increment(1);
        meters.ended.push((end.outcome, end.reason.to_owned(), counter));
    }

    /// The meters of a cycle, and the name that it has there. A chore may add and remove cycles for
    /// ever, each with another name.
    fn of(&self, chore: &str, cycle: &str, count: impl FnOnce(&str, &mut OfCycle)) {
        let mut runs = lock(&self.0.runs);
        if !runs.contains_key(chore) {
            runs.insert(chore.to_owned(), HashMap::new());
        }
        let Some(cycles) = runs.get_mut(chore) else { return };
        let full = cycles.len() >= METRIC_CYCLES_MAX && !cycles.contains_key(cycle);
        let cycle = if full { OTHERS } else { cycle };
        if !cycles.contains_key(cycle) {
            cycles.insert(cycle.to_owned(), self.of_cycle(chore, cycle));
        }
        if let Some(meters) = cycles.get_mut(cycle) {
            count(cycle, meters);
        }
    }

    fn of_cycle(&self, chore: &str, cycle: &str) -> OfCycle {
        let histogram =
            |name| self.0.recorder.register_histogram(&host_key(name, &[chore, cycle]), &METADATA);
        let counter = |name, labels: &[&str]| {
            self.0.recorder.register_counter(&host_key(name, labels), &METADATA)
        };
        OfCycle {
            duration: histogram(RUN_DURATION),
            lateness: histogram(RUN_LATENESS),
            cpu: histogram(RUN_CPU),
            memory: histogram(RUN_MEMORY),
            host_calls: counter(HOST_CALLS, &[chore]),
            host_bytes: counter(HOST_BYTES, &[chore]),
            overdue: counter(WATCHDOG_OVERDUE, &[chore, cycle]),
            ended: Vec::new(),
        }
    }

    pub fn slots_skipped(&self, chore: &str, cycle: &str, reason: SkipReason, slots: u64) {
        self.of(chore, cycle, |cycle, _| {
            let key = host_key(SKIPPED_SLOTS, &[chore, cycle, reason.word()]);
            self.0.recorder.register_counter(&key, &METADATA).increment(slots);
        });
    }

    /// The watchdog found a cycle overdue.
    pub fn overdue(&self, chore: &str, cycle: &str) {
        self.of(chore, cycle, |_, meters| meters.overdue.increment(1));
    }

    /// What became of a chore's files, in one word.
    pub fn changed(&self, chore: &str, kind: &str) {
        let key = host_key(CHANGES, &[chore, kind]);
        self.0.recorder.register_counter(&key, &METADATA).increment(1);
    }
}
