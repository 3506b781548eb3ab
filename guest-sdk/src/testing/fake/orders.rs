//! Orders in memory, with the host's rules.

use std::collections::BTreeMap;

use super::World;
use crate::orders::{AT_ONCE_MAX, ArchiveRequest, ArchivedInfo, Info, Status};
use crate::time::Timestamp;
use crate::{Error, Kind, NodeId, Result};

/// Length of a serial number. As the host's.
const SERIAL_BYTES: usize = 16;

/// Most bytes of a limit or an order. As the host's.
const ORDER_BYTES_MAX: usize = 32 * 1024;

impl World {
    pub fn archive(&mut self, requests: Vec<ArchiveRequest>) -> Result<Vec<Vec<u8>>> {
        let now = self.clock.now;
        self.orders()?.archive(requests, now)
    }
}

#[derive(Default)]
pub(crate) struct Orders {
    pub unsent: Vec<Info>,
    pub archived: Vec<ArchivedInfo>,
    pub archive_calls: Vec<usize>,
    /// Orders that were read from a stream and have reached no node.
    held_now: usize,
    pub held_max: usize,
    made: u64,
}

impl Orders {
    pub fn make(&mut self, satellite: NodeId, count: usize) {
        for _ in 0..count {
            self.made += 1;
            let number = self.made.to_be_bytes();
            let serial = [number, number].concat();
            self.unsent.push(Info {
                satellite,
                limit: serial.clone(),
                order: [b"order of ", &serial[..]].concat(),
                serial,
                expires: Timestamp::from_nanos(i64::MAX),
            });
        }
    }

    pub fn held(&mut self) {
        self.held_now += 1;
        self.held_max = self.held_max.max(self.held_now);
    }

    pub fn delivered(&mut self) {
        self.held_now = self.held_now.saturating_sub(1);
    }

    pub fn enqueue(&mut self, info: Info) -> Result<()> {
        if info.serial.len() != SERIAL_BYTES {
            let message = format!(
                "enqueue order: a serial number has {SERIAL_BYTES} bytes, this one has {}",
                info.serial.len()
            );
            return Err(Error::of(Kind::Invalid, message));
        }
        if info.limit.len().max(info.order.len()) > ORDER_BYTES_MAX {
            let message = format!("enqueue order: order or limit are over {ORDER_BYTES_MAX} bytes");
            return Err(Error::of(Kind::TooLarge, message));
        }
        let same = |other: &Info| other.satellite == info.satellite && other.serial == info.serial;
        if self.unsent.iter().any(same) || self.archived.iter().any(|other| same(&other.info)) {
            return Err(Error::of(Kind::Conflict, "enqueue order: it exists already"));
        }
        self.unsent.push(info);
        Ok(())
    }

    pub fn of(&self, satellite: NodeId) -> Vec<Info> {
        self.unsent.iter().filter(|info| info.satellite == satellite).cloned().collect()
    }

    pub fn list_unsent(&self, limit: u32) -> Vec<Info> {
        self.unsent.iter().take(at_once(limit)).cloned().collect()
    }

    pub fn by_satellite(&self) -> Vec<(NodeId, Vec<Info>)> {
        let mut groups: BTreeMap<NodeId, Vec<Info>> = BTreeMap::new();
        for info in &self.unsent {
            groups.entry(info.satellite).or_default().push(info.clone());
        }
        groups.into_iter().collect()
    }

    pub fn archive(
        &mut self,
        requests: Vec<ArchiveRequest>,
        now: Timestamp,
    ) -> Result<Vec<Vec<u8>>> {
        if requests.len() > AT_ONCE_MAX {
            return Err(Error::of(Kind::TooLarge, "archive orders: too many at once"));
        }
        if requests.iter().any(|request| request.status == Status::Unsent) {
            return Err(Error::of(Kind::Invalid, "archive orders: unsent is no final status"));
        }
        self.archive_calls.push(requests.len());
        let mut missing = Vec::new();
        for request in requests {
            let found = self.unsent.iter().position(|info| {
                info.satellite == request.satellite && info.serial == request.serial
            });
            match found {
                Some(at) => self.archived.push(ArchivedInfo {
                    info: self.unsent.remove(at),
                    status: request.status,
                    reason: request.reason,
                    archived: now,
                }),
                None => missing.push(request.serial),
            }
        }
        Ok(missing)
    }

    pub fn list_archived(&self, limit: u32) -> Vec<ArchivedInfo> {
        self.archived.iter().take(at_once(limit)).cloned().collect()
    }

    pub fn clean_archive(&mut self, before: Timestamp) -> u64 {
        let all = self.archived.len();
        self.archived.retain(|order| order.archived > before);
        (all - self.archived.len()) as u64
    }
}

fn at_once(limit: u32) -> usize {
    (limit as usize).min(AT_ONCE_MAX)
}
