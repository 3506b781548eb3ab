//! What happens in a peer, for whoever listens: runs, skips, changes, controls, lines of logs. It
//! keeps the last events in one ring and knows nobody who reads them.
//!
//! Telling never waits for a listener: one that is slow finds that the ring has moved on, and is
//! told how much it has lost. While nobody listens, nothing is kept, and telling costs one look.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::database::lock;
use crate::limits::{NEWS_KEPT, NEWS_LISTENER_RETURNS};
use crate::record::{EventRecord, LogLine, ProblemRecord, RunRecord, SkipRecord};
use crate::status::Change;

/// One thing that happened. In the API, the variant is the event's name and the rest its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "kebab-case")]
pub enum Event {
    /// A run began, if its outcome is "running", or has ended.
    Run(RunRecord),
    /// Slots that had no run.
    Skip(SkipRecord),
    /// A version was loaded, replaced, refused, ...
    Change(Change),
    /// Somebody did something.
    Control(EventRecord),
    Log(LogLine),
    Problem(ProblemRecord),
    /// The listener was too slow, or away for too long.
    Lagged(Lagged),
}

/// Events that a listener has not heard and will not hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lagged {
    /// How many; `None` if nobody knows, because the peer was restarted or nobody listened.
    pub lost: Option<u64>,
}

impl Event {
    /// Whose it is; empty if it is the peer's.
    pub fn chore(&self) -> &str {
        match self {
            Event::Run(run) => &run.chore,
            Event::Skip(skip) => &skip.chore,
            Event::Change(change) => &change.chore,
            Event::Control(control) => &control.chore,
            Event::Log(line) => &line.chore,
            Event::Problem(problem) => &problem.chore,
            Event::Lagged(_) => "",
        }
    }

    /// In one word.
    pub fn word(&self) -> &'static str {
        match self {
            Event::Run(_) => "run",
            Event::Skip(_) => "skip",
            Event::Change(_) => "change",
            Event::Control(_) => "control",
            Event::Log(_) => "log",
            Event::Problem(_) => "problem",
            Event::Lagged(_) => "lagged",
        }
    }
}

/// Which event it is: in which life of the peer, and how manieth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    life: i64,
    number: u64,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.life, self.number)
    }
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        let parse = || {
            let (life, number) = text.split_once('-')?;
            Some(Id { life: life.parse().ok()?, number: number.parse().ok()? })
        };
        parse().ok_or_else(|| format!("{} is no event's id", crate::name::quote(text)))
    }
}

/// The news of one peer. Clones share them.
#[derive(Clone)]
pub struct News(Arc<Inner>);

struct Inner {
    /// When this life of the peer began.
    life: i64,
    /// Somebody listens, or did a short while ago.
    wanted: AtomicBool,
    ring: Mutex<Ring>,
    /// The number of the next event.
    next: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    events: VecDeque<Arc<Event>>,
    /// The number of the next event.
    next: u64,
    /// What is older was not kept, and not counted.
    known_from: u64,
    listeners: usize,
    /// When the last listener left.
    left: Option<Instant>,
}

impl Ring {
    fn first(&self) -> u64 {
        self.next - self.events.len() as u64
    }
}

impl News {
    pub fn new(now: Timestamp) -> News {
        News(Arc::new(Inner {
            life: now.as_nanos(),
            wanted: AtomicBool::new(false),
            ring: Mutex::default(),
            next: watch::channel(0).0,
        }))
    }

    /// Tells what happened to whoever listens; makes it up only if somebody does.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        let inner = &self.0;
        if !inner.wanted.load(Ordering::Relaxed) {
            return;
        }
        let event = Arc::new(event());
        let mut ring = lock(&inner.ring);
        let away = |left: Instant| left.elapsed() > NEWS_LISTENER_RETURNS;
        if ring.listeners == 0 && ring.left.is_none_or(away) {
            inner.wanted.store(false, Ordering::Relaxed);
            ring.events.clear();
            // A gap, so that whoever comes back later is told of it.
            ring.next += 1;
            ring.known_from = ring.next;
            return;
        }
        if ring.events.len() >= NEWS_KEPT {
            ring.events.pop_front();
        }
        ring.events.push_back(event);
        ring.next += 1;
        inner.next.send_replace(ring.next);
    }

    /// From here on, or from the event after the one that was heard last.
    pub fn listen(&self, after: Option<Id>) -> Listener {
        let mut ring = lock(&self.0.ring);
        ring.listeners += 1;
        self.0.wanted.store(true, Ordering::Relaxed);
        let (at, unknown) = match after {
            None => (ring.next, false),
            Some(id) if id.life == self.0.life && id.number < ring.next => (id.number + 1, false),
            // Of another life.
            Some(_) => (ring.next, true),
        };
        Listener { news: self.clone(), at, unknown, changed: self.0.next.subscribe() }
    }
}

/// One who listens. Dropping it ends that.
pub struct Listener {
    news: News,
    /// The number of the next event.
    at: u64,
    /// It has lost events that nobody counted.
    unknown: bool,
    changed: watch::Receiver<u64>,
}

impl Listener {
    /// The next event, when there is one.
    pub async fn next(&mut self) -> (Id, Arc<Event>) {
        loop {
            if let Some(next) = self.take() {
                return next;
            }
            // The sender lives as long as the news that we hold.
            let _ = self.changed.changed().await;
        }
    }

    fn take(&mut self) -> Option<(Id, Arc<Event>)> {
        let inner = &self.news.0;
        let id = |number| Id { life: inner.life, number };
        let ring = lock(&inner.ring);
        self.changed.mark_unchanged();
        let unknown = std::mem::take(&mut self.unknown) || self.at < ring.known_from;
        let first = ring.first();
        if unknown || self.at < first {
            let lost = (!unknown).then(|| first - self.at);
            self.at = self.at.max(first);
            let before = id(self.at.saturating_sub(1));
            return Some((before, Arc::new(Event::Lagged(Lagged { lost }))));
        }
        let index = usize::try_from(self.at - first).ok()?;
        let event = ring.events.get(index)?.clone();
        let number = self.at;
        self.at += 1;
        Some((id(number), event))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut ring = lock(&self.news.0.ring);
        ring.listeners -= 1;
        ring.left = Some(Instant::now());
    }
}
