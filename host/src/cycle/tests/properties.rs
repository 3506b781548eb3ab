//! What holds whatever happens: random inputs at random moments, with jitter, back-off, hostile
//! durations and a clock that jumps.

use proptest::prelude::*;

use super::super::*;
use super::player::{EPOCH, config, every, read_input};
use super::witness::{Witness, stops};

fn hostile_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0..100_u64).prop_map(Duration::from_millis),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
        1 => any::<u64>().prop_map(Duration::from_nanos),
    ]
}

fn schedule() -> impl Strategy<Value = Schedule> {
    let interval = prop_oneof![Just("1ms"), Just("20ms"), Just("1h"), Just("off"), Just("10years")];
    let start = prop_oneof![Just(Start::Now), Just(Start::Delay), Just(Start::Resume)];
    let durations = [(); 4].map(|()| hostile_duration());
    let number = prop_oneof![0..4_u32, any::<u32>()];
    let how = prop_oneof![Just(GiveUpHow::Pause), Just(GiveUpHow::StopPeer)];
    let give_up = prop::option::of((number.clone(), how));
    (interval, start, durations, any::<u64>(), number, give_up).prop_map(
        |(interval, start, [timeout, grace, jitter_max, first], jitter_seed, multiple, give_up)| {
            Schedule {
                timeout,
                start,
                jitter_max,
                jitter_seed,
                backoff: Backoff { first, interval_multiple_max: multiple },
                give_up: give_up.map(|(after, how)| GiveUp { after, how }),
                grace,
                ..every(interval)
            }
        },
    )
}

#[derive(Clone, Debug)]
enum Move {
    Forward(i64),
    Back(i64),
    To(i64),
    /// To when the cycle wants to be woken.
    ToWake,
}

fn moves() -> impl Strategy<Value = Move> {
    let span = prop_oneof![0..50_000_000_i64, 0..10_000_000_000_000_i64];
    prop_oneof![
        6 => Just(Move::ToWake),
        4 => span.clone().prop_map(Move::Forward),
        1 => span.prop_map(Move::Back),
        1 => prop_oneof![Just(i64::MIN), Just(i64::MAX), Just(0), any::<i64>()].prop_map(Move::To),
    ]
}

#[derive(Clone, Debug)]
enum What {
    Text(&'static str),
    Room(bool),
    Trigger,
    TriggerWait,
    Reschedule(Schedule),
}

fn what() -> impl Strategy<Value = What> {
    let text = prop_oneof![
        8 => prop_oneof![Just("ok"), Just("fail"), Just("rerun")],
        4 => Just("time"),
        6 => prop_oneof![
            Just("pause"), Just("restart"), Just("restart"), Just("cancel"), Just("hold"),
            Just("release"), Just("release"), Just("interval off"), Just("interval 3ms"),
            Just("forgive"), Just("due"),
        ],
    ];
    prop_oneof![
        12 => text.prop_map(What::Text),
        2 => prop_oneof![Just(false), Just(true), Just(true)].prop_map(What::Room),
        3 => Just(What::Trigger),
        3 => Just(What::TriggerWait),
        1 => schedule().prop_map(What::Reschedule),
    ]
}

fn moved(now: Timestamp, by: &Move, cycle: &Cycle) -> Timestamp {
    let nanos = now.as_nanos();
    match by {
        Move::Forward(by) => Timestamp::from_nanos(nanos.saturating_add(*by)),
        Move::Back(by) => Timestamp::from_nanos(nanos.saturating_sub(*by)),
        Move::To(to) => Timestamp::from_nanos(*to),
        Move::ToWake => cycle.wake_at(now).unwrap_or(now),
    }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn promises_hold_whatever_happens_and_a_stop_always_ends(
        schedule in schedule(), story in prop::collection::vec((moves(), what()), 0..60),
    ) {
        let mut now = EPOCH;
        let mut cycle = Cycle::new(schedule, None, now);
        let mut witness = Witness::new();
        for (id, (by, what)) in (0..).zip(story) {
            now = moved(now, &by, &cycle);
            let waiter = WaiterId(id);
            let input = match what {
                What::Room(room) => {
                    witness.set_room(&mut cycle, room);
                    Input::Time
                }
                What::Text(text) => read_input(text),
                What::Trigger => Input::Control(Control::Trigger { waiter }),
                What::TriggerWait => Input::Control(Control::TriggerWait { waiter }),
                What::Reschedule(schedule) => Input::Control(Control::Reschedule(schedule)),
            };
            witness.step(&mut cycle, now, input);
        }
        stops(&mut cycle, now, &mut witness);
    }

    /// However the clock is set, once it stands still in its rate the next run comes within two
    /// intervals and the jitter.
    #[test]
    fn no_jump_stalls_the_cycle_for_longer_than_two_intervals(
        seed: u64, jumps in prop::collection::vec(moves(), 1..20),
    ) {
        let schedule = every("20ms").jitter("20ms", seed);
        let mut now = EPOCH;
        let mut cycle = Cycle::new(schedule, None, now);
        for by in jumps {
            // The last slots before the end of time may never come.
            now = moved(now, &by, &cycle).min(Timestamp::MAX.minus(Duration::from_secs(1)));
            cycle.step(now, Input::Time);
            cycle.step(now, read_input("ok"));
            let due = cycle.wake_at(now);
            let soon = due.is_some_and(|due| due.since(now) <= Duration::from_millis(60));
            prop_assert!(soon, "{due:?}");
        }
    }

    /// A cycle that is saved and read back at any quiet moment runs at the same moments as one
    /// that was left alone.
    #[test]
    fn what_is_saved_keeps_the_slots(
        seed: u64,
        multiple in 0..4_u32,
        backoff_ms in 0..50_u64,
        story in prop::collection::vec((any::<[bool; 3]>(), 0..3_u64), 1..60),
    ) {
        let backoff = Backoff {
            first: Duration::from_millis(backoff_ms),
            interval_multiple_max: multiple,
        };
        let schedule = every("20ms").jitter("15ms", seed).start(Start::Resume);
        let schedule = Schedule { backoff, ..schedule };
        let mut left_alone = Cycle::new(schedule.clone(), None, EPOCH);
        let mut reborn = Cycle::new(schedule.clone(), None, EPOCH);
        let mut now = EPOCH;
        for ([restart_peer, succeeded, trigger], takes_ms) in story {
            let waiter = WaiterId(1);
            let input = match trigger {
                true => Input::Control(Control::Trigger { waiter }),
                false => Input::Time,
            };
            let wake = left_alone.wake_at(now);
            prop_assert_eq!(wake, reborn.wake_at(now));
            let wake = wake.unwrap_or(Timestamp::MAX);
            now = if trigger { now.plus(wake.since(now) / 2) } else { wake };
            prop_assert_eq!(left_alone.step(now, input.clone()), reborn.step(now, input));
            now = now.plus(Duration::from_millis(takes_ms));
            let ended = Input::Ended { succeeded, rerun: false };
            let begun = left_alone.step(now, ended.clone());
            prop_assert_eq!(&begun, &reborn.step(now, ended));
            if restart_peer && begun.is_empty() {
                let saved = serde_json::to_string(&reborn.saved()).map_err(|error| {
                    TestCaseError::fail(error.to_string())
                })?;
                let saved = serde_json::from_str(&saved).map_err(|error| {
                    TestCaseError::fail(error.to_string())
                })?;
                reborn = Cycle::new(schedule.clone(), saved, now);
            }
        }
    }
}
