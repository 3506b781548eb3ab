//! Lines in the peer's log: the macros and what they expand to. It knows no level filter; the host
//! does.
//!
//! ```
//! # use chore_sdk::prelude::*;
//! # let (sent, satellite) = (3, NodeId::fake(1));
//! info!("sent {sent} orders");
//! warn!(satellite, orders = sent, reason = ?Some("down"), "satellite is down");
//! ```
//!
//! `key = value` and plain `key` write a value as `{}` does, as do `key = %value` and `%key`;
//! `key = ?value` and `?key` write it as `{:?}` does. Where the line would go nowhere, nothing is
//! evaluated but the question whether it would.

use std::fmt::Display;

use crate::backend;

/// How much a line matters.
///
/// ```
/// # use chore_sdk::{log::Level, prelude::*, testing::World};
/// let world = World::new().log_level(Level::Warn);
/// world.within(|| info!("goes nowhere"));
/// assert_eq!(world.logged(Level::Info), [""; 0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every step.
    Trace,
    /// What helps to find a fault.
    Debug,
    /// What the chore did.
    Info,
    /// What somebody should look at.
    Warn,
    /// What somebody has to look at.
    Error,
}

/// False if a line of this level would go nowhere.
///
/// ```
/// # use chore_sdk::{log::{self, Level}, prelude::*, testing::World};
/// # fn dump() -> String { String::new() }
/// # World::new().within(|| {
/// if log::enabled(Level::Trace) {
///     trace!("all of it: {}", dump());
/// }
/// # });
/// ```
pub fn enabled(level: Level) -> bool {
    backend::log_enabled(level)
}

/// Writes one line. The host cuts it after 4 KiB and 32 fields, and takes 10,000 lines of one call.
///
/// ```
/// # use chore_sdk::{log::{self, Level}, prelude::*, testing::World};
/// # let world = World::new();
/// # world.within(|| {
/// // What a macro cannot say: fields that are not known when the chore is compiled.
/// let fields = ["a", "b"].map(|disk| (disk, "full".to_owned()));
/// log::write(Level::Warn, "looked at disks", fields);
/// # });
/// # assert_eq!(world.logs()[0].to_string(), "WARN looked at disks a=full b=full");
/// ```
pub fn write<K: Into<String>>(
    level: Level,
    message: impl Into<String>,
    fields: impl IntoIterator<Item = (K, String)>,
) {
    let fields = fields.into_iter().map(|(key, value)| (key.into(), value)).collect();
    backend::log_write(level, message.into(), fields);
}

/// What the macros call: not generic, so that a log line costs a component few bytes.
#[doc(hidden)]
pub fn line(level: Level, message: String, fields: &[(&str, &dyn Display)]) {
    write(level, message, fields.iter().map(|(key, value)| (*key, value.to_string())));
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident [$($fields:tt)*] $key:ident = ?$value:expr, $($rest:tt)+) => {
        $crate::__log!($level [$($fields)*
            (::core::stringify!($key), &::core::format_args!("{:?}", $value)),] $($rest)+)
    };
    ($level:ident [$($fields:tt)*] $key:ident = %$value:expr, $($rest:tt)+) => {
        $crate::__log!($level [$($fields)* (::core::stringify!($key), &$value),] $($rest)+)
    };
    ($level:ident [$($fields:tt)*] $key:ident = $value:expr, $($rest:tt)+) => {
        $crate::__log!($level [$($fields)* (::core::stringify!($key), &$value),] $($rest)+)
    };
    ($level:ident [$($fields:tt)*] ?$key:ident, $($rest:tt)+) => {
        $crate::__log!($level [$($fields)*
            (::core::stringify!($key), &::core::format_args!("{:?}", $key)),] $($rest)+)
    };
    ($level:ident [$($fields:tt)*] %$key:ident, $($rest:tt)+) => {
        $crate::__log!($level [$($fields)* (::core::stringify!($key), &$key),] $($rest)+)
    };
    ($level:ident [$($fields:tt)*] $key:ident, $($rest:tt)+) => {
        $crate::__log!($level [$($fields)* (::core::stringify!($key), &$key),] $($rest)+)
    };
    ($level:ident [$($fields:tt)*] $($message:tt)+) => {
        if $crate::log::enabled($crate::log::Level::$level) {
            $crate::log::line(
                $crate::log::Level::$level,
                ::std::format!($($message)+),
                &[$($fields)*],
            );
        }
    };
}

/// Logs a line of [`Level::Trace`]; see [`log`](mod@crate::log).
///
/// ```
/// # use chore_sdk::prelude::*;
/// trace!("sent one order");
/// ```
#[macro_export]
macro_rules! trace {
    ($($line:tt)+) => { $crate::__log!(Trace [] $($line)+) };
}

/// Logs a line of [`Level::Debug`]; see [`log`](mod@crate::log).
///
/// ```
/// # use chore_sdk::prelude::*;
/// debug!(orders = 3, "nothing to send");
/// ```
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::__log!(Debug [] $($line)+) };
}

/// Logs a line of [`Level::Info`]; see [`log`](mod@crate::log).
///
/// ```
/// # use chore_sdk::prelude::*;
/// info!(orders = 3, "sent");
/// ```
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::__log!(Info [] $($line)+) };
}

/// Logs a line of [`Level::Warn`]; see [`log`](mod@crate::log).
///
/// ```
/// # use chore_sdk::prelude::*;
/// warn!(satellite = %NodeId::fake(1), "down");
/// ```
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::__log!(Warn [] $($line)+) };
}

/// Logs a line of [`Level::Error`]; see [`log`](mod@crate::log).
///
/// ```
/// # use chore_sdk::prelude::*;
/// error!(reason = ?Some(7), "the disk is full");
/// ```
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::__log!(Error [] $($line)+) };
}

#[cfg(test)]
mod tests {
    use crate::testing::World;

    #[test]
    fn fields_come_in_all_forms() {
        let world = World::new();
        world.within(|| {
            let (plain, count, shown, debugged) = ("p", 2, "s", Some(1));
            crate::info!("only {count}");
            crate::warn!(plain, %shown, ?debugged, a = count + 1, b = %shown, c = ?shown, "all {}", 1);
            crate::error!(count, "one {plain}",);
        });
        let lines: Vec<_> = world.logs().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "INFO only 2",
                r#"WARN all 1 plain=p shown=s debugged=Some(1) a=3 b=s c="s""#,
                "ERROR one p count=2",
            ]
        );
    }

    #[test]
    fn what_goes_nowhere_is_not_evaluated() {
        let world = World::new().log_level(crate::log::Level::Warn);
        let mut evaluated = 0;
        world.within(|| {
            crate::info!(
                cost = {
                    evaluated += 1;
                    evaluated
                },
                "quiet"
            );
            crate::warn!(
                cost = {
                    evaluated += 1;
                    evaluated
                },
                "loud"
            );
        });
        assert_eq!((world.logs().len(), evaluated), (1, 1));
    }
}
