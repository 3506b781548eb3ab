//! Settlement of a backlog over TLS on loopback: the wasm order sender beside the same sender written
//! natively, in turns, in one peer with one database.

#[path = "support/guest.rs"]
mod guest;
#[path = "support/native_sender.rs"]
mod native_sender;
#[path = "support/paired.rs"]
mod paired;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chore_host::clock::Timestamp;
use chore_host::kademlia::StaticNodes;
use chore_host::meters::Meters;
use chore_host::orders::Orders;
use chore_host::planet::{Planet, PlanetOptions};
use chore_host::runtime::Runtime;
use chore_host::status::Triggered;
use chore_host::transport::{self, Transport};
use native_sender::NativeSender;
use prost::Message;

const SENDER: &str = "order-sender";

/// Of one node, for one satellite, in one run of a sender.
const ORDERS: usize = 2_000;

/// Runs of each sender that count, after one of each that does not.
const PAIRS: usize = 21;

/// It runs when it is told to, and otherwise never.
const CONFIG: &str =
    "grants = [\"orders\", \"kademlia\", \"transport\"]\n\n[cycles.main]\ninterval = \"off\"\n";

fn main() {
    if !paired::wanted() {
        return;
    }
    let component = guest::component(SENDER);
    let tokio = chore_host::runtime::threads().build();
    tokio.expect("an async runtime").block_on(async {
        let root = tempfile::Builder::new().prefix("bench").tempdir().expect("a directory");
        let mut options = PlanetOptions::new(root.path(), Runtime::new().expect("an engine"));
        options.chore_files = vec![(component, Some(CONFIG.to_owned()))];
        let planet = Planet::start(options).await.expect("a planet");
        measure(&planet).await;
        planet.shutdown().await.expect("peers close in time");
    });
}

async fn measure(planet: &Planet) {
    let node = planet.node(0);
    let orders = node.handle().orders().expect("a storage node has orders");
    let satellite = planet.satellite(0).url().clone();
    let native = NativeSender {
        orders: orders.clone(),
        kademlia: Arc::new(StaticNodes::new(vec![satellite]).expect("one node")),
        transport: Transport::new(node.identity().clone(), transport::Options::default()),
        meters: Meters::new(),
    };
    let mut pairs = paired::Pairs::default();
    for round in 0..=PAIRS {
        // The one that goes first may find the machine in another state.
        let (in_wasm, natively) = if round % 2 == 0 {
            let in_wasm = settle_in_wasm(planet, &orders).await;
            (in_wasm, settle_natively(planet, &orders, &native).await)
        } else {
            let natively = settle_natively(planet, &orders, &native).await;
            (settle_in_wasm(planet, &orders).await, natively)
        };
        // The first round dials.
        if round > 0 {
            pairs.push(in_wasm, natively);
        }
    }
    println!("settlement of {ORDERS} orders with one satellite");
    let (in_wasm, natively) = pairs.report("order sender, wasm", "order sender, native");
    let rate = |time: Duration| ORDERS as f64 / time.as_secs_f64();
    println!("orders per second: wasm {:.0}, native {:.0}", rate(in_wasm), rate(natively));
}

async fn settle_in_wasm(planet: &Planet, orders: &Orders) -> Duration {
    hand_in(planet).await;
    let handle = planet.node(0).handle();
    let begun = Instant::now();
    let triggered = handle.trigger(SENDER, None, true).await.expect("the chore is loaded");
    let elapsed = begun.elapsed();
    let Triggered::Ended { run } = triggered else { panic!("the run ends: {triggered:?}") };
    assert!(run.outcome.succeeded(), "{:?}", run.outcome);
    nothing_waits(orders).await;
    elapsed
}

async fn settle_natively(planet: &Planet, orders: &Orders, native: &NativeSender) -> Duration {
    hand_in(planet).await;
    let sender = native.clone();
    let begun = Instant::now();
    // On a thread of the pool, as a chore's run.
    let settled = tokio::spawn(sender.run()).await.expect("the sender does not panic");
    let elapsed = begun.elapsed();
    assert_eq!(settled, ORDERS);
    nothing_waits(orders).await;
    elapsed
}

/// Not measured: an uplink hands the orders in.
async fn hand_in(planet: &Planet) {
    let issue = planet.issuer(0, 0, ORDERS, Timestamp::now());
    let issued = tokio::task::spawn_blocking(issue).await.expect("signing does not panic");
    let issued = issued.expect("orders are signed");
    static SAID: std::sync::Once = std::sync::Once::new();
    SAID.call_once(|| {
        let (limit, order) = &issued[0];
        println!("a limit of {} bytes, an order of {}", limit.encoded_len(), order.encoded_len());
    });
    planet.enqueue(0, issued).await.expect("the node takes them");
}

async fn nothing_waits(orders: &Orders) {
    assert_eq!(orders.counts().await.expect("orders are counted").unsent, 0);
}
