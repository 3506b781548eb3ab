//! A component under the world that it is of: its lifecycle, called by the right bindings.

use wasmtime::Store;
use wasmtime::component::InstancePre;

use crate::bindings::lifecycle::{CloseReason, Descriptor, OpenReason, Tick};
use crate::bindings::sync::{ChoreSync, ChoreSyncPre};
use crate::bindings::{Chore, ChorePre};
use crate::package::World;

/// A component that is linked and can be instantiated.
pub enum Callable<T: 'static> {
    Chore(ChorePre<T>),
    ChoreSync(ChoreSyncPre<T>),
}

/// An instance of it.
pub enum Instance {
    Chore(Chore),
    ChoreSync(ChoreSync),
}

/// Which export is called, with what.
pub enum Request {
    Open(OpenReason),
    Run(Tick),
    Close(CloseReason),
}

impl<T: Send + 'static> Callable<T> {
    pub fn new(linked: InstancePre<T>, world: World) -> wasmtime::Result<Callable<T>> {
        Ok(match world {
            World::Chore => Callable::Chore(ChorePre::new(linked)?),
            World::ChoreSync => Callable::ChoreSync(ChoreSyncPre::new(linked)?),
        })
    }

    pub async fn instantiate(&self, store: &mut Store<T>) -> wasmtime::Result<Instance> {
        Ok(match self {
            Callable::Chore(linked) => Instance::Chore(linked.instantiate_async(store).await?),
            Callable::ChoreSync(linked) => {
                Instance::ChoreSync(linked.instantiate_async(store).await?)
            }
        })
    }
}

impl Instance {
    pub async fn describe<T: Send>(&self, store: &mut Store<T>) -> wasmtime::Result<Descriptor> {
        match self {
            Instance::Chore(chore) => chore.chore_peer_lifecycle().call_describe(store).await,
            Instance::ChoreSync(chore) => {
                chore.chore_peer_lifecycle_sync().call_describe(store).await
            }
        }
    }

    pub async fn call<T: Send + 'static>(
        &self,
        store: &mut Store<T>,
        request: Request,
    ) -> wasmtime::Result<Result<(), String>> {
        match self {
            Instance::Chore(chore) => {
                let chore = chore.chore_peer_lifecycle();
                let call = async |a: &_| match request {
                    Request::Open(reason) => chore.call_open(a, reason).await,
                    Request::Run(tick) => chore.call_run(a, tick).await,
                    Request::Close(reason) => chore.call_close(a, reason).await,
                };
                store.run_concurrent(call).await?
            }
            Instance::ChoreSync(chore) => {
                let chore = chore.chore_peer_lifecycle_sync();
                match request {
                    Request::Open(reason) => chore.call_open(store, reason).await,
                    Request::Run(tick) => chore.call_run(store, &tick).await,
                    Request::Close(reason) => chore.call_close(store, reason).await,
                }
            }
        }
    }
}
