//! What a chore reaches: nothing that was not granted, and of what was granted, no more than that.

use std::fs;
use std::net::TcpListener;

use chore_host::planet::Role;
use chore_host::registry::ControlError;
use testplanet::{SENDER, Testplanet, chore, component, reconfigure, told};

const NEIGHBOUR: &str = "guest-run-uses-all";

/// One node, whose order sender has this config.
async fn sender_with(satellites: usize, config: String) -> Testplanet {
    Testplanet::start_with(satellites, 1, |options| {
        options.chore_files = vec![(component(SENDER), Some(config))];
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_reaches_no_file_no_network_no_environment_and_no_other_chore() {
    const NAME: &str = "guest-run-reaches-out";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("there");
    fs::write(&file, "a secret").unwrap();
    let settings = format!(
        "[settings]\nlistener = \"{}\"\nfile = \"{}\"\n",
        listener.local_addr().unwrap(),
        file.display()
    );
    let planet = Testplanet::start_with(0, 1, |options| {
        options.chore_files = vec![(component(NEIGHBOUR), None), (component(NAME), Some(settings))];
    })
    .await;
    // So that there is something to reach.
    assert_eq!(told(&planet.trigger_wait(0, NEIGHBOUR).await.outcome), "succeeded");
    assert_eq!(told(&planet.trigger_wait(0, NAME).await.outcome), "succeeded");
    assert!(listener.accept().is_err(), "somebody has dialled");
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_may_only_read_orders_pays_nobody_and_loses_nothing() {
    let grants = |orders: &str| format!("grants = [\"{orders}\", \"kademlia\", \"transport\"]\n");
    let planet = sender_with(1, grants("orders:read")).await;
    planet.hand_in(0, 0, 5).await;
    let outcome = told(&planet.trigger_wait(0, SENDER).await.outcome);
    assert!(outcome.starts_with("failed: "), "{outcome}");
    assert_eq!(planet.counts(0).await.unsent, 5);
    assert!(chore(planet.node(0), SENDER).grants.contains(&"orders:read".to_owned()));

    let home = planet.node(0).home().clone();
    fs::write(home.root().join("chores/order-sender.toml"), grants("orders:settle")).unwrap();
    planet.node(0).handle().reload(Some(SENDER), false).await.unwrap();
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    assert_eq!(planet.counts(0).await.unsent, 0);
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_reaches_the_nodes_alone_that_it_was_granted() {
    let all = "grants = [\"orders:settle\", \"kademlia\", \"transport\"]\n".to_owned();
    let planet = sender_with(2, all).await;
    let (near, far) = (planet.satellite(0).node_id(), planet.satellite(1).node_id());
    let config =
        format!("grants = [\"orders:settle\", \"kademlia\", \"transport:{near}\"]\n[settings]\n");
    let home = planet.node(0).home().clone();
    fs::write(home.root().join("chores/order-sender.toml"), config).unwrap();
    planet.node(0).handle().reload(Some(SENDER), false).await.unwrap();
    planet.hand_in(0, 0, 4).await;
    planet.hand_in(1, 0, 4).await;
    let outcome = told(&planet.trigger_wait(0, SENDER).await.outcome);
    assert!(
        outcome.contains(&far.to_string()) && !outcome.contains(&near.to_string()),
        "{outcome}"
    );
    assert_eq!((planet.accepted(0, 0).await, planet.accepted(1, 0).await), (4, 0));
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_over_the_ceiling_of_the_peer() {
    let planet = Testplanet::start_with(1, 1, |options| {
        reconfigure(
            options,
            Role::Node,
            "\n[chores]\ngrants-max = [\"orders:read\", \"kademlia\"]\n",
        );
    })
    .await;
    let sender = chore(planet.node(0), SENDER);
    assert_eq!(sender.state, "refused");
    let reason = &sender.reason;
    assert!(
        reason.contains("needs transport") && reason.contains("over the ceiling of this peer"),
        "{reason}"
    );
    let line = "grants-max = [\"orders:read\", \"kademlia\", \"transport\"] below [chores]";
    assert!(reason.contains(line), "{reason}");
    let triggered = planet.node(0).handle().trigger(SENDER, None, false).await;
    assert!(matches!(triggered, Err(ControlError::Refused { .. })), "{triggered:?}");
    planet.shutdown().await;
}
