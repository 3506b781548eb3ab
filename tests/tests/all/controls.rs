//! What an operator may ask of a chore, and what outlives a restart of its peer.

use chore_host::peer::ControlError;
use chore_host::status::Triggered;
use testplanet::{SENDER, Testplanet, chore, eventually, told};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_chore_runs_when_triggered_and_stays_paused_over_a_restart() {
    let planet = Testplanet::start(1, 1).await;
    let state = || chore(planet.node(0), SENDER).cycles[0].state.clone();
    planet.node(0).handle().pause(SENDER, None).await.unwrap();
    assert_eq!(state(), "paused");
    planet.hand_in(0, 0, 3).await;
    let before = chore(planet.node(0), SENDER).cycles[0].iteration;
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    assert_eq!(state(), "paused");

    planet.node(0).stop().await.unwrap();
    planet.node(0).start().await.unwrap();
    assert_eq!(state(), "paused");
    let cycle = chore(planet.node(0), SENDER).cycles.remove(0);
    assert_eq!((cycle.iteration, cycle.next), (before + 1, None), "runs are counted on");

    planet.node(0).handle().restart(SENDER, None).await.unwrap();
    assert_eq!(state(), "idle");
    let next = chore(planet.node(0), SENDER).cycles[0].next.unwrap();
    assert!(next > chore_host::clock::Timestamp::now(), "a full interval, no run at once");
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn controls_answer_for_what_is_not_there_and_after_the_close() {
    let planet = Testplanet::start(1, 1).await;
    let handle = planet.node(0).handle();
    let unknown = handle.pause("order-sendr", None).await.unwrap_err().to_string();
    assert_eq!(unknown, "no chore \"order-sendr\" is in this peer; did you mean \"order-sender\"?");
    let unknown = handle.trigger(SENDER, Some("mian"), false).await.unwrap_err().to_string();
    assert_eq!(
        unknown,
        "chore \"order-sender\" has no cycle \"mian\"; it has main: did you mean \"main\"?"
    );
    let begun = handle.trigger(SENDER, None, false).await.unwrap();
    assert!(matches!(begun, Triggered::Began { .. }), "{begun:?}");

    planet.node(0).stop().await.unwrap();
    assert_eq!(chore(planet.node(0), SENDER).state, "closed");
    let answer = handle.trigger(SENDER, None, true).await;
    assert!(matches!(answer, Ok(Triggered::Stopped) | Err(ControlError::Stopped)), "{answer:?}");
    handle.pause(SENDER, None).await.unwrap();
    handle.cancel(SENDER, None).await.unwrap();
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_keeps_what_was_archived_and_loses_nothing() {
    let slow = chore_host::settlement::Manner {
        answer_delay: std::time::Duration::from_millis(20),
        ..Default::default()
    };
    let planet = Testplanet::start_with(1, 1, |options| {
        options.manners = vec![slow];
        let config = format!("{}\n[settings]\nbatch-size = 5\n", testplanet::SENDER_GRANTS);
        options.chore_files = vec![(testplanet::component(SENDER), Some(config))];
    })
    .await;
    planet.hand_in(0, 0, 200).await;
    let handle = planet.node(0).handle();
    let run = tokio::spawn(async move { handle.trigger(SENDER, None, true).await });
    eventually("some are archived", || async { planet.counts(0).await.accepted >= 5 }).await;
    planet.node(0).handle().cancel(SENDER, None).await.unwrap();
    let Triggered::Ended { run } = run.await.unwrap().unwrap() else { panic!("it ends") };
    assert_eq!(run.outcome.word(), "cancelled", "{}", told(&run.outcome));
    let counts = planet.counts(0).await;
    assert!(counts.unsent > 0, "it was cancelled half way");
    assert_eq!(counts.unsent + counts.accepted, 200);
    planet.trigger_wait(0, SENDER).await;
    assert_eq!(planet.counts(0).await.accepted, 200);
    assert_eq!(planet.accepted(0, 0).await, 200);
    planet.shutdown().await;
}
