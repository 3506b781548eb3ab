//! What failures of a chore lead to, as the operator chose: the program, with a chore that always traps.

use std::fs;
use std::path::Path;

use serde_json::Value;
use testplanet::{Program, component, text};

const CHORE: &str = "guest-run-traps";

fn home(policy: &str) -> tempfile::TempDir {
    let dir = tempfile::Builder::new().prefix("fp").tempdir().unwrap();
    let home = dir.path();
    let set_up = Program::command(home, &["setup"]);
    assert!(set_up.status.success(), "{}", text(&set_up.stderr));
    fs::copy(component(CHORE), home.join(format!("chores/{CHORE}.wasm"))).unwrap();
    let config = format!(
        "[cycles.main]\nstart = \"delay\"\n[failure]\nbackoff-first = \"2h\"\npolicy = {policy}\n"
    );
    fs::write(home.join(format!("chores/{CHORE}.toml")), config).unwrap();
    dir
}

fn said(home: &Path, arguments: &[&str]) -> String {
    let output = Program::command(home, arguments);
    assert!(output.status.success(), "chore {}: {}", arguments.join(" "), text(&output.stderr));
    text(&output.stdout)
}

fn cycle(home: &Path) -> Value {
    let status: Value = serde_json::from_str(&said(home, &["status", CHORE, "--json"])).unwrap();
    status["cycles"][0].clone()
}

/// A run that fails, as it must.
fn fail(home: &Path) {
    let output = Program::command(home, &["trigger", CHORE, "--wait"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_chore_that_fails_again_and_again_is_paused_until_somebody_has_seen_to_it() {
    let dir = home("\"pause\"\nafter = 2");
    let home = dir.path();
    let mut peer = Program::run(home);
    peer.is_up();
    fail(home);
    assert_eq!(cycle(home)["state"], "backing-off");
    fail(home);
    let paused = cycle(home);
    assert_eq!((&paused["state"], &paused["failures"]), (&"paused".into(), &2.into()));
    let why = said(home, &["why", CHORE]);
    let wanted = "paused by its failure policy at";
    assert!(why.contains(wanted) && why.contains("run 2 is one too many"), "{why}");
    let history = said(home, &["history", CHORE]);
    let line = history.lines().find(|line| line.contains("its failure policy")).unwrap();
    assert!(line.contains("pause") && line.contains("it failed 2 times in a row"), "{history}");
    assert!(said(home, &["ls"]).contains("paused by its failure policy"));
    // It is told once, and a trigger does not end it.
    fail(home);
    let log = peer.log();
    assert_eq!(log.matches("paused: it failed").count(), 1, "{log}");
    let advice = "once that is mended: chore restart guest-run-traps --cycle main";
    assert!(log.contains(advice), "{log}");

    // It outlives the peer; a restart ends it, and forgives.
    peer.kill();
    let mut peer = Program::run(home);
    peer.is_up();
    assert_eq!(cycle(home)["state"], "paused");
    said(home, &["restart", CHORE]);
    assert_eq!((&cycle(home)["state"], &cycle(home)["failures"]), (&"idle".into(), &0.into()));
    fail(home);
    assert_eq!(cycle(home)["state"], "backing-off");
    assert!(peer.terminate().success());
}

#[test]
fn a_check_that_fails_stops_the_peer_with_a_code_of_its_own() {
    let dir = home("\"stop-peer\"\nafter = 1");
    let home = dir.path();
    let mut peer = Program::run(home);
    peer.is_up();
    // The peer may be gone before it has answered.
    Program::command(home, &["trigger", CHORE]);
    let log = peer.log_path();
    let status = peer.ended();
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(status.code(), Some(3), "{log}");
    let why = "chore guest-run-traps (main) is a check that must not fail: it failed once, the last time with: ";
    assert!(log.contains(&format!("closing: {why}")), "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.starts_with(&format!("error: the peer has stopped itself: {why}")), "{log}");
    assert!(log.contains("\"closed\"") || log.contains("closed"), "{log}");
}

#[test]
fn a_chore_whose_schedule_is_kept_does_not_back_off() {
    let dir = home("\"keep\"");
    let home = dir.path();
    let mut peer = Program::run(home);
    peer.is_up();
    fail(home);
    fail(home);
    let kept = cycle(home);
    assert_eq!((&kept["state"], &kept["failures"]), (&"idle".into(), &2.into()));
    assert!(peer.terminate().success());
}
