//! Directories as they are found, what runs, and what becomes of both.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

const MIB: u64 = 1024 * 1024;

fn file(name: &str, kind: Kind, size: u64) -> Found {
    Found { file_name: name.into(), kind, size }
}

fn bytes(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// Files that are named, and have "=" and their bytes behind the name if it matters.
fn files(names: &[&str]) -> Vec<Found> {
    let one = |text: &&str| {
        let (name, content) = text.split_once('=').unwrap_or((text, ""));
        file(name, Kind::File(bytes(content)), 1)
    };
    names.iter().map(one).collect()
}

/// "component", "component+manifest", and both with "/signature" behind.
fn pair(text: &str) -> Pair {
    let (text, signature) = match text.split_once('/') {
        Some((text, signature)) => (text, Some(bytes(signature))),
        None => (text, None),
    };
    let (component, manifest) = match text.split_once('+') {
        Some((component, manifest)) => (component, Some(bytes(manifest))),
        None => (text, None),
    };
    Pair { component: bytes(component), manifest, signature }
}

fn runs(text: &str) -> Known {
    Known { running: Some(pair(text)), ..Known::default() }
}

fn known(of: &[(&str, Known)]) -> BTreeMap<ChoreName, Known> {
    of.iter().map(|(name, known)| (name.parse().unwrap(), known.clone())).collect()
}

/// One line for each verdict.
fn check(found: &[Found], known: &BTreeMap<ChoreName, Known>) -> Vec<String> {
    let verdicts = plan(found, known);
    let mut reversed: Vec<Found> = found.to_vec();
    reversed.reverse();
    assert_eq!(plan(&reversed, known), verdicts, "the order of the listing matters");
    let change = |word: &str, name: &ChoreName, files: &Files| {
        assert_eq!(files.component, format!("{name}.wasm").as_str());
        let of = |with: &Option<OsString>, digest: Option<Digest>| {
            assert_eq!(with.is_some(), digest.is_some());
            let with = with.as_ref().map(|file| format!(" with {}", file.to_string_lossy()));
            with.unwrap_or_default()
        };
        let manifest = of(&files.manifest, files.pair.manifest);
        format!("{word} {name}{manifest}{}", of(&files.signature, files.pair.signature))
    };
    let line = |verdict: &Verdict| match verdict {
        Verdict::Load { name, files } => change("load", name, files),
        Verdict::Replace { name, files } => change("replace", name, files),
        Verdict::Reconfigure { name, files } => change("reconfigure", name, files),
        Verdict::Unload { name } => format!("unload {name}"),
        Verdict::Keep { name, .. } => format!("keep {name}"),
        Verdict::Refuse { file, name, reason } => {
            if let Some(name) = name {
                assert!(file.to_str().unwrap().starts_with(name.as_str()));
            }
            format!("refuse {}: {reason}", file.to_string_lossy())
        }
        Verdict::Note { file, reason } => format!("note {}: {reason}", file.to_string_lossy()),
    };
    verdicts.iter().map(line).collect()
}

fn check_new(found: &[Found]) -> Vec<String> {
    check(found, &BTreeMap::new())
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
    assert_eq!(check_new(&found), expected);
    assert!(check_new(&[]).is_empty());
    let ours = found.iter().filter(|found| is_ours(&found.file_name));
    let ours: Vec<_> = ours.map(|found| found.file_name.to_str().unwrap()).collect();
    assert_eq!(ours, ["b.wasm", "a.wasm", "c.toml", "a.toml", "z.wasm"]);
    assert!(is_ours(OsStr::new("A.WASM")));
    for (name, max) in [("a.wasm", 64 * MIB), ("a.Toml", MIB), ("a.md", 0)] {
        assert_eq!(bytes_max(OsStr::new(name)), max, "{name}");
    }
}

#[test]
fn bytes_decide_what_becomes_of_a_name() {
    let refused = |running: Option<&str>, refused: &str| Known {
        running: running.map(pair),
        refused: Some(pair(refused)),
        ..Known::default()
    };
    let quarantined = |quarantined: &str, refused: Option<&str>| Known {
        running: Some(pair("1")),
        refused: refused.map(pair),
        quarantined: Some(pair(quarantined)),
        ..Known::default()
    };
    let unloaded = Known { unloaded: true, ..Known::default() };
    let busy = |running: Option<&str>| Known {
        busy: true,
        running: running.map(pair),
        ..Known::default()
    };
    let nothing: &[&str] = &[];
    for (why, found, known_of_a, expected) in [
        ("nothing runs", &["a.wasm=1"][..], Known::default(), &["load a"][..]),
        ("the same bytes", &["a.wasm=1"], runs("1"), &["keep a"]),
        ("the same bytes, both", &["a.wasm=1", "a.toml=x"], runs("1+x"), &["keep a"]),
        ("another component", &["a.wasm=2"], runs("1"), &["replace a"]),
        ("both", &["a.wasm=2", "a.toml=y"], runs("1+x"), &["replace a with a.toml"]),
        ("another config", &["a.wasm=1", "a.toml=y"], runs("1+x"), &["reconfigure a with a.toml"]),
        ("a first config", &["a.wasm=1", "a.toml="], runs("1"), &["reconfigure a with a.toml"]),
        ("no config any more", &["a.wasm=1"], runs("1+x"), &["reconfigure a"]),
        ("refused before", &["a.wasm=1"], refused(None, "1"), &["keep a"]),
        ("refused as a successor", &["a.wasm=2"], refused(Some("1"), "2"), &["keep a"]),
        ("back to what runs", &["a.wasm=1"], refused(Some("1"), "2"), &["keep a"]),
        ("quarantined", &["a.wasm=2"], quarantined("2", None), &["keep a"]),
        ("quarantined, then another", &["a.wasm=2"], quarantined("2", Some("3")), &["keep a"]),
        ("another than that", &["a.wasm=3"], quarantined("2", None), &["replace a"]),
        ("another try", &["a.wasm=3"], refused(Some("1"), "2"), &["replace a"]),
        (
            "a config that may help",
            &["a.wasm=1", "a.toml=y"],
            refused(None, "1+x"),
            &["load a with a.toml"],
        ),
        ("refused without its config", &["a.wasm=1"], refused(Some("1+x"), "1"), &["keep a"]),
        ("unloaded", &["a.wasm=1"], unloaded.clone(), &["keep a"]),
        ("unloaded, a directory", &["a.wasm=2", "a.toml=1"], unloaded.clone(), &["keep a"]),
        ("unloaded and gone", &[], unloaded.clone(), nothing),
        ("busy", &["a.wasm=2"], busy(Some("1")), &["keep a"]),
        ("busy with its first load", &[], busy(None), &["keep a"]),
        ("busy and gone", &[], busy(Some("1")), &["keep a"]),
        ("busy, and a twin came", &["a.wasm=1", "A.wasm=1"], busy(Some("1")), &["keep a"]),
        ("gone", &[], runs("1"), &["unload a"]),
        ("gone, refused before", &[], refused(None, "1"), nothing),
        (
            "only its config is left",
            &["a.toml=x"],
            runs("1+x"),
            &["unload a", "note a.toml: there is no \"a.wasm\" beside it"],
        ),
    ] {
        let lines = check(&files(found), &known(&[("a", known_of_a)]));
        assert_eq!(lines, expected, "{why}");
    }
}

#[test]
fn what_may_change_at_once_is_waited_for() {
    for settling in [Kind::Changing, Kind::Gone] {
        let component = file("a.wasm", settling, 1);
        let manifest = file("a.toml", settling, 1);
        let other_case = file("A.wasm", settling, 1);
        for (found, running, not_running) in [
            (vec![component.clone()], "keep a", "keep a"),
            (vec![manifest.clone(), files(&["a.wasm=2"])[0].clone()], "keep a", "keep a"),
            (vec![component.clone(), manifest.clone()], "keep a", "keep a"),
            (vec![manifest.clone()], "unload a", ""),
            (vec![other_case, component], "", ""),
        ] {
            let unloads = check(&found, &known(&[("a", runs("1"))])).join(", ");
            if running.is_empty() {
                assert!(!unloads.contains("unload"), "{settling:?}: {unloads}");
                continue;
            }
            assert_eq!(unloads, running, "{settling:?}: {found:?}");
            assert_eq!(check_new(&found).join(", "), not_running, "{settling:?}: {found:?}");
        }
    }
    // A file that was renamed is no twin of itself.
    let mut found = files(&["a.wasm=1", "a.toml=x"]);
    found.extend([file("A.wasm", Kind::Gone, 0), file("a.TOML", Kind::Gone, 0)]);
    assert_eq!(check_new(&found), ["load a with a.toml"]);
}

#[test]
fn what_cannot_be_loaded_is_refused_and_disturbs_no_other() {
    use Kind::*;
    let good = File(bytes(""));
    for (found, expected) in [
        (
            file("A.wasm", good, 1),
            "refuse A.wasm: chore name \"A\" has 'A': use a-z, 0-9 and \"-\", as in \"a\"",
        ),
        (file("order_sender.wasm", good, 1), "as in \"order-sender\""),
        (file("a.b.wasm", good, 1), "refuse a.b.wasm: chore name \"a.b\" has '.'"),
        (file("-.wasm", good, 1), "begins with '-'"),
        (file("a.WASM", good, 1), "refuse a.WASM: its name ends with \"WASM\": use \".wasm\""),
        (file("a.wasm", Directory, 0), "refuse a.wasm: \"a.wasm\" is a directory"),
        (file("a.wasm", Other, 0), "is not a regular file inside the chores directory"),
        (file("a.wasm", Unreadable, 0), "cannot be read: check its owner"),
        (
            file("a.wasm", TooLarge, COMPONENT_BYTES_MAX + 1),
            "\"a.wasm\" has 67108865B, at most 64MiB are read",
        ),
    ] {
        let found = [files(&["z.wasm"]), vec![found]].concat();
        let running = known(&[("a", runs("1")), ("z", runs(""))]);
        for (known, z) in [(BTreeMap::new(), "load z"), (running, "keep z")] {
            let mut lines = check(&found, &known);
            // Where the refused file has another name.
            lines.retain(|line| line != "unload a");
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(lines.iter().any(|line| line.contains(expected)), "{expected}: {lines:?}");
            assert!(lines.contains(&z.to_owned()));
        }
    }
}

#[test]
fn what_runs_goes_on_when_its_file_is_refused() {
    let running = known(&[("a", runs("1"))]);
    for found in [
        vec![file("a.wasm", Kind::Directory, 0)],
        vec![file("a.wasm", Kind::TooLarge, COMPONENT_BYTES_MAX + 1)],
        vec![file("a.wasm", Kind::Unreadable, 0)],
        // The lower-case name's chore stays.
        vec![file("A.wasm", Kind::File(bytes("1")), 1)],
        files(&["a.wasm=1", "A.wasm=1"]),
        files(&["a.WASM=1"]),
        [files(&["a.wasm=2"]), vec![file("a.toml", Kind::Other, 0)]].concat(),
    ] {
        let lines = check(&found, &running);
        assert!(lines.iter().all(|line| line.starts_with("refuse ")), "{lines:?}");
        assert!(!lines.is_empty());
    }
}

#[test]
fn a_config_file_or_signature_that_cannot_be_read_keeps_its_chore_out() {
    use Kind::*;
    let good = File(bytes(""));
    for (found, expected) in [
        (file("a.toml", Directory, 0), "refuse a.wasm: \"a.toml\" is a directory"),
        (file("a.toml", Unreadable, 0), "\"a.toml\" cannot be read"),
        (file("a.toml", TooLarge, CONFIG_BYTES_MAX + 1), "\"a.toml\" has 1048577B, at most 1MiB"),
        (file("a.TOML", good, 1), "its name ends with \"TOML\""),
        (file("A.toml", good, 1), "chore name \"A\" has 'A'"),
        (file("a.wasm.minisig", Directory, 0), "refuse a.wasm: \"a.wasm.minisig\" is a directory"),
        (
            file("a.wasm.minisig", TooLarge, MINISIG_BYTES_MAX + 1),
            "\"a.wasm.minisig\" has 10241B, at most 10KiB",
        ),
        (file("a.wasm.MINISIG", good, 1), "its name ends with \"wasm.MINISIG\""),
        (file("a.Wasm.minisig", good, 1), "its name ends with \"Wasm.minisig\""),
    ] {
        let lines = check_new(&[files(&["a.wasm"]), vec![found]].concat());
        assert!(lines.len() == 1 && lines[0].contains(expected), "{expected}: {lines:?}");
    }
}

#[test]
fn files_that_some_systems_take_for_one_are_all_refused() {
    let why =
        "several files are one chore on some systems: \"A.wasm\", \"a.wasm\"; keep one of them";
    let lines = check_new(&files(&["a.wasm", "A.wasm", "a.toml", "b.wasm"]));
    assert_eq!(
        lines,
        [format!("refuse A.wasm: {why}"), format!("refuse a.wasm: {why}"), "load b".into()]
    );
    let lines = check_new(&files(&["a.wasm", "a.WASM"]));
    assert_eq!(lines.len(), 2);
    let lines = check_new(&files(&["a.wasm", "a.toml", "a.Toml"]));
    assert_eq!(
        lines,
        [
            "refuse a.wasm: several files are one chore on some systems: \"a.Toml\", \"a.toml\"; keep one of them"
        ]
    );
    let names = plan(&files(&["a.wasm", "A.wasm"]), &BTreeMap::new());
    let names = names.iter().map(|verdict| match verdict {
        Verdict::Refuse { name, .. } => name.as_ref().map(ChoreName::as_str),
        other => panic!("{other:?}"),
    });
    assert_eq!(names.collect::<Vec<_>>(), [None, Some("a")]);
}

#[test]
fn a_signature_belongs_to_its_component() {
    let refused = |text| Known { refused: Some(pair(text)), ..Known::default() };
    let quarantined = |text| Known { quarantined: Some(pair(text)), ..Known::default() };
    let unvouched = |text| Known { unvouched: Some(pair(text)), ..Known::default() };
    for (known_of, found, expected) in [
        (None, &["a.wasm=1", "a.wasm.minisig=s"][..], "load a with a.wasm.minisig"),
        (
            None,
            &["a.wasm=1", "a.toml=2", "a.wasm.minisig=s"],
            "load a with a.toml with a.wasm.minisig",
        ),
        (None, &["a.wasm.minisig=s"], "note a.wasm.minisig: there is no \"a.wasm\" beside it"),
        (Some(runs("1/s")), &["a.wasm=1", "a.wasm.minisig=s"], "keep a"),
        // Signed by another, or not any more: it is looked at.
        (Some(runs("1/s")), &["a.wasm=1", "a.wasm.minisig=t"], "reconfigure a with a.wasm.minisig"),
        (Some(runs("1/s")), &["a.wasm=1"], "reconfigure a"),
        (Some(runs("1/s")), &["a.wasm=2", "a.wasm.minisig=s"], "replace a with a.wasm.minisig"),
        (Some(runs("1/s")), &["a.wasm.minisig=s"], "unload a"),
        // What was refused is tried again, what failed is not.
        (Some(refused("1")), &["a.wasm=1", "a.wasm.minisig=s"], "load a with a.wasm.minisig"),
        (Some(refused("1/s")), &["a.wasm=1", "a.wasm.minisig=t"], "load a with a.wasm.minisig"),
        (Some(refused("1/s")), &["a.wasm=1", "a.wasm.minisig=s"], "keep a"),
        (Some(quarantined("1")), &["a.wasm=1", "a.wasm.minisig=s"], "keep a"),
        // The one that fits may be on its way.
        (Some(unvouched("1/s")), &["a.wasm=1", "a.wasm.minisig=s"], "keep a"),
        (Some(unvouched("1/s")), &["a.wasm=1", "a.wasm.minisig=t"], "load a with a.wasm.minisig"),
        (Some(unvouched("1/s")), &["a.wasm=2", "a.wasm.minisig=s"], "load a with a.wasm.minisig"),
        // Of somebody else.
        (None, &["a.wasm=1", "a.minisig=s", ".wasm.minisig", "a.toml.minisig"], "load a"),
    ] {
        let known: BTreeMap<ChoreName, Known> =
            known_of.into_iter().map(|of| ("a".parse().unwrap(), of)).collect();
        let lines = check(&files(found), &known);
        assert_eq!(lines.first().map(String::as_str), Some(expected), "{found:?}: {lines:?}");
    }
    let settling = [files(&["a.wasm=1"]), vec![file("a.wasm.minisig", Kind::Changing, 1)]].concat();
    assert_eq!(check_new(&settling), ["keep a"], "it is being written");
    // What may be on its way is not the time to load what ran before.
    let waits = BTreeMap::from([("a".parse().unwrap(), unvouched("1"))]);
    let verdicts = plan(&files(&["a.wasm=1"]), &waits);
    assert!(matches!(verdicts[..], [Verdict::Keep { pair: None, .. }]), "{verdicts:?}");
}

#[cfg(unix)]
#[test]
fn a_name_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let name = |name: &[u8]| Found {
        file_name: OsStr::from_bytes(name).to_owned(),
        kind: Kind::File(bytes("")),
        size: 1,
    };
    let lines =
        check_new(&[name(b"\xff.wasm"), name(b"a.wasm"), name(b"b\xff"), name(b"c\nd.wasm")]);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("is not UTF-8")));
    assert!(lines.iter().any(|line| line.contains("\"c\\nd\" has '\\n'")), "{lines:?}");
}

fn any_found() -> impl Strategy<Value = Vec<Found>> {
    let kind = prop_oneof![
        8 => select(vec!["1", "2", "3"]).prop_map(|content| Kind::File(bytes(content))),
        4 => select(vec![
            Kind::TooLarge,
            Kind::Changing,
            Kind::Gone,
            Kind::Directory,
            Kind::Other,
            Kind::Unreadable,
        ]),
    ];
    prop::collection::btree_map("[aAb-]{1,2}\\.(wasm|toml|Wasm|wasm\\.minisig|md)", kind, 0..12)
        .prop_map(|found| {
            found.into_iter().map(|(name, kind)| file(&name, kind, 1)).collect::<Vec<_>>()
        })
}

fn any_known() -> impl Strategy<Value = BTreeMap<ChoreName, Known>> {
    let pair = || {
        let content = || select(vec!["1", "2", "3"]).prop_map(bytes);
        let parts = (content(), prop::option::of(content()), prop::option::of(content()));
        prop::option::of(parts.prop_map(|(component, manifest, signature)| Pair {
            component,
            manifest,
            signature,
        }))
    };
    let known = (pair(), pair(), pair(), prop::bool::weighted(0.2), prop::bool::weighted(0.2));
    let known = known.prop_map(|(running, refused, quarantined, unloaded, busy)| Known {
        running,
        refused,
        quarantined,
        unvouched: None,
        unloaded,
        busy,
    });
    let name = "[ab][ab-]?".prop_map(|name| name.parse::<ChoreName>().unwrap());
    prop::collection::btree_map(name, known, 0..6)
}

/// The name in lower case that a verdict is about.
fn about(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Load { name, .. }
        | Verdict::Replace { name, .. }
        | Verdict::Reconfigure { name, .. }
        | Verdict::Unload { name }
        | Verdict::Keep { name, .. } => name.to_string(),
        Verdict::Refuse { file, .. } | Verdict::Note { file, .. } => lower_stem(file),
    }
}

fn lower_stem(file: &OsStr) -> String {
    split(file).unwrap().0.to_lowercase()
}

proptest! {
    /// Each component that is there has exactly one verdict: its own, or its name's.
    #[test]
    fn no_component_is_lost_or_decided_twice(found in any_found(), known in any_known()) {
        let verdicts = plan(&found, &known);
        for component in &found {
            let is_component = matches!(split(&component.file_name), Some((_, Part::Component)));
            if !is_component || component.kind == Kind::Gone {
                continue;
            }
            let decides = |verdict: &&Verdict| match verdict {
                Verdict::Load { files, .. }
                | Verdict::Replace { files, .. }
                | Verdict::Reconfigure { files, .. } => files.component == component.file_name,
                Verdict::Refuse { file, .. } => *file == component.file_name,
                Verdict::Keep { name, .. } => name.as_str() == lower_stem(&component.file_name),
                Verdict::Unload { .. } | Verdict::Note { .. } => false,
            };
            prop_assert_eq!(verdicts.iter().filter(decides).count(), 1, "{:?}", component);
        }
    }

    #[test]
    fn verdicts_are_in_order_and_the_listing_need_not_be(
        found in any_found(),
        known in any_known(),
        swaps in prop::collection::vec(any::<(Index, Index)>(), 0..12),
    ) {
        let verdicts = plan(&found, &known);
        let names: Vec<String> = verdicts.iter().map(about).collect();
        prop_assert!(names.is_sorted(), "{:?}", names);
        let mut shuffled = found.clone();
        for (a, b) in swaps.iter().filter(|_| !found.is_empty()) {
            shuffled.swap(a.index(found.len()), b.index(found.len()));
        }
        prop_assert_eq!(plan(&shuffled, &known), verdicts);
    }

    #[test]
    fn a_refused_file_unloads_nothing(found in any_found(), known in any_known()) {
        let verdicts = plan(&found, &known);
        let unloaded = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Unload { .. }));
        for name in unloaded.map(about) {
            let alone = |verdict: &Verdict| !matches!(verdict, Verdict::Refuse { .. });
            prop_assert!(verdicts.iter().filter(|v| about(v) == name).all(alone));
            // Nor does anything but a component file that is not there.
            let component = |found: &Found| {
                let is_component = |(stem, part): (String, Part)| {
                    stem.to_lowercase() == name && part == Part::Component
                };
                split(&found.file_name).is_some_and(is_component)
            };
            prop_assert!(!found.iter().any(component));
        }
    }

    /// Whatever came of the changes, there is nothing left to change.
    #[test]
    fn the_same_listing_twice_plans_nothing(
        found in any_found(),
        mut known in any_known(),
        succeeds in prop::collection::vec(any::<bool>(), 16),
    ) {
        for (verdict, succeeds) in plan(&found, &known).into_iter().zip(succeeds.iter().cycle()) {
            match verdict {
                Verdict::Load { name, files }
                | Verdict::Replace { name, files }
                | Verdict::Reconfigure { name, files } => {
                    let known = known.entry(name).or_default();
                    prop_assert!(!known.busy && !known.unloaded);
                    match succeeds {
                        true => (known.running, known.refused) = (Some(files.pair), None),
                        false => known.refused = Some(files.pair),
                    }
                }
                Verdict::Unload { name } => {
                    known.remove(&name);
                }
                Verdict::Keep { .. } | Verdict::Refuse { .. } | Verdict::Note { .. } => {}
            }
        }
        for verdict in plan(&found, &known) {
            let rests = matches!(
                verdict,
                Verdict::Keep { .. } | Verdict::Refuse { .. } | Verdict::Note { .. }
            );
            prop_assert!(rests, "{:?}", verdict);
        }
    }
}
