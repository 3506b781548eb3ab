//! Chance: numbers that nobody can foretell, fit for secrets.
//!
//! In tests they come from the seed of the [`World`](crate::testing::World), and are the same every
//! time.
//!
//! ```
//! # use chore_sdk::{prelude::*, testing::World};
//! # World::new().within(|| {
//! // Up to a minute, so that not all nodes ask at the same time.
//! let pause = Duration::from_millis(random::below(60_000));
//! # assert!(pause < Duration::from_secs(60));
//! # });
//! ```

use crate::backend;

/// A number, any of them as likely as the others.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let number = || World::new().seed(7).within(|| {
/// random::u64()
/// # });
/// # assert_eq!(number(), number());
/// ```
pub fn u64() -> u64 {
    backend::random()
}

/// A number from 0 to `end`, which is not among them, any of them as likely as the others. 0 if
/// `end` is 0.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # World::new().within(|| {
/// let nodes = ["a", "b", "c"];
/// let one_of_them = nodes[random::below(3) as usize];
/// # let mut seen = [0; 3];
/// # (0..3_000).for_each(|_| seen[random::below(3) as usize] += 1);
/// # assert!(seen.iter().all(|count| (900..1_100).contains(count)), "{seen:?}");
/// # });
/// ```
pub fn below(end: u64) -> u64 {
    // The last numbers are drawn again: with them, the first remainders would be more likely.
    let fair = u64::MAX - u64::MAX.checked_rem(end).unwrap_or(0);
    loop {
        let drawn = u64();
        if drawn < fair || end == 0 {
            return drawn.checked_rem(end).unwrap_or(0);
        }
    }
}

/// Fills with bytes, any of them as likely as the others.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # World::new().within(|| {
/// let mut serial = [0; 16];
/// random::fill(&mut serial);
/// # assert_ne!(serial, [0; 16]);
/// # });
/// ```
pub fn fill(bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(size_of::<u64>()) {
        let drawn = u64().to_le_bytes();
        chunk.copy_from_slice(&drawn[..chunk.len()]);
    }
}

/// Brings items into an order, any of them as likely as the others.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # World::new().within(|| {
/// let mut satellites = [NodeId::fake(1), NodeId::fake(2), NodeId::fake(3)];
/// random::shuffle(&mut satellites);
/// # satellites.sort_unstable();
/// # assert_eq!(satellites, [NodeId::fake(1), NodeId::fake(2), NodeId::fake(3)]);
/// # });
/// ```
pub fn shuffle<T>(items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let other = below(last as u64 + 1);
        items.swap(last, usize::try_from(other).unwrap_or(last));
    }
}
