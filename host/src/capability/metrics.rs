//! `chore:peer/metrics`: a chore's own counters, gauges and histograms, under its name.

use wasmtime::component::{HasData, Linker};

use crate::bindings::metrics::{self, Label};
use crate::meters::Meters;
use crate::name::ChoreName;

/// The meters that one call writes.
pub struct Context {
    pub chore: ChoreName,
    pub meters: Meters,
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

fn pairs(labels: Vec<Label>) -> Vec<(String, String)> {
    labels.into_iter().map(|label| (label.key, label.value)).collect()
}

impl metrics::Host for View<'_> {
    fn count(&mut self, name: String, labels: Vec<Label>, delta: u64) -> wasmtime::Result<()> {
        self.0.meters.count(self.0.chore.as_str(), &name, pairs(labels), delta);
        Ok(())
    }

    fn gauge(&mut self, name: String, labels: Vec<Label>, value: f64) -> wasmtime::Result<()> {
        self.0.meters.gauge(self.0.chore.as_str(), &name, pairs(labels), value);
        Ok(())
    }

    fn observe(&mut self, name: String, labels: Vec<Label>, value: f64) -> wasmtime::Result<()> {
        self.0.meters.observe(self.0.chore.as_str(), &name, pairs(labels), value);
        Ok(())
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    metrics::add_to_linker::<T, Has>(linker, view)
}
