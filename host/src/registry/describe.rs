//! A component's answer to `describe`, from the contract's types to the host's own. It checks
//! nothing: that is for `descriptor`.

use std::time::Duration;

use crate::bindings::lifecycle as guest;
use crate::descriptor::{CycleSpec, Descriptor, SettingKind, SettingSpec};

pub(crate) fn descriptor(found: guest::Descriptor) -> Descriptor {
    Descriptor {
        name: found.name,
        version: found.version,
        about: found.about,
        cycles: found.cycles.into_iter().map(cycle).collect(),
        settings: found.settings.into_iter().map(setting).collect(),
        extensions: found.extensions,
    }
}

fn cycle(found: guest::CycleSpec) -> CycleSpec {
    CycleSpec {
        name: found.name,
        help: found.help,
        interval: Duration::from_nanos(found.interval),
        timeout: Duration::from_nanos(found.timeout),
        delay_start: found.delay_start,
    }
}

fn setting(found: guest::SettingSpec) -> SettingSpec {
    let kind = match found.kind {
        guest::SettingKind::Text => SettingKind::Text,
        guest::SettingKind::Integer => SettingKind::Integer,
        guest::SettingKind::Number => SettingKind::Number,
        guest::SettingKind::Boolean => SettingKind::Boolean,
        guest::SettingKind::Duration => SettingKind::Duration,
        guest::SettingKind::Size => SettingKind::Size,
        guest::SettingKind::Secret => SettingKind::Secret,
    };
    SettingSpec { name: found.name, help: found.help, kind, default: found.default }
}
