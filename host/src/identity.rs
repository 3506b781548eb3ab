//! Who this peer is, and who another proved to be: keys, certificates, signatures. It knows no
//! network.
//!
//! An identity has two keys. The CA's public key gives the node id, and its private key is needed
//! only to issue a leaf, so it can be kept elsewhere. The leaf's key speaks for the node: in TLS
//! handshakes, and under a satellite's order limits. Both are P-256. A chain `[leaf, CA, ...]`
//! proves that they belong together: each certificate is signed by the next, the last by itself.
//! Names and dates in certificates say nothing here, as in the seed system.

mod chain;
mod files;
mod pem;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use rustls::SignatureScheme;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};

use crate::limits::IDENTITY_CERTIFICATES_MAX;
use crate::node_id::NodeId;

/// How keys of an identity sign: ECDSA over P-256 with SHA-256, the signature as ASN.1 DER.
pub(crate) const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no identity in {}: run \"chore setup\"", .0.display())]
    Missing(PathBuf),
    #[error(
        "identity file {} is missing but others are there: restore it from a backup, or move \
         them away and run \"chore setup\"",
        .0.display()
    )]
    Incomplete(PathBuf),
    #[error("an identity is never overwritten: move {} away first", .0.display())]
    Exists(PathBuf),
    #[error(
        "key file {} can be read by others (mode {mode:04o}): run \"chmod 600 {}\"",
        path.display(), path.display()
    )]
    Permissions { path: PathBuf, mode: u32 },
    #[error("read identity file {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("identity file {} is larger than {bytes_max} bytes: it is no identity", path.display())]
    TooLarge { path: PathBuf, bytes_max: u64 },
    #[error("write identity file {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("identity file {} is not usable", path.display())]
    File { path: PathBuf, source: Box<Error> },
    #[error("this identity was loaded, not created: copy its files instead of storing it")]
    NotNew,
    #[error("create an identity")]
    Create(#[source] rcgen::Error),
    #[error("read pem text: {0}")]
    Pem(String),
    #[error("read a private key: it is not a P-256 key in PKCS#8 or SEC1 form")]
    Key,
    #[error("the private key does not belong to the leaf certificate")]
    KeyMismatch,
    #[error("the CA certificate is not the one that issued the leaf certificate")]
    CaMismatch,
    #[error("sign with the leaf key")]
    Sign(#[source] rustls::Error),
    #[error("the signature was not made by the leaf key of node {0}")]
    Signature(NodeId),
    #[error("the handshake was not signed by the key of the leaf certificate")]
    HandshakeSignature,
    #[error(
        "a chain has a leaf, its CA, and at most {IDENTITY_CERTIFICATES_MAX} certificates, this \
         one has {0}"
    )]
    ChainLength(usize),
    #[error("certificate {index} of the chain has {bytes} bytes, too many")]
    CertificateSize { index: usize, bytes: usize },
    #[error("certificate {index} of the chain is not X.509")]
    Certificate { index: usize },
    #[error("certificate {index} of the chain has another key than P-256")]
    CertificateKey { index: usize },
    #[error("certificate {index} of the chain is not signed by the next")]
    CertificateSignature { index: usize },
    #[error("the last certificate of the chain, {index}, is not signed by itself")]
    SelfSignature { index: usize },
}

/// Another node, or this one, as its certificate chain proves it. What it signs can be verified
/// without reaching it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicIdentity {
    id: NodeId,
    leaf: chain::Point,
    chain: Vec<CertificateDer<'static>>,
}

impl PublicIdentity {
    /// Takes a DER chain `[leaf, CA, ...]`. Fails unless it verifies: see the top of this room.
    pub fn from_chain(chain: &[CertificateDer<'_>]) -> Result<PublicIdentity, Error> {
        let (id, leaf) = chain::verify(chain)?;
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        Ok(PublicIdentity { id, leaf, chain })
    }

    /// Takes what [`PublicIdentity::to_pem`] wrote, or an `identity.cert`. Fails as `from_chain`.
    pub fn from_pem(text: &str) -> Result<PublicIdentity, Error> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes())
            .take(IDENTITY_CERTIFICATES_MAX + 1)
            .collect();
        PublicIdentity::from_chain(&certificates.map_err(|err| Error::Pem(err.to_string()))?)
    }

    pub fn to_pem(&self) -> String {
        self.chain.iter().map(|certificate| pem::certificate(certificate)).collect()
    }

    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The leaf's P-256 key as an uncompressed point (SEC1), 65 bytes.
    pub fn leaf_public_key(&self) -> &[u8] {
        &self.leaf
    }

    /// The chain in DER, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Fails unless `signature` (ASN.1 DER) over `message` was made by [`Identity::sign`] with this
    /// leaf key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Error> {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.leaf)
            .verify(message, signature)
            .map_err(|_| Error::Signature(self.id))
    }
}

/// Whether the key of this one certificate signed `message`: for a handshake, whose chain is judged
/// apart.
pub(crate) fn verify_by_certificate(
    certificate: &CertificateDer<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), Error> {
    let point = chain::leaf_point(certificate)?;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &point)
        .verify(message, signature)
        .map_err(|_| Error::HandshakeSignature)
}

/// Shows the id only: certificates are long and say nothing to a reader.
impl fmt::Debug for PublicIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicIdentity").field("id", &self.id).finish_non_exhaustive()
    }
}

/// This peer's identity, with the leaf's private key.
pub struct Identity {
    public: PublicIdentity,
    key: Arc<dyn SigningKey>,
    /// The keys as text, while they are nowhere else.
    created: Option<CreatedKeys>,
}

struct CreatedKeys {
    leaf_pem: String,
    ca_pem: String,
}

impl Identity {
    /// A new identity with keys of its own, in memory only. Takes about a millisecond.
    pub fn create() -> Result<Identity, Error> {
        let key = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Error::Create);
        let (ca_key, leaf_key) = (key()?, key()?);
        let leaf_pem = leaf_key.serialize_pem();
        let created = CreatedKeys { leaf_pem: leaf_pem.clone(), ca_pem: ca_key.serialize_pem() };

        let mut ca = params("chore node ca");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca = CertifiedIssuer::self_signed(ca, ca_key).map_err(Error::Create)?;
        let mut leaf = params("chore node");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let leaf = leaf.signed_by(&leaf_key, &ca).map_err(Error::Create)?;

        let chain = [leaf.der().clone(), ca.der().clone()];
        let identity = Identity::from_parts(&chain, &leaf_pem)?;
        Ok(Identity { created: Some(created), ..identity })
    }

    /// Fails unless the chain verifies and the key belongs to its leaf.
    fn from_parts(chain: &[CertificateDer<'_>], key_pem: &str) -> Result<Identity, Error> {
        let public = PublicIdentity::from_chain(chain)?;
        // The parser's words could repeat parts of the key; ours do not.
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|_| Error::Key)?;
        let key = rustls::crypto::ring::sign::any_ecdsa_type(&key).map_err(|_| Error::Key)?;
        let belongs = key.public_key().and_then(|spki| chain::p256_point(&spki));
        if belongs != Some(public.leaf) {
            return Err(Error::KeyMismatch);
        }
        Ok(Identity { public, key, created: None })
    }

    /// Writes `ca.cert`, `ca.key`, `identity.cert` (leaf and CA) and `identity.key` into `dir`,
    /// which is made if it is not there, for its owner alone. Each file is durable and whole or not
    /// there at all. Fails if any of them exists, or if this identity was loaded. Blocks.
    pub fn store(&self, dir: &Path) -> Result<(), Error> {
        let created = self.created.as_ref().ok_or(Error::NotNew)?;
        let ca_cert = pem::certificate(&self.public.chain[1]);
        files::store(
            dir,
            &files::Texts {
                ca_cert: &ca_cert,
                ca_key: &created.ca_pem,
                leaf_cert: &self.public.to_pem(),
                leaf_key: &created.leaf_pem,
            },
        )
    }

    /// Reads `identity.cert` and `identity.key` from `dir`. Fails if they do not belong together,
    /// if a key can be read by others, or if a `ca.cert` is there and is another CA's. The CA's key
    /// is not read, and need not be there. Blocks.
    pub fn load(dir: &Path) -> Result<Identity, Error> {
        files::load(dir)
    }

    pub fn id(&self) -> NodeId {
        self.public.id
    }

    pub fn public(&self) -> &PublicIdentity {
        &self.public
    }

    /// ECDSA P-256 over the SHA-256 of `message` with the leaf's key, as ASN.1 DER. Anybody who has
    /// the [`PublicIdentity`] can verify it.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signer = self.key.choose_scheme(&[SCHEME]).ok_or(Error::Key)?;
        signer.sign(message).map_err(Error::Sign)
    }

    /// What TLS needs to speak as this node.
    pub(crate) fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::new(CertifiedKey::new(self.public.chain.clone(), Arc::clone(&self.key)))
    }
}

/// Shows the id only, never a key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("id", &self.public.id).finish_non_exhaustive()
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

#[cfg(test)]
mod tests;
