//! The cycles of one chore behind one lock: every control and every look is answered at once.
//!
//! Whoever holds the lock only steps a pure machine. What a step asks for is left for the actor.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::capability::cycle::{Cycles, Doing, Refusal};
use crate::chore::Spec;
use crate::clock::Timestamp;
use crate::cycle::{
    Answer, Control, Cycle, Input, Interval, Saved, Schedule, State, Status, Step, WaiterId,
};
use crate::limits::CYCLES_MAX;
use crate::status::{CycleStatus, LastRun, Triggered};

/// Why a control was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("chore {chore:?} has no cycle {cycle:?}; it has {known}")]
    UnknownCycle { chore: String, cycle: String, known: String },
}

/// The cycles of one chore.
pub struct Board {
    chore: String,
    /// For cycles that the chore adds itself.
    template: Schedule,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    cycles: BTreeMap<String, Entry>,
    /// What the machines asked for and the actor has not done yet.
    steps: Vec<(String, Step)>,
    waiters: HashMap<u64, oneshot::Sender<Triggered>>,
    next_waiter: u64,
    remembered: HashMap<String, Saved>,
    stopping: bool,
    /// An operator's or author's wish must survive a crash right after its answer.
    urgent: bool,
}

struct Entry {
    cycle: Cycle,
    last: Option<LastRun>,
    stopped: bool,
    removed: bool,
}

impl Board {
    pub fn new(spec: &Spec, now: Timestamp) -> Board {
        let mut inner = Inner { remembered: spec.remembered.clone(), ..Inner::default() };
        for (name, schedule) in &spec.schedules {
            inner.add(name, schedule.clone(), now);
        }
        Board {
            chore: spec.name.as_str().to_owned(),
            template: spec.added_schedule.clone(),
            inner: Mutex::new(inner),
            changed: Notify::new(),
        }
    }

    /// What the actor has to do, and when it should look again at the latest.
    pub(super) fn due(&self, now: Timestamp) -> (Vec<(String, Step)>, Option<Timestamp>) {
        let mut inner = self.lock();
        let names: Vec<String> = inner.cycles.keys().cloned().collect();
        for name in names {
            inner.step(&name, now, Input::Time);
        }
        inner.cycles.retain(|_, entry| !(entry.removed && entry.stopped));
        let wake = inner.cycles.values().filter_map(|entry| entry.cycle.wake_at(now)).min();
        (std::mem::take(&mut inner.steps), wake)
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes down the end of a run, then lets the cycle answer who waited for it.
    pub(super) fn ended(&self, cycle: &str, last: LastRun) {
        let succeeded = last.outcome.succeeded();
        let mut inner = self.lock();
        if let Some(entry) = inner.cycles.get_mut(cycle) {
            entry.last = Some(last);
        }
        inner.step(cycle, Timestamp::now(), Input::Ended { succeeded, rerun: false });
    }

    pub(super) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopping = true;
        let names: Vec<String> = inner.cycles.keys().cloned().collect();
        for name in names {
            inner.step(&name, Timestamp::now(), Input::Control(Control::Stop));
        }
        self.changed.notify_one();
    }

    pub(super) fn stopped(&self) -> bool {
        let inner = self.lock();
        inner.stopping && inner.cycles.values().all(|entry| entry.stopped)
    }

    pub(super) fn take_urgent(&self) -> bool {
        std::mem::take(&mut self.lock().urgent)
    }

    /// What must outlive the peer, as text.
    pub(super) fn saved(&self) -> Vec<(String, String)> {
        let inner = self.lock();
        let text = |(name, entry): (&String, &Entry)| {
            let saved = serde_json::to_string(&entry.cycle.saved()).ok()?;
            Some((name.clone(), saved))
        };
        inner.cycles.iter().filter_map(text).collect()
    }

    pub fn status(&self) -> Vec<CycleStatus> {
        let inner = self.lock();
        inner.cycles.iter().map(|(name, entry)| entry.status(name)).collect()
    }

    /// Carries out `control` on one cycle, or on all if none is named.
    pub fn control(&self, cycle: Option<&str>, control: Control) -> Result<(), ControlError> {
        let mut inner = self.lock();
        let names = match cycle {
            Some(name) => vec![self.known(&inner, name)?],
            None => inner.cycles.keys().cloned().collect(),
        };
        for name in names {
            inner.step(&name, Timestamp::now(), Input::Control(control.clone()));
        }
        inner.urgent = true;
        self.changed.notify_one();
        Ok(())
    }

    /// Triggers a cycle: "main", or the first, if none is named. The answer comes when the run
    /// begins, or with `wait` when it has ended.
    pub fn trigger(
        &self,
        cycle: Option<&str>,
        wait: bool,
    ) -> Result<oneshot::Receiver<Triggered>, ControlError> {
        let mut inner = self.lock();
        let name = match cycle {
            Some(name) => self.known(&inner, name)?,
            None if inner.cycles.contains_key("main") => "main".to_owned(),
            None => match inner.cycles.keys().next() {
                Some(first) => first.clone(),
                None => self.known(&inner, "main")?,
            },
        };
        let (answer, answered) = oneshot::channel();
        let id = inner.next_waiter;
        inner.next_waiter += 1;
        inner.waiters.insert(id, answer);
        let waiter = WaiterId(id);
        let control =
            if wait { Control::TriggerWait { waiter } } else { Control::Trigger { waiter } };
        inner.step(&name, Timestamp::now(), Input::Control(control));
        self.changed.notify_one();
        Ok(answered)
    }

    fn known(&self, inner: &Inner, cycle: &str) -> Result<String, ControlError> {
        if inner.cycles.contains_key(cycle) {
            return Ok(cycle.to_owned());
        }
        let known: Vec<&str> = inner.cycles.keys().map(String::as_str).collect();
        Err(ControlError::UnknownCycle {
            chore: self.chore.clone(),
            cycle: cycle.to_owned(),
            known: if known.is_empty() { "none".into() } else { known.join(", ") },
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A guest's control of one of its own cycles.
    fn own(&self, name: &str, control: Control) -> Result<(), Refusal> {
        self.control(Some(name), control).map_err(|_| Refusal::NotFound)
    }
}

impl Inner {
    fn add(&mut self, name: &str, schedule: Schedule, now: Timestamp) {
        let saved = self.remembered.get(name).cloned();
        let cycle = Cycle::new(schedule, saved, now);
        let entry = Entry { cycle, last: None, stopped: false, removed: false };
        self.cycles.insert(name.to_owned(), entry);
    }

    fn step(&mut self, name: &str, now: Timestamp, input: Input) {
        let Some(entry) = self.cycles.get_mut(name) else { return };
        for step in entry.cycle.step(now, input) {
            match step {
                Step::Answer { waiter, answer } => {
                    let Some(waiter) = self.waiters.remove(&waiter.0) else { continue };
                    // Who asked may have gone.
                    let _ = waiter.send(triggered(answer, entry.last.as_ref()));
                }
                Step::Stopped => entry.stopped = true,
                step => self.steps.push((name.to_owned(), step)),
            }
        }
    }
}

fn triggered(answer: Answer, last: Option<&LastRun>) -> Triggered {
    match (answer, last) {
        (Answer::Began { iteration }, _) => Triggered::Began { iteration },
        (Answer::Ended { .. }, Some(last)) => Triggered::Ended { run: last.clone() },
        _ => Triggered::Stopped,
    }
}

impl Entry {
    fn status(&self, name: &str) -> CycleStatus {
        let status = self.cycle.status();
        CycleStatus {
            name: name.to_owned(),
            interval: status.interval.to_string(),
            state: word(&status).to_owned(),
            iteration: status.iteration,
            failures: status.failures,
            next: status.next_due,
            last: self.last.clone(),
        }
    }
}

/// One word for what a cycle is doing, as tables show it.
fn word(status: &Status) -> &'static str {
    match status.state {
        State::Running { winding_down: true, .. } | State::Stopping { .. } => "winding-down",
        State::Running { .. } => "running",
        State::Paused => "paused",
        State::Disabled => "off",
        State::Held => "held",
        State::Stopped => "stopped",
        State::Idle { .. } if status.backing_off_until.is_some() => "backing-off",
        State::Idle { .. } => "idle",
    }
}

impl Cycles for Board {
    fn list(&self) -> Vec<String> {
        self.lock().cycles.keys().cloned().collect()
    }

    fn status(&self, name: &str) -> Result<Doing, Refusal> {
        let inner = self.lock();
        let entry = inner.cycles.get(name).ok_or(Refusal::NotFound)?;
        Ok(match entry.cycle.state() {
            State::Running { since, .. } => Doing::Running(since.as_nanos()),
            State::Paused => Doing::Paused,
            State::Disabled => Doing::Disabled,
            State::Stopping { since, .. } => Doing::Running(since.as_nanos()),
            State::Idle { next } => Doing::Idle(next.unwrap_or(Timestamp::MAX).as_nanos()),
            // Held or stopped: whatever comes next, it is not before now.
            State::Held | State::Stopped => Doing::Idle(Timestamp::now().as_nanos()),
        })
    }

    fn pause(&self, name: &str) -> Result<(), Refusal> {
        self.own(name, Control::Pause)
    }

    fn restart(&self, name: &str) -> Result<(), Refusal> {
        self.own(name, Control::Restart)
    }

    fn trigger(&self, name: &str) -> Result<(), Refusal> {
        // The answer is dropped: a run that waited for another of its own cycle never ended.
        Board::trigger(self, Some(name), false).map(drop).map_err(|_| Refusal::NotFound)
    }

    fn change_interval(&self, name: &str, interval: Duration) -> Result<(), Refusal> {
        let interval =
            Interval::every(interval).map_err(|err| Refusal::Invalid(err.to_string()))?;
        self.own(name, Control::ChangeInterval(interval))
    }

    fn add(&self, name: &str, interval: Duration, timeout: Duration) -> Result<(), Refusal> {
        let interval =
            Interval::every(interval).map_err(|err| Refusal::Invalid(err.to_string()))?;
        if timeout.is_zero() {
            return Err(Refusal::Invalid("a timeout of zero ends every run".into()));
        }
        let mut inner = self.lock();
        if inner.cycles.contains_key(name) {
            return Err(Refusal::Exists);
        }
        if inner.cycles.len() >= CYCLES_MAX {
            return Err(Refusal::TooMany);
        }
        crate::descriptor::check_cycle_name(name)
            .map_err(|err| Refusal::Invalid(err.to_string()))?;
        let mut schedule = self.template.clone();
        schedule.interval = interval;
        schedule.timeout = timeout;
        inner.add(name, schedule, Timestamp::now());
        if inner.stopping {
            inner.step(name, Timestamp::now(), Input::Control(Control::Stop));
        }
        inner.urgent = true;
        self.changed.notify_one();
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Refusal> {
        let mut inner = self.lock();
        let entry = inner.cycles.get_mut(name).ok_or(Refusal::NotFound)?;
        entry.removed = true;
        inner.step(name, Timestamp::now(), Input::Control(Control::Stop));
        self.changed.notify_one();
        Ok(())
    }
}
