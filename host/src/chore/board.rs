//! The cycles of one chore behind one lock: every control and every look is answered at once.
//!
//! Whoever holds the lock only steps a pure machine. What a step asks for is left for the actor.

mod guest;
mod handover;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};

use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};

use crate::chore::{Spec, entries};
use crate::clock::Timestamp;
use crate::cycle::{
    Answer, Control, Cycle, GiveUpHow, Input, Period, Saved, Schedule, State, Status, Step,
    WaiterId,
};
use crate::limits::{CYCLES_MAX, SCHEDULE_SAVE_EVERY};
use crate::name::{did_you_mean, nearest};
use crate::status::{Actor, CycleStatus, LastRun, Outcome, PauseStatus, Triggered};
use crate::watch::Sight;

/// Waiters of all boards, so that those of one board can move to another.
static NEXT_WAITER: AtomicU64 = AtomicU64::new(0);

/// Who triggered a run, at most; others have no name.
const ASKERS_MAX: usize = 8;

/// Why a control was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("chore {chore:?} has no cycle {cycle:?}; it has {known}{hint}")]
    UnknownCycle { chore: String, cycle: String, known: String, hint: String },
}

/// What is kept of a cycle over a restart of the peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Remembered {
    #[serde(flatten)]
    pub saved: Saved,
    #[serde(default)]
    pub last: Option<LastRun>,
    #[serde(default)]
    pub pause: Actor,
}

impl Remembered {
    /// Whether its last run failed; `None` if it has not run.
    pub fn failed(&self) -> Option<bool> {
        self.last.as_ref().map(failed)
    }
}

fn failed(last: &LastRun) -> bool {
    !last.outcome.succeeded()
}

/// The cycles of one chore.
pub struct Board {
    chore: String,
    inner: Mutex<Inner>,
    changed: Notify,
    /// A run has ended.
    ended: Notify,
}

struct Inner {
    cycles: BTreeMap<String, Entry>,
    /// Those of the descriptor, which the chore cannot remove.
    declared: BTreeSet<String>,
    /// For cycles that the chore adds itself.
    template: Schedule,
    /// What the machines asked for and the actor has not done yet.
    steps: Vec<(String, Step)>,
    waiters: HashMap<u64, oneshot::Sender<Triggered>>,
    remembered: HashMap<String, Remembered>,
    /// Cycles with a run in progress, and how many may have one.
    running: usize,
    running_max: usize,
    held: bool,
    stopping: bool,
    /// An operator's or author's wish must survive a crash right after its answer.
    urgent: bool,
}

struct Entry {
    cycle: Cycle,
    last: Option<LastRun>,
    stopped: bool,
    removed: bool,
    /// Its run was asked to wind down because of a hold, and not before.
    gives_way: bool,
    /// What the guest did to it, the last of each kind: see `handover`.
    own: Vec<Control>,
    /// Of the pause that it is in.
    pause: Actor,
    /// Who triggered the run that comes.
    askers: Vec<String>,
}

impl Entry {
    /// False for one that was removed and has no run in progress: it is forgotten at the next look.
    fn is_there(&self) -> bool {
        !(self.removed && self.stopped)
    }
}

impl Board {
    pub fn new(spec: &Spec, now: Timestamp) -> Board {
        Board::of(spec, spec.remembered.clone(), now)
    }

    fn of(spec: &Spec, remembered: HashMap<String, Remembered>, now: Timestamp) -> Board {
        let mut inner = Inner {
            cycles: BTreeMap::new(),
            declared: spec.schedules.iter().map(|(name, _)| name.clone()).collect(),
            template: spec.added_schedule.clone(),
            steps: Vec::new(),
            waiters: HashMap::new(),
            remembered,
            running: 0,
            running_max: spec.limits.runs_max(),
            held: false,
            stopping: false,
            urgent: false,
        };
        for (name, schedule) in &spec.schedules {
            inner.add(name, schedule.clone(), now);
        }
        Board {
            chore: spec.name.as_str().to_owned(),
            inner: Mutex::new(inner),
            changed: Notify::new(),
            ended: Notify::new(),
        }
    }

    /// What the actor has to do, and when it should look again at the latest.
    pub(super) fn due(&self, now: Timestamp) -> (Vec<(String, Step)>, Option<Timestamp>) {
        let mut inner = self.lock();
        let due = |(name, entry): (&String, &Entry)| (entry.cycle.next_due(), name.clone());
        let mut names: Vec<_> = inner.cycles.iter().map(due).collect();
        // When there is not room for all, it is for those that have waited the longest.
        names.sort_unstable();
        for (_, name) in names {
            inner.step(&name, now, Input::Time);
        }
        inner.cycles.retain(|_, entry| entry.is_there());
        let wake = inner.cycles.values().filter_map(|entry| entry.cycle.wake_at(now)).min();
        (std::mem::take(&mut inner.steps), wake)
    }

    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes down the end of a run, then lets the cycle answer who waited for it.
    pub(super) fn ended(&self, cycle: &str, last: LastRun) {
        let succeeded = last.outcome.succeeded();
        let cancelled = matches!(last.outcome, Outcome::Cancelled { .. });
        let mut inner = self.lock();
        let mut rerun = false;
        if let Some(entry) = inner.cycles.get_mut(cycle) {
            rerun = std::mem::take(&mut entry.gives_way) && cancelled;
            entry.last = Some(last);
        }
        inner.step(cycle, Timestamp::now(), Input::Ended { succeeded, rerun });
        self.ended.notify_waiters();
    }

    pub(super) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopping = true;
        inner.step_all(Timestamp::now(), &Control::Stop);
        self.changed.notify_one();
    }

    pub(super) fn stopped(&self) -> bool {
        let inner = self.lock();
        inner.stopping && inner.cycles.values().all(|entry| entry.stopped)
    }

    /// What its last run said.
    pub(super) fn last_message(&self, cycle: &str) -> String {
        let inner = self.lock();
        inner.cycles.get(cycle).map(|entry| entry.last_message().to_owned()).unwrap_or_default()
    }

    /// Who triggered the run that begins now.
    pub(super) fn take_askers(&self, cycle: &str) -> String {
        let mut inner = self.lock();
        let askers = inner.cycles.get_mut(cycle).map(|entry| std::mem::take(&mut entry.askers));
        askers.unwrap_or_default().join(", ")
    }

    pub(super) fn take_urgent(&self) -> bool {
        std::mem::take(&mut self.lock().urgent)
    }

    /// What must outlive the peer, as text.
    pub(super) fn saved(&self) -> Vec<(String, String)> {
        let text = |(name, remembered)| Some((name, serde_json::to_string(&remembered).ok()?));
        self.lock().remember().filter_map(text).collect()
    }

    /// By cycle, whether its last run failed. A cycle that has not run is absent.
    pub fn failed(&self) -> BTreeMap<String, bool> {
        let last =
            |(name, entry): (&String, &Entry)| Some((name.clone(), failed(entry.last.as_ref()?)));
        self.lock().cycles.iter().filter_map(last).collect()
    }

    pub fn status(&self) -> Vec<CycleStatus> {
        let inner = self.lock();
        inner.cycles.iter().map(|(name, entry)| entry.status(name)).collect()
    }

    /// For the watchdog, which waits for nothing: `None` while somebody else looks or changes it.
    pub fn sights(&self) -> Option<Vec<Sight>> {
        let inner = match self.inner.try_lock() {
            Ok(inner) => inner,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let there = inner.cycles.iter().filter(|(_, entry)| entry.is_there());
        Some(there.map(|(name, entry)| Sight::of(name, &entry.cycle.status())).collect())
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

    /// As [`Board::control`], until [`Control::Restart`] or the moment that is given.
    pub fn pause(
        &self,
        cycle: Option<&str>,
        until: Option<Timestamp>,
        note: &Actor,
    ) -> Result<(), ControlError> {
        self.control(cycle, Control::Pause { until })?;
        for (name, entry) in &mut self.lock().cycles {
            if cycle.is_none_or(|cycle| cycle == name) {
                entry.pause = note.clone();
            }
        }
        Ok(())
    }

    /// Triggers a cycle: "main", or the first, if none is named. The answer comes when the run
    /// begins, or with `wait` when it has ended.
    pub fn trigger(
        &self,
        cycle: Option<&str>,
        wait: bool,
        by: &str,
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
        let id = NEXT_WAITER.fetch_add(1, Ordering::Relaxed);
        inner.waiters.insert(id, answer);
        let waiter = WaiterId(id);
        if let Some(entry) = inner.cycles.get_mut(&name)
            && entry.askers.len() < ASKERS_MAX
            && !entry.askers.iter().any(|asker| asker == by)
        {
            entry.askers.push(by.to_owned());
        }
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
            hint: did_you_mean(nearest(cycle, known.iter().copied())),
            known: if known.is_empty() { "none".into() } else { known.join(", ") },
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Inner {
    fn add(&mut self, name: &str, schedule: Schedule, now: Timestamp) {
        let (saved, last, pause) = match self.remembered.get(name).cloned() {
            Some(Remembered { saved, last, pause }) => (Some(saved), last, pause),
            None => (None, None, Actor::default()),
        };
        let cycle = Cycle::new(schedule, saved, now);
        let entry = Entry {
            cycle,
            last,
            stopped: false,
            removed: false,
            gives_way: false,
            own: Vec::new(),
            pause,
            askers: Vec::new(),
        };
        self.cycles.insert(name.to_owned(), entry);
        if self.held {
            self.step(name, now, Input::Control(Control::Hold));
        }
    }

    fn remove(&mut self, name: &str, now: Timestamp) {
        if let Some(entry) = self.cycles.get_mut(name) {
            entry.removed = true;
        }
        self.step(name, now, Input::Control(Control::Stop));
    }

    fn remember(&self) -> impl Iterator<Item = (String, Remembered)> {
        self.cycles.iter().map(|(name, entry)| (name.clone(), entry.remembered()))
    }

    /// If the cycle is added again, it goes on from here.
    fn keep_in_mind(&mut self, name: &str) {
        if self.remembered.len() >= CYCLES_MAX {
            return;
        }
        if let Some(entry) = self.cycles.get(name) {
            self.remembered.insert(name.to_owned(), entry.remembered());
        }
    }

    fn step_all(&mut self, now: Timestamp, control: &Control) {
        let names: Vec<String> = self.cycles.keys().cloned().collect();
        for name in names {
            self.step(&name, now, Input::Control(control.clone()));
        }
    }

    fn step(&mut self, name: &str, now: Timestamp, input: Input) {
        let Some(entry) = self.cycles.get_mut(name) else { return };
        entry.cycle.set_room(self.running < self.running_max);
        let before = usize::from(entry.cycle.is_running());
        let steps = entry.cycle.step(now, input);
        self.running = self.running + usize::from(entry.cycle.is_running()) - before;
        for step in steps {
            match step {
                Step::Answer { waiter, answer } => {
                    let Some(waiter) = self.waiters.remove(&waiter.0) else { continue };
                    // Who asked may have gone.
                    let _ = waiter.send(triggered(answer, entry.last.as_ref()));
                }
                Step::Stopped => entry.stopped = true,
                Step::GaveUp { failures, how } => {
                    if how == GiveUpHow::Pause {
                        let note = entries::given_up(failures, entry.last_message());
                        entry.pause = Actor { by: entries::BY_POLICY.into(), note };
                        self.urgent = true;
                    }
                    self.steps.push((name.to_owned(), Step::GaveUp { failures, how }));
                }
                step => {
                    // Of a slow cycle each run is counted, whatever happens next.
                    let slow = |period: Period| period.get() >= SCHEDULE_SAVE_EVERY;
                    let period = entry.cycle.schedule().interval.period();
                    self.urgent |= matches!(step, Step::Run(_)) && period.is_some_and(slow);
                    self.steps.push((name.to_owned(), step));
                }
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
    fn last_message(&self) -> &str {
        self.last.as_ref().map_or("", |last| last.outcome.message())
    }

    fn remembered(&self) -> Remembered {
        let (saved, last, pause) = (self.cycle.saved(), self.last.clone(), self.pause.clone());
        Remembered { saved, last, pause }
    }

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
            running_since: match status.state {
                State::Running { since, .. } | State::Stopping { since, .. } => Some(since),
                _ => None,
            },
            pause: status.paused_since.map(|since| PauseStatus {
                since,
                until: status.paused_until,
                note: self.pause.clone(),
            }),
            backing_off_until: status.backing_off_until,
            jitter: status.jitter,
            overridden: status.overridden,
            overdue: None,
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
        State::Waiting { .. } => "waiting",
        State::Stopped => "stopped",
        State::Idle { .. } if status.backing_off_until.is_some() => "backing-off",
        State::Idle { .. } => "idle",
    }
}
