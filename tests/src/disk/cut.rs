//! What a disk may hold after a power cut, made of what was done to it before. It knows no SQLite.
//!
//! What was synced is there. Of what was done later, each write is there, is not, or is there in some
//! of its sectors, whatever became of those before it. Names come and go in their order, but may be
//! behind: a new file's name is durable with its first sync, which for a log syncs the folder too.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Did, found, is_of_database};
use crate::Chance;

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// Database files, by path from the folder that is watched, and what is in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    root: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Files {
    pub(super) fn of(root: &Path) -> Files {
        let mut paths = Vec::new();
        found(root, &mut paths);
        paths.retain(|path| is_of_database(path));
        let read = |path: PathBuf| {
            let bytes = fs::read(&path).expect("a file");
            (path, bytes)
        };
        Files { root: root.to_owned(), files: paths.into_iter().map(read).collect() }
    }

    /// Puts them in the place of whatever databases are below `folder`: the one that is watched, or
    /// another for a look.
    pub fn write(&self, folder: &Path) {
        let mut there = Vec::new();
        found(folder, &mut there);
        for path in there {
            fs::remove_file(path).expect("a file");
        }
        for (path, bytes) in &self.files {
            let path = folder.join(path.strip_prefix(&self.root).expect("below the root"));
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        }
    }
}

/// A point in time, and how much luck each home below the folder has then.
pub struct Cut<'a> {
    pub at: usize,
    /// Homes whose power is cut: of all others, everything is kept that was written.
    pub without_power: Vec<PathBuf>,
    /// Syncs do nothing, as with a cache of the device that loses what it has. For the test of the
    /// test: no database survives that.
    pub syncs_lie: bool,
    pub chance: &'a mut Chance,
}

/// A file by whatever name.
#[derive(Default)]
struct Inode {
    durable: Vec<u8>,
    /// Done since the last sync.
    pending: Vec<Did>,
    is_synced: bool,
}

enum Rename {
    Appears(PathBuf, usize),
    Goes(PathBuf),
}

/// A disk while its past is gone through.
#[derive(Default)]
struct Past {
    inodes: Vec<Inode>,
    /// As the programs see it.
    names: BTreeMap<PathBuf, usize>,
    durable: BTreeMap<PathBuf, usize>,
    /// Changes of names that are not durable.
    renames: Vec<Rename>,
}

impl Past {
    fn of(base: &Files) -> Past {
        let mut past = Past::default();
        for (path, bytes) in &base.files {
            past.names.insert(path.clone(), past.inodes.len());
            let durable = bytes.clone();
            past.inodes.push(Inode { durable, pending: Vec::new(), is_synced: true });
        }
        past.durable.clone_from(&past.names);
        past
    }

    fn inode(&mut self, path: &Path) -> usize {
        if let Some(inode) = self.names.get(path) {
            return *inode;
        }
        let inode = self.inodes.len();
        self.inodes.push(Inode::default());
        self.names.insert(path.to_owned(), inode);
        self.renames.push(Rename::Appears(path.to_owned(), inode));
        inode
    }

    fn names_are_durable(&mut self, how_many: usize) {
        for rename in self.renames.drain(..how_many) {
            match rename {
                Rename::Appears(path, inode) => self.durable.insert(path, inode),
                Rename::Goes(path) => self.durable.remove(&path),
            };
        }
    }

    fn go_on(&mut self, path: &Path, did: &Did, is_lost: bool) {
        let inode = self.inode(path);
        match did {
            Did::Open => {}
            Did::Write { .. } | Did::Truncate(_) => self.inodes[inode].pending.push(did.clone()),
            Did::Sync if is_lost => {}
            Did::Sync => {
                let file = &mut self.inodes[inode];
                for did in file.pending.drain(..) {
                    do_again(&mut file.durable, &did, |_| true);
                }
                if !std::mem::replace(&mut file.is_synced, true) {
                    self.names_are_durable(self.renames.len());
                }
            }
            Did::Delete { durable } => {
                self.names.remove(path);
                self.renames.push(Rename::Goes(path.to_owned()));
                if *durable && !is_lost {
                    self.names_are_durable(self.renames.len());
                }
            }
        }
    }
}

impl Cut<'_> {
    pub(super) fn files(&mut self, base: &Files, done: &[(PathBuf, Did)]) -> Files {
        let mut past = Past::of(base);
        for (path, did) in &done[..self.at.min(done.len())] {
            past.go_on(path, did, self.syncs_lie);
        }
        let without_power = self.without_power.clone();
        let is_cut = |path: &Path| without_power.iter().any(|home| path.starts_with(home));
        // Homes share a disk here, which keeps names in order for all of them.
        let kept = match self.without_power.is_empty() {
            true => past.renames.len(),
            false => self.chance.below(past.renames.len() + 1),
        };
        let late = past.renames.split_off(kept);
        past.names_are_durable(kept);
        past.renames = late.into_iter().filter(|rename| !is_cut(rename.path())).collect();
        past.names_are_durable(past.renames.len());
        let mut files = BTreeMap::new();
        let luck = self.chance.below(4);
        for (path, inode) in &past.durable {
            let Inode { durable, pending, .. } = &past.inodes[*inode];
            let mut bytes = durable.clone();
            for did in pending {
                match is_cut(path) {
                    false => do_again(&mut bytes, did, |_| true),
                    true => self.maybe(&mut bytes, did, luck),
                }
            }
            files.insert(path.clone(), bytes);
        }
        Files { root: base.root.clone(), files }
    }

    /// Does it, or not, or in part. With the least luck nothing is done, with the most all but parts.
    fn maybe(&mut self, bytes: &mut Vec<u8>, did: &Did, luck: usize) {
        let chance = &mut *self.chance;
        match (luck, chance.below(4)) {
            (0, _) | (1, 1..) | (2, 0) => {}
            (3, _) | (1, 0) => do_again(bytes, did, |_| true),
            (_, 1) => do_again(bytes, did, |_| true),
            (_, _) => do_again(bytes, did, |_| chance.below(2) == 0),
        }
    }
}

impl Rename {
    fn path(&self) -> &Path {
        match self {
            Rename::Appears(path, _) | Rename::Goes(path) => path,
        }
    }
}

/// Does to a file what was done, in the sectors that are kept.
fn do_again(file: &mut Vec<u8>, did: &Did, mut is_kept: impl FnMut(usize) -> bool) {
    match did {
        Did::Write { offset, bytes } => {
            let start = usize::try_from(*offset).expect("a small file");
            for sector in sectors(start..start + bytes.len()) {
                if is_kept(sector.start) {
                    if file.len() < sector.end {
                        file.resize(sector.end, 0);
                    }
                    let from = &bytes[sector.start - start..sector.end - start];
                    file[sector].copy_from_slice(from);
                }
            }
        }
        Did::Truncate(size) => file.resize(usize::try_from(*size).expect("a small file"), 0),
        _ => {}
    }
}

fn sectors(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        if at >= range.end {
            return None;
        }
        let end = ((at / SECTOR + 1) * SECTOR).min(range.end);
        let sector = at..end;
        at = end;
        Some(sector)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &str, offset: u64, byte: u8) -> (PathBuf, Did) {
        (path.into(), Did::Write { offset, bytes: vec![byte; 2 * SECTOR] })
    }

    /// All that a cut may leave of one past.
    fn outcomes(done: &[(PathBuf, Did)], syncs_lie: bool) -> Vec<BTreeMap<PathBuf, Vec<u8>>> {
        let mut chance = Chance::of(1);
        let mut seen: Vec<BTreeMap<PathBuf, Vec<u8>>> = Vec::new();
        for _ in 0..500 {
            let without_power = vec![PathBuf::from("/a")];
            let mut cut = Cut { at: done.len(), without_power, syncs_lie, chance: &mut chance };
            let files = cut.files(&Files::default(), done).files;
            if !seen.contains(&files) {
                seen.push(files);
            }
        }
        seen
    }

    #[test]
    fn what_is_synced_stays_and_the_rest_may() {
        let file = "/a/x.db-wal";
        let sync = (PathBuf::from(file), Did::Sync);
        let synced = [write(file, 0, 1), sync.clone()];
        let kept = BTreeMap::from([(PathBuf::from(file), vec![1; 2 * SECTOR])]);
        assert_eq!(outcomes(&synced, false), [kept]);
        let lost = outcomes(&synced, true);
        assert!(lost.contains(&BTreeMap::new()), "not even its name is there");

        let later = [write(file, 0, 1), sync, write(file, 0, 2), write(file, 1024, 3)];
        let later = outcomes(&later, false);
        let of = |bytes: [u8; 4], length: usize| {
            let sectors = bytes.iter().flat_map(|byte| [*byte; SECTOR]);
            let bytes = sectors.take(length * SECTOR).collect();
            BTreeMap::from([(PathBuf::from(file), bytes)])
        };
        for (bytes, length) in [
            ([1, 1, 0, 0], 2),
            ([2, 2, 3, 3], 4),
            ([2, 1, 0, 0], 2),
            ([1, 1, 3, 3], 4),
            ([1, 2, 0, 3], 4),
        ] {
            assert!(later.contains(&of(bytes, length)), "{bytes:?}");
        }
        // A first sector is 1 or 2, a third is not there, 0 or 3.
        let odd = |files: &BTreeMap<PathBuf, Vec<u8>>| files[Path::new(file)][0] > 2;
        assert!(!later.iter().any(odd));
    }

    #[test]
    fn names_are_behind_but_in_order() {
        let (one, two) = ("/a/x.db-wal", "/a/y.db-wal");
        let delete = (PathBuf::from(one), Did::Delete { durable: false });
        let sync = (PathBuf::from(one), Did::Sync);
        let done = [write(one, 0, 1), sync, delete, (two.into(), Did::Open)];
        let mut names: Vec<Vec<String>> = outcomes(&done, false)
            .iter()
            .map(|files| files.keys().map(|path| path.display().to_string()).collect())
            .collect();
        names.sort();
        names.dedup();
        assert_eq!(names, [vec![], vec![one.to_owned()], vec![two.to_owned()]]);
    }

    #[test]
    fn who_keeps_power_keeps_everything() {
        let file = "/b/x.db-wal";
        let files = outcomes(&[write(file, 0, 1)], false);
        // Its name is in the same disk's order, and so may be cut with it only where it is the same.
        assert!(files.iter().all(|files| files.values().all(|bytes| *bytes == [1; 2 * SECTOR])));
    }
}
