//! The synchronous twins of `wit/sync.wit`: the same work as that of the interfaces that they are
//! named after, for a guest that is blocked until it is done, and the way such a guest winds down.

use std::future::Future;

use tokio_util::sync::CancellationToken;
use tonic::Code;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use crate::bindings::orders::{ArchiveRequest, ArchivedInfo, Info};
use crate::bindings::sql::Value;
use crate::bindings::state::Saved;
use crate::bindings::sync::{
    cycle_sync, kademlia_sync, orders_sync, sql_sync, state_sync, transport_sync,
};
use crate::bindings::transport::{Node, Status};
use crate::bindings::types::{CycleState, Error, ErrorKind};
use crate::capability::orders::BySatellite;
use crate::capability::sql::{Row, Transaction};
use crate::capability::transport::Connection;
use crate::capability::{Contexts, error, sql, transport};

/// All of a call: what waits looks at the wish to wind down as well.
pub struct View<'a> {
    pub contexts: &'a mut Contexts,
    pub table: &'a mut ResourceTable,
}

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

impl View<'_> {
    fn wish(&self) -> Wish {
        Wish(self.contexts.cycle.wish())
    }

    fn sql(&mut self) -> sql::View<'_> {
        sql::View { context: &mut self.contexts.sql, table: self.table }
    }

    fn transport(&mut self) -> transport::View<'_> {
        transport::View { context: &mut self.contexts.transport, table: self.table }
    }
}

/// That the call should wind down. `None` if the guest knows, and does so itself.
struct Wish(Option<CancellationToken>);

/// What a guest is told that has to wind down.
trait Cancelled {
    fn cancelled() -> Self;
}

const CANCELLED: &str = "cancelled before it was done: the call has to wind down";

impl Cancelled for Error {
    fn cancelled() -> Error {
        error(ErrorKind::Cancelled, CANCELLED)
    }
}

impl Cancelled for Status {
    fn cancelled() -> Status {
        Status { code: Code::Cancelled as u32, message: CANCELLED.into() }
    }
}

impl Wish {
    /// The answer of `work`, which is dropped where it waits if the call has to wind down.
    async fn or<T, E: Cancelled>(self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let Some(wish) = self.0 else { return work.await };
        tokio::select! {
            // The wish first: nothing new begins after it.
            biased;
            () = wish.cancelled() => Err(E::cancelled()),
            answer = work => answer,
        }
    }

    /// The answer of `work`, which is done whole or does not begin.
    async fn or_whole<T, E: Cancelled>(
        self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self.0 {
            Some(wish) if wish.is_cancelled() => Err(E::cancelled()),
            _ => work.await,
        }
    }
}

impl state_sync::Host for View<'_> {
    async fn load(&mut self) -> wasmtime::Result<Result<Option<Saved>, Error>> {
        Ok(self.wish().or(self.contexts.state.load()).await)
    }

    async fn save(&mut self, data: Vec<u8>) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.contexts.state.save(data))
    }
}

impl cycle_sync::Host for View<'_> {
    async fn list(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.contexts.cycle.list())
    }

    async fn status(&mut self, name: String) -> wasmtime::Result<Result<CycleState, Error>> {
        Ok(self.contexts.cycle.status(&name))
    }

    async fn pause(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.contexts.cycle.pause(&name))
    }

    async fn restart(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.contexts.cycle.restart(&name))
    }

    async fn trigger(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.contexts.cycle.trigger(&name))
    }

    async fn change_interval(
        &mut self,
        name: String,
        interval: u64,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.contexts.cycle.change_interval(&name, interval))
    }

    async fn add(
        &mut self,
        name: String,
        interval: u64,
        timeout: u64,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.contexts.cycle.add(&name, interval, timeout))
    }

    async fn remove(&mut self, name: String) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.contexts.cycle.remove(&name))
    }

    async fn is_cancelled(&mut self) -> wasmtime::Result<bool> {
        Ok(self.contexts.cycle.is_cancelled())
    }
}

impl sql_sync::Host for View<'_> {
    async fn execute(
        &mut self,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        Ok(self.wish().or(self.contexts.sql.execute(statement, parameters)).await)
    }

    async fn query(
        &mut self,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Vec<Row>, Error>> {
        Ok(self.wish().or(self.contexts.sql.query(statement, parameters)).await)
    }

    async fn begin(&mut self) -> wasmtime::Result<Result<Resource<Transaction>, Error>> {
        match self.wish().or(self.contexts.sql.begin()).await {
            Ok(transaction) => Ok(Ok(self.table.push(transaction)?)),
            Err(err) => Ok(Err(err)),
        }
    }
}

impl sql_sync::HostTransaction for View<'_> {
    async fn execute(
        &mut self,
        this: Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let work = self.sql().execute_in(&this, statement, parameters)?;
        Ok(self.wish().or(work).await)
    }

    async fn query(
        &mut self,
        this: Resource<Transaction>,
        statement: String,
        parameters: Vec<Value>,
    ) -> wasmtime::Result<Result<Vec<Row>, Error>> {
        let work = self.sql().query_in(&this, statement, parameters)?;
        Ok(self.wish().or(work).await)
    }

    async fn commit(&mut self, this: Resource<Transaction>) -> wasmtime::Result<Result<(), Error>> {
        let work = self.sql().commit(this)?;
        Ok(self.wish().or_whole(work).await)
    }

    async fn rollback(
        &mut self,
        this: Resource<Transaction>,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.sql().rollback(this)?.await)
    }

    async fn drop(&mut self, this: Resource<Transaction>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}

impl orders_sync::Host for View<'_> {
    async fn enqueue(&mut self, info: Info) -> wasmtime::Result<Result<(), Error>> {
        Ok(self.wish().or_whole(self.contexts.orders.enqueue(info)).await)
    }

    async fn list_unsent(&mut self, limit: u32) -> wasmtime::Result<Result<Vec<Info>, Error>> {
        Ok(self.wish().or(self.contexts.orders.list_unsent(limit)).await)
    }

    async fn list_unsent_by_satellite(&mut self) -> wasmtime::Result<Result<BySatellite, Error>> {
        Ok(self.wish().or(self.contexts.orders.list_unsent_by_satellite()).await)
    }

    async fn count_unsent(&mut self) -> wasmtime::Result<Result<Vec<(Vec<u8>, u64)>, Error>> {
        Ok(self.wish().or(self.contexts.orders.count_unsent()).await)
    }

    async fn archive(
        &mut self,
        requests: Vec<ArchiveRequest>,
    ) -> wasmtime::Result<Result<Vec<Vec<u8>>, Error>> {
        Ok(self.wish().or_whole(self.contexts.orders.archive(requests)).await)
    }

    async fn list_archived(
        &mut self,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<ArchivedInfo>, Error>> {
        Ok(self.wish().or(self.contexts.orders.list_archived(limit)).await)
    }

    async fn clean_archive(&mut self, before: i64) -> wasmtime::Result<Result<u64, Error>> {
        Ok(self.wish().or_whole(self.contexts.orders.clean_archive(before)).await)
    }
}

impl kademlia_sync::Host for View<'_> {
    async fn find_node(&mut self, id: Vec<u8>) -> wasmtime::Result<Result<Node, Error>> {
        Ok(self.wish().or(self.contexts.kademlia.find_node(id)).await)
    }
}

impl transport_sync::Host for View<'_> {
    async fn dial_node(
        &mut self,
        node: Node,
        timeout: u64,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        let dial = self.transport().dial(node, timeout);
        match self.wish().or(dial).await {
            Ok(connection) => Ok(Ok(self.table.push(connection)?)),
            Err(err) => Ok(Err(err)),
        }
    }
}

impl transport_sync::HostConnection for View<'_> {
    async fn unary(
        &mut self,
        connection: Resource<Connection>,
        method: String,
        request: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Status>> {
        let work = self.transport().unary(&connection, method, request)?;
        Ok(self.wish().or(work).await)
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    state_sync::add_to_linker::<T, Has>(linker, view)?;
    cycle_sync::add_to_linker::<T, Has>(linker, view)?;
    sql_sync::add_to_linker::<T, Has>(linker, view)?;
    orders_sync::add_to_linker::<T, Has>(linker, view)?;
    kademlia_sync::add_to_linker::<T, Has>(linker, view)?;
    transport_sync::add_to_linker::<T, Has>(linker, view)
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn what_waits_is_cancelled_until_the_guest_takes_that_on_itself() {
        let done = || ready(Ok::<_, Error>(1));
        let stuck = pending::<Result<i32, Error>>;
        let kind = |answer: Result<i32, Error>| answer.map_err(|err| err.kind);
        let wish = CancellationToken::new();
        let asked = || Wish(Some(wish.clone()));
        assert_eq!(kind(asked().or(done()).await), Ok(1));
        assert_eq!(kind(asked().or_whole(done()).await), Ok(1));
        let (answer, ()) = tokio::join!(asked().or(stuck()), async { wish.cancel() });
        assert_eq!(kind(answer), Err(ErrorKind::Cancelled));
        assert_eq!(kind(asked().or(done()).await), Err(ErrorKind::Cancelled));
        assert_eq!(kind(asked().or_whole(done()).await), Err(ErrorKind::Cancelled));
        assert_eq!(kind(Wish(None).or(done()).await), Ok(1));
        assert_eq!(kind(Wish(None).or_whole(done()).await), Ok(1));
    }
}
