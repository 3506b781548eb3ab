//! Peers started together on this machine, as an operator would start them: each with a home, a
//! config file and an identity of its own, and real sockets between them. For the demonstration,
//! tests and measurements; it knows no terminal.

mod member;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chore_proto::{Order, OrderLimit, PieceAction};
use ring::rand::SystemRandom;

use crate::clock::Timestamp;
use crate::identity::Identity;
use crate::node_id::{NodeId, NodeUrl};
use crate::runtime::Runtime;
use crate::settlement::Manner;
use crate::signing::{self, PieceKey, Terms};
use crate::transport::{self, Transport};
use crate::uplink::{HandedIn, Uplink};

pub use member::{Error, Member, Role};

/// What each order of a planet promises, in bytes: a typical piece.
const ORDER_BYTES: i64 = 2 * 1024 * 1024;

/// How long the orders of a planet can be settled: longer than any demonstration takes.
const ORDER_LIFE: Duration = Duration::from_secs(48 * 3600);

/// Orders that are handed in over one stream, which has a deadline.
const HAND_IN_CHUNK: usize = 1_000;

/// Changes the text of a member's config file before it is written.
pub type Reconfigure = Box<dyn Fn(Role, usize, &mut String) + Send + Sync>;

/// What to start.
pub struct PlanetOptions {
    /// An existing directory; each member gets a home in it: `satellite-0`, `node-0` ...
    ///
    /// Short, because the system limits the path of a socket: see `limits::SOCKET_PATH_BYTES_MAX`.
    pub root: PathBuf,
    pub satellites: usize,
    pub nodes: usize,
    /// Installed in every node: a component, and the text of its config file. The chore's name is
    /// the file's stem with `-` for `_`, which is what cargo writes.
    pub chore_files: Vec<(PathBuf, Option<String>)>,
    /// When `None`, the config files stay as this room writes them.
    pub reconfigure: Option<Reconfigure>,
    /// How each satellite behaves; those beyond the list behave well.
    pub manners: Vec<Manner>,
    /// One engine for all members, so that a chore is compiled once.
    pub runtime: Runtime,
}

impl PlanetOptions {
    /// One satellite, one node, no chores, nothing special.
    pub fn new(root: impl Into<PathBuf>, runtime: Runtime) -> PlanetOptions {
        PlanetOptions {
            root: root.into(),
            satellites: 1,
            nodes: 1,
            chore_files: Vec::new(),
            reconfigure: None,
            manners: Vec::new(),
            runtime,
        }
    }
}

/// Satellites, storage nodes and one uplink that run. Shut it down, so that its peers close in
/// order; dropping it ends them at once.
#[must_use]
pub struct Planet {
    satellites: Vec<Member>,
    nodes: Vec<Member>,
    uplink: Uplink,
}

impl Planet {
    /// Starts the satellites, then the nodes. If one does not start, those that did are closed.
    pub async fn start(options: PlanetOptions) -> Result<Planet, Error> {
        let plan = Plan::new(&options)?;
        let uplink = Arc::new(Identity::create().map_err(Error::Uplink)?);
        let transport = Transport::new(uplink, transport::Options::default());
        let mut planet =
            Planet { satellites: Vec::new(), nodes: Vec::new(), uplink: Uplink::new(transport) };
        match planet.populate(options, plan).await {
            Ok(()) => Ok(planet),
            Err(err) => {
                // Why it did not start is the better answer than how the rest closed.
                let _ = planet.shutdown().await;
                Err(err)
            }
        }
    }

    async fn populate(&mut self, options: PlanetOptions, plan: Plan) -> Result<(), Error> {
        for (index, seat) in plan.satellites.into_iter().enumerate() {
            let manner = options.manners.get(index).cloned().unwrap_or_default();
            let text = config(&options, Role::Satellite, index, &seat, &plan.urls);
            let name = format!("{}-{index}", Role::Satellite);
            let member = Member::settle(name, &options, seat, &text, &[], manner).await?;
            self.satellites.push(member);
        }
        for (index, seat) in plan.nodes.into_iter().enumerate() {
            let text = config(&options, Role::Node, index, &seat, &plan.urls);
            let (name, files) = (format!("{}-{index}", Role::Node), &options.chore_files);
            let member =
                Member::settle(name, &options, seat, &text, files, Manner::default()).await?;
            self.nodes.push(member);
        }
        Ok(())
    }

    /// Panics if there are not so many.
    pub fn satellite(&self, index: usize) -> &Member {
        &self.satellites[index]
    }

    /// Panics if there are not so many.
    pub fn node(&self, index: usize) -> &Member {
        &self.nodes[index]
    }

    pub fn satellites(&self) -> &[Member] {
        &self.satellites
    }

    pub fn nodes(&self) -> &[Member] {
        &self.nodes
    }

    /// `count` orders that satellite `satellite` promises to pay node `node` for, signed by both
    /// sides. Takes about 0.1 ms of a core for each.
    pub fn issue(
        &self,
        satellite: usize,
        node: usize,
        count: usize,
        now: Timestamp,
    ) -> Result<Vec<(OrderLimit, Order)>, Error> {
        self.issuer(satellite, node, count, now)()
    }

    /// As [`Planet::issue`], for a thread that may be kept busy.
    pub fn issuer(
        &self,
        satellite: usize,
        node: usize,
        count: usize,
        now: Timestamp,
    ) -> impl FnOnce() -> Result<Vec<(OrderLimit, Order)>, Error> + Send + 'static {
        let identity = self.satellite(satellite).identity().clone();
        let node = self.node(node).node_id();
        move || issue(&identity, node, count, now).map_err(Error::Issue)
    }

    /// Hands orders in to a node over the network, and says of each in turn what became of it.
    pub async fn hand_in(&self, node: usize, orders: Vec<(OrderLimit, Order)>) -> Vec<HandedIn> {
        let mut outcomes = Vec::with_capacity(orders.len());
        let mut orders = orders.into_iter().peekable();
        while orders.peek().is_some() {
            let chunk = orders.by_ref().take(HAND_IN_CHUNK).collect();
            outcomes.extend(self.uplink.hand_in(self.node(node).url(), chunk).await);
        }
        outcomes
    }

    /// Hands orders in; fails unless the node took every one.
    pub async fn enqueue(
        &self,
        node: usize,
        orders: Vec<(OrderLimit, Order)>,
    ) -> Result<(), Error> {
        match self.hand_in(node, orders).await.into_iter().find_map(Result::err) {
            None => Ok(()),
            Some(reason) => Err(Error::NotTaken { index: node, reason }),
        }
    }

    /// Closes the peers in the reverse order of their start, each within its budget. All are
    /// closed, whatever becomes of one; the first failure is the answer.
    pub async fn shutdown(self) -> Result<(), Error> {
        let mut first = Ok(());
        for member in self.nodes.iter().rev().chain(self.satellites.iter().rev()) {
            first = first.and(member.stop().await);
        }
        first
    }
}

fn issue(
    satellite: &Identity,
    node: NodeId,
    count: usize,
    now: Timestamp,
) -> Result<Vec<(OrderLimit, Order)>, signing::Error> {
    let random = SystemRandom::new();
    let one = |_| {
        // Each piece has a key of its own, as in the field.
        let key = PieceKey::generate(&random)?;
        let terms = Terms {
            node,
            piece_key: key.public(),
            action: PieceAction::Put,
            limit: ORDER_BYTES,
            now,
            expires: now.plus(ORDER_LIFE),
        };
        let limit = signing::issue_limit(satellite, &terms, &random)?;
        let order = signing::draw(&key, &limit, ORDER_BYTES);
        Ok((limit, order))
    };
    (0..count).map(one).collect()
}

/// Who a member will be, and where: known before any is started, because their config files name
/// each other.
pub(crate) struct Seat {
    identity: Arc<Identity>,
    url: NodeUrl,
}

struct Plan {
    satellites: Vec<Seat>,
    nodes: Vec<Seat>,
    /// Of the satellites.
    urls: Vec<NodeUrl>,
}

impl Plan {
    fn new(options: &PlanetOptions) -> Result<Plan, Error> {
        // All are held until all are found, so that no two are the same.
        let mut held = Vec::new();
        let mut seats = |role, count| -> Result<Vec<Seat>, Error> {
            let seat = |index| {
                let identity =
                    Identity::create().map_err(|source| Error::Identity { role, index, source })?;
                let (listener, address) =
                    free_port().map_err(|source| Error::Port { role, index, source })?;
                held.push(listener);
                let url = NodeUrl { id: identity.id(), address: address.to_string() };
                Ok(Seat { identity: Arc::new(identity), url })
            };
            (0..count).map(seat).collect()
        };
        let satellites = seats(Role::Satellite, options.satellites)?;
        let nodes = seats(Role::Node, options.nodes)?;
        let urls = satellites.iter().map(|seat| seat.url.clone()).collect();
        Ok(Plan { satellites, nodes, urls })
    }
}

/// A port that nobody listens on. It stays the member's over restarts, as in the field.
fn free_port() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// The text of a member's config file.
fn config(
    options: &PlanetOptions,
    role: Role,
    index: usize,
    seat: &Seat,
    satellites: &[NodeUrl],
) -> String {
    let mut text = format!("[server]\nlisten = \"{}\"\n", seat.url.address);
    let urls: Vec<String> = satellites.iter().map(|url| format!("\"{url}\"")).collect();
    let urls = urls.join(", ");
    text.push_str(&match role {
        Role::Satellite => "\n[settlement]\n".to_owned(),
        Role::Node => {
            format!("\n[orders]\n\n[intake]\nsatellites = [{urls}]\n\n[nodes]\nknown = [{urls}]\n")
        }
    });
    if let Some(reconfigure) = &options.reconfigure {
        reconfigure(role, index, &mut text);
    }
    text
}

#[cfg(test)]
mod tests;
