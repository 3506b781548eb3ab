//! The host's own copies of components, so that a version can be gone back to when its file is gone
//! or another. They are found by their digest alone; nothing here knows a chore.
//!
//! A copy is whole under its name or not there, and checked whenever it is read: a disk forgets.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use crate::limits::COMPONENT_BYTES_MAX;
use crate::package::Digest;

/// The directory is its owner's alone: what is in it will be run.
const DIR_MODE: u32 = 0o700;

/// How the names of a copy, and of one that is being written, end after the digest.
const COPY: &str = ".wasm";
const TEMPORARY: &str = ".tmp";

/// Why a copy was not kept, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("create components directory {}: check that its parent can be written to", .path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("write component {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("read component {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("there is no copy of component {0}: put its file into the chores directory again")]
    Missing(Digest),
    #[error(
        "component {} is damaged, its bytes are others than were kept: delete it, and put the \
         component into the chores directory again", .0.display()
    )]
    Damaged(PathBuf),
    #[error("list components directory {}", .path.display())]
    List { path: PathBuf, source: io::Error },
    #[error("remove component {}", .path.display())]
    Remove { path: PathBuf, source: io::Error },
    #[error("use components directory {}: the peer is closing", .0.display())]
    Closed(PathBuf),
}

/// The copies in one directory. Clones share it.
#[derive(Clone)]
pub struct Components {
    directory: PathBuf,
    /// Held by who adds or removes, so that nothing is removed while it is being written.
    changing: Arc<Mutex<()>>,
}

impl Components {
    /// Makes the directory if it is not there.
    pub async fn open(directory: PathBuf) -> Result<Components, Error> {
        let components = Components { directory, changing: Arc::default() };
        components.blocking(create).await?;
        Ok(components)
    }

    /// Durable when it returns. `bytes` are those that `digest` is of; they are not hashed again.
    pub async fn keep(&self, digest: Digest, bytes: Arc<[u8]>) -> Result<(), Error> {
        // Goes into the work, which goes on even if nobody waits for it any more.
        let turn = Arc::clone(&self.changing).lock_owned().await;
        self.blocking(move |directory| {
            let _turn = turn;
            keep(directory, digest, &bytes)
        })
        .await
    }

    /// The bytes that were kept, and no others.
    pub async fn read(&self, digest: Digest) -> Result<Arc<[u8]>, Error> {
        self.blocking(move |directory| read(directory, digest)).await
    }

    /// Removes every copy that is not `wanted`, and what writes that were cut off left behind; says
    /// how many files. A copy kept a moment ago is wanted only if it is named.
    pub async fn retain(&self, wanted: BTreeSet<Digest>) -> Result<usize, Error> {
        let turn = Arc::clone(&self.changing).lock_owned().await;
        self.blocking(move |directory| {
            let _turn = turn;
            retain(directory, &wanted)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let directory = self.directory.clone();
        let done = tokio::task::spawn_blocking(move || work(&directory)).await;
        done.map_err(|_| Error::Closed(self.directory.clone()))?
    }
}

fn create(directory: &Path) -> Result<(), Error> {
    let failed = |source| Error::Create { path: directory.to_owned(), source };
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(directory).map_err(failed)?;
    fs::set_permissions(directory, Permissions::from_mode(DIR_MODE)).map_err(failed)
}

fn path(directory: &Path, digest: Digest) -> PathBuf {
    directory.join(format!("{}{COPY}", digest.hex()))
}

fn keep(directory: &Path, digest: Digest, bytes: &[u8]) -> Result<(), Error> {
    let path = path(directory, digest);
    let is_there = |found: fs::Metadata| found.is_file() && found.len() == bytes.len() as u64;
    if path.symlink_metadata().is_ok_and(is_there) {
        return Ok(());
    }
    let write = || {
        let name = format!("{}.", digest.hex());
        let mut temporary = tempfile::Builder::new();
        let mut file = temporary.prefix(&name).suffix(TEMPORARY).tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|err| err.error)?;
        // The name is durable only when its directory is.
        File::open(directory)?.sync_all()
    };
    write().map_err(|source| Error::Write { path: path.clone(), source })
}

fn read(directory: &Path, digest: Digest) -> Result<Arc<[u8]>, Error> {
    let path = path(directory, digest);
    let mut bytes = Vec::new();
    // One byte more tells what is too large.
    let read = File::open(&path)
        .and_then(|file| file.take(COMPONENT_BYTES_MAX.saturating_add(1)).read_to_end(&mut bytes));
    match read {
        Err(err) if err.kind() == ErrorKind::NotFound => Err(Error::Missing(digest)),
        Err(source) => Err(Error::Read { path, source }),
        Ok(_) if bytes.len() as u64 > COMPONENT_BYTES_MAX || Digest::of(&bytes) != digest => {
            Err(Error::Damaged(path))
        }
        Ok(_) => Ok(bytes.into()),
    }
}

fn retain(directory: &Path, wanted: &BTreeSet<Digest>) -> Result<usize, Error> {
    let failed = |source| Error::List { path: directory.to_owned(), source };
    let mut removed = 0;
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !is_ours(name) || copy_of(name).is_some_and(|digest| wanted.contains(&digest)) {
            continue;
        }
        match fs::remove_file(&path) {
            Ok(()) => removed += 1,
            Err(err) if err.kind() == ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Remove { path, source }),
        }
    }
    Ok(removed)
}

/// The digest in the name of a copy.
fn copy_of(name: &str) -> Option<Digest> {
    name.strip_suffix(COPY)?.parse().ok()
}

/// A copy, or one that is being written. Other files are not for us to remove.
fn is_ours(name: &str) -> bool {
    let writing = || name.strip_suffix(TEMPORARY)?.split_once('.')?.0.parse::<Digest>().ok();
    copy_of(name).is_some() || writing().is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    async fn open() -> (tempfile::TempDir, Components) {
        let home = tempfile::tempdir().unwrap();
        let components = Components::open(home.path().join("cache/components")).await.unwrap();
        (home, components)
    }

    fn sample(text: &str) -> (Digest, Arc<[u8]>) {
        (Digest::of(text.as_bytes()), text.as_bytes().into())
    }

    fn names(components: &Components) -> BTreeSet<String> {
        let entries = fs::read_dir(&components.directory).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_is_kept_is_read_again() {
        let (_home, components) = open().await;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(&components.directory), 0o700);
        let (digest, bytes) = sample("a");
        for _ in 0..2 {
            components.keep(digest, bytes.clone()).await.unwrap();
            assert_eq!(components.read(digest).await.unwrap(), bytes);
        }
        assert_eq!(names(&components), BTreeSet::from([format!("{}.wasm", digest.hex())]));
        assert_eq!(mode(&path(&components.directory, digest)), 0o600);

        fs::set_permissions(&components.directory, Permissions::from_mode(0o755)).unwrap();
        let again = Components::open(components.directory.clone()).await.unwrap();
        assert_eq!(mode(&components.directory), 0o700);
        assert_eq!(again.read(digest).await.unwrap(), bytes);
    }

    #[tokio::test]
    async fn what_is_damaged_or_missing_is_not_read() {
        let (_home, components) = open().await;
        let (digest, bytes) = sample("abc");
        let file = path(&components.directory, digest);
        let err = components.read(digest).await.unwrap_err();
        assert!(err.to_string().contains("no copy of component ba7816bf8f01"), "{err}");
        for (what, damaged) in [("other", "abd"), ("cut off", "ab"), ("longer", "abcd"), ("", "")] {
            fs::write(&file, damaged).unwrap();
            let err = components.read(digest).await.unwrap_err();
            assert!(matches!(&err, Error::Damaged(path) if *path == file), "{what}: {err}");
            assert!(err.to_string().contains("is damaged"), "{err}");
        }
        // Zeros that take no room on the disk.
        File::create(&file).unwrap().set_len(COMPONENT_BYTES_MAX + 1).unwrap();
        assert!(matches!(components.read(digest).await, Err(Error::Damaged(_))));
        // Of another length it is written anew.
        components.keep(digest, bytes.clone()).await.unwrap();
        assert_eq!(components.read(digest).await.unwrap(), bytes);

        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(matches!(components.read(digest).await, Err(Error::Read { .. })));
        assert!(matches!(components.keep(digest, bytes).await, Err(Error::Write { .. })));
        assert_eq!(names(&components).len(), 1, "what could not be renamed is gone");
    }

    #[tokio::test]
    async fn what_is_not_wanted_is_removed() {
        let (_home, components) = open().await;
        let samples = ["a", "b", "c"].map(sample);
        for (digest, bytes) in &samples {
            components.keep(*digest, bytes.clone()).await.unwrap();
        }
        let hex = samples[0].0.hex();
        let mut stay = BTreeSet::from([format!("{hex}.wasm")]);
        for (name, is_ours) in [
            (format!("{hex}.x1Y2z3.tmp"), true),
            (format!("{}.wasm", "0".repeat(64)), true),
            (format!("{}.wasm", "0".repeat(63)), false),
            (format!("{hex}.toml"), false),
            (format!("{hex}.tmp"), false),
            (format!("{hex}tmp"), false),
            (format!(".{hex}.wasm"), false),
            ("order-sender.wasm".into(), false),
            ("README".into(), false),
        ] {
            fs::write(components.directory.join(&name), "x").unwrap();
            if !is_ours {
                stay.insert(name);
            }
        }
        assert_eq!(components.retain(BTreeSet::from([samples[0].0])).await.unwrap(), 4);
        assert_eq!(names(&components), stay);
        assert_eq!(components.retain(BTreeSet::new()).await.unwrap(), 1);
        assert!(matches!(components.read(samples[0].0).await, Err(Error::Missing(_))));
    }

    #[tokio::test]
    async fn removing_and_keeping_take_turns() {
        let (_home, components) = open().await;
        let samples: Vec<_> = (0..50).map(|n| sample(&n.to_string())).collect();
        let wanted: BTreeSet<Digest> = samples.iter().map(|(digest, _)| *digest).collect();
        let mut tasks = tokio::task::JoinSet::new();
        for (digest, bytes) in samples.clone() {
            let (keeper, cleaner) = (components.clone(), components.clone());
            tasks.spawn(async move { keeper.keep(digest, bytes).await });
            let wanted = wanted.clone();
            tasks.spawn(async move {
                assert_eq!(cleaner.retain(wanted).await?, 0, "a file being written was removed");
                Ok(())
            });
        }
        for done in tasks.join_all().await {
            done.unwrap();
        }
        for (digest, bytes) in samples {
            assert_eq!(components.read(digest).await.unwrap(), bytes);
        }
    }
}
