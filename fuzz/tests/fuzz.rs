//! What libFuzzer drives: the target that `FUZZ_TARGET` names. See `fuzz/run.sh`. It is a test of this crate, so
//! that it shares all that the other tests are compiled with; run as one, it does nothing.

#![no_main]

use std::sync::LazyLock;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let Some(name) = std::env::var_os("FUZZ_TARGET") else {
        eprintln!("fuzz/run.sh fuzzes");
        std::process::exit(0);
    };
    let names = || chore_fuzz::TARGETS.map(|(name, _)| name).join(", ");
    let found = name.to_str().and_then(chore_fuzz::target);
    found.unwrap_or_else(|| panic!("set FUZZ_TARGET to one of {}", names()))
});

libfuzzer_sys::fuzz_target!(
    init: {
        LazyLock::force(&TARGET);
    },
    |bytes: &[u8]| TARGET(bytes)
);
