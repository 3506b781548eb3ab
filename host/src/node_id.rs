//! Who a node is, and where: the id, its text, and `id@host:port`. It knows no certificate, no
//! socket and no name resolution.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a node id.
pub const NODE_ID_BYTES: usize = 32;

/// The only version there is. It is the last byte of an id, and the first of its text's payload.
const VERSION: u8 = 0;

/// Version byte, id, and four bytes of checksum: what the text encodes.
const TEXT_PAYLOAD_BYTES: usize = 1 + NODE_ID_BYTES + 4;

/// Longest text of an id, in characters. Base58 takes quadratic time, so longer is refused unread.
const TEXT_CHARS_MAX: usize = 51;

/// Longest `host:port`, in bytes: a DNS name has at most 253.
const ADDRESS_BYTES_MAX: usize = 260;

/// How much of a wrong text an error repeats, in characters.
const QUOTE_CHARS_MAX: usize = 80;

/// What follows `?` in the seed system's lists: hints for protocols that this peer does not speak.
const HINTS: [&str; 4] = ["debounce", "f", "noise_proto", "noise_pub"];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a node id has {NODE_ID_BYTES} bytes, this one has {0}")]
    Length(usize),
    #[error("a node id ends with its version, and only version {VERSION} is known, not {0}")]
    Version(u8),
    #[error(
        "node id {text} looks truncated: it decodes to {bytes} bytes, not {TEXT_PAYLOAD_BYTES}"
    )]
    Truncated { text: String, bytes: usize },
    #[error("node id {0} is too long: the text of an id has at most {TEXT_CHARS_MAX} characters")]
    TooLong(String),
    #[error("node id {text} has {character:?} at position {position}, which no id contains")]
    Character { text: String, character: char, position: usize },
    #[error("node id {0} has a wrong checksum: a character is wrong or missing")]
    Checksum(String),
    #[error("node url {0} has no node id: it must be ID@host:port")]
    NoId(String),
    #[error("node url {0} has no address: it must be ID@host:port")]
    NoAddress(String),
    #[error("node url {url} has an unknown part {key} after \"?\": remove it")]
    Hint { url: String, key: String },
    #[error("address {0} has no port: it must be host:port")]
    NoPort(String),
    #[error("address {0} has a wrong port: it must be a number from 1 to 65535")]
    Port(String),
    #[error("address {0} has no host: it must be host:port")]
    NoHost(String),
    #[error("address {0} has a wrong host: it must be a name, an IPv4 address, or [IPv6]")]
    Host(String),
    #[error("address {0}: an IPv6 address needs brackets, as in [::1]:7777")]
    Brackets(String),
}

/// A node's identity: the double SHA-256 of its CA's public key, with the version as last byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; NODE_ID_BYTES]);

impl NodeId {
    /// Fails unless there are 32 bytes of which the last, the version, is 0.
    pub fn from_bytes(bytes: &[u8]) -> Result<NodeId, Error> {
        let id: [u8; NODE_ID_BYTES] = bytes.try_into().map_err(|_| Error::Length(bytes.len()))?;
        match id[NODE_ID_BYTES - 1] {
            VERSION => Ok(NodeId(id)),
            version => Err(Error::Version(version)),
        }
    }

    /// The id of whoever holds this CA key, given as PKIX DER (`SubjectPublicKeyInfo`).
    pub fn from_public_key_der(der: &[u8]) -> NodeId {
        let mut id = [0; NODE_ID_BYTES];
        id.copy_from_slice(digest(&SHA256, digest(&SHA256, der).as_ref()).as_ref());
        id[NODE_ID_BYTES - 1] = VERSION;
        NodeId(id)
    }

    pub const fn as_bytes(&self) -> &[u8; NODE_ID_BYTES] {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&bs58::encode(self.0).with_check_version(VERSION).into_string())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NodeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<NodeId, Error> {
        if text.len() > TEXT_CHARS_MAX {
            return Err(Error::TooLong(quote(text)));
        }
        let mut payload = [0; TEXT_CHARS_MAX];
        let bytes =
            bs58::decode(text).onto(&mut payload).map_err(|err| decode_error(text, &err))?;
        if bytes < TEXT_PAYLOAD_BYTES {
            return Err(Error::Truncated { text: quote(text), bytes });
        }
        if bytes > TEXT_PAYLOAD_BYTES {
            return Err(Error::Checksum(quote(text)));
        }
        let payload = &payload[..TEXT_PAYLOAD_BYTES];
        let (versioned, checksum) = payload.split_at(1 + NODE_ID_BYTES);
        let expected = digest(&SHA256, digest(&SHA256, versioned).as_ref());
        if &expected.as_ref()[..checksum.len()] != checksum {
            return Err(Error::Checksum(quote(text)));
        }
        match versioned[0] {
            VERSION => NodeId::from_bytes(&versioned[1..]),
            version => Err(Error::Version(version)),
        }
    }
}

fn decode_error(text: &str, err: &bs58::decode::Error) -> Error {
    let position = match err {
        bs58::decode::Error::InvalidCharacter { index, .. }
        | bs58::decode::Error::NonAsciiCharacter { index } => *index,
        // What is left is a buffer too small, and then the text says too much.
        _ => return Error::TooLong(quote(text)),
    };
    let character = text.get(position..).and_then(|rest| rest.chars().next()).unwrap_or('\u{fffd}');
    Error::Character { text: quote(text), character, position }
}

/// Hostile text as an error repeats it: escaped, and not without end.
fn quote(text: &str) -> String {
    let mut chars = text.chars();
    let head: String = chars.by_ref().take(QUOTE_CHARS_MAX).collect();
    let more = if chars.next().is_some() { " ..." } else { "" };
    format!("{head:?}{more}")
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NodeId, D::Error> {
        from_text(deserializer)
    }
}

fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err = Error>,
{
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

/// A node and where it listens: `ID@host:port`.
///
/// The fields are open, so an address may come from a guest unchecked; whoever dials it checks it
/// with [`check_address`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeUrl {
    pub id: NodeId,
    /// `host:port`; an IPv6 host is in brackets.
    pub address: String,
}

impl NodeUrl {
    /// Fails if the address is not `host:port`.
    pub fn new(id: NodeId, address: impl Into<String>) -> Result<NodeUrl, Error> {
        let address = address.into();
        check_address(&address)?;
        Ok(NodeUrl { id, address })
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.id, self.address)
    }
}

impl FromStr for NodeUrl {
    type Err = Error;

    /// Takes `[storj://]ID@host:port`. The hints that the seed system may add (`?debounce=`,
    /// `?noise_pub=` ...) are dropped: this peer speaks TLS. Other parts are refused.
    fn from_str(text: &str) -> Result<NodeUrl, Error> {
        let url = text.trim();
        let rest = url.strip_prefix("storj://").unwrap_or(url);
        let (rest, hints) = rest.split_once('?').unwrap_or((rest, ""));
        for hint in hints.split('&').filter(|hint| !hint.is_empty()) {
            let key = hint.split_once('=').map_or(hint, |(key, _)| key);
            if !HINTS.contains(&key) {
                return Err(Error::Hint { url: quote(text), key: quote(key) });
            }
        }
        match rest.split_once('@') {
            // An id alone is the likelier slip; an address has a dot or a colon.
            None if rest.contains(['.', ':']) => Err(Error::NoId(quote(text))),
            None => Err(Error::NoAddress(quote(text))),
            Some(("", _)) => Err(Error::NoId(quote(text))),
            Some((_, "")) => Err(Error::NoAddress(quote(text))),
            Some((id, address)) => NodeUrl::new(id.parse()?, address),
        }
    }
}

impl Serialize for NodeUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NodeUrl, D::Error> {
        from_text(deserializer)
    }
}

/// Fails unless `address` is `host:port`, where host is a name, an IPv4 address or `[IPv6]`, and
/// port is from 1 to 65535.
pub fn check_address(address: &str) -> Result<(), Error> {
    if address.len() > ADDRESS_BYTES_MAX {
        return Err(Error::Host(quote(address)));
    }
    let (host, port) = match address.rsplit_once(':') {
        Some(("", _)) => return Err(Error::NoHost(quote(address))),
        Some((host, _)) if host.starts_with('[') && !host.ends_with(']') => {
            return Err(Error::NoPort(quote(address)));
        }
        Some(parts) => parts,
        None => return Err(Error::NoPort(quote(address))),
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(Error::Port(quote(address)));
    }
    if let Some(v6) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match v6.parse::<Ipv6Addr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::Host(quote(address))),
        };
    }
    if host.contains(':') {
        return Err(Error::Brackets(quote(address)));
    }
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if host.bytes().all(of_a_name) { Ok(()) } else { Err(Error::Host(quote(address))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A public test vector of the seed system.
    const TEXT: &str = "12vha9oTFnerxYRgeQ2BZqoFrLrnmmf5UWTCY2jA77dBZN6Lg2T";
    const BYTES: [u8; 32] = [
        0xfd, 0xa0, 0x9d, 0x6b, 0xed, 0x97, 0x0d, 0x7a, 0x38, 0xfe, 0x73, 0x89, 0xcd, 0x2b, 0x1b,
        0x96, 0x20, 0xcf, 0x0e, 0xa1, 0xfc, 0xda, 0x24, 0x04, 0xd3, 0x53, 0xc3, 0xfa, 0x11, 0x3d,
        0xe5, 0x00,
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
            ("z".repeat(51), "wrong checksum"),
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
}
