//! How many dials of each node failed. It remembers a limited number of nodes.

use std::collections::BTreeMap;

use crate::limits::METRIC_SATELLITES_MAX;
use crate::node_id::NodeId;

/// Nodes that were dialed: the first ones by their id, all others together.
#[derive(Default)]
pub(super) struct DialsByNode {
    failed: BTreeMap<NodeId, u64>,
    others: Option<u64>,
}

impl DialsByNode {
    /// Known from then on, so that a first failure is seen as an increase.
    pub(super) fn connected(&mut self, node: NodeId) {
        self.count(node, 0);
    }

    pub(super) fn failed(&mut self, node: NodeId) {
        self.count(node, 1);
    }

    fn count(&mut self, node: NodeId, failed: u64) {
        let is_full = self.failed.len() >= METRIC_SATELLITES_MAX;
        let count = match self.failed.contains_key(&node) || !is_full {
            true => self.failed.entry(node).or_default(),
            false => self.others.get_or_insert(0),
        };
        *count = count.saturating_add(failed);
    }

    pub(super) fn counts(&self) -> (Vec<(NodeId, u64)>, Option<u64>) {
        (self.failed.iter().map(|(node, count)| (*node, *count)).collect(), self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_without_end_share_one_count() {
        let node = |number: usize| {
            let bytes: [u8; 32] =
                std::array::from_fn(|i| if i < 8 { (number >> (8 * i)) as u8 } else { 0 });
            NodeId::from_bytes(&bytes).expect("an id")
        };
        let mut dials = DialsByNode::default();
        dials.connected(node(0));
        for number in 0..METRIC_SATELLITES_MAX + 10 {
            dials.failed(node(number));
        }
        dials.failed(node(0));
        let (nodes, others) = dials.counts();
        assert_eq!((nodes.len(), others), (METRIC_SATELLITES_MAX, Some(10)));
        assert_eq!(nodes.iter().find(|(id, _)| *id == node(0)), Some(&(node(0), 2)));
    }
}
