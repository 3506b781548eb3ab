//! Who appears in tests of orders: a satellite, a storage node, an uplink's key, and a stranger who
//! forges.

use std::sync::Arc;
use std::time::Duration;

use chore_proto::{Order, OrderLimit, PieceAction};
use ring::rand::SystemRandom;

use super::{PieceKey, Terms, draw, issue_limit, sign_limit, sign_order};
use crate::clock::Timestamp;
use crate::identity::Identity;

pub const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

/// How long the cast's limits are good for.
pub const LIFE: Duration = Duration::from_secs(3600);

pub struct Cast {
    pub satellite: Arc<Identity>,
    pub node: Arc<Identity>,
    pub key: PieceKey,
    pub stranger: Arc<Identity>,
    pub strange_key: PieceKey,
}

impl Cast {
    pub fn new() -> Cast {
        let key = || PieceKey::generate(&SystemRandom::new()).unwrap();
        let identity = || Arc::new(Identity::create().unwrap());
        Cast {
            satellite: identity(),
            node: identity(),
            key: key(),
            stranger: identity(),
            strange_key: key(),
        }
    }

    /// A good order of 700 bytes under a limit of 1000.
    pub fn pair(&self) -> (OrderLimit, Order) {
        self.pair_to(PieceAction::Get)
    }

    pub fn pair_to(&self, action: PieceAction) -> (OrderLimit, Order) {
        let terms = Terms {
            node: self.node.id(),
            piece_key: self.key.public(),
            action,
            limit: 1000,
            now: NOW,
            expires: NOW.plus(LIFE),
        };
        let limit = issue_limit(&self.satellite, &terms, &SystemRandom::new()).unwrap();
        let order = draw(&self.key, &limit, 700);
        (limit, order)
    }

    pub fn forged_limit(&self) -> (OrderLimit, Order) {
        let (mut limit, order) = self.pair();
        sign_limit(&self.stranger, &mut limit).unwrap();
        (limit, order)
    }

    pub fn forged_order(&self) -> (OrderLimit, Order) {
        let (limit, mut order) = self.pair();
        sign_order(&self.strange_key, &mut order);
        (limit, order)
    }

    /// Under the same limit, for `amount` bytes.
    pub fn instead(&self, limit: &OrderLimit, amount: i64) -> (OrderLimit, Order) {
        (limit.clone(), draw(&self.key, limit, amount))
    }
}
