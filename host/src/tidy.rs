//! The house rules as a test: floors, first lines, lengths, purity of floor 0, no unsafe code, and a
//! test for every guest. It knows no rule of Rust, only how formatted Rust looks.
//!
//! Each rule is a function from text to complaints, tried on small bad examples, and then on this
//! workspace.

mod code;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rules::{Floors, Source};

/// Folders of the workspace that have Rust in them.
const FOLDERS: [&str; 5] = ["host", "proto", "guest-sdk", "chores", "tests"];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every `.rs` file of the workspace, by its path from the root, with "/" between its parts.
fn sources(root: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        collect(root, folder, &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(root: &Path, folder: &str, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}/{name}");
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && name != "target" && !name.starts_with('.') {
            collect(root, &path, found);
        } else if name.ends_with(".rs")
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            found.push(Source { path, text });
        }
    }
}

/// What breaks a rule, one line each.
fn check(root: &Path) -> Vec<String> {
    let sources = sources(root);
    let mut complaints = Vec::new();
    let lib = sources.iter().find(|source| source.path == "host/src/lib.rs");
    match Floors::parse(lib.map(|lib| lib.text.as_str()).unwrap_or_default()) {
        Err(complaint) => complaints.push(complaint),
        Ok(floors) => {
            complaints.extend(floors.rooms_are_listed(&sources));
            for source in &sources {
                complaints.extend(floors.imports_go_down(source));
                complaints.extend(floors.is_pure(source));
            }
        }
    }
    for source in &sources {
        complaints.extend(rules::begins_with_its_purpose(source));
        complaints.extend(rules::is_short(source));
        complaints.extend(rules::is_safe(source));
        complaints.extend(rules::functions_are_short(source));
    }
    complaints.extend(rules::guests_are_tested(&guests(root), &sources));
    complaints
}

/// The folders of the guests that are fixtures.
fn guests(root: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(root.join("tests/guests")).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
