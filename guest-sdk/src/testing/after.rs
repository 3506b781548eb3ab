//! What there is after the chore was called, and its database at any time.

use futures::FutureExt;

use super::{Cycle, Line, World, fake};
use crate::log::Level;
use crate::metrics::Labels;
use crate::orders::{ArchivedInfo, Info};
use crate::sql::{FromRow, Value};
use crate::state::Saved;
use crate::{Error, Kind, NodeId, Result, sql};

/// What there is after the chore was called.
impl World {
    /// True if the last call was cancelled, by [`World::cancel`] or because it only waited.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// assert!(!world.was_cancelled());
    /// ```
    pub fn was_cancelled(&self) -> bool {
        self.0.borrow().was_cancelled
    }

    /// All lines of all calls.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.logs()[0].message, "sent");
    /// ```
    pub fn logs(&self) -> Vec<Line> {
        self.0.borrow().logs.clone()
    }

    /// The lines of a level, as text.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.logged(Level::Warn), [""; 0]);
    /// assert!(world.logged(Level::Info)[0].starts_with("INFO sent satellite="));
    /// ```
    pub fn logged(&self, level: Level) -> Vec<String> {
        let world = self.0.borrow();
        world.logs.iter().filter(|line| line.level == level).map(ToString::to_string).collect()
    }

    /// What the last successful call saved.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// let saved = world.state().unwrap();
    /// assert_eq!((&saved.data[..], saved.version.as_str()), (&b"done"[..], "0.1.0"));
    /// ```
    pub fn state(&self) -> Option<Saved> {
        self.0.borrow().saved.clone()
    }

    /// A counter; 0 if it was never counted.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.counter("sent_total", &[("satellite", "one")]), 2);
    /// ```
    pub fn counter(&self, name: &str, labels: Labels<'_>) -> u64 {
        self.0.borrow().counters.get(&fake::series(name, labels)).copied().unwrap_or(0)
    }

    /// A gauge as it was last set.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.gauge("left", &[]), Some(0.0));
    /// ```
    pub fn gauge(&self, name: &str, labels: Labels<'_>) -> Option<f64> {
        self.0.borrow().gauges.get(&fake::series(name, labels)).copied()
    }

    /// What was measured, in order.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.observed("took_seconds", &[]), [0.5, 0.5]);
    /// ```
    pub fn observed(&self, name: &str, labels: Labels<'_>) -> Vec<f64> {
        self.0.borrow().observed.get(&fake::series(name, labels)).cloned().unwrap_or_default()
    }

    /// A cycle as it is now; of the chore's own there is none before its first call.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.cycle("main").unwrap().interval.as_secs(), 3600);
    /// ```
    pub fn cycle(&self, name: &str) -> Option<Cycle> {
        self.0.borrow().cycles.get(name).cloned()
    }

    /// Orders that are still unsent.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.unsent_orders(NodeId::fake(1)), []);
    /// ```
    pub fn unsent_orders(&self, satellite: NodeId) -> Vec<Info> {
        self.0.borrow().orders.of(satellite)
    }

    /// What the chore archived, in order.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.archived()[0].status, orders::Status::Accepted);
    /// ```
    pub fn archived(&self) -> Vec<ArchivedInfo> {
        self.0.borrow().orders.archived.clone()
    }

    /// How many orders each call of `orders::archive` had.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// # /// Sends what waits.
    /// # #[derive(Settings)]
    /// # struct Sender;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Sender {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         let waiting = orders::list_unsent(100).await.context("list orders")?;
    /// #         for orders::Info { satellite, serial, .. } in waiting {
    /// #             let (status, reason) = (orders::Status::Accepted, String::new());
    /// #             orders::archive(vec![orders::ArchiveRequest { satellite, serial, status, reason }]).await?;
    /// #             metrics::count("sent_total", &[("satellite", "one")], 1);
    /// #             metrics::gauge("left", &[], 0.0);
    /// #             metrics::observe("took_seconds", &[], 0.5);
    /// #             info!(satellite, "sent");
    /// #         }
    /// #         state::save_text("done").await
    /// #     }
    /// # }
    /// let world = World::new().unsent(NodeId::fake(1), 2);
    /// world.run::<Sender>(tick()).unwrap();
    /// assert_eq!(world.archive_calls(), [1, 1]);
    /// ```
    pub fn archive_calls(&self) -> Vec<usize> {
        self.0.borrow().orders.archive_calls.clone()
    }

    /// Most orders that were under way at once: the chore had read them from `stream_unsent`, and
    /// no node had yet got a request for them.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().unsent(NodeId::fake(1), 100);
    /// world.block_on(async {
    ///     let mut unsent = orders::stream_unsent(NodeId::fake(1)).await?;
    ///     for _ in 0..7 {
    ///         unsent.next().await?;
    ///     }
    ///     Ok(())
    /// }).unwrap();
    /// assert_eq!(world.orders_held_max(), 7);
    /// ```
    pub fn orders_held_max(&self) -> usize {
        self.0.borrow().orders.held_max
    }
}

/// The chore's database.
impl World {
    /// Runs any number of SQL statements, for example to prepare what an earlier version left.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// world.script("CREATE TABLE seen (node TEXT); INSERT INTO seen VALUES ('a'), ('b')").unwrap();
    /// let nodes = world.rows::<(String,)>("SELECT node FROM seen", params![]).unwrap();
    /// assert_eq!(nodes, [("a".to_owned(),), ("b".to_owned(),)]);
    /// ```
    ///
    /// # Errors
    ///
    /// What SQLite says of them, and [`Kind::Conflict`] while the chore has a transaction open.
    pub fn script(&self, statements: &str) -> Result<()> {
        let database = self.0.borrow().database.clone();
        database.script(statements)
    }

    /// What is in the database: the rows that a query answers, see [`sql::rows`]. What is not
    /// committed is not there.
    ///
    /// # Errors
    ///
    /// Those of [`sql::rows`].
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// world.block_on(sql::migrate(&["CREATE TABLE seen (node TEXT, times INTEGER)"])).unwrap();
    /// assert_eq!(world.rows::<(String, u32)>("SELECT * FROM seen", params![]), Ok(vec![]));
    /// ```
    pub fn rows<T: FromRow>(&self, statement: &str, parameters: Vec<Value>) -> Result<Vec<T>> {
        // Only what writes can have to wait, and not for long: not at all.
        let answer = || sql::rows(statement, parameters).now_or_never();
        let busy = || Err(Error::of(Kind::Conflict, "run statement: a transaction is open"));
        fake::within(&self.0, answer).unwrap_or_else(busy)
    }
}
