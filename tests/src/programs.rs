//! What tests run and load, built once for a process by the same commands that a person types.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// The root of this repository.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("a workspace")
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    // A test runs as target/debug/deps/NAME.
    let me = std::env::current_exe().expect("a program");
    me.ancestors().nth(3).expect("a target directory").to_path_buf()
}

fn cargo(arguments: &[&str]) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(arguments).arg("--locked").arg("--target-dir").arg(target());
    // What cargo tells a test about its own package: build scripts that ask for it would run again,
    // here and in the next build outside.
    let of_a_package =
        |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars().filter(|(name, _)| of_a_package(name)) {
        cargo.env_remove(name);
    }
    let status = cargo.current_dir(workspace()).status().expect("cargo runs");
    assert!(status.success(), "cargo {}: {status}", arguments.join(" "));
}

/// The component of a chore of this workspace, as `NAME.wasm` in a folder of its own: `NAME` is
/// "order-sender", or one of `tests/guests` such as "guest-run-spins".
pub fn component(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let mut arguments = vec!["build", "--profile", "chore", "--target", TARGET];
        let guests = guests();
        for package in guests.iter().map(String::as_str).chain(["order-sender"]) {
            arguments.extend(["-p", package]);
        }
        cargo(&arguments);
        target().join(TARGET).join("chore")
    });
    let path = folder.join(format!("{}.wasm", name.replace('-', "_")));
    assert!(path.exists(), "{} is not built", path.display());
    path
}

/// The component of a chore of this workspace that is written in JavaScript, which its own script
/// builds: one is built at a time.
pub fn javascript_component(name: &str) -> PathBuf {
    static BUILDING: Mutex<()> = Mutex::new(());
    let script = workspace().join("chores").join(name).join("build.sh");
    let _turn = BUILDING.lock().expect("no build panics");
    // Does nothing if it is up to date.
    let status = Command::new(&script).env("CARGO_TARGET_DIR", target()).status();
    let status = status.unwrap_or_else(|err| panic!("{}: {err}", script.display()));
    assert!(status.success(), "{}: {status}", script.display());
    target().join("javascript").join(format!("{name}.wasm"))
}

/// The component of a chore of this workspace that is written in Python, as `NAME.wasm`.
pub fn python_component(name: &str) -> PathBuf {
    static BUILT: Mutex<()> = Mutex::new(());
    // What has not changed is not compiled again.
    let _one_at_a_time = BUILT.lock().expect("a build");
    let mut build = Command::new(chore_program());
    build.arg("build").arg(workspace().join("chores").join(name)).stdout(Stdio::null());
    let status = build.env("CARGO_TARGET_DIR", target()).status().expect("chore runs");
    // Not sound is what fails; that it is not granted is nothing.
    assert!(status.success(), "chore build of {name}: {status}");
    target().join("chore").join(format!("{name}.wasm"))
}

/// The packages of `tests/guests`.
fn guests() -> Vec<String> {
    let folder = std::fs::read_dir(workspace().join("tests/guests")).expect("guests");
    let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().replace('_', "-");
    folder.flatten().map(|entry| format!("guest-{}", name(entry))).collect()
}

/// The program `chore`.
pub fn chore_program() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let path = BUILT.get_or_init(|| {
        cargo(&["build", "-p", "chore-host", "--bin", "chore"]);
        target().join("debug/chore")
    });
    path.clone()
}
