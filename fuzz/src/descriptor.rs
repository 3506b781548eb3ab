//! What a component says of itself, and a config for it that a stranger could have written.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use chore_host::config::Chores;
use chore_host::descriptor::{CycleSpec, Descriptor, SettingKind, SettingSpec};
use chore_host::manifest::Manifest;
use chore_host::name::ChoreName;

const KINDS: [SettingKind; 7] = [
    SettingKind::Text,
    SettingKind::Integer,
    SettingKind::Number,
    SettingKind::Boolean,
    SettingKind::Duration,
    SettingKind::Size,
    SettingKind::Secret,
];

#[derive(Arbitrary, Debug)]
struct Said {
    /// Else it is called as its file, so that the rest is looked at.
    name: Option<String>,
    version: Option<String>,
    about: String,
    cycles: Vec<(String, String, u64, u64, bool)>,
    settings: Vec<(String, String, u8, Option<String>)>,
    extensions: Vec<(String, String)>,
    config: String,
}

pub fn descriptor(bytes: &[u8]) {
    let Ok(said) = Said::arbitrary(&mut Unstructured::new(bytes)) else { return };
    let Ok(name) = ChoreName::new("fuzz") else { return };
    let cycle = |(name, help, interval, timeout, delay_start)| CycleSpec {
        name,
        help,
        interval: Duration::from_nanos(interval),
        timeout: Duration::from_nanos(timeout),
        delay_start,
    };
    let setting = |(name, help, kind, default): (_, _, u8, _)| SettingSpec {
        name,
        help,
        kind: KINDS[usize::from(kind) % KINDS.len()],
        default,
    };
    let descriptor = Descriptor {
        name: said.name.unwrap_or_else(|| "fuzz".into()),
        version: said.version.unwrap_or_else(|| "1.0.0".into()),
        about: said.about,
        cycles: said.cycles.into_iter().map(cycle).collect(),
        settings: said.settings.into_iter().map(setting).collect(),
        extensions: said.extensions,
    };
    if let Err(err) = descriptor.check(&name) {
        assert!(!err.to_string().contains('\n'), "{err}");
        return;
    }
    let Ok(manifest) = Manifest::parse(&said.config, "fuzz.toml") else { return };
    let Ok(resolved) = manifest.resolve(&descriptor, &Chores::default()) else { return };
    assert_eq!(resolved.cycles.len(), descriptor.cycles.len());
    for (name, schedule) in resolved.schedules(|_| 7) {
        let period = schedule.interval.period().map(|period| period.get());
        assert!(period.is_none_or(|period| period >= Duration::from_millis(1)), "{name} spins");
        assert!(!schedule.timeout.is_zero(), "{name} has no time");
    }
}
