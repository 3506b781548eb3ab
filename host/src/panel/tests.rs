//! What the panel writes, as tables: the words, the pictures, and what stands out.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::words::{self, chore_path};
use super::{look, plot};
use crate::clock::Timestamp;
use crate::cycle::SkipReason;
use crate::record::{Entry, RunRecord, SkipRecord, Usage};
use crate::status::{ChoreStatus, CycleStatus, LastRun, Outcome, PeerStatus, RefusedFile};

/// 2026-01-02, at noon.
const NOW: Timestamp = Timestamp::from_nanos(1_767_355_200_000_000_000);

fn ago(seconds: u64) -> Timestamp {
    NOW.minus(Duration::from_secs(seconds))
}

fn failed() -> Outcome {
    Outcome::Failed { message: "<b>no</b>".into() }
}

fn run(number: u64, seconds_ago: u64, elapsed_ms: u64, outcome: Option<Outcome>) -> RunRecord {
    RunRecord {
        run: number,
        chore: "a".into(),
        cycle: "main".into(),
        version: "1.0.0".into(),
        digest: "ab".repeat(32),
        generation: 1,
        iteration: number,
        reason: "interval".into(),
        by: String::new(),
        due: ago(seconds_ago),
        slot: None,
        started: ago(seconds_ago),
        elapsed: outcome.as_ref().map(|_| Duration::from_millis(elapsed_ms)),
        outcome,
        usage: Usage::default(),
        log: Vec::new(),
        log_lines: 0,
        backtrace: Vec::new(),
    }
}

fn cycle() -> CycleStatus {
    CycleStatus {
        name: "main".into(),
        interval: "1m".into(),
        state: "idle".into(),
        iteration: 1,
        failures: 0,
        next: Some(NOW.plus(Duration::from_secs(30))),
        last: None,
        running_since: None,
        pause: None,
        backing_off_until: None,
        jitter: Duration::ZERO,
        overridden: false,
        overdue: None,
    }
}

#[test]
fn durations_are_as_exact_as_a_reader_needs() {
    for (millis, expected) in [
        (0, "0s"),
        (12, "12ms"),
        (1_000, "1s"),
        (1_520, "1.5s"),
        (59_999, "59s"),
        (60_000, "1m"),
        (192_000, "3m 12s"),
        (3_600_000, "1h"),
        (5_430_000, "1h 30m"),
        (90_000_000, "1d 1h"),
    ] {
        assert_eq!(words::duration(Duration::from_millis(millis)), expected);
    }
    assert_eq!(words::duration(Duration::from_micros(7)), "7µs");
}

#[test]
fn sizes_are_rounded() {
    for (bytes, expected) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1536, "1.5 KiB"),
        (64 << 20, "64 MiB"),
        (u64::MAX, "16777216 TiB"),
    ] {
        assert_eq!(words::size(bytes), expected);
    }
}

#[test]
fn moments_have_their_day_if_it_is_another() {
    for (at, text) in [(ago(60), ">11:59:00<"), (ago(86_400), ">2026-01-01 12:00:00<")] {
        let html = words::moment(at, NOW).into_string();
        assert!(html.contains(text), "{html}");
    }
    let soon = words::countdown(NOW.plus(Duration::from_secs(75)), NOW).into_string();
    assert!(soon.contains(">in 1m 15s<") && soon.contains("2026-01-02T12:01:15.000Z"), "{soon}");
    assert!(words::countdown(ago(5), NOW).into_string().contains(">now<"));
}

#[test]
fn a_file_with_any_name_has_an_address() {
    for (name, path) in [("a-b", "/chores/a-b"), ("../x y", "/chores/%2E%2E%2Fx%20y")] {
        assert_eq!(chore_path(name), path);
    }
}

#[test]
fn failures_stand_out_by_shape_and_in_words() {
    let runs = [
        run(3, 10, 50, Some(failed())),
        run(2, 20, 200, Some(Outcome::Succeeded)),
        run(1, 30, 0, None),
    ];
    let runs: Vec<&RunRecord> = runs.iter().collect();
    let label = plot::durations_label(&runs);
    assert_eq!(label, "last 3 runs: 1 failed, the longest took 200ms");
    let value = |run: &RunRecord| (run.elapsed.unwrap_or_default().as_secs_f64(), "x".to_owned());
    let html = plot::bars(&runs, 4, "spark", &label, value).into_string();
    assert_eq!(html.matches("class=\"column\"").count(), 1, "{html}");
    let newest =
        "<rect class=\"bad\" x=\"31\" y=\"75\" width=\"8\" height=\"25\"><title>run 3: failed, x";
    assert!(html.contains(newest), "{html}");
    assert!(
        html.contains("<rect class=\"busy\" x=\"11\" y=\"96\" width=\"8\" height=\"4\">"),
        "{html}"
    );
    assert!(html.contains(&format!("aria-label=\"{label}\"")), "{html}");
}

#[test]
fn a_lane_shows_runs_gaps_and_what_it_does_not_know() {
    let skip = SkipRecord {
        chore: "a".into(),
        cycle: "main".into(),
        first: ago(1200),
        last: ago(600),
        slots: 11,
        reason: SkipReason::Paused,
    };
    let entries = [
        Entry::Run(run(3, 60, 0, None)),
        Entry::Skip(skip),
        Entry::Run(run(2, 1800, 5, Some(failed()))),
        Entry::Run(run(1, 9000, 5, Some(Outcome::Succeeded))),
    ];
    let html = plot::lane(&entries, true, NOW).into_string();
    for part in [
        "<rect class=\"busy\" x=\"3540\" y=\"5\" width=\"60\"",
        "<rect class=\"bad\" x=\"1800\" y=\"0\" width=\"14\"",
        "<rect class=\"skip\" x=\"2400\" y=\"9\" width=\"600\"",
        "11 slots skipped from 2026-01-02T11:40:00Z: paused",
        "2 runs in the last hour, 1 failed, 11 slots skipped",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(!html.contains("run 1 ") && !html.contains("unknown"), "{html}");
    let cut = plot::lane(&entries[..3], false, NOW).into_string();
    assert!(cut.contains("<rect class=\"unknown\" x=\"0\" y=\"0\" width=\"1800\""), "{cut}");
}

#[test]
fn what_is_wrong_is_told_with_the_gravest_first() {
    let last = LastRun {
        run: 1,
        iteration: 1,
        reason: "interval".into(),
        started: ago(5),
        elapsed: Duration::ZERO,
        outcome: failed(),
        usage: Usage::default(),
    };
    let chore = |name: &str, cycle: CycleStatus| ChoreStatus {
        name: name.into(),
        state: "loaded".into(),
        cycles: vec![cycle],
        ..ChoreStatus::default()
    };
    let quarantined = RefusedFile {
        file: "b.wasm".into(),
        digest: String::new(),
        version: "2.0.0".into(),
        reason: "it failed".into(),
        quarantined: true,
    };
    let peer = PeerStatus {
        version: String::new(),
        node: String::new(),
        listen: String::new(),
        started: NOW,
        problem: "it is gone".into(),
        chores: vec![
            chore("a", cycle()),
            ChoreStatus { refused: Some(quarantined), ..chore("b", cycle()) },
            chore("c", CycleStatus { failures: 3, last: Some(last), ..cycle() }),
            chore("d", CycleStatus { overdue: Some(ago(61)), ..cycle() }),
            chore("e", CycleStatus { next: Some(ago(59)), ..cycle() }),
            ChoreStatus { state: "refused".into(), reason: "no".into(), ..chore("g", cycle()) },
        ],
    };
    let problems = look::problems(&peer, NOW);
    let told: Vec<_> = problems
        .iter()
        .map(|it| (it.word, it.chore.as_deref().unwrap_or(""), it.sentence.as_str()))
        .collect();
    let expected = [
        ("peer", "", "it is gone"),
        ("failing", "c", "Failed 3 times in a row: failed: <b>no</b>"),
        ("overdue", "d", "A run is overdue by 1m 1s"),
        ("refused", "g", "no"),
        ("quarantined", "b", "Version 2.0.0 does not take over: it failed"),
    ];
    assert_eq!(told, expected);
}
