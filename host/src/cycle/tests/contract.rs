//! The rows of the table in design.md section 6, in its order: a test is named after its row.
//! `clock_jumps.rs` has the jumps of the clock and the restarts of the peer.

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
    let run = Run { iteration: 1, reason: RunReason::Start, due, deadline: moment("8s") };
    assert_eq!(steps, [Step::Run(run)]);
}

// Deadline, cancel.

#[test]
fn deadline_winds_down_then_interrupts_after_the_grace_each_once() {
    check(
        every("10s"),
        "0s     | time | run 1 start | 3s
         2999ms | time |             | 3s
         3s     | time | wind down   | 5s
         4999ms | time |             | 5s
         5s     | time | interrupt   | -
         6s     | time |             | -
         7s     | fail |             | 10s
         10s    | time | run 2 interval | 13s",
    );
}

#[test]
fn deadline_that_is_noticed_late_still_leaves_the_whole_grace() {
    check(
        every("1h"),
        "0s  | time | run 1 start
         60s | time | wind down | 1m2s
         62s | time | interrupt | -",
    );
}

#[test]
fn cancel_winds_the_run_down_and_is_no_failure() {
    let player = check(
        every("10s").backoff("1h", 100),
        "0s  | cancel | run 1 start
         1s  | cancel | wind down   | 3s
         2s  | cancel |             | 3s
         3s  | time   | interrupt   | -
         4s  | cancel |             | -
         4s  | fail   |             | 10s
         5s  | cancel |             | 10s",
    );
    assert_eq!(player.cycle.status().failures, 0);
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

// Trigger.

#[test]
fn trigger_runs_at_once_and_leaves_the_slots_alone() {
    check(
        every("10s"),
        "0s  | time      | run 1 start
         1s  | ok        |
         4s  | trigger 7 | run 2 trigger, 7 began 2 | 7s
         5s  | ok        |                          | 10s
         10s | time      | run 3 interval",
    );
}

#[test]
fn trigger_works_while_paused_without_resuming() {
    check(
        every("10s"),
        "0s  | pause     |                          | -
         4s  | trigger 1 | run 1 trigger, 1 began 1 | 7s
         5s  | ok        |                          | -
         6s  | wait 2    | run 2 trigger            | 9s
         7s  | ok        | 2 ok 2                   | -
         60s | time      |                          | -",
    )
    .state(State::Paused);
}

#[test]
fn trigger_wait_is_answered_with_the_outcome_of_its_run() {
    check(
        every("10s"),
        "0s | time   | run 1 start
         1s | ok     |
         2s | wait 1 | run 2 trigger
         3s | fail   | 1 fail 2
         4s | wait 2 | run 3 trigger
         5s | ok     | 2 ok 3",
    );
}

#[test]
fn trigger_takes_a_tick_that_waits_with_it() {
    check(
        every("10s").timeout("1m"),
        "0s  | time      | run 1 start
         12s | trigger 1 |
         13s | ok        | run 2 trigger due 12s, 1 began 2
         14s | ok        |                                  | 20s",
    );
}

// Concurrent triggers.

#[test]
fn concurrent_triggers_are_served_by_one_run_that_begins_after_them() {
    check(
        every("10s"),
        "0s | time      | run 1 start
         1s | trigger 1 |
         1s | wait 2    |
         2s | trigger 3 |
         2s | wait 4    |
         2s | ok        | run 2 trigger due 1s, 1 began 2, 3 began 2
         3s | wait 5    |
         4s | fail      | 2 fail 2, 4 fail 2, run 3 trigger due 3s
         5s | ok        | 5 ok 3 | 10s",
    );
}

#[test]
fn sequential_triggers_each_get_a_run() {
    check(
        every("off"),
        "0s | trigger 1 | run 1 trigger, 1 began 1
         0s | ok        |
         0s | trigger 2 | run 2 trigger, 2 began 2
         0s | ok        |
         0s | wait 3    | run 3 trigger
         0s | ok        | 3 ok 3",
    );
}

#[test]
fn too_many_concurrent_triggers_are_refused_and_the_others_served() {
    let mut cycle = Player::new(every("off")).cycle;
    let mut answers = 0;
    for waiter in 0..=CYCLE_WAITERS_MAX {
        answers += cycle.step(moment("0s"), read_input(&format!("wait {waiter}"))).len();
    }
    assert_eq!(answers, 2, "one run for the first, one refusal for the last");
    let ended = cycle.step(moment("1s"), read_input("ok"));
    let served = cycle.step(moment("2s"), read_input("ok"));
    assert_eq!((ended.len(), served.len()), (1 + 1, CYCLE_WAITERS_MAX - 1));
    Player { cycle }.play("3s | trigger 1 | run 3 trigger, 1 began 3");
}

// Trigger on a disabled cycle.

#[test]
fn trigger_on_a_disabled_cycle_runs_it_and_it_stays_disabled() {
    check(
        every("off"),
        "0s | time   |               | -
         1s | wait 1 | run 1 trigger | 4s
         2s | ok     | 1 ok 1        | -",
    )
    .state(State::Disabled);
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
    Player { cycle }.play(
        "5s  | time |                | 10s
         10s | time | run 2 interval | 19s",
    );
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
        assert_eq!(player.cycle.step(almost, Input::Time), []);
        let steps = player.cycle.step(until, Input::Time);
        assert!(matches!(steps[..], [Step::Run(Run { due, .. })] if due == until), "{steps:?}");
        assert!(player.cycle.status().skipped >= skipped);
        ended = until.plus(Duration::from_secs(1));
    }
    player.cycle.step(ended, read_input("ok"));
    let status = player.cycle.status();
    assert_eq!((status.failures, status.backing_off_until), (0, None));
    assert!(status.next_due.is_some_and(|due| due.since(ended) <= Duration::from_secs(10)));
    assert_eq!(status.next_due.map(|due| due.since(moment("0s")).as_nanos() % 10_000_000_000), Some(0));
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
    let player = check(
        every("10s"),
        "0s | time | run 1 start\n 3s | time | wind down\n 4s | fail |",
    );
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

// Stop.

#[test]
fn stop_winds_down_then_interrupts_then_is_stopped_when_the_run_has_ended() {
    check(
        every("10s"),
        "0s  | time | run 1 start
         1s  | stop | wind down | 3s
         3s  | time | interrupt | -",
    )
    .state(State::Stopping { since: moment("0s"), iteration: 1, reason: RunReason::Start })
    .play(
        "4s  | fail | stopped   | -
         99s | time |           | -",
    )
    .state(State::Stopped);
}

#[test]
fn stop_of_a_run_that_winds_down_already_does_not_prolong_its_grace() {
    check(
        every("10s"),
        "0s | time | run 1 start
         3s | time | wind down | 5s
         4s | stop |           | 5s
         5s | time | interrupt | -
         6s | ok   | stopped   | -",
    );
}

#[test]
fn stop_answers_the_triggers_that_wait_and_the_run_in_progress_its_own() {
    check(
        every("10s"),
        "0s | wait 1    | run 1 trigger
         1s | trigger 2 |
         1s | wait 3    |
         2s | stop      | 2 stopped, 3 stopped, wind down
         3s | wait 4    | 4 stopped
         3s | rerun     | 1 fail 1, stopped | -",
    );
}

// Controls in every state.

#[test]
fn controls_are_answered_before_the_first_time() {
    for (control, steps) in [
        ("pause", ""),
        ("restart", ""),
        ("trigger 1", "run 1 trigger, 1 began 1"),
        ("wait 1", "run 1 trigger"),
        ("interval 5s", "run 1 start"),
        ("interval off", ""),
        ("config 5s", "run 1 start"),
        ("cancel", "run 1 start"),
        ("hold", ""),
        ("release", "run 1 start"),
        ("stop", "stopped"),
    ] {
        check(every("10s"), &format!("0s | {control} | {steps}"));
    }
}

#[test]
fn controls_are_answered_after_the_stop() {
    check(
        every("10s"),
        "0s | stop        | stopped             | -
         1s | pause       |                     | -
         1s | restart     |                     | -
         1s | trigger 1   | 1 stopped           | -
         1s | wait 2      | 2 stopped           | -
         1s | interval 1s |                     | -
         1s | config 2s   |                     | -
         1s | cancel      |                     | -
         1s | hold        |                     | -
         1s | release     |                     | -
         1s | ok          |                     | -
         9s | time        |                     | -
         9s | stop        | stopped             | -",
    )
    .state(State::Stopped);
}

#[test]
fn an_end_without_a_run_is_ignored() {
    let player = check(every("10s").start(Start::Delay), "0s | fail | | 10s\n 1s | rerun | | 10s");
    assert_eq!(player.cycle.status().last_ended, None);
}

// Hold and release (design.md section 7).

#[test]
fn hold_keeps_a_tick_and_triggers_and_one_run_takes_them_on_release() {
    check(
        every("10s"),
        "0s  | time      | run 1 start
         1s  | ok        |
         2s  | hold      |                                  | -
         12s | time      |                                  | -
         13s | trigger 1 |                                  | -
         14s | wait 2    |                                  | -",
    )
    .state(State::Held)
    .play(
        "35s | release   | run 2 trigger due 13s, 1 began 2 | 38s
         36s | ok        | 2 ok 2                           | 40s",
    );
}

#[test]
fn hold_loses_no_tick() {
    check(
        every("10s"),
        "0s  | hold    |                        | -
         5s  | release | run 1 start due 0s     | 8s
         6s  | ok      |                        | 10s
         7s  | hold    |                        | -
         33s | release | run 2 interval due 10s | 36s
         34s | ok      |                        | 40s",
    );
}

#[test]
fn hold_asks_the_run_in_progress_to_wind_down_and_interrupts_it_after_the_grace() {
    check(
        every("10s"),
        "0s | time    | run 1 start
         1s | hold    | wind down          | 3s
         3s | time    | interrupt          | -
         3s | rerun   |                    | -
         4s | release | run 2 start due 3s | 7s
         5s | ok      |                    | 10s",
    );
}

#[test]
fn a_triggered_run_that_gives_way_to_a_replacement_is_run_again_for_its_waiters() {
    let player = check(
        every("off"),
        "0s | wait 1  | run 1 trigger
         1s | hold    | wind down
         2s | rerun   |                        | -
         3s | release | run 2 trigger due 2s   | 6s
         4s | ok      | 1 ok 2                 | -",
    );
    assert_eq!(player.cycle.status().failures, 0);
}

#[test]
fn a_run_that_gives_way_is_not_run_again_if_paused_disabled_or_done() {
    for (control, end, next) in
        [("pause", "rerun", "-"), ("interval off", "rerun", "-"), ("release", "ok", "10s")]
    {
        check(
            every("10s"),
            &format!(
                "0s | time      | run 1 start
                 1s | hold      | wind down
                 1s | {control} |
                 2s | {end}     |
                 3s | release   | | {next}"
            ),
        );
    }
}

#[test]
fn pause_drops_a_tick_that_is_kept_by_a_hold() {
    check(
        every("10s"),
        "0s  | hold    |
         1s  | pause   |
         2s  | release | | -",
    );
}

#[test]
fn stop_ends_a_held_cycle() {
    check(
        every("10s"),
        "0s | hold   |
         1s | wait 1 |
         2s | stop   | 1 stopped, stopped | -
         3s | release |                   | -",
    );
}

// Status.

#[test]
fn status_is_plain_data() {
    let player = check(every("10s"), "0s | time | run 1 start\n 1s | ok | | 10s");
    let status = serde_json::to_value(player.cycle.status());
    let at = |text| moment(text).as_nanos();
    assert_eq!(
        status.ok(),
        Some(serde_json::json!({
            "state": { "kind": "idle", "next": at("10s") },
            "interval": "10s",
            "overridden": false,
            "paused": false,
            "next_due": at("10s"),
            "backing_off_until": null,
            "iteration": 1,
            "failures": 0,
            "skipped": 0,
            "last_started": at("0s"),
            "last_ended": at("1s"),
            "last_succeeded": true,
        }))
    );
}
