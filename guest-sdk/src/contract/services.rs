//! The part of the contract that is about time, cycles, orders and nodes.

use super::same;
use crate::kademlia::Node;
use crate::orders::{ArchiveRequest, Info, Status};
use crate::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Long enough for a machine that is busy to tell two of them apart.
const MOMENT: Duration = Duration::from_millis(200);

/// Moments that a run which does nothing has to end.
const PATIENCE: usize = 100;

pub async fn times(tick: &Tick) -> Result<()> {
    let began = time::now();
    same("a run is not early", began >= tick.due && began < tick.deadline, true)?;
    let order = std::cell::RefCell::new(Vec::new());
    let wait = async |name, moments: u32| {
        time::sleep(MOMENT * moments).await;
        order.borrow_mut().push(name);
    };
    // Who waits does not hold up who else waits.
    futures::join!(wait("long", 4), wait("short", 1));
    same("order of waking", order.into_inner(), vec!["short", "long"])?;
    same("time passed", time::now().saturating_since(began) >= MOMENT * 4, true)?;
    let late = time::timeout(MOMENT, time::sleep(HOUR)).await;
    same("what takes too long", late.map_err(|err| err.kind()), Err(Kind::TimedOut))?;
    let early = time::timeout(HOUR, time::sleep(MOMENT)).await;
    same("what is done in time", early, Ok(()))
}

pub fn chance() -> Result<()> {
    let drawn = [random::u64(), random::u64(), random::u64()];
    same("all the same", drawn[0] == drawn[1] && drawn[1] == drawn[2], false)?;
    same("below 10", (0..100).all(|_| random::below(10) < 10), true)?;
    let mut bytes = [0; 13];
    random::fill(&mut bytes);
    same("bytes left as they were", bytes, [0; 13]).map_or(Ok(()), |()| Err("no chance".into()))
}

pub async fn controls() -> Result<()> {
    use cycle::State;
    let kind = |outcome: Result<()>| outcome.map_err(|err| err.kind());
    same("add", cycle::add("extra", HOUR, HOUR), Ok(()))?;
    let none = Duration::ZERO;
    for (what, outcome, wanted) in [
        ("add it again", cycle::add("extra", HOUR, HOUR), Kind::Conflict),
        ("add a bad name", cycle::add("Extra one", HOUR, HOUR), Kind::Invalid),
        ("add without an interval", cycle::add("more", none, HOUR), Kind::Invalid),
        ("add without a timeout", cycle::add("more", HOUR, none), Kind::Invalid),
        ("never", cycle::change_interval("extra", HOUR * 24 * 366 * 11), Kind::Invalid),
        ("always", cycle::change_interval("extra", none), Kind::Invalid),
        ("pause another's", cycle::pause("nobody"), Kind::NotFound),
        ("restart another's", cycle::restart("nobody"), Kind::NotFound),
        ("trigger another's", cycle::trigger("nobody"), Kind::NotFound),
        ("remove another's", cycle::remove("nobody"), Kind::NotFound),
        ("remove its own", cycle::remove("controls"), Kind::Invalid),
    ] {
        same(what, kind(outcome), Err(wanted))?;
    }
    same("list", cycle::list().contains(&"extra".to_owned()), true)?;
    // Due at once, so it may have begun.
    let due = |state| matches!(state, State::Idle(_) | State::Running(_));
    same("due", due(cycle::status("extra")?), true)?;
    same("this one", matches!(cycle::status("controls")?, State::Running(_)), true)?;
    cycle::pause("extra")?;
    // A run that has begun goes on to its end, which is near.
    for _ in 0..PATIENCE {
        if cycle::status("extra")? == State::Paused {
            break;
        }
        time::sleep(MOMENT).await;
    }
    same("paused", cycle::status("extra")?, State::Paused)?;
    cycle::change_interval("extra", HOUR * 2)?;
    same("still paused", cycle::status("extra")?, State::Paused)?;
    cycle::restart("extra")?;
    let later = time::now().saturating_add(HOUR);
    same(
        "a full interval",
        matches!(cycle::status("extra")?, State::Idle(next) if next > later),
        true,
    )?;
    cycle::remove("extra")?;
    same("removed", cycle::status("extra").map_err(|err| err.kind()), Err(Kind::NotFound))
}

fn info(number: u8) -> Info {
    Info {
        satellite: NodeId::fake(200),
        serial: vec![number; 16],
        limit: vec![1, number],
        order: vec![2, number],
        expires: Timestamp::from_nanos(i64::MAX),
    }
}

fn verdict(number: u8, status: Status) -> ArchiveRequest {
    let Info { satellite, serial, .. } = info(number);
    ArchiveRequest { satellite, serial, status, reason: "why not".to_owned() }
}

/// With no orders of that satellite there.
pub async fn orders() -> Result<()> {
    let satellite = NodeId::fake(200);
    let large = vec![0; 32 * 1024 + 1];
    for number in [1, 2, 3] {
        orders::enqueue(info(number)).await?;
    }
    for (what, info, wanted) in [
        ("enqueue it again", info(1), Kind::Conflict),
        ("a short serial number", Info { serial: vec![1; 15], ..info(9) }, Kind::Invalid),
        ("a large limit", Info { limit: large.clone(), ..info(9) }, Kind::TooLarge),
        ("a large order", Info { order: large, ..info(9) }, Kind::TooLarge),
    ] {
        same(what, orders::enqueue(info).await.map_err(|err| err.kind()), Err(wanted))?;
    }
    let count = async || {
        let all = orders::count_unsent().await?;
        Ok::<_, Error>(all.into_iter().find(|(id, _)| *id == satellite).map(|(_, count)| count))
    };
    same("count", count().await?, Some(3))?;
    same("list", orders::list_unsent(2).await?.len(), 2)?;
    let mut groups = orders::list_unsent_by_satellite().await?;
    groups.retain(|(id, _)| *id == satellite);
    let all = vec![info(1), info(2), info(3)];
    same("groups", groups, vec![(satellite, all.clone())])?;
    let mut stream = orders::stream_unsent(satellite).await?;
    let mut streamed = Vec::new();
    while let Some(info) = stream.next().await? {
        // Disturbs nothing.
        let request = verdict(info.serial[0], Status::Accepted);
        streamed.push(info);
        if streamed.len() == 1 {
            same("archive", orders::archive(vec![request]).await, Ok(vec![]))?;
        }
    }
    same("stream", streamed, all)?;
    for (what, requests, wanted) in [
        ("unsent", vec![verdict(2, Status::Unsent)], Err(Kind::Invalid)),
        ("too many", vec![verdict(2, Status::Rejected); 10_001], Err(Kind::TooLarge)),
        (
            "one that is gone, one that waits, one that never was",
            vec![
                verdict(1, Status::Rejected),
                verdict(2, Status::Rejected),
                verdict(9, Status::Accepted),
            ],
            Ok(vec![vec![1; 16], vec![9; 16]]),
        ),
    ] {
        same(what, orders::archive(requests).await.map_err(|err| err.kind()), wanted)?;
    }
    same("count of the rest", count().await?, Some(1))?;
    let again = orders::enqueue(info(2)).await.map_err(|err| err.kind());
    same("enqueue what is archived", again, Err(Kind::Conflict))?;
    let mut archived = orders::list_archived(10_000).await?;
    archived.retain(|order| order.info.satellite == satellite);
    archived.sort_by(|a, b| a.info.serial.cmp(&b.info.serial));
    let found: Vec<_> = archived.iter().map(|it| (it.info.serial[0], it.status)).collect();
    same("archived", found, vec![(1, Status::Accepted), (2, Status::Rejected)])?;
    same("reason", archived[1].reason.as_str(), "why not")?;
    let all = time::now().saturating_add(HOUR);
    same("cleaned", orders::clean_archive(all).await? >= 2, true)?;
    same("archived after that", orders::list_archived(10).await?, vec![])?;
    orders::archive(vec![verdict(3, Status::Accepted)]).await?;
    same("count in the end", count().await?, None)
}

/// Where nobody is.
pub async fn nodes() -> Result<()> {
    let id = NodeId::fake(201);
    let found = kademlia::find_node(id).await.map_err(|err| err.kind());
    same("nobody knows it", found, Err(Kind::NotFound))?;
    // A port where nobody listens.
    let node = Node { id, address: "127.0.0.1:1".to_owned() };
    let dialled = transport::dial_node(node, HOUR).await.map(drop).map_err(|err| err.kind());
    same("nobody is there", dialled, Err(Kind::Unavailable))
}
