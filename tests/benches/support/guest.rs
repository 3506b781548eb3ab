//! Builds chores for the benchmarks, as they are built for a peer.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const TARGET: &str = "wasm32-wasip2";

/// The component of a package of this workspace. Panics with what to type if it cannot be built.
pub fn component(package: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let arguments = format!(
        "build --quiet --locked --profile chore --target {TARGET} --target-dir target -p {package}"
    );
    let mut cargo = Command::new("cargo");
    cargo.args(arguments.split(' ')).current_dir(&workspace).stdin(Stdio::null());
    let built = cargo.status().is_ok_and(|status| status.success());
    assert!(
        built,
        "build {package}: try `rustup target add {TARGET}` and `cargo {arguments}` in {}",
        workspace.display()
    );
    let file = format!("{}.wasm", package.replace('-', "_"));
    workspace.join("target").join(TARGET).join("chore").join(file)
}
