//! The authors' commands, typed as an author types them: what `new` makes is tested, built, checked and
//! run; and each mistake is answered with one line that says what to do.

mod dev;
mod python;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use testplanet::{
    Build, SENDER, Testplanet, chore, chore_program, component, drop_chore, eventually, refused,
    text, told, trigger_wait,
};

/// Every template, and how large its component may be, in bytes. The first is the default.
const TEMPLATES: [(&str, u64); 4] =
    [("blank", 100_000), ("sql", 200_000), ("settle", 300_000), ("periodic-report", 200_000)];

/// Where crates of these tests are built: together, so that what they depend on is built once.
pub fn target() -> PathBuf {
    // A program stands in target/debug.
    let program = chore_program();
    program.ancestors().nth(2).unwrap().join("authors")
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("au").tempdir().unwrap()
}

/// One command in a folder, without a network.
fn typed(program: &Path, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command.env_remove("CHORE_HOME").env("CARGO_NET_OFFLINE", "true");
    command.env("CARGO_TARGET_DIR", target()).env("CARGO_TERM_COLOR", "never");
    command.output().unwrap()
}

fn author(folder: &Path, arguments: &[&str]) -> Output {
    typed(&chore_program(), folder, arguments)
}

/// What is printed; fails unless the command does what it should.
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn json(output: &Output) -> Value {
    let text = text(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

#[test]
fn the_first_chore_is_short() {
    let source = testplanet::workspace().join("host/templates/blank/lib.rs");
    let text = std::fs::read_to_string(source).unwrap();
    let (chore, tests) = text.split_once("#[cfg(test)]").unwrap();
    assert!(chore.lines().count() < 30 && tests.contains("#[test]"), "{chore}");
}

/// What a template makes is good from the first minute, without a network.
#[tokio::test]
async fn every_template_is_tested_built_checked_and_run() {
    let here = folder();
    for (template, bytes_max) in TEMPLATES {
        let name = format!("my-{template}");
        let made = match template {
            "blank" => author(here.path(), &["new", &name]),
            _ => author(here.path(), &["new", &name, "--template", template]),
        };
        assert!(done(&made).contains(&format!("next: cd {name}")), "{template}");
        let made = here.path().join(&name);
        done(&typed(Path::new(env!("CARGO")), &made, &["test", "--quiet", "--offline"]));
        done(&typed(Path::new(env!("CARGO")), &made, &["fmt", "--check"]));

        let built = author(&made, &["build"]);
        let file = target().join(format!("chore/{name}.wasm"));
        let said = done(&built);
        let wrote = said.lines().last().unwrap();
        assert!(wrote.starts_with(&format!("wrote {}", file.display())), "{said}");
        assert!(said.starts_with(&format!("{name} 0.1.0: ")), "{said}");
        assert!(said.contains("it would be loaded as it is"), "{said}");
        let bytes = file.metadata().unwrap().len();
        assert!(bytes < bytes_max, "{template} has {bytes} bytes");

        let checked = author(here.path(), &["check", file.to_str().unwrap(), "--json"]);
        done(&checked);
        let report = json(&checked);
        assert_eq!((&report["name"], &report["loads"]), (&name[..].into(), &true.into()));
        assert_eq!(report["bytes"], bytes);
    }
    // Into a peer that runs.
    let planet = Testplanet::start(0, 1).await;
    for (template, _) in TEMPLATES {
        let name = format!("my-{template}");
        let file = target().join(format!("chore/{name}.wasm"));
        let config = fs::read_to_string(file.with_extension("toml")).unwrap();
        let build = Build::from_bytes(fs::read(&file).unwrap());
        drop_chore(planet.node(0), &name, &build, Some(&config));
    }
    for (template, _) in TEMPLATES {
        let name = format!("my-{template}");
        eventually(&format!("{name} is loaded"), || async {
            let chores = planet.node(0).handle().status().chores;
            let found = chores.iter().find(|chore| chore.name == name);
            found.is_some_and(|chore| chore.state == "loaded")
        })
        .await;
        let cycle = chore(planet.node(0), &name).cycles[0].name.clone();
        assert!(["main", "measure"].contains(&&cycle[..]), "{cycle}");
        if cycle == "main" {
            let run = trigger_wait(planet.node(0), &name).await;
            assert_eq!(told(&run.outcome), "succeeded", "{name}");
        } else {
            eventually(&format!("{name} measures at its start"), || async {
                chore(planet.node(0), &name).cycles[0].last.is_some()
            })
            .await;
            let last = chore(planet.node(0), &name).cycles[0].last.clone().unwrap();
            assert_eq!(told(&last.outcome), "succeeded", "{name}");
        }
    }
    planet.shutdown().await;
}

#[test]
fn a_new_chore_needs_a_name_and_a_place() {
    let here = folder();
    fs::create_dir(here.path().join("there")).unwrap();
    fs::write(here.path().join("there/file"), "mine").unwrap();
    for (arguments, code, expected) in [
        (&["new", "my_chore"][..], 2, "use a-z, 0-9 and \"-\", as in \"my-chore\""),
        (&["new", "../up"], 2, "has '.'"),
        (&["new", "there"], 1, "make there: it exists already, and nothing is overwritten"),
        (&["new", "a", "--template", "blnak"], 2, "a similar value exists: 'blank'"),
        (&["new"], 2, "<NAME>"),
    ] {
        let output = author(here.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let stderr = text(&output.stderr);
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
    }
    let names: Vec<_> =
        fs::read_dir(here.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(names, ["there"]);
    assert_eq!(fs::read_to_string(here.path().join("there/file")).unwrap(), "mine");
}

/// Writes a crate that needs nothing.
fn write_crate(folder: &Path, name: &str, kind: &str, source: &str) {
    fs::create_dir_all(folder.join("src")).unwrap();
    let package = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\
         [lib]\ncrate-type = [\"{kind}\"]\n"
    );
    fs::write(folder.join("Cargo.toml"), package).unwrap();
    fs::write(folder.join("src/lib.rs"), source).unwrap();
}

#[test]
fn what_cannot_be_built_says_what_to_do() {
    let here = folder();
    let path = |name: &str| here.path().join(name);
    fs::create_dir(path("empty")).unwrap();
    write_crate(&path("plain"), "plain", "lib", "");
    write_crate(&path("misnamed"), "mis_named", "cdylib", "");
    write_crate(&path("several/one"), "one", "cdylib", "");
    write_crate(&path("several/two"), "two", "lib", "");
    let members = "[workspace]\nresolver = \"3\"\nmembers = [\"one\", \"two\"]\n";
    fs::write(path("several/Cargo.toml"), members).unwrap();
    for (folder, expected) in [
        (
            "empty",
            "build empty: there is no Cargo.toml or pyproject.toml: name the folder of a chore",
        ),
        ("missing", "build missing: there is no Cargo.toml or"),
        ("plain", "build plain: it is no component: write crate-type = [\"cdylib\"] below [lib]"),
        ("misnamed", "build mis_named: the package's name is the chore's: change it in"),
        (
            "several",
            "is a workspace of one, two: name the folder of one, as in `chore build several/one`",
        ),
    ] {
        let line = refused(&author(here.path(), &["build", folder]));
        assert!(line.contains(expected), "{folder}: {line}");
    }
    let mut lonely = Command::new(chore_program());
    lonely.args(["build", "plain"]).current_dir(here.path()).env("PATH", path("empty"));
    let line = refused(&lonely.output().unwrap());
    assert!(line.contains("there is no cargo in PATH: install Rust by rustup"), "{line}");
}

#[test]
fn the_compiler_speaks_for_itself() {
    let here = folder();
    write_crate(here.path(), "wrong", "cdylib", "pub fn wrong() -> u32 { \"text\" }\n");
    let output = author(here.path(), &["build"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), String::new()));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("error[E0308]: mismatched types"), "{stderr}");
    assert!(stderr.contains("--> src/lib.rs:1:25"), "{stderr}");
    let last = stderr.trim_end().lines().last().unwrap();
    assert!(last.starts_with("error: could not compile `wrong`"), "{stderr}");
    // It compiles, and is no chore.
    write_crate(here.path(), "wrong", "cdylib", "pub fn right() {}\n");
    let output = author(here.path(), &["build", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = &json(&output)["report"];
    assert_eq!(report["problems"][0]["lies_in"], "component", "{report}");
}

#[test]
fn a_check_says_everything_that_is_wrong() {
    let here = folder();
    let path = |name: &str| here.path().join(name);
    let sender = fs::read(component(SENDER)).unwrap();
    fs::write(path("order-sender.wasm"), &sender).unwrap();
    fs::write(path("other.wasm"), &sender).unwrap();
    fs::write(path("order_sender.bin"), &sender).unwrap();
    fs::write(path("text.wasm"), "some text").unwrap();
    fs::write(path("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    fs::write(path("cut.wasm"), &sender[..1_000]).unwrap();
    let grants = "grants = [\"orders\", \"kademlia\", \"transport\"]";
    let line = &format!("write {grants} in chores/order-sender.toml")[..];
    let wrong = format!("{grants}\n[settings]\nbatch-size = \"many\"\ndial-timeuot = \"1s\"\n");
    let all = [
        "order-sender.toml:4:1: the chore has no setting \"dial-timeuot\": did you mean",
        "order-sender.toml:3:1: setting \"batch-size\" must be an integer",
    ];
    let table: [(&str, Option<&str>, &[&str]); 9] = [
        ("order-sender.wasm", Some(grants), &[]),
        ("order-sender.wasm", None, &[line]),
        ("order-sender.wasm", Some("grants = [\"orders\"]"), &[line]),
        ("order-sender.wasm", Some("\n\n[limit]\n"), &["order-sender.toml:3"]),
        ("order-sender.wasm", Some(&wrong), &all),
        ("other.wasm", None, &["in chores/other.toml", "rename its file to order-sender.wasm"]),
        (
            "order_sender.bin",
            Some(grants),
            &["as in \"order-sender\"", "in chores/order-sender.toml", "order-sender.wasm only"],
        ),
        ("text.wasm", None, &["looks like text"]),
        ("module.wasm", None, &["a core module, not a component"]),
    ];
    for (file, config, expected) in table {
        let beside = path("order-sender.toml");
        let _ = fs::remove_file(&beside);
        if let Some(config) = config {
            fs::write(beside, config).unwrap();
        }
        let output = author(here.path(), &["check", file, "--json"]);
        let report = json(&output);
        let problems = report["problems"].as_array().unwrap();
        assert_eq!(problems.len(), expected.len(), "{file} {config:?}: {report}");
        for (problem, expected) in problems.iter().zip(expected) {
            let message = problem["message"].as_str().unwrap();
            assert!(message.contains(expected), "{file} {config:?}: {message}");
        }
        assert_eq!(report["loads"], expected.is_empty());
        assert_eq!(output.status.code(), Some(i32::from(!expected.is_empty())), "{file}");
    }
    for (file, expected) in [("missing.wasm", "read missing.wasm: No such file"), (".", "read .")] {
        let line = refused(&author(here.path(), &["check", file]));
        assert!(line.contains(expected), "{line}");
    }
    let output = author(here.path(), &["check", "cut.wasm"]);
    assert!(text(&output.stdout).contains("the file ends in the middle, after 1000 bytes"));
}

#[test]
fn a_check_with_a_home_asks_that_peer() {
    let here = folder();
    let home = here.path().join("peer");
    let file = component(SENDER);
    let renamed = here.path().join("order-sender.wasm");
    fs::copy(file, &renamed).unwrap();
    let check = |what: &str| {
        let home = home.to_str().unwrap();
        let output = author(here.path(), &["check", "order-sender.wasm", "--home", home]);
        assert!(output.stderr.is_empty(), "{what}: {}", text(&output.stderr));
        let stdout = text(&output.stdout);
        (output.status.code(), stdout)
    };
    let nobody = author(here.path(), &["--home", "peer", "check", "order-sender.wasm"]);
    assert!(refused(&nobody).contains("holds no peer"));
    done(&author(here.path(), &["--home", "peer", "setup"]));
    let grants = "grants = [\"orders\", \"kademlia\", \"transport\"]\n";
    let table: [(&str, Option<&str>, i32, &[&str]); 4] = [
        ("", None, 1, &["it has no [orders] section in its chore.toml", "that it was not granted"]),
        ("[orders]\n", Some(grants), 0, &["it would be loaded as it is", "orders: granted"]),
        ("[orders]\n", Some("grants = []\nx = 1\n"), 1, &["chores/order-sender.toml:2:1"]),
        ("[oders]\n", Some(grants), 1, &["chore.toml:1:2", "did you mean"]),
    ];
    for (peer, config, code, expected) in table {
        fs::write(home.join("chore.toml"), peer).unwrap();
        if let Some(config) = config {
            fs::write(home.join("chores/order-sender.toml"), config).unwrap();
        }
        let (found, said) = check(peer);
        assert_eq!(found, Some(code), "{peer}: {said}");
        for expected in expected {
            assert!(said.contains(expected), "{peer}: {said}");
        }
    }
}
