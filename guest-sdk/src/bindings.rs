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
