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

/// `orders` once more, and the one to be used. Within one `generate!`, interfaces that have a
/// future of the same type share what reads it, under the name of the first of them: a chore that
/// reads orders would import `sql` as well.
pub mod apart {
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
