//! A guest's own control of its cycles.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Board, NEXT_WAITER};
use crate::capability::cycle::{Cycles, Doing, Refusal};
use crate::clock::Timestamp;
use crate::cycle::{Control, Input, Interval, State, WaiterId};
use crate::limits::CYCLES_MAX;
use crate::status::Actor;

/// Who does what a guest does.
const ITSELF: &str = "the chore itself";

impl Board {
    /// A guest's control of one of its own cycles.
    fn own(&self, name: &str, control: Control) -> Result<(), Refusal> {
        self.control(Some(name), control.clone()).map_err(|_| Refusal::NotFound)?;
        self.note(name, control);
        Ok(())
    }

    /// The last of each kind is what counts when another board takes the cycle over, and bounds
    /// what a guest can have remembered.
    fn note(&self, name: &str, control: Control) {
        let mut inner = self.lock();
        if let Some(entry) = inner.cycles.get_mut(name) {
            let kind = std::mem::discriminant(&control);
            entry.own.retain(|earlier| std::mem::discriminant(earlier) != kind);
            entry.own.push(control);
        }
    }
}

impl Cycles for Board {
    fn list(&self) -> Vec<String> {
        let inner = self.lock();
        let there = inner.cycles.iter().filter(|(_, entry)| entry.is_there());
        there.map(|(name, _)| name.clone()).collect()
    }

    fn status(&self, name: &str) -> Result<Doing, Refusal> {
        let inner = self.lock();
        let entry = inner.cycles.get(name).filter(|it| it.is_there()).ok_or(Refusal::NotFound)?;
        Ok(match entry.cycle.state() {
            State::Running { since, .. } => Doing::Running(since.as_nanos()),
            State::Paused => Doing::Paused,
            State::Disabled => Doing::Disabled,
            State::Stopping { since, .. } => Doing::Running(since.as_nanos()),
            State::Idle { next } | State::Waiting { due: next } => {
                Doing::Idle(next.unwrap_or(Timestamp::MAX).as_nanos())
            }
            // Held or stopped: whatever comes next, it is not before now.
            State::Held | State::Stopped => Doing::Idle(Timestamp::now().as_nanos()),
        })
    }

    fn pause(&self, name: &str) -> Result<(), Refusal> {
        self.own(name, Control::Pause { until: None })?;
        if let Some(entry) = self.lock().cycles.get_mut(name) {
            entry.pause = Actor { by: ITSELF.to_owned(), note: String::new() };
        }
        Ok(())
    }

    fn restart(&self, name: &str) -> Result<(), Refusal> {
        self.own(name, Control::Restart)
    }

    fn trigger(&self, name: &str) -> Result<(), Refusal> {
        // The answer is dropped: a run that waited for another of its own cycle never ended.
        Board::trigger(self, Some(name), false, ITSELF).map(drop).map_err(|_| Refusal::NotFound)?;
        let waiter = WaiterId(NEXT_WAITER.fetch_add(1, Ordering::Relaxed));
        self.note(name, Control::Trigger { waiter });
        Ok(())
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
        if inner.cycles.get(name).is_some_and(|entry| entry.is_there()) {
            return Err(Refusal::Exists);
        }
        if inner.cycles.len() >= CYCLES_MAX {
            return Err(Refusal::TooMany);
        }
        crate::descriptor::check_cycle_name(name)
            .map_err(|err| Refusal::Invalid(err.to_string()))?;
        let mut schedule = inner.template.clone();
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
        if !inner.cycles.get(name).is_some_and(|entry| entry.is_there()) {
            return Err(Refusal::NotFound);
        }
        if inner.declared.contains(name) {
            return Err(Refusal::Invalid("the chore declares it".into()));
        }
        inner.remove(name, Timestamp::now());
        self.changed.notify_one();
        Ok(())
    }
}
