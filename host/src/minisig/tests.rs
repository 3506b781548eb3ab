//! Signatures of the reference tool, and what hostile files make of them. The key is for tests only.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

/// What minisign 0.11 signed.
const MESSAGE: &[u8] = b"hello\n";

const KEY: &str = "RWRxu+kQ1/g43MuFdhcXu+VC0xo5MUGznwNFHxLFUjR9paSluMvez4uX";
const KEY_ID: &str = "DC38F8D710E9BB71";
const OTHER: &str = "RWQZgq1ASZdoAodqq/ZzDNpLU79WTltdsTUQeEvAQ7esN8gJssVG3+TP";
const OTHER_ID: &str = "268974940AD8219";

/// Of the hash of the message, as minisign signs by itself.
const HASHED: &str = "\
untrusted comment: signature from minisign secret key\n\
RURxu+kQ1/g43LaYkVyiiuhmgmzsXkW/imowLjdyEQBdwk38dGsjix0L5XX/5qIH0lgezZqfT3UfiLWnUFcgCAugjqqy0JgR9wI=\n\
trusted comment: timestamp:1795643589\tfile:x.wasm\thashed\n\
IzvAUNhv6vqf5fvCL6uP4SZJMsOKyZ0apqfFEwjQN+gy1cH4EEQuelb42v4kaH0jnzmaKK1zlfHTFy2u1W2rDQ==\n\
";

/// Of the message itself, by `minisign -l`.
const LEGACY: &str = "\
untrusted comment: signature from minisign secret key\n\
RWRxu+kQ1/g43HJztdSJQceQQHAZKeAsyb0SRvR8LwKCTKm08t3U8O5aWFz/FGbQlltXCiNhXOSYUV0/JAMiFsm/nyTB6azBlAc=\n\
trusted comment: timestamp:1795643589\tfile:x.wasm\n\
Cgm0uxb8dkxzpU6UHBOwwmfFj4l4Yy6dgK+Gxvz0e0f59JGkEZycYvbz8HVWACJx7wbDw2vcHPdyy3Jop8+9Cw==\n\
";

/// With `-t`.
const COMMENTED: &str = "\
untrusted comment: signature from minisign secret key\n\
RURxu+kQ1/g43LaYkVyiiuhmgmzsXkW/imowLjdyEQBdwk38dGsjix0L5XX/5qIH0lgezZqfT3UfiLWnUFcgCAugjqqy0JgR9wI=\n\
trusted comment: ünï \"release\" 7\n\
DzyGxDy3hqJngaqb4iVXw+GSfwATlSCmhBU+OikEUKtKuXFlwcq5VyLbB9oLBndV82G4XeVrV30k7JL4dJsuDg==\n\
";

fn trusted(keys: &[&str]) -> Vec<TrustedKey> {
    keys.iter().map(|key| key.parse().unwrap()).collect()
}

/// By a peer that trusts [`KEY`] and requires nothing: who signed, or why not.
fn verified(message: &[u8], signature: &[u8]) -> Result<SignatureStatus, Error> {
    let trusted = trusted(&[OTHER, KEY]);
    let terms = Terms { required: false, trusted: &trusted };
    check(message, Some(signature), terms).map(|status| status.unwrap())
}

fn id(text: &str) -> KeyId {
    KeyId::new(u64::from_str_radix(text, 16).unwrap().to_le_bytes())
}

#[test]
fn what_minisign_signs_is_taken() {
    let windows = HASHED.replace('\n', "\r\n");
    for (signature, comment) in [
        (HASHED, "timestamp:1795643589\tfile:x.wasm\thashed"),
        (HASHED.trim_end(), "timestamp:1795643589\tfile:x.wasm\thashed"),
        (&windows, "timestamp:1795643589\tfile:x.wasm\thashed"),
        (LEGACY, "timestamp:1795643589\tfile:x.wasm"),
        (COMMENTED, "ünï \"release\" 7"),
    ] {
        let status = verified(MESSAGE, signature.as_bytes()).unwrap();
        assert!(status.signed);
        assert_eq!((&*status.key, &*status.comment), (KEY_ID, comment));
    }
}

#[test]
fn what_was_changed_is_refused() {
    let other_comment = HASHED.replace("x.wasm", "y.wasm");
    // The hash of one message is not another message of its own.
    let as_legacy = HASHED.replacen("RURx", "RWRx", 1);
    let mixed: Vec<&str> = HASHED.lines().take(2).chain(LEGACY.lines().skip(2)).collect();
    let mixed = mixed.join("\n");
    for (what, message, signature) in [
        ("another byte", &b"hellp\n"[..], HASHED),
        ("a byte less", b"hello", HASHED),
        ("a byte more", b"hello\n\0", HASHED),
        ("nothing", b"", HASHED),
        ("another byte, unhashed", b"hellp\n", LEGACY),
        ("another comment", MESSAGE, &other_comment),
        ("another algorithm", MESSAGE, &as_legacy),
        ("the comment of another signature", MESSAGE, &mixed),
    ] {
        assert_eq!(
            verified(message, signature.as_bytes()),
            Err(Error::Changed(id(KEY_ID))),
            "{what}"
        );
    }
    // What nobody vouches for may be anything.
    let named = HASHED.replacen("signature from", "a lie about", 1);
    assert!(verified(MESSAGE, named.as_bytes()).is_ok());
}

#[test]
fn what_a_peer_asks_for() {
    let none = trusted(&[]);
    let other = trusted(&[OTHER]);
    let both = trusted(&[OTHER, KEY]);
    let unsigned = Ok(Some(SignatureStatus::default()));
    let untrusted = Error::Untrusted { key: id(KEY_ID), trusted: vec![id(OTHER_ID)] };
    let signed = verified(MESSAGE, HASHED.as_bytes()).unwrap();
    let garbage = "garbage";
    for (required, trusted, signature, expected) in [
        (false, &none, None, Ok(None)),
        (false, &none, Some(HASHED), Ok(None)),
        (false, &none, Some(garbage), Ok(None)),
        (false, &both, None, unsigned),
        (false, &both, Some(HASHED), Ok(Some(signed.clone()))),
        (false, &other, Some(HASHED), Err(untrusted.clone())),
        (false, &both, Some(garbage), Err(Error::Format("it has not four lines"))),
        (true, &both, None, Err(Error::Unsigned)),
        (true, &both, Some(HASHED), Ok(Some(signed))),
        (true, &other, Some(HASHED), Err(untrusted)),
    ] {
        let checked = check(MESSAGE, signature.map(str::as_bytes), Terms { required, trusted });
        assert_eq!(checked, expected, "{required} {trusted:?} {signature:?}");
    }
    let message = Error::Untrusted { key: id(KEY_ID), trusted: vec![id(OTHER_ID)] }.to_string();
    assert!(message.contains(KEY_ID) && message.contains(OTHER_ID), "{message}");
}

#[test]
fn a_hostile_file_is_named() {
    let line = |n: usize, text: &str| {
        let mut lines: Vec<&str> = HASHED.lines().collect();
        lines[n] = text;
        lines.join("\n").into_bytes()
    };
    let lines = Error::Format("it has not four lines");
    let wrong = Error::Format("its lines are not a signature, a comment and its signature");
    let untrusted = Error::Format("it does not begin with \"untrusted comment: \"");
    let algorithm = HASHED.lines().nth(1).unwrap().replacen("RU", "AA", 1);
    let huge = MINISIG_BYTES_MAX as usize + 1;
    for (what, bytes, expected) in [
        ("empty", vec![], lines.clone()),
        ("one line", b"untrusted comment: x".to_vec(), lines.clone()),
        ("many lines", "untrusted comment: x\n".repeat(400).into_bytes(), lines.clone()),
        ("a fifth line", format!("{HASHED}\n").into_bytes(), lines.clone()),
        ("three lines", HASHED.lines().take(3).collect::<Vec<_>>().join("\n").into_bytes(), lines),
        ("too large", vec![b'a'; huge], Error::TooLarge(huge as u64)),
        ("no text", b"\xff\n\n\n\n".to_vec(), Error::Format("it is not UTF-8")),
        ("no untrusted comment", line(0, "comment: x"), untrusted),
        ("no base64", line(1, "RU*"), wrong.clone()),
        ("a short signature", line(1, "RURx"), wrong.clone()),
        ("an unknown algorithm", line(1, &algorithm), wrong.clone()),
        ("no trusted comment", line(2, "comment: x"), wrong.clone()),
        ("no global signature", line(3, "A"), wrong.clone()),
        ("a long global signature", line(3, &"A".repeat(4000)), wrong),
    ] {
        assert_eq!(verified(MESSAGE, &bytes), Err(expected), "{what}");
    }
}

#[test]
fn public_keys_are_one_line_of_minisign() {
    let key: TrustedKey = KEY.parse().unwrap();
    assert_eq!((key.text(), &*key.id().to_string()), (KEY, KEY_ID));
    let secret = "RWQAAEIyAAAAAAAAAAAAAAAA".repeat(20);
    let long = "A".repeat(1_000_000);
    for text in [
        "",
        "RW",
        "RW...",
        &KEY[1..],
        &format!("{KEY}A"),
        &KEY.replacen("RW", "AA", 1),
        &secret,
        &long,
    ] {
        let err = text.parse::<TrustedKey>().unwrap_err().to_string();
        assert!(err.contains("is no public key of minisign") && err.len() < 400, "{err}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_taken_for_a_signature(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(verified(MESSAGE, &bytes).is_err());
    }

    /// One bit anywhere, but in what nobody vouches for and in the key's id, which names another.
    #[test]
    fn no_bit_can_be_turned(at in UNTRUSTED.len()..HASHED.len(), bit in 0..7_u32) {
        let mut bytes = HASHED.as_bytes().to_vec();
        bytes[at] ^= 1 << bit;
        let first = HASHED.find('\n').unwrap();
        if let Ok(status) = verified(MESSAGE, &bytes) {
            prop_assert!(at < first || at + 1 == HASHED.len(), "{}: {:?}", at, status);
        }
    }
}
