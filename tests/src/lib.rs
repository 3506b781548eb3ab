//! Testplanet: real satellites, storage nodes and an uplink on loopback, for tests that need a whole
//! network. Peers are started by the same code as those of `chore demo`.

mod audit;
mod builds;
mod chance;
mod disk;
mod program;
mod programs;
mod wait;
pub mod zoo;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::time::Duration;

use chore_host::clock::Timestamp;
use chore_host::node_id::NodeId;
use chore_host::orders::Counts;
use chore_host::package::Digest;
use chore_host::peer::Home;
use chore_host::planet::{Member, Planet, PlanetOptions, Role};
use chore_host::runtime::cache::Place;
use chore_host::runtime::{self, Runtime};
use chore_host::status::{ChoreStatus, LastRun, Outcome, Triggered};
use chore_host::uplink::HandedIn;
use chore_proto::{Order, OrderLimit};
use tempfile::TempDir;

pub use audit::{Books, Serial, ledger, whole};
pub use builds::{Build, PATCHED, chores, drop_chore, drop_into};
pub use chance::{Chance, Rounds};
pub use disk::{Cut, Disk, Fault, Files};
pub use program::{Program, refused, text};
use programs::target;
pub use programs::{chore_program, component, javascript_component, python_component, workspace};
pub use wait::{LONG, eventually};

/// The chore that these tests are mostly about.
pub const SENDER: &str = "order-sender";

/// What an operator writes to let it do its work.
pub const SENDER_GRANTS: &str = "grants = [\"orders\", \"kademlia\", \"transport\"]\n";

/// One engine for all tests of a process, and one cache for all processes, so that a chore is
/// compiled once.
pub fn runtime() -> Runtime {
    static RUNTIME: std::sync::OnceLock<Runtime> = std::sync::OnceLock::new();
    let start = || {
        let place =
            Place { directory: target().join("compiled"), secret: target().join("compiled.key") };
        let options = runtime::Options { cache: Some(place), ..runtime::Options::default() };
        Runtime::with(options).expect("an engine starts")
    };
    RUNTIME.get_or_init(start).clone()
}

/// Compiles components as [`runtime`] does, and gives what comes of it to a peer that is a process of
/// its own, before it starts: each is compiled once for all tests.
pub async fn compile_for(home: &Home, builds: &[Build]) {
    let compiled = target().join("compiled");
    for directory in [home.data(), home.compiled()] {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.expect("a directory");
    }
    for build in builds {
        let digest = Digest::of(build.bytes());
        // What cannot be compiled is for the peer to find out.
        let _ = runtime().compile(build.bytes().into(), digest).await;
    }
    fs::copy(target().join("compiled.key"), home.cache_secret()).expect("a secret");
    let wanted: Vec<String> = builds.iter().map(Build::digest).collect();
    for entry in fs::read_dir(compiled).expect("a cache").flatten() {
        let file = entry.file_name().into_string().unwrap_or_default();
        if wanted.iter().any(|digest| file.starts_with(digest)) {
            fs::copy(entry.path(), home.compiled().join(file)).expect("compiled code");
        }
    }
}

/// A network that is removed with its homes when it is shut down or dropped.
pub struct Testplanet {
    planet: Planet,
    _root: TempDir,
}

impl Testplanet {
    /// Satellites and nodes, each node with the order sender, which never runs by itself after its
    /// first run.
    pub async fn start(satellites: usize, nodes: usize) -> Testplanet {
        Testplanet::start_with(satellites, nodes, |_| {}).await
    }

    /// As [`Testplanet::start`], with whatever else the test wants changed.
    pub async fn start_with(
        satellites: usize,
        nodes: usize,
        change: impl FnOnce(&mut PlanetOptions),
    ) -> Testplanet {
        // Short, because the path of a socket has a limit.
        let root = tempfile::Builder::new().prefix("tp").tempdir().expect("a folder");
        let mut options = PlanetOptions::new(root.path(), runtime());
        (options.satellites, options.nodes) = (satellites, nodes);
        options.chore_files = vec![(component(SENDER), Some(SENDER_GRANTS.to_owned()))];
        change(&mut options);
        let planet = Planet::start(options).await.unwrap_or_else(|err| panic!("start: {err:?}"));
        let testplanet = Testplanet { planet, _root: root };
        for node in testplanet.nodes() {
            testplanet.first_run_is_over(node).await;
        }
        testplanet
    }

    /// The run at the start would race with what a test does next.
    async fn first_run_is_over(&self, node: &Member) {
        if sender_of(node).is_none_or(|sender| sender.state != "loaded") {
            return;
        }
        eventually("the sender's first run is over", || async {
            sender_of(node).is_some_and(|sender| sender.cycles[0].last.is_some())
        })
        .await;
    }

    /// Hands `count` good orders of a satellite in to a node, over the network.
    pub async fn hand_in(&self, satellite: usize, node: usize, count: usize) {
        let orders = self.issue(satellite, node, count, Timestamp::now()).expect("orders");
        self.enqueue(node, orders).await.unwrap_or_else(|err| panic!("hand in: {err}"));
    }

    /// Hands orders in as they are, and says of each what became of it.
    pub async fn hand_in_raw(
        &self,
        node: usize,
        orders: Vec<(OrderLimit, Order)>,
    ) -> Vec<HandedIn> {
        self.planet.hand_in(node, orders).await
    }

    /// Runs a chore of a node now, and waits for the end of that run.
    pub async fn trigger_wait(&self, node: usize, chore: &str) -> LastRun {
        trigger_wait(self.node(node), chore).await
    }

    /// What became of a node's orders.
    pub async fn counts(&self, node: usize) -> Counts {
        let orders = self.node(node).handle().orders().expect("a storage node has orders");
        orders.counts().await.expect("counts")
    }

    /// What a satellite accepted of a node.
    pub async fn accepted(&self, satellite: usize, node: usize) -> u64 {
        let node = self.node(node).node_id();
        let settlement = self.satellite(satellite).handle().settlement().expect("a satellite");
        settlement.totals_of(node).await.expect("totals").accepted
    }

    /// Closes every peer, and fails the test if one does not close in its budget.
    pub async fn shutdown(self) {
        self.planet.shutdown().await.unwrap_or_else(|err| panic!("shutdown: {err}"));
    }
}

impl Deref for Testplanet {
    type Target = Planet;

    fn deref(&self) -> &Planet {
        &self.planet
    }
}

/// Runs a chore now, and waits for the end of that run.
pub async fn trigger_wait(member: &Member, chore: &str) -> LastRun {
    let handle = member.handle();
    let triggered = tokio::time::timeout(LONG, handle.trigger(chore, None, true)).await;
    match triggered.expect("the run ends").unwrap_or_else(|err| panic!("trigger {chore}: {err}")) {
        Triggered::Ended { run } => run,
        other => panic!("trigger {chore}: {other:?}"),
    }
}

/// A chore's status; panics if the peer has no such file.
pub fn chore(member: &Member, name: &str) -> ChoreStatus {
    let chores = member.handle().status().chores;
    let names: Vec<_> = chores.iter().map(|chore| chore.name.clone()).collect();
    let found = chores.into_iter().find(|chore| chore.name == name);
    found.unwrap_or_else(|| panic!("no chore {name} among {names:?}"))
}

fn sender_of(member: &Member) -> Option<ChoreStatus> {
    member.handle().status().chores.into_iter().find(|chore| chore.name == SENDER)
}

/// "succeeded", or what went wrong and why: what a table of expectations names.
pub fn told(outcome: &Outcome) -> String {
    match outcome.message() {
        "" => outcome.word().to_owned(),
        message => format!("{}: {message}", outcome.word()),
    }
}

/// Adds a line to the config file of every member of one role.
pub fn reconfigure(options: &mut PlanetOptions, wanted: Role, lines: &'static str) {
    options.reconfigure = Some(Box::new(move |role, _, text| {
        if role == wanted {
            text.push_str(lines);
        }
    }));
}

/// How long orders of these tests can be settled.
pub const LIFE: Duration = Duration::from_secs(3600);

/// A node's id as its satellite writes it into a limit.
pub fn id_bytes(id: NodeId) -> Vec<u8> {
    id.as_bytes().to_vec()
}

/// What is served at an address, head and body, however it is answered.
pub fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(LONG)).expect("a socket");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it listens");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    text(&answer)
}
