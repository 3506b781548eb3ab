//! Signatures and dates: what is signed, what is refused, and known vectors.

use proptest::prelude::*;

use super::cast::{Cast, LIFE, NOW};
use super::*;

fn text(result: Result<impl fmt::Debug, impl fmt::Display>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(err) => err.to_string(),
    }
}

#[test]
fn what_is_issued_and_drawn_verifies_and_reads_back() {
    let cast = Cast::new();
    let (limit, order) = cast.pair();
    assert_eq!(verify_limit(cast.satellite.public(), &limit), Ok(()));
    assert_eq!(verify_order(cast.key.public(), &order), Ok(()));
    assert_eq!(decode_limit(&limit.encode_to_vec()).unwrap(), limit);
    assert_eq!(decode_order(&order.encode_to_vec()).unwrap(), order);
    let (stamp, chance) = limit.serial_number.split_at(8);
    assert_eq!(stamp, (1_700_003_600_u64).to_be_bytes());
    assert_ne!(chance, [0; 8], "the serial number has no random half");
}

#[test]
fn a_signature_covers_every_field() {
    let cast = Cast::new();
    let (limit, order) = cast.pair();
    let public = cast.satellite.public();
    type Spoil<T> = (&'static str, fn(&mut T));
    let limits: &[Spoil<OrderLimit>] = &[
        ("serial", |l| l.serial_number[9] ^= 1),
        ("satellite", |l| l.satellite_id[0] ^= 1),
        ("node", |l| l.storage_node_id[0] ^= 1),
        ("piece", |l| l.piece_id[0] ^= 1),
        ("limit", |l| l.limit += 1),
        ("action", |l| l.action = PieceAction::Put.into()),
        ("piece expiration", |l| l.piece_expiration = Some(proto_timestamp(NOW))),
        ("order expiration", |l| l.order_expiration = Some(proto_timestamp(NOW))),
        ("creation", |l| l.order_creation = None),
        ("key", |l| l.uplink_public_key[0] ^= 1),
        ("metadata key", |l| l.encrypted_metadata_key_id = vec![1]),
        ("metadata", |l| l.encrypted_metadata = vec![1]),
        ("signature", |l| l.satellite_signature.clear()),
    ];
    for (field, change) in limits {
        let mut changed = limit.clone();
        change(&mut changed);
        assert_eq!(verify_limit(public, &changed), Err(Fault::LimitSignature), "{field}");
    }
    let orders: &[Spoil<Order>] = &[
        ("serial", |o| o.serial_number[0] ^= 1),
        ("amount", |o| o.amount += 1),
        ("signature", |o| o.uplink_signature[0] ^= 1),
        ("no signature", |o| o.uplink_signature.clear()),
    ];
    for (field, change) in orders {
        let mut changed = order.clone();
        change(&mut changed);
        assert_eq!(
            verify_order(cast.key.public(), &changed),
            Err(Fault::OrderSignature),
            "{field}"
        );
    }
    for wrong in [&[][..], &[0; 31], &[0; 32], &[255; 32]] {
        assert_eq!(verify_order(wrong, &order), Err(Fault::OrderSignature));
    }
    assert_eq!(verify_limit(cast.stranger.public(), &limit), Err(Fault::LimitSignature));
}

#[test]
fn signed_bytes_are_those_of_the_public_protocol() {
    // Tags by hand: (field number << 3) | wire type, in the order of the field numbers.
    let limit = OrderLimit {
        serial_number: vec![0xaa; 16],
        satellite_id: vec![1; 32],
        storage_node_id: vec![2; 32],
        piece_id: vec![3; 32],
        limit: 300,
        action: PieceAction::Get.into(),
        piece_expiration: None,
        order_expiration: Some(chore_proto::Timestamp { seconds: 5, nanos: 7 }),
        satellite_signature: vec![9; 70],
        order_creation: Some(chore_proto::Timestamp { seconds: 1, nanos: 0 }),
        uplink_public_key: vec![4; 32],
        ..OrderLimit::default()
    };
    let expected = [
        &[0x0a, 16][..],
        &[0xaa; 16],
        &[0x12, 32],
        &[1; 32],
        &[0x22, 32],
        &[2; 32],
        &[0x2a, 32],
        &[3; 32],
        &[0x30, 0xac, 0x02, 0x38, 0x02],
        &[0x4a, 4, 0x08, 5, 0x10, 7],
        &[0x62, 2, 0x08, 1],
        &[0x6a, 32],
        &[4; 32],
    ];
    assert_eq!(signed_limit(&limit), expected.concat());
    let order = Order { serial_number: vec![0xaa; 16], amount: 300, uplink_signature: vec![1; 64] };
    let expected = [&[0x0a, 16][..], &[0xaa; 16], &[0x10, 0xac, 0x02]];
    assert_eq!(signed_order(&order), expected.concat());
}

#[test]
fn improper_limits_are_refused_by_name() {
    let (good, _) = Cast::new().pair();
    let with = |change: fn(&mut OrderLimit)| {
        let mut limit = good.clone();
        change(&mut limit);
        limit.encode_to_vec()
    };
    let bytes = good.encode_to_vec();
    let table = [
        (vec![], "order limit is missing"),
        (vec![0xff], "order limit is not a protobuf message"),
        (bytes[..bytes.len() - 1].to_vec(), "order limit is not a protobuf message"),
        (vec![0; ORDER_BYTES_MAX + 1], "order limit has 32769 bytes, at most 32768 are taken"),
        // Field 3, the seed system's old uplink id; and a varint longer than it need be.
        (
            [&bytes[..], &[0x1a, 1, 0]].concat(),
            "order limit has fields that are unknown or not properly encoded",
        ),
        (
            [&bytes[..], &[0x38, 0x82, 0x00]].concat(),
            "order limit has fields that are unknown or not properly encoded",
        ),
        (with(|l| l.serial_number.truncate(15)), "order limit: serial number has 15 bytes, not 16"),
        (with(|l| l.satellite_id.clear()), "order limit: satellite id has 0 bytes, not 32"),
        (with(|l| l.storage_node_id.push(0)), "order limit: storage node id has 33 bytes, not 32"),
        (with(|l| l.piece_id.clear()), "order limit: piece id has 0 bytes, not 32"),
        (
            with(|l| l.uplink_public_key.clear()),
            "order limit: uplink public key has 0 bytes, not 32",
        ),
        (
            with(|l| l.satellite_signature = vec![0; 513]),
            "order limit: signature has 513 bytes, not 512",
        ),
        (with(|l| l.limit = -1), "order limit: limit is -1, which is negative"),
        (with(|l| l.order_expiration = None), "order limit has no expiration"),
        (
            with(|l| l.order_expiration = Some(chore_proto::Timestamp { seconds: 1, nanos: -1 })),
            "order limit: order expiration is no time",
        ),
        (
            with(|l| {
                let nanos = 1_000_000_000;
                l.piece_expiration = Some(chore_proto::Timestamp { seconds: 1, nanos });
            }),
            "order limit: piece expiration is no time",
        ),
    ];
    for (bytes, expected) in table {
        assert_eq!(text(decode_limit(&bytes)), expected);
    }
    // What Go writes for a time that is not set: the year 1.
    let year_one = with(|l| {
        l.piece_expiration = Some(chore_proto::Timestamp { seconds: -62_135_596_800, nanos: 0 });
    });
    assert_eq!(text(decode_limit(&year_one)), "ok");
}

#[test]
fn improper_orders_are_refused_by_name() {
    let (_, good) = Cast::new().pair();
    let with = |change: fn(&mut Order)| {
        let mut order = good.clone();
        change(&mut order);
        order.encode_to_vec()
    };
    let bytes = good.encode_to_vec();
    let table = [
        (vec![], "order is missing"),
        (bytes[1..].to_vec(), "order is not a protobuf message"),
        (
            [&bytes[..], &[0x20, 1]].concat(),
            "order has fields that are unknown or not properly encoded",
        ),
        (with(|o| o.serial_number.push(1)), "order: serial number has 17 bytes, not 16"),
        (with(|o| o.uplink_signature = vec![0; 600]), "order: signature has 600 bytes, not 512"),
        (with(|o| o.amount = -5), "order: amount is -5, which is negative"),
    ];
    for (bytes, expected) in table {
        assert_eq!(text(decode_order(&bytes)), expected);
    }
}

#[test]
fn rules_of_a_pair_hold_at_their_edges() {
    let (limit, order) = Cast::new().pair();
    let drawn = |amount| Order { amount, ..order.clone() };
    assert_eq!(check_amount(&limit, &drawn(0)), Ok(()));
    assert_eq!(check_amount(&limit, &drawn(1000)), Ok(()));
    assert_eq!(
        check_amount(&limit, &drawn(1001)),
        Err(Fault::Amount { amount: 1001, limit: 1000 })
    );
    let end = NOW.plus(LIFE);
    assert_eq!(check_time(&limit, end), Ok(()));
    let late = Timestamp::from_nanos(end.as_nanos() + 1);
    assert_eq!(check_time(&limit, late), Err(Fault::Expired(end)));
    for (action, expected) in [(0, false), (1, true), (7, true), (8, false), (-1, false)] {
        let limit = OrderLimit { action, ..limit.clone() };
        assert_eq!(check_action(&limit).is_ok(), expected, "{action}");
    }
}

proptest! {
    #[test]
    fn times_survive_the_wire(nanos in any::<i64>()) {
        let time = Timestamp::from_nanos(nanos);
        prop_assert_eq!(timestamp(proto_timestamp(time)), Some(time));
    }

    #[test]
    fn times_of_any_peer_never_panic(seconds in any::<i64>(), nanos in any::<i32>()) {
        let read = timestamp(chore_proto::Timestamp { seconds, nanos });
        prop_assert_eq!(read.is_some(), (0..1_000_000_000).contains(&nanos));
    }

    #[test]
    fn hostile_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(limit) = decode_limit(&bytes) {
            prop_assert_eq!(limit.encode_to_vec(), bytes.clone());
        }
        if let Ok(order) = decode_order(&bytes) {
            prop_assert_eq!(order.encode_to_vec(), bytes);
        }
    }
}
