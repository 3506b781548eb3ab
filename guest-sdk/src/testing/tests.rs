//! The fakes themselves, and how the SDK calls a chore in them.

use std::cell::Cell;
use std::rc::Rc;

use prost::Message;

use super::*;
use crate::prelude::*;
use crate::transport::{Code, Status};

/// Does what the setting says.
#[derive(Settings)]
struct Acts {
    /// What to do.
    #[setting(default = "nothing")]
    what: String,
}

impl Chore for Acts {
    fn cycles() -> Vec<CycleSpec> {
        vec![CycleSpec::main(Duration::from_secs(60), Duration::from_secs(6))]
    }

    fn new(settings: Acts) -> Result<Acts> {
        if settings.what == "refuse" {
            bail!("will not");
        }
        Ok(settings)
    }

    async fn run(&mut self, tick: Tick) -> Result<()> {
        match self.what.as_str() {
            "wait" => std::future::pending().await,
            "sleep" => {
                time::sleep(Duration::from_secs(60)).await;
                Ok(())
            }
            "save" => state::save_text(tick.iteration).await,
            "save and fail" => {
                state::save_text(tick.iteration).await?;
                bail!("changed my mind")
            }
            _ => Ok(()),
        }
    }
}

/// Waits for ever, whatever it is asked.
#[derive(Settings)]
struct Stubborn;

#[chore(interval = "1m", timeout = "1s", winds_down)]
impl Chore for Stubborn {
    async fn run(&mut self, _: Tick) -> Result<()> {
        cycle::cancelled().await;
        std::future::pending().await
    }
}

/// Takes longer to open than a peer waits.
#[derive(Settings)]
struct Sleepy;

#[chore(interval = "1m", timeout = "1s")]
impl Chore for Sleepy {
    async fn open(&mut self, _: OpenReason) -> Result<()> {
        time::sleep(Duration::from_secs(61)).await;
        Ok(())
    }

    async fn run(&mut self, _: Tick) -> Result<()> {
        Ok(())
    }
}

fn failure(outcome: Result<()>) -> (Kind, String) {
    let err = outcome.expect_err("fails");
    (err.kind(), err.to_string())
}

#[test]
fn a_call_that_only_waits_is_cancelled() {
    let world = World::new().setting("what", "wait");
    let cancelled = (Kind::Cancelled, "cancelled before it was done".to_owned());
    assert_eq!(failure(world.run::<Acts>(tick())), cancelled);
    assert!(world.was_cancelled());
    assert_eq!(failure(World::new().run::<Stubborn>(tick())).0, Kind::TimedOut);
}

#[test]
fn a_call_that_is_done_has_succeeded_even_if_cancelled() {
    let world = World::new();
    world.cancel();
    assert_eq!(world.run::<Acts>(tick()), Ok(()));
    assert!(world.was_cancelled());
    assert_eq!(world.run::<Acts>(tick()), Ok(()));
    assert!(!world.was_cancelled());
}

#[test]
fn state_is_kept_if_the_call_succeeds() {
    let saved = |what| {
        let world = World::new().setting("what", what).saved(b"0", "0.0.1");
        let _ = world.run::<Acts>(tick());
        world.state().map(|saved| saved.data)
    };
    assert_eq!(saved("save"), Some(b"1".to_vec()));
    assert_eq!(saved("save and fail"), Some(b"0".to_vec()));
    assert_eq!(saved("nothing"), Some(b"0".to_vec()));
}

#[test]
fn settings_are_read_before_every_call() {
    let world = World::new().setting("what", "refuse");
    let refused = (Kind::Other, "will not".to_owned());
    assert_eq!(failure(world.open::<Acts>(OpenReason::Loaded)), refused);
    assert_eq!(failure(world.run::<Acts>(tick())), refused);
    assert_eq!(failure(world.close::<Acts>(CloseReason::Shutdown)), refused);
}

#[test]
fn the_descriptor_says_what_the_chore_is() {
    let described = crate::Descriptor::of::<Acts>("acts", "1.2.3", "of the package");
    assert_eq!((described.name.as_str(), described.version.as_str()), ("acts", "1.2.3"));
    assert_eq!(described.about, "Does what the setting says.");
    assert_eq!(described.cycles[0].interval, Duration::from_secs(60));
    assert_eq!(described.settings[0].name, "what");
    let stubborn = crate::Descriptor::of::<Stubborn>("s", "1.0.0", "of the package");
    assert_eq!(stubborn.cycles[0].timeout, Duration::from_secs(1));
}

#[test]
fn text_state_says_who_saved_what_does_not_read() {
    let world = World::new().saved(b"x", "0.3.0");
    let err = world.block_on(state::load_text::<u64>()).expect_err("is no number");
    assert_eq!(err.to_string(), "load state: what version 0.3.0 saved does not read");
}

async fn dialled(id: NodeId) -> Result<transport::Connection> {
    let node = kademlia::find_node(id).await?;
    transport::dial_node(node, Duration::from_secs(1)).await
}

#[test]
fn nodes_are_up_down_silent_or_unknown() {
    let (down, silent, unknown) = (NodeId::fake(1), NodeId::fake(2), NodeId::fake(3));
    let world = World::new().node_down(down).node_silent(silent);
    for (id, kind) in
        [(down, Kind::Unavailable), (silent, Kind::TimedOut), (unknown, Kind::NotFound)]
    {
        let outcome = world.block_on(dialled(id));
        assert_eq!(outcome.err().map(|err| err.kind()), Some(kind), "{id}");
    }
    let world = World::new().node_down(down).deny("kademlia");
    assert_eq!(world.block_on(dialled(down)).err().map(|err| err.kind()), Some(Kind::Denied));
    let world = World::new().node_silent(silent);
    let began = world.now();
    assert!(world.block_on(dialled(silent)).is_err());
    assert_eq!(world.now().saturating_since(began), Duration::from_secs(1), "its timeout");
}

/// The outcome of a run of one that waits so long, and what time it then is, in seconds.
fn waited<C: Chore>(world: World) -> (Result<(), Kind>, u64) {
    let began = world.now();
    let outcome = world.run::<C>(tick()).map_err(|err| err.kind());
    (outcome, world.now().saturating_since(began).as_secs())
}

#[test]
fn time_passes_when_everybody_waits() {
    let world = |what| World::new().setting("what", what);
    let minute = Duration::from_secs(60);
    // The hour is that of the tick.
    for (world, wanted) in [
        (world("nothing"), (Ok(()), 0)),
        (world("sleep"), (Ok(()), 60)),
        (world("sleep").timeout(minute / 2), (Err(Kind::Cancelled), 30)),
        (world("wait"), (Err(Kind::Cancelled), 3_600)),
    ] {
        assert_eq!(waited::<Acts>(world), wanted);
    }
    // And the ten seconds those that a peer leaves it.
    assert_eq!(waited::<Stubborn>(World::new()), (Err(Kind::TimedOut), 3_600));
    let world = world("wait");
    world.cancel();
    assert_eq!(waited::<Acts>(world), (Err(Kind::Cancelled), 0));
    let world = World::new();
    let outcome = world.open::<Sleepy>(OpenReason::Loaded).map_err(|err| err.kind());
    assert_eq!(outcome, Err(Kind::Cancelled), "open has a minute");
}

#[test]
fn who_sleeps_less_wakes_up_first() {
    let world = World::new();
    let order = world.block_on(async {
        let order = std::cell::RefCell::new(Vec::new());
        let sleep = async |seconds| {
            time::sleep(Duration::from_secs(seconds)).await;
            order.borrow_mut().push(seconds);
        };
        let dropped = time::timeout(Duration::from_secs(4), sleep(60));
        let (_, _, dropped) = futures::join!(sleep(7), sleep(3), dropped);
        assert_eq!(dropped.map_err(|err| err.kind()), Err(Kind::TimedOut));
        Ok(order.into_inner())
    });
    assert_eq!(order, Ok(vec![3, 7]));
    assert_eq!(world.now().saturating_since(tick().due), Duration::from_secs(7));
}

#[test]
fn who_sleeps_with_a_transaction_is_waited_for() {
    let world = World::new();
    world.script("CREATE TABLE t (k)").unwrap();
    for (seconds, wanted) in [(20, Ok(1)), (40, Err(Kind::Conflict))] {
        let found = world.block_on(async {
            let transaction = sql::begin().await?;
            let commit = async {
                time::sleep(Duration::from_secs(seconds)).await;
                transaction.commit().await
            };
            let (inserted, committed) =
                futures::join!(sql::execute("INSERT INTO t VALUES (1)", params![]), commit);
            committed?;
            Ok(inserted.map_err(|err| err.kind()))
        });
        assert_eq!(found, Ok(wanted), "{seconds} s");
    }
}

#[test]
fn a_seed_says_what_chance_does() {
    let drawn = |seed| {
        World::new().seed(seed).within(|| {
            let mut bytes = [0; 11];
            random::fill(&mut bytes);
            let mut items: Vec<u8> = (0..20).collect();
            random::shuffle(&mut items);
            assert!(items != (0..20).collect::<Vec<_>>());
            (random::u64(), bytes, items)
        })
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    for (end, wanted) in [(0, 0), (1, 0)] {
        assert_eq!(World::new().within(|| random::below(end)), wanted);
    }
}

#[test]
fn what_a_test_makes_fail_fails() {
    let world = World::new().unsent(NodeId::fake(1), 1).fails("sql.execute", Kind::Unavailable);
    let world = world.fails_once("orders.count-unsent", Kind::TimedOut);
    let world = world.fails_once("sql.commit", Kind::Conflict);
    let found = world.block_on(async {
        let kind = |err: Error| err.kind();
        let counted = [orders::count_unsent().await, orders::count_unsent().await];
        let executed = [sql::execute("SELECT 1", params![]).await.map_err(kind); 1];
        let transaction = sql::begin().await?;
        let within = transaction.execute("SELECT 1", params![]).await.map_err(kind);
        let committed = [transaction.commit().await, sql::begin().await?.commit().await];
        Ok((
            counted.map(|it| it.map_err(kind).map(|all| all.len())),
            executed,
            within,
            committed.map(|it| it.map_err(kind)),
        ))
    });
    let (counted, executed, within, committed) = found.unwrap();
    assert_eq!(counted, [Err(Kind::TimedOut), Ok(1)]);
    assert_eq!((executed, within), ([Err(Kind::Unavailable)], Err(Kind::Unavailable)));
    assert_eq!(committed, [Err(Kind::Conflict), Ok(())]);
}

#[test]
#[should_panic(expected = "no call \"sql.exec\" can fail; these can:")]
fn what_cannot_fail_is_named() {
    let _ = World::new().fails("sql.exec", Kind::Internal);
}

/// Answers each message, and fails at "bad".
fn echo(world: World) -> World {
    world.node(NodeId::fake(1), |mut call| async move {
        while let Some(request) = call.next().await {
            if request == b"bad" {
                return Err(Status::new(Code::INVALID_ARGUMENT, "that is bad"));
            }
            call.respond(request).await?;
        }
        Ok(())
    })
}

#[test]
fn unary_calls_answer_or_fail() {
    let world = echo(World::new());
    let ask = async |message: &[u8]| {
        let connection = dialled(NodeId::fake(1)).await?;
        Ok(connection.unary("/e.E/E", message.to_vec()).await?)
    };
    assert_eq!(world.block_on(ask(b"good")), Ok(b"good".to_vec()));
    let err = world.block_on(ask(b"bad")).expect_err("is refused");
    assert_eq!((err.kind(), err.message()), (Kind::Invalid, "invalid argument: that is bad"));
}

#[test]
fn a_stream_gives_what_came_before_the_error() {
    let world = echo(World::new());
    let found = world.block_on(async {
        let (mut requests, mut responses) = dialled(NodeId::fake(1)).await?.stream("/e.E/E").await;
        for message in [&b"a"[..], b"b", b"bad"] {
            requests.send(message.to_vec()).await?;
        }
        let mut read = Vec::new();
        let end = loop {
            match responses.next().await {
                Ok(Some(response)) => read.push(response),
                Ok(None) => break None,
                Err(status) => break Some(status.code),
            }
        };
        assert_eq!(responses.next().await, Ok(None));
        assert_eq!(requests.send(b"late".to_vec()).await, Err(transport::Closed));
        Ok((read, end))
    });
    assert_eq!(found, Ok((vec![b"a".to_vec(), b"b".to_vec()], Some(Code::INVALID_ARGUMENT))));
}

#[derive(Clone, PartialEq, Message)]
struct Ping {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(bytes = "vec", tag = "2")]
    ballast: Vec<u8>,
}

impl Ping {
    fn new(number: u64, ballast: usize) -> Ping {
        Ping { number, ballast: vec![0; ballast] }
    }
}

const PING: &str = "/ping.Ping/Ping";

#[test]
fn calls_speak_messages() {
    const TOO_LARGE: usize = transport::MESSAGE_BYTES_MAX;
    let world = World::new()
        .answers(NodeId::fake(1), PING, |ping: Ping| match ping.number {
            0 => Err(Status::new(Code::OUT_OF_RANGE, "not 0")),
            9 => Ok(Ping::new(9, TOO_LARGE)),
            number => Ok(Ping::new(number + 1, 0)),
        })
        .answers(NodeId::fake(1), "/ping.Ping/Text", |_: Ping| Ok("no ping".to_owned()));
    let ask = |method, ping: Ping| {
        world.block_on(async {
            let connection = dialled(NodeId::fake(1)).await?;
            let once = connection.call::<Ping, Ping>(method, &ping).await;
            let (mut requests, mut responses) = connection.call_stream(method).await;
            let sent = requests.send(&ping).await;
            drop(requests);
            let streamed: Result<Option<Ping>, Status> = responses.next().await;
            let end = responses.next().await;
            if streamed.is_ok() {
                assert_eq!((sent, end), (Ok(()), Ok(None)));
            }
            assert_eq!(streamed, once.clone().map(Some));
            Ok(once.map(|ping| ping.number).map_err(|status| (status.code, status.message)))
        })
    };
    assert_eq!(ask(PING, Ping::new(1, 0)), Ok(Ok(2)));
    for (method, ping, code, said) in [
        (PING, Ping::new(0, 0), Code::OUT_OF_RANGE, "not 0"),
        (PING, Ping::new(1, TOO_LARGE), Code::RESOURCE_EXHAUSTED, "a message has 4194"),
        (PING, Ping::new(9, 0), Code::OUT_OF_RANGE, "a message has 4194"),
        ("/ping.Ping/Text", Ping::new(1, 0), Code::INTERNAL, "9 bytes are no Ping: failed to"),
        ("/ping.Ping/Pong", Ping::new(1, 0), Code::UNIMPLEMENTED, "the node has no method"),
    ] {
        let (found, message) = ask(method, ping).expect("is dialled").expect_err(said);
        assert_eq!(found, code, "{message}");
        assert!(message.starts_with(said), "{message}");
    }
}

#[test]
fn a_node_that_does_not_read_holds_the_sender() {
    let world = World::new().node(NodeId::fake(1), |call| async move {
        let _unread = call;
        std::future::pending().await
    });
    let sent = Rc::new(Cell::new(0));
    let counted = Rc::clone(&sent);
    let outcome: Result<()> = world.block_on(async move {
        let (mut requests, _responses) = dialled(NodeId::fake(1)).await?.stream("/e.E/E").await;
        loop {
            requests.send(vec![0]).await?;
            counted.set(counted.get() + 1);
        }
    });
    assert_eq!(outcome.err().map(|err| err.kind()), Some(Kind::TimedOut));
    assert_eq!(sent.get(), 64);
}

#[test]
fn a_chore_controls_its_cycles() {
    let world = World::new();
    assert_eq!(world.run::<Acts>(tick()), Ok(()));
    world.within(|| {
        let minute = Duration::from_secs(60);
        assert_eq!(cycle::list(), ["main"]);
        assert_eq!(cycle::add("x", minute, minute), Ok(()));
        let kind = |outcome: Result<()>| outcome.map_err(|err| err.kind());
        assert_eq!(kind(cycle::add("x", minute, minute)), Err(Kind::Conflict));
        assert_eq!(kind(cycle::pause("y")), Err(Kind::NotFound));
        assert_eq!(kind(cycle::remove("main")), Err(Kind::Invalid));
        assert_eq!(kind(cycle::change_interval("x", Duration::ZERO)), Err(Kind::Invalid));
        assert_eq!(cycle::pause("x"), Ok(()));
        assert_eq!(cycle::trigger("x"), Ok(()));
        assert_eq!(cycle::status("x"), Ok(cycle::State::Paused));
    });
    let cycle = world.cycle("x").expect("was added");
    assert_eq!((cycle.added, cycle.triggers, cycle.state), (true, 1, cycle::State::Paused));
}

#[test]
fn outside_a_world_there_is_no_peer() {
    info!("goes nowhere");
    assert_eq!(crate::settings::get("x"), None);
    let err = cycle::status("main").expect_err("nobody is there");
    assert!(err.message().starts_with("no peer here"), "{err}");
}
