//! A cycle as it is written in an attribute, checked, and as the `CycleSpec` that it becomes.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Error, LitStr, Result};

use crate::settings::well_formed;
use crate::units;

/// What a peer takes as an interval: 1 ms to ten years.
const INTERVAL_MIN: Duration = Duration::from_millis(1);
const INTERVAL_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// A cycle as it is written.
pub struct Draft {
    pub span: Span,
    pub help: Option<LitStr>,
    interval: Option<LitStr>,
    timeout: Option<LitStr>,
    delay_start: bool,
}

/// A cycle that is complete and checked.
#[derive(Clone, Debug)]
pub struct Cycle {
    pub name: String,
    pub help: String,
    pub interval: Duration,
    pub timeout: Duration,
    pub delay_start: bool,
}

impl Draft {
    pub fn new(span: Span) -> Draft {
        let (help, interval, timeout) = (None, None, None);
        Draft { span, help, interval, timeout, delay_start: false }
    }

    /// Takes one key of the attribute; `keys` tells of those that there are.
    pub fn take(&mut self, meta: &ParseNestedMeta<'_>, keys: &str) -> Result<()> {
        if meta.path.is_ident("delay_start") {
            self.delay_start = true;
            return Ok(());
        }
        let slot = if meta.path.is_ident("help") {
            &mut self.help
        } else if meta.path.is_ident("interval") {
            &mut self.interval
        } else if meta.path.is_ident("timeout") {
            &mut self.timeout
        } else {
            return Err(meta.error(keys));
        };
        if slot.is_some() {
            return Err(meta.error("said twice"));
        }
        *slot = Some(meta.value()?.parse()?);
        Ok(())
    }

    pub fn complete(&self, name: String) -> Result<Cycle> {
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

/// The name, if a cycle can have it.
pub fn checked(name: String, span: Span) -> Result<String> {
    if well_formed(&name) {
        return Ok(name);
    }
    let message = format!(
        "{name:?} cannot be the name of a cycle: lower-case letters, digits and hyphens, beginning \
         with a letter"
    );
    Err(Error::new(span, message))
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
    pub fn spec(&self) -> TokenStream {
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
