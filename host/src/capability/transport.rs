//! `chore:peer/transport`: authenticated connections to other peers, and calls on them.

use std::time::Duration;

use futures::StreamExt;
use tonic::{Code, Status as GrpcStatus};
use wasmtime::component::{
    Accessor, FutureReader, HasData, Linker, Resource, ResourceTable, StreamReader,
};

use crate::bindings::transport::{self, Node, Status};
use crate::bindings::types::{Error, ErrorKind};
use crate::capability::streams::{self, Producer};
use crate::capability::{Deadline, Granted, Quota, cut, error, granted, node_id};
use crate::error::chain;
use crate::limits::{DIAL_TIMEOUT_MAX, STATUS_MESSAGE_BYTES_MAX};
use crate::node_id::NodeUrl;
use crate::transport::{self as service, Transport};

/// The transport that one call may use, if it was granted.
pub struct Context {
    pub transport: Option<Granted<Transport>>,
    pub deadline: Deadline,
    pub quota: Quota,
}

/// A connection as a guest holds it; the host's pool keeps the real one.
pub struct Connection(service::Connection);

pub struct View<'a> {
    pub context: &'a mut Context,
    pub table: &'a mut ResourceTable,
}

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

fn status(from: &GrpcStatus) -> Status {
    let code = u32::try_from(from.code() as i32).unwrap_or(Code::Unknown as u32);
    Status { code, message: cut(from.message(), STATUS_MESSAGE_BYTES_MAX).to_owned() }
}

fn exhausted(message: String) -> Status {
    Status { code: Code::ResourceExhausted as u32, message }
}

fn abandoned() -> Status {
    Status {
        code: Code::Cancelled as u32,
        message: "the responses were not read to the end".into(),
    }
}

fn dial_error(err: &service::Error) -> Error {
    let kind = if err.is_timeout() { ErrorKind::TimedOut } else { ErrorKind::Unavailable };
    error(kind, chain(err))
}

impl View<'_> {
    pub(super) fn dial(
        &self,
        node: Node,
        timeout: u64,
    ) -> impl Future<Output = Result<Connection, Error>> + Send + use<> {
        self.context.quota.traffic().called(&[&node]);
        let (transport, deadline) = (self.context.transport.clone(), self.context.deadline);
        let timeout = Duration::from_nanos(timeout).min(DIAL_TIMEOUT_MAX);
        let dial = async move {
            let url = NodeUrl { id: node_id(&node.id)?, address: node.address };
            let wanted = || format!("transport:{}", url.id);
            let transport = granted(transport.as_ref(), |scope| scope.has_node(&url.id), wanted)?;
            let dialed = transport.dial_node(&url, deadline.left(timeout)).await;
            dialed.map(Connection).map_err(|err| dial_error(&err))
        };
        deadline.bound("dial node", dial)
    }

    /// The connection behind a guest's handle, and the time there is. Fails if there is none, which
    /// is a trap.
    fn parts(
        &self,
        connection: &Resource<Connection>,
    ) -> wasmtime::Result<(service::Connection, Deadline)> {
        Ok((self.table.get(connection)?.0.clone(), self.context.deadline))
    }

    pub(super) fn unary(
        &self,
        connection: &Resource<Connection>,
        method: String,
        request: Vec<u8>,
    ) -> wasmtime::Result<impl Future<Output = Result<Vec<u8>, Status>> + Send + use<>> {
        let (connection, deadline) = self.parts(connection)?;
        let called = self.context.quota.traffic().called(&[&method, &request]);
        let held = self.context.quota.bytes(request.len());
        Ok(called.after(async move {
            let _held = held.map_err(exhausted)?;
            let answer = connection.unary(&method, request, deadline.left(Duration::MAX)).await;
            answer.map_err(|err| status(&err))
        }))
    }
}

impl transport::Host for View<'_> {}

impl transport::HostConnection for View<'_> {
    fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        Ok(())
    }
}

impl<T: Send + 'static> transport::HostWithStore<T> for Has {
    async fn dial_node(
        accessor: &Accessor<T, Self>,
        node: Node,
        timeout: u64,
    ) -> wasmtime::Result<Result<Resource<Connection>, Error>> {
        let dial = accessor.with(|mut access| access.get().dial(node, timeout));
        match dial.await {
            Ok(connection) => {
                accessor.with(|mut access| Ok(Ok(access.get().table.push(connection)?)))
            }
            Err(err) => Ok(Err(err)),
        }
    }
}

impl<T: Send + 'static> transport::HostConnectionWithStore<T> for Has {
    async fn unary(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        method: String,
        request: Vec<u8>,
    ) -> wasmtime::Result<Result<Vec<u8>, Status>> {
        let work = accessor.with(|mut access| access.get().unary(&connection, method, request))?;
        Ok(work.await)
    }

    async fn stream(
        accessor: &Accessor<T, Self>,
        connection: Resource<Connection>,
        method: String,
        requests: StreamReader<Vec<u8>>,
    ) -> wasmtime::Result<Result<(StreamReader<Vec<u8>>, FutureReader<Result<(), Status>>), Status>>
    {
        let (connection, deadline) = accessor.with(|mut access| access.get().parts(&connection))?;
        let requests = accessor.with(|access| streams::consume(requests, access))?;
        let quota = accessor.with(|mut access| access.get().context.quota.clone());
        quota.traffic().called(&[&method]);
        let room = match quota.stream() {
            Ok(room) => room,
            Err(message) => return Ok(Err(exhausted(message))),
        };
        let timeout = deadline.left(Duration::MAX);
        let requests = requests.inspect(move |request| quota.traffic().passed(request));
        let responses = match connection.stream(&method, requests, timeout).await {
            Ok(responses) => responses,
            Err(err) => return Ok(Err(status(&err))),
        };
        let responses = responses.map(|item| item.map_err(|err| status(&err)));
        let (items, end) = streams::split(responses, abandoned);
        let items = streams::holding(items, room);
        accessor.with(|mut access| {
            let items = StreamReader::new(&mut access, Producer(items))?;
            let end = async { wasmtime::error::Ok(end.await) };
            let end = FutureReader::new(&mut access, end)?;
            Ok(Ok((items, end)))
        })
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    transport::add_to_linker::<T, Has>(linker, view)
}
