//! Orders in memory, with the host's rules.

use std::collections::BTreeMap;

use super::NOW;
use crate::orders::{AT_ONCE_MAX, ArchiveRequest, ArchivedInfo, Info, Status};
use crate::time::Timestamp;
use crate::{Error, Kind, NodeId, Result};

#[derive(Default)]
pub(crate) struct Orders {
    pub unsent: Vec<Info>,
    pub archived: Vec<ArchivedInfo>,
    pub archive_calls: Vec<usize>,
    pub archive_fails: bool,
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
            self.unsent.push(Info {
                satellite,
                serial: [number, number].concat(),
                limit: [b"limit ", &number[..]].concat(),
                order: [b"order ", &number[..]].concat(),
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

    pub fn archive(&mut self, requests: Vec<ArchiveRequest>) -> Result<Vec<Vec<u8>>> {
        if self.archive_fails {
            return Err(Error::of(Kind::Internal, "archive orders: the database is gone"));
        }
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
                    archived: NOW,
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
