//! Peers that die at any point of their work, again and again: no order that was acknowledged is
//! lost, none is paid twice, every run in the ledger has an end, and SQLite finds every file whole.
//!
//! Two ways to die. A power cut, which takes what was not synced: every write of every database is
//! remembered, and what the disk may hold after a cut at some point is made of that; the same peers go
//! on from there. And SIGKILL of the real program.
//!
//! `CHORE_ROUNDS=1000 CHORE_SEED=7` does more, and the same again. The seed decides what is handed in,
//! where and whose power is cut, and what is left of each write. How threads meet is not its: a
//! failure keeps its disk.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chore_host::clock::Timestamp;
use chore_host::peer::Home;
use chore_proto::{Order, OrderLimit};
use futures::future::join_all;
use testplanet::{
    Books, Chance, Cut, Disk, Files, Program, Rounds, SENDER, SENDER_GRANTS, Serial, Testplanet,
    component, ledger, whole,
};

/// In CI; see `tests/nightly.sh` for more.
const POWER_CUTS: usize = 24;
const KILLS: usize = 6;

/// Points at which each recording is cut, beside the one that the peers go on from.
const LOOKS: usize = 4;

/// Small, so that there are many points between two answers that are archived.
const BATCH_SIZE: usize = 7;

struct World {
    planet: Testplanet,
    offered: BTreeMap<Serial, (OrderLimit, Order)>,
    /// When each was acknowledged, as the disk counts.
    acknowledged: BTreeMap<Serial, usize>,
}

impl World {
    /// One satellite and one node, which do not run.
    async fn new(config: &str) -> World {
        let config = format!(
            "{SENDER_GRANTS}{config}\n[settings]\nbatch-size = {BATCH_SIZE}\ndial-timeout = \"5s\"\n"
        );
        let planet = Testplanet::start_with(1, 1, |options| {
            options.chore_files = vec![(component(SENDER), Some(config))];
        })
        .await;
        let world = World { planet, offered: BTreeMap::new(), acknowledged: BTreeMap::new() };
        world.stop().await;
        world
    }

    fn homes(&self) -> (&Home, &Home) {
        (self.planet.node(0).home(), self.planet.satellite(0).home())
    }

    async fn start(&self) {
        for member in [self.planet.satellite(0), self.planet.node(0)] {
            member.start().await.unwrap_or_else(|err| panic!("it does not start again: {err:?}"));
        }
    }

    async fn stop(&self) {
        for member in [self.planet.node(0), self.planet.satellite(0)] {
            member.stop().await.unwrap_or_else(|err| panic!("it does not close: {err}"));
        }
    }

    /// Hands in new orders, and again what nobody acknowledged, over several streams at once. `now`
    /// says when an answer is there.
    async fn hand_in(&mut self, chance: &mut Chance, now: impl Fn() -> usize) {
        let again: Vec<_> = self
            .offered
            .iter()
            .filter(|(serial, _)| !self.acknowledged.contains_key(*serial))
            .map(|(_, order)| order.clone())
            .take(30)
            .collect();
        let mut streams = vec![again];
        for _ in 0..=chance.below(3) {
            let count = 1 + chance.below(25);
            let orders = self.planet.issue(0, 0, count, Timestamp::now()).unwrap();
            for (limit, order) in &orders {
                let pair = (limit.clone(), order.clone());
                self.offered.insert(limit.serial_number.clone(), pair);
            }
            streams.push(orders);
        }
        let chunk = 1 + chance.below(10);
        let (planet, now) = (&self.planet, &now);
        let hand_in = |orders: Vec<(OrderLimit, Order)>| async move {
            let mut answered = Vec::new();
            for chunk in orders.chunks(chunk) {
                let outcomes = planet.hand_in_raw(0, chunk.to_vec()).await;
                let at = now();
                for ((limit, _), outcome) in chunk.iter().zip(outcomes) {
                    let has_it = match outcome {
                        Ok(_) => true,
                        Err(reason) => reason.contains("serial number before"),
                    };
                    answered.extend(has_it.then(|| (limit.serial_number.clone(), at)));
                }
            }
            answered
        };
        for (serial, at) in join_all(streams.into_iter().map(hand_in)).await.into_iter().flatten() {
            self.acknowledged.entry(serial).or_insert(at);
        }
    }

    /// Uplinks hand in, and the sender settles, at the same time.
    async fn work(&mut self, chance: &mut Chance, disk: &Disk) {
        let runs = 1 + chance.below(4);
        let node = self.planet.node(0).handle();
        let sender = tokio::spawn(async move {
            for _ in 0..runs {
                let _ = node.trigger(SENDER, None, true).await;
            }
        });
        self.hand_in(chance, || disk.now()).await;
        sender.await.unwrap();
        if chance.below(2) == 0 {
            self.planet.trigger_wait(0, SENDER).await;
        }
    }

    /// What was acknowledged when the disk had done so much.
    fn acknowledged_at(&self, at: usize) -> BTreeSet<Serial> {
        let before = self.acknowledged.iter().filter(|(_, when)| **when <= at);
        before.map(|(serial, _)| serial.clone()).collect()
    }

    fn offered(&self) -> BTreeSet<Serial> {
        self.offered.keys().cloned().collect()
    }
}

/// What must be true when both peers have died.
fn audit(
    node: &Home,
    satellite: &Home,
    acknowledged: &BTreeSet<Serial>,
    offered: &BTreeSet<Serial>,
) -> Result<(), String> {
    whole(node)?;
    whole(satellite)?;
    Books::read(node, satellite)?.check(acknowledged, offered)
}

/// A point to cut the power at, mostly while there was work, and whose.
fn cut<'a>(world: &World, work: usize, end: usize, chance: &'a mut Chance) -> Cut<'a> {
    let at = match chance.below(4) {
        0 => chance.below(end + 1),
        _ => work + chance.below(end + 1 - work),
    };
    let (node, satellite) = world.homes();
    let root = |home: &Home| home.root().canonicalize().unwrap();
    let without_power: &[&Home] = match chance.below(4) {
        0 => &[node],
        1 => &[satellite],
        // Both are killed, and the power stays.
        2 => &[],
        _ => &[node, satellite],
    };
    let without_power = without_power.iter().map(|home| root(home)).collect();
    Cut { at, without_power, syncs_lie: false, chance }
}

/// Where a disk that fails its audit is kept.
fn keep(files: &Files, seed: u64) -> PathBuf {
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    let folder = folder.join(format!("../../crash/{seed}"));
    std::fs::create_dir_all(&folder).unwrap();
    files.write(&folder);
    folder
}

/// Audits a disk in another place, with homes of the same names.
fn look(world: &World, files: &Files, at: usize, place: &Path) -> Result<(), String> {
    files.write(place);
    let (node, satellite) = (Home::new(place.join("node-0")), Home::new(place.join("satellite-0")));
    audit(&node, &satellite, &world.acknowledged_at(at), &world.offered())
}

/// Begins to remember, starts the peers and lets them work. When the work began, and when it ended.
async fn live(world: &mut World, disk: &Disk, chance: &mut Chance) -> (usize, usize) {
    disk.record();
    for at in world.acknowledged.values_mut() {
        *at = 0;
    }
    world.start().await;
    let begun = disk.now();
    world.work(chance, disk).await;
    let ended = disk.now();
    world.stop().await;
    (begun, ended)
}

fn folder_of(world: &World) -> PathBuf {
    world.homes().0.root().parent().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_at_any_point_loses_no_order_and_pays_none_twice() {
    let mut rounds = Rounds::of("power cuts", POWER_CUTS);
    let mut world = World::new("").await;
    let folder = folder_of(&world);
    let disk = Disk::of(&folder);
    // The first cut may come while the files are made.
    Files::default().write(&folder);
    let place = tempfile::tempdir().unwrap();
    while let Some(mut chance) = rounds.round() {
        let (begun, ended) = live(&mut world, &disk, &mut chance).await;
        let (node, satellite) = world.homes();
        for home in [node, satellite] {
            ledger(home).unwrap_or_else(|err| panic!("after the last cut: {err}"));
        }
        // The peers go on from the last of these.
        for nth in 0..=LOOKS {
            let mut cut = cut(&world, begun, ended, &mut chance);
            let files = disk.after(&mut cut);
            let (at, without_power) = (cut.at, cut.without_power.len());
            if let Err(err) = look(&world, &files, at, place.path()) {
                let kept = keep(&files, rounds.seed());
                panic!(
                    "{err}\n  cut at {at} of {ended}, {without_power} without power\n  kept: {}",
                    kept.display()
                );
            }
            if nth == LOOKS {
                files.write(&folder);
                world.acknowledged.retain(|_, when| *when <= at);
            }
        }
    }
    world.start().await;
    world.planet.trigger_wait(0, SENDER).await;
    world.planet.trigger_wait(0, SENDER).await;
    world.stop().await;
    let (node, satellite) = world.homes();
    let books = Books::read(node, satellite).unwrap();
    assert!(books.is_settled() && !books.known().is_empty(), "{}", books.summary());
    audit(node, satellite, &world.acknowledged_at(usize::MAX), &world.offered()).unwrap();
    println!("power cuts: {} of {} offered", books.summary(), world.offered.len());
    world.planet.shutdown().await;
}

/// The test of the test: with a disk that does not sync, orders are lost, and it is noticed.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_does_not_sync_is_found_out() {
    let mut world = World::new("").await;
    let folder = folder_of(&world);
    let disk = Disk::of(&folder);
    let place = tempfile::tempdir().unwrap();
    let mut chance = Chance::of(1);
    let (begun, ended) = live(&mut world, &disk, &mut chance).await;
    let mut found = BTreeMap::<String, usize>::new();
    for _ in 0..40 {
        let mut cut = cut(&world, begun, ended, &mut chance);
        cut.syncs_lie = true;
        let files = disk.after(&mut cut);
        if let Err(err) = look(&world, &files, cut.at, place.path()) {
            let what = err.split(':').next().unwrap_or_default();
            *found
                .entry(what.trim_start_matches(|of: char| !of.is_alphabetic()).into())
                .or_default() += 1;
        }
    }
    println!("found out: {found:?}");
    assert!(found.keys().any(|what| what.contains("acknowledged and are lost")), "{found:?}");
    world.planet.shutdown().await;
}

/// The peers of a world as programs, each in its home.
struct Programs {
    node: Option<Program>,
    satellite: Option<Program>,
}

impl Programs {
    fn start(&mut self, world: &World) {
        let (node, satellite) = world.homes();
        for (program, home) in [(&mut self.satellite, satellite), (&mut self.node, node)] {
            program.get_or_insert_with(|| Program::run(home.root()));
        }
    }

    fn are_up(&mut self) {
        for program in [&mut self.satellite, &mut self.node].into_iter().flatten() {
            program.is_up();
        }
    }

    fn kill(&mut self, chance: &mut Chance) {
        let whom = chance.below(3);
        if whom != 1 {
            self.node.take().into_iter().for_each(Program::kill);
        }
        if whom != 0 {
            self.satellite.take().into_iter().for_each(Program::kill);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_are_killed_at_any_point_lose_no_order_and_pay_none_twice() {
    let mut rounds = Rounds::of("kills", KILLS);
    let mut world = World::new("[cycles.main]\ninterval = \"1s\"\n").await;
    let mut programs = Programs { node: None, satellite: None };
    let mut in_the_middle = 0;
    while let Some(mut chance) = rounds.round() {
        programs.start(&world);
        // Some die while they start.
        if chance.below(4) > 0 {
            programs.are_up();
        }
        let lives = Duration::from_millis(chance.number() % 400);
        let mut dies = Chance::of(chance.number());
        let kill = tokio::task::spawn_blocking(move || {
            std::thread::sleep(lives);
            programs.kill(&mut dies);
            programs
        });
        while !kill.is_finished() {
            world.hand_in(&mut chance, || 0).await;
        }
        programs = kill.await.unwrap();
        let (node, satellite) = world.homes();
        audit(node, satellite, &world.acknowledged_at(0), &world.offered()).unwrap();
        let books = Books::read(node, satellite).unwrap();
        in_the_middle += usize::from(!books.is_settled());
    }
    assert!(in_the_middle > 0, "each was killed too late or too early to prove anything");
    programs.start(&world);
    programs.are_up();
    world.hand_in(&mut Chance::of(1), || 0).await;
    let (node, satellite) = world.homes();
    testplanet::eventually("all is settled", || async {
        Books::read(node, satellite).unwrap().is_settled()
    })
    .await;
    assert!(programs.node.take().unwrap().terminate().success());
    assert!(programs.satellite.take().unwrap().terminate().success());
    audit(node, satellite, &world.acknowledged_at(0), &world.offered()).unwrap();
    for home in [node, satellite] {
        ledger(home).unwrap();
    }
    let books = Books::read(node, satellite).unwrap();
    println!(
        "kills: {in_the_middle} in the middle; {} of {} offered",
        books.summary(),
        world.offered.len()
    );
    world.planet.shutdown().await;
}
