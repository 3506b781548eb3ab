//! Has the operating system tell of events in the chores directory. It knows no file in it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::limits::CHORES_FILES_MAX;
use crate::plan::is_ours;

/// From the thread that has the events to whoever waits for them.
#[derive(Default)]
pub(super) struct Signal {
    /// Look again.
    pub wake: Notify,
    /// The directory itself was removed or moved: the watch went with it.
    lost: AtomicBool,
    /// Files that were renamed since the last look, as far as events tell. Only a hint: without it
    /// a file counts when it rests.
    renamed: Mutex<BTreeSet<OsString>>,
}

impl Signal {
    pub fn take_renamed(&self) -> BTreeSet<OsString> {
        std::mem::take(&mut *self.renamed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_renamed(&self, path: &Path) {
        let Some(name) = path.file_name().filter(|name| is_ours(name)) else { return };
        let mut renamed = self.renamed.lock().unwrap_or_else(PoisonError::into_inner);
        if renamed.len() < CHORES_FILES_MAX {
            renamed.insert(name.to_owned());
        }
    }
}

pub(super) struct Watch {
    signal: Arc<Signal>,
    enabled: bool,
    watched: Option<Watched>,
    /// It could not be watched, and that was said.
    failed: bool,
}

struct Watched {
    /// Device and inode of the directory: another may stand in its place.
    identity: (u64, u64),
    _watcher: RecommendedWatcher,
}

impl Watch {
    pub fn new(signal: Arc<Signal>, enabled: bool) -> Watch {
        Watch { signal, enabled, watched: None, failed: false }
    }

    /// Watches what `directory` is now. To be called before each listing: what changes after the
    /// listing is then an event.
    pub fn follow(&mut self, directory: &Path) {
        if !self.enabled {
            return;
        }
        // Asked before it is watched: if another takes its place in between, the next look sees it.
        let identity = fs::metadata(directory).ok().map(|found| (found.dev(), found.ino()));
        // An inode's number is used again, so that it alone does not tell.
        let lost = self.signal.lost.swap(false, Ordering::AcqRel);
        let watched = self.watched.as_ref().map(|watched| watched.identity);
        if watched == identity && !lost {
            return;
        }
        self.watched = None;
        let Some(identity) = identity else { return };
        match watch(directory, self.signal.clone()) {
            Ok(watcher) => {
                self.watched = Some(Watched { identity, _watcher: watcher });
                if std::mem::take(&mut self.failed) {
                    info!(directory = %directory.display(), "chores directory watched again");
                }
            }
            Err(reason) if !self.failed => {
                self.failed = true;
                warn!(
                    directory = %directory.display(),
                    "chores directory cannot be watched, it is only scanned: {reason}"
                );
            }
            Err(_) => {}
        }
    }
}

fn watch(directory: &Path, signal: Arc<Signal>) -> Result<RecommendedWatcher, String> {
    let directory = std::path::absolute(directory).map_err(|err| err.to_string())?;
    let itself = directory.clone();
    let handler = move |event: notify::Result<Event>| {
        // An error may hide an event.
        let Ok(event) = event else { return signal.wake.notify_one() };
        if !matters(event.kind) {
            return;
        }
        let renamed = matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)));
        if (renamed || event.kind.is_remove()) && event.paths.contains(&itself) {
            signal.lost.store(true, Ordering::Release);
        }
        if renamed {
            event.paths.iter().for_each(|path| signal.note_renamed(path));
        }
        signal.wake.notify_one();
    };
    let begin = move || {
        let mut watcher = notify::recommended_watcher(handler)?;
        watcher.watch(&directory, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    };
    // The crate panics if the system has no thread left for it.
    let begun = catch_unwind(AssertUnwindSafe(begin));
    let begun = begun.map_err(|_| "no thread could be started".to_owned())?;
    begun.map_err(|err: notify::Error| err.to_string())
}

/// That a file was opened or read is not worth a look: we do it ourselves at each.
fn matters(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}
