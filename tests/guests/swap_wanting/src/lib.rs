//! A next version of `guest-swap-patched` that wants more: tests write that name over its own, which
//! is as long.

use chore_sdk::prelude::*;

/// Asks where a node is that nobody knows.
#[derive(Settings)]
struct SwapWanting;

#[chore(interval = "1h", timeout = "1m")]
impl Chore for SwapWanting {
    async fn run(&mut self, _: Tick) -> Result<()> {
        match kademlia::find_node(NodeId::fake(1)).await {
            Ok(node) => bail!("node {} is found", node.id),
            Err(_) => Ok(()),
        }
    }
}

chore_sdk::export!(SwapWanting);
