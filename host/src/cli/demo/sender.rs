//! Builds the order sender from the source that this program was built from.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::super::Error as CliError;
use super::super::output::Out;
use super::Error;

/// What components are compiled for.
const TARGET: &str = "wasm32-wasip2";

/// Longest that a command may take: a first build on a slow machine, with downloads.
const COMMAND_MAX: Duration = Duration::from_secs(15 * 60);

/// How often a command is asked whether it has ended.
const ASK_EVERY: Duration = Duration::from_millis(50);

pub(super) async fn build(out: &Out) -> Result<PathBuf, CliError> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !workspace.join("chores/order-sender/Cargo.toml").exists() {
        return Err(Error::NoSource(workspace).into());
    }
    if !has_target(&workspace).await {
        out.tell(&format!("adding the target {TARGET} ..."))?;
        run(&workspace, "rustup", &["target", "add", TARGET]).await?;
    }
    out.tell("building the order sender ...")?;
    // Wherever this program's own build went, this one goes where it is looked for below.
    let arguments = [
        "build",
        "--quiet",
        "--locked",
        "--profile",
        "chore",
        "--target",
        TARGET,
        "--target-dir",
        "target",
        "-p",
        "order-sender",
    ];
    run(&workspace, "cargo", &arguments).await?;
    Ok(workspace.join("target").join(TARGET).join("chore/order_sender.wasm"))
}

/// Whether the standard library for components is there.
async fn has_target(workspace: &Path) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(workspace);
    rustc.stdin(Stdio::null()).stderr(Stdio::null());
    let asked = tokio::task::spawn_blocking(move || rustc.output()).await;
    asked.is_ok_and(|output| {
        output
            .is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
    })
}

async fn run(workspace: &Path, program: &str, arguments: &[&str]) -> Result<(), Error> {
    let line = format!("{program} {}", arguments.join(" "));
    let mut command = Command::new(program);
    // Standard output may be read by a program that expects JSON.
    command.args(arguments).current_dir(workspace).stdin(Stdio::null()).stdout(Stdio::null());
    let failed = |source| Error::Run { command: line.clone(), source };
    let mut child = command.spawn().map_err(failed)?;
    let begun = Instant::now();
    let status: ExitStatus = loop {
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
    if status.success() { Ok(()) } else { Err(Error::Failed { command: line, status }) }
}
