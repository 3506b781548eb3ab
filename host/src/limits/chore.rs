//! What a chore may use. Those that an operator changes for one chore have a key in `key.rs`.

use std::time::Duration;

use super::MIB;

/// Memory of one instance, all its memories and tables together, in bytes: a Rust chore takes 1.1 MB.
/// And as much as a `NAME.toml` may say.
pub const CHORE_MEMORY_BYTES: usize = 64 * MIB;
pub const CHORE_MEMORY_BYTES_CEILING: usize = 1024 * MIB;

/// Least and most memory that an operator can give an instance, in bytes: a Rust chore starts with
/// 1.1 MB, and wasm with 32-bit addresses ends at 4 GiB.
pub const CHORE_MEMORY_BYTES_MIN: u64 = MIB as u64;
pub const CHORE_MEMORY_BYTES_MAX: u64 = 4096 * MIB as u64;

/// Time that one call may have on a processor: chores wait most of the time, and one that computes
/// for minutes most likely spins. And as much as a `NAME.toml` may say.
pub const CHORE_CPU: Duration = Duration::from_secs(5 * 60);
pub const CHORE_CPU_CEILING: Duration = Duration::from_secs(3600);

/// Least time on a processor that an operator can give a call: as often as is looked.
pub const CHORE_CPU_MIN: Duration = EPOCH_TICK;

/// What a chore saves for its next call, in bytes: state is small, the rest belongs in `sql`.
pub const STATE_BYTES_MAX: usize = MIB;

/// One log line of a chore with its fields, in bytes.
pub const LOG_LINE_BYTES_MAX: usize = 4 * 1024;

/// Fields of one log line.
pub const LOG_FIELDS_MAX: usize = 32;

/// Lines that one call may log, so that a loop cannot fill the disk; the rest is counted.
pub const LOG_LINES_PER_CALL_MAX: u64 = 10_000;
pub const LOG_LINES_PER_CALL_CEILING: u64 = 1_000_000;

/// Lines about one chore that are written to the peer's log in a second, for as long as it goes on:
/// some 10 KB/s. A person reads none of more, and a disk of a gigabyte lasts for a day.
pub const LOG_LINES_PER_SECOND: u32 = 100;

/// Lines that may come at once before that counts: a run that says a lot, now and then.
pub const LOG_LINES_BURST: u32 = 1_000;

/// How often it is said that lines were dropped, and how many.
pub const LOG_DROPPED_EVERY: Duration = Duration::from_secs(10);

/// Distinct series (name and labels) of one chore's metrics: each costs memory for good.
pub const METRIC_SERIES_MAX: usize = 1_000;
pub const METRIC_SERIES_CEILING: usize = 10_000;

/// A metric's or label's name or value, in bytes.
pub const METRIC_TEXT_BYTES_MAX: usize = 256;

/// Labels of one metric.
pub const METRIC_LABELS_MAX: usize = 16;

/// Cycles of one chore that have series of their own, some seventy each; further ones share theirs.
/// A chore may change their names for ever.
pub const METRIC_CYCLES_MAX: usize = 100;

/// Satellites that have series of their own: a network has some dozens; further ones share theirs. A
/// chore may dial anybody.
pub const METRIC_SATELLITES_MAX: usize = 100;

/// Upper ends of the buckets for durations, in seconds: from a run that does nothing to one that
/// takes the longest timeout, each about 2.5 times the one before.
pub const METRIC_SECONDS_BUCKETS: [f64; 15] = [
    0.0001, 0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0,
];

/// Upper ends of the buckets for the memory of a run, in bytes: doubled from a small Rust chore's to
/// the most that one may have.
pub const METRIC_BYTES_BUCKETS: [f64; 12] = [
    131_072.0,
    524_288.0,
    1_048_576.0,
    2_097_152.0,
    4_194_304.0,
    8_388_608.0,
    16_777_216.0,
    33_554_432.0,
    67_108_864.0,
    134_217_728.0,
    536_870_912.0,
    4_294_967_296.0,
];

/// Upper ends of the buckets of a chore's own histograms, whose unit nobody knows: decades in thirds.
pub const METRIC_GUEST_BUCKETS: [f64; 19] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0,
    100.0, 1_000.0, 10_000.0, 100_000.0,
];

/// How often what costs a look into a database is looked up for the metrics.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// Cycles of one chore, those it adds itself included.
pub const CYCLES_MAX: usize = 1_000;

/// Runs of one chore in progress at once, each of another cycle; what is due beyond waits for its
/// turn. A thousand that began together would keep every processor busy for 50 ms, and other chores
/// waiting; and each may take all the memory of an instance.
pub const RUNS_AT_ONCE: usize = 16;

/// Memories, tables and core instances of one component, each.
pub const INSTANCE_PARTS_MAX: usize = 64;

/// Resources (connections, transactions, streams) that one call holds at once.
pub const RESOURCES_MAX: usize = 10_000;

/// Bytes that one host call may copy out of a guest: lists and strings count as lifted, so this is
/// a few times the largest message.
pub const HOSTCALL_BYTES_MAX: usize = 32 * MIB;

/// Random bytes that one call of WASI gives a guest: the host holds them meanwhile.
pub const RANDOM_BYTES_MAX: u64 = MIB as u64;

/// What a guest may write to its standard error, in bytes: a panic's message goes there.
pub const STDERR_BYTES_MAX: usize = 16 * 1024;

/// Messages that wait between a guest and a stream, each way.
pub const STREAM_MESSAGES_WAITING: usize = 64;

/// Bytes that a guest has written to a stream and nobody has taken; then it waits. One message more
/// may come at once.
pub const STREAM_BYTES_WAITING: usize = MIB;

/// Streams that one call has open at once: one for each satellite of a large node, and room.
pub const STREAMS_MAX: usize = 64;
pub const STREAMS_CEILING: usize = 1_000;

/// Bytes of requests, statements and their parameters that one call has handed over and that have
/// no answer yet: a guest that starts thousands of calls and waits for none makes the host hold them.
pub const IN_FLIGHT_BYTES_MAX: usize = 64 * MIB;
pub const IN_FLIGHT_BYTES_CEILING: usize = 1024 * MIB;

/// Requests of one chore to the databases that all chores share, for its state and for orders, under
/// way at once; others wait for their turn. Four are answered at a time, and who asks next waits for
/// those before it: behind thousands of one chore's, others' runs took 100 ms longer.
pub const SHARED_REQUESTS_AT_ONCE: usize = 16;

/// Time for `describe`, which needs none.
pub const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for `open` and for `close` of a chore.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a run that was asked to wind down has before its instance is dropped.
pub const GRACE: Duration = Duration::from_secs(10);

/// How often running guests are looked at: no run outlives its deadline by more than this, and one
/// that spins keeps its thread for as long. Half of the 10 ms that a neighbour may be late by, see
/// [`EVENTS_EVERY`].
pub const EPOCH_TICK: Duration = Duration::from_millis(5);

/// Calls of one chore that have a processor at once, each for an [`EPOCH_TICK`] at most. With more, a
/// chore that spins in sixteen runs would have every thread, and a neighbour wait for eight ticks on two.
pub const CALLS_COMPUTING: usize = 1;

/// Tasks that a thread runs before it looks at timers and sockets. Each may be a guest that keeps it for
/// a whole [`EPOCH_TICK`], so not after 61, as is usual. Not after each task: one that has used
/// up its turn is the first after a look, and would be it every time.
pub const EVENTS_EVERY: u32 = 2;

/// Longest grace that an operator can give a run: closing the peer waits for it.
pub const GRACE_MAX: Duration = Duration::from_secs(10 * 60);

/// How long who loads a component waits for its compiler, and for its turn while no other compilation
/// ends: longer than the largest takes on a busy machine. A compiler cannot be
/// interrupted: it goes on, keeps its turn, and what it makes is in the cache.
pub const COMPILE_TIMEOUT: Duration = Duration::from_secs(10 * 60);
pub const COMPILE_TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// Components compiled at once: each keeps a core and some hundred MB busy.
pub const COMPILATIONS_AT_ONCE: usize = 1;

/// Longest dial that a chore may ask for.
pub const DIAL_TIMEOUT_MAX: Duration = Duration::from_secs(5 * 60);

/// Another peer's status message as a chore sees it, in bytes.
pub const STATUS_MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// Orders that one host call lists or archives at once.
pub const ORDERS_PER_CALL_MAX: u32 = 10_000;

/// Orders that a stream of unsent orders reads ahead.
pub const ORDERS_PER_PAGE: u32 = 256;
