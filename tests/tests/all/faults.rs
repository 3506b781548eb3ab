//! Orders that are not as they should be: refused by the node's intake, and where they got past it,
//! rejected by the satellite with a reason, while good ones are settled.

use std::collections::BTreeMap;
use std::time::Duration;

use chore_host::clock::Timestamp;
use chore_host::orders::{Info, Status};
use chore_host::signing::{self, PieceKey, Terms};
use chore_proto::{Order, OrderLimit, PieceAction};
use prost::Message;
use ring::rand::SystemRandom;
use testplanet::{LIFE, SENDER, Testplanet, id_bytes, told};

/// What limits of these tests allow, in bytes.
const LIMIT: i64 = 1000;

/// A limit and its order, good until `spoil` has been at the limit, which is signed afterwards.
fn pair(
    planet: &Testplanet,
    satellite: usize,
    spoil: impl FnOnce(&mut OrderLimit),
) -> (OrderLimit, Order) {
    pair_of(planet, satellite, LIMIT, spoil)
}

fn pair_of(
    planet: &Testplanet,
    satellite: usize,
    amount: i64,
    spoil: impl FnOnce(&mut OrderLimit),
) -> (OrderLimit, Order) {
    let random = SystemRandom::new();
    let key = PieceKey::generate(&random).unwrap();
    let now = Timestamp::now();
    let terms = Terms {
        node: planet.node(0).node_id(),
        piece_key: key.public(),
        action: PieceAction::Put,
        limit: LIMIT,
        now,
        expires: now.plus(LIFE),
    };
    let identity = planet.satellite(satellite).identity();
    let mut limit = signing::issue_limit(identity, &terms, &random).unwrap();
    spoil(&mut limit);
    signing::sign_limit(identity, &mut limit).unwrap();
    let order = signing::draw(&key, &limit, amount);
    (limit, order)
}

fn break_last(bytes: &mut [u8]) {
    *bytes.last_mut().unwrap() ^= 1;
}

/// Every fault by its name.
fn faults(planet: &Testplanet) -> BTreeMap<&'static str, (OrderLimit, Order)> {
    let good = || pair(planet, 0, |_| {});
    let mut forged_limit = good();
    break_last(&mut forged_limit.0.satellite_signature);
    let mut forged_order = good();
    break_last(&mut forged_order.1.uplink_signature);
    let greedy = pair_of(planet, 0, LIMIT + 1, |_| {});
    let past = Timestamp::now().minus(Duration::from_secs(60));
    let expired = pair(planet, 0, |limit| {
        let time = limit.order_expiration.as_mut().unwrap();
        time.seconds = past.as_nanos() / 1_000_000_000;
    });
    let other = id_bytes(planet.satellite(1).node_id());
    let wrong_node = pair(planet, 0, |limit| limit.storage_node_id = other);
    BTreeMap::from([
        ("forged limit", forged_limit),
        ("forged order", forged_order),
        ("more than its limit", greedy),
        ("expired", expired),
        ("another node's", wrong_node),
    ])
}

fn info(planet: &Testplanet, (limit, order): &(OrderLimit, Order)) -> Info {
    Info {
        satellite: planet.satellite(0).node_id(),
        serial: limit.serial_number.clone(),
        limit: limit.encode_to_vec(),
        order: order.encode_to_vec(),
        expires: Timestamp::now().plus(LIFE),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_intake_refuses_what_the_satellite_would() {
    let planet = Testplanet::start(2, 1).await;
    for (fault, order) in faults(&planet) {
        let outcome = planet.hand_in_raw(0, vec![order]).await;
        assert!(outcome[0].is_err(), "{fault} was taken");
    }
    let again = pair(&planet, 0, |_| {});
    // One after the other: orders of one stream are under way together, and either may be first.
    let first = planet.hand_in_raw(0, vec![again.clone()]).await;
    assert!(first[0].is_ok(), "{first:?}");
    let second = planet.hand_in_raw(0, vec![again]).await;
    assert!(second[0].as_ref().unwrap_err().contains("serial number before"), "{second:?}");
    assert_eq!(planet.counts(0).await.unsent, 1);
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serial_number_is_paid_once() {
    let planet = Testplanet::start(1, 1).await;
    let orders = planet.node(0).handle().orders().unwrap();
    let paid = pair(&planet, 0, |_| {});
    orders.enqueue(info(&planet, &paid)).await.unwrap();
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    orders.clean_archive(Timestamp::MAX).await.unwrap();
    // The satellite signed it twice; the node has forgotten the first.
    let reused = pair(&planet, 0, |limit| limit.serial_number = paid.0.serial_number.clone());
    orders.enqueue(info(&planet, &reused)).await.unwrap();
    planet.hand_in(0, 0, 3).await;
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    let archived = orders.list_archived(100).await.unwrap();
    let rejected: Vec<_> =
        archived.iter().filter(|found| found.status == Status::Rejected).collect();
    assert_eq!((archived.len(), rejected.len()), (4, 1), "{rejected:?}");
    assert_eq!(rejected[0].reason, "serial number already used by another order");
    assert_eq!(planet.accepted(0, 0).await, 4);
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_order_that_is_sent_again_is_accepted_again_and_paid_once() {
    let planet = Testplanet::start(1, 1).await;
    let orders = planet.node(0).handle().orders().unwrap();
    let paid = pair(&planet, 0, |_| {});
    for _ in 0..2 {
        // As after a crash between the answer and its archiving.
        orders.enqueue(info(&planet, &paid)).await.unwrap();
        assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
        assert_eq!((planet.counts(0).await.accepted, planet.accepted(0, 0).await), (1, 1));
        orders.clean_archive(Timestamp::MAX).await.unwrap();
    }
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_says_which_check_failed() {
    let planet = Testplanet::start(2, 1).await;
    let orders = planet.node(0).handle().orders().unwrap();
    let expected = [
        ("another node's", "another storage node"),
        ("forged limit", "signature"),
        ("forged order", "signature"),
        ("more than its limit", "amount"),
        ("expired", "expired"),
    ];
    let faults = faults(&planet);
    for (fault, _) in expected {
        orders.enqueue(info(&planet, &faults[fault])).await.unwrap();
    }
    planet.hand_in(0, 0, 3).await;
    assert_eq!(told(&planet.trigger_wait(0, SENDER).await.outcome), "succeeded");
    let counts = planet.counts(0).await;
    assert_eq!((counts.accepted, counts.unsent), (3, 0), "a bad order stops none behind it");
    let archived = orders.list_archived(100).await.unwrap();
    for (fault, word) in expected {
        let serial = &faults[fault].0.serial_number;
        let found = archived.iter().find(|found| &found.info.serial == serial);
        let found = found.unwrap_or_else(|| panic!("{fault} is not archived"));
        assert_eq!(found.status, Status::Rejected, "{fault}");
        assert!(found.reason.contains(word), "{fault}: {}", found.reason);
    }
    planet.shutdown().await;
}
