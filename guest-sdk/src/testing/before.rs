//! What there is before the chore is called.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use prost::Message;

use super::{Call, World, fake};
use crate::log::Level;
use crate::orders::Info;
use crate::state::Saved;
use crate::transport::Status;
use crate::{Kind, NodeId};

/// What there is before the chore is called.
impl World {
    /// No settings, no orders, no nodes; everything granted; every line logged.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new();
    /// assert_eq!(world.block_on(orders::count_unsent()), Ok(vec![]));
    /// ```
    pub fn new() -> World {
        World::default()
    }

    /// What the operator set; the last one of a name counts.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, settings, testing::World};
    /// let world = World::new().setting("whom", "you");
    /// assert_eq!(world.within(|| settings::get("whom")).as_deref(), Some("you"));
    /// ```
    #[must_use]
    pub fn setting(self, name: &str, value: &str) -> World {
        self.0.borrow_mut().settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What an earlier call saved, under the chore's version then.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().saved(b"6", "1.0.0");
    /// assert_eq!(world.block_on(state::load_text::<u64>()), Ok(Some(6)));
    /// ```
    #[must_use]
    pub fn saved(self, data: &[u8], version: &str) -> World {
        let saved = Saved { data: data.to_vec(), version: version.to_owned() };
        self.0.borrow_mut().saved = Some(saved);
        self
    }

    /// The chore's version from now on, under which it saves; "0.1.0" if none is said.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().saved(b"6", "1.0.0").version("2.0.0");
    /// # assert_eq!(world.state().unwrap().version, "1.0.0");
    /// ```
    #[must_use]
    pub fn version(self, version: &str) -> World {
        self.0.borrow_mut().version = version.to_owned();
        self
    }

    /// Lines below this level go nowhere.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, log::Level, testing::{World, tick}};
    /// let world = World::new().log_level(Level::Warn);
    /// world.within(|| info!("goes nowhere"));
    /// assert_eq!(world.logs(), []);
    /// ```
    #[must_use]
    pub fn log_level(self, level: Level) -> World {
        self.0.borrow_mut().log_level = level;
        self
    }

    /// The operator has not granted "orders", "kademlia" or "transport".
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().deny("orders");
    /// let err = world.block_on(orders::count_unsent()).unwrap_err();
    /// assert_eq!(err.kind(), Kind::Denied);
    /// ```
    #[must_use]
    pub fn deny(self, capability: &'static str) -> World {
        self.0.borrow_mut().denied.insert(capability);
        self
    }

    /// Made-up orders for a satellite, with distinct serial numbers. The limit of each is its serial
    /// number, so that a fake satellite knows it; its order is that after the text "order of ".
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().unsent(NodeId::fake(1), 3);
    /// let unsent = world.unsent_orders(NodeId::fake(1));
    /// assert_eq!(unsent.len(), 3);
    /// assert!(unsent.iter().all(|info| info.limit == info.serial));
    /// ```
    #[must_use]
    pub fn unsent(self, satellite: NodeId, count: usize) -> World {
        self.0.borrow_mut().orders.make(satellite, count);
        self
    }

    /// An order that waits, with everything as it is here.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let satellite = NodeId::fake(1);
    /// let info = orders::Info {
    ///     satellite,
    ///     serial: vec![1; 16],
    ///     limit: vec![1],
    ///     order: vec![2],
    ///     expires: Timestamp::from_nanos(0),
    /// };
    /// let world = World::new().order(info.clone());
    /// assert_eq!(world.unsent_orders(satellite), [info]);
    /// ```
    #[must_use]
    pub fn order(self, info: Info) -> World {
        self.0.borrow_mut().orders.unsent.push(info);
        self
    }

    /// Every such call fails. The call is named as in the contract: "orders.archive",
    /// "sql.execute", "state.save", "transport.dial-node".
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().fails("orders.count-unsent", Kind::Unavailable);
    /// let err = world.block_on(orders::count_unsent()).unwrap_err();
    /// assert_eq!(err.kind(), Kind::Unavailable);
    /// ```
    #[must_use]
    pub fn fails(self, call: &'static str, kind: Kind) -> World {
        self.0.borrow_mut().fails(call, kind, false);
        self
    }

    /// As [`World::fails`], the next such call only. Said twice, the next two fail.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().fails_once("sql.execute", Kind::Unavailable);
    /// let execute = || world.block_on(sql::execute("CREATE TABLE t (k)", params![]));
    /// assert_eq!(execute().unwrap_err().kind(), Kind::Unavailable);
    /// assert_eq!(execute(), Ok(0));
    /// ```
    #[must_use]
    pub fn fails_once(self, call: &'static str, kind: Kind) -> World {
        self.0.borrow_mut().fails(call, kind, true);
        self
    }

    /// How long a run has before it should wind down, whatever its tick says.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::{World, tick}};
    /// # /// Waits.
    /// # #[derive(Settings)]
    /// # struct Waits;
    /// # #[chore(interval = "1h", timeout = "1m")]
    /// # impl Chore for Waits {
    /// #     async fn run(&mut self, _: Tick) -> Result<()> {
    /// #         time::sleep(Duration::from_secs(60)).await;
    /// #         Ok(())
    /// #     }
    /// # }
    /// let world = World::new().timeout(Duration::from_secs(59));
    /// assert_eq!(world.run::<Waits>(tick()).unwrap_err().kind(), Kind::Cancelled);
    /// let world = World::new().timeout(Duration::from_secs(61));
    /// assert_eq!(world.run::<Waits>(tick()), Ok(()));
    /// ```
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> World {
        self.0.borrow_mut().timeout = Some(timeout);
        self
    }

    /// Another sequence of numbers for [`random`](crate::random). Without it, it is that of 0.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let drawn = |seed| World::new().seed(seed).within(random::u64);
    /// assert_eq!(drawn(1), drawn(1));
    /// assert_ne!(drawn(1), drawn(2));
    /// ```
    #[must_use]
    pub fn seed(self, seed: u64) -> World {
        self.0.borrow_mut().seed = seed;
        self
    }

    /// A node that Kademlia knows and that answers calls, see [`Call`].
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().node(NodeId::fake(1), |mut call| async move {
    ///     while let Some(request) = call.next().await {
    ///         call.respond(request).await?;
    ///     }
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn node<H, F>(self, id: NodeId, handler: H) -> World
    where
        H: Fn(Call) -> F + 'static,
        F: Future<Output = Result<(), Status>> + 'static,
    {
        let handler: fake::Handler = Rc::new(move |call| Box::pin(handler(call)));
        self.0.borrow_mut().nodes.insert(id, fake::Node::Up(handler));
        self
    }

    /// A node that Kademlia knows and that answers each message of one method: of a unary call the
    /// only one, of a streaming call one after the other. Said for several methods, it has them all.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World, transport::{Code, Status}};
    /// # use chore_proto::{ENQUEUE_METHOD, EnqueueRequest, EnqueueResponse};
    /// let world = World::new().answers(NodeId::fake(1), ENQUEUE_METHOD, |request: EnqueueRequest| {
    ///     match request.limit.is_empty() {
    ///         true => Err(Status::new(Code::INVALID_ARGUMENT, "no limit")),
    ///         false => Ok(EnqueueResponse::default()),
    ///     }
    /// });
    /// # let ask = |limit: Vec<u8>| world.block_on(async {
    /// #     let node = kademlia::find_node(NodeId::fake(1)).await?;
    /// #     let connection = transport::dial_node(node, Duration::from_secs(1)).await?;
    /// #     let request = EnqueueRequest { limit, order: vec![] };
    /// #     Ok(connection.call::<_, EnqueueResponse>(ENQUEUE_METHOD, &request).await?)
    /// # });
    /// # assert_eq!(ask(vec![1]), Ok(EnqueueResponse::default()));
    /// # assert_eq!(ask(vec![]).unwrap_err().kind(), Kind::Invalid);
    /// ```
    #[must_use]
    pub fn answers<Req, Resp, F>(self, id: NodeId, method: &str, answer: F) -> World
    where
        Req: Message + Default,
        Resp: Message,
        F: Fn(Req) -> Result<Resp, Status> + 'static,
    {
        let answer = Rc::new(answer);
        let handler: fake::Handler = Rc::new(move |mut call| {
            let answer = Rc::clone(&answer);
            Box::pin(async move {
                while let Some(request) = call.next_as().await? {
                    call.answer(&answer(request)?).await?;
                }
                Ok(())
            })
        });
        self.0.borrow_mut().answer(id, method, handler);
        self
    }

    /// A node that Kademlia knows and that cannot be reached.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().node_down(NodeId::fake(1));
    /// let dialled = world.block_on(async {
    ///     let node = kademlia::find_node(NodeId::fake(1)).await?;
    ///     transport::dial_node(node, Duration::from_secs(5)).await
    /// });
    /// assert_eq!(dialled.err().unwrap().kind(), Kind::Unavailable);
    /// ```
    #[must_use]
    pub fn node_down(self, id: NodeId) -> World {
        self.0.borrow_mut().nodes.insert(id, fake::Node::Down);
        self
    }

    /// A node that Kademlia knows and that never answers a dial: it ends with its timeout.
    ///
    /// ```
    /// # use chore_sdk::{prelude::*, testing::World};
    /// let world = World::new().node_silent(NodeId::fake(1));
    /// let dialled = world.block_on(async {
    ///     let node = kademlia::find_node(NodeId::fake(1)).await?;
    ///     transport::dial_node(node, Duration::from_secs(5)).await
    /// });
    /// assert_eq!(dialled.err().unwrap().kind(), Kind::TimedOut);
    /// assert_eq!(world.now().saturating_since(World::new().now()).as_secs(), 5);
    /// ```
    #[must_use]
    pub fn node_silent(self, id: NodeId) -> World {
        self.0.borrow_mut().nodes.insert(id, fake::Node::Silent);
        self
    }
}
