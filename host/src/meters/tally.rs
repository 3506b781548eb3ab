//! Counts by a word, for rooms that see many things of few kinds.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::database::lock;

/// How often each word came.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    /// With these words at zero, so that a first one is seen as an increase.
    pub fn of(words: &[&'static str]) -> Tally {
        Tally(Mutex::new(words.iter().map(|word| (*word, 0)).collect()))
    }

    pub fn add(&self, word: &'static str) {
        let mut counts = lock(&self.0);
        let count = counts.entry(word).or_default();
        *count = count.saturating_add(1);
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.0).clone()
    }
}
