//! Limits that an operator sets: what a run comes to that reaches one, what the guest, the ledger and
//! the status are told, and who may raise it.

use std::time::Duration;

use chore_host::planet::Role;
use chore_host::record::{Entry, Query};
use chore_host::status::{LastRun, Triggered};
use testplanet::{
    LONG, Testplanet, chore, chores, component, drop_chore, drop_into, eventually, reconfigure,
    told, zoo,
};
use tokio::task::JoinHandle;

const NAME: &str = "guest-run-limits";

/// Less than each run takes.
const LITTLE: &str = "\
[limits]
memory = \"16MiB\"
cpu = \"300ms\"
grace = \"1s\"
log-lines = 5
metric-series = 3
sql-database = \"1MiB\"
sql-statement = \"200ms\"
streams = 2
in-flight = \"1MiB\"
";

/// Cycle, how its run ends, what its message has, and what the log of the run says at last.
const TABLE: [(&str, &str, &str, &str); 10] = [
    ("memory", "out-of-memory", "out of memory: wanted 4", ""),
    ("spins", "out-of-cpu", "out of CPU time: limit 300ms; raise `limits.cpu`", ""),
    ("pauses", "out-of-cpu", "out of CPU time: limit 300ms; raise `limits.cpu`", ""),
    ("waits", "succeeded", "", ""),
    (
        "logs",
        "succeeded",
        "",
        "WARN too many log lines in one call, the rest was dropped: limit 5; raise \
         `limits.log-lines` in guest-run-limits.toml (3 times)",
    ),
    (
        "counts",
        "succeeded",
        "",
        "WARN too many metric series, new ones are not kept: limit 3; raise \
         `limits.metric-series` in guest-run-limits.toml (5 times)",
    ),
    (
        "fills",
        "failed",
        "the chore's database is full: limit 1 MiB; raise `limits.sql-database`",
        "=",
    ),
    ("asks", "failed", "took too long: limit 200ms; raise `limits.sql-statement`", "="),
    (
        "streams",
        "failed",
        "too many streams at once: wanted 3, limit 2; raise `limits.streams`",
        "=",
    ),
    ("hands", "failed", "wanted 1.5 MiB, limit 1 MiB; raise `limits.in-flight`", "="),
];

async fn planet(config: &str, lines: &'static str) -> Testplanet {
    let file = (component(NAME), Some(config.to_owned()));
    Testplanet::start_with(0, 1, |options| {
        options.chore_files = vec![file];
        reconfigure(options, Role::Node, lines);
    })
    .await
}

async fn run(planet: &Testplanet, cycle: &str) -> LastRun {
    let handle = planet.node(0).handle();
    let ended = tokio::time::timeout(LONG, handle.trigger(NAME, Some(cycle), true)).await;
    match ended.unwrap_or_else(|_| panic!("{cycle} does not end")).unwrap() {
        Triggered::Ended { run } => run,
        other => panic!("{cycle}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reached_is_named_with_numbers_and_the_line_to_change() {
    let planet = planet(LITTLE, "").await;
    let handle = planet.node(0).handle();
    for (cycle, word, part, line) in TABLE {
        let run = run(&planet, cycle).await;
        let message = run.outcome.message();
        assert_eq!(run.outcome.word(), word, "{cycle}: {message}");
        assert!(message.contains(part), "{cycle}: {message}");
        if !part.is_empty() {
            assert!(message.ends_with("in guest-run-limits.toml"), "{cycle}: {message}");
        }
        match cycle {
            "spins" | "pauses" => {
                let cpu = run.usage.cpu;
                assert!(cpu >= Duration::from_millis(300), "{cycle}: {cpu:?}");
                assert!(cpu < Duration::from_secs(3), "{cycle}: {cpu:?}");
            }
            "waits" => assert!(run.elapsed >= Duration::from_secs(2), "{:?}", run.elapsed),
            "memory" => assert!(message.contains(", limit 16 MiB; raise `limits.memory`")),
            _ => {}
        }
        let last = handle.run(run.run).await.unwrap().log.pop().unwrap_or_default();
        match line {
            // What the guest was told, without what it was doing.
            "=" => assert!(last.starts_with("WARN ") && message.ends_with(&last[5..]), "{last}"),
            line => assert_eq!(last, line, "{cycle}"),
        }
    }

    // More of all but CPU time, while it runs.
    drop_into(&chores(planet.node(0)), &format!("{NAME}.toml"), b"[limits]\ncpu = \"300ms\"\n");
    handle.reload(Some(NAME), false).await.unwrap();
    for cycle in ["memory", "logs", "counts", "fills", "streams", "hands", "waits"] {
        let run = run(&planet, cycle).await;
        assert_eq!(told(&run.outcome), "succeeded", "{cycle}");
        let log = handle.run(run.run).await.unwrap().log;
        assert!(log.iter().all(|line| !line.starts_with("WARN")), "{cycle}: {log:?}");
    }
    assert_eq!(run(&planet, "spins").await.outcome.word(), "out-of-cpu");
    planet.shutdown().await;
}

/// Triggers the cycle without waiting for its run.
fn ask(planet: &Testplanet, cycle: &'static str) -> JoinHandle<LastRun> {
    let handle = planet.node(0).handle();
    tokio::spawn(async move {
        match handle.trigger(NAME, Some(cycle), true).await.unwrap() {
            Triggered::Ended { run } => run,
            other => panic!("{cycle}: {other:?}"),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_runs_as_may_be_are_in_progress_and_the_others_take_turns() {
    let planet = planet("[limits]\nruns = 1\n", "").await;
    let node = planet.node(0);
    let cycle = |name: &str| {
        let cycles = chore(node, NAME).cycles;
        cycles.into_iter().find(|cycle| cycle.name == name).unwrap()
    };
    let waits = ask(&planet, "waits");
    eventually("waits runs", || async { cycle("waits").state == "running" }).await;
    // In another order than by name.
    let streams = ask(&planet, "streams");
    eventually("streams waits", || async { cycle("streams").state == "waiting" }).await;
    let logs = ask(&planet, "logs");
    eventually("logs waits", || async { cycle("logs").state == "waiting" }).await;
    let why = node.handle().why(NAME, Some("logs"), None).await.unwrap().because;
    assert!(why.contains("waits for its turn") && why.contains("`limits.runs`"), "{why}");
    let ended = [waits, streams, logs].map(|run| tokio::time::timeout(LONG, run));
    let [first, second, third] = ended;
    let runs = [first.await, second.await, third.await].map(|run| run.unwrap().unwrap());
    for pair in runs.windows(2) {
        let ended = pair[0].started.plus(pair[0].elapsed);
        assert!(ended <= pair[1].started, "{runs:?}");
        assert_eq!(told(&pair[1].outcome), "succeeded");
    }

    // From the next run on.
    drop_into(&chores(node), &format!("{NAME}.toml"), b"[limits]\nruns = 2\n");
    node.handle().reload(Some(NAME), false).await.unwrap();
    let both = [ask(&planet, "waits"), ask(&planet, "spins")];
    let running = |name| cycle(name).state == "running";
    eventually("both run", || async { running("waits") && running("spins") }).await;
    node.handle().cancel(NAME, None).await.unwrap();
    for run in both {
        tokio::time::timeout(LONG, run).await.unwrap().unwrap();
    }
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_runs_of_a_chore_one_computes_at_a_time() {
    const RUNS: usize = 16;
    zoo::prepare();
    let planet = Testplanet::start_with(0, 1, |options| options.chore_files.clear()).await;
    let node = planet.node(0);
    let hostile = zoo::guest("run_spins_in_many_cycles");
    let config = hostile.config("start = \"now\"\ninterval = \"1h\"", "1s", node.node_id());
    let config = config.replace("[limits]", "[limits]\ncpu = \"200ms\"");
    drop_chore(node, &hostile.name(), &hostile.build(), Some(&config));
    node.handle().reload(None, false).await.unwrap();
    let ended = || async {
        let query = Query { chore: Some(hostile.name()), runs: true, ..Query::default() };
        let entries = node.handle().history(query).await.unwrap().entries;
        let run = |entry| match entry {
            Entry::Run(run) => run.elapsed.map(|elapsed| (run.started, elapsed, run.usage.cpu)),
            _ => None,
        };
        entries.into_iter().filter_map(run).collect::<Vec<_>>()
    };
    eventually("as many as may be in progress have ended", || async {
        ended().await.len() >= RUNS
    })
    .await;
    let runs = ended().await;
    let begun = runs.iter().map(|(started, ..)| *started).min().unwrap();
    let end = runs.iter().map(|(started, elapsed, _)| started.plus(*elapsed)).max().unwrap();
    let (cpu, took) = (runs.iter().map(|(.., cpu)| *cpu).sum::<Duration>(), end.since(begun));
    // What they have of processors beyond that, they have at the same time.
    assert!(cpu <= took.mul_f64(1.05), "{cpu:?} of processors in {took:?}");
    assert!(cpu >= Duration::from_millis(200) * RUNS as u32, "{cpu:?}");
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_has_what_its_config_says_up_to_the_ceiling() {
    let lines = "[chores.limits]\nstreams = 7\n[chores.ceiling]\nmemory = \"32MiB\"\nstreams = 9\n";
    let planet = planet("[limits]\ncpu = \"2s\"\n", lines).await;
    let handle = planet.node(0).handle();
    let limits = || {
        let limits = handle.chore(NAME).unwrap().limits.unwrap().by_key;
        let shown = |key: &str| {
            let limit = limits.iter().find(|limit| limit.key == key).unwrap();
            format!("{}{}", limit.value, if limit.overridden { "!" } else { "" })
        };
        ["memory", "cpu", "streams"].map(shown).join(" ")
    };
    assert_eq!(limits(), "32MiB 2s! 7");
    for (config, refusal, shown) in [
        ("[limits]\nstreams = 9\n", "", "32MiB 5m 9!"),
        (
            "[limits]\nstreams = 10\n",
            "chores/guest-run-limits.toml:2:1: limits.streams is 10, above this peer's ceiling of \
             9: lower it, or write streams = 10 below [chores.ceiling] in chore.toml (line: \
             streams = 10)",
            "32MiB 5m 9!",
        ),
        ("[limits]\nmemory = \"33MiB\"\n", "limits.memory is \"33MiB\", above", "32MiB 5m 9!"),
        ("[limits]\nstream = 1\n", "did you mean \"streams\"?", "32MiB 5m 9!"),
        ("[limits]\nmemory = \"8MiB\"\nstreams = 0\n", "", "8MiB! 5m 0!"),
    ] {
        drop_into(&chores(planet.node(0)), &format!("{NAME}.toml"), config.as_bytes());
        handle.reload(Some(NAME), false).await.unwrap();
        let now = chore(planet.node(0), NAME);
        let reason = now.refused.map(|refused| refused.reason).unwrap_or_default();
        assert!(reason.contains(refusal) && reason.is_empty() == refusal.is_empty(), "{reason}");
        assert_eq!(limits(), shown, "{config}");
    }
    planet.shutdown().await;
}
