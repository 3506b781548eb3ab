//! Where nodes are. It needs the grant `kademlia`.

use crate::{NodeId, Result, backend};

/// A node and where it was last known to be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    pub id: NodeId,
    /// "host:port".
    pub address: String,
}

/// # Errors
///
/// [`Kind::NotFound`](crate::Kind::NotFound) if nobody knows the node,
/// [`Kind::Denied`](crate::Kind::Denied) without the grant.
pub async fn find_node(id: NodeId) -> Result<Node> {
    backend::find_node(id).await
}
