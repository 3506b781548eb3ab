//! Compiled code on disk, so that a component is compiled once and not at every start. It knows no
//! wasm: code is bytes that belong to a digest.
//!
//! Whoever chooses compiled code chooses what the peer's process does, so code is accepted from
//! nowhere but this cache, and from here only if this home wrote it: every entry begins with a MAC
//! that is keyed with the home's secret, and nothing of an entry is looked at before that fits. An
//! entry that does not fit is removed and compiled again, never executed. An entry is read, not
//! mapped: a mapped file that somebody cuts short takes the process with it.
//!
//! The cache is a convenience. When it cannot be used, that is a warning, and the peer compiles.

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::hash::{Hash, Hasher};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};
use tempfile::NamedTempFile;
use tracing::{info, warn};

use crate::error::chain;
use crate::limits::{CACHE_SECRET_BYTES, COMPILED_CACHE_BYTES_MAX, COMPILED_ENTRY_BYTES_MAX};
use crate::package::Digest;
use crate::units::hex;

/// An entry is its MAC, what the code belongs to (the component's digest and the engine's
/// fingerprint), and the code. The MAC is over all that follows it.
const MAC_BYTES: usize = SHA256_OUTPUT_LEN;
const HEAD_BYTES: usize = 2 * SHA256_OUTPUT_LEN;

/// How the file of an entry ends, and one that is still being written.
const ENTRY_EXTENSION: &str = "code";
const TEMPORARY_EXTENSION: &str = "tmp";

/// Bytes of the engine's fingerprint in a file's name: engines must not share a name by chance, and
/// the MAC is over the whole of it.
const NAMED_BYTES: usize = 8;

const DIRECTORY_MODE: u32 = 0o700;

/// Group and others, reading, writing and searching.
const OTHERS: u32 = 0o077;

/// Where compiled code is kept.
#[derive(Clone, Debug)]
pub struct Place {
    /// Only for the cache: what is damaged there is removed. Made if it is not there.
    pub directory: PathBuf,
    /// The file with the secret that entries are authenticated with, outside of `directory`. Made
    /// if it is not there.
    pub secret: PathBuf,
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("make {} and write to it", .0.display())]
    Directory(PathBuf, #[source] io::Error),
    #[error("{} is not a directory, or a link to one: remove it", .0.display())]
    NotADirectory(PathBuf),
    #[error("{} belongs to another user: remove it, or give it to this one", .0.display())]
    Owner(PathBuf),
    #[error("write the cache's secret {}", .0.display())]
    Secret(PathBuf, #[source] io::Error),
    #[error("the system has no random numbers for the cache's secret")]
    Random,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    #[error("it is no regular file")]
    NotAFile,
    #[error("it has {0} bytes, more than are read")]
    TooLarge(u64),
    #[error("it was not written by this home, or is damaged")]
    Mac,
    #[error("it is code of another component, or for another engine")]
    Other,
    #[error("others than this user may read or change it")]
    Open,
    #[error("it has {0} bytes, not {CACHE_SECRET_BYTES}")]
    Length(usize),
}

/// Which compiler made code, and for which machine: code runs only in an engine with the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint([u8; SHA256_OUTPUT_LEN]);

impl Fingerprint {
    /// The same in every process for the same `value`, as the standard library's hashers are not.
    pub(super) fn of(value: &impl Hash) -> Fingerprint {
        struct Sha(Context);

        impl Hasher for Sha {
            fn write(&mut self, bytes: &[u8]) {
                self.0.update(bytes);
            }

            // Nobody asks: 64 bits are too few.
            fn finish(&self) -> u64 {
                0
            }
        }

        let mut sha = Sha(Context::new(&SHA256));
        value.hash(&mut sha);
        let mut found = [0; SHA256_OUTPUT_LEN];
        found.copy_from_slice(sha.0.finish().as_ref());
        Fingerprint(found)
    }
}

/// Code that this home wrote for this very component and engine. Only the cache makes one.
pub(super) struct Verified(Vec<u8>);

impl Verified {
    pub(super) fn code(&self) -> &[u8] {
        self.0.get(MAC_BYTES + HEAD_BYTES..).unwrap_or_default()
    }
}

/// An open cache. Everything in it blocks.
pub(super) struct Cache {
    directory: PathBuf,
    key: hmac::Key,
    fingerprint: Fingerprint,
    bytes_max: u64,
}

impl Cache {
    pub(super) fn open(place: &Place, fingerprint: Fingerprint) -> Result<Cache, Error> {
        let Place { directory, secret } = place;
        let owner = make_private(directory)?;
        let key = hmac::Key::new(HMAC_SHA256, &load_secret(secret, owner)?);
        // A home has one peer, so what is still being written is left from one that was killed.
        for (path, _) in files(directory, TEMPORARY_EXTENSION) {
            remove(&path);
        }
        let directory = directory.clone();
        Ok(Cache { directory, key, fingerprint, bytes_max: COMPILED_CACHE_BYTES_MAX })
    }

    /// The code for a component. What cannot be trusted is removed, as if it had not been there.
    pub(super) fn load(&self, digest: &Digest) -> Option<Verified> {
        match self.read(digest) {
            Ok(verified) => Some(verified),
            Err(Refusal::Read(err)) if err.kind() == ErrorKind::NotFound => None,
            Err(refusal) => {
                self.discard(digest, chain(&refusal));
                None
            }
        }
    }

    fn read(&self, digest: &Digest) -> Result<Verified, Refusal> {
        let (file, bytes) = read_regular(&self.path(digest), COMPILED_ENTRY_BYTES_MAX)?;
        let (mac, rest) = bytes.split_at_checked(MAC_BYTES).ok_or(Refusal::Mac)?;
        hmac::verify(&self.key, rest, mac).map_err(|_| Refusal::Mac)?;
        if !rest.starts_with(&self.head(digest)) {
            return Err(Refusal::Other);
        }
        // Who was used last stays longest. If that fails, only their order suffers.
        let _ = file.set_modified(SystemTime::now());
        Ok(Verified(bytes))
    }

    /// Keeps the code of a component. A failure is a warning: the code is there, and is used.
    pub(super) fn store(&self, digest: &Digest, code: &[u8]) {
        let bytes = (MAC_BYTES + HEAD_BYTES + code.len()) as u64;
        if bytes > COMPILED_ENTRY_BYTES_MAX.min(self.bytes_max) {
            info!("the compiled code of component {digest} is not kept: it has {bytes} bytes");
            return;
        }
        if let Err(err) = self.write(digest, code) {
            let path = self.path(digest);
            warn!("the compiled code of a component is not kept: write {}: {err}", path.display());
        }
        self.evict();
    }

    /// Whole under its name, or not there. It need not be durable: the MAC finds what is torn.
    fn write(&self, digest: &Digest, code: &[u8]) -> io::Result<()> {
        let head = self.head(digest);
        let mut mac = hmac::Context::with_key(&self.key);
        mac.update(&head);
        mac.update(code);
        let suffix = format!(".{TEMPORARY_EXTENSION}");
        // Removes itself if it does not get its name.
        let mut file = tempfile::Builder::new().suffix(&suffix).tempfile_in(&self.directory)?;
        file.write_all(mac.sign().as_ref())?;
        file.write_all(&head)?;
        file.write_all(code)?;
        file.persist(self.path(digest)).map(drop).map_err(|err| err.error)
    }

    /// Removes an entry, and says why.
    pub(super) fn discard(&self, digest: &Digest, reason: impl Display) {
        let path = self.path(digest);
        let file = path.display();
        warn!("compiled code of component {digest} is removed and made again: {file}: {reason}");
        remove(&path);
    }

    /// Removes who was not used for longest, until the rest fits.
    fn evict(&self) {
        let mut entries = files(&self.directory, ENTRY_EXTENSION);
        entries.sort_by_key(|(_, metadata)| metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        let mut bytes: u64 = entries.iter().map(|(_, metadata)| metadata.len()).sum();
        for (path, metadata) in entries {
            if bytes <= self.bytes_max {
                break;
            }
            info!("removed compiled code that was not used for longest: {}", path.display());
            remove(&path);
            bytes = bytes.saturating_sub(metadata.len());
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let engine = hex(&self.fingerprint.0[..NAMED_BYTES]);
        self.directory.join(format!("{}-{engine}.{ENTRY_EXTENSION}", digest.hex()))
    }

    fn head(&self, digest: &Digest) -> [u8; HEAD_BYTES] {
        let mut head = [0; HEAD_BYTES];
        let (component, engine) = head.split_at_mut(SHA256_OUTPUT_LEN);
        component.copy_from_slice(digest.as_bytes());
        engine.copy_from_slice(&self.fingerprint.0);
        head
    }
}

/// Makes the directory ours alone, and says who we are.
fn make_private(directory: &Path) -> Result<u32, Error> {
    let failed = |err| Error::Directory(directory.to_owned(), err);
    match DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory) {
        Err(err) if err.kind() != ErrorKind::AlreadyExists => return Err(failed(err)),
        _ => {}
    }
    // Not a link: it can be pointed elsewhere by whoever owns it.
    let metadata = directory.symlink_metadata().map_err(failed)?;
    if !metadata.is_dir() {
        return Err(Error::NotADirectory(directory.to_owned()));
    }
    // The owner of a file that we make is who we are.
    let probe = NamedTempFile::new_in(directory).map_err(failed)?;
    let owner = probe.as_file().metadata().map_err(failed)?.uid();
    if metadata.uid() != owner {
        return Err(Error::Owner(directory.to_owned()));
    }
    if metadata.mode() & OTHERS != 0 {
        warn!("made {} private: others had access to compiled code", directory.display());
        fs::set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE)).map_err(failed)?;
    }
    Ok(owner)
}

/// This home's secret. One that others may know is replaced; entries then no longer verify.
fn load_secret(path: &Path, owner: u32) -> Result<[u8; CACHE_SECRET_BYTES], Error> {
    match read_secret(path, owner) {
        Ok(secret) => return Ok(secret),
        Err(Refusal::Read(err)) if err.kind() == ErrorKind::NotFound => {}
        Err(refusal) => {
            let reason = chain(&refusal);
            warn!("replaced the secret of the compiled code, {}: {reason}", path.display());
        }
    }
    let mut secret = [0; CACHE_SECRET_BYTES];
    SystemRandom::new().fill(&mut secret).map_err(|_| Error::Random)?;
    write_secret(path, &secret).map_err(|err| Error::Secret(path.to_owned(), err))?;
    Ok(secret)
}

fn read_secret(path: &Path, owner: u32) -> Result<[u8; CACHE_SECRET_BYTES], Refusal> {
    let (file, bytes) = read_regular(path, CACHE_SECRET_BYTES as u64)?;
    let metadata = file.metadata()?;
    if metadata.uid() != owner || metadata.mode() & OTHERS != 0 {
        return Err(Refusal::Open);
    }
    bytes.as_slice().try_into().map_err(|_| Refusal::Length(bytes.len()))
}

/// Durable, so that what is authenticated with it outlives a crash. A temporary file is made with
/// mode 0600, so the secret is never readable by others.
fn write_secret(path: &Path, secret: &[u8]) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(directory)?;
    file.write_all(secret)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|err| err.error)?;
    File::open(directory)?.sync_all()
}

/// The whole of a regular file. A link or a FIFO is refused, and cannot keep us waiting.
fn read_regular(path: &Path, bytes_max: u64) -> Result<(File, Vec<u8>), Refusal> {
    let named = path.symlink_metadata()?;
    if !named.is_file() {
        return Err(Refusal::NotAFile);
    }
    // Also for writing, because a FIFO that took the file's place by now is then opened at once.
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let opened = file.metadata()?;
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Err(Refusal::NotAFile);
    }
    if opened.len() > bytes_max {
        return Err(Refusal::TooLarge(opened.len()));
    }
    let mut bytes = Vec::with_capacity(opened.len() as usize);
    // It may grow while it is read.
    let read = (&mut file).take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)? as u64;
    if read > bytes_max {
        return Err(Refusal::TooLarge(read));
    }
    Ok((file, bytes))
}

/// The regular files of a directory that end in `extension`.
fn files(directory: &Path, extension: &str) -> Vec<(PathBuf, fs::Metadata)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == extension));
    let found = named.filter_map(|path| path.symlink_metadata().ok().map(|found| (path, found)));
    found.filter(|(_, metadata)| metadata.is_file()).collect()
}

/// Whatever is there. A directory too: the cache's own has nothing that is worth keeping.
fn remove(path: &Path) {
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        _ => fs::remove_file(path),
    };
    match removed {
        Err(err) if err.kind() != ErrorKind::NotFound => {
            warn!("remove {}: {err}", path.display());
        }
        _ => {}
    }
}
