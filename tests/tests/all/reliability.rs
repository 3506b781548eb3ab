//! The page of promises names tests that are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use testplanet::workspace;

/// All Rust below a folder.
fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn each_promise_has_a_test_that_is_there() {
    let page = fs::read_to_string(workspace().join("docs/reliability.md")).unwrap();
    let mut code = String::new();
    for folder in ["tests/tests", "fuzz/tests", "host/src"] {
        sources(&workspace().join(folder), &mut code);
    }
    let modules = fs::read_to_string(workspace().join("tests/tests/all/main.rs")).unwrap();
    let (mut rows, mut missing) = (0, BTreeSet::new());
    let all = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    for row in all {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, tests, command] = cells[..] else { panic!("not three cells: {row}") };
        rows += 1;
        assert!(tests != "-" || !command.is_empty(), "nothing proves it: {row}");
        for test in tests.split('`').skip(1).step_by(2) {
            let (module, name) = test.rsplit_once("::").unwrap_or(("", test));
            let of_a_module = module.rsplit("::").next().unwrap_or_default();
            let is_there = match (name, module) {
                ("", _) => modules.contains(&format!("mod {of_a_module};")),
                (name, "") => code.contains(&format!("fn {name}")),
                // A function, or a module of them.
                (name, _) => {
                    code.contains(&format!("fn {name}(")) || code.contains(&format!("mod {name};"))
                }
            };
            if !is_there {
                missing.insert(test.to_owned());
            }
        }
    }
    assert!(rows > 30, "the page has {rows} promises");
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}
