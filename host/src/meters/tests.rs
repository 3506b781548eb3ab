//! What is counted is shown, under the right name, and not without end.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::time::Duration;

use super::catalogue::{CATALOGUE, CYCLE_OVERDUE, GUEST_PREFIX, Kind, PROCESS_CPU};
use super::*;
use crate::cycle::SkipReason;
use crate::limits::METRIC_CYCLES_MAX;
use crate::record::Usage;

fn label(key: &str, value: &str) -> Vec<(String, String)> {
    vec![(key.to_owned(), value.to_owned())]
}

fn end<'a>(outcome: &'static str, reason: &'a str) -> RunEnd<'a> {
    RunEnd {
        outcome,
        reason,
        elapsed: Duration::from_millis(30),
        late: Duration::from_millis(2),
        usage: Usage {
            cpu: Duration::from_micros(500),
            memory_bytes: 3 << 20,
            host_calls: 5,
            host_bytes: 700,
        },
    }
}

#[track_caller]
fn shows(text: &str, line: &str) {
    assert!(text.lines().any(|shown| shown == line), "no {line} in\n{text}");
}

fn of(chore: &str) -> Whose<'_> {
    Whose { chore, series_max: 20 }
}

#[test]
fn chores_count_under_their_own_name() {
    let meters = Meters::new();
    meters.count(of("sender"), "orders_total", label("status", "accepted"), 3);
    meters.count(of("sender"), "orders_total", label("chore", "other"), 1);
    meters.gauge(of("sender"), "waiting", vec![], 2.0);
    meters.observe(of("sender"), "size", vec![], 3.0);
    let text = meters.render(&[]);
    shows(&text, r#"chore_orders_total{chore="sender",status="accepted"} 3"#);
    shows(&text, r#"chore_orders_total{chore="sender"} 1"#);
    shows(&text, r#"chore_waiting{chore="sender"} 2"#);
    shows(&text, r#"chore_size_bucket{chore="sender",le="+Inf"} 1"#);
}

#[test]
fn a_chore_cannot_make_series_without_end() {
    let meters = Meters::new();
    for i in 0..30 {
        let counted = meters.count(of("greedy"), "n", label("i", &i.to_string()), 1);
        assert_eq!(counted, if i < 20 { Counted::Kept } else { Counted::TooMany }, "{i}");
    }
    assert_eq!(meters.count(of("greedy"), "n", label("i", "0"), 1), Counted::Kept);
    assert_eq!(meters.gauge(of("greedy"), "n", label("i", "0"), 1.0), Counted::Refused);
    // What a config raises holds at once.
    let more = Whose { chore: "greedy", series_max: 21 };
    assert_eq!(meters.count(more, "n", label("i", "20"), 1), Counted::Kept);
    meters.count(of("modest"), "n", vec![], 1);
    let text = meters.render(&[]);
    assert_eq!(text.matches(r#"chore_n{chore="greedy""#).count(), 21);
    shows(&text, r#"chore_n{chore="greedy",i="0"} 2"#);
    shows(&text, r#"chore_n{chore="modest"} 1"#);
    shows(&text, r#"peer_guest_metrics_refused_total{chore="greedy"} 11"#);
}

/// Whatever a guest calls its metrics, they are never the peer's, and no series is there twice.
#[test]
fn names_of_chores_are_cleaned() {
    let two = |first: (&str, &str), second: (&str, &str)| {
        [first, second].map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
    };
    let meters = Meters::new();
    meters.count(of("a"), "runs_total", vec![], 1);
    meters.count(of("a"), "so-me.name", vec![], 1);
    meters.count(of("a"), "so_me_name", vec![], 1);
    meters.count(of("a"), "x\n# TYPE peer_runs_total gauge", vec![], 1);
    meters.count(of("a"), "labels", two(("b", "1"), ("a", "2")), 1);
    meters.count(of("a"), "labels", two(("a", "2"), ("b", "1")), 1);
    meters.count(of("a"), "reserved", two(("le", "1"), ("__name__", "peer_runs_total")), 1);
    meters.gauge(of("a"), "labels", vec![], 7.0);
    let text = meters.render(&[]);
    shows(&text, r#"chore_runs_total{chore="a"} 1"#);
    shows(&text, r#"chore_so_me_name{chore="a"} 2"#);
    shows(&text, r#"chore_labels{chore="a",a="2",b="1"} 2"#);
    shows(&text, r#"chore_reserved{chore="a"} 1"#);
    shows(&text, r#"peer_guest_metrics_refused_total{chore="a"} 1"#);
    assert!(!text.lines().any(|line| line.starts_with("peer_runs_total")), "{text}");
    assert!(CATALOGUE.iter().all(|metric| !metric.name.starts_with(GUEST_PREFIX)));
}

#[test]
fn runs_are_counted_and_measured() {
    let meters = Meters::new();
    meters.run_ended("sender", "main", &end("succeeded", "interval"));
    meters.run_ended("sender", "main", &end("succeeded", "interval"));
    meters.run_ended("sender", "main", &end("failed", "trigger"));
    meters.slots_skipped("sender", "main", SkipReason::Paused, 4);
    meters.changed("sender", "went-back");
    let text = meters.render(&[]);
    for line in [
        r#"peer_runs_total{chore="sender",cycle="main",outcome="succeeded",reason="interval"} 2"#,
        r#"peer_runs_total{chore="sender",cycle="main",outcome="failed",reason="trigger"} 1"#,
        r#"peer_run_duration_seconds_bucket{chore="sender",cycle="main",le="0.025"} 0"#,
        r#"peer_run_duration_seconds_bucket{chore="sender",cycle="main",le="0.1"} 3"#,
        r#"peer_run_lateness_seconds_count{chore="sender",cycle="main"} 3"#,
        r#"peer_run_memory_bytes_bucket{chore="sender",cycle="main",le="4194304"} 3"#,
        r#"peer_host_calls_total{chore="sender"} 15"#,
        r#"peer_host_bytes_total{chore="sender"} 2100"#,
        r#"peer_skipped_slots_total{chore="sender",cycle="main",reason="paused"} 4"#,
        r#"peer_changes_total{chore="sender",kind="went-back"} 1"#,
        "# TYPE peer_run_duration_seconds histogram",
    ] {
        shows(&text, line);
    }
}

#[test]
fn cycles_without_end_share_one_series() {
    let meters = Meters::new();
    for i in 0..METRIC_CYCLES_MAX + 10 {
        meters.run_ended("busy", &i.to_string(), &end("succeeded", "interval"));
    }
    let text = meters.render(&[]);
    let counts = text.lines().filter(|line| line.starts_with("peer_runs_total{")).count();
    assert_eq!(counts, METRIC_CYCLES_MAX + 1);
    let others = r#"peer_runs_total{chore="busy",cycle="(others)",outcome="succeeded",reason="interval"} 10"#;
    shows(&text, others);
}

#[test]
fn samples_are_shown_as_they_are() {
    let samples = [
        Sample::new(CYCLE_OVERDUE, &["a\"b\\c\nd", "main"], 1.5),
        Sample::count(PROCESS_CPU, &[], 7),
    ];
    let text = Meters::new().render(&samples);
    shows(&text, r#"peer_cycle_overdue_seconds{chore="a\"b\\c\nd",cycle="main"} 1.5"#);
    shows(&text, "process_cpu_seconds_total 7");
    shows(&text, "# TYPE process_cpu_seconds_total counter");
}

/// The field's conventions.
#[test]
fn names_say_their_units() {
    let names: BTreeSet<&str> = CATALOGUE.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), CATALOGUE.len(), "a name is there twice");
    for metric in CATALOGUE {
        let name = metric.name;
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        assert!(!name.contains("millis") && !name.ends_with("_ms"), "{name}");
        assert!(metric.help.ends_with('.'), "{name}");
        if metric.kind == Kind::Histogram {
            assert!(name.ends_with("_seconds") || name.ends_with("_bytes"), "{name}");
        }
    }
}
