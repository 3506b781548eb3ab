//! How much one call asks of its peer: the functions of the contract that it called, and the bytes
//! that went either way. Only texts, byte lists and SQL values count; what an error says does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::bindings::kademlia::Node;
use crate::bindings::log::Field;
use crate::bindings::metrics::Label;
use crate::bindings::orders::{ArchiveRequest, ArchivedInfo, Info};
use crate::bindings::sql::Value;
use crate::bindings::state::Saved;

/// Of one call. Clones share it.
#[derive(Clone, Default)]
pub struct Traffic(Arc<Counts>);

/// Nobody waits for these numbers, and nothing is decided by them, so any order will do.
#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    bytes: AtomicU64,
}

impl Traffic {
    /// The guest calls a function with these arguments.
    pub fn called(&self, arguments: &[&dyn Bytes]) -> Called {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        self.passed(&arguments);
        Called(self.clone())
    }

    /// An item of a stream, in either direction.
    pub fn passed(&self, item: &(impl Bytes + ?Sized)) {
        self.0.bytes.fetch_add(item.bytes(), Ordering::Relaxed);
    }

    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}

/// A function that was called and has not answered yet.
pub struct Called(Traffic);

impl Called {
    /// The answer, counted.
    pub fn with<T: Bytes>(self, answer: T) -> T {
        self.0.passed(&answer);
        answer
    }

    /// The same of an answer that takes its time.
    pub async fn after<T: Bytes>(self, work: impl Future<Output = T>) -> T {
        let answer = work.await;
        self.with(answer)
    }
}

/// How many bytes of it count.
pub trait Bytes {
    fn bytes(&self) -> u64;

    /// Of all of them.
    fn of_all(all: &[Self]) -> u64
    where
        Self: Sized,
    {
        all.iter().map(Bytes::bytes).sum()
    }
}

macro_rules! nothing {
    ($($kind:ty),*) => { $(impl Bytes for $kind { fn bytes(&self) -> u64 { 0 } })* };
}

macro_rules! fields {
    ($($kind:ty: $($field:ident)*;)*) => {
        $(impl Bytes for $kind {
            fn bytes(&self) -> u64 { 0 $(+ self.$field.bytes())* }
        })*
    };
}

nothing!((), bool, u64);

fields! {
    Node: id address;
    Field: key value;
    Label: key value;
    Saved: data version;
    Info: satellite serial limit order;
    ArchivedInfo: info reason;
    ArchiveRequest: satellite serial reason;
}

impl Bytes for u8 {
    fn bytes(&self) -> u64 {
        1
    }

    /// Messages are long: no byte of theirs is looked at.
    fn of_all(all: &[u8]) -> u64 {
        all.len() as u64
    }
}

impl Bytes for String {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }
}

impl Bytes for &str {
    fn bytes(&self) -> u64 {
        self.len() as u64
    }
}

impl Bytes for Value {
    fn bytes(&self) -> u64 {
        match self {
            Value::Null => 0,
            Value::Integer(_) | Value::Real(_) => size_of::<u64>() as u64,
            Value::Text(text) => text.bytes(),
            Value::Blob(bytes) => bytes.len() as u64,
        }
    }
}

impl<T: Bytes> Bytes for Vec<T> {
    fn bytes(&self) -> u64 {
        T::of_all(self)
    }
}

impl<T: Bytes> Bytes for Option<T> {
    fn bytes(&self) -> u64 {
        self.as_ref().map_or(0, Bytes::bytes)
    }
}

/// An error is no answer.
impl<T: Bytes, E> Bytes for Result<T, E> {
    fn bytes(&self) -> u64 {
        self.as_ref().map_or(0, Bytes::bytes)
    }
}

impl<A: Bytes, B: Bytes> Bytes for (A, B) {
    fn bytes(&self) -> u64 {
        self.0.bytes() + self.1.bytes()
    }
}

impl Bytes for &[&dyn Bytes] {
    fn bytes(&self) -> u64 {
        self.iter().map(|argument| argument.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_and_bytes_are_counted_both_ways() {
        let traffic = Traffic::default();
        let text = "select".to_owned();
        let row = |text: &str| vec![Value::Integer(1), Value::Text(text.to_owned()), Value::Null];
        let rows = || Ok::<_, ()>(vec![row("abc"), row("")]);
        // 6 for the statement, 8 for each number, 3 for the text.
        let found = traffic.called(&[&text, &row("xyz")]).after(async { rows() }).await;
        assert_eq!(found.map(|rows| rows.len()), Ok(2));
        assert_eq!((traffic.calls(), traffic.bytes()), (1, 6 + 11 + 11 + 8));
        let _ =
            traffic.called(&[&vec![0_u8; 100]]).with(Err::<Vec<u8>, _>("an error does not count"));
        assert_eq!((traffic.calls(), traffic.bytes()), (2, 136));
        traffic.passed(&vec![7_u8; 5]);
        traffic.called(&[]).with(Some((text, 3_u64)));
        assert_eq!((traffic.calls(), traffic.bytes()), (3, 147));
    }
}
