//! Manifests alone, and joined with descriptors.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::cycle::{Backoff, GiveUp, GiveUpHow};
use crate::descriptor::{CycleSpec, Descriptor, SettingKind, SettingSpec};
use crate::name::ChoreName;

const FULL: &str = r#"
grants = ["orders", "kademlia", "transport"]

[cycles.main]
interval = "30s"
timeout = "10m"
start = "resume"
jitter = "5s"

[cycles.clean]
interval = "off"

[limits]
memory = "128MiB"
grace = "20s"

[failure]
policy = "pause"
after = 5
backoff-first = "1s"
backoff-max-multiple = 4

[settings]
batch = 100
share = 0.25
verbose = true
wait = "1h 30m"
buffer = "2048 KiB"
token = "hunter2"
"#;

fn descriptor() -> Descriptor {
    let cycle = |name: &str, delay_start| CycleSpec {
        name: name.into(),
        help: String::new(),
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(600),
        delay_start,
    };
    let setting = |name: &str, kind, default: Option<&str>| SettingSpec {
        name: name.into(),
        help: format!("Help of {name}.\nMore."),
        kind,
        default: default.map(str::to_owned),
    };
    let descriptor = Descriptor {
        name: "sender".into(),
        version: "1.0.0".into(),
        cycles: vec![cycle("main", false), cycle("clean", true)],
        settings: vec![
            setting("batch", SettingKind::Integer, Some("500")),
            setting("share", SettingKind::Number, Some("0.5")),
            setting("verbose", SettingKind::Boolean, Some("false")),
            setting("wait", SettingKind::Duration, Some("90s")),
            setting("buffer", SettingKind::Size, Some("")),
            setting("label", SettingKind::Text, Some("")),
            setting("token", SettingKind::Secret, None),
        ],
        ..Descriptor::default()
    };
    descriptor.check(&ChoreName::new("sender").unwrap()).unwrap();
    descriptor
}

fn resolve(text: &str) -> Result<Resolved, Vec<String>> {
    let manifest = Manifest::parse(text, "sender.toml").map_err(|err| vec![err.to_string()])?;
    let resolved = manifest.resolve(&descriptor(), &Chores::default());
    resolved.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

fn seconds(seconds: u64) -> Interval {
    Interval::every(Duration::from_secs(seconds)).unwrap()
}

#[test]
fn what_the_operator_writes_comes_first() {
    let found = resolve(FULL).unwrap();
    let main = ResolvedCycle {
        name: "main".into(),
        interval: seconds(30),
        timeout: Duration::from_secs(600),
        start: Start::Resume,
        jitter_max: Duration::from_secs(5),
    };
    assert_eq!(found.cycles[0], main);
    assert_eq!(found.cycles[1].interval, Interval::Off);
    assert_eq!(found.cycles[1].start, Start::Delay);
    let peers = Chores::default().limits;
    let limits = Limits { memory: 128 << 20, grace: Duration::from_secs(20), ..peers };
    assert_eq!(found.limits, limits);
    assert_eq!(found.limits_asked, [Limit::Memory, Limit::Grace]);
    let backoff = Backoff { first: Duration::from_secs(1), interval_multiple_max: 4 };
    assert_eq!(found.backoff, backoff);
    assert_eq!(found.give_up, Some(GiveUp { after: 5, how: GiveUpHow::Pause }));
    assert_eq!(found.grants.texts(), ["orders", "kademlia", "transport"]);
    let settings: Vec<_> = found.settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let expected = [
        "batch=100",
        "share=0.25",
        "verbose=true",
        "wait=1h30m",
        "buffer=2MiB",
        "label=",
        "token=hunter2",
    ];
    assert_eq!(settings, expected);
}

#[test]
fn a_failure_policy_is_back_off_and_what_comes_after_it() {
    let first = |seconds| Duration::from_secs(seconds);
    for (policy, wanted) in [
        ("", (first(10), None)),
        ("keep", (first(0), None)),
        ("back-off", (first(10), None)),
        ("pause", (first(10), Some(GiveUp { after: 3, how: GiveUpHow::Pause }))),
        ("stop-peer", (first(10), Some(GiveUp { after: 3, how: GiveUpHow::StopPeer }))),
    ] {
        let line = if policy.is_empty() { "" } else { &format!("failure.policy = \"{policy}\"") };
        let found = resolve(&format!("settings.token = 7\n{line}")).unwrap();
        assert_eq!((found.backoff.first, found.give_up), wanted, "{policy:?}");
    }
}

#[test]
fn else_the_chore_decides_and_else_the_peer() {
    let found = resolve("settings.token = 7").unwrap();
    assert_eq!(found.cycles[0].interval, seconds(60));
    assert_eq!(found.cycles[0].timeout, Duration::from_secs(600));
    assert_eq!((found.cycles[0].start, found.cycles[1].start), (Start::Now, Start::Delay));
    assert_eq!(found.cycles[0].jitter_max, Duration::ZERO);
    let defaults = Chores::default();
    assert_eq!((found.limits, found.limits_asked), (defaults.limits, vec![]));
    assert_eq!(found.backoff.first, defaults.failure.backoff_first);
    assert!(found.grants.is_empty());
    let settings: Vec<_> = found.settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
    // `buffer` may be left out and was; an empty text is a text.
    let expected = ["batch=500", "share=0.5", "verbose=false", "wait=1m30s", "label=", "token=7"];
    assert_eq!(settings, expected);
}

#[test]
fn schedules_carry_all_of_it() {
    let found = resolve(FULL).unwrap();
    let schedules = found.schedules(|cycle| cycle.len() as u64);
    assert_eq!(schedules.len(), 2);
    let (name, main) = &schedules[0];
    assert_eq!((name.as_str(), main.jitter_seed, main.interval), ("main", 4, seconds(30)));
    assert_eq!((main.grace, main.backoff), (found.limits.grace, found.backoff));
    assert_eq!((main.start, main.jitter_max), (Start::Resume, Duration::from_secs(5)));
    assert_eq!((main.timeout, schedules[1].1.jitter_seed), (Duration::from_secs(600), 5));
    let added = found.added_schedule(9);
    assert_eq!((added.jitter_seed, added.grace, added.start), (9, found.limits.grace, Start::Now));
}

#[test]
fn a_wrong_file_is_explained() {
    for (text, expected) in [
        (
            "grant = []",
            "sender.toml:1:1: unknown key \"grant\" before the first section: did you mean \"grants\"? (line: grant = ...)",
        ),
        ("grants = [\"ordres\"]", "unknown grant \"ordres\": did you mean \"orders\"?"),
        (
            "grants = \"orders\"",
            "grants must be a list of names: write [\"...\"] (the default is [])",
        ),
        ("grants = [1]", "grants must be a list of names"),
        (
            "\n[cycles.main]\nintervall = \"5s\"",
            "sender.toml:3:1: unknown key \"intervall\" in [cycles.main]: did you mean \"interval\"? (line: intervall = ...)",
        ),
        (
            "[cycles.main]\ninterval = 30",
            "cycles.main.interval must be a duration, or \"off\": \"30\" has no unit: write \"30s\"",
        ),
        ("[cycles.main]\ninterval = \"0s\"", "cannot use interval 0s"),
        ("[cycles.main]\ninterval = \"of\"", "is not a duration"),
        (
            "[cycles.main]\ntimeout = \"0s\"",
            "cycles.main.timeout must be a duration from 1ms to 168h: this is outside",
        ),
        ("[cycles.main]\ntimeout = \"18446744073709551615s 500ms 500ms\"", "is too large"),
        (
            "[cycles.main]\nstart = \"nov\"",
            "must be one of \"now\", \"delay\", \"resume\": \"nov\": did you mean \"now\"?",
        ),
        (
            "[cycles]\ninterval = \"5s\"",
            "unknown key \"interval\" in [cycles]: it belongs in [cycles.main]",
        ),
        (
            "interval = \"5s\"",
            "unknown key \"interval\" before the first section: it belongs in [cycles.main]",
        ),
        ("cycles = 1", "cycles is a section: write [cycles]"),
        (
            "[limits]\nmemory = \"1KiB\"",
            "limits.memory must be a size from 1MiB to 4GiB: this is outside (the default is \"64MiB\")",
        ),
        (
            "[limits]\nmetrics-series = 1",
            "unknown key \"metrics-series\" in [limits]: did you mean \"metric-series\"?",
        ),
        ("[limits]\ncpu = 10", "\"10\" has no unit: write \"10s\""),
        ("[limits]\nmemory = 64", "write \"64MiB\""),
        ("[limits]\ngrace = \"11m\"", "limits.grace must be a duration from 0s to 10m"),
        ("[limit]\n", "unknown section [limit]: did you mean [limits]?"),
        (
            "[failure]\nbackoff-max-multiple = \"4\"",
            "must be a number from 0 to 1000000: write it without quotes",
        ),
        (
            "[failure]\nbackoff-max-multiple = -1",
            "must be a number from 0 to 1000000: this is outside",
        ),
        ("[failure]\nbackoff_first = \"1s\"", "did you mean \"backoff-first\"?"),
        ("[failure]\npolicy = \"stop\"", "one of \"keep\", \"back-off\", \"pause\", \"stop-peer\""),
        ("[failure]\nafter = 0", "1 to 1000000"),
        ("[settings]\nlist = [1]", "settings.list must be a text, a number, true or false"),
        ("[settings]\nlist.a = 1", "settings.list must be a text"),
        ("[settings]\nday = 2020-01-01", "write a date as a text, in quotes"),
        ("[settings]\nbig = 9223372036854775808", "too large"),
        ("[settings]\na = 1\na = 2", "sender.toml:3:1: not TOML: duplicate key"),
        ("[cycles.main]\n[cycles.main]", "not TOML"),
    ] {
        let errors = resolve(text).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(expected), "{text}: {}", errors[0]);
    }
}

#[test]
fn each_limit_can_be_asked_for_under_its_ceiling_and_not_above() {
    // Key, what is asked for, the ceiling of the peer below, and the line to change.
    let table = [
        ("memory", "\"2GiB\"", "\"1GiB\""),
        ("cpu", "\"2h\"", "\"1h\""),
        ("log-lines", "1000001", "1000000"),
        ("metric-series", "10001", "10000"),
        ("sql-database", "\"17GiB\"", "\"16GiB\""),
        ("sql-statement", "\"11m\"", "\"10m\""),
        ("streams", "1001", "1000"),
        ("in-flight", "\"2GiB\"", "\"1GiB\""),
    ];
    for (key, asked, most) in table {
        let text = |value| format!("settings.token = 7\n[limits]\n{key} = {value}");
        let limits = resolve(&text(most)).unwrap();
        assert_eq!(limits.limits_asked.len(), 1, "{key}");
        let limit = limits.limits_asked[0];
        assert_eq!((limit.key(), &limits.limits.amount(limit).written()[..]), (key, most));
        let expected = format!(
            "sender.toml:3:1: limits.{key} is {asked}, above this peer's ceiling of {most}: lower \
             it, or write {key} = {asked} below [chores.ceiling] in chore.toml (line: {key} = {asked})"
        );
        assert_eq!(resolve(&text(asked)).unwrap_err(), [expected]);
    }
}

#[test]
fn a_default_above_the_ceiling_is_cut_down_and_a_chore_may_ask_for_less() {
    let mut peer = Chores::default();
    peer.ceiling.0.streams = 9;
    let of = |text: &str| Manifest::parse(text, "a.toml").unwrap().limits(&peer).streams;
    assert_eq!((of(""), of("limits.streams = 8")), (9, 8));
}

#[test]
fn everything_that_does_not_fit_the_component_is_named_at_once() {
    let text =
        "[settings]\nbtach = 1\nbatch = \"many\"\ncolour = 1\n[cycles.mian]\ninterval = \"5s\"\n";
    let expected = [
        "sender.toml:2:1: the chore has no setting \"btach\": did you mean \"batch\"? (line: btach = ...)",
        "sender.toml:4:1: the chore has no setting \"colour\": it has batch, share, verbose, wait, buffer, label, token (line: colour = ...)",
        "sender.toml:5:9: the chore has no cycle \"mian\": did you mean \"main\"? (line: [cycles.mian])",
        "sender.toml:3:1: setting \"batch\" must be an integer: \"many\" is not an integer of 64 bits",
        "sender.toml: setting \"token\" must be set: write token = \"...\" below [settings] (Help of token.)",
    ];
    assert_eq!(resolve(text).unwrap_err(), expected);
}

#[test]
fn a_secret_is_never_shown() {
    let secret = "hunter2".repeat(20_000);
    for text in [
        "[settings]\ntoken = \"hunter2\n".to_owned(),
        "[settings]\ntoken = [\"hunter2\"]".to_owned(),
        "[settings]\ntoken = hunter2".to_owned(),
        "settings.token = \"hunter2\" x".to_owned(),
        "settings = { token = \"hunter2\", x".to_owned(),
        "[settings]\ntokn = \"hunter2\"".to_owned(),
        "[settings]\ntoken = \"\"\"\nhunter2\n".to_owned(),
        "[settings]\ntoken = \"a\"\ntoken = \"hunter2\"".to_owned(),
        format!("[settings]\ntoken = \"{secret}\""),
        // In the wrong place.
        "token = \"hunter2\"".to_owned(),
        "[failure]\ntoken = \"hunter2\"".to_owned(),
        "[cycles.main]\ntoken = \"hunter2\"".to_owned(),
        "[setings]\ntoken = \"hunter2\"".to_owned(),
        "limits = \"hunter2\"".to_owned(),
        "token.of = \"hunter2\"".to_owned(),
        "token = { of = \"hunter2\" }".to_owned(),
        // Before anybody knows what it is.
        "token = \"hunter2".to_owned(),
        "token = hunter2".to_owned(),
        "token = \"hunter2\" x".to_owned(),
        "token = \"\"\"\na\nhunter2=\n".to_owned(),
        "token = \"\"\"\nhunter2=\\q\n\"\"\"".to_owned(),
        "token = [\n[\"hunter2\"], x\n]".to_owned(),
        "token = \"a\"\ntoken = \"hunter2\"".to_owned(),
    ] {
        let errors = resolve(&text).unwrap_err();
        assert!(!format!("{errors:?}").contains("hunter2"), "{text:.60}: {errors:?}");
    }
    for (text, expected) in [
        ("token = \"hunter2\"", "sender.toml:1:1: unknown key \"token\" before the first section"),
        ("[limits]\n\ntoken = \"hunter2", "sender.toml:3:17: not TOML"),
    ] {
        let error = &resolve(text).unwrap_err()[0];
        assert!(error.starts_with(expected) && error.ends_with("(line: token = ...)"), "{error}");
    }
    let found = resolve(FULL).unwrap();
    assert_eq!(found.settings[6].1, "hunter2");
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[test]
fn what_the_table_of_keys_says_can_be_read() {
    let cycle =
        "[cycles.main]\ninterval = \"5m\"\ntimeout = \"10m\"\nstart = \"now\"\njitter = \"0s\"";
    Manifest::parse(cycle, "a.toml").unwrap();
    for section in SECTIONS {
        for key in section.keys {
            let name = key.name.replace('*', "any");
            let section = section.name.replace('*', "main");
            let header = if section.is_empty() { section } else { format!("[{section}]\n") };
            let (Otherwise::Is(value) | Otherwise::Example(value)) = key.otherwise;
            Manifest::parse(&format!("{header}{name} = {value}"), "a.toml").unwrap();
        }
    }
}

#[test]
fn a_default_that_was_not_checked_is_still_refused() {
    let mut descriptor = descriptor();
    descriptor.settings[0].default = Some("many".into());
    let manifest = Manifest::parse("settings.token = \"\"", "sender.toml").unwrap();
    let errors = manifest.resolve(&descriptor, &Chores::default()).unwrap_err();
    assert!(errors[0].to_string().contains("\"batch\" must be an integer"), "{errors:?}");
}
