//! Where nodes are: from an id to an address. It dials nobody; whoever dials checks the id.

use std::collections::HashMap;

use futures::future::BoxFuture;

use crate::node_id::{NodeId, NodeUrl};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "find node {0}: its address is not known: write known = [\"{0}@host:port\"] below [nodes] in chore.toml"
    )]
    NotFound(NodeId),
    #[error(
        "node {id} has two addresses, {first} and {second}: keep one of them in nodes in chore.toml"
    )]
    TwoAddresses { id: NodeId, first: String, second: String },
}

/// Finds nodes by their ids.
pub trait Kademlia: Send + Sync {
    /// The node's address as far as is known; nothing is proved until it is dialled.
    fn find_node(&self, id: NodeId) -> BoxFuture<'_, Result<NodeUrl, Error>>;
}

/// The nodes that the operator named.
#[derive(Debug, Default)]
pub struct StaticNodes(HashMap<NodeId, String>);

impl StaticNodes {
    /// Fails if a node has two addresses. The same line twice is one.
    pub fn new(nodes: Vec<NodeUrl>) -> Result<StaticNodes, Error> {
        let mut addresses: HashMap<NodeId, String> = HashMap::with_capacity(nodes.len());
        for NodeUrl { id, address } in nodes {
            match addresses.get(&id) {
                Some(first) if *first != address => {
                    let first = first.clone();
                    return Err(Error::TwoAddresses { id, first, second: address });
                }
                _ => addresses.insert(id, address),
            };
        }
        Ok(StaticNodes(addresses))
    }
}

impl Kademlia for StaticNodes {
    fn find_node(&self, id: NodeId) -> BoxFuture<'_, Result<NodeUrl, Error>> {
        let found = match self.0.get(&id) {
            Some(address) => Ok(NodeUrl { id, address: address.clone() }),
            None => Err(Error::NotFound(id)),
        };
        Box::pin(std::future::ready(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(seed: u8, address: &str) -> NodeUrl {
        NodeUrl::new(NodeId::from_public_key_der(&[seed]), address).unwrap()
    }

    #[tokio::test]
    async fn named_nodes_are_found_and_others_explained() {
        let (one, two) = (node(1, "one.example:7777"), node(2, "[::1]:7777"));
        let nodes = StaticNodes::new(vec![one.clone(), two.clone(), one.clone()]).unwrap();
        assert_eq!(nodes.find_node(one.id).await, Ok(one));
        assert_eq!(nodes.find_node(two.id).await, Ok(two));
        let missing = node(3, "three.example:7777").id;
        let message = nodes.find_node(missing).await.unwrap_err().to_string();
        assert!(message.contains(&format!("known = [\"{missing}@host:port\"]")), "{message}");
    }

    #[test]
    fn a_node_with_two_addresses_is_refused() {
        let nodes = vec![node(1, "one.example:7777"), node(1, "one.example:7778")];
        let message = StaticNodes::new(nodes).unwrap_err().to_string();
        for part in ["one.example:7777", "one.example:7778", &node(1, "a:1").id.to_string()] {
            assert!(message.contains(part), "{message}");
        }
    }
}
