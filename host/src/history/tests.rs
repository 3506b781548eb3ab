//! Versions that come, pass, fail and come back: rows of events, each with what is known after it.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::limits::{HISTORY_BYTES_MAX, PROBATION_RUNS};

const NOW: Timestamp = Timestamp::from_nanos(7);

/// "a" is component a without a config file, "a/2" with the config file 2.
fn version(name: &str) -> Version {
    let (component, manifest) = match name.split_once('/') {
        Some((component, manifest)) => (component, Some(manifest)),
        None => (name, None),
    };
    Version {
        component: Digest::of(component.as_bytes()),
        manifest: manifest.map(|text| Digest::of(text.as_bytes())),
        version: name.to_owned(),
        manifest_text: manifest.map(str::to_owned),
        signature_text: None,
    }
}

/// Why this pair is not to be tried again, if so.
fn known_bad(
    history: &History,
    component: Digest,
    manifest: Option<Digest>,
) -> Option<&Quarantined> {
    let is = |of: &&Quarantined| of.component == component && of.manifest == manifest;
    history.quarantined.as_ref().filter(is)
}

/// "main extra!": of main the last run succeeded, of extra it failed.
fn last(words: &[&str]) -> BTreeMap<String, bool> {
    let cycle = |word: &&str| (word.trim_end_matches('!').to_owned(), word.ends_with('!'));
    words.iter().map(cycle).collect()
}

fn outcome(word: &str) -> Outcome {
    let message = "why".to_owned();
    let all = [
        Outcome::Succeeded,
        Outcome::Failed { message: message.clone() },
        Outcome::Trapped { message: message.clone() },
        Outcome::OutOfMemory { message: message.clone() },
        Outcome::OutOfCpu { message: message.clone() },
        Outcome::TimedOut { message: message.clone() },
        Outcome::Cancelled { message: message.clone() },
        Outcome::HostFailed { message },
    ];
    all.into_iter().find(|outcome| outcome.word() == word).unwrap()
}

/// Does what the words say, and tells what came of it, if that is not to be seen in the history.
fn play(history: &mut History, event: &str, probation_runs: u32) -> String {
    let words: Vec<&str> = event.split(' ').collect();
    let before = history.clone();
    match words[..] {
        ["load", name, ref cycles @ ..] => {
            history.loaded(version(name), last(cycles), probation_runs);
        }
        ["replace", name, ref cycles @ ..] => {
            history.replaced(version(name), last(cycles), probation_runs);
        }
        ["unload"] => history.unload(NOW),
        ["forgive"] => history.forgive(),
        ["back"] => history.went_back(NOW, "why".into()),
        ["stuck"] => history.going_back_failed(),
        ["restart"] => {
            let json = serde_json::to_string(history).unwrap();
            assert_eq!(serde_json::from_str::<History>(&json).unwrap(), *history);
        }
        ["try", name] => {
            let Version { component, manifest, .. } = version(name);
            let quarantined = known_bad(history, component, manifest);
            return quarantined.map_or("", |_| "refused").to_owned();
        }
        [cycle, word] => {
            return match history.run_ended(cycle, 12, &outcome(word)) {
                Judgement::Unwatched => "unwatched".into(),
                Judgement::Watch { .. } => "watch".into(),
                Judgement::Passed => "passed".into(),
                Judgement::GoBack { .. } => "go back".into(),
            };
        }
        _ => panic!("no such event: {event}"),
    }
    if history.begins_probation(&before) { "keep state".into() } else { String::new() }
}

/// Such as "2: b, good a, 3 left, quarantined c".
fn show(history: &History) -> String {
    let name = |version: &Option<Version>| {
        version.as_ref().map_or("nothing", |version| &version.version).to_owned()
    };
    let mut parts = vec![format!("{}: {}", history.generation, name(&history.running))];
    if history.good.is_some() {
        parts.push(format!("good {}", name(&history.good)));
    }
    if history.previous.is_some() {
        parts.push(format!("before {}", name(&history.previous)));
    }
    parts.extend(history.probation.iter().map(|probation| format!("{} left", probation.runs_left)));
    let quarantined = history.quarantined.iter();
    parts.extend(quarantined.map(|quarantined| format!("quarantined {}", quarantined.version)));
    parts.extend(history.unloaded.map(|_| "unloaded".to_owned()));
    parts.join(", ")
}

/// Events, what each answers, and what is known after it; "" for the answer is nothing to tell, and
/// for the history that it did not change.
type Rows<'a> = &'a [(&'a str, &'a str, &'a str)];

fn check(probation_runs: u32, rows: Rows) {
    let mut history = History::default();
    let mut shown = show(&history);
    for (index, (event, answer, after)) in rows.iter().enumerate() {
        let found = play(&mut history, event, probation_runs);
        if !after.is_empty() {
            shown = (*after).to_owned();
        }
        let place = format!("row {index} of {rows:?}: {event}");
        assert_eq!((found.as_str(), show(&history)), (*answer, shown.clone()), "{place}");
    }
}

#[test]
fn a_chore_that_is_never_replaced_is_not_watched() {
    check(
        3,
        &[
            ("main failed", "unwatched", "0: nothing"),
            ("back", "", ""),
            ("load a", "", "1: a"),
            ("main failed", "unwatched", ""),
            ("restart", "", ""),
            ("load a main!", "", ""),
            ("back", "", ""),
            ("stuck", "", ""),
            ("unload", "", "1: a, unloaded"),
            ("restart", "", ""),
            ("load a", "", "1: a"),
            // The same component with another config file.
            ("load a/2", "", "1: a/2"),
        ],
    );
}

#[test]
fn a_version_passes_after_its_runs() {
    check(
        3,
        &[
            ("load a", "", "1: a"),
            ("replace b main", "keep state", "2: b, good a, 3 left"),
            ("main succeeded", "watch", "2: b, good a, 2 left"),
            ("main cancelled", "watch", ""),
            ("main host-failed", "watch", ""),
            ("restart", "", ""),
            ("load b main", "", ""),
            ("extra succeeded", "watch", "2: b, good a, 1 left"),
            ("main succeeded", "passed", "2: b, good b, before a"),
            ("main trapped", "unwatched", ""),
            // The operator wants it.
            ("back", "", "3: a, good a, quarantined b"),
            ("back", "", ""),
            ("try b", "refused", ""),
        ],
    );
    // Without a probation it is good at once.
    check(
        0,
        &[
            ("load a", "", "1: a"),
            ("replace b", "", "2: b, good b, before a"),
            ("main failed", "unwatched", ""),
            ("back", "", "3: a, good a, quarantined b"),
        ],
    );
}

#[test]
fn a_version_that_fails_is_gone_back_from() {
    for word in ["failed", "trapped", "out-of-memory", "out-of-cpu", "timed-out"] {
        check(
            2,
            &[
                ("load a", "", "1: a"),
                ("replace b main", "keep state", "2: b, good a, 2 left"),
                (&format!("main {word}"), "go back", ""),
                ("back", "", "3: a, good a, quarantined b"),
                ("main failed", "unwatched", ""),
                ("try b", "refused", ""),
                // Another config file, or another component, may be better.
                ("try b/2", "", ""),
                ("try a", "", ""),
                ("restart", "", ""),
                ("load a", "", ""),
                ("try b", "refused", ""),
                ("forgive", "", "3: a, good a"),
                ("try b", "", ""),
                ("replace b main", "keep state", "4: b, good a, 2 left"),
                (&format!("extra {word}"), "go back", ""),
                ("back", "", "5: a, good a, quarantined b"),
                ("replace b/2 main", "keep state", "6: b/2, good a, 2 left"),
                ("try b", "", ""),
            ],
        );
    }
}

#[test]
fn what_failed_before_is_no_reason_to_go_back() {
    check(
        3,
        &[
            ("load a", "", "1: a"),
            ("replace b main! extra", "keep state", "2: b, good a, 3 left"),
            ("main failed", "watch", "2: b, good a, 2 left"),
            ("main trapped", "watch", "2: b, good a, 1 left"),
            ("extra failed", "go back", ""),
            ("main timed-out", "passed", "2: b, good b, before a"),
        ],
    );
}

#[test]
fn what_did_not_pass_is_not_gone_back_to() {
    check(
        2,
        &[
            ("load a", "", "1: a"),
            ("replace b main! extra", "keep state", "2: b, good a, 2 left"),
            ("main succeeded", "watch", "2: b, good a, 1 left"),
            // What a did counts, not what b does.
            ("replace c main extra!", "", "3: c, good a, 2 left"),
            ("main failed", "watch", "3: c, good a, 1 left"),
            ("extra failed", "go back", ""),
            // The operator was quicker.
            ("replace d", "", "4: d, good a, 2 left"),
            ("main failed", "watch", "4: d, good a, 1 left"),
            ("main succeeded", "passed", "4: d, good d, before a"),
            ("replace e main", "keep state", "5: e, good d, before a, 2 left"),
            // Back by hand.
            ("replace d", "", "6: d, good d, before a"),
            ("main failed", "unwatched", ""),
        ],
    );
}

#[test]
fn a_version_is_not_gone_back_from_to_itself() {
    check(
        2,
        &[
            ("load a", "", "1: a"),
            ("replace a main", "", "2: a, good a"),
            ("main failed", "unwatched", ""),
            ("replace a/2 main", "keep state", "3: a/2, good a, 2 left"),
            // The peer was down when its config file was put back.
            ("load a", "", "3: a, good a"),
            ("replace a/2 main", "keep state", "4: a/2, good a, 2 left"),
            ("main failed", "go back", ""),
            ("back", "", "5: a, good a, quarantined a/2"),
            ("restart", "", ""),
            ("load a", "", ""),
            ("try a/2", "refused", ""),
            ("load a/3", "", "5: a/3, good a"),
            ("try a/2", "", ""),
            ("replace b", "keep state", "6: b, good a/3, 2 left"),
        ],
    );
}

#[test]
fn a_file_that_changed_while_nothing_ran_counts_as_replaced() {
    check(
        2,
        &[
            ("load a", "", "1: a"),
            ("restart", "", ""),
            ("load b main", "keep state", "2: b, good a, 2 left"),
            ("main failed", "go back", ""),
            ("unload", "", "2: b, good a, 2 left, unloaded"),
            ("restart", "", ""),
            ("load b/2", "", "2: b/2, good a, 2 left"),
            ("load c main!", "", "3: c, good a, 2 left"),
            ("main failed", "go back", ""),
            ("load a", "", "4: a, good a"),
        ],
    );
}

#[test]
fn if_it_cannot_be_gone_back_the_new_version_stays() {
    check(
        2,
        &[
            ("load a", "", "1: a"),
            ("replace b main", "keep state", "2: b, good a, 2 left"),
            ("main failed", "go back", ""),
            ("stuck", "", "2: b, good a"),
            ("main failed", "unwatched", ""),
            ("try b", "", ""),
            ("replace c main!", "keep state", "3: c, good b, 2 left"),
            ("main failed", "watch", "3: c, good b, 1 left"),
        ],
    );
}

#[test]
fn people_are_told_why() {
    let mut history = History::default();
    history.loaded(version("1.0.0"), last(&[]), PROBATION_RUNS);
    history.replaced(version("1.1.0"), last(&["main"]), PROBATION_RUNS);
    history.run_ended("main", 11, &Outcome::Succeeded);
    let trapped = Outcome::Trapped { message: "out of bounds".into() };
    let judgement = history.run_ended("main", 12, &trapped);
    let reason = "run 12 of main trapped: out of bounds (version 1.1.0, 2 of 3 watched runs)";
    assert_eq!(judgement, Judgement::GoBack { reason: reason.into() });
    history.went_back(NOW, reason.into());
    let Version { component, manifest, version, .. } = version("1.1.0");
    let quarantined =
        Quarantined { component, manifest, version, reason: reason.into(), since: NOW };
    assert_eq!(known_bad(&history, component, manifest), Some(&quarantined));
}

#[test]
fn the_components_that_may_be_gone_back_to_are_needed() {
    let of = |names: &[&str]| names.iter().map(|name| version(name).component).collect();
    for (events, needed) in [
        (&[][..], &[][..]),
        (&["load a"], &["a"]),
        (&["load a", "replace b"], &["a", "b"]),
        (&["load a", "replace b", "replace c"], &["a", "c"]),
        (&["load a", "replace b", "main succeeded"], &["a", "b"]),
        (&["load a", "replace b", "main succeeded", "replace c"], &["a", "b", "c"]),
        (&["load a", "replace b", "main succeeded", "replace c", "main succeeded"], &["b", "c"]),
        (&["load a", "replace b", "main succeeded", "back"], &["a"]),
        (&["load a", "replace b", "back"], &["a"]),
        (&["load a", "replace a/2"], &["a"]),
    ] {
        let mut history = History::default();
        for event in events {
            play(&mut history, event, 1);
        }
        assert_eq!(history.digests(), of(needed), "{events:?}");
    }
}

#[test]
fn the_largest_config_files_fit() {
    // What JSON makes longest, of what a config file may consist of.
    let text = "\n".repeat(usize::try_from(crate::limits::CONFIG_BYTES_MAX).unwrap());
    let large = |name| Version { manifest_text: Some(text.clone()), ..version(name) };
    let mut history = History::default();
    history.loaded(large("a"), last(&[]), 1);
    history.replaced(large("b"), last(&[]), 1);
    history.run_ended("main", 1, &Outcome::Succeeded);
    history.replaced(large("c"), last(&[]), 1);
    let json = serde_json::to_string(&history).unwrap();
    assert!(json.len() <= HISTORY_BYTES_MAX, "{}", json.len());
    assert_eq!(serde_json::from_str::<History>(&json).unwrap(), history);
}

#[test]
fn what_is_no_history_is_an_error() {
    for json in [
        "",
        "{}",
        "[]",
        "null",
        "7",
        "{\"generation\": -1}",
        "{\"generation\": 1, \"running\": \"a\"}",
        "{\"generation\": 1, \"running\": {\"component\": \"ab\", \"version\": \"1\"}}",
        "{\"generation\": 1, \"probation\": {\"runs\": 1}}",
    ] {
        assert!(serde_json::from_str::<History>(json).is_err(), "{json}");
    }
    // What a newer host adds is not in the way.
    let json = "{\"generation\": 1, \"more\": 1}";
    assert_eq!(serde_json::from_str::<History>(json).unwrap().generation, 1);
}

fn event() -> impl Strategy<Value = String> {
    let name = "[abc](/[12])?";
    let cycles = "( main!?)?( extra!?)?";
    let put = (prop_oneof!["load", "replace"], name, cycles)
        .prop_map(|(word, name, cycles)| format!("{word} {name}{cycles}"));
    let words: &'static [&str] =
        &["succeeded", "failed", "trapped", "timed-out", "cancelled", "host-failed"];
    let run = ("main|extra", prop::sample::select(words));
    let run = run.prop_map(|(cycle, word)| format!("{cycle} {word}"));
    let other = prop::sample::select(&["back", "stuck", "restart", "unload", "forgive"][..]);
    prop_oneof![3 => put, 3 => run, 2 => other.prop_map(str::to_owned)]
}

proptest! {
    #[test]
    fn whatever_happens(
        events in prop::collection::vec(event(), 0..40),
        probation_runs in 0_u32..4,
    ) {
        let mut history = History::default();
        for event in &events {
            let before = history.clone();
            let answer = play(&mut history, event, probation_runs);
            let shown = format!("{event}: {}", show(&history));
            prop_assert!(history.generation >= before.generation, "{}", shown);
            if answer == "go back" {
                prop_assert!(history.good.is_some() && history.probation.is_some(), "{}", shown);
            }
            let pair = |version: &Version| (version.component, version.manifest);
            if let Some(good) = &history.good {
                let (component, manifest) = pair(good);
                prop_assert!(known_bad(&history, component, manifest).is_none(), "{}", shown);
                let runs = history.running.as_ref().map(pair) == Some(pair(good));
                prop_assert!(!(runs && history.probation.is_some()), "{}", shown);
            }
            if let Some(probation) = &history.probation {
                prop_assert!((1..=probation.runs).contains(&probation.runs_left), "{}", shown);
                prop_assert!(history.good.is_some(), "{}", shown);
            }
            if answer == "keep state" {
                prop_assert_eq!(&history.good, &before.running, "{}", shown);
            }
        }
    }
}
