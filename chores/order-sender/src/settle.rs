//! Settlement with one satellite: find it, dial it, and stream orders there and answers back.
//!
//! Sending and receiving go on at the same time: a satellite may answer before it has read all, or
//! read no more before its answers are read. Orders are counted, not kept.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use chore_proto::{SETTLEMENT_METHOD, SettlementRequest, SettlementResponse};
use chore_sdk::prelude::*;
use chore_sdk::transport::{Connection, MessageRequests, MessageResponses};
use futures::future::{LocalBoxFuture, Shared};

use crate::OrderSender;
use crate::tally::Tally;

type Requests = MessageRequests<SettlementRequest>;
type Responses = MessageResponses<SettlementResponse>;

/// Resolves when the run should wind down. All satellites share one.
pub type Stop = Shared<LocalBoxFuture<'static, ()>>;

pub struct Settlement<'a> {
    chore: &'a OrderSender,
    satellite: NodeId,
    stop: Stop,
    /// Orders that were given to the stream, or are about to be.
    sent: Cell<u64>,
    /// Every order that waited was given to the stream.
    sent_all: Cell<bool>,
}

impl Settlement<'_> {
    pub fn new(chore: &OrderSender, satellite: NodeId, stop: Stop) -> Settlement<'_> {
        Settlement { chore, satellite, stop, sent: Cell::new(0), sent_all: Cell::new(false) }
    }

    /// Settles what waits for the satellite, and logs how it went.
    pub async fn run(self, waiting: u64) -> Result<()> {
        let mut tally = Tally::new(self.satellite, self.chore.batch_size);
        let outcome = self.settle(&mut tally).await;
        tally.report();
        let Tally { accepted, rejected, .. } = tally;
        let satellite = tally.name();
        match &outcome {
            Ok(()) => info!(satellite, accepted, rejected, "orders are settled"),
            Err(reason) => {
                metrics::count("satellite_failures_total", &[("satellite", satellite)], 1);
                warn!(satellite, waiting, accepted, rejected, reason, "orders are not settled");
            }
        }
        outcome
    }

    async fn settle(&self, tally: &mut Tally) -> Result<()> {
        let connection = self.unless_stopped(self.connect()).await??;
        let unsent = orders::stream_unsent(self.satellite).await.context("read unsent orders")?;
        let (requests, responses) = connection.call_stream(SETTLEMENT_METHOD).await;
        let send = self.unless_stopped(self.send(unsent, requests));
        let (sent, received) = while_second(send, self.receive(responses, tally)).await;
        // Why the answers ended explains why sending did, so it goes first.
        received?;
        sent.transpose()?.transpose()?;
        self.complete(tally)
    }

    async fn connect(&self) -> Result<Connection> {
        let node = kademlia::find_node(self.satellite).await.context("find satellite")?;
        transport::dial_node(node, self.chore.dial_timeout).await.context("dial satellite")
    }

    /// Sends what waits, an order at a time as there is room. Dropping the requests at the end tells
    /// the satellite that this was all.
    async fn send(&self, mut unsent: orders::Unsent, mut requests: Requests) -> Result<()> {
        while let Some(info) = unsent.next().await.context("read unsent orders")? {
            // Counted before: the answer may be here before it is known to be sent.
            self.sent.set(self.sent.get() + 1);
            let request = SettlementRequest { limit: info.limit, order: info.order };
            if requests.send(&request).await.is_err() {
                // The satellite reads no more; its answers say why.
                return Ok(());
            }
        }
        self.sent_all.set(true);
        Ok(())
    }

    /// Reads answers and archives them. However it ends, what was answered is archived first.
    async fn receive(&self, mut responses: Responses, tally: &mut Tally) -> Result<()> {
        let ended = loop {
            match self.unless_stopped(self.next(&mut responses, tally)).await {
                Ok(Ok(Some(true))) => tally.archive().await?,
                Ok(Ok(Some(false))) => {}
                Ok(Ok(None)) => break Ok(()),
                Ok(Err(err)) | Err(err) => break Err(err),
            }
        };
        let archived = tally.archive().await;
        ended.and(archived)
    }

    /// Takes one answer; says whether the batch is full. `None` when the satellite is done.
    async fn next(&self, responses: &mut Responses, tally: &mut Tally) -> Result<Option<bool>> {
        let silent = || "settle: the satellite does not answer";
        let answer = time::timeout(self.chore.answer_timeout, responses.next()).await;
        let response = answer.with_context(silent)?.context("settle")?;
        let Some(response) = response else { return Ok(None) };
        if tally.answers >= self.sent.get() {
            bail!("settle: the satellite answers more than it was asked");
        }
        Ok(Some(tally.take(response)))
    }

    /// A satellite that ends well has settled everything.
    fn complete(&self, tally: &Tally) -> Result<()> {
        let (sent, settled) = (self.sent.get(), tally.accepted + tally.rejected);
        if settled < sent || !self.sent_all.get() {
            bail!("settle: the satellite ended with {settled} of {sent} orders settled");
        }
        Ok(())
    }

    /// The output of `work`, which is dropped where it waits when the run should wind down.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        let mut work = pin!(work);
        let mut stop = pin!(self.stop.clone());
        std::future::poll_fn(|cx| {
            // First, so that a satellite that always has something to say cannot go on for ever.
            if stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Error::of(Kind::Cancelled, "cancelled")));
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

/// Runs both until the second ends. The first's output, if it ended, and the second's.
async fn while_second<A, B>(
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (Option<A>, B) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    let mut ended = None;
    std::future::poll_fn(|cx| {
        if ended.is_none()
            && let Poll::Ready(output) = first.as_mut().poll(cx)
        {
            ended = Some(output);
        }
        second.as_mut().poll(cx).map(|output| (ended.take(), output))
    })
    .await
}
