//! A peer made of fakes, to test a chore on the author's machine: no wasm, no network, and a clock
//! that waits for nobody.
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
//! What a test says in a line, before the call: what the operator [sets](World::setting), grants
//! and [denies](World::deny); what was [saved](World::saved) by which version; which orders are
//! [unsent](World::unsent); how nodes [answer](World::answers), or that they are
//! [down](World::node_down) or [silent](World::node_silent); which calls of the peer
//! [fail](World::fails); how much [time](World::timeout) a run has, and from which
//! [seed](World::seed) chance comes. After the call it looks at [logs](World::logs), metrics,
//! [state](World::state), [rows](World::rows), [cycles](World::cycle) and
//! [archived orders](World::archived).
//!
//! The database is SQLite in memory, with the host's rules: [`World::script`] prepares it and
//! [`World::rows`] looks at it. A world keeps it, and what was saved, from call to call.
//!
//! A call runs to its end in the thread of the test, together with the handlers of the nodes that
//! it talks to. The clock stands while any of them can go on. When all of them wait, time passes
//! until one need not: what sleeps wakes up, what waits to write to the database is told that it
//! waited too long, and when the call's time is up it is cancelled, as by a peer; one that is not
//! done 10 s later ends with [`Kind::TimedOut`]. So a test of a chore that hangs does not hang,
//! and one of a chore that waits for an hour does not wait.

mod after;
mod before;
mod executor;
pub(crate) mod fake;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crate::chore::{Asked, call};
use crate::log::Level;
use crate::{
    Chore, CloseReason, CycleSpec, Kind, OpenReason, Result, RunReason, Tick, Timestamp, cycle,
};

pub use fake::Call;

/// What a tick gives a run, and what a peer gives the other calls.
const RUN_TIMEOUT: Duration = Duration::from_secs(3600);
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The peer around a chore. Clones are the same world, for handlers that need it.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// let world = World::new().setting("whom", "you").unsent(NodeId::fake(1), 3);
/// let same = world.clone();
/// world.advance(Duration::from_secs(60));
/// assert_eq!(same.now(), world.now());
/// ```
#[derive(Clone, Default)]
pub struct World(Rc<RefCell<fake::World>>);

/// A line that a chore logged.
///
/// ```
/// # use chore_sdk::{log::Level, prelude::*, testing::{Line, World}};
/// let world = World::new();
/// world.within(|| info!(orders = 3, "sent"));
/// let line = Line {
///     level: Level::Info,
///     message: "sent".to_owned(),
///     fields: vec![("orders".to_owned(), "3".to_owned())],
/// };
/// assert_eq!(world.logs(), [line]);
/// assert_eq!(world.logs()[0].to_string(), "INFO sent orders=3");
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// let world = World::new();
/// world.within(|| cycle::add("disk-1", Duration::from_secs(60), Duration::from_secs(6))).unwrap();
/// let cycle = world.cycle("disk-1").unwrap();
/// assert_eq!((cycle.added, cycle.triggers, cycle.timeout.as_secs()), (true, 0, 6));
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::tick};
/// // Anything else is said beside it.
/// let second = Tick { iteration: 2, reason: RunReason::Interval, ..tick() };
/// assert_eq!(second.cycle, "main");
/// ```
pub fn tick() -> Tick {
    Tick {
        cycle: CycleSpec::MAIN.to_owned(),
        iteration: 1,
        reason: RunReason::Trigger,
        due: fake::NOW,
        deadline: fake::NOW.saturating_add(RUN_TIMEOUT),
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

/// Calls of the chore.
impl World {
    /// One run. What it saves is there for the next if it succeeds.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.archived().len(), 2);
    /// ```
    pub fn run<C: Chore>(&self, tick: Tick) -> Result<()> {
        let timeout = self.0.borrow().timeout;
        let deadline = timeout.map_or(tick.deadline, |timeout| self.now().saturating_add(timeout));
        self.call::<C>(Asked::Run(Tick { deadline, ..tick }), deadline)
    }

    /// What a peer calls once before the first run. What it saves is kept if it succeeds.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// # let world = World::new();
    /// world.open::<Sender>(OpenReason::Replaced).unwrap();
    /// ```
    pub fn open<C: Chore>(&self, reason: OpenReason) -> Result<()> {
        self.call::<C>(Asked::Open(reason), self.now().saturating_add(OPEN_TIMEOUT))
    }

    /// What a peer calls when the chore leaves.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// # let world = World::new();
    /// world.close::<Sender>(CloseReason::Shutdown).unwrap();
    /// ```
    pub fn close<C: Chore>(&self, reason: CloseReason) -> Result<()> {
        self.call::<C>(Asked::Close(reason), self.now().saturating_add(CLOSE_TIMEOUT))
    }

    /// Any async code, as if a chore called it.
    ///
    /// # Errors
    ///
    /// Those of the code, and [`Kind::TimedOut`] if it waits for what never comes.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let waiting = World::new().unsent(NodeId::fake(1), 3).block_on(orders::count_unsent());
    /// assert_eq!(waiting, Ok(vec![(NodeId::fake(1), 3)]));
    /// let never = World::new().block_on(std::future::pending::<Result<()>>());
    /// assert_eq!(never.unwrap_err().kind(), Kind::TimedOut);
    /// ```
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.0.borrow_mut().begin_call(None);
        executor::drive(&self.0, work)
    }

    /// Any other code, as if a chore called it.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// world.within(|| metrics::count("seen_total", &[], 2));
    /// assert_eq!(world.counter("seen_total", &[]), 2);
    /// ```
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        fake::within(&self.0, work)
    }

    /// The call in progress, or the next one, should wind down: what the operator does with
    /// `chore cancel`. A node's handler calls it at a certain point; one that is to come at a
    /// certain time is [`World::timeout`].
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// world.cancel();
    /// world.block_on(async { Ok(cycle::cancelled().await) }).unwrap();
    /// ```
    pub fn cancel(&self) {
        fake::World::cancel(&self.0);
    }

    /// What time it is. It begins with 1 January 2030, and stands until everybody waits.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// let began = world.now();
    /// world.block_on(async { Ok(time::sleep(Duration::from_secs(60)).await) }).unwrap();
    /// assert_eq!(world.now().saturating_since(began).as_secs(), 60);
    /// ```
    pub fn now(&self) -> Timestamp {
        self.0.borrow().clock.now
    }

    /// Time passes, between two calls for example.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// let began = world.now();
    /// world.advance(Duration::from_secs(3600));
    /// assert_eq!(world.within(time::now).saturating_since(began).as_secs(), 3600);
    /// assert_eq!(world.tick().due, world.now());
    /// ```
    pub fn advance(&self, duration: Duration) {
        let time = self.now().saturating_add(duration);
        fake::World::advance(&self.0, time);
    }

    /// As [`tick`], due now.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// world.advance(Duration::from_secs(24 * 3600));
    /// assert_eq!(world.tick().deadline.saturating_since(world.now()).as_secs(), 3600);
    /// ```
    pub fn tick(&self) -> Tick {
        let due = self.now();
        Tick { due, deadline: due.saturating_add(RUN_TIMEOUT), ..tick() }
    }

    fn call<C: Chore>(&self, asked: Asked, end: Timestamp) -> Result<()> {
        let running = match &asked {
            Asked::Run(tick) => Some(tick.cycle.as_str()),
            Asked::Open(_) | Asked::Close(_) => None,
        };
        self.0.borrow_mut().begin(C::cycles(), end, running);
        let outcome = executor::drive(&self.0, call::<C>(asked));
        self.0.borrow_mut().finish(outcome.is_ok());
        outcome
    }
}

/// What a call that waits for ever ends with.
fn stuck() -> crate::Error {
    let message = "the call waits for what never comes, and does not wind down when cancelled";
    crate::Error::of(Kind::TimedOut, message)
}
