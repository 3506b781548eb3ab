//! Each check of an order that is handed in, one by one.

use chore_proto::PieceAction;

use super::*;
use crate::signing::cast::{Cast, LIFE, NOW};

fn judge(cast: &Cast, now: Timestamp, limit: &OrderLimit, order: &Order) -> String {
    let request = EnqueueRequest { limit: limit.encode_to_vec(), order: order.encode_to_vec() };
    let offer = match read(&request.encode_to_vec()) {
        Ok(offer) => offer,
        Err(ending) => return format!("end: {ending}"),
    };
    let checked =
        satellite(&offer).and_then(|_| check(cast.satellite.public(), cast.node.id(), now, &offer));
    match checked {
        Ok(expires) => format!("until {expires}"),
        Err(fault) => fault.to_string(),
    }
}

/// Each row breaks one more thing than the row above it, from the last check to the first, and is
/// still judged by the first: so the table proves every reason and their order at once.
#[test]
fn every_check_has_its_reason_and_its_place() {
    let cast = Cast::new();
    let (limit, order) = cast.pair_to(PieceAction::GetRepair);
    assert_eq!(judge(&cast, NOW, &limit, &order), "until 2023-11-14T23:13:20Z");
    let (mut limit, mut order) = cast.pair_to(PieceAction::Invalid);
    let mut now = NOW;
    type Break = fn(&Cast, &mut Timestamp, &mut OrderLimit, &mut Order);
    let table: [(&str, Break); 9] = [
        ("order limit has action 0, which is none", |_, _, _, _| ()),
        ("order amounts to 1001 bytes, its limit allows 1000", |cast, _, _, order| {
            order.amount = 1001;
            signing::sign_order(&cast.key, order);
        }),
        ("order limit expired at 2023-11-14T23:13:20Z", |_, now, _, _| *now = NOW.plus(2 * LIFE)),
        ("order and limit have different serial numbers", |cast, _, _, order| {
            order.serial_number[15] ^= 1;
            signing::sign_order(&cast.key, order);
        }),
        ("order has a signature that is not of the key in its limit", |cast, _, _, order| {
            signing::sign_order(&cast.strange_key, order);
        }),
        ("order limit is for another storage node", |cast, _, limit, _| {
            limit.storage_node_id = cast.stranger.id().as_bytes().to_vec();
            signing::sign_limit(&cast.satellite, limit).unwrap();
        }),
        ("order limit has a signature that is not its satellite's", |cast, _, limit, _| {
            signing::sign_limit(&cast.stranger, limit).unwrap();
        }),
        ("order: amount is -1, which is negative", |_, _, _, order| order.amount = -1),
        ("order limit: piece id has 0 bytes, not 32", |_, _, limit, _| limit.piece_id.clear()),
    ];
    for (expected, break_it) in table {
        break_it(&cast, &mut now, &mut limit, &mut order);
        assert_eq!(judge(&cast, now, &limit, &order), expected);
    }
}

#[test]
fn what_is_no_order_ends_the_stream() {
    let cast = Cast::new();
    let (limit, order) = cast.pair();
    let (limit, order) = (limit.encode_to_vec(), order.encode_to_vec());
    let encode = |limit: &[u8], order: &[u8]| {
        EnqueueRequest { limit: limit.to_vec(), order: order.to_vec() }.encode_to_vec()
    };
    let part = "enqueue request has a part that cannot be read";
    let table = [
        (vec![0xff], "enqueue request is not a protobuf message: ", ""),
        (vec![], part, ": order limit is missing"),
        (encode(&limit, &[]), part, ": order is missing"),
        (encode(&[0xff], &order), part, ": order limit is not a protobuf message"),
        (encode(&limit, &[0xff]), part, ": order is not a protobuf message"),
        (
            vec![0; REQUEST_BYTES_MAX + 1],
            "enqueue request has 66561 bytes, at most 66560 are taken",
            "",
        ),
    ];
    for (message, start, end) in table {
        let ending = read(&message).map(|_| "read").unwrap_err();
        let line = crate::error::chain(&ending);
        assert!(line.starts_with(&format!("{start}{end}")), "{line}");
    }
}
