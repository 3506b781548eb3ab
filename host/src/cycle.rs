//! When a chore runs: a state machine that is told the time and what happened, and answers what to
//! do next. It knows no clock, no task, no chore and no wasm.
//!
//! # How it is driven
//!
//! The shell (the chore's actor) calls [`Cycle::step`] with [`Input::Time`] once at the start and
//! then whenever [`Cycle::wake_at`] has passed, with [`Input::Control`] when somebody asks for
//! something, and with [`Input::Ended`] when the run has ended. It does the returned [`Step`]s in
//! order. Every input is taken in every state, before the first [`Input::Time`] and after
//! [`Step::Stopped`] too; none panics, none waits. A control without a waiter is done when `step`
//! returns; one with a waiter is answered exactly once, by a [`Step::Answer`] now or later.
//!
//! # What waits, and what a run takes
//!
//! Two things ask for a run: a **tick**, because a slot has come, and **triggers**, because
//! somebody said "now". At most one tick waits; any number of triggers may. When nothing is in the
//! way, one run begins and takes everything that waits, so it has begun after each trigger that it
//! serves. What is in the way of a run is a run in progress, no room among those of its chore
//! ([`Cycle::set_room`]), a [`Control::Hold`] and a stop; a pause, "off" and back-off are in the way
//! of ticks alone.
//!
//! # Time
//!
//! Slots are `anchor + k · interval + jitter(k)`: arithmetic on remembered values, so a restart of
//! the peer or another look at the clock finds the same ones. Besides, only back-off, a
//! run's deadline and its grace end by time. The wall clock may do as it likes:
//!
//! - *Forward*, or a suspend: the slots in between are missed; one tick waits, the rest are
//!   skipped.
//! - *Backward by up to an interval*: the next slot stays where it is. No slot runs twice.
//! - *Backward by more*: waiting for the next slot would stall the cycle for the length of the
//!   jump. The next slot becomes the first that is a whole interval away, so the cycle goes on
//!   after one to two intervals and the slot's jitter, and a clock that is set back again and
//!   again cannot make it run more often than that.
//! - Whatever had happened by the jump counts as having happened no later than now, so a run gets
//!   its timeout anew at worst, and grace and back-off are not prolonged by the jump.
//!
//! A jump forward past the deadline winds a run down early. That the deadline holds in *elapsed*
//! time is for the shell, which has a monotonic clock: this machine only sees the wall clock.
//!
//! # Every slot is accounted for
//!
//! A slot that has come is served by exactly one run, or named by exactly one [`Step::Skipped`],
//! with why: also what passed during a pause, told when it ends, and what passed while the peer or
//! the chore was not there, told at the first step. Only a clock that is set back breaks the count.

mod messages;
mod report;
mod schedule;
mod skip;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::messages::{Answer, Control, Input, Refusal, Run, RunReason, Step, WaiterId};
pub use self::report::{Saved, State, Status};
use self::schedule::Slots;
pub use self::schedule::{Backoff, Error, GiveUp, GiveUpHow, Interval, Period, Schedule, Start};
pub use self::skip::{SkipReason, Skipped};
use crate::clock::Timestamp;
use crate::limits::CYCLE_WAITERS_MAX;

/// One recurring event of a chore. See the head of this file.
#[derive(Debug)]
pub struct Cycle {
    schedule: Schedule,
    interval_override: Option<Interval>,
    anchor: Timestamp,
    /// The number of the next slot.
    next: i64,
    /// Slots since the chore was loaded that passed without a run of their own.
    skipped: u64,
    /// What passed and has not been told yet.
    untold: Vec<Skipped>,
    paused: Option<Pause>,
    held: bool,
    stopping: bool,
    room: bool,
    /// A run is due, and there was no room for it.
    waits: bool,
    tick: Option<Tick>,
    /// When the first of the triggers that wait was made.
    asked: Option<Timestamp>,
    /// Who made them. Empty for a triggered run that is due again after a replacement.
    waiters: Vec<Waiter>,
    running: Option<Running>,
    iteration: u64,
    /// In a row, up to now.
    failures: u32,
    failed_at: Option<Timestamp>,
    last_started: Option<Timestamp>,
    last_ended: Option<Timestamp>,
    last_succeeded: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    since: Timestamp,
    /// When it ends by itself.
    until: Option<Timestamp>,
}

/// A slot has come, or the cycle has started.
#[derive(Clone, Copy, Debug)]
struct Tick {
    due: Timestamp,
    reason: RunReason,
    /// `None`: it stands for no slot, as at the start.
    slot: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    id: WaiterId,
    for_end: bool,
}

#[derive(Debug)]
struct Running {
    run: Run,
    since: Timestamp,
    timeout: Duration,
    winding_down: Option<WindingDown>,
    /// Those who wait for the end of this run.
    waiters: Vec<Waiter>,
}

#[derive(Clone, Copy, Debug)]
struct WindingDown {
    since: Timestamp,
    /// The run had its time. Else somebody asked, and the run is not to blame for its end.
    timed_out: bool,
    interrupted: bool,
}

impl Cycle {
    /// A cycle as it is when its chore is loaded. `saved` is what [`Cycle::saved`] returned before
    /// the peer was restarted; any values in it are safe.
    pub fn new(schedule: Schedule, saved: Option<Saved>, now: Timestamp) -> Cycle {
        let saved = saved.unwrap_or_else(|| Saved::nothing(schedule.interval, now));
        let configured = schedule.interval;
        let mut cycle = Cycle {
            // An override was made over a certain config; when that has changed, it has the word.
            interval_override: saved.interval_override.filter(|_| saved.configured == configured),
            schedule,
            anchor: saved.anchor,
            next: 1,
            skipped: 0,
            untold: Vec::new(),
            paused: saved.paused.then_some(Pause {
                since: saved.paused_since.unwrap_or(now),
                until: saved.paused_until,
            }),
            held: false,
            stopping: false,
            room: true,
            waits: false,
            tick: None,
            asked: None,
            waiters: Vec::new(),
            running: None,
            iteration: saved.iteration,
            failures: saved.failures,
            failed_at: saved.failed_at,
            last_started: saved.last_started,
            last_ended: saved.last_ended,
            last_succeeded: saved.last_succeeded,
        };
        let mut next = saved.next;
        if saved.interval_override.unwrap_or(saved.configured) != cycle.interval() {
            cycle.anchor = saved.last_started.unwrap_or(now);
            next = None;
        }
        cycle.start(now, next);
        cycle
    }

    /// `unseen` is the first slot that had not come when the cycle was saved.
    fn start(&mut self, now: Timestamp, unseen: Option<i64>) {
        let Some(slots) = self.slots() else { return };
        // Slot 0 is the anchor itself, and a full interval begins there.
        self.next = slots.first_after(now).max(1);
        if self.paused.is_some() {
            return;
        }
        let mut missed = unseen.unwrap_or(self.next).max(1);
        match (self.schedule.start, self.last_started) {
            (Start::Delay, _) => {}
            (Start::Resume, Some(last_started)) => {
                let first = slots.first_after(last_started).max(1);
                if first < self.next {
                    missed = missed.max(first + 1);
                    self.tick = slots.at(first).map(Tick::of_slot);
                }
            }
            (Start::Now | Start::Resume, _) => {
                self.tick = Some(Tick { due: now, reason: RunReason::Start, slot: None });
            }
        }
        self.skip(slots, missed, self.next, SkipReason::Away);
    }

    /// Takes what happened at `now` and returns what to do, in order.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Step> {
        let mut steps = Vec::new();
        self.forget_the_future(now);
        if self.paused.and_then(|pause| pause.until).is_some_and(|until| until <= now) {
            self.restart(now);
        }
        self.take_tick(now);
        match input {
            Input::Time => {}
            Input::Control(control) => self.control(now, control, &mut steps),
            Input::Ended { succeeded, rerun } => self.end(now, succeeded, rerun, &mut steps),
        }
        self.begin(now, &mut steps);
        self.enforce(now, &mut steps);
        steps.extend(self.untold.drain(..).map(Step::Skipped));
        steps
    }

    /// Whether a run may begin: not while as many runs of its chore are in progress as may be. It
    /// holds for the steps to come; whoever says no says yes later, and steps then.
    pub fn set_room(&mut self, room: bool) {
        self.room = room;
    }

    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// When to call [`Cycle::step`] next at the latest. `None`: only a control or the end of the
    /// run can change anything. The caller also wakes after `limits::TIMER_MAX`, to notice a jump
    /// of the clock.
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let at = match &self.running {
            Some(Running { winding_down: None, since, timeout, .. }) => Some(since.plus(*timeout)),
            Some(Running { winding_down: Some(winding_down), .. }) => {
                let grace_ends = winding_down.since.plus(self.schedule.grace);
                Some(grace_ends).filter(|_| !winding_down.interrupted)
            }
            None if self.held || self.waits => None,
            None => self.next_due(),
        };
        let pause_ends = self.paused.filter(|_| !self.stopping).and_then(|pause| pause.until);
        at.into_iter().chain(pause_ends).min().map(|at| at.max(now))
    }

    /// The schedule in force, an override of its interval aside.
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    // Time.

    /// See "Time" at the head of this file: nothing has happened later than `now`.
    fn forget_the_future(&mut self, now: Timestamp) {
        if let Some(slots) = self.slots() {
            self.next = slots.near(self.next, now);
        }
        let no_later = |at: Timestamp| at.min(now);
        self.failed_at = self.failed_at.map(no_later);
        self.asked = self.asked.map(no_later);
        if let Some(tick) = &mut self.tick {
            tick.due = no_later(tick.due);
        }
        if let Some(pause) = &mut self.paused {
            pause.since = no_later(pause.since);
        }
        if let Some(running) = &mut self.running {
            running.since = no_later(running.since);
            if let Some(winding_down) = &mut running.winding_down {
                winding_down.since = no_later(winding_down.since);
            }
        }
    }

    /// If slots have come, makes one tick of them.
    fn take_tick(&mut self, now: Timestamp) {
        let Some(slots) = self.slots() else { return };
        let Some(slot) = slots.at(self.next).filter(|slot| *slot <= now) else { return };
        if self.paused.is_some() || self.stopping {
            return;
        }
        let mut first = self.next;
        if self.tick.is_none() {
            self.tick = Some(Tick::of_slot(slot));
            first += 1;
        }
        self.next = slots.first_after(now);
        self.skip(slots, first, self.next, self.in_the_way(now));
    }

    /// The next slot is one full interval from `now`.
    fn begin_interval(&mut self, now: Timestamp) {
        self.anchor = now;
        self.next = 1;
    }

    fn interval(&self) -> Interval {
        self.interval_override.unwrap_or(self.schedule.interval)
    }

    /// `None` when the interval is "off".
    fn slots(&self) -> Option<Slots> {
        let Schedule { jitter_max, jitter_seed, .. } = self.schedule;
        let period = self.interval().period()?;
        Some(Slots { anchor: self.anchor, period, jitter_max, jitter_seed })
    }

    /// When a tick may run: when its slot has come, and back-off after failures has passed. The
    /// run at the start of the peer does not wait for back-off.
    fn due(&self, tick: Tick) -> Timestamp {
        match (tick.reason, self.backs_off_until()) {
            (RunReason::Interval, Some(until)) => tick.due.max(until),
            _ => tick.due,
        }
    }

    fn backs_off_until(&self) -> Option<Timestamp> {
        let period = self.interval().period()?;
        let Schedule { backoff, jitter_seed, .. } = self.schedule;
        let wait = backoff.wait(self.failures, period, jitter_seed);
        if wait.is_zero() { None } else { Some(self.failed_at?.plus(wait)) }
    }

    /// The tick that waits, else the one of the next slot.
    fn next_tick(&self) -> Option<Tick> {
        if self.paused.is_some() || self.stopping {
            return None;
        }
        self.tick.or_else(|| self.slots()?.at(self.next).map(Tick::of_slot))
    }

    /// When a run is due next, also one that waits already.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.asked.or_else(|| self.next_tick().map(|tick| self.due(tick)))
    }

    // Controls.

    fn control(&mut self, now: Timestamp, control: Control, steps: &mut Vec<Step>) {
        match control {
            Control::Pause { until } => self.pause(now, until),
            Control::Restart => self.restart(now),
            Control::Trigger { waiter } => {
                self.trigger(now, Waiter { id: waiter, for_end: false }, steps);
            }
            Control::TriggerWait { waiter } => {
                self.trigger(now, Waiter { id: waiter, for_end: true }, steps);
            }
            Control::ChangeInterval(interval) => {
                self.skip_paused(now);
                let configured = self.schedule.interval;
                self.interval_override = Some(interval).filter(|wanted| *wanted != configured);
                self.interval_changed(now);
            }
            Control::Cancel => self.wind_down(now, false, steps),
            Control::Hold => {
                self.held = true;
                self.wind_down(now, false, steps);
            }
            Control::Release => self.held = false,
            Control::Forgive => self.forgive(),
            Control::Due => self.make_tick(now, RunReason::Interval),
            Control::Reschedule(schedule) => self.reschedule(now, schedule),
            Control::Stop => self.stop(now, steps),
        }
    }

    /// After a pause, failures before it no longer count: somebody has seen to them.
    fn restart(&mut self, now: Timestamp) {
        self.skip_paused(now);
        if self.paused.take().is_some() {
            self.forgive();
        }
        self.drop_tick(SkipReason::Restarted);
        self.begin_interval(now);
    }

    fn trigger(&mut self, now: Timestamp, waiter: Waiter, steps: &mut Vec<Step>) {
        let of_run = self.running.as_ref().map_or(0, |running| running.waiters.len());
        if self.stopping {
            steps.push(waiter.answer(Answer::Stopped));
        } else if self.waiters.len() + of_run >= CYCLE_WAITERS_MAX {
            let refusal = Refusal::TooManyWaiting { max: CYCLE_WAITERS_MAX };
            steps.push(waiter.answer(Answer::Refused(refusal)));
        } else {
            self.asked.get_or_insert(now);
            self.waiters.push(waiter);
        }
    }

    fn reschedule(&mut self, now: Timestamp, schedule: Schedule) {
        let before = self.interval();
        if schedule.interval != self.schedule.interval {
            self.skip_paused(now);
            self.interval_override = None;
        }
        self.schedule = schedule;
        if self.interval() != before {
            self.interval_changed(now);
        }
        // With less jitter, the next slot may have come already.
        self.take_tick(now);
    }

    fn interval_changed(&mut self, now: Timestamp) {
        self.begin_interval(now);
        if self.interval() == Interval::Off {
            self.drop_tick(SkipReason::Off);
        }
    }

    fn stop(&mut self, now: Timestamp, steps: &mut Vec<Step>) {
        self.stopping = true;
        // Else the slot is served when the cycle is there again.
        if self.schedule.start != Start::Resume {
            self.drop_tick(SkipReason::Stopped);
        }
        self.tick = None;
        self.asked = None;
        steps.extend(self.waiters.drain(..).map(|waiter| waiter.answer(Answer::Stopped)));
        match self.running {
            Some(_) => self.wind_down(now, false, steps),
            None => steps.push(Step::Stopped),
        }
    }

    // Runs.

    /// Begins a run if one is due and nothing is in the way.
    fn begin(&mut self, now: Timestamp, steps: &mut Vec<Step>) {
        self.waits = false;
        if self.running.is_some() || self.held || self.stopping {
            return;
        }
        let (reason, due) = match (self.asked, self.tick) {
            (Some(asked), _) => (RunReason::Trigger, asked),
            (None, Some(tick)) if self.due(tick) <= now => (tick.reason, self.due(tick)),
            _ => return,
        };
        if !self.room {
            self.waits = true;
            return;
        }
        self.asked = None;
        let slot = self.tick.take().and_then(|tick| tick.slot);
        self.iteration = self.iteration.saturating_add(1);
        self.last_started = Some(now);

        let iteration = self.iteration;
        let timeout = self.schedule.timeout;
        let run = Run { iteration, reason, due, slot, deadline: now.plus(timeout) };
        steps.push(Step::Run(run));
        let (for_end, for_begin): (Vec<_>, Vec<_>) =
            self.waiters.drain(..).partition(|waiter| waiter.for_end);
        let began = |waiter: Waiter| waiter.answer(Answer::Began { iteration });
        steps.extend(for_begin.into_iter().map(began));
        self.running =
            Some(Running { run, since: now, timeout, winding_down: None, waiters: for_end });
    }

    fn end(&mut self, now: Timestamp, succeeded: bool, rerun: bool, steps: &mut Vec<Step>) {
        let Some(running) = self.running.take() else { return };
        self.last_ended = Some(now);
        self.last_succeeded = Some(succeeded);
        if succeeded {
            self.forgive();
        } else if !rerun && running.winding_down.is_none_or(|why| why.timed_out) {
            self.failures = self.failures.saturating_add(1);
            self.failed_at = Some(now);
            self.give_up(now, steps);
        }
        if rerun && !succeeded && !self.stopping {
            self.run_again(now, running);
        } else {
            let iteration = running.run.iteration;
            let ended = |waiter: Waiter| waiter.answer(Answer::Ended { iteration, succeeded });
            steps.extend(running.waiters.into_iter().map(ended));
        }
        if self.stopping {
            steps.push(Step::Stopped);
        }
    }

    /// Once a run has failed.
    fn give_up(&mut self, now: Timestamp, steps: &mut Vec<Step>) {
        let Some(GiveUp { after, how }) = self.schedule.give_up else { return };
        if self.failures < after || self.paused.is_some() && how == GiveUpHow::Pause {
            return;
        }
        if how == GiveUpHow::Pause {
            self.pause(now, None);
        }
        steps.push(Step::GaveUp { failures: self.failures, how });
    }

    fn pause(&mut self, now: Timestamp, until: Option<Timestamp>) {
        let since = self.paused.map_or(now, |pause| pause.since);
        self.paused = Some(Pause { since, until });
        self.drop_tick(SkipReason::Paused);
    }

    /// What was asked of the run that was given up is asked anew.
    fn run_again(&mut self, now: Timestamp, given_up: Running) {
        self.waiters.extend(given_up.waiters);
        if given_up.run.reason == RunReason::Trigger {
            self.asked.get_or_insert(now);
        } else {
            self.make_tick(now, given_up.run.reason);
        }
    }

    fn make_tick(&mut self, now: Timestamp, reason: RunReason) {
        if self.paused.is_none() && !self.stopping && self.interval() != Interval::Off {
            let slot = self.tick.and_then(|tick| tick.slot);
            self.tick = Some(Tick { due: now, reason, slot });
        }
    }

    fn forgive(&mut self) {
        self.failures = 0;
        self.failed_at = None;
    }

    fn wind_down(&mut self, now: Timestamp, timed_out: bool, steps: &mut Vec<Step>) {
        let Some(running) = &mut self.running else { return };
        if running.winding_down.is_none() {
            running.winding_down = Some(WindingDown { since: now, timed_out, interrupted: false });
            steps.push(Step::WindDown);
        }
    }

    /// Sees to the deadline and the grace of the run in progress.
    fn enforce(&mut self, now: Timestamp, steps: &mut Vec<Step>) {
        let Some(running) = &self.running else { return };
        if now >= running.since.plus(running.timeout) {
            self.wind_down(now, true, steps);
        }
        let Some(Running { winding_down: Some(winding_down), .. }) = &mut self.running else {
            return;
        };
        if !winding_down.interrupted && now >= winding_down.since.plus(self.schedule.grace) {
            winding_down.interrupted = true;
            steps.push(Step::Interrupt);
        }
    }
}

impl Tick {
    fn of_slot(slot: Timestamp) -> Tick {
        Tick { due: slot, reason: RunReason::Interval, slot: Some(slot) }
    }
}

impl Waiter {
    fn answer(self, answer: Answer) -> Step {
        Step::Answer { waiter: self.id, answer }
    }
}
