//! Control of the chore's own cycles, and the wish that a call wind down.
//!
//! Everything is answered at once, in every state. A name that no cycle has is
//! [`Kind::NotFound`](crate::Kind::NotFound).
//!
//! ```
//! # use chore_sdk::{prelude::*, testing::World};
//! # World::new().block_on(async {
//! let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
//! for satellite in [NodeId::fake(1), NodeId::fake(2)] {
//!     let name = format!("satellite-{}", satellite.as_bytes()[0]);
//!     if let Err(err) = cycle::add(&name, hour, minute)
//!         && err.kind() != Kind::Conflict
//!     {
//!         return Err(err);
//!     }
//! }
//! cycle::change_interval("satellite-1", minute)?;
//! cycle::trigger("satellite-1")?;
//! cycle::pause("satellite-2")?;
//! assert_eq!(cycle::status("satellite-2")?, cycle::State::Paused);
//! cycle::restart("satellite-2")?;
//! cycle::remove("satellite-2")?;
//! assert_eq!(cycle::list(), ["satellite-1"]);
//! # Ok(()) }).unwrap();
//! ```

use std::time::Duration;

use crate::time::Timestamp;
use crate::{Result, backend};

/// What a cycle is doing.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # cycle::add("satellite-1", Duration::from_secs(3600), Duration::from_secs(60))?;
/// let due = match cycle::status("satellite-1")? {
///     cycle::State::Idle(next) => next.saturating_since(time::now()),
///     cycle::State::Running(_) => Duration::ZERO,
///     cycle::State::Paused | cycle::State::Disabled => Duration::MAX,
/// };
/// # assert_eq!(due, Duration::ZERO);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits; the next run is due then.
    Idle(Timestamp),
    /// Since then.
    Running(Timestamp),
    /// Runs only when triggered, until it is restarted.
    Paused,
    /// The operator switched it off. Runs only when triggered.
    Disabled,
}

/// Names of all cycles, those of the descriptor and those added.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # cycle::add("satellite-1", Duration::from_secs(3600), Duration::from_secs(60))?;
/// for name in cycle::list().iter().filter(|name| name.starts_with("satellite-")) {
///     cycle::remove(name)?;
/// }
/// assert_eq!(cycle::list(), [""; 0]);
/// # Ok(()) }).unwrap();
/// ```
pub fn list() -> Vec<String> {
    backend::cycle_list()
}

/// What a cycle is doing now.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # cycle::add("satellite-1", Duration::from_secs(3600), Duration::from_secs(60))?;
/// assert!(matches!(cycle::status("satellite-1")?, cycle::State::Idle(_)));
/// let none = cycle::status("satellite-2").unwrap_err();
/// assert_eq!(none.kind(), Kind::NotFound);
/// # Ok(()) }).unwrap();
/// ```
pub fn status(name: &str) -> Result<State> {
    backend::cycle_status(name)
}

/// No more runs on schedule, until [`restart`]. A run in progress goes on.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # cycle::add("satellite-1", Duration::from_secs(3600), Duration::from_secs(60))?;
/// cycle::pause("satellite-1")?;
/// assert_eq!(cycle::status("satellite-1")?, cycle::State::Paused);
/// # Ok(()) }).unwrap();
/// ```
pub fn pause(name: &str) -> Result<()> {
    backend::cycle_pause(name)
}

/// Ends a pause. The next run is due after a full interval.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # cycle::add("satellite-1", Duration::from_secs(3600), Duration::from_secs(60))?;
/// cycle::pause("satellite-1")?;
/// cycle::restart("satellite-1")?;
/// assert!(matches!(cycle::status("satellite-1")?, cycle::State::Idle(_)));
/// # Ok(()) }).unwrap();
/// ```
pub fn restart(name: &str) -> Result<()> {
    backend::cycle_restart(name)
}

/// Asks for a run now, or after the one in progress. Does not wait for it.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # cycle::add("satellite-1", Duration::from_secs(3600), Duration::from_secs(60))?;
/// cycle::trigger("satellite-1")?;
/// # assert_eq!(world.cycle("satellite-1").unwrap().triggers, 1);
/// # Ok(()) }).unwrap();
/// ```
pub fn trigger(name: &str) -> Result<()> {
    backend::cycle_trigger(name)
}

/// Takes effect at once and does not end a pause.
///
/// # Errors
///
/// [`Kind::Invalid`](crate::Kind::Invalid) if shorter than 1 ms or longer than ten years.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # cycle::add("satellite-1", Duration::from_secs(3600), Duration::from_secs(60))?;
/// // It answers slowly: ask it less often.
/// cycle::change_interval("satellite-1", Duration::from_secs(6 * 3600))?;
/// # assert_eq!(world.cycle("satellite-1").unwrap().interval.as_secs(), 6 * 3600);
/// # Ok(()) }).unwrap();
/// ```
pub fn change_interval(name: &str, interval: Duration) -> Result<()> {
    backend::cycle_change_interval(name, interval)
}

/// Adds a cycle that the chore does not declare, such as one per satellite, due at once. It runs the method
/// marked `#[cycle(added)]`, or `run`; see [`#[chore]`](macro@crate::chore).
///
/// # Errors
///
/// [`Kind::Conflict`](crate::Kind::Conflict) if there is one of that name,
/// [`Kind::TooLarge`](crate::Kind::TooLarge) beyond 1,000.
///
/// ```
/// use chore_sdk::prelude::*;
/// use chore_sdk::testing::{World, tick_of};
///
/// /// Keeps an eye on satellites.
/// #[derive(Settings)]
/// struct Watch;
///
/// #[chore]
/// impl Chore for Watch {
///     /// Sees to it that every satellite with orders has a cycle of its own, and no other has.
///     #[cycle(interval = "1h", timeout = "1m")]
///     async fn run(&mut self, _: Tick) -> Result<()> {
///         let satellites = orders::count_unsent().await?;
///         let mut gone = cycle::list();
///         gone.retain(|name| name != CycleSpec::MAIN);
///         for (satellite, _) in satellites {
///             // The name of a cycle has lower-case letters, digits and hyphens.
///             let name = format!("satellite-{}", satellite.as_bytes()[0]);
///             gone.retain(|other| *other != name);
///             match cycle::add(&name, Duration::from_secs(600), Duration::from_secs(60)) {
///                 Err(err) if err.kind() == Kind::Conflict => {} // It is there already.
///                 other => other?,
///             }
///         }
///         gone.iter().try_for_each(|name| cycle::remove(name))
///     }
///
///     #[cycle(added)]
///     async fn satellite(&mut self, tick: Tick) -> Result<()> {
///         info!(cycle = tick.cycle, "looks at one");
///         Ok(())
///     }
/// }
///
/// let world = World::new().unsent(NodeId::fake(1), 5);
/// world.run::<Watch>(tick_of("main")).unwrap();
/// assert_eq!(world.cycle("satellite-1").unwrap().interval.as_secs(), 600);
/// world.run::<Watch>(tick_of("satellite-1")).unwrap();
/// assert_eq!(world.logs()[0].to_string(), "INFO looks at one cycle=satellite-1");
/// # let world = world.fails("orders.archive", Kind::Internal);
/// # assert_eq!(world.run::<Watch>(tick_of("main")), Ok(()), "it is there already");
/// ```
pub fn add(name: &str, interval: Duration, timeout: Duration) -> Result<()> {
    backend::cycle_add(name, interval, timeout)
}

/// Takes away a cycle that was added.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// # cycle::add("satellite-1", Duration::from_secs(3600), Duration::from_secs(60))?;
/// cycle::remove("satellite-1")?;
/// // Those that the chore declares stay.
/// # assert_eq!(cycle::list(), [""; 0]);
/// # Ok(()) }).unwrap();
/// ```
pub fn remove(name: &str) -> Result<()> {
    backend::cycle_remove(name)
}

/// Resolves when the call in progress should wind down: out of time, cancelled by the operator, or
/// the chore is being replaced or closed.
///
/// Only a chore with [`WINDS_DOWN`](crate::Chore::WINDS_DOWN) gets to see it; any other call has
/// been dropped by then. What still waits when the grace period (10 s) is over loses its instance.
///
/// ```
/// use chore_sdk::prelude::*;
/// # use chore_sdk::testing::{World, tick};
///
/// /// Counts as long as it may.
/// #[derive(Settings)]
/// struct Counts;
///
/// #[chore(interval = "1h", timeout = "1m", winds_down)]
/// impl Chore for Counts {
///     async fn run(&mut self, _: Tick) -> Result<()> {
///         let mut seconds: u64 = state::load_text().await?.unwrap_or(0);
///         let mut cancelled = std::pin::pin!(cycle::cancelled());
///         loop {
///             let second = std::pin::pin!(time::sleep(Duration::from_secs(1)));
///             match futures::future::select(&mut cancelled, second).await {
///                 futures::future::Either::Left(_) => return state::save_text(seconds).await,
///                 futures::future::Either::Right(_) => seconds += 1,
///             }
///         }
///     }
/// }
/// # let world = World::new().timeout(Duration::from_millis(7_500));
/// # world.run::<Counts>(tick()).unwrap();
/// # assert_eq!(world.state().unwrap().data, b"7");
/// ```
pub async fn cancelled() {
    backend::cycle_cancelled().await;
}
