//! Whatever goes on, SIGTERM ends the program within its budget, with exit code 0 and a line for each
//! thing that had to be interrupted; and a peer that has run out of files goes on when it has some.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use chore_host::clock::Timestamp;
use chore_host::orders::Orders;
use chore_host::peer::Home;
use testplanet::zoo;
use testplanet::{Program, SENDER, component, drop_into, eventually, refused, text};

use crate::bad_satellites::{ORDERS, hanging, planet};

/// As these peers are told.
const BUDGET: Duration = Duration::from_secs(10);

/// Asks it to stop, and gives its log when it has.
pub fn ends_in_time(peer: Program) -> String {
    let (begun, log) = (Instant::now(), peer.log_path());
    let status = peer.terminate();
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(begun.elapsed() < BUDGET, "{:?}\n{log}", begun.elapsed());
    let closing = log.find("closing; a second signal ends it at once").expect("it says so");
    let end = log[closing..].to_owned();
    assert!(end.trim_end().ends_with("closed"), "{end}");
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn satellites_that_hang_are_named_when_their_node_closes() {
    let (fakes, planet) = hanging().await;
    planet.node(0).stop().await.unwrap();
    let home = planet.node(0).home().clone();
    let mut node = Program::run(home.root());
    node.is_up();
    let unsent = async || {
        let orders = Orders::open_read_only(&home.orders()).await.unwrap();
        orders.counts().await.unwrap().unsent
    };
    eventually("one hangs in the middle", || async { unsent().await == 3 * ORDERS - 2 }).await;
    let listed = text(&Program::command(home.root(), &["ls"]).stdout);
    assert!(listed.contains("running"), "{listed}");
    let end = ends_in_time(node);
    let line = end.lines().find(|line| line.contains("cancelled before satellites were done"));
    let line = line.unwrap_or_else(|| panic!("no line: {end}"));
    for fake in &fakes {
        assert!(line.contains(&fake.url.id.to_string()), "{line}");
    }
    assert_eq!(unsent().await, 3 * ORDERS - 3, "what was answered is archived");
    planet.shutdown().await;
}

fn home(chores: &[(&str, &str)]) -> (tempfile::TempDir, Home) {
    let folder = tempfile::Builder::new().prefix("tp").tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    assert!(Program::command(home.root(), &["setup"]).status.success());
    let mut config = std::fs::read_to_string(home.config()).unwrap();
    config = config.replace("\n[chores]\n", "\n[chores]\nshutdown-budget = \"10s\"\n");
    if !config.contains("\nshutdown-budget = \"10s\"") {
        config.push_str("\n[chores]\nshutdown-budget = \"10s\"\n");
    }
    std::fs::write(home.config(), config).unwrap();
    for (name, config) in chores {
        drop_into(&home.chores(), &format!("{name}.toml"), config.as_bytes());
        let bytes = std::fs::read(component(name)).unwrap();
        drop_into(&home.chores(), &format!("{name}.wasm"), &bytes);
    }
    (folder, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_that_do_not_end_are_interrupted_and_named() {
    const BLOCKED: [&str; 3] =
        ["guest-run-spins", "guest-run-waits", "guest-run-ignores-cancelled"];
    let long = "[cycles.main]\ntimeout = \"1h\"\n\n[limits]\ngrace = \"300ms\"\n";
    let (_folder, home) = home(&BLOCKED.map(|name| (name, long)));
    let mut peer = Program::run(home.root());
    peer.is_up();
    eventually("all run", || async {
        let listed = Program::command(home.root(), &["ls", "--json"]);
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        let states = listed.as_array().unwrap().iter();
        let running = states.filter(|chore| chore["cycles"][0]["state"] == "running").count();
        running == BLOCKED.len()
    })
    .await;
    let end = ends_in_time(peer);
    for name in BLOCKED {
        let said = |line: &str| line.contains("interrupted") && line.contains(name);
        assert!(end.lines().any(said), "{name}: {end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_still_loads_a_chore_answers_and_ends() {
    let guest = zoo::guest("open_spins");
    let (_folder, home) = home(&[("guest-run-counts", "")]);
    drop_into(&home.chores(), &format!("{}.wasm", guest.name()), guest.build().bytes());
    let peer = Program::run(home.root());
    let state_of = |name: &str| {
        let listed = Program::command(home.root(), &["ls", "--json"]);
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).ok()?;
        let mut chores = listed.as_array()?.iter();
        Some(chores.find(|chore| chore["name"] == name)?["state"].as_str()?.to_owned())
    };
    eventually("the other one is loaded", || async {
        state_of("guest-run-counts").is_some_and(|state| state == "loaded")
    })
    .await;
    assert_eq!(state_of(&guest.name()).unwrap(), "loading");
    assert!(!peer.log().contains("peer runs"));
    let trigger = ["trigger", "guest-run-counts", "--wait"];
    assert!(Program::command(home.root(), &trigger).status.success());
    let end = ends_in_time(peer);
    assert!(end.contains(&guest.name()), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_a_file_to_open_goes_on_when_it_has_some() {
    let planet = planet(&[], "").await;
    planet.node(0).stop().await.unwrap();
    let home = planet.node(0).home().clone();
    // Enough to start, and few for who comes.
    let mut node = Program::run_under(home.root(), "ulimit -n 80");
    node.is_up();
    let address = &planet.node(0).url().address;
    let crowd: Vec<TcpStream> =
        (0..120).map(|_| TcpStream::connect(address).expect("the system takes it")).collect();
    eventually("it has no file to open", || async { node.log().contains("Too many open files") })
        .await;
    drop(crowd);
    eventually("it takes orders again", || async {
        let orders = planet.issue(0, 0, 1, Timestamp::now()).unwrap();
        planet.hand_in_raw(0, orders).await[0].is_ok()
    })
    .await;
    eventually("it answers again", || async {
        Program::command(home.root(), &["trigger", SENDER, "--wait"]).status.success()
    })
    .await;
    let orders = Orders::open_read_only(&home.orders()).await.unwrap();
    assert_eq!(orders.counts().await.unwrap().unsent, 0);
    let said = refused(&Program::command(home.root(), &["run"]));
    assert!(said.contains("runs already") || said.contains("running"), "{said}");
    ends_in_time(node);
    planet.shutdown().await;
}
