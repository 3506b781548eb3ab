//! What comes over the network or from the chores directory as bytes: components, certificates, messages.

use chore_host::clock::Timestamp;
use chore_host::identity::PublicIdentity;
use chore_host::minisig::{self, Terms, TrustedKey};
use chore_host::node_id::NodeId;
use chore_host::package::{self, Digest};
use chore_host::settlement::check;
use chore_host::signing;
use chore_proto::{EnqueueRequest, Order, OrderLimit, SettlementRequest};
use prost::Message;
use rustls::pki_types::CertificateDer;

pub fn package(bytes: &[u8]) {
    if let Ok(package) = package::verify(bytes) {
        assert_eq!(package.digest, Digest::of(bytes));
    }
}

/// Somebody's public key; nobody here has the other half.
const KEY: &str = "RWRxu+kQ1/g43MuFdhcXu+VC0xo5MUGznwNFHxLFUjR9paSluMvez4uX";

/// A signature file. None of them was made for these bytes.
pub fn signature(bytes: &[u8]) {
    let Ok(key) = KEY.parse::<TrustedKey>() else { panic!("it is a key") };
    let terms = Terms { required: true, trusted: &[key] };
    match minisig::check(b"the fuzzer's component", Some(bytes), terms) {
        Ok(_) => panic!("a signature that nobody made is taken"),
        Err(err) => assert!(!err.to_string().contains('\n'), "{err}"),
    }
}

/// One byte says what the rest is.
pub fn wire(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => settlement(rest),
        1 => enqueue(rest),
        2 => parts(rest),
        _ => identity(rest),
    }
}

/// A node's request, at a satellite.
fn settlement(bytes: &[u8]) {
    let Ok(claim) = check::read(bytes) else { return };
    // What was taken apart is what was sent.
    let request = SettlementRequest::decode(bytes);
    assert!(request.is_ok_and(|request| OrderLimit::decode(&request.limit[..]).is_ok()));
    faults(&claim.limit, &claim.order);
}

/// An uplink's request, at a node.
fn enqueue(bytes: &[u8]) {
    let Ok(request) = EnqueueRequest::decode(bytes) else { return };
    let parts = (signing::parse_limit(&request.limit), signing::parse_order(&request.order));
    if let (Ok(limit), Ok(order)) = parts {
        faults(&limit, &order);
    }
}

fn parts(bytes: &[u8]) {
    if let Ok(limit) = signing::decode_limit(bytes) {
        assert_eq!(signing::decode_limit(&limit.encode_to_vec()).ok().as_ref(), Some(&limit));
    }
    if let Ok(order) = signing::decode_order(bytes) {
        assert_eq!(signing::decode_order(&order.encode_to_vec()).ok().as_ref(), Some(&order));
    }
}

/// Every check that strangers' orders go through. What has a fault is only refused; none of them may
/// panic on any value.
fn faults(limit: &OrderLimit, order: &Order) {
    let encoded = limit.encode_to_vec();
    let _ = signing::check_limit(limit, &encoded);
    let _ = signing::check_order(order, &order.encode_to_vec());
    let _ = signing::check_serials(limit, order);
    let _ = signing::check_amount(limit, order);
    let _ = signing::check_action(limit);
    let _ = signing::satellite(limit);
    let _ = signing::verify_order(&limit.piece_id, order);
    if let Ok(expires) = signing::expiration(limit) {
        let after = Timestamp::from_nanos(expires.as_nanos().saturating_add(1));
        let late = signing::check_time(limit, after).is_err();
        assert!(late || expires == Timestamp::MAX, "expired, and taken");
    }
}

fn identity(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(identity) = PublicIdentity::from_pem(text)
    {
        let again = PublicIdentity::from_pem(&identity.to_pem());
        assert_eq!(again.ok().map(|again| again.id()), Some(identity.id()));
    }
    // Two certificates, one after the other, cut where a length says.
    let Some((cut, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (leaf, authority) = rest.split_at(rest.len().min(u16::from_be_bytes(*cut).into()));
    let chain = [leaf, authority].map(|der| CertificateDer::from(der.to_vec()));
    if let Ok(identity) = PublicIdentity::from_chain(&chain) {
        let id = NodeId::from_bytes(identity.id().as_bytes());
        assert_eq!(id, Ok(identity.id()));
        assert!(identity.verify(b"nobody signed this", rest).is_err());
    }
}
