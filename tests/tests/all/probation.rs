//! A new version whose first runs fail is gone back from, to the last good one, and not tried again
//! by itself.

use chore_host::status::{Actor, ChangeKind, ChoreStatus};
use testplanet::{Build, PATCHED, Program, chores, drop_into, eventually};

use crate::patched::{Patched, QUIET, version};

/// Ends a run that spins soon, and leaves ample time to one that does not.
const TIMED: &str =
    "[cycles.main]\nstart = \"delay\"\ntimeout = \"2s\"\n\n[limits]\ngrace = \"200ms\"\n";

/// Version 1 runs, and so does version 2 with this behaviour.
async fn with_new(config: &str, new: &Build) -> Patched {
    let patched = Patched::start_with("", version(1), config).await;
    assert_eq!(patched.run().await, "succeeded");
    let now = patched.put(new, None).await;
    assert_eq!((now.version.as_str(), now.watched_runs_left), ("1.7.101", 3));
    patched
}

/// As [`with_new`], and its first run has failed.
async fn gone_back(new: &Build) -> Patched {
    let patched = with_new(QUIET, new).await;
    let outcome = patched.run().await;
    assert_ne!(outcome, "succeeded");
    patched.runs(1).await;
    patched.until("the good version has made up for it", made_up).await;
    patched
}

/// Runs 1 of the old, 2 of the new and 3 of the old version.
fn made_up(now: &ChoreStatus) -> bool {
    let last = now.cycles[0].last.as_ref();
    last.is_some_and(|last| last.iteration == 3 && last.outcome.succeeded())
}

fn bad() -> Build {
    version(2).run("trap")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_run_fails_is_gone_back_from_by_itself() {
    let table = [
        ("trap", "trapped", "run 2 of main trapped"),
        ("fail", "failed: run does not want to", "run 2 of main failed: run does not want to"),
        ("spin", "timed-out", "run 2 of main timed-out"),
    ];
    for (behaviour, outcome, reason) in table {
        let bad = version(2).run(behaviour);
        let patched = with_new(TIMED, &bad).await;
        let ended = patched.run().await;
        assert!(ended.starts_with(outcome), "{ended}");
        patched.until("the good version has made up for it", made_up).await;
        let now = patched.now();
        assert_eq!((now.version.as_str(), now.generation), ("1.7.100", 3), "{behaviour}");
        assert_eq!((now.watched_runs_left, now.cycles[0].failures), (0, 0), "{behaviour}");
        let last = now.cycles[0].last.clone().unwrap();
        assert_eq!(last.reason, "interval", "a tick, and nobody asked");
        let refused = now.refused.unwrap();
        assert_eq!((refused.quarantined, &refused.digest), (true, &bad.digest()), "{behaviour}");
        assert_eq!(refused.version, "1.7.101");
        let parts = [reason, "version 1.7.101", "1 of 3 watched runs", "`chore reload guest-"];
        for part in parts {
            assert!(refused.reason.contains(part), "{behaviour}: {}", refused.reason);
        }
        assert_eq!(patched.rows().await, ["1 main 1.7.100 hello", "3 main 1.7.100 hello"]);
        patched.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_quarantined_is_tried_again_only_for_a_reason() {
    let patched = gone_back(&bad()).await;
    let stays = |after: &str| {
        let now = patched.now();
        assert_eq!((now.version.as_str(), now.generation), ("1.7.100", 3), "{after}");
        assert!(now.refused.is_some_and(|refused| refused.quarantined), "{after}");
    };
    // Another file shows that the peer has looked.
    drop_into(&chores(patched.node()), "other.wasm", b"a text");
    eventually("the peer has looked", || async {
        patched.node().handle().status().chores.iter().any(|chore| chore.name == "other")
    })
    .await;
    stays("a look");
    patched.put(&bad(), None).await;
    stays("the same bytes again");
    patched.reload(false).await;
    stays("a reload");
    patched.restart().await;
    stays("a restart");

    let table: [(&str, Build, &str, bool); 3] = [
        ("by force", bad(), QUIET, true),
        ("with another config", bad(), "# other\n[cycles.main]\nstart = \"delay\"\n", false),
        ("another build", bad().stamped(1), QUIET, false),
    ];
    let mut generation = 3;
    for (what, build, config, force) in table {
        drop_into(&chores(patched.node()), &format!("{PATCHED}.toml"), config.as_bytes());
        drop_into(&chores(patched.node()), &format!("{PATCHED}.wasm"), build.bytes());
        let now = patched.reload(force).await;
        assert_eq!((now.version.as_str(), now.watched_runs_left), ("1.7.101", 3), "{what}");
        assert_eq!((now.generation, &now.digest), (generation + 1, &build.digest()), "{what}");
        assert!(now.refused.is_none(), "{what}");
        assert!(patched.run().await.starts_with("trapped"), "{what}");
        patched.runs(1).await;
        generation += 2;
        patched.until("it is quarantined again", |now| now.refused.is_some()).await;
        assert_eq!(patched.now().generation, generation, "{what}");
    }
    let now = patched.put(&version(3), None).await;
    assert_eq!((now.version.as_str(), now.refused), ("1.7.102", None), "a good one takes over");
    assert_eq!(patched.run().await, "succeeded");
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_not_blamed_for_what_the_old_one_did_no_better() {
    let patched = Patched::start(version(1).run("fail")).await;
    assert!(patched.run().await.starts_with("failed"));
    patched.put(&version(2).run("trap"), None).await;
    for runs_left in [2, 1, 0] {
        assert!(patched.run().await.starts_with("trapped"));
        let now = patched.now();
        assert_eq!((now.version.as_str(), now.watched_runs_left), ("1.7.101", runs_left));
    }
    assert_eq!(patched.now().generation, 2);
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_has_passed_is_not_gone_back_from() {
    // Good until its config lets it do less, which is nothing that a probation is for.
    let patched = with_new(QUIET, &version(2)).await;
    for runs_left in [2, 1, 0] {
        assert_eq!(patched.run().await, "succeeded");
        assert_eq!(patched.now().watched_runs_left, runs_left);
    }
    let now =
        patched.configure("[cycles.main]\nstart = \"delay\"\n\n[limits]\nmemory = \"1MiB\"\n");
    assert_eq!(now.await.watched_runs_left, 0);
    assert!(patched.run().await.starts_with("out-of-memory"));
    patched.reload(false).await;
    let now = patched.now();
    assert_eq!((now.version.as_str(), now.generation, now.refused), ("1.7.101", 2, None));
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_probation_nothing_is_watched() {
    let none = "\n[chores]\nprobation-runs = 0\n";
    let patched = Patched::start_with(none, version(1), QUIET).await;
    assert_eq!(patched.run().await, "succeeded");
    let now = patched.put(&bad(), None).await;
    assert_eq!((now.version.as_str(), now.watched_runs_left), ("1.7.101", 0));
    assert!(patched.run().await.starts_with("trapped"));
    patched.reload(false).await;
    let now = patched.now();
    assert_eq!((now.version.as_str(), now.generation, now.refused), ("1.7.101", 2, None));
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_undoes_what_the_bad_version_saved() {
    let patched = with_new(QUIET, &version(2).open("poison")).await;
    assert_eq!(patched.state().await, "poison");
    assert!(patched.run().await.contains("what version 1.7.101 saved does not read"));
    patched.until("the good version has made up for it", made_up).await;
    assert_eq!(patched.state().await, "2");
    assert_eq!(patched.opens().await.last().unwrap(), "replaced 1.7.100 hello");
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_good_bytes_are_the_hosts_own() {
    let patched = with_new(QUIET, &bad()).await;
    // Neither version has a file any more.
    let now = patched.put_bytes(b"a text").await;
    assert_eq!(now.version, "1.7.101");
    assert!(patched.refusal().contains("looks like text"));
    assert!(patched.run().await.starts_with("trapped"));
    patched.until("the good version has made up for it", made_up).await;
    patched.reload(false).await;
    assert_eq!(patched.now().version, "1.7.100");
    assert!(patched.refusal().contains("looks like text"));
    patched.restart().await;
    let now = patched.now();
    assert_eq!((now.version.as_str(), now.generation), ("1.7.100", 3));
    assert!(patched.refusal().contains("looks like text"));
    assert_eq!(patched.run().await, "succeeded");
    // What was there in between does not make the bad bytes others.
    drop_into(&chores(patched.node()), &format!("{PATCHED}.wasm"), bad().bytes());
    let quarantined = |now: &ChoreStatus| now.refused.as_ref().is_some_and(|it| it.quarantined);
    patched.until("the bad one is shown again", quarantined).await;
    let now = patched.now();
    assert_eq!((now.version.as_str(), now.generation), ("1.7.100", 3));
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_started_with_bad_files_runs_what_ran_before() {
    let half = version(2).bytes()[..10_000].to_vec();
    let table: [(&str, &str, Vec<u8>, &str); 4] = [
        ("a text", "wasm", b"a text".to_vec(), "looks like text"),
        ("half", "wasm", half, "ends in the middle"),
        ("no open", "wasm", version(2).open("fail").bytes().into(), "open does not want to"),
        ("config", "toml", b"[limit]\n".to_vec(), "guest-swap-patched.toml:1:"),
    ];
    for (what, extension, bytes, reason) in table {
        let patched = Patched::start(version(1)).await;
        assert_eq!(patched.run().await, "succeeded");
        patched.node().stop().await.unwrap();
        drop_into(&chores(patched.node()), &format!("{PATCHED}.{extension}"), &bytes);
        patched.node().start().await.unwrap();
        let now = patched.now();
        assert_eq!((now.version.as_str(), now.generation), ("1.7.100", 1), "{what}");
        assert!(patched.refusal().contains(reason), "{what}: {}", patched.refusal());
        assert_eq!(patched.run().await, "succeeded", "{what}");
        assert_eq!(patched.rows().await[1], "2 main 1.7.100 hello", "{what}");
        // And over another restart.
        patched.restart().await;
        assert_eq!(patched.now().version, "1.7.100", "{what}");
        drop_into(&chores(patched.node()), &format!("{PATCHED}.toml"), QUIET.as_bytes());
        let now = patched.put(&version(3), None).await;
        assert_eq!((now.version.as_str(), now.refused), ("1.7.102", None), "{what}");
        patched.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_after_going_back_changes_nothing_of_it() {
    let patched = with_new(QUIET, &version(2).open("poison")).await;
    patched.node().stop().await.unwrap();
    let home = patched.node().home().clone();
    let status = || {
        let output = Program::command(home.root(), &["status", PATCHED, "--json"]);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let mut peer = Program::run(home.root());
    peer.is_up();
    assert_eq!(status()["version"], "1.7.101");
    let run = Program::command(home.root(), &["trigger", PATCHED, "--wait"]);
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    eventually("it went back", || async { peer.log().contains("went back") }).await;
    peer.kill();

    let mut peer = Program::run(home.root());
    peer.is_up();
    let now = status();
    assert_eq!((&now["version"], &now["generation"]), (&"1.7.100".into(), &3.into()));
    assert_eq!(now["refused"]["quarantined"], true, "{now}");
    let run = Program::command(home.root(), &["trigger", PATCHED, "--wait"]);
    assert!(run.status.success(), "{run:?}");
    assert!(peer.terminate().success());
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_half_way_back_leaves_the_good_state_to_go_back_to() {
    let patched = Patched::start(version(1).open("gate")).await;
    assert_eq!(patched.run().await, "succeeded");
    patched.put(&version(2).open("poison"), None).await;
    assert_eq!(patched.state().await, "poison");
    patched.node().stop().await.unwrap();
    let home = patched.node().home().clone();
    let mut peer = Program::run(home.root());
    peer.is_up();
    patched.close_gate().await;
    let run = Program::command(home.root(), &["trigger", PATCHED, "--wait"]);
    assert_eq!(run.status.code(), Some(1), "{run:?}");
    let opens = patched.opens().await.len();
    let opened = || async { patched.opens().await.len() > opens };
    eventually("the good version opens", opened).await;
    peer.kill();
    patched.open_gate().await;

    // That it was on its way back is forgotten: the bad one runs again, and fails again.
    patched.node().start().await.unwrap();
    assert_eq!(patched.now().version, "1.7.101");
    assert_ne!(patched.run().await, "succeeded");
    patched.runs(1).await;
    assert_eq!(patched.run().await, "succeeded", "with the state that it had");
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_goes_back_from_a_version_that_passed() {
    let patched = Patched::start(version(1)).await;
    let node = patched.node();
    let nothing = node.handle().go_back(PATCHED).await.unwrap_err().to_string();
    assert!(nothing.contains("there is nothing to go back to"), "{nothing}");
    patched.put(&version(2), None).await;
    for _ in 0..3 {
        assert_eq!(patched.run().await, "succeeded");
    }
    assert_eq!(patched.now().watched_runs_left, 0, "it passed");

    let actor = Actor { by: "alice".into(), note: "too slow".into() };
    let changes = node.handle().acting(actor).go_back(PATCHED).await.unwrap();
    let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::WentBack], "{changes:?}");
    let now = patched.now();
    assert_eq!((now.version.as_str(), now.generation), ("1.7.100", 3));
    let refused = now.refused.unwrap();
    assert!(
        refused.quarantined && refused.reason.contains("alice wants it: too slow"),
        "{refused:?}"
    );
    assert_eq!(patched.run().await, "succeeded");
    // The file is still there, and is not tried again until somebody says so.
    node.handle().reload(Some(PATCHED), false).await.unwrap();
    assert_eq!(patched.now().version, "1.7.100");
    node.handle().reload(Some(PATCHED), true).await.unwrap();
    assert_eq!(patched.now().version, "1.7.101");
    patched.shutdown().await;
}
