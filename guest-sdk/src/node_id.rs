//! The identity of a node, as bytes and as the text that operators see. It knows no certificate.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Kind};

/// Length of a node id, in bytes.
///
/// ```
/// # use chore_sdk::{NODE_ID_BYTES, NodeId};
/// assert!(NodeId::from_bytes(&[0; NODE_ID_BYTES]).is_ok());
/// ```
pub const NODE_ID_BYTES: usize = 32;

/// Identity version, the last byte of a node id. There is one so far.
const VERSION: u8 = 0;

/// A node's identity. Its text is base58check, as everywhere in a peer.
///
/// ```
/// # use chore_sdk::prelude::*;
/// let id: NodeId = "12vha9oTFnerxYRgeQ2BZqoFrLrnmmf5UWTCY2jA77dBZN6Lg2T".parse()?;
/// assert_eq!(id.as_bytes()[..2], [0xfd, 0xa0]);
/// assert_eq!(NodeId::from_bytes(id.as_bytes())?, id);
/// assert_eq!(id.to_string(), "12vha9oTFnerxYRgeQ2BZqoFrLrnmmf5UWTCY2jA77dBZN6Lg2T");
/// assert!("12vha9".parse::<NodeId>().is_err());
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId([u8; NODE_ID_BYTES]);

impl NodeId {
    /// # Errors
    ///
    /// [`Kind::Invalid`] if the length is not [`NODE_ID_BYTES`] or the version is unknown.
    pub fn from_bytes(bytes: &[u8]) -> Result<NodeId, Error> {
        let Ok(id) = <[u8; NODE_ID_BYTES]>::try_from(bytes) else {
            let message = format!("node id: {} bytes, not {NODE_ID_BYTES}", bytes.len());
            return Err(Error::of(Kind::Invalid, message));
        };
        match id[NODE_ID_BYTES - 1] {
            VERSION => Ok(NodeId(id)),
            version => Err(Error::of(Kind::Invalid, format!("node id: version {version}, not 0"))),
        }
    }

    /// The bytes as the contract has them.
    pub fn as_bytes(&self) -> &[u8; NODE_ID_BYTES] {
        &self.0
    }

    /// A made-up id for tests, distinct for each number.
    pub const fn fake(number: u8) -> NodeId {
        let mut id = [7; NODE_ID_BYTES];
        id[0] = number;
        id[NODE_ID_BYTES - 1] = VERSION;
        NodeId(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bs58::encode(self.0).with_check_version(VERSION).into_string())
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
        let decoded = bs58::decode(text).with_check(Some(VERSION)).into_vec();
        let bytes =
            decoded.map_err(|err| Error::of(Kind::Invalid, format!("node id {text:?}: {err}")))?;
        // The version stands before the id; the check has looked at it.
        NodeId::from_bytes(bytes.get(1..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_base58check_and_reads_back() {
        // From the public network: `fda0…e500`.
        let text = "12vha9oTFnerxYRgeQ2BZqoFrLrnmmf5UWTCY2jA77dBZN6Lg2T";
        let id: NodeId = text.parse().expect("well-formed");
        assert_eq!(id.as_bytes()[..2], [0xfd, 0xa0]);
        assert_eq!(id.as_bytes()[30..], [0xe5, 0x00]);
        assert_eq!(id.to_string(), text);
        for bad in ["", "1", "12vha9oTFnerxYRgeQ2BZqoFrLrnmmf5UWTCY2jA77dBZN6Lg2U", "0OIl", "é"] {
            assert_eq!(bad.parse::<NodeId>().expect_err(bad).kind(), Kind::Invalid, "{bad}");
        }
    }

    #[test]
    fn bytes_are_checked() {
        assert!(NodeId::from_bytes(&[0; 31]).is_err());
        assert!(NodeId::from_bytes(&[1; 32]).is_err());
        assert_eq!(NodeId::from_bytes(NodeId::fake(3).as_bytes()).ok(), Some(NodeId::fake(3)));
    }
}
