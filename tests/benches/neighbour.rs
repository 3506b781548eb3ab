//! How late a good chore with a cycle of 100 ms begins its runs, alone and while each guest of the zoo
//! does harm beside it in the same peer: one table, in one run. Its last column is how late the machine
//! meanwhile woke a thread that only sleeps, at p99: no program is earlier than that.
//!
//! `ZOO` names the guests, by the beginnings of their ids with commas between them; without it, all
//! are measured. `ZOO_RUNS` says how many runs of the neighbour each measurement has.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chore_host::clock::Timestamp;
use chore_host::peer::Handle;
use chore_host::planet::Member;
use chore_host::record::{Entry, Query};
use chore_host::status::ChoreStatus;
use testplanet::zoo::{self, End, GUESTS, Guest};
use testplanet::{Testplanet, chores, component, drop_chore};

const NEIGHBOUR: &str = "guest-run-counts";

const OFTEN: &str = "[cycles.main]\ninterval = \"100ms\"\n";

/// The guest is due again as soon as it ends, so that it never rests.
const AGAIN: &str = "start = \"now\"\ninterval = \"1ms\"\ntimeout = \"1s\"";

/// Failures must not put its next run off.
const NO_REST: &str = "\n[failure]\nbackoff-first = \"0s\"\n";

/// Runs of the neighbour beside each guest, unless `ZOO_RUNS` says otherwise.
const RUNS: usize = 101;

/// What a neighbour may be late by, at p99, beyond what it is alone.
const LATE_MAX: Duration = Duration::from_millis(10);

/// Longest that one measurement may take.
const LONGEST: Duration = Duration::from_secs(120);

/// Of the thread that shows what the machine does: ten times as many looks as the neighbour has runs.
const SLEEP: Duration = Duration::from_millis(10);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn main() {
    // Cargo runs benchmarks as tests, too, and there it is too slow.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    zoo::prepare();
    let tokio = chore_host::runtime::threads().build();
    tokio.expect("an async runtime").block_on(measure());
}

async fn measure() {
    let planet = Testplanet::start_with(1, 1, |options| {
        options.chore_files = vec![(component(NEIGHBOUR), Some(OFTEN.to_owned()))];
    });
    let planet = planet.await;
    let node = planet.node(0);
    let peer = node.handle();
    let runs = std::env::var("ZOO_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    line("neighbour beside", ["p50", "p99", "max", "runs", "machine"].map(str::to_owned), "");
    let alone = Measured::over(&peer, runs).await;
    alone.print("nobody", "");
    let (mut late, mut measured) = (Vec::new(), 0);
    for guest in wanted() {
        let config = guest.config(AGAIN, "200ms", planet.satellite(0).node_id());
        drop_chore(node, &guest.name(), &guest.build(), Some(&format!("{config}{NO_REST}")));
        let _ = peer.reload(None, false).await;
        let beside = tokio::select! {
            measured = Measured::over(&peer, runs) => measured,
            never = keep_at_it(&peer, &guest) => match never {},
        };
        let flag = beside.runs.p99().saturating_sub(alone.runs.p99()) > LATE_MAX;
        beside.print(guest.id, if flag { "LATE" } else { "" });
        late.extend(flag.then_some(guest.id));
        measured += 1;
        take_away(node, &guest).await;
    }
    Measured::over(&peer, runs).await.print("nobody, at the end", "");
    println!(
        "{} of {measured} guests make it late by over {LATE_MAX:?} at p99: {late:?}",
        late.len()
    );
    planet.shutdown().await;
}

fn wanted() -> Vec<Guest> {
    let wanted = std::env::var("ZOO").unwrap_or_default();
    let named = |guest: &&Guest| wanted.split(',').any(|start| guest.id.starts_with(start));
    let mut guests: Vec<Guest> = GUESTS.iter().filter(named).copied().collect();
    // Those that do not open are gone only after a minute.
    guests.sort_by_key(|guest| guest.end == End::Open);
    guests
}

/// What runs is due again by itself. What does its harm when it is loaded is loaded again and again,
/// and what does it when it is closed is closed, too.
async fn keep_at_it(peer: &Handle, guest: &Guest) -> Infallible {
    let name = guest.name();
    loop {
        // What comes of it stands in the table of the tests.
        match guest.end {
            End::Run(_) => std::future::pending().await,
            End::Refused | End::Open => drop(peer.reload(Some(&name), true).await),
            End::Close => {
                let _ = peer.unload(&name).await;
                let _ = peer.load(&name).await;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// It is gone before the next one comes.
async fn take_away(node: &Member, guest: &Guest) {
    for extension in ["wasm", "toml"] {
        let file = chores(node).join(format!("{}.{extension}", guest.name()));
        fs::remove_file(file).expect("it is there");
    }
    // One that was unloaded by name stays in the list, and does nothing.
    let stays = |state: &str| state == "unloaded" || guest.end == End::Open;
    let idle = |of: &ChoreStatus| of.name == NEIGHBOUR || stays(&of.state);
    let gone = || node.handle().status().chores.iter().all(idle);
    while !gone() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How late something was, sorted.
struct Late(Vec<Duration>);

/// How late runs began, and what the machine did meanwhile.
struct Measured {
    runs: Late,
    machine: Late,
}

impl Measured {
    /// Of the neighbour's next `count` runs, or of fewer if they take too long.
    async fn over(peer: &Handle, count: usize) -> Measured {
        let enough = Arc::new(AtomicBool::new(false));
        let sleeper = std::thread::spawn({
            let enough = Arc::clone(&enough);
            move || Late::of_a_sleeper(&enough)
        });
        let mut seen: BTreeMap<u64, Duration> = BTreeMap::new();
        let begun = (Timestamp::now(), Instant::now());
        while seen.len() < count && begun.1.elapsed() < LONGEST {
            let (chore, runs) = (Some(NEIGHBOUR.to_owned()), true);
            let wanted = Query { chore, runs, ..Query::default() };
            let page = peer.history(wanted).await.expect("the ledger answers");
            for entry in page.entries {
                if let Entry::Run(run) = entry
                    && run.due >= begun.0
                {
                    seen.insert(run.run, run.started.since(run.due));
                }
            }
            tokio::time::sleep(LOOK_EVERY * 10).await;
        }
        enough.store(true, Ordering::Relaxed);
        let machine = sleeper.join().expect("it only sleeps");
        Measured { runs: Late::sorted(seen.into_values().collect()), machine }
    }

    fn print(&self, beside: &str, flag: &str) {
        let cell = |late: Duration| format!("{:.1}ms", late.as_secs_f64() * 1e3);
        let Measured { runs, machine } = self;
        let (p50, p99, max) = (cell(runs.at(50)), cell(runs.p99()), cell(runs.at(100)));
        line(beside, [p50, p99, max, runs.0.len().to_string(), cell(machine.p99())], flag);
    }
}

fn line(beside: &str, cells: [String; 5], flag: &str) {
    let [p50, p99, max, runs, machine] = cells;
    println!("{beside:<40} {p50:>9} {p99:>9} {max:>9}  {runs:>5} {machine:>9}  {flag}");
}

impl Late {
    fn sorted(mut late: Vec<Duration>) -> Late {
        late.sort_unstable();
        Late(late)
    }

    /// How late a thread of the operating system wakes that has nothing else to do.
    fn of_a_sleeper(enough: &AtomicBool) -> Late {
        let mut late = Vec::new();
        while !enough.load(Ordering::Relaxed) {
            let asleep = Instant::now();
            std::thread::sleep(SLEEP);
            late.push(asleep.elapsed().saturating_sub(SLEEP));
        }
        Late::sorted(late)
    }

    fn at(&self, percent: usize) -> Duration {
        let index = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or_default()
    }

    fn p99(&self) -> Duration {
        self.at(99)
    }
}
