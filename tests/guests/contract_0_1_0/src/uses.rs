//! Each interface that a chore imports, used once or twice.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::SECOND;
use crate::chore::peer::types::{Error, ErrorKind};
use crate::chore::peer::{cycle, kademlia, log, metrics, orders, settings, sql, state, transport};
use crate::exports::chore::peer::lifecycle::Tick;

/// What gRPC calls a method that nobody has.
const UNIMPLEMENTED: u32 = 12;

fn said(what: &str) -> impl Fn(Error) -> String {
    move |err| format!("{what}: {:?}: {}", err.kind, err.message)
}

fn expect(what: &str, holds: bool) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{what} is other than was published")) }
}

pub async fn make_table() -> Result<(), String> {
    let table = "CREATE TABLE IF NOT EXISTS t (k INTEGER PRIMARY KEY, v TEXT)";
    sql::execute(table.to_owned(), vec![]).await.map(|_| ()).map_err(said("create"))
}

pub async fn every_interface(tick: &Tick) -> Result<(), String> {
    // One that is added below is due at once, and may run before it is removed.
    if tick.cycle == "added" {
        return Ok(());
    }
    expect("a tick", tick.cycle == "main" && tick.deadline > tick.due)?;
    own(tick).await?;
    sql().await?;
    orders().await?;
    nodes().await
}

/// What reaches nothing but the chore itself.
async fn own(tick: &Tick) -> Result<(), String> {
    let greeting = settings::get("greeting").ok_or("no setting")?;
    expect("settings", settings::get_all() == [("greeting".to_owned(), greeting.clone())])?;
    let before = state::load().await.map_err(said("load"))?;
    let expected = (tick.iteration > 1).then(|| greeting.clone().into_bytes());
    expect("state", before.map(|saved| saved.data) == expected)?;
    state::save(greeting.into_bytes()).await.map_err(said("save"))?;

    let field = log::Field { key: "iteration".to_owned(), value: tick.iteration.to_string() };
    // Whether anybody reads it is the peer's affair.
    let _ = log::enabled(log::Level::Info);
    log::write(log::Level::Info, "contract 0.1.0 runs", &[field]);
    let labels = [metrics::Label { key: "kind".to_owned(), value: "frozen".to_owned() }];
    metrics::count("frozen_runs_total", &labels, 1);
    metrics::gauge("frozen_iteration", &labels, tick.iteration as f64);
    metrics::observe("frozen_seconds", &labels, 0.5);

    cycle::change_interval("main", 7200 * SECOND).map_err(said("change-interval"))?;
    let running = matches!(cycle::status("main"), Ok(cycle::State::Running(_)));
    expect("cycle.status", running)?;
    cycle::add("added", 3600 * SECOND, 60 * SECOND).map_err(said("add"))?;
    let mut names = cycle::list();
    names.sort();
    expect("cycle.list", names == ["added", "main"])?;
    cycle::pause("added").map_err(said("pause"))?;
    cycle::restart("added").map_err(said("restart"))?;
    cycle::remove("added").map_err(said("remove"))?;
    let none = cycle::trigger("nobody").err().map(|err| err.kind);
    expect("a cycle that is none", none == Some(ErrorKind::NotFound))
}

async fn sql() -> Result<(), String> {
    sql::execute("DELETE FROM t".to_owned(), vec![]).await.map_err(said("execute"))?;
    let transaction = sql::begin().await.map_err(said("begin"))?;
    let row = vec![sql::Value::Integer(1), sql::Value::Text("one".to_owned())];
    let insert = "INSERT INTO t VALUES (?1, ?2)".to_owned();
    let inserted = transaction.execute(insert, row).await.map_err(said("insert"))?;
    let seen = transaction.query("SELECT k FROM t".to_owned(), vec![]).await;
    expect("a transaction", inserted == 1 && seen.map_err(said("query"))?.len() == 1)?;
    sql::Transaction::commit(transaction).await.map_err(said("commit"))?;
    let undone = sql::begin().await.map_err(said("begin"))?;
    sql::Transaction::rollback(undone).await.map_err(said("rollback"))?;

    let all = "SELECT k, v FROM t".to_owned();
    let rows = sql::query(all.clone(), vec![]).await.map_err(said("query"))?;
    let found = matches!(&rows[..], [row] if matches!(&row[..],
        [sql::Value::Integer(1), sql::Value::Text(text)] if text == "one"));
    expect("sql.query", found)?;
    let (reader, ended) = sql::stream(all, vec![]).await.map_err(said("stream"))?;
    expect("sql.stream", reader.collect().await.len() == 1)?;
    ended.await.map_err(said("end of rows"))
}

/// The test has handed one order in.
async fn orders() -> Result<(), String> {
    let unsent = orders::list_unsent(10).await.map_err(said("list-unsent"))?;
    let [info] = &unsent[..] else { return Err(format!("{} orders", unsent.len())) };
    let counts = orders::count_unsent().await.map_err(said("count-unsent"))?;
    expect("orders.count-unsent", counts == [(info.satellite.clone(), 1)])?;
    let groups = orders::list_unsent_by_satellite().await.map_err(said("by satellite"))?;
    expect("orders.list-unsent-by-satellite", groups.len() == 1)?;
    let satellite = info.satellite.clone();
    let (reader, ended) = orders::stream_unsent(satellite).await.map_err(said("stream-unsent"))?;
    expect("orders.stream-unsent", reader.collect().await.len() == 1)?;
    ended.await.map_err(said("end of orders"))?;
    let twice = orders::enqueue(info.clone()).await.err().map(|err| err.kind);
    expect("an order twice", twice == Some(ErrorKind::Conflict))?;
    let request = orders::ArchiveRequest {
        satellite: info.satellite.clone(),
        serial: vec![0; 16],
        status: orders::Status::Rejected,
        reason: "there is no such order".to_owned(),
    };
    let unknown = orders::archive(vec![request]).await.map_err(said("archive"))?;
    expect("orders.archive", unknown == [vec![0; 16]])?;
    let archived = orders::list_archived(10).await.map_err(said("list-archived"))?;
    let cleaned = orders::clean_archive(0).await.map_err(said("clean-archive"))?;
    expect("the archive", archived.is_empty() && cleaned == 0)
}

/// The order's satellite, asked for what it does not have.
async fn nodes() -> Result<(), String> {
    let unsent = orders::list_unsent(1).await.map_err(said("list-unsent"))?;
    let id = unsent[0].satellite.clone();
    let node = kademlia::find_node(id).await.map_err(said("find-node"))?;
    let dialled = transport::dial_node(node, 20 * SECOND).await;
    let connection = dialled.map_err(said("dial-node"))?;
    let method = "/frozen.Frozen/Frozen".to_owned();
    let answer = connection.unary(method.clone(), vec![]).await;
    expect("transport.unary", answer.err().map(|status| status.code) == Some(UNIMPLEMENTED))?;
    let (requests, reader) = crate::wit_stream::new::<Vec<u8>>();
    drop(requests);
    let code = match connection.stream(method, reader).await {
        Err(status) => status.code,
        Ok((responses, ended)) => {
            expect("responses", responses.collect().await.is_empty())?;
            ended.await.err().map_or(0, |status| status.code)
        }
    };
    expect("transport.stream", code == UNIMPLEMENTED)?;
    let mut asked = pin!(cycle::cancelled());
    let look = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context).is_pending()));
    expect("cycle.cancelled", look.await)
}
