//! Rows of the table in design.md section 6 about runs, triggers and the end, and the hold of
//! section 7: a test is named after its row.

use super::super::*;
use super::player::{Player, check, every, moment, read_input};

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
    Player::of(cycle).play("3s | trigger 1 | run 3 trigger, 1 began 3");
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

// As many runs of the chore as may be are in progress.

#[test]
fn what_is_due_without_room_waits_and_takes_all_that_was_asked_once_there_is() {
    check(
        every("10s"),
        "0s  | crowded   |                              | -
         5s  | trigger 1 |                              | -
         6s  | wait 2    |                              | -",
    )
    .state(State::Waiting { due: Some(moment("5s")) })
    .play(
        "25s | room      | run 1 trigger due 5s, 1 began 1 | 28s
         26s | ok        | 2 ok 1                       | 30s",
    )
    .skipped(&["2 Crowded 10s..20s"]);
}

#[test]
fn a_run_that_has_begun_needs_no_more_room_and_ends_in_time() {
    check(
        every("10s").start(Start::Delay),
        "0s  | time    |                          | 10s
         1s  | crowded |                          | 10s
         10s | time    |                          | -
         15s | room    | run 1 interval due 10s   | 18s
         16s | crowded |                          | 18s
         18s | time    | wind down                | 20s
         20s | time    | interrupt                | -
         21s | fail    |                          | -
         22s | stop    | stopped                  | -",
    )
    .skipped(&["1 Stopped 20s..20s"]);
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
fn a_run_that_gives_way_is_no_failure_even_past_its_deadline() {
    let player = check(
        every("10s"),
        "0s | time  | run 1 start
         3s | time  | wind down
         4s | hold  |
         4s | rerun |",
    );
    assert_eq!(player.cycle.status().failures, 0);
}

#[test]
fn a_run_that_succeeded_is_not_run_again() {
    let mut cycle = check(every("10s"), "0s | wait 1 | run 1 trigger").cycle;
    let steps = cycle.step(moment("1s"), Input::Ended { succeeded: true, rerun: true });
    let answer = Answer::Ended { iteration: 1, succeeded: true };
    assert_eq!(steps, [Step::Answer { waiter: WaiterId(1), answer }]);
}

#[test]
fn another_version_starts_without_the_failures_of_the_one_before() {
    let player = check(
        every("10s").backoff("1m", 16),
        "0s  | time    | run 1 start
         1s  | fail    |
         2s  | forgive |                | 10s
         10s | time    | run 2 interval",
    );
    assert_eq!(player.cycle.status().failures, 0);
}

#[test]
fn due_makes_a_tick_that_waits_for_what_is_in_its_way() {
    for (before, then, steps) in [
        ("time", "due", "run 2 interval"),
        ("pause", "due", ""),
        ("interval off", "due", ""),
        ("stop", "due", ""),
    ] {
        let stopped = if before == "stop" { "stopped" } else { "" };
        let table = format!(
            "0s | time     | run 1 start
             1s | ok       |
             2s | {before} | {stopped}
             3s | {then}   | {steps}"
        );
        check(every("10s"), &table);
    }
    check(
        every("10s"),
        "0s | time    | run 1 start
         1s | hold    | wind down
         1s | fail    |
         2s | due     |
         3s | release | run 2 interval due 2s",
    );
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

// Giving up.

#[test]
fn a_cycle_that_fails_again_and_again_pauses_itself_once() {
    check(
        every("10s").give_up(2, GiveUpHow::Pause),
        "0s  | time      | run 1 start
         1s  | fail      |
         10s | time      | run 2 interval
         11s | ok        |                | 20s
         20s | time      | run 3 interval
         21s | fail      |
         30s | time      | run 4 interval
         31s | wait 1    |
         32s | fail      | paused after 2, run 5 trigger due 31s
         33s | fail      | 1 fail 5       | -
         50s | trigger 2 | run 6 trigger, 2 began 6
         51s | fail      |                | -
         60s | restart   |                | 1m10s
         70s | time      | run 7 interval
         71s | fail      |                | 1m20s
         80s | time      | run 8 interval
         81s | fail      | paused after 2 | -",
    );
}

#[test]
fn a_check_that_fails_stops_the_peer_and_says_so_until_it_does() {
    check(
        every("10s").give_up(0, GiveUpHow::StopPeer),
        "0s  | time | run 1 start
         1s  | fail | stop peer after 1 | 10s
         10s | time | run 2 interval
         11s | fail | stop peer after 2 | 20s",
    );
}

#[test]
fn who_is_not_to_blame_is_not_given_up() {
    check(
        every("10s").give_up(1, GiveUpHow::Pause),
        "0s  | time    | run 1 start
         1s  | cancel  | wind down
         2s  | fail    |                | 10s
         10s | time    | run 2 interval
         11s | hold    | wind down
         12s | rerun   |                | -
         13s | release | run 3 interval due 12s
         16s | time    | wind down
         17s | fail    | paused after 1 | -",
    );
}

// Status.

#[test]
fn status_is_plain_data() {
    let player = check(every("10s"), "0s | time | run 1 start\n 1s | ok | | 10s");
    let status = serde_json::to_value(player.cycle.status());
    let at = moment;
    assert_eq!(
        status.ok(),
        Some(serde_json::json!({
            "state": { "kind": "idle", "next": at("10s") },
            "interval": "10s",
            "overridden": false,
            "paused_since": null,
            "paused_until": null,
            "must_end": null,
            "next_due": at("10s"),
            "backing_off_until": null,
            "iteration": 1,
            "failures": 0,
            "jitter": { "secs": 0, "nanos": 0 },
            "skipped": 0,
            "last_started": at("0s"),
            "last_ended": at("1s"),
            "last_succeeded": true,
        }))
    );
}
