//! A chore's program without a peer: every call gets a fresh store and real services, and nothing
//! schedules it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chore_host::bindings::lifecycle::{RunReason, Tick};
use chore_host::capability::cycle::{Cycles, Doing, Refusal};
use chore_host::capability::{self, Contexts, Deadline, Granted, Quota, Shared, Turns};
use chore_host::clock::Timestamp;
use chore_host::config::{Limits, LogLevel};
use chore_host::grant::Scope;
use chore_host::kademlia::{Kademlia, StaticNodes};
use chore_host::limits::GRACE;
use chore_host::logs::Logs;
use chore_host::memory::Memory;
use chore_host::meters::Meters;
use chore_host::name::ChoreName;
use chore_host::news::News;
use chore_host::node_id::{NodeId, NodeUrl};
use chore_host::orders::Orders;
use chore_host::package::Digest;
use chore_host::runtime::{Call, Ended, Processor, Program, Runtime};
use chore_host::sql::Sql;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longer than any measurement takes.
const RUN_TIMEOUT: Duration = Duration::from_secs(3600);

/// A chore and what it may use.
pub struct Bare {
    program: Program,
    name: ChoreName,
    node: NodeId,
    memory: Memory,
    sql: Sql,
    meters: Meters,
    orders: Orders,
    kademlia: Arc<dyn Kademlia>,
}

impl Bare {
    /// Puts its databases into `home`. The one node that is known is `node`.
    pub async fn new(home: &Path, component: &Path, name: &str, node: NodeId) -> Bare {
        let bytes: Arc<[u8]> = std::fs::read(component).expect("the component is there").into();
        let digest = Digest::of(&bytes);
        let runtime = Runtime::new().expect("an engine");
        let compiled = runtime.compile(bytes, digest).await.expect("the component compiles");
        let known = vec![NodeUrl { id: node, address: "127.0.0.1:7777".into() }];
        let memory = Memory::open(&home.join("peer.db")).await.expect("a database");
        memory.save_state(name, vec![7; 64], "0.1.0").await.expect("state is saved");
        Bare {
            program: compiled.program,
            name: ChoreName::new(name).expect("a name"),
            node,
            memory,
            sql: Sql::new(home.join("chore.db")),
            meters: Meters::new(),
            orders: Orders::open(&home.join("orders.db")).await.expect("a database"),
            kademlia: Arc::new(StaticNodes::new(known).expect("one node")),
        }
    }

    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Loads the chore's state so many times, as the host does for the chore.
    pub async fn load_state(&self, calls: u64) {
        for _ in 0..calls {
            let loaded = self.memory.load_state(self.name.as_str()).await.expect("state is loaded");
            std::hint::black_box(loaded);
        }
    }

    /// One run of a cycle that makes so many calls; panics unless it succeeds.
    pub async fn run(&self, cycle: &str, calls: u64) {
        let now = Timestamp::now();
        let tick = Tick {
            cycle: cycle.to_owned(),
            iteration: 1,
            reason: RunReason::Trigger,
            due: now.as_nanos(),
            deadline: now.plus(RUN_TIMEOUT).as_nanos(),
            extensions: Vec::new(),
        };
        let done = self.program.run(self.call(calls), tick).await;
        assert_eq!(done.ended, Ended::Returned(Ok(())), "{cycle}");
    }

    fn listeners(&self) -> capability::log::Listeners {
        let (news, chore) = (News::new(Timestamp::EPOCH), self.name.clone());
        capability::log::Listeners { news, chore, cycle: String::new(), run: 0 }
    }

    fn call(&self, calls: u64) -> Call {
        let settings =
            HashMap::from([("calls", calls.to_string()), ("node", self.node.to_string())]);
        let settings = settings.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        let deadline = Instant::now() + RUN_TIMEOUT;
        let end = Deadline(deadline + GRACE);
        let shared = Shared { turns: Turns::default(), deadline: end };
        let wind_down = CancellationToken::new();
        let quota = Quota::new(self.name.clone(), Limits::default());
        let (settings, traffic) = (Arc::new(settings), quota.traffic().clone());
        let contexts = Contexts {
            quota: quota.clone(),
            log: capability::log::Context::new(
                Logs::new(LogLevel::Info).of(&self.name, None),
                self.listeners(),
                quota.clone(),
            ),
            settings: capability::settings::Context { settings, traffic },
            state: capability::state::Context {
                chore: self.name.clone(),
                memory: self.memory.clone(),
                shared: shared.clone(),
                traffic: quota.traffic().clone(),
                pending: None,
            },
            cycle: capability::cycle::Context {
                cycles: Arc::new(NoCycles),
                wind_down: wind_down.clone(),
                was_told: false,
                traffic: quota.traffic().clone(),
            },
            sql: capability::sql::Context {
                sql: self.sql.clone(),
                deadline: end,
                quota: quota.clone(),
            },
            orders: capability::orders::Context {
                orders: Some(Granted::of((self.orders.clone(), Scope::All))),
                shared,
                quota: quota.clone(),
            },
            kademlia: capability::kademlia::Context {
                kademlia: Some(Granted::of((self.kademlia.clone(), Scope::All))),
                deadline: end,
                traffic: quota.traffic().clone(),
            },
            transport: capability::transport::Context {
                transport: None,
                deadline: end,
                quota: quota.clone(),
            },
            metrics: capability::metrics::Context {
                chore: self.name.clone(),
                meters: self.meters.clone(),
                quota,
            },
        };
        Call {
            contexts,
            limits: Limits::default(),
            processor: Processor::default(),
            deadline,
            wind_down,
            interrupt: CancellationToken::new(),
        }
    }
}

/// Nobody schedules these runs.
struct NoCycles;

impl Cycles for NoCycles {
    fn list(&self) -> Vec<String> {
        Vec::new()
    }

    fn status(&self, _: &str) -> Result<Doing, Refusal> {
        Err(Refusal::NotFound)
    }

    fn pause(&self, _: &str) -> Result<(), Refusal> {
        Err(Refusal::NotFound)
    }

    fn restart(&self, _: &str) -> Result<(), Refusal> {
        Err(Refusal::NotFound)
    }

    fn trigger(&self, _: &str) -> Result<(), Refusal> {
        Err(Refusal::NotFound)
    }

    fn change_interval(&self, _: &str, _: Duration) -> Result<(), Refusal> {
        Err(Refusal::NotFound)
    }

    fn add(&self, _: &str, _: Duration, _: Duration) -> Result<(), Refusal> {
        Err(Refusal::NotFound)
    }

    fn remove(&self, _: &str) -> Result<(), Refusal> {
        Err(Refusal::NotFound)
    }
}
