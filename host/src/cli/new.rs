//! `chore new`: a folder with a chore that builds, is tested and runs, to begin from.

mod python;
mod rust;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Error as CliError;
use super::language::Language;
use super::output::Out;
use crate::name::ChoreName;

/// What stands for the chore's name in a template.
const PLACEHOLDER: &str = "{{name}}";

#[derive(Args)]
pub(super) struct Asked {
    /// What the chore is called: a-z, 0-9 and "-"
    #[arg(value_parser = ChoreName::new)]
    name: ChoreName,
    /// What it is written in
    #[arg(long, value_enum, default_value_t)]
    lang: Language,
    /// What to begin from; Python has blank and periodic-report
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
    #[error("make a chore in {lang}: there is no template {template} for it, only {has}")]
    NoTemplate { template: String, lang: String, has: String },
}

/// Paths in the new folder, and what stands there.
type Files = Vec<(String, String)>;

impl Template {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What an operator may write for it, in whatever language it is.
    fn config(self) -> &'static str {
        match self {
            Template::Blank => include_str!("../../templates/blank/config.toml"),
            Template::Sql => include_str!("../../templates/sql/config.toml"),
            Template::Settle => include_str!("../../templates/settle/config.toml"),
            Template::PeriodicReport => include_str!("../../templates/periodic-report/config.toml"),
        }
    }
}

pub(super) fn new(out: &Out, asked: &Asked) -> Result<u8, CliError> {
    let Asked { name, lang, template } = asked;
    let folder = Path::new(name.as_str());
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let workspace = workspace.canonicalize().ok();
    let files = files(name, *lang, *template, workspace.as_deref())
        .ok_or_else(|| no_template(name, *lang, *template))?;
    write(folder, &files)?;
    let names: Vec<&str> = files.iter().map(|(file, _)| &file[..]).collect();
    let (language, template) = (lang.name(), template.name());
    let value = serde_json::json!({
        "folder": name, "language": language, "template": template, "files": names
    });
    let test = match lang {
        Language::Rust => "cargo test",
        Language::Python => "python3 -m unittest",
    };
    out.show(&value, || {
        format!(
            "made {name} from the template {template}: {}\n\nnext: cd {name} && {test} && \
             chore dev",
            names.join(", ")
        )
    })?;
    Ok(0)
}

/// `None` if the language has no such template.
fn files(
    name: &ChoreName,
    lang: Language,
    template: Template,
    workspace: Option<&Path>,
) -> Option<Files> {
    let mut files = match lang {
        Language::Rust => rust::files(name, template, workspace),
        Language::Python => python::files(name, template)?,
    };
    let config = template.config().replace(PLACEHOLDER, name.as_str());
    // After what every folder has.
    files.insert(3, (format!("{name}.toml"), config));
    Some(files)
}

fn no_template(name: &ChoreName, lang: Language, template: Template) -> Error {
    let all = Template::value_variants().iter();
    let has = all.filter(|template| files(name, lang, **template, None).is_some());
    let has: Vec<String> = has.map(|template| template.name()).collect();
    Error::NoTemplate { template: template.name(), lang: lang.name(), has: has.join(" and ") }
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
        for lang in Language::value_variants() {
            for template in Template::value_variants() {
                let Some(files) = files(&name, *lang, *template, None) else { continue };
                for (file, text) in &files {
                    assert!(!text.contains("{{") && text.ends_with('\n'), "{template:?}: {file}");
                    assert!(text.is_ascii() || file.contains("/deps/"), "{template:?}: {file}");
                }
                let text = |wanted: &str| {
                    let found = files.iter().find(|(file, _)| file == wanted);
                    found.map(|(_, text)| &text[..]).unwrap()
                };
                let manifest: toml::Table = text(lang.manifest()).parse().unwrap();
                let mut sections = manifest.values();
                let is_named = |section: &toml::Value| {
                    section.get("name").and_then(toml::Value::as_str) == Some("my-chore")
                };
                assert!(sections.any(is_named), "{lang:?} {template:?}");
                Manifest::parse(text("my-chore.toml"), "my-chore.toml").unwrap();
            }
        }
    }

    #[test]
    fn a_language_without_a_template_says_what_it_has() {
        let name = ChoreName::new("a").unwrap();
        let said = no_template(&name, Language::Python, Template::Sql).to_string();
        let expected = "make a chore in python: there is no template sql for it, only blank and periodic-report";
        assert_eq!(said, expected);
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
