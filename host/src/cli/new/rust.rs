//! What `chore new` writes for a chore in Rust.

use std::path::Path;

use super::{Files, PLACEHOLDER, Template};
use crate::name::ChoreName;

const PACKAGE: &str = include_str!("../../../templates/package.toml");
const README: &str = include_str!("../../../templates/README.md");
const GITIGNORE: &str = include_str!("../../../templates/gitignore");

/// Above the line that names the SDK's source.
const PATCH: &str = "
# The source of the program that made this is on this machine: with it, this builds offline, and before
# the SDK is published. Take these lines away to build elsewhere.
[patch.crates-io]
";

/// What a template adds to what all have.
struct Parts {
    source: &'static str,
    /// Lines below `[dependencies]`.
    dependencies: &'static str,
    /// Crates of this workspace that it needs, and their folders.
    ours: &'static [(&'static str, &'static str)],
}

const SDK: (&str, &str) = ("chore-sdk", "guest-sdk");
const PROTO: (&str, &str) = ("chore-proto", "proto");

fn parts(template: Template) -> Parts {
    let plain = |source| Parts { source, dependencies: "", ours: &[SDK] };
    match template {
        Template::Blank => plain(include_str!("../../../templates/blank/lib.rs")),
        Template::Sql => plain(include_str!("../../../templates/sql/lib.rs")),
        Template::PeriodicReport => {
            plain(include_str!("../../../templates/periodic-report/lib.rs"))
        }
        Template::Settle => Parts {
            source: include_str!("../../../templates/settle/lib.rs"),
            dependencies: include_str!("../../../templates/settle/dependencies.toml"),
            ours: &[SDK, PROTO],
        },
    }
}

/// With the source in `workspace`, if it is there.
pub(super) fn files(name: &ChoreName, template: Template, workspace: Option<&Path>) -> Files {
    let parts = parts(template);
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
        ("src/lib.rs".into(), named(parts.source)),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_template_is_a_package() {
        let name = ChoreName::new("my-chore").unwrap();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for template in Template::value_variants() {
            let files = files(&name, *template, Some(&workspace));
            let text = |wanted: &str| {
                files.iter().find(|(file, _)| file == wanted).map(|(_, text)| &text[..]).unwrap()
            };
            let package: toml::Table = text("Cargo.toml").parse().unwrap();
            assert_eq!(package["package"]["name"].as_str(), Some("my-chore"));
            let patched = package["patch"]["crates-io"].as_table().unwrap();
            let ours = package["dependencies"].as_table().unwrap().keys();
            let ours: Vec<_> = ours.filter(|name| name.starts_with("chore-")).collect();
            assert_eq!(patched.keys().collect::<Vec<_>>(), ours, "{template:?}");
            let (source, tests) = text("src/lib.rs").split_once("#[cfg(test)]").unwrap();
            assert!(tests.contains("#[test]"), "{template:?}");
            let lines_max = if *template == Template::Blank { 30 } else { 150 };
            assert!(source.lines().count() < lines_max, "{template:?}");
        }
    }

    #[test]
    fn the_profile_is_that_of_our_own_chores() {
        let root: toml::Table = include_str!("../../../../Cargo.toml").parse().unwrap();
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
}
