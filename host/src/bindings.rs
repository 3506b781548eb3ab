//! The contract in `wit/`, as Rust: generated, and known to no room below.

#![allow(unsafe_code, clippy::all, missing_docs)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "chore",
    imports: { default: trappable },
    exports: { default: async },
    with: {
        "chore:peer/transport.connection": crate::capability::transport::Connection,
        "chore:peer/sql.transaction": crate::capability::sql::Transaction,
    },
});

pub use chore::peer::{
    cycle, kademlia, log, metrics, orders, settings, sql, state, transport, types,
};
pub use exports::chore::peer::lifecycle;

/// The twin of the contract for tools that know no `async func`, with the same types.
pub mod sync {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "chore-sync",
        // Plain functions for the guest, which is blocked; here they are waited for.
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "chore:peer/types": crate::bindings::types,
            "chore:peer/log": crate::bindings::log,
            "chore:peer/settings": crate::bindings::settings,
            "chore:peer/metrics": crate::bindings::metrics,
            "chore:peer/transport-sync.connection": crate::capability::transport::Connection,
            "chore:peer/sql-sync.transaction": crate::capability::sql::Transaction,
        },
    });

    pub use chore::peer::{
        cycle_sync, kademlia_sync, orders_sync, sql_sync, state_sync, transport_sync,
    };
    pub use exports::chore::peer::lifecycle_sync;
}
