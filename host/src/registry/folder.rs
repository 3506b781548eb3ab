//! Lists and reads the chores directory. It decides nothing: that is for `plan`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::limits::CHORES_FILES_MAX;
use crate::plan::{Found, Kind, Verdict, plan};

/// Why the chores directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "chores directory {} does not exist: create it, or name another as `directory` below \
         [chores] in chore.toml", .0.display()
    )]
    Missing(PathBuf),
    #[error("read chores directory {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "chores directory {} has more than {CHORES_FILES_MAX} entries: is it the right one?",
        .0.display()
    )]
    TooMany(PathBuf),
    #[error("the peer is closing")]
    Closed,
}

/// What to do with each file of the directory.
pub(super) async fn list(directory: PathBuf) -> Result<Vec<Verdict>, Error> {
    let listed = tokio::task::spawn_blocking(move || list_now(&directory)).await;
    Ok(plan(&listed.map_err(|_| Error::Closed)??))
}

fn list_now(directory: &Path) -> Result<Vec<Found>, Error> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing(directory.into()),
        _ => Error::Read { path: directory.into(), source },
    };
    let inside = directory.canonicalize().map_err(failed)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(&inside).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if found.len() >= CHORES_FILES_MAX {
            return Err(Error::TooMany(directory.into()));
        }
        let (kind, size) = look(&entry.path(), &inside);
        found.push(Found { file_name: entry.file_name(), kind, size });
    }
    Ok(found)
}

/// What an entry is, links followed as long as they stay in the directory.
fn look(path: &Path, inside: &Path) -> (Kind, u64) {
    let stays = path.canonicalize().is_ok_and(|target| target.starts_with(inside));
    match path.metadata() {
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => (Kind::Unreadable, 0),
        Ok(metadata) if stays && metadata.is_dir() => (Kind::Directory, 0),
        // Opened only if it is a file: opening a FIFO waits for its writer.
        Ok(metadata) if stays && metadata.is_file() => match fs::File::open(path) {
            Ok(_) => (Kind::File, metadata.len()),
            Err(_) => (Kind::Unreadable, 0),
        },
        _ => (Kind::Other, 0),
    }
}

/// The bytes of a file, one more than `bytes_max` at most: it may have grown since it was listed.
pub(super) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}
