//! The languages that chores are written in. A folder is known by the manifest that its language's own
//! tools read, which also says what the chore is called.
//!
//! Another language is a variant here, a room beside [`rust`] and [`python`], and templates in `new`.

mod python;
mod rust;

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::Error as CliError;
use super::output::Out;
use crate::name::ChoreName;

pub(super) use python::Error as PythonError;
pub(super) use rust::Error as RustError;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    #[default]
    Rust,
    Python,
}

/// What a build left behind.
pub(super) struct Compiled {
    pub name: ChoreName,
    pub component: PathBuf,
    /// Where its config file may be.
    pub folder: PathBuf,
    /// What may be deleted, and made again.
    pub target: PathBuf,
}

impl Language {
    /// The file by which a folder of it is known.
    pub fn manifest(self) -> &'static str {
        match self {
            Language::Rust => "Cargo.toml",
            Language::Python => "pyproject.toml",
        }
    }

    /// As it is typed.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What the chore in a folder is written in; the first that it has a manifest of.
    pub fn of(folder: &Path) -> Option<Language> {
        let all = Language::value_variants().iter().copied();
        all.into_iter().find(|language| folder.join(language.manifest()).is_file())
    }

    /// Makes a component of the chore in `folder`. What its tools say goes to the terminal.
    pub async fn compile(self, out: &Out, folder: &Path) -> Result<Compiled, CliError> {
        match self {
            Language::Rust => rust::compile(out, folder).await,
            Language::Python => python::compile(out, folder).await,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    #[test]
    fn a_folder_is_known_by_its_manifest() {
        for (files, expected) in [
            (&["Cargo.toml"][..], Some(Language::Rust)),
            (&["pyproject.toml", "chore.py"], Some(Language::Python)),
            (&["pyproject.toml", "Cargo.toml"], Some(Language::Rust)),
            (&["chore.py", "README.md"], None),
            (&[], None),
        ] {
            let here = tempfile::tempdir().unwrap();
            for file in files {
                fs::write(here.path().join(file), "").unwrap();
            }
            assert_eq!(Language::of(here.path()), expected, "{files:?}");
        }
    }
}
