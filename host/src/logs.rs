//! The log's levels while the peer runs: one for the peer, and one for each chore. It knows no
//! terminal: whoever prints the log hands in how its level is changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

use crate::clock::Timestamp;
use crate::config::LogLevel;
use crate::database::lock;
use crate::log_gate::{Gate, Kind, Verdict, Wish};
use crate::name::ChoreName;

/// Changes the level of what this process prints of its peer; `None`: as at its start.
pub type Change = Box<dyn Fn(Option<LogLevel>) + Send + Sync>;

/// A process has one log, whatever peers are in it: its level at the start, and how to change it.
static PRINTED: OnceLock<(LogLevel, Change)> = OnceLock::new();

/// Tells of the log of this process. Only the first is heard, as with the log itself.
pub fn printed(level: LogLevel, change: Change) {
    let _ = PRINTED.set((level, change));
}

/// The levels of one peer. Clones share them.
#[derive(Clone)]
pub struct Logs(Arc<Inner>);

struct Inner {
    configured: LogLevel,
    /// Of the peer, while it runs.
    wish: Mutex<Option<Wish>>,
    /// Ends the peer's wish.
    ending: Mutex<Option<AbortOnDropHandle<()>>>,
    gates: Mutex<HashMap<ChoreName, Arc<Mutex<Gate>>>>,
}

impl Logs {
    /// `configured` is the level of the peer, and of every chore that has none of its own; unless
    /// this process prints its log with another.
    pub fn new(configured: LogLevel) -> Logs {
        let configured = PRINTED.get().map_or(configured, |(level, _)| *level);
        Logs(Arc::new(Inner {
            configured,
            wish: Mutex::default(),
            ending: Mutex::default(),
            gates: Mutex::default(),
        }))
    }

    /// The lines of one chore, whose config may say a level. It keeps what was asked for over its
    /// versions.
    pub fn of(&self, chore: &ChoreName, configured: Option<LogLevel>) -> ChoreLog {
        let gate = lock(&self.0.gates).entry(chore.clone()).or_default().clone();
        ChoreLog { logs: self.clone(), chore: chore.clone(), configured, gate }
    }

    /// Another level for one chore until the peer ends, or until then; `None`: its config's again.
    pub fn change(&self, chore: &ChoreName, wish: Option<Wish>) {
        let gate = lock(&self.0.gates).entry(chore.clone()).or_default().clone();
        lock(&gate).ask(wish);
    }

    /// The same for the peer, and for the chores that have no level of their own. Must be called
    /// within a tokio runtime.
    pub fn change_peer(&self, wish: Option<Wish>) {
        // Before all else, so that it does not end this one.
        *lock(&self.0.ending) = None;
        *lock(&self.0.wish) = wish;
        print(wish.map(|wish| wish.level));
        let Some(until) = wish.and_then(|wish| wish.until) else { return };
        let left = until.since(Timestamp::now());
        let ending = tokio::spawn(async move {
            tokio::time::sleep(left).await;
            print(None);
        });
        *lock(&self.0.ending) = Some(AbortOnDropHandle::new(ending));
    }

    fn peer(&self, now: Timestamp) -> LogLevel {
        lock(&self.0.wish).and_then(|wish| wish.at(now)).unwrap_or(self.0.configured)
    }
}

fn print(level: Option<LogLevel>) {
    if let Some((_, change)) = PRINTED.get() {
        change(level);
    }
}

/// The lines of one version of one chore. Clones share them.
#[derive(Clone)]
pub struct ChoreLog {
    logs: Logs,
    chore: ChoreName,
    configured: Option<LogLevel>,
    gate: Arc<Mutex<Gate>>,
}

impl ChoreLog {
    /// Whether a line of this level would be written.
    pub fn enabled(&self, level: LogLevel) -> bool {
        let now = Timestamp::now();
        level <= lock(&self.gate).level(self.configured_at(now), now)
    }

    /// Whether to write this line. What was dropped before is said first.
    pub fn pass(&self, kind: Kind, level: LogLevel) -> bool {
        let now = Timestamp::now();
        let verdict = lock(&self.gate).pass(kind, level, self.configured_at(now), now);
        match verdict {
            Verdict::Write { dropped } => {
                self.say(dropped);
                true
            }
            Verdict::Quiet | Verdict::Dropped => false,
        }
    }

    /// Says how many lines were dropped, if it is time.
    pub fn tell_dropped(&self) {
        let dropped = lock(&self.gate).tell(Timestamp::now());
        self.say(dropped);
    }

    fn say(&self, dropped: u64) {
        if dropped > 0 {
            warn!(chore = %self.chore, dropped, "there were too many log lines: some were dropped");
        }
    }

    fn configured_at(&self, now: Timestamp) -> LogLevel {
        self.configured.unwrap_or_else(|| self.logs.peer(now))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn whose_level_counts() {
        let (chatty, other) = (ChoreName::new("chatty").unwrap(), ChoreName::new("other").unwrap());
        let logs = Logs::new(LogLevel::Info);
        let (own, peers) = (logs.of(&chatty, Some(LogLevel::Warn)), logs.of(&other, None));
        assert!(!own.enabled(LogLevel::Info) && peers.enabled(LogLevel::Info));
        logs.change(&chatty, Some(Wish { level: LogLevel::Trace, until: None }));
        assert!(own.enabled(LogLevel::Trace) && !peers.enabled(LogLevel::Debug));
        // The next version of it, too.
        assert!(logs.of(&chatty, None).enabled(LogLevel::Trace));
        logs.change(&chatty, None);
        logs.change_peer(Some(Wish { level: LogLevel::Debug, until: None }));
        assert!(!own.enabled(LogLevel::Info) && peers.enabled(LogLevel::Debug));
        let past = Timestamp::now().minus(Duration::from_secs(1));
        logs.change_peer(Some(Wish { level: LogLevel::Debug, until: Some(past) }));
        assert!(peers.enabled(LogLevel::Info) && !peers.enabled(LogLevel::Debug));
    }
}
