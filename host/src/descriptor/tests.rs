//! Descriptors as a hostile component would give them.

#![allow(clippy::unwrap_used)]

use super::*;

fn good() -> Descriptor {
    let cycle = |name: &str| CycleSpec {
        name: name.into(),
        help: "Sends\torders.\nAll of them.".into(),
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(600),
        delay_start: false,
    };
    let setting = |name: &str, kind, default: Option<&str>| SettingSpec {
        name: name.into(),
        help: "Help.".into(),
        kind,
        default: default.map(str::to_owned),
    };
    Descriptor {
        name: "order-sender".into(),
        version: "1.2.3".into(),
        about: "Sends orders.".into(),
        cycles: vec![cycle("main"), cycle("clean")],
        settings: vec![
            setting("batch", SettingKind::Integer, Some("500")),
            setting("token", SettingKind::Secret, None),
            setting("wait", SettingKind::Duration, Some("")),
        ],
        extensions: vec![("key".into(), "value".into())],
    }
}

fn check(change: impl FnOnce(&mut Descriptor)) -> Result<(), String> {
    let mut descriptor = good();
    change(&mut descriptor);
    descriptor.check(&ChoreName::new("order-sender").unwrap()).map_err(|err| {
        let source = std::error::Error::source(&err).map(|source| format!(": {source}"));
        err.to_string() + &source.unwrap_or_default()
    })
}

#[test]
fn a_good_descriptor_passes() {
    assert_eq!(check(|_| {}), Ok(()));
    assert_eq!(check(|d| (d.cycles, d.settings) = (vec![], vec![])), Ok(()));
    for version in ["0.0.0", "10.20.30", "1.0.0-rc.1", "1.0.0-a-b+build.7", "1.0.0+x-y"] {
        assert_eq!(check(|d| d.version = version.into()), Ok(()), "{version}");
    }
}

#[test]
fn a_wrong_descriptor_is_explained() {
    type Change = fn(&mut Descriptor);
    let cases: &[(Change, &str)] = &[
        (|d| d.name = "sender".into(), "calls itself \"sender\": rename its file to sender.wasm"),
        (|d| d.name = "\x1b[31m".into(), "calls itself \"\\u{1b}[31m\", which is no name"),
        (|d| d.name = "../x".into(), "itself \"../x\", which is no name of a chore: build it as"),
        (|d| d.version = "1.2".into(), "version \"1.2\" is not semantic"),
        (|d| d.version = "1.2.x".into(), "is not semantic"),
        (|d| d.version = "01.2.3".into(), "is not semantic"),
        (|d| d.version = "1.2.3-".into(), "is not semantic"),
        (|d| d.version = "1.2.3+\n".into(), "is not semantic"),
        (|d| d.version = "".into(), "is not semantic"),
        (|d| d.version = "1".repeat(65), "its version has 65 bytes: use at most 64"),
        (|d| d.about = "x".repeat(5000), "about has 5000 bytes: use at most 4096"),
        (|d| d.about = "a\x07".into(), "has the control character '\\u{7}'"),
        (|d| d.cycles[1].name = "main".into(), "two cycles \"main\""),
        (|d| d.cycles[1].name = "a b".into(), "cycle \"a b\" has a name that"),
        (|d| d.cycles[1].name = "".into(), "cycle \"\" has a name that"),
        (|d| d.cycles[1].name = "-a".into(), "cycle \"-a\" has a name that"),
        (|d| d.cycles[1].name = "a".repeat(65), "has 65 bytes: use at most 64"),
        (|d| d.cycles[0].interval = Duration::ZERO, "cycle main: cannot use interval"),
        (|d| d.cycles[0].interval = Duration::MAX, "cycle main: cannot use interval"),
        (|d| d.cycles[0].timeout = Duration::ZERO, "cycle main has timeout 0s"),
        (|d| d.cycles[0].timeout = Duration::MAX, "at most 168h"),
        (|d| d.cycles[0].help = "\r".into(), "the help of cycle main has the control"),
        (|d| d.cycles = vec![d.cycles[0].clone(); 1001], "has 1001 cycles: use at most 1000"),
        (|d| d.settings[1].name = "batch".into(), "two settings \"batch\""),
        (|d| d.settings[1].name = "a.b".into(), "setting \"a.b\" has a name that"),
        (|d| d.settings[0].help = "x".repeat(5000), "the help of setting batch has 5000"),
        (
            |d| d.settings[0].default = Some("many".into()),
            "setting batch has a default that is wrong: \"many\" is not an integer",
        ),
        (
            |d| d.settings[2].default = Some("18446744073709551615s 500ms 500ms".into()),
            "is too large",
        ),
        (|d| d.settings[1].default = Some("x".repeat(70_000)), "it has 70000 bytes, at most 65536"),
        (|d| d.settings = vec![d.settings[0].clone(); 257], "has 257 settings: use at most 256"),
        (|d| d.extensions = vec![Default::default(); 65], "has 65 extensions"),
        (|d| d.extensions.push(("key".into(), "".into())), "two extensions \"key\""),
        (|d| d.extensions[0].1 = "x".repeat(5000), "the value of an extension has 5000 bytes"),
    ];
    for (change, expected) in cases {
        let message = check(change).unwrap_err();
        assert!(message.contains(expected), "{expected}: {message}");
        assert!(message.len() < 500, "{message}");
    }
    let message = check(|d| d.name = "é".repeat(1_000_000)).unwrap_err();
    assert!(message.len() < 800, "{message}");
}

#[test]
fn values_are_checked_by_kind_and_brought_into_one_form() {
    use SettingKind::*;
    for (kind, text, expected) in [
        (Text, "any \"thing\"", Ok("any \"thing\"")),
        (Secret, "s3cret", Ok("s3cret")),
        (Integer, "-9223372036854775808", Ok("-9223372036854775808")),
        (Integer, "18446744073709551615", Ok("18446744073709551615")),
        (Integer, "+5", Ok("5")),
        (Integer, "18446744073709551616", Err("not an integer of 64 bits")),
        (Integer, "1.5", Err("not an integer")),
        (Number, "1.5", Ok("1.5")),
        (Number, "1e3", Ok("1e3")),
        (Number, "inf", Err("not a finite number")),
        (Number, "NaN", Err("not a finite number")),
        (Boolean, "true", Ok("true")),
        (Boolean, "yes", Err("\"yes\" is not true or false")),
        (Duration, "1 day", Ok("24h")),
        (Duration, "90m", Ok("1h30m")),
        (Duration, "90", Err("write \"90s\"")),
        (Size, "1024 KiB", Ok("1MiB")),
        (Size, "64", Err("write \"64MiB\"")),
    ] {
        match (kind.check(text), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("{kind:?} {text}: {found:?}, not {expected:?}"),
        }
    }
    let long = "hunter2".repeat(100_000);
    assert!(!Secret.check(&long).unwrap_err().contains("hunter2"));
    // What is given as an example is of its kind.
    for kind in [Text, Integer, Number, Boolean, Duration, Size, Secret] {
        kind.check(kind.example().trim_matches('"')).unwrap();
    }
}
