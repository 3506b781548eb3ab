//! Where nodes are. It needs the grant `kademlia`.
//!
//! ```
//! # use chore_sdk::{prelude::*, testing::World};
//! # let id = NodeId::fake(1);
//! # World::new().node_down(id).block_on(async {
//! let node = kademlia::find_node(id).await.context("find satellite")?;
//! info!(address = node.address, "found");
//! # Ok(()) }).unwrap();
//! ```

use crate::{NodeId, Result, backend};

/// A node and where it was last known to be.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// // One whose address is known by other means.
/// let node = kademlia::Node { id: NodeId::fake(1), address: "127.0.0.1:7777".to_owned() };
/// let dialled = transport::dial_node(node, Duration::from_secs(5)).await;
/// # assert_eq!(dialled.err().unwrap().kind(), Kind::Unavailable);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// What it has to prove when it is dialled.
    pub id: NodeId,
    /// "host:port".
    pub address: String,
}

/// Asks where a node is. Whether it is there, and is who it says, is for
/// [`transport::dial_node`](crate::transport::dial_node) to find out.
///
/// # Errors
///
/// [`Kind::NotFound`](crate::Kind::NotFound) if nobody knows the node,
/// [`Kind::Denied`](crate::Kind::Denied) without the grant.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// let unknown = kademlia::find_node(NodeId::fake(1)).await.unwrap_err();
/// assert_eq!(unknown.kind(), Kind::NotFound);
/// # Ok(()) }).unwrap();
/// ```
pub async fn find_node(id: NodeId) -> Result<Node> {
    backend::find_node(id).await
}
