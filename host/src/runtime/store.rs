//! What a store holds while a component is called, and the linkers that go with it.

use wasmtime::Engine;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capability::{self, Contexts};
use crate::limits::{RANDOM_BYTES_MAX, RESOURCES_MAX, STDERR_BYTES_MAX};
use crate::runtime::limiter::Limiter;

/// Enough to instantiate a component and ask it to describe itself: no capability at all.
pub struct Bare {
    wasi: WasiCtx,
    table: ResourceTable,
    pub limiter: Limiter,
    /// Where a panicking guest leaves its last words.
    stderr: MemoryOutputPipe,
}

impl Bare {
    /// WASI with nothing granted: no file, no network, no environment, no arguments. Clocks and
    /// random numbers remain.
    pub fn new(memory_bytes_max: usize) -> Bare {
        let stderr = MemoryOutputPipe::new(STDERR_BYTES_MAX);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        Bare {
            wasi: WasiCtx::builder()
                .stderr(stderr.clone())
                .max_random_size(RANDOM_BYTES_MAX)
                .build(),
            table,
            limiter: Limiter::new(memory_bytes_max),
            stderr,
        }
    }

    /// What the guest wrote to its standard error, on one line.
    pub fn last_words(&self) -> String {
        let bytes = self.stderr.contents();
        let text = String::from_utf8_lossy(&bytes);
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with("note: run with `RUST_BACKTRACE"));
        lines.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).collect()
    }
}

impl WasiView for Bare {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// What a call with capabilities holds.
pub struct Granted {
    pub bare: Bare,
    pub contexts: Contexts,
}

impl WasiView for Granted {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.bare.ctx()
    }
}

pub fn bare_linker(engine: &Engine) -> wasmtime::Result<Linker<Bare>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    capability::clocks::add_to_linker(&mut linker)?;
    Ok(linker)
}

pub fn linker(engine: &Engine) -> wasmtime::Result<Linker<Granted>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    capability::clocks::add_to_linker(&mut linker)?;
    capability::log::add_to_linker(&mut linker, |granted: &mut Granted| {
        capability::log::View(&mut granted.contexts.log)
    })?;
    capability::settings::add_to_linker(&mut linker, |granted: &mut Granted| {
        capability::settings::View(&mut granted.contexts.settings)
    })?;
    capability::state::add_to_linker(&mut linker, |granted: &mut Granted| {
        capability::state::View(&mut granted.contexts.state)
    })?;
    capability::cycle::add_to_linker(&mut linker, |granted: &mut Granted| {
        capability::cycle::View(&mut granted.contexts.cycle)
    })?;
    capability::sql::add_to_linker(&mut linker, |granted: &mut Granted| capability::sql::View {
        context: &mut granted.contexts.sql,
        table: &mut granted.bare.table,
    })?;
    capability::orders::add_to_linker(&mut linker, |granted: &mut Granted| {
        capability::orders::View(&mut granted.contexts.orders)
    })?;
    capability::kademlia::add_to_linker(&mut linker, |granted: &mut Granted| {
        capability::kademlia::View(&mut granted.contexts.kademlia)
    })?;
    capability::transport::add_to_linker(&mut linker, |granted: &mut Granted| {
        capability::transport::View {
            context: &mut granted.contexts.transport,
            table: &mut granted.bare.table,
        }
    })?;
    capability::metrics::add_to_linker(&mut linker, |granted: &mut Granted| {
        capability::metrics::View(&mut granted.contexts.metrics)
    })?;
    capability::sync::add_to_linker(&mut linker, |granted: &mut Granted| capability::sync::View {
        contexts: &mut granted.contexts,
        table: &mut granted.bare.table,
    })?;
    Ok(linker)
}
