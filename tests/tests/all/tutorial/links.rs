//! Follows the links of all pages, and looks for the files that they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use testplanet::workspace;

/// Where pages are, and what is below is looked through, too.
const PLACES: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "BENCHMARKS.md",
    "CHANGELOG.md",
    "docs",
    "chores",
    "host/templates",
    "guest-sdk",
];

/// What a path in a page begins with if it is one of this repository.
const ROOTS: [&str; 6] = ["host/", "guest-sdk/", "tests/", "docs/", "wit/", "proto/"];

/// And what stands in the folder of a chore in Python.
const OF_AUTHORS: [&str; 2] = ["wit/world.wit", "wit/deps/"];

/// Every page, by its path.
fn pages(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        let is_page = place.extension().is_some_and(|extension| extension == "md");
        return if is_page { vec![place.to_owned()] } else { Vec::new() };
    }
    let entries = fs::read_dir(place).unwrap_or_else(|err| panic!("{}: {err}", place.display()));
    entries.flat_map(|entry| pages(&entry.unwrap().path())).collect()
}

/// The lines of a page that are prose.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_fence = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_fence ^= is_fence;
        !in_fence && !is_fence
    })
}

/// What links may name in a page: its headings, as they are turned into names, and explicit ones.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
    };
    let explicit = between(text, "<a id=\"", "\"");
    headings.map(slug).chain(explicit.into_iter().map(str::to_owned)).collect()
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(open) {
        let Some((inside, tail)) = after.split_once(close) else { break };
        found.push(inside);
        rest = tail;
    }
    found
}

/// What is wrong with a link of a page.
fn follow(page: &Path, link: &str) -> Option<String> {
    if link.starts_with("https://") || link.starts_with("http://") {
        return None;
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => page.to_owned(),
        path => page.parent().unwrap().join(path),
    };
    if !target.exists() {
        return Some(format!("there is no {}", target.display()));
    }
    if anchor.is_empty() {
        return None;
    }
    let text = fs::read_to_string(&target).unwrap_or_default();
    let is_there = anchors(&text).contains(anchor);
    (!is_there).then(|| format!("there is no heading {anchor} in {}", target.display()))
}

/// Whether something in backquotes is a path of this repository, and not a pattern for one.
fn is_path(code: &str) -> bool {
    let of_a_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '.');
    let is_of_an_author = OF_AUTHORS.iter().any(|place| code.starts_with(place));
    ROOTS.iter().any(|root| code.starts_with(root))
        && !is_of_an_author
        && code.chars().all(of_a_path)
        && !code.contains("VERSION")
}

#[test]
fn every_link_leads_somewhere() {
    let root = workspace();
    let mut wrong = Vec::new();
    let mut links = 0;
    for page in PLACES.iter().flat_map(|place| pages(&root.join(place))) {
        let text = fs::read_to_string(&page).unwrap();
        let text: String = prose(&text).map(|line| format!("{line}\n")).collect();
        for link in between(&text, "](", ")") {
            links += 1;
            wrong.extend(follow(&page, link).map(|why| format!("{}: {why}", page.display())));
        }
        for code in between(&text, "`", "`").into_iter().filter(|code| is_path(code)) {
            // From the root, or from the page.
            if !root.join(code).exists() && !page.parent().unwrap().join(code).exists() {
                wrong.push(format!("{}: there is no {code}", page.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(links > 20, "only {links} links were found");
}
