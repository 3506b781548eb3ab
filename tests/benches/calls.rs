//! What a run costs before it does anything, and what a host call and a message of a stream cost,
//! with the services of a peer and without its schedule.
//!
//! The chore `tests/guests/bench_calls` makes as many calls in one run as criterion wants iterations;
//! criterion divides.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/program.rs"]
mod program;
#[path = "support/sample.rs"]
mod sample;

use std::hint::black_box;
use std::time::{Duration, Instant};

use chore_host::limits::ORDERS_PER_PAGE;
use chore_host::orders::Orders;
use criterion::Criterion;
use program::Bare;
use tokio::runtime::Runtime;

const CHORE: &str = "guest-bench-calls";

/// What waits for the satellite; a stream that is read to its end is opened again.
const WAITING: u64 = 10_000;

/// The name of a measurement, and the cycle whose run makes the calls.
const CALLS: [(&str, &str); 5] = [
    ("sync/settings-get", "setting"),
    ("sync/metrics-count", "count"),
    ("async/find-node", "find-node"),
    ("async/state-load", "load"),
    ("stream/unsent-order", "stream"),
];

fn main() {
    let tokio = Runtime::new().expect("an async runtime");
    let home = tempfile::Builder::new().prefix("bench").tempdir().expect("a directory");
    let bench_calls = guest::component(CHORE);
    let bare = tokio.block_on(async {
        let bare = Bare::new(home.path(), &bench_calls, CHORE, sample::satellite()).await;
        sample::enqueue(bare.orders(), (0..WAITING).map(sample::order).collect()).await;
        bare
    });
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("run/empty", |bencher| {
        bencher.to_async(&tokio).iter(|| bare.run("empty", 0));
    });
    let mut group = criterion.benchmark_group("call");
    for (name, cycle) in CALLS {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|calls| tokio.block_on(timed(bare.run(cycle, calls))));
        });
    }
    group.bench_function("async/state-load, no wasm", |bencher| {
        bencher.iter_custom(|calls| tokio.block_on(timed(bare.load_state(calls))));
    });
    group.bench_function("stream/unsent-order, no wasm", |bencher| {
        bencher.iter_custom(|calls| tokio.block_on(timed(read(bare.orders(), calls))));
    });
    group.finish();
    criterion.final_summary();
    tokio.block_on(bare.orders().close()).expect("the database closes");
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let begun = Instant::now();
    work.await;
    begun.elapsed()
}

/// What the host reads for a stream of unsent orders, as the chore reads it.
async fn read(orders: &Orders, mut left: u64) {
    let satellite = sample::satellite();
    let mut after = None;
    while left > 0 {
        let page = orders.unsent_page(satellite, after, ORDERS_PER_PAGE).await;
        let (infos, next) = page.expect("orders are read");
        left = left.saturating_sub(infos.len() as u64);
        black_box(infos);
        after = next;
    }
}
