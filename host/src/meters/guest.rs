//! What chores count: names of their own choice under a prefix, each series with the chore's label.
//! Everything in it is a guest's word: it is cleaned, and there is a limit on how much of it.

use std::collections::HashMap;

use metrics::{Key, Label, Recorder};

use super::catalogue::{CHORE, GUEST_PREFIX, GUEST_REFUSED};
use super::{METADATA, Meters, host_key};
use crate::database::lock;
use crate::limits::{METRIC_LABELS_MAX, METRIC_TEXT_BYTES_MAX};

/// The series of each chore, so that one chore cannot fill the memory of its peer.
pub(super) type Guests = HashMap<String, HashMap<Key, Kind>>;

/// A name is of the kind that it was first: two kinds would be two values of one series.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Labels that have a meaning of their own.
const RESERVED: [&str; 3] = [CHORE, "le", "quantile"];

/// Whose series it is, and how many it may have.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    pub chore: &'a str,
    pub series_max: u64,
}

/// What became of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    Kept,
    /// The text is too long, or the name is of another kind.
    Refused,
    /// The chore has as many series as it may have.
    TooMany,
}

impl Meters {
    /// Adds to a counter of a chore.
    pub fn count(
        &self,
        whose: Whose<'_>,
        name: &str,
        labels: Vec<(String, String)>,
        delta: u64,
    ) -> Counted {
        let add = |key: &Key| self.0.recorder.register_counter(key, &METADATA).increment(delta);
        self.told(whose, name, labels, Kind::Counter, add)
    }

    /// Sets a gauge of a chore.
    pub fn gauge(
        &self,
        whose: Whose<'_>,
        name: &str,
        labels: Vec<(String, String)>,
        value: f64,
    ) -> Counted {
        let set = |key: &Key| self.0.recorder.register_gauge(key, &METADATA).set(value);
        self.told(whose, name, labels, Kind::Gauge, set)
    }

    /// Adds a value to a histogram of a chore.
    pub fn observe(
        &self,
        whose: Whose<'_>,
        name: &str,
        labels: Vec<(String, String)>,
        value: f64,
    ) -> Counted {
        let record = |key: &Key| self.0.recorder.register_histogram(key, &METADATA).record(value);
        self.told(whose, name, labels, Kind::Histogram, record)
    }

    /// Does that to the series, unless it is refused, which is counted.
    fn told(
        &self,
        whose: Whose<'_>,
        name: &str,
        labels: Vec<(String, String)>,
        kind: Kind,
        tell: impl FnOnce(&Key),
    ) -> Counted {
        let key = key(whose.chore, name, labels);
        let counted = key.as_ref().map_or(Counted::Refused, |key| self.may(whose, key, kind));
        if let (Some(key), Counted::Kept) = (&key, counted) {
            tell(key);
        }
        let refused = host_key(GUEST_REFUSED, &[whose.chore]);
        // Of none it is there too, so that a first one is seen as an increase.
        let refused = self.0.recorder.register_counter(&refused, &METADATA);
        refused.increment(u64::from(counted != Counted::Kept));
        counted
    }

    fn may(&self, whose: Whose<'_>, key: &Key, kind: Kind) -> Counted {
        let mut guests = lock(&self.0.guests);
        let known = guests.entry(whose.chore.to_owned()).or_default();
        if let Some(before) = known.get(key) {
            return if *before == kind { Counted::Kept } else { Counted::Refused };
        }
        if known.len() as u64 >= whose.series_max {
            return Counted::TooMany;
        }
        let other = |(known, before): (&Key, &Kind)| known.name() == key.name() && *before != kind;
        if known.iter().any(other) {
            return Counted::Refused;
        }
        known.insert(key.clone(), kind);
        Counted::Kept
    }
}

/// In one form, whatever the order of the labels: the same series must not be there twice.
fn key(chore: &str, name: &str, labels: Vec<(String, String)>) -> Option<Key> {
    let fits = |text: &str| text.len() <= METRIC_TEXT_BYTES_MAX;
    let labelled = labels.iter().all(|(key, value)| fits(key) && fits(value));
    if !fits(name) || !labelled || labels.len() > METRIC_LABELS_MAX {
        return None;
    }
    let mut own: Vec<(String, String)> = labels
        .into_iter()
        .map(|(key, value)| (clean(&key), value))
        // A chore cannot speak in another's name.
        .filter(|(key, _)| !RESERVED.contains(&key.as_str()) && !key.starts_with("__"))
        .collect();
    own.sort();
    own.dedup_by(|later, first| later.0 == first.0);
    let mut all = vec![Label::new(CHORE, chore.to_owned())];
    all.extend(own.into_iter().map(|(key, value)| Label::new(key, value)));
    Some(Key::from_parts(format!("{GUEST_PREFIX}{}", clean(name)), all))
}

/// Only characters that Prometheus takes in a label's name, and after a prefix in a metric's.
fn clean(name: &str) -> String {
    let taken = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let first = name.chars().next().filter(char::is_ascii_digit).map(|_| '_');
    first.into_iter().chain(name.chars().map(taken)).collect()
}
