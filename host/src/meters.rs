//! Metrics of one peer: what its chores and rooms count, as Prometheus text. It knows no endpoint.
//!
//! Each peer has a recorder of its own, so that several peers of one process do not mix.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use metrics::{Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::limits::{METRIC_LABELS_MAX, METRIC_SERIES_MAX, METRIC_TEXT_BYTES_MAX};

const METADATA: Metadata<'static> = Metadata::new("chore", Level::INFO, None);

/// The meters of one peer. Clones share them.
#[derive(Clone)]
pub struct Meters(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// The series of each chore, so that one chore cannot fill the memory of its peer.
    series: Mutex<HashMap<String, HashSet<Key>>>,
}

impl Default for Meters {
    fn default() -> Meters {
        Meters::new()
    }
}

impl Meters {
    pub fn new() -> Meters {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        Meters(Arc::new(Inner { recorder, handle, series: Mutex::default() }))
    }

    /// Adds to a counter of a chore.
    pub fn count(&self, chore: &str, name: &str, labels: Vec<(String, String)>, delta: u64) {
        if let Some(key) = self.key(chore, name, labels) {
            self.0.recorder.register_counter(&key, &METADATA).increment(delta);
        }
    }

    /// Sets a gauge of a chore.
    pub fn gauge(&self, chore: &str, name: &str, labels: Vec<(String, String)>, value: f64) {
        if let Some(key) = self.key(chore, name, labels) {
            self.0.recorder.register_gauge(&key, &METADATA).set(value);
        }
    }

    /// Adds a value to a histogram of a chore.
    pub fn observe(&self, chore: &str, name: &str, labels: Vec<(String, String)>, value: f64) {
        if let Some(key) = self.key(chore, name, labels) {
            self.0.recorder.register_histogram(&key, &METADATA).record(value);
        }
    }

    /// Everything, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.handle.render()
    }

    /// `None` if the chore has as many series as it may have, or the text is too long.
    fn key(&self, chore: &str, name: &str, labels: Vec<(String, String)>) -> Option<Key> {
        let fits = |text: &str| text.len() <= METRIC_TEXT_BYTES_MAX;
        let labelled = labels.iter().all(|(key, value)| fits(key) && fits(value));
        if !fits(name) || !labelled || labels.len() > METRIC_LABELS_MAX {
            return None;
        }
        let mut all = vec![Label::new("chore", chore.to_owned())];
        // A chore cannot speak in another's name.
        let own = labels.into_iter().filter(|(key, _)| key != "chore");
        all.extend(own.map(|(key, value)| Label::new(key, value)));
        let key = Key::from_parts(format!("chore_{name}"), all);
        let mut series = self.0.series.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = series.entry(chore.to_owned()).or_default();
        if !known.contains(&key) {
            if known.len() >= METRIC_SERIES_MAX {
                return None;
            }
            known.insert(key.clone());
        }
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(key: &str, value: &str) -> Vec<(String, String)> {
        vec![(key.to_owned(), value.to_owned())]
    }

    #[test]
    fn chores_count_under_their_own_name() {
        let meters = Meters::new();
        meters.count("sender", "orders_total", label("status", "accepted"), 3);
        meters.count("sender", "orders_total", label("chore", "other"), 1);
        meters.gauge("sender", "waiting", vec![], 2.0);
        let text = meters.render();
        assert!(
            text.contains(r#"chore_orders_total{chore="sender",status="accepted"} 3"#),
            "{text}"
        );
        assert!(text.contains(r#"chore_orders_total{chore="sender"} 1"#), "{text}");
        assert!(text.contains(r#"chore_waiting{chore="sender"} 2"#), "{text}");
    }

    #[test]
    fn a_chore_cannot_make_series_without_end() {
        let meters = Meters::new();
        for i in 0..METRIC_SERIES_MAX + 10 {
            meters.count("greedy", "n", label("i", &i.to_string()), 1);
        }
        meters.count("greedy", "n", label("i", "0"), 1);
        meters.count("modest", "n", vec![], 1);
        let text = meters.render();
        assert_eq!(text.matches(r#"chore="greedy""#).count(), METRIC_SERIES_MAX);
        assert!(text.contains(r#"{chore="greedy",i="0"} 2"#), "{text}");
        assert!(text.contains(r#"{chore="modest"} 1"#), "{text}");
    }
}
