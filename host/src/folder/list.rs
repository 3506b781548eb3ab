//! One look at the chores directory, and what is remembered from one to the next, so that a file is
//! read only when it has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::read::{Entry, bytes, entry};
use super::stamp::{Stamp, settled, tells};
use super::{Error, Listing};
use crate::clock::Timestamp;
use crate::limits::{CHORES_FILES_MAX, FOLDER_SETTLE};
use crate::package::Digest;
use crate::plan::{Found, Kind, bytes_max, is_ours};

pub(super) struct Memory {
    files: BTreeMap<OsString, Known>,
    /// Bytes that one listing keeps.
    kept_max: u64,
}

/// What is remembered of one file.
struct Known {
    /// `None` if it was no file.
    stamp: Option<Stamp>,
    stamp_since: Instant,
    /// With this stamp it was renamed into place, so whoever made it is done.
    renamed: bool,
    /// Of its bytes, if every later version has another stamp.
    digest: Option<Digest>,
    missing_since: Option<Instant>,
}

/// A look under way.
struct Look<'a> {
    inside: &'a Path,
    renamed: &'a BTreeSet<OsString>,
    kept_max: u64,
    kept: u64,
    listing: Listing,
    /// How long until the next file has settled.
    settles_in: Option<Duration>,
}

impl Memory {
    pub fn new(kept_max: u64) -> Memory {
        Memory { files: BTreeMap::new(), kept_max }
    }

    /// What is there, and after how long to look again because of files that are settling.
    /// `renamed` are those that events say were renamed.
    pub fn list(
        &mut self,
        directory: &Path,
        renamed: &BTreeSet<OsString>,
    ) -> Result<(Listing, Option<Duration>), Error> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => Error::Missing(directory.into()),
            _ => Error::Read { path: directory.into(), source },
        };
        let inside = directory.canonicalize().map_err(failed)?;
        let mut names = BTreeSet::new();
        for (count, entry) in fs::read_dir(&inside).map_err(failed)?.enumerate() {
            if count >= CHORES_FILES_MAX {
                return Err(Error::TooMany(directory.into()));
            }
            let name = entry.map_err(failed)?.file_name();
            if is_ours(&name) {
                names.insert(name);
            }
        }
        // Missing ones have their place among the others.
        names.extend(self.files.keys().cloned());
        let listing = Listing { found: Vec::new(), settling: false, bytes: BTreeMap::new() };
        let mut look = Look {
            inside: &inside,
            renamed,
            kept_max: self.kept_max,
            kept: 0,
            listing,
            settles_in: None,
        };
        for name in names {
            let known = self.files.remove(&name);
            if let Some((found, known)) = look.at(&name, known) {
                look.listing.found.push(found);
                self.files.insert(name, known);
            }
        }
        Ok((look.listing, look.settles_in))
    }
}

impl Look<'_> {
    /// `None` if it is not there, or has been missing for long.
    fn at(&mut self, name: &OsStr, known: Option<Known>) -> Option<(Found, Known)> {
        let (kind, size, known) = match entry(&self.inside.join(name), self.inside) {
            Entry::Missing => return self.missing(name, known?),
            Entry::Directory => (Kind::Directory, 0, Known::new(None)),
            Entry::Other => (Kind::Other, 0, Known::new(None)),
            Entry::Unreadable => (Kind::Unreadable, 0, Known::new(None)),
            Entry::File(target, stamp) => {
                let known = known.filter(|known| known.stamp == Some(stamp));
                let mut known = known.unwrap_or_else(|| Known::new(Some(stamp)));
                known.missing_since = None;
                known.renamed |= self.renamed.contains(name);
                match self.file(name, &target, &stamp, &mut known) {
                    Ok(kind) => (kind, stamp.size, known),
                    Err(err) if err.kind() == io::ErrorKind::NotFound => {
                        return self.missing(name, known);
                    }
                    Err(_) => (Kind::Unreadable, stamp.size, known),
                }
            }
        };
        Some((Found { file_name: name.to_owned(), kind, size }, known))
    }

    fn file(
        &mut self,
        name: &OsStr,
        target: &Path,
        stamp: &Stamp,
        known: &mut Known,
    ) -> io::Result<Kind> {
        if stamp.size > bytes_max(name) {
            return Ok(Kind::TooLarge);
        }
        if let Some(digest) = known.digest {
            return Ok(Kind::File(digest));
        }
        // The time before it is read: what changes afterwards is younger.
        let (now, seen_for) = (Timestamp::now(), known.stamp_since.elapsed());
        if !known.renamed
            && let Err(wait) = settled(stamp, now, seen_for)
        {
            self.settles(wait);
            return Ok(Kind::Changing);
        }
        let Some(bytes) = bytes(target, stamp)? else {
            self.settles(FOLDER_SETTLE);
            return Ok(Kind::Changing);
        };
        let digest = Digest::of(&bytes);
        known.digest = tells(stamp, now, seen_for).then_some(digest);
        if self.kept + stamp.size <= self.kept_max {
            self.kept += stamp.size;
            self.listing.bytes.insert(name.to_owned(), bytes);
        }
        Ok(Kind::File(digest))
    }

    fn missing(&mut self, name: &OsStr, mut known: Known) -> Option<(Found, Known)> {
        let since = *known.missing_since.get_or_insert_with(Instant::now);
        let wait = FOLDER_SETTLE.saturating_sub(since.elapsed());
        if wait.is_zero() {
            return None;
        }
        self.settles(wait);
        Some((Found { file_name: name.to_owned(), kind: Kind::Gone, size: 0 }, known))
    }

    fn settles(&mut self, wait: Duration) {
        self.listing.settling = true;
        self.settles_in = Some(self.settles_in.map_or(wait, |least| least.min(wait)));
    }
}

impl Known {
    fn new(stamp: Option<Stamp>) -> Known {
        Known {
            stamp,
            stamp_since: Instant::now(),
            renamed: false,
            digest: None,
            missing_since: None,
        }
    }
}
