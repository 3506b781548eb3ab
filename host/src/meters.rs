//! Metrics of one peer: what its runs and chores count, as Prometheus text. It knows no endpoint.
//!
//! Each peer has a recorder of its own, so that several peers of one process do not mix. Names of the
//! peer begin with `peer_` and stand in the [`catalogue`]; names that chores choose begin with
//! `chore_`, so that neither can be taken for the other. What the peer knows anyway is not recorded
//! here: it comes as [`Sample`]s when somebody looks, so that what is gone is gone there too.

pub mod catalogue;
mod guest;
mod runs;
mod tally;

use std::sync::{Arc, Mutex};

use metrics::{Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use crate::error::chain;
use crate::limits::{METRIC_BYTES_BUCKETS, METRIC_GUEST_BUCKETS, METRIC_SECONDS_BUCKETS};
use catalogue::{CATALOGUE, Kind};
pub use guest::{Counted, Whose};
pub use runs::{OTHERS, RunEnd};
pub use tally::Tally;

const METADATA: Metadata<'static> = Metadata::new("chore", Level::INFO, None);

/// The meters of one peer. Clones share them.
#[derive(Clone)]
pub struct Meters(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    guests: Mutex<guest::Guests>,
    runs: Mutex<runs::Runs>,
}

/// A value that is known when somebody looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// As in the [`catalogue`].
    pub name: &'static str,
    /// Values in the order of the catalogue's labels.
    pub labels: Vec<String>,
    pub value: f64,
}

impl Sample {
    pub fn new(name: &'static str, labels: &[&str], value: f64) -> Sample {
        Sample { name, labels: labels.iter().map(|label| (*label).to_owned()).collect(), value }
    }

    /// Counts beyond 2^53 lose their last digits.
    pub fn count(name: &'static str, labels: &[&str], value: u64) -> Sample {
        Sample::new(name, labels, value as f64)
    }
}

impl Default for Meters {
    fn default() -> Meters {
        Meters::new()
    }
}

/// Histograms have fixed buckets, so that those of several peers can be summed.
fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut builder = PrometheusBuilder::new().set_buckets(&METRIC_GUEST_BUCKETS)?;
    for metric in CATALOGUE.iter().filter(|metric| metric.kind == Kind::Histogram) {
        let seconds = metric.name.ends_with("_seconds");
        let buckets: &[f64] = if seconds { &METRIC_SECONDS_BUCKETS } else { &METRIC_BYTES_BUCKETS };
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.into()), buckets)?;
    }
    Ok(builder)
}

impl Meters {
    pub fn new() -> Meters {
        // Only empty buckets are an error, and ours are not.
        let builder = builder().unwrap_or_else(|err| {
            tracing::error!("histograms have no buckets: {}", chain(&err));
            PrometheusBuilder::new()
        });
        let recorder = builder.build_recorder();
        for metric in CATALOGUE {
            let (name, help) = (metric.name.into(), metric.help.into());
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, None, help),
            }
        }
        let handle = recorder.handle();
        Meters(Arc::new(Inner {
            recorder,
            handle,
            guests: Mutex::default(),
            runs: Mutex::default(),
        }))
    }

    /// What was recorded and `samples`, in Prometheus' text format.
    pub fn render(&self, samples: &[Sample]) -> String {
        let mut text = self.0.handle.render();
        catalogue::write(&mut text, samples);
        text
    }

    /// Sorts what histograms were told into their buckets: until then each value takes memory. Call
    /// it now and then.
    pub fn upkeep(&self) {
        self.0.handle.run_upkeep();
    }
}

/// Of a metric in the catalogue, with the values of its labels.
fn host_key(name: &'static str, labels: &[&str]) -> Key {
    let names = CATALOGUE.iter().find(|metric| metric.name == name).map_or(&[][..], |m| m.labels);
    let pairs = names.iter().zip(labels).map(|(key, value)| Label::new(*key, (*value).to_owned()));
    Key::from_parts(name, pairs.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
