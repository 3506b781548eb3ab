//! `chore:peer/orders`: orders waiting to be sent to satellites, and what became of them.

use futures::{Stream, StreamExt};
use wasmtime::component::{Accessor, FutureReader, HasData, Linker, StreamReader};

use crate::bindings::orders::{self, ArchiveRequest, ArchivedInfo, Info, Status};
use crate::bindings::types::{Error, ErrorKind};
use crate::capability::streams::{self, Producer};
use crate::capability::traffic::{Bytes, Called};
use crate::capability::{
    Granted, Quota, Shared, Turns, error, failed, granted, node_id, span, traced_in,
};
use crate::clock::Timestamp;
use crate::error::chain;
use crate::grant::Scope;
use crate::limits::{ORDERS_PER_CALL_MAX, ORDERS_PER_PAGE};
use crate::node_id::NodeId;
use crate::orders::{self as service, Orders};

/// Satellites, and the orders of each.
pub(super) type BySatellite = Vec<(Vec<u8>, Vec<Info>)>;

/// The orders that one call may use, if they were granted.
pub struct Context {
    pub orders: Option<Granted<Orders>>,
    pub shared: Shared,
    pub quota: Quota,
}

const STREAM_UNSENT: &str = "stream unsent orders";

/// What a function does with orders.
#[derive(Clone, Copy)]
enum Access {
    Read,
    Settle,
    Enqueue,
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
    turns: Turns,
    satellite: NodeId,
) -> impl Stream<Item = Result<Info, Error>> + Send + 'static {
    let first = Some((orders, turns, None));
    let pages = futures::stream::unfold(first, move |state| async move {
        let (orders, turns, after) = state?;
        let asked = orders.clone();
        let page = async move { asked.unsent_page(satellite, after, ORDERS_PER_PAGE).await };
        match turns.wait(page).await {
            Ok((page, next)) => {
                let rest = next.map(|next| (orders, turns, Some(next)));
                Some((page.into_iter().map(|info| Ok(outside(info))).collect::<Vec<_>>(), rest))
            }
            Err(err) => Some((vec![Err(refused(err))], None)),
        }
    });
    pages.flat_map(futures::stream::iter)
}

/// What the functions do, as futures that own what they need: the guest's store goes on meanwhile.
impl Context {
    fn called(&self, arguments: &[&dyn Bytes]) -> Called {
        self.quota.traffic().called(arguments)
    }

    /// The service, if so much of it was granted, and how to ask it.
    fn service(&self, access: Access) -> (Result<Orders, Error>, Shared) {
        let allows = |scope: &Scope| match access {
            Access::Read => matches!(scope, Scope::All | Scope::Settle | Scope::Read),
            Access::Settle => matches!(scope, Scope::All | Scope::Settle),
            Access::Enqueue => *scope == Scope::All,
        };
        let wanted = || match access {
            Access::Read => "orders:read".to_owned(),
            Access::Settle => "orders:settle".to_owned(),
            Access::Enqueue => "orders".to_owned(),
        };
        (granted(self.orders.as_ref(), allows, wanted).cloned(), self.shared.clone())
    }

    pub(super) fn enqueue(
        &self,
        info: Info,
    ) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let called = self.called(&[&info]);
        let (orders, shared) = self.service(Access::Enqueue);
        let work = async move { orders?.enqueue(inside(info)?).await.map_err(refused) };
        called.after(shared.bound("enqueue order", work))
    }

    pub(super) fn list_unsent(
        &self,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Info>, Error>> + Send + use<> {
        let called = self.called(&[]);
        let (orders, shared) = self.service(Access::Read);
        let work = async move {
            let found = orders?.list_unsent(limit.min(ORDERS_PER_CALL_MAX)).await;
            Ok(found.map_err(refused)?.into_iter().map(outside).collect())
        };
        called.after(shared.bound("list unsent orders", work))
    }

    pub(super) fn list_unsent_by_satellite(
        &self,
    ) -> impl Future<Output = Result<BySatellite, Error>> + Send + use<> {
        let called = self.called(&[]);
        let (orders, shared) = self.service(Access::Read);
        let group = |(satellite, infos): (NodeId, Vec<service::Info>)| {
            (satellite.as_bytes().to_vec(), infos.into_iter().map(outside).collect())
        };
        let work = async move {
            let found = orders?.list_unsent_by_satellite(ORDERS_PER_CALL_MAX).await;
            Ok(found.map_err(refused)?.into_iter().map(group).collect())
        };
        called.after(shared.bound("list unsent orders by satellite", work))
    }

    pub(super) fn count_unsent(
        &self,
    ) -> impl Future<Output = Result<Vec<(Vec<u8>, u64)>, Error>> + Send + use<> {
        let called = self.called(&[]);
        let (orders, shared) = self.service(Access::Read);
        let bytes = |(satellite, count): (NodeId, u64)| (satellite.as_bytes().to_vec(), count);
        let work = async move {
            let counts = orders?.count_unsent().await.map_err(refused)?;
            Ok(counts.into_iter().map(bytes).collect())
        };
        called.after(shared.bound("count unsent orders", work))
    }

    pub(super) fn archive(
        &self,
        requests: Vec<ArchiveRequest>,
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, Error>> + Send + use<> {
        let called = self.called(&[&requests]);
        let (orders, shared) = self.service(Access::Settle);
        let work = async move {
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
        called.after(shared.bound("archive orders", work))
    }

    pub(super) fn list_archived(
        &self,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<ArchivedInfo>, Error>> + Send + use<> {
        let called = self.called(&[]);
        let (orders, shared) = self.service(Access::Read);
        let work = async move {
            let found = orders?.list_archived(limit.min(ORDERS_PER_CALL_MAX)).await;
            Ok(found.map_err(refused)?.into_iter().map(archived).collect())
        };
        called.after(shared.bound("list archived orders", work))
    }

    pub(super) fn clean_archive(
        &self,
        before: i64,
    ) -> impl Future<Output = Result<u64, Error>> + Send + use<> {
        let called = self.called(&[]);
        let (orders, shared) = self.service(Access::Settle);
        // The contract has "at that time or earlier", the service what is before a time.
        let before = Timestamp::from_nanos(before.saturating_add(1));
        let work = async move { orders?.clean_archive(before).await.map_err(refused) };
        called.after(shared.bound("clean archive", work))
    }
}

impl orders::Host for View<'_> {}

impl<T: Send + 'static> orders::HostWithStore<T> for Has {
    async fn enqueue(
        accessor: &Accessor<T, Self>,
        info: Info,
    ) -> wasmtime::Result<Result<(), Error>> {
        Ok(accessor.with(|mut access| access.get().0.enqueue(info)).await)
    }

    async fn list_unsent(
        accessor: &Accessor<T, Self>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<Info>, Error>> {
        Ok(accessor.with(|mut access| access.get().0.list_unsent(limit)).await)
    }

    async fn list_unsent_by_satellite(
        accessor: &Accessor<T, Self>,
    ) -> wasmtime::Result<Result<BySatellite, Error>> {
        Ok(accessor.with(|mut access| access.get().0.list_unsent_by_satellite()).await)
    }

    async fn count_unsent(
        accessor: &Accessor<T, Self>,
    ) -> wasmtime::Result<Result<Vec<(Vec<u8>, u64)>, Error>> {
        Ok(accessor.with(|mut access| access.get().0.count_unsent()).await)
    }

    async fn stream_unsent(
        accessor: &Accessor<T, Self>,
        satellite: Vec<u8>,
    ) -> wasmtime::Result<Result<(StreamReader<Info>, FutureReader<Result<(), Error>>), Error>>
    {
        let ((orders, shared), quota) = accessor.with(|mut access| {
            let context = &access.get().0;
            context.called(&[&satellite]);
            (context.service(Access::Read), context.quota.clone())
        });
        let span = span(STREAM_UNSENT);
        let start =
            async { Ok((orders?, node_id(&satellite)?, streams::room(&quota, STREAM_UNSENT)?)) };
        let (orders, satellite, room) = match traced_in(span.clone(), start).await {
            Ok(parts) => parts,
            Err(err) => return Ok(Err(err)),
        };
        let abandoned = || error(ErrorKind::Cancelled, "the orders were not read to the end");
        // The span lasts as long as the items.
        let items = unsent(orders, shared.turns, satellite).inspect(move |item| {
            let _ = item.as_ref().inspect_err(|err| failed(&span, err));
        });
        let (items, end) = streams::split(items, abandoned);
        let items = streams::holding(items, room);
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
        Ok(accessor.with(|mut access| access.get().0.archive(requests)).await)
    }

    async fn list_archived(
        accessor: &Accessor<T, Self>,
        limit: u32,
    ) -> wasmtime::Result<Result<Vec<ArchivedInfo>, Error>> {
        Ok(accessor.with(|mut access| access.get().0.list_archived(limit)).await)
    }

    async fn clean_archive(
        accessor: &Accessor<T, Self>,
        before: i64,
    ) -> wasmtime::Result<Result<u64, Error>> {
        Ok(accessor.with(|mut access| access.get().0.clean_archive(before)).await)
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    orders::add_to_linker::<T, Has>(linker, view)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::capability::Deadline;

    #[tokio::test]
    async fn what_was_archived_at_the_very_time_is_cleaned() {
        let home = tempfile::tempdir().unwrap();
        let orders = Orders::open(&home.path().join("orders.db")).await.unwrap();
        let deadline = Deadline(Instant::now() + Duration::from_secs(60));
        let granted = |scope| Some(Granted::of((orders.clone(), scope)));
        let quota = Quota::new(crate::name::ChoreName::new("a").unwrap(), Default::default());
        let shared = Shared { turns: Turns::default(), deadline };
        let context = Context { orders: granted(Scope::All), shared, quota };
        let (satellite, serial) = (vec![0; 32], vec![7; 16]);
        let (limit, order, expires) = (vec![1], vec![2], i64::MAX);
        let info =
            Info { satellite: satellite.clone(), serial: serial.clone(), limit, order, expires };
        context.enqueue(info).await.unwrap();
        let (status, reason) = (Status::Rejected, "late".to_owned());
        let request = ArchiveRequest { satellite, serial, status, reason };
        assert_eq!(context.archive(vec![request]).await.unwrap(), Vec::<Vec<u8>>::new());
        let archived = context.list_archived(1).await.unwrap().remove(0).archived;
        for (before, deleted) in [(i64::MIN, 0), (archived - 1, 0), (archived, 1), (i64::MAX, 0)] {
            assert_eq!(context.clean_archive(before).await.unwrap(), deleted, "{before}");
        }
        orders.close().await.unwrap();
    }
}
