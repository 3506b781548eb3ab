//! What a chore's functions fail with: a kind for the program and a sentence for people.

use std::error::Error as StdError;
use std::fmt;

use crate::backend;
use crate::settings::Invalid;
use crate::transport::{Closed, Status};

/// `Result` with this crate's [`Error`].
///
/// ```
/// # use chore_sdk::prelude::*;
/// fn half(number: u32) -> Result<u32> {
///     if number % 2 == 1 {
///         bail!("half of {number} is no whole number");
///     }
///     Ok(number / 2)
/// }
/// # assert_eq!(half(4), Ok(2));
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it is, as the host tells them apart.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// # let world = World::new();
/// # world.block_on(async {
/// match kademlia::find_node(NodeId::fake(1)).await {
///     // Nobody knows it yet; the next run looks again.
///     Err(err) if err.kind() == Kind::NotFound => debug!("not there"),
///     other => info!(address = other?.address, "found"),
/// }
/// # Ok(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The operator has not granted what the call needs.
    Denied,
    /// There is no such thing.
    NotFound,
    /// An argument is malformed.
    Invalid,
    /// The value exists already, or changed meanwhile.
    Conflict,
    /// The other side cannot be reached now; trying again later may work.
    Unavailable,
    /// The time given for it, or for the call as a whole, is up.
    TimedOut,
    /// The call was given up before it was done.
    Cancelled,
    /// Over a limit of the host.
    TooLarge,
    /// The host failed.
    Internal,
    /// The chore's own failures, and what a later host may tell apart.
    Other,
}

/// A failure of a chore, or of what it asked of its peer.
///
/// `?` makes one of any [`std::error::Error`], of a `String` and of a `&str`, and keeps the kind of
/// what the host said. Causes are written into the message, since a message is all that the host
/// takes from a chore.
///
/// ```
/// # use chore_sdk::prelude::*;
/// fn parse(text: &str) -> Result<u32> {
///     if text.is_empty() {
///         bail!("nothing to parse");
///     }
///     Ok(text.parse().context("the answer")?)
/// }
/// assert_eq!(parse("").unwrap_err().to_string(), "nothing to parse");
/// assert_eq!(parse("x").unwrap_err().to_string(), "the answer: invalid digit found in string");
///
/// let full = Error::of(Kind::Unavailable, "the disk is full").context("write report");
/// assert_eq!((full.kind(), full.message()), (Kind::Unavailable, "write report: the disk is full"));
/// assert_eq!(Error::new("no more").kind(), Kind::Other);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    message: String,
}

impl Error {
    /// Of [`Kind::Other`]. A message is lower case, has no full stop, and names the operation and
    /// the thing.
    pub fn new(message: impl Into<String>) -> Error {
        Error::of(Kind::Other, message)
    }

    /// Of another kind, for failures that whoever called tells apart.
    pub fn of(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into() }
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Says before the message what was attempted: "find node: no such node".
    pub fn context(self, attempted: impl fmt::Display) -> Error {
        Error { kind: self.kind, message: format!("{attempted}: {}", self.message) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

// `Error` itself is no `std::error::Error`, as in `anyhow`: otherwise this would be two ways to
// make an `Error` of an `Error`.
impl<E> From<E> for Error
where
    E: Into<Box<dyn StdError>>,
{
    fn from(err: E) -> Error {
        let err = err.into();
        if let Some(said) = backend::host_error(&*err) {
            return said;
        }
        let kind = if let Some(status) = err.downcast_ref::<Status>() {
            status.code.kind()
        } else if err.is::<Invalid>() {
            Kind::Invalid
        } else if err.is::<Closed>() {
            Kind::Unavailable
        } else {
            Kind::Other
        };
        let mut message = err.to_string();
        let mut source = err.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Error { kind, message }
    }
}

/// Adds to a failure what was attempted.
///
/// ```
/// # use chore_sdk::prelude::*;
/// let port: Result<u16> = "many".parse::<u16>().context("read port");
/// assert_eq!(port.unwrap_err().to_string(), "read port: invalid digit found in string");
/// let second = ["a"].get(1).with_context(|| format!("disk {}: there is none", 1));
/// assert_eq!(second.unwrap_err().kind(), Kind::NotFound);
/// ```
pub trait Context<T> {
    /// "`attempted`: the failure".
    fn context(self, attempted: impl fmt::Display) -> Result<T>;

    /// As [`Context::context`], where saying it costs something.
    fn with_context<D: fmt::Display>(self, attempted: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, attempted: impl fmt::Display) -> Result<T> {
        self.map_err(|err| err.into().context(attempted))
    }

    fn with_context<D: fmt::Display>(self, attempted: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|err| err.into().context(attempted()))
    }
}

/// What is not there is [`Kind::NotFound`], and the context is the whole message.
impl<T> Context<T> for Option<T> {
    fn context(self, attempted: impl fmt::Display) -> Result<T> {
        self.ok_or_else(|| Error::of(Kind::NotFound, attempted.to_string()))
    }

    fn with_context<D: fmt::Display>(self, attempted: impl FnOnce() -> D) -> Result<T> {
        self.ok_or_else(|| Error::of(Kind::NotFound, attempted().to_string()))
    }
}

/// Returns from the function with an [`Error`] of [`Kind::Other`], written as `format!` does.
///
/// ```
/// # use chore_sdk::prelude::*;
/// fn check(free: u64) -> Result<()> {
///     if free == 0 {
///         bail!("check disk: {free} bytes are free");
///     }
///     Ok(())
/// }
/// assert_eq!(check(0).unwrap_err().to_string(), "check disk: 0 bytes are free");
/// ```
#[macro_export]
macro_rules! bail {
    ($($message:tt)+) => {
        return ::core::result::Result::Err($crate::Error::new(::std::format!($($message)+)).into())
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Code;

    #[derive(Debug)]
    struct Layered(std::num::ParseIntError);

    impl fmt::Display for Layered {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("layered")
        }
    }

    impl StdError for Layered {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.0)
        }
    }

    fn parse_error() -> std::num::ParseIntError {
        "x".parse::<u8>().err().into_iter().next().unwrap_or_else(|| unreachable!())
    }

    #[test]
    fn question_mark_takes_everything_and_keeps_the_kind() {
        fn made(result: impl FnOnce() -> Result<()>) -> (Kind, String) {
            let err = result().expect_err("fails");
            (err.kind(), err.to_string())
        }
        let status = Status { code: Code::UNAVAILABLE, message: "gone".into() };
        let host = Error::of(Kind::Denied, "orders are not granted");
        let cases = [
            (made(|| Err("plain")?), (Kind::Other, "plain")),
            (made(|| Err("owned".to_owned())?), (Kind::Other, "owned")),
            (made(|| Err(parse_error())?), (Kind::Other, "invalid digit found in string")),
            (
                made(|| Err(Layered(parse_error()))?),
                (Kind::Other, "layered: invalid digit found in string"),
            ),
            (made(|| Err(status)?), (Kind::Unavailable, "unavailable: gone")),
            (made(|| Err(host)?), (Kind::Denied, "orders are not granted")),
        ];
        for ((kind, message), (kind_wanted, wanted)) in cases {
            assert_eq!((kind, message.as_str()), (kind_wanted, wanted));
        }
    }

    #[test]
    fn context_goes_before_and_leaves_the_kind() {
        let host: Result<()> = Err(Error::of(Kind::NotFound, "no such node"));
        let err = host.context("find node").expect_err("fails");
        assert_eq!((err.kind(), err.message()), (Kind::NotFound, "find node: no such node"));
        let none = None::<u8>.with_context(|| format!("row {}", 1)).expect_err("fails");
        assert_eq!((none.kind(), none.message()), (Kind::NotFound, "row 1"));
    }
}
