//! One peer with one chore, of which tests make many versions: what they do to it and ask of it.

use std::future::Future;
use std::path::PathBuf;

use chore_host::memory::Memory;
use chore_host::planet::{Member, Role};
use chore_host::sql::{Sql, Value};
use chore_host::status::{ChoreStatus, CycleStatus, LastRun, Triggered};
use testplanet::{
    Build, LONG, PATCHED, Testplanet, chore, drop_chore, drop_into, eventually, reconfigure, told,
    trigger_wait,
};
use tokio::task::JoinHandle;

/// Every run is one that the test asked for.
pub const QUIET: &str = "[cycles.main]\nstart = \"delay\"\n";

/// Versions in the order of a test.
pub fn version(number: u32) -> Build {
    match number {
        1 => Build::patched(),
        _ => Build::patched().version(&format!("1.7.{}", 99 + number)),
    }
}

pub struct Patched {
    planet: Testplanet,
    sql: Sql,
}

impl Patched {
    /// A peer that runs this, quietly.
    pub async fn start(build: Build) -> Patched {
        Patched::start_with("", build, QUIET).await
    }

    /// `lines` are added to the peer's config file, `config` is the chore's.
    pub async fn start_with(lines: &'static str, build: Build, config: &str) -> Patched {
        let planet = Testplanet::start_with(0, 1, |options| {
            options.chore_files.clear();
            reconfigure(options, Role::Node, lines);
        })
        .await;
        let databases = planet.node(0).home().databases();
        let patched = Patched { planet, sql: Sql::new(databases.join(format!("{PATCHED}.db"))) };
        let now = patched.put(&build, Some(config)).await;
        assert_eq!((now.state.as_str(), now.generation), ("loaded", 1), "{}", now.reason);
        patched
    }

    pub fn node(&self) -> &Member {
        self.planet.node(0)
    }

    pub fn file(&self, extension: &str) -> PathBuf {
        self.node().home().chores().join(format!("{PATCHED}.{extension}"))
    }

    // What an operator does.

    /// Puts a version into the chores directory, and waits until it runs or is refused.
    pub async fn put(&self, build: &Build, config: Option<&str>) -> ChoreStatus {
        drop_chore(self.node(), PATCHED, build, config);
        self.reload(false).await
    }

    /// Any bytes in place of the component.
    pub async fn put_bytes(&self, bytes: &[u8]) -> ChoreStatus {
        drop_into(&self.node().home().chores(), &format!("{PATCHED}.wasm"), bytes);
        self.reload(false).await
    }

    pub async fn configure(&self, config: &str) -> ChoreStatus {
        let file = format!("{PATCHED}.toml");
        drop_into(&self.node().home().chores(), &file, config.as_bytes());
        self.reload(false).await
    }

    /// What the files say has been done when it returns, by this or by the watching peer.
    pub async fn reload(&self, force: bool) -> ChoreStatus {
        let handle = self.node().handle();
        self.in_time("reload", handle.reload(Some(PATCHED), force)).await.unwrap();
        self.now()
    }

    pub async fn restart(&self) {
        self.node().stop().await.unwrap();
        self.node().start().await.unwrap();
    }

    /// How a run that is asked for now ends.
    pub async fn run(&self) -> String {
        told(&trigger_wait(self.node(), PATCHED).await.outcome)
    }

    /// As [`Patched::run`], meanwhile; returns when that run has begun.
    pub async fn begin_run(&self) -> JoinHandle<LastRun> {
        let (handle, before) = (self.node().handle(), self.cycle().iteration);
        let run = tokio::spawn(async move { handle.trigger(PATCHED, None, true).await });
        self.until("the run has begun", |now| {
            now.cycles[0].state == "running" && now.cycles[0].iteration > before
        })
        .await;
        tokio::spawn(async move {
            match run.await.unwrap().unwrap() {
                Triggered::Ended { run } => run,
                other => panic!("{other:?}"),
            }
        })
    }

    // What there is to see.

    pub fn now(&self) -> ChoreStatus {
        chore(self.node(), PATCHED)
    }

    /// Its main cycle.
    pub fn cycle(&self) -> CycleStatus {
        let mut cycles = self.now().cycles;
        let main = cycles.iter().position(|cycle| cycle.name == "main");
        cycles.swap_remove(main.unwrap_or_else(|| panic!("no main cycle among {cycles:?}")))
    }

    /// Why a file does not take over; panics if none was refused.
    pub fn refusal(&self) -> String {
        let now = self.now();
        now.refused.unwrap_or_else(|| panic!("nothing is refused: {}", now.version)).reason
    }

    pub async fn until(&self, what: &str, holds: impl Fn(&ChoreStatus) -> bool) {
        let chores = || self.node().handle().status().chores;
        let now = || chores().into_iter().find(|chore| chore.name == PATCHED);
        eventually(what, || async { now().is_some_and(|now| holds(&now)) }).await;
    }

    /// Waits until that version runs.
    pub async fn runs(&self, number: u32) {
        let wanted = format!("1.7.{}", 99 + number);
        self.until(&format!("{wanted} runs"), |now| now.version == wanted).await;
    }

    /// Iteration, cycle, version and greeting of each run that got so far.
    pub async fn rows(&self) -> Vec<String> {
        self.query(
            "SELECT iteration || ' ' || cycle || ' ' || version || ' ' || greeting FROM runs",
        )
        .await
    }

    /// Reason, version and greeting of each `open`, also of those that failed.
    pub async fn opens(&self) -> Vec<String> {
        self.query("SELECT reason || ' ' || version || ' ' || greeting FROM opens").await
    }

    async fn query(&self, statement: &str) -> Vec<String> {
        let rows = self.sql.query(statement, Vec::new(), LONG).await.unwrap();
        let text = |row: Vec<Value>| match row.into_iter().next() {
            Some(Value::Text(text)) => text,
            other => panic!("{other:?}"),
        };
        rows.into_iter().map(text).collect()
    }

    /// What its last successful call saved.
    pub async fn state(&self) -> String {
        let memory = Memory::open(&self.node().home().data().join("peer.db")).await.unwrap();
        let state = memory.load_state(PATCHED).await.unwrap();
        memory.close().await.unwrap();
        String::from_utf8(state.map(|state| state.data).unwrap_or_default()).unwrap()
    }

    /// Holds up the `open` of versions that look at the gate.
    pub async fn close_gate(&self) {
        self.sql.execute("INSERT INTO gate VALUES (1)", Vec::new(), LONG).await.unwrap();
    }

    pub async fn open_gate(&self) {
        self.sql.execute("DELETE FROM gate", Vec::new(), LONG).await.unwrap();
    }

    pub async fn in_time<T>(&self, what: &str, work: impl Future<Output = T>) -> T {
        let done = tokio::time::timeout(LONG, work).await;
        done.unwrap_or_else(|_| panic!("not within {LONG:?}: {what}"))
    }

    pub async fn shutdown(self) {
        self.sql.close().await.unwrap();
        self.planet.shutdown().await;
    }
}
