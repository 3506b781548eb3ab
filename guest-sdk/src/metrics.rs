//! Numbers about the chore's work, in the peer's metrics under the chore's name.
//!
//! Names and keys are lower-case letters, digits and underscores. Every distinct set of labels is a
//! series, of which a chore has at most 1,000: no serial numbers in labels.

use crate::backend;

/// Names and values that tell series of one metric apart.
///
/// ```
/// # use chore_sdk::prelude::*;
/// let satellite = NodeId::fake(1).to_string();
/// let labels: metrics::Labels<'_> = &[("satellite", &satellite), ("status", "accepted")];
/// metrics::count("orders_settled_total", labels, 1);
/// ```
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// Adds to a counter.
///
/// ```
/// # use chore_sdk::prelude::*;
/// metrics::count("orders_settled_total", &[("status", "accepted")], 3);
/// ```
pub fn count(name: &str, labels: Labels<'_>, delta: u64) {
    backend::metric_count(name, labels, delta);
}

/// Sets a value that goes up and down.
///
/// ```
/// # use chore_sdk::prelude::*;
/// metrics::gauge("disk_free_bytes", &[("disk", "1")], 2e9);
/// ```
pub fn gauge(name: &str, labels: Labels<'_>, value: f64) {
    backend::metric_gauge(name, labels, value);
}

/// Adds one measurement to a distribution. Times in seconds, sizes in bytes.
///
/// ```
/// # use chore_sdk::prelude::*;
/// metrics::observe("dial_seconds", &[], 0.25);
/// ```
pub fn observe(name: &str, labels: Labels<'_>, value: f64) {
    backend::metric_observe(name, labels, value);
}
