//! The command line: what an operator types, and what it prints. Only this room, and those inside
//! it, print or exit; none of them knows how a peer does what it is asked.

mod build;
mod cargo;
mod change;
mod check;
mod child;
mod control;
mod demo;
mod dev;
mod doctor;
mod follow;
mod history;
mod ink;
mod keys;
mod language;
mod log;
mod manual;
mod moment;
mod new;
mod orders;
mod output;
mod progress;
mod repair;
mod run;
mod setup;
mod show;
mod sign;
mod token;
mod top;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Args, ColorChoice, FromArgMatches, Parser, Subcommand};

use crate::clock::Timestamp;
use crate::control::Control;
use crate::cycle;
use crate::error::chain;
use crate::log_gate::Wish;
use crate::peer::Home;
use crate::status::Actor;
use output::Out;

/// How long tasks that are left over have to end when the program does.
const LEFTOVERS_MAX: Duration = Duration::from_millis(200);

/// What `log-level` takes.
const LEVELS: [&str; 7] = ["off", "error", "warn", "info", "debug", "trace", "default"];

/// What stands for the peer where a chore's name may stand.
const THE_PEER: &str = "peer";

/// A peer whose chores are WebAssembly components.
#[derive(Parser)]
#[command(name = "chore", version)]
struct Cli {
    /// Home of the peer: its config, identity, chores, data, cache and control socket
    ///
    /// Default: this system's directory for a user's data.
    #[arg(long, global = true, env = "CHORE_HOME", hide_env_values = true, value_name = "DIR")]
    home: Option<PathBuf>,

    /// The home was typed, and is not only in the environment.
    #[arg(skip)]
    home_is_typed: bool,

    /// Print JSON: the same keys in every version, and perhaps more
    #[arg(long, global = true)]
    json: bool,

    /// Colours: on a terminal unless NO_COLOR is set, or always, or never
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,

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
        #[command(flatten)]
        actor: Acting,
    },
    /// Let no more runs begin by themselves until `restart`; a run in progress goes on
    Pause {
        #[command(flatten)]
        target: Target,
        /// End the pause by itself after this time, such as 2h
        #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
        duration: Option<Duration>,
        #[command(flatten)]
        actor: Acting,
    },
    /// Begin the schedule anew, with a full interval
    Restart {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        actor: Acting,
    },
    /// Ask a run in progress to wind down
    Cancel {
        #[command(flatten)]
        target: Target,
        #[command(flatten)]
        actor: Acting,
    },
    /// Change the interval of a chore's cycles, until its config's own interval changes
    ///
    /// A full interval begins now. It is kept over restarts of the peer.
    Interval(Interval),
    /// Log more or less of a chore, or of the peer, while it runs
    ///
    /// It is as before when the peer is started again; for good, `level` in [log] of NAME.toml or
    /// chore.toml says it.
    LogLevel {
        /// Name of the chore, its file without `.wasm`; or a pattern, such as 'order-*'; or peer, for
        /// the peer itself and the chores that have no level of their own
        name: String,
        /// What is logged at least; default is what the config says
        #[arg(value_parser = LEVELS)]
        level: String,
        /// Only for this time, such as 10m
        #[arg(long = "for", value_name = "DURATION", value_parser = humantime::parse_duration)]
        duration: Option<Duration>,
        #[command(flatten)]
        actor: Acting,
    },
    /// Say in one sentence when the next run comes and why, or why one came or did not
    Why(history::WhyAsked),
    /// Show what ran, what was skipped and who did what, the newest first
    History(history::Asked),
    /// Show what chores logged in their last runs, and how these ended; with -f, go on
    ///
    /// The ledger keeps the last lines of each run. The peer's own log is on its standard error.
    Logs(follow::Asked),
    /// Watch all cycles in a table that stays up to date, until q
    Top(top::Asked),
    /// Look at the chores directory now, and wait until what changed has taken over
    ///
    /// The peer follows the directory by itself; this tells when it is done, and what it did. What
    /// was refused is tried again.
    Reload {
        /// Only wait for this chore, its file without `.wasm`, or for those that fit a pattern
        name: Option<String>,
        /// Wait for all chores, and say of each what became of it
        #[arg(long, conflicts_with = "name")]
        all: bool,
        /// Try again also what went back after failed runs
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        actor: Acting,
    },
    /// Close a chore, and keep it unloaded, over restarts of the peer too, until `load`
    Unload {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        actor: Acting,
    },
    /// Load a chore that was unloaded
    Load {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        actor: Acting,
    },
    /// Let the last good version take over again, from the peer's own copy
    ///
    /// What ran until now is not tried again before its file or config changes, or
    /// `chore reload NAME --force` says so.
    GoBack {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        actor: Acting,
    },
    /// Make, list and revoke the tokens that changes over TCP need
    Token {
        #[command(subcommand)]
        what: token::What,
    },
    /// Show the orders of this home, whether its peer runs or not
    Orders {
        #[command(subcommand)]
        what: orders::What,
    },
    /// Look at everything that a peer needs, and say what is wrong and what to type
    ///
    /// Config, permissions, clock, disk, port, databases, compiled code, chores, limits and tools,
    /// whether the peer runs or not. Nothing is changed. Exit code 1 if there is a problem; a
    /// warning is none.
    Doctor(doctor::Asked),
    /// Save what can be read of damaged databases, and keep the damaged files; no peer may run
    Repair,
    /// Make a folder with a new chore: source, tests, config and a page on what to do with it
    New(new::Asked),
    /// Build a chore from its source into target/chore/NAME.wasm, and say what it needs
    ///
    /// A folder with Cargo.toml is a chore in Rust, one with pyproject.toml in Python. Fails if the
    /// component is not built, or not sound; what only its config lacks is said. What compiles it is
    /// installed if it is missing: for Rust the target for components, for Python what
    /// pyproject.toml depends on, in target/python.
    Build(build::Building),
    /// Build a chore whenever its source changes, and have it take over in a running peer
    ///
    /// The peer is one of its own, in a temporary home, with everything granted that the chore's
    /// NAME.toml, or else the chore, asks for; with --home, the peer that runs there. What does not
    /// build or load changes nothing. Keys: t triggers a run, p pauses and goes on, q quits.
    Dev(build::Asked),
    /// Say what a component is, and whether a peer would load it as it is
    ///
    /// With --home, the peer of that home, with its chore.toml and chores/NAME.toml; otherwise one
    /// that has everything, with the NAME.toml beside the file if there is one. If that peer trusts
    /// keys, the signature beside the file is verified. Fails if it would
    /// not be loaded, and says everything that stands against it.
    Check(check::Asked),
    /// Sign components, so that peers which trust the key take them
    ///
    /// Sign again after each change: a signature is of the very bytes.
    Sign(sign::Asked),
    /// Make and show keys that sign components
    Keys {
        #[command(subcommand)]
        what: sign::Keys,
    },
    /// Run satellites, a storage node and an uplink on this machine, and settle orders
    Demo(demo::Asked),
    /// Print what a shell reads to complete commands
    Completions {
        #[arg(value_enum)]
        shell: manual::Shell,
    },
    /// Print a manual page, or write all of them
    Man(manual::ManAsked),
    /// Show the version
    Version,
}

#[derive(Args)]
struct Which {
    /// Name of the chore, its file without `.wasm`; or a pattern, such as 'order-*'
    #[arg(required_unless_present = "all")]
    name: Option<String>,
    /// All chores
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

impl From<Which> for Target {
    fn from(which: Which) -> Target {
        Target { which, cycle: None }
    }
}

impl Which {
    fn pattern(&self) -> &str {
        self.name.as_deref().unwrap_or("*")
    }
}

#[derive(Args)]
struct Target {
    #[command(flatten)]
    which: Which,
    /// Only this cycle
    #[arg(long)]
    cycle: Option<String>,
}

/// With `--all` there is no name, so that what stands in its place is the interval.
#[derive(Args)]
struct Interval {
    /// Name of the chore, its file without `.wasm`; or a pattern, such as 'order-*'; not with --all
    #[arg(value_name = "NAME")]
    first: String,
    /// Such as 10m or "1h 30m"; or off
    #[arg(value_name = "INTERVAL", required_unless_present = "all", conflicts_with = "all")]
    second: Option<cycle::Interval>,
    /// All chores
    #[arg(long)]
    all: bool,
    /// Only this cycle
    #[arg(long)]
    cycle: Option<String>,
    #[command(flatten)]
    actor: Acting,
}

impl Interval {
    fn read(self) -> Result<(Target, cycle::Interval, Acting), Error> {
        let Interval { first, second, all, cycle, actor } = self;
        let (name, interval) = match second {
            Some(interval) => (Some(first), interval),
            None => {
                let failed = |err: cycle::Error| Error::Interval(err.to_string());
                (None, first.parse().map_err(failed)?)
            }
        };
        Ok((Target { which: Which { name, all }, cycle }, interval, actor))
    }
}

/// Who does it, for the ledger.
#[derive(Args)]
struct Acting {
    /// Why, for whoever reads the history
    #[arg(long, default_value = "")]
    note: String,
    /// Who does it; else the user who is logged in
    #[arg(long, env = "CHORE_BY", hide_env_values = true, value_name = "NAME")]
    by: Option<String>,
}

impl From<Acting> for Actor {
    fn from(Acting { note, by }: Acting) -> Actor {
        // Of whoever became root, the name from before says more.
        let logged_in =
            || ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|of| std::env::var(of).ok());
        Actor { by: by.or_else(logged_in).unwrap_or_default(), note }
    }
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
    #[error("save what can be read of {} into {}", .kept.display(), .path.display())]
    Repair { path: PathBuf, kept: PathBuf, source: rusqlite::Error },
    #[error("config file {} has more than {max} bytes", .path.display())]
    ConfigTooLarge { path: PathBuf, max: u64 },
    /// Without a source: the parser's error repeats its own.
    #[error("log filter {filter:?}: use a level such as \"info\", or TARGET=LEVEL,...: {reason}")]
    LogFilter { filter: String, reason: String },
    #[error(transparent)]
    Traces(#[from] crate::traces::Error),
    #[error("log format {0:?}: set CHORE_LOG_FORMAT to auto, text or json, or to nothing")]
    LogFormat(String),
    #[error("{operation}")]
    System { operation: &'static str, source: io::Error },
    #[error("{0}")]
    Interval(String),
    #[error("no chore {name:?} in {}{}", .chores.display(), hint(.nearest))]
    NoChore { name: String, chores: PathBuf, nearest: Option<String> },
    #[error("no command {command:?}{}", hint(.nearest))]
    NoCommand { command: String, nearest: Option<String> },
    #[error("`chore top` needs a terminal: `chore ls` and `chore ls --json` print once")]
    NoTerminal,
    #[error("trigger {0}: the chore was closed before its run")]
    Stopped(String),
    #[error("close the peer: not done within {}", humantime::format_duration(*.0))]
    CloseTooLong(Duration),
    #[error("the peer has stopped itself: {0}")]
    StoppedByCheck(String),
    #[error("{} has no orders: {} does not exist", .home.display(), .path.display())]
    NoOrders { home: PathBuf, path: PathBuf },
    #[error(transparent)]
    Client(#[from] crate::control::ClientError),
    #[error(transparent)]
    Control(#[from] crate::control::Error),
    #[error(transparent)]
    Tokens(#[from] crate::control::TokensError),
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
    #[error(transparent)]
    Child(#[from] child::Error),
    #[error(transparent)]
    Cargo(#[from] cargo::Error),
    #[error(transparent)]
    Rust(#[from] language::RustError),
    #[error(transparent)]
    Python(#[from] language::PythonError),
    #[error(transparent)]
    Build(#[from] build::Error),
    #[error(transparent)]
    Check(#[from] check::Error),
    #[error(transparent)]
    Sign(#[from] sign::Error),
    #[error(transparent)]
    New(#[from] new::Error),
    #[error(transparent)]
    Dev(#[from] dev::Error),
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

/// The whole program. Its help has the exit codes.
pub fn main() -> ExitCode {
    ExitCode::from(execute(std::env::args_os()))
}

fn execute(args: impl Iterator<Item = OsString>) -> u8 {
    let cli = match parse(args) {
        Ok(cli) => cli,
        Err(err) => {
            // Help and version come this way too. A closed output is the reader's choice.
            let _ = err.print();
            return u8::try_from(err.exit_code()).unwrap_or(2);
        }
    };
    let runtime = match crate::runtime::threads().build() {
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

fn parse(args: impl Iterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = manual::definition().try_get_matches_from(args)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.home_is_typed = matches.value_source("home") == Some(ValueSource::CommandLine);
    Ok(cli)
}

/// Of a peer that must not go on: its supervisor should leave it alone.
const STOPPED_BY_CHECK: u8 = 3;

fn fail(err: &Error) -> u8 {
    let line = format!("error: {}", show::plain(&chain(err)));
    let line = if ink::is_wanted(&io::stderr()) { ink::coloured(&line) } else { line };
    // Nobody is left to tell when this fails too.
    let _ = writeln!(io::stderr(), "{line}");
    match err {
        Error::StoppedByCheck(_) => STOPPED_BY_CHECK,
        _ => 1,
    }
}

async fn dispatch(cli: Cli) -> Result<u8, Error> {
    ink::wish(cli.color);
    let out = Out::new(cli.json);
    match cli.command {
        Command::Completions { shell } => manual::completions(&out, shell),
        Command::Man(asked) => manual::man(&out, &asked),
        Command::Version => out.version(),
        // It makes a home of its own.
        Command::Demo(asked) => demo::demo(&out, asked).await,
        // They need no home, but may be told of one.
        Command::New(asked) => new::new(&out, &asked),
        Command::Dev(asked) => dev::dev(&out, asked, peer(cli.home, cli.home_is_typed)).await,
        Command::Build(asked) => build::build(&out, asked, peer(cli.home, cli.home_is_typed)).await,
        Command::Check(asked) => check::check(&out, asked, peer(cli.home, cli.home_is_typed)).await,
        Command::Sign(asked) => sign::sign(&out, asked),
        Command::Keys { what } => sign::keys(&out, what),
        command => with_home(&out, home(cli.home)?, command).await,
    }
}

async fn with_home(out: &Out, home: Home, command: Command) -> Result<u8, Error> {
    use crate::control::Command as Wish;
    let (target, control, actor) = match command {
        Command::Trigger { target, wait, actor } => (target, Control::Trigger { wait }, actor),
        Command::Pause { target, duration, actor } => {
            let until = duration.map(|duration| Timestamp::now().plus(duration));
            (target, Control::Command(Wish::Pause { until }), actor)
        }
        Command::Restart { target, actor } => (target, Control::Command(Wish::Restart), actor),
        Command::Cancel { target, actor } => (target, Control::Command(Wish::Cancel), actor),
        Command::Interval(asked) => {
            let (target, interval, actor) = asked.read()?;
            (target, Control::Command(Wish::Interval(interval)), actor)
        }
        Command::Reload { name: None, all: false, force, actor } => {
            return control::reload(out, &home, force, actor.into()).await;
        }
        Command::Reload { name, all, force, actor } => {
            (Which { name, all }.into(), Control::Reload { force }, actor)
        }
        Command::Unload { which, actor } => (which.into(), Control::Unload, actor),
        Command::Load { which, actor } => (which.into(), Control::Load, actor),
        Command::GoBack { which, actor } => (which.into(), Control::GoBack, actor),
        Command::LogLevel { name, level, duration, actor } => {
            let wish = wish(&level, duration);
            if name == THE_PEER {
                return control::peer_log_level(out, &home, wish, actor.into()).await;
            }
            let which = Which { name: Some(name), all: false };
            (which.into(), Control::LogLevel(wish), actor)
        }
        command => return look(out, home, command).await,
    };
    let (which, cycle) = (target.which.pattern(), target.cycle.as_deref());
    control::control(out, &home, which, cycle, control, actor.into()).await
}

/// Commands that are no controls.
async fn look(out: &Out, home: Home, command: Command) -> Result<u8, Error> {
    match command {
        Command::Setup => setup::setup(out, &home),
        Command::Run => run::run(home).await,
        Command::Ls => control::ls(out, &home).await,
        Command::Status { name } => control::status(out, &home, &name).await,
        Command::Logs(asked) => follow::logs(out, &home, asked).await,
        Command::Top(asked) => top::top(out, &home, asked).await,
        Command::Doctor(asked) => doctor::doctor(out, &home, asked).await,
        Command::Repair => repair::repair(out, &home),
        Command::Why(asked) => history::why(out, &home, asked).await,
        Command::History(asked) => history::history(out, &home, asked).await,
        Command::Token { what } => token::token(out, &home, what),
        Command::Orders { what } => orders::show(out, &home, what).await,
        // Whoever dispatches has taken them.
        _ => Ok(0),
    }
}

/// A level until the peer ends, or for so long. What is no level is "default": the command line knows
/// no other word.
fn wish(level: &str, duration: Option<Duration>) -> Option<Wish> {
    let until = duration.map(|duration| Timestamp::now().plus(duration));
    level.parse().ok().map(|level| Wish { level, until })
}

/// The peer that an author asks about. A home that only the environment names is where peers run.
fn peer(home: Option<PathBuf>, is_typed: bool) -> check::Peer {
    home.filter(|_| is_typed).map(Home::new)
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
