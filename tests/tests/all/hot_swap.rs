//! Chores that are replaced again and again under a peer that works, and what it costs the peer.

use std::path::Path;
use std::time::Duration;

use chore_host::orders::{Counts, Orders};
use chore_host::peer::Home;
use chore_host::settlement::Manner;
use testplanet::{
    Build, PATCHED, Program, SENDER, SENDER_GRANTS, Testplanet, component, drop_chore, drop_into,
    eventually,
};

const ORDERS: usize = 10_000;
const REPLACEMENTS: u32 = 10;

/// At which replacement the peer is killed.
const KILLED_AT: u32 = 5;

/// Of the satellites until the last replacement, so that each finds the sender in the middle of its
/// work: together they take all orders in 200 s, and ten replacements may take that on a busy machine.
const ANSWER_DELAY: Duration = Duration::from_millis(40);

/// A second is the shortest interval whose runs are all written down.
const EVERY_SECOND: &str = "[cycles.main]\ninterval = \"1s\"\n";

async fn counts(home: &Home) -> Counts {
    let orders = Orders::open_read_only(&home.orders()).await.unwrap();
    orders.counts().await.unwrap()
}

/// Waits until the peer has replaced both chores.
fn reloaded(home: &Home) {
    let answer = Program::command(home.root(), &["reload"]);
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(answer.status.success(), "{text}{}", String::from_utf8_lossy(&answer.stderr));
}

/// The iterations of the sender's runs that ended, by its log.
fn iterations(log: &str) -> Vec<u64> {
    let of_sender = |line: &&str| line.contains("run ") && line.contains("chore=order-sender");
    let iteration = |line: &str| {
        let (_, rest) = line.split_once("iteration=")?;
        rest.split_whitespace().next()?.parse().ok()
    };
    let ended = |line: &&str| line.contains(" elapsed=");
    log.lines().filter(of_sender).filter(ended).filter_map(iteration).collect()
}

/// Iteration, and the version that ran it, in the order in which they ended.
fn rows(home: &Path) -> Vec<(u64, String)> {
    let path = home.join(format!("data/chores/{PATCHED}.db"));
    let database = rusqlite::Connection::open(path).unwrap();
    let mut select =
        database.prepare("SELECT iteration, version FROM runs ORDER BY rowid").unwrap();
    let row = |row: &rusqlite::Row| Ok((row.get::<_, u32>(0)?.into(), row.get(1)?));
    select.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// Each is the one before and one, but for some that are missing alone.
fn assert_contiguous(iterations: &[u64], gaps_max: usize) {
    let gaps = iterations.windows(2).filter(|pair| pair[1] != pair[0] + 1);
    let gaps: Vec<_> = gaps.collect();
    assert!(gaps.len() <= gaps_max, "{gaps:?} in {iterations:?}");
    assert!(gaps.iter().all(|pair| pair[1] == pair[0] + 2), "{gaps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_is_replaced_ten_times_while_orders_settle_and_the_peer_is_killed_once() {
    let planet = Testplanet::start_with(2, 1, |options| {
        options.manners = vec![Manner { answer_delay: ANSWER_DELAY, ..Manner::default() }; 2];
        let sender = format!("{SENDER_GRANTS}{EVERY_SECOND}[settings]\nbatch-size = 50\n");
        options.chore_files = vec![
            (component(SENDER), Some(sender)),
            (component(PATCHED), Some(EVERY_SECOND.to_owned())),
        ];
    })
    .await;
    // Handed in where nothing is sent yet.
    planet.node(0).handle().pause(SENDER, None).await.unwrap();
    for satellite in 0..2 {
        planet.hand_in(satellite, 0, ORDERS / 2).await;
    }
    planet.node(0).handle().restart(SENDER, None).await.unwrap();
    // From here on the node is a process of its own, in the same home.
    planet.node(0).stop().await.unwrap();
    let home = planet.node(0).home().clone();
    let mut node = Program::run(home.root());
    let mut logs = Vec::new();
    for number in 1..=REPLACEMENTS {
        let before = counts(&home).await.accepted;
        eventually("more orders are archived", || async {
            counts(&home).await.accepted > before + 100
        })
        .await;
        let version = format!("1.7.{}", 100 + number);
        drop_chore(planet.node(0), SENDER, &Build::of(SENDER).stamped(number), None);
        drop_chore(planet.node(0), PATCHED, &Build::patched().version(&version), None);
        if number == KILLED_AT {
            logs.push(node.log());
            node.kill();
            node = Program::run(home.root());
        }
        node.is_up();
        reloaded(&home);
        assert!(counts(&home).await.unsent > 0, "it was too late to prove anything");
    }
    for satellite in 0..2 {
        let satellite = planet.satellite(satellite);
        satellite.set_manner(Manner::default());
        satellite.stop().await.unwrap();
        satellite.start().await.unwrap();
    }
    eventually("none is unsent", || async { counts(&home).await.unsent == 0 }).await;
    let last = format!("1.7.{}", 100 + REPLACEMENTS);
    eventually("the last version has run", || async {
        rows(home.root()).last().is_some_and(|(_, version)| *version == last)
    })
    .await;
    let status = Program::command(home.root(), &["ls", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    for (chore, name) in [(&status[0], PATCHED), (&status[1], SENDER)] {
        assert_eq!((&chore["name"], &chore["state"]), (&name.into(), &"loaded".into()));
        assert_eq!(chore["generation"], 1 + REPLACEMENTS, "{status}");
        assert_eq!(chore["refused"], serde_json::Value::Null, "{status}");
    }
    logs.push(node.log());
    assert!(node.terminate().success());

    check(&planet, &home, &logs).await;
    planet.shutdown().await;
}

async fn check(planet: &Testplanet, home: &Home, logs: &[String]) {
    let left = counts(home).await;
    assert_eq!((left.accepted, left.rejected), (ORDERS as u64, 0));
    for satellite in 0..2 {
        assert_eq!(planet.accepted(satellite, 0).await, ORDERS as u64 / 2, "each once");
    }
    let iterations: Vec<u64> = logs.iter().flat_map(|log| iterations(log)).collect();
    assert!(iterations.len() > REPLACEMENTS as usize, "{iterations:?}");
    // The one that was killed did not end.
    assert_contiguous(&iterations, 1);
    // Each version read what the one before had saved: else its run failed, and had no row.
    let rows = rows(home.root());
    // One that gave way has no row either, and is made up for by the next.
    let iterations: Vec<u64> = rows.iter().map(|(iteration, _)| *iteration).collect();
    assert_contiguous(&iterations, 1 + REPLACEMENTS as usize);
    let versions: Vec<&String> = rows.iter().map(|(_, version)| version).collect();
    assert!(versions.is_sorted(), "{versions:?}");
}

/// Replacements before memory is looked at, and until it is looked at again.
const WARM_UP: u32 = 20;
const MEASURED: u32 = 100;

/// The compiled code of one version has 0.5 MB, its component 0.1 MB.
const GROWTH_MAX: u64 = 16 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_twenty_replacements_leave_the_memory_flat() {
    let folder = tempfile::Builder::new().prefix("tp").tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    assert!(Program::command(home.root(), &["setup"]).status.success());
    drop_into(&home.chores(), &format!("{PATCHED}.wasm"), Build::patched().bytes());
    let mut node = Program::run(home.root());
    node.is_up();
    let mut resident = Vec::new();
    for number in 1..=WARM_UP + MEASURED {
        let build = Build::patched().stamped(number);
        drop_into(&home.chores(), &format!("{PATCHED}.wasm"), build.bytes());
        reloaded(&home);
        if number == WARM_UP || number == WARM_UP + MEASURED {
            resident.push(node.resident_bytes());
        }
    }
    let status = Program::command(home.root(), &["status", PATCHED, "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["generation"], 1 + WARM_UP + MEASURED);
    eprintln!("resident after {WARM_UP} and {MEASURED} more replacements: {resident:?} bytes");
    assert!(resident[1] < resident[0] + GROWTH_MAX, "{resident:?}");
    assert!(node.terminate().success());
}
