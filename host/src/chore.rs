//! One loaded chore: an actor that feeds its cycles and runs what they say is due.
//!
//! The cycles decide (`cycle`), the runtime runs (`runtime`); this room only carries what one says
//! to the other, and keeps what must outlive a run. Controls and status go through the board and
//! never wait for a run.

mod board;
mod calls;
mod entries;
#[cfg(test)]
mod tests;

pub use board::{Board, ControlError, Remembered};
pub use calls::{OnEnded, Services, Spec, StopWanted};

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, debug, info, warn};

use crate::bindings::lifecycle::{CloseReason, OpenReason};
use crate::clock::Timestamp;
use crate::config::LogLevel;
use crate::cycle::{Control, Run, Skipped, Step};
use crate::ledger::Began;
use crate::limits::{LEDGER_BEGIN_WAIT, SCHEDULE_SAVE_EVERY, TIMER_MAX};
use crate::log_gate::Kind;
use crate::meters::RunEnd;
use crate::status::{CycleStatus, LastRun, Outcome};
use calls::{Finished, Signals};

/// A chore that was opened and whose cycles are fed. Close it; dropping it aborts its runs.
#[must_use]
pub struct Chore {
    current: Arc<Current>,
    board: Arc<Board>,
    actor: Mutex<Option<AbortOnDropHandle<()>>>,
    interrupt: CancellationToken,
}

/// What the next run is made of. Runs in progress keep what they began with.
struct Current(Mutex<Arc<Spec>>);

impl Current {
    fn get(&self) -> Arc<Spec> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, spec: Arc<Spec>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = spec;
    }
}

impl Chore {
    /// Opens the chore and begins its schedule; if `open` does not succeed, its outcome is why.
    pub async fn open(spec: Spec, reason: OpenReason) -> Result<Chore, Outcome> {
        let spec = Arc::new(spec);
        let board = Arc::new(Board::new(&spec, Timestamp::now()));
        let outcome = calls::open(&spec, &board, reason).await;
        if !outcome.succeeded() {
            return Err(outcome);
        }
        let current = Arc::new(Current(Mutex::new(spec)));
        let interrupt = CancellationToken::new();
        let actor = Actor {
            current: current.clone(),
            board: board.clone(),
            runs: JoinSet::new(),
            running: HashMap::new(),
            names: HashMap::new(),
            persisted: HashMap::new(),
            persisted_at: None,
            unsaved: false,
            interrupt: interrupt.clone(),
        };
        let actor = AbortOnDropHandle::new(tokio::spawn(actor.feed()));
        let actor = Mutex::new(Some(actor));
        Ok(Chore { current, board, actor, interrupt })
    }

    /// What the next run is made of.
    pub fn spec(&self) -> Arc<Spec> {
        self.current.get()
    }

    /// For controls, by whoever holds it.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    pub fn cycles(&self) -> Vec<CycleStatus> {
        self.board.status()
    }

    /// Another schedule or other limits for what runs, without a call of the chore.
    pub fn reconfigure(&self, spec: Spec) {
        self.board.reconfigure(&spec);
        self.current.set(Arc::new(spec));
    }

    /// Holds ticks and triggers, asks the runs in progress to wind down, and returns when they have
    /// ended: after the grace period at the latest. A run that had to give way is due again when
    /// the hold ends.
    ///
    /// # Errors
    ///
    /// If a run does not end, which is a bug of the host; then nothing is held.
    pub async fn hold(self: &Arc<Self>) -> Result<Held, Outcome> {
        let grace = self.spec().limits.grace;
        self.board.hold();
        let held = Held(self.clone());
        match timeout(grace.saturating_add(INTERRUPT_MAX), self.board.drained()).await {
            Ok(()) => Ok(held),
            Err(_) => Err(Outcome::HostFailed {
                message: "a run in progress could not be ended: this is a bug of the peer".into(),
            }),
        }
    }

    /// Stops the cycles, lets runs in progress wind down for at most `budget`, drops those that do
    /// not, and calls `close`. Always ends.
    pub async fn close(&self, reason: CloseReason, budget: Duration) -> Outcome {
        self.board.stop();
        let actor = self.actor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut actor) = actor
            && timeout(budget, &mut actor).await.is_err()
        {
            warn!(chore = %self.spec().name, "run did not wind down in time: interrupted");
            self.interrupt.cancel();
            if timeout(INTERRUPT_MAX, &mut actor).await.is_err() {
                actor.abort();
            }
        }
        calls::close(&self.spec(), &self.board, reason).await
    }
}

impl Drop for Chore {
    fn drop(&mut self) {
        self.interrupt.cancel();
    }
}

/// A chore with no run in progress, whose ticks and triggers wait. Dropping it lets them go on, with
/// whatever version is there then.
#[must_use]
pub struct Held(Arc<Chore>);

impl Held {
    /// Opens what is to run from here on, and lets it take over. If `open` does not succeed, its
    /// outcome is why, and nothing has changed.
    pub async fn take_over(&self, spec: Spec, reason: OpenReason) -> Result<(), Outcome> {
        let chore = &self.0;
        let spec = Arc::new(spec);
        let staged = Arc::new(chore.board.stage(&spec));
        let outcome = calls::open(&spec, &staged, reason).await;
        if !outcome.succeeded() {
            return Err(outcome);
        }
        chore.board.adopt(&staged, reason == OpenReason::Replaced);
        chore.current.set(spec);
        Ok(())
    }

    /// Makes up for a run of a version that was given up.
    pub fn make_due(&self, cycle: &str) {
        // It may be a cycle that this version has not.
        let _ = self.0.board.control(Some(cycle), Control::Due);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.board.release();
    }
}

/// An interrupted run ends at the next epoch tick; this is ample.
const INTERRUPT_MAX: Duration = Duration::from_secs(5);

struct Actor {
    current: Arc<Current>,
    board: Arc<Board>,
    runs: JoinSet<Finished>,
    /// How to reach the run of each cycle.
    running: HashMap<String, Signals>,
    /// What a task runs: one that panicked cannot say.
    names: HashMap<Id, Begun>,
    persisted: HashMap<String, String>,
    persisted_at: Option<Instant>,
    /// A run has ended since.
    unsaved: bool,
    interrupt: CancellationToken,
}

struct Begun {
    spec: Arc<Spec>,
    run: Run,
    began: Arc<Began>,
}

impl Actor {
    async fn feed(mut self) {
        loop {
            let (mut steps, wake) = self.board.due(Timestamp::now());
            let begins = |(_, step): &(String, Step)| matches!(step, Step::Run(_));
            let first = steps.iter().position(begins).unwrap_or(steps.len());
            let later = steps.split_off(first);
            for (cycle, step) in steps {
                self.act(cycle, step);
            }
            let stopped = self.board.stopped() && self.runs.is_empty();
            let later: Vec<_> =
                later.into_iter().map(|(cycle, step)| self.note(cycle, step)).collect();
            // Before a run begins, so that no iteration is counted twice after a crash, and none
            // that began is missing in the ledger.
            self.persist(stopped).await;
            for (cycle, step, began) in later {
                match (step, began) {
                    (Step::Run(run), Some(began)) => self.start(cycle, run, began),
                    (step, _) => self.act(cycle, step),
                }
            }
            if stopped {
                return;
            }
            // Idle chores sleep for long; the clock is still read now and then.
            let sleep = match wake {
                Some(wake) => wake.since(Timestamp::now()).min(TIMER_MAX),
                None => TIMER_MAX,
            };
            let sleep = self.save_in().map_or(sleep, |save| sleep.min(save));
            tokio::select! {
                () = self.board.changed() => {}
                Some(ended) = self.runs.join_next_with_id() => {
                    self.ended(ended);
                    // All at once: each look at the cycles costs as much as there are.
                    while let Some(ended) = self.runs.try_join_next_with_id() {
                        self.ended(ended);
                    }
                }
                () = self.interrupt.cancelled(), if !self.interrupted() => self.interrupt_all(),
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    fn interrupted(&self) -> bool {
        self.running.values().all(|signals| signals.interrupt.is_cancelled())
    }

    fn interrupt_all(&mut self) {
        for signals in self.running.values() {
            signals.interrupt.cancel();
        }
    }

    /// Tells the ledger of a run that is about to begin, and gives it its number there.
    fn note(&self, cycle: String, step: Step) -> (String, Step, Option<Arc<Began>>) {
        let began = match &step {
            Step::Run(run) => {
                let by = self.board.take_askers(&cycle);
                Some(entries::began(&self.current.get(), &cycle, run, by))
            }
            _ => None,
        };
        (cycle, step, began)
    }

    fn act(&mut self, cycle: String, step: Step) {
        match step {
            Step::WindDown => {
                if let Some(signals) = self.running.get(&cycle) {
                    signals.wind_down.cancel();
                }
            }
            Step::Interrupt => {
                if let Some(signals) = self.running.get(&cycle) {
                    signals.interrupt.cancel();
                }
            }
            Step::Skipped(skipped) => {
                let spec = self.current.get();
                let (name, Skipped { reason, slots, .. }) = (spec.name.as_str(), skipped);
                spec.services.meters.slots_skipped(name, &cycle, reason, slots);
                entries::skipped(&spec, &cycle, skipped);
            }
            Step::GaveUp { failures, how } => {
                let message = self.board.last_message(&cycle);
                entries::gave_up(&self.current.get(), &cycle, failures, how, &message);
            }
            // Runs are started, once they are noted. The board answers; what has stopped it knows
            // too.
            Step::Run(_) | Step::Answer { .. } | Step::Stopped => {}
        }
    }

    fn start(&mut self, cycle: String, run: Run, began: Arc<Began>) {
        let number = began.run;
        let signals = Signals::default();
        let spec = self.current.get();
        let span = tracing::info_span!(
            // There whatever the peer's level is, because it says whose lines are in it.
            target: "chore::run",
            "chore.run",
            chore = %spec.name,
            cycle,
            run = number,
            iteration = run.iteration,
            reason = calls::reason(run.reason),
            outcome = tracing::field::Empty,
            otel.status_code = tracing::field::Empty,
        );
        debug!(parent: &span, "run begins");
        let board = self.board.clone();
        let call = calls::run(spec.clone(), board, cycle.clone(), run, number, signals.clone());
        let task = self.runs.spawn(call.instrument(span));
        self.names.insert(task.id(), Begun { spec, run, began });
        self.running.insert(cycle, signals);
    }

    fn ended(&mut self, ended: Result<(Id, Finished), JoinError>) {
        let (id, finished) = match ended {
            Ok((id, finished)) => (id, Some(finished)),
            Err(err) => {
                let chore = &self.current.get().name;
                warn!(%chore, error = %err, "the host failed during a run");
                (err.id(), None)
            }
        };
        let Some(Begun { spec, run, began }) = self.names.remove(&id) else { return };
        let cycle = &began.cycle;
        self.running.remove(cycle);
        let finished = finished.unwrap_or_else(|| entries::broken(began.run, &run));
        let last = entries::ended(&spec, &began, finished);
        report(&spec, cycle, run.due, &last);
        (spec.on_ended)(cycle, &last);
        self.board.ended(cycle, last);
        self.unsaved = true;
    }

    /// How long what has happened may still wait to be written down, if something has.
    fn save_in(&self) -> Option<Duration> {
        let at = self.persisted_at.filter(|_| self.unsaved)?;
        Some(SCHEDULE_SAVE_EVERY.saturating_sub(at.elapsed()))
    }

    /// Writes down what must outlive the peer: at once when an operator asked for something, and
    /// otherwise now and then, so that a busy chore does not wait for the disk at every run.
    async fn persist(&mut self, last_time: bool) {
        let urgent = self.board.take_urgent() || last_time;
        let due = self.persisted_at.is_none_or(|at| at.elapsed() >= SCHEDULE_SAVE_EVERY);
        if !urgent && !due {
            return;
        }
        self.persisted_at = Some(Instant::now());
        self.unsaved = false;
        let spec = self.current.get();
        // A disk that stands still must not stop the chore.
        if urgent && timeout(LEDGER_BEGIN_WAIT, spec.services.ledger.written()).await.is_err() {
            warn!(chore = %spec.name, "the ledger is slow: a run begins before it is written down");
        }
        let mut changed = self.board.saved();
        changed.retain(|(cycle, saved)| self.persisted.get(cycle) != Some(saved));
        if changed.is_empty() {
            return;
        }
        let memory = &spec.services.memory;
        match memory.save_schedules(spec.name.as_str(), changed.clone()).await {
            Ok(()) => self.persisted.extend(changed),
            Err(err) => {
                let error = crate::error::chain(&err);
                warn!(chore = %spec.name, error, "schedules were not saved");
            }
        }
    }
}

fn report(spec: &Spec, cycle: &str, due: Timestamp, last: &LastRun) {
    let (chore, iteration) = (&spec.name, last.iteration);
    let (outcome, message) = (last.outcome.word(), last.outcome.message());
    let elapsed = format!("{:.1?}", last.elapsed);
    let ok = last.outcome.succeeded();
    if spec.log.pass(Kind::Run, if ok { LogLevel::Info } else { LogLevel::Warn }) {
        match ok {
            true => info!(target: "chore::run", %chore, cycle, iteration, elapsed, "run {outcome}"),
            false => {
                warn!(target: "chore::run", %chore, cycle, iteration, elapsed, "run {outcome}: {message}");
            }
        }
    }
    let (reason, elapsed, usage) = (last.reason.as_str(), last.elapsed, last.usage);
    let late = last.started.since(due);
    let end = RunEnd { outcome, reason, elapsed, late, usage };
    spec.services.meters.run_ended(chore.as_str(), cycle, &end);
}
