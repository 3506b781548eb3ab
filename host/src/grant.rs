//! What a chore may use: what its component wants, cut down to what the operator granted, to the
//! ceiling that the peer's config sets for all chores, and to what this peer has. A pure predicate;
//! it knows no wasm and no service.

mod scope;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use self::scope::{Grant, Grants, Scope, UnknownGrant};
use crate::contract::{self, PACKAGE, VERSION, Version, advice};
use crate::name::{ChoreName, did_you_mean, nearest, quote};

/// An interface whose functions wait has a twin for components that know no `async func`, which is
/// the same capability.
const TWIN: &str = "-sync";

/// What every component may import besides: its own types, and the parts of WASI 0.2 that language
/// runtimes need. They are linked without any access to files or the network.
const TYPES: &str = "types";
const WASI_PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// And the one interface of WASI 0.3 with which a component waits.
const WASI_0_3: &str = "clocks/monotonic-clock";
/// What to do about a component of another WASI.
const OTHER_WASI: &str = "build it for the target wasm32-wasip2";

/// A service of the peer as a chore sees it; its name is that of its WIT interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Capability {
    Log,
    Settings,
    State,
    Cycle,
    Sql,
    Metrics,
    Orders,
    Kademlia,
    Transport,
}

impl Capability {
    pub const ALL: [Capability; 9] = [
        Capability::Log,
        Capability::Settings,
        Capability::State,
        Capability::Cycle,
        Capability::Sql,
        Capability::Metrics,
        Capability::Orders,
        Capability::Kademlia,
        Capability::Transport,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Capability::Log => "log",
            Capability::Settings => "settings",
            Capability::State => "state",
            Capability::Cycle => "cycle",
            Capability::Sql => "sql",
            Capability::Metrics => "metrics",
            Capability::Orders => "orders",
            Capability::Kademlia => "kademlia",
            Capability::Transport => "transport",
        }
    }

    /// Granted without a word of the operator, because it reaches nothing but the chore itself.
    pub fn is_default(self) -> bool {
        match self {
            Capability::Log
            | Capability::Settings
            | Capability::State
            | Capability::Cycle
            | Capability::Sql
            | Capability::Metrics => true,
            Capability::Orders | Capability::Kademlia | Capability::Transport => false,
        }
    }

    /// That of an interface, also if it is the twin.
    fn of(interface: &str) -> Option<Capability> {
        let Some(twin_of) = interface.strip_suffix(TWIN) else { return interface.parse().ok() };
        twin_of.parse().ok().filter(|capability: &Capability| capability.has_twin())
    }

    fn has_twin(self) -> bool {
        match self {
            Capability::State
            | Capability::Cycle
            | Capability::Sql
            | Capability::Orders
            | Capability::Kademlia
            | Capability::Transport => true,
            Capability::Log | Capability::Settings | Capability::Metrics => false,
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(text: &str) -> Result<Capability, UnknownCapability> {
        let found = Capability::ALL.into_iter().find(|capability| capability.name() == text);
        found.ok_or_else(|| {
            let names = Capability::ALL.iter().map(|capability| capability.name());
            let hint = did_you_mean(nearest(text, names));
            UnknownCapability { text: quote(text), hint }
        })
    }
}

/// No capability has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown grant {text}{hint} (there are orders, kademlia and transport to grant)")]
pub struct UnknownCapability {
    text: String,
    hint: String,
}

/// Why a component is not loaded, and the line that would change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "{chore} needs {} that it was not granted: write grants = {line} in chores/{chore}.toml, before its \
         first section", names(.missing)
    )]
    NotGranted { chore: ChoreName, missing: Vec<Capability>, line: Grants },
    #[error(
        "{chore} needs {capability}, and what it was granted of it is over the ceiling of this peer: \
         write grants-max = {line} below [chores] in chore.toml, and restart the peer"
    )]
    OverCeiling { chore: ChoreName, capability: Capability, line: Grants },
    #[error("{chore} needs {capability}, and this peer has none{hint}")]
    NotOffered { chore: ChoreName, capability: Capability, hint: &'static str },
    #[error("{chore} imports {import}, which no host offers: {}", offers())]
    Unknown { chore: ChoreName, import: String },
    #[error(
        "{chore} imports {import}, of another version than this host has: {advice}; {}",
        offers()
    )]
    Version { chore: ChoreName, import: String, advice: &'static str },
}

fn names(capabilities: &[Capability]) -> String {
    let names: Vec<&str> = capabilities.iter().map(|capability| capability.name()).collect();
    names.join(", ")
}

fn offers() -> String {
    let names = names(&Capability::ALL);
    let wasi = WASI_PACKAGES.join(", ");
    format!(
        "it offers {names} of {PACKAGE}*@{VERSION}, {wasi} of wasi@0.2, and {WASI_0_3} of wasi@0.3.0"
    )
}

/// What decides besides the component.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// By the operator, for this chore.
    pub granted: &'a Grants,
    /// Of all chores of this peer.
    pub ceiling: &'a Grants,
    /// Needs to have only what can be granted: the rest every peer has.
    pub offered: &'a BTreeSet<Capability>,
}

/// What a component with these imports gets: those capabilities that it imports, each as far as the
/// operator granted it, or by default, and the ceiling allows, and each offered by this peer.
///
/// `imports` are the names as the component has them, such as "chore:peer/orders@0.1.0".
///
/// # Errors
///
/// What stands against loading the component: an import that no host has, then a service that this
/// peer lacks, then grants that are missing, all at once, then one over the ceiling.
pub fn decide(chore: &ChoreName, imports: &[String], terms: Terms) -> Result<Grants, Refusal> {
    let Weighed { effective, refusals, .. } = weigh(chore, imports, terms);
    refusals.into_iter().next().map_or(Ok(effective), Err)
}

/// What was found of a component.
pub struct Weighed {
    pub wanted: BTreeSet<Capability>,
    /// Of that, what it gets.
    pub effective: Grants,
    /// Everything that stands against loading it.
    pub refusals: Vec<Refusal>,
}

/// As [`decide`], with all that it looks at.
pub fn weigh(chore: &ChoreName, imports: &[String], terms: Terms) -> Weighed {
    let Terms { granted, ceiling, offered } = terms;
    let mut wanted = BTreeSet::new();
    let mut refusals = Vec::new();
    for import in imports {
        let (chore, quoted) = (chore.clone(), || quote(import));
        match classify(import) {
            Import::Plain => {}
            Import::Capability(capability) => {
                wanted.insert(capability);
            }
            Import::OtherVersion(advice) => {
                refusals.push(Refusal::Version { chore, import: quoted(), advice });
            }
            Import::Unknown => refusals.push(Refusal::Unknown { chore, import: quoted() }),
        }
    }
    let (by_default, to_grant): (Vec<Capability>, Vec<Capability>) =
        wanted.iter().copied().partition(|capability| capability.is_default());
    for capability in to_grant.iter().copied().filter(|capability| !offered.contains(capability)) {
        let hint = match capability {
            Capability::Orders => ": it has no [orders] section in its chore.toml",
            _ => "",
        };
        refusals.push(Refusal::NotOffered { chore: chore.clone(), capability, hint });
    }
    let all = |capability: &Capability| Grant { capability: *capability, scope: Scope::All };
    let missing: Vec<Capability> =
        to_grant.iter().copied().filter(|capability| !granted.has(*capability)).collect();
    if !missing.is_empty() {
        // The whole line, so that it can replace the one that is there.
        let mut line = granted.clone();
        missing.iter().for_each(|capability| line.add(all(capability)));
        refusals.push(Refusal::NotGranted { chore: chore.clone(), missing, line });
    }
    let mut effective = granted.within(ceiling).only(&to_grant);
    for capability in to_grant.iter().copied() {
        if granted.has(capability) && !effective.has(capability) {
            let mut line = ceiling.clone();
            let scope = granted.scope(capability).cloned().unwrap_or(Scope::All);
            line.add(Grant { capability, scope });
            refusals.push(Refusal::OverCeiling { chore: chore.clone(), capability, line });
        }
    }
    by_default.iter().for_each(|capability| effective.add(all(capability)));
    Weighed { wanted, effective, refusals }
}

/// What a peer has to grant: orders only if it keeps any.
pub fn offered(keeps_orders: bool) -> BTreeSet<Capability> {
    let orders = keeps_orders.then_some(Capability::Orders);
    orders.into_iter().chain([Capability::Kademlia, Capability::Transport]).collect()
}

enum Import {
    /// Needs no grant.
    Plain,
    Capability(Capability),
    /// And what to do about it.
    OtherVersion(&'static str),
    Unknown,
}

fn classify(import: &str) -> Import {
    let Some((path, version)) = import.split_once('@') else { return Import::Unknown };
    let found = contract::parse(version);
    if let Some(interface) = path.strip_prefix("wasi:") {
        let package = interface.split('/').next().unwrap_or_default();
        return match found {
            _ if !WASI_PACKAGES.contains(&package) => Import::Unknown,
            Some(Version { major: 0, minor: 2, .. }) => Import::Plain,
            Some(Version { major: 0, minor: 3, patch: 0, .. }) if interface == WASI_0_3 => {
                Import::Plain
            }
            _ => Import::OtherVersion(OTHER_WASI),
        };
    }
    let Some(interface) = path.strip_prefix(PACKAGE) else { return Import::Unknown };
    let capability = Capability::of(interface);
    let is_known = capability.is_some() || interface == TYPES;
    match (found, capability) {
        // Whether it has the functions that are imported, the linker finds out.
        (Some(found), Some(capability)) if contract::is_compatible(&found) => {
            Import::Capability(capability)
        }
        (Some(found), _) if contract::is_compatible(&found) && is_known => Import::Plain,
        (Some(found), _) if is_known || found > VERSION => {
            Import::OtherVersion(advice(Some(found)))
        }
        (None, _) if is_known => Import::OtherVersion(advice(None)),
        _ => Import::Unknown,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn set(names: &[&str]) -> BTreeSet<Capability> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn check(imports: &[&str], granted: &[&str], offered: &[&str]) -> Result<Vec<String>, String> {
        let chore = ChoreName::new("order-sender").unwrap();
        let imports: Vec<String> = imports.iter().map(|import| (*import).to_owned()).collect();
        below(&Grants::everything(), &chore, &imports, granted, offered)
    }

    fn below(
        ceiling: &Grants,
        chore: &ChoreName,
        imports: &[String],
        granted: &[&str],
        offered: &[&str],
    ) -> Result<Vec<String>, String> {
        let (granted, offered) = (grants(granted), set(offered));
        let terms = Terms { granted: &granted, ceiling, offered: &offered };
        decide(chore, imports, terms).map(|found| found.texts()).map_err(|err| err.to_string())
    }

    fn grants(names: &[&str]) -> Grants {
        names.iter().map(|name| name.parse::<Grant>().unwrap()).collect()
    }

    const ALL: &[&str] = &["orders", "kademlia", "transport"];

    #[test]
    fn a_chore_gets_what_it_imports_and_no_more() {
        let defaults = [
            "chore:peer/log@0.1.0",
            "chore:peer/settings@0.1.0",
            "chore:peer/state@0.1.0",
            "chore:peer/cycle@0.1.0",
            "chore:peer/sql@0.1.0",
            "chore:peer/metrics@0.1.0",
        ];
        let names = ["log", "settings", "state", "cycle", "sql", "metrics"].map(str::to_owned);
        for (imports, granted, offered, expected) in [
            (&[][..], &[][..], &[][..], &[][..]),
            (&defaults, &[], &[], &names),
            (
                &[
                    "chore:peer/types@0.1.0",
                    "wasi:cli/stdout@0.2.6",
                    "wasi:clocks/monotonic-clock@0.3.0",
                ],
                &[],
                &[],
                &[],
            ),
            (&["chore:peer/log@0.1.0"], ALL, ALL, &names[..1]),
            (&["chore:peer/orders@0.1.0"], ALL, ALL, &["orders".to_owned()]),
            (&["chore:peer/orders@0.1.9"], ALL, ALL, &["orders".to_owned()]),
            // The twins are what they are twins of.
            (
                &["chore:peer/state-sync@0.1.0", "chore:peer/orders-sync@0.1.0"],
                ALL,
                ALL,
                &["state".to_owned(), "orders".to_owned()],
            ),
            (
                &["chore:peer/orders-sync@0.1.0", "chore:peer/orders@0.1.0"],
                ALL,
                ALL,
                &["orders".to_owned()],
            ),
        ] {
            assert_eq!(check(imports, granted, offered).unwrap(), expected);
        }
    }

    #[test]
    fn a_refusal_names_the_line_that_would_grant() {
        let sender = [
            "chore:peer/orders@0.1.0",
            "chore:peer/kademlia@0.1.0",
            "chore:peer/transport@0.1.0",
            "chore:peer/log@0.1.0",
        ];
        for (granted, offered, expected) in [
            (
                &[][..],
                ALL,
                "order-sender needs orders, kademlia, transport that it was not granted: \
              write grants = [\"orders\", \"kademlia\", \"transport\"] in chores/order-sender.toml, \
              before its first section",
            ),
            (
                &["orders"],
                ALL,
                "needs kademlia, transport that it was not granted: write grants = \
              [\"orders\", \"kademlia\", \"transport\"]",
            ),
            (
                &["sql", "orders", "kademlia"],
                ALL,
                "write grants = [\"sql\", \"orders\", \
              \"kademlia\", \"transport\"]",
            ),
            (
                ALL,
                &["kademlia", "transport"],
                "order-sender needs orders, and this peer has none: \
              it has no [orders] section in its chore.toml",
            ),
            (&[], &["orders", "transport"], "needs kademlia, and this peer has none"),
        ] {
            let message = check(&sender, granted, offered).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn what_is_granted_ends_at_the_ceiling_of_the_peer() {
        let chore = ChoreName::new("order-sender").unwrap();
        let imports = ["orders", "kademlia", "log"].map(|name| format!("chore:peer/{name}@0.1.0"));
        for (granted, ceiling, expected) in [
            (ALL, &["orders:read", "kademlia"][..], Ok(&["log", "orders:read", "kademlia"][..])),
            (&["orders:settle", "kademlia"], ALL, Ok(&["log", "orders:settle", "kademlia"])),
            (
                ALL,
                &["orders:read"],
                Err(
                    "order-sender needs kademlia, and what it was granted of it is over the ceiling \
                     of this peer: write grants-max = [\"orders:read\", \"kademlia\"] below [chores]",
                ),
            ),
            // What it was not granted is said first.
            (&["orders"], &[], Err("needs kademlia that it was not granted")),
        ] {
            let found = below(&grants(ceiling), &chore, &imports, granted, ALL);
            match expected {
                Ok(texts) => assert_eq!(found.unwrap(), texts),
                Err(part) => assert!(found.as_ref().unwrap_err().contains(part), "{found:?}"),
            }
        }
    }

    #[test]
    fn an_import_that_no_host_has_is_refused_by_name() {
        for (import, expected) in [
            (
                "chore:peer/disk@0.1.0",
                "imports \"chore:peer/disk@0.1.0\", which no host offers: it \
              offers log, settings, state, cycle, sql, metrics, orders, kademlia, transport of \
              chore:peer/*@0.1.0, cli, clocks",
            ),
            (
                "chore:peer/orders@0.2.0",
                "\"chore:peer/orders@0.2.0\", of another version than this",
            ),
            ("chore:peer/orders@0.2.0", "it needs a newer host"),
            ("chore:peer/orders@0.0.9", "rebuild it with a newer SDK"),
            ("chore:peer/disk@0.1.1", "it needs a newer host"),
            ("chore:peer/orders-sync@0.2.0", "of another version"),
            ("chore:peer/log-sync@0.1.0", "which no host offers"),
            ("chore:peer/orders-sync-sync@0.1.0", "which no host offers"),
            ("chore:peer/types-sync@0.1.0", "which no host offers"),
            ("chore:peer/orders@1.1.0", "of another version"),
            ("chore:peer/orders@0.1.0-draft", "of another version"),
            ("chore:peer/orders@0.1", "of another version"),
            ("chore:peer/disk@0.2.0", "of another version"),
            ("chore:peer/orders", "which no host offers"),
            ("chore:peer/Orders@0.1.0", "which no host offers"),
            ("chore:other/orders@0.1.0", "which no host offers"),
            ("wasi:cli/run@0.3.0", "of another version"),
            ("wasi:clocks/monotonic-clock@0.3.1", "of another version"),
            ("wasi:clocks/system-clock@0.3.0", "of another version"),
            ("wasi:cli/run@0.20.0", "of another version"),
            ("wasi:http/types@0.2.0", "which no host offers"),
            ("wasix:cli/run@0.2.0", "which no host offers"),
            ("", "which no host offers"),
            ("\x1b[31m@0.1.0", "imports \"\\u{1b}[31m@0.1.0\""),
        ] {
            let message = check(&[import], ALL, ALL).unwrap_err();
            assert!(message.contains(expected), "{import}: {message}");
        }
        assert!(check(&[&"x".repeat(1_000_000)], ALL, ALL).unwrap_err().len() < 500);
    }

    #[test]
    fn names_go_both_ways() {
        for capability in Capability::ALL {
            assert_eq!(capability.to_string().parse(), Ok(capability));
            let json = format!("\"{capability}\"");
            assert_eq!(serde_json::to_string(&capability).unwrap(), json);
        }
        let message = "ordres".parse::<Capability>().unwrap_err().to_string();
        assert!(
            message.contains("unknown grant \"ordres\": did you mean \"orders\"?"),
            "{message}"
        );
    }
}
