//! Write a chore: internal peer logic that runs in regular intervals, as a WebAssembly component.
//!
//! A whole chore, `src/lib.rs` of a crate with `crate-type = ["cdylib"]`:
//!
//! ```
//! use chore_sdk::prelude::*;
//!
//! /// Says hello.
//! #[derive(Settings)]
//! pub struct Hello {
//!     /// Whom to greet.
//!     #[setting(default = "world")]
//!     name: String,
//! }
//!
//! #[chore(interval = "1h", timeout = "1m")]
//! impl Chore for Hello {
//!     async fn run(&mut self, tick: Tick) -> Result<()> {
//!         let before: u64 = state::load_text().await?.unwrap_or(0);
//!         info!(run = tick.iteration, before, "hello {}", self.name);
//!         state::save_text(before + 1).await
//!     }
//! }
//!
//! chore_sdk::export!(Hello);
//! # fn main() {
//! # let world = chore_sdk::testing::World::new().setting("name", "you").saved(b"6", "0.1.0");
//! # world.run::<Hello>(chore_sdk::testing::tick()).unwrap();
//! # assert_eq!(world.logs()[0].to_string(), "INFO hello you run=1 before=6");
//! # assert_eq!(world.state().unwrap().data, b"7");
//! # }
//! ```
//!
//! `cargo build --release --target wasm32-wasip2` makes the file that goes into a peer's chores
//! directory, under the chore's name. The struct's doc comment says what the chore is about, those
//! of its fields are the help of its settings. A chore needs a grant for what it imports, and it
//! imports only what it uses: [`orders`], [`kademlia`] and [`transport`] need one.
//!
//! It is tested on the author's own machine, without wasm and without a peer: see [`testing`].
//!
//! | a chore | with |
//! |---|---|
//! | has settings, checked before it sees them | [`Settings`](macro@settings::Settings) |
//! | runs in one cycle or several, and adds others | [`chore`](macro@chore), [`cycle`] |
//! | logs lines with fields, counts and measures | [`log`], [`metrics`] |
//! | keeps what outlives a run, over versions | [`state`], [`sql`] |
//! | reads and archives orders, finds nodes, calls them | [`orders`], [`kademlia`], [`transport`] |
//! | waits, limits how long it waits, and leaves something to chance | [`time`], [`random`] |
//! | says what failed | [`Error`], [`Context`], [`bail!`] |
//!
//! It needs not think of being cancelled: a call that should wind down is dropped where it waits,
//! unless it says otherwise, see [`cycle::cancelled`].
//!
//! Rooms, from the ground up: `error`, `node_id`, `incoming` and `units` know no peer; `backend`
//! asks it, or a fake; `log` to `time` are what a chore uses, one for each interface of the
//! contract and of WASI; `chore` is what its author writes; `component` exports it.

#![deny(missing_docs)]

// What the macros write names this crate from outside.
extern crate self as chore_sdk;

mod backend;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
mod chore;
#[cfg(target_arch = "wasm32")]
mod component;
#[cfg(any(test, feature = "contract"))]
#[doc(hidden)]
pub mod contract;
pub mod cycle;
mod error;
mod incoming;
pub mod kademlia;
pub mod log;
pub mod metrics;
mod node_id;
pub mod orders;
pub mod random;
pub mod settings;
pub mod sql;
pub mod state;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;
pub mod transport;
#[path = "../macros/src/units.rs"]
mod units;

/// Says when a chore runs; goes on its `impl Chore`.
///
/// `#[chore(interval = "1h", timeout = "10m")]` is a chore with one cycle, "main", whose help is
/// the doc comment of `run`. `delay_start` makes it wait one interval before the first run.
///
/// A chore with several cycles has a method for each, marked `#[cycle(…)]`. The cycle's name is the
/// method's with hyphens, that of `run` is "main", and its help is the method's doc comment or
/// `help = "…"`. Cycles that [`cycle::add`] adds run the method `#[cycle(added)]`; without one they
/// run `run`.
///
/// ```
/// use chore_sdk::prelude::*;
/// # use chore_sdk::testing::{World, tick, tick_of};
///
/// /// Keeps an eye on the disk.
/// #[derive(Settings)]
/// struct Disk;
///
/// #[chore]
/// impl Chore for Disk {
///     async fn open(&mut self, _: OpenReason) -> Result<()> {
///         cycle::add("disk-1", Duration::from_secs(60), Duration::from_secs(10))
///     }
///
///     /// Counts what is there.
///     #[cycle(interval = "1h", timeout = "10m")]
///     async fn run(&mut self, _: Tick) -> Result<()> {
///         metrics::count("looks_total", &[], 1);
///         Ok(())
///     }
///
///     /// Deletes what nobody needs.
///     #[cycle(interval = "5m", timeout = "1m", delay_start)]
///     async fn clean_up(&mut self, _: Tick) -> Result<()> {
///         metrics::count("cleans_total", &[], 1);
///         Ok(())
///     }
///
///     #[cycle(added)]
///     async fn one_disk(&mut self, tick: Tick) -> Result<()> {
///         metrics::count("looks_total", &[("disk", &tick.cycle)], 1);
///         Ok(())
///     }
/// }
/// # let world = World::new();
/// # world.open::<Disk>(OpenReason::Loaded).unwrap();
/// # for (tick, counter, labels) in [
/// #     (tick(), "looks_total", &[][..]),
/// #     (tick_of("clean-up"), "cleans_total", &[]),
/// #     (tick_of("disk-1"), "looks_total", &[("disk", "disk-1")]),
/// # ] {
/// #     world.run::<Disk>(tick).unwrap();
/// #     assert_eq!(world.counter(counter, labels), 1);
/// # }
/// # let helps: Vec<_> = Disk::cycles().into_iter().map(|cycle| (cycle.name, cycle.help)).collect();
/// # assert_eq!(helps[1], ("clean-up".to_owned(), "Deletes what nobody needs.".to_owned()));
/// ```
///
/// `winds_down` is for a chore that awaits [`cycle::cancelled`] itself, see [`Chore::WINDS_DOWN`].
/// What runs when cannot be said here, such as by a setting, is for [`Chore::cycles`] or for
/// [`cycle::add`].
///
/// What is wrong does not compile, and the compiler says what to write. A duration without a unit,
/// `"90" has no unit, write 90s or 90m`:
///
/// ```compile_fail
/// # use chore_sdk::prelude::*;
/// # #[derive(Settings)]
/// # struct Wrong;
/// #[chore(interval = "90", timeout = "1m")]
/// impl Chore for Wrong {
///     async fn run(&mut self, _: Tick) -> Result<()> {
///         Ok(())
///     }
/// }
/// ```
///
/// A method that no cycle can run, "a cycle's method is written
/// `async fn measure(&mut self, tick: Tick) -> Result<()>`":
///
/// ```compile_fail
/// # use chore_sdk::prelude::*;
/// # #[derive(Settings)]
/// # struct Wrong;
/// #[chore]
/// impl Chore for Wrong {
///     #[cycle(interval = "1m", timeout = "1m")]
///     fn measure(&mut self) -> Result<()> {
///         Ok(())
///     }
/// }
/// ```
///
/// A chore that does not say when it runs, `say when the chore runs, such as
/// #[chore(interval = "1h", timeout = "10m")]`:
///
/// ```compile_fail
/// # use chore_sdk::prelude::*;
/// # #[derive(Settings)]
/// # struct Wrong;
/// #[chore]
/// impl Chore for Wrong {
///     async fn run(&mut self, _: Tick) -> Result<()> {
///         Ok(())
///     }
/// }
/// ```
pub use chore_sdk_macros::chore;

pub use crate::chore::{Chore, CloseReason, CycleSpec, Descriptor, OpenReason, RunReason, Tick};
pub use crate::error::{Context, Error, Kind, Result};
pub use crate::incoming::Incoming;
pub use crate::node_id::{NODE_ID_BYTES, NodeId};
pub use crate::time::Timestamp;

/// What nearly every chore uses.
///
/// ```
/// use chore_sdk::prelude::*;
///
/// fn checked(free: u64) -> Result<Duration> {
///     if free == 0 {
///         bail!("check disk: nothing is free");
///     }
///     Ok(Duration::from_secs(free))
/// }
/// # assert!(checked(1).is_ok());
/// ```
pub mod prelude {
    pub use std::time::Duration;

    pub use crate::settings::{Secret, Settings, Size};
    pub use crate::{
        Chore, CloseReason, Context, CycleSpec, Error, Kind, NodeId, OpenReason, Result, RunReason,
        Tick, Timestamp, bail, chore, cycle, debug, error, info, kademlia, metrics, orders, params,
        random, sql, state, time, trace, transport, warn,
    };
}

/// Makes the crate a component that is this chore. Its name and version are those of the package.
///
/// ```
/// use chore_sdk::prelude::*;
///
/// /// Does nothing.
/// #[derive(Settings)]
/// pub struct Idle;
///
/// #[chore(interval = "1h", timeout = "1m")]
/// impl Chore for Idle {
///     async fn run(&mut self, _: Tick) -> Result<()> {
///         Ok(())
///     }
/// }
///
/// chore_sdk::export!(Idle);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    ($chore:ty) => {
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
            struct Crate;

            impl $crate::__private::Package for Crate {
                type Chore = $chore;
                const NAME: &'static str = ::core::env!("CARGO_PKG_NAME");
                const VERSION: &'static str = ::core::env!("CARGO_PKG_VERSION");
                const ABOUT: &'static str = ::core::env!("CARGO_PKG_DESCRIPTION");
            }

            type Exported = $crate::__private::Exported<Crate>;
            $crate::__private::bindings::export_component!(
                Exported with_types_in $crate::__private::bindings
            );
        };

        // Where there is nothing to export to, what is exported counts as used all the same.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() -> $crate::Descriptor = || {
            $crate::Descriptor::of::<$chore>(
                ::core::env!("CARGO_PKG_NAME"),
                ::core::env!("CARGO_PKG_VERSION"),
                ::core::env!("CARGO_PKG_DESCRIPTION"),
            )
        };
    };
}

/// What the macros use; no part of the interface.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_arch = "wasm32")]
    pub use crate::bindings;
    #[cfg(target_arch = "wasm32")]
    pub use crate::component::{Exported, Package};
}

/// The chore in the README is compiled too.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// And those in the authors' guide.
#[cfg(doctest)]
#[doc = include_str!("../../docs/tutorial.md")]
#[doc = include_str!("../../docs/how-to.md")]
struct Guide;
