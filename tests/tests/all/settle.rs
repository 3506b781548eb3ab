//! Orders from an uplink to ACCEPTED at their satellites, by the order sender as a component.

use std::time::Duration;

use chore_host::news::Event;
use chore_host::planet::Role;
use chore_host::settlement::Manner;
use testplanet::{LONG, SENDER, Testplanet, chore, drop_chore, eventually, reconfigure, told, zoo};

/// What the sender waits for in vain if it gets no stream is longer.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn every_node_settles_with_every_satellite() {
    let planet = Testplanet::start(2, 3).await;
    for node in 0..3 {
        for satellite in 0..2 {
            planet.hand_in(satellite, node, 20 + node).await;
        }
    }
    for node in 0..3 {
        let run = planet.trigger_wait(node, SENDER).await;
        assert_eq!(told(&run.outcome), "succeeded");
        let counts = planet.counts(node).await;
        let each = 20 + node as u64;
        assert_eq!((counts.unsent, counts.accepted, counts.rejected), (0, 2 * each, 0));
        for satellite in 0..2 {
            assert_eq!(planet.accepted(satellite, node).await, each);
        }
    }
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_ten_thousand_is_settled_in_one_run_of_bounded_memory() {
    let planet = Testplanet::start_with(1, 1, |options| {
        // The instance starts with 1.1 MB; ten thousand orders have some 10 MB.
        let config = format!("{}\n[limits]\nmemory = \"8MiB\"\n", testplanet::SENDER_GRANTS);
        options.chore_files = vec![(testplanet::component(SENDER), Some(config))];
    })
    .await;
    planet.hand_in(0, 0, 10_000).await;
    let run = planet.trigger_wait(0, SENDER).await;
    assert_eq!(told(&run.outcome), "succeeded");
    let counts = planet.counts(0).await;
    assert_eq!((counts.unsent, counts.accepted, counts.rejected), (0, 10_000, 0));
    assert_eq!(planet.accepted(0, 0).await, 10_000);
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_that_is_down_delays_no_other_and_is_paid_when_it_is_back() {
    let planet = Testplanet::start(2, 1).await;
    planet.hand_in(0, 0, 10).await;
    planet.hand_in(1, 0, 10).await;
    planet.satellite(1).stop().await.unwrap();
    let run = planet.trigger_wait(0, SENDER).await;
    let (down, outcome) = (planet.satellite(1).node_id().to_string(), told(&run.outcome));
    assert!(outcome.starts_with("failed: ") && outcome.contains(&down), "{outcome}");
    let counts = planet.counts(0).await;
    assert_eq!((counts.unsent, counts.accepted), (10, 10));
    planet.satellite(1).start().await.unwrap();
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    assert_eq!(planet.counts(0).await.unsent, 0);
    assert_eq!(planet.accepted(1, 0).await, 10);
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_satellite_that_is_slow_delays_no_other() {
    let slow = Manner { answer_delay: Duration::from_millis(250), ..Manner::default() };
    let planet =
        Testplanet::start_with(2, 1, |options| options.manners = vec![Manner::default(), slow])
            .await;
    planet.hand_in(0, 0, 40).await;
    planet.hand_in(1, 0, 40).await;
    let handle = planet.node(0).handle();
    let run = tokio::spawn(async move { handle.trigger(SENDER, None, true).await });
    eventually("the fast satellite has settled all", || async {
        planet.accepted(0, 0).await == 40 && planet.counts(0).await.accepted >= 40
    })
    .await;
    assert!(!run.is_finished(), "the slow one takes ten seconds");
    run.await.unwrap().unwrap();
    assert_eq!(planet.counts(0).await.unsent, 0);
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_satellite_rejects_is_archived_with_its_reason() {
    let no = Manner { reject: Some("the books are closed".into()), ..Manner::default() };
    let planet = Testplanet::start_with(1, 1, |options| options.manners = vec![no]).await;
    planet.hand_in(0, 0, 5).await;
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    let archived = planet.node(0).handle().orders().unwrap().list_archived(10).await.unwrap();
    let reasons: Vec<_> = archived.iter().map(|order| order.reason.as_str()).collect();
    assert_eq!(reasons, ["the books are closed"; 5]);
    assert_eq!(planet.accepted(0, 0).await, 0);
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_changes_the_config_of_one_role() {
    let planet = Testplanet::start_with(1, 1, |options| {
        reconfigure(options, Role::Node, "\n[chores]\nshutdown-budget = \"7s\"\n");
    })
    .await;
    let text = |member: &chore_host::planet::Member| {
        std::fs::read_to_string(member.home().config()).unwrap()
    };
    assert!(text(planet.node(0)).contains("7s"));
    assert!(!text(planet.satellite(0)).contains("7s"));
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_that_takes_all_streams_of_a_satellite_delays_no_order() {
    zoo::prepare();
    let planet = Testplanet::start(1, 1).await;
    let node = planet.node(0);
    let hostile = zoo::guest("run_streams_nothing");
    let config =
        hostile.config("start = \"now\"\ninterval = \"1h\"", "1s", planet.satellite(0).node_id());
    let mut news = node.handle().news().listen(None);
    drop_chore(node, &hostile.name(), &hostile.build(), Some(&config));
    node.handle().reload(None, false).await.unwrap();
    let open = async {
        loop {
            if let Event::Log(line) = &*news.next().await.1
                && line.line == "all streams are open"
            {
                return;
            }
        }
    };
    tokio::time::timeout(LONG, open).await.expect("the streams are open");
    planet.hand_in(0, 0, 10).await;
    let settle = tokio::time::timeout(SOON, planet.trigger_wait(0, SENDER)).await;
    assert_eq!(told(&settle.expect("it has places of its own").outcome), "succeeded");
    assert_eq!(planet.accepted(0, 0).await, 10);
    assert_eq!(chore(node, &hostile.name()).cycles[0].state, "running", "it still holds them");
    planet.shutdown().await;
}
