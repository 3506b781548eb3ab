//! From the bytes of a component to a program that can be called.

use std::sync::Arc;

use tracing::warn;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::bindings::ChorePre;
use crate::contract::{NEWER, PACKAGE, VERSION, Version};
use crate::error::chain;
use crate::package::Digest;
use crate::runtime::cache::Verified;
use crate::runtime::store::{Bare, Granted};
use crate::runtime::{Runtime, stub};

/// The export that makes a component a chore. The linker takes it in any version that goes with this.
const LIFECYCLE: &str = "chore:peer/lifecycle@0.1.0";

/// Exports that may wait, so that the host can only call them if they are `async func`.
const ASYNC_EXPORTS: [&str; 3] = ["open", "run", "close"];

/// Why a component cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("start the wasm engine: {0}")]
    Engine(String),
    #[error("start the thread that watches running chores")]
    Thread(#[source] std::io::Error),
    #[error("compile the component: {0}")]
    Compile(String),
    #[error("link the component: {0}")]
    Link(String),
    #[error(
        "the component's `{0}` is a plain func where the contract has an async func: rebuild it \
         with bindings of this contract"
    )]
    NotAsync(&'static str),
    #[error("describe: {0}")]
    Describe(String),
    #[error("the peer is closing")]
    Closed,
}

impl Error {
    pub(super) fn engine(err: wasmtime::Error) -> Error {
        Error::Engine(format!("{err:#}"))
    }
}

/// A compiled and linked component. Clones share the code.
#[derive(Clone)]
pub struct Program(pub(super) Arc<Linked>);

pub(super) struct Linked {
    /// Keeps the engine's thread and linkers.
    pub runtime: Runtime,
    pub granted: ChorePre<Granted>,
    pub bare: ChorePre<Bare>,
}

impl Program {
    /// Blocks for as long as the compiler takes: about a millisecond for each kilobyte. The cache
    /// gets what can be linked, so that what is refused takes no place there.
    pub(super) fn compile(
        runtime: &Runtime,
        bytes: &[u8],
        digest: &Digest,
    ) -> Result<Program, Error> {
        let component = Component::from_binary(&runtime.0.engine, bytes)
            .map_err(|err| Error::Compile(text(err)))?;
        let program = Program::link(runtime, &component)?;
        if let Some(cache) = runtime.0.cache() {
            match component.serialize() {
                Ok(code) => cache.store(digest, &code),
                Err(err) => warn!("the code of component {digest} is not kept: {}", text(err)),
            }
        }
        Ok(program)
    }

    /// From the cache; blocks for a few reads. Code that was good once and is no longer, because the
    /// host has changed, is compiled again: the compiler's error says what is wrong.
    pub(super) fn load(runtime: &Runtime, digest: &Digest) -> Option<Program> {
        let cache = runtime.0.cache()?;
        let component = deserialize(&runtime.0.engine, &cache.load(digest)?);
        let component = component.map_err(|err| Error::Compile(text(err)));
        match component.and_then(|component| Program::link(runtime, &component)) {
            Ok(program) => Some(program),
            Err(err) => {
                cache.discard(digest, chain(&err));
                None
            }
        }
    }

    fn link(runtime: &Runtime, component: &Component) -> Result<Program, Error> {
        let inner = &runtime.0;
        check_async(runtime, component)?;
        let link = |err| Error::Link(format!("{}{}", text(err), hint(runtime, component)));
        let granted = inner.linker.instantiate_pre(component).and_then(ChorePre::new);
        // To describe itself a component needs no capability, so what it imports is a trap there.
        let mut bare_linker = inner.bare_linker.clone();
        stub::capabilities(&mut bare_linker, component).map_err(link)?;
        let bare = bare_linker.instantiate_pre(component).and_then(ChorePre::new);
        Ok(Program(Arc::new(Linked {
            runtime: runtime.clone(),
            granted: granted.map_err(link)?,
            bare: bare.map_err(link)?,
        })))
    }
}

/// The only way compiled code becomes a component without the compiler.
#[allow(unsafe_code)]
fn deserialize(engine: &Engine, code: &Verified) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must come from `Component::serialize`, unchanged. Only the cache makes a
    // `Verified`, of bytes whose MAC fits a secret that no other user can read, and it makes such
    // MACs of what `Program::compile` serialized only. They are in memory that nobody else changes.
    unsafe { Component::deserialize(engine, code.code()) }
}

fn text(err: wasmtime::Error) -> String {
    format!("{err:#}")
}

/// A component whose exports are plain functions links, and traps at its first host call that
/// waits: better refused now.
fn check_async(runtime: &Runtime, component: &Component) -> Result<(), Error> {
    let engine = &runtime.0.engine;
    let Some((lifecycle, _)) = component.get_export(None, LIFECYCLE) else {
        return Err(Error::Link(format!("the component exports no {LIFECYCLE}: it is no chore")));
    };
    let ComponentItem::ComponentInstance(lifecycle) = lifecycle else {
        return Err(Error::Link(format!("{LIFECYCLE} is no interface")));
    };
    for name in ASYNC_EXPORTS {
        if let Some(export) = lifecycle.get_export(engine, name)
            && let ComponentItem::ComponentFunc(func) = export.ty
            && !func.async_()
        {
            return Err(Error::NotAsync(name));
        }
    }
    Ok(())
}

/// What to do if a component cannot be linked because it is made for a later version, which may have
/// functions that this host lacks.
fn hint(runtime: &Runtime, component: &Component) -> String {
    let ty = component.component_type();
    let names = ty.imports(&runtime.0.engine).map(|(name, _)| name);
    let versions = names.filter_map(|name| name.strip_prefix(PACKAGE)?.split_once('@'));
    let latest = versions.filter_map(|(_, version)| Version::parse(version)).max();
    match latest.filter(|latest| *latest > VERSION) {
        Some(latest) => {
            format!(" (it is made for {PACKAGE}*@{latest}, this host has {VERSION}: {NEWER})")
        }
        None => String::new(),
    }
}
