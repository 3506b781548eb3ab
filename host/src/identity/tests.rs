//! Identities made, stored, loaded, broken and forged.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rcgen::{PKCS_ECDSA_P384_SHA384, PublicKeyData, date_time_ymd};

use super::*;

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn stored() -> (tempfile::TempDir, Identity) {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::create().unwrap();
    identity.store(dir.path()).unwrap();
    (dir, identity)
}

#[test]
fn a_stored_identity_is_loaded_again() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("a/identity");
    let created = Identity::create().unwrap();
    created.store(&dir).unwrap();
    let modes = [
        ("", 0o700),
        ("ca.key", 0o600),
        ("identity.key", 0o600),
        ("ca.cert", 0o644),
        ("identity.cert", 0o644),
    ];
    for (name, expected) in modes {
        assert_eq!(mode(&dir.join(name)), expected, "{name}");
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 4, "no temporary file is left");

    let loaded = Identity::load(&dir).unwrap();
    assert_eq!(loaded.public(), created.public());
    let signature = loaded.sign(b"order").unwrap();
    created.public().verify(b"order", &signature).unwrap();
    assert!(matches!(loaded.store(&dir), Err(Error::NotNew)));
}

#[test]
fn the_ca_can_be_kept_elsewhere() {
    let (dir, created) = stored();
    fs::remove_file(dir.path().join("ca.key")).unwrap();
    fs::remove_file(dir.path().join("ca.cert")).unwrap();
    assert_eq!(Identity::load(dir.path()).unwrap().id(), created.id());
}

#[test]
fn nothing_is_overwritten() {
    for name in ["ca.cert", "ca.key", "identity.cert", "identity.key"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(name), "mine").unwrap();
        let err = Identity::create().unwrap().store(dir.path()).unwrap_err();
        assert!(matches!(&err, Error::Exists(path) if path.ends_with(name)), "{err}");
        assert_eq!(fs::read_to_string(dir.path().join(name)).unwrap(), "mine");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[test]
fn open_keys_are_refused() {
    for name in ["identity.key", "ca.key"] {
        for open in [0o640, 0o604, 0o620, 0o666] {
            let (dir, _) = stored();
            let path = dir.path().join(name);
            chmod(&path, open);
            let message = Identity::load(dir.path()).unwrap_err().to_string();
            let advice = format!("(mode {open:04o}): run \"chmod 600 {}\"", path.display());
            assert!(message.ends_with(&advice), "{message}");
            chmod(&path, 0o600);
            Identity::load(dir.path()).unwrap();
        }
    }
}

#[test]
fn unusable_files_are_explained() {
    type Break = fn(&Path);
    let cases: [(&str, Break); 10] = [
        ("run \"chore setup\"", |dir| {
            fs::remove_file(dir.join("identity.key")).unwrap();
            fs::remove_file(dir.join("identity.cert")).unwrap();
        }),
        ("identity.key is missing", |dir| fs::remove_file(dir.join("identity.key")).unwrap()),
        ("identity.cert is missing", |dir| fs::remove_file(dir.join("identity.cert")).unwrap()),
        ("at most 4 certificates, this one has 0", |dir| {
            fs::write(dir.join("identity.cert"), "").unwrap();
        }),
        ("at most 4 certificates, this one has 1", |dir| {
            fs::copy(dir.join("ca.cert"), dir.join("identity.cert")).unwrap();
        }),
        ("not a P-256 key", |dir| {
            fs::write(dir.join("identity.key"), key().serialize_pem().replace('M', "N")).unwrap();
        }),
        ("does not belong to the leaf", |dir| {
            fs::copy(dir.join("ca.key"), dir.join("identity.key")).unwrap();
        }),
        ("not the one that issued", |dir| {
            let other = Identity::create().unwrap();
            fs::write(dir.join("ca.cert"), other.public().to_pem()).unwrap();
        }),
        ("larger than 65536 bytes", |dir| {
            fs::write(dir.join("identity.cert"), vec![b'\n'; 1_000_000]).unwrap();
        }),
        ("read identity file", |dir| {
            fs::remove_file(dir.join("identity.cert")).unwrap();
            fs::create_dir(dir.join("identity.cert")).unwrap();
        }),
    ];
    for (expected, break_it) in cases {
        let (dir, _) = stored();
        break_it(dir.path());
        let err = Identity::load(dir.path()).unwrap_err();
        let mut message = err.to_string();
        if let Some(source) = std::error::Error::source(&err) {
            message = format!("{message}: {source}");
        }
        assert!(message.contains(expected), "{message}");
        assert!(message.contains(dir.path().to_str().unwrap()), "{message}");
    }
}

#[test]
fn signatures_name_one_key_and_one_message() {
    let (one, other) = (Identity::create().unwrap(), Identity::create().unwrap());
    let signature = one.sign(b"limit").unwrap();
    let public = PublicIdentity::from_pem(&one.public().to_pem()).unwrap();
    assert_eq!(&public, one.public());
    public.verify(b"limit", &signature).unwrap();
    let mut flipped = signature.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let wrong: [(&PublicIdentity, &[u8], &[u8]); 5] = [
        (&public, b"limit.", &signature),
        (&public, b"limit", &flipped),
        (&public, b"limit", &signature[1..]),
        (&public, b"limit", b""),
        (other.public(), b"limit", &signature),
    ];
    for (identity, message, signature) in wrong {
        assert!(matches!(identity.verify(message, signature), Err(Error::Signature(_))));
    }
}

#[test]
fn names_and_dates_say_nothing() {
    // As the seed system makes them: valid from 0001-01-01 to 0001-01-01, and no SAN.
    let (ca_key, leaf_key) = (key(), key());
    let odd = |name: &str| {
        let mut params = params(name);
        params.not_before = date_time_ymd(1, 1, 1);
        params.not_after = date_time_ymd(1, 1, 1);
        params
    };
    let expected = NodeId::from_public_key_der(&ca_key.subject_public_key_info());
    let ca = CertifiedIssuer::self_signed(odd("ca"), ca_key).unwrap();
    let leaf = odd("leaf").signed_by(&leaf_key, &ca).unwrap();
    let chain = [leaf.der().clone(), ca.der().clone()];
    assert_eq!(PublicIdentity::from_chain(&chain).unwrap().id(), expected);
}

#[test]
fn the_id_is_the_second_certificates_whatever_signed_it() {
    let root = CertifiedIssuer::self_signed(params("root"), key()).unwrap();
    let ca_key = key();
    let expected = NodeId::from_public_key_der(&ca_key.subject_public_key_info());
    let ca = CertifiedIssuer::signed_by(params("ca"), ca_key, &root).unwrap();
    let leaf = params("leaf").signed_by(&key(), &ca).unwrap();
    let chain = [leaf.der().clone(), ca.der().clone(), root.der().clone()];
    assert_eq!(PublicIdentity::from_chain(&chain).unwrap().id(), expected);
    let shorter = PublicIdentity::from_chain(&chain[..2]);
    assert!(matches!(shorter, Err(Error::SelfSignature { index: 1 })));
}

#[test]
fn forged_chains_are_refused() {
    let (one, other) = (Identity::create().unwrap(), Identity::create().unwrap());
    let (one, other) = (one.public().chain(), other.public().chain());
    let (leaf, ca) = (&one[0], &one[1]);
    let mut flipped = leaf.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    let mut longer = leaf.to_vec();
    longer.push(0);
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = params("leaf").self_signed(&p384).unwrap();
    let cases: [(&str, Vec<CertificateDer<'_>>); 11] = [
        ("this one has 0", vec![]),
        ("this one has 1", vec![ca.clone()]),
        ("this one has 5", vec![ca.clone(); 5]),
        ("certificate 0 of the chain is not signed", vec![leaf.clone(), other[1].clone()]),
        ("certificate 0 of the chain is not signed", vec![other[0].clone(), ca.clone()]),
        ("certificate 0 of the chain is not signed", vec![ca.clone(), leaf.clone()]),
        ("certificate 0 of the chain is not signed", vec![flipped.into(), ca.clone()]),
        ("certificate 0 of the chain is not X.509", vec![longer.into(), ca.clone()]),
        ("certificate 1 of the chain is not X.509", vec![leaf.clone(), vec![7; 300].into()]),
        ("certificate 1 of the chain has 9000 bytes", vec![leaf.clone(), vec![7; 9000].into()]),
        ("certificate 0 of the chain has another key", vec![p384.der().clone(), ca.clone()]),
    ];
    for (expected, chain) in cases {
        let message = PublicIdentity::from_chain(&chain).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn every_byte_of_a_certificate_counts() {
    let identity = Identity::create().unwrap();
    let chain = identity.public().chain();
    // The algorithm is named inside what is signed; its repetition outside says nothing new.
    let algorithm = [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    let mut windows = chain[0].windows(algorithm.len());
    let repeated = windows.rposition(|bytes| bytes == algorithm).unwrap();
    let repeated = repeated..repeated + algorithm.len();
    for index in (0..chain[0].len()).filter(|index| !repeated.contains(index)) {
        let mut leaf = chain[0].to_vec();
        leaf[index] ^= 0x10;
        let changed = [leaf.into(), chain[1].clone()];
        assert!(PublicIdentity::from_chain(&changed).is_err(), "byte {index}");
    }
}

#[test]
fn pem_text_is_what_the_issuer_wrote() {
    for bytes in 0..200u8 {
        let der: Vec<u8> = (0..bytes).collect();
        let text = pem::certificate(&der);
        let read = CertificateDer::from_pem_slice(text.as_bytes()).unwrap();
        assert_eq!(read.as_ref(), der);
    }
    let issued = params("x").self_signed(&key()).unwrap();
    assert_eq!(pem::certificate(issued.der()), issued.pem().replace("\r\n", "\n"));
    for text in ["", "no pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
        assert!(PublicIdentity::from_pem(text).is_err());
    }
}

#[test]
fn keys_are_never_printed() {
    let identity = Identity::create().unwrap();
    let expected = format!("Identity {{ id: {}, .. }}", identity.id());
    assert_eq!(format!("{identity:?}"), expected);
    assert_eq!(format!("{:?}", identity.public()), format!("Public{expected}"));
}
