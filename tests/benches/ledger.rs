//! What it costs to write every run down: empty chores at some 2,000 runs a second, with the ledger
//! and without it, in turns.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/paired.rs"]
mod paired;

use std::path::Path;
use std::time::{Duration, Instant};

use chore_host::cycle::Interval;
use chore_host::planet::{Planet, PlanetOptions};
use chore_host::runtime::{self, Runtime};

const CHORE: &str = "guest-bench-calls";
const CYCLES: [&str; 6] = ["empty", "count", "setting", "find-node", "load", "stream"];

/// Each has the empty chore due a thousand times a second, and leaves some slots out.
const NODES: usize = 4;
const EVERY: Duration = Duration::from_millis(1);

/// Measured, after one that is not.
const ROUNDS: usize = 30;
const ROUND: Duration = Duration::from_secs(1);

fn main() {
    if !paired::wanted() {
        return;
    }
    let chore = guest::component(CHORE);
    // Two threads that map and unmap memory at once disturb each other by more than what is measured.
    let tokio = runtime::threads().worker_threads(1).build();
    tokio.expect("an async runtime").block_on(async {
        let root = tempfile::Builder::new().prefix("bench").tempdir().expect("a directory");
        let runtime = Runtime::new().expect("an engine");
        let with = start(&root.path().join("with"), &chore, runtime.clone(), "").await;
        let off = "\n[ledger]\nkeep-runs = 0\n";
        let without = start(&root.path().join("without"), &chore, runtime, off).await;
        let (mut pairs, mut runs_a_second) = (paired::Pairs::default(), 0.0);
        for round in 0..=ROUNDS {
            // Each is the first as often as the second: the machine's pace changes meanwhile.
            let [first, second] =
                if round % 2 == 0 { [&with, &without] } else { [&without, &with] };
            let (first, second) = (measure(first).await, measure(second).await);
            let [with, without] = if round % 2 == 0 { [first, second] } else { [second, first] };
            if round > 0 {
                pairs.push(with.0, without.0);
                runs_a_second += (with.1 + without.1) / 2.0 / ROUNDS as f64;
            }
        }
        println!("processor time of one run, at {runs_a_second:.0} runs a second");
        pairs.report("with the ledger", "without");
        with.shutdown().await.expect("peers close in time");
        without.shutdown().await.expect("peers close in time");
    });
}

async fn start(root: &Path, chore: &Path, runtime: Runtime, lines: &'static str) -> Planet {
    std::fs::create_dir_all(root).expect("a directory");
    let mut options = PlanetOptions::new(root, runtime);
    options.nodes = NODES;
    let cycles = CYCLES.map(|cycle| format!("\n[cycles.{cycle}]\ninterval = \"off\"\n")).concat();
    let config = format!("grants = [\"orders\", \"kademlia\"]\n{cycles}");
    options.chore_files = vec![(chore.to_owned(), Some(config))];
    options.reconfigure = Some(Box::new(move |_, _, text| text.push_str(lines)));
    Planet::start(options).await.expect("a planet")
}

/// Processor time of one run, and runs a second.
async fn measure(planet: &Planet) -> (Duration, f64) {
    let interval = |interval| async move {
        for node in 0..NODES {
            let handle = planet.node(node).handle();
            handle.change_interval(CHORE, Some("empty"), interval).await.expect("it is loaded");
        }
    };
    interval(Interval::every(EVERY).expect("an interval")).await;
    let (runs, cpu, begun) = (runs(planet), processor_time(), Instant::now());
    tokio::time::sleep(ROUND).await;
    let (ran, took, elapsed) = (self::runs(planet) - runs, processor_time() - cpu, begun.elapsed());
    interval(Interval::Off).await;
    let each = took / u32::try_from(ran).expect("not so many");
    (each, ran as f64 / elapsed.as_secs_f64())
}

fn runs(planet: &Planet) -> u64 {
    let of = |node| {
        let chores = planet.node(node).handle().status().chores;
        let cycles = chores.into_iter().flat_map(|chore| chore.cycles);
        cycles.filter(|cycle| cycle.name == "empty").map(|cycle| cycle.iteration).sum::<u64>()
    };
    (0..NODES).map(of).sum()
}

/// Of this process, all its threads; to 10 ms.
fn processor_time() -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    let ticks = |nth: usize| -> u32 {
        fields.split(' ').nth(nth).and_then(|field| field.parse().ok()).expect("a number")
    };
    TICK * (ticks(11) + ticks(12))
}
