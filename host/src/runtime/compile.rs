//! From the bytes of a component to a program that can be called.

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use crate::contract::{self, NEWER, PACKAGE, VERSION};
use crate::error::chain;
use crate::package::{Digest, World};
use crate::runtime::cache::Verified;
use crate::runtime::store::{Bare, Granted};
use crate::runtime::world::Callable;
use crate::runtime::{Runtime, stub};
use crate::units::format_duration;

/// Functions of a lifecycle that may wait.
const WAITING: [&str; 3] = ["open", "run", "close"];

/// Why a component cannot be called.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("start the wasm engine: {0}")]
    Engine(String),
    #[error("start the thread that watches running chores")]
    Thread(#[source] std::io::Error),
    #[error("compile the component: {0}")]
    Compile(String),
    #[error(
        "compile the component: not done within {}, the limit: a compilation cannot be interrupted, it \
         goes on; reload the chore later, or raise `compile-timeout` below [chores] in chore.toml",
        format_duration(*.limit)
    )]
    CompileTimedOut { limit: Duration },
    #[error(
        "compile the component: those before it are not done within {}, the limit: reload the chore \
         later, or raise `compile-at-once` below [chores] in chore.toml",
        format_duration(*.limit)
    )]
    NoCompiler { limit: Duration },
    #[error("link the component: {0}")]
    Link(String),
    #[error(
        "the component's `{function}` of {lifecycle} is {}, and the contract has {}: rebuild it with \
         bindings of this contract",
        kind(*.is_async),
        kind(!.is_async)
    )]
    OtherKind { lifecycle: String, function: &'static str, is_async: bool },
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
    pub granted: Callable<Granted>,
    pub bare: Callable<Bare>,
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
        let world = world(&inner.engine, component)?;
        let link = |err| Error::Link(format!("{}{}", text(err), hint(runtime, component)));
        let granted = inner.linker.instantiate_pre(component);
        let granted = granted.and_then(|granted| Callable::new(granted, world));
        // To describe itself a component needs no capability, so what it imports is a trap there.
        let mut bare_linker = inner.bare_linker.clone();
        stub::capabilities(&mut bare_linker, component).map_err(link)?;
        let bare = bare_linker.instantiate_pre(component);
        let bare = bare.and_then(|bare| Callable::new(bare, world));
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

/// How the component is called. What has a function of the wrong kind would link, and trap at its
/// first host call that waits or when it is called: better refused now.
fn world(engine: &Engine, component: &Component) -> Result<World, Error> {
    // The component may have it in any version that goes with this one.
    let export = |world: World| Some((world, component.get_export(None, world.lifecycle())?.0));
    let (world, export) = World::ALL.into_iter().find_map(export).ok_or_else(|| {
        let lifecycle = World::Chore.lifecycle();
        Error::Link(format!("the component exports no {lifecycle}: it is no chore"))
    })?;
    let lifecycle = world.lifecycle();
    let ComponentItem::ComponentInstance(functions) = export else {
        return Err(Error::Link(format!("{lifecycle} is no interface")));
    };
    for function in WAITING {
        if let Some(export) = functions.get_export(engine, function)
            && let ComponentItem::ComponentFunc(func) = export.ty
            && func.async_() != (world == World::Chore)
        {
            return Err(Error::OtherKind { lifecycle, function, is_async: func.async_() });
        }
    }
    Ok(world)
}

fn kind(is_async: bool) -> &'static str {
    if is_async { "an async func" } else { "a plain func" }
}

/// What to do if a component cannot be linked because it is made for a later version, which may have
/// functions that this host lacks.
fn hint(runtime: &Runtime, component: &Component) -> String {
    let ty = component.component_type();
    let names = ty.imports(&runtime.0.engine).map(|(name, _)| name);
    let versions = names.filter_map(|name| name.strip_prefix(PACKAGE)?.split_once('@'));
    let latest = versions.filter_map(|(_, version)| contract::parse(version)).max();
    match latest.filter(|latest| *latest > VERSION) {
        Some(latest) => {
            format!(" (it is made for {PACKAGE}*@{latest}, this host has {VERSION}: {NEWER})")
        }
        None => String::new(),
    }
}
