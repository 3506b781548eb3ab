//! Has cargo build components. What the compiler says goes to the terminal as it is; where the
//! component is, cargo says itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::Error as CliError;
use super::child;
use super::output::Out;

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// The profile for components, in a workspace that has one.
pub(super) const PROFILE: &str = "chore";

/// What a component is to the compiler.
const COMPONENT: &str = "cdylib";

/// What to do where there is no cargo.
const INSTALL: &str = "Rust by rustup, https://rustup.rs";

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("read what `{command}` says: use a cargo of this time")]
    Answer { command: String, source: serde_json::Error },
    #[error("cargo built {0}, and no component of it: it said nothing of a .wasm file")]
    NoComponent(String),
}

/// What cargo knows of a workspace.
#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    pub packages: Vec<Package>,
    pub workspace_root: PathBuf,
    pub target_directory: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Package {
    pub name: String,
    pub manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Clone, Debug, Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

impl Package {
    /// Whether a component can be made of it.
    pub fn is_component(&self) -> bool {
        self.targets.iter().any(|target| target.crate_types.iter().any(|kind| kind == COMPONENT))
    }
}

/// What is asked of cargo.
pub(super) struct Asked<'a> {
    pub manifest: &'a Path,
    pub package: &'a str,
    pub profile: &'a str,
    /// Besides.
    pub flags: &'a [&'a str],
}

/// The workspace that a crate belongs to.
pub(super) async fn workspace(manifest: &Path) -> Result<Workspace, CliError> {
    let mut cargo = cargo("metadata", manifest);
    cargo.args(["--no-deps", "--format-version", "1"]);
    let (line, said) = child::read(cargo, INSTALL).await?;
    let workspace = serde_json::from_slice(&said);
    Ok(workspace.map_err(|source| Error::Answer { command: line, source })?)
}

/// Builds a component, and says where it is. The target is added if it is missing.
pub(super) async fn build(out: &Out, asked: &Asked<'_>) -> Result<PathBuf, CliError> {
    add_target(out, asked.manifest).await?;
    // With this crate type alone: beside another there is no link-time optimisation.
    let mut cargo = cargo("rustc", asked.manifest);
    cargo.args(["--lib", "--crate-type", COMPONENT, "--target", TARGET]);
    cargo.args(["--package", asked.package, "--profile", asked.profile]);
    cargo.arg("--message-format=json-render-diagnostics").args(asked.flags);
    let (_, said) = child::read(cargo, INSTALL).await?;
    let found = component(asked.manifest, &String::from_utf8_lossy(&said));
    Ok(found.ok_or_else(|| Error::NoComponent(asked.package.to_owned()))?)
}

fn cargo(command: &str, manifest: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    // In the crate's folder, because a toolchain may be chosen there.
    cargo.current_dir(folder(manifest)).arg(command).arg("--manifest-path").arg(manifest);
    cargo
}

fn folder(manifest: &Path) -> &Path {
    manifest.parent().unwrap_or(manifest)
}

/// One line of what cargo says about a build. Of most kinds of lines nothing is read.
#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The last component of the crate that cargo names.
fn component(manifest: &Path, said: &str) -> Option<PathBuf> {
    let messages = said.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let ours = messages.filter(|message| message.manifest_path == manifest);
    let is_wasm = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wasm");
    ours.flat_map(|message| message.filenames).rfind(is_wasm)
}

async fn add_target(out: &Out, manifest: &Path) -> Result<(), CliError> {
    if has_target(manifest).await {
        return Ok(());
    }
    out.tell(&format!("adding the target {TARGET} ..."))?;
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(folder(manifest));
    child::run(rustup, INSTALL).await?;
    Ok(())
}

/// Whether the standard library for components is there.
async fn has_target(manifest: &Path) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(folder(manifest));
    rustc.stdin(Stdio::null()).stderr(Stdio::null());
    let asked = tokio::task::spawn_blocking(move || rustc.output()).await;
    asked.is_ok_and(|output| {
        output
            .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_the_one_that_cargo_names() {
        let artifact = |manifest: &str, files: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","filenames":[{files}]}}"#
            )
        };
        let finished = r#"{"reason":"build-finished","success":true}"#;
        let dependency = artifact("/d/Cargo.toml", r#""/t/libd.rlib","/t/d.wasm""#);
        let ours = artifact("/c/Cargo.toml", r#""/t/c_c.wasm""#);
        let script = artifact("/c/Cargo.toml", r#""/t/build-script-build""#);
        for (said, expected) in [
            (vec![&dependency[..], &script, &ours, finished], Some("/t/c_c.wasm")),
            (vec![&ours, "a line of a build script", ""], Some("/t/c_c.wasm")),
            (vec![&dependency, finished], None),
            (vec![], None),
        ] {
            let found = component(Path::new("/c/Cargo.toml"), &said.join("\n"));
            assert_eq!(found.as_deref(), expected.map(Path::new), "{said:?}");
        }
    }
}
