//! What becomes of the chores directory as it was found, and of what runs: which names to load, to
//! replace, to configure anew or to unload, and which files to refuse and why. A pure decision; it
//! reads no file, and changes nothing.
//!
//! Bytes decide, by their digests, not events or times: the same listing twice plans nothing new.
//! What cannot be loaded never disturbs what runs; only a component file that is gone unloads.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::limits::{COMPONENT_BYTES_MAX, CONFIG_BYTES_MAX, MINISIG_BYTES_MAX};
use crate::name::{self, ChoreName, quote};
use crate::package::Digest;
use crate::units::format_size;

/// What a directory entry is, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File(Digest),
    /// A file with more bytes than are read.
    TooLarge,
    /// Still being written.
    Changing,
    /// It was here a moment ago and may come back: some tools delete and create.
    Gone,
    Directory,
    /// A FIFO, socket, device, or a link that leads nowhere or out of the directory.
    Other,
    /// It is there, but cannot be opened or asked.
    Unreadable,
}

/// One entry of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub file_name: OsString,
    pub kind: Kind,
    /// In bytes; 0 if it is no file.
    pub size: u64,
}

/// The bytes that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub component: Digest,
    /// When `None`, there is no config file.
    pub manifest: Option<Digest>,
    /// When `None`, there is no signature, or the peer asks for none.
    pub signature: Option<Digest>,
}

impl Pair {
    /// The same runs, whoever vouches for it.
    fn runs_as(&self, other: &Pair) -> bool {
        self.component == other.component && self.manifest == other.manifest
    }
}

/// What is known of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    pub running: Option<Pair>,
    /// Tried before, and refused: not tried again until other bytes are there.
    pub refused: Option<Pair>,
    /// Its runs failed: not tried again either, whatever was there meanwhile, and whoever signs it.
    pub quarantined: Option<Pair>,
    /// Tried a moment ago, and not signed: what fits may be on its way.
    pub unvouched: Option<Pair>,
    /// By the operator, until the operator loads it.
    pub unloaded: bool,
    /// A change is under way.
    pub busy: bool,
}

/// What to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub component: OsString,
    pub manifest: Option<OsString>,
    pub signature: Option<OsString>,
    pub pair: Pair,
}

/// What becomes of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing runs under this name.
    Load { name: ChoreName, files: Files },
    /// Another component runs.
    Replace { name: ChoreName, files: Files },
    /// The same component runs, with another config file or signature, or another absence of one.
    Reconfigure { name: ChoreName, files: Files },
    /// It runs, and its component file is gone.
    Unload { name: ChoreName },
    /// Nothing to do: the same bytes, refused before, unloaded by the operator, busy, or still
    /// changing; `pair` is what was found where that was looked at.
    Keep { name: ChoreName, pair: Option<Pair> },
    /// Not to be loaded; what runs under this name goes on. `name` is `None` when the file's name is
    /// no chore's.
    Refuse { file: OsString, name: Option<ChoreName>, reason: Reason },
    /// A config file or signature without a component: nothing to do, but worth a word.
    Note { file: OsString, reason: Reason },
}

/// Why a file is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error(transparent)]
    Name(#[from] name::Error),
    #[error("its name is not UTF-8: use a-z, 0-9 and \"-\"")]
    NotText,
    #[error("its name ends with {0}: use \".wasm\", \".toml\" and \".wasm.minisig\"")]
    Extension(String),
    #[error("several files are one chore on some systems: {0}; keep one of them")]
    OneName(String),
    #[error("{0} is a directory, not a file")]
    Directory(String),
    #[error("{0} is not a regular file inside the chores directory")]
    NotAFile(String),
    #[error("{0} cannot be read: check its owner and permissions")]
    Unreadable(String),
    #[error("{file} has {}, at most {} are read", format_size(*.bytes), format_size(*.max))]
    TooLarge { file: String, bytes: u64, max: u64 },
    #[error("there is no {0} beside it")]
    NoComponent(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Component,
    Manifest,
    Signature,
}

impl Part {
    fn ending(self) -> &'static str {
        match self {
            Part::Component => ".wasm",
            Part::Manifest => ".toml",
            Part::Signature => ".wasm.minisig",
        }
    }

    fn bytes_max(self) -> u64 {
        match self {
            Part::Component => COMPONENT_BYTES_MAX,
            Part::Manifest => CONFIG_BYTES_MAX,
            Part::Signature => MINISIG_BYTES_MAX,
        }
    }
}

/// Worth reading: a component, a config file or a signature by its name. Hidden files, and those that
/// end with none of `.wasm`, `.toml` and `.wasm.minisig` in any case, belong to somebody else.
pub fn is_ours(file_name: &OsStr) -> bool {
    split(file_name).is_some()
}

/// Who vouches for a component stands in it, by its name.
pub fn is_signature(file_name: &OsStr) -> bool {
    matches!(split(file_name), Some((_, Part::Signature)))
}

/// How many bytes such a file may have; 0 for one that is not ours.
pub(crate) fn bytes_max(file_name: &OsStr) -> u64 {
    split(file_name).map_or(0, |(_, part)| part.bytes_max())
}

/// One verdict for each name that has a component or runs, one for each component of a name that
/// several have, and a note for each config file that has no component; in the order of names. The
/// order of `found` does not matter.
///
/// Files count as one chore if their names are the same in lower case, because on some systems they
/// are; then none of them is loaded, and what runs under the name in lower case goes on.
pub fn plan(found: &[Found], known: &BTreeMap<ChoreName, Known>) -> Vec<Verdict> {
    let mut chores: BTreeMap<String, Chore> = BTreeMap::new();
    for file in found {
        let Some((stem, part)) = split(&file.file_name) else { continue };
        let chore = chores.entry(stem.to_lowercase()).or_default();
        match part {
            Part::Component => chore.components.push(file),
            Part::Manifest => chore.manifests.push(file),
            Part::Signature => chore.signatures.push(file),
        }
    }
    for (name, known) in known {
        chores.entry(name.as_str().to_owned()).or_default().known = Some((name, known));
    }
    chores.into_values().flat_map(Chore::decide).collect()
}

/// Its name without the ending, if it is a component, a config file or a signature.
fn split(file_name: &OsStr) -> Option<(String, Part)> {
    // What is not UTF-8 still has its ending.
    let text = file_name.to_string_lossy();
    if text.starts_with('.') {
        return None;
    }
    let stem_of = |part: Part| {
        let (stem, ending) = text.split_at_checked(text.len().checked_sub(part.ending().len())?)?;
        ending.eq_ignore_ascii_case(part.ending()).then(|| (stem.to_owned(), part))
    };
    [Part::Component, Part::Manifest, Part::Signature].into_iter().find_map(stem_of)
}

/// All there is about one name in lower case.
#[derive(Default)]
struct Chore<'a> {
    components: Vec<&'a Found>,
    manifests: Vec<&'a Found>,
    signatures: Vec<&'a Found>,
    known: Option<(&'a ChoreName, &'a Known)>,
}

impl Chore<'_> {
    fn decide(mut self) -> Vec<Verdict> {
        if let Some((name, known)) = self.known
            && known.busy
        {
            return vec![Verdict::Keep { name: name.clone(), pair: None }];
        }
        for files in [&mut self.components, &mut self.manifests, &mut self.signatures] {
            present(files);
        }
        let Some(component) = self.components.first() else { return self.absent() };
        for several in [&self.components, &self.manifests, &self.signatures] {
            if several.len() > 1 {
                let names: Vec<String> = several.iter().map(|found| shown(found)).collect();
                let reason = Reason::OneName(names.join(", "));
                let refuse = |found: &&Found| refuse(found, reason.clone());
                return self.components.iter().map(refuse).collect();
            }
        }
        vec![self.one(component).unwrap_or_else(|reason| refuse(component, reason))]
    }

    /// There is no component file.
    fn absent(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        if let Some((name, Known { running: Some(_), unloaded, .. })) = self.known {
            let name = name.clone();
            verdicts.push(match unloaded {
                true => Verdict::Keep { name, pair: None },
                false => Verdict::Unload { name },
            });
        }
        let others = self.manifests.iter().chain(&self.signatures);
        let settled = others.filter(|found| !found.kind.is_settling());
        verdicts.extend(settled.map(|found| {
            let stem = split(&found.file_name).map(|(stem, _)| stem).unwrap_or_default();
            let reason = Reason::NoComponent(quote(&format!("{stem}.wasm")));
            Verdict::Note { file: found.file_name.clone(), reason }
        }));
        verdicts
    }

    fn one(&self, component: &Found) -> Result<Verdict, Reason> {
        let name = chore_name(component, Part::Component)?;
        let Known { running, refused, quarantined, unvouched, unloaded, .. } =
            self.known.map(|(_, known)| known.clone()).unwrap_or_default();
        let (manifest, signature) = (self.manifests.first(), self.signatures.first());
        let mut files =
            std::iter::once(component).chain(manifest.copied()).chain(signature.copied());
        if files.any(|found| found.kind.is_settling()) || unloaded {
            return Ok(Verdict::Keep { name, pair: None });
        }
        let part = |found: Option<&&Found>, part: Part| {
            let Some(found) = found else { return Ok(None) };
            chore_name(found, part)?;
            digest(found, part).map(Some)
        };
        let pair = Pair {
            component: digest(component, Part::Component)?,
            manifest: part(manifest, Part::Manifest)?,
            signature: part(signature, Part::Signature)?,
        };
        if unvouched == Some(pair) {
            return Ok(Verdict::Keep { name, pair: None });
        }
        let failed = quarantined.is_some_and(|quarantined| quarantined.runs_as(&pair));
        if failed || [running, refused].contains(&Some(pair)) {
            return Ok(Verdict::Keep { name, pair: Some(pair) });
        }
        let files = Files {
            component: component.file_name.clone(),
            manifest: manifest.map(|found| found.file_name.clone()),
            signature: signature.map(|found| found.file_name.clone()),
            pair,
        };
        Ok(match running {
            None => Verdict::Load { name, files },
            Some(running) if running.component == pair.component => {
                Verdict::Reconfigure { name, files }
            }
            Some(_) => Verdict::Replace { name, files },
        })
    }
}

impl Kind {
    fn is_settling(self) -> bool {
        matches!(self, Kind::Changing | Kind::Gone)
    }
}

/// In the order of their names, and without those that are gone if others are there: a file that was
/// renamed is no twin of itself.
fn present(files: &mut Vec<&Found>) {
    files.sort_by_key(|found| &found.file_name);
    if files.iter().any(|found| found.kind != Kind::Gone) {
        files.retain(|found| found.kind != Kind::Gone);
    } else {
        files.truncate(1);
    }
}

fn shown(found: &Found) -> String {
    quote(&found.file_name.to_string_lossy())
}

fn refuse(found: &Found, reason: Reason) -> Verdict {
    let name = found.file_name.to_str().and_then(|_| split(&found.file_name));
    let name = name.and_then(|(stem, _)| ChoreName::new(&stem).ok());
    Verdict::Refuse { file: found.file_name.clone(), name, reason }
}

fn chore_name(found: &Found, part: Part) -> Result<ChoreName, Reason> {
    let text = found.file_name.to_str().ok_or(Reason::NotText)?;
    // It was found by its ending, in any case.
    let at = text.len().saturating_sub(part.ending().len());
    let (stem, ending) = text.split_at_checked(at).unwrap_or((text, ""));
    let name = ChoreName::new(stem)?;
    if ending != part.ending() {
        return Err(Reason::Extension(quote(ending.trim_start_matches('.'))));
    }
    Ok(name)
}

fn digest(found: &Found, part: Part) -> Result<Digest, Reason> {
    let file = shown(found);
    match found.kind {
        Kind::File(digest) => Ok(digest),
        Kind::TooLarge => Err(Reason::TooLarge { file, bytes: found.size, max: part.bytes_max() }),
        Kind::Directory => Err(Reason::Directory(file)),
        Kind::Unreadable => Err(Reason::Unreadable(file)),
        // What is settling was kept before.
        Kind::Other | Kind::Changing | Kind::Gone => Err(Reason::NotAFile(file)),
    }
}
