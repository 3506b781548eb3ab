//! `#[chore(…)]`: the cycles of a chore, written on its `impl Chore`.

use std::collections::HashSet;
use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::parse::Parser;
use syn::{Error, Ident, ImplItem, ItemImpl, LitStr, Result};

use crate::settings::well_formed;
use crate::{doc, units};

/// What a peer takes as an interval: 1 ms to ten years.
const INTERVAL_MIN: Duration = Duration::from_millis(1);
const INTERVAL_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// The name of the cycle of a chore that has one.
const MAIN: &str = "main";

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
    let cycles = arguments.cycles(&block)?;
    if cycles.is_empty() && !written {
        let message =
            r#"say when the chore runs, such as #[chore(interval = "1h", timeout = "10m")]"#;
        return Err(Error::new(Span::call_site(), message));
    }
    if !cycles.is_empty() && written {
        let message = "the cycles are said twice: here and in `fn cycles`";
        return Err(Error::new(Span::call_site(), message));
    }
    if !cycles.is_empty() {
        let cycles = cycles.iter().map(Cycle::spec);
        block.items.push(syn::parse_quote! {
            fn cycles() -> ::std::vec::Vec<::chore_sdk::CycleSpec> {
                ::std::vec![#(#cycles,)*]
            }
        });
    }
    if arguments.winds_down {
        block.items.push(syn::parse_quote! { const WINDS_DOWN: bool = true; });
    }
    Ok(quote!(#block))
}

fn function<'a>(block: &'a ItemImpl, name: &str) -> Option<&'a syn::ImplItemFn> {
    block.items.iter().find_map(|item| match item {
        ImplItem::Fn(function) if function.sig.ident == name => Some(function),
        _ => None,
    })
}

/// What the attribute says.
#[derive(Default)]
struct Arguments {
    /// The only cycle, if it is written without `cycle(…)`.
    main: Option<Draft>,
    named: Vec<Draft>,
    winds_down: bool,
}

/// A cycle as it is written.
struct Draft {
    span: Span,
    name: Option<LitStr>,
    help: Option<LitStr>,
    interval: Option<LitStr>,
    timeout: Option<LitStr>,
    delay_start: bool,
}

/// A cycle that is complete and checked.
#[derive(Debug)]
struct Cycle {
    name: String,
    help: String,
    interval: Duration,
    timeout: Duration,
    delay_start: bool,
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
            if meta.path.is_ident("cycle") {
                let mut draft = Draft::new(span);
                meta.parse_nested_meta(|meta| draft.take(&meta))?;
                parsed.named.push(draft);
                return Ok(());
            }
            parsed.main.get_or_insert_with(|| Draft::new(span)).take(&meta)
        });
        parser.parse2(arguments)?;
        Ok(parsed)
    }

    fn cycles(&self, block: &ItemImpl) -> Result<Vec<Cycle>> {
        let Some(main) = &self.main else {
            let cycles = self.named.iter().map(Draft::finish).collect::<Result<Vec<_>>>()?;
            let mut names = HashSet::new();
            for (cycle, draft) in cycles.iter().zip(&self.named) {
                if !names.insert(&cycle.name) {
                    let message = format!("there are two cycles {:?}", cycle.name);
                    return Err(Error::new(draft.span, message));
                }
            }
            return Ok(cycles);
        };
        if !self.named.is_empty() {
            return Err(Error::new(main.span, "with cycle(…), this goes into its parentheses"));
        }
        if let Some(name) = &main.name {
            return Err(Error::new(name.span(), "only a cycle(…) has a name"));
        }
        let mut cycle = main.complete(MAIN.to_owned())?;
        if let Some(run) = function(block, "run").filter(|_| main.help.is_none()) {
            cycle.help = doc::first_paragraph(&run.attrs);
        }
        Ok(vec![cycle])
    }
}

impl Draft {
    fn new(span: Span) -> Draft {
        let (name, help, interval, timeout) = (None, None, None, None);
        Draft { span, name, help, interval, timeout, delay_start: false }
    }

    fn take(&mut self, meta: &ParseNestedMeta<'_>) -> Result<()> {
        if meta.path.is_ident("delay_start") {
            self.delay_start = true;
            return Ok(());
        }
        let slot = if meta.path.is_ident("name") {
            &mut self.name
        } else if meta.path.is_ident("help") {
            &mut self.help
        } else if meta.path.is_ident("interval") {
            &mut self.interval
        } else if meta.path.is_ident("timeout") {
            &mut self.timeout
        } else {
            return Err(meta.error(
                "a chore has: interval, timeout, help, delay_start, winds_down, and cycle(…) for \
                 each of several",
            ));
        };
        if slot.is_some() {
            return Err(meta.error("said twice"));
        }
        *slot = Some(meta.value()?.parse()?);
        Ok(())
    }

    fn finish(&self) -> Result<Cycle> {
        let Some(name) = &self.name else {
            return Err(Error::new(self.span, "a cycle(…) has a name"));
        };
        if !well_formed(&name.value()) {
            let message = format!(
                "{:?} cannot be the name of a cycle: lower-case letters, digits and hyphens, \
                 beginning with a letter",
                name.value()
            );
            return Err(Error::new(name.span(), message));
        }
        self.complete(name.value())
    }

    fn complete(&self, name: String) -> Result<Cycle> {
        let Some(interval) = &self.interval else {
            return Err(Error::new(self.span, r#"a cycle has an interval, such as "1h""#));
        };
        let Some(timeout) = &self.timeout else {
            return Err(Error::new(self.span, r#"a cycle has a timeout, such as "10m""#));
        };
        Ok(Cycle {
            name,
            help: self.help.as_ref().map(LitStr::value).unwrap_or_default(),
            interval: duration(interval, INTERVAL_MIN)?,
            timeout: duration(timeout, Duration::from_nanos(1))?,
            delay_start: self.delay_start,
        })
    }
}

fn duration(text: &LitStr, min: Duration) -> Result<Duration> {
    let duration = units::duration(&text.value()).map_err(|why| Error::new(text.span(), why))?;
    if duration < min || duration > INTERVAL_MAX {
        let message = format!("{:?} is not within {min:?} and ten years", text.value());
        return Err(Error::new(text.span(), message));
    }
    Ok(duration)
}

impl Cycle {
    fn spec(&self) -> TokenStream {
        let Cycle { name, help, delay_start, .. } = self;
        let (interval, timeout) = (tokens(self.interval), tokens(self.timeout));
        quote! {
            ::chore_sdk::CycleSpec {
                name: ::std::string::String::from(#name),
                help: ::std::string::String::from(#help),
                interval: #interval,
                timeout: #timeout,
                delay_start: #delay_start,
            }
        }
    }
}

fn tokens(duration: Duration) -> TokenStream {
    let (secs, nanos) = (duration.as_secs(), duration.subsec_nanos());
    quote!(::core::time::Duration::new(#secs, #nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: TokenStream) -> Result<Vec<Cycle>> {
        let block = syn::parse_quote! {
            impl Chore for Hello {
                /// Says hello.
                async fn run(&mut self, tick: Tick) -> Result<()> { Ok(()) }
            }
        };
        Arguments::parse(arguments)?.cycles(&block)
    }

    #[test]
    fn one_cycle_is_main_and_its_help_is_that_of_run() {
        let cycles = parsed(quote!(interval = "1h", timeout = "10m", delay_start)).expect("parses");
        let [cycle] = &cycles[..] else { panic!("one cycle, not {cycles:?}") };
        assert_eq!((cycle.name.as_str(), cycle.help.as_str()), ("main", "Says hello."));
        assert_eq!(cycle.interval, Duration::from_secs(3600));
        assert_eq!(cycle.timeout, Duration::from_secs(600));
        assert!(cycle.delay_start);
    }

    #[test]
    fn several_cycles_have_names() {
        let cycles = parsed(quote!(
            cycle(name = "send", help = "Sends.", interval = "1h", timeout = "1h"),
            cycle(name = "clean", interval = "5m", timeout = "1m", delay_start),
        ))
        .expect("parses");
        let rows: Vec<_> =
            cycles.iter().map(|c| (c.name.as_str(), c.help.as_str(), c.delay_start)).collect();
        assert_eq!(rows, [("send", "Sends.", false), ("clean", "", true)]);
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
            (quote!(name = "x", interval = "1h", timeout = "1h"), "only a cycle(…) has a name"),
            (quote!(cycle(interval = "1h", timeout = "1h")), "a cycle(…) has a name"),
            (
                quote!(interval = "1h", cycle(name = "x", interval = "1h", timeout = "1h")),
                "with cycle(…), this goes into its parentheses",
            ),
            (
                quote!(
                    cycle(name = "x", interval = "1h", timeout = "1h"),
                    cycle(name = "x", interval = "1h", timeout = "1h")
                ),
                r#"there are two cycles "x""#,
            ),
            (
                quote!(every = "1h"),
                "a chore has: interval, timeout, help, delay_start, winds_down, and cycle(…) for \
                 each of several",
            ),
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
