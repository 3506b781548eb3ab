//! What the operator set for this chore: how a setting's text becomes a value. It knows no file.
//!
//! A chore names its settings as fields of a struct and derives [`Settings`]; the functions here
//! are for what such a struct cannot say.

mod read;
mod value;

use std::fmt;

use crate::backend;

#[doc(hidden)]
pub use read::{Rule, Text, default_text, read, read_text, read_within};
pub use value::{Secret, Size, Value};

/// Derives [`Settings`](trait@Settings) for a struct: each field is a setting.
///
/// - The field's doc comment is the help that operators read; it is required. The struct's first
///   paragraph says what the chore is about.
/// - The name is the field's with hyphens: `dial_timeout` is set as `dial-timeout`.
/// - The kind follows from the type, see [`Value`]. An [`Option`] may be left out.
/// - `#[setting(default = "90s")]`: used where the operator sets nothing. Without it, and if it is
///   no `Option`, the operator must set it. Checked when the chore is compiled.
/// - `#[setting(min = 1, max = 10)]`: the smallest and largest value allowed, of anything that has an
///   order: integers, numbers, durations and sizes, and an [`Option`] of one.
/// - `#[setting(non_empty)]`: a text or secret must have something in it besides white space.
/// - `#[setting(name = "other")]`: another name.
/// - `#[setting(skip)]`: no setting; starts as [`Default::default`].
///
/// What is allowed is added to the help, and a value that is not is refused before
/// [`open`](crate::Chore::open), with the line to write instead.
///
/// ```
/// # use chore_sdk::prelude::*;
/// /// Looks at the disk.
/// #[derive(Settings)]
/// struct Disk {
///     /// Directory to look at.
///     #[setting(non_empty)]
///     path: String,
///     /// Warn when less than this is free.
///     #[setting(default = "1GiB", min = "1MiB")]
///     free_min: Size,
///     /// Where to send the warning; nowhere if it is left out.
///     webhook: Option<Secret>,
/// }
/// let specs = <Disk as Settings>::specs();
/// assert_eq!((specs[1].name, specs[1].default), ("free-min", Some("1GiB")));
/// assert_eq!(specs[1].help, "Warn when less than this is free. At least 1MiB.");
///
/// let set = |name: &str| match name {
///     "path" => Some("/data".to_owned()),
///     "free-min" => Some("1KiB".to_owned()),
///     _ => None,
/// };
/// let Err(refused) = Disk::load(&set) else { panic!() };
/// assert_eq!(
///     refused.to_string(),
///     r#"setting "free-min": "1KiB" is less than 1MiB: write free-min = "1GiB" below [settings]"#
/// );
/// ```
///
/// What is wrong in the attribute does not compile, and the compiler says what to write. A default
/// without a unit, `"90" has no unit, write 90s or 90m`:
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
///
/// Nothing for the operator to read, `a setting has a doc comment: it is the help that operators
/// read`:
///
/// ```compile_fail
/// # use chore_sdk::prelude::*;
/// #[derive(Settings)]
/// struct Wrong {
///     patience: Duration,
/// }
/// ```
///
/// A type that no setting has, "`PathBuf` cannot be the type of a setting", with those that can:
///
/// ```compile_fail,E0277
/// # use chore_sdk::prelude::*;
/// #[derive(Settings)]
/// struct Wrong {
///     /// Where to look.
///     path: std::path::PathBuf,
/// }
/// ```
pub use chore_sdk_macros::Settings;

/// A struct whose fields are settings. To be derived.
///
/// What has none is a struct without fields, and is derived all the same.
///
/// ```
/// use chore_sdk::prelude::*;
///
/// /// Greets.
/// #[derive(Settings)]
/// struct Greeting {
///     /// Whom to greet.
///     #[setting(default = "world")]
///     whom: String,
/// }
/// let greeting = Greeting::load(&|_| None).unwrap();
/// assert_eq!((Greeting::ABOUT, greeting.whom.as_str()), ("Greets.", "world"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no settings",
    note = "write #[derive(Settings)] above the struct, also if it has no fields"
)]
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
///
/// ```
/// # use chore_sdk::{prelude::*, settings::{Kind, Spec}};
/// # #[derive(Settings)]
/// # struct Greeting { /** Whom to greet. */ #[setting(default = "world")] whom: String }
/// let spec = Spec { name: "whom", help: "Whom to greet.", kind: Kind::Text, default: Some("world") };
/// assert_eq!(Greeting::specs(), [spec]);
/// ```
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
///
/// ```
/// # use chore_sdk::{prelude::*, settings::{Kind, Value}};
/// assert_eq!((u16::KIND, Duration::KIND), (Kind::Integer, Kind::Duration));
/// ```
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
///
/// ```
/// # use chore_sdk::settings::Invalid;
/// let invalid = Invalid { setting: "port".to_owned(), why: "it is taken".to_owned() };
/// assert_eq!(invalid.to_string(), r#"setting "port": it is taken"#);
/// ```
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

/// The text of one setting: what the operator set, or the default.
///
/// ```
/// # use chore_sdk::{prelude::*, settings, testing::World};
/// # World::new().setting("whom", "you").within(|| {
/// assert_eq!(settings::get("whom").as_deref(), Some("you"));
/// # });
/// ```
pub fn get(name: &str) -> Option<String> {
    backend::settings_get(name)
}

/// Every setting that has a value, secrets included.
///
/// ```
/// # use chore_sdk::{prelude::*, settings, testing::World};
/// # World::new().setting("whom", "you").within(|| {
/// let names: Vec<String> = settings::all().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["whom"]);
/// # });
/// ```
pub fn all() -> Vec<(String, String)> {
    backend::settings_all()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Has one of each.
    ///
    /// And more to tell, which is not for the descriptor.
    #[derive(Settings, Debug, PartialEq)]
    struct Everything {
        /// Whom to greet.
        #[setting(default = "world", non_empty)]
        name: String,
        /// How many at once.
        #[setting(default = 500, min = 1, max = 10_000)]
        batch_size: u16,
        /// How far below.
        #[setting(default = -3)]
        offset: i8,
        /// How much of it.
        #[setting(default = 0.5, min = 0.25)]
        share: f64,
        /// Whether at all.
        #[setting(default = true, name = "on")]
        enabled: bool,
        /// How long to wait.
        #[setting(default = "90s", max = "1h")]
        patience: Duration,
        /// How much
        /// at most.
        #[setting(default = "64KiB", min = "1KiB", max = "1MiB")]
        room: Size,
        /// What opens it.
        #[setting(non_empty)]
        token: Secret,
        /// Where to, if anywhere.
        #[setting(min = 2)]
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
                ("room", Kind::Size, Some("64KiB")),
                ("token", Kind::Secret, None),
                ("target", Kind::Integer, Some("")),
            ]
        );
        for (index, help) in [
            (0, "Whom to greet. Not empty."),
            (1, "How many at once. From 1 to 10000."),
            (2, "How far below."),
            (5, "How long to wait. At most 1h."),
            (6, "How much at most. From 1KiB to 1MiB."),
            (8, "Where to, if anywhere. At least 2."),
        ] {
            assert_eq!(specs[index].help, help);
        }
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
            room: Size(64 << 10),
            token: Secret::new("hush"),
            target: None,
            seen: vec![],
        };
        assert_eq!(found, Ok(wanted));
        assert_eq!(load(&[("token", "t"), ("target", "7")]).map(|found| found.target), Ok(Some(7)));
        assert_eq!(format!("{:?}", Secret::new("hush")), "[secret]");
    }

    #[test]
    fn what_cannot_be_read_says_what_to_write() {
        for (name, value, why, line) in [
            ("patience", "90", r#""90" has no unit, write 90s or 90m"#, r#"patience = "90s""#),
            ("patience", "61m", r#""61m" is more than 1h"#, r#"patience = "90s""#),
            ("batch-size", "0", r#""0" is not within 1 and 10000"#, "batch-size = 500"),
            ("batch-size", "10001", r#""10001" is not within 1 and 10000"#, "batch-size = 500"),
            ("batch-size", "70000", r#""70000" is not within 0 and 65535"#, "batch-size = 500"),
            ("batch-size", "-1", r#""-1" is not within 0 and 65535"#, "batch-size = 500"),
            ("batch-size", "many", r#""many" is no whole number"#, "batch-size = 500"),
            ("share", "NaN", r#""NaN" is no number"#, "share = 0.5"),
            ("share", "0.1", r#""0.1" is less than 0.25"#, "share = 0.5"),
            ("on", "yes", r#""yes" is neither true nor false"#, "on = true"),
            (
                "room",
                "roomy",
                r#""roomy" is no size in bytes such as 64MiB or 512KB"#,
                r#"room = "64KiB""#,
            ),
            ("room", "1GiB", r#""1GiB" is not within 1KiB and 1MiB"#, r#"room = "64KiB""#),
            ("target", "x", r#""x" is no whole number"#, "target = 2"),
            ("target", "1", r#""1" is less than 2"#, "target = 2"),
            ("name", " ", "it must not be empty", r#"name = "world""#),
            ("token", "", "it must not be empty", r#"token = "...""#),
        ] {
            let why = format!("setting {name:?}: {why}: write {line} below [settings]");
            assert_eq!(load(&[(name, value), ("token", "t")]), Err(why));
        }
        let missing = r#"setting "token": it must be set, it has no default: write token = "..." below [settings]"#;
        assert_eq!(load(&[]), Err(missing.to_owned()));
    }
}
