//! The sentences, as a table for each kind of moment.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::record::Usage;
use crate::status::{Actor, LastRun};

/// A time of one day, as the sentences have it.
fn at(time: &str) -> Timestamp {
    let text = if time.contains('T') { time.to_owned() } else { format!("2026-11-25T{time}Z") };
    humantime::parse_rfc3339(&text).unwrap().into()
}

fn now() -> Timestamp {
    at("12:00:00")
}

fn idle() -> CycleStatus {
    CycleStatus {
        name: "main".into(),
        interval: "1h".into(),
        state: "idle".into(),
        iteration: 7,
        failures: 0,
        next: Some(at("12:30:07")),
        last: None,
        running_since: None,
        pause: None,
        backing_off_until: None,
        jitter: Duration::ZERO,
        overridden: false,
        overdue: None,
    }
}

fn pause(until: Option<&str>) -> Option<PauseStatus> {
    let note = Actor { by: "alice".into(), note: "satellite maintenance".into() };
    Some(PauseStatus { since: at("09:12:00"), until: until.map(at), note })
}

fn failed(message: &str) -> Outcome {
    Outcome::Failed { message: message.into() }
}

#[test]
fn the_next_run() {
    let last = LastRun {
        run: 4,
        iteration: 7,
        reason: "interval".into(),
        started: at("11:30:07"),
        elapsed: Duration::from_secs(2),
        outcome: failed("no route"),
        usage: Usage::default(),
    };
    let cases: &[(CycleStatus, &str)] = &[
        (idle(), "next run 12:30:07Z: interval 1h"),
        (
            CycleStatus { jitter: Duration::from_millis(7_080), overridden: true, ..idle() },
            "next run 12:30:07Z: interval 1h + jitter 7s 80ms, changed while the peer ran",
        ),
        (
            CycleStatus { next: Some(at("2026-11-26T00:00:00Z")), ..idle() },
            "next run 2026-11-26T00:00:00Z: interval 1h",
        ),
        (CycleStatus { next: Some(at("11:59:59")), ..idle() }, "a run is due since 11:59:59Z"),
        (
            CycleStatus {
                failures: 4,
                backing_off_until: Some(at("12:30:07")),
                last: Some(last),
                ..idle()
            },
            "next run 12:30:07Z: backing off after 4 failures, the last: failed: no route",
        ),
        (
            CycleStatus { pause: pause(None), next: None, state: "paused".into(), ..idle() },
            "no run will come by itself until `chore restart sender`: paused by alice at \
             09:12:00Z (note: satellite maintenance)",
        ),
        (
            CycleStatus { pause: pause(Some("13:00:00")), state: "paused".into(), ..idle() },
            "no run will come by itself until 13:00:00Z: paused by alice at 09:12:00Z (note: \
             satellite maintenance)",
        ),
        (
            CycleStatus { state: "off".into(), next: None, ..idle() },
            "no run will come by itself: its interval is off; `chore trigger sender` runs it once",
        ),
        (
            CycleStatus { state: "held".into(), ..idle() },
            "no run just now: the chore is being replaced",
        ),
        (
            CycleStatus { state: "waiting".into(), next: Some(at("11:59:59")), ..idle() },
            "a run is due since 11:59:59Z and waits for its turn: as many runs of sender are in \
             progress as may be at once; raise `limits.runs` in sender.toml",
        ),
        (
            CycleStatus { running_since: Some(at("11:59:00")), ..idle() },
            "a run is in progress since 11:59:00Z; the next is due 12:30:07Z",
        ),
        (
            CycleStatus { running_since: Some(at("11:59:00")), next: Some(now()), ..idle() },
            "a run is in progress since 11:59:00Z; another is due at its end",
        ),
        (
            CycleStatus { running_since: Some(at("11:59:00")), pause: pause(None), ..idle() },
            "a run is in progress since 11:59:00Z; none will follow by itself: paused by alice at \
             09:12:00Z (note: satellite maintenance)",
        ),
    ];
    for (cycle, wanted) in cases {
        let chore = ChoreStatus {
            name: "sender".into(),
            state: "loaded".into(),
            cycles: vec![cycle.clone()],
            ..ChoreStatus::default()
        };
        assert_eq!(next(&chore, "main", now()), *wanted);
    }
}

#[test]
fn a_chore_that_does_not_run() {
    for (state, reason, wanted) in [
        (
            "refused",
            "it wants sql: add \"sql\" to grants",
            "no run will come: the chore is refused: it wants sql: add \"sql\" to grants",
        ),
        (
            "unloaded",
            "",
            "no run will come: unloaded by the operator; `chore load sender` ends that",
        ),
        ("loading", "", "no run yet: the chore is being loaded"),
        ("loaded", "", "no run will come: sender has no cycle \"main\" now"),
    ] {
        let chore = ChoreStatus {
            name: "sender".into(),
            state: state.into(),
            reason: reason.into(),
            ..ChoreStatus::default()
        };
        assert_eq!(next(&chore, "main", now()), wanted);
    }
}

fn run(slot: &str, started: &str, seconds: Option<u64>, outcome: Option<Outcome>) -> RunRecord {
    RunRecord {
        run: 12,
        chore: "sender".into(),
        cycle: "main".into(),
        version: "1.0.0".into(),
        digest: String::new(),
        generation: 1,
        iteration: 5,
        reason: "interval".into(),
        by: String::new(),
        due: at(slot),
        slot: Some(at(slot)),
        started: at(started),
        elapsed: seconds.map(Duration::from_secs),
        outcome,
        usage: Usage::default(),
        log: vec![],
        log_lines: 0,
        backtrace: vec![],
    }
}

fn skip(first: &str, last: &str, slots: u64, reason: SkipReason) -> Option<SkipRecord> {
    let (chore, cycle) = ("sender".to_owned(), "main".to_owned());
    Some(SkipRecord { chore, cycle, first: at(first), last: at(last), slots, reason })
}

fn event(time: &str, what: &str) -> Option<EventRecord> {
    Some(EventRecord {
        at: at(time),
        by: "alice".into(),
        what: what.into(),
        note: "satellite maintenance".into(),
        ..EventRecord::default()
    })
}

#[test]
fn a_moment_that_has_passed() {
    let before = || Some(run("09:00:00", "09:00:00", Some(2), Some(Outcome::Succeeded)));
    let ran = |run: RunRecord| Around { run: Some(run), ..Around::default() };
    let not = |skip, event| Around { run: before(), skip, event, ..Around::default() };
    let by = |by: &str| RunRecord { by: by.into(), reason: "trigger".into(), ..before().unwrap() };
    let interrupted = Outcome::Interrupted { message: "the peer ended during the run".into() };
    let cases: &[(Around, &str, &str)] = &[
        (
            ran(run("10:00:07", "10:00:07", Some(2), Some(Outcome::Succeeded))),
            "10:00",
            "run 12 began 10:00:07Z, because it was due, and after 2s succeeded",
        ),
        (
            ran(run("10:00:07", "10:05:00", Some(70), Some(failed("no route")))),
            "10:00",
            "run 12 began 10:05:00Z, 4m 53s after it was due, because it was due, and after 1m 10s \
             failed: no route",
        ),
        (
            ran(run("10:00:07", "10:00:07", None, Some(interrupted))),
            "10:00",
            "run 12 began 10:00:07Z, because it was due, and was interrupted: the peer ended \
             during the run",
        ),
        (
            ran(by("bob")),
            "09:00",
            "run 12 began 09:00:00Z, because bob triggered it, and after 2s succeeded",
        ),
        (
            ran(run("09:00:00", "09:00:00", None, None)),
            "10:00",
            "run 12 was in progress at 10:00:00Z: run 12 began 09:00:00Z, because it was due, and \
             is in progress",
        ),
        (
            ran(run("09:00:00", "09:00:00", Some(7200), Some(Outcome::Succeeded))),
            "10:00",
            "run 12 was in progress at 10:00:00Z: run 12 began 09:00:00Z, because it was due, and \
             after 2h succeeded",
        ),
        (
            not(skip("10:00:00", "10:00:00", 1, SkipReason::Paused), event("09:12:00", "pause")),
            "10:00",
            "skipped at 10:00:00Z: paused by alice at 09:12:00Z (note: satellite maintenance)",
        ),
        (
            not(skip("10:00:00", "11:00:00", 2, SkipReason::Running), None),
            "10:30",
            "skipped at 10:30:00Z, one of 2 slots from 10:00:00Z to 11:00:00Z: the run before was \
             still in progress, and one slot waited for it already",
        ),
        (
            not(skip("10:00:00", "10:00:00", 1, SkipReason::Crowded), None),
            "10:00",
            "skipped at 10:00:00Z: as many runs of the chore were in progress as may be at once \
             (`limits.runs`), and one slot waited already",
        ),
        (
            not(skip("10:00:00", "10:00:00", 1, SkipReason::Away), None),
            "10:00",
            "skipped at 10:00:00Z: the peer was not running, or the chore not loaded",
        ),
        (
            not(
                skip("10:00:00", "10:00:00", 1, SkipReason::Restarted),
                event("10:00:01", "restart"),
            ),
            "10:00",
            "skipped at 10:00:00Z: restarted by alice at 10:00:01Z, which begins a full interval",
        ),
        // One that is over before the moment does not explain it.
        (
            not(skip("09:30:00", "09:40:00", 3, SkipReason::Late), None),
            "10:00",
            "nothing was due at 10:00:00Z: the last run was due 09:00:00Z",
        ),
        (
            Around {
                run: before(),
                next: Some(run("11:00:00", "11:00:00", Some(1), None)),
                ..Around::default()
            },
            "10:00",
            "nothing was due at 10:00:00Z: the run before was due 09:00:00Z, the next 11:00:00Z",
        ),
        (
            Around { next: Some(run("11:00:00", "11:00:00", Some(1), None)), ..Around::default() },
            "10:00",
            "nothing is known of 10:00:00Z: the first run in the ledger was due 11:00:00Z",
        ),
        (
            Around::default(),
            "10:00",
            "nothing is known of 10:00:00Z: the ledger has no run of this cycle",
        ),
    ];
    for (around, minute, wanted) in cases {
        let from = at(&format!("{minute}:00"));
        let moment = Moment { from, to: from.plus(Duration::from_secs(59)) };
        assert_eq!(past(around, moment, Some(&idle()), now()), *wanted);
    }
}

#[test]
fn a_pause_that_has_not_ended_explains_what_was_not_told_yet() {
    let from = at("10:00:00");
    let paused = CycleStatus { pause: pause(None), ..idle() };
    let told = past(&Around::default(), Moment { from, to: from }, Some(&paused), now());
    let wanted = "no run at 10:00:00Z: paused by alice at 09:12:00Z (note: satellite maintenance)";
    assert_eq!(told, wanted);
}
