//! Whether a certificate chain proves a node id. It reads no names and no dates.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::Error;
use crate::limits::{IDENTITY_CERTIFICATE_BYTES_MAX, IDENTITY_CERTIFICATES_MAX};
use crate::node_id::NodeId;

/// A P-256 public key as an uncompressed point (SEC1).
pub(super) type Point = [u8; 65];

/// What comes before the point in the PKIX DER of a P-256 key: the algorithm, and the length of
/// what follows.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Marks a point that is not compressed.
const UNCOMPRESSED: u8 = 0x04;

/// The point of a key in PKIX DER, if it is P-256 in its one accepted form. Other forms of the same
/// key (compressed, other parameters) would give it a second id.
pub(super) fn p256_point(spki: &[u8]) -> Option<Point> {
    let point: Point = spki.strip_prefix(&P256_PREFIX)?.try_into().ok()?;
    (point[0] == UNCOMPRESSED).then_some(point)
}

/// The id of the node, from its CA's key, and the leaf's key. The id is the second certificate's:
/// whoever holds that key issued the leaf, whatever stands above it.
pub(super) fn verify(chain: &[CertificateDer<'_>]) -> Result<(NodeId, Point), Error> {
    if !(2..=IDENTITY_CERTIFICATES_MAX).contains(&chain.len()) {
        return Err(Error::ChainLength(chain.len()));
    }
    let mut parsed = Vec::with_capacity(chain.len());
    let mut points = Vec::with_capacity(chain.len());
    for (index, der) in chain.iter().enumerate() {
        let (certificate, point) = parse(index, der)?;
        points.push(point);
        parsed.push(certificate);
    }
    let last = parsed.len() - 1;
    for (index, certificate) in parsed.iter().enumerate() {
        let issuer = &parsed[(index + 1).min(last)];
        if certificate.verify_signature(Some(issuer.public_key())).is_err() {
            return Err(match index {
                index if index == last => Error::SelfSignature { index },
                index => Error::CertificateSignature { index },
            });
        }
    }
    Ok((NodeId::from_public_key_der(parsed[1].public_key().raw), points[0]))
}

/// The key of a leaf alone.
pub(super) fn leaf_point(leaf: &CertificateDer<'_>) -> Result<Point, Error> {
    parse(0, leaf).map(|(_, point)| point)
}

fn parse<'a>(
    index: usize,
    der: &'a CertificateDer<'_>,
) -> Result<(X509Certificate<'a>, Point), Error> {
    if der.len() > IDENTITY_CERTIFICATE_BYTES_MAX {
        return Err(Error::CertificateSize { index, bytes: der.len() });
    }
    let certificate = match X509Certificate::from_der(der) {
        Ok(([], certificate)) => certificate,
        Ok(_) | Err(_) => return Err(Error::Certificate { index }),
    };
    let point = p256_point(certificate.public_key().raw);
    Ok((certificate, point.ok_or(Error::CertificateKey { index })?))
}
