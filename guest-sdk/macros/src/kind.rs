//! What a setting's type allows as its default and bounds, as far as the type's name tells.

use syn::{GenericArgument, PathArguments, Type};

use crate::units;

/// The types that a setting can have. Another name is left to the compiler, which knows aliases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer { min: i128, max: i128 },
    Number,
    Boolean,
    Duration,
    Size,
    Unknown,
}

impl Kind {
    pub fn of(ty: &Type) -> Kind {
        let Type::Path(path) = ty else { return Kind::Unknown };
        let Some(last) = path.path.segments.last() else { return Kind::Unknown };
        match last.ident.to_string().as_str() {
            "String" | "Secret" => Kind::Text,
            "bool" => Kind::Boolean,
            "f64" => Kind::Number,
            "Duration" => Kind::Duration,
            "Size" => Kind::Size,
            name => integer(name).unwrap_or(Kind::Unknown),
        }
    }

    /// Checks a default or a bound. Answers where it stands among others of its kind, if that is
    /// known.
    pub fn check(self, text: &str) -> Result<Option<i128>, String> {
        match self {
            Kind::Integer { min, max } => {
                let value: i128 =
                    text.parse().map_err(|_| format!("{text:?} is no whole number"))?;
                if value < min || value > max {
                    return Err(format!("{text:?} is not within {min} and {max}"));
                }
                Ok(Some(value))
            }
            Kind::Number => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Some(rank(value))),
                _ => Err(format!("{text:?} is no number")),
            },
            Kind::Boolean => match text {
                "true" | "false" => Ok(None),
                _ => Err(format!("{text:?} is neither true nor false")),
            },
            Kind::Duration => {
                let nanos = units::duration(text)?.as_nanos();
                Ok(i128::try_from(nanos).ok())
            }
            Kind::Size => units::size(text).map(|bytes| Some(bytes.into())),
            Kind::Text | Kind::Unknown => Ok(None),
        }
    }

    /// Whether "at least" means something.
    pub fn ordered(self) -> bool {
        !matches!(self, Kind::Text | Kind::Boolean)
    }

    /// Whether it can be empty.
    pub fn textual(self) -> bool {
        matches!(self, Kind::Text | Kind::Unknown)
    }
}

/// What an [`Option`] is of.
pub fn optional(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(list) = &last.arguments else { return None };
    match list.args.first() {
        Some(GenericArgument::Type(inner)) => Some(inner),
        _ => None,
    }
}

/// Integers in the order of the numbers; of a negative number the bits go down as it goes up.
fn rank(value: f64) -> i128 {
    // Of the two zeros only one is left.
    let bits = (value + 0.0).to_bits();
    let negative = bits >> 63 == 1;
    i128::from(bits & (u64::MAX >> 1)) * if negative { -1 } else { 1 }
}

fn integer(name: &str) -> Option<Kind> {
    macro_rules! named {
        ($($type:ident)*) => {
            match name {
                $(stringify!($type) => {
                    Some(Kind::Integer { min: $type::MIN as i128, max: $type::MAX as i128 })
                })*
                // What a chore runs on has 32 bits.
                "usize" => Some(Kind::Integer { min: 0, max: u32::MAX.into() }),
                "isize" => Some(Kind::Integer { min: i32::MIN.into(), max: i32::MAX.into() }),
                _ => None,
            }
        };
    }
    named!(i8 i16 i32 i64 u8 u16 u32 u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A type, the default, and what comes of it.
    type Case = (Type, &'static str, Result<Option<i128>, &'static str>);

    #[test]
    fn a_default_is_checked_by_the_name_of_its_type() {
        let cases: &[Case] = &[
            (syn::parse_quote!(String), "anything", Ok(None)),
            (syn::parse_quote!(u8), "255", Ok(Some(255))),
            (syn::parse_quote!(u8), "256", Err(r#""256" is not within 0 and 255"#)),
            (syn::parse_quote!(usize), "-1", Err(r#""-1" is not within 0 and 4294967295"#)),
            (syn::parse_quote!(i64), "x", Err(r#""x" is no whole number"#)),
            (syn::parse_quote!(bool), "yes", Err(r#""yes" is neither true nor false"#)),
            (syn::parse_quote!(f64), "inf", Err(r#""inf" is no number"#)),
            (syn::parse_quote!(f64), "-0", Ok(Some(0))),
            (syn::parse_quote!(std::time::Duration), "2s", Ok(Some(2_000_000_000))),
            (syn::parse_quote!(Duration), "90", Err(r#""90" has no unit, write 90s or 90m"#)),
            (syn::parse_quote!(Size), "1KiB", Ok(Some(1024))),
            (syn::parse_quote!(Alias), "1", Ok(None)),
        ];
        for (ty, text, wanted) in cases {
            let found = Kind::of(ty).check(text);
            assert_eq!(found, wanted.map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn numbers_have_an_order() {
        let numbers = [f64::MIN, -2.5, -1e-300, 0.0, 1e-300, 0.5, 3.0, f64::MAX];
        assert!(numbers.is_sorted_by_key(|number| rank(*number)));
    }
}
