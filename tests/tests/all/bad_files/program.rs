//! What the program `chore` says of bad files, and what it does without room on its disk.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testplanet::{Build, PATCHED, Program, drop_into, eventually};

use super::{OFTEN, OTHER, of_others};

/// A home with [`PATCHED`], and nothing that runs yet.
fn home() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("bf").tempdir().unwrap();
    let home = folder.path().join("peer");
    command(&home, &["setup"]);
    drop_into(&home.join("chores"), &format!("{PATCHED}.toml"), OFTEN.as_bytes());
    drop_into(&home.join("chores"), &format!("{PATCHED}.wasm"), Build::patched().bytes());
    (folder, home)
}

/// What it prints, even if it fails.
fn command(home: &Path, arguments: &[&str]) -> String {
    let output = Program::command(home, arguments);
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn status(home: &Path, name: &str) -> Value {
    let text = command(home, &["status", name, "--json"]);
    serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"))
}

/// The warnings about a file.
fn warnings<'a>(log: &'a str, file: &str) -> Vec<&'a str> {
    let named = format!("file={file:?}");
    log.lines().filter(|line| line.contains("WARN") && line.contains(&named)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_names_each_bad_file_once_and_why() {
    let half = Build::patched().bytes()[..1000].to_vec();
    let own = format!("{PATCHED}.wasm");
    let table: [(&str, &[u8], &str); 4] = [
        (&own, &half, "ends in the middle"),
        ("text.wasm", b"hello, I am a text file", "looks like text"),
        ("two words.wasm", b"", "as in \"two-words\""),
        ("Upper.wasm", b"", "as in \"upper\""),
    ];
    let (_folder, home) = home();
    let chores = home.join("chores");
    let mut node = Program::run(&home);
    node.is_up();
    // Each is an event, and there are looks in between.
    for (file, bytes, part) in table {
        drop_into(&chores, file, bytes);
        eventually(part, || async { !warnings(&node.log(), file).is_empty() }).await;
    }
    for file in of_others() {
        fs::write(chores.join(file), b"").unwrap();
    }
    symlink("nowhere", chores.join("dangling.wasm")).unwrap();
    eventually("the last", || async { !warnings(&node.log(), "dangling.wasm").is_empty() }).await;
    let log = node.log();
    for (file, _, part) in table {
        let found = warnings(&log, file);
        let once = found.len() == 1 && found[0].contains(part);
        assert!(once, "{file}: {found:?}");
    }
    for file in of_others().iter().filter_map(|file| file.to_str()) {
        assert_eq!(warnings(&log, file), [""; 0], "{file}");
    }
    let shown = status(&home, PATCHED);
    assert_eq!((&shown["state"], &shown["generation"]), (&"loaded".into(), &1.into()), "{shown}");
    assert_eq!(shown["refused"]["file"], own.as_str(), "{shown}");
    let listed: Value = serde_json::from_str(&command(&home, &["ls", "--json"])).unwrap();
    let names: Vec<&str> =
        listed.as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Upper.wasm", "dangling", PATCHED, "text", "two words.wasm"]);
    assert!(node.terminate().success());
}

/// A file system that is full, for as long as this lives.
struct Full(PathBuf);

impl Full {
    /// `None` for whoever may not mount.
    fn mount(at: &Path) -> Option<Full> {
        fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(at);
        mount.status().is_ok_and(|status| status.success()).then(|| Full(at.to_owned()))
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        // Also if somebody still has a file open there.
        let unmounted = Command::new("umount").arg("--lazy").arg(&self.0).status();
        assert!(std::thread::panicking() || unmounted.unwrap().success());
    }
}

#[test]
fn without_room_for_copies_chores_are_loaded_and_replaced_all_the_same() {
    // What is in the way of which directory, and the warning.
    let table: [(&str, &str, bool, &str); 3] = [
        ("a file in place of the cache", "cache", false, "compiled code is not kept"),
        (
            "no room for compiled code",
            "cache/compiled",
            true,
            "compiled code of a component is not kept",
        ),
        ("no room for components", "data/components", true, "it cannot be gone back to"),
    ];
    for (what, directory, full, warning) in table {
        let (_folder, home) = home();
        let place = home.join(directory);
        let _full = if full {
            let Some(full) = Full::mount(&place) else {
                eprintln!("left out: this user may not mount: {what}");
                continue;
            };
            Some(full)
        } else {
            fs::remove_dir_all(&place).unwrap();
            fs::write(&place, b"").unwrap();
            None
        };
        let mut node = Program::run(&home);
        node.is_up();
        let build = Build::patched().stamped(1);
        drop_into(&home.join("chores"), &format!("{PATCHED}.wasm"), build.bytes());
        drop_into(
            &home.join("chores"),
            &format!("{OTHER}.wasm"),
            Build::patched().name(OTHER).bytes(),
        );
        command(&home, &["reload"]);
        let shown = status(&home, PATCHED);
        assert_eq!(
            (&shown["state"], &shown["generation"]),
            (&"loaded".into(), &2.into()),
            "{what}: {shown}"
        );
        assert_eq!(shown["digest"], build.digest(), "{what}");
        assert_eq!(status(&home, OTHER)["state"], "loaded", "{what}");
        let log = node.log();
        assert!(log.contains(warning), "{what}: {log}");
        let run = command(&home, &["trigger", PATCHED, "--wait"]);
        assert!(run.contains("succeeded"), "{what}: {run}");
        assert!(node.terminate().success(), "{what}");
    }
}
