//! Chores in Python, from nothing to a run in a peer, and what is said of folders that are none. The
//! tool that compiles them is installed once for all of these tests, and kept.

use std::fs;
use std::path::Path;
use std::process::Command;

use chore_host::status::Triggered;
use serde_json::Value;
use testplanet::{
    Build, SENDER, Testplanet, chore, chore_program, component, drop_chore, eventually,
    python_component, refused, text, told,
};

use super::{author, done, folder, json, target, typed};

const TEMPLATES: [&str; 2] = ["blank", "periodic-report"];

/// Of a component that has Python in it.
const BYTES_MAX: u64 = 25_000_000;

fn new(folder: &Path, name: &str, template: &str) {
    let made = author(folder, &["new", name, "--lang", "python", "--template", template]);
    assert!(done(&made).contains(&format!("next: cd {name} && python3 -m unittest && chore dev")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_template_is_tested_built_and_run() {
    let here = folder();
    let planet = Testplanet::start(1, 1).await;
    planet.hand_in(0, 0, 3).await;
    for template in TEMPLATES {
        let name = format!("py-{template}");
        new(here.path(), &name, template);
        let made = here.path().join(&name);
        // Before anything is installed: it needs none of it.
        done(&typed(Path::new("python3"), &made, &["-m", "unittest"]));

        let built = author(&made, &["build", "--json"]);
        done(&built);
        let file = target().join(format!("chore/{name}.wasm"));
        let built = json(&built);
        let report = &built["report"];
        assert_eq!(built["file"], file.to_str().unwrap());
        assert_eq!((&report["name"], &report["version"]), (&name[..].into(), &"0.1.0".into()));
        assert_eq!((&report["loads"], &report["problems"]), (&true.into(), &Value::Array(vec![])));
        assert!(file.metadata().unwrap().len() < BYTES_MAX);
        if template == TEMPLATES[0] {
            let again = done(&author(&made, &["build"]));
            assert!(
                again.contains("0.1.0: Says hello.") && !again.contains("compiling"),
                "{again}"
            );
        }

        let config = fs::read_to_string(file.with_extension("toml")).unwrap();
        let build = Build::from_bytes(fs::read(&file).unwrap());
        drop_chore(planet.node(0), &name, &build, Some(&config));
        eventually(&format!("{name} has run"), || async {
            let chores = planet.node(0).handle().status().chores;
            let found = chores.iter().find(|chore| chore.name == name);
            found.is_some_and(|chore| chore.cycles.iter().any(|cycle| cycle.last.is_some()))
        })
        .await;
        for cycle in chore(planet.node(0), &name).cycles {
            let handle = planet.node(0).handle();
            match handle.trigger(&name, Some(&cycle.name), true).await.unwrap() {
                Triggered::Ended { run } => {
                    assert_eq!(told(&run.outcome), "succeeded", "{name}: {}", cycle.name);
                }
                other => panic!("{name}: {}: {other:?}", cycle.name),
            }
        }
    }
    // By the name that operators know.
    let satellite = planet.satellite(0).node_id();
    let metrics = planet.node(0).handle().metrics();
    let gauge = format!("satellite=\"{satellite}\"}} 3");
    assert!(metrics.lines().any(|line| line.ends_with(&gauge)), "{metrics}");
    planet.shutdown().await;
}

#[test]
fn what_cannot_be_built_says_what_to_do() {
    let here = folder();
    let path = |name: &str| here.path().join(name);
    let change = |folder: &str, file: &str, from: &str, to: &str| {
        let text = fs::read_to_string(path(folder).join(file)).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path(folder).join(file), text.replacen(from, to, 1)).unwrap();
    };
    for name in ["no-module", "no-wit", "no-tool", "misnamed", "broken", "good"] {
        new(here.path(), name, "blank");
    }
    fs::remove_file(path("no-module/chore.py")).unwrap();
    fs::remove_dir_all(path("no-wit/wit")).unwrap();
    change("no-tool", "pyproject.toml", "componentize-py", "base58");
    change("misnamed", "pyproject.toml", "\"misnamed\"", "\"mis_named\"");
    change("broken", "pyproject.toml", "[project]", "[project");
    for (folder, expected) in [
        ("no-module", "build no-module: there is no chore.py: see what `chore new NAME --lang"),
        ("no-wit", "build no-wit: there is no wit: see what"),
        ("no-tool", "it is no chore: write dependencies = [\"componentize-py=="),
        ("misnamed", "[project] name is the chore's: change it: chore name \"mis_named\" has '_'"),
        ("broken", "broken/pyproject.toml: "),
    ] {
        let line = refused(&author(here.path(), &["build", folder]));
        assert!(line.contains(expected), "{folder}: {line}");
    }
    let unknown = author(here.path(), &["new", "a", "--lang", "python", "--template", "sql"]);
    assert!(refused(&unknown).contains("only blank and periodic-report"));

    // Where there is no Python, or one without venv.
    fs::create_dir(path("bin")).unwrap();
    let build = || {
        let mut command = Command::new(chore_program());
        command.args(["build", "good"]).current_dir(here.path()).env("CARGO_TARGET_DIR", path("t"));
        command
    };
    let line = refused(&build().env("PATH", path("bin")).output().unwrap());
    assert!(line.contains("there is no python3 in PATH: install Python 3.10 or later"), "{line}");
    std::os::unix::fs::symlink("/bin/false", path("bin/python3")).unwrap();
    let line = refused(&build().env("PATH", path("bin")).output().unwrap());
    assert!(line.contains("is Python's venv installed?"), "{line}");
    // What cannot be installed, the installer says itself.
    change("good", "pyproject.toml", "componentize-py==", "componentize-py==0.0.0.");
    let output = build().env("PIP_NO_INDEX", "1").output().unwrap();
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), false));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("No matching distribution found for componentize-py"), "{stderr}");
}

#[test]
fn python_speaks_for_itself() {
    let here = folder();
    new(here.path(), "wrong", "blank");
    let made = here.path().join("wrong");
    fs::write(made.join("greeting.py"), "def greeting(whom) -> str\n    return whom\n").unwrap();
    let output = author(&made, &["build", "--json"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let stderr = text(&output.stderr);
    for expected in ["greeting.py\", line 1", "SyntaxError: expected ':'"] {
        assert!(stderr.contains(expected), "{stderr}");
    }
}

/// What a program reads of it is what a person sees.
#[test]
fn the_demonstration_runs_them_beside_the_order_sender() {
    let report = python_component("order-report");
    let from = report.parent().unwrap().to_str().unwrap();
    let sender = component(SENDER);
    let sender = sender.to_str().unwrap();
    let here = folder();
    let output = author(
        here.path(),
        &["demo", "--polyglot", "--json", "--chore", sender, "--chores-from", from],
    );
    done(&output);
    let rows = json(&output);
    let rows = rows.as_array().unwrap();
    for (name, language, size) in
        [("order-report", "Python", 15_000_000..25_000_000), (SENDER, "Rust", 100_000..1_000_000)]
    {
        let row = rows.iter().find(|row| row["chore"] == name).unwrap_or_else(|| panic!("{name}"));
        let is = (&row["language"], &row["version"], &row["outcome"]);
        assert_eq!(is, (&language.into(), &"0.1.0".into(), &"succeeded".into()), "{row}");
        assert!(size.contains(&row["bytes"].as_u64().unwrap()), "{row}");
        assert!(row["runs"].as_u64().unwrap() >= 3, "{row}");
        for number in ["compile_seconds", "milliseconds_per_run"] {
            assert!(row[number].as_f64().unwrap() > 0.0, "{row}");
        }
    }
    let empty = here.path().to_str().unwrap();
    let arguments = ["demo", "--polyglot", "--chore", sender, "--chores-from", empty];
    let output = author(here.path(), &arguments);
    assert!(refused(&output).contains("name their folder with --chores-from DIR"));
}
