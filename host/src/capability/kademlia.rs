//! `chore:peer/kademlia`: where nodes are.

use std::sync::Arc;

use wasmtime::component::{Accessor, HasData, Linker};

use crate::bindings::kademlia::{self, Node};
use crate::bindings::types::{Error, ErrorKind};
use crate::capability::{Deadline, Granted, Traffic, error, granted, node_id};
use crate::error::chain;
use crate::kademlia::Kademlia;

/// The lookup that one call may use, if it was granted.
pub struct Context {
    pub kademlia: Option<Granted<Arc<dyn Kademlia>>>,
    pub deadline: Deadline,
    pub traffic: Traffic,
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

impl Context {
    pub(super) fn find_node(
        &self,
        id: Vec<u8>,
    ) -> impl Future<Output = Result<Node, Error>> + Send + use<> {
        let called = self.traffic.called(&[&id]);
        let (service, deadline) = (self.kademlia.clone(), self.deadline);
        let find = async move {
            let id = node_id(&id)?;
            let wanted = || format!("kademlia:{id}");
            let service = granted(service.as_ref(), |scope| scope.has_node(&id), wanted)?;
            let found = service.find_node(id).await;
            let node = found.map_err(|err| error(ErrorKind::NotFound, chain(&err)))?;
            Ok(Node { id: node.id.as_bytes().to_vec(), address: node.address })
        };
        called.after(deadline.bound("find node", find))
    }
}

impl kademlia::Host for View<'_> {}

impl<T: Send + 'static> kademlia::HostWithStore<T> for Has {
    async fn find_node(
        accessor: &Accessor<T, Self>,
        id: Vec<u8>,
    ) -> wasmtime::Result<Result<Node, Error>> {
        let find = accessor.with(|mut access| access.get().0.find_node(id));
        Ok(find.await)
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    kademlia::add_to_linker::<T, Has>(linker, view)
}
