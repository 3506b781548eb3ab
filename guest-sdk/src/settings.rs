//! What the operator set for this chore: how a setting's text becomes a value. It knows no file.
//!
//! A chore names its settings as fields of a struct and derives [`Settings`]; the functions here
//! are for what such a struct cannot say.

use std::fmt;
use std::num::IntErrorKind;
use std::time::Duration;

use crate::backend;

/// Derives [`Settings`](trait@Settings) for a struct: each field is a setting.
///
/// - The field's doc comment is the help that operators read; it is required. The struct's first
///   paragraph says what the chore is about.
/// - The name is the field's with hyphens: `dial_timeout` is set as `dial-timeout`.
/// - The kind follows from the type, see [`Value`]. An [`Option`] may be left out.
/// - `#[setting(default = "90s")]`: used where the operator sets nothing. Without it, and if it is
///   no `Option`, the operator must set it. Checked when the chore is compiled.
/// - `#[setting(min = 1, max = "1h")]`: the smallest and largest value allowed.
/// - `#[setting(name = "other")]`: another name.
/// - `#[setting(skip)]`: no setting; starts as [`Default::default`].
///
/// ```
/// # use chore_sdk::prelude::*;
/// /// Looks at the disk.
/// #[derive(Settings)]
/// struct Disk {
///     /// Directory to look at.
///     path: String,
///     /// Warn when less than this is free.
///     #[setting(default = "1GiB", min = "1MiB")]
///     free_min: Size,
///     /// Where to send the warning; nowhere if it is left out.
///     webhook: Option<Secret>,
/// }
/// let specs = <Disk as Settings>::specs();
/// assert_eq!((specs[1].name, specs[1].default), ("free-min", Some("1GiB")));
/// ```
///
/// A wrong default does not compile:
///
/// ```compile_fail
/// # use chore_sdk::prelude::*;
/// #[derive(Settings)]
/// struct Wrong {
///     /// How long to wait.
///     #[setting(default = "90")]
///     patience: Duration,
/// }
/// ```
pub use chore_sdk_macros::Settings;

/// A struct whose fields are settings. To be derived.
pub trait Settings: Sized {
    /// What the chore is about: the first paragraph of the struct's doc comment.
    const ABOUT: &'static str;

    /// The settings in the order of the fields.
    fn specs() -> Vec<Spec>;

    /// Reads every setting through `get`.
    ///
    /// # Errors
    ///
    /// The first setting that is missing or cannot be read.
    fn load(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, Invalid>;
}

/// One setting, as the descriptor has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The key in the operator's file.
    pub name: &'static str,
    /// What it is for, for operators.
    pub help: &'static str,
    /// How its text reads.
    pub kind: Kind,
    /// `None`: the operator must set it. Empty: it may be left out.
    pub default: Option<&'static str>,
}

/// How a setting's text reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Decimal digits with an optional sign.
    Integer,
    /// A decimal number.
    Number,
    /// "true" or "false".
    Boolean,
    /// A number and its unit, such as "90s".
    Duration,
    /// Bytes with an optional unit, such as "64MiB".
    Size,
    /// Text that no log or status shows.
    Secret,
}

/// A setting that the chore cannot use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// Its name.
    pub setting: String,
    /// Names the value, unless it is a secret, and what to write instead.
    pub why: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setting {:?}: {}", self.setting, self.why)
    }
}

impl std::error::Error for Invalid {}

/// A type that a setting can have.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the type of a setting",
    label = "not the type of a setting",
    note = "a setting is a String, an integer, f64, bool, Duration, Size, Secret or an Option of \
            one; a field that is no setting has #[setting(skip)]"
)]
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

/// The text of one setting: what the operator set, or the default.
pub fn get(name: &str) -> Option<String> {
    backend::settings_get(name)
}

/// Every setting that has a value, secrets included.
pub fn all() -> Vec<(String, String)> {
    backend::settings_all()
}

/// Reads one setting: what the derived code calls.
#[doc(hidden)]
pub fn read<T: Value>(
    get: &dyn Fn(&str) -> Option<String>,
    spec: (&str, Option<&str>),
) -> Result<T, Invalid> {
    let (name, default) = spec;
    let invalid = |why: String| Invalid { setting: name.to_owned(), why };
    let text = get(name).or_else(|| default.map(str::to_owned));
    match text.filter(|text| !(T::OPTIONAL && text.is_empty())) {
        Some(text) => T::parse(&text).map_err(invalid),
        None => T::absent().ok_or_else(|| invalid("it must be set, it has no default".to_owned())),
    }
}

/// As [`read`], within bounds that are written as the setting is.
#[doc(hidden)]
pub fn read_within<T: Value + PartialOrd>(
    get: &dyn Fn(&str) -> Option<String>,
    spec: (&str, Option<&str>),
    min: Option<&str>,
    max: Option<&str>,
) -> Result<T, Invalid> {
    let value: T = read(get, spec)?;
    let invalid = |why: String| Invalid { setting: spec.0.to_owned(), why };
    if let Some(text) = min
        && value < T::parse(text).map_err(invalid)?
    {
        return Err(invalid(format!("it must be at least {text}")));
    }
    if let Some(text) = max
        && value > T::parse(text).map_err(invalid)?
    {
        return Err(invalid(format!("it must be at most {text}")));
    }
    Ok(value)
}

/// The default as the descriptor has it.
#[doc(hidden)]
pub const fn default_text<T: Value>(default: Option<&'static str>) -> Option<&'static str> {
    match default {
        None if T::OPTIONAL => Some(""),
        default => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has one of each.
    ///
    /// And more to tell, which is not for the descriptor.
    #[derive(Settings, Debug, PartialEq)]
    struct Everything {
        /// Whom to greet.
        #[setting(default = "world")]
        name: String,
        /// How many at once.
        #[setting(default = 500, min = 1, max = 10_000)]
        batch_size: u16,
        /// How far below.
        #[setting(default = -3)]
        offset: i8,
        /// How much of it.
        #[setting(default = 0.5)]
        share: f64,
        /// Whether at all.
        #[setting(default = true, name = "on")]
        enabled: bool,
        /// How long to wait.
        #[setting(default = "90s", max = "1h")]
        patience: Duration,
        /// How much
        /// at most.
        #[setting(default = "64MiB")]
        room: Size,
        /// What opens it.
        token: Secret,
        /// Where to, if anywhere.
        target: Option<u8>,
        #[setting(skip)]
        seen: Vec<u8>,
    }

    fn load(set: &[(&str, &str)]) -> Result<Everything, String> {
        let get = |name: &str| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Everything::load(&get).map_err(|err| err.to_string())
    }

    #[test]
    fn the_descriptor_follows_from_the_fields() {
        assert_eq!(Everything::ABOUT, "Has one of each.");
        let specs = Everything::specs();
        let rows: Vec<_> = specs.iter().map(|spec| (spec.name, spec.kind, spec.default)).collect();
        assert_eq!(
            rows,
            [
                ("name", Kind::Text, Some("world")),
                ("batch-size", Kind::Integer, Some("500")),
                ("offset", Kind::Integer, Some("-3")),
                ("share", Kind::Number, Some("0.5")),
                ("on", Kind::Boolean, Some("true")),
                ("patience", Kind::Duration, Some("90s")),
                ("room", Kind::Size, Some("64MiB")),
                ("token", Kind::Secret, None),
                ("target", Kind::Integer, Some("")),
            ]
        );
        assert_eq!(specs[6].help, "How much at most.");
    }

    #[test]
    fn values_are_read_and_defaults_fill_in() {
        let found = load(&[("token", "hush"), ("patience", "2m"), ("target", "")]);
        let wanted = Everything {
            name: "world".into(),
            batch_size: 500,
            offset: -3,
            share: 0.5,
            enabled: true,
            patience: Duration::from_secs(120),
            room: Size(64 << 20),
            token: Secret::new("hush"),
            target: None,
            seen: vec![],
        };
        assert_eq!(found, Ok(wanted));
        assert_eq!(load(&[("token", ""), ("target", "7")]).map(|found| found.target), Ok(Some(7)));
        assert_eq!(format!("{:?}", Secret::new("hush")), "[secret]");
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        for (name, value, why) in [
            ("patience", "90", r#"setting "patience": "90" has no unit, write 90s or 90m"#),
            ("patience", "61m", r#"setting "patience": it must be at most 1h"#),
            ("batch-size", "0", r#"setting "batch-size": it must be at least 1"#),
            ("batch-size", "70000", r#"setting "batch-size": "70000" is not within 0 and 65535"#),
            ("batch-size", "-1", r#"setting "batch-size": "-1" is not within 0 and 65535"#),
            ("batch-size", "many", r#"setting "batch-size": "many" is no whole number"#),
            ("share", "NaN", r#"setting "share": "NaN" is no number"#),
            ("on", "yes", r#"setting "on": "yes" is neither true nor false"#),
            (
                "room",
                "roomy",
                r#"setting "room": "roomy" is no size in bytes such as 64MiB or 512KB"#,
            ),
            ("target", "x", r#"setting "target": "x" is no whole number"#),
        ] {
            assert_eq!(load(&[("token", "t"), (name, value)]), Err(why.to_owned()));
        }
        let missing = r#"setting "token": it must be set, it has no default"#;
        assert_eq!(load(&[]), Err(missing.to_owned()));
    }
}
