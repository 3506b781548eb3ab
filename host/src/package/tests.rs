//! Files that are chores, almost chores, other things, and hostile.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// The component's preamble.
fn head() -> Vec<u8> {
    [&MAGIC[..], &COMPONENT].concat()
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(body.len()), body].concat()
}

fn name(text: &str) -> Vec<u8> {
    [&[0][..], &leb(text.len()), text.as_bytes()].concat()
}

/// Imports of instances of type 0.
fn imports(names: &[&str]) -> Vec<u8> {
    let items = names.iter().flat_map(|text| [name(text), vec![5, 0]].concat());
    section(10, &[leb(names.len()), items.collect()].concat())
}

/// Exports of instance 0, without a type of their own.
fn exports(names: &[&str]) -> Vec<u8> {
    let items = names.iter().flat_map(|text| [name(text), vec![5, 0, 0]].concat());
    section(11, &[leb(names.len()), items.collect()].concat())
}

/// A module with nothing in it.
fn module() -> Vec<u8> {
    section(1, &[&MAGIC[..], &MODULE].concat())
}

fn chore() -> Vec<u8> {
    let sections = [
        head(),
        imports(&["chore:peer/log@0.1.0", "wasi:io/poll@0.2.6"]),
        module(),
        // A component inside, whose imports and exports are its own.
        section(4, &[head(), imports(&["hidden"]), exports(&["hidden"])].concat()),
        imports(&["chore:peer/orders@0.1.0"]),
        exports(&["chore:peer/lifecycle@0.1.0", "more"]),
        section(0, &[&leb(4)[..], b"name", b"custom"].concat()),
    ];
    sections.concat()
}

#[test]
fn a_chore_is_read() {
    let bytes = chore();
    let package = verify(&bytes).unwrap();
    let imports = ["chore:peer/log@0.1.0", "wasi:io/poll@0.2.6", "chore:peer/orders@0.1.0"];
    assert_eq!(package.imports, imports);
    assert_eq!(package.exports, ["chore:peer/lifecycle@0.1.0", "more"]);
    assert_eq!((package.size, package.digest), (bytes.len(), Digest::of(&bytes)));
    assert_eq!(package.contract, VERSION);
}

#[test]
fn a_compatible_version_is_taken_and_told() {
    for (names, expected) in [
        (&["chore:peer/lifecycle@0.1.12"][..], "0.1.12"),
        (&["chore:peer/lifecycle@0.2.0", "chore:peer/lifecycle@0.1.0"], "0.1.0"),
    ] {
        let package = verify(&[head(), exports(names)].concat()).unwrap();
        assert_eq!(package.contract.to_string(), expected);
    }
}

#[test]
fn a_chore_is_of_the_world_of_its_lifecycle() {
    let (chore, sync) = ("chore:peer/lifecycle@0.1.0", "chore:peer/lifecycle-sync@0.1.0");
    for (names, world) in [
        (&[chore][..], World::Chore),
        (&[sync], World::ChoreSync),
        (&[sync, chore], World::Chore),
        (&["chore:peer/lifecycle@0.2.0", sync], World::ChoreSync),
    ] {
        let package = verify(&[head(), exports(names)].concat()).unwrap();
        assert_eq!(package.world, world, "{names:?}");
    }
    assert_eq!(World::ALL.map(World::lifecycle), [chore, sync]);
}

#[test]
fn a_digest_has_a_short_and_a_long_text() {
    let digest = Digest::of(b"abc");
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!((digest.to_string(), digest.hex()), ("ba7816bf8f01".into(), hex.into()));
    assert_eq!(format!("{digest:?}"), hex);
    assert_eq!(digest.as_bytes()[0], 0xba);
}

#[test]
fn a_digest_is_read_from_its_long_text_alone() {
    let digest = Digest::of(b"abc");
    let hex = digest.hex();
    assert_eq!(hex.parse(), Ok(digest));
    assert_eq!(hex.to_uppercase().parse(), Ok(digest));
    let json = serde_json::to_string(&digest).unwrap();
    assert_eq!(json, format!("\"{hex}\""));
    assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    let long = "a".repeat(1_000_000);
    let signed = "+a".repeat(32);
    let wide = "é".repeat(32);
    for text in ["", &hex[..12], &hex[1..], &format!("{hex}0"), &long, &signed, &wide, "\n"] {
        let message = text.parse::<Digest>().unwrap_err().to_string();
        assert!(message.ends_with(" is no digest, which has 64 hexadecimal digits"), "{message}");
        assert!(message.len() < 300 && !message.contains('\n'), "{message}");
        let json = serde_json::to_string(text).unwrap();
        assert!(serde_json::from_str::<Digest>(&json).is_err());
    }
    assert!(serde_json::from_str::<Digest>("[1, 2]").is_err());
}

#[test]
fn what_is_no_chore_is_named() {
    let module = [&MAGIC[..], &MODULE].concat();
    let exporting = |names: &[&str]| [head(), exports(names)].concat();
    let other = ["a", "b", "c", "d", "e", "f"];
    for (bytes, expected) in [
        (vec![], "the file is empty"),
        (b"\0as".to_vec(), "ends in the middle, after 3 bytes"),
        (b"\0asm\x0d\0".to_vec(), "ends in the middle, after 6 bytes"),
        (module, "a core module, not a component: build it for the target wasm32-wasip2"),
        (b"\0asm\x0e\0\x01\0".to_vec(), "of an unknown version (0e000100)"),
        (b"\0asm\x02\0\0\0".to_vec(), "of an unknown version (02000000)"),
        (b"\x7fELF\x02\x01".to_vec(), "looks like a program or library of Linux"),
        (b"MZ\x90\0".to_vec(), "of Windows"),
        (b"\x1f\x8b\x08\0".to_vec(), "looks like gzip"),
        (b"PK\x03\x04".to_vec(), "a zip archive"),
        (b"(component)".to_vec(), "the text form of a component"),
        (b"(module)".to_vec(), "the text form of a module"),
        (b"\n<!DOCTYPE html>".to_vec(), "HTML"),
        (b"#!/bin/sh\n".to_vec(), "looks like text"),
        ("Überschrift".as_bytes().to_vec(), "looks like text"),
        (vec![0; 100], "zeros"),
        (vec![0xff, 0xfe, 1], "other data"),
        (vec![7; 100], "other data"),
        (
            head(),
            "exports nothing (the file may be incomplete), and a chore exports chore:peer/lifecycle@0.1.0",
        ),
        (exporting(&["wasi:cli/run@0.2.0"]), "another world: it exports \"wasi:cli/run@0.2.0\""),
        (exporting(&other), "exports \"a\", \"b\", \"c\", \"d\", \"e\" and more"),
        (exporting(&["chore:peer/lifecycle"]), "another world"),
        (exporting(&["chore:peer/lifecycles@0.1.0"]), "another world"),
        (
            exporting(&["chore:peer/lifecycle@0.2.0"]),
            "lifecycle@0.2.0, and this host runs 0.1.0: it needs a newer host",
        ),
        (exporting(&["chore:peer/lifecycle@1.0.0"]), "it needs a newer host"),
        (exporting(&["chore:peer/lifecycle@0.1.0-draft"]), "rebuild it with a newer SDK"),
        (exporting(&["chore:peer/lifecycle@0.0.9"]), "rebuild it with a newer SDK"),
        (
            exporting(&["chore:peer/lifecycle-sync@0.2.0"]),
            "exports chore:peer/lifecycle-sync@0.2.0, and this host runs 0.1.0: it needs a newer",
        ),
        (exporting(&["\x1b[31m"]), "exports \"\\u{1b}[31m\""),
        ([head(), section(10, &[1, 9])].concat(), "is malformed at byte"),
        ([head(), section(11, &[200, 1, 0])].concat(), "is malformed at byte"),
        ([head(), section(99, &[])].concat(), "is malformed at byte"),
        ([head(), section(10, &[1, 0, 2, 0xff, 0xff, 5, 0])].concat(), "is malformed at byte"),
        ([head(), vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(), ""),
        ([head(), vec![11, 0xff, 0xff, 0xff, 0x0f]].concat(), ""),
    ] {
        let message = verify(&bytes).unwrap_err().to_string();
        assert!(message.contains(expected), "{bytes:x?}: {message}");
        assert!(message.len() < 500, "{message}");
    }
}

#[test]
fn what_is_over_a_limit_is_refused_before_it_costs() {
    let large = vec![0; usize::try_from(COMPONENT_BYTES_MAX).unwrap() + 1];
    assert!(matches!(verify(&large), Err(Error::TooLarge { .. })));
    let names = vec!["a"; COMPONENT_NAMES_MAX + 1];
    let found = verify(&[head(), imports(&names)].concat());
    assert_eq!(found, Err(Error::TooMany { what: "imports", max: COMPONENT_NAMES_MAX }));
    let found = verify(&[head(), exports(&names)].concat());
    assert_eq!(found, Err(Error::TooMany { what: "exports", max: COMPONENT_NAMES_MAX }));
    let empty = section(0, &[0]).repeat(COMPONENT_SECTIONS_MAX);
    let found = verify(&[head(), empty].concat());
    assert_eq!(found, Err(Error::TooMany { what: "sections", max: COMPONENT_SECTIONS_MAX }));
    // Components in components, deeper than any stack.
    let mut nested = chore();
    for _ in 0..20_000 {
        let inner = section(4, &nested[nested.len().saturating_sub(100)..]);
        nested = [chore(), inner].concat();
    }
    verify(&nested).unwrap();
}

#[test]
fn a_chore_that_is_cut_anywhere_is_refused() {
    let bytes = chore();
    let lifecycle = bytes.len() - section(0, &[&leb(4)[..], b"name", b"custom"].concat()).len();
    for length in 0..bytes.len() {
        // Only what comes after the last export can be missing unnoticed.
        if length == lifecycle {
            continue;
        }
        let err = verify(&bytes[..length]).unwrap_err();
        let incomplete = matches!(err, Error::Empty | Error::Truncated { .. })
            || err.to_string().contains("may be incomplete");
        assert!(incomplete, "{length}: {err}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), with_head: bool) {
        let bytes = if with_head { [head(), bytes].concat() } else { bytes };
        let _ = verify(&bytes);
    }

    #[test]
    fn no_change_to_a_chore_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = chore();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = verify(&bytes);
    }
}
