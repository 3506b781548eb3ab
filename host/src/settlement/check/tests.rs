//! Each check of an order that is settled, one by one, in the reference's order.

use std::time::Duration;

use super::*;
use crate::signing::cast::{Cast, LIFE, NOW};

fn judge(cast: &Cast, now: Timestamp, limit: &OrderLimit, order: &Order) -> String {
    let claim = match read(&request(limit, order)) {
        Ok(claim) => claim,
        Err(ending) => return format!("end: {ending}"),
    };
    match check(cast.satellite.public(), cast.node.id(), now, &claim) {
        Ok(Checked { late: None, .. }) => "checked".to_owned(),
        Ok(Checked { late: Some(late), .. }) => format!("late: {late}"),
        Err(fault) => fault.to_string(),
    }
}

fn request(limit: &OrderLimit, order: &Order) -> Vec<u8> {
    SettlementRequest { limit: limit.encode_to_vec(), order: order.encode_to_vec() }.encode_to_vec()
}

/// Each row breaks one more thing than the row above it, from the last check to the first, and is
/// still judged by the first: so the table proves every reason and their order at once.
#[test]
fn every_check_has_its_reason_and_its_place() {
    let cast = Cast::new();
    let (mut limit, mut order) = cast.pair();
    let mut now = NOW;
    type Break = fn(&Cast, &mut Timestamp, &mut OrderLimit, &mut Order);
    let table: [(&str, Break); 9] = [
        ("checked", |_, _, _, _| ()),
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
        ("order limit has a signature that is not its satellite's", |cast, _, limit, _| {
            signing::sign_limit(&cast.stranger, limit).unwrap();
        }),
        ("order limit is for another satellite", |cast, _, limit, _| {
            limit.satellite_id = cast.stranger.id().as_bytes().to_vec();
            signing::sign_limit(&cast.stranger, limit).unwrap();
        }),
        ("order: amount is -1, which is negative", |_, _, _, order| order.amount = -1),
        ("order limit: piece id has 0 bytes, not 32", |_, _, limit, _| limit.piece_id.clear()),
    ];
    for (expected, break_it) in table {
        break_it(&cast, &mut now, &mut limit, &mut order);
        assert_eq!(judge(&cast, now, &limit, &order), expected);
    }
    limit.storage_node_id = cast.stranger.id().as_bytes().to_vec();
    assert_eq!(judge(&cast, now, &limit, &order), "order limit is for another storage node");
}

#[test]
fn only_time_speaks_against_a_late_order() {
    let cast = Cast::new();
    let (limit, order) = cast.pair();
    let end = NOW.plus(LIFE);
    assert_eq!(judge(&cast, end, &limit, &order), "checked");
    let late = judge(&cast, end.plus(Duration::from_nanos(1)), &limit, &order);
    assert_eq!(late, "late: order limit expired at 2023-11-14T23:13:20Z");
}

#[test]
fn what_is_no_order_ends_the_stream() {
    let cast = Cast::new();
    let (limit, order) = cast.pair();
    let (limit, order) = (limit.encode_to_vec(), order.encode_to_vec());
    let encode = |limit: &[u8], order: &[u8]| {
        SettlementRequest { limit: limit.to_vec(), order: order.to_vec() }.encode_to_vec()
    };
    let part = "settlement request has a part that cannot be read";
    let table = [
        (vec![0xff], "settlement request is not a protobuf message: ", ""),
        (vec![], part, ": order limit is missing"),
        (encode(&limit, &[]), part, ": order is missing"),
        (encode(&[], &order), part, ": order limit is missing"),
        (encode(&[0xff], &order), part, ": order limit is not a protobuf message"),
        (encode(&limit, &[0xff]), part, ": order is not a protobuf message"),
        (encode(&limit, &[0; 33_000]), part, ": order has 33000 bytes, at most 32768 are taken"),
        (
            vec![0; REQUEST_BYTES_MAX + 1],
            "settlement request has 66561 bytes, at most 66560 are taken",
            "",
        ),
    ];
    for (message, start, end) in table {
        let ending = read(&message).map(|_| "read").unwrap_err();
        let line = crate::error::chain(&ending);
        assert!(line.starts_with(&format!("{start}{end}")), "{line}");
    }
}

#[test]
fn verdicts_follow_what_is_remembered() {
    let cast = Cast::new();
    let (limit, order) = cast.pair();
    let claim = read(&request(&limit, &order)).unwrap();
    let checked = check(cast.satellite.public(), cast.node.id(), NOW, &claim).unwrap();
    let expired = Fault::Expired(NOW);
    let late = Checked { late: Some(expired.clone()), ..checked.clone() };
    let Entry { node, digest, .. } = &checked.entry;
    let same = Known { node: node.as_bytes().to_vec(), digest: digest.to_vec() };
    let other_order = Known { digest: vec![0; DIGEST_BYTES], ..same.clone() };
    let other_node = Known { node: vec![0; 32], ..same.clone() };
    let table = [
        (&checked, None, Verdict::Accept),
        (&checked, Some(&same), Verdict::Again),
        (&checked, Some(&other_order), Verdict::Reject(Reason::Used)),
        (&checked, Some(&other_node), Verdict::Reject(Reason::Used)),
        (&late, None, Verdict::Reject(expired.clone().into())),
        (&late, Some(&same), Verdict::Again),
        (&late, Some(&other_order), Verdict::Reject(expired.into())),
    ];
    for (row, (checked, known, expected)) in table.into_iter().enumerate() {
        assert_eq!(decide(checked, known), expected, "row {row}");
    }
}
