//! Chores that are not written in Rust, beside one that is.

use std::path::PathBuf;
use std::time::Duration;

use chore_host::clock::Timestamp;
use chore_host::node_id::NodeId;
use chore_host::orders::{ArchiveRequest, Info, Orders, Status};
use chore_host::status::{LastRun, Triggered};
use futures::future::join_all;
use testplanet::{
    SENDER, SENDER_GRANTS, Testplanet, chore, component, eventually, javascript_component,
    python_component, told,
};

const REPORT: &str = "order-report";
const CLEANER: &str = "archive-cleaner";

/// A component of another language, and what its operator wrote.
async fn built(build: fn(&str) -> PathBuf, name: &'static str, config: &str) -> File {
    let component = tokio::task::spawn_blocking(move || build(name)).await.unwrap();
    (component, Some(config.to_owned()))
}

type File = (PathBuf, Option<String>);

async fn first_run_is_over(planet: &Testplanet, name: &str) {
    eventually(&format!("the first run of {name} is over"), || async {
        chore(planet.node(0), name).cycles.first().is_some_and(|cycle| cycle.last.is_some())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chores_in_three_languages_run_side_by_side() {
    let grants = "grants = [\"orders\"]\n";
    let files = vec![
        (component(SENDER), Some(SENDER_GRANTS.to_owned())),
        built(python_component, REPORT, &format!("{grants}[settings]\nwarn-at = 4\n")).await,
        built(javascript_component, CLEANER, &format!("{grants}[settings]\nkeep = \"0s\"\n")).await,
    ];
    let planet = Testplanet::start_with(1, 1, |options| options.chore_files = files).await;
    let node = planet.node(0);
    for (name, used) in [
        (REPORT, &["log", "settings", "state", "metrics", "orders"][..]),
        // By the names without "-sync".
        (CLEANER, &["log", "settings", "state", "metrics", "orders"]),
    ] {
        first_run_is_over(&planet, name).await;
        let status = chore(node, name);
        assert_eq!((status.state.as_str(), status.version.as_str()), ("loaded", "0.1.0"));
        assert_eq!(status.grants, used, "{name}");
        assert_eq!(told(&status.cycles[0].last.as_ref().unwrap().outcome), "succeeded", "{name}");
    }

    // What Python counts is what waits, by the names that operators know.
    let satellite = planet.satellite(0).node_id();
    let metric = |name: &str, wanted: &str| {
        let metrics = node.handle().metrics();
        let found = metrics.lines().any(|line| line.starts_with(name) && line.ends_with(wanted));
        assert!(found, "{name} {wanted}:\n{metrics}");
    };
    let waiting = |count: usize| format!("satellite=\"{satellite}\"}} {count}");
    for (orders, count) in [(3, 3), (2, 5)] {
        planet.hand_in(0, 0, orders).await;
        assert_eq!(told(&planet.trigger_wait(0, REPORT).await.outcome), "succeeded");
        metric("chore_orders_waiting{", &waiting(count));
    }
    // What Rust settles and archives, JavaScript deletes.
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    assert_eq!(told(&planet.trigger_wait(0, REPORT).await.outcome), "succeeded");
    metric("chore_orders_waiting{", &waiting(0));
    assert_eq!(planet.counts(0).await.accepted, 5);
    assert_eq!(told(&planet.trigger_wait(0, CLEANER).await.outcome), "succeeded");
    assert_eq!(planet.counts(0).await.accepted, 0);
    metric("chore_archive_deleted_total{", &format!("chore=\"{CLEANER}\"}} 5"));
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_in_javascript_keeps_what_its_operator_set_and_fails_in_words() {
    let config = |keep: &str| format!("grants = [\"orders\"]\n[settings]\nkeep = \"{keep}\"\n");
    let files = vec![
        (component(SENDER), Some(SENDER_GRANTS.to_owned())),
        built(javascript_component, CLEANER, &config("1h 30m")).await,
    ];
    let planet = Testplanet::start_with(1, 1, |options| options.chore_files = files).await;
    let node = planet.node(0);
    first_run_is_over(&planet, CLEANER).await;
    planet.hand_in(0, 0, 2).await;
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    assert_eq!(told(&planet.trigger_wait(0, CLEANER).await.outcome), "succeeded");
    assert_eq!(planet.counts(0).await.accepted, 2, "they are younger than 90 minutes");

    // A whole page of orders, and as large as one may be, is read in the memory that it has.
    let orders = node.handle().orders().expect("orders");
    reject(&orders, planet.satellite(0).node_id(), 1_000).await;
    assert_eq!(told(&planet.trigger_wait(0, CLEANER).await.outcome), "succeeded");
    assert_eq!(planet.counts(0).await.rejected, 1_000);

    // The host's error is thrown in JavaScript, and is the failure of the run.
    orders.close().await.unwrap();
    let failed = told(&planet.trigger_wait(0, CLEANER).await.outcome);
    assert!(failed.starts_with("failed: use database "), "{failed}");
    assert!(failed.ends_with("orders.db: it is closed"), "{failed}");
    planet.shutdown().await;
}

/// Orders that make a page of 8 MiB together, all rejected.
async fn reject(orders: &Orders, satellite: NodeId, count: u64) {
    let serial = |n: u64| [[0; 8], n.to_be_bytes()].concat();
    let half = vec![0; 4 * 1024];
    let enqueue = (0..count).map(|n| {
        let (limit, order) = (half.clone(), half.clone());
        orders.enqueue(Info { satellite, serial: serial(n), limit, order, expires: Timestamp::MAX })
    });
    for enqueued in join_all(enqueue).await {
        enqueued.unwrap();
    }
    let request = |n| {
        let (status, reason) = (Status::Rejected, "too late".to_owned());
        ArchiveRequest { satellite, serial: serial(n), status, reason }
    };
    let missing = orders.archive((0..count).map(request).collect(), Timestamp::now()).await;
    assert_eq!(missing.unwrap(), Vec::<Vec<u8>>::new());
}

/// A chore of the synchronous twin in Rust, so that nothing but the twin is looked at.
const BLOCKS: &str = "guest-run-blocks";

/// Long enough to tell an end in between from one at the end of it.
const GRACE: Duration = Duration::from_secs(4);

async fn blocks(satellites: usize) -> Testplanet {
    let config = format!(
        "{SENDER_GRANTS}[limits]\ngrace = \"4s\"\n\
         [cycles.spins]\ntimeout = \"100ms\"\n[cycles.goes-on]\ntimeout = \"100ms\"\n\
         [cycles.puts-away]\ntimeout = \"100ms\"\n"
    );
    let files = vec![(component(BLOCKS), Some(config))];
    Testplanet::start_with(satellites, 1, |options| options.chore_files = files).await
}

async fn run_of(planet: &Testplanet, cycle: &str) -> LastRun {
    match planet.node(0).handle().trigger(BLOCKS, Some(cycle), true).await.unwrap() {
        Triggered::Ended { run } => run,
        other => panic!("{cycle}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_guest_settles_orders_through_the_twin() {
    let planet = blocks(1).await;
    for (orders, all) in [(3, 3), (0, 3), (2, 5)] {
        planet.hand_in(0, 0, orders).await;
        assert_eq!(told(&run_of(&planet, "settles").await.outcome), "succeeded");
        assert_eq!(planet.counts(0).await.accepted, all);
        assert_eq!(planet.accepted(0, 0).await, all);
    }
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_guest_ends_when_it_should() {
    let planet = blocks(0).await;
    let node = planet.node(0);
    let ended = async |cycle: &str, word: &str, part: &str, in_grace: bool| {
        let LastRun { outcome, elapsed, .. } = run_of(&planet, cycle).await;
        let shown = format!("{cycle}: {} after {elapsed:?}", told(&outcome));
        assert_eq!(outcome.word(), word, "{shown}");
        assert!(outcome.message().contains(part), "{shown}");
        assert_eq!(elapsed < GRACE, in_grace, "{shown}");
    };
    let cancelled = "cancelled before it was done: the call has to wind down";
    tokio::join!(
        ended("spins", "timed-out", "past its deadline", false),
        ended("goes-on", "timed-out", "past its deadline", false),
        ended("puts-away", "succeeded", "", true),
        ended("waits", "cancelled", cancelled, true),
        async {
            // It has an hour, and its statement no end.
            let waits = || chore(node, BLOCKS).cycles.into_iter().find(|of| of.name == "waits");
            eventually("it waits", || async { waits().unwrap().state == "running" }).await;
            node.handle().cancel(BLOCKS, Some("waits")).await.unwrap();
        },
    );
    assert_eq!(chore(node, BLOCKS).state, "loaded");
    planet.shutdown().await;
}
