//! A peer made of fakes, to test a chore on the author's machine: no wasm, no network, no clock.
//!
//! ```
//! use chore_sdk::prelude::*;
//! use chore_sdk::testing::{World, tick};
//!
//! /// Counts what waits.
//! #[derive(Settings)]
//! struct Counter;
//!
//! #[chore(interval = "1h", timeout = "1m")]
//! impl Chore for Counter {
//!     async fn run(&mut self, _: Tick) -> Result<()> {
//!         for (satellite, waiting) in orders::count_unsent().await? {
//!             metrics::gauge("waiting", &[("satellite", &satellite.to_string())], waiting as f64);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! let satellite = NodeId::fake(1);
//! let world = World::new().unsent(satellite, 3);
//! world.run::<Counter>(tick()).unwrap();
//! assert_eq!(world.gauge("waiting", &[("satellite", &satellite.to_string())]), Some(3.0));
//! ```
//!
//! The database is SQLite in memory, with the host's rules: [`World::script`] prepares it and
//! [`World::rows`] looks at it. A world keeps it, and what was saved, from call to call.
//!
//! A call runs to its end in the thread of the test, together with the handlers of the nodes that
//! it talks to. When all of them wait for each other, time counts as passed: what waits to write to
//! the database is told that it waited too long, and if nothing does, the call is cancelled, as a
//! peer does, and one that goes on waiting ends with [`Kind::TimedOut`]. So a test of a chore
//! that hangs does not hang, and needs no sleep.

mod executor;
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use futures::FutureExt;

use crate::chore::{Asked, call};
use crate::log::Level;
use crate::metrics::Labels;
use crate::orders::{ArchivedInfo, Info};
use crate::sql::{FromRow, Value};
use crate::state::Saved;
use crate::transport::Status;
use crate::{
    Chore, CloseReason, CycleSpec, Error, Kind, NodeId, OpenReason, Result, RunReason, Tick, cycle,
    sql,
};

pub use fake::Call;

/// The peer around a chore. Clones are the same world, for handlers that need it.
#[derive(Clone, Default)]
pub struct World(Rc<RefCell<fake::World>>);

/// A line that a chore logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// Without its fields.
    pub message: String,
    /// Names and values, in the order of the line.
    pub fields: Vec<(String, String)>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", format!("{:?}", self.level).to_uppercase(), self.message)?;
        self.fields.iter().try_for_each(|(key, value)| write!(f, " {key}={value}"))
    }
}

/// A cycle as a chore left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// What it is doing.
    pub state: cycle::State,
    /// What the chore changed it to, or declared.
    pub interval: Duration,
    /// What the chore declared.
    pub timeout: Duration,
    /// The chore added it; its `cycles` does not name it.
    pub added: bool,
    /// How often the chore triggered it.
    pub triggers: usize,
}

/// A tick as a trigger makes it: first iteration of "main", due on 1 January 2030, with an hour.
pub fn tick() -> Tick {
    Tick {
        cycle: CycleSpec::MAIN.to_owned(),
        iteration: 1,
        reason: RunReason::Trigger,
        due: fake::NOW,
        deadline: fake::NOW.saturating_add(Duration::from_secs(3600)),
        extensions: Vec::new(),
    }
}

/// As [`tick`], of another cycle.
///
/// ```
/// assert_eq!(chore_sdk::testing::tick_of("clean").cycle, "clean");
/// ```
pub fn tick_of(cycle: &str) -> Tick {
    Tick { cycle: cycle.to_owned(), ..tick() }
}

/// What there is before the chore is called.
impl World {
    /// No settings, no orders, no nodes; everything granted; every line logged.
    pub fn new() -> World {
        World::default()
    }

    /// What the operator set; the last one of a name counts.
    #[must_use]
    pub fn setting(self, name: &str, value: &str) -> World {
        self.0.borrow_mut().settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What an earlier call saved, under the chore's version then.
    #[must_use]
    pub fn saved(self, data: &[u8], version: &str) -> World {
        let saved = Saved { data: data.to_vec(), version: version.to_owned() };
        self.0.borrow_mut().saved = Some(saved);
        self
    }

    /// The chore's version from now on, under which it saves; "0.1.0" if none is said.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().saved(b"6", "1.0.0").version("2.0.0");
    /// # assert_eq!(world.state().unwrap().version, "1.0.0");
    /// ```
    #[must_use]
    pub fn version(self, version: &str) -> World {
        self.0.borrow_mut().version = version.to_owned();
        self
    }

    /// Lines below this level go nowhere.
    #[must_use]
    pub fn log_level(self, level: Level) -> World {
        self.0.borrow_mut().log_level = level;
        self
    }

    /// The operator has not granted "orders", "kademlia" or "transport".
    #[must_use]
    pub fn deny(self, capability: &'static str) -> World {
        self.0.borrow_mut().denied.insert(capability);
        self
    }

    /// Made-up orders for a satellite, with distinct serial numbers.
    #[must_use]
    pub fn unsent(self, satellite: NodeId, count: usize) -> World {
        self.0.borrow_mut().orders.make(satellite, count);
        self
    }

    /// An order that waits, with everything as it is here.
    #[must_use]
    pub fn order(self, info: Info) -> World {
        self.0.borrow_mut().orders.unsent.push(info);
        self
    }

    /// Every call of `orders::archive` fails.
    #[must_use]
    pub fn archive_fails(self) -> World {
        self.0.borrow_mut().orders.archive_fails = true;
        self
    }

    /// A node that Kademlia knows and that answers calls.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().node(NodeId::fake(1), |mut call| async move {
    ///     while let Some(request) = call.next().await {
    ///         call.respond(request).await?;
    ///     }
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn node<H, F>(self, id: NodeId, handler: H) -> World
    where
        H: Fn(Call) -> F + 'static,
        F: Future<Output = Result<(), Status>> + 'static,
    {
        let handler: fake::Handler = Rc::new(move |call| Box::pin(handler(call)));
        self.0.borrow_mut().nodes.insert(id, fake::Node::Up(handler));
        self
    }

    /// A node that Kademlia knows and that cannot be reached.
    #[must_use]
    pub fn node_down(self, id: NodeId) -> World {
        self.0.borrow_mut().nodes.insert(id, fake::Node::Down);
        self
    }

    /// A node that Kademlia knows and that never answers a dial.
    #[must_use]
    pub fn node_silent(self, id: NodeId) -> World {
        self.0.borrow_mut().nodes.insert(id, fake::Node::Silent);
        self
    }
}

/// The chore's database.
impl World {
    /// Runs any number of SQL statements, for example to prepare what an earlier version left.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// world.script("CREATE TABLE seen (node TEXT); INSERT INTO seen VALUES ('a'), ('b')").unwrap();
    /// let nodes = world.rows::<(String,)>("SELECT node FROM seen", params![]).unwrap();
    /// assert_eq!(nodes, [("a".to_owned(),), ("b".to_owned(),)]);
    /// ```
    ///
    /// # Errors
    ///
    /// What SQLite says of them, and [`Kind::Conflict`] while the chore has a transaction open.
    pub fn script(&self, statements: &str) -> Result<()> {
        let database = self.0.borrow().database.clone();
        database.script(statements)
    }

    /// What is in the database: the rows that a query answers, see [`sql::rows`]. What is not
    /// committed is not there.
    ///
    /// # Errors
    ///
    /// Those of [`sql::rows`].
    pub fn rows<T: FromRow>(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<T>> {
        // Only what writes can have to wait, and not for long: not at all.
        let answer = || sql::rows(statement, parameters).now_or_never();
        let busy = || Err(Error::of(Kind::Conflict, "run statement: a transaction is open"));
        fake::within(&self.0, answer).unwrap_or_else(busy)
    }
}

/// Calls of the chore.
impl World {
    /// One run. What it saves is there for the next if it succeeds.
    pub fn run<C: Chore>(&self, tick: Tick) -> Result<()> {
        self.call::<C>(Asked::Run(tick))
    }

    /// What a peer calls once before the first run. What it saves is kept if it succeeds.
    pub fn open<C: Chore>(&self, reason: OpenReason) -> Result<()> {
        self.call::<C>(Asked::Open(reason))
    }

    /// What a peer calls when the chore leaves.
    pub fn close<C: Chore>(&self, reason: CloseReason) -> Result<()> {
        self.call::<C>(Asked::Close(reason))
    }

    /// Any async code, as if a chore called it.
    ///
    /// # Errors
    ///
    /// Those of the code, and [`Kind::TimedOut`] if it waits for what never comes.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        executor::drive(&self.0, work)
    }

    /// Any other code, as if a chore called it.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        fake::within(&self.0, work)
    }

    /// The call in progress, or the next one, should wind down.
    pub fn cancel(&self) {
        fake::World::cancel(&self.0);
    }

    fn call<C: Chore>(&self, asked: Asked) -> Result<()> {
        self.0.borrow_mut().begin(C::cycles());
        let outcome = executor::drive(&self.0, call::<C>(asked));
        self.0.borrow_mut().finish(outcome.is_ok());
        outcome
    }
}

/// What there is after the chore was called.
impl World {
    /// True if the last call was cancelled, by [`World::cancel`] or because it only waited.
    pub fn was_cancelled(&self) -> bool {
        self.0.borrow().was_cancelled
    }

    /// All lines of all calls.
    pub fn logs(&self) -> Vec<Line> {
        self.0.borrow().logs.clone()
    }

    /// The lines of a level, as text.
    pub fn logged(&self, level: Level) -> Vec<String> {
        let world = self.0.borrow();
        world.logs.iter().filter(|line| line.level == level).map(ToString::to_string).collect()
    }

    /// What the last successful call saved.
    pub fn state(&self) -> Option<Saved> {
        self.0.borrow().saved.clone()
    }

    /// A counter; 0 if it was never counted.
    pub fn counter(&self, name: &str, labels: Labels<'_>) -> u64 {
        self.0.borrow().counters.get(&fake::series(name, labels)).copied().unwrap_or(0)
    }

    /// A gauge as it was last set.
    pub fn gauge(&self, name: &str, labels: Labels<'_>) -> Option<f64> {
        self.0.borrow().gauges.get(&fake::series(name, labels)).copied()
    }

    /// What was measured, in order.
    pub fn observed(&self, name: &str, labels: Labels<'_>) -> Vec<f64> {
        self.0.borrow().observed.get(&fake::series(name, labels)).cloned().unwrap_or_default()
    }

    /// A cycle as it is now; of the chore's own there is none before its first call.
    pub fn cycle(&self, name: &str) -> Option<Cycle> {
        self.0.borrow().cycles.get(name).cloned()
    }

    /// Orders that are still unsent.
    pub fn unsent_orders(&self, satellite: NodeId) -> Vec<Info> {
        self.0.borrow().orders.of(satellite)
    }

    /// What the chore archived, in order.
    pub fn archived(&self) -> Vec<ArchivedInfo> {
        self.0.borrow().orders.archived.clone()
    }

    /// How many orders each call of `orders::archive` had.
    pub fn archive_calls(&self) -> Vec<usize> {
        self.0.borrow().orders.archive_calls.clone()
    }

    /// Most orders that were under way at once: the chore had read them from `stream_unsent`, and
    /// no node had yet got a request for them.
    pub fn orders_held_max(&self) -> usize {
        self.0.borrow().orders.held_max
    }
}

/// What a call that waits for ever ends with.
fn stuck() -> crate::Error {
    let message = "the call waits for what never comes, and does not wind down when cancelled";
    crate::Error::of(Kind::TimedOut, message)
}
