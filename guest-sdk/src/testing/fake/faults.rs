//! Calls that fail because a test says so.

use super::World;
use crate::{Error, Kind, Result};

/// What can fail: the functions of the contract, by interface and name.
const CALLS: [&str; 25] = [
    "state.load",
    "state.save",
    "cycle.status",
    "cycle.pause",
    "cycle.restart",
    "cycle.trigger",
    "cycle.change-interval",
    "cycle.add",
    "cycle.remove",
    "sql.execute",
    "sql.query",
    "sql.stream",
    "sql.begin",
    "sql.commit",
    "sql.rollback",
    "orders.enqueue",
    "orders.list-unsent",
    "orders.list-unsent-by-satellite",
    "orders.count-unsent",
    "orders.stream-unsent",
    "orders.archive",
    "orders.list-archived",
    "orders.clean-archive",
    "kademlia.find-node",
    "transport.dial-node",
];

/// A call that fails.
struct Fault {
    call: &'static str,
    kind: Kind,
    once: bool,
}

#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl World {
    pub fn fails(&mut self, call: &'static str, kind: Kind, once: bool) {
        assert!(CALLS.contains(&call), "no call {call:?} can fail; these can: {CALLS:?}");
        self.faults.0.push(Fault { call, kind, once });
    }

    /// Whether a call goes on; one that fails once does so the next time.
    pub fn goes_on(&mut self, call: &str) -> Result<()> {
        let faults = &mut self.faults.0;
        let Some(at) = faults.iter().position(|fault| fault.call == call) else { return Ok(()) };
        let kind = faults[at].kind;
        if faults[at].once {
            faults.remove(at);
        }
        Err(Error::of(kind, format!("{call} fails: the test says so")))
    }
}
