//! Every limit of the host: its name, unit, default and reason. Rooms take their numbers from here.

use std::time::Duration;

// Sizes.

/// One mebibyte, in bytes.
pub const MIB: usize = 1024 * 1024;

/// Largest gRPC message a peer sends or takes, in bytes. An order with its limit is under 1 KiB.
pub const MESSAGE_BYTES_MAX: usize = 4 * MIB;

/// Largest encoded order or limit that is stored, in bytes, as in the seed system.
pub const ORDER_BYTES_MAX: usize = 32 * 1024;

/// Largest component file, in bytes. A Python chore has 20 MB.
pub const COMPONENT_BYTES_MAX: u64 = 64 * MIB as u64;

/// Largest config file, in bytes.
pub const CONFIG_BYTES_MAX: u64 = MIB as u64;

// Waits.

/// Longest a timer sleeps before the clock is read again: a suspend or a jump of the wall clock is
/// noticed within this.
pub const TIMER_MAX: Duration = Duration::from_secs(60);

/// How long a peer may take to finish a TCP and TLS handshake. 20 s proved too short in the field.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

// What a chore may use. The operator can lower or raise those that `NAME.toml` names.

/// Memory of one instance, all its memories and tables together, in bytes.
pub const CHORE_MEMORY_BYTES: usize = 64 * MIB;

/// What a chore saves for its next call, in bytes: state is small, the rest belongs in `sql`.
pub const STATE_BYTES_MAX: usize = MIB;

/// One log line of a chore with its fields, in bytes.
pub const LOG_LINE_BYTES_MAX: usize = 4 * 1024;

/// Fields of one log line.
pub const LOG_FIELDS_MAX: usize = 32;

/// Lines that one call may log, so that a loop cannot fill the disk; the rest is counted.
pub const LOG_LINES_PER_CALL_MAX: u64 = 10_000;

/// Distinct series (name and labels) of one chore's metrics: each costs memory for good.
pub const METRIC_SERIES_MAX: usize = 1_000;

/// A metric's or label's name or value, in bytes.
pub const METRIC_TEXT_BYTES_MAX: usize = 256;

/// Labels of one metric.
pub const METRIC_LABELS_MAX: usize = 16;

/// Cycles of one chore, those it adds itself included.
pub const CYCLES_MAX: usize = 1_000;

/// Memories, tables and core instances of one component, each.
pub const INSTANCE_PARTS_MAX: usize = 64;

/// Resources (connections, transactions, streams) that one call holds at once.
pub const RESOURCES_MAX: usize = 10_000;

/// Bytes that one host call may copy out of a guest: lists and strings count as lifted, so this is
/// a few times the largest message.
pub const HOSTCALL_BYTES_MAX: usize = 32 * MIB;

/// What a guest may write to its standard error, in bytes: a panic's message goes there.
pub const STDERR_BYTES_MAX: usize = 16 * 1024;

/// Messages that wait between a guest and a stream, each way.
pub const STREAM_MESSAGES_WAITING: usize = 64;

/// Time for `describe`, which needs none.
pub const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for `open` and for `close` of a chore.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a run that was asked to wind down has before its instance is dropped.
pub const GRACE: Duration = Duration::from_secs(10);

/// How often running guests are looked at: no run outlives its deadline by more than this.
pub const EPOCH_TICK: Duration = Duration::from_millis(10);

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

/// Longest a single SQL statement of a chore may run.
pub const SQL_STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

// The cycle.

/// Shortest interval of a cycle: one timer tick of the runtime. Zero would run for ever.
pub const CYCLE_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Longest interval of a cycle: ten years. Longer is a typing error; "off" says never.
pub const CYCLE_INTERVAL_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// Most triggers that wait for one cycle at once. One run serves them all, so more is a caller
/// that lost count.
pub const CYCLE_WAITERS_MAX: usize = 1024;

/// A chore's own words in an outcome, in bytes.
pub const GUEST_MESSAGE_BYTES_MAX: usize = 2 * 1024;

/// What `describe` may answer, in bytes as the host copies it.
pub const DESCRIBE_BYTES_MAX: usize = MIB;

/// Compiled components that a process keeps, so that peers of one process share them.
pub const PROGRAMS_KEPT_MAX: usize = 64;

/// How often the schedule of a busy chore is written down.
pub const SCHEDULE_SAVE_EVERY: Duration = Duration::from_secs(1);
