//! What a chore is: the trait that its author writes, and what the peer tells and asks of it.

use std::future::Future;
use std::time::Duration;

use crate::settings::{self, Settings};
use crate::time::Timestamp;
use crate::{Error, Kind, Result, backend, cycle};

/// A chore. Only [`run`](Chore::run) must be written, and [`cycles`](Chore::cycles), which
/// [`#[chore(…)]`](macro@crate::chore) writes. For a chore with a method for each cycle it writes
/// both.
///
/// Every call gets a fresh instance: the peer reads the settings, calls [`new`](Chore::new) and
/// then one of the others, and forgets the value. What must outlive a call is saved through
/// [`state`](crate::state) or [`sql`](crate::sql).
pub trait Chore: Settings + 'static {
    /// True for a chore that winds down itself: its calls await [`cycle::cancelled`], put away what
    /// they have within the grace period (10 s), and return. Otherwise the SDK drops a call when it
    /// should wind down, wherever it waits, and answers that it was cancelled. Set by
    /// `#[chore(winds_down)]`.
    const WINDS_DOWN: bool = false;

    /// When the chore runs. At least one.
    fn cycles() -> Vec<CycleSpec>;

    /// Checks what one setting alone cannot say, and prepares fields that are no settings.
    ///
    /// # Errors
    ///
    /// From [`open`](Chore::open) on, the chore is not loaded, and the peer's operator reads why.
    fn new(settings: Self) -> Result<Self> {
        Ok(settings)
    }

    /// Once before the first run of this version or these settings, within 60 s. If it fails, the
    /// chore is not loaded and what ran before goes on.
    fn open(&mut self, reason: OpenReason) -> impl Future<Output = Result<()>> {
        let _ = reason;
        std::future::ready(Ok(()))
    }

    /// One run of one cycle. It may be cut short at any point: the next one has to cope.
    fn run(&mut self, tick: Tick) -> impl Future<Output = Result<()>>;

    /// Once when the chore leaves the peer or the peer closes, within 10 s.
    fn close(&mut self, reason: CloseReason) -> impl Future<Output = Result<()>> {
        let _ = reason;
        std::future::ready(Ok(()))
    }
}

/// One recurring event of a chore: defaults that the operator can override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CycleSpec {
    /// Unique in the chore; [`MAIN`](CycleSpec::MAIN) where a chore has one cycle.
    pub name: String,
    /// One sentence on what a run does.
    pub help: String,
    /// From the start of one run to the start of the next.
    pub interval: Duration,
    /// Longest run.
    pub timeout: Duration,
    /// Wait one interval before the first run.
    pub delay_start: bool,
}

impl CycleSpec {
    /// The name of the cycle of a chore that has one.
    pub const MAIN: &'static str = "main";

    /// The cycle of a chore that has one.
    pub fn main(interval: Duration, timeout: Duration) -> CycleSpec {
        CycleSpec::named(CycleSpec::MAIN, interval, timeout)
    }

    /// A cycle of a chore that has several.
    ///
    /// ```
    /// # use chore_sdk::prelude::*;
    /// let (hour, minute) = (Duration::from_secs(3600), Duration::from_secs(60));
    /// let spec = CycleSpec::named("clean", hour, minute).help("deletes old files").delay_start();
    /// assert!(spec.delay_start);
    /// ```
    pub fn named(name: impl Into<String>, interval: Duration, timeout: Duration) -> CycleSpec {
        CycleSpec { name: name.into(), help: String::new(), interval, timeout, delay_start: false }
    }

    /// With this sentence on what a run does.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> CycleSpec {
        CycleSpec { help: help.into(), ..self }
    }

    /// With one interval before the first run.
    #[must_use]
    pub fn delay_start(self) -> CycleSpec {
        CycleSpec { delay_start: true, ..self }
    }
}

/// Why and until when a run happens. What to do follows from what is there, never from this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Name of the cycle that is due.
    pub cycle: String,
    /// Counts the runs of this cycle from 1, over the life of the chore in this peer.
    pub iteration: u64,
    /// Why it happens now.
    pub reason: RunReason,
    /// When the run was due by its schedule, or when it was asked for.
    pub due: Timestamp,
    /// When this passes the run is asked to wind down.
    pub deadline: Timestamp,
    /// What later hosts say; keys that a chore does not know are to be ignored.
    pub extensions: Vec<(String, String)>,
}

/// Why a run happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunReason {
    /// First run after the chore was loaded.
    Start,
    /// The interval has passed.
    Interval,
    /// Somebody asked for it.
    Trigger,
    /// Another chore asked for it.
    Dependency,
}

/// Why a chore is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OpenReason {
    /// The chore is new to this peer, or the peer has just started.
    Loaded,
    /// This version takes over from another, which is not closed.
    Replaced,
    /// The operator changed settings.
    SettingsChanged,
}

/// Why a chore is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer closes.
    Shutdown,
    /// The chore was taken out of the peer.
    Removed,
}

/// What a component says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// That of the package, and of the chore's file.
    pub name: String,
    /// That of the package.
    pub version: String,
    /// One sentence on what the chore does.
    pub about: String,
    /// When it runs.
    pub cycles: Vec<CycleSpec>,
    /// What its operator can set.
    pub settings: Vec<settings::Spec>,
}

impl Descriptor {
    /// `about` is used where the chore's struct has no doc comment.
    pub fn of<C: Chore>(name: &str, version: &str, about: &str) -> Descriptor {
        let about = if C::ABOUT.is_empty() { about } else { C::ABOUT };
        Descriptor {
            name: name.to_owned(),
            version: version.to_owned(),
            about: about.to_owned(),
            cycles: C::cycles(),
            settings: C::specs(),
        }
    }
}

/// What the peer asks of a chore.
pub(crate) enum Asked {
    Open(OpenReason),
    Run(Tick),
    Close(CloseReason),
}

/// One call of a chore, from its settings to its answer.
pub(crate) async fn call<C: Chore>(asked: Asked) -> Result<()> {
    let mut chore = C::new(C::load(&backend::settings_get)?)?;
    let work = async {
        match asked {
            Asked::Open(reason) => chore.open(reason).await,
            Asked::Run(tick) => chore.run(tick).await,
            Asked::Close(reason) => chore.close(reason).await,
        }
    };
    if C::WINDS_DOWN { work.await } else { or_cancelled(work).await }
}

/// The outcome of `work`, unless the call has to wind down first: `work` is dropped then, wherever
/// it waits. Work that is done counts, and work that never waits costs no host call.
async fn or_cancelled(work: impl Future<Output = Result<()>>) -> Result<()> {
    let mut work = std::pin::pin!(work);
    let mut cancelled = std::pin::pin!(cycle::cancelled());
    std::future::poll_fn(|cx| {
        if let std::task::Poll::Ready(outcome) = work.as_mut().poll(cx) {
            return std::task::Poll::Ready(outcome);
        }
        let gave_up = || Err(Error::of(Kind::Cancelled, "cancelled before it was done"));
        cancelled.as_mut().poll(cx).map(|()| gave_up())
    })
    .await
}
