//! Runs one call of one component, and knows no schedule.
//!
//! There is one [`Runtime`] in a process: one engine, one linker, one thread that ticks. A
//! component is compiled once for its digest into a [`Program`], or comes compiled from the
//! [`cache`]; every call of it gets a fresh store, so that dropping the store is the whole of
//! cancelling, nothing leaks from call to call, and a trap hurts nobody else. Three nets stop a
//! call: the epoch tick for guest code that spins, a timeout outside the store for a guest that
//! waits, and a deadline inside every host function.

pub mod cache;
mod compile;
mod cpu;
mod fixed;
mod instance;
mod limiter;
mod store;
mod stub;
mod world;

pub use compile::{Error, Program};
pub use cpu::Processor;
pub use instance::{Call, Done, Ended};

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::warn;
use wasmtime::component::Linker;
use wasmtime::{Config, Engine};

use crate::error::chain;
use crate::limits::{COMPILATIONS_AT_ONCE, COMPILE_TIMEOUT, EPOCH_TICK, EVENTS_EVERY};
use crate::meters::Tally;
use crate::package::Digest;
use cache::{Cache, Fingerprint, Place};
use compile::Linked;
use store::{Bare, Granted};

/// The threads that whatever waits is run on. Guests take long turns: who would look at timers and
/// sockets only after many of them, as is usual, would begin other chores' runs late.
pub fn threads() -> tokio::runtime::Builder {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    threads.enable_all().event_interval(EVENTS_EVERY);
    threads
}

/// How components are compiled.
#[derive(Clone, Debug)]
pub struct Options {
    /// At least one.
    pub compilations_at_once: usize,
    /// How long who waits for a compilation waits, and for its turn while no other one ends.
    pub compile_timeout: Duration,
    /// When `None`, compiled code is kept nowhere.
    pub cache: Option<Place>,
}

impl Default for Options {
    /// As many at once as the limits say, and no cache.
    fn default() -> Options {
        Options {
            compilations_at_once: COMPILATIONS_AT_ONCE,
            compile_timeout: COMPILE_TIMEOUT,
            cache: None,
        }
    }
}

/// A component that can be called, and where its code is from.
pub struct Compiled {
    pub program: Program,
    pub origin: Origin,
}

/// Where compiled code is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is in use already.
    Memory,
    Cache,
    Compiler,
}

impl Origin {
    const ALL: [Origin; 3] = [Origin::Memory, Origin::Cache, Origin::Compiler];

    fn word(self) -> &'static str {
        match self {
            Origin::Memory => "memory",
            Origin::Cache => "cache",
            Origin::Compiler => "compiler",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What compiles and runs components. Clones share one engine.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>);

struct Inner {
    engine: Engine,
    linker: Linker<Granted>,
    bare_linker: Linker<Bare>,
    compiling: Arc<Semaphore>,
    /// How many compilations have ended.
    compiled: AtomicU64,
    compile_timeout: Duration,
    /// Those in use: the code of a chore that was replaced goes with its last call.
    programs: Mutex<HashMap<Digest, Weak<Linked>>>,
    place: Option<Place>,
    /// Opened by the first compilation, which is off the async threads. `None` if it cannot be used.
    cache: OnceLock<Option<Cache>>,
    origins: Tally,
    /// What the compiler took, in nanoseconds.
    compile_nanos: AtomicU64,
}

impl Runtime {
    /// With the default options.
    pub fn new() -> Result<Runtime, Error> {
        Runtime::with(Options::default())
    }

    /// Starts the thread that ticks; it ends with the last clone.
    pub fn with(options: Options) -> Result<Runtime, Error> {
        let engine = Engine::new(&config()).map_err(Error::engine)?;
        let linker = store::linker(&engine).map_err(Error::engine)?;
        let bare_linker = store::bare_linker(&engine).map_err(Error::engine)?;
        tick(&engine)?;
        Ok(Runtime(Arc::new(Inner {
            engine,
            linker,
            bare_linker,
            compiling: Arc::new(Semaphore::new(options.compilations_at_once.max(1))),
            compiled: AtomicU64::new(0),
            compile_timeout: options.compile_timeout,
            programs: Mutex::default(),
            place: options.cache,
            cache: OnceLock::new(),
            origins: Tally::of(&Origin::ALL.map(Origin::word)),
            compile_nanos: AtomicU64::new(0),
        })))
    }

    /// The component in `bytes`, whose digest is `digest`, ready to be called. What is in use or in
    /// the cache is not compiled again; the rest is, off the async threads and few at once.
    pub async fn compile(&self, bytes: Arc<[u8]>, digest: Digest) -> Result<Compiled, Error> {
        let compiled = self.find_or_compile(bytes, digest).await?;
        self.0.origins.add(compiled.origin.word());
        Ok(compiled)
    }

    /// How often code came from where, and what the compiler took, since the start.
    pub fn compiled(&self) -> (BTreeMap<&'static str, u64>, Duration) {
        let nanos = self.0.compile_nanos.load(Ordering::Relaxed);
        (self.0.origins.counts(), Duration::from_nanos(nanos))
    }

    async fn find_or_compile(&self, bytes: Arc<[u8]>, digest: Digest) -> Result<Compiled, Error> {
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        // Without a turn: this takes a moment, and must not wait for a compiler.
        let runtime = self.clone();
        let load = move || Program::load(&runtime, &digest);
        if let Some(program) = off_the_async_threads(load).await? {
            return Ok(self.keep(digest, program, Origin::Cache));
        }
        let turn = self.compiler().await?;
        // Who waited for its turn may have waited for this very component.
        if let Some(known) = self.known(&digest) {
            return Ok(known);
        }
        let runtime = self.clone();
        let compile = move || {
            // Ends with the work, also when nobody waits for it any longer.
            let _turn = turn;
            let begun = Instant::now();
            let program = Program::compile(&runtime, &bytes, &digest);
            let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
            runtime.0.compile_nanos.fetch_add(nanos, Ordering::Relaxed);
            runtime.0.compiled.fetch_add(1, Ordering::Relaxed);
            program
        };
        let limit = self.0.compile_timeout;
        let compiled = tokio::time::timeout(limit, off_the_async_threads(compile)).await;
        let program = compiled.map_err(|_| Error::CompileTimedOut { limit })???;
        Ok(self.keep(digest, program, Origin::Compiler))
    }

    /// A turn to compile. A compiler cannot be interrupted, so one that outlives its limit keeps its
    /// turn, and the cores it takes are never more than were allowed; who waits for such a one gives
    /// up, and who waits in a long queue that moves does not.
    async fn compiler(&self) -> Result<OwnedSemaphorePermit, Error> {
        let limit = self.0.compile_timeout;
        loop {
            let before = self.0.compiled.load(Ordering::Relaxed);
            match tokio::time::timeout(limit, self.0.compiling.clone().acquire_owned()).await {
                Ok(turn) => return turn.map_err(|_| Error::Closed),
                Err(_) if self.0.compiled.load(Ordering::Relaxed) == before => {
                    return Err(Error::NoCompiler { limit });
                }
                Err(_) => {}
            }
        }
    }

    fn known(&self, digest: &Digest) -> Option<Compiled> {
        let linked = lock(&self.0.programs).get(digest).and_then(Weak::upgrade)?;
        Some(Compiled { program: Program(linked), origin: Origin::Memory })
    }

    /// Remembers a program for as long as it is used. Of two that came at once, the first is kept.
    fn keep(&self, digest: Digest, program: Program, origin: Origin) -> Compiled {
        let mut programs = lock(&self.0.programs);
        if let Some(first) = programs.get(&digest).and_then(Weak::upgrade) {
            return Compiled { program: Program(first), origin: Origin::Memory };
        }
        programs.retain(|_, linked| linked.strong_count() > 0);
        programs.insert(digest, Arc::downgrade(&program.0));
        Compiled { program, origin }
    }
}

impl Inner {
    /// Blocks when it is asked first. That it cannot be used is said once.
    fn cache(&self) -> Option<&Cache> {
        let place = self.place.as_ref()?;
        let open = || match Cache::open(place, fingerprint(&self.engine)) {
            Ok(cache) => Some(cache),
            Err(err) => {
                warn!("compiled code is not kept, every start compiles: {}", chain(&err));
                None
            }
        };
        self.cache.get_or_init(open).as_ref()
    }
}

async fn off_the_async_threads<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Closed)
}

/// Of all that compiled code depends on: compiler and version, its settings, features of the CPU.
fn fingerprint(engine: &Engine) -> Fingerprint {
    Fingerprint::of(&engine.precompile_compatibility_hash())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A component of one core module with one long function, which takes a while.
    fn long_to_compile() -> Vec<u8> {
        let with_length = |bytes: &[u8]| {
            // Three bytes of LEB128, whatever the length is.
            let length = bytes.len();
            let part = |shift: usize| u8::try_from((length >> shift) & 0x7f).unwrap();
            [&[part(0) | 0x80, part(7) | 0x80, part(14)][..], bytes].concat()
        };
        let body = [&[0][..], &[0x41, 1, 0x1a].repeat(20_000), &[0x0b]].concat();
        let code = with_length(&[&[1][..], &with_length(&body)].concat());
        let head = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a";
        let module = with_length(&[&head[..], &code].concat());
        [&b"\0asm\x0d\0\x01\0\x01"[..], &module].concat()
    }

    #[tokio::test]
    async fn who_waits_for_a_compilation_or_a_turn_gives_up_in_time() {
        let options = Options { compile_timeout: Duration::ZERO, ..Options::default() };
        let runtime = Runtime::with(options).unwrap();
        let bytes: Arc<[u8]> = long_to_compile().into();
        let digest = Digest::of(&bytes);
        let compile = async || runtime.compile(bytes.clone(), digest).await.err().unwrap();
        let err = compile().await.to_string();
        assert!(err.contains("not done within 0s, the limit"), "{err}");
        assert!(err.contains("raise `compile-timeout` below [chores] in chore.toml"), "{err}");
        // What nobody waits for any longer gives its turn back when it is done.
        let turn = runtime.0.compiling.acquire().await.unwrap();
        let err = compile().await.to_string();
        assert!(err.contains("those before it are not done within 0s"), "{err}");
        drop(turn);
    }

    #[test]
    fn engines_of_one_config_share_code_and_others_do_not() {
        let ours = fingerprint(&Engine::new(&config()).unwrap());
        assert_eq!(fingerprint(&Runtime::new().unwrap().0.engine), ours);
        assert_eq!(fingerprint(&Runtime::new().unwrap().0.engine), ours);
        let mut other = config();
        other.consume_fuel(true);
        assert_ne!(fingerprint(&Engine::new(&other).unwrap()), ours);
    }
}
