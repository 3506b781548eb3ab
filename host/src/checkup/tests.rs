//! What is wrong with components, configs and peers, each found and all of it said.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::descriptor::CycleSpec;

const ORDERS: &str = "chore:peer/orders@0.1.0";
const KADEMLIA: &str = "chore:peer/kademlia@0.1.0";
const LOG: &str = "chore:peer/log@0.1.0";

fn name() -> ChoreName {
    ChoreName::new("hello").unwrap()
}

fn around(keeps_orders: bool) -> Around {
    Around { defaults: Chores::default(), offered: grant::offered(keeps_orders) }
}

fn descriptor() -> Descriptor {
    let setting = |name: &str, kind, default: Option<&str>| SettingSpec {
        name: name.into(),
        help: String::new(),
        kind,
        default: default.map(str::to_owned),
    };
    let main = CycleSpec {
        name: "main".into(),
        help: String::new(),
        interval: Duration::from_secs(3600),
        timeout: Duration::from_secs(60),
        delay_start: false,
    };
    Descriptor {
        name: "hello".into(),
        version: "1.2.3".into(),
        cycles: vec![main],
        settings: vec![
            setting("path", SettingKind::Text, None),
            setting("limit", SettingKind::Size, Some("1MiB")),
            setting("token", SettingKind::Secret, Some("abc")),
        ],
        ..Descriptor::default()
    }
}

fn messages(report: &Report) -> Vec<&str> {
    report.problems.iter().map(|problem| &problem.message[..]).collect()
}

/// The problems, each by the beginning of a text that stands in it, in order.
fn check(report: &Report, expected: &[(LiesIn, &str)], what: &str) {
    let found = messages(report);
    assert_eq!(found.len(), expected.len(), "{what}: {found:?}");
    for (problem, (lies_in, text)) in report.problems.iter().zip(expected) {
        assert_eq!(problem.lies_in, *lies_in, "{what}: {found:?}");
        assert!(problem.message.contains(text), "{what}: {}", problem.message);
    }
}

#[tokio::test]
async fn what_is_no_component_gets_the_line_that_a_peer_says() {
    let runtime = Runtime::new().unwrap();
    let table: [(&[u8], &str); 5] = [
        (b"", "the file is empty"),
        (b"some text", "no WebAssembly, it looks like text"),
        (
            b"\0asm\x01\0\0\0",
            "a core module, not a component: build it for the target wasm32-wasip2",
        ),
        (b"\0asm\x0d\0\x01", "ends in the middle, after 7 bytes"),
        (b"\0asm\x0d\0\x01\0", "of another world: it exports nothing"),
    ];
    for (component, expected) in table {
        let (stem, config) = ("hello".to_owned(), None);
        let subject = Subject {
            stem,
            component: component.into(),
            config,
            signature: None,
            around: Around::everything(),
        };
        let report = examine(&runtime, subject).await;
        check(&report, &[(LiesIn::Component, expected)], expected);
        assert!(!report.loads && !report.is_sound());
        assert_eq!(report.bytes, component.len());
    }
    // The config is looked at all the same.
    let config = Some(("hello.toml".to_owned(), b"\n[cycle.main]\n".to_vec()));
    let component = b"some text"[..].into();
    let subject = Subject {
        stem: "My_Hello".into(),
        component,
        config,
        signature: None,
        around: Around::everything(),
    };
    let report = examine(&runtime, subject).await;
    let expected = [
        (LiesIn::Component, "its file's name: chore name \"My_Hello\" has 'M'"),
        (LiesIn::Config, "hello.toml:2"),
        (LiesIn::Component, "looks like text"),
    ];
    check(&report, &expected, "all at once");
}

#[test]
fn every_need_is_given_or_said() {
    use Given::*;
    use LiesIn::*;
    let line = "write grants = [\"orders\", \"kademlia\"] in chores/hello.toml";
    type Row<'a> = (&'a [&'a str], Option<&'a str>, bool, &'a [Given], &'a [(LiesIn, &'a str)]);
    let table: [Row<'_>; 6] = [
        (&[LOG], Some(""), false, &[Always], &[]),
        (&[LOG, ORDERS], Some("grants = [\"orders\"]"), true, &[Always, Granted], &[]),
        (&[ORDERS, KADEMLIA], Some(""), true, &[NotGranted, NotGranted], &[(Config, line)]),
        (
            &[ORDERS, KADEMLIA],
            Some(""),
            false,
            &[NotOffered, NotGranted],
            &[(Peer, "no [orders] section in its chore.toml"), (Config, line)],
        ),
        (&[ORDERS], None, true, &[Unknown], &[]),
        (
            &["chore:peer/disk@0.1.0", ORDERS, "chore:peer/log@0.9.0"],
            Some(""),
            true,
            &[NotGranted],
            &[
                (Component, "imports \"chore:peer/disk@0.1.0\", which no host offers"),
                (Component, "of another version than this host has"),
                (Config, "write grants = [\"orders\"]"),
            ],
        ),
    ];
    for (imports, config, keeps_orders, given, problems) in table {
        let mut report = Report { loads: true, ..Report::default() };
        report.imports = imports.iter().map(|import| (*import).to_owned()).collect();
        let manifest = config.map(|text| Manifest::parse(text, "hello.toml").unwrap());
        let may_be_linked = needs(&name(), manifest.as_ref(), &around(keeps_orders), &mut report);
        let found: Vec<Given> = report.needs.iter().map(|need| need.given).collect();
        assert_eq!(found, given, "{imports:?}");
        check(&report, problems, &format!("{imports:?}"));
        assert_eq!(report.loads, problems.is_empty(), "{imports:?}");
        assert_eq!(may_be_linked, report.is_sound(), "{imports:?}");
    }
}

#[test]
fn what_it_says_and_what_is_set_fit_or_are_said() {
    use LiesIn::*;
    let change = |change: fn(&mut Descriptor)| {
        let mut changed = descriptor();
        change(&mut changed);
        changed
    };
    let good = "[settings]\npath = \"/x\"\n";
    type Row<'a> = (Descriptor, Option<&'a str>, &'a [(LiesIn, &'a str)]);
    let table: [Row<'_>; 7] = [
        (descriptor(), Some(good), &[]),
        (descriptor(), Some(""), &[(Config, "write path = \"...\" below [settings]")]),
        (
            descriptor(),
            Some("[cycles.mian]\ninterval = \"5s\"\n[settings]\nlimit = \"much\"\nwhat = 1\n"),
            &[
                (Config, "hello.toml:1:9: the chore has no cycle \"mian\": did you mean \"main\"?"),
                (Config, "no setting \"what\""),
                (Config, "must be set"),
                (Config, "setting \"limit\" must be a size"),
            ],
        ),
        // A config that cannot be read is said elsewhere.
        (descriptor(), None, &[]),
        (
            change(|it| it.name = "other".into()),
            Some(""),
            &[(Component, "rename its file to other.wasm"), (Config, "must be set")],
        ),
        (
            change(|it| (it.name, it.version) = ("other".into(), "1".into())),
            Some(good),
            &[(Component, "calls itself"), (Component, "is not semantic")],
        ),
        (
            change(|it| it.name = "An_Other".into()),
            Some(good),
            &[(Component, "calls itself"), (Component, "has 'A'")],
        ),
    ];
    for (descriptor, config, problems) in table {
        let mut report = Report { loads: true, ..Report::default() };
        let manifest = config.map(|text| Manifest::parse(text, "hello.toml").unwrap());
        said(&name(), descriptor, manifest.as_ref(), &around(true), &mut report);
        check(&report, problems, &format!("{config:?}"));
        assert_eq!(report.loads, problems.is_empty());
        assert_eq!(report.cycles.len(), 1);
    }
}

#[test]
fn cycles_are_as_they_will_be_and_secrets_are_not_shown() {
    let mut report = Report::default();
    let text = "[cycles.main]\ninterval = \"5s\"\n[settings]\npath = \"/x\"\n";
    let manifest = Manifest::parse(text, "hello.toml").unwrap();
    said(&name(), descriptor(), Some(&manifest), &around(true), &mut report);
    let cycle = &report.cycles[0];
    assert_eq!((&cycle.interval[..], &cycle.timeout[..]), ("5s", "1m"));
    let defaults: Vec<_> =
        report.settings.iter().map(|setting| setting.default.as_deref()).collect();
    assert_eq!(defaults, [None, Some("1MiB"), Some("a secret")]);
}
