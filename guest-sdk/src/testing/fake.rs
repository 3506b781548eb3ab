//! What a world is made of: the state behind every fake, and which world a thread is in.

mod clock;
mod faults;
mod nodes;
mod orders;
mod sql;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures::future::LocalBoxFuture;

pub(crate) use clock::sleep;
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

/// When a world begins: 1 January 2030.
pub(crate) const NOW: Timestamp = Timestamp::from_nanos(1_893_456_000_000_000_000);

/// The chore's version where a test says none.
const FIRST_VERSION: &str = "0.1.0";

/// As the host's.
const STATE_BYTES_MAX: usize = 1024 * 1024;

/// As the host's.
const CYCLES_MAX: usize = 1_000;
const NAME_BYTES_MAX: usize = 64;
const INTERVAL_MIN: Duration = Duration::from_millis(1);
const INTERVAL_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

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
    pub faults: faults::Faults,
    pub clock: clock::Clock,
    /// What the next random number is made of.
    pub seed: u64,
    /// How long a run has, whatever its tick says.
    pub timeout: Option<Duration>,
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
            faults: faults::Faults::default(),
            clock: clock::Clock::default(),
            seed: 0,
            timeout: None,
            tasks: Vec::new(),
            cancelled: false,
            was_cancelled: false,
            waiting: Vec::new(),
        }
    }
}

impl World {
    /// A call begins, which has until then; for a run, of this cycle.
    pub fn begin(&mut self, cycles: Vec<CycleSpec>, end: Timestamp, running: Option<&str>) {
        self.pending = None;
        self.begin_call(Some(end));
        let now = self.clock.now;
        for spec in cycles {
            self.cycles.entry(spec.name).or_insert(Cycle {
                state: cycle::State::Idle(now.saturating_add(spec.interval)),
                interval: spec.interval,
                timeout: spec.timeout,
                added: false,
                triggers: 0,
            });
        }
        if let Some(cycle) = running.and_then(|name| self.cycles.get_mut(name))
            && let cycle::State::Idle(_) = cycle.state
        {
            cycle.state = cycle::State::Running(now);
        }
    }

    pub fn finish(&mut self, succeeded: bool) {
        for cycle in self.cycles.values_mut() {
            if let cycle::State::Running(since) = cycle.state {
                cycle.state = cycle::State::Idle(since.saturating_add(cycle.interval));
            }
        }
        if let Some(data) = self.pending.take().filter(|_| succeeded) {
            self.saved = Some(Saved { data, version: self.version.clone() });
        }
        self.was_cancelled = std::mem::take(&mut self.cancelled);
        self.waiting.clear();
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

    /// The next number of a sequence that is evenly spread (SplitMix64).
    pub fn random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
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
        if timeout.is_zero() {
            let message = format!("add cycle {name:?}: a timeout of zero ends every run");
            return Err(Error::of(Kind::Invalid, message));
        }
        let well_formed = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !well_formed || name.len() > NAME_BYTES_MAX {
            let message = format!(
                "add cycle {name:?}: a name has lower-case letters, digits and hyphens, begins with \
                 a letter and has at most {NAME_BYTES_MAX} bytes"
            );
            return Err(Error::of(Kind::Invalid, message));
        }
        let state = cycle::State::Idle(self.clock.now);
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
    if interval < INTERVAL_MIN || interval > INTERVAL_MAX {
        let message = format!("interval {interval:?}: not within 1 ms and ten years");
        return Err(Error::of(Kind::Invalid, message));
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
