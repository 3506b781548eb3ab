//! The types that a setting can have, and how their texts read.

use std::fmt;
use std::num::IntErrorKind;
use std::time::Duration;

use super::Kind;

/// A type that a setting can have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a setting",
    label = "not the type of a setting",
    note = "a setting is a String, an integer, f64, bool, Duration, Size, Secret or an Option of \
            one; a field that is no setting has #[setting(skip)]"
)]
///
/// ```
/// use chore_sdk::prelude::*;
/// use chore_sdk::settings::{Kind, Value};
///
/// /// The part of all that is taken, written as `25%`.
/// #[derive(Debug, PartialEq)]
/// struct Percent(u8);
///
/// impl Value for Percent {
///     const KIND: Kind = Kind::Text;
///
///     fn parse(text: &str) -> Result<Percent, String> {
///         let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
///         let percent = number.filter(|number| *number <= 100).map(Percent);
///         percent.ok_or_else(|| format!("{text:?} is no share such as 25%"))
///     }
/// }
///
/// /// Takes some.
/// #[derive(Settings)]
/// struct Takes {
///     /// How much of it.
///     #[setting(default = "50%")]
///     share: Percent,
/// }
/// # assert_eq!(Takes::load(&|_| None).unwrap().share, Percent(50));
/// # let Err(wrong) = Takes::load(&|_| Some("half".to_owned())) else { panic!() };
/// # assert!(wrong.why.starts_with(r#""half" is no share such as 25%: write share = "50%""#));
/// ```
pub trait Value: Sized {
    /// How its text reads.
    const KIND: Kind;

    /// True if it may be left out; its text is empty then.
    const OPTIONAL: bool = false;

    /// # Errors
    ///
    /// Why not, as the rest of a sentence that begins with the setting's name.
    fn parse(text: &str) -> Result<Self, String>;

    /// The value of what was left out, if it may be.
    fn absent() -> Option<Self> {
        None
    }
}

impl Value for String {
    const KIND: Kind = Kind::Text;

    fn parse(text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }
}

impl Value for bool {
    const KIND: Kind = Kind::Boolean;

    fn parse(text: &str) -> Result<bool, String> {
        text.parse().map_err(|_| format!("{text:?} is neither true nor false"))
    }
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Value for $type {
            const KIND: Kind = Kind::Integer;

            fn parse(text: &str) -> Result<$type, String> {
                text.parse().map_err(|err: std::num::ParseIntError| match err.kind() {
                    IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => {
                        format!("{text:?} is not within {} and {}", <$type>::MIN, <$type>::MAX)
                    }
                    _ if text.starts_with('-') && <$type>::MIN == 0 => {
                        format!("{text:?} is not within {} and {}", <$type>::MIN, <$type>::MAX)
                    }
                    _ => format!("{text:?} is no whole number"),
                })
            }
        }
    )*};
}

integers!(i8 i16 i32 i64 isize u8 u16 u32 u64 usize);

impl Value for f64 {
    const KIND: Kind = Kind::Number;

    fn parse(text: &str) -> Result<f64, String> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| format!("{text:?} is no number"))
    }
}

impl Value for Duration {
    const KIND: Kind = Kind::Duration;

    fn parse(text: &str) -> Result<Duration, String> {
        crate::units::duration(text)
    }
}

/// A number of bytes, written with a unit such as `64MiB`.
///
/// ```
/// # use chore_sdk::{prelude::*, settings::Value};
/// let size = Size::parse("64MiB").unwrap();
/// assert_eq!(size.bytes(), 64 * 1024 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// The number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Value for Size {
    const KIND: Kind = Kind::Size;

    fn parse(text: &str) -> Result<Size, String> {
        crate::units::size(text).map(Size)
    }
}

/// Text that must not be seen: it cannot be logged by mistake.
///
/// ```
/// # use chore_sdk::prelude::*;
/// let token = Secret::new("hush");
/// assert_eq!(format!("{token:?}"), "[secret]");
/// assert_eq!(token.expose(), "hush");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// For tests; the peer makes those of a chore.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for where it has to go.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Value for Secret {
    const KIND: Kind = Kind::Secret;

    fn parse(text: &str) -> Result<Secret, String> {
        Ok(Secret(text.to_owned()))
    }
}

impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;

    fn parse(text: &str) -> Result<Option<T>, String> {
        T::parse(text).map(Some)
    }

    fn absent() -> Option<Option<T>> {
        Some(None)
    }
}
