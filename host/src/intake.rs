//! What a storage node runs so that uplinks can hand in orders: a stream of requests, one answer for
//! each, in order. It knows no chore and nothing of settlement.
//!
//! An order is taken only when it is durable. Only an order that its satellite will accept is
//! taken, so that everything a satellite would reject is refused here, where the uplink still can
//! do something about it. A refused order never ends the stream; what is no order does.
//!
//! Up to [`INTAKE_AT_ONCE`] orders of a stream are under way at once, so that they share commits.

mod check;

use std::collections::BTreeMap;
use std::sync::Arc;

use chore_proto::EnqueueResponse;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use prost::Message;
use tonic::Status;

use crate::clock::Timestamp;
use crate::error::chain;
use crate::identity::PublicIdentity;
use crate::limits::INTAKE_AT_ONCE;
use crate::meters::Tally;
use crate::node_id::NodeId;
use crate::order_stream::{Checkers, not_idle, until_failed};
use crate::orders::{self, Info, Orders};
use crate::signing::Fault;
use crate::transport::{Handler, Incoming, Outgoing};
use crate::trust::{self, Trust};
use check::Offer;

/// Where the service takes the time from, so that a test can set it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Why one order is not taken. The uplink reads it.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error(transparent)]
    Trust(#[from] trust::Error),
    #[error("the storage node has taken an order with this serial number before")]
    Used,
}

/// As metrics name it.
const TAKEN: &str = "taken";

impl Refusal {
    fn word(&self) -> &'static str {
        match self {
            Refusal::Fault(fault) => fault.word(),
            Refusal::Trust(_) => "untrusted",
            Refusal::Used => "used",
        }
    }
}

/// The intake of one storage node. Clones are the same service.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    orders: Orders,
    node: NodeId,
    trust: Trust,
    clock: Clock,
    checkers: Checkers,
    tally: Tally,
}

impl Intake {
    /// Takes orders for `node` into `orders`, if a satellite that `trust` lists stands for them.
    pub fn new(orders: Orders, node: NodeId, trust: Trust, clock: Clock) -> Intake {
        let (checkers, tally) = (Checkers::default(), Tally::of(&[TAKEN]));
        Intake(Arc::new(Inner { orders, node, trust, clock, checkers, tally }))
    }

    /// How many orders were taken since the peer started, and how many were refused, by why.
    pub fn results(&self) -> BTreeMap<&'static str, u64> {
        self.0.tally.counts()
    }

    fn answers(self, requests: Incoming) -> impl Stream<Item = Result<Vec<u8>, Status>> + Send {
        let read = |message: Vec<u8>| {
            check::read(&message).map_err(|ending| Status::invalid_argument(chain(&ending)))
        };
        let offers = until_failed(not_idle(requests).map(move |item| item.and_then(read)));
        let answers = offers.map(move |offer| self.clone().answer(offer)).buffered(INTAKE_AT_ONCE);
        until_failed(answers)
    }

    async fn answer(self, offer: Result<Offer, Status>) -> Result<Vec<u8>, Status> {
        let offer = Arc::new(offer?);
        let serial_number = offer.limit.serial_number.clone();
        let taken = self.take(offer).await?;
        self.0.tally.add(taken.as_ref().err().map_or(TAKEN, Refusal::word));
        let refused = match taken {
            Ok(()) => String::new(),
            Err(refusal) => chain(&refusal),
        };
        if !refused.is_empty() {
            tracing::debug!(serial = ?serial_number, reason = refused, "order refused");
        }
        Ok(EnqueueResponse { serial_number, refused }.encode_to_vec())
    }

    async fn take(&self, offer: Arc<Offer>) -> Result<Result<(), Refusal>, Status> {
        let satellite = match check::satellite(&offer) {
            Ok(satellite) => satellite,
            Err(fault) => return Ok(Err(fault.into())),
        };
        let identity = match self.0.trust.identity(satellite).await {
            Ok(identity) => identity,
            Err(err) => return Ok(Err(err.into())),
        };
        let expires = match self.check(identity, &offer).await? {
            Ok(expires) => expires,
            Err(fault) => return Ok(Err(fault.into())),
        };
        let offer = Arc::unwrap_or_clone(offer);
        let info = Info {
            satellite,
            serial: offer.limit.serial_number,
            limit: offer.limit_bytes,
            order: offer.order_bytes,
            expires,
        };
        match self.0.orders.enqueue(info).await {
            Ok(()) => Ok(Ok(())),
            Err(orders::Error::Exists { .. }) => Ok(Err(Refusal::Used)),
            Err(err) => {
                tracing::error!(%satellite, error = %chain(&err), "storing an order failed");
                // The uplink keeps its order and comes again; what broke is not its business.
                Err(Status::unavailable("the storage node cannot store orders: try again later"))
            }
        }
    }

    /// A limit whose signature is wrong may have been signed with a key that the satellite has had
    /// only since we asked for it.
    async fn check(
        &self,
        satellite: Arc<PublicIdentity>,
        offer: &Arc<Offer>,
    ) -> Result<Result<Timestamp, Fault>, Status> {
        let first = self.check_with(Arc::clone(&satellite), offer).await?;
        if first != Err(Fault::LimitSignature) {
            return Ok(first);
        }
        match self.0.trust.renewed(&satellite).await {
            Some(renewed) => self.check_with(renewed, offer).await,
            None => Ok(first),
        }
    }

    async fn check_with(
        &self,
        satellite: Arc<PublicIdentity>,
        offer: &Arc<Offer>,
    ) -> Result<Result<Timestamp, Fault>, Status> {
        let (node, now, offer) = (self.0.node, (self.0.clock)(), Arc::clone(offer));
        self.0.checkers.run(move || check::check(&satellite, node, now, &offer)).await
    }
}

impl Handler for Intake {
    fn call(
        &self,
        _peer: Arc<PublicIdentity>,
        requests: Incoming,
    ) -> BoxFuture<'_, Result<Outgoing, Status>> {
        let outgoing: Outgoing = Box::pin(self.clone().answers(requests));
        Box::pin(std::future::ready(Ok(outgoing)))
    }
}

#[cfg(test)]
mod tests;
