//! The command line: what an operator types, and what it prints. Only this room, and those inside
//! it, print or exit; none of them knows how a peer does what it is asked.

mod change;
mod control;
mod demo;
mod orders;
mod output;
mod run;
mod setup;
mod show;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::error::chain;
use crate::peer::Home;
use output::Out;

/// How long tasks that are left over have to end when the program does.
const LEFTOVERS_MAX: Duration = Duration::from_millis(200);

/// A peer whose chores are WebAssembly components.
#[derive(Parser)]
#[command(name = "chore", version, max_term_width = 100)]
struct Cli {
    /// Home of the peer: its config, identity, chores, data, cache and control socket
    ///
    /// Default: this system's directory for a user's data.
    #[arg(long, global = true, env = "CHORE_HOME", value_name = "DIR")]
    home: Option<PathBuf>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a home: a commented config file, an identity, and empty directories
    Setup,
    /// Run the peer of this home until SIGINT or SIGTERM
    Run,
    /// List the chores: what is loaded, refused and why, due, failing
    Ls,
    /// Show one chore in full
    Status { name: String },
    /// Run a chore now, paused or not
    Trigger {
        #[command(flatten)]
        target: Target,
        /// Wait until the run has ended; fail if it did
        #[arg(long)]
        wait: bool,
    },
    /// Let no more runs begin by themselves until `restart`; a run in progress goes on
    Pause(Target),
    /// Begin the schedule anew, with a full interval
    Restart(Target),
    /// Ask a run in progress to wind down
    Cancel(Target),
    /// Look at the chores directory now, and wait until what changed has taken over
    ///
    /// The peer follows the directory by itself; this tells when it is done, and what it did. What
    /// was refused is tried again.
    Reload {
        /// Only wait for this chore: its file without `.wasm`
        name: Option<String>,
        /// Try again also what went back after failed runs
        #[arg(long)]
        force: bool,
    },
    /// Close a chore, and keep it unloaded, over restarts of the peer too, until `load`
    Unload { name: String },
    /// Load a chore that was unloaded
    Load { name: String },
    /// Show the orders of this home, whether its peer runs or not
    Orders {
        #[command(subcommand)]
        what: orders::What,
    },
    /// Run satellites, a storage node and an uplink on this machine, and settle orders
    Demo(demo::Asked),
    /// Show the version
    Version,
}

#[derive(Args)]
struct Target {
    /// Name of the chore: its file without `.wasm`
    name: String,
    /// Only this cycle
    #[arg(long)]
    cycle: Option<String>,
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("this system names no directory for data: pass --home DIR")]
    NoHome,
    #[error("{} holds no peer: make one with `chore --home {} setup`", .0.display(), .0.display())]
    NotSetUp(PathBuf),
    #[error("{} is set up already: {} exists, and setup overwrites nothing", .home.display(), .file.display())]
    AlreadySetUp { home: PathBuf, file: PathBuf },
    #[error("{operation} {}", .path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("config file {} has more than {max} bytes", .path.display())]
    ConfigTooLarge { path: PathBuf, max: u64 },
    /// Without a source: the parser's error repeats its own.
    #[error("log filter {filter:?}: use a level such as \"info\", or TARGET=LEVEL,...: {reason}")]
    LogFilter { filter: String, reason: String },
    #[error("{operation}")]
    System { operation: &'static str, source: io::Error },
    #[error("no chore {name:?} in {}{}", .chores.display(), hint(.nearest))]
    NoChore { name: String, chores: PathBuf, nearest: Option<String> },
    #[error("trigger {0}: the chore was closed before its run")]
    Stopped(String),
    #[error("close the peer: not done within {}", humantime::format_duration(*.0))]
    CloseTooLong(Duration),
    #[error("{} has no orders: {} does not exist", .home.display(), .path.display())]
    NoOrders { home: PathBuf, path: PathBuf },
    #[error(transparent)]
    Client(#[from] crate::control::ClientError),
    #[error(transparent)]
    Control(#[from] crate::control::Error),
    #[error(transparent)]
    Config(#[from] crate::config::Error),
    #[error(transparent)]
    Identity(#[from] crate::identity::Error),
    #[error(transparent)]
    Orders(#[from] crate::orders::Error),
    #[error(transparent)]
    Peer(#[from] crate::peer::Error),
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
    #[error(transparent)]
    Planet(#[from] crate::planet::Error),
    #[error(transparent)]
    Demo(#[from] demo::Error),
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

/// The whole program. Exit codes: 0 done, 1 failed, 2 not understood.
pub fn main() -> ExitCode {
    ExitCode::from(execute(std::env::args_os()))
}

fn execute(args: impl Iterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(err) => {
            // Help and version come this way too. A closed output is the reader's choice.
            let _ = err.print();
            return u8::try_from(err.exit_code()).unwrap_or(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(source) => return fail(&Error::System { operation: "start threads", source }),
    };
    let code = match runtime.block_on(dispatch(cli)) {
        Ok(code) => code,
        Err(err) => fail(&err),
    };
    runtime.shutdown_timeout(LEFTOVERS_MAX);
    code
}

fn fail(err: &Error) -> u8 {
    let line = show::plain(&chain(err));
    // Nobody is left to tell when this fails too.
    let _ = writeln!(io::stderr(), "error: {line}");
    1
}

async fn dispatch(cli: Cli) -> Result<u8, Error> {
    let out = Out::new(cli.json);
    match cli.command {
        Command::Version => out.version(),
        // It makes a home of its own.
        Command::Demo(asked) => demo::demo(&out, asked).await,
        command => with_home(&out, home(cli.home)?, command).await,
    }
}

async fn with_home(out: &Out, home: Home, command: Command) -> Result<u8, Error> {
    use crate::control::Command as Control;
    match command {
        Command::Setup => setup::setup(out, &home),
        Command::Run => run::run(home).await,
        Command::Ls => control::ls(out, &home).await,
        Command::Status { name } => control::status(out, &home, &name).await,
        Command::Trigger { target, wait } => control::trigger(out, &home, &target, wait).await,
        Command::Pause(target) => control::command(out, &home, Control::Pause, &target).await,
        Command::Restart(target) => control::command(out, &home, Control::Restart, &target).await,
        Command::Cancel(target) => control::command(out, &home, Control::Cancel, &target).await,
        Command::Reload { name, force } => change::reload(out, &home, name.as_deref(), force).await,
        Command::Unload { name } => change::unload(out, &home, &name).await,
        Command::Load { name } => change::load(out, &home, &name).await,
        Command::Orders { what } => orders::show(out, &home, what).await,
        Command::Demo(_) | Command::Version => Ok(0),
    }
}

/// What was asked for, or this system's place for a user's data. An empty variable is no answer.
fn home(asked: Option<PathBuf>) -> Result<Home, Error> {
    match asked.filter(|path| !path.as_os_str().is_empty()) {
        Some(path) => Ok(Home::new(path)),
        None => directories::ProjectDirs::from("", "", "chore")
            .map(|dirs| Home::new(dirs.data_dir()))
            .ok_or(Error::NoHome),
    }
}

#[cfg(test)]
mod tests;
