//! What to do with the chores directory as it was found: which names to load, and which files to
//! refuse and why. A pure decision; it reads no file, and knows nothing of what is loaded.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::limits::{COMPONENT_BYTES_MAX, CONFIG_BYTES_MAX};
use crate::name::{self, ChoreName, quote};
use crate::units::format_size;

/// What a directory entry is, links followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
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

/// What becomes of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Read the component, and the config file if there is one.
    Load { name: ChoreName, component: OsString, manifest: Option<OsString> },
    /// Not to be loaded; what runs under this name goes on.
    Refuse { file: OsString, reason: Reason },
    /// Nothing to do, but worth a word.
    Note { file: OsString, reason: Reason },
}

/// Why a file is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error(transparent)]
    Name(#[from] name::Error),
    #[error("its name is not UTF-8: use a-z, 0-9 and \"-\"")]
    NotText,
    #[error("its name ends with {0}: use \".wasm\" and \".toml\"")]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Component,
    Manifest,
}

impl Part {
    fn extension(self) -> &'static str {
        match self {
            Part::Component => "wasm",
            Part::Manifest => "toml",
        }
    }

    fn bytes_max(self) -> u64 {
        match self {
            Part::Component => COMPONENT_BYTES_MAX,
            Part::Manifest => CONFIG_BYTES_MAX,
        }
    }
}

/// One verdict for each component, and for each config file that has none, in the order of their
/// names. The order of `found` does not matter.
///
/// Files count as one chore if their names are the same in lower case, because on some systems they
/// are; then none of them is loaded. Hidden files, and those that end with neither `.wasm` nor
/// `.toml`, belong to somebody else.
pub fn plan(found: &[Found]) -> Vec<Verdict> {
    let mut chores: BTreeMap<String, Vec<(Part, &Found)>> = BTreeMap::new();
    for file in found {
        let Some((stem, part)) = split(&file.file_name) else { continue };
        chores.entry(stem.to_lowercase()).or_default().push((part, file));
    }
    chores.into_values().flat_map(decide).collect()
}

/// Its name without the extension, if it is a component or a config file.
fn split(file_name: &OsStr) -> Option<(String, Part)> {
    // What is not UTF-8 still has its extension.
    let text = file_name.to_string_lossy();
    let (stem, extension) = text.rsplit_once('.')?;
    if text.starts_with('.') {
        return None;
    }
    let part = [Part::Component, Part::Manifest]
        .into_iter()
        .find(|part| extension.eq_ignore_ascii_case(part.extension()))?;
    Some((stem.to_owned(), part))
}

/// What becomes of the files of one name, in lower case.
fn decide(mut files: Vec<(Part, &Found)>) -> Vec<Verdict> {
    files.sort_by_key(|(part, found)| (*part, &found.file_name));
    let of = |wanted: Part| {
        let files = files.iter().filter(move |(part, _)| *part == wanted);
        files.map(|(_, found)| *found).collect::<Vec<_>>()
    };
    let (components, manifests) = (of(Part::Component), of(Part::Manifest));
    let file = |found: &Found| found.file_name.clone();
    if components.is_empty() {
        let note = |found: &&Found| {
            let component = OsString::from(&found.file_name);
            let component = std::path::Path::new(&component).with_extension("wasm");
            let reason = Reason::NoComponent(quote(&component.to_string_lossy()));
            Verdict::Note { file: file(found), reason }
        };
        return manifests.iter().map(note).collect();
    }
    for several in [&components, &manifests] {
        if several.len() > 1 {
            let names: Vec<String> =
                several.iter().map(|found| quote(&found.file_name.to_string_lossy())).collect();
            let reason = Reason::OneName(names.join(", "));
            let refuse =
                |found: &&Found| Verdict::Refuse { file: file(found), reason: reason.clone() };
            return components.iter().map(refuse).collect();
        }
    }
    let (component, manifest) = (components[0], manifests.first().copied());
    let name = check(component, Part::Component);
    let manifest = manifest.map(|found| check(found, Part::Manifest).map(|_| file(found)));
    let verdict = match (name, manifest.transpose()) {
        (Ok(name), Ok(manifest)) => Verdict::Load { name, component: file(component), manifest },
        (Err(reason), _) | (_, Err(reason)) => Verdict::Refuse { file: file(component), reason },
    };
    vec![verdict]
}

fn check(found: &Found, part: Part) -> Result<ChoreName, Reason> {
    let text = found.file_name.to_str().ok_or(Reason::NotText)?;
    let (stem, extension) = text.rsplit_once('.').unwrap_or((text, ""));
    let name = ChoreName::new(stem)?;
    if extension != part.extension() {
        return Err(Reason::Extension(quote(extension)));
    }
    let shown = quote(text);
    match found.kind {
        Kind::File if found.size > part.bytes_max() => {
            Err(Reason::TooLarge { file: shown, bytes: found.size, max: part.bytes_max() })
        }
        Kind::File => Ok(name),
        Kind::Directory => Err(Reason::Directory(shown)),
        Kind::Other => Err(Reason::NotAFile(shown)),
        Kind::Unreadable => Err(Reason::Unreadable(shown)),
    }
}
