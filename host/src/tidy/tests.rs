//! The workspace keeps the rules, and each rule catches what breaks it.

use super::*;

#[test]
fn the_workspace_keeps_the_rules() {
    let root = workspace();
    let sources = sources(&root);
    // If nothing was found, nothing was checked.
    assert!(sources.iter().any(|source| source.path == "host/src/lib.rs"), "not in a workspace");
    assert!(sources.iter().any(|source| source.path == "host/src/tidy/tests.rs"));
    let complaints = check(&root);
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

const LIB: &str = "//! A peer.\n//!\n//! ```text\n//! floor 2  peer main\n//! floor 1  orders sql\n//! floor 0  clock cycle tidy\n//! ```\npub mod peer;\n";

fn floors() -> Floors {
    match Floors::parse(LIB) {
        Ok(floors) => floors,
        Err(complaint) => panic!("{complaint}"),
    }
}

/// Complaints, without the path and the line.
#[track_caller]
fn check_complaints(found: &[String], expected: &[&str]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found}, not {expected}");
    }
}

#[test]
fn floors_are_read_from_the_documentation() {
    for (lib, expected) in [
        ("", "lists no floors"),
        ("//! A crate.\npub mod a;\n", "lists no floors"),
        ("//! floor 1  a\n", "lists no floors"),
        ("//! ```text\n//! a b\n//! ```\n", "\"a b\" is not \"floor N  rooms\""),
        ("//! ```text\n//! floor x  a\n//! ```\n", "is not \"floor N"),
        ("//! ```text\n//! floor 1  a\n//! floor 0  b a\n//! ```\n", "a is on two floors"),
    ] {
        let complaint = Floors::parse(lib).err().unwrap_or_default();
        assert!(complaint.contains(expected), "{lib}: {complaint}");
    }
}

#[test]
fn rooms_are_listed_and_there() {
    let all = ["peer", "main", "orders", "sql", "clock", "cycle", "tidy"];
    let mut sources: Vec<Source> =
        all.iter().map(|room| source(&format!("host/src/{room}.rs"), "")).collect();
    sources.push(source("host/src/lib.rs", ""));
    sources.push(source("proto/src/other.rs", ""));
    check_complaints(&floors().rooms_are_listed(&sources), &[]);
    sources.push(source("host/src/attic/box.rs", ""));
    sources.retain(|source| source.path != "host/src/sql.rs");
    let expected = ["host/src/attic: on no floor", "sql is no room"];
    check_complaints(&floors().rooms_are_listed(&sources), &expected);
}

#[test]
fn an_upward_import_is_found() {
    for (path, text, expected) in [
        ("orders.rs", "use crate::sql::Sql;\nuse crate::clock::Timestamp;", &[][..]),
        (
            "orders.rs",
            "use crate::peer::Peer;",
            &["host/src/orders.rs:1: peer is on floor 2, above floor 1"],
        ),
        ("orders/a/b.rs", "\n\nfn f() -> crate::peer::Peer {}", &["orders/a/b.rs:3: peer is"]),
        (
            "clock.rs",
            "use crate::{\n    cycle::{self, orders},\n    orders::{Orders},\n    peer,\n};",
            &["orders is on", "peer is on"],
        ),
        ("clock.rs", "pub(in crate::orders) fn f() {}", &["orders is on"]),
        ("clock.rs", "mod tests {\n    use crate::orders;\n}", &["orders is on"]),
        ("clock.rs", "use super::orders::Orders;", &["orders is on"]),
        ("clock.rs", "mod tests {\n    use super::orders;\n}", &[]),
        ("clock/a.rs", "use super::orders;", &[]),
        ("clock.rs", "// crate::peer\n/* crate::peer */ const A: &str = \"crate::peer\";", &[]),
        (
            "clock.rs",
            "/// [`x`](crate::peer)\nfn f() { r#\"crate::peer\"#; mycrate::peer::x(); }",
            &[],
        ),
        ("clock.rs", "fn f() { let c = '\"'; crate::peer::x(); let d = '\"'; }", &["peer is on"]),
        ("main.rs", "fn main() { chore_host::peer::run() }", &[]),
        ("clock.rs", "chore_host::peer::run()", &["peer is on"]),
        ("peer.rs", "use crate::{orders, main, clock};", &[]),
        ("lib.rs", "use crate::peer;", &[]),
    ] {
        let found = floors().imports_go_down(&source(&format!("host/src/{path}"), text));
        check_complaints(&found, expected);
    }
}

#[test]
fn what_is_impure_is_found_on_floor_0_alone() {
    for (path, text, expected) in [
        (
            "cycle.rs",
            "let now = Instant::now();",
            &["host/src/cycle.rs:1: Instant::now on floor 0"][..],
        ),
        ("cycle.rs", "\nlet now = std::time::SystemTime::now();", &["cycle.rs:2: SystemTime::now"]),
        ("cycle/a.rs", "use tokio::time::sleep;", &["tokio:: on"]),
        ("cycle.rs", "fn f(e: &wasmtime::Engine) {}", &["wasmtime:: on"]),
        ("cycle.rs", "use std::fs;\nuse std::fs::File;", &["std::fs", "std::fs"]),
        ("cycle.rs", "use std::net::TcpStream;", &["std::net on"]),
        ("cycle.rs", "use std::net::{IpAddr, UdpSocket};", &["std::net on"]),
        ("cycle.rs", "use std::net;", &["std::net on"]),
        ("cycle.rs", "use std::net::{IpAddr, SocketAddr};\nlet a: std::net::Ipv6Addr = b;", &[]),
        ("cycle.rs", "use std::fsx;\nuse mytokio::x;", &[]),
        ("cycle.rs", "// tokio::spawn\nlet a = \"std::fs\";", &[]),
        ("cycle.rs", "mod tests {\n    use std::fs;\n}\nuse std::fs;", &["cycle.rs:4:"]),
        ("cycle/tests.rs", "use std::fs;", &[]),
        ("cycle/tests/a.rs", "use std::fs;", &[]),
        ("clock.rs", "SystemTime::now()", &[]),
        ("clock.rs", "Instant::now()", &["Instant::now"]),
        ("tidy.rs", "use std::fs;", &[]),
        ("orders.rs", "use tokio::fs;\nuse std::net::TcpStream;", &[]),
    ] {
        let found = floors().is_pure(&source(&format!("host/src/{path}"), text));
        check_complaints(&found, expected);
    }
}

#[test]
fn a_file_says_first_what_it_is_for() {
    for (text, good) in [
        ("//! Does it.\n", true),
        ("//! Does it.", true),
        ("", false),
        ("//!\n//! Does it.", false),
        ("// Does it.\n", false),
        ("\n//! Does it.\n", false),
        ("#![allow(x)]\n//! Does it.\n", false),
    ] {
        let found = begins(text);
        assert_eq!(found.is_none(), good, "{text:?}: {found:?}");
    }
}

fn begins(text: &str) -> Option<String> {
    rules::begins_with_its_purpose(&source("proto/src/a.rs", text))
}

#[test]
fn files_have_a_length() {
    let lines = |count: usize| source("a.rs", &"x\n".repeat(count));
    assert_eq!(rules::is_short(&lines(rules::FILE_LINES_MAX)), None);
    let found = rules::is_short(&lines(rules::FILE_LINES_MAX + 1));
    assert_eq!(found.as_deref(), Some("a.rs:801: has 801 lines, at most 800 are allowed"));
}

#[test]
fn functions_have_a_length() {
    let body = |lines: usize| "    let a = \"}\"; // }\n".repeat(lines);
    let good = rules::FUNCTION_LINES_MAX - 2;
    for (text, expected) in [
        (format!("fn f() {{\n{}}}\n", body(good)), &[][..]),
        (format!("fn f() {{\n{}}}\n", body(good + 1)), &["host/src/a.rs:1: fn f has 71 lines"]),
        (format!("pub async fn f(\n    a: [u8; 2],\n) {{\n{}}}\n", body(good)), &["fn f has 72"]),
        (
            format!("impl A {{\n    pub(crate) const fn f<'a>() {{\n{}    }}\n}}\n", body(99)),
            &["a.rs:2: fn f has 101"],
        ),
        (
            format!("fn f() {{\n    fn g() {{\n{}    }}\n}}\n", body(80)),
            &["fn f has 84", "fn g has 82"],
        ),
        (format!("mod tests {{\n    fn f() {{\n{}    }}\n}}\n", body(99)), &[]),
        (
            format!("mod tests {{\n    fn f() {{\n    }}\n}}\nfn g() {{\n{}}}\n", body(99)),
            &["a.rs:5: fn g has 101"],
        ),
        (format!("trait A {{\n    fn f();\n    fn g(a: [u8; 3]) -> u8;\n{}}}\n", body(99)), &[]),
        (format!("struct A(fn(u8));\n// fn f() {{\n{}", body(99)), &[]),
        (
            format!(
                "fn f() {{\n    let a = '{{';\n    let b: &'static str = r#\"{{\"#;\n}}\n{}",
                body(99)
            ),
            &[],
        ),
    ] {
        check_complaints(&rules::functions_are_short(&source("host/src/a.rs", &text)), expected);
        let in_tests = rules::functions_are_short(&source("host/src/a/tests.rs", &text));
        check_complaints(&in_tests, &[]);
    }
}

#[test]
fn code_is_what_is_left_without_comments_and_literals() {
    for (text, expected) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("a \"b\\\"c\" d", "a        d"),
        ("br\"a\\\" b", "       b"),
        ("r##\"a\"#\"## b", "           b"),
        ("for\"a\"", "for   "),
        ("'a' 'b '\\'' 'ü'", "    'b         "),
        ("f::<'a>(b'\\n')", "f::<'a>(b    )"),
        ("r#type b", "r#type b"),
        ("\"open", "     "),
        ("/* open", "       "),
    ] {
        assert_eq!(code::code_only(text).replace('\u{fffd}', " "), expected, "{text}");
    }
}

#[test]
fn a_guest_without_a_test_is_found() {
    let guests: BTreeSet<String> = ["run_spins", "open_fails"].map(str::to_owned).into();
    let sources = [
        source("tests/src/lib.rs", "run(\"run_spins\"); // open_fails\nopen_fails_twice();"),
        source("tests/guests/open_fails/src/lib.rs", "open_fails"),
        source("host/src/peer.rs", "open_fails"),
    ];
    let found = rules::guests_are_tested(&guests, &sources);
    check_complaints(&found, &["tests/guests/open_fails: no test names it"]);
    for test in ["check(guest::open_fails)", "start(\"guest-open-fails\")"] {
        let all: Vec<Source> =
            sources.iter().cloned().chain([source("tests/tests/all.rs", test)]).collect();
        check_complaints(&rules::guests_are_tested(&guests, &all), &[]);
    }
}

#[test]
fn what_is_unsafe_stands_in_known_places_alone() {
    let allows = "//! A.\n#[allow(unsafe_code)]\nfn f() {}\n";
    for (path, text, complaints) in [
        ("host/src/runtime/compile.rs", allows, 0),
        ("tests/guests/run_blocks/src/lib.rs", allows, 0),
        ("host/src/sql.rs", allows, 1),
        ("tests/src/lib.rs", "//! A.\n#![allow(clippy::all, unsafe_code)]\n", 1),
        ("host/src/sql.rs", "//! Says unsafe_code.\n", 0),
    ] {
        let found = rules::is_safe(&source(path, text));
        assert_eq!(found.iter().count(), complaints, "{path}: {found:?}");
    }
}
