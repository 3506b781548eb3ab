//! What a component says of itself, and the check that takes none of it on trust. It knows no wasm.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::cycle::Interval;
use crate::limits::{
    CYCLE_NAME_BYTES_MAX, CYCLES_MAX, EXTENSION_BYTES_MAX, EXTENSIONS_MAX, HELP_BYTES_MAX,
    RUN_TIMEOUT_MAX, SETTING_BYTES_MAX, SETTINGS_MAX, VERSION_BYTES_MAX,
};
use crate::name::{ChoreName, cut, quote};
use crate::units;

/// A component's answer to `describe`. Nothing in it holds before [`Descriptor::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    pub name: String,
    /// Semantic version.
    pub version: String,
    pub about: String,
    pub cycles: Vec<CycleSpec>,
    pub settings: Vec<SettingSpec>,
    /// Ignored, as the contract asks for keys that this host does not know.
    pub extensions: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleSpec {
    pub name: String,
    pub help: String,
    pub interval: Duration,
    pub timeout: Duration,
    /// Wait one interval before the first run.
    pub delay_start: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingSpec {
    pub name: String,
    pub help: String,
    pub kind: SettingKind,
    /// `None`: the operator must set it. Empty: it may be left out.
    pub default: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SettingKind {
    Text,
    Integer,
    Number,
    Boolean,
    Duration,
    Size,
    /// A text that is never shown.
    Secret,
}

/// Why a descriptor cannot be used. The chore's author has to mend it, unless the file was renamed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("the component calls itself {found}{}build it as \"{expected}\"", rename(.found))]
    Name { found: String, expected: ChoreName },
    #[error("version {0} is not semantic: write MAJOR.MINOR.PATCH, such as \"1.0.0\"")]
    Version(String),
    #[error("{what} has {bytes} bytes: use at most {max}")]
    TooLong { what: String, bytes: usize, max: usize },
    #[error("{what} has the control character {character:?}")]
    Control { what: String, character: char },
    #[error("the component has {found} {what}: use at most {max}")]
    TooMany { what: &'static str, found: usize, max: usize },
    #[error("the component has two {what} {name}")]
    Twice { what: &'static str, name: String },
    #[error(
        "{what} {name} has a name that is empty or has other than letters, digits, \"-\" and \
             \"_\", or begins with other than a letter or digit"
    )]
    BadName { what: &'static str, name: String },
    #[error("cycle {cycle}")]
    Interval { cycle: String, source: crate::cycle::Error },
    #[error("cycle {cycle} has timeout {}: use more than zero and at most {}",
            units::format_duration(*.timeout), units::format_duration(RUN_TIMEOUT_MAX))]
    Timeout { cycle: String, timeout: Duration },
    #[error("setting {setting} has a default that is wrong: {reason}")]
    DefaultValue { setting: String, reason: String },
}

/// What to do about a name, quoted, that another file has to have, or no file can.
fn rename(quoted: &str) -> String {
    let name = quoted.trim_matches('"');
    match ChoreName::new(name) {
        Ok(name) => format!(": rename its file to {name}.wasm, or "),
        Err(_) => ", which is no name of a chore: ".to_owned(),
    }
}

impl Descriptor {
    /// Fails unless everything in it is within the limits and fits together, and the component
    /// calls itself `expected`, as its file does.
    ///
    /// # Errors
    ///
    /// The first thing that does not hold.
    pub fn check(&self, expected: &ChoreName) -> Result<(), Error> {
        if self.name != expected.as_str() {
            return Err(Error::Name { found: quote(&self.name), expected: expected.clone() });
        }
        short("its version", &self.version, VERSION_BYTES_MAX)?;
        if !is_semantic(&self.version) {
            return Err(Error::Version(quote(&self.version)));
        }
        help("what it says it is about", &self.about)?;
        few("cycles", self.cycles.len(), CYCLES_MAX)?;
        few("settings", self.settings.len(), SETTINGS_MAX)?;
        few("extensions", self.extensions.len(), EXTENSIONS_MAX)?;
        unique("cycles", self.cycles.iter().map(|cycle| &cycle.name))?;
        unique("settings", self.settings.iter().map(|setting| &setting.name))?;
        unique("extensions", self.extensions.iter().map(|(key, _)| key))?;
        self.cycles.iter().try_for_each(CycleSpec::check)?;
        self.settings.iter().try_for_each(SettingSpec::check)?;
        for (key, value) in &self.extensions {
            short("the key of an extension", key, EXTENSION_BYTES_MAX)?;
            short("the value of an extension", value, EXTENSION_BYTES_MAX)?;
        }
        Ok(())
    }
}

impl CycleSpec {
    fn check(&self) -> Result<(), Error> {
        check_cycle_name(&self.name)?;
        help(&format!("the help of cycle {}", self.name), &self.help)?;
        let cycle = self.name.clone();
        if let Err(source) = Interval::every(self.interval) {
            return Err(Error::Interval { cycle, source });
        }
        if self.timeout.is_zero() || self.timeout > RUN_TIMEOUT_MAX {
            return Err(Error::Timeout { cycle, timeout: self.timeout });
        }
        Ok(())
    }
}

impl SettingSpec {
    fn check(&self) -> Result<(), Error> {
        check_name("setting", &self.name)?;
        help(&format!("the help of setting {}", self.name), &self.help)?;
        let Some(default) = &self.default else { return Ok(()) };
        let wrong = |reason| Error::DefaultValue { setting: self.name.clone(), reason };
        if default.is_empty() {
            return Ok(());
        }
        self.kind.check(default).map(drop).map_err(wrong)
    }
}

impl SettingKind {
    /// The word in messages.
    pub fn word(self) -> &'static str {
        match self {
            SettingKind::Text => "text",
            SettingKind::Integer => "integer",
            SettingKind::Number => "number",
            SettingKind::Boolean => "boolean",
            SettingKind::Duration => "duration",
            SettingKind::Size => "size",
            SettingKind::Secret => "secret",
        }
    }

    /// What an operator could write, as TOML.
    pub fn example(self) -> &'static str {
        match self {
            SettingKind::Text | SettingKind::Secret => "\"...\"",
            SettingKind::Integer => "1",
            SettingKind::Number => "0.5",
            SettingKind::Boolean => "true",
            SettingKind::Duration => "\"30s\"",
            SettingKind::Size => "\"64MiB\"",
        }
    }

    /// The value as a guest reads it: durations in h, m, s, ms, us and ns, sizes in one unit,
    /// numbers in decimal.
    ///
    /// # Errors
    ///
    /// Why the text is not of this kind. A secret is never repeated.
    pub fn check(self, text: &str) -> Result<String, String> {
        if text.len() > SETTING_BYTES_MAX {
            return Err(format!(
                "it has {} bytes, at most {SETTING_BYTES_MAX} are taken",
                text.len()
            ));
        }
        let wrong = |expected: &str| format!("{} is not {expected}", quote(text));
        match self {
            SettingKind::Text | SettingKind::Secret => Ok(text.to_owned()),
            // Wider than any kind of integer that a guest may have.
            SettingKind::Integer => text
                .parse::<i128>()
                .ok()
                .filter(|number| (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(number))
                .map(|number| number.to_string())
                .ok_or_else(|| wrong("an integer of 64 bits")),
            SettingKind::Number => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(text.to_owned()),
                _ => Err(wrong("a finite number")),
            },
            SettingKind::Boolean => match text {
                "true" | "false" => Ok(text.to_owned()),
                _ => Err(wrong("true or false")),
            },
            SettingKind::Duration => units::parse_duration(text)
                .map(units::format_duration)
                .map_err(|err| err.to_string()),
            SettingKind::Size => {
                units::parse_size(text).map(units::format_size).map_err(|err| err.to_string())
            }
        }
    }
}

/// Fails unless `name` can be a cycle's: letters, digits, "-" and "_", beginning with a letter or
/// digit, at most 64 bytes. It stands in config files, log fields, labels and commands.
///
/// # Errors
///
/// Names what is wrong.
pub fn check_cycle_name(name: &str) -> Result<(), Error> {
    check_name("cycle", name)
}

fn check_name(what: &'static str, name: &str) -> Result<(), Error> {
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.len() > CYCLE_NAME_BYTES_MAX {
        let (what, bytes) = (format!("{what} name {}", quote(name)), name.len());
        return Err(Error::TooLong { what, bytes, max: CYCLE_NAME_BYTES_MAX });
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(of_a_name) {
        return Err(Error::BadName { what, name: quote(name) });
    }
    Ok(())
}

fn help(what: &str, text: &str) -> Result<(), Error> {
    if let Some(character) = text.chars().find(|c| c.is_control() && !"\n\t".contains(*c)) {
        return Err(Error::Control { what: cut(what), character });
    }
    short(what, text, HELP_BYTES_MAX)
}

fn short(what: &str, text: &str, max: usize) -> Result<(), Error> {
    let bytes = text.len();
    if bytes > max { Err(Error::TooLong { what: what.into(), bytes, max }) } else { Ok(()) }
}

fn few(what: &'static str, found: usize, max: usize) -> Result<(), Error> {
    if found > max { Err(Error::TooMany { what, found, max }) } else { Ok(()) }
}

fn unique<'a>(
    what: &'static str,
    mut names: impl Iterator<Item = &'a String>,
) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    match names.find(|name| !seen.insert(*name)) {
        Some(name) => Err(Error::Twice { what, name: quote(name) }),
        None => Ok(()),
    }
}

/// MAJOR.MINOR.PATCH, then perhaps "-" and a pre-release, then perhaps "+" and a build.
fn is_semantic(version: &str) -> bool {
    let (version, build) = version.split_once('+').unwrap_or((version, "0"));
    let (core, pre) = version.split_once('-').unwrap_or((version, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    let numbers: Vec<&str> = core.split('.').collect();
    numbers.len() == 3
        && numbers.iter().all(|part| digits(part) && (*part == "0" || !part.starts_with('0')))
        && pre.split('.').all(word)
        && build.split('.').all(word)
}

#[cfg(test)]
mod tests;
