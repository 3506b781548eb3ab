//! Stub.
#![allow(unused_variables, clippy::todo)]
use std::time::Duration;
use futures::Stream;
#[derive(Clone)] pub struct Sql;
#[derive(Clone)] pub struct Transaction;
pub enum Value { Null, Integer(i64), Real(f64), Text(String), Blob(Vec<u8>) }
#[derive(Debug, thiserror::Error)] #[error("x")] pub struct Error;
pub enum Kind { Invalid, Conflict, TooLarge, TimedOut, Denied, Internal }
impl Error { pub fn kind(&self) -> Kind { Kind::Internal } }
type R<T> = Result<T, Error>;
impl Sql {
 pub fn new(p: std::path::PathBuf) -> Sql { Sql }
 pub async fn execute(&self, s: &str, p: Vec<Value>, l: Duration) -> R<u64> { Err(Error) }
 pub async fn query(&self, s: &str, p: Vec<Value>, l: Duration) -> R<Vec<Vec<Value>>> { Err(Error) }
 pub async fn stream(&self, s: &str, p: Vec<Value>, l: Duration) -> R<impl Stream<Item = R<Vec<Value>>> + Send + 'static + use<>> { Ok(futures::stream::empty()) }
 pub async fn begin(&self, l: Duration) -> R<Transaction> { Err(Error) }
 pub async fn close(&self) -> R<()> { Ok(()) }
}
impl Transaction {
 pub async fn execute(&self, s: &str, p: Vec<Value>, l: Duration) -> R<u64> { Err(Error) }
 pub async fn query(&self, s: &str, p: Vec<Value>, l: Duration) -> R<Vec<Vec<Value>>> { Err(Error) }
 pub async fn commit(&self, l: Duration) -> R<()> { Err(Error) }
 pub async fn rollback(&self, l: Duration) -> R<()> { Err(Error) }
}
