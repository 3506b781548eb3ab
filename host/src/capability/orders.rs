//! `chore:peer/orders`: orders waiting to be sent to satellites, and what became of them.

use futures::{Stream, StreamExt};
use wasmtime::component::{Accessor, FutureReader, HasData, Linker, StreamReader};

use crate::bindings::orders::{self, ArchiveRequest, ArchivedInfo, Info, Status};
use crate::bindings::types::{Error, ErrorKind};
use crate::capability::streams::{self, Producer};
use crate::capability::{Deadline, error, granted, node_id};
use crate::clock::Timestamp;
use crate::error::chain;
use crate::limits::{ORDERS_PER_CALL_MAX, ORDERS_PER_PAGE};
use crate::node_id::NodeId;
use crate::orders::{self as service, Orders};

/// The orders that one call may use, if they were granted.
pub struct Context {
    pub orders: Option<Orders>,
    pub deadline: Deadline,
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

fn refused(err: service::Error) -> Error {
    let kind = match &err {
        service::Error::Exists { .. } => ErrorKind::Conflict,
        service::Error::Invalid { .. } => ErrorKind::Invalid,
        service::Error::TooLarge { .. } => ErrorKind::TooLarge,
        _ => ErrorKind::Internal,
    };
    error(kind, chain(&err))
}

fn outside(info: service::Info) -> Info {
    Info {
        satellite: info.satellite.as_bytes().to_vec(),
        serial: info.serial,
        limit: info.limit,
        order: info.order,
        expires: info.expires.as_nanos(),
    }
}

fn inside(info: Info) -> Result<service::Info, Error> {
    Ok(service::Info {
        satellite: node_id(&info.satellite)?,
        serial: info.serial,
        limit: info.limit,
        order: info.order,
        expires: Timestamp::from_nanos(info.expires),
    })
}

fn request(request: ArchiveRequest) -> Result<service::ArchiveRequest, Error> {
    let status = match request.status {
        Status::Accepted => service::Status::Accepted,
        Status::Rejected => service::Status::Rejected,
        Status::Unsent => {
            return Err(error(ErrorKind::Invalid, "archive orders: unsent is no final status"));
        }
    };
    Ok(service::ArchiveRequest {
        satellite: node_id(&request.satellite)?,
        serial: request.serial,
        status,
        reason: request.reason,
    })
}

fn archived(found: service::Archived) -> ArchivedInfo {
    ArchivedInfo {
        info: outside(found.info),
        status: match found.status {
            service::Status::Accepted => Status::Accepted,
            service::Status::Rejected => Status::Rejected,
        },
        reason: found.reason,
        archived: found.archived.as_nanos(),
    }
}

/// The orders of one satellite, page by page, so that memory does not grow with the backlog.
fn unsent(
    orders: Orders,
    satellite: NodeId,
) -> impl Stream<Item = Result<Info, Error>> + Send + 'static {
    let first = Some((orders, None));
    let pages = futures::stream::unfold(first, move |state| async move {
        let (orders, after) = state?;
        match orders.unsent_page(satellite, after, ORDERS_PER_PAGE).await {
            Ok((page, next)) => {
                let rest = next.map(|next| (orders, Some(next)));
                Some((page.into_iter().map(|info| Ok(outside(info))).collect::<Vec<_>>(), rest))
            }
            Err(err) => Some((vec![Err(refused(err))], None)),
        }
    });
    pages.flat_map(futures::stream::iter)
}

/// What every function starts with: the service, if granted, and the time there is.
fn service<T: Send + 'static>(accessor: &Accessor<T, Has>) -> (Result<Orders, Error>, Deadline) {
    accessor.with(|mut access| {
        let context = access.get().0;
        (granted(context.orders.as_ref(), "orders").cloned(), context.deadline)
    })
}

impl orders::Host for View<'_> {}

impl<T: Send + 'static> orders::HostWithStore<T> for Has {
    async fn enqueue(
        accessor: &Accessor<T, Self>,
        info: Info,
    ) -> wasmtime::Result<Result<(), Error>> {
        let (orders, deadline) = service(accessor);
        let work = async { orders?.enqueue(inside(info)?).await.map_err(refused) };
        Ok(deadline.bound("enqueue order", work).await)
    }

    async fn list_unsent(
        accessor: &Accessor<T, Self>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<Info>, Error>> {
        let (orders, deadline) = service(accessor);
        let limit = limit.min(ORDERS_PER_CALL_MAX);
        let work = async { orders?.list_unsent(limit).await.map_err(refused) };
        let found = deadline.bound("list unsent orders", work).await;
        Ok(found.map(|infos| infos.into_iter().map(outside).collect()))
    }

    async fn list_unsent_by_satellite(
        accessor: &Accessor<T, Self>,
    ) -> wasmtime::Result<Result<Vec<(Vec<u8>, Vec<Info>)>, Error>> {
        let (orders, deadline) = service(accessor);
        let work =
            async { orders?.list_unsent_by_satellite(ORDERS_PER_CALL_MAX).await.map_err(refused) };
        let found = deadline.bound("list unsent orders by satellite", work).await;
        Ok(found.map(|groups| {
            let group = |(satellite, infos): (NodeId, Vec<service::Info>)| {
                let infos = infos.into_iter().map(outside).collect();
                (satellite.as_bytes().to_vec(), infos)
            };
            groups.into_iter().map(group).collect()
        }))
    }

    async fn count_unsent(
        accessor: &Accessor<T, Self>,
    ) -> wasmtime::Result<Result<Vec<(Vec<u8>, u64)>, Error>> {
        let (orders, deadline) = service(accessor);
        let work = async { orders?.count_unsent().await.map_err(refused) };
        let found = deadline.bound("count unsent orders", work).await;
        let bytes = |(satellite, count): (NodeId, u64)| (satellite.as_bytes().to_vec(), count);
        Ok(found.map(|counts| counts.into_iter().map(bytes).collect()))
    }

    async fn stream_unsent(
        accessor: &Accessor<T, Self>,
        satellite: Vec<u8>,
    ) -> wasmtime::Result<Result<(StreamReader<Info>, FutureReader<Result<(), Error>>), Error>>
    {
        let (orders, _) = service(accessor);
        let start = || Ok((orders?, node_id(&satellite)?));
        let (orders, satellite) = match start() {
            Ok(parts) => parts,
            Err(err) => return Ok(Err(err)),
        };
        let abandoned = || error(ErrorKind::Cancelled, "the orders were not read to the end");
        let (items, end) = streams::split(unsent(orders, satellite), abandoned);
        accessor.with(|mut access| {
            let items = StreamReader::new(&mut access, Producer(items))?;
            let end = async { wasmtime::error::Ok(end.await) };
            let end = FutureReader::new(&mut access, end)?;
            Ok(Ok((items, end)))
        })
    }

    async fn archive(
        accessor: &Accessor<T, Self>,
        requests: Vec<ArchiveRequest>,
    ) -> wasmtime::Result<Result<Vec<Vec<u8>>, Error>> {
        let (orders, deadline) = service(accessor);
        let work = async {
            let orders = orders?;
            if requests.len() > ORDERS_PER_CALL_MAX as usize {
                let message = format!(
                    "archive orders: {} at once, at most {ORDERS_PER_CALL_MAX}",
                    requests.len()
                );
                return Err(error(ErrorKind::TooLarge, message));
            }
            let requests = requests.into_iter().map(request).collect::<Result<_, _>>()?;
            orders.archive(requests, Timestamp::now()).await.map_err(refused)
        };
        Ok(deadline.bound("archive orders", work).await)
    }

    async fn list_archived(
        accessor: &Accessor<T, Self>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<ArchivedInfo>, Error>> {
        let (orders, deadline) = service(accessor);
        let limit = limit.min(ORDERS_PER_CALL_MAX);
        let work = async { orders?.list_archived(limit).await.map_err(refused) };
        let found = deadline.bound("list archived orders", work).await;
        Ok(found.map(|orders| orders.into_iter().map(archived).collect()))
    }

    async fn clean_archive(
        accessor: &Accessor<T, Self>,
        before: i64,
    ) -> wasmtime::Result<Result<u64, Error>> {
        let (orders, deadline) = service(accessor);
        let before = Timestamp::from_nanos(before);
        let work = async { orders?.clean_archive(before).await.map_err(refused) };
        Ok(deadline.bound("clean archive", work).await)
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    orders::add_to_linker::<T, Has>(linker, view)
}
