//! A setting that is a secret is told to its chore and to nobody else, wherever it was written.

use std::fs;
use std::path::Path;

use testplanet::{Program, component, get, text};

const COUNTS: &str = "guest-run-counts";

/// As long as what its chore says of it, and of characters that stand in every text as they are.
const SECRET: &str = "hunter2-Wg4kqzX9";

/// Every file below, with what is in it.
fn files(folder: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, all),
            // A socket cannot be read, and a journal may be gone by now.
            false => all.extend(fs::read(&path).map(|bytes| (path.display().to_string(), bytes))),
        }
    }
}

/// A peer with a chore that has the secret, and what was told of both.
struct Watched {
    folder: tempfile::TempDir,
    peer: Program,
    /// Of the API and the panel.
    address: String,
    told: Vec<(String, String)>,
}

impl Watched {
    fn start() -> Watched {
        let folder = tempfile::Builder::new().prefix("se").tempdir().unwrap();
        let home = folder.path();
        assert!(Program::command(home, &["setup"]).status.success());
        fs::write(home.join("chore.toml"), "[control]\nlisten = \"127.0.0.1:0\"\n").unwrap();
        fs::copy(component(COUNTS), home.join(format!("chores/{COUNTS}.wasm"))).unwrap();
        write(home, &right());
        // What is logged at all is logged.
        let variables = [("CHORE_LOG_FORMAT", "text"), ("CHORE_LOG", "trace")];
        let mut peer = Program::run_with(home, &variables);
        peer.is_up();
        let log = peer.log();
        let address = log.split("api=\"").nth(1).and_then(|rest| rest.split('"').next());
        let address = address.unwrap_or_else(|| panic!("no address: {log}")).to_owned();
        Watched { folder, peer, address, told: Vec::new() }
    }

    /// What a command says, and whether it succeeds.
    fn command(&mut self, arguments: &[&str]) -> (String, bool) {
        let output = Program::command(self.folder.path(), arguments);
        let said = text(&output.stdout) + &text(&output.stderr);
        self.told.push((format!("chore {}", arguments.join(" ")), said.clone()));
        (said, output.status.success())
    }

    fn done(&mut self, arguments: &[&str]) -> String {
        let (said, succeeded) = self.command(arguments);
        assert!(succeeded, "chore {arguments:?}: {said}");
        said
    }

    fn get(&mut self, path: &str) -> String {
        let answer = get(&self.address, path);
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        self.told.push((path.to_owned(), answer.clone()));
        answer
    }
}

fn write(home: &Path, config: &str) {
    fs::write(home.join(format!("chores/{COUNTS}.toml")), config).unwrap();
}

fn right() -> String {
    format!("[settings]\ntoken = \"{SECRET}\"\n")
}

/// Where it does not belong, nobody can know yet that it is one.
fn wrong() -> [String; 6] {
    [
        format!("token = \"{SECRET}\"\n"),
        format!("[limits]\ntoken = \"{SECRET}\"\n"),
        format!("[setings]\ntoken = \"{SECRET}\"\n"),
        format!("[settings]\ntokn = \"{SECRET}\"\n"),
        format!("token = \"{SECRET}\n"),
        format!("token = {SECRET}\n"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_chore_is_told_a_secret() {
    let mut watched = Watched::start();
    let home = watched.folder.path().to_owned();
    watched.done(&["reload", COUNTS]);
    watched.done(&["trigger", COUNTS, "--wait"]);
    let said = format!("has a token bytes={}", SECRET.len());
    assert!(watched.done(&["logs", COUNTS]).contains(&said), "the chore has it");

    let component = home.join(format!("chores/{COUNTS}.wasm")).display().to_string();
    let chore = format!("/chores/{COUNTS}");
    for wrong in wrong() {
        write(&home, &wrong);
        let (refused, is_taken) = watched.command(&["reload", COUNTS]);
        assert!(!is_taken && refused.contains(&format!("{COUNTS}.toml:")), "{wrong}: {refused}");
        for arguments in [&["ls"][..], &["status", COUNTS, "--json"], &["check", &component]] {
            watched.command(arguments);
        }
        for path in ["/", &chore, "/api/v1/chores"] {
            watched.get(path);
        }
    }
    write(&home, &right());
    watched.done(&["reload", COUNTS]);
    watched.done(&["trigger", COUNTS, "--wait"]);

    for arguments in [
        &["ls", "--json"][..],
        &["status", COUNTS],
        &["status", COUNTS, "--json"],
        &["history", "--json", "--limit", "1000"],
        &["history", "--run", "1", "--json"],
        &["logs", "--json"],
        &["why", COUNTS, "--json"],
    ] {
        watched.done(arguments);
    }
    watched.command(&["doctor", "--json"]);
    for path in ["/", &chore, "/runs/1"] {
        watched.get(path);
    }
    let of_chore = watched.get(&format!("/api/v1{chore}"));
    assert!(of_chore.contains("\"secret\"") && of_chore.contains("\"token\""), "{of_chore}");
    for path in ["/peer", "/chores", &format!("{chore}/why"), "/history", "/runs/1"] {
        watched.get(&format!("/api/v1{path}"));
    }
    watched.get("/metrics");
    let Watched { peer, mut told, folder, .. } = watched;
    let log = peer.log_path();
    assert!(peer.terminate().success());
    told.push(("the log".to_owned(), fs::read_to_string(log).unwrap()));
    for (what, shown) in &told {
        assert!(!shown.contains(SECRET), "{what}: {shown}");
    }
    at_rest(folder.path());
}

/// It is where the operator wrote it, and in the peer's own copies of that file.
fn at_rest(home: &Path) {
    let mut all = Vec::new();
    files(home, &mut all);
    let has_it = |bytes: &[u8]| bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
    let found = all.iter().filter(|(_, bytes)| has_it(bytes)).map(|(path, _)| path.as_str());
    let found: Vec<&str> = found.collect();
    let may = |path: &&str| path.ends_with(".toml") || path.contains("data/peer.db");
    assert!(!found.is_empty() && found.iter().all(may), "{found:?}");
}
