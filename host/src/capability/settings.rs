//! `chore:peer/settings`: what the operator set, checked before the chore was loaded.

use std::sync::Arc;

use wasmtime::component::{HasData, Linker};

use crate::bindings::settings;
use crate::capability::Traffic;

/// The settings that one call reads: every setting of the descriptor that has a value.
pub struct Context {
    pub settings: Arc<Vec<(String, String)>>,
    pub traffic: Traffic,
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

impl settings::Host for View<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Option<String>> {
        let called = self.0.traffic.called(&[&name]);
        let found = self.0.settings.iter().find(|(key, _)| *key == name);
        Ok(called.with(found.map(|(_, value)| value.clone())))
    }

    fn get_all(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.0.traffic.called(&[]).with(self.0.settings.to_vec()))
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    settings::add_to_linker::<T, Has>(linker, view)
}
