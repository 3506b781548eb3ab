//! What status looks like in JSON, and that what earlier versions saved is still read.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;
use crate::record::{Entry, RunRecord};

fn run() -> LastRun {
    LastRun {
        run: 3,
        iteration: 7,
        reason: "trigger".into(),
        started: Timestamp::from_nanos(1_700_000_000_123_456_789),
        elapsed: Duration::from_nanos(12_000_001),
        outcome: Outcome::Failed { message: "no".into() },
        usage: Usage { cpu: Duration::from_millis(3), memory_bytes: 9, ..Usage::default() },
    }
}

#[test]
fn a_run_has_words_seconds_and_rfc_3339() {
    let text = serde_json::to_value(run()).unwrap();
    let expected = json!({
        "run": 3, "iteration": 7, "reason": "trigger",
        "started": "2023-11-14T22:13:20.123456789Z", "elapsed_seconds": 0.012000001,
        "outcome": "failed", "message": "no", "cpu_seconds": 0.003, "memory_bytes": 9,
        "host_calls": 0, "host_bytes": 0,
    });
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_value::<LastRun>(text).unwrap(), run());
}

#[test]
fn a_run_in_progress_says_so() {
    let mut record = RunRecord {
        run: 3,
        chore: "a".into(),
        cycle: "main".into(),
        version: "1".into(),
        digest: "ab".into(),
        generation: 1,
        iteration: 7,
        reason: "start".into(),
        by: String::new(),
        due: Timestamp::from_nanos(1),
        slot: None,
        started: Timestamp::from_nanos(2),
        elapsed: None,
        outcome: None,
        usage: Usage::default(),
        log: vec!["INFO hello".into()],
        log_lines: 1,
        backtrace: Vec::new(),
    };
    for (elapsed, outcome, word) in [
        (None, None, "running"),
        (Some(Duration::from_millis(5)), Some(Outcome::Succeeded), "succeeded"),
        (None, Some(Outcome::Interrupted { message: "x".into() }), "interrupted"),
    ] {
        (record.elapsed, record.outcome) = (elapsed, outcome);
        let entry = Entry::Run(record.clone());
        let text = serde_json::to_value(&entry).unwrap();
        assert_eq!((&text["kind"], &text["outcome"]), (&json!("run"), &json!(word)));
        assert_eq!(serde_json::from_value::<Entry>(text).unwrap(), entry);
    }
}

#[test]
fn what_earlier_versions_saved_is_read() {
    let saved = r#"{"run":3,"iteration":7,"reason":"trigger","started":1700000000123456789,
        "elapsed":{"secs":0,"nanos":12000001},"outcome":{"kind":"failed","message":"no"},
        "usage":{"cpu":{"secs":0,"nanos":3000000},"memory_bytes":9}}"#;
    assert_eq!(serde_json::from_str::<LastRun>(saved).unwrap(), run());
    let older = r#"{"iteration":7,"reason":"start","started":5,
        "elapsed":{"secs":1,"nanos":0},"outcome":{"kind":"succeeded"}}"#;
    let older: LastRun = serde_json::from_str(older).unwrap();
    assert_eq!((older.run, older.outcome, older.usage.memory_bytes), (0, Outcome::Succeeded, 0));
}

#[test]
fn what_is_no_duration_or_outcome_is_refused() {
    let text = serde_json::to_value(run()).unwrap();
    for (key, value) in [
        ("elapsed_seconds", json!(-1)),
        ("elapsed_seconds", json!("1s")),
        ("elapsed_seconds", json!(1e300)),
        ("outcome", json!("exploded")),
        ("started", json!("yesterday")),
        ("started", json!(1.5)),
    ] {
        let mut wrong = text.clone();
        wrong[key] = value.clone();
        assert!(serde_json::from_value::<LastRun>(wrong).is_err(), "{key}: {value}");
    }
}
