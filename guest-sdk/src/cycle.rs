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
pub fn list() -> Vec<String> {
    backend::cycle_list()
}

/// What a cycle is doing now.
pub fn status(name: &str) -> Result<State> {
    backend::cycle_status(name)
}

/// No more runs on schedule, until [`restart`]. A run in progress goes on.
pub fn pause(name: &str) -> Result<()> {
    backend::cycle_pause(name)
}

/// Ends a pause. The next run is due after a full interval.
pub fn restart(name: &str) -> Result<()> {
    backend::cycle_restart(name)
}

/// Asks for a run now, or after the one in progress. Does not wait for it.
pub fn trigger(name: &str) -> Result<()> {
    backend::cycle_trigger(name)
}

/// Takes effect at once and does not end a pause.
///
/// # Errors
///
/// [`Kind::Invalid`](crate::Kind::Invalid) if shorter than 1 ms or longer than ten years.
pub fn change_interval(name: &str, interval: Duration) -> Result<()> {
    backend::cycle_change_interval(name, interval)
}

/// Adds a cycle that the chore does not declare, such as one per satellite. It runs the method
/// marked `#[cycle(added)]`, or `run`; see [`#[chore]`](macro@crate::chore).
///
/// # Errors
///
/// [`Kind::Conflict`](crate::Kind::Conflict) if there is one of that name,
/// [`Kind::TooLarge`](crate::Kind::TooLarge) beyond 1,000.
pub fn add(name: &str, interval: Duration, timeout: Duration) -> Result<()> {
    backend::cycle_add(name, interval, timeout)
}

/// Takes away a cycle that was added.
pub fn remove(name: &str) -> Result<()> {
    backend::cycle_remove(name)
}

/// Resolves when the call in progress should wind down: out of time, cancelled by the operator, or
/// the chore is being replaced or closed.
///
/// Only a chore with [`WINDS_DOWN`](crate::Chore::WINDS_DOWN) gets to see it; any other call has
/// been dropped by then. What still waits when the grace period (10 s) is over loses its instance.
pub async fn cancelled() {
    backend::cycle_cancelled().await;
}
