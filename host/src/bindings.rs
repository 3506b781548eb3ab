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
