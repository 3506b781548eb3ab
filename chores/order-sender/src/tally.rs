//! The answers of one satellite: those that wait to be archived, and numbers about all of them. It
//! knows no stream. What a satellite says is hostile: everything that is kept has an end.

use std::collections::BTreeMap;

use chore_proto::{SERIAL_BYTES, SettlementResponse, SettlementStatus};
use chore_sdk::orders::{ArchiveRequest, Status};
use chore_sdk::prelude::*;

/// A satellite's reason that is kept, in bytes.
const REASON_BYTES_MAX: usize = 200;

/// Different reasons that are counted; others are "other reasons".
const REASONS_MAX: usize = 8;

pub struct Tally {
    satellite: NodeId,
    /// The satellite as metrics and logs name it.
    name: String,
    batch: Vec<ArchiveRequest>,
    batch_size: usize,
    /// Answers of any sort.
    pub answers: u64,
    pub accepted: u64,
    pub rejected: u64,
    /// Answers to orders that were not unsent.
    unknown: u64,
    /// Answers that are neither yes nor no.
    undecided: u64,
    reasons: BTreeMap<String, u64>,
}

impl Tally {
    pub fn new(satellite: NodeId, batch_size: usize) -> Tally {
        Tally {
            satellite,
            name: satellite.to_string(),
            batch: Vec::new(),
            batch_size,
            answers: 0,
            accepted: 0,
            rejected: 0,
            unknown: 0,
            undecided: 0,
            reasons: BTreeMap::new(),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes one answer. True if the batch is full.
    pub fn take(&mut self, response: SettlementResponse) -> bool {
        self.answers += 1;
        let status = match SettlementStatus::try_from(response.status) {
            Ok(SettlementStatus::Accepted) => Status::Accepted,
            Ok(SettlementStatus::Rejected) => Status::Rejected,
            Ok(SettlementStatus::Invalid) | Err(_) => {
                self.undecided += 1;
                return false;
            }
        };
        if response.serial_number.len() != SERIAL_BYTES {
            self.unknown += 1;
            return false;
        }
        let reason = match status {
            Status::Rejected => cut(response.reason),
            _ => String::new(),
        };
        self.batch.push(ArchiveRequest {
            satellite: self.satellite,
            serial: response.serial_number,
            status,
            reason,
        });
        self.batch.len() >= self.batch_size
    }

    /// Archives the answers that wait.
    pub async fn archive(&mut self) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        let mut missing = orders::archive(batch.clone()).await.context("archive orders")?;
        missing.sort_unstable();
        let (mut accepted, mut rejected) = (0, 0);
        for request in batch {
            if missing.binary_search(&request.serial).is_ok() {
                self.unknown += 1;
            } else if request.status == Status::Accepted {
                accepted += 1;
            } else {
                rejected += 1;
                self.count_reason(request.reason);
            }
        }
        self.accepted += accepted;
        self.rejected += rejected;
        for (status, count) in [("accepted", accepted), ("rejected", rejected)] {
            if count > 0 {
                let labels = [("satellite", self.name.as_str()), ("status", status)];
                metrics::count("orders_settled_total", &labels, count);
            }
        }
        Ok(())
    }

    fn count_reason(&mut self, reason: String) {
        let reason = if reason.is_empty() { "no reason given".to_owned() } else { reason };
        let full = self.reasons.len() >= REASONS_MAX && !self.reasons.contains_key(&reason);
        let reason = if full { "other reasons".to_owned() } else { reason };
        *self.reasons.entry(reason).or_default() += 1;
    }

    /// One line for each thing that somebody should look at, however many orders it is about.
    pub fn report(&self) {
        let satellite = self.name();
        if self.rejected > 0 {
            let reason = |(reason, count): (&String, &u64)| format!("{reason}: {count}");
            let reasons = self.reasons.iter().map(reason).collect::<Vec<_>>().join(", ");
            warn!(satellite, rejected = self.rejected, reasons, "satellite rejects orders");
        }
        if self.unknown > 0 {
            warn!(satellite, unknown = self.unknown, "satellite answers what it was not asked");
        }
        if self.undecided > 0 {
            warn!(satellite, undecided = self.undecided, "satellite neither accepts nor rejects");
        }
    }
}

/// The beginning of a satellite's words, cut between characters.
fn cut(mut reason: String) -> String {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    reason
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_an_end() {
        assert_eq!(cut("expired".into()), "expired");
        assert_eq!(cut("é".repeat(REASON_BYTES_MAX)).len(), REASON_BYTES_MAX);
        let mut tally = Tally::new(NodeId::fake(1), 10);
        for n in 0..100 {
            tally.count_reason(format!("reason {n}"));
        }
        assert_eq!(tally.reasons.len(), REASONS_MAX + 1);
        assert_eq!(tally.reasons.values().sum::<u64>(), 100);
    }
}
