//! An identity's files: written whole and once, read only if others cannot read the keys.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{Error, Identity};
use crate::limits::{IDENTITY_CERTIFICATES_MAX, IDENTITY_FILE_BYTES_MAX};

const CA_CERT: &str = "ca.cert";
const CA_KEY: &str = "ca.key";
const LEAF_CERT: &str = "identity.cert";
const LEAF_KEY: &str = "identity.key";

/// The directory is its owner's alone, and so are the keys.
const DIR_MODE: u32 = 0o700;
const KEY_MODE: u32 = 0o600;
const CERT_MODE: u32 = 0o644;

/// Group and others, reading, writing and searching.
const OTHERS: u32 = 0o077;

pub(super) struct Texts<'a> {
    pub ca_cert: &'a str,
    pub ca_key: &'a str,
    pub leaf_cert: &'a str,
    pub leaf_key: &'a str,
}

pub(super) fn store(dir: &Path, texts: &Texts<'_>) -> Result<(), Error> {
    // The leaf's certificate comes last: while it is missing, nothing takes the rest for an
    // identity.
    let files = [
        (CA_KEY, texts.ca_key, KEY_MODE),
        (CA_CERT, texts.ca_cert, CERT_MODE),
        (LEAF_KEY, texts.leaf_key, KEY_MODE),
        (LEAF_CERT, texts.leaf_cert, CERT_MODE),
    ];
    for (name, ..) in files {
        let path = dir.join(name);
        match path.symlink_metadata() {
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Read { path, source }),
            Ok(_) => return Err(Error::Exists(path)),
        }
    }
    let failed = |source| Error::Write { path: dir.to_owned(), source };
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir).map_err(failed)?;
    std::fs::set_permissions(dir, Permissions::from_mode(DIR_MODE)).map_err(failed)?;
    for (name, text, mode) in files {
        write(dir, name, text, mode).map_err(|source| {
            let path = dir.join(name);
            match source.kind() {
                ErrorKind::AlreadyExists => Error::Exists(path),
                _ => Error::Write { path, source },
            }
        })?;
    }
    Ok(())
}

/// Durable and whole under its name, or not there. Never replaces a file.
fn write(dir: &Path, name: &str, text: &str, mode: u32) -> io::Result<()> {
    // A temporary file is made with mode 0600, so a key is never readable by others.
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist_noclobber(dir.join(name)).map_err(|err| err.error)?;
    // The name is durable only when its directory is.
    File::open(dir)?.sync_all()
}

pub(super) fn load(dir: &Path) -> Result<Identity, Error> {
    let cert_path = dir.join(LEAF_CERT);
    let cert = read(dir, LEAF_CERT, false)?;
    let key = read(dir, LEAF_KEY, true)?;
    let (cert, key) = match (cert, key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) => return Err(Error::Missing(dir.to_owned())),
        (None, Some(_)) => return Err(Error::Incomplete(cert_path)),
        (Some(_), None) => return Err(Error::Incomplete(dir.join(LEAF_KEY))),
    };
    let chain = certificates(&cert).map_err(|err| at(&cert_path, err))?;
    let identity = Identity::from_parts(&chain, &key).map_err(|err| match err {
        Error::Key | Error::KeyMismatch => at(&dir.join(LEAF_KEY), err),
        err => at(&cert_path, err),
    })?;
    if let Some(ca) = read(dir, CA_CERT, false)? {
        let ca_path = dir.join(CA_CERT);
        let ca = certificates(&ca).map_err(|err| at(&ca_path, err))?;
        if ca.first() != chain.get(1) {
            return Err(at(&ca_path, Error::CaMismatch));
        }
    }
    // The CA's key is not needed, but an open one is worth a refusal: it is the identity.
    match File::open(dir.join(CA_KEY)) {
        Ok(file) => check_private(&dir.join(CA_KEY), &file)?,
        Err(err) if err.kind() == ErrorKind::NotFound => {}
        // Kept from this peer: the better.
        Err(err) if err.kind() == ErrorKind::PermissionDenied => {}
        Err(source) => return Err(Error::Read { path: dir.join(CA_KEY), source }),
    }
    Ok(identity)
}

fn at(path: &Path, source: Error) -> Error {
    Error::File { path: path.to_owned(), source: Box::new(source) }
}

fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(text.as_bytes())
        .take(IDENTITY_CERTIFICATES_MAX + 1)
        .collect::<Result<_, _>>()
        .map_err(|err| Error::Pem(err.to_string()))
}

/// The file's text, or nothing if it is not there.
fn read(dir: &Path, name: &str, private: bool) -> Result<Option<String>, Error> {
    let path = dir.join(name);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Read { path, source }),
    };
    if private {
        check_private(&path, &file)?;
    }
    let mut text = String::new();
    match file.take(IDENTITY_FILE_BYTES_MAX + 1).read_to_string(&mut text) {
        Ok(bytes) if bytes as u64 > IDENTITY_FILE_BYTES_MAX => {
            Err(Error::TooLarge { path, bytes_max: IDENTITY_FILE_BYTES_MAX })
        }
        Ok(_) => Ok(Some(text)),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Asks the open file, not its name, which may be another file by now.
fn check_private(path: &Path, file: &File) -> Result<(), Error> {
    let metadata = file.metadata();
    let metadata = metadata.map_err(|source| Error::Read { path: path.to_owned(), source })?;
    match metadata.permissions().mode() & 0o7777 {
        mode if mode & OTHERS != 0 => Err(Error::Permissions { path: path.to_owned(), mode }),
        _ => Ok(()),
    }
}
