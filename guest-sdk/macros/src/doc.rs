//! Doc comments as the text that operators read.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The first paragraph, on one line. Empty if there is none.
pub fn first_paragraph(attributes: &[Attribute]) -> String {
    let mut words: Vec<String> = Vec::new();
    for line in lines(attributes) {
        if line.trim().is_empty() {
            if words.is_empty() {
                continue;
            }
            break;
        }
        words.push(line.trim().to_owned());
    }
    words.join(" ")
}

fn lines(attributes: &[Attribute]) -> impl Iterator<Item = String> {
    let texts = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    // A block comment is one attribute of many lines.
    texts.flat_map(|text| text.lines().map(str::to_owned).chain(empty(&text)).collect::<Vec<_>>())
}

/// `lines` yields nothing for an empty text, which is a paragraph's end.
fn empty(text: &str) -> Option<String> {
    text.is_empty().then(String::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_ends_at_an_empty_line() {
        let item: syn::ItemStruct = syn::parse_quote! {
            /// Says hello,
            /// at length.
            ///
            /// Not this.
            struct Hello;
        };
        assert_eq!(first_paragraph(&item.attrs), "Says hello, at length.");
        let block: syn::ItemStruct = syn::parse_quote! {
            /** Says hello,
            at length.

            Not this. */
            struct Hello;
        };
        assert_eq!(first_paragraph(&block.attrs), "Says hello, at length.");
        let none: syn::ItemStruct = syn::parse_quote! { #[derive(Debug)] struct Hello; };
        assert_eq!(first_paragraph(&none.attrs), "");
    }
}
