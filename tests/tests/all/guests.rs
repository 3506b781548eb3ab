//! Components that misbehave, each in its way: its own run ends with the right outcome, and a good
//! chore beside it notices nothing.

use std::path::PathBuf;
use std::time::Duration;

use chore_host::status::Triggered;
use testplanet::{Testplanet, chore, component, eventually, told, trigger_wait};

/// Little time and memory, so that a bad run ends soon.
const SHORT: &str = "\
[cycles.main]
timeout = \"500ms\"

[limits]
grace = \"300ms\"
memory = \"16MiB\"
";

const TIMEOUT_AND_GRACE: Duration = Duration::from_millis(800);

/// A deadline counts from the decision to run, and a run from its beginning a moment later.
const MOMENT: Duration = Duration::from_millis(200);

/// A good chore, and what it is called.
const GOOD: &str = "guest-run-counts";

/// A component and what its operator wrote. A planet installs it under its own name.
fn with(name: &str, config: &str) -> (PathBuf, Option<String>) {
    (component(name), Some(config.to_owned()))
}

async fn host_of(names: &[(&str, &str)]) -> Testplanet {
    let files: Vec<_> = names.iter().map(|(name, config)| with(name, config)).collect();
    Testplanet::start_with(0, 1, |options| options.chore_files = files).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_run_ends_with_its_outcome_and_leaves_others_alone() {
    // Folder in tests/guests, and what its run comes to.
    let table = [
        ("run_spins", "timed-out", "past its deadline"),
        ("run_waits", "timed-out", "past its deadline"),
        ("run_ignores_cancelled", "timed-out", "past its deadline"),
        ("run_traps", "trapped", "is one too many"),
        (
            "run_grows",
            "out-of-memory",
            "MiB, limit 16 MiB; raise `limits.memory` in guest-run-grows.toml",
        ),
    ];
    let names: Vec<_> =
        table.iter().map(|(guest, ..)| format!("guest-{}", guest.replace('_', "-"))).collect();
    let mut chores: Vec<_> = names.iter().map(|name| (name.as_str(), SHORT)).collect();
    chores.push((GOOD, ""));
    let planet = host_of(&chores).await;
    let node = planet.node(0);
    let bad = names.iter().zip(&table).map(|(name, (_, word, part))| async move {
        let run = trigger_wait(node, name).await;
        assert_eq!(run.outcome.word(), *word, "{name}: {}", told(&run.outcome));
        assert!(run.outcome.message().contains(part), "{name}: {}", told(&run.outcome));
        if *word == "timed-out" {
            let elapsed = run.elapsed;
            assert!(elapsed + MOMENT >= TIMEOUT_AND_GRACE, "{name}: ended after {elapsed:?}");
        }
    });
    let good = async {
        // They overlap with all that the bad ones do, on two threads.
        for _ in 0..20 {
            assert_eq!(told(&trigger_wait(node, GOOD).await.outcome), "succeeded");
        }
    };
    let bad = async {
        for one in bad {
            one.await;
        }
    };
    tokio::join!(bad, good);
    for name in &names {
        assert_eq!(chore(node, name).state, "loaded", "a bad run unloads nothing");
    }
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_load_says_why_and_the_peer_runs_on() {
    let table = [
        ("open_fails", "its open failed: the cellar is flooded"),
        ("describe_traps", "no cycle comes to mind"),
        (
            "lifecycle_plain",
            "`run` of chore:peer/lifecycle@0.1.0 is a plain func, and the contract",
        ),
        ("run_needs_kademlia", "write grants = [\"kademlia\"] in chores/guest-run-needs-kademlia"),
    ];
    let names: Vec<_> =
        table.iter().map(|(guest, _)| format!("guest-{}", guest.replace('_', "-"))).collect();
    let mut chores: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    chores.push((GOOD, ""));
    let planet = host_of(&chores).await;
    for (name, (_, reason)) in names.iter().zip(&table) {
        let refused = chore(planet.node(0), name);
        assert_eq!(refused.state, "refused", "{name}");
        assert!(refused.reason.contains(reason), "{name}: {}", refused.reason);
        assert_eq!(refused.digest.len(), 64, "{name}");
        let trigger = planet.node(0).handle().trigger(name, None, true).await.unwrap_err();
        assert!(trigger.to_string().contains("is not loaded"), "{trigger}");
    }
    assert_eq!(told(&trigger_wait(planet.node(0), GOOD).await.outcome), "succeeded");
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_never_ends_does_not_keep_its_peer_from_closing() {
    let long = "[cycles.main]\ntimeout = \"1h\"\n\n[limits]\ngrace = \"300ms\"\n";
    let planet = host_of(&[
        ("guest-run-spins", long),
        ("guest-run-waits", long),
        ("guest-run-ignores-cancelled", long),
    ])
    .await;
    let chores = || planet.node(0).handle().status().chores;
    eventually("all three run", || async {
        chores().iter().all(|chore| chore.cycles[0].state == "running")
    })
    .await;
    // Fails if it takes longer than the budget.
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_goes_from_run_to_run_and_over_a_restart() {
    let planet = host_of(&[(GOOD, "")]).await;
    let node = planet.node(0);
    for _ in 0..3 {
        assert_eq!(told(&trigger_wait(node, GOOD).await.outcome), "succeeded");
    }
    let runs = chore(node, GOOD).cycles[0].iteration;
    node.stop().await.unwrap();
    let path = node.home().data().join("peer.db");
    let memory = chore_host::memory::Memory::open(&path).await.unwrap();
    let state = memory.load_state(GOOD).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(state.data).unwrap(), runs.to_string());
    memory.close().await.unwrap();
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_capability_that_needs_no_grant_keeps_its_contract() {
    const NAME: &str = "guest-run-uses-all";
    let planet = host_of(&[(NAME, "")]).await;
    let node = planet.node(0);
    for _ in 0..2 {
        assert_eq!(told(&trigger_wait(node, NAME).await.outcome), "succeeded");
        // The cycle that it added has run, and taken itself away.
        eventually("the added cycle is gone", || async { chore(node, NAME).cycles.len() == 1 })
            .await;
    }
    let runs = chore(node, NAME).cycles[0].iteration;
    let expected = format!("chore_uses_total{{chore=\"{NAME}\",what=\"sql\"}} {}", 2_000 * runs);
    let metrics = node.handle().metrics();
    assert!(metrics.contains(&expected), "{metrics}");
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_answers_what_the_fakes_of_native_tests_answer() {
    const NAME: &str = "guest-sql-contract";
    let version = env!("CARGO_PKG_VERSION");
    let config = format!(
        "grants = [\"orders\", \"kademlia\", \"transport\"]\n[settings]\nversion = \"{version}\"\n"
    );
    let planet = host_of(&[(NAME, &config)]).await;
    let node = planet.node(0);
    // Each looks at what the one before left.
    for (cycle, outcome) in [
        ("statements", "succeeded"),
        ("transactions", "succeeded"),
        ("migrations", "succeeded"),
        ("times", "succeeded"),
        ("controls", "succeeded"),
        ("orders", "succeeded"),
        ("nodes", "succeeded"),
        ("saves", "succeeded"),
        ("fails", "failed: fails on purpose"),
        ("looks", "succeeded"),
    ] {
        let run = match node.handle().trigger(NAME, Some(cycle), true).await.unwrap() {
            Triggered::Ended { run } => run,
            other => panic!("{cycle}: {other:?}"),
        };
        assert_eq!(told(&run.outcome), outcome, "{cycle}");
    }
    planet.shutdown().await;
}
