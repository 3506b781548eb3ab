//! `#[derive(Settings)]`: the settings of a chore from the fields of a struct.

use std::collections::HashSet;

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Data, DeriveInput, Error, Expr, ExprLit, ExprUnary, Field, Fields, Ident, Lit, Result, Type,
    UnOp,
};

use crate::doc;
use crate::kind::{self, Kind};

pub fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(input.ident.span(), "settings are the fields of a struct"));
    };
    let fields = match &data.fields {
        Fields::Named(fields) => fields.named.iter().map(Setting::parse).collect::<Result<_>>()?,
        Fields::Unit => Vec::new(),
        Fields::Unnamed(fields) => {
            return Err(Error::new(fields.span(), "settings need names: use a struct with fields"));
        }
    };
    distinct(&fields)?;
    let about = doc::first_paragraph(&input.attrs);
    let specs = fields.iter().filter_map(Setting::spec);
    let values = fields.iter().map(Setting::value);
    let made = match &data.fields {
        Fields::Unit => quote!(Self),
        _ => quote!(Self { #(#values,)* }),
    };
    let ident = &input.ident;
    let (generics, types, conditions) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::chore_sdk::settings::Settings for #ident #types #conditions {
            const ABOUT: &'static str = #about;

            fn specs() -> ::std::vec::Vec<::chore_sdk::settings::Spec> {
                ::std::vec![#(#specs,)*]
            }

            fn load(
                get: &dyn ::core::ops::Fn(&str) -> ::core::option::Option<::std::string::String>,
            ) -> ::core::result::Result<Self, ::chore_sdk::settings::Invalid> {
                let _ = get;
                ::core::result::Result::Ok(#made)
            }
        }
    })
}

fn distinct(fields: &[Setting]) -> Result<()> {
    let mut names = HashSet::new();
    for field in fields.iter().filter(|field| !field.options.skip) {
        if !names.insert(&field.name) {
            let message = format!("there are two settings {:?}", field.name);
            return Err(Error::new(field.ident.span(), message));
        }
    }
    Ok(())
}

/// One field.
struct Setting {
    ident: Ident,
    ty: Type,
    name: String,
    help: String,
    options: Options,
}

/// What `#[setting(…)]` says.
#[derive(Default)]
struct Options {
    name: Option<Text>,
    default: Option<Text>,
    min: Option<Text>,
    max: Option<Text>,
    non_empty: Option<Span>,
    skip: bool,
}

/// A literal as the operator would write it.
struct Text {
    text: String,
    span: Span,
}

impl Setting {
    fn parse(field: &Field) -> Result<Setting> {
        let Some(ident) = field.ident.clone() else {
            return Err(Error::new(field.span(), "settings need names"));
        };
        let options = Options::parse(field)?;
        let help = options.complete(doc::first_paragraph(&field.attrs));
        let name = match &options.name {
            Some(name) => name.text.clone(),
            None => ident.to_string().trim_start_matches("r#").replace('_', "-"),
        };
        let setting = Setting { ident, ty: field.ty.clone(), name, help, options };
        setting.check()?;
        Ok(setting)
    }

    fn check(&self) -> Result<()> {
        let options = &self.options;
        if options.skip {
            let texts = [&options.name, &options.default, &options.min, &options.max];
            let texts = texts.into_iter().flatten().map(|text| text.span);
            return match texts.chain(options.non_empty).next() {
                Some(span) => Err(Error::new(span, "what is skipped is no setting")),
                None => Ok(()),
            };
        }
        if self.help.is_empty() {
            let message = "a setting has a doc comment: it is the help that operators read";
            return Err(Error::new(self.ident.span(), message));
        }
        if !well_formed(&self.name) {
            let span = options.name.as_ref().map_or(self.ident.span(), |name| name.span);
            let message = format!(
                "{:?} cannot be the name of a setting: lower-case letters, digits and hyphens, \
                 beginning with a letter",
                self.name
            );
            return Err(Error::new(span, message));
        }
        self.check_values()
    }

    fn check_values(&self) -> Result<()> {
        let inner = kind::optional(&self.ty);
        let kind = Kind::of(inner.unwrap_or(&self.ty));
        let Options { default, min, max, non_empty, .. } = &self.options;
        if let (Some(default), Some(_)) = (default, inner) {
            let message = "an Option has no default: left out, it is None";
            return Err(Error::new(default.span, message));
        }
        if let Some(bound) = min.as_ref().or(max.as_ref())
            && !kind.ordered()
        {
            return Err(Error::new(bound.span, "a setting of this type has no bounds"));
        }
        if let Some(span) = non_empty {
            if inner.is_some() {
                let message = "an Option that is empty is None: leave out non_empty";
                return Err(Error::new(*span, message));
            }
            if min.is_some() || max.is_some() {
                return Err(Error::new(*span, "a setting has bounds or is not empty, not both"));
            }
            if !kind.textual() {
                return Err(Error::new(*span, "only a String or a Secret can be empty"));
            }
            if default.as_ref().is_some_and(|default| default.text.trim().is_empty()) {
                return Err(Error::new(*span, "the default is empty"));
            }
        }
        let rank = |text: &Option<Text>| match text {
            Some(text) => kind.check(&text.text).map_err(|why| Error::new(text.span, why)),
            None => Ok(None),
        };
        let (low, high) = (rank(min)?, rank(max)?);
        if let (Some(low), Some(high), Some(max)) = (low, high, max)
            && low > high
        {
            return Err(Error::new(max.span, "max is less than min"));
        }
        let Some(default) = default else { return Ok(()) };
        let Some(value) = kind.check(&default.text).map_err(|why| Error::new(default.span, why))?
        else {
            return Ok(());
        };
        if low.is_some_and(|low| value < low) || high.is_some_and(|high| value > high) {
            return Err(Error::new(default.span, "the default is out of bounds"));
        }
        Ok(())
    }

    fn spec(&self) -> Option<TokenStream> {
        if self.options.skip {
            return None;
        }
        let Setting { name, help, ty, .. } = self;
        let default = optional(self.options.default.as_ref());
        // Errors about the type point to the type.
        Some(quote_spanned! { ty.span() =>
            ::chore_sdk::settings::Spec {
                name: #name,
                help: #help,
                kind: <#ty as ::chore_sdk::settings::Value>::KIND,
                default: ::chore_sdk::settings::default_text::<#ty>(#default),
            }
        })
    }

    fn value(&self) -> TokenStream {
        let Setting { ident, name, ty, .. } = self;
        if self.options.skip {
            return quote_spanned! { ty.span() => #ident: ::core::default::Default::default() };
        }
        let Options { default, min, max, non_empty, .. } = &self.options;
        // What the type has to be is for the compiler to say, which knows aliases.
        let read = match (min.is_some() || max.is_some(), non_empty.is_some()) {
            (true, _) => quote_spanned!(ty.span() => read_within),
            (false, true) => quote_spanned!(ty.span() => read_text),
            (false, false) => quote_spanned!(ty.span() => read),
        };
        let (default, min, max) =
            (optional(default.as_ref()), optional(min.as_ref()), optional(max.as_ref()));
        quote_spanned! { ty.span() =>
            #ident: ::chore_sdk::settings::#read::<#ty>(
                get,
                &::chore_sdk::settings::Rule { name: #name, default: #default, min: #min, max: #max },
            )?
        }
    }
}

impl Options {
    fn parse(field: &Field) -> Result<Options> {
        let mut options = Options::default();
        for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("setting"))
        {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("skip") {
                    options.skip = true;
                    return Ok(());
                }
                if meta.path.is_ident("non_empty") {
                    options.non_empty = Some(meta.path.span());
                    return Ok(());
                }
                let slot = if meta.path.is_ident("default") {
                    &mut options.default
                } else if meta.path.is_ident("min") {
                    &mut options.min
                } else if meta.path.is_ident("max") {
                    &mut options.max
                } else if meta.path.is_ident("name") {
                    &mut options.name
                } else {
                    return Err(
                        meta.error("a setting has: default, min, max, non_empty, name, skip")
                    );
                };
                if slot.is_some() {
                    return Err(meta.error("said twice"));
                }
                *slot = Some(Text::of(&meta.value()?.parse()?)?);
                Ok(())
            })?;
        }
        Ok(options)
    }
}

impl Options {
    /// The help, and what the operator has to keep to.
    fn complete(&self, mut help: String) -> String {
        let range = match (&self.min, &self.max) {
            (Some(min), Some(max)) => format!("From {} to {}.", min.text, max.text),
            (Some(min), None) => format!("At least {}.", min.text),
            (None, Some(max)) => format!("At most {}.", max.text),
            (None, None) if self.non_empty.is_some() => "Not empty.".to_owned(),
            (None, None) => return help,
        };
        // Without a doc comment there is none to complete.
        if !help.is_empty() {
            let end = if help.ends_with(['.', '!', '?']) { " " } else { ". " };
            help.push_str(end);
            help.push_str(&range);
        }
        help
    }
}

impl Text {
    fn of(value: &Expr) -> Result<Text> {
        let span = value.span();
        let (sign, literal) = match value {
            Expr::Lit(ExprLit { lit, .. }) => ("", lit),
            Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => match &**expr {
                Expr::Lit(ExprLit { lit, .. }) => ("-", lit),
                _ => return Err(Error::new(span, "not a literal")),
            },
            _ => return Err(Error::new(span, "not a literal: write the value as operators would")),
        };
        let text = match literal {
            Lit::Str(text) if sign.is_empty() => text.value(),
            Lit::Bool(value) if sign.is_empty() => value.value.to_string(),
            Lit::Int(number) => format!("{sign}{}", number.base10_digits()),
            Lit::Float(number) => format!("{sign}{}", number.base10_digits()),
            _ => return Err(Error::new(span, "not a text, a number, true or false")),
        };
        Ok(Text { text, span })
    }
}

fn optional(text: Option<&Text>) -> TokenStream {
    match text {
        Some(Text { text, .. }) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

pub fn well_formed(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the compiler would say of a struct, or nothing.
    fn complaint(input: DeriveInput) -> String {
        derive(&input).err().map(|err| err.to_string()).unwrap_or_default()
    }

    #[test]
    fn structs_with_and_without_fields_are_settings() {
        assert_eq!(complaint(syn::parse_quote! { struct None; }), "");
        assert_eq!(complaint(syn::parse_quote! { struct Empty {} }), "");
        assert_eq!(
            complaint(syn::parse_quote! {
                struct Two {
                    /// First.
                    #[setting(default = -1, min = -5, max = 5)]
                    a: i32,
                    /// Second.
                    r#type: Alias,
                    #[setting(skip)]
                    seen: Vec<u8>,
                }
            }),
            ""
        );
    }

    #[test]
    fn mistakes_are_named() {
        let cases: Vec<(DeriveInput, &str)> = vec![
            (syn::parse_quote! { enum E {} }, "settings are the fields of a struct"),
            (syn::parse_quote! { struct T(u8); }, "settings need names: use a struct with fields"),
            (
                syn::parse_quote! { struct S { a: u8 } },
                "a setting has a doc comment: it is the help that operators read",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(default = "90")] a: Duration } },
                r#""90" has no unit, write 90s or 90m"#,
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(default = 9, min = 10)] a: u8 } },
                "the default is out of bounds",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(min = 10)] a: String } },
                "a setting of this type has no bounds",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(max = 1)] a: Option<bool> } },
                "a setting of this type has no bounds",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(min = "1h", max = "1s")] a: Duration } },
                "max is less than min",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(default = 1.5, max = 1.25)] a: f64 } },
                "the default is out of bounds",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(default = 1)] a: Option<u8> } },
                "an Option has no default: left out, it is None",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(non_empty)] a: u8 } },
                "only a String or a Secret can be empty",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(non_empty)] a: Option<String> } },
                "an Option that is empty is None: leave out non_empty",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(min = 1, non_empty)] a: Alias } },
                "a setting has bounds or is not empty, not both",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(default = "", non_empty)] a: String } },
                "the default is empty",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(dfault = 1)] a: u8 } },
                "a setting has: default, min, max, non_empty, name, skip",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(default = 1, default = 2)] a: u8 } },
                "said twice",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(default = ONE)] a: u8 } },
                "not a literal: write the value as operators would",
            ),
            (
                syn::parse_quote! { struct S { #[setting(skip, default = 1)] a: u8 } },
                "what is skipped is no setting",
            ),
            (
                syn::parse_quote! { struct S { #[doc = "A."] #[setting(name = "A b")] a: u8 } },
                r#""A b" cannot be the name of a setting: lower-case letters, digits and hyphens, beginning with a letter"#,
            ),
            (
                syn::parse_quote! {
                    struct S { #[doc = "A."] a: u8, #[doc = "B."] #[setting(name = "a")] b: u8 }
                },
                r#"there are two settings "a""#,
            ),
        ];
        for (input, wanted) in cases {
            assert_eq!(complaint(input), wanted);
        }
    }
}
