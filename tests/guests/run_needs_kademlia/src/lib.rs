//! A run that imports `kademlia`: without the operator's grant the chore is not loaded.

use chore_sdk::prelude::*;

/// Asks where a node is that nobody knows.
#[derive(Settings)]
struct RunNeedsKademlia;

#[chore(interval = "1h", timeout = "1m")]
impl Chore for RunNeedsKademlia {
    async fn run(&mut self, _: Tick) -> Result<()> {
        let node = kademlia::find_node(NodeId::fake(1)).await?;
        info!(node = node.id, address = node.address, "found");
        Ok(())
    }
}

chore_sdk::export!(RunNeedsKademlia);
