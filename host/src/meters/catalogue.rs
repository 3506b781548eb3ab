//! Every metric that the peer itself has: name, kind, labels and meaning. `docs/metrics.md` is this
//! table for readers; a test compares them, and both with what a peer shows.

use std::fmt::Write;

use super::Sample;

/// What the names of metrics begin with that chores choose.
pub const GUEST_PREFIX: &str = "chore_";

/// The label of everything that belongs to one chore.
pub const CHORE: &str = "chore";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

macro_rules! catalogue {
    ($($constant:ident $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub const $constant: &str = $name;)*

        /// In the order in which it is shown.
        pub const CATALOGUE: &[Metric] = &[
            $(Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help },)*
        ];
    };
}

catalogue! {
    RUNS Counter "peer_runs_total" ["chore", "cycle", "outcome", "reason"]
        "Runs that ended, by how they ended and why they ran.";
    RUN_DURATION Histogram "peer_run_duration_seconds" ["chore", "cycle"]
        "How long runs took.";
    RUN_LATENESS Histogram "peer_run_lateness_seconds" ["chore", "cycle"]
        "How much later than due runs began.";
    RUN_CPU Histogram "peer_run_cpu_seconds" ["chore", "cycle"]
        "Time on a processor of each run.";
    RUN_MEMORY Histogram "peer_run_memory_bytes" ["chore", "cycle"]
        "The most memory that each run had.";
    HOST_CALLS Counter "peer_host_calls_total" ["chore"]
        "Functions of the contract that the chore's runs called.";
    HOST_BYTES Counter "peer_host_bytes_total" ["chore"]
        "Bytes of texts, byte lists and SQL values that the chore's runs gave the peer and got from it.";
    RUNS_IN_PROGRESS Gauge "peer_runs_in_progress" ["chore", "cycle"]
        "1 while a run is in progress.";
    SKIPPED_SLOTS Counter "peer_skipped_slots_total" ["chore", "cycle", "reason"]
        "Moments of the schedule that had no run of their own, and why.";
    CYCLE_OVERDUE Gauge "peer_cycle_overdue_seconds" ["chore", "cycle"]
        "How long a run, or the end of one, is past its time although nothing is in the way.";
    CYCLE_FAILURES Gauge "peer_cycle_failures" ["chore", "cycle"]
        "Failed runs since the last one that succeeded.";
    CYCLE_PAUSED Gauge "peer_cycle_paused" ["chore", "cycle"]
        "1 while the cycle is paused.";
    CYCLE_NEXT Gauge "peer_cycle_next_timestamp_seconds" ["chore", "cycle"]
        "When the next run is due; absent if none is.";
    WATCHDOG_OVERDUE Counter "peer_watchdog_overdue_total" ["chore", "cycle"]
        "How often the watchdog found the cycle overdue.";
    RUNTIME_STALLED Gauge "peer_runtime_stalled" []
        "1 while the watchdog finds that no task of the peer is carried out.";
    RUNTIME_STALLS Counter "peer_runtime_stalls_total" []
        "How often the watchdog found that no task of the peer is carried out.";
    CHORE_INFO Gauge "peer_chore_info" ["chore", "version", "digest"]
        "1, with the version that runs.";
    CHORE_LOADED Gauge "peer_chore_loaded" ["chore"]
        "1 if the chore is loaded, 0 if it is not.";
    CHORE_REFUSED Gauge "peer_chore_refused" ["chore"]
        "1 while the chore's file, or its config, is refused or in quarantine.";
    CHANGES Counter "peer_changes_total" ["chore", "kind"]
        "What became of changed files: loaded, replaced, went-back, reconfigured, unloaded or refused.";
    GUEST_REFUSED Counter "peer_guest_metrics_refused_total" ["chore"]
        "Values of the chore's own metrics that were dropped: too many series, too long, or of two kinds.";
    ORDERS_UNSENT Gauge "peer_orders_unsent" []
        "Orders that wait to be sent to their satellites.";
    ORDERS_OLDEST Gauge "peer_orders_unsent_oldest_seconds" []
        "How long ago the limit of the oldest unsent order was issued; 0 if none waits.";
    SATELLITE_UNSENT Gauge "peer_satellite_orders_unsent" ["satellite"]
        "Orders that wait to be sent to this satellite; those with the most, and all others as one.";
    ORDERS_ARCHIVED Gauge "peer_orders_archived" ["status"]
        "Orders in the archive, by their satellites' answer.";
    ORDERS_DAMAGED Counter "peer_orders_damaged_total" []
        "Rows that were no orders and were left out; a row counts each time.";
    INTAKE Counter "peer_intake_orders_total" ["result"]
        "Orders handed in: taken, or why they were refused.";
    SETTLEMENT Counter "peer_settlement_orders_total" ["result"]
        "Orders that nodes wanted settled: accepted, or why they were rejected.";
    COMPONENTS Counter "peer_compiled_code_total" ["origin"]
        "Where compiled code came from when it was needed: memory, cache or compiler.";
    COMPILE_SECONDS Counter "peer_compile_seconds_total" []
        "Time that the compiler took.";
    LEDGER_WRITTEN Counter "peer_ledger_entries_written_total" []
        "What was told to the ledger and is written down.";
    LEDGER_LOST Counter "peer_ledger_entries_lost_total" []
        "What was told to the ledger and could not be written down.";
    LEDGER_WAITING Gauge "peer_ledger_entries_waiting" []
        "What was told to the ledger and waits to be written down.";
    DATABASE_WAITING Gauge "peer_database_jobs_waiting" ["database"]
        "Jobs that wait for the database's writer.";
    DATABASE_COMMITS Counter "peer_database_commits_total" ["database"]
        "Transactions committed.";
    DATABASE_SECONDS Counter "peer_database_commit_seconds_total" ["database"]
        "Time that the database's writer worked and committed.";
    CONNECTIONS Gauge "peer_transport_connections" ["direction"]
        "Open connections to (out) and from (in) other peers.";
    DIALS Counter "peer_transport_dials_total" ["result"]
        "Connections to other peers that were tried: connected or failed.";
    SATELLITE_DIALS_FAILED Counter "peer_satellite_dials_failed_total" ["satellite"]
        "Connections to this satellite, or another node, that failed; all after the first hundred as one.";
    SPANS Counter "peer_trace_spans_total" ["result"]
        "Spans that ended: exported, failed to be, or dropped because the queue was full.";
    DISK_FREE Gauge "peer_disk_free_bytes" []
        "Room that is left for the peer on the disk of its home.";
    DISK_SIZE Gauge "peer_disk_size_bytes" []
        "Size of the disk of its home.";
    BUILD Gauge "peer_build_info" ["version"]
        "1, with the version of the program.";
    PROCESS_CPU Counter "process_cpu_seconds_total" []
        "Time on a processor of the whole process.";
    PROCESS_MEMORY Gauge "process_resident_memory_bytes" []
        "Memory of the whole process.";
    PROCESS_FILES Gauge "process_open_fds" []
        "Open files and sockets.";
    PROCESS_THREADS Gauge "process_threads" []
        "Threads.";
    PROCESS_START Gauge "process_start_time_seconds" []
        "When the peer started.";
}

/// Adds samples to a text in Prometheus' format, each metric's under one head.
pub(super) fn write(text: &mut String, samples: &[Sample]) {
    for metric in CATALOGUE {
        let mut of_metric = samples.iter().filter(|sample| sample.name == metric.name).peekable();
        if of_metric.peek().is_none() {
            continue;
        }
        let Metric { name, kind, labels, help } = metric;
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
        for Sample { labels: values, value, .. } in of_metric {
            let pairs = labels.iter().zip(values).map(|(key, value)| pair(key, value));
            let pairs = pairs.collect::<Vec<_>>().join(",");
            let pairs = if pairs.is_empty() { pairs } else { format!("{{{pairs}}}") };
            let _ = writeln!(text, "{name}{pairs} {value}");
        }
        text.push('\n');
    }
}

fn pair(key: &str, value: &str) -> String {
    let escaped = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
    format!("{key}=\"{escaped}\"")
}
