//! What a satellite runs so that storage nodes can settle orders: a stream of requests, one verdict
//! for each, in order. It knows no chore and no uplink.
//!
//! An order is ACCEPTED only when its serial number is durable in the book, and is then ACCEPTED
//! each time it is sent again: a node that crashed between the answer and its own records is paid
//! once, and told so. REJECTED is final and carries its reason. What is no order at all ends
//! the stream.
//!
//! Requests are taken as they have come, up to [`SETTLEMENT_BATCH`] at a time: a batch is checked on
//! one thread and written down in one transaction, while others are on their way. No more than
//! [`SETTLEMENT_BATCHES_AT_ONCE`] batches wait, so a node that does not read its answers is not
//! read from either.

mod book;
pub mod check;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chore_proto::{SettlementResponse, SettlementStatus};
use futures::future::BoxFuture;
use futures::{Stream, StreamExt, stream};
use prost::Message;
use tonic::Status;

pub use book::{Error, SCHEMA, Totals};

use crate::clock::Timestamp;
use crate::database;
use crate::error::chain;
use crate::identity::{Identity, PublicIdentity};
use crate::limits::{SETTLEMENT_BATCH, SETTLEMENT_BATCHES_AT_ONCE};
use crate::meters::Tally;
use crate::node_id::NodeId;
use crate::order_stream::{Checkers, not_idle, until_failed};
use crate::transport::{Handler, Incoming, Outgoing};
use book::Book;
use check::{Claim, Ending, Reason};

/// Where the service takes the time from, so that a test can set it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// As metrics name it.
const ACCEPTED: &str = "accepted";

/// How a satellite misbehaves, for tests of those who settle with it. The default is a good one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Waited before each answer.
    pub answer_delay: Duration,
    /// Rejects every order with this reason.
    pub reject: Option<String>,
}

/// The settlement service of one satellite. Clones are the same service.
#[derive(Clone)]
pub struct Settlement(Arc<Inner>);

struct Inner {
    satellite: Arc<PublicIdentity>,
    book: Book,
    clock: Clock,
    checkers: Checkers,
    manner: Manner,
    tally: Tally,
}

impl Settlement {
    /// Opens the book at `path`, or begins one.
    pub async fn open(path: &Path, identity: &Identity, clock: Clock) -> Result<Settlement, Error> {
        Settlement::open_with_manner(path, identity, clock, Manner::default()).await
    }

    /// A satellite that a test wants to be slow or to say no.
    pub async fn open_with_manner(
        path: &Path,
        identity: &Identity,
        clock: Clock,
        manner: Manner,
    ) -> Result<Settlement, Error> {
        let book = Book::open(path).await?;
        let satellite = Arc::new(identity.public().clone());
        let (checkers, tally) = (Checkers::default(), Tally::of(&[ACCEPTED]));
        Ok(Settlement(Arc::new(Inner { satellite, book, clock, checkers, manner, tally })))
    }

    /// What all nodes together settled, since the book began.
    pub async fn totals(&self) -> Result<Totals, Error> {
        self.0.book.totals().await
    }

    /// How many orders were accepted since the peer started, each time they were sent, and how many
    /// were rejected, by why.
    pub fn results(&self) -> BTreeMap<&'static str, u64> {
        self.0.tally.counts()
    }

    /// As [`database::Database::fault`].
    pub fn fault(&self) -> Option<String> {
        self.0.book.fault()
    }

    pub fn usage(&self) -> database::Usage {
        self.0.book.usage()
    }

    /// What one node settled, since the book began.
    pub async fn totals_of(&self, node: NodeId) -> Result<Totals, Error> {
        self.0.book.totals_of(node).await
    }

    /// Forgets serial numbers of orders that expired before `time`, at most
    /// [`crate::limits::SETTLED_CLEANED_AT_ONCE`], and answers how many they were. Totals keep
    /// counting them.
    pub async fn clean_expired(&self, time: Timestamp) -> Result<u64, Error> {
        self.0.book.clean(time).await
    }

    /// Writes down what is under way and closes the book. Orders are UNAVAILABLE from then on.
    pub async fn close(&self) -> Result<(), Error> {
        self.0.book.close().await
    }

    fn answers(
        self,
        peer: NodeId,
        requests: Incoming,
    ) -> impl Stream<Item = Result<Vec<u8>, Status>> + Send {
        let delay = self.0.manner.answer_delay;
        let read = move |message: Vec<u8>| {
            check::read(&message).map_err(|ending| end_of_stream(peer, &ending))
        };
        let claims = until_failed(not_idle(requests).map(move |item| item.and_then(read)));
        let batches = claims
            .ready_chunks(SETTLEMENT_BATCH)
            .map(move |batch| self.clone().settle(peer, batch))
            .buffered(SETTLEMENT_BATCHES_AT_ONCE);
        until_failed(batches.flat_map(stream::iter)).then(move |answer| async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            answer
        })
    }

    /// The answers to one batch, which may close with the stream's failure.
    async fn settle(
        self,
        peer: NodeId,
        batch: Vec<Result<Claim, Status>>,
    ) -> Vec<Result<Vec<u8>, Status>> {
        let (mut claims, mut end) = (Vec::with_capacity(batch.len()), None);
        for item in batch {
            match item {
                Ok(claim) => claims.push(claim),
                Err(status) => end = Some(Err(status)),
            }
        }
        let serials: Vec<_> =
            claims.iter().map(|claim| claim.limit.serial_number.clone()).collect();
        match self.verdicts(peer, claims).await {
            Ok(verdicts) => {
                let word = |verdict: &Result<(), Reason>| {
                    verdict.as_ref().err().map_or(ACCEPTED, Reason::word)
                };
                verdicts.iter().for_each(|verdict| self.0.tally.add(word(verdict)));
                let answers = serials.into_iter().zip(verdicts);
                let answers = answers.map(|(serial, verdict)| Ok(answer(peer, serial, verdict)));
                answers.chain(end).collect()
            }
            Err(status) => vec![Err(status)],
        }
    }

    async fn verdicts(
        &self,
        peer: NodeId,
        claims: Vec<Claim>,
    ) -> Result<Vec<Result<(), Reason>>, Status> {
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let now = (self.0.clock)();
        let satellite = Arc::clone(&self.0.satellite);
        let manner = self.0.manner.reject.clone();
        let check = move || {
            let one = |claim| match &manner {
                Some(reason) => Err(Reason::Manner(reason.clone())),
                None => check::check(&satellite, peer, now, claim).map_err(Reason::from),
            };
            claims.iter().map(one).collect()
        };
        let checked = self.0.checkers.run(check).await?;
        self.0.book.settle(peer, checked).await.map_err(|err| {
            tracing::error!(node = %peer, error = %chain(&err), "settling orders failed");
            // The node keeps its orders and comes again; what broke is not its business.
            Status::unavailable("the satellite cannot write down orders: try again later")
        })
    }
}

impl Handler for Settlement {
    fn call(
        &self,
        peer: Arc<PublicIdentity>,
        requests: Incoming,
    ) -> BoxFuture<'_, Result<Outgoing, Status>> {
        let outgoing: Outgoing = Box::pin(self.clone().answers(peer.id(), requests));
        Box::pin(std::future::ready(Ok(outgoing)))
    }
}

fn end_of_stream(peer: NodeId, ending: &Ending) -> Status {
    let message = chain(ending);
    tracing::debug!(node = %peer, reason = message, "settlement stream ended");
    Status::invalid_argument(message)
}

fn answer(peer: NodeId, serial_number: Vec<u8>, verdict: Result<(), Reason>) -> Vec<u8> {
    let (status, reason) = match verdict {
        Ok(()) => (SettlementStatus::Accepted, String::new()),
        Err(reason) => (SettlementStatus::Rejected, reason.to_string()),
    };
    if status == SettlementStatus::Rejected {
        tracing::debug!(node = %peer, serial = ?serial_number, reason, "order rejected");
    }
    SettlementResponse { serial_number, status: status.into(), reason }.encode_to_vec()
}

#[cfg(test)]
mod tests;
