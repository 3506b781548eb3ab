//! Macros of the chore SDK: settings from a struct's fields, cycles from an attribute. They know no
//! peer; what they write is documented where `chore_sdk` exports it.

mod chore;
mod doc;
mod kind;
mod settings;
mod units;

use proc_macro::TokenStream;

/// Derives `chore_sdk::settings::Settings`; documented there.
#[proc_macro_derive(Settings, attributes(setting))]
pub fn derive_settings(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    settings::derive(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Says when a chore runs; goes on its `impl Chore`.
///
/// `#[chore(interval = "1h", timeout = "10m")]` is a chore with one cycle, "main", whose help is
/// the doc comment of `run`. `delay_start` makes it wait one interval before the first run.
///
/// Several cycles are written one by one, and `run` looks at `tick.cycle`:
///
/// ```ignore
/// #[chore(
///     cycle(name = "send", help = "sends", interval = "1h", timeout = "1h"),
///     cycle(name = "clean", help = "cleans", interval = "5m", timeout = "1m", delay_start),
/// )]
/// impl Chore for Orders { … }
/// ```
///
/// `winds_down` is for a chore that awaits `cycle::cancelled()` itself, see `Chore::WINDS_DOWN`.
/// What runs when cannot be said here, such as by a setting, is for `Chore::cycles` or for
/// `cycle::add`.
#[proc_macro_attribute]
pub fn chore(arguments: TokenStream, item: TokenStream) -> TokenStream {
    chore::expand(arguments.into(), item.into())
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
