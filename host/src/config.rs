//! The peer's own config file, `chore.toml`, from text to values that fit together. It opens no file
//! and starts nothing.
//!
//! Which sections there are decides what the peer is: with `[intake]` and `[orders]` a storage node,
//! with `[settlement]` a satellite, with neither a plain host of chores.

pub(crate) mod document;
pub(crate) mod keys;
mod limits;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::document::Document;
pub use self::document::{Error, Place, Problem};
pub use self::limits::{Asked, Ceiling, Limits};
use crate::grant::Grants;
use crate::limits::{
    ARCHIVE_TTL, BACKOFF_FIRST, BACKOFF_INTERVALS_MAX, COMPILATIONS_AT_ONCE, COMPILE_TIMEOUT,
    FAILURES_UNTIL_GIVEN_UP, FOLDER_SCAN_EVERY, LEDGER_KEEP, LEDGER_KEEP_ROWS, Limit,
    PROBATION_RUNS, SETTLED_KEPT, SHUTDOWN_BUDGET,
};
use crate::minisig::{self, TrustedKey};
use crate::node_id::NodeUrl;
use crate::units;

/// What the template begins with.
const HEAD: &str = "Config of a peer that runs chores. Every key stands here as a comment, with \
    its help and default: remove the \"#\" before a key, and before its [section], to set it. \
    Durations and sizes have a unit, as in \"90s\", \"1h30m\" or \"64MiB\". What one chore may do \
    stands in NAME.toml beside its NAME.wasm.";

/// What a peer is to be. The keys and their defaults are in `config/keys.rs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub nodes: Nodes,
    /// When `None`, the peer keeps no orders.
    pub orders: Option<Orders>,
    /// When `None`, nobody can hand in orders.
    pub intake: Option<Intake>,
    /// When `None`, the peer is no satellite.
    pub settlement: Option<Settlement>,
    pub chores: Chores,
    pub ledger: Ledger,
    pub control: Control,
    pub log: Log,
    pub traces: Traces,
}

/// Where spans are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Traces {
    /// When `None`, none are.
    pub endpoint: Option<String>,
    /// Of so many runs one is traced. At least 1.
    pub one_in: u32,
}

impl Default for Traces {
    /// All runs of a peer that has a collector.
    fn default() -> Traces {
        Traces { endpoint: None, one_in: 1 }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Server {
    /// When `None`, the peer listens to nobody.
    pub listen: Option<SocketAddr>,
    /// `host:port`. When `None`, others reach the peer at `listen`.
    pub external_address: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nodes {
    /// Each id once.
    pub known: Vec<NodeUrl>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Orders {
    /// How long an order stays in the archive.
    #[serde(with = "units::duration")]
    pub archive_ttl: Duration,
}

impl Default for Orders {
    fn default() -> Orders {
        Orders { archive_ttl: ARCHIVE_TTL }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Intake {
    /// Whose orders are taken; each id once. With none, every order is refused.
    pub satellites: Vec<NodeUrl>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settlement {
    /// How long a settled serial number is kept past its expiration.
    #[serde(with = "units::duration")]
    pub keep_expired: Duration,
}

impl Default for Settlement {
    fn default() -> Settlement {
        Settlement { keep_expired: SETTLED_KEPT }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Chores {
    /// Relative to the peer's home, or absolute.
    pub directory: PathBuf,
    /// Nothing that is granted to a chore goes further.
    pub grants_max: Grants,
    /// At least 1.
    pub compile_at_once: usize,
    /// At least a second.
    #[serde(with = "units::duration")]
    pub compile_timeout: Duration,
    /// At least a second.
    #[serde(with = "units::duration")]
    pub shutdown_budget: Duration,
    /// At least a second.
    #[serde(with = "units::duration")]
    pub scan_interval: Duration,
    /// Zero: a new version is good at once.
    pub probation_runs: u32,
    /// What is not signed is refused; then there are trusted keys.
    pub require_signed: bool,
    /// Whose signatures are taken; each id once. With none, no signature is looked at.
    pub trusted_keys: Vec<TrustedKey>,
    /// Of a chore whose own file says nothing. What is above the ceiling is cut down to it.
    pub limits: Limits,
    /// The most that a chore's own file may say.
    pub ceiling: Ceiling,
    pub failure: Failure,
}

impl Default for Chores {
    fn default() -> Chores {
        Chores {
            directory: PathBuf::from("chores"),
            grants_max: Grants::grantable(),
            compile_at_once: COMPILATIONS_AT_ONCE,
            compile_timeout: COMPILE_TIMEOUT,
            shutdown_budget: SHUTDOWN_BUDGET,
            scan_interval: FOLDER_SCAN_EVERY,
            probation_runs: PROBATION_RUNS,
            require_signed: false,
            trusted_keys: Vec::new(),
            limits: Limits::default(),
            ceiling: Ceiling::default(),
            failure: Failure::default(),
        }
    }
}

impl Chores {
    /// What this peer asks of signatures.
    pub fn signatures(&self) -> minisig::Terms<'_> {
        minisig::Terms { required: self.require_signed, trusted: &self.trusted_keys }
    }
}

/// What failures of runs lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Failure {
    pub policy: FailurePolicy,
    /// In a row, until the last two policies act. At least 1.
    pub after: u32,
    /// Zero: no back-off.
    #[serde(with = "units::duration")]
    pub backoff_first: Duration,
    /// In intervals. Zero: no back-off.
    pub backoff_max_multiple: u32,
}

impl Default for Failure {
    fn default() -> Failure {
        Failure {
            policy: FailurePolicy::default(),
            after: FAILURES_UNTIL_GIVEN_UP,
            backoff_first: BACKOFF_FIRST,
            backoff_max_multiple: BACKOFF_INTERVALS_MAX,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// Goes on as if nothing was.
    Keep,
    #[default]
    BackOff,
    /// Backs off, then pauses the cycle.
    Pause,
    /// Backs off, then stops the peer.
    StopPeer,
}

/// What is remembered of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ledger {
    #[serde(with = "units::duration")]
    pub keep: Duration,
    /// Of each cycle. Zero: nothing is remembered.
    pub keep_runs: u64,
}

impl Default for Ledger {
    fn default() -> Ledger {
        Ledger { keep: LEDGER_KEEP, keep_runs: LEDGER_KEEP_ROWS }
    }
}

/// Where the API is, besides the control socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Control {
    /// When `None`, it is not on the network. Loopback, unless `allow_remote`.
    pub listen: Option<SocketAddr>,
    pub allow_remote: bool,
    /// By which browsers reach it. When `None`, by the names of this machine.
    pub name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub level: LogLevel,
    pub format: LogFormat,
}

/// Its text is a filter of `tracing`. The more is logged, the greater it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogLevel::Off => "off",
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        })
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON anywhere else.
    #[default]
    Auto,
    Text,
    Json,
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<LogLevel, String> {
        let all = [
            LogLevel::Off,
            LogLevel::Error,
            LogLevel::Warn,
            LogLevel::Info,
            LogLevel::Debug,
            LogLevel::Trace,
        ];
        let found = all.into_iter().find(|level| level.to_string() == text);
        found.ok_or_else(|| format!("use one of {}", keys::LOG_LEVELS.join(", ")))
    }
}

impl Config {
    /// Reads the text of a config file; `origin` is what errors call it.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its line, and what to write instead. An unknown key is
    /// wrong too.
    pub fn parse(text: &str, origin: &str) -> Result<Config, Error> {
        let document = Document::parse(text, origin, keys::SECTIONS)?;
        let config: Config = document.read()?;
        config.check(&document)?;
        Ok(config)
    }

    /// What `chore setup` writes: every key as a comment, with its help and default.
    pub fn template() -> String {
        template::render(HEAD, keys::SECTIONS)
    }

    /// What one key alone cannot say.
    fn check(&self, document: &Document<'_>) -> Result<(), Error> {
        let listens = self.server.listen.is_some();
        let address = "`listen` in [server], so that others reach it: write \
                       listen = \"127.0.0.1:7777\" below [server]";
        let needs = [
            (
                "intake",
                self.intake.is_some() && self.orders.is_none(),
                "[orders], to keep what is \
              handed in: write a line [orders]",
            ),
            ("intake", self.intake.is_some() && !listens, address),
            ("settlement", self.settlement.is_some() && !listens, address),
            (
                "server",
                self.server.external_address.is_some() && !listens,
                "`listen` beside \
              `external-address`: write listen = \"127.0.0.1:7777\"",
            ),
        ];
        for (section, missing, needs) in needs {
            if missing {
                return Err(document.error_at(&[section], Problem::Needs { section, needs }));
            }
        }
        let Control { listen: control, allow_remote, .. } = self.control;
        if control.is_some_and(|listen| !listen.ip().is_loopback()) && !allow_remote {
            let problem = Problem::Needs {
                section: "control",
                needs: "a `listen` that only this machine reaches, such as \"127.0.0.1:7781\"; \
                        allow-remote = true allows another, and then anyone there reads all of it",
            };
            return Err(document.error_at(&["control", "listen"], problem));
        }
        if self.chores.directory.as_os_str().is_empty() {
            let (key, kind) = ("chores.directory".into(), "the path of a directory".into());
            let problem = Problem::Value { key, kind, found: ": this is empty".into() };
            return Err(document.error_at(&["chores", "directory"], problem));
        }
        self.chores.check_ceiling(document)?;
        if self.chores.require_signed && self.chores.trusted_keys.is_empty() {
            let needs = "`trusted-keys` beside `require-signed`, or every chore is refused: write \
                         trusted-keys = [\"RW...\"] with what `chore keys show` prints";
            let problem = Problem::Needs { section: "chores", needs };
            return Err(document.error_at(&["chores", "require-signed"], problem));
        }
        let id = |url: &NodeUrl| url.id;
        once(document, ["nodes", "known"], &self.nodes.known, id)?;
        let intake = self.intake.as_ref();
        let satellites = intake.map(|intake| &intake.satellites[..]).unwrap_or_default();
        once(document, ["intake", "satellites"], satellites, id)?;
        once(document, ["chores", "trusted-keys"], &self.chores.trusted_keys, TrustedKey::id)
    }
}

impl Chores {
    /// What a chore gets that asks for nothing.
    pub fn limits_of_all(&self) -> Limits {
        self.limits.within(&self.ceiling.0)
    }

    /// What the file gives to every chore is what it lets them ask for. A default of ours that is
    /// above the ceiling is cut down without a word.
    fn check_ceiling(&self, document: &Document<'_>) -> Result<(), Error> {
        for limit in Limit::ALL {
            let (amount, most) = (self.limits.amount(limit), self.ceiling.0.amount(limit));
            let path = ["chores", "limits", limit.key()];
            if amount > most && document.has(&path) {
                let (key, found, most) = (path.join("."), amount.written(), most.written());
                return Err(document.error_at(&path, Problem::AboveCeiling { key, found, most }));
            }
        }
        Ok(())
    }
}

/// Two addresses of one node would leave it to chance which is dialled, two keys of one id which is
/// asked.
fn once<T, Id: ToString>(
    document: &Document<'_>,
    path: [&str; 2],
    items: &[T],
    id: impl Fn(&T) -> Id,
) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match items.iter().map(id).find(|id| !seen.insert(id.to_string())) {
        None => Ok(()),
        Some(id) => {
            let (key, id) = (path.join("."), id.to_string());
            Err(document.error_at(&path, Problem::Twice { key, id }))
        }
    }
}
