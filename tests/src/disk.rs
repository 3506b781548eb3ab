//! A disk under the databases of a test: it remembers every write, so that a power cut can be made of
//! it afterwards at any point, and fails when a test wants it to.
//!
//! It stands below SQLite, in the process of the test, and only sees files below a watched folder.

mod cut;
mod vfs;

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::ffi;

pub use cut::{Cut, Files};

/// What a disk does not do any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is written: there is no room.
    Full,
    /// Nothing is written: the device says so.
    NotWritten,
    /// What is written is not known to be durable.
    NotSynced,
}

impl Fault {
    /// As SQLite's own VFS would say it, if it hits such a call.
    fn code(self, wish: Wish) -> Option<c_int> {
        match (self, wish) {
            (Fault::Full, Wish::Write) => Some(ffi::SQLITE_FULL),
            (Fault::NotWritten, Wish::Write) => Some(ffi::SQLITE_IOERR_WRITE),
            (Fault::NotSynced, Wish::Sync) => Some(ffi::SQLITE_IOERR_FSYNC),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Open,
    Write,
    Sync,
}

/// What was done to a file.
#[derive(Clone)]
enum Did {
    Open,
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
    Sync,
    Delete { durable: bool },
}

/// What was done, in order, since it was begun.
struct Recording {
    base: Files,
    done: Vec<(PathBuf, Did)>,
}

#[derive(Default)]
struct Watched {
    recording: Option<Recording>,
    /// By the end of a path, such as "orders.db".
    faults: Vec<(String, Fault)>,
}

static WATCHED: Mutex<BTreeMap<PathBuf, Watched>> = Mutex::new(BTreeMap::new());

fn watched() -> MutexGuard<'static, BTreeMap<PathBuf, Watched>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder whose databases are watched until this is dropped. Clones are the same.
#[derive(Clone)]
pub struct Disk(Arc<Root>);

struct Root(PathBuf);

impl Disk {
    /// Before anything below `folder` is opened.
    pub fn of(folder: &Path) -> Disk {
        vfs::install();
        let root = folder.canonicalize().expect("a folder");
        watched().insert(root.clone(), Watched::default());
        Disk(Arc::new(Root(root)))
    }

    /// Remembers what is written from here on. What is in the files now is taken for durable, so
    /// nobody may have them open.
    pub fn record(&self) {
        let base = Files::of(&self.0.0);
        self.change(|watched| watched.recording = Some(Recording { base, done: Vec::new() }));
    }

    /// How much was done since [`Disk::record`]: a point to cut the power at.
    pub fn now(&self) -> usize {
        self.change(|watched| watched.recording.as_ref().map_or(0, |it| it.done.len()))
    }

    /// What would be on the disk.
    pub fn after(&self, cut: &mut Cut) -> Files {
        let recording = self.change(|watched| watched.recording.take());
        let recording = recording.expect("a recording");
        let files = cut.files(&recording.base, &recording.done);
        self.change(|watched| watched.recording = Some(recording));
        files
    }

    /// Files whose path goes on with `file` (`-wal` and such too) fail from here on.
    pub fn fails(&self, file: &str, fault: Fault) {
        self.change(|watched| watched.faults.push((file.to_owned(), fault)));
    }

    /// No file fails from here on.
    pub fn works(&self) {
        self.change(|watched| watched.faults.clear());
    }

    fn change<T>(&self, change: impl FnOnce(&mut Watched) -> T) -> T {
        change(watched().entry(self.0.0.clone()).or_default())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        watched().remove(&self.0);
    }
}

fn is_watched(path: &Path) -> bool {
    watched().keys().any(|root| path.starts_with(root))
}

/// The error that a file is to answer such a call with.
fn fault(watched: &Watched, path: &Path, wish: Wish) -> Option<c_int> {
    let name = path.to_string_lossy();
    let hit = |(file, fault): &(String, Fault)| match name.contains(file.as_str()) {
        true => fault.code(wish),
        false => None,
    };
    watched.faults.iter().find_map(hit)
}

/// Does something real to a file, unless it is to fail, and writes down that it is done: nothing else
/// is done to a watched file meanwhile, so that the order is the real one.
fn act(
    path: &Path,
    wish: Wish,
    real: &mut dyn FnMut() -> c_int,
    did: impl FnOnce() -> Did,
) -> c_int {
    let mut all = watched();
    let Some((_, watched)) = all.iter_mut().find(|(root, _)| path.starts_with(root)) else {
        return real();
    };
    if let Some(code) = fault(watched, path, wish) {
        return code;
    }
    // What is durable is made up afterwards, and waiting for the real disk proves nothing more.
    let code = match watched.recording {
        Some(_) if wish == Wish::Sync => ffi::SQLITE_OK,
        _ => real(),
    };
    if code == ffi::SQLITE_OK
        && let Some(recording) = &mut watched.recording
    {
        recording.done.push((path.to_owned(), did()));
    }
    code
}

/// Whether a file is a database, or belongs to one. The index in shared memory does not outlive its
/// users, and so is none.
fn is_of_database(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.is_some_and(|name| [".db", ".db-wal", ".db-journal"].iter().any(|end| name.ends_with(end)))
}

/// Databases and what belongs to them below a folder, also what [`is_of_database`] leaves out.
fn found(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found(&path, into);
        } else if is_of_database(&path) || path.to_string_lossy().ends_with(".db-shm") {
            into.push(path);
        }
    }
}
