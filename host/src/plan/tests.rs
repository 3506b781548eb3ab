//! Directories as they are found, and what becomes of them.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

fn file(name: &str, kind: Kind, size: u64) -> Found {
    Found { file_name: name.into(), kind, size }
}

fn files(names: &[&str]) -> Vec<Found> {
    names.iter().map(|name| file(name, Kind::File, 1)).collect()
}

/// One line for each verdict.
fn check(found: &[Found]) -> Vec<String> {
    let verdicts = plan(found);
    let mut reversed: Vec<Found> = found.to_vec();
    reversed.reverse();
    assert_eq!(plan(&reversed), verdicts, "the order of the listing matters");
    let line = |verdict: &Verdict| match verdict {
        Verdict::Load { name, component, manifest } => {
            assert_eq!(component, format!("{name}.wasm").as_str());
            let with = manifest.as_ref().map(|file| format!(" with {}", file.to_string_lossy()));
            format!("load {name}{}", with.unwrap_or_default())
        }
        Verdict::Refuse { file, reason } => format!("refuse {}: {reason}", file.to_string_lossy()),
        Verdict::Note { file, reason } => format!("note {}: {reason}", file.to_string_lossy()),
    };
    verdicts.iter().map(line).collect()
}

#[test]
fn a_directory_is_planned_in_the_order_of_names() {
    let found = files(&[
        "b.wasm",
        "a.wasm",
        "c.toml",
        "a.toml",
        "readme.md",
        ".d.wasm",
        ".wasm",
        "e.wasm~",
        "f.part",
        "g",
        "z.wasm",
        "wasm",
    ]);
    let expected =
        ["load a with a.toml", "load b", "note c.toml: there is no \"c.wasm\" beside it", "load z"];
    assert_eq!(check(&found), expected);
    assert!(check(&[]).is_empty());
}

#[test]
fn what_cannot_be_loaded_is_refused_and_disturbs_no_other() {
    use Kind::*;
    for (found, expected) in [
        (
            file("A.wasm", File, 1),
            "refuse A.wasm: chore name \"A\" has 'A': use a-z, 0-9 and \"-\", as in \"a\"",
        ),
        (file("order_sender.wasm", File, 1), "as in \"order-sender\""),
        (file("a.b.wasm", File, 1), "refuse a.b.wasm: chore name \"a.b\" has '.'"),
        (file("-.wasm", File, 1), "begins with '-'"),
        (file("a.WASM", File, 1), "refuse a.WASM: its name ends with \"WASM\": use \".wasm\""),
        (file("a.wasm", Directory, 0), "refuse a.wasm: \"a.wasm\" is a directory"),
        (file("a.wasm", Other, 0), "is not a regular file inside the chores directory"),
        (file("a.wasm", Unreadable, 0), "cannot be read: check its owner"),
        (
            file("a.wasm", File, COMPONENT_BYTES_MAX + 1),
            "\"a.wasm\" has 67108865B, at most 64MiB are read",
        ),
    ] {
        let lines = check(&[files(&["z.wasm"]), vec![found]].concat());
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().any(|line| line.contains(expected)), "{expected}: {lines:?}");
        assert!(lines.contains(&"load z".to_owned()));
    }
    assert_eq!(check(&[file("a.wasm", File, COMPONENT_BYTES_MAX)]), ["load a"]);
}

#[test]
fn a_config_file_that_cannot_be_read_keeps_its_chore_out() {
    use Kind::*;
    for (found, expected) in [
        (file("a.toml", Directory, 0), "refuse a.wasm: \"a.toml\" is a directory"),
        (file("a.toml", Unreadable, 0), "\"a.toml\" cannot be read"),
        (file("a.toml", File, CONFIG_BYTES_MAX + 1), "\"a.toml\" has 1048577B, at most 1MiB"),
        (file("a.TOML", File, 1), "its name ends with \"TOML\""),
        (file("A.toml", File, 1), "chore name \"A\" has 'A'"),
    ] {
        let lines = check(&[files(&["a.wasm"]), vec![found]].concat());
        assert!(lines.len() == 1 && lines[0].contains(expected), "{expected}: {lines:?}");
    }
}

#[test]
fn files_that_some_systems_take_for_one_are_all_refused() {
    let why =
        "several files are one chore on some systems: \"A.wasm\", \"a.wasm\"; keep one of them";
    let lines = check(&files(&["a.wasm", "A.wasm", "a.toml", "b.wasm"]));
    assert_eq!(
        lines,
        [format!("refuse A.wasm: {why}"), format!("refuse a.wasm: {why}"), "load b".into()]
    );
    let lines = check(&files(&["a.wasm", "a.WASM"]));
    assert_eq!(lines.len(), 2);
    let lines = check(&files(&["a.wasm", "a.toml", "a.Toml"]));
    assert_eq!(
        lines,
        [
            "refuse a.wasm: several files are one chore on some systems: \"a.Toml\", \"a.toml\"; keep one of them"
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let name = |bytes: &[u8]| file_named(OsStr::from_bytes(bytes));
    let lines = check(&[name(b"\xff.wasm"), name(b"a.wasm"), name(b"b\xff"), name(b"c\nd.wasm")]);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("is not UTF-8")));
    assert!(lines.iter().any(|line| line.contains("\"c\\nd\" has '\\n'")), "{lines:?}");
}

#[cfg(unix)]
fn file_named(name: &OsStr) -> Found {
    Found { file_name: name.to_owned(), kind: Kind::File, size: 1 }
}

proptest! {
    /// Each component has exactly one verdict, and what is loaded has a name of its own.
    #[test]
    fn no_component_is_lost_or_loaded_twice(
        names in prop::collection::btree_set("[aAb-]{1,2}\\.(wasm|toml|Wasm|md)", 0..12),
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let verdicts = plan(&files(&names));
        let mut seen = std::collections::BTreeSet::new();
        for verdict in &verdicts {
            let (Verdict::Load { component: file, .. } | Verdict::Refuse { file, .. } | Verdict::Note { file, .. }) = verdict;
            prop_assert!(seen.insert(file.to_str().unwrap()));
        }
        let components = names.iter().filter(|name| name.to_lowercase().ends_with(".wasm"));
        for component in components {
            prop_assert!(seen.contains(component), "{} is lost in {:?}", component, verdicts);
        }
    }
}
