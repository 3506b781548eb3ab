//! What is known of one chore: how it stands, which file was refused, which versions there were.

use std::collections::BTreeMap;
use std::sync::Arc;

use tracing::warn;

use super::prepare::Component;
use crate::chore::{Board, Chore};
use crate::descriptor::{SettingKind, SettingSpec};
use crate::history::{History, Version};
use crate::memory::{self, Memory};
use crate::name::ChoreName;
use crate::plan::{Known, Pair};
use crate::status::{
    Build, ChoreDetail, ChoreStatus, LimitStatus, RefusedFile, SettingStatus, VersionStatus,
};

#[derive(Default)]
pub(super) struct Entry {
    pub standing: Standing,
    /// A change is under way.
    pub busy: bool,
    /// Of the files as they are now.
    pub refused: Option<Refused>,
    pub history: History,
    /// The history is to be written down.
    pub unsaved: bool,
    /// A run on probation failed: which, and why.
    pub go_back: Option<GoBack>,
    /// The copies of earlier versions do not load either.
    pub no_fallback: bool,
}

#[derive(Clone)]
pub(super) struct GoBack {
    pub cycle: String,
    pub reason: String,
}

#[derive(Default)]
pub(super) enum Standing {
    #[default]
    Absent,
    Loaded(Loaded),
    /// With its peer. Controls still answer.
    Closed(Arc<Board>),
}

/// What runs.
#[derive(Clone)]
pub(super) struct Loaded {
    pub chore: Arc<Chore>,
    pub component: Arc<Component>,
    pub pair: Pair,
    pub grants: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Refused {
    pub file: String,
    /// `None` if it was refused before it was read.
    pub pair: Option<Pair>,
    pub version: String,
    pub reason: String,
}

impl Standing {
    /// What runs, if something does; controls go on to answer.
    pub fn close(&mut self) -> Option<Loaded> {
        let Standing::Loaded(loaded) = self else { return None };
        let loaded = loaded.clone();
        *self = Standing::Closed(loaded.chore.board().clone());
        Some(loaded)
    }
}

impl Loaded {
    pub fn build(&self) -> Build {
        let version = self.component.descriptor.version.clone();
        Build { version, digest: self.pair.component.hex() }
    }
}

impl Entry {
    pub fn loaded(&self) -> Option<&Loaded> {
        match &self.standing {
            Standing::Loaded(loaded) => Some(loaded),
            Standing::Absent | Standing::Closed(_) => None,
        }
    }

    pub fn board(&self) -> Option<Arc<Board>> {
        match &self.standing {
            Standing::Loaded(loaded) => Some(loaded.chore.board().clone()),
            Standing::Closed(board) => Some(board.clone()),
            Standing::Absent => None,
        }
    }

    pub fn known(&self) -> Known {
        let quarantined = self.history.quarantined.as_ref();
        let quarantined =
            quarantined.map(|of| Pair { component: of.component, manifest: of.manifest });
        Known {
            running: self.loaded().map(|loaded| loaded.pair),
            refused: self.refused.as_ref().and_then(|refused| refused.pair),
            quarantined,
            unloaded: self.history.unloaded.is_some(),
            busy: self.busy,
        }
    }

    pub fn status(&self, name: &ChoreName) -> ChoreStatus {
        let refused = self.refused_file(name);
        let mut status = ChoreStatus {
            name: name.as_str().to_owned(),
            state: self.state().to_owned(),
            reason: self.status_reason(name.as_str()),
            generation: self.history.generation,
            watched_runs_left: self.history.probation.as_ref().map_or(0, |left| left.runs_left),
            cycles: self.board().map(|board| board.status()).unwrap_or_default(),
            ..ChoreStatus::default()
        };
        match (self.loaded(), refused) {
            (Some(loaded), refused) => {
                let Build { version, digest } = loaded.build();
                (status.version, status.digest) = (version, digest);
                status.about.clone_from(&loaded.component.descriptor.about);
                status.grants.clone_from(&loaded.grants);
                status.refused = refused;
            }
            (None, Some(refused)) => {
                (status.version, status.digest) = (refused.version, refused.digest);
            }
            (None, None) => {
                if let Some(ran) = &self.history.running {
                    (status.version, status.digest) = (ran.version.clone(), ran.component.hex());
                }
            }
        }
        status
    }

    pub fn detail(&self, name: &ChoreName) -> ChoreDetail {
        let spec = self.loaded().map(|loaded| loaded.chore.spec());
        let limits = spec.as_ref().map(|spec| LimitStatus {
            memory_bytes: spec.memory_bytes_max as u64,
            grace: spec.grace,
        });
        let settings = self.loaded().zip(spec.as_ref()).map(|(loaded, spec)| {
            let values: BTreeMap<&str, &str> =
                spec.settings.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            let shown = loaded.component.descriptor.settings.iter();
            shown.map(|setting| setting_status(setting, &values)).collect()
        });
        ChoreDetail {
            settings: settings.unwrap_or_default(),
            versions: self.versions(name),
            limits,
            go_back: self.history.to_go_back_to().map(build_of),
        }
    }

    fn versions(&self, name: &ChoreName) -> Vec<VersionStatus> {
        let history = &self.history;
        let known = |version: &Option<Version>| version.as_ref().map(build_of);
        let running = self.loaded().map(Loaded::build);
        let refused = self.refused_file(name).map(|refused| {
            let role = if refused.quarantined { "quarantined" } else { "refused" };
            (role, Build { version: refused.version, digest: refused.digest })
        });
        let role = |role, build: Option<Build>| build.map(|build| (role, build));
        let roles = [
            role("running", running),
            role("good", known(&history.good)),
            role("previous", known(&history.previous)),
            refused,
        ];
        let mut versions: Vec<VersionStatus> = Vec::new();
        for (role, build) in roles.into_iter().flatten() {
            match versions.iter_mut().find(|known| known.build == build) {
                Some(version) => version.roles.push(role.to_owned()),
                None => versions.push(VersionStatus { build, roles: vec![role.to_owned()] }),
            }
        }
        versions
    }

    fn state(&self) -> &'static str {
        match &self.standing {
            Standing::Loaded(_) => "loaded",
            Standing::Closed(_) => "closed",
            Standing::Absent if self.history.unloaded.is_some() => "unloaded",
            Standing::Absent if self.busy => "loading",
            Standing::Absent => "refused",
        }
    }

    /// Why it is not loaded, and what to do; empty if it is.
    pub fn status_reason(&self, name: &str) -> String {
        match (&self.standing, self.history.unloaded, &self.refused) {
            (Standing::Loaded(_) | Standing::Closed(_), _, _) => String::new(),
            (_, Some(at), _) => {
                format!("unloaded by the operator at {at}: `chore load {name}` brings it back")
            }
            _ if self.busy => "it is being loaded".to_owned(),
            (_, _, Some(refused)) => refused.reason.clone(),
            (_, _, None) => match &self.history.quarantined {
                Some(of) => of.reason.clone(),
                None => "its file is still being written".to_owned(),
            },
        }
    }

    fn refused_file(&self, name: &ChoreName) -> Option<RefusedFile> {
        if let Some(refused) = &self.refused {
            return Some(RefusedFile {
                file: refused.file.clone(),
                digest: refused.pair.map(|pair| pair.component.hex()).unwrap_or_default(),
                version: refused.version.clone(),
                reason: refused.reason.clone(),
                quarantined: false,
            });
        }
        let of = self.history.quarantined.as_ref()?;
        Some(RefusedFile {
            file: format!("{name}.wasm"),
            digest: of.component.hex(),
            version: of.version.clone(),
            reason: format!(
                "{}; it is not tried again until it or its config changes, or by \
                 `chore reload {name} --force`",
                of.reason
            ),
            quarantined: true,
        })
    }
}

fn build_of(version: &Version) -> Build {
    Build { version: version.version.clone(), digest: version.component.hex() }
}

fn setting_status(spec: &SettingSpec, values: &BTreeMap<&str, &str>) -> SettingStatus {
    let value = match spec.kind {
        SettingKind::Secret => None,
        _ => values.get(spec.name.as_str()).map(|value| (*value).to_owned()),
    };
    let (name, help) = (spec.name.clone(), spec.help.clone());
    SettingStatus { name, help, kind: spec.kind.word().to_owned(), value }
}

/// A file whose name is no chore's.
pub(super) fn misnamed(file: &str, reason: &str) -> ChoreStatus {
    ChoreStatus {
        name: file.to_owned(),
        state: "refused".to_owned(),
        reason: reason.to_owned(),
        ..ChoreStatus::default()
    }
}

/// What an earlier life of the peer knew of its chores. What cannot be read is as good as nothing.
pub(super) async fn remembered(
    memory: &Memory,
) -> Result<BTreeMap<ChoreName, Entry>, memory::Error> {
    let mut entries = BTreeMap::new();
    for (name, record) in memory.load_histories().await? {
        let (Ok(name), Ok(history)) = (ChoreName::new(&name), serde_json::from_str(&record)) else {
            warn!(chore = name, "its history cannot be read, it begins anew");
            continue;
        };
        entries.insert(name, Entry { history, ..Entry::default() });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::package::Digest;

    fn version(text: &str) -> Version {
        let component = Digest::of(text.as_bytes());
        Version { component, manifest: None, version: text.into(), manifest_text: None }
    }

    #[test]
    fn a_secret_is_not_shown_and_what_is_left_out_neither() {
        let values = BTreeMap::from([("a", "1"), ("b", "hunter2")]);
        for (name, kind, expected) in [
            ("a", SettingKind::Integer, Some("1")),
            ("b", SettingKind::Secret, None),
            ("c", SettingKind::Text, None),
        ] {
            let spec = SettingSpec { name: name.into(), help: String::new(), kind, default: None };
            let shown = setting_status(&spec, &values);
            assert_eq!((shown.value.as_deref(), shown.kind.as_str()), (expected, kind.word()));
        }
    }

    #[test]
    fn a_version_has_every_role_that_it_has() {
        let history = History {
            running: Some(version("2.0.0")),
            good: Some(version("1.0.0")),
            previous: Some(version("0.9.0")),
            ..History::default()
        };
        let refused = Refused {
            file: "a.wasm".into(),
            pair: Some(Pair { component: Digest::of(b"1.0.0"), manifest: None }),
            version: "1.0.0".into(),
            reason: "no".into(),
        };
        let entry = Entry { history, refused: Some(refused), ..Entry::default() };
        let detail = entry.detail(&ChoreName::new("a").unwrap());
        let roles: Vec<_> = detail
            .versions
            .iter()
            .map(|known| (known.build.version.as_str(), known.roles.join(" ")))
            .collect();
        assert_eq!(roles, [("1.0.0", "good refused".to_owned()), ("0.9.0", "previous".to_owned())]);
        assert_eq!(detail.go_back.unwrap().version, "1.0.0");
        assert_eq!((detail.limits, detail.settings.len()), (None, 0), "it is not loaded");
    }
}
