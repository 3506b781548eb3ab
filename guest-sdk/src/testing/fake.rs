//! What a world is made of: the state behind every fake, and which world a thread is in.

mod nodes;
mod orders;
mod sql;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::LocalBoxFuture;

pub use nodes::Call;
pub(crate) use nodes::{Connection, Handler, Node, Requests};
pub(crate) use orders::Orders;
pub(crate) use sql::{Database, Transaction};

use super::{Cycle, Line};
use crate::log::Level;
use crate::metrics::Labels;
use crate::state::Saved;
use crate::time::Timestamp;
use crate::{CycleSpec, Error, Kind, NodeId, Result, cycle};

/// When a world is: 1 January 2030.
pub(crate) const NOW: Timestamp = Timestamp::from_nanos(1_893_456_000_000_000_000);

/// The chore's version where a test says none.
const FIRST_VERSION: &str = "0.1.0";

/// As the host's.
const STATE_BYTES_MAX: usize = 1024 * 1024;

/// As the host's.
const CYCLES_MAX: usize = 1_000;

/// A metric's name and its labels, in order.
pub(crate) type Series = (String, Vec<(String, String)>);

pub(crate) fn series(name: &str, labels: Labels<'_>) -> Series {
    let mut labels: Vec<(String, String)> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    labels.sort();
    (name.to_owned(), labels)
}

pub(crate) struct World {
    pub settings: Vec<(String, String)>,
    pub log_level: Level,
    pub logs: Vec<Line>,
    pub saved: Option<Saved>,
    /// The chore's version: what it saves is saved under.
    pub version: String,
    /// What the call in progress saved.
    pub pending: Option<Vec<u8>>,
    pub counters: HashMap<Series, u64>,
    pub gauges: HashMap<Series, f64>,
    pub observed: HashMap<Series, Vec<f64>>,
    pub cycles: BTreeMap<String, Cycle>,
    pub database: Database,
    pub orders: Orders,
    pub nodes: HashMap<NodeId, Node>,
    pub denied: HashSet<&'static str>,
    /// Handlers of nodes, at work.
    pub tasks: Vec<LocalBoxFuture<'static, ()>>,
    /// The call in progress, or the next one, should wind down.
    pub cancelled: bool,
    pub was_cancelled: bool,
    waiting: Vec<Waker>,
}

impl Default for World {
    fn default() -> World {
        World {
            settings: Vec::new(),
            log_level: Level::Trace,
            logs: Vec::new(),
            saved: None,
            version: FIRST_VERSION.to_owned(),
            pending: None,
            counters: HashMap::new(),
            gauges: HashMap::new(),
            observed: HashMap::new(),
            cycles: BTreeMap::new(),
            database: Database::default(),
            orders: Orders::default(),
            nodes: HashMap::new(),
            denied: HashSet::new(),
            tasks: Vec::new(),
            cancelled: false,
            was_cancelled: false,
            waiting: Vec::new(),
        }
    }
}

impl World {
    pub fn begin(&mut self, cycles: Vec<CycleSpec>) {
        self.pending = None;
        for spec in cycles {
            self.cycles.entry(spec.name).or_insert(Cycle {
                state: cycle::State::Idle(NOW.saturating_add(spec.interval)),
                interval: spec.interval,
                timeout: spec.timeout,
                added: false,
                triggers: 0,
            });
        }
    }

    pub fn finish(&mut self, succeeded: bool) {
        if let Some(data) = self.pending.take().filter(|_| succeeded) {
            self.saved = Some(Saved { data, version: self.version.clone() });
        }
        self.was_cancelled = std::mem::take(&mut self.cancelled);
        self.waiting.clear();
    }

    /// Takes the world apart from its borrow, since who is woken may look at it.
    pub fn cancel(world: &Rc<RefCell<World>>) {
        let waiting = {
            let mut world = world.borrow_mut();
            world.cancelled = true;
            std::mem::take(&mut world.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    pub fn poll_cancelled(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.cancelled {
            return Poll::Ready(());
        }
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    pub fn log(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        self.logs.push(Line { level, message, fields });
    }

    pub fn save(&mut self, data: Vec<u8>) -> Result<()> {
        if data.len() > STATE_BYTES_MAX {
            let message =
                format!("save state: {} bytes, at most {STATE_BYTES_MAX} are kept", data.len());
            return Err(Error::of(Kind::TooLarge, message));
        }
        self.pending = Some(data);
        Ok(())
    }

    pub fn granted(&self, capability: &str) -> Result<()> {
        if self.denied.contains(capability) {
            let message = format!("{capability} is not granted to this chore");
            return Err(Error::of(Kind::Denied, message));
        }
        Ok(())
    }

    pub fn orders(&mut self) -> Result<&mut Orders> {
        self.granted("orders")?;
        Ok(&mut self.orders)
    }

    pub fn cycle(&mut self, name: &str) -> Result<&mut Cycle> {
        self.cycles
            .get_mut(name)
            .ok_or_else(|| Error::of(Kind::NotFound, format!("cycle {name:?}: no such cycle")))
    }

    pub fn add_cycle(&mut self, name: &str, every: Duration, timeout: Duration) -> Result<()> {
        if self.cycles.contains_key(name) {
            return Err(Error::of(
                Kind::Conflict,
                format!("add cycle {name:?}: it exists already"),
            ));
        }
        if self.cycles.len() >= CYCLES_MAX {
            return Err(Error::of(Kind::TooLarge, format!("add cycle {name:?}: too many cycles")));
        }
        let interval = interval(every)?;
        let state = cycle::State::Idle(NOW.saturating_add(interval));
        let cycle = Cycle { state, interval, timeout, added: true, triggers: 0 };
        self.cycles.insert(name.to_owned(), cycle);
        Ok(())
    }

    pub fn remove_cycle(&mut self, name: &str) -> Result<()> {
        if !self.cycle(name)?.added {
            let message = format!("remove cycle {name:?}: the chore declares it");
            return Err(Error::of(Kind::Invalid, message));
        }
        self.cycles.remove(name);
        Ok(())
    }
}

/// As the host takes intervals.
pub(crate) fn interval(interval: Duration) -> Result<Duration> {
    if interval < Duration::from_millis(1) {
        return Err(Error::of(Kind::Invalid, format!("interval {interval:?}: shorter than 1ms")));
    }
    Ok(interval)
}

thread_local! {
    /// The worlds that this thread is in, the innermost last.
    static CURRENT: RefCell<Vec<Rc<RefCell<World>>>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn current() -> Option<Rc<RefCell<World>>> {
    CURRENT.with_borrow(|worlds| worlds.last().cloned())
}

pub(crate) fn within<T>(world: &Rc<RefCell<World>>, work: impl FnOnce() -> T) -> T {
    /// Leaves the world even if the test panics.
    struct Leave;

    impl Drop for Leave {
        fn drop(&mut self) {
            CURRENT.with_borrow_mut(Vec::pop);
        }
    }

    CURRENT.with_borrow_mut(|worlds| worlds.push(Rc::clone(world)));
    let _leave = Leave;
    work()
}
