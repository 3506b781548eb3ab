//! A peer whose async runtime really stands still: a task of its own runtime blocks the only thread,
//! as a bug would. The watchdog says so while it lasts, from outside, and says when it is over.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use chore_host::planet::Role;
use chore_host::record::{Entry, Query};
use testplanet::{Build, LONG, PATCHED, Testplanet, drop_chore, eventually, reconfigure};

/// Waits on this thread, which the stalled runtime has no part in.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "not within {LONG:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_stalled_peer_is_noticed_from_outside() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    let planet = runtime.block_on(async {
        let planet = Testplanet::start_with(0, 1, |options| {
            options.chore_files.clear();
            reconfigure(options, Role::Node, "");
        })
        .await;
        let config = "[cycles.main]\ninterval = \"1s\"\n";
        drop_chore(planet.node(0), PATCHED, &Build::patched(), Some(config));
        let handle = planet.node(0).handle();
        eventually("it runs every second", || async {
            handle
                .status()
                .chores
                .iter()
                .any(|chore| chore.cycles.first().is_some_and(|cycle| cycle.iteration >= 2))
        })
        .await;
        planet
    });
    let handle = planet.node(0).handle();
    let overdue = || handle.status().chores[0].cycles[0].overdue;
    let metric = |line: &str| handle.metrics().lines().any(|shown| shown == line);
    assert_eq!(overdue(), None);
    assert!(metric("peer_runtime_stalled 0") && metric("peer_runtime_stalls_total 0"));

    let (go_on, blocked) = mpsc::channel::<()>();
    runtime.spawn(async move {
        let _ = blocked.recv();
    });
    until("the watchdog finds the runtime stalled", || metric("peer_runtime_stalled 1"));
    until("the watchdog finds the cycle overdue", || overdue().is_some());
    let cycle = format!("{{chore=\"{PATCHED}\",cycle=\"main\"}}");
    assert!(metric(&format!("peer_watchdog_overdue_total{cycle} 1")));
    let late = format!("peer_cycle_overdue_seconds{cycle} ");
    let late = handle.metrics().lines().find_map(|line| line.strip_prefix(&late)?.parse().ok());
    assert!(late.is_some_and(|late: f64| late > 9.0), "{late:?}");

    go_on.send(()).unwrap();
    until("it goes on", || metric("peer_runtime_stalled 0"));
    until("the cycle has run", || overdue().is_none());
    assert!(metric("peer_runtime_stalls_total 1"));
    let query = Query::default();
    let entries = runtime.block_on(handle.history(query)).unwrap();
    let told = entries.entries.into_iter().rev().filter_map(|entry| match entry {
        Entry::Event(event) if event.by == "the watchdog" => Some(event.what),
        _ => None,
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    assert_eq!(told, ["no longer overdue", "no longer stalled", "overdue", "stalled"]);
    runtime.block_on(planet.shutdown());
}
