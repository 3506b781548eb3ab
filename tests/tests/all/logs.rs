//! The log of a peer that runs: its format, levels that are changed meanwhile, and what is dropped.

use std::fs;
use std::path::Path;

use serde_json::Value;
use testplanet::{Program, component, eventually, refused, text};

/// Logs 1,500 lines in a run, and one more if debug lines are asked for.
const CHATTERS: &str = "guest-run-chatters";

/// Says in each run that it counted.
const COUNTS: &str = "guest-run-counts";

fn home(chores: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("lg").tempdir().unwrap();
    done(folder.path(), &["setup"]);
    for (name, config) in chores {
        let chores = folder.path().join("chores");
        fs::write(chores.join(format!("{name}.toml")), config).unwrap();
        fs::copy(component(name), chores.join(format!("{name}.wasm"))).unwrap();
    }
    folder
}

fn done(home: &Path, arguments: &[&str]) -> String {
    let output = Program::command(home, arguments);
    assert!(output.status.success(), "chore {arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn with(log: &str, part: &str) -> usize {
    log.lines().filter(|line| line.contains(part)).count()
}

#[test]
fn a_log_that_is_no_terminal_is_json_unless_somebody_says_otherwise() {
    let folder = home(&[(COUNTS, "")]);
    let home = folder.path();
    let mut peer = Program::run_with(home, &[("CHORE_LOG_FORMAT", "")]);
    peer.is_up();
    done(home, &["trigger", COUNTS, "--wait"]);
    let log = peer.log();
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect(line));
    let line = lines.into_iter().find(|line| line["message"] == "counted a run runs=1 iteration=1");
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&line["level"], &line["span"]["chore"]), (&"INFO".into(), &COUNTS.into()));
    drop(peer);

    fs::write(home.join("chore.toml"), "[log]\nformat = \"text\"\n").unwrap();
    let mut peer = Program::run_with(home, &[("CHORE_LOG_FORMAT", "")]);
    peer.is_up();
    assert!(!peer.log().contains('{') || !peer.log().starts_with('{'), "{}", peer.log());
    assert!(!peer.log().contains('\u{1b}'), "no colours in a file");
    drop(peer);
    let mut peer = Program::run_with(home, &[("CHORE_LOG_FORMAT", "json")]);
    peer.is_up();
    assert!(peer.log().starts_with('{'), "{}", peer.log());
}

#[tokio::test]
async fn levels_are_changed_while_the_peer_runs() {
    let folder =
        home(&[(CHATTERS, "[settings]\nlines = 1\n"), (COUNTS, "[log]\nlevel = \"warn\"\n")]);
    let home = folder.path();
    let mut peer = Program::run(home);
    peer.is_up();
    let run = |chore| done(home, &["trigger", chore, "--wait"]);
    let (debug, chatter) = ("debug lines are asked for", "chattered");
    run(CHATTERS);
    run(COUNTS);
    let log = peer.log();
    assert_eq!((with(&log, debug), with(&log, "counted a run")), (0, 0), "{log}");
    assert!(with(&log, chatter) >= 1, "{log}");

    // For a while: the guest is told, too.
    let said = done(home, &["log-level", CHATTERS, "debug", "--for", "10m", "--by", "alice"]);
    assert!(said.contains("debug, until"), "{said}");
    run(CHATTERS);
    assert_eq!(with(&peer.log(), debug), 1, "{}", peer.log());
    // A new version of it keeps the wish.
    fs::write(home.join(format!("chores/{CHATTERS}.toml")), "[settings]\nlines = 2\n").unwrap();
    done(home, &["reload"]);
    run(CHATTERS);
    assert_eq!(with(&peer.log(), debug), 2, "{}", peer.log());
    done(home, &["log-level", CHATTERS, "default"]);
    run(CHATTERS);
    assert_eq!(with(&peer.log(), debug), 2, "{}", peer.log());

    // The peer's, with the chores that have none of their own; and it ends by itself.
    done(home, &["log-level", "peer", "debug", "--for", "2s"]);
    run(CHATTERS);
    run(COUNTS);
    let log = peer.log();
    assert_eq!((with(&log, debug), with(&log, "counted a run")), (3, 0), "{log}");
    assert!(with(&log, "run begins") >= 1, "{log}");
    eventually("the peer's level is as before", || async {
        let before = with(&peer.log(), "run begins");
        run(CHATTERS);
        with(&peer.log(), "run begins") == before
    })
    .await;
    done(home, &["log-level", COUNTS, "info"]);
    run(COUNTS);
    assert_eq!(with(&peer.log(), "counted a run"), 1, "{}", peer.log());

    let unknown = refused(&Program::command(home, &["log-level", "guest-run-count", "info"]));
    assert!(unknown.contains("did you mean \"guest-run-counts\""), "{unknown}");
    let history = done(home, &["history", CHATTERS, "--limit", "1000"]);
    assert!(history.contains("log level debug until") && history.contains("by alice"), "{history}");
}

#[tokio::test]
async fn who_logs_too_much_is_cut_off_and_the_rest_is_counted() {
    let folder = home(&[(CHATTERS, ""), (COUNTS, "")]);
    let home = folder.path();
    let mut peer = Program::run(home);
    peer.is_up();
    done(home, &["trigger", CHATTERS, "--wait"]);
    done(home, &["trigger", COUNTS, "--wait"]);
    let log = peer.log();
    // The first run and this one want 3,000 lines; a burst is 1,000, and 100 come every second.
    let written = with(&log, "chattered");
    assert!((1_000..3_000).contains(&written), "{written}");
    assert!(log.contains("too many log lines") && log.contains("dropped="), "{log}");
    // How the runs ended is not lost, and another chore is not hindered.
    assert!(with(&log, "run succeeded") >= 3 && log.contains("counted a run"), "{log}");
    // The last lines are in the ledger all the same.
    let last = done(home, &["logs", CHATTERS, "-n", "2"]);
    assert!(last.contains("chattered line=1499"), "{last}");
}
