//! `wasi:clocks/monotonic-clock` of WASI 0.3, of which chores get the function that waits: the rest
//! of the call goes on meanwhile, which it does not where WASI 0.2 waits.

use std::time::Duration;

use wasmtime::component::Linker;

/// As the component imports it.
pub const INTERFACE: &str = "wasi:clocks/monotonic-clock@0.3.0";

/// Needs no view: whatever it is told, the call's own end ends it.
pub fn add_to_linker<T: Send + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    linker.instance(INTERFACE)?.func_wrap_concurrent("wait-for", |_, (nanos,): (u64,)| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_nanos(nanos)).await;
            Ok(())
        })
    })
}
