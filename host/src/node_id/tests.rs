//! Known ids, and every way to write one wrongly.

use super::*;

/// A public test vector of the seed system.
const TEXT: &str = "12vha9oTFnerxYRgeQ2BZqoFrLrnmmf5UWTCY2jA77dBZN6Lg2T";
const BYTES: [u8; 32] = [
    0xfd, 0xa0, 0x9d, 0x6b, 0xed, 0x97, 0x0d, 0x7a, 0x38, 0xfe, 0x73, 0x89, 0xcd, 0x2b, 0x1b, 0x96,
    0x20, 0xcf, 0x0e, 0xa1, 0xfc, 0xda, 0x24, 0x04, 0xd3, 0x53, 0xc3, 0xfa, 0x11, 0x3d, 0xe5, 0x00,
];

fn id() -> NodeId {
    NodeId::from_bytes(&BYTES).unwrap()
}

/// Compares with the outside, so the expected value is not made by the code under test.
fn encode(payload: &[u8]) -> String {
    bs58::encode(payload).with_check().into_string()
}

#[test]
fn known_id_in_both_directions() {
    assert_eq!(TEXT.parse::<NodeId>().unwrap(), id());
    assert_eq!(id().to_string(), TEXT);
    assert_eq!(format!("{:?}", id()), TEXT);
    assert_eq!(id().as_bytes(), &BYTES);
}

#[test]
fn every_id_survives_its_text() {
    for seed in 0..200u8 {
        let mut bytes = [seed; 32];
        bytes[..usize::from(seed % 32)].fill(0);
        bytes[31] = 0;
        let id = NodeId::from_bytes(&bytes).unwrap();
        assert_eq!(id.to_string().parse::<NodeId>().unwrap(), id);
    }
}

#[test]
fn id_of_a_key_is_its_double_hash_with_the_version_last() {
    // sha256(sha256("hello")), from coreutils.
    let id = NodeId::from_public_key_der(b"hello");
    let head = [0x95, 0x95, 0xc9, 0xdf, 0x90, 0x07, 0x51, 0x48];
    assert_eq!(id.as_bytes()[..8], head);
    assert_eq!(id.as_bytes()[31], 0);
}

#[test]
fn wrong_bytes_are_refused() {
    let mut version = BYTES;
    version[31] = 7;
    assert_eq!(NodeId::from_bytes(&version), Err(Error::Version(7)));
    for length in [0, 31, 33, 1000] {
        assert_eq!(NodeId::from_bytes(&vec![0; length]), Err(Error::Length(length)));
    }
}

#[test]
fn wrong_ids_are_explained() {
    let other_version = encode(&[&[1][..], &BYTES].concat());
    let mut ends_wrong = BYTES;
    ends_wrong[31] = 3;
    let ends_wrong = encode(&[&[0][..], &ends_wrong].concat());
    let cases = [
        (String::new(), "looks truncated"),
        (TEXT[..30].into(), "looks truncated"),
        (TEXT.replace("Lg2T", "Lg2U"), "wrong checksum"),
        (TEXT.replace("vha9", "vah9"), "wrong checksum"),
        (TEXT.replace('9', "0"), "'0' at position 5"),
        (TEXT.replace('9', "l"), "'l' at position 5"),
        (TEXT[..40].replace('9', "é"), "'é' at position 5"),
        (format!("{TEXT}1"), "too long"),
        ("z".repeat(51), "too long"),
        ("1".repeat(100_000), "too long"),
        (other_version, "version 0 is known, not 1"),
        (ends_wrong, "version 0 is known, not 3"),
    ];
    for (text, expected) in cases {
        let message = text.parse::<NodeId>().unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
        assert!(message.len() < 300, "{message}");
    }
}

#[test]
fn urls_are_read_and_written() {
    let cases = [
        ("@host.example:7777", "host.example:7777"),
        ("@127.0.0.1:1", "127.0.0.1:1"),
        ("@[::1]:65535", "[::1]:65535"),
        ("@under_score-d.local:7777?debounce=3&noise_pub=ab=&f=0", "under_score-d.local:7777"),
    ];
    for (rest, address) in cases {
        for scheme in ["", "storj://", "  "] {
            let url: NodeUrl = format!("{scheme}{TEXT}{rest}").parse().unwrap();
            assert_eq!(url, NodeUrl { id: id(), address: address.into() });
            assert_eq!(url.to_string(), format!("{TEXT}@{address}"));
        }
    }
}

#[test]
fn wrong_urls_are_explained() {
    let cases = [
        ("ID@host", "has no port"),
        ("ID@host:", "wrong port"),
        ("ID@host:0", "wrong port"),
        ("ID@host:65536", "wrong port"),
        ("ID@host:+80", "wrong port"),
        ("ID@host:http", "wrong port"),
        ("ID@:7777", "has no host"),
        ("ID@::1:7777", "needs brackets"),
        ("ID@[::1]", "has no port"),
        ("ID@[::g]:7777", "wrong host"),
        ("ID@ho st:7777", "wrong host"),
        ("ID@host/path:7777", "wrong host"),
        ("ID@a@b:7777", "wrong host"),
        ("ID@", "has no address"),
        ("ID", "has no address"),
        ("", "has no address"),
        ("@host:7777", "has no node id"),
        ("host:7777", "has no node id"),
        ("127.0.0.1:7777", "has no node id"),
        ("12vha9oTFnerxYRgeQ2B@host:7777", "looks truncated"),
        ("ID@host:7777?nosie_pub=1", "unknown part \"nosie_pub\""),
    ];
    for (text, expected) in cases {
        let text = text.replace("ID", TEXT);
        let message = text.parse::<NodeUrl>().unwrap_err().to_string();
        assert!(message.contains(expected), "{text}: {message}");
    }
    let long = format!("{TEXT}@{}:7777", "h".repeat(1_000_000));
    assert!(long.parse::<NodeUrl>().unwrap_err().to_string().len() < 300);
}

#[test]
fn serde_uses_the_text() {
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error as ValueError, StrDeserializer};

    let text = format!("{TEXT}@host:7777");
    let from = |text: &'static str| -> StrDeserializer<'static, ValueError> {
        text.into_deserializer()
    };
    assert_eq!(NodeId::deserialize(from(TEXT)).unwrap(), id());
    assert!(NodeId::deserialize(from("12vha9")).unwrap_err().to_string().contains("truncated"));
    let text: &'static str = Box::leak(text.into_boxed_str());
    assert_eq!(NodeUrl::deserialize(from(text)).unwrap().to_string(), text);
    assert!(NodeUrl::deserialize(from(TEXT)).unwrap_err().to_string().contains("no address"));
}
