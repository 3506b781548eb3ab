//! Joins a manifest with the component's descriptor and the peer's defaults. Whoever comes first
//! decides: the operator's file for this chore, the chore's own default, the peer's.

use std::fmt;
use std::time::Duration;

use super::{CycleKeys, Error, FailureKeys, Manifest};
use crate::config::{Chores, Failure, FailurePolicy, Limits, LogLevel, Place};
use crate::cycle::{Backoff, GiveUp, GiveUpHow, Interval, Schedule, Start};
use crate::descriptor::{CycleSpec, Descriptor, SettingKind, SettingSpec};
use crate::grant::Grants;
use crate::limits::{CYCLE_INTERVAL_MIN, Limit, RUN_TIMEOUT_MAX};
use crate::name::{cut, did_you_mean, nearest, quote};

/// Everything that config decides about one chore.
#[derive(Clone, PartialEq)]
pub struct Resolved {
    /// In the descriptor's order.
    pub cycles: Vec<ResolvedCycle>,
    /// What the guest reads, in the descriptor's order. One that may be left out and was is absent,
    /// unless it is a text.
    pub settings: Vec<(String, String)>,
    /// What one call may use.
    pub limits: Limits,
    /// Which of them are not the peer's default.
    pub limits_asked: Vec<Limit>,
    pub backoff: Backoff,
    /// When `None`, it never gives up.
    pub give_up: Option<GiveUp>,
    /// When `None`, the peer's own.
    pub log_level: Option<LogLevel>,
    /// What the operator granted. What the chore gets of it, `grant::decide` says.
    pub grants: Grants,
}

/// When one cycle runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedCycle {
    pub name: String,
    pub interval: Interval,
    pub timeout: Duration,
    pub start: Start,
    pub jitter_max: Duration,
}

/// Without the values of settings, which may be secrets.
impl fmt::Debug for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<&str> = self.settings.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Resolved")
            .field("cycles", &self.cycles)
            .field("settings", &settings)
            .field("limits", &self.limits)
            .field("limits_asked", &self.limits_asked)
            .field("backoff", &self.backoff)
            .field("give_up", &self.give_up)
            .field("log_level", &self.log_level)
            .field("grants", &self.grants)
            .finish()
    }
}

impl Resolved {
    /// The schedules for `cycle`, by cycle; `jitter_seed` is made from chore, cycle and node.
    pub fn schedules(&self, jitter_seed: impl Fn(&str) -> u64) -> Vec<(String, Schedule)> {
        let schedule = |cycle: &ResolvedCycle| {
            (cycle.name.clone(), self.schedule(cycle, jitter_seed(&cycle.name)))
        };
        self.cycles.iter().map(schedule).collect()
    }

    /// For cycles that the chore adds itself, with the interval and timeout that it asks for.
    pub fn added_schedule(&self, jitter_seed: u64) -> Schedule {
        let cycle = ResolvedCycle {
            name: String::new(),
            interval: Interval::Off,
            timeout: RUN_TIMEOUT_MAX,
            start: Start::Now,
            jitter_max: Duration::ZERO,
        };
        self.schedule(&cycle, jitter_seed)
    }

    fn schedule(&self, cycle: &ResolvedCycle, jitter_seed: u64) -> Schedule {
        Schedule {
            interval: cycle.interval,
            timeout: cycle.timeout,
            start: cycle.start,
            jitter_max: cycle.jitter_max,
            jitter_seed,
            backoff: self.backoff,
            give_up: self.give_up,
            grace: self.limits.grace,
        }
    }
}

impl Manifest {
    /// Joins this with what the component says of itself, which must have passed
    /// [`Descriptor::check`], and with the peer's defaults.
    ///
    /// # Errors
    ///
    /// Everything that does not fit, in the order of the file, then what is missing.
    pub fn resolve(
        &self,
        descriptor: &Descriptor,
        defaults: &Chores,
    ) -> Result<Resolved, Vec<Error>> {
        let mut errors = self.unknown(descriptor);
        errors.extend(self.above_ceiling(&defaults.ceiling.0));
        let keys = |spec: &CycleSpec| self.cycles.get(&spec.name).map(|(_, keys)| keys.clone());
        let cycles = descriptor.cycles.iter().map(|spec| cycle(spec, keys(spec))).collect();
        let mut settings = Vec::new();
        for spec in &descriptor.settings {
            match self.setting(spec) {
                Ok(Some(value)) => settings.push((spec.name.clone(), value)),
                Ok(None) => {}
                Err(err) => errors.push(err),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let (backoff, give_up) = self.failure.over(&defaults.failure);
        Ok(Resolved {
            cycles,
            settings,
            limits: self.limits(defaults),
            limits_asked: self.limits.limits().collect(),
            backoff,
            give_up,
            log_level: self.log_level,
            grants: self.grants.clone(),
        })
    }

    fn above_ceiling(&self, ceiling: &Limits) -> impl Iterator<Item = Error> {
        self.limit_places.iter().filter_map(|(limit, place)| {
            let (asked, most) = (self.limits.amount(*limit)?, ceiling.amount(*limit));
            (asked > most).then(|| Error::AboveCeiling {
                place: place.clone(),
                key: limit.key(),
                found: asked.written(),
                most: most.written(),
            })
        })
    }

    fn unknown(&self, descriptor: &Descriptor) -> Vec<Error> {
        let cycles: Vec<&str> = descriptor.cycles.iter().map(|cycle| &cycle.name[..]).collect();
        let settings: Vec<&str> = descriptor.settings.iter().map(|spec| &spec.name[..]).collect();
        let mut errors = Vec::new();
        let mut look = |what, name: &String, place: &Place, known: &[&str]| {
            if known.contains(&name.as_str()) {
                return;
            }
            let hint = match nearest(name, known.iter().copied()) {
                Some(near) => did_you_mean(Some(near)),
                None if known.is_empty() => ": it has none".to_owned(),
                None => format!(": it has {}", cut(&known.join(", "))),
            };
            errors.push(Error::Unknown {
                place: Box::new(place.clone()),
                what,
                name: quote(name),
                hint,
            });
        };
        for (name, (place, _)) in &self.cycles {
            look("cycle", name, place, &cycles);
        }
        for (name, (place, _)) in &self.settings {
            look("setting", name, place, &settings);
        }
        let line = |error: &Error| match error {
            Error::Unknown { place, .. } => (place.line, place.column),
            _ => (0, 0),
        };
        errors.sort_by_key(line);
        errors
    }

    /// `None` for a setting that may be left out and was.
    fn setting(&self, spec: &SettingSpec) -> Result<Option<String>, Error> {
        let (given, default) = (self.settings.get(&spec.name), spec.default.as_deref());
        let is_text = matches!(spec.kind, SettingKind::Text | SettingKind::Secret);
        let wrong = |place: Box<Place>, reason| {
            let kind = with_article(spec.kind);
            Error::Setting { place, name: spec.name.clone(), kind, reason }
        };
        match (given, default) {
            (None, None) => {
                let help = match spec.help.lines().next().map(str::trim) {
                    None | Some("") => String::new(),
                    Some(line) => format!(" ({})", cut(line)),
                };
                let (origin, name) = (self.origin.clone(), spec.name.clone());
                Err(Error::Missing { origin, name, example: spec.kind.example(), help })
            }
            (None, Some("")) if !is_text => Ok(None),
            // Left out on purpose, where the chore allows it.
            (Some((_, text)), Some("")) if text.is_empty() && !is_text => Ok(None),
            (None, Some(default)) => {
                let no_place = || Place {
                    origin: self.origin.clone(),
                    line: 1,
                    column: 1,
                    excerpt: String::new(),
                };
                let checked =
                    spec.kind.check(default).map_err(|why| wrong(Box::new(no_place()), why));
                checked.map(Some)
            }
            (Some((place, text)), _) => {
                spec.kind.check(text).map(Some).map_err(|why| wrong(place.clone(), why))
            }
        }
    }
}

impl FailureKeys {
    fn over(self, defaults: &Failure) -> (Backoff, Option<GiveUp>) {
        let after = self.after.unwrap_or(defaults.after);
        let backoff = Backoff {
            first: self.backoff_first.unwrap_or(defaults.backoff_first),
            interval_multiple_max: self
                .backoff_max_multiple
                .unwrap_or(defaults.backoff_max_multiple),
        };
        let never = Backoff { first: Duration::ZERO, interval_multiple_max: 0 };
        match self.policy.unwrap_or(defaults.policy) {
            FailurePolicy::Keep => (never, None),
            FailurePolicy::BackOff => (backoff, None),
            FailurePolicy::Pause => (backoff, Some(GiveUp { after, how: GiveUpHow::Pause })),
            FailurePolicy::StopPeer => (backoff, Some(GiveUp { after, how: GiveUpHow::StopPeer })),
        }
    }
}

fn with_article(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Text => "a text",
        SettingKind::Integer => "an integer",
        SettingKind::Number => "a number",
        SettingKind::Boolean => "a boolean",
        SettingKind::Duration => "a duration",
        SettingKind::Size => "a size",
        SettingKind::Secret => "a secret",
    }
}

fn cycle(spec: &CycleSpec, keys: Option<CycleKeys>) -> ResolvedCycle {
    let keys = keys.unwrap_or_default();
    // A checked descriptor has an interval that is one; if not, the cycle must not spin.
    let own = Interval::every(spec.interval).unwrap_or(Interval::Off);
    let start = if spec.delay_start { Start::Delay } else { Start::Now };
    ResolvedCycle {
        name: spec.name.clone(),
        interval: keys.interval.unwrap_or(own),
        timeout: keys.timeout.unwrap_or(spec.timeout.clamp(CYCLE_INTERVAL_MIN, RUN_TIMEOUT_MAX)),
        start: keys.start.unwrap_or(start),
        jitter_max: keys.jitter.unwrap_or(Duration::ZERO),
    }
}
