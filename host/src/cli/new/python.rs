//! What `chore new` writes for a chore in Python. The contract is among it: nothing else of this
//! program's source is needed.

use super::{Files, PLACEHOLDER, Template};
use crate::name::ChoreName;

const PROJECT: &str = include_str!("../../../templates/python/pyproject.toml");
const README: &str = include_str!("../../../templates/python/README.md");
const GITIGNORE: &str = include_str!("../../../templates/python/gitignore");

/// The contract, where tools look for what a world imports.
const CONTRACT: [(&str, &str); 4] = [
    ("wit/deps/chore-peer/imports.wit", include_str!("../../../../wit/imports.wit")),
    ("wit/deps/chore-peer/lifecycle.wit", include_str!("../../../../wit/lifecycle.wit")),
    ("wit/deps/chore-peer/sync.wit", include_str!("../../../../wit/sync.wit")),
    ("wit/deps/chore-peer/types.wit", include_str!("../../../../wit/types.wit")),
];

/// Stand for what a template has of its own.
const DEPENDENCIES: &str = "{{dependencies}}";
const MODULE: &str = "{{module}}";

/// What a template adds to what all have.
struct Parts {
    chore: &'static str,
    world: &'static str,
    /// What knows no peer, and is tested.
    module: &'static str,
    source: &'static str,
    tests: &'static str,
    /// Beside the tool, each with a comma.
    dependencies: &'static str,
}

fn parts(template: Template) -> Option<Parts> {
    match template {
        Template::Blank => Some(Parts {
            chore: include_str!("../../../templates/python/blank/chore.py"),
            world: include_str!("../../../templates/python/blank/world.wit"),
            module: "greeting",
            source: include_str!("../../../templates/python/blank/greeting.py"),
            tests: include_str!("../../../templates/python/blank/test_greeting.py"),
            dependencies: "",
        }),
        Template::PeriodicReport => Some(Parts {
            chore: include_str!("../../../templates/python/periodic-report/chore.py"),
            world: include_str!("../../../templates/python/periodic-report/world.wit"),
            module: "backlog",
            source: include_str!("../../../templates/python/periodic-report/backlog.py"),
            tests: include_str!("../../../templates/python/periodic-report/test_backlog.py"),
            dependencies: "\"base58==2.1.1\", ",
        }),
        Template::Sql | Template::Settle => None,
    }
}

/// `None` if there is no such template.
pub(super) fn files(name: &ChoreName, template: Template) -> Option<Files> {
    let parts = parts(template)?;
    let module = parts.module;
    let named = |text: &str| {
        let text = text.replace(PLACEHOLDER, name.as_str()).replace(MODULE, module);
        text.replace(DEPENDENCIES, parts.dependencies)
    };
    let mut files = vec![
        ("pyproject.toml".to_owned(), named(PROJECT)),
        ("README.md".to_owned(), named(README)),
        (".gitignore".to_owned(), named(GITIGNORE)),
        ("chore.py".to_owned(), named(parts.chore)),
        (format!("{module}.py"), named(parts.source)),
        (format!("test_{module}.py"), named(parts.tests)),
        ("wit/world.wit".to_owned(), named(parts.world)),
    ];
    files.extend(CONTRACT.map(|(path, text)| (path.to_owned(), text.to_owned())));
    Some(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_contract_is_whole() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let paths = paths.filter(|path| path.extension().is_some_and(|kind| kind == "wit"));
        let named = |path: std::path::PathBuf| {
            format!("wit/deps/chore-peer/{}", path.file_name().unwrap().display())
        };
        let mut files: Vec<_> = paths.map(named).collect();
        files.sort();
        assert_eq!(files, CONTRACT.map(|(path, _)| path));
    }

    #[test]
    fn a_blank_chore_is_short() {
        let files = files(&ChoreName::new("a").unwrap(), Template::Blank).unwrap();
        let lines = |(file, text): &(String, String)| {
            let counts = file.ends_with(".py") && !file.starts_with("test_");
            if counts { text.lines().count() } else { 0 }
        };
        assert!(files.iter().map(lines).sum::<usize>() < 40);
    }
}
