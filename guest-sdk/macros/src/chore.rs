//! `#[chore(…)]`: the cycles of a chore, written on its `impl Chore`.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::parse::Parser;
use syn::{Error, Ident, ImplItem, ImplItemFn, ItemImpl, Result};

use crate::cycle::{Cycle, Draft};
use crate::doc;
use crate::method::Methods;

/// The name of the cycle of a chore that has one.
pub const MAIN: &str = "main";

/// What the attribute can say.
const KEYS: &str = "a chore has: interval, timeout, help, delay_start, winds_down; where it has several \
                    cycles, each is a method marked #[cycle(interval = \"1h\", timeout = \"10m\")]";

pub fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut block: ItemImpl = syn::parse2(item)?;
    let is_chore = block.trait_.as_ref().is_some_and(|(_, path, _)| {
        path.segments.last().is_some_and(|segment| segment.ident == "Chore")
    });
    if !is_chore {
        return Err(Error::new(Span::call_site(), "#[chore] goes on an `impl Chore for …`"));
    }
    let arguments = Arguments::parse(arguments)?;
    let written = function(&block, "cycles").is_some();
    let mut cycles: Vec<_> = arguments.cycle(&block)?.into_iter().collect();
    let methods = Methods::take(&mut block)?;
    if !methods.is_empty() {
        methods.check(&cycles, function(&block, "run"))?;
    }
    cycles.extend(methods.cycles());
    distinct(&cycles)?;
    if cycles.is_empty() && !written {
        let message =
            r#"say when the chore runs, such as #[chore(interval = "1h", timeout = "10m")]"#;
        return Err(Error::new(Span::call_site(), message));
    }
    if written && !(cycles.is_empty() && methods.is_empty()) {
        let message = "the cycles are said twice: here and in `fn cycles`";
        return Err(Error::new(Span::call_site(), message));
    }
    if !cycles.is_empty() {
        let cycles = cycles.iter().map(|(cycle, _)| cycle.spec());
        block.items.push(syn::parse_quote! {
            fn cycles() -> ::std::vec::Vec<::chore_sdk::CycleSpec> {
                ::std::vec![#(#cycles,)*]
            }
        });
    }
    if arguments.winds_down {
        block.items.push(syn::parse_quote! { const WINDS_DOWN: bool = true; });
    }
    let beside = methods.finish(&mut block);
    Ok(quote!(#block #beside))
}

fn distinct(cycles: &[(Cycle, Span)]) -> Result<()> {
    let mut names = HashSet::new();
    for (cycle, span) in cycles {
        if !names.insert(&cycle.name) {
            return Err(Error::new(*span, format!("there are two cycles {:?}", cycle.name)));
        }
    }
    Ok(())
}

pub fn function<'a>(block: &'a ItemImpl, name: &str) -> Option<&'a ImplItemFn> {
    block.items.iter().find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == name => Some(function),
        _ => None,
    })
}

/// What the attribute says.
#[derive(Default)]
struct Arguments {
    /// The cycle that `run` is.
    main: Option<Draft>,
    winds_down: bool,
}

impl Arguments {
    fn parse(arguments: TokenStream) -> Result<Arguments> {
        let mut parsed = Arguments::default();
        let parser = syn::meta::parser(|meta| {
            let span = meta.path.get_ident().map_or(Span::call_site(), Ident::span);
            if meta.path.is_ident("winds_down") {
                parsed.winds_down = true;
                return Ok(());
            }
            parsed.main.get_or_insert_with(|| Draft::new(span)).take(&meta, KEYS)
        });
        parser.parse2(arguments)?;
        Ok(parsed)
    }

    fn cycle(&self, block: &ItemImpl) -> Result<Option<(Cycle, Span)>> {
        let Some(main) = &self.main else { return Ok(None) };
        let mut cycle = main.complete(MAIN.to_owned())?;
        if let Some(run) = function(block, "run").filter(|_| main.help.is_none()) {
            cycle.help = doc::first_paragraph(&run.attrs);
        }
        Ok(Some((cycle, main.span)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parsed(arguments: TokenStream) -> Result<Option<Cycle>> {
        let block = syn::parse_quote! {
            impl Chore for Hello {
                /// Says hello.
                async fn run(&mut self, tick: Tick) -> Result<()> { Ok(()) }
            }
        };
        Ok(Arguments::parse(arguments)?.cycle(&block)?.map(|(cycle, _)| cycle))
    }

    #[test]
    fn one_cycle_is_main_and_its_help_is_that_of_run() {
        let cycle = parsed(quote!(interval = "1h", timeout = "10m", delay_start)).expect("parses");
        let cycle = cycle.expect("there is one");
        assert_eq!((cycle.name.as_str(), cycle.help.as_str()), ("main", "Says hello."));
        assert_eq!(cycle.interval, Duration::from_secs(3600));
        assert_eq!(cycle.timeout, Duration::from_secs(600));
        assert!(cycle.delay_start);
    }

    #[test]
    fn mistakes_are_named() {
        for (arguments, wanted) in [
            (quote!(interval = "1h"), r#"a cycle has a timeout, such as "10m""#),
            (quote!(timeout = "1h"), r#"a cycle has an interval, such as "1h""#),
            (quote!(interval = "90", timeout = "1h"), r#""90" has no unit, write 90s or 90m"#),
            (quote!(interval = "0s", timeout = "1h"), r#""0s" is not within 1ms and ten years"#),
            (quote!(interval = "1h", timeout = "0s"), r#""0s" is not within 1ns and ten years"#),
            (quote!(interval = "1h", interval = "2h"), "said twice"),
            (quote!(name = "x", interval = "1h", timeout = "1h"), KEYS),
            (quote!(cycle(interval = "1h", timeout = "1h")), KEYS),
            (quote!(every = "1h"), KEYS),
        ] {
            let said = parsed(arguments.clone()).expect_err("is a mistake").to_string();
            assert_eq!(said, wanted, "{arguments}");
        }
    }

    #[test]
    fn the_attribute_goes_on_a_chore_and_says_when() {
        let written = quote!(impl Chore for X { fn cycles() -> Vec<CycleSpec> { vec![] } });
        for (arguments, item, wanted) in [
            (quote!(), quote!(impl Clone for X {}), "#[chore] goes on an `impl Chore for …`"),
            (
                quote!(winds_down),
                quote!(impl Chore for X {}),
                r#"say when the chore runs, such as #[chore(interval = "1h", timeout = "10m")]"#,
            ),
            (
                quote!(interval = "1h", timeout = "1h"),
                written.clone(),
                "the cycles are said twice: here and in `fn cycles`",
            ),
        ] {
            assert_eq!(expand(arguments, item).expect_err("is a mistake").to_string(), wanted);
        }
        let expanded = expand(quote!(winds_down), written).expect("expands").to_string();
        assert!(expanded.contains("WINDS_DOWN"), "{expanded}");
    }
}
