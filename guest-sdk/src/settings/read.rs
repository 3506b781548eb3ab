//! What the derived code calls: one setting, from its text to its value, or the line to write instead.

use super::{Invalid, Kind, Secret, Value};

/// What a setting has to be, beside what its type says; texts as the operator would write them.
#[doc(hidden)]
pub struct Rule {
    pub name: &'static str,
    pub default: Option<&'static str>,
    pub min: Option<&'static str>,
    pub max: Option<&'static str>,
}

/// Reads one setting: what the derived code calls.
#[doc(hidden)]
pub fn read<T: Value>(get: &dyn Fn(&str) -> Option<String>, rule: &Rule) -> Result<T, Invalid> {
    let wrong = |why: String| rule.wrong(T::KIND, &why);
    match rule.text(get, T::OPTIONAL) {
        Some(text) => T::parse(&text).map_err(wrong),
        None => T::absent().ok_or_else(|| wrong("it must be set, it has no default".to_owned())),
    }
}

/// As [`read`], within bounds.
#[doc(hidden)]
pub fn read_within<T: Value + PartialOrd>(
    get: &dyn Fn(&str) -> Option<String>,
    rule: &Rule,
) -> Result<T, Invalid> {
    let value: T = read(get, rule)?;
    // What was left out is within all bounds.
    let Some(text) = rule.text(get, T::OPTIONAL) else { return Ok(value) };
    let wrong = |why: String| rule.wrong(T::KIND, &why);
    let bound = |text: Option<&str>| text.map(T::parse).transpose().map_err(wrong);
    let (min, max) = (bound(rule.min)?, bound(rule.max)?);
    if min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max) {
        return Ok(value);
    }
    Err(wrong(match (rule.min, rule.max) {
        (Some(min), Some(max)) => format!("{text:?} is not within {min} and {max}"),
        (Some(min), None) => format!("{text:?} is less than {min}"),
        (None, max) => format!("{text:?} is more than {}", max.unwrap_or_default()),
    }))
}

/// A type whose value may be empty.
#[doc(hidden)]
#[diagnostic::on_unimplemented(message = "only a String or a Secret can be empty")]
pub trait Text: Value {}

impl Text for String {}
impl Text for Secret {}

/// As [`read`], with something in it.
#[doc(hidden)]
pub fn read_text<T: Text>(get: &dyn Fn(&str) -> Option<String>, rule: &Rule) -> Result<T, Invalid> {
    let empty = rule.text(get, T::OPTIONAL).is_some_and(|text| text.trim().is_empty());
    if empty {
        return Err(rule.wrong(T::KIND, "it must not be empty"));
    }
    read(get, rule)
}

impl Rule {
    /// What the operator set, or the default.
    fn text(&self, get: &dyn Fn(&str) -> Option<String>, optional: bool) -> Option<String> {
        let text = get(self.name).or_else(|| self.default.map(str::to_owned));
        text.filter(|text| !(optional && text.is_empty()))
    }

    /// Why a value cannot be used, and the line to write instead.
    fn wrong(&self, kind: Kind, why: &str) -> Invalid {
        let example = self.default.or(self.min).or(self.max).unwrap_or(match kind {
            Kind::Text | Kind::Secret => "...",
            Kind::Integer => "1",
            Kind::Number => "0.5",
            Kind::Boolean => "true",
            Kind::Duration => "90s",
            Kind::Size => "64MiB",
        });
        let quote = match kind {
            Kind::Integer | Kind::Number | Kind::Boolean => "",
            Kind::Text | Kind::Duration | Kind::Size | Kind::Secret => "\"",
        };
        let name = self.name;
        let why = format!("{why}: write {name} = {quote}{example}{quote} below [settings]");
        Invalid { setting: name.to_owned(), why }
    }
}

/// The default as the descriptor has it.
#[doc(hidden)]
pub const fn default_text<T: Value>(default: Option<&'static str>) -> Option<&'static str> {
    match default {
        None if T::OPTIONAL => Some(""),
        default => default,
    }
}
