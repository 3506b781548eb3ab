//! What a cycle promises at every step. It belongs to no test alone: the fuzzer reads this file too.

use std::collections::BTreeMap;

use super::*;

/// A shell that believes nothing: it panics at the first step that breaks a promise.
#[derive(Default)]
pub struct Witness {
    running: Option<u64>,
    wound_down: bool,
    interrupted: bool,
    stopping: bool,
    stopped: bool,
    may_tick: bool,
    crowded: bool,
    /// Open triggers: the number of runs begun when they were made, and whether for the end.
    open: BTreeMap<u64, (u64, bool)>,
    runs: u64,
}

impl Witness {
    /// Of a cycle that has not been paused.
    pub fn new() -> Witness {
        Witness { may_tick: true, ..Witness::default() }
    }

    pub fn set_room(&mut self, cycle: &mut Cycle, room: bool) {
        self.crowded = !room;
        cycle.set_room(room);
    }

    pub fn step(&mut self, cycle: &mut Cycle, now: Timestamp, input: Input) {
        let ends = matches!(input, Input::Ended { .. });
        let again = matches!(input, Input::Ended { succeeded: false, rerun: true });
        let ended = ends.then(|| self.running.take()).flatten();
        match &input {
            Input::Control(Control::Trigger { waiter: WaiterId(id) }) => {
                assert!(self.open.insert(*id, (self.runs, false)).is_none());
            }
            Input::Control(Control::TriggerWait { waiter: WaiterId(id) }) => {
                assert!(self.open.insert(*id, (self.runs, true)).is_none());
            }
            Input::Control(Control::Stop) => self.stopping = true,
            Input::Control(Control::Pause { .. }) => self.may_tick = false,
            Input::Control(Control::Restart) => self.may_tick = true,
            _ => {}
        }
        let before = self.runs;
        for step in cycle.step(now, input) {
            self.watch(step, now, ended);
        }
        if again && ended.is_some() && !self.stopping {
            // Those who waited for the run that gave way wait for the next one.
        } else if let Some(ended) = ended {
            let left = self.open.values().filter(|(made, for_end)| *for_end && *made < ended);
            assert_eq!(left.count(), 0, "the end of run {ended} left somebody waiting");
        }
        assert!(self.runs <= before + 1, "two runs in one step");
        assert!(cycle.wake_at(now).is_none_or(|wake| wake > now), "the shell would spin");
        let in_the_way = cycle.state() == State::Held || self.crowded;
        let unserved = self.running.is_none() && !self.stopping && !in_the_way;
        assert!(!unserved || self.open.is_empty(), "nothing is in the way of a trigger");
        assert_eq!(cycle.saved().iteration, self.runs);
        cycle.status();
    }

    fn watch(&mut self, step: Step, now: Timestamp, ended: Option<u64>) {
        match step {
            Step::Run(run) => {
                assert!(!self.stopping, "ran after a stop");
                assert!(!self.crowded, "ran without room");
                assert!(run.due <= now, "ran before it was due");
                assert!(run.reason == RunReason::Trigger || self.may_tick, "a tick while paused");
                assert_eq!(self.running.replace(run.iteration), None, "overlapped itself");
                self.runs += 1;
                assert_eq!(run.iteration, self.runs);
                (self.wound_down, self.interrupted) = (false, false);
            }
            Step::Skipped(skipped) => {
                assert!(skipped.slots > 0 && skipped.first <= skipped.last, "{skipped:?}");
            }
            Step::WindDown => {
                assert!(self.running.is_some() && !self.wound_down);
                self.wound_down = true;
            }
            Step::Interrupt => {
                assert!(self.running.is_some() && self.wound_down && !self.interrupted);
                self.interrupted = true;
            }
            Step::GaveUp { failures, how } => {
                assert!(ended.is_some() && failures > 0);
                // A pause begins by itself.
                self.may_tick &= how == GiveUpHow::StopPeer;
            }
            Step::Stopped => {
                assert!(self.stopping && self.running.is_none() && self.open.is_empty());
                self.stopped = true;
            }
            Step::Answer { waiter: WaiterId(id), answer } => {
                let open = self.open.remove(&id);
                let Some((made, for_end)) = open else { panic!("answered {id} twice") };
                match answer {
                    Answer::Began { iteration } => {
                        assert!(!for_end && Some(iteration) == self.running && iteration > made);
                    }
                    Answer::Ended { iteration, .. } => {
                        assert!(for_end && Some(iteration) == ended && iteration > made);
                    }
                    Answer::Stopped => assert!(self.stopping),
                    Answer::Refused(refusal) => panic!("{refusal}"),
                }
            }
        }
    }
}

/// Whatever happened before: a stop ends, though the chore does not listen.
pub fn stops(cycle: &mut Cycle, mut now: Timestamp, witness: &mut Witness) {
    witness.step(cycle, now, Input::Control(Control::Stop));
    while witness.running.is_some() && !witness.interrupted {
        let Some(wake) = cycle.wake_at(now) else { panic!("would wait for ever") };
        now = wake;
        witness.step(cycle, now, Input::Time);
    }
    if witness.running.is_some() {
        witness.step(cycle, now, Input::Ended { succeeded: false, rerun: false });
    }
    assert!(witness.stopped && witness.open.is_empty());
    assert_eq!(cycle.state(), State::Stopped);
}
