//! How the cycles of one version become those of the next.
//!
//! While a chore is replaced, its board holds: runs wind down, ticks and triggers are kept. The next
//! version opens on a board of its own, and what it did there to its cycles is taken over when it
//! has opened, so that an `open` that fails has changed nothing.

use std::collections::BTreeSet;

use super::{Board, Entry};
use crate::chore::Spec;
use crate::clock::Timestamp;
use crate::cycle::{Control, Input, Schedule, State};

impl Board {
    /// Asks runs in progress to wind down, and keeps ticks and triggers until [`Board::release`].
    pub(in crate::chore) fn hold(&self) {
        let mut inner = self.lock();
        inner.held = true;
        for entry in inner.cycles.values_mut() {
            entry.gives_way =
                matches!(entry.cycle.state(), State::Running { winding_down: false, .. });
        }
        inner.step_all(Timestamp::now(), &Control::Hold);
        self.changed.notify_one();
    }

    /// One run of each cycle takes what was kept.
    pub(in crate::chore) fn release(&self) {
        let mut inner = self.lock();
        inner.held = false;
        inner.step_all(Timestamp::now(), &Control::Release);
        self.changed.notify_one();
    }

    /// Returns when no run is in progress.
    pub(in crate::chore) async fn drained(&self) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            let runs = |entry: &Entry| {
                matches!(entry.cycle.state(), State::Running { .. } | State::Stopping { .. })
            };
            if !self.lock().cycles.values().any(runs) {
                return;
            }
            ended.await;
        }
    }

    /// A board for the next version to open on: its cycles go on where these are, and do not run.
    pub(in crate::chore) fn stage(&self, spec: &Spec) -> Board {
        let mut remembered = spec.remembered.clone();
        remembered.extend(self.lock().remember());
        let staged = Board::of(spec, remembered, Timestamp::now());
        staged.hold();
        staged
    }

    /// Takes the cycles of what has opened on `staged`. Those of the same name go on with what they
    /// hold. With another version, the others of this board end, and failures are forgiven.
    pub(in crate::chore) fn adopt(&self, staged: &Board, other_version: bool) {
        let now = Timestamp::now();
        let mut inner = self.lock();
        let mut staged = staged.lock();
        staged.cycles.retain(|_, entry| entry.is_there());
        inner.cycles.retain(|_, entry| entry.is_there());
        let names: BTreeSet<String> = inner.cycles.keys().cloned().collect();
        let gone = |name: &&String| other_version && !staged.cycles.contains_key(*name);
        for gone in names.iter().filter(gone) {
            inner.keep_in_mind(gone);
            inner.remove(gone, now);
        }
        for (name, entry) in std::mem::take(&mut staged.cycles) {
            if !names.contains(&name) {
                inner.cycles.insert(name, entry);
                continue;
            }
            let mut controls = vec![Control::Reschedule(entry.cycle.schedule().clone())];
            controls.extend(other_version.then_some(Control::Forgive));
            let pauses = entry.own.iter().any(|own| matches!(own, Control::Pause { .. }));
            controls.extend(entry.own);
            for control in controls {
                inner.step(&name, now, Input::Control(control));
            }
            if let Some(of_inner) = inner.cycles.get_mut(&name).filter(|_| pauses) {
                of_inner.pause = entry.pause;
            }
        }
        inner.template = staged.template.clone();
        inner.running_max = staged.running_max;
        inner.declared = std::mem::take(&mut staged.declared);
        inner.urgent = true;
        if inner.stopping {
            inner.step_all(now, &Control::Stop);
        }
        self.changed.notify_one();
    }

    /// Another config for the same cycles. The guest's own keep interval and timeout.
    pub(in crate::chore) fn reconfigure(&self, spec: &Spec) {
        let now = Timestamp::now();
        let mut inner = self.lock();
        inner.template = spec.added_schedule.clone();
        inner.running_max = spec.limits.runs_max();
        let names: Vec<String> = inner.cycles.keys().cloned().collect();
        for name in names {
            let of_config = spec.schedules.iter().find(|(of, _)| *of == name);
            let schedule = match (of_config, inner.cycles.get(&name)) {
                (Some((_, schedule)), _) => schedule.clone(),
                (None, Some(entry)) => {
                    let Schedule { interval, timeout, .. } = *entry.cycle.schedule();
                    Schedule { interval, timeout, ..spec.added_schedule.clone() }
                }
                (None, None) => continue,
            };
            inner.step(&name, now, Input::Control(Control::Reschedule(schedule)));
        }
        inner.urgent = true;
        self.changed.notify_one();
    }
}
