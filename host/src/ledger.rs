//! The ledger: every run of every cycle ends in one row, every slot without a run in another, and
//! what people did in a third. It knows no chore and no wasm, only their names.
//!
//! Telling it something never waits. A task of its own writes down what was told, all of it in one
//! commit, at most [`LEDGER_WRITE_EVERY`] later, or [`LEDGER_WRITE_EVERY_BUSY`] when much is told;
//! [`Ledger::written`] waits for that. What is written survives the end of the process at any point.
//! A power cut may take the last second with it: syncing each commit would cost more than the runs
//! that it is about. A row that says "running" when the file is opened belongs to a run that its peer
//! did not survive, and becomes "interrupted".

mod read;
mod rows;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use crate::clock::Timestamp;
use crate::cycle::Skipped;
use crate::database::{self, Database, Sync, lock};
use crate::error::chain;
use crate::limits::{
    LEDGER_BUSY_NEWS, LEDGER_UNWRITTEN_MAX, LEDGER_WRITE_EVERY, LEDGER_WRITE_EVERY_BUSY,
};
use crate::record::{Around, EventRecord, Page, Query, RunRecord, SkipRecord, Usage};
use crate::status::Outcome;

/// How many schemas its file has had: that of a file of the newest.
pub const SCHEMA: usize = rows::MIGRATIONS.len();

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// What is older goes.
    pub age: Duration,
    /// Runs of each cycle, and as many skips; older ones go, once there are a tenth more.
    pub rows: u64,
}

/// What runs: the same for all runs of one file.
#[derive(Debug)]
pub struct Build {
    pub chore: String,
    pub version: String,
    /// SHA-256 of the component, hexadecimal.
    pub digest: String,
}

/// A run that begins: what [`RunRecord`] has of it.
#[derive(Debug)]
pub struct Began {
    pub run: u64,
    pub build: Arc<Build>,
    pub generation: u64,
    pub cycle: String,
    pub iteration: u64,
    pub reason: &'static str,
    pub by: String,
    pub due: Timestamp,
    pub slot: Option<Timestamp>,
    pub started: Timestamp,
}

impl Began {
    /// With its end, if it has one.
    pub fn record(&self, ended: Option<&Ended>) -> RunRecord {
        let Build { chore, version, digest } = &*self.build;
        RunRecord {
            run: self.run,
            chore: chore.clone(),
            cycle: self.cycle.clone(),
            version: version.clone(),
            digest: digest.clone(),
            generation: self.generation,
            iteration: self.iteration,
            reason: self.reason.to_owned(),
            by: self.by.clone(),
            due: self.due,
            slot: self.slot,
            started: self.started,
            elapsed: ended.map(|ended| ended.elapsed),
            outcome: ended.map(|ended| ended.outcome.clone()),
            usage: ended.map(|ended| ended.usage).unwrap_or_default(),
            log: ended.map(|ended| ended.log.clone()).unwrap_or_default(),
            log_lines: ended.map_or(0, |ended| ended.log_lines),
            backtrace: ended.map(|ended| ended.backtrace.clone()).unwrap_or_default(),
        }
    }
}

/// How a run ended.
pub struct Ended {
    pub elapsed: Duration,
    pub outcome: Outcome,
    pub usage: Usage,
    pub log: Vec<String>,
    pub log_lines: u64,
    pub backtrace: Vec<String>,
}

/// The ledger of one peer. Clones share it.
#[derive(Clone)]
pub struct Ledger(Option<Arc<Inner>>);

struct Inner {
    database: Database,
    /// What became of a damaged file.
    began_anew: Option<String>,
    next_run: AtomicU64,
    told: Mutex<Told>,
    /// Something was told.
    news: Notify,
    /// Somebody waits for it to be written.
    hurry: Notify,
    written: watch::Sender<u64>,
    closing: CancellationToken,
    writer: Mutex<Option<AbortOnDropHandle<()>>>,
}

/// What was told and is not written yet.
#[derive(Default)]
struct Told {
    news: Vec<News>,
    /// All that was ever told.
    count: u64,
    lost: u64,
    /// Since the file was opened.
    counts: Counted,
}

/// What became of what was told since the file was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    pub written: u64,
    pub lost: u64,
    pub waiting: u64,
}

enum News {
    Began(Arc<Began>),
    Ended(u64, Arc<Ended>),
    Skipped(SkipRecord),
    Event(EventRecord),
}

impl Ledger {
    /// Opens the file, or creates it in a directory that must exist. A damaged one is set aside, and
    /// a new one begun: what it has is nothing that the peer's work depends on.
    pub async fn open(path: &Path, keep: Keep) -> Result<Ledger, database::Error> {
        let damaged = match Ledger::open_whole(path, keep, None).await {
            Err(damaged @ database::Error::Damaged { .. }) => damaged,
            other => return other,
        };
        let Ok(kept) = database::set_aside(path, Timestamp::now()) else { return Err(damaged) };
        let kept = kept.display();
        let began_anew = format!(
            "the ledger was damaged: the peer has begun a new one, and keeps the old one as {kept}"
        );
        warn!("{began_anew}");
        Ledger::open_whole(path, keep, Some(began_anew)).await
    }

    async fn open_whole(
        path: &Path,
        keep: Keep,
        began_anew: Option<String>,
    ) -> Result<Ledger, database::Error> {
        let database = Database::open_synced(path, rows::MIGRATIONS, Sync::Process).await?;
        let begun = database.write(rows::begin).await;
        let last = match begun {
            Ok(last) => last,
            Err(err) => {
                // Why it is not opened is the better answer than how it closed.
                let _ = database.close().await;
                return Err(err);
            }
        };
        let inner = Arc::new(Inner {
            database,
            began_anew,
            next_run: AtomicU64::new(last + 1),
            told: Mutex::default(),
            news: Notify::new(),
            hurry: Notify::new(),
            written: watch::channel(0).0,
            closing: CancellationToken::new(),
            writer: Mutex::default(),
        });
        let writer = tokio::spawn(write(inner.clone(), Arc::default(), keep));
        *lock(&inner.writer) = Some(AbortOnDropHandle::new(writer));
        Ok(Ledger(Some(inner)))
    }

    /// One that writes nothing down.
    pub fn off() -> Ledger {
        Ledger(None)
    }

    /// Counts the runs of this peer.
    pub fn next_run(&self) -> u64 {
        self.0.as_ref().map_or(0, |inner| inner.next_run.fetch_add(1, Ordering::Relaxed))
    }

    pub fn began(&self, run: Arc<Began>) {
        self.tell(News::Began(run));
    }

    pub fn ended(&self, run: u64, ended: Arc<Ended>) {
        self.tell(News::Ended(run, ended));
    }

    pub fn skipped(&self, chore: &str, cycle: &str, skipped: Skipped) {
        self.tell(News::Skipped(SkipRecord::of(chore, cycle, skipped)));
    }

    pub fn event(&self, event: EventRecord) {
        self.tell(News::Event(event));
    }

    fn tell(&self, news: News) {
        let Some(inner) = &self.0 else { return };
        let mut told = lock(&inner.told);
        told.count += 1;
        if told.news.len() >= LEDGER_UNWRITTEN_MAX {
            told.lost += 1;
            told.counts.lost += 1;
            return;
        }
        told.news.push(news);
        let first = told.news.len() == 1;
        drop(told);
        if first {
            inner.news.notify_one();
        }
    }

    pub fn counts(&self) -> Counted {
        let Some(inner) = &self.0 else { return Counted::default() };
        let told = lock(&inner.told);
        Counted { waiting: told.news.len() as u64, ..told.counts }
    }

    /// As [`Database::fault`]. One that was damaged when it was opened is named until the peer ends.
    pub fn fault(&self) -> Option<String> {
        let inner = self.0.as_ref()?;
        inner.database.fault().or_else(|| inner.began_anew.clone())
    }

    pub fn usage(&self) -> Option<database::Usage> {
        Some(self.0.as_ref()?.database.usage())
    }

    /// Returns when all that was told before is written down, or could not be.
    pub async fn written(&self) {
        let Some(inner) = &self.0 else { return };
        let count = lock(&inner.told).count;
        let mut written = inner.written.subscribe();
        if *written.borrow() < count {
            inner.hurry.notify_one();
        }
        // Who writes has gone when the ledger is closed.
        let _ = written.wait_for(|written| *written >= count).await;
    }

    /// The newest entries first.
    pub async fn entries(&self, query: Query) -> Result<Page, database::Error> {
        let Some(inner) = &self.0 else { return Ok(Page::default()) };
        self.written().await;
        inner.database.read(move |connection| read::entries(connection, &query)).await
    }

    pub async fn run(&self, run: u64) -> Result<Option<RunRecord>, database::Error> {
        let Some(inner) = &self.0 else { return Ok(None) };
        self.written().await;
        inner.database.read(move |connection| read::run(connection, run)).await
    }

    /// What is known of one moment of a cycle.
    pub async fn around(
        &self,
        chore: &str,
        cycle: &str,
        at: Timestamp,
    ) -> Result<Around, database::Error> {
        let Some(inner) = &self.0 else { return Ok(Around::default()) };
        self.written().await;
        let (chore, cycle) = (chore.to_owned(), cycle.to_owned());
        inner.database.read(move |connection| read::around(connection, &chore, &cycle, at)).await
    }

    /// Writes down what was told and closes the file.
    pub async fn close(&self) -> Result<(), database::Error> {
        let Some(inner) = &self.0 else { return Ok(()) };
        inner.closing.cancel();
        let writer = lock(&inner.writer).take();
        if let Some(writer) = writer {
            // Each of its waits has an end; that it failed is in the log.
            let _ = writer.await;
        }
        inner.database.close().await
    }
}

/// What is in the file; `None` if that is not known.
type Known = Arc<Mutex<Option<rows::Known>>>;

async fn write(inner: Arc<Inner>, known: Known, keep: Keep) {
    let mut every = LEDGER_WRITE_EVERY;
    loop {
        let closing = tokio::select! {
            () = inner.news.notified() => false,
            () = inner.closing.cancelled() => true,
        };
        if !closing {
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = inner.hurry.notified() => {}
                () = inner.closing.cancelled() => {}
            }
        }
        let told = write_news(&inner, &known, keep).await;
        every = if told > LEDGER_BUSY_NEWS { LEDGER_WRITE_EVERY_BUSY } else { LEDGER_WRITE_EVERY };
        if closing {
            return;
        }
    }
}

/// How much was told.
async fn write_news(inner: &Inner, known: &Known, keep: Keep) -> usize {
    let (news, count, lost) = {
        let mut told: MutexGuard<'_, Told> = lock(&inner.told);
        (std::mem::take(&mut told.news), told.count, std::mem::take(&mut told.lost))
    };
    if lost > 0 {
        warn!(lost, "the ledger lost what it could not write in time");
    }
    let rows = news.len();
    if rows > 0 {
        let of_file = known.clone();
        let now = Timestamp::now();
        let write = move |connection: &Connection| {
            rows::write(connection, &news, &mut lock(&of_file), keep, now)
        };
        let written = inner.database.write(write).await;
        let mut told = lock(&inner.told);
        match written {
            Ok(()) => told.counts.written += rows as u64,
            Err(err) => {
                *lock(known) = None;
                told.counts.lost += rows as u64;
                warn!(rows, "the ledger could not be written: {}", chain(&err));
            }
        }
    }
    inner.written.send_replace(count);
    rows
}
