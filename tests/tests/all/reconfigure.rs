//! Another `NAME.toml` for a chore that runs: what applies, what asks the chore, what is refused.

use std::fs;

use chore_host::status::ChoreStatus;
use testplanet::{
    Build, PATCHED, SENDER, SENDER_GRANTS, Testplanet, chore, chores, drop_chore, drop_into, told,
    trigger_wait,
};

use crate::patched::{Patched, QUIET, version};

/// As it stands in the table of a test, and quiet.
fn quiet(keys: &str) -> String {
    format!("[cycles.main]\nstart = \"delay\"\n{keys}\n")
}

fn interval(now: &ChoreStatus) -> &str {
    &now.cycles[0].interval
}

#[tokio::test(flavor = "multi_thread")]
async fn schedule_and_limits_apply_at_once_without_a_call_and_without_an_interruption() {
    let patched = Patched::start(version(1).run("wait")).await;
    let run = patched.begin_run().await;
    let running = patched.cycle();
    let now = patched.configure(&quiet("interval = \"2h\"\n[limits]\nmemory = \"8MiB\"")).await;
    assert_eq!((interval(&now), now.refused.is_none()), ("2h", true));
    assert_eq!((now.cycles[0].state.as_str(), now.cycles[0].iteration), ("running", 1));
    assert!(now.cycles[0].next > running.next, "{:?}", now.cycles[0].next);
    assert_eq!((now.generation, now.watched_runs_left), (1, 0));
    // The run in progress keeps its timeout, the next one has the new one.
    patched.configure(&quiet("timeout = \"200ms\"")).await;
    assert_eq!(patched.cycle().state, "running");
    patched.node().handle().cancel(PATCHED, None).await.unwrap();
    let run = patched.in_time("the run winds down", run).await.unwrap();
    assert_eq!(told(&run.outcome), "cancelled: gave way");
    assert_eq!(patched.run().await, "timed-out: gave way");

    let now = patched.configure(&quiet("[limits]\nmemory = \"1MiB\"")).await;
    assert_eq!(interval(&now), "1h", "the chore's own default");
    assert!(patched.run().await.starts_with("out-of-memory"));
    assert_eq!(patched.opens().await, ["loaded 1.7.100 hello"], "none of it asks the chore");
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_grace_holds_for_the_run_in_progress() {
    let patched = Patched::start(version(1).run("spin")).await;
    patched.configure(&quiet("[limits]\ngrace = \"1h\"")).await;
    let run = patched.begin_run().await;
    patched.configure(&quiet("[limits]\ngrace = \"100ms\"")).await;
    patched.node().handle().cancel(PATCHED, None).await.unwrap();
    let run = patched.in_time("the run is interrupted", run).await.unwrap();
    assert_eq!(told(&run.outcome), "cancelled: interrupted: it did not wind down in time");
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_ask_the_chore_which_may_refuse_them() {
    let patched = Patched::start(version(1)).await;
    let now = patched.configure(&quiet("[settings]\ngreeting = \"ahoy\"")).await;
    assert_eq!((now.generation, now.watched_runs_left, now.refused), (1, 0, None));
    assert_eq!(patched.run().await, "succeeded");

    let table = [
        (quiet("[settings]\ngreeting = \"refused\""), "its open failed: no such greeting"),
        (quiet("interval = \"2h\"\n[settings]\ngreeting = \"refused\""), "no such greeting"),
        (quiet("[settings]\ngreeting = 3h"), "guest-swap-patched.toml:4:"),
        (quiet("[settings]\ngreting = \"ahoy\""), "guest-swap-patched.toml:4:"),
        (quiet("[settings]\ngreting = \"ahoy\""), "greeting"),
        (quiet("intervall = \"2h\""), "guest-swap-patched.toml:3:"),
        (quiet("[cycles.other]\ninterval = \"2h\""), "guest-swap-patched.toml:3:"),
        (quiet("[cycles"), "guest-swap-patched.toml:3:"),
    ];
    for (config, reason) in table {
        let now = patched.configure(&config).await;
        assert_eq!((now.state.as_str(), now.generation), ("loaded", 1), "{config}");
        assert_eq!(interval(&now), "1h", "{config}");
        assert!(patched.refusal().contains(reason), "{config}: {}", patched.refusal());
        assert_eq!(patched.run().await, "succeeded", "{config}");
        assert!(patched.rows().await.last().unwrap().ends_with("1.7.100 ahoy"), "{config}");
        assert_eq!(patched.cycle().iteration.to_string(), patched.state().await, "{config}");
    }
    // A version that comes with a config that is wrong is refused with it.
    let now = patched.put(&version(2), None).await;
    assert_eq!(now.version, "1.7.100");

    fs::remove_file(patched.file("toml")).unwrap();
    let now = patched.reload(false).await;
    assert_eq!((now.version.as_str(), now.refused.is_none()), ("1.7.101", true));
    assert_eq!(patched.run().await, "succeeded");
    assert!(patched.rows().await.last().unwrap().ends_with("1.7.101 hello"), "the defaults");
    patched.configure(&quiet("[settings]\ngreeting = \"bye\"")).await;
    let last: Vec<_> = patched.opens().await.split_off(1);
    assert_eq!(
        last,
        ["settingschanged 1.7.100 ahoy", "replaced 1.7.101 hello", "settingschanged 1.7.101 bye"]
    );
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_settings_wait_for_the_run_in_progress() {
    let patched =
        Patched::start_with("", version(1).run("wait"), &quiet("[limits]\ngrace = \"30s\"")).await;
    let run = patched.begin_run().await;
    drop_into(
        &chores(patched.node()),
        &format!("{PATCHED}.toml"),
        quiet("timeout = \"300ms\"\n[settings]\ngreeting = \"ahoy\"").as_bytes(),
    );
    // It gave way, and was begun again with the new settings, and the new timeout.
    let run = patched.in_time("the run's answer", run).await.unwrap();
    assert_eq!((run.iteration, told(&run.outcome)), (2, "timed-out: gave way".into()));
    assert_eq!(patched.opens().await, ["loaded 1.7.100 hello", "settingschanged 1.7.100 ahoy"]);
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_and_the_chore_decided_while_it_ran_is_kept() {
    let patched = Patched::start(version(1).run("slower")).await;
    assert_eq!(patched.run().await, "succeeded");
    patched.node().handle().pause(PATCHED, None).await.unwrap();
    let stands = |what: &str, wanted: &str| {
        let main = patched.cycle();
        assert_eq!((main.interval.as_str(), main.state.as_str()), (wanted, "paused"), "{what}");
        assert_eq!((main.iteration, main.next), (1, None), "{what}");
    };
    stands("the run", "30m");
    patched.configure(&quiet("timeout = \"30s\"")).await;
    stands("another timeout", "30m");
    patched.configure(&quiet("[settings]\ngreeting = \"ahoy\"")).await;
    stands("other settings", "30m");
    patched.put(&version(2), None).await;
    stands("another version", "30m");
    patched.restart().await;
    stands("a restart", "30m");
    patched.put(&version(3).open("fail"), None).await;
    stands("a version that does not open", "30m");
    patched.configure(&quiet("interval = \"2h\"")).await;
    patched.put(&version(4), None).await;
    stands("another interval in the config", "2h");
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_has_no_grant_that_its_config_does_not_give() {
    let planet = Testplanet::start(1, 1).await;
    let node = planet.node(0);
    let configure = async |config: &str| {
        drop_into(&chores(node), &format!("{SENDER}.toml"), config.as_bytes());
        node.handle().reload(Some(SENDER), false).await.unwrap();
        chore(node, SENDER)
    };
    let iteration = chore(node, SENDER).cycles[0].iteration;
    // A config that is in no order decides nothing.
    let now = configure("grants = [\"orders\", \"kademlia\"\n").await;
    assert_eq!((now.state.as_str(), now.grants.len() > 2), ("loaded", true));
    assert!(now.refused.unwrap().reason.contains("order-sender.toml:1:"));

    for config in ["grants = [\"orders\", \"kademlia\"]\n", "grants = [\"orders\"]\n", ""] {
        let now = configure(config).await;
        assert_eq!((now.state.as_str(), now.cycles.len()), ("refused", 0), "{config}");
        let line =
            "write grants = [\"orders\", \"kademlia\", \"transport\"] in chores/order-sender";
        assert!(now.reason.contains(line), "{config}: {}", now.reason);
        let trigger = node.handle().trigger(SENDER, None, true).await.unwrap_err().to_string();
        assert!(trigger.contains("is not loaded"), "{trigger}");
        // Not what ran before with other grants either.
        node.handle().reload(None, false).await.unwrap();
        assert_eq!(chore(node, SENDER).state, "refused", "{config}");
        node.stop().await.unwrap();
        node.start().await.unwrap();
        assert_eq!(chore(node, SENDER).state, "refused", "after a restart: {config}");

        let now = configure(SENDER_GRANTS).await;
        assert_eq!((now.state.as_str(), now.generation), ("loaded", 1), "{}", now.reason);
        assert!(now.cycles[0].iteration >= iteration, "it goes on");
        assert_eq!(told(&trigger_wait(node, SENDER).await.outcome), "succeeded");
    }
    // Nor does it come back by a component that is no component.
    node.stop().await.unwrap();
    drop_into(&chores(node), &format!("{SENDER}.wasm"), b"a text");
    drop_into(&chores(node), &format!("{SENDER}.toml"), b"grants = [\"orders\"]\n");
    node.start().await.unwrap();
    assert_eq!(chore(node, SENDER).state, "refused");
    assert_eq!(configure(SENDER_GRANTS).await.state, "loaded", "what ran before");
    planet.shutdown().await;
}

/// [`PATCHED`] in a version that needs `kademlia`: another chore under its name.
fn wanting() -> Vec<u8> {
    const NAME: &[u8] = b"guest-swap-wanting";
    let mut bytes = Build::of("guest-swap-wanting").bytes().to_vec();
    while let Some(at) = bytes.windows(NAME.len()).position(|window| window == NAME) {
        bytes[at..at + NAME.len()].copy_from_slice(PATCHED.as_bytes());
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_wants_more_waits_for_its_grant() {
    let patched = Patched::start(version(1)).await;
    assert_eq!(patched.run().await, "succeeded");
    let now = patched.put_bytes(&wanting()).await;
    assert_eq!((now.state.as_str(), now.version.as_str()), ("loaded", "1.7.100"));
    let line = "needs kademlia that it was not granted: write grants = [\"kademlia\"] in \
                chores/guest-swap-patched.toml";
    assert!(patched.refusal().contains(line), "{}", patched.refusal());
    assert_eq!(patched.run().await, "succeeded", "the old one goes on");

    let granted = format!("grants = [\"kademlia\"]\n{QUIET}");
    let now = patched.configure(&granted).await;
    assert_eq!((now.generation, now.refused), (2, None));
    assert!(now.grants.contains(&"kademlia".to_owned()), "{:?}", now.grants);
    assert_eq!((patched.cycle().iteration, patched.run().await.as_str()), (2, "succeeded"));

    // What does not need it any more does not get it.
    let now = patched.put(&version(2), None).await;
    assert!(!now.grants.contains(&"kademlia".to_owned()), "{:?}", now.grants);
    drop_chore(patched.node(), PATCHED, &version(2), Some(QUIET));
    patched.reload(false).await;
    assert_eq!((patched.now().state.as_str(), patched.now().generation), ("loaded", 3));
    patched.shutdown().await;
}
