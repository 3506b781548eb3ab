//! The watchdog: a thread of the operating system that looks at every cycle and at the async runtime
//! once a second, and says what is overdue. It uses nothing that it watches: no task, no timer of the
//! runtime, and no lock that it would have to wait for. What it makes of what it sees is `watch`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use crate::clock::Timestamp;
use crate::database::lock;
use crate::ledger::Ledger;
use crate::limits::{HEARTBEAT_EVERY, WATCHDOG_LOOK_EVERY};
use crate::meters::Meters;
use crate::record::EventRecord;
use crate::registry::Registry;
use crate::status::ChoreStatus;
use crate::watch::{Awaited, Look, News, Sights, Watch};

/// Who writes in the ledger.
const NAME: &str = "the watchdog";

/// How often a lock is tried in one look, and what lies between: those who hold one do so for
/// microseconds.
const TRIES: usize = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

/// What it found, for whoever looks.
#[derive(Default)]
pub(super) struct Findings(Mutex<Found>);

#[derive(Default)]
struct Found {
    overdue: BTreeMap<(String, String), Timestamp>,
    stalled: bool,
    stalls: u64,
}

impl Findings {
    /// Marks the cycles that are overdue.
    pub fn mark(&self, chores: &mut [ChoreStatus]) {
        let found = lock(&self.0);
        if found.overdue.is_empty() {
            return;
        }
        for chore in chores {
            for cycle in &mut chore.cycles {
                let key = (chore.name.clone(), cycle.name.clone());
                cycle.overdue = found.overdue.get(&key).copied();
            }
        }
    }

    /// Whether no task is carried out now, and how often that was so.
    pub fn stalls(&self) -> (bool, u64) {
        let found = lock(&self.0);
        (found.stalled, found.stalls)
    }
}

/// Watches until it is closed or dropped.
pub(super) struct Watchdog {
    /// Dropped to end the thread.
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _heartbeat: AbortOnDropHandle<()>,
}

impl Watchdog {
    /// Must be called within the runtime that is to be watched.
    pub fn start(
        registry: Registry,
        ledger: Ledger,
        meters: Meters,
        findings: Arc<Findings>,
    ) -> std::io::Result<Watchdog> {
        let beats = Arc::new(AtomicU64::new(0));
        let heartbeat = AbortOnDropHandle::new(tokio::spawn(beat(beats.clone())));
        let (stop, stopped) = mpsc::channel();
        let watcher =
            Watcher { registry, ledger, meters, findings, beats, watch: Watch::default() };
        let thread = std::thread::Builder::new().name("chore-watchdog".into());
        let thread = thread.spawn(move || watcher.run(&stopped))?;
        Ok(Watchdog { stop: Some(stop), thread: Some(thread), _heartbeat: heartbeat })
    }

    /// Returns when the thread has ended, which is at once.
    pub async fn close(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // That it panicked is in the log.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

async fn beat(beats: Arc<AtomicU64>) {
    loop {
        beats.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(HEARTBEAT_EVERY).await;
    }
}

struct Watcher {
    registry: Registry,
    ledger: Ledger,
    meters: Meters,
    findings: Arc<Findings>,
    beats: Arc<AtomicU64>,
    watch: Watch,
}

impl Watcher {
    fn run(mut self, stopped: &mpsc::Receiver<()>) {
        let mut last = Instant::now();
        while stopped.recv_timeout(WATCHDOG_LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            let elapsed = last.elapsed();
            last = Instant::now();
            let beats = self.beats.load(Ordering::Relaxed);
            let (now, sights) = (Timestamp::now(), self.sights());
            for news in self.watch.look(Look { elapsed, now, beats, sights }) {
                self.tell(news, now);
            }
            lock(&self.findings.0).overdue = self.watch.overdue();
        }
    }

    /// Waits for nobody: of what is locked all the time there is no sight.
    fn sights(&self) -> Option<Sights> {
        let mut sights = None;
        for _ in 0..TRIES {
            sights = self.registry.sights();
            let complete = |sights: &Sights| sights.values().all(Option::is_some);
            if sights.as_ref().is_some_and(complete) {
                break;
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        sights
    }

    fn tell(&self, news: News, now: Timestamp) {
        match news {
            News::Overdue { chore, cycle, awaited } => {
                let note = match awaited {
                    Awaited::Begin(due) => format!(
                        "a run is due since {due}, nothing is in its way, and it does not begin"
                    ),
                    Awaited::End(end) => format!(
                        "the run in progress should have ended at {end}, its grace included"
                    ),
                };
                warn!(chore, cycle, "overdue: {note}");
                self.meters.overdue(&chore, &cycle);
                self.write("overdue", now, chore, cycle, note);
            }
            News::NotOverdue { chore, cycle, awaited } => {
                let late = Duration::from_secs(now.since(awaited.at()).as_secs());
                let note = format!("it was for {}", humantime::format_duration(late));
                warn!(chore, cycle, "no longer overdue: {note}");
                self.write("no longer overdue", now, chore, cycle, note);
            }
            News::Stalled => {
                let note = "no task of the peer is carried out: something blocks all threads, or \
                            the machine has no time for them";
                warn!("stalled: {note}");
                let mut found = lock(&self.findings.0);
                (found.stalled, found.stalls) = (true, found.stalls.saturating_add(1));
                drop(found);
                self.write("stalled", now, String::new(), String::new(), note.to_owned());
            }
            News::NotStalled => {
                warn!("no longer stalled: tasks of the peer are carried out again");
                lock(&self.findings.0).stalled = false;
                let (chore, cycle) = (String::new(), String::new());
                self.write("no longer stalled", now, chore, cycle, String::new());
            }
        }
    }

    fn write(&self, what: &str, at: Timestamp, chore: String, cycle: String, note: String) {
        let (by, what) = (NAME.to_owned(), what.to_owned());
        self.ledger.event(EventRecord { at, by, what, chore, cycle, note });
    }
}
