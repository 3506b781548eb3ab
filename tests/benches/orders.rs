//! What the orders database of a storage node takes to keep, list and archive orders.

#[path = "support/sample.rs"]
mod sample;

use std::ops::Range;
use std::time::{Duration, Instant};

use chore_host::clock::Timestamp;
use chore_host::orders::{ArchiveRequest, Orders, Status};
use criterion::{Criterion, Throughput};
use tokio::runtime::Runtime;

/// Enqueued at once by concurrent callers, as from many uplinks; a database commits them in groups.
const ENQUEUED: usize = 1_000;
const LISTED: u32 = 1_000;
const ARCHIVED: usize = 500;

/// What waits already while orders are listed.
const WAITING: usize = 10_000;

/// Orders of one database that no two measurements share.
struct Bench {
    orders: Orders,
    next: u64,
    _home: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Bench {
        let home = tempfile::Builder::new().prefix("bench").tempdir().expect("a directory");
        let orders = Orders::open(&home.path().join("orders.db")).await.expect("a database");
        Bench { orders, next: 0, _home: home }
    }

    /// Numbers of orders that were never used.
    fn fresh(&mut self, count: usize) -> Range<u64> {
        let first = self.next;
        self.next += count as u64;
        first..self.next
    }

    async fn enqueue_one(&mut self) -> Duration {
        let infos = self.fresh(1).map(sample::order).collect();
        let begun = Instant::now();
        sample::enqueue(&self.orders, infos).await;
        begun.elapsed()
    }

    async fn enqueue_many(&mut self) -> Duration {
        let infos = self.fresh(ENQUEUED).map(sample::order).collect();
        let begun = Instant::now();
        sample::enqueue(&self.orders, infos).await;
        begun.elapsed()
    }

    async fn list(&mut self) -> Duration {
        let begun = Instant::now();
        let listed = self.orders.list_unsent(LISTED).await.expect("orders are listed");
        let elapsed = begun.elapsed();
        assert_eq!(listed.len(), LISTED as usize);
        elapsed
    }

    async fn archive(&mut self) -> Duration {
        let infos: Vec<_> = self.fresh(ARCHIVED).map(sample::order).collect();
        let archive = |info: &chore_host::orders::Info| ArchiveRequest {
            satellite: info.satellite,
            serial: info.serial.clone(),
            status: Status::Accepted,
            reason: String::new(),
        };
        let requests = infos.iter().map(archive).collect();
        sample::enqueue(&self.orders, infos).await;
        let begun = Instant::now();
        let missing = self.orders.archive(requests, Timestamp::now()).await.expect("archived");
        let elapsed = begun.elapsed();
        assert!(missing.is_empty());
        elapsed
    }
}

/// Each iteration times itself, because what it needs is made first.
fn measure(
    criterion: &mut Criterion,
    tokio: &Runtime,
    name: &str,
    (elements, waiting): (usize, usize),
    once: impl AsyncFn(&mut Bench) -> Duration,
) {
    let mut bench = tokio.block_on(async {
        let mut bench = Bench::new().await;
        let infos = bench.fresh(waiting).map(sample::order).collect();
        sample::enqueue(&bench.orders, infos).await;
        bench
    });
    let mut group = criterion.benchmark_group("orders");
    group.throughput(Throughput::Elements(elements as u64));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| {
            tokio.block_on(async {
                let mut all = Duration::ZERO;
                for _ in 0..iterations {
                    all += once(&mut bench).await;
                }
                all
            })
        });
    });
    group.finish();
    tokio.block_on(bench.orders.close()).expect("the database closes");
}

fn main() {
    let tokio = Runtime::new().expect("an async runtime");
    let mut criterion = Criterion::default().sample_size(30).configure_from_args();
    let c = &mut criterion;
    measure(c, &tokio, "enqueue/one-at-a-time", (1, 0), Bench::enqueue_one);
    measure(c, &tokio, "enqueue/1000-at-once", (ENQUEUED, 0), Bench::enqueue_many);
    measure(c, &tokio, "list-unsent/1000-of-10000", (LISTED as usize, WAITING), Bench::list);
    measure(c, &tokio, "archive/500", (ARCHIVED, 0), Bench::archive);
    criterion.final_summary();
}
