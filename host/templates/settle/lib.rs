//! A chore that talks to other nodes: it sends each satellite its orders, and archives the answers.
//!
//! An order leaves "unsent" only when its answer is archived, so a run that is cut short loses none:
//! what was not archived is sent again, and answered again.

use chore_proto::{SETTLEMENT_METHOD, SettlementRequest, SettlementResponse, SettlementStatus};
use chore_sdk::orders::{ArchiveRequest, Status};
use chore_sdk::prelude::*;
use chore_sdk::transport::{MessageRequests, MessageResponses};

type Requests = MessageRequests<SettlementRequest>;
type Responses = MessageResponses<SettlementResponse>;

/// Answers that are archived together.
const BATCH: usize = 500;

/// Settles orders with their satellites.
#[derive(Settings)]
pub struct Settle {
    /// How long connecting to a satellite may take.
    #[setting(default = "60s", min = "1s", max = "5m")]
    dial_timeout: Duration,
}

#[chore(interval = "1h", timeout = "30m")]
impl Chore for Settle {
    async fn run(&mut self, _: Tick) -> Result<()> {
        let waiting = orders::count_unsent()
            .await
            .context("count unsent orders")?;
        // All at once: one satellite that is slow or down delays no other.
        let all = waiting
            .into_iter()
            .map(|(satellite, _)| self.report(satellite));
        let failed = futures::future::join_all(all)
            .await
            .into_iter()
            .filter(|ok| !ok)
            .count();
        if failed > 0 {
            bail!("{failed} satellites are not settled with, the log says why");
        }
        Ok(())
    }
}

impl Settle {
    /// Whether all went well with a satellite. If not, the log says why.
    async fn report(&self, satellite: NodeId) -> bool {
        match self.settle(satellite).await {
            Ok(settled) => info!(satellite, settled, "settled"),
            Err(reason) => {
                warn!(satellite, reason, "not settled");
                return false;
            }
        }
        true
    }

    /// How many orders the satellite decided on.
    async fn settle(&self, satellite: NodeId) -> Result<usize> {
        let node = kademlia::find_node(satellite)
            .await
            .context("find satellite")?;
        let dialled = transport::dial_node(node, self.dial_timeout).await;
        let connection = dialled.context("dial satellite")?;
        let (requests, responses) = connection.call_stream(SETTLEMENT_METHOD).await;
        // At the same time: a satellite may read no more before its answers are read.
        let both = futures::join!(send(satellite, requests), receive(satellite, responses));
        let settled = both.1?;
        both.0?;
        Ok(settled)
    }
}

/// Sends an order at a time as there is room, so that memory does not grow with what waits.
async fn send(satellite: NodeId, mut requests: Requests) -> Result<()> {
    let mut unsent = orders::stream_unsent(satellite)
        .await
        .context("read orders")?;
    while let Some(info) = unsent.next().await.context("read orders")? {
        let request = SettlementRequest {
            limit: info.limit,
            order: info.order,
        };
        if requests.send(&request).await.is_err() {
            // The satellite reads no more; its answers say why.
            break;
        }
    }
    Ok(())
}

/// Archives what the satellite answers, in batches. However it ends, what was answered counts.
async fn receive(satellite: NodeId, mut responses: Responses) -> Result<usize> {
    let (mut batch, mut settled) = (Vec::new(), 0);
    let ended = loop {
        match responses.next().await.context("settle") {
            Ok(Some(answer)) => batch.extend(verdict(satellite, answer)),
            Ok(None) => break Ok(()),
            Err(err) => break Err(err),
        }
        if batch.len() >= BATCH {
            settled += archive(&mut batch).await?;
        }
    };
    settled += archive(&mut batch).await?;
    ended.map(|()| settled)
}

/// What to archive for an answer; nothing if it is neither yes nor no.
fn verdict(satellite: NodeId, answer: SettlementResponse) -> Option<ArchiveRequest> {
    let status = match SettlementStatus::try_from(answer.status).ok()? {
        SettlementStatus::Accepted => Status::Accepted,
        SettlementStatus::Rejected => Status::Rejected,
        SettlementStatus::Invalid => return None,
    };
    let (serial, reason) = (answer.serial_number, answer.reason);
    Some(ArchiveRequest {
        satellite,
        serial,
        status,
        reason,
    })
}

async fn archive(batch: &mut Vec<ArchiveRequest>) -> Result<usize> {
    let asked = batch.len();
    let missing = orders::archive(std::mem::take(batch))
        .await
        .context("archive orders")?;
    Ok(asked - missing.len())
}

chore_sdk::export!(Settle);

#[cfg(test)]
mod tests {
    use chore_sdk::testing::{World, tick};

    use super::*;

    const GOOD: NodeId = NodeId::fake(1);
    const DOWN: NodeId = NodeId::fake(2);

    /// A satellite that accepts every order. The limit of a fake one is its serial number.
    fn accept(request: SettlementRequest) -> SettlementResponse {
        SettlementResponse {
            serial_number: request.limit,
            status: SettlementStatus::Accepted.into(),
            reason: String::new(),
        }
    }

    fn world(orders: usize) -> World {
        World::new()
            .unsent(GOOD, orders)
            .answers(GOOD, SETTLEMENT_METHOD, |request| Ok(accept(request)))
    }

    #[test]
    fn what_is_accepted_is_archived() {
        let world = world(1_200);
        world.run::<Settle>(tick()).unwrap();
        assert_eq!(world.unsent_orders(GOOD).len(), 0);
        let archived = world.archived();
        assert!(archived.iter().all(|it| it.status == Status::Accepted));
        assert_eq!(world.archive_calls(), [500, 500, 200]);
    }

    #[test]
    fn a_satellite_that_is_down_delays_no_other() {
        let world = world(3).unsent(DOWN, 2).node_down(DOWN);
        let failed = world.run::<Settle>(tick()).unwrap_err();
        assert!(failed.to_string().contains("1 satellites"), "{failed}");
        assert_eq!(world.archived().len(), 3);
        assert_eq!(world.unsent_orders(DOWN).len(), 2);
    }

    #[test]
    fn what_the_peer_cannot_archive_is_sent_again() {
        let world = world(3).fails_once("orders.archive", Kind::Internal);
        assert!(world.run::<Settle>(tick()).is_err());
        world.run::<Settle>(tick()).unwrap();
        assert_eq!(world.archived().len(), 3);
    }
}
