//! Runs one call of one component, and knows no schedule.
//!
//! There is one [`Runtime`] in a process: one engine, one linker, one thread that ticks. A
//! component is compiled once for its digest into a [`Program`]; every call of it gets a fresh
//! store, so that dropping the store is the whole of cancelling, nothing leaks from call to call,
//! and a trap hurts nobody else. Three nets stop a call: the epoch tick for guest code that spins,
//! a timeout outside the store for a guest that waits, and a deadline inside every host function.

mod compile;
mod instance;
mod limiter;
mod store;
mod stub;

pub use compile::{Error, Program};
pub use instance::{Call, Done, Ended};

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine};

use crate::limits::{COMPILATIONS_AT_ONCE, EPOCH_TICK, PROGRAMS_KEPT_MAX};
use crate::package::Digest;
use store::{Bare, Granted};

/// What compiles and runs components. Clones share one engine.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<Granted>,
    bare_linker: Linker<Bare>,
    compiling: Semaphore,
    programs: Mutex<HashMap<Digest, Program>>,
}

impl Runtime {
    /// Compiles as many components at once as the limits say.
    pub fn new() -> Result<Runtime, Error> {
        Runtime::with_compilations(COMPILATIONS_AT_ONCE)
    }

    /// Starts the thread that ticks; it ends with the last clone.
    pub fn with_compilations(at_once: usize) -> Result<Runtime, Error> {
        let engine = Engine::new(&config()).map_err(Error::engine)?;
        let linker = store::linker(&engine).map_err(Error::engine)?;
        let bare_linker = store::bare_linker(&engine).map_err(Error::engine)?;
        tick(&engine)?;
        Ok(Runtime(Arc::new(Inner {
            engine,
            linker,
            bare_linker,
            compiling: Semaphore::new(at_once.max(1)),
            programs: Mutex::default(),
        })))
    }

    /// The component in `bytes`, ready to be called. Bytes of a known digest are not compiled
    /// again; others are, off the async threads and few at once.
    pub async fn compile(&self, bytes: Arc<[u8]>, digest: Digest) -> Result<Program, Error> {
        if let Some(program) = self.known(&digest) {
            return Ok(program);
        }
        let _turn = self.0.compiling.acquire().await.map_err(|_| Error::Closed)?;
        // Who waited for its turn may have waited for this very component.
        if let Some(program) = self.known(&digest) {
            return Ok(program);
        }
        let inner = self.clone();
        let compile = move || Program::compile(&inner, &bytes);
        let program = tokio::task::spawn_blocking(compile).await.map_err(|_| Error::Closed)??;
        let mut programs = lock(&self.0.programs);
        if programs.len() >= PROGRAMS_KEPT_MAX {
            programs.clear();
        }
        programs.insert(digest, program.clone());
        Ok(program)
    }

    fn known(&self, digest: &Digest) -> Option<Program> {
        lock(&self.0.programs).get(digest).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Only what chores need; what no toolchain for chores emits is off.
fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.wasm_component_model(true);
    config.wasm_component_model_async(true);
    config.wasm_memory64(false);
    config.wasm_multi_memory(true);
    config.wasm_backtrace_max_frames(NonZeroUsize::new(16));
    config
}

/// A thread of the operating system, because a guest that does not yield can hold the very async
/// thread that drives timers.
fn tick(engine: &Engine) -> Result<(), Error> {
    let engine = engine.weak();
    let ticker = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(EPOCH_TICK);
        }
    };
    let thread = std::thread::Builder::new().name("chore-epoch".into()).spawn(ticker);
    thread.map(drop).map_err(Error::Thread)
}
