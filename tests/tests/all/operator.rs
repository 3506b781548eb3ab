//! The program as an operator uses it: what is typed, what is printed, and how it exits.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use testplanet::{Program, SENDER, SENDER_GRANTS, component, refused, text};

fn home() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("op").tempdir().unwrap()
}

/// Fails unless the command does what it should.
fn done(home: &Path, arguments: &[&str]) -> String {
    let output = Program::command(home, arguments);
    assert!(output.status.success(), "chore {}: {}", arguments.join(" "), text(&output.stderr));
    text(&output.stdout)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

#[test]
fn a_peer_is_set_up_run_watched_and_stopped() {
    let dir = home();
    let home = dir.path().join("peer");
    done(&home, &["setup"]);
    let again = refused(&Program::command(&home, &["setup"]));
    assert!(again.contains("overwrites nothing"), "{again}");
    let nobody = refused(&Program::command(&home, &["ls"]));
    assert!(nobody.contains("no peer is running") && nobody.contains("run`"), "{nobody}");

    fs::write(home.join("chore.toml"), "[orders]\n").unwrap();
    fs::copy(component(SENDER), home.join("chores/order-sender.wasm")).unwrap();
    fs::write(home.join("chores/order-sender.toml"), SENDER_GRANTS).unwrap();
    let mut peer = Program::run(&home);
    peer.is_up();
    let socket = fs::metadata(home.join("control.sock")).unwrap().permissions();
    assert_eq!(socket.mode() & 0o777, 0o600, "only its owner opens it");
    let second = refused(&Program::command(&home, &["run"]));
    assert!(second.contains("already running"), "{second}");

    let listed = json(&done(&home, &["ls", "--json"]));
    let sender = &listed[0];
    assert_eq!((&sender["name"], &sender["state"]), (&SENDER.into(), &"loaded".into()));
    assert_eq!(sender["digest"].as_str().unwrap().len(), 64);
    let cycle = &sender["cycles"][0];
    assert_eq!((&cycle["name"], &cycle["interval"]), (&"main".into(), &"1h".into()));
    assert!(cycle.get("state").is_some() && cycle.get("next").is_some());
    assert!(done(&home, &["ls"]).contains("order-sender"));

    done(&home, &["trigger", SENDER, "--wait"]);
    let status = json(&done(&home, &["status", SENDER, "--json"]));
    assert_eq!(status["cycles"][0]["last"]["outcome"], "succeeded");
    done(&home, &["pause", SENDER]);
    let status = json(&done(&home, &["status", SENDER, "--json"]));
    assert_eq!(status["cycles"][0]["state"], "paused");
    done(&home, &["restart", SENDER]);
    let unknown = refused(&Program::command(&home, &["trigger", "order-sendr"]));
    assert!(unknown.contains("did you mean \"order-sender\""), "{unknown}");
    let count = json(&done(&home, &["orders", "count", "--json"]));
    assert_eq!(count, json(r#"{"unsent": 0, "accepted": 0, "rejected": 0}"#));
    for which in ["unsent", "archived"] {
        assert_eq!(json(&done(&home, &["orders", which, "--json"])), json("[]"));
    }

    let log_path = home.join("log");
    assert!(peer.terminate().success());
    let log = fs::read_to_string(log_path).unwrap();
    assert!(log.contains("budget") && log.contains("closed"), "{log}");
    assert!(!home.join("control.sock").exists());
}

#[test]
fn what_is_wrong_with_a_home_is_one_line_that_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let in_use = format!("[server]\nlisten = \"{}\"\n", taken.local_addr().unwrap());
    let table: [(&str, &str, &[&str]); 6] = [
        (
            "unknown key",
            "[chores]\ndirectry = \"x\"\n",
            &["chore.toml:2:", "did you mean", "directory"],
        ),
        ("unknown section", "[ordrs]\n", &["chore.toml:1:", "did you mean", "orders"]),
        ("no unit", "[orders]\narchive-ttl = \"5\"\n", &["archive-ttl", "unit"]),
        ("negative", "[chores]\nshutdown-budget = \"-1s\"\n", &["shutdown-budget", "-1s"]),
        ("no directory", "[chores]\ndirectory = \"nowhere\"\n", &["nowhere", "create it"]),
        ("port in use", &in_use, &["port is in use", "chore.toml"]),
    ];
    let dir = home();
    for (case, config, parts) in table {
        let home = dir.path().join(case.replace(' ', "-"));
        done(&home, &["setup"]);
        fs::write(home.join("chore.toml"), config).unwrap();
        let output = Program::command(&home, &["run"]);
        // Lines of the log come before it.
        let stderr = text(&output.stderr);
        let line = stderr.lines().find(|line| line.starts_with("error: "));
        let line = line.unwrap_or_else(|| panic!("{case}: {stderr}"));
        assert_eq!(output.status.code(), Some(1), "{case}");
        for part in parts {
            assert!(line.contains(part), "{case}: {line}");
        }
    }
}

#[test]
fn an_identity_that_is_missing_or_open_to_others_is_refused() {
    let dir = home();
    let home = dir.path().join("peer");
    done(&home, &["setup"]);
    let key = home.join("identity/identity.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = refused(&Program::command(&home, &["run"]));
    assert!(open.contains("can be read by others") && open.contains("chmod 600"), "{open}");
    fs::remove_file(&key).unwrap();
    let missing = refused(&Program::command(&home, &["run"]));
    assert!(missing.contains("identity.key"), "{missing}");
    let nothing = refused(&Program::command(&dir.path().join("other"), &["run"]));
    assert!(nothing.contains("setup"), "{nothing}");
}

#[test]
fn the_demo_settles_what_it_hands_in_and_says_so_to_programs() {
    let sender = component(SENDER);
    let sender = sender.to_str().unwrap();
    let dir = home();
    let output = done(
        dir.path(),
        &[
            "demo",
            "--orders",
            "200",
            "--forged",
            "7",
            "--satellites",
            "2",
            "--json",
            "--chore",
            sender,
        ],
    );
    let summary = json(output.lines().last().unwrap());
    for (key, expected) in [("enqueued", 200), ("accepted", 200), ("rejected", 7), ("unsent", 0)] {
        assert_eq!(summary[key], expected, "{key}");
    }
    assert!(summary["seconds"].as_f64().unwrap() > 0.0);
}

/// Its memory has the node's key. Whether this machine keeps core files at all is seen of a program that may.
#[test]
fn a_peer_that_crashes_leaves_no_core_file() {
    let dir = home();
    let home = dir.path();
    done(home, &["setup"]);
    let dumped = |variables: &[(&str, &str)]| {
        let mut peer = Program::run_with(home, variables);
        peer.is_up();
        peer.crash()
    };
    if !dumped(&[("CHORE_CORE_FILES", "1")]) {
        eprintln!("nothing is seen here: this machine keeps no core files");
    }
    assert!(!dumped(&[]));
}
