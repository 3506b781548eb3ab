//! `chore:peer/sql`: the chore's own database, which no other chore can see.

use std::time::Duration;

use futures::{Stream, StreamExt};
use tracing::Span;
use wasmtime::component::{
    Accessor, FutureReader, HasData, Linker, Resource, ResourceTable, StreamReader,
};

use crate::bindings::sql::{self, Value};
use crate::bindings::types::{Error, ErrorKind};
use crate::capability::streams::{self, Producer};
use crate::capability::traffic::{Bytes, Called};
use crate::capability::{Deadline, Quota, error, failed, quota, span, traced, traced_in};
use crate::error::chain;
use crate::limits::Limit;
use crate::sql::{self as service, Sql};

pub(super) type Row = Vec<Value>;

/// The database that one call may use.
pub struct Context {
    pub sql: Sql,
    pub deadline: Deadline,
    pub quota: Quota,
}

/// The time that a statement has, and who is told if that or the database's size is too little.
struct Bounds {
    left: Duration,
    quota: Quota,
}

impl Bounds {
    fn called(&self, arguments: &[&dyn Bytes]) -> Called {
        self.quota.traffic().called(arguments)
    }

    /// Room for the statement and its parameters until it has an answer.
    fn hold(&self, statement: &str, parameters: &[Value]) -> Result<quota::Held, Error> {
        let bytes = |value: &Value| match value {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            Value::Null | Value::Integer(_) | Value::Real(_) => 0,
        };
        let bytes = parameters.iter().map(|value| size_of::<Value>() + bytes(value)).sum::<usize>();
        let held = self.quota.bytes(bytes.saturating_add(statement.len()));
        held.map_err(|message| error(ErrorKind::TooLarge, format!("run statement: {message}")))
    }

    /// What the guest is told. Of a limit of its own, the operator is told as well.
    fn refused(&self, err: &service::Error) -> Error {
        let reached = match err {
            service::Error::Full { .. } => Limit::SqlDatabase,
            // With less left, it was the time of the whole call.
            service::Error::TimedOut if self.left == self.quota.limits().sql_statement => {
                Limit::SqlStatement
            }
            _ => return refused(err),
        };
        let message = format!("run statement: {}", self.quota.reached(reached, None));
        error(refused(err).kind, message)
    }
}

/// A transaction as a guest holds it. Dropped without a commit, it rolls back.
pub struct Transaction(service::Transaction);

pub struct View<'a> {
    pub context: &'a mut Context,
    pub table: &'a mut ResourceTable,
}

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

fn refused(err: &service::Error) -> Error {
    let kind = match err.kind() {
        service::Kind::Invalid => ErrorKind::Invalid,
        service::Kind::Conflict => ErrorKind::Conflict,
        service::Kind::TooLarge => ErrorKind::TooLarge,
        service::Kind::TimedOut => ErrorKind::TimedOut,
        service::Kind::Denied => ErrorKind::Denied,
        service::Kind::Internal => ErrorKind::Internal,
    };
    error(kind, chain(err))
}

fn inside(values: Vec<Value>) -> Vec<service::Value> {
    let value = |value| match value {
        Value::Null => service::Value::Null,
        Value::Integer(integer) => service::Value::Integer(integer),
        Value::Real(real) => service::Value::Real(real),
        Value::Text(text) => service::Value::Text(text),
        Value::Blob(bytes) => service::Value::Blob(bytes),
    };
    values.into_iter().map(value).collect()
}

fn outside(row: Vec<service::Value>) -> Row {
    let value = |value| match value {
        service::Value::Null => Value::Null,
        service::Value::Integer(integer) => Value::Integer(integer),
        service::Value::Real(real) => Value::Real(real),
        service::Value::Text(text) => Value::Text(text),
        service::Value::Blob(bytes) => Value::Blob(bytes),
    };
    row.into_iter().map(value).collect()
}

fn rows(rows: Vec<Vec<service::Value>>) -> Vec<Row> {
    rows.into_iter().map(outside).collect()
}

/// What the functions do, as futures that own what they need: the guest's store goes on meanwhile.
impl Context {
    /// The database, and what a statement has.
    fn service(&self) -> (Sql, Bounds) {
        (self.sql.clone(), self.bounds())
    }

    fn bounds(&self) -> Bounds {
        let left = self.deadline.left(self.quota.limits().sql_statement);
        Bounds { left, quota: self.quota.clone() }
    }

    pub(super) fn execute(
        &self,
        statement: String,
        parameters: Vec<Value>,
    ) -> impl Future<Output = Result<u64, Error>> + Send + use<> {
        let (sql, bounds) = self.service();
        let called = bounds.called(&[&statement, &parameters]);
        called.after(traced("sql execute", async move {
            let _held = bounds.hold(&statement, &parameters)?;
            let changed = sql.execute(&statement, inside(parameters), bounds.left).await;
            changed.map_err(|err| bounds.refused(&err))
        }))
    }

    pub(super) fn query(
        &self,
        statement: String,
        parameters: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Row>, Error>> + Send + use<> {
        let (sql, bounds) = self.service();
        let called = bounds.called(&[&statement, &parameters]);
        called.after(traced("sql query", async move {
            let _held = bounds.hold(&statement, &parameters)?;
            let found = sql.query(&statement, inside(parameters), bounds.left).await;
            found.map(rows).map_err(|err| bounds.refused(&err))
        }))
    }

    pub(super) fn begin(&self) -> impl Future<Output = Result<Transaction, Error>> + Send + use<> {
        let (sql, bounds) = self.service();
        bounds.called(&[]);
        traced("sql begin", async move {
            let begun = sql.begin(bounds.left).await;
            begun.map(Transaction).map_err(|err| bounds.refused(&err))
        })
    }
}

/// Of a transaction. Each fails if the guest has no such transaction, which is a trap.
impl View<'_> {
    /// It stays in the table while its statement runs; the handle is shared.
    fn shared(
        &self,
        transaction: &Resource<Transaction>,
    ) -> wasmtime::Result<(service::Transaction, Bounds)> {
        Ok((self.table.get(transaction)?.0.clone(), self.context.bounds()))
    }

    /// It is out of the table, and gone either way.
    fn taken(
        &mut self,
        transaction: Resource<Transaction>,
    ) -> wasmtime::Result<(service::Transaction, Bounds)> {
        let transaction = self.table.delete(transaction)?.0;
        Ok((transaction, self.context.bounds()))
    }

    pub(super) fn execute_in(
        &self,
        transaction: &Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<impl Future<Output = Result<u64, Error>> + Send + use<>> {
        let (transaction, bounds) = self.shared(transaction)?;
        let called = bounds.called(&[&statement, &parameters]);
        Ok(called.after(traced("sql execute", async move {
            let _held = bounds.hold(&statement, &parameters)?;
            let changed = transaction.execute(&statement, inside(parameters), bounds.left).await;
            changed.map_err(|err| bounds.refused(&err))
        })))
    }

    pub(super) fn query_in(
        &self,
        transaction: &Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<impl Future<Output = Result<Vec<Row>, Error>> + Send + use<>> {
        let (transaction, bounds) = self.shared(transaction)?;
        let called = bounds.called(&[&statement, &parameters]);
        Ok(called.after(traced("sql query", async move {
            let _held = bounds.hold(&statement, &parameters)?;
            let found = transaction.query(&statement, inside(parameters), bounds.left).await;
            found.map(rows).map_err(|err| bounds.refused(&err))
        })))
    }

    pub(super) fn commit(
        &mut self,
        transaction: Resource<Transaction>,
    ) -> wasmtime::Result<impl Future<Output = Result<(), Error>> + Send + use<>> {
        let (transaction, bounds) = self.taken(transaction)?;
        bounds.called(&[]);
        Ok(traced("sql commit", async move {
            transaction.commit(bounds.left).await.map_err(|err| bounds.refused(&err))
        }))
    }

    pub(super) fn rollback(
        &mut self,
        transaction: Resource<Transaction>,
    ) -> wasmtime::Result<impl Future<Output = Result<(), Error>> + Send + use<>> {
        let (transaction, bounds) = self.taken(transaction)?;
        bounds.called(&[]);
        Ok(traced("sql rollback", async move {
            transaction.rollback(bounds.left).await.map_err(|err| bounds.refused(&err))
        }))
    }
}

impl sql::Host for View<'_> {}

impl sql::HostTransaction for View<'_> {
    fn drop(&mut self, transaction: Resource<Transaction>) -> wasmtime::Result<()> {
        self.table.delete(transaction)?;
        Ok(())
    }
}

impl<T: Send + 'static> sql::HostWithStore<T> for Has {
    async fn execute(
        accessor: &Accessor<T, Self>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let work = accessor.with(|mut access| access.get().context.execute(statement, parameters));
        Ok(work.await)
    }

    async fn query(
        accessor: &Accessor<T, Self>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Vec<Row>, Error>> {
        let work = accessor.with(|mut access| access.get().context.query(statement, parameters));
        Ok(work.await)
    }

    async fn stream(
        accessor: &Accessor<T, Self>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<(StreamReader<Row>, FutureReader<Result<(), Error>>), Error>> {
        let (sql, bounds) = accessor.with(|mut access| access.get().context.service());
        bounds.called(&[&statement, &parameters]);
        let span = span("sql stream");
        let open = async {
            let room = streams::room(&bounds.quota, "stream rows")?;
            let _held = bounds.hold(&statement, &parameters)?;
            let found = sql.stream(&statement, inside(parameters), bounds.left).await;
            Ok((room, found.map_err(|err| bounds.refused(&err))?))
        };
        let (room, found) = match traced_in(span.clone(), open).await {
            Ok(found) => found,
            Err(err) => return Ok(Err(err)),
        };
        let abandoned = || error(ErrorKind::Cancelled, "the rows were not read to the end");
        let (items, end) = streams::split(typed(found, bounds, span), abandoned);
        let items = streams::holding(items, room);
        accessor.with(|mut access| {
            let items = StreamReader::new(&mut access, Producer(items))?;
            let end = async { wasmtime::error::Ok(end.await) };
            let end = FutureReader::new(&mut access, end)?;
            Ok(Ok((items, end)))
        })
    }

    async fn begin(
        accessor: &Accessor<T, Self>,
    ) -> wasmtime::Result<Result<Resource<Transaction>, Error>> {
        let begin = accessor.with(|mut access| access.get().context.begin());
        match begin.await {
            Ok(transaction) => {
                accessor.with(|mut access| Ok(Ok(access.get().table.push(transaction)?)))
            }
            Err(err) => Ok(Err(err)),
        }
    }
}

/// The span lasts as long as the rows.
fn typed(
    found: impl Stream<Item = Result<Vec<service::Value>, service::Error>> + Send + 'static,
    bounds: Bounds,
    span: Span,
) -> impl Stream<Item = Result<Row, Error>> + Send + 'static {
    found.map(move |row| {
        let row = row.map(outside).map_err(|err| bounds.refused(&err));
        row.inspect_err(|err| failed(&span, err))
    })
}

impl<T: Send + 'static> sql::HostTransactionWithStore<T> for Has {
    async fn execute(
        accessor: &Accessor<T, Self>,
        this: Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let work =
            accessor.with(|mut access| access.get().execute_in(&this, statement, parameters))?;
        Ok(work.await)
    }

    async fn query(
        accessor: &Accessor<T, Self>,
        this: Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Vec<Row>, Error>> {
        let work =
            accessor.with(|mut access| access.get().query_in(&this, statement, parameters))?;
        Ok(work.await)
    }

    async fn commit(
        accessor: &Accessor<T, Self>,
        this: Resource<Transaction>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let work = accessor.with(|mut access| access.get().commit(this))?;
        Ok(work.await)
    }

    async fn rollback(
        accessor: &Accessor<T, Self>,
        this: Resource<Transaction>,
    ) -> wasmtime::Result<Result<(), Error>> {
        let work = accessor.with(|mut access| access.get().rollback(this))?;
        Ok(work.await)
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    sql::add_to_linker::<T, Has>(linker, view)
}
