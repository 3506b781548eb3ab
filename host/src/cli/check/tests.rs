//! What was found, as people read it.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::checkup::{Cycle, Problem};
use crate::grant::Capability;
use crate::status::LimitInForce;

fn whole() -> Report {
    let setting = |name: &str, help: &str, default: Option<&str>| Setting {
        name: name.into(),
        help: help.into(),
        kind: "text",
        default: default.map(str::to_owned),
    };
    let limit = |key: &str, value: &str, overridden| {
        let (key, value) = (key.to_owned(), value.to_owned());
        LimitInForce { key, value, overridden }
    };
    let need = |capability, given| Need { capability, given, effective: Vec::new() };
    Report {
        name: "hello".into(),
        version: "1.2.3".into(),
        about: "Says hello.\nAnd more.".into(),
        bytes: 97_000,
        digest: "ab".repeat(32),
        signature: None,
        contract: "0.1.0".into(),
        world: "chore",
        cycles: vec![Cycle {
            name: "main".into(),
            help: "Greets.".into(),
            interval: "1h".into(),
            timeout: "1m".into(),
        }],
        settings: vec![
            setting("whom", "Whom to greet.", Some("world")),
            setting("path", "", None),
            setting("more", "", Some("")),
        ],
        limits: vec![limit("memory", "64MiB", false), limit("cpu", "30s", true)],
        needs: vec![
            need(Capability::Log, Given::Always),
            need(Capability::State, Given::Always),
            need(Capability::Orders, Given::NotGranted),
        ],
        imports: Vec::new(),
        loads: false,
        problems: vec![Problem { lies_in: LiesIn::Config, message: "write\nthis".into() }],
    }
}

#[test]
fn a_summary_says_everything() {
    let digest = "ab".repeat(32);
    let expected = format!(
        "hello 1.2.3: Says hello.
  size       94.7 KiB
  digest     {digest}
  contract   chore 0.1.0
  cycle      main: every 1h, timeout 1m. Greets.
  setting    whom: text, default world. Whom to greet.
  setting    path: text, must be set
  setting    more: text, may be left out
  limit      cpu: 30s
  uses       log, state
  needs      orders: not granted

it would not be loaded as it is:
  - write\\nthis"
    );
    assert_eq!(text(&whole()), expected);
}

#[test]
fn what_is_not_known_takes_no_line() {
    let report = Report { name: "hello".into(), loads: true, ..Report::default() };
    assert_eq!(text(&report), "hello\n  size       0 B\n\nit would be loaded as it is");
}

#[test]
fn json_has_stable_words() {
    let value = serde_json::to_value(whole()).unwrap();
    assert_eq!(value["needs"][2]["given"], "not-granted");
    assert_eq!(value["needs"][2]["capability"], "orders");
    assert_eq!(value["problems"][0]["lies_in"], "config");
    assert_eq!(value["settings"][1]["default"], serde_json::Value::Null);
    assert_eq!(value["loads"], false);
}

#[test]
fn only_regular_files_of_a_known_size_are_read() {
    let here = tempfile::tempdir().unwrap();
    let path = |name: &str| here.path().join(name);
    fs::write(path("good"), "abc").unwrap();
    let large = fs::File::create(path("large")).unwrap();
    large.set_len(COMPONENT_BYTES_MAX + 1).unwrap();
    fs::create_dir(path("folder")).unwrap();
    assert_eq!(&read(&path("good"), 10).unwrap()[..], b"abc");
    assert_eq!(&read(&path("good"), 1).unwrap()[..], b"ab", "one more than is taken");
    for (name, expected) in [
        ("large", "at most 67108864 are loaded"),
        ("folder", "it is no regular file"),
        ("missing", "No such file"),
    ] {
        let message = chain(&read(&path(name), COMPONENT_BYTES_MAX).unwrap_err());
        assert!(message.contains(expected) && message.contains(name), "{message}");
    }
}
