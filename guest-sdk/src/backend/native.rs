//! The fakes of [`testing`](crate::testing), through the world that the calling thread is in.
//!
//! Outside a world, what cannot fail does nothing, and everything else fails and says so.

use std::error::Error as StdError;
use std::future::Future;
use std::task::Poll;
use std::time::Duration;

use futures::StreamExt;

use crate::log::Level;
use crate::metrics::Labels;
use crate::sql::{Row, Rows, Value};
use crate::state::Saved;
use crate::testing::fake::{self, Database, World, current};
pub(crate) use crate::testing::fake::{Connection, Requests, Transaction};
use crate::time::Timestamp;
use crate::{Error, Kind, NodeId, Result, cycle, kademlia, orders};

/// As the host's.
const DIAL_TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// What the host said, if it is the host's: there is none here.
pub(crate) fn host_error(_: &(dyn StdError + 'static)) -> Option<Error> {
    None
}

fn world<T>(ask: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
    let Some(world) = current() else {
        let message = "no peer here: native code calls it within chore_sdk::testing::World";
        return Err(Error::new(message));
    };
    ask(&mut world.borrow_mut())
}

/// As [`world`], for what a test can make fail.
fn ask<T>(call: &str, ask: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
    world(|world| {
        world.goes_on(call)?;
        ask(world)
    })
}

/// Everything that is async in a peer is asked when it is first waited for.
async fn answer<T>(call: &'static str, answer: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
    ask(call, answer)
}

// Log, settings, state, metrics.

pub(crate) fn log_enabled(level: Level) -> bool {
    world(|world| Ok(level >= world.log_level)).unwrap_or(false)
}

pub(crate) fn log_write(level: Level, message: String, fields: Vec<(String, String)>) {
    // Outside a world nobody reads it.
    let _ = world(|world| {
        world.log(level, message, fields);
        Ok(())
    });
}

pub(crate) fn settings_get(name: &str) -> Option<String> {
    let find = |world: &mut World| {
        Ok(world.settings.iter().rfind(|(key, _)| key == name).map(|(_, value)| value.clone()))
    };
    world(find).ok().flatten()
}

pub(crate) fn settings_all() -> Vec<(String, String)> {
    world(|world| Ok(world.settings.clone())).unwrap_or_default()
}

pub(crate) fn state_load() -> impl Future<Output = Result<Option<Saved>>> {
    answer("state.load", |world| Ok(world.saved.clone()))
}

pub(crate) fn state_save(data: Vec<u8>) -> impl Future<Output = Result<()>> {
    answer("state.save", |world| world.save(data))
}

pub(crate) fn metric_count(name: &str, labels: Labels<'_>, delta: u64) {
    let _ = world(|world| {
        *world.counters.entry(fake::series(name, labels)).or_default() += delta;
        Ok(())
    });
}

pub(crate) fn metric_gauge(name: &str, labels: Labels<'_>, value: f64) {
    let _ = world(|world| {
        world.gauges.insert(fake::series(name, labels), value);
        Ok(())
    });
}

pub(crate) fn metric_observe(name: &str, labels: Labels<'_>, value: f64) {
    let _ = world(|world| {
        world.observed.entry(fake::series(name, labels)).or_default().push(value);
        Ok(())
    });
}

// Cycle.

pub(crate) fn cycle_list() -> Vec<String> {
    world(|world| Ok(world.cycles.keys().cloned().collect())).unwrap_or_default()
}

pub(crate) fn cycle_status(name: &str) -> Result<cycle::State> {
    ask("cycle.status", |world| Ok(world.cycle(name)?.state))
}

pub(crate) fn cycle_pause(name: &str) -> Result<()> {
    ask("cycle.pause", |world| {
        world.cycle(name)?.state = cycle::State::Paused;
        Ok(())
    })
}

pub(crate) fn cycle_restart(name: &str) -> Result<()> {
    ask("cycle.restart", |world| {
        let now = world.clock.now;
        let cycle = world.cycle(name)?;
        cycle.state = cycle::State::Idle(now.saturating_add(cycle.interval));
        Ok(())
    })
}

pub(crate) fn cycle_trigger(name: &str) -> Result<()> {
    ask("cycle.trigger", |world| {
        world.cycle(name)?.triggers += 1;
        Ok(())
    })
}

pub(crate) fn cycle_change_interval(name: &str, interval: Duration) -> Result<()> {
    ask("cycle.change-interval", |world| {
        let cycle = world.cycle(name)?;
        cycle.interval = fake::interval(interval)?;
        Ok(())
    })
}

pub(crate) fn cycle_add(name: &str, interval: Duration, timeout: Duration) -> Result<()> {
    ask("cycle.add", |world| world.add_cycle(name, interval, timeout))
}

pub(crate) fn cycle_remove(name: &str) -> Result<()> {
    ask("cycle.remove", |world| world.remove_cycle(name))
}

pub(crate) fn cycle_cancelled() -> impl Future<Output = ()> {
    std::future::poll_fn(|cx| match current() {
        Some(world) => world.borrow_mut().poll_cancelled(cx),
        None => Poll::Pending,
    })
}

// Time and chance.

pub(crate) use fake::sleep;

pub(crate) fn now() -> Timestamp {
    world(|world| Ok(world.clock.now)).unwrap_or(fake::NOW)
}

pub(crate) fn random() -> u64 {
    world(|world| Ok(world.random())).unwrap_or(0)
}

// Orders and Kademlia.

pub(crate) fn orders_enqueue(info: orders::Info) -> impl Future<Output = Result<()>> {
    answer("orders.enqueue", |world| world.orders()?.enqueue(info))
}

pub(crate) fn orders_list_unsent(limit: u32) -> impl Future<Output = Result<Vec<orders::Info>>> {
    answer("orders.list-unsent", move |world| Ok(world.orders()?.list_unsent(limit)))
}

pub(crate) fn orders_list_unsent_by_satellite()
-> impl Future<Output = Result<Vec<(NodeId, Vec<orders::Info>)>>> {
    answer("orders.list-unsent-by-satellite", |world| Ok(world.orders()?.by_satellite()))
}

pub(crate) fn orders_count_unsent() -> impl Future<Output = Result<Vec<(NodeId, u64)>>> {
    answer("orders.count-unsent", |world| {
        let groups = world.orders()?.by_satellite();
        Ok(groups.into_iter().map(|(id, infos)| (id, infos.len() as u64)).collect())
    })
}

pub(crate) async fn orders_stream_unsent(satellite: NodeId) -> Result<orders::Unsent> {
    let found = ask("orders.stream-unsent", |world| Ok(world.orders()?.of(satellite)))?;
    let held = |info| {
        // A world that is gone counts no more.
        let _ = world(|world| {
            world.orders.held();
            Ok(())
        });
        info
    };
    let items = futures::stream::iter(found).map(held).boxed_local();
    Ok(orders::Unsent::new(items, Box::pin(std::future::ready(Ok(())))))
}

pub(crate) fn orders_archive(
    requests: Vec<orders::ArchiveRequest>,
) -> impl Future<Output = Result<Vec<Vec<u8>>>> {
    answer("orders.archive", |world| world.archive(requests))
}

pub(crate) fn orders_list_archived(
    limit: u32,
) -> impl Future<Output = Result<Vec<orders::ArchivedInfo>>> {
    answer("orders.list-archived", move |world| Ok(world.orders()?.list_archived(limit)))
}

pub(crate) fn orders_clean_archive(before: Timestamp) -> impl Future<Output = Result<u64>> {
    answer("orders.clean-archive", move |world| Ok(world.orders()?.clean_archive(before)))
}

pub(crate) fn find_node(id: NodeId) -> impl Future<Output = Result<kademlia::Node>> {
    answer("kademlia.find-node", move |world| world.find_node(id))
}

// Transport.

pub(crate) async fn dial_node(node: kademlia::Node, timeout: Duration) -> Result<Connection> {
    let dialled = ask("transport.dial-node", |world| world.dial(&node))?;
    if let Some(connection) = dialled {
        return Ok(connection);
    }
    let timeout = timeout.min(DIAL_TIMEOUT_MAX);
    fake::sleep(timeout).await;
    let message = format!("dial {}: no answer within {timeout:?}", node.address);
    Err(Error::of(Kind::TimedOut, message))
}

// SQL.

fn database(call: &str) -> Result<Database> {
    ask(call, |world| Ok(world.database.clone()))
}

pub(crate) async fn sql_execute(statement: &str, values: Vec<Value>) -> Result<u64> {
    database("sql.execute")?.execute(statement, values).await
}

pub(crate) async fn sql_query(statement: &str, values: Vec<Value>) -> Result<Vec<Row>> {
    database("sql.query")?.query(statement, values).await
}

pub(crate) async fn sql_stream(statement: &str, values: Vec<Value>) -> Result<Rows> {
    let (rows, ended) = database("sql.stream")?.stream(statement, values)?;
    let rows = futures::stream::iter(rows).boxed_local();
    Ok(Rows::new(rows, Box::pin(std::future::ready(ended))))
}

pub(crate) async fn sql_begin() -> Result<Transaction> {
    database("sql.begin")?.begin().await
}
