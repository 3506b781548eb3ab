//! The zoo: hostile guests, what each does, and what must become of it.
//!
//! One that a compiler makes is a word in the bytes of `tests/guests/zoo`; one that is written by hand
//! is a file in `tests/guests/zoo/wat`. Its chore is called as it is, with `-` for `_`.

mod table;
mod wat;

use std::fs;
use std::path::PathBuf;

use chore_host::node_id::NodeId;

use crate::{Build, component, workspace};

pub use table::GUESTS;

/// The chore that has many of them in it.
const COMPILED: &str = "guest-zoo";

/// Where its bytes say which one it is, and how long that may be.
const HEAD: &str = "hostile:";
const ID_BYTES: usize = 56;

/// What those that a compiler makes import, and the others do not.
const GRANTS: &str = "grants = [\"kademlia\", \"transport\"]\n";

/// One hostile guest.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// `<kind>_<behaviour>`.
    pub id: &'static str,
    /// What a compiler makes says what it does here, and what is written by hand in its file.
    what: Option<&'static str>,
    pub end: End,
    /// A part of the reason, or of the outcome's message.
    pub part: &'static str,
}

/// What becomes of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is not loaded.
    Refused,
    /// Its run ends, with this word.
    Run(&'static str),
    /// Its run ends well; its `close` does not.
    Close,
    /// It is not loaded either, but only after the minute that `open` has.
    Open,
}

impl Guest {
    /// The name of its chore.
    pub fn name(&self) -> String {
        self.id.replace('_', "-")
    }

    /// One sentence.
    pub fn what(&self) -> String {
        let from_file = || {
            let text = fs::read_to_string(self.file()).expect("a guest");
            let lines = text.lines().map_while(|line| line.strip_prefix(";; "));
            lines.collect::<Vec<_>>().join(" ")
        };
        self.what.map_or_else(from_file, str::to_owned)
    }

    /// True if it is hostile until somebody ends it.
    pub fn is_endless(&self) -> bool {
        self.end == End::Run("timed-out")
    }

    pub fn build(&self) -> Build {
        match self.what {
            Some(_) => Build::of(COMPILED).write(HEAD, &format!("{:.<ID_BYTES$}", self.id)),
            None => {
                let fields = fs::read_to_string(self.file()).expect("a guest");
                Build::from_bytes(wat::component(&self.name(), &fields))
            }
        }
    }

    /// What its operator writes: what it may use, the keys of its cycle, and who answers when it
    /// dials.
    pub fn config(&self, cycle: &str, grace: &str, node: NodeId) -> String {
        let times = format!("[cycles.main]\n{cycle}\n\n[limits]\ngrace = \"{grace}\"\n");
        match self.what {
            Some(_) => format!("{GRANTS}{times}\n[settings]\nnode = \"{node}\"\n"),
            None => times,
        }
    }

    fn file(&self) -> PathBuf {
        workspace().join("tests/guests/zoo/wat").join(format!("{}.wat", self.id))
    }
}

/// The one of this id.
pub fn guest(id: &str) -> &'static Guest {
    GUESTS.iter().find(|guest| guest.id == id).unwrap_or_else(|| panic!("no guest {id}"))
}

/// Built before a test has a peer, because that takes a while.
pub fn prepare() {
    component(COMPILED);
}
