//! Every case of the seed system's `cycle_test.go` (reference/storj.md section 1), by its name, and
//! the gaps in its contract that are listed there.

use super::super::*;
use super::player::{check, every, moment};

#[test]
fn case_1_basic() {
    let mut table = String::from("0s | time | run 1 start\n 0s | ok | \n 0s | pause | | -\n");
    for iteration in 2..11 {
        table += &format!("1s | trigger 0 | run {iteration} trigger, 0 began {iteration}\n");
        table += "1s | ok | | -\n";
    }
    let player = check(every("1s"), &table).play(
        "2s | wait 0    | run 11 trigger
         2s | ok        | 0 ok 11",
    );
    assert_eq!(player.cycle.status().iteration, 1 + 10, "exactly 10 runs were added");
    player
        .play(
            "3s | restart   |                 | 4s
         4s | time      | run 12 interval
         4s | ok        |
         5s | stop      | stopped",
        )
        .play("6s | trigger 0 | 0 stopped");
}

#[test]
fn case_2_multiple_stops() {
    check(
        every("1s"),
        "0s | time | run 1 start
         0s | stop | wind down
         0s | stop |
         0s | ok   | stopped
         0s | stop | stopped
         0s | stop | stopped",
    );
}

/// A cancelled context is a stop that came before the start.
#[test]
fn case_3_stop_cancelled() {
    check(every("1s"), "0s | stop | stopped\n 0s | time | | -\n 1s | stop | stopped");
}

/// Here changing the interval of a disabled cycle enables it instead of a panic, and a trigger
/// runs it instead of being lost.
#[test]
fn case_4_disable() {
    check(
        every("off"),
        "0s | time         | | -
         1s | interval off | | -
         2s | pause        | | -
         3s | restart      | | -
         4s | trigger 1    | run 1 trigger, 1 began 1
         5s | ok           | | -
         6s | interval 5m  | | 5m6s",
    );
}

#[test]
fn case_5_stop_not_started_and_case_6_close_not_started() {
    check(every("1s"), "0s | stop | stopped | -").state(State::Stopped);
}

#[test]
fn case_7_stop_ensure_loop_is_finished() {
    check(
        every("1s"),
        "0s  | time | run 1 start
         0s  | stop | wind down
         1s  | time |
         1s  | ok   | stopped",
    );
}

#[test]
fn case_8_time_triggered() {
    check(every("1s"), "0s | time | run 1 start");
}

#[test]
fn case_9_manually_triggered() {
    check(every("1s").start(Start::Delay), "0s | wait 1 | run 1 trigger");
}

#[test]
fn case_10_delay_start() {
    check(
        every("1s").start(Start::Delay),
        "0s    | time |                | 1s
         999ms | time |                | 1s
         1s    | time | run 1 interval",
    );
}

/// After the step that took the pause no tick begins a run, and status shows the run that the
/// caller may want to wait for.
#[test]
fn case_11_pause_syncs() {
    check(every("1s"), "0s | time | run 1 start\n 0s | pause |")
        .state(State::Running {
            since: moment("0s"),
            iteration: 1,
            reason: RunReason::Start,
            winding_down: false,
            paused: true,
        })
        .play("1s | ok | | -\n 9s | time | | -");
}

#[test]
fn gap_run_after_stop_is_no_run() {
    check(every("1s"), "0s | stop | stopped\n 0s | time |\n 9s | time | | -");
}

#[test]
fn gap_stop_at_the_moment_of_a_slot_begins_no_run() {
    check(every("1s").start(Start::Delay), "0s | time |\n 1s | stop | stopped");
}

#[test]
fn gap_controls_before_the_start_do_not_block_and_are_obeyed() {
    check(every("1s"), "0s | pause | | -\n 0s | time | | -\n 1s | restart | | 2s");
}

#[test]
fn gap_trigger_after_the_stop_of_a_cycle_that_ran_or_never_ran() {
    check(
        every("1s"),
        "0s | stop | stopped\n 0s | trigger 1 | 1 stopped\n 0s | wait 2 | 2 stopped",
    );
    check(
        every("1s"),
        "0s | time      | run 1 start
         0s | ok        |
         0s | stop      | stopped
         0s | trigger 1 | 1 stopped
         0s | wait 2    | 2 stopped",
    );
}

#[test]
fn gap_trigger_from_inside_its_own_run_is_served_by_the_next() {
    check(
        every("1h"),
        "0s | time      | run 1 start
         1s | trigger 1 |                                 | 3s
         1s | wait 2    |                                 | 3s
         2s | ok        | run 2 trigger due 1s, 1 began 2 | 5s
         3s | ok        | 2 ok 2                          | 1h",
    );
}

#[test]
fn gap_stop_from_inside_its_own_run_lets_it_end() {
    check(every("1h"), "0s | time | run 1 start\n 1s | stop | wind down | 3s\n 2s | ok | stopped");
}

#[test]
fn gap_pause_is_not_ended_by_a_change_of_interval() {
    check(every("1h"), "0s | pause | | -\n 1s | interval 1s | | -").state(State::Paused);
}

#[test]
fn gap_five_concurrent_triggers_during_the_first_run_are_one_more_run_not_five() {
    check(
        every("1h"),
        "0s | time   | run 1 start
         1s | wait 1 |
         1s | wait 2 |
         1s | wait 3 |
         1s | wait 4 |
         1s | wait 5 |
         2s | ok     | run 2 trigger due 1s
         3s | ok     | 1 ok 2, 2 ok 2, 3 ok 2, 4 ok 2, 5 ok 2 | 1h",
    );
}
