//! `chore new`: a folder with a chore that builds, is tested and runs, to begin from.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Error as CliError;
use super::output::Out;
use crate::name::ChoreName;

/// What stands for the chore's name in a template.
const PLACEHOLDER: &str = "{{name}}";

const PACKAGE: &str = include_str!("../../templates/package.toml");
const README: &str = include_str!("../../templates/README.md");
const GITIGNORE: &str = include_str!("../../templates/gitignore");

/// Above the line that names the SDK's source.
const PATCH: &str = "
# The source of the program that made this is on this machine: with it, this builds offline, and before
# the SDK is published. Take these lines away to build elsewhere.
[patch.crates-io]
";

#[derive(Args)]
pub(super) struct Asked {
    /// What the chore is called: a-z, 0-9 and "-"
    #[arg(value_parser = ChoreName::new)]
    name: ChoreName,
    /// What to begin from
    #[arg(long, value_enum, default_value_t)]
    template: Template,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Template {
    /// One cycle, one setting, one log line
    #[default]
    Blank,
    /// A table of its own in the chore's database
    Sql,
    /// Streams to other nodes; needs grants
    Settle,
    /// Two cycles, one for metrics and one for a report; needs a grant
    PeriodicReport,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("make {0}: it exists already, and nothing is overwritten: choose another name")]
    Exists(PathBuf),
    #[error("write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// What a template adds to what all have.
struct Parts {
    source: &'static str,
    config: &'static str,
    /// Lines below `[dependencies]`.
    dependencies: &'static str,
    /// Crates of this workspace that it needs, and their folders.
    ours: &'static [(&'static str, &'static str)],
}

const SDK: (&str, &str) = ("chore-sdk", "guest-sdk");
const PROTO: (&str, &str) = ("chore-proto", "proto");

impl Template {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn parts(self) -> Parts {
        match self {
            Template::Blank => Parts {
                source: include_str!("../../templates/blank/lib.rs"),
                config: include_str!("../../templates/blank/config.toml"),
                dependencies: "",
                ours: &[SDK],
            },
            Template::Sql => Parts {
                source: include_str!("../../templates/sql/lib.rs"),
                config: include_str!("../../templates/sql/config.toml"),
                dependencies: "",
                ours: &[SDK],
            },
            Template::Settle => Parts {
                source: include_str!("../../templates/settle/lib.rs"),
                config: include_str!("../../templates/settle/config.toml"),
                dependencies: include_str!("../../templates/settle/dependencies.toml"),
                ours: &[SDK, PROTO],
            },
            Template::PeriodicReport => Parts {
                source: include_str!("../../templates/periodic-report/lib.rs"),
                config: include_str!("../../templates/periodic-report/config.toml"),
                dependencies: "",
                ours: &[SDK],
            },
        }
    }
}

pub(super) fn new(out: &Out, asked: &Asked) -> Result<u8, CliError> {
    let Asked { name, template } = asked;
    let folder = Path::new(name.as_str());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = files(name, *template, workspace.canonicalize().ok().as_deref());
    write(folder, &files)?;
    let names: Vec<&str> = files.iter().map(|(file, _)| &file[..]).collect();
    let template = template.name();
    let value = serde_json::json!({ "folder": name, "template": template, "files": names });
    out.show(&value, || {
        format!(
            "made {name} from the template {template}: {}\n\nnext: cd {name} && cargo test && \
             chore dev",
            names.join(", ")
        )
    })?;
    Ok(0)
}

/// Paths in the new folder, and what stands there. With the source in `workspace`, if it is there.
fn files(name: &ChoreName, template: Template, workspace: Option<&Path>) -> Vec<(String, String)> {
    let parts = template.parts();
    let mut package = format!("{PACKAGE}{}", parts.dependencies);
    let is_there = |folder: &str| {
        workspace.map(|root| root.join(folder)).filter(|found| found.join("Cargo.toml").exists())
    };
    let ours = parts.ours.iter().map(|(name, folder)| Some((name, is_there(folder)?)));
    if let Some(ours) = ours.collect::<Option<Vec<_>>>() {
        package.push_str(PATCH);
        for (name, folder) in ours {
            let path = toml::Value::from(&*folder.to_string_lossy());
            package.push_str(&format!("{name} = {{ path = {path} }}\n"));
        }
    }
    let named = |text: &str| text.replace(PLACEHOLDER, name.as_str());
    vec![
        ("Cargo.toml".into(), named(&package)),
        ("README.md".into(), named(README)),
        (".gitignore".into(), named(GITIGNORE)),
        (format!("{name}.toml"), named(parts.config)),
        ("src/lib.rs".into(), named(parts.source)),
    ]
}

/// Into a folder that is new: nothing is overwritten.
fn write(folder: &Path, files: &[(String, String)]) -> Result<(), Error> {
    let failed = |path: &Path, source: io::Error| Error::Write { path: path.into(), source };
    if let Err(err) = fs::create_dir(folder) {
        return Err(match err.kind() {
            ErrorKind::AlreadyExists => Error::Exists(folder.into()),
            _ => failed(folder, err),
        });
    }
    for (file, text) in files {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|err| failed(parent, err))?;
        fs::write(&path, text).map_err(|err| failed(&path, err))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::manifest::Manifest;

    #[test]
    fn every_template_is_whole() {
        let name = ChoreName::new("my-chore").unwrap();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for template in Template::value_variants() {
            let files = files(&name, *template, Some(&workspace));
            for (file, text) in &files {
                assert!(!text.contains("{{") && text.ends_with('\n'), "{template:?}: {file}");
                assert!(text.is_ascii(), "{template:?}: {file}");
            }
            let text = |wanted: &str| {
                files.iter().find(|(file, _)| file == wanted).map(|(_, text)| &text[..]).unwrap()
            };
            let package: toml::Table = text("Cargo.toml").parse().unwrap();
            assert_eq!(package["package"]["name"].as_str(), Some("my-chore"));
            let patched = package["patch"]["crates-io"].as_table().unwrap();
            let ours = package["dependencies"].as_table().unwrap().keys();
            let ours: Vec<_> = ours.filter(|name| name.starts_with("chore-")).collect();
            assert_eq!(patched.keys().collect::<Vec<_>>(), ours, "{template:?}");
            Manifest::parse(text("my-chore.toml"), "my-chore.toml").unwrap();
            let (source, tests) = text("src/lib.rs").split_once("#[cfg(test)]").unwrap();
            assert!(tests.contains("#[test]"), "{template:?}");
            let lines_max = if *template == Template::Blank { 30 } else { 150 };
            assert!(source.lines().count() < lines_max, "{template:?}");
        }
    }

    #[test]
    fn the_profile_is_that_of_our_own_chores() {
        let root: toml::Table = include_str!("../../../Cargo.toml").parse().unwrap();
        let mut ours = root["profile"]["chore"].as_table().unwrap().clone();
        ours.remove("inherits");
        let package: toml::Table = PACKAGE.parse().unwrap();
        assert_eq!(package["profile"]["release"].as_table(), Some(&ours));
    }

    #[test]
    fn without_the_source_nothing_is_patched() {
        let empty = tempfile::tempdir().unwrap();
        let name = ChoreName::new("a").unwrap();
        for workspace in [None, Some(empty.path())] {
            for (file, text) in files(&name, Template::Settle, workspace) {
                assert!(!text.contains("[patch"), "{file}");
            }
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let here = tempfile::tempdir().unwrap();
        let folder = here.path().join("a");
        let files = [("b/c".to_owned(), "text".to_owned())];
        write(&folder, &files).unwrap();
        assert_eq!(fs::read_to_string(folder.join("b/c")).unwrap(), "text");
        let err = write(&folder, &[]).unwrap_err();
        assert!(matches!(err, Error::Exists(_)), "{err}");
        let err = write(&here.path().join("no/a"), &[]).unwrap_err();
        assert!(matches!(err, Error::Write { .. }), "{err}");
    }
}
