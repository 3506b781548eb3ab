//! A run that does nothing, from the wish to its end, beside a native process that does nothing.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/paired.rs"]
mod paired;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chore_host::peer::Handle;
use chore_host::planet::{Planet, PlanetOptions};
use chore_host::runtime::Runtime;
use chore_host::status::Triggered;

const CHORE: &str = "guest-bench-calls";
const CYCLES: [&str; 6] = ["empty", "count", "setting", "find-node", "load", "stream"];

/// Measured, after a few that are not.
const PAIRS: usize = 1_000;
const WARM_UP: usize = 50;

fn main() {
    if !paired::wanted() {
        return;
    }
    let bench_calls = guest::component(CHORE);
    let tokio = chore_host::runtime::threads().build();
    tokio.expect("an async runtime").block_on(async {
        let root = tempfile::Builder::new().prefix("bench").tempdir().expect("a directory");
        let mut options = PlanetOptions::new(root.path(), Runtime::new().expect("an engine"));
        options.chore_files = vec![(bench_calls, Some(config()))];
        let planet = Planet::start(options).await.expect("a planet");
        measure(&planet.node(0).handle()).await;
        planet.shutdown().await.expect("peers close in time");
    });
}

/// Runs happen when they are asked for, and otherwise never.
fn config() -> String {
    let off = |cycle| format!("\n[cycles.{cycle}]\ninterval = \"off\"\n");
    format!("grants = [\"orders\", \"kademlia\"]\n{}", CYCLES.map(off).concat())
}

async fn measure(handle: &Handle) {
    let mut pairs = paired::Pairs::default();
    for round in 0..WARM_UP + PAIRS {
        let (run, process) = (run(handle).await, process());
        if round >= WARM_UP {
            pairs.push(run, process);
        }
    }
    println!("something that does nothing, from the wish to its end");
    pairs.report("empty run of a chore", "empty native process");
}

async fn run(handle: &Handle) -> Duration {
    let begun = Instant::now();
    let triggered = handle.trigger(CHORE, Some("empty"), true).await.expect("the chore is loaded");
    let elapsed = begun.elapsed();
    let Triggered::Ended { run } = triggered else { panic!("the run ends: {triggered:?}") };
    assert!(run.outcome.succeeded(), "{:?}", run.outcome);
    elapsed
}

fn process() -> Duration {
    let mut command = Command::new("/bin/true");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let status = command.status().expect("/bin/true is there");
    let elapsed = begun.elapsed();
    assert!(status.success());
    elapsed
}
