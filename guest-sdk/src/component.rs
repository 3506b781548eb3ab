//! What a component exports: the contract's calls, answered by a [`Chore`].

use std::marker::PhantomData;

use crate::bindings::exports::chore::peer::lifecycle as wit;
use crate::chore::{Asked, call};
use crate::time::{Timestamp, nanos};
use crate::{Chore, CloseReason, CycleSpec, Descriptor, OpenReason, RunReason, Tick, settings};

/// What [`export!`](crate::export) knows of the crate that it is in.
pub trait Package {
    /// What it exports.
    type Chore: Chore;
    /// That of the package.
    const NAME: &'static str;
    /// That of the package.
    const VERSION: &'static str;
    /// Used where the chore's struct has no doc comment.
    const ABOUT: &'static str;
}

/// The exports of a package.
pub struct Exported<P>(PhantomData<P>);

impl<P: Package> wit::Guest for Exported<P> {
    fn describe() -> wit::Descriptor {
        Descriptor::of::<P::Chore>(P::NAME, P::VERSION, P::ABOUT).into()
    }

    async fn open(reason: wit::OpenReason) -> Result<(), String> {
        let reason = match reason {
            wit::OpenReason::Loaded => OpenReason::Loaded,
            wit::OpenReason::Replaced => OpenReason::Replaced,
            wit::OpenReason::SettingsChanged => OpenReason::SettingsChanged,
        };
        answer::<P::Chore>(Asked::Open(reason)).await
    }

    async fn run(tick: wit::Tick) -> Result<(), String> {
        answer::<P::Chore>(Asked::Run(tick.into())).await
    }

    async fn close(reason: wit::CloseReason) -> Result<(), String> {
        let reason = match reason {
            wit::CloseReason::Shutdown => CloseReason::Shutdown,
            wit::CloseReason::Removed => CloseReason::Removed,
        };
        answer::<P::Chore>(Asked::Close(reason)).await
    }
}

async fn answer<C: Chore>(asked: Asked) -> Result<(), String> {
    call::<C>(asked).await.map_err(|err| err.to_string())
}

impl From<wit::Tick> for Tick {
    fn from(tick: wit::Tick) -> Tick {
        let reason = match tick.reason {
            wit::RunReason::Start => RunReason::Start,
            wit::RunReason::Interval => RunReason::Interval,
            wit::RunReason::Trigger => RunReason::Trigger,
            wit::RunReason::Dependency => RunReason::Dependency,
        };
        Tick {
            cycle: tick.cycle,
            iteration: tick.iteration,
            reason,
            due: Timestamp::from_nanos(tick.due),
            deadline: Timestamp::from_nanos(tick.deadline),
            extensions: tick.extensions,
        }
    }
}

impl From<Descriptor> for wit::Descriptor {
    fn from(descriptor: Descriptor) -> wit::Descriptor {
        wit::Descriptor {
            name: descriptor.name,
            version: descriptor.version,
            about: descriptor.about,
            cycles: descriptor.cycles.into_iter().map(Into::into).collect(),
            settings: descriptor.settings.into_iter().map(Into::into).collect(),
            extensions: Vec::new(),
        }
    }
}

impl From<CycleSpec> for wit::CycleSpec {
    fn from(spec: CycleSpec) -> wit::CycleSpec {
        wit::CycleSpec {
            name: spec.name,
            help: spec.help,
            interval: nanos(spec.interval),
            timeout: nanos(spec.timeout),
            delay_start: spec.delay_start,
        }
    }
}

impl From<settings::Spec> for wit::SettingSpec {
    fn from(spec: settings::Spec) -> wit::SettingSpec {
        let kind = match spec.kind {
            settings::Kind::Text => wit::SettingKind::Text,
            settings::Kind::Integer => wit::SettingKind::Integer,
            settings::Kind::Number => wit::SettingKind::Number,
            settings::Kind::Boolean => wit::SettingKind::Boolean,
            settings::Kind::Duration => wit::SettingKind::Duration,
            settings::Kind::Size => wit::SettingKind::Size,
            settings::Kind::Secret => wit::SettingKind::Secret,
        };
        wit::SettingSpec {
            name: spec.name.to_owned(),
            help: spec.help.to_owned(),
            kind,
            default: spec.default.map(str::to_owned),
        }
    }
}
