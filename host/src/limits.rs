//! Every limit of the host: its name, unit, default and reason. Rooms take their numbers from here.
//! Those that an operator changes for one chore are listed in `key.rs`.

mod chore;
mod key;
mod sql;

pub use chore::*;
pub use key::{Amount, Limit};
pub use sql::*;

use std::time::Duration;

mod signed;
pub use signed::*;

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

// Traces.

/// Spans that wait to be sent, at most; beyond, they are dropped and counted. Some megabytes.
pub const TRACE_QUEUE_MAX: usize = 4096;

/// Spans of one request to a collector.
pub const TRACE_SPANS_AT_ONCE: usize = 512;

/// How often spans are sent when they are few.
pub const TRACE_EXPORT_EVERY: Duration = Duration::from_secs(1);

/// How long a collector may take to answer; meanwhile spans wait in the queue.
pub const TRACE_EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the end of the program waits for spans to be sent.
pub const TRACE_CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What is read of a collector's answer, in bytes: it says next to nothing.
pub const TRACE_ANSWER_BYTES_MAX: usize = 64 * 1024;

// The watchdog.

/// How often the watchdog looks.
pub const WATCHDOG_LOOK_EVERY: Duration = Duration::from_secs(1);

/// A run, or the end of one, is overdue at the earliest so long after its time: a machine that is
/// busy for a moment is no fault.
pub const OVERDUE_MIN: Duration = Duration::from_secs(10);

/// The async runtime is stalled when none of its threads took up the heartbeat for so long: a task
/// that holds up all others for seconds is a bug, and so is a machine without a core for it.
pub const RUNTIME_STALL_MIN: Duration = Duration::from_secs(5);

/// How often the heartbeat says that tasks are carried out.
pub const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);

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

/// How often the schedule of a busy chore is written down.
pub const SCHEDULE_SAVE_EVERY: Duration = Duration::from_secs(1);

// The control socket.

/// Longest path of a Unix socket, in bytes, its final NUL not counted: the system's own limit.
pub const SOCKET_PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Connections to the control socket at once: a person has a few terminals, a script a few loops.
pub const CONTROL_CONNECTIONS_MAX: usize = 256;

/// An answer on the control socket, in bytes. A chore with a thousand cycles has half a megabyte.
pub const CONTROL_ANSWER_BYTES_MAX: usize = 64 * MIB;

/// How long the control socket may take to answer what waits for no run.
pub const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest that a trigger waits for a run to begin or end: a day, the longest run seen in practice.
pub const CONTROL_TRIGGER_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// A request's body, in bytes: a note and some names.
pub const CONTROL_REQUEST_BYTES_MAX: usize = 64 * 1024;

/// The head of a request, in bytes: a browser's is some hundred, and a few KB with cookies of other
/// programs on the same machine.
pub const CONTROL_HEAD_BYTES_MAX: usize = 32 * 1024;

/// Connections of the API over TCP at once, apart from those of the socket, so that whoever floods
/// one does not lock the operator out of the other.
pub const CONTROL_TCP_CONNECTIONS_MAX: usize = 128;

/// Streams of events at once: each is a connection that stays.
pub const EVENT_STREAMS_MAX: usize = 64;

/// How often a stream of events that has nothing to say shows that it is there: proxies give up
/// after a minute.
pub const EVENT_HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a stream of events may be silent before its reader takes it for broken: four times as
/// long, for a machine that is busy.
pub const EVENT_SILENCE_MAX: Duration = Duration::from_secs(60);

/// One event on its way, in bytes: a run with its log has some KB.
pub const EVENT_BYTES_MAX: usize = MIB;

// The API over TCP.

/// A token's random part, in bytes: nobody guesses 256 bits.
pub const TOKEN_BYTES: usize = 32;

/// Tokens of one home.
pub const TOKENS_MAX: usize = 100;

/// The file that has their hashes, in bytes: some 200 for each.
pub const TOKENS_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A token's name, in bytes: it stands in the ledger.
pub const TOKEN_NAME_BYTES_MAX: usize = 63;

/// Wrong tokens of one address before it must wait: a person mistypes a few times.
pub const TOKEN_FAILURES_MAX: u32 = 10;

/// How long they are counted, and then it may try again.
pub const TOKEN_FAILURES_WINDOW: Duration = Duration::from_secs(60);

/// Addresses whose failures are counted at once; beyond, those that were first are forgotten.
pub const TOKEN_ADDRESSES_MAX: usize = 1_024;

/// How long requests in progress have when the control socket closes.
pub const CONTROL_SHUTDOWN_MAX: Duration = Duration::from_secs(1);

// Orders over the network.

/// Longest signature that is looked at, in bytes: that of an RSA key of 4096 bits.
pub const SIGNATURE_BYTES_MAX: usize = 512;

/// Largest request that carries a limit and its order, in bytes: both, and their framing.
pub const REQUEST_BYTES_MAX: usize = 2 * ORDER_BYTES_MAX + 1024;

/// Orders that a satellite checks and writes down together: some 10 ms of signatures, so that one
/// commit serves many and no answer waits long for its neighbours.
pub const SETTLEMENT_BATCH: usize = 64;

/// Batches of one settlement stream under way at once: one is checked while another is committed.
pub const SETTLEMENT_BATCHES_AT_ONCE: usize = 4;

/// Orders of one intake stream under way at once: they share commits, and their memory is bounded.
pub const INTAKE_AT_ONCE: usize = 256;

/// Longest that a stream of orders may be silent: a peer that is gone holds no place for ever.
pub const ORDER_STREAM_IDLE: Duration = Duration::from_secs(5 * 60);

/// How long a satellite remembers a serial number past its expiration, to answer a resend of what
/// it accepted. Afterwards the expiration alone keeps the order out.
pub const SETTLED_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Serial numbers forgotten in one transaction: more would hold up who settles.
pub const SETTLED_CLEANED_AT_ONCE: u32 = 10_000;

/// Time to fetch a satellite's public identity, the dial included.
pub const TRUST_FETCH_TIMEOUT: Duration = Duration::from_secs(20);

/// A satellite that could not be reached is not dialled again within this.
pub const TRUST_RETRY: Duration = Duration::from_secs(30);

/// An identity that does not fit a signature is not fetched again within this: forgers must not
/// make a node dial.
pub const TRUST_RENEW: Duration = Duration::from_secs(10 * 60);

/// Largest file with a public identity, in bytes. A chain of two certificates has 1 KiB.
pub const IDENTITY_FILE_BYTES_MAX: u64 = 64 * 1024;

/// Time for an uplink to reach a storage node.
pub const UPLINK_DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// Time for an uplink to hand in its orders, all together.
pub const UPLINK_TIMEOUT: Duration = Duration::from_secs(10 * 60);

// Identity and transport.

/// Certificates of one identity: leaf, CA, and whoever signed the CA.
pub const IDENTITY_CERTIFICATES_MAX: usize = 4;

/// One certificate of another node, in bytes. Ours have 400.
pub const IDENTITY_CERTIFICATE_BYTES_MAX: usize = 8 * 1024;

/// Longest call to another peer: a stream that settles a day's orders. No call is without end.
pub const CALL_TIMEOUT_MAX: Duration = Duration::from_secs(24 * 3600);

/// Longest method path of a call, in bytes: it comes from guests and from the network.
pub const METHOD_BYTES_MAX: usize = 256;

/// Connections of one chore to other peers at once, being dialled or open: each is a file and two tasks.
/// A peer has ten satellites or so, and its routing table asks some nodes at a time.
pub const CONNECTIONS_POOLED_MAX: usize = 128;

/// How long a connection that nobody holds is kept for the next dial.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(2 * 60);

/// How long a connection that is being closed has to say so to the other side.
pub const CONNECTION_CLOSE_WAIT: Duration = Duration::from_secs(1);

/// How often a silent connection is asked whether the other side is there, shorter than what
/// routers and firewalls forget.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long the other side has to answer that.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long past its deadline a stream that is blocked by the other side may hold its memory; then
/// the whole connection goes.
pub const STREAM_STALL_GRACE: Duration = Duration::from_secs(10);

/// Bytes on the way to us that were not read yet, on one stream and on one connection. With 64 KiB,
/// the default, a stream over 100 ms of distance carries 0.6 MB/s.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;

/// Headers of one request or response, in bytes.
pub const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Names looked up at once for one chore. A lookup keeps a thread, and cannot be ended.
pub const LOOKUPS_AT_ONCE: usize = 16;

/// Addresses of one name that are tried, and how long one has before the next is tried beside it.
pub const ADDRESSES_TRIED_MAX: usize = 8;
pub const ADDRESS_HEAD_START: Duration = Duration::from_millis(250);

/// Connections that a server holds at once: each is a file.
pub const SERVER_CONNECTIONS_MAX: usize = 2048;

/// Handshakes that a server has under way at once: others wait in the system's queue.
pub const SERVER_HANDSHAKES_MAX: usize = 256;

/// How long a client may take from TCP to its first HTTP/2 bytes. Storj's senders wait for 60 s, because
/// 20 s proved too short in the field; here it is strangers who keep us waiting.
pub const SERVER_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls that one client may have going at once on one connection; others wait on its side.
pub const SERVER_STREAMS_MAX: u32 = 64;

/// How long a server keeps a connection without calls: longer than clients do, so they close first.
pub const SERVER_IDLE: Duration = Duration::from_secs(10 * 60);

/// How long a server waits when it cannot accept, as when it is out of files.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long tasks that were told to end have: only one that blocks its thread needs longer.
pub const ABORT_WAIT: Duration = Duration::from_secs(1);

// Databases.

/// How long a statement waits for another process that has the same file open. Inside the process
/// nobody waits for a lock.
pub const DATABASE_BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the jobs that are under way have when a database closes; as long again for its writer.
pub const DATABASE_CLOSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Jobs that wait for the writer of one database; more wait outside.
pub const DATABASE_JOBS_WAITING: usize = 1024;

/// Jobs that share one commit: enough that the sync no longer counts, few enough that the first
/// does not wait long for the last.
pub const GROUP_COMMIT_JOBS_MAX: usize = 512;

/// Readers of one database at once: each has a connection with a cache of 2 MB.
pub const DATABASE_READERS_MAX: usize = 4;

/// Statements that a connection keeps compiled: more than any room has.
pub const DATABASE_STATEMENTS_CACHED: usize = 64;

/// Pages that the connection that writes keeps, in KiB. With SQLite's own 2 MB, a transaction that
/// touches random pages of a large index writes each of them several times.
pub const DATABASE_WRITER_CACHE_KIB: i64 = 16 * 1024;

/// What a write-ahead log is cut down to when it has been written back, in bytes.
pub const DATABASE_LOG_BYTES_KEPT: u32 = 16 * MIB as u32;

/// What is remembered of one cycle, in bytes. It is some 300 bytes of JSON.
pub const SCHEDULE_BYTES_MAX: usize = 64 * 1024;

// The orders database.

/// Length of a serial number, in bytes.
pub const ORDER_SERIAL_BYTES: usize = 16;

/// What a satellite said when it rejected an order, in bytes; the rest is cut off.
pub const ORDER_REASON_BYTES_MAX: usize = 2 * 1024;

/// Limits and orders that one call lists, in bytes: a quarter of what one host call may copy.
pub const ORDERS_BYTES_PER_CALL_MAX: usize = 8 * MIB;

/// Limits and orders of one page of a stream, in bytes.
pub const ORDERS_BYTES_PER_PAGE: usize = MIB;

/// Archived orders that one transaction deletes: some milliseconds, then others may write.
pub const ORDERS_CLEANED_AT_ONCE: u32 = 1_000;

// Names, config files and descriptors.

/// A chore's name, in bytes. With `.wasm` it is a file name everywhere, and a DNS label is as long.
pub const CHORE_NAME_BYTES_MAX: usize = 63;

/// A cycle's or a setting's name, in bytes: a node's id in text has 51, and room for a word.
pub const CYCLE_NAME_BYTES_MAX: usize = 64;

/// Settings of one chore.
pub const SETTINGS_MAX: usize = 256;

/// The value of one setting, in bytes. A list of satellites fits.
pub const SETTING_BYTES_MAX: usize = 64 * 1024;

/// The help of a cycle or setting, or what a chore says it is about, in bytes: some 50 lines.
pub const HELP_BYTES_MAX: usize = 4 * 1024;

/// A chore's version, in bytes.
pub const VERSION_BYTES_MAX: usize = 64;

/// Extensions of one descriptor, and one extension's key or value, in bytes.
pub const EXTENSIONS_MAX: usize = 64;
pub const EXTENSION_BYTES_MAX: usize = 4 * 1024;

/// Longest timeout of a run: a week. A longer run is one that hangs, or should be a cycle.
pub const RUN_TIMEOUT_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long the schedule rests after a first failure, unless the operator says otherwise.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(10);

/// Failures of a cycle in a row until it pauses itself or stops the peer, where the operator wants
/// that: a peer that does not answer for a moment is no reason.
pub const FAILURES_UNTIL_GIVEN_UP: u32 = 3;

/// How many intervals the schedule rests at most after repeated failures: a chore that is mended
/// runs again within a day if it runs hourly.
pub const BACKOFF_INTERVALS_MAX: u32 = 16;

/// How long an archived order is kept, unless the operator says otherwise: a week, to look it up.
pub const ARCHIVE_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long a peer may take to close, unless the operator says otherwise, and at most.
pub const SHUTDOWN_BUDGET: Duration = Duration::from_secs(30);
pub const SHUTDOWN_BUDGET_MAX: Duration = Duration::from_secs(3600);

/// What a peer may take to close beyond what it said, before that is called a bug.
pub const CLOSE_MARGIN: Duration = Duration::from_secs(5);

/// Most components that an operator can have compiled at once: more than a machine has cores.
pub const COMPILATIONS_AT_ONCE_MAX: usize = 64;

/// Imports, or exports, of one component. A Rust chore has 30.
pub const COMPONENT_NAMES_MAX: usize = 1_000;

/// Sections of one component. A Rust chore has 250, each of a few items.
pub const COMPONENT_SECTIONS_MAX: usize = 100_000;

/// How often a peer deletes what it need not keep any longer.
pub const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(3600);

/// How long connections to other peers have to end when the peer closes.
pub const TRANSPORT_CLOSE_WAIT: Duration = Duration::from_secs(1);

// Versions of a chore.

/// Runs of a new version that are watched, unless the operator says otherwise: a first may succeed
/// because there was nothing to do, and an hourly chore is trusted within half a day.
pub const PROBATION_RUNS: u32 = 3;

/// What is remembered of one chore's versions, in bytes: the config files of three of them, which
/// JSON makes twice as long at most, and room for the rest.
pub const HISTORY_BYTES_MAX: usize = 3 * 2 * CONFIG_BYTES_MAX as usize + MIB;

/// Most runs of a new version that an operator can have watched.
pub const PROBATION_RUNS_MAX: u32 = 1_000;

// The registry.

/// How long a peer that starts waits for its chores; those that take longer load on meanwhile.
pub const LOAD_AT_START_MAX: Duration = Duration::from_secs(60);

/// Commands that wait for the registry's task; more wait outside.
pub const REGISTRY_COMMANDS_WAITING: usize = 64;

/// How long a reload waits for files that are still being written: it is told to go on without.
pub const RELOAD_SETTLE_MAX: Duration = Duration::from_secs(5);

/// How long a reload, load or unload may take altogether: a run that drains for the longest grace,
/// `open`, and a large component that is compiled without a cache.
pub const RELOAD_TIMEOUT: Duration = Duration::from_secs(15 * 60);

// The compiled-code cache.

/// Compiled code that a home keeps, in bytes. A Rust chore has some hundred KB, a Python chore some
/// 60 MB: enough for every chore and the versions it had before.
pub const COMPILED_CACHE_BYTES_MAX: u64 = 512 * MIB as u64;

/// Compiled code of one component, in bytes: it is read whole. A few times the largest component.
pub const COMPILED_ENTRY_BYTES_MAX: u64 = 256 * MIB as u64;

/// The secret that compiled code is authenticated with, in bytes: as many as its MAC has.
pub const CACHE_SECRET_BYTES: usize = 32;

// The chores directory.

/// Entries of the chores directory that are looked at. A directory with more is another one.
pub const CHORES_FILES_MAX: usize = 10_000;

/// How often the chores directory is looked at without an event, unless the operator says otherwise:
/// network file systems send none.
pub const FOLDER_SCAN_EVERY: Duration = Duration::from_secs(30);

/// How long after its first event the directory is looked at: one copy is a burst of events.
pub const FOLDER_DEBOUNCE: Duration = Duration::from_millis(5);

/// How long a file that was written must rest before it counts, and one that is missing before it is
/// gone: a copy pauses for less, and a person does not notice.
pub const FOLDER_SETTLE: Duration = Duration::from_millis(200);

/// How long after a file's last change its times tell it from any later version: FAT, the coarsest,
/// counts in two seconds.
pub const FOLDER_STAMP_AGE_MIN: Duration = Duration::from_secs(2);

/// How soon a directory that could not be read is tried again.
pub const FOLDER_RETRY: Duration = Duration::from_secs(1);

/// How many times as long as a look took events wait for the next one: a program that writes into a
/// large directory without end costs a quarter of a core, not a whole one.
pub const FOLDER_REST: u32 = 3;

/// Bytes that one look keeps of the files it read, all together: what a handful of chores has. The
/// rest is read again when its turn comes.
pub const FOLDER_BYTES_KEPT_MAX: u64 = 256 * MIB as u64;

// The ledger.

/// What was told to the ledger is written at most so much later, in one commit.
pub const LEDGER_WRITE_EVERY: Duration = Duration::from_millis(100);

/// And so much later when much was told the last time: what a commit costs is then shared by more runs.
/// Runs of fast cycles are lost with the process for as long; those of a
/// second or slower are waited for.
pub const LEDGER_WRITE_EVERY_BUSY: Duration = Duration::from_millis(500);

/// Beginnings, ends and the like that are much, in one commit: two for each run.
pub const LEDGER_BUSY_NEWS: usize = 20;

/// Items that wait to be written, at most; beyond, they are lost and counted. Some 100 MiB, for a
/// disk that stands still.
pub const LEDGER_UNWRITTEN_MAX: usize = 100_000;

/// Rows that one commit deletes of one table and cycle, at most, so that no commit takes long.
pub const LEDGER_DELETED_AT_ONCE: u64 = 1_000;

/// How long a run of a second or slower waits to be written down before it begins, at most.
pub const LEDGER_BEGIN_WAIT: Duration = Duration::from_secs(1);

/// Entries of one answer.
pub const LEDGER_ENTRIES_AT_ONCE: u32 = 1_000;

/// How long rows are kept, unless the config says otherwise.
pub const LEDGER_KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

/// Runs of each cycle that are kept, unless the config says otherwise: some 2 MiB.
pub const LEDGER_KEEP_ROWS: u64 = 10_000;

/// As many as the config may ask for: some 2 GiB for each cycle.
pub const LEDGER_KEEP_ROWS_MAX: u64 = 10_000_000;

// Events.

/// Events that are kept for who listens to them: some MB at most, and a few seconds of a busy peer.
pub const NEWS_KEPT: usize = 1_024;

/// How long events are kept after the last listener has gone: a browser comes back within seconds.
pub const NEWS_LISTENER_RETURNS: Duration = Duration::from_secs(60);

/// Functions of a backtrace that are kept with a run, the innermost ones.
pub const BACKTRACE_FRAMES_MAX: usize = 32;

/// Lines of a run's log that are kept with it, the last ones.
pub const RUN_LOG_LINES_KEPT: usize = 20;

/// Bytes of them, together.
pub const RUN_LOG_BYTES_KEPT: usize = 4 * 1024;

// The panel.

/// Chores on one page: what a person looks over, and few enough questions to the ledger.
pub const PANEL_CHORES_PER_PAGE: usize = 25;

/// Cycles of one chore on the page of all chores; the others are on its own.
pub const PANEL_CYCLES_PER_CHORE: usize = 4;

/// Cycles on one page of a chore.
pub const PANEL_CYCLES_PER_PAGE: usize = 20;

/// Problems that are listed; beyond, they are counted.
pub const PANEL_PROBLEMS: usize = 12;

/// Runs and skips of each cycle in the picture of the last hour.
pub const PANEL_LANE_ENTRIES: u32 = 60;

/// Bars of the small picture of a cycle's durations.
pub const PANEL_SPARKLINE_RUNS: usize = 24;

/// Bars of the large ones.
pub const PANEL_PLOT_RUNS: u32 = 100;

/// Columns that they have at least, so that a first run is no wall.
pub const PANEL_PLOT_RUNS_MIN: usize = 40;

/// Runs whose last lines are shown together.
pub const PANEL_LOG_RUNS: usize = 8;

/// Rows of one page of history.
pub const PANEL_HISTORY_ENTRIES: u32 = 50;

/// Lines of what was done.
pub const PANEL_EVENTS: u32 = 20;
// The doctor.

/// What must be free on the disk of a home: less does not last for a commit of each database.
pub const DOCTOR_BYTES_FREE_MIN: u64 = 100 * MIB as u64;

/// What should be free: room for copies of components, compiled code and some days of orders.
pub const DOCTOR_BYTES_FREE_LOW: u64 = 1024 * MIB as u64;

/// As part of the disk, in percent: below, file systems become slow.
pub const DOCTOR_FREE_PERCENT_LOW: u64 = 5;

/// Files that must still fit: each chore brings a database with its log, copies and compiled code.
pub const DOCTOR_INODES_FREE_MIN: u64 = 1_000;

/// How long the clock is watched, and how far it may move meanwhile against the steady one: one that
/// is slewed moves by some hundred microseconds.
pub const DOCTOR_CLOCK_WATCHED: Duration = Duration::from_millis(200);
pub const DOCTOR_CLOCK_JUMP_MAX: Duration = Duration::from_millis(100);

/// How long one database is looked at; some 500 MB.
pub const DOCTOR_DATABASE_MAX: Duration = Duration::from_secs(5);

/// Files that a peer without a connection has open, with some room.
pub const DOCTOR_FILES_MIN: u64 = 256;

/// Memory without which a peer does not start, and with which it compiles no large component.
pub const DOCTOR_MEMORY_MIN: u64 = 64 * MIB as u64;
pub const DOCTOR_MEMORY_LOW: u64 = 256 * MIB as u64;

// What follows a peer in a terminal.

/// How often a table may be drawn anew, at most: a person sees no more.
pub const TOP_EVERY_MIN: Duration = Duration::from_millis(100);

/// Runs that `chore logs -f` knows to have told: ten times what it asks the ledger for at once.
pub const LOGS_RUNS_REMEMBERED: usize = 10_000;

/// How often a peer that is gone is looked for.
pub const LOGS_RECONNECT_EVERY: Duration = Duration::from_secs(1);
