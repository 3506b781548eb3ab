//! The order sender against fake satellites, good and bad.

use std::future::Future;

use chore_proto::{SETTLEMENT_METHOD, SettlementRequest, SettlementResponse, SettlementStatus};
use chore_sdk::log::Level;
use chore_sdk::orders::Status;
use chore_sdk::prelude::*;
use chore_sdk::testing::{Call, World, tick};
use chore_sdk::transport::{self, Code};
use prost::Message;

use crate::OrderSender;

type Ended = Result<(), transport::Status>;

const A: NodeId = NodeId::fake(1);
const B: NodeId = NodeId::fake(2);
const C: NodeId = NodeId::fake(3);

/// The serial number of a fake order: the number that its limit ends with, twice.
fn serial(request: &[u8]) -> Vec<u8> {
    let request = SettlementRequest::decode(request).expect("the chore sends requests");
    let number = request.limit.strip_prefix(b"limit ").expect("a fake limit, untouched");
    assert_eq!(request.order.strip_prefix(b"order "), Some(number), "a fake order, untouched");
    number.repeat(2)
}

fn answer(serial_number: Vec<u8>, status: SettlementStatus, reason: &str) -> Vec<u8> {
    let status = status.into();
    SettlementResponse { serial_number, status, reason: reason.into() }.encode_to_vec()
}

fn accept(request: &[u8]) -> Vec<u8> {
    answer(serial(request), SettlementStatus::Accepted, "")
}

async fn accepts(mut call: Call) -> Ended {
    assert_eq!(call.method, SETTLEMENT_METHOD);
    while let Some(request) = call.next().await {
        call.respond(accept(&request)).await?;
    }
    Ok(())
}

async fn rejects(mut call: Call) -> Ended {
    while let Some(request) = call.next().await {
        call.respond(answer(serial(&request), SettlementStatus::Rejected, "expired")).await?;
    }
    Ok(())
}

/// Reads everything before it answers anything.
async fn accepts_late(mut call: Call) -> Ended {
    let mut answers = Vec::new();
    while let Some(request) = call.next().await {
        answers.push(accept(&request));
    }
    for answer in answers {
        call.respond(answer).await?;
    }
    Ok(())
}

async fn hangs(call: Call) -> Ended {
    let _held = call;
    std::future::pending().await
}

/// Accepts three, and then neither reads nor answers.
async fn accepts_three_and_hangs(mut call: Call) -> Ended {
    accept_three(&mut call).await?;
    std::future::pending().await
}

async fn accepts_three_and_fails(mut call: Call) -> Ended {
    accept_three(&mut call).await?;
    Err(transport::Status::new(Code::UNAVAILABLE, "going down"))
}

async fn accepts_three_and_ends(mut call: Call) -> Ended {
    accept_three(&mut call).await
}

async fn accept_three(call: &mut Call) -> Ended {
    for _ in 0..3 {
        let request = call.next().await.expect("three orders");
        call.respond(accept(&request)).await?;
    }
    Ok(())
}

/// Answers the first order rightly and the others with what makes no sense.
async fn confuses(mut call: Call) -> Ended {
    let first = call.next().await.expect("an order");
    call.respond(accept(&first)).await?;
    let second = call.next().await.expect("an order");
    call.respond(answer(vec![9; 16], SettlementStatus::Accepted, "")).await?;
    let third = call.next().await.expect("an order");
    call.respond(answer(serial(&third), SettlementStatus::Invalid, "")).await?;
    call.next().await.expect("an order");
    call.respond(answer(vec![1], SettlementStatus::Rejected, "")).await?;
    drop(second);
    Ok(())
}

async fn answers_without_end(mut call: Call) -> Ended {
    let request = call.next().await.expect("an order");
    loop {
        call.respond(accept(&request)).await?;
    }
}

async fn answers_garbage(mut call: Call) -> Ended {
    call.next().await.expect("an order");
    call.respond([0xff; 9]).await
}

async fn refuses(_: Call) -> Ended {
    Err(transport::Status::new(Code::PERMISSION_DENIED, "who are you"))
}

/// A world with a satellite and orders for it.
fn with<F>(world: World, id: NodeId, orders: usize, satellite: fn(Call) -> F) -> World
where
    F: Future<Output = Ended> + 'static,
{
    world.unsent(id, orders).node(id, satellite)
}

fn run(world: &World) -> Result<(), String> {
    world.run::<OrderSender>(tick()).map_err(|err| err.to_string())
}

/// How many of a satellite's orders are accepted, rejected and unsent.
fn counts(world: &World, id: NodeId) -> (usize, usize, usize) {
    let archived = |status| {
        let archived = world.archived();
        archived.iter().filter(|o| o.info.satellite == id && o.status == status).count()
    };
    (archived(Status::Accepted), archived(Status::Rejected), world.unsent_orders(id).len())
}

fn settled(world: &World, id: NodeId, status: &str) -> u64 {
    let satellite = id.to_string();
    world.counter("orders_settled_total", &[("satellite", &satellite), ("status", status)])
}

#[test]
fn nothing_waits() {
    let world = World::new().node(A, refuses);
    assert_eq!(run(&world), Ok(()));
    assert_eq!(world.logged(Level::Warn), [""; 0]);
}

#[test]
fn three_satellites_accept() {
    let mut world = World::new();
    for id in [A, B, C] {
        world = with(world, id, 20, accepts);
    }
    assert_eq!(run(&world), Ok(()));
    for id in [A, B, C] {
        assert_eq!(counts(&world, id), (20, 0, 0));
        assert_eq!(settled(&world, id, "accepted"), 20);
    }
    assert_eq!(world.logged(Level::Warn), [""; 0]);
    assert_eq!(world.logged(Level::Info).len(), 3);
    assert!(!world.was_cancelled());
}

#[test]
fn a_satellite_that_answers_late_is_no_deadlock() {
    let world = with(World::new(), A, 1_000, accepts_late);
    assert_eq!(run(&world), Ok(()));
    assert_eq!(counts(&world, A), (1_000, 0, 0));
    assert!(!world.was_cancelled());
}

#[test]
fn rejected_orders_are_archived_with_their_reason_and_summed_up() {
    let world = with(with(World::new(), A, 5, rejects), B, 5, accepts);
    assert_eq!(run(&world), Ok(()));
    assert_eq!((counts(&world, A), counts(&world, B)), ((0, 5, 0), (5, 0, 0)));
    assert!(
        world.archived().iter().all(|order| {
            order.reason == if order.info.satellite == A { "expired" } else { "" }
        })
    );
    assert_eq!(settled(&world, A, "rejected"), 5);
    let warned =
        format!("WARN satellite rejects orders satellite={A} rejected=5 reasons=expired: 5");
    assert_eq!(world.logged(Level::Warn), [warned]);
}

/// Every way in which one satellite can fail, beside one that works: what is archived, what the
/// log says of it, and that the other is settled.
#[test]
fn one_satellite_fails_alone() {
    let bad: fn(World) -> World = |world| world.unsent(B, 10);
    let cases = [
        ("down", bad(World::new()).node_down(B), (0, 0, 10), "dial satellite: dial 127.0.0.1:7777"),
        ("unknown", bad(World::new()), (0, 0, 10), "find satellite: find node"),
        (
            "refuses",
            bad(World::new()).node(B, refuses),
            (0, 0, 10),
            "settle: permission denied: who are you",
        ),
        (
            "fails midway",
            bad(World::new()).node(B, accepts_three_and_fails),
            (3, 0, 7),
            "settle: unavailable: going down",
        ),
        (
            "ends early",
            bad(World::new()).node(B, accepts_three_and_ends),
            (3, 0, 7),
            "settle: the satellite ended with 3 of 10 orders settled",
        ),
        (
            "confuses",
            bad(World::new()).node(B, confuses),
            (1, 0, 9),
            "settle: the satellite ended with 1 of 10 orders settled",
        ),
        (
            "answers without end",
            bad(World::new()).node(B, answers_without_end),
            (1, 0, 9),
            "settle: the satellite answers more than it was asked",
        ),
        (
            "answers garbage",
            bad(World::new()).node(B, answers_garbage),
            (0, 0, 10),
            "settle: read answer: failed to decode Protobuf message",
        ),
    ];
    for (name, world, wanted, reason) in cases {
        let world = with(world, A, 10, accepts);
        let failed = format!("of 2 satellites these failed: {B}");
        assert_eq!(run(&world), Err(failed), "{name}");
        assert_eq!(counts(&world, B), wanted, "{name}");
        assert_eq!(counts(&world, A), (10, 0, 0), "{name}");
        let warned = world.logged(Level::Warn);
        let said = warned.iter().any(|line| {
            line.starts_with("WARN orders are not settled")
                && line.contains(&format!("satellite={B}"))
                && line.contains(reason)
        });
        assert!(said, "{name}: {warned:#?}");
        let failures = world.counter("satellite_failures_total", &[("satellite", &B.to_string())]);
        assert_eq!(failures, 1, "{name}");
        assert!(!world.was_cancelled(), "{name}");
    }
}

#[test]
fn answers_that_make_no_sense_are_summed_up() {
    let world = with(World::new(), A, 4, confuses);
    let failed = run(&world).expect_err("some are unanswered");
    assert!(failed.contains(&A.to_string()), "{failed}");
    let warned = world.logged(Level::Warn);
    let unknown = format!("WARN satellite answers what it was not asked satellite={A} unknown=2");
    let undecided = format!("WARN satellite neither accepts nor rejects satellite={A} undecided=1");
    assert!(warned.contains(&unknown) && warned.contains(&undecided), "{warned:#?}");
    assert_eq!(settled(&world, A, "accepted"), 1);
}

#[test]
fn a_run_that_is_cancelled_archives_what_was_answered() {
    let world = with(World::new(), A, 10, accepts);
    let world = with(world, B, 1_000, hangs);
    let world = with(world, C, 1_000, accepts_three_and_hangs);
    let message = format!("cancelled before satellites were done: {B}, {C}");
    assert_eq!(run(&world), Err(message));
    assert!(world.was_cancelled());
    assert_eq!(counts(&world, A), (10, 0, 0));
    assert_eq!(counts(&world, B), (0, 0, 1_000));
    assert_eq!(counts(&world, C), (3, 0, 997));
}

#[test]
fn a_cancelled_run_names_who_failed_otherwise() {
    let world = with(World::new(), A, 1, hangs).unsent(B, 1).node_down(B);
    let world = world.unsent(C, 1).node_silent(C);
    let message = format!("cancelled before satellites were done: {A}, {C}; failed: {B}");
    assert_eq!(run(&world), Err(message));
}

#[test]
fn the_next_run_sends_what_this_one_left() {
    let world = with(World::new(), A, 10, accepts_three_and_fails);
    assert!(run(&world).is_err());
    let world = world.node(A, accepts);
    assert_eq!(run(&world), Ok(()));
    assert_eq!(counts(&world, A), (10, 0, 0));
}

#[test]
fn ten_thousand_orders_are_settled_in_bounded_memory() {
    // The window of a stream, one order at the door and one that is being sent.
    const HELD_MAX: usize = 66;
    let world = with(World::new().setting("batch-size", "300"), A, 10_000, accepts);
    assert_eq!(run(&world), Ok(()));
    assert_eq!(counts(&world, A), (10_000, 0, 0));
    assert!(world.archive_calls().iter().all(|size| *size <= 300));
    assert_eq!(world.archive_calls().len(), 34);
    assert!(world.orders_held_max() <= HELD_MAX, "{}", world.orders_held_max());

    let stuck = with(World::new(), A, 10_000, hangs);
    assert!(run(&stuck).is_err());
    assert!(stuck.orders_held_max() <= HELD_MAX, "{}", stuck.orders_held_max());
    assert_eq!(counts(&stuck, A), (0, 0, 10_000));
}

#[test]
fn an_archive_that_fails_ends_the_satellite() {
    let world = with(World::new(), A, 10, accepts).archive_fails();
    assert!(run(&world).is_err());
    let warned = world.logged(Level::Warn).join("\n");
    assert!(warned.contains("archive orders: the database is gone"), "{warned}");
    assert_eq!(settled(&world, A, "accepted"), 0);
}

#[test]
fn without_a_grant_the_run_says_which() {
    for (capability, named) in
        [("orders", "orders is not granted"), ("transport", "transport is not granted")]
    {
        let world = with(World::new(), A, 1, accepts).deny(capability);
        let said = run(&world).expect_err("is denied") + &world.logged(Level::Warn).concat();
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn an_error_names_ten_satellites_at_most() {
    let mut world = World::new();
    for number in 0..13 {
        world = world.unsent(NodeId::fake(number), 1);
    }
    let said = run(&world).expect_err("nobody is known");
    assert!(said.ends_with(" and 3 more"), "{said}");
    assert_eq!(said.matches(", ").count(), 9);
}

#[test]
fn the_descriptor_is_what_operators_read() {
    let described = chore_sdk::Descriptor::of::<OrderSender>("order-sender", "0.1.0", "");
    let hour = Duration::from_secs(3600);
    let [main] = &described.cycles[..] else { panic!("one cycle: {described:?}") };
    assert_eq!((main.name.as_str(), main.interval, main.timeout), ("main", hour, hour));
    assert!(!main.help.is_empty() && !described.about.is_empty());
    let settings: Vec<_> = described.settings.iter().map(|s| (s.name, s.default)).collect();
    assert_eq!(settings, [("dial-timeout", Some("60s")), ("batch-size", Some("500"))]);
}
