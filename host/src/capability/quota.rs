//! What one call may use besides memory and processor, how much of it is in use, and which limit it
//! has reached: for the guest as an error, and afterwards for the log and the ledger.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::capability::Traffic;
use crate::config::Limits;
use crate::database::lock;
use crate::limits::{Amount, Limit};
use crate::name::ChoreName;

/// Of one call. Clones share it.
#[derive(Clone)]
pub struct Quota(Arc<Inner>);

struct Inner {
    chore: ChoreName,
    limits: Limits,
    streams: AtomicU64,
    bytes: AtomicU64,
    traffic: Traffic,
    reached: Mutex<BTreeMap<Limit, Reached>>,
}

/// That a limit was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// As it was said the first time.
    pub message: String,
    pub times: u64,
}

impl Reached {
    /// As one of the lines that a run has logged.
    pub fn line(&self) -> String {
        match self.times {
            1 => format!("WARN {}", self.message),
            times => format!("WARN {} ({times} times)", self.message),
        }
    }
}

impl Quota {
    pub fn new(chore: ChoreName, limits: Limits) -> Quota {
        Quota(Arc::new(Inner {
            chore,
            limits,
            streams: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            traffic: Traffic::default(),
            reached: Mutex::default(),
        }))
    }

    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// What the call has asked of its peer.
    pub fn traffic(&self) -> &Traffic {
        &self.0.traffic
    }

    /// Room for one stream, for as long as what is returned is kept; or what to tell the guest.
    pub fn stream(&self) -> Result<Held, String> {
        self.hold(Limit::Streams, 1)
    }

    /// The same for bytes that a call without an answer has handed over.
    pub fn bytes(&self, bytes: usize) -> Result<Held, String> {
        self.hold(Limit::InFlight, bytes as u64)
    }

    fn hold(&self, limit: Limit, count: u64) -> Result<Held, String> {
        let (most, amount): (u64, fn(u64) -> Amount) = match limit {
            Limit::Streams => (self.0.limits.streams, Amount::Count),
            _ => (self.0.limits.in_flight, Amount::Bytes),
        };
        let held = self.0.counter(limit).fetch_add(count, Ordering::Relaxed).saturating_add(count);
        // Gives back what it took also when it was too much.
        let room = Held { quota: self.clone(), limit, count };
        if held <= most { Ok(room) } else { Err(self.reached(limit, Some(amount(held)))) }
    }

    /// Notes that a limit was reached, and says so.
    pub fn reached(&self, limit: Limit, wanted: Option<Amount>) -> String {
        let Inner { chore, limits, reached, .. } = &*self.0;
        let message = limit.reached(chore.as_str(), wanted, limits.amount(limit));
        let first = || Reached { message: message.clone(), times: 0 };
        lock(reached).entry(limit).or_insert_with(first).times += 1;
        message
    }

    /// What was reached, each limit once.
    pub fn all_reached(&self) -> Vec<Reached> {
        lock(&self.0.reached).values().cloned().collect()
    }
}

impl Inner {
    fn counter(&self, limit: Limit) -> &AtomicU64 {
        if limit == Limit::Streams { &self.streams } else { &self.bytes }
    }
}

/// Room that is given back when this is dropped.
#[must_use]
pub struct Held {
    quota: Quota,
    limit: Limit,
    count: u64,
}

impl Held {
    pub fn traffic(&self) -> &Traffic {
        self.quota.traffic()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.quota.0.counter(self.limit).fetch_sub(self.count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn quota() -> Quota {
        let limits = Limits { streams: 2, in_flight: 1000, ..Limits::default() };
        Quota::new(ChoreName::new("greedy").unwrap(), limits)
    }

    #[test]
    fn room_is_held_and_given_back() {
        let quota = quota();
        let (first, second) = (quota.stream().unwrap(), quota.stream().unwrap());
        let streams =
            "too many streams at once: wanted 3, limit 2; raise `limits.streams` in greedy.toml";
        assert_eq!(quota.stream().err().unwrap(), streams);
        drop(first);
        let third = quota.stream().unwrap();
        assert_eq!(quota.stream().err().unwrap(), streams);
        drop((second, third));

        let most = quota.bytes(1000).unwrap();
        let bytes = "too many bytes in calls without an answer yet: wanted 1001 B, limit 1000 B; \
                     raise `limits.in-flight` in greedy.toml";
        assert_eq!(quota.bytes(1).err().unwrap(), bytes);
        drop(most);
        assert!(quota.bytes(usize::MAX).is_err());
        assert!(quota.bytes(1000).is_ok());
        let times: Vec<u64> = quota.all_reached().iter().map(|reached| reached.times).collect();
        assert_eq!(times, [2, 2]);
        assert_eq!(quota.all_reached()[0].message, streams);
    }
}
