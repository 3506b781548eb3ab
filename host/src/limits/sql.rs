//! What the database of a chore may take.

use std::time::Duration;

use super::{DATABASE_READERS_MAX, MIB};

/// Largest database file of one chore, in bytes: a chore must not fill the operator's disk.
pub const SQL_DATABASE_BYTES_MAX: usize = 1024 * MIB;
pub const SQL_DATABASE_BYTES_CEILING: usize = 16 * 1024 * MIB;

/// Longest a single SQL statement of a chore may run: it holds the one writer, or one of four
/// readers, and a core.
pub const SQL_STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
pub const SQL_STATEMENT_TIMEOUT_CEILING: Duration = Duration::from_secs(10 * 60);

/// With less free the disk is what was full, in bytes: a few of SQLite's pages, and room for others.
pub const DISK_BYTES_FREE_MIN: u64 = 4 * MIB as u64;

/// Largest write-ahead log of a chore's database with which a statement that writes begins, in
/// bytes: an open stream or transaction keeps the log from being written back.
pub const SQL_LOG_BYTES_MAX: u64 = 256 * MIB as u64;

/// Largest text, blob or stored row, in bytes. Some functions, such as `instr`, take quadratic time
/// and cannot be interrupted: with a megabyte that is seconds.
pub const SQL_VALUE_BYTES_MAX: usize = MIB;

/// Longest SQL statement, in bytes. Data belongs in its parameters.
pub const SQL_STATEMENT_BYTES_MAX: usize = 256 * 1024;

/// Columns of a table or of a result: with the largest value in each, SQLite holds 100 MiB.
pub const SQL_COLUMNS_MAX: usize = 100;

/// Depth of an expression, a tenth of SQLite's own limit: each level takes stack.
pub const SQL_DEPTH_MAX: usize = 100;

/// Triggers that start each other.
pub const SQL_TRIGGER_DEPTH_MAX: usize = 32;

/// Instructions of one compiled statement, so that views of views do not take all memory: some
/// 6 MB.
pub const SQL_INSTRUCTIONS_MAX: usize = 250_000;

/// Tables, indexes, views and triggers of one database: each connection keeps them in memory.
pub const SQL_OBJECTS_MAX: usize = 1_000;

/// Longest pattern of LIKE and GLOB, in bytes: their time grows with pattern times text.
pub const SQL_PATTERN_BYTES_MAX: usize = 256;

/// Rows, and bytes in memory, that one query answers: a quarter of what one host call may copy.
pub const SQL_ROWS_MAX: usize = 10_000;
pub const SQL_BYTES_MAX: usize = 8 * MIB;

/// One row of a stream, in bytes in memory.
pub const SQL_ROW_BYTES_MAX: usize = 4 * MIB;

/// Rows that a stream reads ahead: with the largest rows 64 MiB.
pub const SQL_STREAM_ROWS_WAITING: usize = 16;

/// Longest that a stream waits until its next row is taken: it holds a reader and the log.
pub const SQL_STREAM_IDLE: Duration = Duration::from_secs(5 * 60);

/// Streams of one database at once: one reader stays free for queries.
pub const SQL_STREAMS_MAX: usize = DATABASE_READERS_MAX - 1;

/// How often a running statement looks whether its time is up, in instructions of SQLite's machine:
/// some 20 µs.
pub const SQL_INSTRUCTIONS_PER_LOOK: i32 = 1_000;
