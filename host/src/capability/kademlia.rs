//! `chore:peer/kademlia`: where nodes are.

use std::sync::Arc;

use wasmtime::component::{Accessor, HasData, Linker};

use crate::bindings::kademlia::{self, Node};
use crate::bindings::types::{Error, ErrorKind};
use crate::capability::{Deadline, error, granted, node_id};
use crate::error::chain;
use crate::kademlia::Kademlia;

/// The lookup that one call may use, if it was granted.
pub struct Context {
    pub kademlia: Option<Arc<dyn Kademlia>>,
    pub deadline: Deadline,
}

pub struct View<'a>(pub &'a mut Context);

struct Has;

impl HasData for Has {
    type Data<'a> = View<'a>;
}

impl kademlia::Host for View<'_> {}

impl<T: Send + 'static> kademlia::HostWithStore<T> for Has {
    async fn find_node(
        accessor: &Accessor<T, Self>,
        id: Vec<u8>,
    ) -> wasmtime::Result<Result<Node, Error>> {
        let (service, deadline) = accessor.with(|mut access| {
            let context = access.get().0;
            (context.kademlia.clone(), context.deadline)
        });
        let find = async {
            let service = granted(service.as_ref(), "kademlia")?;
            let found = service.find_node(node_id(&id)?).await;
            found.map_err(|err| error(ErrorKind::NotFound, chain(&err)))
        };
        let found = deadline.bound("find node", find).await;
        Ok(found.map(|node| Node { id: node.id.as_bytes().to_vec(), address: node.address }))
    }
}

pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    view: fn(&mut T) -> View<'_>,
) -> wasmtime::Result<()> {
    kademlia::add_to_linker::<T, Has>(linker, view)
}
