//! A chore of the world `chore-sync`, without the SDK: one cycle uses every interface of the twin, and
//! the others are blocked, in each way that must end.

// What is generated has to be.
#![allow(unsafe_code)]

use chore::peer::types::{ArchiveRequest, CycleSpec, Error, ErrorKind, OrderStatus, Value};
use chore::peer::{cycle_sync, kademlia_sync, orders_sync, transport_sync};
use chore::peer::{sql_sync as sql, state_sync as state};
use chore_proto::{SETTLEMENT_METHOD, SettlementRequest, SettlementResponse, SettlementStatus};
use exports::chore::peer::lifecycle_sync::{CloseReason, Descriptor, Guest, OpenReason, Tick};
use prost::Message;

wit_bindgen::generate!({ path: "../../../wit", world: "chore-sync", generate_all });

const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;

/// A statement that has no end.
const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
    SELECT count(*) FROM n";

/// gRPC's "unimplemented".
const UNIMPLEMENTED: u32 = 12;

struct RunBlocks;

impl Guest for RunBlocks {
    fn describe() -> Descriptor {
        let cycle = |name: &str| CycleSpec {
            name: name.into(),
            help: String::new(),
            interval: HOUR,
            timeout: HOUR,
            delay_start: true,
        };
        let names = ["settles", "spins", "waits", "goes-on", "puts-away"];
        Descriptor {
            name: "guest-run-blocks".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            about: "Blocks.".into(),
            cycles: names.map(cycle).into(),
            settings: Vec::new(),
            extensions: Vec::new(),
        }
    }

    fn open(_: OpenReason) -> Result<(), String> {
        let create = "CREATE TABLE IF NOT EXISTS settled (serial BLOB PRIMARY KEY)";
        sql::execute(create, &[]).map(drop).map_err(told)
    }

    fn run(tick: Tick) -> Result<(), String> {
        match tick.cycle.as_str() {
            "settles" => settles(),
            "spins" => loop {
                std::hint::spin_loop();
            },
            // In a host call, at its deadline.
            "waits" => sql::query(ENDLESS, &[]).map(drop).map_err(told),
            // The error of the pending call does not end it, nor that of every later one.
            "goes-on" => loop {
                let _ = sql::query(ENDLESS, &[]);
            },
            "puts-away" => puts_away(),
            other => Err(format!("no cycle {other}")),
        }
    }

    fn close(_: CloseReason) -> Result<(), String> {
        Ok(())
    }
}

fn told(err: Error) -> String {
    err.message
}

/// Settles what waits, an order at a time.
fn settles() -> Result<(), String> {
    if cycle_sync::is_cancelled() || !cycle_sync::list().contains(&"settles".to_owned()) {
        return Err("it is no run of this cycle".into());
    }
    let waiting: u64 = orders_sync::count_unsent().map_err(told)?.iter().map(|of| of.1).sum();
    for (satellite, infos) in orders_sync::list_unsent_by_satellite().map_err(told)? {
        let node = kademlia_sync::find_node(&satellite).map_err(told)?;
        let connection = transport_sync::dial_node(&node, 30 * SECOND).map_err(told)?;
        match connection.unary("/orders.Orders/Nothing", &[]) {
            Err(status) if status.code == UNIMPLEMENTED => {}
            other => return Err(format!("a method that is not there: {other:?}")),
        }
        for info in infos {
            let request = SettlementRequest { limit: info.limit, order: info.order };
            let answer = connection.unary(SETTLEMENT_METHOD, &request.encode_to_vec());
            let answer = answer.map_err(|status| status.message)?;
            let answer = SettlementResponse::decode(&answer[..]).map_err(|err| err.to_string())?;
            let accepted = answer.status == SettlementStatus::Accepted as i32;
            let status = if accepted { OrderStatus::Accepted } else { OrderStatus::Rejected };
            let (serial, reason) = (info.serial.clone(), answer.reason);
            let request = ArchiveRequest { satellite: info.satellite, serial, status, reason };
            orders_sync::archive(&[request]).map_err(told)?;
            remember(info.serial).map_err(told)?;
        }
    }
    let settled = sql::query("SELECT count(*) FROM settled", &[]).map_err(told)?;
    let before = state::load().map_err(told)?.map_or(0, |saved| saved.data.len() as u64);
    match settled[..] {
        [ref row] if matches!(row[..], [Value::Integer(n)] if n as u64 == before + waiting) => {}
        _ => return Err(format!("{settled:?} settled, not {before} and {waiting}")),
    }
    state::save(&vec![b'.'; (before + waiting) as usize]).map_err(told)
}

/// In one transaction that is committed, and one that is not.
fn remember(serial: Vec<u8>) -> Result<(), Error> {
    let insert = "INSERT INTO settled VALUES (?1)";
    sql::begin()?.execute(insert, &[Value::Blob(b"not committed".to_vec())])?;
    let transaction = sql::begin()?;
    transaction.execute(insert, &[Value::Blob(serial)])?;
    sql::Transaction::commit(transaction)
}

/// Is cancelled where it waits, asks why, and then has its functions back.
fn puts_away() -> Result<(), String> {
    for statement in [ENDLESS, "SELECT 1"] {
        match sql::query(statement, &[]) {
            Err(err) if err.kind == ErrorKind::Cancelled => {}
            other => return Err(format!("{statement}: {other:?}")),
        }
    }
    if !cycle_sync::is_cancelled() {
        return Err("cancelled, but not to wind down".into());
    }
    sql::query("SELECT 1", &[]).map_err(told)?;
    orders_sync::count_unsent().map_err(told)?;
    state::save(b"").map_err(told)
}

export!(RunBlocks);
