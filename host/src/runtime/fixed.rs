//! The engine's own words for limits that nobody can raise, and ours: with the number, and what the
//! chore's author can do.

use crate::limits::{
    Amount, INSTANCE_PARTS_MAX, RANDOM_BYTES_MAX, RESOURCES_MAX, STDERR_BYTES_MAX,
};

/// Of this there is more or less, as the call is.
const COPIED: &str = "too much data is being copied";

/// What the engine says, or parts of it, what that means, how much there is, and what to do.
const FIXED: [(&[&str], &str, Amount, &str); 4] = [
    (
        &["store handle limit exceeded", "resource table has no free keys"],
        "too many resources and handles in one call",
        Amount::Count(RESOURCES_MAX as u64),
        "drop connections, transactions, streams and calls that are done",
    ),
    (
        &["requested len "],
        "too many random bytes at once",
        Amount::Bytes(RANDOM_BYTES_MAX),
        "ask for less",
    ),
    (
        &["write beyond capacity of MemoryOutputPipe"],
        "too much on standard error",
        Amount::Bytes(STDERR_BYTES_MAX as u64),
        "log it, or write less",
    ),
    (
        &["resource limit exceeded: "],
        "too many core instances, memories or tables",
        Amount::Count(INSTANCE_PARTS_MAX as u64),
        "build the component of fewer modules",
    ),
];

/// Why a call trapped, in our words if it was for one of these limits. `copied_max` is what the host
/// copies out of this one, in bytes.
pub fn told(cause: &str, copied_max: usize) -> Option<String> {
    if cause.contains(COPIED) {
        let limit = Amount::Bytes(copied_max as u64);
        return Some(format!(
            "too many bytes in one call of the host: limit {limit}; pass less at once"
        ));
    }
    let (_, what, limit, help) =
        FIXED.iter().find(|(parts, ..)| parts.iter().any(|part| cause.contains(part)))?;
    Some(format!("{what}: limit {limit}; {help}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use wasmtime::component::ResourceTable;

    use super::*;
    use crate::limits::HOSTCALL_BYTES_MAX;

    #[test]
    fn what_the_engine_says_is_told_with_the_number_and_what_to_do() {
        let mut table = ResourceTable::new();
        table.set_max_capacity(0);
        let full = table.push(0).unwrap_err().to_string();
        let resources = "too many resources and handles in one call: limit 10000; drop connections, \
                         transactions, streams and calls that are done";
        for (cause, expected) in [
            (full.as_str(), Some(resources)),
            ("cannot allocate another handle: store handle limit exceeded", Some(resources)),
            (
                "requested len 2000000 exceeds limit 1048576",
                Some("too many random bytes at once: limit 1 MiB; ask for less"),
            ),
            (
                "too much data is being copied between the host and the guest: fuel allocated for \
                 hostcalls has been exhausted",
                Some("too many bytes in one call of the host: limit 32 MiB; pass less at once"),
            ),
            ("wasm `unreachable` instruction executed", None),
        ] {
            assert_eq!(told(cause, HOSTCALL_BYTES_MAX).as_deref(), expected, "{cause}");
        }
    }
}
