//! The thread that owns the connection that writes, and how its jobs share commits. It knows no
//! table and no task.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{Error, Work};
use crate::limits::GROUP_COMMIT_JOBS_MAX;

/// Work inside a group's transaction, answered when the group's fate is known.
pub(super) trait Job: Send {
    /// Whether what it did should stay.
    fn work(&mut self, connection: &Connection) -> bool;
    fn answer(self: Box<Self>, path: &Path, fate: Result<(), Arc<rusqlite::Error>>, work: &Work);
}

pub(super) struct Write<T, F> {
    step: Step<T, F>,
    answer: oneshot::Sender<Result<T, Error>>,
}

enum Step<T, F> {
    Waiting(F),
    Worked(rusqlite::Result<T>),
    /// Also what a job is while it works.
    Panicked,
}

impl<T, F> Write<T, F> {
    pub(super) fn new(work: F, answer: oneshot::Sender<Result<T, Error>>) -> Write<T, F> {
        Write { step: Step::Waiting(work), answer }
    }
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> rusqlite::Result<T> + Send,
{
    fn work(&mut self, connection: &Connection) -> bool {
        let Step::Waiting(work) = std::mem::replace(&mut self.step, Step::Panicked) else {
            return false;
        };
        // A panic must end one job, not the thread that everyone writes through. The savepoint
        // undoes what the job left half done.
        let Ok(result) = catch_unwind(AssertUnwindSafe(|| work(connection))) else {
            return false;
        };
        let keep = result.is_ok();
        self.step = Step::Worked(result);
        keep
    }

    fn answer(self: Box<Self>, path: &Path, fate: Result<(), Arc<rusqlite::Error>>, work: &Work) {
        let path = path.to_owned();
        let answer = match (self.step, fate) {
            (Step::Worked(Err(source)), _) => Err(Error::of_use(&path, Arc::new(source))),
            (Step::Panicked, _) => Err(Error::Panicked { path }),
            (_, Err(source)) => Err(Error::Commit { path, source }),
            (Step::Worked(Ok(value)), Ok(())) => Ok(value),
            // No group is committed with a job left undone.
            (Step::Waiting(_), Ok(())) => Err(Error::Closed { path }),
        };
        match &answer {
            Ok(_) => work.worked(),
            Err(err) => work.failed(err),
        }
        // Who asked may have gone; the work is done all the same.
        let _ = self.answer.send(answer);
    }
}

pub(super) struct Writer {
    path: PathBuf,
    connection: Connection,
    waiting: mpsc::Receiver<Box<dyn Job>>,
    work: Arc<Work>,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        waiting: mpsc::Receiver<Box<dyn Job>>,
        work: Arc<Work>,
    ) -> Result<Writer, Error> {
        let mut connection = connection;
        let counted = work.clone();
        let count = move || {
            counted.commits.fetch_add(1, Ordering::Relaxed);
            false
        };
        let hooked = connection.commit_hook(Some(count));
        hooked.map_err(|source| Error::Open { path: path.clone(), source })?;
        Ok(Writer { path, connection, waiting, work })
    }

    /// The receiver is disconnected when the thread has ended and the file is closed.
    pub(super) fn start(self) -> Result<std::sync::mpsc::Receiver<()>, Error> {
        let (ending, ended) = std::sync::mpsc::channel();
        let path = self.path.clone();
        let run = move || {
            self.run();
            drop::<std::sync::mpsc::Sender<()>>(ending);
        };
        let thread = std::thread::Builder::new().name("database".into()).spawn(run);
        thread.map(|_| ended).map_err(|source| Error::Thread { path, source })
    }

    /// Ends when everyone who could send has gone and all that waited is answered. Closing the last
    /// connection writes the log back into the file.
    fn run(mut self) {
        while let Some(first) = self.waiting.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP_COMMIT_JOBS_MAX
                && let Ok(job) = self.waiting.try_recv()
            {
                group.push(job);
            }
            let begun = Instant::now();
            let fate = commit(&mut self.connection, &mut group).map_err(Arc::new);
            let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.work.nanos.fetch_add(nanos, Ordering::Relaxed);
            for job in group {
                job.answer(&self.path, fate.clone(), &self.work);
            }
        }
        let Writer { path, connection, .. } = self;
        if let Err((_, err)) = connection.close() {
            let error = err.to_string();
            tracing::warn!(path = %path.display(), error, "closing a database failed");
        }
    }
}

/// Some failures, such as a full disk, make SQLite roll back the whole transaction and not only the
/// savepoint: then the group has failed, and nothing more may run outside a transaction.
fn commit(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        transaction.execute_batch("SAVEPOINT job")?;
        let keep = job.work(&transaction);
        if transaction.is_autocommit() {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
            let message = "another job's failure undid the whole group".to_owned();
            return Err(rusqlite::Error::SqliteFailure(code, Some(message)));
        }
        if !keep {
            transaction.execute_batch("ROLLBACK TO job")?;
        }
        transaction.execute_batch("RELEASE job")?;
    }
    transaction.commit()
}
