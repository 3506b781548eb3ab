//! The wall clock jumps, the machine sleeps, the peer is restarted: rows "slots" and "restart of
//! the peer" of the table in design.md section 6.

use super::super::*;
use super::player::{EPOCH, Player, check, every, moment, read_input};

#[test]
fn slots_missed_by_a_jump_forward_or_a_suspend_are_one_tick() {
    let player = check(
        every("10s"),
        "0s     | time | run 1 start
         1s     | ok   |                        | 10s
         3601s  | time | run 2 interval due 10s | 1h4s
         3602s  | ok   |                        | 1h10s",
    );
    assert_eq!(player.cycle.status().skipped, 359);
}

#[test]
fn slots_are_the_same_on_every_read_of_the_clock() {
    check(
        every("10s"),
        "0s | time | run 1 start
         1s | ok   | | 10s
         7s | time | | 10s
         2s | time | | 10s
         9s | time | | 10s",
    );
}

#[test]
fn a_clock_that_steps_back_a_little_runs_no_slot_twice() {
    check(
        every("10s"),
        "0s     | time | run 1 start
         1s     | ok   |                | 10s
         10s    | time | run 2 interval
         11s    | ok   |                | 20s
         9s     | time |                | 20s
         10s    | time |                | 20s
         20s    | time | run 3 interval",
    );
}

#[test]
fn a_clock_that_is_set_back_far_stalls_the_cycle_for_two_intervals_at_most() {
    check(
        every("10s"),
        "0s     | time | run 1 start
         1s     | ok   |                | 10s
         10s    | time | run 2 interval
         11s    | ok   |                | 20s
         -3599s | time |                | -59m40s
         -3580s | time | run 3 interval
         -3579s | ok   |                | -59m30s",
    );
}

#[test]
fn a_clock_that_is_set_back_again_and_again_runs_nothing_in_a_loop() {
    check(
        every("10s"),
        "0s     | time | run 1 start
         1s     | ok   |                | 10s
         10s    | time | run 2 interval
         10s    | ok   |                | 20s
         -60s   | time |                | -50s
         -50s   | time | run 3 interval
         -50s   | ok   |                | -40s
         -60s   | time |                | -40s
         -71s   | time |                | -1m
         -60s   | time | run 4 interval",
    );
}

#[test]
fn a_run_and_its_grace_are_not_prolonged_by_a_clock_that_is_set_back() {
    check(
        every("10s"),
        "0s      | time   | run 1 start
         1s      | time   |             | 3s
         -1days  | time   |             | -23h59m57s
         -86398s | cancel | wind down   | -23h59m56s
         -2days  | time   |             | -1day23h59m58s
         -172798s| time   | interrupt   | -",
    );
}

#[test]
fn a_trigger_and_a_tick_that_wait_are_not_put_off_by_a_clock_that_is_set_back() {
    check(
        every("10s").timeout("1h"),
        "0s     | time      | run 1 start
         11s    | time      |
         -1days | ok        | run 2 interval | -23h
         -1days | trigger 1 |
         -2days | ok        | run 3 trigger, 1 began 3",
    );
}

#[test]
fn back_off_is_not_prolonged_by_a_clock_that_is_set_back() {
    let mut player = check(every("10s").backoff("20s", 9), "0s | time | run 1 start\n 1s | fail |");
    player.cycle.step(moment("-1days"), Input::Time);
    let due = player.cycle.status().next_due;
    assert!(
        due.is_some_and(|due| due <= moment("-1days").plus(Duration::from_secs(20))),
        "{due:?}"
    );
}

// Restart of the peer.

#[test]
fn resume_runs_at_the_slot_after_the_last_run() {
    let daily = every("24h").start(Start::Resume);
    check(daily.clone(), "0s | time | run 1 start\n 1s | ok | | 1day")
        .restart_peer("1h", daily.clone())
        .play(
            "1h  | time |                | 1day
               24h | time | run 2 interval
               24h | ok   |                | 2days",
        )
        .restart_peer("49h", daily)
        .play(
            "49h | time | run 3 interval due 2days
               50h | ok   |                          | 3days",
        );
}

#[test]
fn resume_catches_a_run_up_that_was_due_when_the_peer_stopped() {
    let schedule = every("10s").start(Start::Resume).timeout("1m");
    check(schedule.clone(), "0s | time | run 1 start\n 12s | time |\n 13s | stop | wind down")
        .play("14s | ok | stopped")
        .restart_peer("15s", schedule)
        .play("15s | time | run 2 interval due 10s");
}

#[test]
fn now_runs_at_once_and_delay_does_not_and_both_keep_the_slots() {
    for (start, steps) in [(Start::Now, "run 2 start"), (Start::Delay, "")] {
        check(every("10s"), "0s | time | run 1 start\n 1s | ok |")
            .restart_peer("34s", every("10s").start(start))
            .play(&format!("34s | time | {steps}\n 35s | ok | | 40s"));
    }
}

#[test]
fn a_peer_that_is_restarted_more_often_than_the_interval_still_runs_a_delayed_cycle() {
    let schedule = every("10s").start(Start::Delay);
    check(schedule.clone(), "0s | time | | 10s")
        .restart_peer("6s", schedule.clone())
        .play("6s | time | | 10s")
        .restart_peer("9s", schedule)
        .play("9s | time | | 10s\n 10s | time | run 1 interval");
}

#[test]
fn pause_is_remembered() {
    for start in [Start::Now, Start::Delay, Start::Resume] {
        check(every("10s"), "0s | time | run 1 start\n 1s | pause |\n 2s | ok |")
            .restart_peer("1h", every("10s").start(start))
            .play("1h | time | | -")
            .state(State::Paused)
            .play("1h | restart | | 1h10s");
    }
}

#[test]
fn an_interval_override_is_remembered_until_the_config_changes() {
    let table = "0s | time | run 1 start\n 1s | interval 20s |\n 2s | ok | | 21s";
    let resume = |interval| every(interval).start(Start::Resume);
    check(every("10s"), table).restart_peer("5s", resume("10s")).play("5s | time | | 21s");
    check(every("10s"), table).restart_peer("5s", resume("30s")).play("5s | time | | 30s");
    check(every("10s"), table).restart_peer("5s", resume("off")).play("5s | time | | -");
}

#[test]
fn an_interval_that_was_configured_while_the_peer_was_down_counts_from_the_last_run() {
    let table = "0s | time   | run 1 start
                 1s | ok     |
                 5h | wait 1 | run 2 trigger
                 5h | ok     | 1 ok 2";
    check(every("24h"), table)
        .restart_peer("6h", every("8h").start(Start::Resume))
        .play("6h | time | | 13h");
}

#[test]
fn iterations_failures_and_back_off_are_remembered() {
    let schedule = every("10s").start(Start::Resume).backoff("1h", 999);
    let player = check(schedule.clone(), "0s | time | run 1 start\n 1s | fail |");
    let due = player.cycle.status().next_due;
    let player = player.restart_peer("20s", schedule).play("20s | time |");
    assert_eq!(player.cycle.status().next_due, due, "the back-off goes on");
    player
        .restart_peer("30s", every("10s").backoff("1h", 999))
        .play("30s | time | run 2 start")
        .play("31s | fail |")
        .play("32s | pause | | -");
}

#[test]
fn a_clock_that_was_wrong_when_the_anchor_was_saved_does_not_stall() {
    let schedule = every("10s").start(Start::Resume);
    check(
        schedule.clone(),
        "9999days | wait 1 | run 1 trigger\n 9999days | ok | 1 ok 1\n 9999days | restart |",
    )
    .restart_peer("3s", schedule)
    .play("3s | time | | 20s\n 20s | time | run 2 interval\n 21s | ok | | 30s");
}

#[test]
fn what_is_saved_is_readable_without_the_fields_that_may_be_missing() {
    let text = r#"{"paused":true,"configured":"10s","anchor":5,"iteration":7,"new":1}"#;
    let saved: Option<Saved> = serde_json::from_str(text).ok();
    let saved = saved.map(|saved| (saved.paused, saved.iteration, saved.last_started));
    assert_eq!(saved, Some((true, 7, None)));
}

#[test]
fn the_ends_of_time_and_hostile_durations_are_survived() {
    let hostile = Schedule {
        timeout: Duration::MAX,
        jitter_max: Duration::MAX,
        grace: Duration::MAX,
        backoff: Backoff { first: Duration::MAX, interval_multiple_max: u32::MAX },
        ..every("1ms")
    };
    let saved = Saved {
        iteration: u64::MAX,
        failures: u32::MAX,
        anchor: Timestamp::from_nanos(i64::MIN),
        failed_at: Some(Timestamp::MAX),
        last_started: Some(Timestamp::from_nanos(i64::MIN)),
        ..Cycle::new(hostile.clone(), None, EPOCH).saved()
    };
    let moments = [Timestamp::MAX, Timestamp::from_nanos(i64::MIN), EPOCH, Timestamp::MAX];
    for start in [Start::Now, Start::Delay, Start::Resume] {
        let schedule = Schedule { start, ..hostile.clone() };
        let mut player = Player::of(Cycle::new(schedule, Some(saved.clone()), EPOCH));
        for now in moments {
            for input in ["time", "wait 1", "hold", "rerun", "release", "fail", "restart", "time"] {
                player.cycle.step(now, read_input(input));
                player.cycle.status();
                player.cycle.wake_at(now);
            }
        }
        let steps = player.cycle.step(Timestamp::MAX, read_input("stop"));
        let ended = player.cycle.step(Timestamp::MAX, read_input("fail"));
        assert!(steps.contains(&Step::Stopped) || ended.contains(&Step::Stopped));
    }
}
