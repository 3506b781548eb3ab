//! Many builds of one chore, made from the bytes of one component, and how they get into a peer's
//! chores directory.

use std::fs;
use std::path::{Path, PathBuf};

use chore_host::package::Digest;
use chore_host::planet::Member;

use crate::component;

/// The chore whose behaviour stands in its bytes.
pub const PATCHED: &str = "guest-swap-patched";

/// What its source calls its version.
const VERSION: &str = "1.7.100";

/// Where its behaviour stands: `run`, `open` and `describe`, eight characters each.
const BEHAVIOUR: &[u8] = b"behaviour:";
const WORD_BYTES: usize = 8;

/// The bytes of a component.
#[derive(Clone)]
pub struct Build(Vec<u8>);

impl Build {
    /// A chore of this workspace as it is.
    pub fn of(name: &str) -> Build {
        Build::from_bytes(fs::read(component(name)).expect("a component"))
    }

    pub fn from_bytes(bytes: Vec<u8>) -> Build {
        Build(bytes)
    }

    /// [`PATCHED`] as it is: everything succeeds.
    pub fn patched() -> Build {
        Build::of(PATCHED)
    }

    /// Seven characters, such as "1.7.101".
    pub fn version(self, version: &str) -> Build {
        self.patch(VERSION, version)
    }

    /// As long as the name it has.
    pub fn name(self, name: &str) -> Build {
        self.patch(PATCHED, name)
    }

    pub fn run(self, word: &str) -> Build {
        self.behave(0, word)
    }

    pub fn open(self, word: &str) -> Build {
        self.behave(1, word)
    }

    pub fn describe(self, word: &str) -> Build {
        self.behave(2, word)
    }

    /// Another text of the same length, everywhere.
    pub fn patch(mut self, from: &str, to: &str) -> Build {
        assert_eq!(from.len(), to.len(), "the bytes keep their places");
        assert_ne!(from, to, "it would never be gone");
        let mut found = 0;
        while let Some(at) = find(&self.0, from.as_bytes()) {
            self.0[at..at + to.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
        assert!(found > 0, "{from} is not in it");
        self
    }

    /// A text over what comes after `head`.
    pub fn write(mut self, head: &str, text: &str) -> Build {
        let at = find(&self.0, head.as_bytes()).expect("it is in it") + head.len();
        self.0[at..at + text.len()].copy_from_slice(text.as_bytes());
        self
    }

    /// Another digest, and nothing else: a custom section at the end.
    pub fn stamped(mut self, number: u32) -> Build {
        let name = b"build";
        let mut section = vec![u8::try_from(name.len()).expect("short")];
        section.extend_from_slice(name);
        section.extend_from_slice(&number.to_le_bytes());
        self.0.push(0);
        self.0.push(u8::try_from(section.len()).expect("short"));
        self.0.extend_from_slice(&section);
        self
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As `chore ls` shows it.
    pub fn digest(&self) -> String {
        Digest::of(&self.0).hex()
    }

    fn behave(mut self, index: usize, word: &str) -> Build {
        assert!(word.len() <= WORD_BYTES, "{word} is too long");
        let head = find(&self.0, BEHAVIOUR).expect("it says how it behaves");
        let at = head + BEHAVIOUR.len() + index * WORD_BYTES;
        let word = format!("{word:.<WORD_BYTES$}");
        self.0[at..at + WORD_BYTES].copy_from_slice(word.as_bytes());
        self
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Puts a file into a chores directory as a careful tool does: under another name, then renamed.
pub fn drop_into(directory: &Path, file: &str, bytes: &[u8]) {
    let part = directory.join(format!("{file}.part"));
    fs::write(&part, bytes).expect("a file");
    fs::rename(part, directory.join(file)).expect("a file");
}

/// `NAME.wasm`, and `NAME.toml` before it if there is a text for it.
pub fn drop_chore(member: &Member, name: &str, build: &Build, config: Option<&str>) {
    let chores = chores(member);
    if let Some(config) = config {
        drop_into(&chores, &format!("{name}.toml"), config.as_bytes());
    }
    drop_into(&chores, &format!("{name}.wasm"), build.bytes());
}

/// A peer's chores directory.
pub fn chores(member: &Member) -> PathBuf {
    member.home().chores()
}
