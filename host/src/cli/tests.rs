//! What is typed, and what is printed for it.

#![allow(clippy::unwrap_used)]

use clap::CommandFactory;

use super::show::*;
use super::*;
use crate::clock::Timestamp;
use crate::record::Usage;
use crate::status::{
    Build, Change, ChangeKind, ChoreStatus, CycleStatus, LastRun, Outcome, Phase, RefusedFile,
    SignatureStatus,
};

const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn what_is_typed_is_understood_or_refused() {
    let table = [
        ("setup", true),
        ("run --home /x", true),
        ("--home /x --json ls", true),
        ("ls --json", true),
        ("status sender --json", true),
        ("status", false),
        ("trigger sender --cycle main --wait", true),
        ("trigger", false),
        ("trigger sender --wiat", false),
        ("pause sender --cycle main", true),
        ("pause order-* --for 2h", true),
        ("pause --all", true),
        ("pause sender --all", false),
        ("pause", false),
        ("interval sender 10m", true),
        ("interval --all 10m", true),
        ("interval 10m", false),
        ("interval sender", false),
        ("interval sender --cycle main 10m --by bob", true),
        ("interval --all --cycle main 10m", true),
        ("interval --all sender 10m", false),
        ("reload", true),
        ("reload --all --force", true),
        ("unload --all", true),
        ("go-back", false),
        ("token new alice", true),
        ("token revoke alice --json", true),
        ("token ls", true),
        ("token", false),
        ("restart sender", true),
        ("cancel sender", true),
        ("orders unsent --limit 5 --json", true),
        ("orders unsent --limit 0", false),
        ("orders unsent --limit 10001", false),
        ("orders archived", true),
        ("orders count", true),
        ("orders", false),
        ("new hello", true),
        ("new hello --template periodic-report", true),
        ("new hello --lang python --template blank", true),
        ("new hello --lang cobol", false),
        ("new my_chore", false),
        ("new hello --template other", false),
        ("build", true),
        ("build chores/order-sender --home /x --json", true),
        ("check hello.wasm", true),
        ("check", false),
        ("demo", true),
        ("demo --orders 100 --forged 3 --satellites 2 --json --chore x.wasm", true),
        ("demo --forged 3", false),
        ("demo --polyglot --json --chores-from x", true),
        ("demo --polyglot --orders 5", false),
        ("demo --chores-from x", false),
        ("demo --orders 0", false),
        ("demo --orders many", false),
        ("demo --satellites 0", false),
        ("version --json", true),
        ("explode", false),
        ("", false),
    ];
    for (line, understood) in table {
        let parsed = Cli::try_parse_from(std::iter::once("chore").chain(line.split_whitespace()));
        assert_eq!(parsed.is_ok(), understood, "{line}");
        if let Err(err) = parsed {
            assert_eq!(err.exit_code(), 2, "{line}");
        }
    }
}

#[test]
fn an_empty_home_is_no_answer() {
    let default = home(None).unwrap();
    assert_eq!(home(Some(PathBuf::new())).unwrap().root(), default.root());
    assert_eq!(home(Some("/x".into())).unwrap().root(), PathBuf::from("/x"));
}

#[test]
fn authors_are_told_of_a_home_that_is_typed() {
    let table =
        [("check a.wasm", false), ("check a.wasm --home /x", true), ("--home /x build", true)];
    for (line, typed) in table {
        let words = std::iter::once("chore").chain(line.split_whitespace()).map(OsString::from);
        let cli = parse(words).unwrap();
        assert_eq!(peer(cli.home, cli.home_is_typed).is_some(), typed, "{line}");
    }
    assert!(peer(Some("/from/the/environment".into()), false).is_none());
}

#[test]
fn times_are_told_from_now() {
    let seconds = |seconds: u64| Duration::from_secs(seconds);
    let table = [
        (NOW, "now"),
        (NOW.plus(Duration::from_millis(900)), "now"),
        (NOW.plus(seconds(5)), "in 5s"),
        (NOW.plus(seconds(250)), "in 4m 10s"),
        (NOW.minus(seconds(7_385)), "2h 3m ago"),
        (NOW.minus(seconds(86_400 * 3)), "3days ago"),
        (Timestamp::MAX, "in 238years 4months"),
    ];
    for (time, expected) in table {
        assert_eq!(relative(time, NOW), expected);
    }
}

#[test]
fn durations_have_a_unit_that_fits() {
    let table = [
        (Duration::from_micros(850), "850µs"),
        (Duration::from_micros(12_345), "12ms"),
        (Duration::from_millis(3_210), "3.2s"),
        (Duration::from_secs(250), "4m 10s"),
    ];
    for (duration, expected) in table {
        assert_eq!(elapsed(duration), expected);
    }
}

#[test]
fn a_guests_words_do_not_move_the_cursor() {
    assert_eq!(plain("a\u{1b}[2Jb\nc\td é"), "a\\u{1b}[2Jb\\nc\\td é");
}

#[test]
fn what_is_overdue_is_said() {
    let mut all = sample();
    all[0].cycles[0].overdue = Some(NOW.minus(Duration::from_secs(303)));
    let late = "5m 3s: a run should have begun, and nothing is in its way";
    let (table, one) = (chores(&all, NOW), chore(&all[0], NOW));
    assert!(table.contains(&format!("\nsender: main is overdue for {late}")), "{table}");
    assert!(one.contains(&format!("overdue    for {late}")), "{one}");
}

fn cycle(name: &str, last: Option<LastRun>) -> CycleStatus {
    CycleStatus {
        name: name.into(),
        interval: "1h".into(),
        state: "idle".into(),
        iteration: 7,
        failures: 0,
        next: last.is_some().then(|| NOW.plus(Duration::from_secs(60))),
        last,
        running_since: None,
        pause: None,
        backing_off_until: None,
        jitter: Duration::ZERO,
        overridden: false,
        overdue: None,
    }
}

fn last(outcome: Outcome) -> LastRun {
    LastRun {
        run: 3,
        iteration: 7,
        reason: "interval".into(),
        started: NOW.minus(Duration::from_secs(62)),
        elapsed: Duration::from_secs(2),
        outcome,
        usage: Usage::default(),
    }
}

fn sample() -> Vec<ChoreStatus> {
    let failed = Outcome::Failed { message: "no\nroute".into() };
    let loaded = ChoreStatus {
        name: "sender".into(),
        state: "loaded".into(),
        reason: String::new(),
        digest: "0123456789abcdef".repeat(4),
        version: "1.0.0".into(),
        generation: 3,
        watched_runs_left: 2,
        about: "sends orders".into(),
        grants: ["log", "orders:settle", "transport:a", "transport:b"].map(str::to_owned).to_vec(),
        cycles: vec![cycle("main", Some(last(failed))), cycle("clean", None)],
        refused: Some(RefusedFile {
            file: "sender.wasm".into(),
            digest: "fedcba9876543210".repeat(4),
            version: "1.1.0".into(),
            reason: "its open failed: no\x07".into(),
            quarantined: false,
        }),
        signature: Some(SignatureStatus {
            signed: true,
            key: "DC38F8D710E9BB71".into(),
            comment: "timestamp:1\tfile:a\x07".into(),
        }),
    };
    let refused = ChoreStatus {
        name: "bad".into(),
        state: "refused".into(),
        reason: "it needs \"orders\": add grants = [\"orders\"] to bad.toml".into(),
        digest: String::new(),
        version: String::new(),
        generation: 0,
        watched_runs_left: 0,
        about: String::new(),
        grants: vec![],
        cycles: vec![],
        refused: None,
        signature: None,
    };
    vec![loaded, refused]
}

#[test]
fn the_table_of_chores() {
    let expected = "\
NAME    STATE    VERSION  GEN  DIGEST        GRANTS                            CYCLE  INTERVAL  NOW   LAST           NEXT
sender  loaded   1.0.0    3    0123456789ab  orders:settle,transport(2 nodes)  main   1h        idle  failed 1m ago  in 1m
                                                                               clean  1h        idle  -              -
bad     refused  -        -    -             -                                 -      -         -     -              -

sender: sender.wasm (1.1.0, fedcba987654) is refused: its open failed: no\\u{7}
sender: new, the next 2 runs are watched: if one fails, the last good version is gone back to
bad: it needs \"orders\": add grants = [\"orders\"] to bad.toml";
    assert_eq!(chores(&sample(), NOW), expected);
}

#[test]
fn one_chore_in_full() {
    let expected = "\
sender is loaded
  about      sends orders
  version    1.0.0
  digest     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
  generation 3
  watched    new, the next 2 runs are watched
  grants     log, orders:settle, transport:a, transport:b
  signature  by key DC38F8D710E9BB71: timestamp:1, file:a\\u{7}
  refused    sender.wasm (1.1.0, fedcba987654) is refused: its open failed: no\\u{7}

cycle main is idle
  interval   1h
  runs       7
  failures   0 since the last success
  next       in 1m (2023-11-14T22:14:20Z)
  last       run 3, 1m 2s ago (2023-11-14T22:12:18Z)
             failed after 2.0s: no\\nroute

cycle clean is idle
  interval   1h
  runs       7
  failures   0 since the last success";
    assert_eq!(chore(&sample()[0], NOW), expected);
}

#[test]
fn the_json_of_chores() {
    let sample = sample();
    let json = serde_json::to_value(&sample).unwrap();
    assert_eq!(json[0]["name"], "sender");
    assert_eq!(json[0]["state"], "loaded");
    assert_eq!(json[0]["digest"].as_str().unwrap().len(), 64);
    let expected = serde_json::json!({
        "name": "main", "interval": "1h", "state": "idle", "iteration": 7, "failures": 0,
        "next": "2023-11-14T22:14:20.000000000Z",
        "running_since": null, "pause": null, "backing_off_until": null, "overridden": false,
        "jitter_seconds": 0.0, "overdue": null,
        "last": {
            "run": 3, "outcome": "failed", "message": "no\nroute", "iteration": 7, "reason": "interval",
            "started": "2023-11-14T22:12:18.000000000Z", "elapsed_seconds": 2.0,
            "cpu_seconds": 0.0, "memory_bytes": 0,
            "host_calls": 0, "host_bytes": 0,
        },
    });
    assert_eq!(json[0]["cycles"][0], expected);
    assert_eq!((&json[0]["generation"], &json[0]["watched_runs_left"]), (&3.into(), &2.into()));
    assert_eq!(json[0]["refused"]["version"], "1.1.0");
    assert_eq!(json[1]["refused"], serde_json::Value::Null);
    assert_eq!(json[0]["cycles"][1]["last"], serde_json::Value::Null);
    assert_eq!(json[0]["cycles"][1]["next"], serde_json::Value::Null);
    assert_eq!(json[1]["state"], "refused");
    assert!(json[1]["reason"].as_str().unwrap().contains("bad.toml"));
    assert_eq!(json[1]["cycles"], serde_json::json!([]));
}

#[test]
fn errors_are_told_with_what_caused_them() {
    let source = std::io::Error::other("disk on fire");
    let err = Error::File { operation: "write", path: "/x/chore.toml".into(), source };
    assert_eq!(chain(&err), "write /x/chore.toml: disk on fire");
    let err = Error::NotSetUp("/x".into());
    assert_eq!(err.to_string(), "/x holds no peer: make one with `chore --home /x setup`");
}

#[test]
fn one_line_for_each_change() {
    let build = |version: &str, digit: &str| {
        Some(Build { version: version.into(), digest: digit.repeat(64) })
    };
    let phase =
        |name: &str, micros| Phase { name: name.into(), elapsed: Duration::from_micros(micros) };
    let (old, new) = (build("1.0.0", "a"), build("1.1.0", "b"));
    for (kind, from, to, reason, expected) in [
        (
            ChangeKind::Loaded,
            None,
            new.clone(),
            "",
            "sender: loaded 1.1.0 (bbbbbbbbbbbb), generation 4 in 94ms: compile (cache) 93ms",
        ),
        (
            ChangeKind::Replaced,
            old.clone(),
            new.clone(),
            "",
            "sender: 1.0.0 (aaaaaaaaaaaa) -> 1.1.0 (bbbbbbbbbbbb), generation 4 in 94ms: compile \
             (cache) 93ms",
        ),
        (
            ChangeKind::WentBack,
            new.clone(),
            old.clone(),
            "run 9 of main trapped: no",
            "sender: went back: 1.1.0 (bbbbbbbbbbbb) -> 1.0.0 (aaaaaaaaaaaa), generation 4 in \
             94ms: compile (cache) 93ms: run 9 of main trapped: no",
        ),
        (
            ChangeKind::Refused,
            None,
            old.clone(),
            "it is\nempty",
            "sender: refused, 1.0.0 (aaaaaaaaaaaa) goes on: it is\\nempty",
        ),
        (ChangeKind::Refused, None, None, "it is empty", "sender: refused: it is empty"),
        (ChangeKind::Unloaded, old.clone(), None, "", "sender: unloaded"),
        (ChangeKind::Unchanged, old.clone(), old, "", "sender: unchanged 1.0.0 (aaaaaaaaaaaa)"),
    ] {
        let phases = vec![phase("read", 900), phase("compile (cache)", 93_100)];
        let (chore, reason) = ("sender".into(), reason.into());
        let change = Change { chore, kind, from, to, generation: 4, phases, reason };
        assert_eq!(super::change::line(&change), expected);
    }
}
