//! Opens files of the chores directory: regular ones only, inside it only, and of a size that is
//! known beforehand.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::stamp::Stamp;
use crate::package::Digest;

/// Why a file could not be read again.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{} changed while it was read", .0.display())]
    Changed(PathBuf),
    #[error("read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("the peer is closing")]
    Closed,
}

/// Reads files of one directory. Cheap to clone.
#[derive(Clone)]
pub struct Reader(Arc<Path>);

impl Reader {
    pub(super) fn new(directory: Arc<Path>) -> Reader {
        Reader(directory)
    }

    /// The bytes that `wanted` is the digest of. Whatever else is there by now is none of them.
    pub fn read(
        &self,
        file: &OsStr,
        wanted: Digest,
        bytes_max: u64,
    ) -> impl Future<Output = Result<Arc<[u8]>, ReadError>> + Send + use<> {
        let (directory, path) = (self.0.clone(), self.0.join(file));
        let read = move || read_wanted(&directory, path, wanted, bytes_max);
        async { tokio::task::spawn_blocking(read).await.map_err(|_| ReadError::Closed).flatten() }
    }

    /// What is there now; `None` if nothing is.
    pub fn now(
        &self,
        file: &OsStr,
        bytes_max: u64,
    ) -> impl Future<Output = Result<Option<Arc<[u8]>>, ReadError>> + Send + use<> {
        let (directory, path) = (self.0.clone(), self.0.join(file));
        let read = move || read_now(&directory, path, bytes_max);
        async { tokio::task::spawn_blocking(read).await.map_err(|_| ReadError::Closed).flatten() }
    }
}

fn read_now(
    directory: &Path,
    path: PathBuf,
    bytes_max: u64,
) -> Result<Option<Arc<[u8]>>, ReadError> {
    let read = || match entry(&path, &directory.canonicalize()?) {
        Entry::Missing => Ok(Some(None)),
        Entry::File(target, stamp) if stamp.size <= bytes_max => {
            Ok(bytes(&target, &stamp)?.map(Some))
        }
        Entry::File(..) => Err(io::ErrorKind::FileTooLarge.into()),
        Entry::Directory | Entry::Other | Entry::Unreadable => {
            Err(io::ErrorKind::InvalidInput.into())
        }
    };
    match read() {
        Ok(found) => found.ok_or(ReadError::Changed(path)),
        Err(source) => Err(ReadError::Read { path, source }),
    }
}

fn read_wanted(
    directory: &Path,
    path: PathBuf,
    wanted: Digest,
    bytes_max: u64,
) -> Result<Arc<[u8]>, ReadError> {
    let read = || {
        let inside = directory.canonicalize()?;
        let Entry::File(target, stamp) = entry(&path, &inside) else { return Ok(None) };
        if stamp.size > bytes_max { Ok(None) } else { bytes(&target, &stamp) }
    };
    match read() {
        Ok(Some(bytes)) if Digest::of(&bytes) == wanted => Ok(bytes),
        Ok(_) => Err(ReadError::Changed(path)),
        Err(source) => Err(ReadError::Read { path, source }),
    }
}

/// What an entry of the directory is.
pub(super) enum Entry {
    /// Where it leads to.
    File(PathBuf, Stamp),
    Directory,
    /// A FIFO, socket, device, or a link that leads nowhere or out of the directory.
    Other,
    Unreadable,
    Missing,
}

/// Follows links as long as they stay `inside`, which is the directory without links in its path.
pub(super) fn entry(path: &Path, inside: &Path) -> Entry {
    let failed = |err: io::Error| match err.kind() {
        io::ErrorKind::NotFound => Entry::Missing,
        _ => Entry::Unreadable,
    };
    let here = match path.symlink_metadata() {
        Ok(here) => here,
        Err(err) => return failed(err),
    };
    if !here.is_symlink() {
        return kind(path.to_owned(), &here);
    }
    match path.canonicalize() {
        Ok(target) if target.starts_with(inside) => match target.metadata() {
            Ok(found) => kind(target, &found),
            Err(err) => failed(err),
        },
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => Entry::Unreadable,
        Ok(_) | Err(_) => Entry::Other,
    }
}

fn kind(path: PathBuf, found: &Metadata) -> Entry {
    if found.is_file() {
        Entry::File(path, Stamp::of(found))
    } else if found.is_dir() {
        Entry::Directory
    } else {
        Entry::Other
    }
}

/// The bytes of a regular file that has this stamp; `None` if it has not, before or afterwards.
/// Takes as much memory as the stamp says: its size is to be checked before.
pub(super) fn bytes(target: &Path, stamp: &Stamp) -> io::Result<Option<Arc<[u8]>>> {
    // A FIFO that took the file's place by now would keep us waiting for somebody who writes to it.
    let mut file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(target)?;
    let same = |found: &Metadata| Stamp::of(found) == *stamp;
    if !same(&file.metadata()?) {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or_default());
    // One more than there should be, so that a file that grows endlessly ends here.
    (&mut file).take(stamp.size.saturating_add(1)).read_to_end(&mut bytes)?;
    let whole = bytes.len() as u64 == stamp.size;
    Ok((whole && same(&file.metadata()?) && same(&target.metadata()?)).then(|| bytes.into()))
}
