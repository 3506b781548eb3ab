//! Has cargo build components. What the compiler says goes to the terminal as it is; where the
//! component is, cargo says itself.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::Error as CliError;
use super::output::Out;

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// The profile for components, in a workspace that has one.
pub(super) const PROFILE: &str = "chore";

/// What a component is to the compiler.
const COMPONENT: &str = "cdylib";

/// Longest that a command may take: a first build on a slow machine, with downloads.
const COMMAND_MAX: Duration = Duration::from_secs(15 * 60);

/// How often a command is asked whether it has ended.
const ASK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "run `{command}`: there is no {program} in PATH: install Rust by rustup, https://rustup.rs"
    )]
    NotInstalled { program: String, command: String },
    #[error("run `{command}`")]
    Run { command: String, source: io::Error },
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },
    #[error("`{command}` took more than {}", humantime::format_duration(*.max))]
    TooLong { command: String, max: Duration },
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
pub(super) async fn workspace(manifest: &Path) -> Result<Workspace, Error> {
    let mut cargo = cargo("metadata", manifest);
    cargo.args(["--no-deps", "--format-version", "1"]);
    let (line, said) = run(cargo).await?;
    serde_json::from_slice(&said).map_err(|source| Error::Answer { command: line, source })
}

/// Builds a component, and says where it is. The target is added if it is missing.
pub(super) async fn build(out: &Out, asked: &Asked<'_>) -> Result<PathBuf, CliError> {
    add_target(out, asked.manifest).await?;
    // With this crate type alone: beside another there is no link-time optimisation.
    let mut cargo = cargo("rustc", asked.manifest);
    cargo.args(["--lib", "--crate-type", COMPONENT, "--target", TARGET]);
    cargo.args(["--package", asked.package, "--profile", asked.profile]);
    cargo.arg("--message-format=json-render-diagnostics").args(asked.flags);
    let (_, said) = run(cargo).await?;
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
    run(rustup).await?;
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

/// Runs a command to its end: its line as one would type it, and what it says on standard output.
/// What it says on standard error goes to ours.
async fn run(mut command: Command) -> Result<(String, Vec<u8>), Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    let line = std::iter::once(program.clone().into()).chain(arguments).collect::<Vec<_>>();
    let line = line.join(" ");
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => {
            Error::NotInstalled { program: program.clone(), command: line.clone() }
        }
        _ => Error::Run { command: line.clone(), source },
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let stdout = child.stdout.take();
    // Read all the while, so that it never waits for a reader.
    let reading = tokio::task::spawn_blocking(move || {
        let mut said = Vec::new();
        stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut said)).map(|_| said)
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if begun.elapsed() > COMMAND_MAX {
            child.kill().map_err(failed)?;
            child.wait().map_err(failed)?;
            return Err(Error::TooLong { command: line, max: COMMAND_MAX });
        }
        tokio::time::sleep(ASK_EVERY).await;
    };
    if !status.success() {
        return Err(Error::Failed { command: line, status });
    }
    let said = reading.await.map_err(io::Error::other).flatten().map_err(failed)?;
    Ok((line, said))
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
