//! The contract in `wit/`, as Rust: generated, and used by [`backend`](crate::backend) and
//! [`component`](crate::component) only.

#![allow(unsafe_code, clippy::all, missing_docs)]

wit_bindgen::generate!({
    path: "../wit",
    world: "chore",
    generate_all,
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "::chore_sdk::__private::bindings",
});

/// The interfaces that a chore imports.
pub mod peer {
    pub use super::apart::chore::peer::orders;
    pub use super::chore::peer::*;
}

/// What a chore uses of WASI: chance from 0.2, where the interface is whole because the C library has
/// it too, and the one function of 0.3 that waits without holding up the rest of the call.
pub mod wasi {
    pub use super::system::wasi::*;
}

mod system {
    wit_bindgen::generate!({
        inline: "
            package chore:system;
            world system {
                import wasi:clocks/monotonic-clock@0.3.0;
                import wasi:random/random@0.2.0;
            }
            package wasi:clocks@0.3.0 {
                interface monotonic-clock { wait-for: async func(how-long: u64); }
            }
            package wasi:random@0.2.0 {
                interface random {
                    get-random-bytes: func(len: u64) -> list<u8>;
                    get-random-u64: func() -> u64;
                }
            }
        ",
        world: "chore:system/system",
        generate_all,
    });
}

/// `orders` once more. What one `generate!` makes shares the code that reads a future among all
/// interfaces with a future of that type, and imports it from the first of them: with the `orders`
/// from above, a chore that streams orders would import `sql` as well.
mod apart {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package chore:sdk; world apart { import chore:peer/orders@0.1.0; }",
        world: "chore:sdk/apart",
        with: {
            "chore:peer/types@0.1.0": crate::bindings::chore::peer::types,
            "chore:peer/orders@0.1.0": generate,
        },
    });
}
