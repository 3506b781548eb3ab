//! Who vouches for a component: the keys that a peer trusts, and detached signatures, both in the
//! format of minisign. It opens no file; making keys and signatures is for `cli`.
//!
//! A signature file has four lines: a comment that nobody vouches for, the signature of the
//! component (in new ones, of its BLAKE2b hash), a comment, and the signature of the first signature
//! and that comment. All four are hostile until both signatures were found to be a trusted key's.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use ct_codecs::{Base64, Decoder};
use minisign_verify::{PublicKey, Signature};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::MINISIG_BYTES_MAX;
use crate::name::quote;
use crate::status::SignatureStatus;
use crate::units::format_size;

/// Of the two bytes of the algorithm and the eight of the key's id, which begin keys and signatures.
const HEAD_BYTES: usize = 10;

/// Of a public key: the head and the key itself.
const PUBLIC_KEY_BYTES: usize = HEAD_BYTES + 32;

const LINES: usize = 4;
const UNTRUSTED: &str = "untrusted comment: ";

/// Which key it is, among those that one knows: nothing proves that it is that key's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

impl KeyId {
    pub fn new(bytes: [u8; 8]) -> KeyId {
        KeyId(bytes)
    }

    /// From what keys and signatures begin with.
    fn of_head(decoded: &[u8]) -> Option<KeyId> {
        Some(KeyId(decoded.get(2..HEAD_BYTES)?.try_into().ok()?))
    }
}

/// As minisign shows it, which leaves out zeros at the beginning.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no public key of minisign: it is the second line of a file such as minisign.pub, has 56 \
     characters and begins with \"RW\""
)]
pub struct KeyError(String);

/// A public key of somebody whose components are taken.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustedKey {
    text: String,
    id: KeyId,
    key: PublicKey,
}

impl TrustedKey {
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// One line of base64.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for TrustedKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<TrustedKey, KeyError> {
        let wrong = || KeyError(quote(text));
        // Checked before: what decodes it takes as much memory as there is text.
        if text.len() != PUBLIC_KEY_BYTES.div_ceil(3) * 4 {
            return Err(wrong());
        }
        let decoded = Base64::decode_to_vec(text, None).map_err(|_| wrong())?;
        let id = KeyId::of_head(&decoded).ok_or_else(wrong)?;
        let key = PublicKey::from_base64(text).map_err(|_| wrong())?;
        Ok(TrustedKey { text: text.to_owned(), id, key })
    }
}

impl fmt::Debug for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustedKey({})", self.id)
    }
}

impl Serialize for TrustedKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for TrustedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TrustedKey, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Why nobody who is trusted vouches for a component.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error(
        "it is not signed, and chore.toml has require-signed = true: sign it with `chore sign`, and \
         put its .wasm.minisig beside it"
    )]
    Unsigned,
    #[error(
        "its signature has {}, at most {} are read: sign it anew with `chore sign`",
        format_size(*.0), format_size(MINISIG_BYTES_MAX)
    )]
    TooLarge(u64),
    #[error("its signature is not one of minisign, {0}: sign it anew with `chore sign`")]
    Format(&'static str),
    #[error(
        "it is signed by key {key}, which chore.toml does not trust (trusted-keys has {}): sign it \
         with one of those, or add that key if you trust whoever has it",
        listed(.trusted)
    )]
    Untrusted { key: KeyId, trusted: Vec<KeyId> },
    #[error(
        "its signature does not fit: the component, the signature or its comment was changed after \
         key {0} signed: sign it anew with `chore sign`"
    )]
    Changed(KeyId),
}

fn listed(keys: &[KeyId]) -> String {
    keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What a peer asks of signatures.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// What has no signature is refused.
    pub required: bool,
    /// With none, nothing is looked at: there is nothing to verify it with.
    pub trusted: &'a [TrustedKey],
}

/// Who vouches for a component, on the bytes that are compiled later. `None` if the peer does not
/// ask.
///
/// # Errors
///
/// If it has to be signed and is not; and a signature that is there must be good.
pub fn check(
    component: &[u8],
    signature: Option<&[u8]>,
    terms: Terms<'_>,
) -> Result<Option<SignatureStatus>, Error> {
    let Terms { required, trusted } = terms;
    match signature {
        None if required => Err(Error::Unsigned),
        _ if trusted.is_empty() => Ok(None),
        None => Ok(Some(SignatureStatus::default())),
        Some(signature) => verify(component, signature, trusted).map(Some),
    }
}

fn verify(
    component: &[u8],
    signature: &[u8],
    trusted: &[TrustedKey],
) -> Result<SignatureStatus, Error> {
    let (key, signature) = read(signature)?;
    let Some(known) = trusted.iter().find(|known| known.id == key) else {
        let trusted = trusted.iter().map(TrustedKey::id).collect();
        return Err(Error::Untrusted { key, trusted });
    };
    let legacy = true;
    known.key.verify(component, &signature, legacy).map_err(|_| Error::Changed(key))?;
    let comment = signature.trusted_comment().to_owned();
    Ok(SignatureStatus { signed: true, key: key.to_string(), comment })
}

/// A signature and whose it says it is.
fn read(bytes: &[u8]) -> Result<(KeyId, Signature), Error> {
    if bytes.len() as u64 > MINISIG_BYTES_MAX {
        return Err(Error::TooLarge(bytes.len() as u64));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Format("it is not UTF-8"))?;
    if text.lines().count() != LINES {
        return Err(Error::Format("it has not four lines"));
    }
    if !text.starts_with(UNTRUSTED) {
        return Err(Error::Format("it does not begin with \"untrusted comment: \""));
    }
    let wrong = Error::Format("its lines are not a signature, a comment and its signature");
    let signature = Signature::decode(text).map_err(|_| wrong.clone())?;
    let line = text.lines().nth(1).unwrap_or_default();
    let decoded = Base64::decode_to_vec(line, None).map_err(|_| wrong.clone())?;
    Ok((KeyId::of_head(&decoded).ok_or(wrong)?, signature))
}
