//! What is shown of one chore beyond its status: its settings, its versions, what it may use. No
//! value of a secret leaves this room.

use super::entry::{Entry, Loaded};
use crate::descriptor::{SettingKind, SettingSpec};
use crate::history::Version;
use crate::name::ChoreName;
use crate::status::{self, ChoreDetail, CycleTimeout, LimitsInForce, Setting, VersionStatus};

impl Entry {
    pub fn detail(&self, name: &ChoreName) -> ChoreDetail {
        ChoreDetail {
            status: self.status(name),
            settings: self.loaded().map(settings).unwrap_or_default(),
            versions: self.versions(),
            limits: self.loaded().map(limits),
        }
    }

    fn versions(&self) -> Vec<VersionStatus> {
        let history = &self.history;
        let mut versions: Vec<VersionStatus> = Vec::new();
        if let Some(loaded) = self.loaded() {
            let build = loaded.build();
            let (version, digest, since) = (build.version, build.digest, Some(loaded.since));
            let (is, reason) = ("running".to_owned(), String::new());
            versions.push(VersionStatus { is, version, digest, since, reason });
        }
        // A first version is good without a word, unless it is watched.
        let first = history.running.as_ref().filter(|_| history.probation.is_none());
        let good = history.good.as_ref().or(first);
        versions.extend(good.map(|good| kept("good", good)));
        versions.extend(history.previous.as_ref().map(|previous| kept("previous", previous)));
        versions.extend(history.quarantined.as_ref().map(|of| VersionStatus {
            is: "quarantined".to_owned(),
            version: of.version.clone(),
            digest: of.component.hex(),
            since: Some(of.since),
            reason: of.reason.clone(),
        }));
        versions.extend(self.refused.as_ref().map(|refused| VersionStatus {
            is: "refused".to_owned(),
            version: refused.version.clone(),
            digest: refused.pair.map(|pair| pair.component.hex()).unwrap_or_default(),
            since: Some(refused.since),
            reason: refused.reason.clone(),
        }));
        versions
    }
}

fn kept(is: &str, version: &Version) -> VersionStatus {
    VersionStatus {
        is: is.to_owned(),
        version: version.version.clone(),
        digest: version.component.hex(),
        since: None,
        reason: String::new(),
    }
}

fn settings(loaded: &Loaded) -> Vec<Setting> {
    let spec = loaded.chore.spec();
    let value = |name: &str| spec.settings.iter().find(|(key, _)| key == name).map(|(_, v)| v);
    let setting = |of: &SettingSpec| {
        let (value, shown) = (value(&of.name), of.kind != SettingKind::Secret);
        Setting {
            name: of.name.clone(),
            kind: of.kind.word().to_owned(),
            value: value.filter(|_| shown).cloned(),
            is_set: value.is_some_and(|value| !value.is_empty()),
            default: of.default.clone().filter(|_| shown),
            help: of.help.clone(),
        }
    };
    loaded.component.descriptor.settings.iter().map(setting).collect()
}

fn limits(loaded: &Loaded) -> LimitsInForce {
    let spec = loaded.chore.spec();
    let timeout = |(cycle, schedule): &(String, crate::cycle::Schedule)| CycleTimeout {
        cycle: cycle.clone(),
        timeout: schedule.timeout,
    };
    LimitsInForce {
        by_key: status::limits(&spec.limits, &spec.limits_asked),
        memory_bytes: spec.limits.memory,
        grace: spec.limits.grace,
        timeouts: spec.schedules.iter().map(timeout).collect(),
    }
}
