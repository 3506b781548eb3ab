//! How far a grant goes: "orders:read", "transport:NODE". Sets of grants, and what two have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Capability, UnknownCapability};
use crate::name::{did_you_mean, nearest, quote};
use crate::node_id::NodeId;

/// How much of a capability is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    /// Of orders: to look at them.
    Read,
    /// Of orders: to read them, to archive them, and to clean the archive.
    Settle,
    /// Of transport and kademlia: with these nodes alone.
    Nodes(BTreeSet<NodeId>),
}

/// One grant as the operator writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub capability: Capability,
    pub scope: Scope,
}

/// Why a text is no grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownGrant {
    #[error(transparent)]
    Capability(#[from] UnknownCapability),
    #[error("grant {text}: {capability} has no parts to grant: write \"{capability}\"")]
    NoParts { text: String, capability: Capability },
    #[error(
        "grant {text}{hint}: write \"orders:read\", \"orders:settle\", or \"orders\" for all of it"
    )]
    Orders { text: String, hint: String },
    #[error(
        "grant {text}: {reason}; write \"{capability}:NODE-ID\", once for each node, or \
         \"{capability}\" for all nodes"
    )]
    Node { text: String, capability: Capability, reason: String },
}

impl FromStr for Grant {
    type Err = UnknownGrant;

    fn from_str(text: &str) -> Result<Grant, UnknownGrant> {
        let Some((name, part)) = text.split_once(':') else {
            return Ok(Grant { capability: text.parse()?, scope: Scope::All });
        };
        let capability: Capability = name.parse()?;
        let quoted = || quote(text);
        let scope = match capability {
            Capability::Orders => match part {
                "read" => Scope::Read,
                "settle" => Scope::Settle,
                _ => {
                    let hint = did_you_mean(nearest(part, ["read", "settle"]));
                    return Err(UnknownGrant::Orders { text: quoted(), hint });
                }
            },
            Capability::Transport | Capability::Kademlia => match part.parse::<NodeId>() {
                Ok(id) => Scope::Nodes(BTreeSet::from([id])),
                Err(err) => {
                    let reason = err.to_string();
                    return Err(UnknownGrant::Node { text: quoted(), capability, reason });
                }
            },
            _ => return Err(UnknownGrant::NoParts { text: quoted(), capability }),
        };
        Ok(Grant { capability, scope })
    }
}

impl Scope {
    /// What either of them allows.
    fn with(self, other: Scope) -> Scope {
        match (self, other) {
            (Scope::Read, Scope::Read) => Scope::Read,
            (Scope::Read | Scope::Settle, Scope::Read | Scope::Settle) => Scope::Settle,
            (Scope::Nodes(mut nodes), Scope::Nodes(more)) => {
                nodes.extend(more);
                Scope::Nodes(nodes)
            }
            // Parts of different kinds are never of one capability.
            _ => Scope::All,
        }
    }

    /// What both of them allow; `None` if that is nothing.
    fn within(&self, other: &Scope) -> Option<Scope> {
        match (self, other) {
            (Scope::All, scope) | (scope, Scope::All) => Some(scope.clone()),
            (Scope::Settle, Scope::Settle) => Some(Scope::Settle),
            (Scope::Read | Scope::Settle, Scope::Read | Scope::Settle) => Some(Scope::Read),
            (Scope::Nodes(nodes), Scope::Nodes(others)) => {
                let both: BTreeSet<NodeId> = nodes.intersection(others).copied().collect();
                (!both.is_empty()).then_some(Scope::Nodes(both))
            }
            _ => None,
        }
    }

    pub fn has_node(&self, id: &NodeId) -> bool {
        match self {
            Scope::All => true,
            Scope::Nodes(nodes) => nodes.contains(id),
            Scope::Read | Scope::Settle => false,
        }
    }
}

/// What is granted, each capability with how far it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Grants(BTreeMap<Capability, Scope>);

impl Grants {
    /// All of everything that there is.
    pub fn everything() -> Grants {
        Grants(Capability::ALL.into_iter().map(|capability| (capability, Scope::All)).collect())
    }

    /// All of what needs an operator's word.
    pub fn grantable() -> Grants {
        let mut all = Grants::everything();
        all.0.retain(|capability, _| !capability.is_default());
        all
    }

    pub fn add(&mut self, Grant { capability, scope }: Grant) {
        let scope = match self.0.remove(&capability) {
            Some(before) => before.with(scope),
            None => scope,
        };
        self.0.insert(capability, scope);
    }

    pub fn has(&self, capability: Capability) -> bool {
        self.0.contains_key(&capability)
    }

    pub fn scope(&self, capability: Capability) -> Option<&Scope> {
        self.0.get(&capability)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What both of them grant.
    pub fn within(&self, other: &Grants) -> Grants {
        let both = |(capability, scope): (&Capability, &Scope)| {
            Some((*capability, scope.within(other.scope(*capability)?)?))
        };
        Grants(self.0.iter().filter_map(both).collect())
    }

    /// Of them, those of these capabilities.
    pub fn only(mut self, capabilities: &[Capability]) -> Grants {
        self.0.retain(|capability, _| capabilities.contains(capability));
        self
    }

    /// As the operator would write them.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for (capability, scope) in &self.0 {
            match scope {
                Scope::All => texts.push(capability.to_string()),
                Scope::Read => texts.push(format!("{capability}:read")),
                Scope::Settle => texts.push(format!("{capability}:settle")),
                Scope::Nodes(nodes) => {
                    texts.extend(nodes.iter().map(|id| format!("{capability}:{id}")));
                }
            }
        }
        texts
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<I: IntoIterator<Item = Grant>>(grants: I) -> Grants {
        let mut all = Grants::default();
        grants.into_iter().for_each(|grant| all.add(grant));
        all
    }
}

/// `["orders:read", "transport"]`: the line that would grant them.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted: Vec<String> = self.texts().iter().map(|text| format!("\"{text}\"")).collect();
        write!(f, "[{}]", quoted.join(", "))
    }
}

impl TryFrom<Vec<String>> for Grants {
    type Error = UnknownGrant;

    fn try_from(texts: Vec<String>) -> Result<Grants, UnknownGrant> {
        texts.iter().map(|text| text.parse()).collect()
    }
}

impl From<Grants> for Vec<String> {
    fn from(grants: Grants) -> Vec<String> {
        grants.texts()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn id(seed: u8) -> NodeId {
        NodeId::from_public_key_der(&[seed])
    }

    /// "A" and "B" stand for two nodes.
    fn grants(texts: &[&str]) -> Grants {
        let named = |text: &&str| {
            text.replace(":A", &format!(":{}", id(1))).replace(":B", &format!(":{}", id(2)))
        };
        Grants::try_from(texts.iter().map(named).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn two_grants_of_one_capability_are_what_either_allows() {
        for (written, all) in [
            (&["orders", "orders:read"][..], &["orders"][..]),
            (&["orders:read", "orders:settle"], &["orders:settle"]),
            (&["orders:read", "orders:read"], &["orders:read"]),
            (&["transport:A", "transport:B"], &["transport:A", "transport:B"]),
            (&["transport:A", "transport"], &["transport"]),
            (&["log", "kademlia:A"], &["log", "kademlia:A"]),
        ] {
            assert_eq!(grants(written), grants(all), "{written:?}");
        }
    }

    #[test]
    fn within_a_ceiling_is_what_both_allow() {
        for (granted, ceiling, both) in [
            (&["orders"][..], &["orders:read"][..], &["orders:read"][..]),
            (&["orders:settle"], &["orders"], &["orders:settle"]),
            (&["orders:settle"], &["orders:read"], &["orders:read"]),
            (&["orders:settle"], &["orders:settle"], &["orders:settle"]),
            (&["orders", "transport"], &["orders"], &["orders"]),
            (&["transport:A", "transport:B"], &["transport:B"], &["transport:B"]),
            (&["transport:A"], &["transport:B"], &[]),
            (&["transport"], &["transport:B"], &["transport:B"]),
            (&[], &["orders"], &[]),
        ] {
            let found = grants(granted).within(&grants(ceiling));
            assert_eq!(found, grants(both), "{granted:?} within {ceiling:?}");
            assert_eq!(found, grants(ceiling).within(&grants(granted)), "the other way");
        }
    }

    #[test]
    fn a_grant_is_read_and_written_as_text() {
        let all = grants(&["log", "orders:settle", "kademlia", "transport:A", "transport:B"]);
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Grants>(&text).unwrap(), all);
        assert_eq!(text, all.to_string().replace(", ", ","));
        for (text, part) in [
            ("ordres", "unknown grant \"ordres\": did you mean \"orders\"?"),
            ("orders:raed", "did you mean \"read\"?"),
            ("orders:", "write \"orders:read\", \"orders:settle\", or \"orders\""),
            ("sql:read", "sql has no parts to grant: write \"sql\""),
            ("transport:abc", "write \"transport:NODE-ID\", once for each node"),
            ("transport:", "grant \"transport:\""),
            ("kademlia:read", "or \"kademlia\" for all nodes"),
        ] {
            let message = text.parse::<Grant>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
