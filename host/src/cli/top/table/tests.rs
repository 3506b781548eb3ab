//! What is drawn, in which order, and what fits.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::record::Usage;
use crate::status::{LastRun, Outcome};

const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn cycle(next: u64, took: u64, failures: u32) -> CycleStatus {
    let outcome = match failures {
        0 => Outcome::Succeeded,
        _ => Outcome::Failed { message: "no".into() },
    };
    let last = LastRun {
        run: 1,
        iteration: 7,
        reason: "interval".into(),
        started: NOW.minus(seconds(100 + took)),
        elapsed: seconds(took),
        outcome,
        usage: Usage {
            cpu: seconds(took) / 2,
            memory_bytes: took * 1024 * 1024,
            ..Usage::default()
        },
    };
    CycleStatus {
        name: "main".into(),
        interval: "1h".into(),
        state: "idle".into(),
        iteration: 7,
        failures,
        next: Some(NOW.plus(seconds(next))),
        last: Some(last),
        running_since: None,
        pause: None,
        backing_off_until: None,
        jitter: Duration::ZERO,
        overdue: None,
        overridden: false,
    }
}

fn peer() -> PeerStatus {
    let chore = |name: &str, cycles: Vec<CycleStatus>| ChoreStatus {
        name: name.into(),
        state: if cycles.is_empty() { "refused".into() } else { "loaded".into() },
        cycles,
        ..ChoreStatus::default()
    };
    PeerStatus {
        version: "0.1.0".into(),
        node: "node".into(),
        listen: String::new(),
        started: NOW.minus(seconds(7_200)),
        problem: String::new(),
        chores: vec![
            chore("a", vec![cycle(60, 2, 0)]),
            chore("b", vec![cycle(30, 4, 3)]),
            chore("c", vec![]),
            chore("d", vec![cycle(90, 8, 0)]),
        ],
    }
}

fn drawn(sort: Sort, reversed: bool, size: (usize, usize)) -> Vec<String> {
    let frame = frame(&peer(), "", View { sort, reversed }, size, NOW);
    frame.lines().map(str::to_owned).collect()
}

#[test]
fn the_whole_screen() {
    let expected = "\
chore 0.1.0, started 2h ago; chores: 4, not loaded: 1, failing cycles: 1; by name
CHORE  CYCLE  STATE    RUNS  FAILED  LAST                  TOOK  CPU   MEMORY   NEXT
a      main   idle     7     0       succeeded 1m 40s ago  2.0s  1.0s  2.0 MiB  in 1m
b      main   idle     7     3       failed 1m 40s ago     4.0s  2.0s  4.0 MiB  in 30s
c      -      refused  -     -       -                     -     -     -        -
d      main   idle     7     0       succeeded 1m 40s ago  8.0s  4.0s  8.0 MiB  in 1m 30s

sort: n name, s state, x next, l last, t took, c cpu, m memory; r reverses, q quits";
    assert_eq!(drawn(Sort::Name, false, (200, 8)).join("\n"), expected);
}

#[test]
fn every_order_has_a_key() {
    let names = |sort, reversed| -> String {
        let lines = drawn(sort, reversed, (200, 24));
        lines[2..6].iter().map(|line| line.chars().next().unwrap()).collect()
    };
    for (letter, sort, expected) in [
        ('n', Sort::Name, "abcd"),
        ('s', Sort::State, "cbad"),
        ('x', Sort::Next, "badc"),
        ('l', Sort::Last, "abdc"),
        ('t', Sort::Took, "dbac"),
        ('c', Sort::Cpu, "dbac"),
        ('m', Sort::Memory, "dbac"),
    ] {
        assert_eq!(Sort::of(letter), Some(sort), "{letter}");
        assert_eq!(names(sort, false), expected, "{letter}");
    }
    assert_eq!(names(Sort::Name, true), "dcba");
    assert_eq!(Sort::of('q'), None);
}

#[test]
fn what_does_not_fit_is_cut_and_said() {
    for size in [(20, 5), (1, 1), (80, 2), (500, 100)] {
        let lines = drawn(Sort::Name, false, size);
        assert!(lines.len() <= size.1.max(3), "{size:?}: {lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= size.0), "{size:?}: {lines:?}");
    }
    assert!(drawn(Sort::Name, false, (200, 5))[4].starts_with("3 more lines; sort:"));
    let told =
        frame(&peer(), "it is gone", View { sort: Sort::Name, reversed: false }, (200, 9), NOW);
    assert!(told.lines().next().unwrap().ends_with("| it is gone"), "{told}");
}

#[test]
fn what_is_overdue_comes_first_and_is_counted() {
    let mut peer = peer();
    let [overdue, hanging] = [0, 3].map(|chore| peer.chores[chore].cycles[0].clone());
    let since = Some(NOW.minus(seconds(125)));
    peer.chores[0].cycles = vec![CycleStatus { overdue: since, ..overdue }];
    let (state, running_since) = ("running".to_owned(), Some(NOW.minus(seconds(300))));
    peer.chores[3].cycles = vec![CycleStatus { overdue: since, state, running_since, ..hanging }];
    let frame = frame(&peer, "", View { sort: Sort::State, reversed: false }, (200, 9), NOW);
    let lines: Vec<&str> = frame.lines().collect();
    let head = "chore 0.1.0, started 2h ago; chores: 4, not loaded: 1, failing cycles: 1, overdue: 2; by state";
    assert_eq!(lines[0], head);
    for (line, chore, shown) in [
        (2, "a ", "overdue 2m 5s, idle"),
        (3, "d ", "overdue 2m 5s, running 5m"),
        (4, "c ", "refused"),
        (5, "b ", "idle"),
    ] {
        assert!(lines[line].starts_with(chore) && lines[line].contains(shown), "{frame}");
    }
    assert!(crate::cli::ink::coloured(&frame).contains("\u{1b}[31moverdue\u{1b}[0m 2m 5s, idle"));
}
