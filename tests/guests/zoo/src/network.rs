//! Connections in storms, and streams that go nowhere.

use chore_sdk::kademlia::Node;
use chore_sdk::prelude::*;
use chore_sdk::transport::Connection;

const SETTLEMENT: &str = "/orders.Orders/Settlement";

const TIMEOUT: Duration = Duration::from_secs(60);

/// Dials at once.
const STORM: u8 = 200;

/// Connections that nobody gives back.
const LEAKED: usize = 20_000;

/// Streams of one connection.
const STREAMS: usize = 64;

async fn dial(id: &str) -> Result<Connection> {
    transport::dial_node(kademlia::find_node(id.parse()?).await?, TIMEOUT).await
}

/// Where nobody listens.
pub async fn dials_nobody() -> Result<()> {
    let dial = |number| {
        let node = Node { id: NodeId::fake(number), address: "127.0.0.1:1".to_owned() };
        transport::dial_node(node, TIMEOUT)
    };
    let dialled = futures::future::join_all((0..STORM).map(dial)).await;
    match dialled.into_iter().filter(|dialled| dialled.is_ok()).count() {
        0 => bail!("nobody is there"),
        some => bail!("{some} of nobody answered"),
    }
}

/// Addresses that are none, or are not for chores.
pub async fn dials_strangers() -> Result<()> {
    let long = "x".repeat(1024 * 1024);
    for address in ["", ":", "unix:/run/x", "file:///etc/passwd", "127.0.0.1:0", "[::]:x", &long] {
        let node = Node { id: NodeId::fake(1), address: address.to_owned() };
        if transport::dial_node(node, TIMEOUT).await.is_ok() {
            bail!("{address} answered");
        }
    }
    Ok(())
}

pub async fn leaks_connections(id: &str) -> Result<()> {
    for _ in 0..LEAKED {
        std::mem::forget(dial(id).await?);
    }
    bail!("got {LEAKED} connections")
}

/// A message over the limit, which fits into memory and into a call.
pub async fn sends_hugely(id: &str) -> Result<()> {
    let connection = dial(id).await?;
    let answer = connection.unary(SETTLEMENT, vec![0; 5 * 1024 * 1024]).await;
    bail!("{}", answer.map_or_else(|status| status.message, |_| "it was taken".to_owned()))
}

/// Streams that nobody writes to and nobody reads: as many as a node takes from one connection.
pub async fn streams_nothing(id: &str) -> Result<()> {
    let connection = dial(id).await?;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(connection.stream(SETTLEMENT).await);
    }
    info!("all streams are open");
    crate::calls::waits().await
}
