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
