//! The connections of a transport: one per node, dialled once however many ask, kept for a while.
//! It knows no calls.

use std::collections::HashMap;
use std::pin::pin;
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
    CONNECTION_CLOSE_WAIT, CONNECTION_IDLE, CONNECTIONS_POOLED_MAX, KEEPALIVE_INTERVAL,
    KEEPALIVE_TIMEOUT, LOOKUPS_AT_ONCE, MESSAGE_BYTES_MAX, STREAM_STALL_GRACE,
};
use crate::meters::Tally;
use crate::node_id::NodeUrl;

/// What a transport may use. The reasons stand in `limits`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections at once, being dialled or open.
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

/// A dial that callers wait for together. It goes on as long as one of them waits.
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

pub(super) struct Pool {
    pub(super) options: Options,
    tls: Result<Arc<ClientConfig>, rustls::Error>,
    lookups: Arc<Semaphore>,
    tasks: Tasks,
    entries: Mutex<Entries>,
    pub(super) dials: Tally,
    pub(super) by_node: Mutex<DialsByNode>,
}

impl Pool {
    /// Must be called within a runtime.
    pub(super) fn new(tls: Result<Arc<ClientConfig>, rustls::Error>, options: Options) -> Pool {
        Pool {
            options,
            tls,
            lookups: Arc::new(Semaphore::new(LOOKUPS_AT_ONCE)),
            tasks: Tasks::new(),
            entries: Mutex::default(),
            dials: Tally::of(&[CONNECTED, FAILED]),
            by_node: Mutex::default(),
        }
    }

    /// Connections that are open.
    pub(super) fn open(&self) -> usize {
        let open = |entry: &&Entry| match entry {
            Entry::Dialing { .. } => false,
            Entry::Open(link) => !link.sender.is_closed(),
        };
        self.entries().by_node.values().filter(open).count()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to `node`, or the dial that others wait for, or a new one.
    pub(super) fn find(self: &Arc<Pool>, node: &NodeUrl) -> Result<Found, Error> {
        if self.tasks.is_stopped() {
            return Err(Error::Closed { node: node.clone() });
        }
        let tls = self.tls.clone()?;
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
        if entries.by_node.len() >= self.options.connections_max && !make_room(&mut entries) {
            let connections_max = self.options.connections_max;
            return Err(Error::TooMany { node: node.clone(), connections_max });
        }
        entries.last_number += 1;
        let number = entries.last_number;
        let attempt = Arc::clone(self).attempt(node.clone(), number, tls).boxed().shared();
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
        let dial = dial::dial(&node, &tls, &self.options, &self.lookups, &tasks);
        let dialed = self.tasks.unless_stopped(dial).await;
        let dialed = dialed.unwrap_or_else(|| Err(Error::Closed { node: node.clone() }))?;
        let Dialed { peer, sender, http } = dialed;
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
        self.dials.add(CONNECTED);
        lock(&self.by_node).connected(node.id);
        let kept = Kept { pool: Arc::downgrade(&self), node: node.clone(), number, usage };
        tasks.spawn(kept.drive(http, tasks.clone(), self.options.connection_idle));
        Ok(connection)
    }

    /// When to ask again whether this connection is idle; now it is closed if it is.
    fn expire(&self, node: &NodeUrl, number: u64) -> Instant {
        let (now, idle) = (Instant::now(), self.options.connection_idle);
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
        // One that nobody waits for takes itself out.
        Entry::Dialing { .. } => true,
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
            self.pool.dials.add(FAILED);
            lock(&self.pool.by_node).failed(self.node.id);
            self.pool.remove(self.node, self.number);
        }
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
        tasks: Tasks,
        idle: Duration,
    ) {
        self.feed(http, idle).await;
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
