//! Capabilities that trap when they are called: what a component has that only describes itself.
//!
//! Only those of our own contract. `define_unknown_imports_as_traps` would also hide the WASI that
//! is there, when the component asks for an earlier patch of it.

use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType};

/// The package of the contract.
const PACKAGE: &str = "chore:peer/";

pub fn capabilities<T: Send + 'static>(
    linker: &mut Linker<T>,
    component: &Component,
) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    for (name, import) in component.component_type().imports(&engine) {
        if let ComponentItem::ComponentInstance(interface) = import.ty
            && name.starts_with(PACKAGE)
        {
            stub(&engine, &mut linker.instance(name)?, name, &interface)?;
        }
    }
    Ok(())
}

fn stub<T: Send + 'static>(
    engine: &Engine,
    linker: &mut LinkerInstance<'_, T>,
    interface: &str,
    items: &ComponentInstance,
) -> wasmtime::Result<()> {
    for (name, item) in items.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(func) => trap(linker, interface, name, &func)?,
            ComponentItem::Resource(_) => {
                linker.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn trap<T: Send + 'static>(
    linker: &mut LinkerInstance<'_, T>,
    interface: &str,
    name: &str,
    func: &ComponentFunc,
) -> wasmtime::Result<()> {
    let message = format!("describe may not call {interface}#{name}: it has no capability");
    let refuse = move || wasmtime::Error::msg(message.clone());
    match func.async_() {
        true => linker.func_new_concurrent(name, move |_, _, _, _| {
            let refused = refuse();
            Box::pin(std::future::ready(Err(refused)))
        }),
        false => linker.func_new(name, move |_, _, _, _| Err(refuse())),
    }
}
