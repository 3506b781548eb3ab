//! A storage node that is killed in the middle of its work, as by a power cut.

use std::path::Path;
use std::time::{Duration, Instant};

use chore_host::limits::TIMER_MAX;
use chore_host::orders::Orders;
use chore_host::peer::Home;
use chore_host::settlement::Manner;
use testplanet::{Build, PATCHED, Program, SENDER, Testplanet, component, drop_into, eventually};

const ORDERS: usize = 10_000;

/// Answers slowly enough that a kill finds it in the middle.
const ANSWER_DELAY: Duration = Duration::from_micros(200);

async fn counts(orders: &Path) -> chore_host::orders::Counts {
    let orders = Orders::open_read_only(orders).await.unwrap();
    orders.counts().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_order_is_paid_once_however_often_the_node_is_killed() {
    let planet = Testplanet::start_with(1, 1, |options| {
        options.manners = vec![Manner { answer_delay: ANSWER_DELAY, ..Manner::default() }];
        let config = format!("{}\n[settings]\nbatch-size = 100\n", testplanet::SENDER_GRANTS);
        options.chore_files = vec![(component(SENDER), Some(config))];
    })
    .await;
    planet.hand_in(0, 0, ORDERS).await;
    // From here on the node is a process of its own, in the same home.
    planet.node(0).stop().await.unwrap();
    let home = planet.node(0).home().clone();
    let mut archived = 0;
    for _ in 0..3 {
        let node = Program::run(home.root());
        // Its first run begins with the start.
        eventually("more orders are archived", || async {
            counts(&home.orders()).await.accepted > archived + 500
        })
        .await;
        node.kill();
        let left = counts(&home.orders()).await;
        assert!(left.unsent > 0, "it was killed too late to prove anything");
        assert_eq!(left.unsent + left.accepted, ORDERS as u64, "none is lost");
        archived = left.accepted;
    }
    let node = Program::run(home.root());
    eventually("none is unsent", || async { counts(&home.orders()).await.unsent == 0 }).await;
    assert!(node.terminate().success());
    let left = counts(&home.orders()).await;
    assert_eq!((left.accepted, left.rejected), (ORDERS as u64, 0));
    assert_eq!(planet.accepted(0, 0).await, ORDERS as u64, "each once");
    planet.shutdown().await;
}

/// How a run ended is written down a second later, not when the chore has something to do again.
#[tokio::test(flavor = "multi_thread")]
async fn how_the_last_run_ended_is_shown_after_a_power_cut() {
    let folder = tempfile::Builder::new().prefix("tp").tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    assert!(Program::command(home.root(), &["setup"]).status.success());
    let build = Build::patched().run("fail");
    drop_into(&home.chores(), &format!("{PATCHED}.wasm"), build.bytes());
    let mut node = Program::run(home.root());
    node.is_up();
    let memory = rusqlite::Connection::open(home.data().join("peer.db")).unwrap();
    let saved = || {
        let select = "SELECT saved FROM schedule WHERE chore = ?1";
        memory.query_row(select, [PATCHED], |row| row.get::<_, String>(0)).unwrap_or_default()
    };
    let begun = Instant::now();
    eventually("it is written down", || async { saved().contains("does not want to") }).await;
    assert!(begun.elapsed() < TIMER_MAX / 2, "it waited for something to do");
    node.kill();

    // Nothing runs before it is asked for.
    let config = "[cycles.main]\nstart = \"delay\"\n";
    drop_into(&home.chores(), &format!("{PATCHED}.toml"), config.as_bytes());
    let mut node = Program::run(home.root());
    node.is_up();
    let status = Program::command(home.root(), &["status", PATCHED, "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    let last = &status["cycles"][0]["last"];
    assert_eq!((&last["outcome"], &last["iteration"]), (&"failed".into(), &1.into()), "{status}");
    assert!(node.terminate().success());
}
