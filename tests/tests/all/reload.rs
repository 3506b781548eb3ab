//! Chores are replaced while their peer runs: what takes over, and what does not.

use std::fs;

use chore_host::clock::Timestamp;
use chore_host::status::{ChoreStatus, Triggered};
use futures::future::join_all;
use testplanet::{
    Build, PATCHED, Program, chore, drop_chore, drop_into, eventually, told, trigger_wait,
};

use crate::patched::{Patched, QUIET, version};

/// A run has this long to give way; ample for one that does.
const PATIENT: &str = "[cycles.main]\nstart = \"delay\"\n\n[limits]\ngrace = \"30s\"\n";

/// For one that does not.
const SHORT: &str = "[cycles.main]\nstart = \"delay\"\n\n[limits]\ngrace = \"300ms\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_over_by_itself_and_goes_on_where_the_old_one_was() {
    let patched = Patched::start(version(1)).await;
    for _ in 0..2 {
        assert_eq!(patched.run().await, "succeeded");
    }
    patched.node().handle().pause(PATCHED, None).await.unwrap();
    let before = patched.cycle();
    assert_eq!((before.state.as_str(), before.iteration), ("paused", 2));

    // Nobody says that it is there.
    drop_chore(patched.node(), PATCHED, &version(2), None);
    patched.runs(2).await;
    assert_eq!(patched.cycle(), before, "with the run of the old version as the last");
    let now = patched.now();
    assert_eq!((now.generation, now.digest), (2, version(2).digest()));
    assert_eq!(patched.opens().await, ["loaded 1.7.100 hello", "replaced 1.7.101 hello"]);
    assert_eq!(patched.run().await, "succeeded");
    assert_eq!(patched.state().await, "3", "it counts on");
    assert_eq!(patched.reload(false).await.generation, 2, "the same bytes twice do nothing");

    let before = patched.cycle();
    patched.restart().await;
    let now = patched.now();
    assert_eq!((now.version.as_str(), now.generation), ("1.7.101", 2));
    assert_eq!(patched.cycle(), before, "over a restart too");
    assert_eq!(patched.run().await, "succeeded");
    assert_eq!((patched.cycle().iteration, patched.state().await), (4, "4".to_owned()));
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_the_last_run_ended_is_shown_after_a_restart() {
    let patched = Patched::start(version(1).run("fail")).await;
    assert_eq!(patched.run().await, "failed: run does not want to");
    let before = patched.cycle();
    patched.restart().await;
    let now = patched.cycle();
    assert_eq!((&now.last, now.failures), (&before.last, 1));
    assert_eq!(told(&now.last.unwrap().outcome), "failed: run does not want to");
    patched.shutdown().await;
}

/// How a run of the old version behaves when it should give way, what it was granted for that, and
/// whether a trigger began it: the runs that got to their end, and who answers.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_gives_way_is_due_again_at_once() {
    let first_run = "[limits]\ngrace = \"30s\"\n";
    let table = [
        ("wait", PATIENT, "trigger", 2, "2 main 1.7.101 hello"),
        ("spin", SHORT, "trigger", 2, "2 main 1.7.101 hello"),
        // It finishes in its grace, and so it counts.
        ("finish", PATIENT, "trigger", 1, "1 main 1.7.100 hello"),
        ("wait", first_run, "start", 2, "2 main 1.7.101 hello"),
    ];
    for (behaviour, config, reason, iteration, row) in table {
        let patched = Patched::start_with("", version(1).run(behaviour), config).await;
        let waits = match reason {
            "trigger" => Some(patched.begin_run().await),
            _ => None,
        };
        patched.until("it runs", |now| now.cycles[0].state == "running").await;
        let now = patched.put(&version(2), None).await;
        assert_eq!((now.version.as_str(), now.generation), ("1.7.101", 2), "{behaviour}");
        if let Some(waits) = waits {
            let run = patched.in_time("the trigger's answer", waits).await.unwrap();
            assert_eq!((run.iteration, told(&run.outcome)), (iteration, "succeeded".into()));
        }
        patched
            .until("the last run has succeeded", |now| {
                let last = now.cycles[0].last.as_ref();
                last.is_some_and(|last| last.outcome.succeeded())
            })
            .await;
        let cycle = patched.cycle();
        assert_eq!((cycle.iteration, cycle.failures), (iteration, 0), "{behaviour}");
        assert_eq!(cycle.last.unwrap().reason, reason, "{behaviour}");
        assert_eq!(patched.rows().await, [row], "{behaviour}");
        patched.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_a_new_version_opens_is_one_run_of_it() {
    // Slots far enough apart to see that there was one run and no other.
    let slow = "[cycles.main]\nstart = \"delay\"\ninterval = \"5s\"\n";
    for triggers in [0, 4] {
        let patched = Patched::start_with("", version(1), slow).await;
        patched.close_gate().await;
        let before = patched.cycle().iteration;
        drop_chore(patched.node(), PATCHED, &version(2).open("gate"), None);
        let slot_has_come = |now: &ChoreStatus| {
            let main = &now.cycles[0];
            main.state == "held" && main.next.is_some_and(|next| next <= Timestamp::now())
        };
        patched.until("a tick waits", slot_has_come).await;
        let handle = patched.node().handle();
        let mut asked = Vec::new();
        for nth in 0..triggers {
            let mut asks = Box::pin(handle.trigger(PATCHED, None, nth % 2 == 0));
            assert!(futures::poll!(&mut asks).is_pending(), "it waits for the run");
            asked.push(asks);
        }
        assert_eq!(patched.now().version, "1.7.100", "not yet");
        // Runs of slots before the replacement.
        let held_at = patched.cycle().iteration;
        assert!(held_at >= before);
        patched.open_gate().await;
        for answer in patched.in_time("the answers", join_all(asked)).await {
            let iteration = match answer.unwrap() {
                Triggered::Began { iteration } => iteration,
                Triggered::Ended { run } => run.iteration,
                Triggered::Stopped => panic!("it goes on"),
            };
            assert_eq!(iteration, held_at + 1);
        }
        patched
            .until("the held run is over", |now| {
                now.cycles[0].last.as_ref().is_some_and(|last| last.iteration > held_at)
            })
            .await;
        let main = patched.cycle();
        assert_eq!(main.iteration, held_at + 1, "{triggers} triggers and a tick: one run");
        let reason = if triggers == 0 { "interval" } else { "trigger" };
        assert_eq!(main.last.unwrap().reason, reason);
        let row = format!("{} main 1.7.101 hello", held_at + 1);
        assert_eq!(patched.rows().await.last(), Some(&row));
        patched.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_before_the_switch_leaves_the_old_version_as_it_was() {
    let patched = Patched::start(version(1)).await;
    assert_eq!(patched.run().await, "succeeded");
    let (digest, mut iteration) = (patched.now().digest, patched.cycle().iteration);
    let good = version(2);
    let half = &good.bytes()[..good.bytes().len() / 2];
    let table: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        // Both have saved a state by then.
        ("open fails", version(2).open("fail").bytes().into(), "its open failed", "1.7.101"),
        ("open traps", version(2).open("trap").bytes().into(), "open breaks", "1.7.101"),
        ("describe traps", version(2).describe("trap").bytes().into(), "describe breaks", ""),
        ("describe spins", version(2).describe("spin").bytes().into(), "describe", ""),
        ("describe is huge", version(2).describe("huge").bytes().into(), "describe", ""),
        ("describe lies", version(2).describe("more").bytes().into(), "at most 10years", ""),
        ("another's name", version(2).name("guest-swap-others1").bytes().into(), "rename", ""),
        ("half of it", half.to_vec(), "ends in the middle", ""),
        ("nothing", Vec::new(), "empty", ""),
        ("a text", b"a text".to_vec(), "looks like text", ""),
    ];
    for (what, bytes, reason, says) in table {
        let now = patched.put_bytes(&bytes).await;
        assert_eq!((now.state.as_str(), now.reason.as_str()), ("loaded", ""), "{what}");
        assert_eq!((&now.digest, now.generation), (&digest, 1), "{what}");
        let refused = now.refused.unwrap_or_else(|| panic!("{what} is not refused"));
        assert!(refused.reason.contains(reason), "{what}: {}", refused.reason);
        assert_eq!((refused.version.as_str(), refused.quarantined), (says, false), "{what}");
        assert_eq!(patched.state().await, iteration.to_string(), "{what}");
        assert_eq!(patched.cycle().iteration, iteration, "{what}");
        assert_eq!(patched.run().await, "succeeded", "{what}");
        iteration += 1;
    }
    let now = patched.put(&good, None).await;
    assert_eq!((now.version.as_str(), now.generation, now.refused), ("1.7.101", 2, None));
    assert_eq!(patched.run().await, "succeeded");
    assert_eq!(patched.state().await, (iteration + 1).to_string());
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_has_its_own_cycles_and_one_that_comes_again_goes_on() {
    let patched = Patched::start(version(1)).await;
    let table = [
        (version(2).describe("two"), vec!["main 0", "second 1"]),
        (version(3), vec!["main 0"]),
        (version(4).open("extra"), vec!["extra 1", "main 0"]),
        (version(5), vec!["main 0"]),
        (version(6).describe("two").open("extra"), vec!["extra 2", "main 0", "second 2"]),
        (version(7).describe("two").open("extra"), vec!["extra 2", "main 0", "second 2"]),
    ];
    for (build, cycles) in table {
        let now = patched.put(&build, None).await;
        assert_eq!(now.refused, None);
        let shown = |now: &ChoreStatus| -> Vec<String> {
            now.cycles.iter().map(|cycle| format!("{} {}", cycle.name, cycle.iteration)).collect()
        };
        patched.until(&format!("{cycles:?}"), |now| shown(now) == cycles).await;
    }
    let second = patched.node().handle().trigger(PATCHED, Some("second"), true).await.unwrap();
    assert!(matches!(second, Triggered::Ended { run } if run.iteration == 3));
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unloaded_chore_stays_so_until_the_operator_loads_it() {
    let patched = Patched::start(version(1)).await;
    assert_eq!(patched.run().await, "succeeded");
    let handle = patched.node().handle();
    handle.unload(PATCHED).await.unwrap();
    let unloaded = |when: &str| {
        let now = patched.now();
        assert_eq!(now.state, "unloaded", "{when}");
        assert!(now.reason.contains("`chore load guest-swap-patched`"), "{when}: {}", now.reason);
    };
    unloaded("at once");
    let trigger = handle.trigger(PATCHED, None, true).await.unwrap_err().to_string();
    assert!(trigger.contains("unloaded by the operator"), "{trigger}");
    patched.put(&version(2), None).await;
    unloaded("with a new file");
    patched.restart().await;
    unloaded("after a restart");
    patched.reload(true).await;
    unloaded("after a reload");

    patched.node().handle().load(PATCHED).await.unwrap();
    let now = patched.now();
    assert_eq!((now.state.as_str(), now.version.as_str()), ("loaded", "1.7.101"), "{}", now.reason);
    assert_eq!(patched.cycle().iteration, 1);
    assert_eq!(patched.run().await, "succeeded");
    assert_eq!(patched.state().await, "2");
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_goes_with_its_file_and_comes_back_with_it() {
    let patched = Patched::start(version(1)).await;
    assert_eq!(patched.run().await, "succeeded");
    fs::remove_file(patched.file("wasm")).unwrap();
    let chores = || patched.node().handle().status().chores;
    eventually("it is gone", || async { chores().is_empty() }).await;
    drop_chore(patched.node(), PATCHED, &version(1), None);
    patched.until("it is loaded", |now| now.state == "loaded").await;
    assert_eq!(patched.cycle().iteration, 1);
    assert_eq!(patched.run().await, "succeeded");
    assert_eq!(patched.state().await, "2");
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_closes_while_a_new_version_opens_goes_on_with_the_old_one() {
    let patched = Patched::start(version(1)).await;
    assert_eq!(patched.run().await, "succeeded");
    drop_chore(patched.node(), PATCHED, &version(2).open("spin"), None);
    patched.until("it opens", |now| now.cycles[0].state == "held").await;
    let asked = tokio::spawn({
        let handle = patched.node().handle();
        async move { handle.trigger(PATCHED, None, true).await }
    });
    // Fails if it takes longer than the budget.
    patched.node().stop().await.unwrap();
    // Whichever was first: nobody waits for ever.
    patched.in_time("an answer", asked).await.unwrap().ok();
    drop_chore(patched.node(), PATCHED, &version(1), None);
    patched.node().start().await.unwrap();
    let now = patched.now();
    assert_eq!((now.version.as_str(), now.generation), ("1.7.100", 1));
    assert_eq!(patched.run().await, "succeeded");
    patched.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_what_a_reload_did() {
    let dir = tempfile::Builder::new().prefix("re").tempdir().unwrap();
    let home = dir.path().join("peer");
    // What is printed; fails unless it exits with that code.
    let typed = |arguments: &[&str], code: i32| {
        let output = Program::command(&home, arguments);
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        printed
    };
    let drop = |extension: &str, bytes: &[u8]| {
        drop_into(&home.join("chores"), &format!("{PATCHED}.{extension}"), bytes);
    };
    let short = |build: &Build| build.digest()[..12].to_owned();
    typed(&["setup"], 0);
    drop("toml", QUIET.as_bytes());
    drop("wasm", version(1).bytes());
    let mut peer = Program::run(&home);
    peer.is_up();
    assert_eq!(typed(&["reload"], 0).trim_end(), "nothing changed");

    // By then the watching peer may have done it.
    drop("wasm", version(2).bytes());
    let replaced = typed(&["reload", PATCHED], 0);
    let new = format!("1.7.101 ({})", short(&version(2)));
    assert!(replaced.starts_with(PATCHED) && replaced.contains(&new), "{replaced}");

    drop("wasm", version(3).open("fail").bytes());
    let refused = typed(&["reload", PATCHED], 1);
    let line = format!("{PATCHED}: refused, {new} goes on: its open failed: open does not want to");
    assert_eq!(refused.trim_end(), line);
    let listed = typed(&["ls"], 0);
    let (table, notes) = listed.split_once("\n\n").unwrap();
    let row = table.lines().nth(1).unwrap();
    for part in ["loaded", "1.7.101", &short(&version(2)), "main", "1h"] {
        assert!(row.contains(part), "{part}: {listed}");
    }
    let of = format!("{PATCHED}.wasm (1.7.102, {})", short(&version(3).open("fail")));
    assert!(notes.contains(&format!("{of} is refused: its open failed")), "{notes}");
    assert!(notes.contains("the next 3 runs are watched"), "{notes}");

    assert_eq!(typed(&["unload", PATCHED], 0).trim_end(), format!("{PATCHED}: unloaded"));
    let listed = typed(&["ls"], 0);
    assert!(listed.contains("unloaded by the operator"), "{listed}");
    drop("wasm", version(4).bytes());
    let loaded = typed(&["load", PATCHED], 0);
    let new = format!("{PATCHED}: loaded 1.7.103 ({}), generation 3 in ", short(&version(4)));
    assert!(loaded.starts_with(&new), "{loaded}");
    drop("toml", b"[cycles.man]\n");
    let refused = typed(&["reload", PATCHED], 1);
    assert!(refused.contains("guest-swap-patched.toml:1:"), "{refused}");
    assert!(peer.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_takes_its_time_holds_up_no_other() {
    const OTHER: &str = "guest-swap-others1";
    let patched = Patched::start(version(1)).await;
    patched.close_gate().await;
    drop_chore(patched.node(), PATCHED, &version(2).open("gate"), None);
    patched.until("it opens", |now| now.cycles[0].state == "held").await;
    drop_chore(patched.node(), OTHER, &version(1).name(OTHER), Some(QUIET));
    eventually("the other is loaded", || async {
        patched
            .node()
            .handle()
            .status()
            .chores
            .iter()
            .any(|chore| chore.state == "loaded" && chore.name == OTHER)
    })
    .await;
    let run = trigger_wait(patched.node(), OTHER).await;
    assert_eq!(told(&run.outcome), "succeeded");
    assert_eq!(patched.now().version, "1.7.100");
    patched.open_gate().await;
    patched.runs(2).await;
    assert_eq!(chore(patched.node(), OTHER).generation, 1);
    patched.shutdown().await;
}
