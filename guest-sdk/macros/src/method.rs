//! `#[cycle(…)]` on the methods of a chore: each is what one cycle runs.
//!
//! A trait has only its own methods, so these move to a block of their own, and `run` becomes what
//! calls the one that the tick is for.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Error, FnArg, Ident, ImplItem, ImplItemFn, ItemImpl, Result};

use crate::chore::MAIN;
use crate::cycle::{Cycle, Draft, checked};
use crate::doc;

/// What the attribute can say.
const KEYS: &str = "a cycle has: interval, timeout, help, delay_start; its name is the method's. \
                    #[cycle(added)] is for cycles that are added while the chore runs";

/// Methods of the trait that no cycle runs.
const OTHERS: [&str; 4] = ["new", "open", "close", "cycles"];

/// The methods that cycles run, out of the block.
#[derive(Default)]
pub struct Methods {
    cycles: Vec<(Cycle, ImplItemFn)>,
    added: Option<ImplItemFn>,
}

impl Methods {
    /// Takes them out of the block; `run` among them.
    pub fn take(block: &mut ItemImpl) -> Result<Methods> {
        let mut methods = Methods::default();
        for item in std::mem::take(&mut block.items) {
            match item {
                ImplItem::Fn(function) if function.attrs.iter().any(is_cycle) => {
                    methods.add(function)?;
                }
                other => block.items.push(other),
            }
        }
        Ok(methods)
    }

    pub fn is_empty(&self) -> bool {
        self.cycles.is_empty() && self.added.is_none()
    }

    /// The cycles, and where they are written.
    pub fn cycles(&self) -> impl Iterator<Item = (Cycle, Span)> {
        self.cycles.iter().map(|(cycle, method)| (cycle.clone(), method.sig.ident.span()))
    }

    /// Whether what the block's attribute says and what `run` is goes together with the methods.
    pub fn check(&self, main: &[(Cycle, Span)], run: Option<&ImplItemFn>) -> Result<()> {
        match (main.first(), run) {
            (Some((_, span)), _) if self.run().is_some() => {
                Err(Error::new(*span, "the cycle of `run` is said twice: here and on the method"))
            }
            (Some((_, span)), None) => {
                let message = "these are of the cycle that `run` is, and there is no `run`: write \
                               it, or leave them out";
                Err(Error::new(*span, message))
            }
            (None, Some(run)) if self.added.is_some() || self.run().is_some() => {
                let message = "nothing calls `run`: say when, such as \
                               #[cycle(interval = \"1h\", timeout = \"10m\")], or leave it out";
                Err(Error::new(run.sig.ident.span(), message))
            }
            _ => Ok(()),
        }
    }

    /// Gives the block its `run`, if there are methods; they themselves go beside the block.
    pub fn finish(self, block: &mut ItemImpl) -> TokenStream {
        if self.is_empty() {
            return TokenStream::new();
        }
        let mut beside = Vec::new();
        let mut arms = Vec::new();
        let mut rest = quote! {
            other => ::core::result::Result::Err(::chore_sdk::Error::new(::std::format!(
                "run cycle {other:?}: the chore has no method for it: mark one #[cycle(added)]"
            )))
        };
        if let Some(mut run) = take_run(block) {
            rename(&mut run);
            let call = call(&run);
            if self.added.is_some() {
                arms.push(quote!(#MAIN => #call));
            }
            rest = quote!(_ => #call);
            beside.push(run);
        }
        for (cycle, mut method) in self.cycles {
            if method.sig.ident == "run" {
                rename(&mut method);
                let call = call(&method);
                rest = quote!(_ => #call);
            }
            let (name, call) = (cycle.name, call(&method));
            arms.push(quote!(#name => #call));
            beside.push(method);
        }
        if let Some(method) = self.added {
            let call = call(&method);
            rest = quote!(_ => #call);
            beside.push(method);
        }
        block.items.push(syn::parse_quote! {
            async fn run(&mut self, tick: ::chore_sdk::Tick) -> ::chore_sdk::Result<()> {
                match tick.cycle.as_str() {
                    #(#arms,)*
                    #rest,
                }
            }
        });
        let (generics, _, conditions) = block.generics.split_for_impl();
        let (attributes, ty) = (&block.attrs, &block.self_ty);
        quote!(#(#attributes)* impl #generics #ty #conditions { #(#beside)* })
    }

    fn run(&self) -> Option<&ImplItemFn> {
        self.cycles.iter().map(|(_, method)| method).find(|method| method.sig.ident == "run")
    }

    fn add(&mut self, mut method: ImplItemFn) -> Result<()> {
        let ident = method.sig.ident.clone();
        let (attributes, others): (Vec<_>, Vec<_>) = method.attrs.drain(..).partition(is_cycle);
        method.attrs = others;
        let [attribute] = &attributes[..] else {
            return Err(Error::new(ident.span(), "a method is one cycle: it has one #[cycle(…)]"));
        };
        if OTHERS.iter().any(|other| ident == other) {
            let message = format!("`{ident}` is no cycle: the peer calls it at other times");
            return Err(Error::new(ident.span(), message));
        }
        if !is_async_method(&method) {
            let message = format!(
                "a cycle's method is written `async fn {ident}(&mut self, tick: Tick) -> Result<()>`"
            );
            return Err(Error::new(ident.span(), message));
        }
        let mut draft = Draft::new(ident.span());
        let (mut added, mut keys) = (false, 0);
        attribute.parse_nested_meta(|meta| {
            keys += 1;
            if meta.path.is_ident("added") {
                added = true;
                return Ok(());
            }
            draft.take(&meta, KEYS)
        })?;
        if !added {
            self.cycles.push((cycle(&draft, &method)?, method));
            return Ok(());
        }
        if keys > 1 {
            let message = "cycles that are added have their interval and timeout from cycle::add: \
                           write #[cycle(added)]";
            return Err(Error::new(ident.span(), message));
        }
        if ident == "run" {
            let message = "without #[cycle(…)], `run` is for the cycles that are added";
            return Err(Error::new(ident.span(), message));
        }
        match self.added.replace(method) {
            Some(_) => Err(Error::new(ident.span(), "there is another method #[cycle(added)]")),
            None => Ok(()),
        }
    }
}

fn cycle(draft: &Draft, method: &ImplItemFn) -> Result<Cycle> {
    let ident = &method.sig.ident;
    let name = match ident.unraw().to_string() {
        run if run == "run" => MAIN.to_owned(),
        other => other.replace('_', "-"),
    };
    let mut cycle = draft.complete(checked(name, ident.span())?)?;
    if draft.help.is_none() {
        cycle.help = doc::first_paragraph(&method.attrs);
    }
    Ok(cycle)
}

fn is_cycle(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cycle")
}

fn is_async_method(method: &ImplItemFn) -> bool {
    let receiver = match method.sig.inputs.first() {
        Some(FnArg::Receiver(receiver)) => receiver.reference.is_some(),
        _ => false,
    };
    method.sig.asyncness.is_some() && receiver && method.sig.inputs.len() == 2
}

/// The chore's own `run`, if it has one that is no `#[cycle(…)]`.
fn take_run(block: &mut ItemImpl) -> Option<ImplItemFn> {
    let is_run = |item: &ImplItem| matches!(item, ImplItem::Fn(f) if f.sig.ident == "run");
    let index = block.items.iter().position(is_run)?;
    match block.items.remove(index) {
        ImplItem::Fn(run) => Some(run),
        _ => None,
    }
}

/// `run` is what calls it.
fn rename(run: &mut ImplItemFn) {
    run.sig.ident = format_ident!("__chore_run", span = run.sig.ident.span());
}

/// Errors about what it answers point to the method.
fn call(method: &ImplItemFn) -> TokenStream {
    let ident: &Ident = &method.sig.ident;
    quote_spanned!(ident.span() => Self::#ident(self, tick).await)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chore::expand;

    /// The expansion, or what the compiler would say.
    fn expanded(
        arguments: TokenStream,
        functions: TokenStream,
    ) -> std::result::Result<String, String> {
        let item = quote!(impl Chore for X { #functions });
        expand(arguments, item).map(|code| code.to_string()).map_err(|err| err.to_string())
    }

    #[test]
    fn methods_are_cycles_by_their_names() {
        let code = expanded(
            quote!(winds_down),
            quote! {
                /// Sends.
                #[cycle(interval = "1h", timeout = "10m")]
                async fn run(&mut self, tick: Tick) -> Result<()> { self.send().await }
                #[cycle(interval = "5m", timeout = "1m", help = "cleans", delay_start)]
                async fn clean_up(&mut self, _: Tick) -> Result<()> { Ok(()) }
                #[cycle(added)]
                async fn satellite(&mut self, tick: Tick) -> Result<()> { Ok(()) }
            },
        )
        .expect("expands");
        for part in [
            r#""main" => Self :: __chore_run (self , tick) . await"#,
            r#""clean-up" => Self :: clean_up (self , tick) . await"#,
            "_ => Self :: satellite (self , tick) . await",
            r#"String :: from ("Sends.")"#,
            r#"String :: from ("cleans")"#,
            "impl X {",
            "WINDS_DOWN",
        ] {
            assert!(code.contains(part), "{part}: {code}");
        }
        assert!(!code.contains("# [cycle"), "{code}");
    }

    #[test]
    fn what_no_method_is_for_goes_to_run_if_there_is_one() {
        let clean = quote! {
            #[cycle(interval = "5m", timeout = "1m")]
            async fn clean(&mut self, _: Tick) -> Result<()> { Ok(()) }
        };
        let run = quote!(
            async fn run(&mut self, _: Tick) -> Result<()> {
                Ok(())
            }
        );
        let to_run = "_ => Self :: __chore_run";
        for (arguments, functions, wanted) in [
            (quote!(), quote!(#clean), "other => "),
            (quote!(), quote!(#clean #run), to_run),
            (quote!(interval = "1h", timeout = "1m"), quote!(#clean #run), to_run),
        ] {
            let code = expanded(arguments, functions).expect("expands");
            assert!(code.contains(wanted), "{wanted}: {code}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let every = quote!(interval = "1h", timeout = "1m");
        let rest = quote!((&mut self, tick: Tick) -> Result<()> { Ok(()) });
        let clean = quote!(#[cycle(#every)] async fn clean #rest);
        let written = quote!(
            fn cycles() -> Vec<CycleSpec> {
                vec![]
            }
        );
        let written_as =
            "a cycle's method is written `async fn clean(&mut self, tick: Tick) -> Result<()>`";
        for (arguments, functions, wanted) in [
            (
                quote!(),
                quote!(#[cycle(interval = "1h")] async fn clean #rest),
                r#"a cycle has a timeout, such as "10m""#,
            ),
            (quote!(), quote!(#[cycle(every = "1h")] async fn clean #rest), KEYS),
            (quote!(), quote!(#[cycle(name = "x", #every)] async fn clean #rest), KEYS),
            (quote!(), quote!(#[cycle(#every)] fn clean #rest), written_as),
            (
                quote!(),
                quote!(
                    #[cycle(#every)]
                    async fn clean(&mut self) -> Result<()> {
                        Ok(())
                    }
                ),
                written_as,
            ),
            (
                quote!(),
                quote!(#[cycle(#every)] async fn Clean #rest),
                r#""Clean" cannot be the name of a cycle: lower-case letters, digits and hyphens, beginning with a letter"#,
            ),
            (
                quote!(),
                quote!(#[cycle(#every)] async fn open #rest),
                "`open` is no cycle: the peer calls it at other times",
            ),
            (
                quote!(),
                quote!(#[cycle(#every)] #[cycle(added)] async fn clean #rest),
                "a method is one cycle: it has one #[cycle(…)]",
            ),
            (
                quote!(),
                quote!(#[cycle(added, #every)] async fn clean #rest),
                "cycles that are added have their interval and timeout from cycle::add: write #[cycle(added)]",
            ),
            (
                quote!(),
                quote!(#clean #[cycle(added)] async fn a #rest #[cycle(added)] async fn b #rest),
                "there is another method #[cycle(added)]",
            ),
            (
                quote!(),
                quote!(#clean #[cycle(added)] async fn run #rest),
                "without #[cycle(…)], `run` is for the cycles that are added",
            ),
            (
                quote!(),
                quote!(#[cycle(added)] async fn a #rest),
                r#"say when the chore runs, such as #[chore(interval = "1h", timeout = "10m")]"#,
            ),
            (
                quote!(#every),
                quote!(#clean),
                "these are of the cycle that `run` is, and there is no `run`: write it, or leave them out",
            ),
            (
                quote!(#every),
                quote!(#[cycle(#every)] async fn run #rest),
                "the cycle of `run` is said twice: here and on the method",
            ),
            (
                quote!(),
                quote!(#clean #[cycle(added)] async fn a #rest async fn run #rest),
                r#"nothing calls `run`: say when, such as #[cycle(interval = "1h", timeout = "10m")], or leave it out"#,
            ),
            (
                quote!(#every),
                quote!(async fn run #rest #[cycle(#every)] async fn main #rest),
                r#"there are two cycles "main""#,
            ),
            (
                quote!(),
                quote!(#clean #written),
                "the cycles are said twice: here and in `fn cycles`",
            ),
        ] {
            let said = expanded(arguments, functions.clone()).expect_err("is a mistake");
            assert_eq!(said, wanted, "{functions}");
        }
    }
}
