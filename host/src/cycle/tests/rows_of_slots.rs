//! What becomes of slots that pass without a run: each is told once, with why. That none is left out
//! is for the model (`model.rs`).

use super::super::*;
use super::player::{check, every};

#[test]
fn slots_during_a_run_are_skipped_but_for_one_that_waits() {
    check(
        every("10s").timeout("1h"),
        "0s  | time | run 1 start
         10s | time |
         20s | time |
         35s | ok   | run 2 interval due 10s
         36s | ok   |",
    )
    .skipped(&["1 Running 20s..20s", "1 Running 30s..30s"]);
}

#[test]
fn slots_that_nobody_saw_in_time_are_skipped_but_for_one() {
    check(
        every("10s"),
        "0s | time | run 1 start\n 1s | ok |\n 45s | time | run 2 interval due 10s",
    )
    .skipped(&["3 Late 20s..40s"]);
}

#[test]
fn slots_during_a_pause_are_told_when_it_ends() {
    check(
        every("10s"),
        "0s  | time    | run 1 start
         1s  | ok      |                | 10s
         5s  | pause   |                | -
         7s  | pause   |                | -
         34s | trigger 1 | run 2 trigger, 1 began 2 | 37s
         35s | ok      |                | -
         99s | restart |                | 1m49s",
    )
    .skipped(&["9 Paused 10s..1m30s"]);
}

#[test]
fn a_pause_ends_by_itself_as_if_restarted() {
    check(
        every("10s"),
        "0s  | time      | run 1 start
         1s  | ok        |                | 10s
         5s  | pause 32s |                | 32s
         31s | time      |                | 32s
         32s | time      |                | 42s
         42s | time      | run 2 interval | 45s",
    )
    .skipped(&["3 Paused 10s..30s"]);
    // The last word counts.
    check(
        every("10s"),
        "0s  | time      | run 1 start
         1s  | ok        |
         5s  | pause 32s |                | 32s
         6s  | pause     |                | -
         7s  | pause 9s  |                | 9s
         9s  | time      |                | 19s",
    );
}

#[test]
fn a_pause_outlives_the_peer_and_so_does_its_end() {
    check(every("10s"), "0s | time | run 1 start\n 1s | ok |\n 5s | pause 1m2s | | 1m2s")
        .restart_peer("30s", every("10s"))
        .play(
            "31s  | time | | 1m2s
             1m2s | time | | 1m12s",
        )
        .skipped(&["6 Paused 10s..1m"]);
}

#[test]
fn a_tick_that_waits_is_skipped_by_what_drops_it() {
    for (input, skipped) in [
        ("pause", "1 Paused 10s..10s"),
        ("restart", "1 Restarted 10s..10s"),
        ("interval off", "1 Off 10s..10s"),
        ("stop", "1 Stopped 10s..10s"),
    ] {
        let player = check(every("10s").timeout("1h"), "0s | time | run 1 start\n 15s | time |");
        let steps = if input == "stop" { "wind down" } else { "" };
        player.play(&format!("16s | {input} | {steps}")).skipped(&[skipped]);
    }
    let table = "0s | time | run 1 start\n 1s | ok |\n 2s | hold |\n 35s | release | run 2 interval due 10s";
    check(every("10s"), table).skipped(&["2 Held 20s..30s"]);
    let failing = every("10s").backoff("1h", 6);
    check(failing, "0s | time | run 1 start\n 1s | fail |\n 11s | time |\n 21s | time |")
        .skipped(&["1 BackingOff 20s..20s"]);
}

#[test]
fn slots_while_the_peer_is_away_are_skipped_unless_it_catches_up() {
    for (start, first, skipped) in [
        (Start::Now, "run 2 start", "4 Away 10s..40s"),
        (Start::Delay, "", "4 Away 10s..40s"),
        (Start::Resume, "run 2 interval due 10s", "3 Away 20s..40s"),
    ] {
        check(every("10s").start(Start::Now), "0s | time | run 1 start\n 1s | ok |")
            .restart_peer("45s", every("10s").start(start))
            .play(&format!("45s | time | {first}"))
            .skipped(&[skipped]);
    }
}
