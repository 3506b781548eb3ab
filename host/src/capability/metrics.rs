//! `chore:peer/metrics`: a chore's own counters, gauges and histograms, under its name.

use wasmtime::component::{HasData, Linker};

use crate::bindings::metrics::{self, Label};
use crate::capability::Quota;
use crate::capability::traffic::Bytes;
use crate::limits::Limit;
use crate::meters::{Counted, Meters, Whose};
use crate::name::ChoreName;

/// The meters that one call writes.
pub struct Context {
    pub chore: ChoreName,
    pub meters: Meters,
    pub quota: Quota,
}

impl Context {
    /// Does to the meters what a guest asked for, and notes it if there is no room for the series.
    fn tell(&self, arguments: [&dyn Bytes; 2], what: impl FnOnce(&Meters, Whose<'_>) -> Counted) {
        self.quota.traffic().called(&arguments);
        let series_max = self.quota.limits().metric_series;
        let whose = Whose { chore: self.chore.as_str(), series_max };
        if what(&self.meters, whose) == Counted::TooMany {
            self.quota.reached(Limit::MetricSeries, None);
        }
    }
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

fn pairs(labels: &[Label]) -> Vec<(String, String)> {
    labels.iter().map(|label| (label.key.clone(), label.value.clone())).collect()
}

impl metrics::Host for View<'_> {
    fn count(&mut self, name: String, labels: Vec<Label>, delta: u64) -> wasmtime::Result<()> {
        let arguments: [&dyn Bytes; 2] = [&name, &labels];
        self.0.tell(arguments, |meters, whose| meters.count(whose, &name, pairs(&labels), delta));
        Ok(())
    }

    fn gauge(&mut self, name: String, labels: Vec<Label>, value: f64) -> wasmtime::Result<()> {
        let arguments: [&dyn Bytes; 2] = [&name, &labels];
        self.0.tell(arguments, |meters, whose| meters.gauge(whose, &name, pairs(&labels), value));
        Ok(())
    }

    fn observe(&mut self, name: String, labels: Vec<Label>, value: f64) -> wasmtime::Result<()> {
        let arguments: [&dyn Bytes; 2] = [&name, &labels];
        self.0.tell(arguments, |meters, whose| meters.observe(whose, &name, pairs(&labels), value));
        Ok(())
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    metrics::add_to_linker::<T, Has>(linker, view)
}
