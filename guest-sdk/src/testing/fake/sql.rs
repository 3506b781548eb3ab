//! The chore's database: SQLite in memory, which a chore cannot tell from the one of a peer.
//!
//! One call at a time writes, the others wait; who reads sees what is committed. It knows no clock:
//! waiting counts as too long when everybody waits, and a statement's time is a number of steps.

mod connection;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Poll, Waker};

use connection::{Connection, Found};

use super::current;
use crate::sql::{Row, Value};
use crate::{Error, Kind, Result};

/// Rows, and their bytes in memory, that one query answers. As the host's.
const ROWS_MAX: usize = 10_000;
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Rows of one stream. A peer has no such limit: it reads them one by one.
const STREAM_ROWS_MAX: usize = 1_000_000;

/// The chore's database. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Database(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    /// Opened by the first use.
    connection: Option<Connection>,
    /// While a transaction is open: a copy of what was committed before, for who reads.
    before: Option<Connection>,
    /// Somebody has the right to write.
    writing: bool,
    waiting: Vec<Rc<Waiting>>,
}

/// A call that waits for the right to write. Dropped by its future, it is forgotten.
struct Waiting {
    waker: Waker,
    /// It has waited too long.
    up: Cell<bool>,
}

impl Database {
    pub(crate) async fn execute(&self, statement: &str, values: Vec<Value>) -> Result<u64> {
        let turn = self.turn().await?;
        turn.alone(|connection| {
            connection.run(statement, values, false, |_| Ok(())).map(Found::changed)
        })
    }

    pub(crate) async fn query(&self, statement: &str, values: Vec<Value>) -> Result<Vec<Row>> {
        let mut rows = Collected::new();
        let found = self.read(|connection| {
            connection.run(statement, values.clone(), true, |row| rows.add(row))
        })?;
        if let Found::Changed(_) = found {
            return Ok(rows.rows);
        }
        let turn = self.turn().await?;
        turn.alone(|connection| collect(connection, statement, values))
    }

    /// The rows, all of them read before the first is taken, and how they ended.
    pub(crate) fn stream(&self, statement: &str, values: Vec<Value>) -> Result<Streamed> {
        let mut rows = Vec::new();
        let ended = self.read(|connection| {
            connection.run(statement, values, true, |row| {
                if rows.len() >= STREAM_ROWS_MAX {
                    let message =
                        format!("stream rows: a fake peer reads at most {STREAM_ROWS_MAX}");
                    return Err(Error::of(Kind::TooLarge, message));
                }
                rows.push(row);
                Ok(())
            })
        });
        match ended {
            Ok(Found::Changed(_)) => Ok((rows, Ok(()))),
            Ok(Found::Writes) => {
                let message = "stream rows: the statement writes: run it with execute or query";
                Err(Error::of(Kind::Invalid, message))
            }
            // A statement that does not even start fails at once, and not after its rows.
            Err(err) if rows.is_empty() => Err(err),
            Err(err) => Ok((rows, Err(err))),
        }
    }

    pub(crate) async fn begin(&self) -> Result<Transaction> {
        let turn = self.turn().await?;
        turn.begin()?;
        Ok(Transaction(turn))
    }

    /// Runs what a test prepares: any statements, and as many as there are.
    pub(crate) fn script(&self, statements: &str) -> Result<()> {
        let mut inner = self.0.borrow_mut();
        if inner.writing {
            return Err(Error::of(Kind::Conflict, "run script: a transaction is open"));
        }
        inner.connection()?.host(statements)
    }

    /// Tells those that wait to write that their time is up; false if nobody does.
    pub(crate) fn give_up(&self) -> bool {
        let waiting = std::mem::take(&mut self.0.borrow_mut().waiting);
        let mut any = false;
        for waiting in waiting.into_iter().filter(|waiting| Rc::strong_count(waiting) > 1) {
            any = true;
            waiting.up.set(true);
            waiting.waker.wake_by_ref();
        }
        any
    }

    fn read<T>(&self, read: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut inner = self.0.borrow_mut();
        match &mut inner.before {
            Some(before) => read(before),
            None => read(inner.connection()?),
        }
    }

    async fn turn(&self) -> Result<Turn> {
        let mut mine: Option<Rc<Waiting>> = None;
        std::future::poll_fn(|cx| {
            let mut inner = self.0.borrow_mut();
            if !inner.writing {
                inner.writing = true;
                return Poll::Ready(Ok(Turn(self.clone())));
            }
            if mine.as_ref().is_some_and(|mine| mine.up.get()) {
                let message = "wait to write: another transaction stays open: end it, or try \
                               again later";
                return Poll::Ready(Err(Error::of(Kind::Conflict, message)));
            }
            let waiting = Rc::new(Waiting { waker: cx.waker().clone(), up: Cell::new(false) });
            inner.waiting.push(Rc::clone(mine.insert(waiting)));
            Poll::Pending
        })
        .await
    }
}

impl Inner {
    fn connection(&mut self) -> Result<&mut Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open()?,
        };
        Ok(self.connection.insert(connection))
    }
}

/// Rows, and what came after them.
pub(crate) type Streamed = (Vec<Row>, Result<()>);

/// The right to write. Dropped, it undoes what is not committed.
struct Turn(Database);

impl Turn {
    /// Runs a statement in a transaction of its own.
    fn alone<T>(&self, run: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut inner = self.0.0.borrow_mut();
        let connection = inner.connection()?;
        connection.host("BEGIN IMMEDIATE")?;
        let result = run(connection)?;
        commit(connection)?;
        Ok(result)
    }

    fn begin(&self) -> Result<()> {
        let mut inner = self.0.0.borrow_mut();
        let before = inner.connection()?.copy()?;
        inner.before = Some(before);
        inner.connection()?.host("BEGIN IMMEDIATE")
    }

    /// Runs a statement in the transaction that is open. If it fails, it alone is undone.
    fn within<T>(&self, run: impl FnOnce(&mut Connection) -> Result<T>) -> Result<T> {
        let mut inner = self.0.0.borrow_mut();
        let connection = inner.connection()?;
        if !connection.in_transaction() {
            return Err(rolled_back());
        }
        connection.host("SAVEPOINT statement")?;
        let result = run(connection);
        // Some failures end the whole transaction, and the savepoint with it.
        if connection.in_transaction() {
            if result.is_err() {
                connection.host("ROLLBACK TO statement")?;
            }
            connection.host("RELEASE statement")?;
        }
        result
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let waiting = {
            let mut inner = self.0.0.borrow_mut();
            if let Some(connection) = &inner.connection
                && connection.in_transaction()
            {
                // What cannot be rolled back is gone, as if it had been.
                let _ = connection.host("ROLLBACK");
            }
            inner.before = None;
            inner.writing = false;
            std::mem::take(&mut inner.waiting)
        };
        waiting.iter().for_each(|waiting| waiting.waker.wake_by_ref());
    }
}

/// Statements that take effect together or not at all.
pub(crate) struct Transaction(Turn);

impl Transaction {
    pub(crate) async fn execute(&self, statement: &str, values: Vec<Value>) -> Result<u64> {
        goes_on("sql.execute")?;
        self.0.within(|connection| {
            connection.run(statement, values, false, |_| Ok(())).map(Found::changed)
        })
    }

    pub(crate) async fn query(&self, statement: &str, values: Vec<Value>) -> Result<Vec<Row>> {
        goes_on("sql.query")?;
        self.0.within(|connection| collect(connection, statement, values))
    }

    pub(crate) async fn commit(self) -> Result<()> {
        goes_on("sql.commit")?;
        commit(self.0.0.0.borrow_mut().connection()?)
    }

    pub(crate) async fn rollback(self) -> Result<()> {
        goes_on("sql.rollback")
    }
}

/// Whether a call that has its transaction, and needs no world, goes on.
fn goes_on(call: &str) -> Result<()> {
    current().map_or(Ok(()), |world| world.borrow_mut().goes_on(call))
}

fn commit(connection: &mut Connection) -> Result<()> {
    if !connection.in_transaction() {
        return Err(rolled_back());
    }
    connection.host("COMMIT")
}

fn rolled_back() -> Error {
    let message = "use transaction: an earlier failure rolled it back: begin it again";
    Error::of(Kind::Conflict, message)
}

fn collect(connection: &mut Connection, statement: &str, values: Vec<Value>) -> Result<Vec<Row>> {
    let mut rows = Collected::new();
    connection.run(statement, values, false, |row| rows.add(row))?;
    Ok(rows.rows)
}

/// The answer of a query, which has an end.
struct Collected {
    rows: Vec<Row>,
    bytes: usize,
}

impl Collected {
    fn new() -> Collected {
        Collected { rows: Vec::new(), bytes: 0 }
    }

    fn add(&mut self, row: Row) -> Result<()> {
        let data = |value: &Value| match value {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            _ => 0,
        };
        let values = row.values();
        self.bytes += size_of::<Row>() + size_of_val(values);
        self.bytes += values.iter().map(data).sum::<usize>();
        if self.rows.len() >= ROWS_MAX || self.bytes > BYTES_MAX {
            let message = format!(
                "run query: more than {ROWS_MAX} rows or {BYTES_MAX} bytes: add a LIMIT or use \
                 stream"
            );
            return Err(Error::of(Kind::TooLarge, message));
        }
        self.rows.push(row);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
