//! The version of the contract in `wit/` that this host has, and which other versions go with it.
//!
//! The rule is that of the linker, which takes an import or export of a compatible version for one
//! of its own and then compares function by function. `docs/compatibility.md` says what it rests on.

use std::fmt;

/// What the names of all its interfaces begin with.
pub const PACKAGE: &str = "chore:peer/";

/// What this host has.
pub const VERSION: Version = Version { major: 0, minor: 1, patch: 0 };

/// What is to be done about a component that was built for a version after this host's.
pub const NEWER: &str = "it needs a newer host, or to be built with the SDK of this one";

/// And for one that is too old.
pub const OLDER: &str = "rebuild it with a newer SDK";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u64,
    pub minor: u64,
    pub patch: u64,
}

impl Version {
    /// `None` for pre-releases, which fit nothing but themselves, and for what is no version.
    pub fn parse(text: &str) -> Option<Version> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
        let version = Version { major, minor, patch };
        // A sign or a leading zero is read, but is no version.
        (parts.next().is_none() && version.to_string() == text).then_some(version)
    }

    /// Whether what was built for one may be linked with the other: before 1.0.0 if only the patch
    /// differs, from then on if the major version is the same.
    pub fn goes_with(self, other: Version) -> bool {
        let track = |version: Version| match version {
            Version { major: 0, minor: 0, .. } => (version.patch, 0, 0),
            Version { major: 0, minor, .. } => (0, minor, 0),
            Version { major, .. } => (0, 0, major),
        };
        track(self) == track(other)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What to do about a component of a version that does not go with this host's.
pub fn advice(found: Option<Version>) -> &'static str {
    match found {
        Some(found) if found > VERSION => NEWER,
        _ => OLDER,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn versions_go_together_as_the_linker_has_it() {
        for (ours, theirs, expected) in [
            ("0.1.0", "0.1.0", true),
            ("0.1.0", "0.1.9", true),
            ("0.1.9", "0.1.0", true),
            ("0.1.0", "0.2.0", false),
            ("0.1.0", "0.0.1", false),
            ("0.0.1", "0.0.1", true),
            ("0.0.1", "0.0.2", false),
            ("0.1.0", "1.1.0", false),
            ("1.0.0", "1.7.3", true),
            ("1.0.0", "2.0.0", false),
        ] {
            let [ours, theirs] = [ours, theirs].map(|text| Version::parse(text).unwrap());
            assert_eq!(ours.goes_with(theirs), expected, "{ours} {theirs}");
        }
        for text in ["", "0", "0.1", "0.1.0.0", "0.1.0-draft", "0.1.+1", "0.01.0", "v0.1.0", "0.1."]
        {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
