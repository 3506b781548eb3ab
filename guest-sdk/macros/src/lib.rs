//! Macros of the chore SDK: settings from a struct's fields, cycles from an attribute. They know no
//! peer; what they write is documented where `chore_sdk` exports it.

mod chore;
mod cycle;
mod doc;
mod kind;
mod method;
mod settings;
mod units;

use proc_macro::TokenStream;

/// Derives `chore_sdk::settings::Settings`; documented there.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn derive_settings(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    settings::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Says when a chore runs; documented where `chore_sdk` exports it.
#[proc_macro_attribute]
pub fn chore(arguments: TokenStream, item: TokenStream) -> TokenStream {
    chore::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
