//! What an uplink does: it hands its orders in to a storage node. For the demonstration, tests and
//! measurements; a peer has no use for it.

use chore_proto::{ENQUEUE_METHOD, EnqueueRequest, EnqueueResponse, Order, OrderLimit};
use futures::{Stream, StreamExt, stream};
use prost::Message;
use tonic::Status;

use crate::error::chain;
use crate::limits::{UPLINK_DIAL_TIMEOUT, UPLINK_TIMEOUT};
use crate::node_id::NodeUrl;
use crate::transport::Transport;

/// What became of one order: its serial number once the node has it, or why the node has not.
pub type HandedIn = Result<Vec<u8>, String>;

/// Hands orders in over the connections of one identity.
#[derive(Clone)]
pub struct Uplink {
    transport: Transport,
}

impl Uplink {
    pub fn new(transport: Transport) -> Uplink {
        Uplink { transport }
    }

    /// Streams the orders to the node, encoding them as it goes, and answers for each in the same
    /// order. A failure of the stream stands for every order that was not answered: the node may
    /// have those, and says so when they come again.
    pub async fn hand_in(&self, node: &NodeUrl, orders: Vec<(OrderLimit, Order)>) -> Vec<HandedIn> {
        let serials: Vec<_> = orders.iter().map(|(limit, _)| limit.serial_number.clone()).collect();
        let requests = orders.into_iter().map(|(limit, order)| request(&limit, &order));
        let connection = match self.transport.dial_node(node, UPLINK_DIAL_TIMEOUT).await {
            Ok(connection) => connection,
            Err(err) => return all(&serials, &chain(&err)),
        };
        match connection.stream(ENQUEUE_METHOD, stream::iter(requests), UPLINK_TIMEOUT).await {
            Ok(responses) => outcomes(serials, responses).await,
            Err(status) => all(&serials, status.message()),
        }
    }
}

fn request(limit: &OrderLimit, order: &Order) -> Vec<u8> {
    EnqueueRequest { limit: limit.encode_to_vec(), order: order.encode_to_vec() }.encode_to_vec()
}

fn all(serials: &[Vec<u8>], failure: &str) -> Vec<HandedIn> {
    vec![Err(failure.to_owned()); serials.len()]
}

async fn outcomes(
    serials: Vec<Vec<u8>>,
    mut responses: impl Stream<Item = Result<Vec<u8>, Status>> + Unpin,
) -> Vec<HandedIn> {
    let mut outcomes = Vec::with_capacity(serials.len());
    let mut failure = "the storage node ended the stream before its answer".to_owned();
    for serial in &serials {
        let answer = match responses.next().await {
            Some(answer) => answer.map_err(|status| status.message().to_owned()),
            None => break,
        };
        match answer.and_then(|bytes| read(serial, &bytes)) {
            Ok(outcome) => outcomes.push(outcome),
            Err(broken) => {
                failure = broken;
                break;
            }
        }
    }
    outcomes.extend(all(&serials[outcomes.len()..], &failure));
    outcomes
}

/// Fails if this is no answer to the order with this serial number.
fn read(serial: &[u8], bytes: &[u8]) -> Result<HandedIn, String> {
    let response = EnqueueResponse::decode(bytes)
        .map_err(|err| format!("the storage node's answer is no protobuf message: {err}"))?;
    if response.serial_number != serial {
        return Err("the storage node answered for another order".to_owned());
    }
    match response.refused {
        refused if refused.is_empty() => Ok(Ok(response.serial_number)),
        refused => Ok(Err(refused)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(serial: u8, refused: &str) -> Result<Vec<u8>, Status> {
        let refused = refused.to_owned();
        Ok(EnqueueResponse { serial_number: vec![serial], refused }.encode_to_vec())
    }

    #[tokio::test]
    async fn every_order_has_an_outcome_however_the_stream_ends() {
        let ended = "the storage node ended the stream before its answer";
        let table = [
            (vec![answer(1, ""), answer(2, "too late"), answer(3, "")], ["1", "too late", "3"]),
            (vec![answer(1, "")], ["1", ended, ended]),
            (vec![], [ended; 3]),
            (vec![answer(1, ""), Err(Status::aborted("gone"))], ["1", "gone", "gone"]),
            (vec![answer(2, "")], ["the storage node answered for another order"; 3]),
            (vec![answer(1, ""), answer(2, ""), answer(3, ""), answer(4, "")], ["1", "2", "3"]),
        ];
        for (answers, expected) in table {
            let serials = vec![vec![1], vec![2], vec![3]];
            let outcomes = outcomes(serials, stream::iter(answers)).await;
            let texts = outcomes.into_iter().map(|outcome| match outcome {
                Ok(serial) => serial[0].to_string(),
                Err(refused) => refused,
            });
            assert_eq!(texts.collect::<Vec<_>>(), expected);
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_message_ends_it() {
        let outcomes = outcomes(vec![vec![1]], stream::iter([Ok(vec![0xff])])).await;
        let refused = outcomes[0].as_ref().err().map(String::as_str).unwrap_or_default();
        assert!(refused.starts_with("the storage node's answer is no protobuf message"));
    }
}
