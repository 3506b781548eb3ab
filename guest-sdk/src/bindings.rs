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
