//! The order sender against fake satellites, good and bad.

use chore_proto::{SETTLEMENT_METHOD, SettlementRequest, SettlementResponse, SettlementStatus};
use chore_sdk::log::Level;
use chore_sdk::orders::Status;
use chore_sdk::prelude::*;
use chore_sdk::testing::{Call, World, tick};
use chore_sdk::transport::{self, Code};

use crate::OrderSender;

type Ended = Result<(), transport::Status>;

const MINUTE: Duration = Duration::from_secs(60);

const A: NodeId = NodeId::fake(1);
const B: NodeId = NodeId::fake(2);
const C: NodeId = NodeId::fake(3);

/// The serial number of a fake order, which must be untouched.
fn serial(request: &SettlementRequest) -> Vec<u8> {
    assert_eq!(request.order.strip_prefix(b"order of "), Some(&request.limit[..]));
    request.limit.clone()
}

fn answer(serial_number: Vec<u8>, status: SettlementStatus, reason: &str) -> SettlementResponse {
    SettlementResponse { serial_number, status: status.into(), reason: reason.into() }
}

fn accept(request: SettlementRequest) -> SettlementResponse {
    answer(serial(&request), SettlementStatus::Accepted, "")
}

fn reject(request: SettlementRequest) -> SettlementResponse {
    answer(serial(&request), SettlementStatus::Rejected, "expired")
}

/// A world with orders for a satellite that answers each of them at once.
fn with(world: World, id: NodeId, orders: usize, verdict: Verdict) -> World {
    world.unsent(id, orders).answers(id, SETTLEMENT_METHOD, move |request| Ok(verdict(request)))
}

type Verdict = fn(SettlementRequest) -> SettlementResponse;

async fn order(call: &mut Call) -> Result<SettlementRequest, transport::Status> {
    Ok(call.next_as().await?.expect("another order"))
}

/// Reads everything before it answers anything.
async fn accepts_late(mut call: Call) -> Ended {
    let mut read = Vec::new();
    while let Some(request) = call.next_as().await? {
        read.push(request);
    }
    for request in read {
        call.answer(&accept(request)).await?;
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
        let request = order(call).await?;
        call.answer(&accept(request)).await?;
    }
    Ok(())
}

/// Answers the first order rightly and the others with what makes no sense.
async fn confuses(mut call: Call) -> Ended {
    let first = order(&mut call).await?;
    call.answer(&accept(first)).await?;
    let _second = order(&mut call).await?;
    call.answer(&answer(vec![9; 16], SettlementStatus::Accepted, "")).await?;
    let third = order(&mut call).await?;
    call.answer(&answer(serial(&third), SettlementStatus::Invalid, "")).await?;
    let _fourth = order(&mut call).await?;
    call.answer(&answer(vec![1], SettlementStatus::Rejected, "")).await
}

async fn answers_without_end(mut call: Call) -> Ended {
    let answer = accept(order(&mut call).await?);
    loop {
        call.answer(&answer).await?;
    }
}

async fn answers_garbage(mut call: Call) -> Ended {
    order(&mut call).await?;
    call.respond([0xff; 9]).await
}

/// Takes a minute for each.
async fn accepts_slowly(mut call: Call) -> Ended {
    while let Some(request) = call.next_as().await? {
        time::sleep(MINUTE).await;
        call.answer(&accept(request)).await?;
    }
    Ok(())
}

async fn refuses(_: Call) -> Ended {
    Err(transport::Status::new(Code::PERMISSION_DENIED, "who are you"))
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
        world = with(world, id, 20, accept);
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
    let world = World::new().unsent(A, 1_000).node(A, accepts_late);
    assert_eq!(run(&world), Ok(()));
    assert_eq!(counts(&world, A), (1_000, 0, 0));
    assert!(!world.was_cancelled());
}

#[test]
fn rejected_orders_are_archived_with_their_reason_and_summed_up() {
    let world = with(with(World::new(), A, 5, reject), B, 5, accept);
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

/// What makes a satellite one that fails.
type Fault = fn(World) -> World;

/// Every way in which one satellite can fail, beside one that works: what is archived, what the
/// log says of it, and that the other is settled.
#[test]
fn one_satellite_fails_alone() {
    #[rustfmt::skip]
    let cases: [(Fault, (usize, usize, usize), &str); 9] = [
        (|it| it, (0, 0, 10), "find satellite: find node"),
        (|it| it.node_down(B), (0, 0, 10), "dial satellite: dial 127.0.0.1:7777"),
        (|it| it.node_silent(B), (0, 0, 10), "dial satellite: dial 127.0.0.1:7777: no answer within 60s"),
        (|it| it.node(B, refuses), (0, 0, 10), "settle: permission denied: who are you"),
        (|it| it.node(B, accepts_three_and_fails), (3, 0, 7), "settle: unavailable: going down"),
        (|it| it.node(B, accepts_three_and_ends), (3, 0, 7), "settle: the satellite ended with 3 of 10 orders settled"),
        (|it| it.node(B, confuses), (1, 0, 9), "settle: the satellite ended with 1 of 10 orders settled"),
        (|it| it.node(B, answers_without_end), (1, 0, 9), "settle: the satellite answers more than it was asked"),
        (|it| it.node(B, answers_garbage), (0, 0, 10), "settle: internal: 9 bytes are no SettlementResponse"),
    ];
    for (fault, wanted, reason) in cases {
        let world = with(fault(World::new().unsent(B, 10)), A, 10, accept);
        assert_eq!(run(&world), Err(format!("of 2 satellites these failed: {B}")), "{reason}");
        assert_eq!((counts(&world, B), counts(&world, A)), (wanted, (10, 0, 0)), "{reason}");
        let warned = world.logged(Level::Warn);
        let said = |line: &String| {
            line.starts_with(&format!("WARN orders are not settled satellite={B}"))
                && line.contains(reason)
        };
        assert!(warned.iter().any(said), "{reason}: {warned:#?}");
        let failures = world.counter("satellite_failures_total", &[("satellite", &B.to_string())]);
        assert_eq!((failures, world.was_cancelled()), (1, false), "{reason}");
    }
}

#[test]
fn answers_that_make_no_sense_are_summed_up() {
    let world = World::new().unsent(A, 4).node(A, confuses);
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
    let world = with(World::new().timeout(MINUTE), A, 10, accept);
    let world = world.unsent(B, 1_000).node(B, hangs);
    let world = world.unsent(C, 1_000).node(C, accepts_three_and_hangs);
    let message = format!("cancelled before satellites were done: {B}, {C}");
    assert_eq!(run(&world), Err(message));
    assert!(world.was_cancelled());
    assert_eq!(counts(&world, A), (10, 0, 0));
    assert_eq!(counts(&world, B), (0, 0, 1_000));
    assert_eq!(counts(&world, C), (3, 0, 997));
}

#[test]
fn a_satellite_that_does_not_answer_is_left_before_the_run_ends() {
    let world = with(World::new(), A, 10, accept);
    let world = world.unsent(B, 1_000).node(B, hangs);
    let world = world.unsent(C, 1_000).node(C, accepts_three_and_hangs);
    let world = world.setting("answer-timeout", "30s");
    assert_eq!(run(&world), Err(format!("of 3 satellites these failed: {B}, {C}")));
    assert!(!world.was_cancelled());
    assert_eq!(counts(&world, A), (10, 0, 0));
    assert_eq!(counts(&world, C), (3, 0, 997));
}

#[test]
fn a_cancelled_run_names_who_failed_otherwise() {
    let world = World::new().timeout(MINUTE).unsent(A, 1).node(A, hangs);
    let world = world.unsent(B, 1).node_down(B);
    let world = world.unsent(C, 9).node(C, accepts_three_and_hangs);
    let message = format!("cancelled before satellites were done: {A}, {C}; failed: {B}");
    assert_eq!(run(&world), Err(message));
}

#[test]
fn the_next_run_sends_what_this_one_left() {
    let world = World::new().unsent(A, 10).node(A, accepts_three_and_fails);
    assert!(run(&world).is_err());
    let world = with(world, A, 0, accept);
    assert_eq!(run(&world), Ok(()));
    assert_eq!(counts(&world, A), (10, 0, 0));
}

#[test]
fn ten_thousand_orders_are_settled_in_bounded_memory() {
    // The window of a stream, one order at the door and one that is being sent.
    const HELD_MAX: usize = 66;
    let world = with(World::new().setting("batch-size", "300"), A, 10_000, accept);
    assert_eq!(run(&world), Ok(()));
    assert_eq!(counts(&world, A), (10_000, 0, 0));
    assert!(world.archive_calls().iter().all(|size| *size <= 300));
    assert_eq!(world.archive_calls().len(), 34);
    assert!(world.orders_held_max() <= HELD_MAX, "{}", world.orders_held_max());

    let stuck = World::new().unsent(A, 10_000).node(A, hangs);
    assert!(run(&stuck).is_err());
    assert!(stuck.orders_held_max() <= HELD_MAX, "{}", stuck.orders_held_max());
    assert_eq!(counts(&stuck, A), (0, 0, 10_000));
}

/// What the peer does not do is named, settles nothing, and is made up for by the next run if the
/// peer does it then.
#[test]
fn what_the_peer_does_not_do_is_named() {
    #[rustfmt::skip]
    let cases: [(Fault, &str, usize); 8] = [
        (|it| it.deny("orders"), "orders is not granted", 0),
        (|it| it.deny("kademlia"), "kademlia is not granted", 0),
        (|it| it.deny("transport"), "transport is not granted", 0),
        (|it| it.fails_once("orders.count-unsent", Kind::Unavailable), "count unsent orders: orders.count", 10),
        (|it| it.fails_once("kademlia.find-node", Kind::Unavailable), "find satellite: kademlia.find", 10),
        (|it| it.fails_once("transport.dial-node", Kind::TimedOut), "dial satellite: transport.dial", 10),
        (|it| it.fails_once("orders.stream-unsent", Kind::Internal), "read unsent orders: orders.stream", 10),
        (|it| it.fails_once("orders.archive", Kind::Internal), "archive orders: orders.archive", 10),
    ];
    for (fault, reason, settled_next) in cases {
        let world = fault(with(World::new(), A, 10, accept));
        let said = run(&world).expect_err(reason) + &world.logged(Level::Warn).concat();
        assert!(said.contains(reason), "{said}");
        assert_eq!(
            (counts(&world, A), settled(&world, A, "accepted")),
            ((0, 0, 10), 0),
            "{reason}"
        );
        assert_eq!(run(&world).is_ok(), settled_next > 0, "{reason}");
        assert_eq!(counts(&world, A), (settled_next, 0, 10 - settled_next), "{reason}");
    }
}

#[test]
fn a_run_that_is_out_of_time_keeps_what_it_has() {
    let world = World::new().unsent(A, 10).node(A, accepts_slowly).timeout(MINUTE * 4 + MINUTE / 2);
    assert_eq!(run(&world), Err(format!("cancelled before satellites were done: {A}")));
    assert_eq!(counts(&world, A), (4, 0, 6));
    let world = world.timeout(MINUTE * 7);
    assert_eq!(run(&world), Ok(()));
    assert_eq!(counts(&world, A), (10, 0, 0));
    assert_eq!(world.now().saturating_since(tick().due), MINUTE * 10 + MINUTE / 2);
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
    assert_eq!(
        settings,
        [
            ("dial-timeout", Some("60s")),
            ("answer-timeout", Some("5m")),
            ("batch-size", Some("500"))
        ]
    );
    let world = World::new().setting("dial-timeout", "6m");
    let line = r#"write dial-timeout = "60s" below [settings]"#;
    let refused = format!(r#"setting "dial-timeout": "6m" is not within 1s and 5m: {line}"#);
    assert_eq!(run(&world), Err(refused));
}
