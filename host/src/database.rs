//! One SQLite file that many tasks use at once: who writes, who reads, and when a write is durable.
//! It knows no table.
//!
//! One thread owns the only connection that writes, so "database is locked" cannot come from inside
//! the process. Jobs that wait together share one commit, each in a savepoint of its own: a job that
//! fails is undone alone, and nobody is answered before the commit is on disk. Readers have
//! connections of their own and, thanks to the write-ahead log, never wait for the writer.

mod file;
mod repair;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

pub(crate) use file::{Access, connect};
pub(crate) use repair::{ADVICE, Saved, save, set_aside};

use crate::blocking::{Unanswered, in_turn};
use crate::error::chain;
use crate::limits::{DATABASE_CLOSE_TIMEOUT, DATABASE_JOBS_WAITING, DATABASE_READERS_MAX};
use writer::{Job, Write, Writer};

/// Why a database did not do what it was asked. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("create database {path}: check that its directory exists and can be written to", path = .path.display())]
    Create {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("open database {path}", path = .path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("database {path} is damaged or no database: restore it from a copy, or {ADVICE}", path = .path.display())]
    Damaged {
        path: PathBuf,
        #[source]
        source: Arc<rusqlite::Error>,
    },
    #[error("open database {path}: its file system cannot hold a write-ahead log (the journal stays in mode {mode}): move it to a local disk", path = .path.display())]
    NoLog { path: PathBuf, mode: String },
    #[error("open database {path}: a newer version of this program wrote it (schema {found}, this one knows {known}): update this program", path = .path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error("open database {path} to read: an older version of this program wrote it (schema {found}, this one knows {known}): start the peer once, which brings it up to date", path = .path.display())]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("bring database {path} from schema {from} to the next", path = .path.display())]
    Migrate {
        path: PathBuf,
        from: i64,
        #[source]
        source: rusqlite::Error,
    },
    #[error("start the writer of database {path}", path = .path.display())]
    Thread {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("use database {path}", path = .path.display())]
    Use {
        path: PathBuf,
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// Nothing of the group is kept.
    #[error("commit to database {path}", path = .path.display())]
    Commit {
        path: PathBuf,
        #[source]
        source: Arc<rusqlite::Error>,
    },
    #[error("use database {path}: a job panicked, and what it did is undone", path = .path.display())]
    Panicked { path: PathBuf },
    #[error("write to database {path}: it was opened to read only", path = .path.display())]
    ReadOnly { path: PathBuf },
    #[error("use database {path}: it is closed", path = .path.display())]
    Closed { path: PathBuf },
    #[error("close database {path}: jobs are still under way after {timeout}", path = .path.display(), timeout = humantime::format_duration(DATABASE_CLOSE_TIMEOUT))]
    CloseTimedOut { path: PathBuf },
}

impl Error {
    /// What went wrong in a job, told apart by what the operator has to do.
    fn of_use(path: &Path, source: Arc<rusqlite::Error>) -> Error {
        let path = path.to_owned();
        match is_damage(&source) {
            true => Error::Damaged { path, source },
            false => Error::Use { path, source },
        }
    }
}

/// What a commit survives once it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// A power cut.
    Full,
    /// The end of the process at any point. A power cut may take the last commits, and leaves the
    /// file whole.
    Process,
}

/// An open database. Clones share it; when the last one goes, its thread finishes what waits, and
/// ends.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Idle connections of readers.
    readers: Mutex<Vec<Connection>>,
    reading: Arc<Semaphore>,
    writing: Mutex<Writing>,
    /// Disconnected when the writer's thread has ended.
    ended: Mutex<std::sync::mpsc::Receiver<()>>,
    work: Arc<Work>,
}

/// What the writer has done since the file was opened.
#[derive(Default)]
struct Work {
    commits: AtomicU64,
    /// Time in transactions, in nanoseconds.
    nanos: AtomicU64,
    /// What it failed to do last; `None` if it has worked since.
    fault: Mutex<Option<String>>,
    /// What was found to be damaged: that does not go away by itself.
    damage: OnceLock<String>,
}

impl Work {
    /// Remembers what only an operator can do something about.
    fn failed(&self, err: &Error) {
        match err {
            Error::Damaged { .. } => {
                self.damage.get_or_init(|| chain(err));
            }
            Error::Commit { source, .. } if is_damage(source) => {
                self.damage.get_or_init(|| format!("{}: {ADVICE}", chain(err)));
            }
            Error::Use { source, .. } | Error::Commit { source, .. } if is_of_disk(source) => {
                *lock(&self.fault) = Some(chain(err));
            }
            _ => {}
        }
    }

    fn worked(&self) {
        *lock(&self.fault) = None;
    }
}

fn is_damage(source: &rusqlite::Error) -> bool {
    let code = source.sqlite_error_code();
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Not the statement's fault.
fn is_of_disk(source: &rusqlite::Error) -> bool {
    matches!(
        source.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::NoLargeFileSupport
        )
    )
}

/// What an open database does, for whoever watches it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub commits: u64,
    /// Time that the writer worked and committed.
    pub writing: Duration,
    /// Jobs that wait for the writer.
    pub waiting: usize,
}

enum Writing {
    Open(mpsc::Sender<Box<dyn Job>>),
    ReadOnly,
    Closed,
}

impl Database {
    /// Opens the file, or creates it for its owner's eyes only, in a directory that must exist, and
    /// brings it to the newest schema: `migrations[n]` leads from schema n to n + 1.
    pub async fn open(path: &Path, migrations: &'static [&'static str]) -> Result<Database, Error> {
        Database::open_synced(path, migrations, Sync::Full).await
    }

    /// As [`Database::open`], for what need not be as durable.
    pub async fn open_synced(
        path: &Path,
        migrations: &'static [&'static str],
        sync: Sync,
    ) -> Result<Database, Error> {
        let path = path.to_owned();
        blocking(path.clone(), move || Database::open_now(path, migrations, sync)).await
    }

    fn open_now(path: PathBuf, migrations: &[&str], sync: Sync) -> Result<Database, Error> {
        let mut connection = connect(&path, Access::Write)?;
        file::tune(&path, &connection, sync)?;
        file::migrate(&path, &mut connection, migrations)?;
        let work = Arc::new(Work::default());
        let (jobs, waiting) = mpsc::channel(DATABASE_JOBS_WAITING);
        let writer = Writer::new(path.clone(), connection, waiting, work.clone())?;
        let ended = writer.start()?;
        Ok(Database::new(path, Writing::Open(jobs), ended, work))
    }

    /// Opens a file that this or another process may be writing to at the same time, and changes
    /// nothing. Its schema must be the newest, which is what the number of `migrations` says.
    pub async fn open_read_only(
        path: &Path,
        migrations: &'static [&'static str],
    ) -> Result<Database, Error> {
        let path = path.to_owned();
        let open = move |path: PathBuf| {
            let connection = connect(&path, Access::Read)?;
            file::check_schema(&path, &connection, migrations)?;
            let (_, ended) = std::sync::mpsc::channel();
            let database = Database::new(path, Writing::ReadOnly, ended, Arc::default());
            lock(&database.0.readers).push(connection);
            Ok(database)
        };
        blocking(path.clone(), move || open(path)).await
    }

    fn new(
        path: PathBuf,
        writing: Writing,
        ended: std::sync::mpsc::Receiver<()>,
        work: Arc<Work>,
    ) -> Database {
        Database(Arc::new(Inner {
            path,
            readers: Mutex::default(),
            reading: Arc::new(Semaphore::new(DATABASE_READERS_MAX)),
            writing: Mutex::new(writing),
            ended: Mutex::new(ended),
            work,
        }))
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Transactions committed since the file was opened: fewer than writes when they are grouped.
    pub fn commits(&self) -> u64 {
        self.0.work.commits.load(Ordering::Relaxed)
    }

    /// What does not work now, in one line; `None` if all does.
    pub fn fault(&self) -> Option<String> {
        self.0.work.damage.get().cloned().or_else(|| lock(&self.0.work.fault).clone())
    }

    pub fn usage(&self) -> Usage {
        let waiting = match &*lock(&self.0.writing) {
            Writing::Open(jobs) => jobs.max_capacity().saturating_sub(jobs.capacity()),
            Writing::ReadOnly | Writing::Closed => 0,
        };
        let writing = Duration::from_nanos(self.0.work.nanos.load(Ordering::Relaxed));
        Usage { commits: self.commits(), writing, waiting }
    }

    /// What `work` answers, once it is durable. If `work` fails or panics, what it did is undone. A
    /// write that is no longer waited for may happen all the same.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let path = || self.0.path.clone();
        let jobs = match &*lock(&self.0.writing) {
            Writing::Open(jobs) => jobs.clone(),
            Writing::ReadOnly => return Err(Error::ReadOnly { path: path() }),
            Writing::Closed => return Err(Error::Closed { path: path() }),
        };
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Write::new(work, answer));
        let sent = match jobs.try_send(job) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            // A task of its own, as in `in_turn`.
            Err(TrySendError::Full(job)) => {
                let jobs = jobs.clone();
                let send = async move { jobs.send(job).await.is_ok() };
                AbortOnDropHandle::new(tokio::spawn(send)).await.unwrap_or(false)
            }
        };
        // Whoever waits for an answer must not keep the thread from ending.
        drop(jobs);
        if !sent {
            return Err(Error::Closed { path: path() });
        }
        answered.await.map_err(|_| Error::Closed { path: path() })?
    }

    /// What `work` finds on a connection that sees everything that is durable. At most
    /// [`DATABASE_READERS_MAX`] read at once; others wait.
    pub async fn read<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        let read = move || {
            let idle = lock(&inner.readers).pop();
            let connection = match idle {
                Some(connection) => connection,
                None => connect(&inner.path, Access::Read)?,
            };
            let result = work(&connection);
            lock(&inner.readers).push(connection);
            result.map_err(|source| {
                let err = Error::of_use(&inner.path, Arc::new(source));
                inner.work.failed(&err);
                err
            })
        };
        let path = || self.0.path.clone();
        match in_turn(&self.0.reading, read).await {
            Ok(found) => found,
            Err(Unanswered::Panicked) => Err(Error::Panicked { path: path() }),
            Err(Unanswered::Closed) => Err(Error::Closed { path: path() }),
        }
    }

    /// Finishes what is under way and closes the file, its log written back into it. Later calls
    /// are refused. Fails if that takes longer than [`DATABASE_CLOSE_TIMEOUT`].
    pub async fn close(&self) -> Result<(), Error> {
        let path = || self.0.path.clone();
        let all = u32::try_from(DATABASE_READERS_MAX).unwrap_or(u32::MAX);
        let readers = self.0.reading.acquire_many(all);
        match tokio::time::timeout(DATABASE_CLOSE_TIMEOUT, readers).await {
            Ok(Ok(_)) => self.0.reading.close(),
            // Closed before.
            Ok(Err(_)) => {}
            Err(_) => return Err(Error::CloseTimedOut { path: path() }),
        }
        let inner = Arc::clone(&self.0);
        let end = move || {
            lock(&inner.readers).clear();
            *lock(&inner.writing) = Writing::Closed;
            match lock(&inner.ended).recv_timeout(DATABASE_CLOSE_TIMEOUT) {
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    Err(Error::CloseTimedOut { path: inner.path.clone() })
                }
                Ok(()) | Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Ok(()),
            }
        };
        blocking(path(), end).await
    }
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(err) if err.is_panic() => Err(Error::Panicked { path }),
        Err(_) => Err(Error::Closed { path }),
    }
}

/// What these mutexes guard is whole at every step, so a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
