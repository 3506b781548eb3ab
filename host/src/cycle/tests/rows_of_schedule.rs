//! Rows of the table in design.md section 6 about the schedule: a test is named after its row.
//! `rows_of_runs.rs` has the others, `clock_jumps.rs` the slots and the restarts of the peer.

use super::super::*;
use super::player::{Player, check, every, moment, read_input};

// First run.

#[test]
fn first_run_is_at_once() {
    check(
        every("10s"),
        "0s  | time | run 1 start    | 3s
         1s  | ok   |                | 10s
         10s | time | run 2 interval | 13s",
    );
}

#[test]
fn first_run_waits_one_interval_if_delayed() {
    check(
        every("10s").start(Start::Delay),
        "0s    | time |                | 10s
         9999ms| time |                | 10s
         10s   | time | run 1 interval | 13s",
    );
}

#[test]
fn first_run_is_at_once_if_there_is_nothing_to_resume() {
    check(every("10s").start(Start::Resume), "0s | time | run 1 start | 3s");
}

#[test]
fn first_run_never_comes_if_disabled() {
    check(every("off"), "0s | time | | -\n 99days | time | | -").state(State::Disabled);
}

// Rate.

#[test]
fn rate_is_fixed_from_the_start_of_runs_not_from_their_end() {
    check(
        every("10s"),
        "0s    | time | run 1 start              | 3s
         2s    | ok   |                          | 10s
         10s   | time | run 2 interval           | 13s
         12s   | ok   |                          | 20s
         20500ms | time | run 3 interval due 20s   | 23s500ms
         21s   | ok   |                          | 30s",
    );
}

#[test]
fn rate_never_overlaps_and_holds_one_missed_tick_while_a_run_is_late() {
    let player = check(
        every("10s").timeout("1h"),
        "0s  | time |                          run 1 start            | 1h
         10s | time |                                                 | 1h
         20s | time |                                                 | 1h
         35s | ok   |                          run 2 interval due 10s | 1h35s
         36s | ok   |                                                 | 40s
         40s | time |                          run 3 interval         | 1h40s",
    );
    assert_eq!(player.cycle.status().skipped, 2, "the slots at 20 s and 30 s");
}

#[test]
fn rate_of_a_run_that_always_takes_longer_is_back_to_back() {
    check(
        every("50ms"),
        "0ms   | time | run 1 start
         200ms | ok   | run 2 interval due 50ms
         400ms | ok   | run 3 interval due 250ms
         600ms | ok   | run 4 interval due 450ms",
    );
}

#[test]
fn a_run_is_told_its_deadline() {
    let mut cycle = Player::new(every("10s").timeout("7s")).cycle;
    let steps = cycle.step(moment("1s"), Input::Time);
    let due = moment("0s");
    let deadline = moment("8s");
    let run = Run { iteration: 1, reason: RunReason::Start, due, slot: None, deadline };
    assert_eq!(steps, [Step::Run(run)]);
}

// Pause and restart.

#[test]
fn pause_stops_ticks_until_restart_which_begins_a_full_interval() {
    check(
        every("10s"),
        "0s  | time    | run 1 start
         1s  | ok      |                | 10s
         5s  | pause   |                | -
         99s | time    |                | -
         99s | pause   |                | -
         103s| restart |                | 1m53s
         112s| time    |                | 1m53s
         113s| time    | run 2 interval",
    );
}

#[test]
fn pause_drops_the_held_tick() {
    check(
        every("10s").timeout("1m"),
        "0s  | time    | run 1 start
         15s | time    |
         16s | pause   |
         17s | ok      |             | -",
    )
    .state(State::Paused)
    .play(
        "18s | restart |                | 28s
         28s | time    | run 2 interval",
    );
}

#[test]
fn pause_leaves_the_run_in_progress_alone() {
    check(every("10s"), "0s | time | run 1 start\n 1s | pause | | 3s").state(State::Running {
        since: moment("0s"),
        iteration: 1,
        reason: RunReason::Start,
        winding_down: false,
        paused: true,
    });
}

#[test]
fn restart_without_a_pause_begins_a_full_interval_too() {
    check(
        every("10s").timeout("1m"),
        "0s  | time    | run 1 start
         15s | restart |
         16s | ok      |                | 25s
         25s | time    | run 2 interval",
    );
}

#[test]
fn restart_of_a_disabled_cycle_leaves_it_disabled() {
    check(every("off"), "0s | pause | | -\n 1s | restart | | -").state(State::Disabled);
}

// Change interval.

#[test]
fn change_interval_takes_effect_at_once() {
    check(
        every("1h"),
        "0s  | time         | run 1 start
         1s  | ok           |                | 1h
         60s | interval 10s |                | 1m10s
         70s | time         | run 2 interval | 1m13s
         71s | interval 20s |                | 1m13s
         72s | ok           |                | 1m31s",
    );
}

#[test]
fn change_interval_does_not_resume_a_paused_cycle() {
    check(
        every("10s"),
        "0s | pause       | | -
         1s | interval 5s | | -
         9s | time        | | -
         9s | restart     | | 14s",
    );
}

#[test]
fn change_interval_to_off_disables_and_back_begins_a_full_interval() {
    check(
        every("10s").timeout("1m"),
        "0s  | time         | run 1 start
         15s | interval off |
         16s | ok           |                | -
         99s | time         |                | -
         99s | interval 5s  |                | 1m44s
         104s| time         | run 2 interval",
    );
}

#[test]
fn change_interval_holds_until_the_config_changes_its_own() {
    let player = check(
        every("10s"),
        "0s | pause        |
         0s | restart      |
         1s | interval 20s | | 21s
         2s | config 10s   | | 21s",
    );
    assert!(player.cycle.status().overridden);
    let player = player.play("3s | config 30s | | 33s");
    assert!(!player.cycle.status().overridden);
    let player = player.play("4s | interval 30s | | 34s");
    assert!(!player.cycle.status().overridden, "it is the config's");
}

#[test]
fn a_changed_config_keeps_the_slots_if_the_interval_is_the_same() {
    let player = check(every("10s"), "0s | time | run 1 start\n 1s | ok | | 10s");
    let mut cycle = player.cycle;
    let schedule = every("10s").timeout("9s").start(Start::Delay);
    cycle.step(moment("4s"), Input::Control(Control::Reschedule(schedule)));
    Player::of(cycle).play(
        "5s  | time |                | 10s
         10s | time | run 2 interval | 19s",
    );
}

#[test]
fn a_slot_that_comes_earlier_by_a_changed_config_is_not_missed() {
    let jittered = every("10s").jitter("10s", 42).start(Start::Delay);
    let mut player = check(jittered.clone(), "0s | time |");
    let due = player.cycle.wake_at(moment("0s")).unwrap_or(Timestamp::MAX);
    assert!(due > moment("12s"), "the seed must make it late: {due:?}");
    let schedule = Schedule { jitter_max: Duration::ZERO, ..jittered };
    let steps = player.cycle.step(moment("12s"), Input::Control(Control::Reschedule(schedule)));
    assert!(matches!(steps[..], [Step::Run(Run { due, .. })] if due == moment("10s")), "{steps:?}");
}

// A failing run.

#[test]
fn a_failing_run_does_not_end_the_cycle() {
    let player = check(
        every("10s"),
        "0s  | time | run 1 start
         1s  | fail |                | 10s
         10s | time | run 2 interval
         11s | fail |                | 20s
         20s | time | run 3 interval",
    );
    let status = player.cycle.status();
    assert_eq!((status.failures, status.last_succeeded), (2, Some(false)));
}

#[test]
fn repeated_failures_back_off_and_a_success_resumes_the_schedule() {
    let schedule = every("10s").backoff("8s", 3);
    let wait = |failures| {
        let Interval::Every(period) = schedule.interval else { panic!("off") };
        schedule.backoff.wait(failures, period, schedule.jitter_seed)
    };
    let mut player = Player::new(schedule.clone()).play("0s | time | run 1 start");
    // The first wait, at most 8 s, ends before the next slot and changes nothing.
    player = player.play("1s | fail | | 10s\n 10s | time | run 2 interval");
    // The others are 12 s to 16 s, 22.5 s to 30 s at most, and put the next run off.
    let mut ended = moment("11s");
    for (failures, skipped) in [(2, 0), (3, 1), (4, 3)] {
        player.cycle.step(ended, read_input("fail"));
        let until = ended.plus(wait(failures));
        let status = player.cycle.status();
        assert_eq!(player.cycle.wake_at(ended), Some(until));
        assert_eq!(status.backing_off_until, Some(until));
        assert_eq!((status.next_due, status.failures), (Some(until), failures));
        let almost = until.minus(Duration::from_nanos(1));
        let mut step = |at| {
            let mut steps = player.cycle.step(at, Input::Time);
            steps.retain(|step| !matches!(step, Step::Skipped(_)));
            steps
        };
        assert_eq!(step(almost), []);
        let steps = step(until);
        assert!(matches!(steps[..], [Step::Run(Run { due, .. })] if due == until), "{steps:?}");
        assert!(player.cycle.status().skipped >= skipped);
        ended = until.plus(Duration::from_secs(1));
    }
    player.cycle.step(ended, read_input("ok"));
    let status = player.cycle.status();
    assert_eq!((status.failures, status.backing_off_until), (0, None));
    assert!(status.next_due.is_some_and(|due| due.since(ended) <= Duration::from_secs(10)));
    assert_eq!(
        status.next_due.map(|due| due.since(moment("0s")).as_nanos() % 10_000_000_000),
        Some(0)
    );
}

#[test]
fn back_off_does_not_hold_up_a_trigger() {
    let player = check(
        every("10s").backoff("1h", 6),
        "0s  | time   | run 1 start
         1s  | fail   |
         12s | time   |
         13s | wait 1 | run 2 trigger
         14s | ok     | 1 ok 2         | 20s
         20s | time   | run 3 interval",
    );
    assert_eq!(player.cycle.status().skipped, 0);
}

#[test]
fn back_off_is_capped_by_the_interval_that_is_changed_to() {
    let player = check(every("24h").backoff("12h", 1), "0s | time | run 1 start\n 1s | fail |");
    let mut player = player.play("2s | interval 1m | ");
    let due = player.cycle.wake_at(moment("2s"));
    assert_eq!(due, Some(moment("1m2s")), "not in 12 h");
    player.cycle.step(moment("1m2s"), Input::Time);
    assert_eq!(player.cycle.status().iteration, 2);
}

#[test]
fn a_run_that_times_out_is_a_failure() {
    let player =
        check(every("10s"), "0s | time | run 1 start\n 3s | time | wind down\n 4s | fail |");
    assert_eq!(player.cycle.status().failures, 1);
}

// Jitter.

#[test]
fn jitter_moves_slots_but_never_beyond_the_next_and_is_never_re_rolled() {
    let schedule = every("10s").timeout("1ms").start(Start::Delay).jitter("99h", 42);
    let dues = |mut cycle: Cycle| -> Vec<Timestamp> {
        (0..200)
            .map(|_| {
                let due = cycle.status().next_due.unwrap_or(Timestamp::MAX);
                assert_eq!(cycle.step(due.minus(Duration::from_nanos(1)), Input::Time), []);
                assert!(matches!(cycle.step(due, Input::Time)[..], [Step::Run(_)]));
                cycle.step(due, read_input("ok"));
                due
            })
            .collect()
    };
    let first = dues(Player::new(schedule.clone()).cycle);
    assert_eq!(first, dues(Player::new(schedule.clone()).cycle), "not a function of the seed");
    for (k, due) in (1..).zip(&first) {
        let nominal = moment("0s").plus(Duration::from_secs(10 * k));
        assert!(nominal <= *due && *due < nominal.plus(Duration::from_secs(10)), "slot {k}");
    }
    assert!(first.is_sorted_by(|one, next| one < next));
    assert_ne!(first, dues(Player::new(schedule.jitter("99h", 43)).cycle), "no jitter by seed");
}

#[test]
fn jitter_does_not_hold_up_a_trigger_a_pause_or_a_stop() {
    check(
        every("10s").start(Start::Delay).jitter("9s", 42),
        "11s | time      |
         11s | trigger 1 | run 1 trigger, 1 began 1
         12s | ok        |
         13s | pause     |         | -
         13s | stop      | stopped | -",
    );
}
