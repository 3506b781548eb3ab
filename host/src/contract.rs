//! The version of the contract in `wit/` that this host has, and which other versions go with it.
//!
//! The rule is that of the linker, which takes an import or export of a compatible version for one
//! of its own and then compares function by function. `docs/compatibility.md` says what it rests on.

pub use semver::Version;
use semver::{Comparator, Op};

/// What the names of all its interfaces begin with.
pub const PACKAGE: &str = "chore:peer/";

/// What this host has.
pub const VERSION: Version = Version::new(0, 1, 0);

/// What is to be done about a component that was built for a version after this host's.
pub const NEWER: &str = "it needs a newer host, or to be built with the SDK of this one";

/// And for one that is too old.
pub const OLDER: &str = "rebuild it with a newer SDK";

/// `None` for pre-releases, which fit nothing but themselves, and for what is no version.
pub fn parse(text: &str) -> Option<Version> {
    let version = Version::parse(text).ok()?;
    (version.pre.is_empty() && version.build.is_empty()).then_some(version)
}

/// Whether what was built for `found` may be linked with what this host has: before 1.0.0 if only
/// the patch differs, from then on if the major version is the same.
pub fn is_compatible(found: &Version) -> bool {
    go_together(found, &VERSION)
}

fn go_together(one: &Version, other: &Version) -> bool {
    let follows = |version: &Version, on: &Version| {
        let (minor, patch) = (Some(on.minor), Some(on.patch));
        let caret =
            Comparator { op: Op::Caret, major: on.major, minor, patch, pre: on.pre.clone() };
        caret.matches(version)
    };
    follows(one, other) || follows(other, one)
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
            let [ours, theirs] = [ours, theirs].map(|text| parse(text).unwrap());
            assert_eq!(go_together(&ours, &theirs), expected, "{ours} {theirs}");
        }
        for text in ["", "0", "0.1", "0.1.0.0", "0.1.0-draft", "0.1.+1", "0.01.0", "v0.1.0", "0.1."]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
