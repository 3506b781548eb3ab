//! The cycle against what it promises: any controls at any moments, with a clock that jumps.

use arbitrary::{Arbitrary, Unstructured};
// The witness finds these above itself, as in the host.
use chore_host::clock::Timestamp;
pub use chore_host::cycle::*;
use std::time::Duration;

/// The host's own.
#[path = "../../host/src/cycle/tests/witness.rs"]
mod witness;

use witness::{Witness, stops};

/// Steps of one story.
const STEPS_MAX: usize = 200;

#[derive(Arbitrary, Debug)]
struct Plan {
    interval: u32,
    timeout: u64,
    start: u8,
    jitter: u64,
    seed: u64,
    first: u64,
    multiple: u32,
    give_up: Option<(u32, bool)>,
    grace: u64,
}

impl Plan {
    fn schedule(&self) -> Schedule {
        let interval = match self.interval {
            0 => Interval::Off,
            millis => {
                Interval::every(Duration::from_millis(millis.into())).unwrap_or(Interval::Off)
            }
        };
        let how = |stop_peer| if stop_peer { GiveUpHow::StopPeer } else { GiveUpHow::Pause };
        Schedule {
            interval,
            timeout: Duration::from_nanos(self.timeout),
            start: [Start::Now, Start::Delay, Start::Resume][usize::from(self.start % 3)],
            jitter_max: Duration::from_nanos(self.jitter),
            jitter_seed: self.seed,
            backoff: Backoff {
                first: Duration::from_nanos(self.first),
                interval_multiple_max: self.multiple,
            },
            give_up: self.give_up.map(|(after, stop)| GiveUp { after, how: how(stop) }),
            grace: Duration::from_nanos(self.grace),
        }
    }
}

#[derive(Arbitrary, Debug)]
enum When {
    Wake,
    Forward(u32),
    Back(u32),
    At(i64),
}

#[derive(Arbitrary, Debug)]
enum What {
    Time,
    Ended(bool, bool),
    Pause,
    Restart,
    Trigger,
    TriggerWait,
    Interval(u32),
    Cancel,
    Hold,
    Release,
    Forgive,
    Due,
    Reschedule(Plan),
    Room(bool),
}

fn input(what: What, waiter: WaiterId) -> Input {
    Input::Control(match what {
        What::Time | What::Room(_) => return Input::Time,
        What::Ended(succeeded, rerun) => return Input::Ended { succeeded, rerun },
        What::Pause => Control::Pause { until: None },
        What::Restart => Control::Restart,
        What::Trigger => Control::Trigger { waiter },
        What::TriggerWait => Control::TriggerWait { waiter },
        What::Interval(millis) => {
            let interval = Interval::every(Duration::from_millis(millis.into()));
            Control::ChangeInterval(interval.unwrap_or(Interval::Off))
        }
        What::Cancel => Control::Cancel,
        What::Hold => Control::Hold,
        What::Release => Control::Release,
        What::Forgive => Control::Forgive,
        What::Due => Control::Due,
        What::Reschedule(plan) => Control::Reschedule(plan.schedule()),
    })
}

pub fn cycle(bytes: &[u8]) {
    let mut bytes = Unstructured::new(bytes);
    let Ok(plan) = Plan::arbitrary(&mut bytes) else { return };
    let mut now = Timestamp::from_nanos(1_700_000_000_000_000_000);
    let mut cycle = Cycle::new(plan.schedule(), None, now);
    let mut witness = Witness::new();
    for id in 0..STEPS_MAX {
        let Ok((when, what)) = <(When, What)>::arbitrary(&mut bytes) else { break };
        let millis = |millis: u32| Duration::from_millis(millis.into());
        now = match when {
            When::Wake => cycle.wake_at(now).unwrap_or(now),
            When::Forward(by) => now.plus(millis(by)),
            When::Back(by) => now.minus(millis(by)),
            When::At(nanos) => Timestamp::from_nanos(nanos),
        };
        if let What::Room(room) = what {
            witness.set_room(&mut cycle, room);
        }
        witness.step(&mut cycle, now, input(what, WaiterId(id as u64)));
        if bytes.is_empty() {
            break;
        }
    }
    stops(&mut cycle, now, &mut witness);
}
