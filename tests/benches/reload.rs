//! From the rename of a file into place to the end of the first run of its version, beside the bare
//! compile of the same component; with compiled code in the cache, and without.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/paired.rs"]
mod paired;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chore_host::package::Digest;
use chore_host::peer::Handle;
use chore_host::planet::{Planet, PlanetOptions};
use chore_host::runtime::cache::Place;
use chore_host::runtime::{Options, Runtime};
use chore_host::status::Triggered;
use testplanet::{Build, chores, drop_into};

const CHORE: &str = "guest-bench-calls";
const CYCLES: [&str; 6] = ["empty", "count", "setting", "find-node", "load", "stream"];

/// Measured, after a few that are not.
const PAIRS: u32 = 30;
const WARM_UP: u32 = 3;

/// Between two looks at what runs.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// Longest that one replacement may take.
const LONG: Duration = Duration::from_secs(60);

fn main() {
    if !paired::wanted() {
        return;
    }
    let component = guest::component(CHORE);
    let tokio = chore_host::runtime::threads().build();
    tokio.expect("an async runtime").block_on(async {
        let root = tempfile::Builder::new().prefix("bench").tempdir().expect("a directory");
        let place = Place { directory: root.path().join("code"), secret: root.path().join("key") };
        let runtime = || {
            let cache = Some(place.clone());
            Runtime::with(Options { cache, ..Options::default() }).expect("an engine")
        };
        let mut options = PlanetOptions::new(root.path(), runtime());
        options.chore_files = vec![(component.clone(), Some(config()))];
        let planet = Planet::start(options).await.expect("a planet");
        let bytes = std::fs::read(&component).expect("the component is there");
        let bare_runtime = Runtime::new().expect("an engine");
        let mut number = 0;
        for cached in [false, true] {
            let mut pairs = paired::Pairs::default();
            let mut shares = paired::Pairs::default();
            for round in 0..WARM_UP + PAIRS {
                number += 1;
                let build = Build::from_bytes(bytes.clone()).stamped(number);
                if cached {
                    // Another process compiled it before.
                    compile(&runtime(), &build).await;
                }
                let bare = compile(&bare_runtime, &build).await;
                let swapped = swap(&planet, &build).await;
                if round >= WARM_UP {
                    pairs.push(swapped, bare);
                    shares.push(swapped.saturating_sub(bare), bare);
                }
            }
            let how = if cached { "its code in the cache" } else { "no code in the cache" };
            println!("\nfrom the rename to the end of the first run, {how}");
            pairs.report("rename to first run", "bare compile");
            if !cached {
                shares.report("the host's own share", "bare compile");
            }
        }
        planet.shutdown().await.expect("peers close in time");
    });
}

/// Runs happen when they are asked for, and otherwise never.
fn config() -> String {
    let off = |cycle| format!("\n[cycles.{cycle}]\ninterval = \"off\"\n");
    format!("grants = [\"orders\", \"kademlia\"]\n{}", CYCLES.map(off).concat())
}

async fn compile(runtime: &Runtime, build: &Build) -> Duration {
    let bytes: Arc<[u8]> = build.bytes().into();
    let digest = Digest::of(&bytes);
    let begun = Instant::now();
    runtime.compile(bytes, digest).await.expect("the component compiles");
    begun.elapsed()
}

/// What was dropped is triggered as soon as it has taken over.
async fn swap(planet: &Planet, build: &Build) -> Duration {
    let node = planet.node(0);
    let handle = node.handle();
    let directory = chores(node);
    let begun = rename(&directory, build);
    let taken_over = async {
        while digest(&handle) != build.digest() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(LONG, taken_over).await.expect("the version takes over");
    let triggered = handle.trigger(CHORE, Some("empty"), true).await.expect("the chore is loaded");
    let elapsed = begun.elapsed();
    let Triggered::Ended { run } = triggered else { panic!("the run ends: {triggered:?}") };
    assert!(run.outcome.succeeded(), "{:?}", run.outcome);
    elapsed
}

/// From the moment at which the file has its name.
fn rename(directory: &Path, build: &Build) -> Instant {
    drop_into(directory, &format!("{CHORE}.wasm"), build.bytes());
    Instant::now()
}

fn digest(handle: &Handle) -> String {
    let chores = handle.status().chores;
    let chore = chores.into_iter().find(|chore| chore.name == CHORE);
    chore.expect("the chore is there").digest
}
