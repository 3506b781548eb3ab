//! The targets of the fuzzer: each is a function of any bytes that must not panic, and states what must
//! hold of what it makes of them. `fuzz/run.sh` feeds them by coverage; `cargo test -p chore-fuzz`
//! feeds them all that is in `fuzz/corpora/`.

mod control;
mod cycle;
mod descriptor;
mod plan;
mod text;
mod wire;

/// A name, and what any bytes are given to.
pub type Target = (&'static str, fn(&[u8]));

pub const TARGETS: [Target; 9] = [
    ("address", text::address),
    ("config", text::config),
    ("control", control::control),
    ("cycle", cycle::cycle),
    ("descriptor", descriptor::descriptor),
    ("package", wire::package),
    ("plan", plan::plan),
    ("signature", wire::signature),
    ("wire", wire::wire),
];

/// The target of this name.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS.into_iter().find(|(known, _)| *known == name).map(|(_, target)| target)
}
