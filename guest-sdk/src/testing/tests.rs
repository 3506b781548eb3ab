//! The fakes themselves, and how the SDK calls a chore in them.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::prelude::*;
use crate::transport::Code;

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
