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
///
/// ```
/// use chore_sdk::prelude::*;
/// # use chore_sdk::testing::{World, tick};
///
/// /// Cleans an archive.
/// #[derive(Settings)]
/// struct Cleaner {
///     /// What is older is deleted.
///     #[setting(default = "7days", min = "1h")]
///     keep: Duration,
///     /// When it is said loudly that much was deleted.
///     #[setting(default = 1_000)]
///     many: u64,
///     #[setting(skip)]
///     limits: Vec<u64>,
/// }
///
/// #[chore(interval = "24h", timeout = "1h")]
/// impl Chore for Cleaner {
///     fn new(settings: Self) -> Result<Self> {
///         if settings.many == 13 {
///             bail!("many = 13 brings bad luck");
///         }
///         let limits = vec![1, settings.many];
///         Ok(Cleaner { limits, ..settings })
///     }
///
///     async fn open(&mut self, _: OpenReason) -> Result<()> {
///         sql::migrate(&["CREATE TABLE cleaned (at INTEGER, orders INTEGER)"]).await?;
///         Ok(())
///     }
///
///     async fn run(&mut self, tick: Tick) -> Result<()> {
///         let before = tick.due.saturating_sub(self.keep);
///         let cleaned = orders::clean_archive(before).await?;
///         let row = params![tick.due.as_nanos(), cleaned as i64];
///         sql::execute("INSERT INTO cleaned VALUES (?1, ?2)", row).await?;
///         if cleaned >= self.limits[1] {
///             warn!(cleaned, "cleaned much");
///         }
///         Ok(())
///     }
///
///     async fn close(&mut self, reason: CloseReason) -> Result<()> {
///         info!(?reason, "no more cleaning");
///         Ok(())
///     }
/// }
/// # let world = World::new();
/// # world.open::<Cleaner>(OpenReason::Loaded).unwrap();
/// # world.run::<Cleaner>(tick()).unwrap();
/// # assert_eq!(world.rows::<(u64,)>("SELECT orders FROM cleaned", params![]), Ok(vec![(0,)]));
/// # world.close::<Cleaner>(CloseReason::Removed).unwrap();
/// # let unlucky = world.setting("many", "13").open::<Cleaner>(OpenReason::SettingsChanged);
/// # assert_eq!(unlucky.unwrap_err().to_string(), "many = 13 brings bad luck");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no chore",
    note = "write #[chore(interval = \"1h\", timeout = \"10m\")] impl Chore for {Self}"
)]
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
///
/// ```
/// # use chore_sdk::prelude::*;
/// # let (interval, timeout) = (Duration::from_secs(3600), Duration::from_secs(60));
/// // What is for `Chore::cycles` to say where it cannot be said in the attribute.
/// let cycles: Vec<CycleSpec> = ["disk-1", "disk-2"]
///     .map(|name| CycleSpec::named(name, interval, timeout).help("looks at a disk").delay_start())
///     .into();
/// assert_eq!(CycleSpec::main(interval, timeout).name, CycleSpec::MAIN);
/// # assert!(cycles[1].delay_start);
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::tick};
/// # let tick = tick();
/// let time_left = tick.deadline.saturating_since(time::now());
/// info!(run = tick.iteration, cycle = tick.cycle, ?time_left, "begins");
/// # assert_eq!(time_left.as_secs(), 3600);
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, testing::tick};
/// # let tick = tick();
/// // For the log only: what a run does follows from what is there.
/// debug!(reason = ?tick.reason, "begins");
/// # assert_eq!(tick.reason, RunReason::Trigger);
/// ```
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
///
/// ```
/// # use chore_sdk::prelude::*;
/// fn said(reason: OpenReason) -> &'static str {
///     match reason {
///         OpenReason::Loaded => "begins",
///         OpenReason::Replaced => "takes over",
///         OpenReason::SettingsChanged => "has other settings",
///     }
/// }
/// # assert_eq!(said(OpenReason::Replaced), "takes over");
/// ```
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
///
/// ```
/// # use chore_sdk::prelude::*;
/// fn comes_back(reason: CloseReason) -> bool {
///     reason == CloseReason::Shutdown
/// }
/// # assert!(!comes_back(CloseReason::Removed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer closes.
    Shutdown,
    /// The chore was taken out of the peer.
    Removed,
}

/// What a component says of itself.
///
/// ```
/// # use chore_sdk::{Descriptor, prelude::*};
/// # /// Says hello.
/// # #[derive(Settings)]
/// # struct Hello { /** Whom. */ #[setting(default = "world")] whom: String }
/// # #[chore(interval = "1h", timeout = "1m")]
/// # impl Chore for Hello {
/// #     async fn run(&mut self, _: Tick) -> Result<()> { Ok(()) }
/// # }
/// // What a test of what operators read looks at.
/// let descriptor = Descriptor::of::<Hello>("hello", "0.1.0", "");
/// assert_eq!(descriptor.about, "Says hello.");
/// assert_eq!(descriptor.settings[0].default, Some("world"));
/// ```
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
