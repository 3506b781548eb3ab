//! `chore:peer/state`: what one call leaves for the next.
//!
//! A saved value waits in the context; who made the call keeps it only if the call succeeded.

use wasmtime::component::{Accessor, HasData, Linker};

use crate::bindings::state::{self, Saved};
use crate::bindings::types::{Error, ErrorKind};
use crate::capability::{Shared, Traffic, error};
use crate::error::chain;
use crate::limits::STATE_BYTES_MAX;
use crate::memory::Memory;
use crate::name::ChoreName;

/// The state of one chore, as one call sees it.
pub struct Context {
    pub chore: ChoreName,
    pub memory: Memory,
    pub shared: Shared,
    pub traffic: Traffic,
    /// What this call saved last; its own loads see the older value until it has succeeded.
    pub pending: Option<Vec<u8>>,
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

impl Context {
    pub(super) fn load(&self) -> impl Future<Output = Result<Option<Saved>, Error>> + Send + use<> {
        let called = self.traffic.called(&[]);
        let (chore, memory) = (self.chore.clone(), self.memory.clone());
        let load = async move {
            let found = memory.load_state(chore.as_str()).await;
            let found = found.map_err(|err| error(ErrorKind::Internal, chain(&err)))?;
            Ok(found.map(|state| Saved { data: state.data, version: state.version }))
        };
        called.after(self.shared.clone().bound("load state", load))
    }

    pub(super) fn save(&mut self, data: Vec<u8>) -> Result<(), Error> {
        self.traffic.called(&[&data]);
        if data.len() > STATE_BYTES_MAX {
            let message =
                format!("save state: {} bytes, at most {STATE_BYTES_MAX} are kept", data.len());
            return Err(error(ErrorKind::TooLarge, message));
        }
        self.pending = Some(data);
        Ok(())
    }
}

impl state::Host for View<'_> {}

impl<T: Send + 'static> state::HostWithStore<T> for Has {
    async fn load(accessor: &Accessor<T, Self>) -> wasmtime::Result<Result<Option<Saved>, Error>> {
        let load = accessor.with(|mut access| access.get().0.load());
        Ok(load.await)
    }

    async fn save(
        accessor: &Accessor<T, Self>,
        data: Vec<u8>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(accessor.with(|mut access| access.get().0.save(data)))
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    state::add_to_linker::<T, Has>(linker, view)
}
