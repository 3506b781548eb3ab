//! What a peer remembers of its runs: each run and each slot has an end in the ledger, also when the
//! process is killed, and the commands of an operator show it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use testplanet::{Build, PATCHED, Program, drop_into, eventually, text};

/// A home with one chore, whose two cycles are due every second.
fn home(build: &Build) -> (tempfile::TempDir, chore_host::peer::Home) {
    let folder = tempfile::Builder::new().prefix("tp").tempdir().unwrap();
    let home = chore_host::peer::Home::new(folder.path().join("home"));
    assert!(Program::command(home.root(), &["setup"]).status.success());
    let config = "[cycles.main]\ninterval = \"1s\"\n[cycles.second]\ninterval = \"1s\"\n";
    drop_into(&home.chores(), &format!("{PATCHED}.toml"), config.as_bytes());
    drop_into(&home.chores(), &format!("{PATCHED}.wasm"), build.bytes());
    (folder, home)
}

/// A peer that has loaded the chore: on a busy machine it does not wait for that.
async fn up(home: &Path) -> Program {
    let mut peer = Program::run(home);
    peer.is_up();
    eventually("the chore is loaded", || async {
        json(home, &["status", PATCHED])["state"] == "loaded"
    })
    .await;
    peer
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    let output = Program::command(home, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Iterations by cycle, in order.
fn iterations(database: &Path, select: &str) -> BTreeMap<String, Vec<i64>> {
    let connection = Connection::open(database).unwrap();
    let mut statement = connection.prepare(select).unwrap();
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))
        .unwrap();
    let mut found = BTreeMap::<String, Vec<i64>>::new();
    for row in rows {
        let (cycle, iteration) = row.unwrap();
        found.entry(cycle).or_default().push(iteration);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_that_began_has_an_end_however_often_the_peer_is_killed() {
    let (_folder, home) = home(&Build::patched().describe("two"));
    let own = home.databases().join(format!("{PATCHED}.db"));
    let runs = || {
        let connection = Connection::open(&own).ok()?;
        connection.query_row("SELECT count(*) FROM runs", [], |row| row.get::<_, i64>(0)).ok()
    };
    for (nth, lives_ms) in [0, 37, 211, 480, 733].into_iter().enumerate() {
        let mut peer = Program::run(home.root());
        peer.is_up();
        let before = runs().unwrap_or(0);
        eventually("it has run again", || async { runs().unwrap_or(0) > before }).await;
        // Triggers come on top, so that some run is in progress at most times.
        for _ in 0..nth {
            assert!(Program::command(home.root(), &["trigger", PATCHED]).status.success());
        }
        tokio::time::sleep(Duration::from_millis(lives_ms)).await;
        peer.kill();
    }
    let mut peer = Program::run(home.root());
    peer.is_up();
    assert!(peer.terminate().success());

    let ledger = home.ledger();
    let open = iterations(&ledger, "SELECT cycle, iteration FROM run WHERE outcome IS NULL");
    assert_eq!(open, BTreeMap::new(), "a run without an end");
    let of_ledger =
        iterations(&ledger, "SELECT cycle, iteration FROM run ORDER BY cycle, iteration");
    let of_guest =
        iterations(&own, "SELECT DISTINCT cycle, iteration FROM runs ORDER BY cycle, iteration");
    assert_eq!(of_ledger.keys().collect::<Vec<_>>(), ["main", "second"]);
    for (cycle, ran) in &of_guest {
        let missing: Vec<_> =
            ran.iter().filter(|iteration| !of_ledger[cycle].contains(iteration)).collect();
        assert!(missing.is_empty(), "{cycle}: {missing:?} ran and are not in the ledger");
    }
    for (cycle, known) in &of_ledger {
        let last = *known.last().unwrap();
        assert_eq!(known, &(1..=last).collect::<Vec<_>>(), "{cycle}: each once, none left out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_ran_what_did_not_and_who_did_what() {
    let (_folder, home) = home(&Build::patched().run("fail").describe("two"));
    let config = "[cycles.main]\nstart = \"delay\"\n[cycles.second]\nstart = \"delay\"\n";
    drop_into(&home.chores(), &format!("{PATCHED}.toml"), config.as_bytes());
    let root = home.root();
    let peer = up(root).await;
    let run = Program::command(root, &["trigger", PATCHED, "--wait", "--by", "alice"]);
    assert_eq!(run.status.code(), Some(1));
    let pause = ["pause", PATCHED, "--cycle", "main", "--by", "alice", "--note", "maintenance"];
    assert!(Program::command(root, &pause).status.success());
    let interval = ["interval", PATCHED, "--cycle", "second", "2h", "--by", "bob"];
    assert!(Program::command(root, &interval).status.success());

    // One run, in full.
    let runs = json(root, &["history", PATCHED, "--runs"]);
    let run = &runs[0];
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs}");
    assert_eq!(
        (&run["outcome"], &run["message"]),
        (&"failed".into(), &"run does not want to".into())
    );
    assert_eq!((&run["reason"], &run["by"]), (&"trigger".into(), &"alice".into()));
    assert_eq!((&run["cycle"], &run["generation"]), (&"main".into(), &1.into()));
    assert!(run["cpu_seconds"].as_f64().unwrap() > 0.0, "{run}");
    assert!(run["memory_bytes"].as_u64().unwrap() >= 64 * 1024, "{run}");
    assert!(run["host_calls"].as_u64().unwrap() > 0, "{run}");
    assert!(run["host_bytes"].as_u64().unwrap() > 0, "{run}");
    let number = run["run"].to_string();
    let full = text(&Program::command(root, &["history", "--run", &number]).stdout);
    assert!(full.contains("run does not want to") && full.contains("alice"), "{full}");

    // Who did what, newest first.
    let all = json(root, &["history", PATCHED]);
    let event = |what: &str| {
        let events = all.as_array().unwrap();
        let found = events.iter().find(|entry| entry["what"] == what);
        found.unwrap_or_else(|| panic!("no {what}: {all}")).clone()
    };
    assert_eq!(
        (&event("pause")["by"], &event("pause")["note"]),
        (&"alice".into(), &"maintenance".into())
    );
    assert_eq!(event("interval 2h")["by"], "bob");
    assert_eq!(event("loaded")["by"], "the peer");

    // Why.
    let why = |arguments: &[&str]| {
        let why = json(root, &[&["why", PATCHED], arguments].concat());
        why["because"].as_str().unwrap().to_owned()
    };
    let next = why(&[]);
    assert!(next.contains("paused by alice") && next.ends_with("(note: maintenance)"), "{next}");
    let next = why(&["--cycle", "second"]);
    assert!(next.contains("interval 2h, changed while the peer ran"), "{next}");
    let past = why(&["--at", run["started"].as_str().unwrap()]);
    assert!(past.contains("because alice triggered it, and after"), "{past}");
    assert!(past.ends_with("failed: run does not want to"), "{past}");
    let listed = text(&Program::command(root, &["ls"]).stdout);
    assert!(listed.contains(": main paused by alice now: maintenance"), "{listed}");

    let unknown = Program::command(root, &["history", "--run", "999"]);
    assert!(testplanet::refused(&unknown).contains("no run 999"), "{unknown:?}");
    assert!(peer.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_outlives_the_peer_and_ends_by_itself_if_it_has_an_end() {
    let (_folder, home) = home(&Build::patched().describe("two"));
    let root = home.root();
    let peer = up(root).await;
    assert!(Program::command(root, &["pause", PATCHED, "--by", "alice"]).status.success());
    assert!(peer.terminate().success());
    let peer = up(root).await;
    let pause = || json(root, &["status", PATCHED])["cycles"][0]["pause"].clone();
    assert_eq!(pause()["by"], "alice");
    assert!(Program::command(root, &["pause", PATCHED, "--for", "1ms"]).status.success());
    eventually("the pause is over", || async { pause() == Value::Null }).await;
    assert!(peer.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_trapped_says_where() {
    let (_folder, home) = home(&Build::patched().run("trap").describe("two"));
    let peer = up(home.root()).await;
    Program::command(home.root(), &["trigger", PATCHED, "--wait"]);
    let runs = json(home.root(), &["history", PATCHED, "--outcome", "trapped"]);
    let backtrace = runs[0]["backtrace"].as_array().unwrap();
    // Its own functions may be inlined into this one.
    let named = |frame: &Value| frame.as_str().unwrap().ends_with("lifecycle@0.1.0#run");
    assert!(backtrace.iter().any(named), "{runs}");
    let number = runs[0]["run"].to_string();
    let full = text(&Program::command(home.root(), &["history", "--run", &number]).stdout);
    assert!(full.contains("backtrace") && full.contains("run breaks"), "{full}");
    assert!(peer.terminate().success());
}
