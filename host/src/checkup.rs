//! Whether a peer would load a component as it is, and everything that stands against it, all at
//! once. It asks the same rooms as the registry does, stops at nothing that still lets it go on, and
//! loads nothing. It opens no file.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::config::{Chores, Limits};
use crate::descriptor::{self, Descriptor, SettingKind, SettingSpec};
use crate::error::chain;
use crate::grant::{self, Capability, Grants, Weighed};
use crate::manifest::{Manifest, Resolved};
use crate::minisig;
use crate::name::ChoreName;
use crate::package;
use crate::registry::describe;
use crate::runtime::Runtime;
use crate::status::{self, LimitInForce, SignatureStatus};
use crate::units::format_duration;

/// A component, and what a peer has around it.
pub struct Subject {
    /// The name of its file without `.wasm`: what a peer would call the chore.
    pub stem: String,
    pub component: Arc<[u8]>,
    /// Its `NAME.toml`, and what errors call that.
    pub config: Option<(String, Vec<u8>)>,
    /// Its `NAME.wasm.minisig`.
    pub signature: Option<Arc<[u8]>>,
    pub around: Around,
}

/// What of a peer decides whether a chore is loaded.
pub struct Around {
    pub defaults: Chores,
    /// What it has to grant.
    pub offered: BTreeSet<Capability>,
}

impl Around {
    /// A peer that has everything, with default limits.
    pub fn everything() -> Around {
        Around { defaults: Chores::default(), offered: grant::offered(true) }
    }
}

/// What was found. What could not be found out, because of a problem, is empty.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// As its file says.
    pub name: String,
    pub version: String,
    pub about: String,
    pub bytes: usize,
    pub digest: String,
    /// Who vouches for it; `None` if the peer trusts no key and so asks nobody.
    pub signature: Option<SignatureStatus>,
    /// Version of the contract between host and chores.
    pub contract: String,
    /// Which of the contract's worlds: "chore" or, without async functions, "chore-sync".
    pub world: &'static str,
    pub cycles: Vec<Cycle>,
    pub settings: Vec<Setting>,
    pub limits: Vec<LimitInForce>,
    pub needs: Vec<Need>,
    /// As the component has them.
    pub imports: Vec<String>,
    /// A peer would load it as it is.
    pub loads: bool,
    pub problems: Vec<Problem>,
}

/// As the config sets it, if it does, or else by the chore's own default.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Cycle {
    pub name: String,
    pub help: String,
    pub interval: String,
    pub timeout: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub name: String,
    pub help: String,
    pub kind: &'static str,
    /// `None`: it must be set. Empty: it may be left out.
    pub default: Option<String>,
}

/// Something that the component uses, and whether it gets it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    pub capability: Capability,
    pub given: Given,
    /// Of what the operator granted, what the ceiling of the peer leaves, as grants.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub effective: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Given {
    /// Every chore has it.
    Always,
    Granted,
    NotGranted,
    /// Nothing is left of the grant below the ceiling of the peer.
    OverCeiling,
    /// This peer has no such service.
    NotOffered,
    /// The config cannot be read.
    Unknown,
}

/// Why it is not loaded.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub lies_in: LiesIn,
    pub message: String,
}

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LiesIn {
    /// The chore's author, or whoever named its file.
    Component,
    /// The operator, in `NAME.toml`.
    Config,
    /// The operator, in the peer's `chore.toml`.
    Peer,
    /// Whoever signs it, or the operator, who trusts keys in `chore.toml`.
    Signature,
}

impl Report {
    /// Nothing is wrong with the component itself, whatever its config lacks.
    pub fn is_sound(&self) -> bool {
        self.problems.iter().all(|problem| problem.lies_in != LiesIn::Component)
    }

    /// Adds a problem: it is not loaded.
    pub fn add(&mut self, lies_in: LiesIn, message: impl Into<String>) {
        self.problems.push(Problem { lies_in, message: message.into() });
        self.loads = false;
    }

    fn broken(&mut self, err: &dyn std::error::Error) {
        self.add(LiesIn::Component, chain(err));
    }
}

/// Looks at everything. `runtime` compiles the component, as a peer would, and asks it what it says
/// of itself; nothing else of it is called.
pub async fn examine(runtime: &Runtime, subject: Subject) -> Report {
    let Subject { stem, component, config, signature, around } = subject;
    let mut report = Report { name: stem.clone(), bytes: component.len(), ..Report::default() };
    report.loads = true;
    let name = name(&stem, &mut report);
    let manifest = manifest(config, &mut report);
    match minisig::check(&component, signature.as_deref(), around.defaults.signatures()) {
        Ok(signature) => report.signature = signature,
        Err(err) => report.add(LiesIn::Signature, chain(&err)),
    }
    let package = match package::verify(&component) {
        Ok(package) => package,
        Err(err) => {
            report.broken(&err);
            return report;
        }
    };
    report.digest = package.digest.hex();
    report.contract = package.contract.to_string();
    report.world = package.world.name();
    report.imports.clone_from(&package.imports);
    let Some(name) = name else { return report };
    report.name = name.to_string();
    let may_be_linked = needs(&name, manifest.as_ref(), &around, &mut report);
    if !may_be_linked {
        return report;
    }
    let limits = match &manifest {
        Some(manifest) => manifest.limits(&around.defaults),
        None => around.defaults.limits_of_all(),
    };
    let described = describe(runtime, component, package.digest, &limits, &report.name).await;
    match described {
        Ok(descriptor) => said(&name, descriptor, manifest.as_ref(), &around, &mut report),
        Err(reason) => report.add(LiesIn::Component, reason),
    }
    report
}

/// The chore's name by its file; if that is none, the one that was probably meant.
fn name(stem: &str, report: &mut Report) -> Option<ChoreName> {
    match ChoreName::new(stem) {
        Ok(name) => Some(name),
        Err(err) => {
            report.add(LiesIn::Component, format!("its file's name: {}", chain(&err)));
            ChoreName::new(&stem.to_ascii_lowercase().replace(['_', ' ', '.'], "-")).ok()
        }
    }
}

/// `None` if it cannot be read. A chore without one has an empty one.
fn manifest(config: Option<(String, Vec<u8>)>, report: &mut Report) -> Option<Manifest> {
    let (origin, bytes) = config.unwrap_or_else(|| (format!("{}.toml", report.name), Vec::new()));
    match Manifest::read(&bytes, &origin) {
        Ok((_, manifest)) => Some(manifest),
        Err(err) => {
            report.add(LiesIn::Config, chain(&err));
            None
        }
    }
}

/// What it uses and whether it gets it. False if it uses what no host has, so that it cannot run.
fn needs(
    name: &ChoreName,
    manifest: Option<&Manifest>,
    around: &Around,
    report: &mut Report,
) -> bool {
    // A config that cannot be read may grant anything: that nothing is granted is not said then.
    let everything = Grants::everything();
    let granted = manifest.map_or(&everything, Manifest::grants);
    let ceiling = &around.defaults.grants_max;
    let terms = grant::Terms { granted, ceiling, offered: &around.offered };
    let Weighed { wanted, effective, refusals } = grant::weigh(name, &report.imports, terms);
    let given = |capability: Capability| match capability {
        _ if capability.is_default() => Given::Always,
        _ if !around.offered.contains(&capability) => Given::NotOffered,
        _ if manifest.is_none() => Given::Unknown,
        _ if effective.has(capability) => Given::Granted,
        _ if granted.has(capability) => Given::OverCeiling,
        _ => Given::NotGranted,
    };
    let need = |capability| {
        let given = given(capability);
        let effective = match given {
            Given::Granted => effective.clone().only(&[capability]).texts(),
            _ => Vec::new(),
        };
        Need { capability, given, effective }
    };
    report.needs = wanted.into_iter().map(need).collect();
    let mut may_be_linked = true;
    for refusal in refusals {
        let lies_in = match refusal {
            grant::Refusal::NotGranted { .. } => LiesIn::Config,
            grant::Refusal::NotOffered { .. } | grant::Refusal::OverCeiling { .. } => LiesIn::Peer,
            grant::Refusal::Unknown { .. } | grant::Refusal::Version { .. } => {
                may_be_linked = false;
                LiesIn::Component
            }
        };
        report.add(lies_in, chain(&refusal));
    }
    may_be_linked
}

async fn describe(
    runtime: &Runtime,
    component: Arc<[u8]>,
    digest: package::Digest,
    limits: &Limits,
    name: &str,
) -> Result<Descriptor, String> {
    let compiled = runtime.compile(component, digest).await.map_err(|err| chain(&err))?;
    let described = compiled.program.describe(limits, name).await.map_err(|err| chain(&err))?;
    Ok(describe::descriptor(described))
}

/// What the component says of itself, and whether the config fits to it.
fn said(
    name: &ChoreName,
    descriptor: Descriptor,
    manifest: Option<&Manifest>,
    around: &Around,
    report: &mut Report,
) {
    let is_usable = checked(name, &descriptor, report);
    let resolved = manifest.filter(|_| is_usable).and_then(|manifest| {
        match manifest.resolve(&descriptor, &around.defaults) {
            Ok(resolved) => Some(resolved),
            Err(errors) => {
                errors.iter().for_each(|err| report.add(LiesIn::Config, chain(err)));
                None
            }
        }
    });
    let limits = |resolved: &Resolved| status::limits(&resolved.limits, &resolved.limits_asked);
    report.limits = resolved.as_ref().map(limits).unwrap_or_default();
    report.cycles = cycles(&descriptor, resolved.as_ref());
    report.settings = descriptor.settings.into_iter().map(setting).collect();
    (report.version, report.about) = (descriptor.version, descriptor.about);
}

/// Whether what it says holds, apart from its name.
fn checked(name: &ChoreName, descriptor: &Descriptor, report: &mut Report) -> bool {
    let checked = match descriptor.check(name) {
        Err(err @ descriptor::Error::Name { .. }) => {
            report.broken(&err);
            // The rest is looked at under the name that it gives itself, if that is one.
            match ChoreName::new(&descriptor.name) {
                Ok(own) => descriptor.check(&own),
                Err(err) => {
                    report.broken(&err);
                    return false;
                }
            }
        }
        checked => checked,
    };
    if let Err(err) = &checked {
        report.broken(err);
    }
    checked.is_ok()
}

fn cycles(descriptor: &Descriptor, resolved: Option<&Resolved>) -> Vec<Cycle> {
    let cycles = descriptor.cycles.iter().enumerate();
    let cycle = |(index, spec): (usize, &descriptor::CycleSpec)| {
        // Both have the same order.
        let set = resolved.and_then(|resolved| resolved.cycles.get(index));
        let own = || format_duration(spec.interval);
        let timeout = set.map_or(spec.timeout, |set| set.timeout);
        Cycle {
            name: spec.name.clone(),
            help: spec.help.clone(),
            interval: set.map_or_else(own, |set| set.interval.to_string()),
            timeout: format_duration(timeout),
        }
    };
    cycles.map(cycle).collect()
}

fn setting(spec: SettingSpec) -> Setting {
    let SettingSpec { name, help, kind, default } = spec;
    let shown = |text: String| match kind {
        SettingKind::Secret if !text.is_empty() => "a secret".to_owned(),
        _ => text,
    };
    let default = default.map(shown);
    Setting { name, help, kind: kind.word(), default }
}
