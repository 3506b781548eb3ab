//! The chores directory: says when to look again, and lists what is there by digest. It decides
//! nothing: that is for `plan`.
//!
//! An event never says what happened, only that it is time to look, and a scan in regular intervals
//! would find the same. A file counts when it has stopped changing, and at once if it was renamed
//! into place: its times tell (`stamp`), or else the event, if there was one (`watch`). It is read once into memory and judged by its digest, so that two events for
//! the same bytes do nothing.

mod list;
mod read;
mod stamp;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::{Instant, sleep_until};

use crate::limits::{
    CHORES_FILES_MAX, FOLDER_BYTES_KEPT_MAX, FOLDER_DEBOUNCE, FOLDER_REST, FOLDER_RETRY,
};
use crate::plan::Found;

pub use read::{ReadError, Reader};

/// Why the chores directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "chores directory {} does not exist: create it, or name another as `directory` below \
         [chores] in chore.toml", .0.display()
    )]
    Missing(PathBuf),
    #[error("read chores directory {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "chores directory {} has more than {CHORES_FILES_MAX} entries: is it the right one?",
        .0.display()
    )]
    TooMany(PathBuf),
    #[error("the peer is closing")]
    Closed,
}

/// What was found at one look.
pub struct Listing {
    /// The files that are ours, in the order of their names.
    pub found: Vec<Found>,
    /// Some are still changing, or may come back: [`Folder::changed`] returns when that is over.
    pub settling: bool,
    bytes: BTreeMap<OsString, Arc<[u8]>>,
}

impl Listing {
    /// The bytes of a file that was read at this look. One that has not changed since an earlier
    /// look was not, and of very many bytes not all are kept: for those there is [`Reader`].
    pub fn take(&mut self, file: &OsStr) -> Option<Arc<[u8]>> {
        self.bytes.remove(file)
    }
}

/// The chores directory, watched.
pub struct Folder {
    directory: Arc<Path>,
    scan_every: Duration,
    signal: Arc<watch::Signal>,
    /// Shared with the thread that looks. One looks at a time.
    state: Arc<Mutex<State>>,
    /// When there was an event since the last look.
    event: Option<Instant>,
    /// `None` before the first look, and when the last one was given up.
    next: Option<Next>,
}

struct State {
    watch: watch::Watch,
    memory: list::Memory,
}

/// When to look again.
#[derive(Clone, Copy)]
struct Next {
    /// Without an event.
    at: Instant,
    /// With an event, not before this.
    events_at: Instant,
}

impl Folder {
    /// Begins to watch with the first look, so that nothing is missed in between. What cannot be
    /// watched is scanned only.
    pub fn open(directory: PathBuf, scan_every: Duration) -> Folder {
        Folder::build(directory, scan_every, true, FOLDER_BYTES_KEPT_MAX)
    }

    fn build(directory: PathBuf, scan_every: Duration, watched: bool, kept_max: u64) -> Folder {
        let signal = Arc::<watch::Signal>::default();
        let state = State {
            watch: watch::Watch::new(signal.clone(), watched),
            memory: list::Memory::new(kept_max),
        };
        Folder {
            directory: directory.into(),
            scan_every,
            signal,
            state: Arc::new(Mutex::new(state)),
            event: None,
            next: None,
        }
    }

    /// Reads files of this directory later.
    pub fn reader(&self) -> Reader {
        Reader::new(self.directory.clone())
    }

    /// What is there now.
    ///
    /// # Errors
    ///
    /// If the directory is missing or cannot be read, or has too many entries. It says nothing about
    /// the files then: they are not gone.
    pub async fn look(&mut self) -> Result<Listing, Error> {
        // What happens from here on is for the next look.
        self.event = None;
        self.next = None;
        let _ = self.signal.wake.notified().now_or_never();

        let begun = Instant::now();
        let (directory, state) = (self.directory.clone(), self.state.clone());
        // Before the listing: of what is renamed later there is another event.
        let renamed = self.signal.take_renamed();
        let looked = tokio::task::spawn_blocking(move || {
            // What a panic left is a memory of fewer files: they are read again.
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.watch.follow(&directory);
            state.memory.list(&directory, &renamed)
        });
        let looked = looked.await.map_err(|_| Error::Closed).flatten();
        let ended = Instant::now();

        let wait = match &looked {
            Ok((_, settles_in)) => settles_in.unwrap_or(self.scan_every),
            Err(_) => FOLDER_RETRY,
        };
        let events_at = ended + (ended - begun) * FOLDER_REST;
        self.next = Some(Next { at: ended + wait.min(self.scan_every), events_at });
        looked.map(|(listing, _)| listing)
    }

    /// Returns when there is a reason to look again: an event, a file that has settled by now, or the
    /// time for a scan; and until then at once. Loses nothing if it is dropped.
    pub async fn changed(&mut self) {
        let Some(next) = self.next else { return };
        if self.event.is_none() {
            tokio::select! {
                () = self.signal.wake.notified() => self.event = Some(Instant::now()),
                () = sleep_until(next.at) => return,
            }
        }
        let after = self.event.unwrap_or(next.at) + FOLDER_DEBOUNCE;
        sleep_until(after.max(next.events_at).min(next.at)).await;
    }
}
