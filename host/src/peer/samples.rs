//! What the metrics show that nobody counts for them: read from the rooms when somebody looks, but
//! for what costs a look into a database, which a task looks up now and then.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use tokio::time::MissedTickBehavior;
use tracing::debug;

use super::Shared;
use crate::clock::Timestamp;
use crate::database::{Usage, lock};
use crate::error::chain;
use crate::limits::{METRIC_SATELLITES_MAX, SAMPLE_EVERY};
use crate::meters::catalogue::*;
use crate::meters::{Meters, OTHERS, Sample};
use crate::node_id::NodeId;
use crate::orders::{Counts, Orders};
use crate::status::ChoreStatus;

/// What was looked up last.
#[derive(Default)]
pub(super) struct LookedUp(Mutex<Option<OfOrders>>);

#[derive(Clone)]
struct OfOrders {
    counts: Counts,
    by_satellite: Vec<(NodeId, u64)>,
    oldest: Option<Timestamp>,
}

impl LookedUp {
    /// Never ends by itself.
    pub async fn keep(&self, meters: &Meters, orders: Option<&Orders>) {
        let mut ticks = tokio::time::interval(SAMPLE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            meters.upkeep();
            let Some(orders) = orders else { continue };
            let found = async {
                let counts = orders.counts().await?;
                let oldest = orders.oldest_unsent().await?;
                let by_satellite = orders.count_unsent().await?;
                Ok::<_, crate::orders::Error>(OfOrders { counts, by_satellite, oldest })
            };
            match found.await {
                Ok(found) => *lock(&self.0) = Some(found),
                Err(err) => debug!("orders are not counted: {}", chain(&err)),
            }
        }
    }
}

/// Everything at this moment.
pub(super) fn samples(shared: &Shared, now: Timestamp) -> Vec<Sample> {
    let mut all = Vec::new();
    of_cycles(shared, now, &mut all);
    of_orders(shared, now, &mut all);
    of_rooms(shared, &mut all);
    of_process(shared, &mut all);
    all
}

fn bit(holds: bool) -> u64 {
    u64::from(holds)
}

fn seconds(at: Timestamp) -> f64 {
    at.since(Timestamp::EPOCH).as_secs_f64()
}

fn of_cycles(shared: &Shared, now: Timestamp, all: &mut Vec<Sample>) {
    for chore in shared.registry.status() {
        of_chore(&chore, all);
    }
    // A chore that is locked at this moment is not there this time.
    for (chore, cycles) in shared.registry.sights().unwrap_or_default() {
        for sight in cycles.unwrap_or_default() {
            let late = sight.late(now).as_secs_f64();
            all.push(Sample::new(CYCLE_OVERDUE, &[&chore, &sight.cycle], late));
        }
    }
    let (stalled, stalls) = shared.findings.stalls();
    all.push(Sample::count(RUNTIME_STALLED, &[], bit(stalled)));
    all.push(Sample::count(RUNTIME_STALLS, &[], stalls));
}

fn of_chore(chore: &ChoreStatus, all: &mut Vec<Sample>) {
    let name = chore.name.as_str();
    let loaded = chore.state == "loaded";
    if loaded {
        let labels = [name, chore.version.as_str(), chore.digest.as_str()];
        all.push(Sample::count(CHORE_INFO, &labels, 1));
    }
    let refused = chore.refused.is_some() || chore.state == "refused";
    all.push(Sample::count(CHORE_LOADED, &[name], bit(loaded)));
    all.push(Sample::count(CHORE_REFUSED, &[name], bit(refused)));
    for cycle in &chore.cycles {
        let labels = [name, cycle.name.as_str()];
        all.push(Sample::count(RUNS_IN_PROGRESS, &labels, bit(cycle.running_since.is_some())));
        all.push(Sample::count(CYCLE_FAILURES, &labels, u64::from(cycle.failures)));
        all.push(Sample::count(CYCLE_PAUSED, &labels, bit(cycle.pause.is_some())));
        if let Some(next) = cycle.next {
            all.push(Sample::new(CYCLE_NEXT, &labels, seconds(next)));
        }
    }
}

fn of_orders(shared: &Shared, now: Timestamp, all: &mut Vec<Sample>) {
    let looked_up = lock(&shared.looked_up.0).clone();
    if let Some(OfOrders { counts, by_satellite, oldest }) = looked_up {
        of_satellites(shared, by_satellite, all);
        let age = oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
        all.push(Sample::count(ORDERS_UNSENT, &[], counts.unsent));
        all.push(Sample::new(ORDERS_OLDEST, &[], age));
        all.push(Sample::count(ORDERS_ARCHIVED, &["accepted"], counts.accepted));
        all.push(Sample::count(ORDERS_ARCHIVED, &["rejected"], counts.rejected));
    }
    if let Some(orders) = &shared.orders {
        all.push(Sample::count(ORDERS_DAMAGED, &[], orders.skipped()));
    }
    let taken = shared.intake.iter().flat_map(|intake| intake.results());
    all.extend(taken.map(|(result, count)| Sample::count(INTAKE, &[result], count)));
    let settled = shared.settlement.iter().flat_map(|settlement| settlement.results());
    all.extend(settled.map(|(result, count)| Sample::count(SETTLEMENT, &[result], count)));
}

/// Also of those that were dialed and for which nothing waits.
fn of_satellites(shared: &Shared, unsent: Vec<(NodeId, u64)>, all: &mut Vec<Sample>) {
    let (dialed, _) = shared.transport.dials_failed();
    let mut counts: BTreeMap<NodeId, u64> = dialed.into_iter().map(|(id, _)| (id, 0)).collect();
    counts.extend(unsent);
    let mut counts: Vec<(NodeId, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(id, count)| (Reverse(*count), *id));
    let others = counts.split_off(counts.len().min(METRIC_SATELLITES_MAX));
    let others = (!others.is_empty()).then(|| others.iter().map(|(_, count)| count).sum());
    by_satellite(SATELLITE_UNSENT, &counts, others, all);
}

fn by_satellite(
    name: &'static str,
    counts: &[(NodeId, u64)],
    others: Option<u64>,
    all: &mut Vec<Sample>,
) {
    all.extend(counts.iter().map(|(id, count)| Sample::count(name, &[&id.to_string()], *count)));
    all.extend(others.map(|count| Sample::count(name, &[OTHERS], count)));
}

fn of_rooms(shared: &Shared, all: &mut Vec<Sample>) {
    let (origins, compiling) = shared.runtime.compiled();
    all.extend(origins.iter().map(|(origin, count)| Sample::count(COMPONENTS, &[origin], *count)));
    all.push(Sample::new(COMPILE_SECONDS, &[], compiling.as_secs_f64()));
    let ledger = shared.ledger.counts();
    all.push(Sample::count(LEDGER_WRITTEN, &[], ledger.written));
    all.push(Sample::count(LEDGER_LOST, &[], ledger.lost));
    all.push(Sample::count(LEDGER_WAITING, &[], ledger.waiting));
    let databases: [(&str, Option<Usage>); 4] = [
        ("ledger", shared.ledger.usage()),
        ("orders", shared.orders.as_ref().map(Orders::usage)),
        ("peer", Some(shared.memory.usage())),
        ("settlement", shared.settlement.as_ref().map(crate::settlement::Settlement::usage)),
    ];
    for (name, usage) in databases {
        let Some(Usage { commits, writing, waiting }) = usage else { continue };
        all.push(Sample::count(DATABASE_WAITING, &[name], waiting as u64));
        all.push(Sample::count(DATABASE_COMMITS, &[name], commits));
        all.push(Sample::new(DATABASE_SECONDS, &[name], writing.as_secs_f64()));
    }
    let (failed, others) = shared.transport.dials_failed();
    by_satellite(SATELLITE_DIALS_FAILED, &failed, others, all);
    let (open, dials) = shared.transport.usage();
    all.push(Sample::count(CONNECTIONS, &["out"], open as u64));
    if let Some(server) = shared.server.upgrade() {
        all.push(Sample::count(CONNECTIONS, &["in"], server.connections() as u64));
    }
    let spans = shared.spans.counts();
    all.extend(spans.iter().map(|(result, count)| Sample::count(SPANS, &[result], *count)));
    all.extend(dials.iter().map(|(result, count)| Sample::count(DIALS, &[result], *count)));
}

fn of_process(shared: &Shared, all: &mut Vec<Sample>) {
    all.push(Sample::count(BUILD, &[env!("CARGO_PKG_VERSION")], 1));
    all.push(Sample::new(PROCESS_START, &[], seconds(shared.started)));
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    all.push(Sample::new(PROCESS_CPU, &[], cpu));
    if let Ok(disk) = rustix::fs::statvfs(&shared.home) {
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        all.push(Sample::count(DISK_FREE, &[], bytes(disk.f_bavail)));
        all.push(Sample::count(DISK_SIZE, &[], bytes(disk.f_blocks)));
    }
    // Where the system does not say, there is none.
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        if let Some(kilobytes) = field(&status, "VmRSS:") {
            all.push(Sample::count(PROCESS_MEMORY, &[], kilobytes.saturating_mul(1024)));
        }
        if let Some(threads) = field(&status, "Threads:") {
            all.push(Sample::count(PROCESS_THREADS, &[], threads));
        }
    }
    if let Ok(files) = std::fs::read_dir(Path::new("/proc/self/fd")) {
        all.push(Sample::count(PROCESS_FILES, &[], files.count() as u64));
    }
}

/// The number of a line such as "VmRSS: 1234 kB".
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
