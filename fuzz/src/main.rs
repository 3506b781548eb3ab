//! What libFuzzer drives: the target that `FUZZ_TARGET` names. See `fuzz/run.sh`.

#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let names = || chore_fuzz::TARGETS.map(|(name, _)| name).join(", ");
    chore_fuzz::target(&name).unwrap_or_else(|| panic!("set FUZZ_TARGET to one of {}", names()))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| TARGET(bytes));
