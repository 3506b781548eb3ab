//! The imports that give or take streams: unsent orders, SQL and transport.

use std::rc::Rc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use futures::stream::LocalBoxStream;
use futures::{FutureExt, StreamExt, TryFutureExt};
use wit_bindgen::rt::async_support::{FutureReader, StreamReader, StreamResult, StreamWriter};

use super::{id, order, wit};
use crate::sql::{Row, Rows, Value};
use crate::time::nanos;
use crate::transport::{Closed, Code, Opening, Status};
use crate::{Error, Incoming, NodeId, Result, bindings, kademlia, orders};

/// Orders read ahead. One may have 64 KiB, and a chore reads many satellites' at once.
const ORDERS_AT_ONCE: usize = 16;

/// Rows read ahead.
const ROWS_AT_ONCE: usize = 64;

/// Messages read ahead. One may have 4 MiB, and a hostile peer must not fill the chore's memory,
/// which others need too.
const MESSAGES_AT_ONCE: usize = 1;

/// The items of a stream, read up to `at_once` at a time. A read that has begun belongs to the
/// stream that is returned, not to whoever waits for its next item: giving up loses nothing.
fn items<T: 'static>(reader: StreamReader<T>, at_once: usize) -> LocalBoxStream<'static, T> {
    let start = (reader, Vec::new().into_iter(), false);
    futures::stream::unfold(start, move |(mut reader, mut ready, mut ended)| async move {
        loop {
            if let Some(item) = ready.next() {
                return Some((item, (reader, ready, ended)));
            }
            if ended {
                return None;
            }
            let (result, read) = reader.read(Vec::with_capacity(at_once)).await;
            ended = result == StreamResult::Dropped;
            ready = read.into_iter();
        }
    })
    .boxed_local()
}

fn end<E, W>(reader: FutureReader<Result<(), W>>) -> LocalBoxFuture<'static, Result<(), E>>
where
    E: From<W> + 'static,
    W: 'static,
{
    reader.into_future().map_err(E::from).boxed_local()
}

// Orders.

pub(crate) async fn orders_stream_unsent(satellite: NodeId) -> Result<orders::Unsent> {
    let (reader, ended) = wit::orders::stream_unsent(id(satellite)).await?;
    // The host has checked every order; one that it should not have is left out.
    let infos = items(reader, ORDERS_AT_ONCE).filter_map(async |info| order(info).ok());
    Ok(Incoming::new(infos.boxed_local(), end(ended)))
}

// SQL.

fn parameters(values: Vec<Value>) -> Vec<wit::sql::Value> {
    let value = |value| match value {
        Value::Null => wit::sql::Value::Null,
        Value::Integer(integer) => wit::sql::Value::Integer(integer),
        Value::Real(real) => wit::sql::Value::Real(real),
        Value::Text(text) => wit::sql::Value::Text(text),
        Value::Blob(bytes) => wit::sql::Value::Blob(bytes),
    };
    values.into_iter().map(value).collect()
}

fn row(values: Vec<wit::sql::Value>) -> Row {
    let value = |value| match value {
        wit::sql::Value::Null => Value::Null,
        wit::sql::Value::Integer(integer) => Value::Integer(integer),
        wit::sql::Value::Real(real) => Value::Real(real),
        wit::sql::Value::Text(text) => Value::Text(text),
        wit::sql::Value::Blob(bytes) => Value::Blob(bytes),
    };
    Row::new(values.into_iter().map(value).collect())
}

pub(crate) async fn sql_execute(statement: &str, values: Vec<Value>) -> Result<u64> {
    Ok(wit::sql::execute(statement.to_owned(), parameters(values)).await?)
}

pub(crate) async fn sql_query(statement: &str, values: Vec<Value>) -> Result<Vec<Row>> {
    let rows = wit::sql::query(statement.to_owned(), parameters(values)).await?;
    Ok(rows.into_iter().map(row).collect())
}

pub(crate) async fn sql_stream(statement: &str, values: Vec<Value>) -> Result<Rows> {
    let (reader, ended) = wit::sql::stream(statement.to_owned(), parameters(values)).await?;
    Ok(Incoming::new(items(reader, ROWS_AT_ONCE).map(row).boxed_local(), end(ended)))
}

pub(crate) async fn sql_begin() -> Result<Transaction> {
    Ok(Transaction(wit::sql::begin().await?))
}

pub(crate) struct Transaction(wit::sql::Transaction);

impl Transaction {
    pub(crate) async fn execute(&self, statement: &str, values: Vec<Value>) -> Result<u64> {
        Ok(self.0.execute(statement.to_owned(), parameters(values)).await?)
    }

    pub(crate) async fn query(&self, statement: &str, values: Vec<Value>) -> Result<Vec<Row>> {
        let rows = self.0.query(statement.to_owned(), parameters(values)).await?;
        Ok(rows.into_iter().map(row).collect())
    }

    pub(crate) async fn commit(self) -> Result<()> {
        Ok(wit::sql::Transaction::commit(self.0).await?)
    }

    pub(crate) async fn rollback(self) -> Result<()> {
        Ok(wit::sql::Transaction::rollback(self.0).await?)
    }
}

// Transport.

impl From<wit::transport::Status> for Status {
    fn from(status: wit::transport::Status) -> Status {
        Status { code: Code(status.code), message: status.message }
    }
}

pub(crate) async fn dial_node(node: kademlia::Node, timeout: Duration) -> Result<Connection> {
    let node = wit::kademlia::Node { id: id(node.id), address: node.address };
    let connection = wit::transport::dial_node(node, nanos(timeout)).await.map_err(Error::from)?;
    Ok(Connection(Rc::new(connection)))
}

/// Shared with the calls that are under way on it, which must not lose it.
#[derive(Clone)]
pub(crate) struct Connection(Rc<wit::transport::Connection>);

impl Connection {
    pub(crate) async fn unary(&self, method: &str, request: Vec<u8>) -> Result<Vec<u8>, Status> {
        Ok(self.0.unary(method.to_owned(), request).await?)
    }

    pub(crate) fn stream(&self, method: &str) -> (Requests, Opening) {
        let (writer, reader) = bindings::wit_stream::new::<Vec<u8>>();
        let (connection, method) = (Rc::clone(&self.0), method.to_owned());
        let opening = async move {
            let (responses, ended) = connection.stream(method, reader).await?;
            Ok(Incoming::new(items(responses, MESSAGES_AT_ONCE), end(ended)))
        };
        (Requests(writer), opening.boxed_local())
    }
}

pub(crate) struct Requests(StreamWriter<Vec<u8>>);

impl Requests {
    pub(crate) async fn send(&mut self, message: Vec<u8>) -> Result<(), Closed> {
        self.0.write_one(message).await.map_or(Ok(()), |_| Err(Closed))
    }
}
