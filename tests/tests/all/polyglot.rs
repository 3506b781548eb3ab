//! Chores that are not written in Rust, beside one that is.

use testplanet::{SENDER, Testplanet, chore, component, eventually, python_component, told};

const REPORT: &str = "order-report";

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_in_python_runs_beside_one_in_rust() {
    let python = tokio::task::spawn_blocking(|| python_component(REPORT)).await.unwrap();
    let planet = Testplanet::start_with(1, 1, |options| {
        let grants = testplanet::SENDER_GRANTS.to_owned();
        let config = "grants = [\"orders\"]\n[settings]\nwarn-at = 4\n".to_owned();
        options.chore_files = vec![(component(SENDER), Some(grants)), (python, Some(config))];
    })
    .await;
    let node = planet.node(0);
    eventually("its first run is over", || async {
        chore(node, REPORT).cycles.first().is_some_and(|cycle| cycle.last.is_some())
    })
    .await;
    let report = chore(node, REPORT);
    assert_eq!((report.state.as_str(), report.version.as_str()), ("loaded", "0.1.0"));
    assert_eq!(report.grants, ["log", "settings", "state", "metrics", "orders"]);
    assert_eq!(told(&report.cycles[0].last.as_ref().unwrap().outcome), "succeeded");

    // What it counts is what waits, by the names that operators know.
    let satellite = planet.satellite(0).node_id();
    let gauge = |waiting: usize| {
        let wanted = format!("satellite=\"{satellite}\"}} {waiting}");
        let metrics = node.handle().metrics();
        metrics
            .lines()
            .any(|line| line.starts_with("chore_orders_waiting{") && line.ends_with(&wanted))
    };
    for (orders, waiting) in [(3, 3), (2, 5)] {
        planet.hand_in(0, 0, orders).await;
        let run = planet.trigger_wait(0, REPORT).await;
        assert_eq!(told(&run.outcome), "succeeded");
        assert!(gauge(waiting), "{waiting}:\n{}", node.handle().metrics());
    }
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    assert_eq!(told(&planet.trigger_wait(0, REPORT).await.outcome), "succeeded");
    assert!(gauge(0), "{}", node.handle().metrics());
    planet.shutdown().await;
}
