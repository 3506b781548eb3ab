//! How much memory one instance may have: all its memories and tables together.

use wasmtime::{ResourceLimiter, Result};

use crate::limits::INSTANCE_PARTS_MAX;

/// Bytes that a table element costs the host.
const TABLE_ELEMENT_BYTES: usize = size_of::<usize>();

/// Counts what an instance holds and refuses what is over its limit, by name.
pub struct Limiter {
    /// What it holds, and so the most that it held: memories and tables do not shrink.
    bytes: usize,
    bytes_max: usize,
    /// Set by the last refusal; a guest sees only an allocation that failed, and traps.
    denied: Option<Denied>,
}

/// What was refused, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of memory: wanted {wanted} bytes, limit {limit}")]
pub struct Denied {
    /// With all that the instance held.
    pub wanted: u64,
    pub limit: u64,
}

impl Limiter {
    pub fn new(bytes_max: usize) -> Limiter {
        Limiter { bytes: 0, bytes_max, denied: None }
    }

    /// The most that the instance held, in bytes.
    pub fn peak(&self) -> usize {
        self.bytes
    }

    /// What was refused, if anything was.
    pub fn denied(&self) -> Option<Denied> {
        self.denied
    }

    fn grow(&mut self, current: usize, desired: usize) -> Result<bool> {
        let wanted = self.bytes.saturating_add(desired.saturating_sub(current));
        if wanted <= self.bytes_max {
            self.bytes = wanted;
            return Ok(true);
        }
        let denied = Denied { wanted: wanted as u64, limit: self.bytes_max as u64 };
        self.denied = Some(denied);
        // An error, not `false`: the guest could only trap anyhow, and this trap has a reason.
        Err(denied.into())
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        self.grow(current, desired)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> Result<bool> {
        let bytes = |elements: usize| elements.saturating_mul(TABLE_ELEMENT_BYTES);
        self.grow(bytes(current), bytes(desired))
    }

    fn instances(&self) -> usize {
        INSTANCE_PARTS_MAX
    }

    fn tables(&self) -> usize {
        INSTANCE_PARTS_MAX
    }

    fn memories(&self) -> usize {
        INSTANCE_PARTS_MAX
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limiter = Limiter::new(1000);
        assert!(limiter.memory_growing(0, 600, None).unwrap());
        assert!(limiter.table_growing(0, 10, None).unwrap());
        assert!(limiter.memory_growing(600, 900, None).unwrap());
        assert_eq!(limiter.denied(), None);
        let err = limiter.memory_growing(0, 100, None).unwrap_err();
        assert_eq!(err.to_string(), "out of memory: wanted 1080 bytes, limit 1000");
        assert_eq!(limiter.denied(), Some(Denied { wanted: 1080, limit: 1000 }));
        assert!(limiter.memory_growing(0, usize::MAX, None).is_err());
    }
}
