//! Guests of the zoo in a process of their own: `SIGTERM` while they do harm ends it within its budget
//! and says what had to be interrupted, and its memory does not grow with what they did before.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chore_host::limits::{CLOSE_MARGIN, MIB};
use serde_json::Value;
use tempfile::TempDir;
use testplanet::zoo::{self, End, GUESTS, Guest};
use testplanet::{LONG, Program, Testplanet, chore_program, compile_for, text};

/// Less than any of these guests would take.
const BUDGET: Duration = Duration::from_secs(4);

/// Longer than any test.
const FOR_EVER: &str = "start = \"now\"\ntimeout = \"1h\"";

/// In one process.
const AT_ONCE: usize = 20;

/// Each of these guests takes memory of the host's or of its own, and ends soon.
const GREEDY: [&str; 12] = [
    "call_with_a_giant_text",
    "call_with_one_text_a_million_times",
    "call_without_end",
    "describe_has_a_million_cycles",
    "open_refuses_hugely",
    "run_grows",
    "run_answers_hugely",
    "run_calls_by_thousands",
    "run_floods_log",
    "run_leaks_connections",
    "run_panics_hugely",
    "stream_leaked",
];

/// What the memory of a process may differ by that has the same work again: allocators keep some.
const NOISE: u64 = 48 * MIB as u64;

/// A peer's home, and the satellite that its guests dial.
struct Home {
    directory: TempDir,
    satellite: Testplanet,
}

impl Home {
    async fn new(guests: &[Guest]) -> Home {
        zoo::prepare();
        chore_program();
        let satellite = Testplanet::start(1, 0).await;
        let directory = tempfile::Builder::new().prefix("zoo").tempdir().unwrap();
        let home = Home { directory, satellite };
        home.done(&["setup"]);
        let builds: Vec<_> = guests.iter().map(Guest::build).collect();
        compile_for(&chore_host::peer::Home::new(home.path()), &builds).await;
        let url = home.satellite.satellite(0).url();
        let budget = BUDGET.as_secs();
        let config =
            format!("[nodes]\nknown = [\"{url}\"]\n\n[chores]\nshutdown-budget = \"{budget}s\"\n");
        fs::write(home.path().join("chore.toml"), config).unwrap();
        home
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("peer")
    }

    fn file(&self, guest: &Guest, extension: &str) -> PathBuf {
        self.path().join("chores").join(format!("{}.{extension}", guest.name()))
    }

    fn install(&self, guest: &Guest, cycle: &str, grace: &str) {
        let config = guest.config(cycle, grace, self.satellite.satellite(0).node_id());
        fs::write(self.file(guest, "toml"), config).unwrap();
        fs::write(self.file(guest, "wasm"), guest.build().bytes()).unwrap();
    }

    fn remove(&self, guest: &Guest) {
        fs::remove_file(self.file(guest, "wasm")).unwrap();
        fs::remove_file(self.file(guest, "toml")).unwrap();
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = Program::command(&self.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn run(&self) -> Program {
        let mut peer = Program::run(&self.path());
        peer.is_up();
        peer
    }

    /// Waits until each guest that can be is in the midst of its harm.
    fn all_at_it(&self, guests: &[Guest]) {
        let begun = Instant::now();
        loop {
            let listed: Value = serde_json::from_str(&self.done(&["ls", "--json"])).unwrap();
            let listed = listed.as_array().unwrap();
            if listed.len() == guests.len() && listed.iter().all(is_at_it) {
                return;
            }
            assert!(begun.elapsed() < LONG, "not all are at it: {listed:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// One that does its harm when it is opened is not loaded yet; one whose harm is its end has run; and
/// some come to an end by themselves, after a while.
fn is_at_it(chore: &Value) -> bool {
    let cycle = &chore["cycles"][0];
    match chore["name"].as_str().is_some_and(|name| name.starts_with("open-")) {
        true => chore["state"] == "loading",
        false => cycle["state"] == "running" || !cycle["last"].is_null(),
    }
}

/// Starts a peer with these guests, and ends it while they do harm.
fn closes(home: &Home, guests: &[Guest]) {
    // A peer that starts waits a while for what does not open.
    let (opens, others): (Vec<Guest>, Vec<Guest>) =
        guests.iter().partition(|guest| guest.end == End::Open);
    others.iter().for_each(|guest| home.install(guest, FOR_EVER, "10m"));
    let peer = home.run();
    opens.iter().for_each(|guest| home.install(guest, FOR_EVER, "10m"));
    home.all_at_it(guests);
    let log = home.path().join("log");
    let begun = Instant::now();
    let status = peer.terminate();
    let took = begun.elapsed();
    let log = fs::read_to_string(log).unwrap();
    let ids: Vec<_> = guests.iter().map(|guest| guest.id).collect();
    assert!(status.success(), "{ids:?}: {status}\n{log}");
    assert!(took < BUDGET + CLOSE_MARGIN, "{ids:?}: {took:?}\n{log}");
    for guest in guests {
        assert!(tells_of_the_end(&log, guest), "not a word about {}:\n{log}", guest.id);
        home.remove(guest);
    }
}

/// One line says what was interrupted, or that the guest gave way.
fn tells_of_the_end(log: &str, guest: &Guest) -> bool {
    let name = guest.name();
    let words = ["interrupted", "chore closed", "closing the chore", "not closed"];
    let said = |line: &str| line.contains(&name) && words.iter().any(|word| line.contains(word));
    log.lines().any(said)
}

fn endless() -> Vec<Guest> {
    let never_ends =
        |guest: &&Guest| guest.is_endless() || matches!(guest.end, End::Open | End::Close);
    GUESTS.iter().filter(never_ends).copied().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_closes_in_its_budget_whatever_its_chores_do() {
    let home = Home::new(&endless()).await;
    for guests in endless().chunks(AT_ONCE) {
        closes(&home, guests);
    }
    home.satellite.shutdown().await;
}

/// So that none is hidden by another; for the nightly script.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_peer_closes_in_its_budget_whatever_one_chore_does() {
    let home = Home::new(&endless()).await;
    for guest in endless() {
        closes(&home, &[guest]);
    }
    home.satellite.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_where_it_was_after_greedy_guests() {
    let greedy = |guest: &&Guest| GREEDY.contains(&guest.id);
    let guests: Vec<Guest> = GUESTS.iter().filter(greedy).copied().collect();
    assert_eq!(guests.len(), GREEDY.len());
    let home = Home::new(&guests).await;
    let peer = home.run();
    let round = || {
        for guest in &guests {
            home.install(guest, "timeout = \"1m\"", "1s");
        }
        // Some are refused, which is an exit code of its own.
        let _ = Program::command(&home.path(), &["reload"]);
        for guest in guests.iter().filter(|guest| matches!(guest.end, End::Run(_))) {
            // What becomes of it is in the table, and tested.
            let _ = Program::command(&home.path(), &["trigger", &guest.name(), "--wait"]);
        }
        guests.iter().for_each(|guest| home.remove(guest));
        home.done(&["reload"]);
        peer.resident_bytes()
    };
    // The first round fills caches, and compiles.
    let (first, second, third) = (round(), round(), round());
    assert!(third < first.max(second) + NOISE, "{first}, {second}, {third} bytes");
    let history = home.done(&["history", "--limit", "1000"]);
    assert!(history.contains("run-grows"), "{history}");
    assert!(peer.terminate().success());
    home.satellite.shutdown().await;
}
