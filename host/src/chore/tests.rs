//! What earlier versions of the program saved of chores is still read.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::history::History;

#[test]
fn what_earlier_versions_saved_is_read() {
    // As the program wrote them into peer.db while times and durations were numbers.
    let read: Remembered = serde_json::from_str(include_str!("tests/saved-schedule.json")).unwrap();
    assert_eq!(read.failed(), Some(true));
    let last = read.last.as_ref().unwrap();
    assert_eq!((last.run, last.elapsed), (17, Duration::from_nanos(1_303_514)));
    assert_eq!(last.usage.memory_bytes, 1_114_112);
    assert_eq!(read.saved.anchor, Timestamp::from_nanos(1_795_631_566_234_563_402));
    let again: Remembered = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
    assert_eq!((again.saved, again.last, again.pause), (read.saved, read.last, read.pause));

    let read: History = serde_json::from_str(include_str!("tests/saved-history.json")).unwrap();
    let since = read.quarantined.as_ref().unwrap().since;
    assert_eq!(since, Timestamp::from_nanos(1_764_096_000_000_000_001));
    assert_eq!(read.unloaded, Some(Timestamp::from_nanos(1_764_096_000_000_000_002)));
    let again: History = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
    assert_eq!(again, read);
}
