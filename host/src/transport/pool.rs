//! The connections of one user of a transport: one per node, dialled once however many ask, kept for
//! a while. It knows no calls.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use hyper::client::conn::http2::SendRequest;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::body::Body;

use super::Error;
use super::client::Connection;
use super::dial::{self, Dialed};
use super::dials::DialsByNode;
use super::tasks::Tasks;
use super::usage::Usage;
use crate::database::lock;
use crate::identity::PublicIdentity;
use crate::limits::{
    CONNECTION_CLOSE_WAIT, CONNECTION_IDLE, CONNECTIONS_POOLED_MAX, DIAL_TIMEOUT_MAX,
    KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT, LOOKUPS_AT_ONCE, MESSAGE_BYTES_MAX, STREAM_STALL_GRACE,
};
use crate::meters::Tally;
use crate::node_id::NodeUrl;

/// What a transport may use. The reasons stand in `limits`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections of one user at once, being dialled or open.
    pub connections_max: usize,
    /// How long a connection that nobody holds is kept.
    pub connection_idle: Duration,
    /// How often a silent connection is checked, and how long the answer may take.
    pub keepalive_interval: Duration,
    pub keepalive_timeout: Duration,
    /// How long past its deadline a call may be held by a peer that takes no bytes.
    pub stall_grace: Duration,
    /// Largest message either way, in bytes.
    pub message_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            connections_max: CONNECTIONS_POOLED_MAX,
            connection_idle: CONNECTION_IDLE,
            keepalive_interval: KEEPALIVE_INTERVAL,
            keepalive_timeout: KEEPALIVE_TIMEOUT,
            stall_grace: STREAM_STALL_GRACE,
            message_bytes_max: MESSAGE_BYTES_MAX,
        }
    }
}

/// How a dial ended, as metrics name it. One that nobody waited for any longer has failed too.
const CONNECTED: &str = "connected";
const FAILED: &str = "failed";

/// An open connection. Its sender lives here only, so dropping the last of these closes it.
pub(super) struct Link {
    pub(super) node: NodeUrl,
    pub(super) peer: PublicIdentity,
    pub(super) sender: SendRequest<Body>,
    pub(super) usage: Arc<Usage>,
    pub(super) tasks: Tasks,
    number: u64,
}

/// A dial that callers wait for together. It is a task of its own, because those who wait may not look
/// for long, and goes on as long as one of them is there.
type Attempt = BoxFuture<'static, Result<Connection, Error>>;

enum Entry {
    Dialing { number: u64, attempt: WeakShared<Attempt> },
    Open(Arc<Link>),
}

impl Entry {
    fn number(&self) -> u64 {
        match self {
            Entry::Dialing { number, .. } => *number,
            Entry::Open(link) => link.number,
        }
    }
}

#[derive(Default)]
struct Entries {
    by_node: HashMap<NodeUrl, Entry>,
    /// Tells an entry from the one that had its place before.
    last_number: u64,
}

pub(super) enum Found {
    Open(Connection),
    Dialing(Shared<Attempt>),
}

/// What all users of a transport share.
pub(super) struct Common {
    pub(super) options: Options,
    tls: Result<Arc<ClientConfig>, rustls::Error>,
    pub(super) dials: Tally,
    pub(super) by_node: Mutex<DialsByNode>,
    open: AtomicUsize,
}

pub(super) struct Pool {
    pub(super) common: Arc<Common>,
    lookups: Arc<Semaphore>,
    tasks: Tasks,
    entries: Mutex<Entries>,
}

impl Pool {
    /// Must be called within a runtime.
    pub(super) fn new(tls: Result<Arc<ClientConfig>, rustls::Error>, options: Options) -> Pool {
        let common = Common {
            options,
            tls,
            dials: Tally::of(&[CONNECTED, FAILED]),
            by_node: Mutex::default(),
            open: AtomicUsize::new(0),
        };
        Pool::of(Arc::new(common), Tasks::new())
    }

    /// Of another user. It is closed with this one.
    pub(super) fn another(&self) -> Pool {
        Pool::of(Arc::clone(&self.common), self.tasks.child())
    }

    fn of(common: Arc<Common>, tasks: Tasks) -> Pool {
        let lookups = Arc::new(Semaphore::new(LOOKUPS_AT_ONCE));
        Pool { common, lookups, tasks, entries: Mutex::default() }
    }

    /// Connections that are open, of all users.
    pub(super) fn open(&self) -> usize {
        self.common.open.load(Ordering::Relaxed)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to `node`, or the dial that others wait for, or a new one.
    pub(super) fn find(self: &Arc<Pool>, node: &NodeUrl) -> Result<Found, Error> {
        if self.tasks.is_stopped() {
            return Err(Error::Closed { node: node.clone() });
        }
        let tls = self.common.tls.clone()?;
        let connections_max = self.common.options.connections_max;
        let mut entries = self.entries();
        match entries.by_node.get(node) {
            Some(Entry::Open(link)) if !link.sender.is_closed() => {
                return Ok(Found::Open(Connection::new(Arc::clone(link), Arc::clone(self))));
            }
            Some(Entry::Dialing { attempt, .. }) => {
                if let Some(attempt) = attempt.upgrade() {
                    return Ok(Found::Dialing(attempt));
                }
            }
            Some(Entry::Open(_)) | None => {}
        }
        entries.by_node.remove(node);
        if entries.by_node.len() >= connections_max && !make_room(&mut entries) {
            return Err(Error::TooMany { node: node.clone(), connections_max });
        }
        entries.last_number += 1;
        let number = entries.last_number;
        let attempt = self.tasks.held(Arc::clone(self).attempt(node.clone(), number, tls));
        let closed = Error::Closed { node: node.clone() };
        let attempt = attempt.map(|ended| ended.unwrap_or(Err(closed))).boxed().shared();
        let Some(weak) = attempt.downgrade() else {
            // Only one that was polled to its end has no weak form.
            return Ok(Found::Dialing(attempt));
        };
        let dialing = Entry::Dialing { number, attempt: weak };
        entries.by_node.insert(node.clone(), dialing);
        Ok(Found::Dialing(attempt))
    }

    async fn attempt(
        self: Arc<Pool>,
        node: NodeUrl,
        number: u64,
        tls: Arc<ClientConfig>,
    ) -> Result<Connection, Error> {
        let tasks = self.tasks.child();
        // However this ends without a connection, its place is free for the next dial.
        let mut unfinished = Unfinished { pool: &self, node: &node, number, tasks: Some(&tasks) };
        let (common, timeout) = (&self.common, DIAL_TIMEOUT_MAX);
        let dial = dial::dial(&node, &tls, &common.options, &self.lookups, &tasks);
        let dialed = tokio::time::timeout(timeout, dial).await;
        let dialed = dialed.unwrap_or_else(|_| Err(Error::Timeout { node: node.clone(), timeout }));
        let Dialed { peer, sender, http } = dialed?;
        let usage = Usage::new();
        let link = Link {
            node: node.clone(),
            peer,
            sender,
            usage: Arc::clone(&usage),
            tasks: tasks.clone(),
            number,
        };
        let link = Arc::new(link);
        let connection = Connection::new(Arc::clone(&link), Arc::clone(&self));
        if let Some(entry) = self.entries().by_node.get_mut(&node)
            && entry.number() == number
        {
            *entry = Entry::Open(link);
        }
        unfinished.tasks = None;
        common.dials.add(CONNECTED);
        lock(&common.by_node).connected(node.id);
        let kept = Kept { pool: Arc::downgrade(&self), node: node.clone(), number, usage };
        let open = Open::new(common);
        tasks.spawn(kept.drive(http, open, tasks.clone(), common.options.connection_idle));
        Ok(connection)
    }

    /// When to ask again whether this connection is idle; now it is closed if it is.
    fn expire(&self, node: &NodeUrl, number: u64) -> Instant {
        let (now, idle) = (Instant::now(), self.common.options.connection_idle);
        let mut entries = self.entries();
        let expires = match entries.by_node.get(node) {
            Some(Entry::Open(link)) if link.number == number => {
                link.usage.idle_since().map(|since| since + idle)
            }
            _ => None,
        };
        match expires {
            Some(at) if at <= now => {
                entries.by_node.remove(node);
                now + idle
            }
            Some(at) => at,
            None => now + idle,
        }
    }

    fn remove(&self, node: &NodeUrl, number: u64) {
        let mut entries = self.entries();
        if entries.by_node.get(node).is_some_and(|entry| entry.number() == number) {
            entries.by_node.remove(node);
        }
    }

    /// Ends every connection and dial, and with them their calls. Whether their tasks ended within
    /// `limit`.
    pub(super) async fn close(&self, limit: Duration) -> bool {
        self.tasks.stop();
        self.lookups.close();
        self.entries().by_node.clear();
        self.tasks.ended(limit).await
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

/// Takes out what is closed, or else the connection that nobody has held for longest.
fn make_room(entries: &mut Entries) -> bool {
    let before = entries.by_node.len();
    entries.by_node.retain(|_, entry| match entry {
        // One that nobody waits for is about to end.
        Entry::Dialing { attempt, .. } => attempt.upgrade().is_some(),
        Entry::Open(link) => !link.sender.is_closed(),
    });
    if entries.by_node.len() < before {
        return true;
    }
    let idle = entries.by_node.iter().filter_map(|(node, entry)| match entry {
        Entry::Open(link) => link.usage.idle_since().map(|since| (since, node)),
        Entry::Dialing { .. } => None,
    });
    let oldest = idle.min().map(|(_, node)| node.clone());
    oldest.is_some_and(|node| entries.by_node.remove(&node).is_some())
}

/// Frees the place of a dial that failed or was dropped, and ends what it spawned.
struct Unfinished<'a> {
    pool: &'a Pool,
    node: &'a NodeUrl,
    number: u64,
    tasks: Option<&'a Tasks>,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(tasks) = self.tasks {
            tasks.stop();
            self.pool.common.dials.add(FAILED);
            lock(&self.pool.common.by_node).failed(self.node.id);
            self.pool.remove(self.node, self.number);
        }
    }
}

/// Counts a connection for as long as it is open.
struct Open(Arc<Common>);

impl Open {
    fn new(common: &Arc<Common>) -> Open {
        common.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(common))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The task of one open connection.
struct Kept {
    pool: Weak<Pool>,
    node: NodeUrl,
    number: u64,
    usage: Arc<Usage>,
}

impl Kept {
    /// Feeds the connection until it ends or was idle for too long, then closes it in peace.
    async fn drive(
        self,
        http: impl Future<Output = hyper::Result<()>>,
        open: Open,
        tasks: Tasks,
        idle: Duration,
    ) {
        self.feed(http, idle).await;
        drop(open);
        if let Some(pool) = self.pool.upgrade() {
            pool.remove(&self.node, self.number);
        }
        // Calls may still run on a connection that takes no new ones.
        self.usage.idle().await;
        tokio::time::sleep(CONNECTION_CLOSE_WAIT).await;
        tasks.stop();
    }

    /// Once this returns and `http` is dropped, the connection is known as closed.
    async fn feed(&self, http: impl Future<Output = hyper::Result<()>>, idle: Duration) {
        let mut http = pin!(http);
        let mut look = Instant::now() + idle;
        loop {
            tokio::select! {
                ended = &mut http => {
                    if let Err(err) = ended {
                        tracing::debug!(node = %self.node, error = %err, "connection ended");
                    }
                    return;
                }
                () = tokio::time::sleep_until(look) => {
                    // A connection taken out of the pool loses its sender, and so ends.
                    look = match self.pool.upgrade() {
                        Some(pool) => pool.expire(&self.node, self.number),
                        None => Instant::now() + idle,
                    };
                }
            }
        }
    }
}
