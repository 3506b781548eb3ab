//! What tells one state of a file from another without reading it, and how far that can be trusted.
//! It is told the time.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::limits::{FOLDER_SETTLE, FOLDER_STAMP_AGE_MIN};

/// Of the file itself, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// When its bytes last changed, which anybody can set.
    pub modified: Timestamp,
    /// When its bytes, name, links, owner or `modified` last changed, which only the clock sets.
    pub changed: Timestamp,
}

impl Stamp {
    pub fn of(file: &Metadata) -> Stamp {
        let time = |seconds: i64, nanos: i64| {
            Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
        };
        Stamp {
            device: file.dev(),
            inode: file.ino(),
            size: file.len(),
            modified: time(file.mtime(), file.mtime_nsec()),
            changed: time(file.ctime(), file.ctime_nsec()),
        }
    }

    /// For how long it has been the same: by the wall clock, or since it was first seen if that is
    /// longer. A clock that was set back must not stall a file.
    fn age(&self, now: Timestamp, seen_for: Duration) -> Duration {
        now.since(self.changed).max(seen_for)
    }
}

/// Whether the file counts. If not, the error is how long it must rest yet.
///
/// A last change that was no write, such as a rename or the times that a copy sets when it is
/// complete, says that whoever made the file is done with it.
pub(super) fn settled(stamp: &Stamp, now: Timestamp, seen_for: Duration) -> Result<(), Duration> {
    let wait = FOLDER_SETTLE.saturating_sub(stamp.age(now, seen_for));
    if stamp.changed != stamp.modified || wait.is_zero() { Ok(()) } else { Err(wait) }
}

/// Whether any later version of the file has another stamp: file systems count time in steps, and
/// two changes within one step look alike.
pub(super) fn tells(stamp: &Stamp, now: Timestamp, seen_for: Duration) -> bool {
    stamp.age(now, seen_for) >= FOLDER_STAMP_AGE_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_when_it_rests_or_was_no_write() {
        let ms = Duration::from_millis;
        let now = Timestamp::from_nanos(1_700_000_000_000_000_000);
        // Changed and modified before now, in ms, and seen for so long.
        for (why, changed, modified, seen_for, waits, tells_apart) in [
            ("just written", 0, 0, 0, 200, false),
            ("written, and rests", 150, 150, 0, 50, false),
            ("written long enough ago", 200, 200, 0, 0, false),
            ("written two seconds ago", 2_000, 2_000, 0, 0, true),
            ("written a year ago", 31_536_000_000, 31_536_000_000, 0, 0, true),
            ("renamed just now", 0, 3, 0, 0, false),
            ("its times set by a copy", 0, 86_400_000, 0, 0, false),
            ("its times set to the future", 0, -86_400_000, 0, 0, false),
            ("renamed long ago", 2_000, 2_003, 0, 0, true),
            ("the clock was set back, first seen", -3_600_000, -3_600_000, 0, 200, false),
            ("the clock was set back, seen a while", -3_600_000, -3_600_000, 150, 50, false),
            ("the clock was set back, rests", -3_600_000, -3_600_000, 200, 0, false),
            ("the clock was set back, rests longer", -3_600_000, -3_600_000, 2_000, 0, true),
            ("the clock runs slower than ours", 10, 10, 250, 0, false),
        ] {
            let at = |ms: i64| Timestamp::from_nanos(now.as_nanos() - ms * 1_000_000);
            let (changed, modified) = (at(changed), at(modified));
            let stamp = Stamp { device: 1, inode: 2, size: 3, modified, changed };
            let wait = settled(&stamp, now, ms(seen_for)).err().unwrap_or_default();
            assert_eq!(wait, ms(waits), "{why}");
            assert_eq!(tells(&stamp, now, ms(seen_for)), tells_apart, "{why}");
        }
    }
}
