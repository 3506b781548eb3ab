//! `chore doctor` in homes that are broken in one way each.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use testplanet::{Program, component, text};

const COUNTS: &str = "guest-run-counts";

fn home() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("dr").tempdir().unwrap();
    assert!(Program::command(folder.path(), &["setup"]).status.success());
    let chores = folder.path().join("chores");
    fs::copy(component(COUNTS), chores.join(format!("{COUNTS}.wasm"))).unwrap();
    folder
}

/// The exit code, and what it says of one thing.
fn doctor(home: &Path, check: &str) -> (i32, Value) {
    let output = Program::command(home, &["doctor", "--json"]);
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|err| panic!("{err}: {}", text(&output.stderr)));
    let code = output.status.code().unwrap();
    assert_eq!(said["healthy"], code == 0, "{said}");
    let checks = said["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["check"] == check);
    (code, found.unwrap_or_else(|| panic!("no {check}: {said}")).clone())
}

fn write(path: impl AsRef<Path>, text: &str) {
    fs::write(path, text).unwrap();
}

fn chmod(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

type Break = fn(&Path);

/// A way to break a home; what is looked at; what is said of it; what is advised.
const BROKEN: [(&str, Break, &str, &str, &str); 9] = [
    (
        "no config",
        |home| fs::remove_file(home.join("chore.toml")).unwrap(),
        "home",
        "does not exist",
        "setup",
    ),
    (
        "no identity",
        |home| fs::remove_dir_all(home.join("identity")).unwrap(),
        "home",
        "identity does not exist",
        "restore",
    ),
    (
        "a typing error",
        |home| write(home.join("chore.toml"), "[ordrs]\n"),
        "config",
        "did you mean",
        "correct",
    ),
    (
        "a key for all to read",
        |home| chmod(home.join("identity/identity.key"), 0o644),
        "permissions",
        "identity.key is open to others",
        "chmod 600",
    ),
    (
        "a home for all to write to",
        |home| chmod(home, 0o777),
        "permissions",
        "others may write",
        "chmod go-w",
    ),
    (
        "no chores directory",
        |home| fs::remove_dir_all(home.join("chores")).unwrap(),
        "chores",
        "is not there",
        "mkdir",
    ),
    (
        "a chore that is none",
        |home| write(home.join("chores/bad.wasm"), "hello, I am a text file"),
        "chores",
        "bad: ",
        "chore status bad",
    ),
    (
        "a database that is none",
        |home| write(home.join("data/orders.db"), &"no database ".repeat(1000)),
        "databases",
        "orders.db is damaged",
        "restore",
    ),
    (
        "an address of another machine",
        |home| write(home.join("chore.toml"), "[server]\nlisten = \"192.0.2.1:7777\"\n"),
        "port",
        "no address of this machine",
        "listen",
    ),
];

#[test]
fn each_way_to_break_a_home_has_a_sentence_and_an_advice() {
    for (case, break_it, check, says, advice) in BROKEN {
        let folder = home();
        break_it(folder.path());
        let (code, found) = doctor(folder.path(), check);
        assert_eq!((code, &found["health"]), (1, &"problem".into()), "{case}: {found}");
        assert!(found["says"].as_str().unwrap().contains(says), "{case}: {found}");
        assert!(found["advice"].as_str().unwrap().contains(advice), "{case}: {found}");
    }
}

#[test]
fn a_port_is_taken_by_another_or_by_the_peer_itself() {
    let folder = home();
    let home = folder.path();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    write(home.join("chore.toml"), &format!("[server]\nlisten = \"{address}\"\n"));
    let (code, found) = doctor(home, "port");
    assert_eq!((code, &found["health"]), (1, &"problem".into()), "{found}");
    drop(taken);
    let mut peer = Program::run(home);
    peer.is_up();
    let (code, found) = doctor(home, "port");
    assert_eq!((code, &found["health"]), (0, &"ok".into()), "{found}");
    assert!(found["says"].as_str().unwrap().contains("by this peer"), "{found}");
}

#[test]
fn a_home_is_well_while_its_peer_runs_and_when_it_does_not() {
    let folder = home();
    let home = folder.path();
    let live = |home| Program::command(home, &["doctor", "--live"]).status.code();
    let (code, found) = doctor(home, "peer");
    assert_eq!((code, &found["health"]), (0, &"warning".into()), "{found}");
    assert_eq!(live(home), Some(1));
    let mut peer = Program::run(home);
    peer.is_up();
    assert_eq!(live(home), Some(0));
    for check in ["peer", "databases", "compiled code", "chores"] {
        let (code, found) = doctor(home, check);
        assert_eq!((code, &found["health"]), (0, &"ok".into()), "{found}");
    }
    // A chore that is refused while the peer runs is its own word.
    write(home.join("chores/bad.wasm"), "hello");
    Program::command(home, &["reload"]);
    let (code, found) = doctor(home, "chores");
    assert_eq!(code, 1, "{found}");
    assert!(found["says"].as_str().unwrap().starts_with("bad: "), "{found}");
    assert!(peer.terminate().success());
    // And what the peer left behind is whole.
    fs::remove_file(home.join("chores/bad.wasm")).unwrap();
    let (code, found) = doctor(home, "databases");
    assert_eq!((code, &found["health"]), (0, &"ok".into()), "{found}");
}
