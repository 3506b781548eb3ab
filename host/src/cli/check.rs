//! `chore check`: whether a peer would load a component, without one.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytesize::ByteSize;
use clap::Args;

use super::Error as CliError;
use super::output::Out;
use super::progress::Progress;
use super::{run, show, sign};
use crate::checkup::{self, Around, Given, LiesIn, Need, Report, Setting, Subject};
use crate::config::Config;
use crate::error::chain;
use crate::grant;
use crate::limits::{COMPONENT_BYTES_MAX, CONFIG_BYTES_MAX, MINISIG_BYTES_MAX};
use crate::package;
use crate::peer::Home;
use crate::runtime::Runtime;

#[derive(Args)]
pub(super) struct Asked {
    /// The component, called as its chore with `.wasm`
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// The peer that would load it: that of a home, or one that has everything.
pub(super) type Peer = Option<Home>;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("read {}: it is no regular file", .0.display())]
    NoFile(PathBuf),
    #[error("read {}", .path.display())]
    TooLarge { path: PathBuf, source: package::Error },
}

/// Exit codes: 0 if it would be loaded as it is, 1 if not.
pub(super) async fn check(out: &Out, asked: Asked, peer: Peer) -> Result<u8, CliError> {
    let progress = Progress::begin("compiling the component");
    let report = examine(&asked.file, peer).await;
    drop(progress);
    let report = report?;
    out.show(&report, || text(&report))?;
    Ok(u8::from(!report.loads))
}

pub(super) async fn examine(file: &Path, peer: Peer) -> Result<Report, CliError> {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let component = read(file, COMPONENT_BYTES_MAX)?;
    let mut wrong_peer = None;
    let (around, config, origin) = match peer {
        None => {
            let config = file.with_extension("toml");
            let origin = config.display().to_string();
            (Around::everything(), config, origin)
        }
        Some(home) => {
            let config = match peer_config(&home)? {
                Ok(config) => config,
                Err(reason) => {
                    wrong_peer = Some(reason);
                    Config::default()
                }
            };
            let chores = home.root().join(&config.chores.directory);
            let has_orders = config.orders.is_some() || wrong_peer.is_some();
            let around = Around { defaults: config.chores, offered: grant::offered(has_orders) };
            let name = format!("{stem}.toml");
            // As the operator would name it from the peer's home.
            (around, chores.join(&name), format!("chores/{name}"))
        }
    };
    let config = match config.try_exists() {
        // One byte more than is taken, which is said then.
        Ok(true) => Some((origin, read(&config, CONFIG_BYTES_MAX)?.to_vec())),
        _ => None,
    };
    let signature = match sign::signature_file(file) {
        // One byte more than is taken here too.
        path if path.try_exists().is_ok_and(|exists| exists) => {
            Some(read(&path, MINISIG_BYTES_MAX)?)
        }
        _ => None,
    };
    let runtime = Runtime::new()?;
    let subject = Subject { stem, component, config, signature, around };
    let mut report = checkup::examine(&runtime, subject).await;
    if file.extension().is_none_or(|extension| extension != "wasm") {
        let message = format!("its file's name: a peer loads {}.wasm only", report.name);
        report.add(LiesIn::Component, message);
    }
    if let Some(reason) = wrong_peer {
        report.add(LiesIn::Peer, reason);
    }
    Ok(report)
}

/// The config of a home, or what is wrong with it.
fn peer_config(home: &Home) -> Result<Result<Config, String>, CliError> {
    let path = home.config();
    if !path.exists() {
        return Err(CliError::NotSetUp(home.root().into()));
    }
    let text = run::read(&path)?;
    Ok(Config::parse(&text, &path.display().to_string()).map_err(|err| chain(&err)))
}

/// The bytes of a regular file, which is at most as large as is loaded.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Arc<[u8]>, Error> {
    let failed = |source| Error::Read { path: path.into(), source };
    // Not waiting, because a FIFO would wait for somebody who writes to it.
    let open = fs::File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = open.map_err(failed)?;
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(Error::NoFile(path.into()));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        let source = package::Error::TooLarge { bytes: found.len() };
        return Err(Error::TooLarge { path: path.into(), source });
    }
    Ok(bytes.into())
}

/// From here, if it is below.
pub(super) fn short(path: &Path) -> PathBuf {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let below = here.ok().and_then(|here| path.strip_prefix(here).map(Path::to_owned).ok());
    below.unwrap_or_else(|| path.to_owned())
}

/// Rounded, for people.
pub(super) fn size(bytes: usize) -> String {
    ByteSize(bytes as u64).to_string()
}

/// What was found, for people.
pub(super) fn text(report: &Report) -> String {
    let mut lines = vec![head(report)];
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            lines.push(format!("  {name:<10} {}", show::plain(&value)));
        }
    };
    add("size", size(report.bytes));
    add("digest", report.digest.clone());
    add("contract", format!("{} {}", report.world, report.contract).trim().to_owned());
    add("signature", report.signature.as_ref().map(show::signature).unwrap_or_default());
    for cycle in &report.cycles {
        let when = format!("{}: every {}, timeout {}", cycle.name, cycle.interval, cycle.timeout);
        add("cycle", with_help(when, &cycle.help));
    }
    for spec in &report.settings {
        add("setting", with_help(setting(spec), &spec.help));
    }
    for limit in report.limits.iter().filter(|limit| limit.overridden) {
        add("limit", format!("{}: {}", limit.key, limit.value));
    }
    let (always, word): (Vec<&Need>, Vec<&Need>) =
        report.needs.iter().partition(|need| need.given == Given::Always);
    let always: Vec<&str> = always.iter().map(|need| need.capability.name()).collect();
    add("uses", always.join(", "));
    for need in word {
        let granted = need.effective.join(", ");
        let part = match granted.is_empty() || granted == need.capability.name() {
            true => String::new(),
            false => format!(" as {granted}"),
        };
        add("needs", format!("{}: {}{part}", need.capability, given(need.given)));
    }
    lines.push(String::new());
    lines.push(verdict(report));
    lines.join("\n")
}

fn head(report: &Report) -> String {
    let mut head = report.name.clone();
    if !report.version.is_empty() {
        let _ = write!(head, " {}", report.version);
    }
    if let Some(about) = report.about.lines().next().filter(|about| !about.is_empty()) {
        let _ = write!(head, ": {about}");
    }
    show::plain(&head)
}

fn with_help(line: String, help: &str) -> String {
    match help.lines().next().map(str::trim) {
        None | Some("") => line,
        Some(help) => format!("{line}. {help}"),
    }
}

fn setting(setting: &Setting) -> String {
    let Setting { name, kind, default, .. } = setting;
    match default.as_deref() {
        None => format!("{name}: {kind}, must be set"),
        Some("") => format!("{name}: {kind}, may be left out"),
        Some(default) => format!("{name}: {kind}, default {default}"),
    }
}

fn given(given: Given) -> &'static str {
    match given {
        Given::Always => "every chore has it",
        Given::Granted => "granted",
        Given::NotGranted => "not granted",
        Given::OverCeiling => "over the ceiling of this peer, its grants-max",
        Given::NotOffered => "this peer has none",
        Given::Unknown => "perhaps granted, its config cannot be read",
    }
}

fn verdict(report: &Report) -> String {
    let problems = report.problems.iter();
    let mut lines: Vec<String> =
        problems.map(|problem| format!("  - {}", show::plain(&problem.message))).collect();
    let head = match lines.len() {
        0 => "it would be loaded as it is",
        1 => "it would not be loaded as it is:",
        _ => "it would not be loaded as it is, for these reasons:",
    };
    lines.insert(0, head.to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests;
