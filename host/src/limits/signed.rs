//! Limits of signatures of components, and of the keys that make them.

use std::time::Duration;

/// Largest signature file, in bytes: minisign writes at most 1 KiB of untrusted comment, 8 KiB of
/// trusted comment and 200 bytes of base64.
pub const MINISIG_BYTES_MAX: u64 = 10 * 1024;

/// Largest key file, in bytes: a comment of 1 KiB at most and 300 bytes of base64.
pub const KEY_FILE_BYTES_MAX: u64 = 2 * 1024;

/// Longest trusted comment that `chore sign` takes, in bytes: a line or a few, for people to read.
pub const TRUSTED_COMMENT_BYTES_MAX: usize = 1024;

/// How long a component that is not signed, or not by this signature, waits for the file that fits
/// before it is refused: a copy of two files takes less, and a person does not notice.
pub const SIGNATURE_WAIT: Duration = Duration::from_secs(1);
