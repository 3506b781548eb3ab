//! The bodies of controls: what may stand in each, from JSON and to it. Whatever else stands there
//! is a typing error, and is answered as one.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::Command;
use super::problem::Refusal;
use crate::clock::Timestamp;
use crate::cycle::Interval;
use crate::log_gate::Wish;
use crate::name::{did_you_mean, nearest, quote};
use crate::status::Actor;
use crate::units;

/// Instead of a log level: what the config says.
const DEFAULT: &str = "default";

/// What an operator may ask of chores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// With `wait`, it is answered when the run has ended.
    Trigger {
        wait: bool,
    },
    Command(Command),
    /// With `force`, also what is in quarantine.
    Reload {
        force: bool,
    },
    Unload,
    Load,
    GoBack,
    /// `None`: what the config says.
    LogLevel(Option<Wish>),
}

/// Whose bodies are read: a control without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Trigger,
    Pause,
    Restart,
    Cancel,
    Interval,
    Reload,
    Unload,
    Load,
    GoBack,
    LogLevel,
}

impl Kind {
    /// The last part of its route, and the word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Trigger => "trigger",
            Kind::Pause => "pause",
            Kind::Restart => "restart",
            Kind::Cancel => "cancel",
            Kind::Interval => "interval",
            Kind::Reload => "reload",
            Kind::Unload => "unload",
            Kind::Load => "load",
            Kind::GoBack => "go-back",
            Kind::LogLevel => "log-level",
        }
    }

    /// What may stand in its body, besides `by` and `note`.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Kind::Trigger => &["cycle", "wait"],
            Kind::Pause => &["cycle", "for", "until"],
            Kind::Restart | Kind::Cancel => &["cycle"],
            Kind::Interval => &["cycle", "interval"],
            Kind::Reload => &["force"],
            Kind::LogLevel => &["level", "for", "until"],
            Kind::Unload | Kind::Load | Kind::GoBack => &[],
        }
    }
}

impl Control {
    pub(super) fn kind(self) -> Kind {
        match self {
            Control::Trigger { .. } => Kind::Trigger,
            Control::Command(Command::Pause { .. }) => Kind::Pause,
            Control::Command(Command::Restart) => Kind::Restart,
            Control::Command(Command::Cancel) => Kind::Cancel,
            Control::Command(Command::Interval(_)) => Kind::Interval,
            Control::Reload { .. } => Kind::Reload,
            Control::Unload => Kind::Unload,
            Control::Load => Kind::Load,
            Control::GoBack => Kind::GoBack,
            Control::LogLevel(_) => Kind::LogLevel,
        }
    }

    /// The last part of its route, and the word on the command line.
    pub fn word(self) -> &'static str {
        self.kind().word()
    }
}

/// A control with who asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub control: Control,
    pub cycle: Option<String>,
    pub actor: Actor,
}

impl Asked {
    /// An empty body says nothing.
    pub fn read(kind: Kind, body: &[u8], now: Timestamp) -> Result<Asked, Refusal> {
        let mut fields = Fields::read(body)?;
        fields.only(&[kind.fields(), &["by", "note"]].concat())?;
        let control = match kind {
            Kind::Trigger => Control::Trigger { wait: fields.take("wait")?.unwrap_or(false) },
            Kind::Pause => Control::Command(Command::Pause { until: fields.until(now)? }),
            Kind::Restart => Control::Command(Command::Restart),
            Kind::Cancel => Control::Command(Command::Cancel),
            Kind::Interval => Control::Command(Command::Interval(fields.interval()?)),
            Kind::Reload => Control::Reload { force: fields.take("force")?.unwrap_or(false) },
            Kind::Unload => Control::Unload,
            Kind::Load => Control::Load,
            Kind::GoBack => Control::GoBack,
            Kind::LogLevel => Control::LogLevel(fields.wish(now)?),
        };
        let mut text = |name| fields.take(name).map(Option::unwrap_or_default);
        let actor = Actor { by: text("by")?, note: text("note")? };
        Ok(Asked { control, cycle: fields.take("cycle")?, actor })
    }

    pub fn body(&self) -> Value {
        let mut body = Map::new();
        let Asked { control, cycle, actor } = self;
        let mut add = |name: &str, value: Value| {
            if ![json!(null), json!(""), json!(false)].contains(&value) {
                body.insert(name.to_owned(), value);
            }
        };
        add("cycle", json!(cycle));
        add("by", json!(actor.by));
        add("note", json!(actor.note));
        match control {
            Control::Trigger { wait } => add("wait", json!(wait)),
            Control::Command(Command::Pause { until }) => add("until", json!(until)),
            Control::Command(Command::Interval(interval)) => add("interval", json!(interval)),
            Control::Reload { force } => add("force", json!(force)),
            Control::LogLevel(wish) => {
                let level = wish.map_or(DEFAULT.to_owned(), |wish| wish.level.to_string());
                add("level", json!(level));
                add("until", json!(wish.and_then(|wish| wish.until)));
            }
            Control::Command(Command::Restart | Command::Cancel) => {}
            Control::Unload | Control::Load | Control::GoBack => {}
        }
        Value::Object(body)
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn read(body: &[u8]) -> Result<Fields, Refusal> {
        if body.trim_ascii().is_empty() {
            return Ok(Fields(Map::new()));
        }
        serde_json::from_slice(body).map(Fields).map_err(|err| {
            Refusal::new("bad-request", format!("the body is no object in JSON: {err}"))
        })
    }

    fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.0.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => {
                let hint = match nearest(key, known.iter().copied()) {
                    None => format!(": use {}", known.join(", ")),
                    near => did_you_mean(near),
                };
                let detail = format!("unknown field {}{hint}", quote(key));
                Err(Refusal::new("unknown-field", detail))
            }
        }
    }

    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, Refusal> {
        let value = self.0.remove(name).unwrap_or_default();
        Option::<T>::deserialize(value)
            .map_err(|err| Refusal::new("bad-request", format!("field {name:?}: {err}")))
    }

    /// A level, and until when.
    fn wish(&mut self, now: Timestamp) -> Result<Option<Wish>, Refusal> {
        let until = self.until(now)?;
        let wrong = |found: &str| {
            let detail = format!(
                "field \"level\"{found}: write off, error, warn, info, debug or trace, or {DEFAULT} for \
                 what the config says"
            );
            Refusal::new("bad-request", detail)
        };
        match self.take::<String>("level")?.as_deref() {
            None => Err(wrong(" is missing")),
            Some(DEFAULT) => Ok(None),
            Some(word) => {
                let level =
                    word.parse().map_err(|_| wrong(&format!(": {} is none", quote(word))))?;
                Ok(Some(Wish { level, until }))
            }
        }
    }

    /// The end of a pause, or of a level.
    fn until(&mut self, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        let wrong =
            |reason: String| Refusal::new("bad-request", format!("field \"for\": {reason}"));
        let lasts = match self.take::<Value>("for")? {
            None => None,
            Some(Value::String(text)) => {
                Some(units::parse_duration(&text).map_err(|err| wrong(err.to_string()))?)
            }
            Some(Value::Number(seconds)) => {
                let seconds = seconds.as_f64().unwrap_or(f64::NAN);
                let duration = Duration::try_from_secs_f64(seconds);
                Some(duration.map_err(|err| wrong(err.to_string()))?)
            }
            Some(_) => return Err(wrong("write seconds, or a text such as \"2h\"".into())),
        };
        match (lasts, self.take("until")?) {
            (Some(_), Some(_)) => Err(wrong("there is \"until\" already: leave one out".into())),
            (Some(lasts), None) => Ok(Some(now.plus(lasts))),
            (None, until) => Ok(until),
        }
    }

    fn interval(&mut self) -> Result<Interval, Refusal> {
        let missing = || {
            let detail = "field \"interval\" is missing: write such as \"10m\", or \"off\"";
            Refusal::new("bad-request", detail)
        };
        self.take("interval")?.ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::LogLevel;
    use crate::control::access::Access;

    const NOW: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

    #[test]
    fn what_a_client_writes_is_what_is_read() {
        let until = Some(NOW.plus(Duration::from_secs(3600)));
        let interval = "1h 30m".parse().unwrap();
        for control in [
            Control::Trigger { wait: true },
            Control::Trigger { wait: false },
            Control::Command(Command::Pause { until }),
            Control::Command(Command::Pause { until: None }),
            Control::Command(Command::Restart),
            Control::Command(Command::Cancel),
            Control::Command(Command::Interval(interval)),
            Control::Command(Command::Interval(Interval::Off)),
            Control::Reload { force: true },
            Control::Unload,
            Control::Load,
            Control::GoBack,
            Control::LogLevel(Some(Wish { level: LogLevel::Debug, until })),
            Control::LogLevel(Some(Wish { level: LogLevel::Off, until: None })),
            Control::LogLevel(None),
        ] {
            let kind = control.kind();
            let cycle = kind.fields().contains(&"cycle").then(|| "main".to_owned());
            let actor = Actor { by: "alice".into(), note: "why \"not\"".into() };
            let asked = Asked { control, cycle, actor };
            let body = asked.body().to_string();
            assert_eq!(Asked::read(kind, body.as_bytes(), NOW).unwrap(), asked, "{body}");
        }
        assert!(Asked::read(Kind::Load, b" \n", NOW).is_ok());
        for (body, minutes) in [(r#"{"for":"2h"}"#, 120), (r#"{"for":90.0}"#, 1), ("{}", 0)] {
            let asked = Asked::read(Kind::Pause, body.as_bytes(), NOW).unwrap();
            let Control::Command(Command::Pause { until }) = asked.control else { panic!() };
            let lasts = until.map_or(0, |until| until.since(NOW).as_secs() / 60);
            assert_eq!(lasts, minutes, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_explained() {
        for (kind, body, expected) in [
            (Kind::Trigger, r#"{"weit":true}"#, "unknown field \"weit\": did you mean \"wait\"?"),
            (Kind::Pause, r#"{"wait":true}"#, "unknown field \"wait\": use cycle, for, until"),
            (Kind::Trigger, r#"{"wait":"yes"}"#, "field \"wait\": invalid type"),
            (Kind::Pause, r#"{"until":"soon"}"#, "field \"until\": \"soon\" is no time"),
            (Kind::Pause, r#"{"for":"2"}"#, "field \"for\": \"2\" has no unit: write \"2s\""),
            (Kind::Pause, r#"{"for":-1}"#, "field \"for\":"),
            (Kind::Pause, r#"{"for":[]}"#, "write seconds, or"),
            (Kind::Pause, r#"{"for":"1h","until":"2026-11-25T10:30:07Z"}"#, "leave one out"),
            (Kind::Interval, "{}", "field \"interval\" is missing"),
            (Kind::Interval, r#"{"interval":"0s"}"#, "field \"interval\""),
            (Kind::LogLevel, "{}", "field \"level\" is missing: write off,"),
            (Kind::LogLevel, r#"{"level":"loud"}"#, "field \"level\": \"loud\" is none: write"),
            (Kind::Load, "[]", "the body is no object in JSON"),
            (Kind::Load, "{", "the body is no object in JSON"),
        ] {
            let refusal = Asked::read(kind, body.as_bytes(), NOW).unwrap_err();
            let problem = refusal.told(&Access::Owner);
            assert!(problem.detail.contains(expected), "{body}: {}", problem.detail);
            assert_eq!(problem.status, 400);
        }
    }
}
