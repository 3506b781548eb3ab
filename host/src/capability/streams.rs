//! Streams between host and guest, with back-pressure in both directions. It knows no protocol.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::stream::BoxStream;
use futures::task::AtomicWaker;
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use wasmtime::StoreContextMut;
use wasmtime::component::{
    Destination, Lift, Source, StreamConsumer, StreamProducer, StreamReader, StreamResult,
    VecBuffer,
};

use crate::bindings::types::{Error, ErrorKind};
use crate::capability::quota::Held;
use crate::capability::traffic::Bytes;
use crate::capability::{Quota, error};
use crate::limits::{STREAM_BYTES_WAITING, STREAM_MESSAGES_WAITING};

/// Gives a guest what a host stream yields. The guest asks, so nothing is read ahead but what was
/// ready at once.
pub struct Producer<T>(pub BoxStream<'static, T>);

impl<D, T> StreamProducer<D> for Producer<T>
where
    T: wasmtime::component::Lower + Send + Sync + 'static,
{
    type Item = T;
    type Buffer = VecBuffer<T>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, T, VecBuffer<T>>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        // A read of no items asks whether the stream is ready; it must not lose one.
        if destination.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let room = destination.remaining(&mut store).unwrap_or(1).min(STREAM_MESSAGES_WAITING);
        let mut ready = Vec::new();
        while ready.len() < room {
            match self.0.as_mut().poll_next(cx) {
                Poll::Ready(Some(item)) => ready.push(item),
                // What was ready goes first, and the end is asked for once more: hence `fuse`.
                Poll::Ready(None) if ready.is_empty() => {
                    return Poll::Ready(Ok(StreamResult::Dropped));
                }
                Poll::Pending if ready.is_empty() && finish => {
                    return Poll::Ready(Ok(StreamResult::Cancelled));
                }
                Poll::Pending if ready.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        destination.set_buffer(ready.into());
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Room for one more stream of this call.
pub fn room(quota: &Quota, operation: &str) -> Result<Held, Error> {
    let too_many = |message| error(ErrorKind::TooLarge, format!("{operation}: {message}"));
    quota.stream().map_err(too_many)
}

/// The items, which count, and hold the room of their stream until they end or nobody reads them
/// any longer.
pub fn holding<T: Bytes + Send + 'static>(
    items: BoxStream<'static, T>,
    room: Held,
) -> BoxStream<'static, T> {
    let state = (items, room);
    let next = |(mut items, room): (BoxStream<'static, T>, Held)| async move {
        let item = items.next().await?;
        room.traffic().passed(&item);
        Some((item, (items, room)))
    };
    Box::pin(futures::stream::unfold(state, next).fuse())
}

/// Takes what a guest writes, one item at a time and only when there is room for it.
struct Consumer<T> {
    items: PollSender<T>,
    waiting: Arc<Waiting>,
}

/// What a guest wrote that nobody has taken.
#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    consumer: AtomicWaker,
}

impl Waiting {
    /// With the waker first, so that what is taken meanwhile wakes.
    fn is_full(&self, cx: &Context<'_>) -> bool {
        self.consumer.register(cx.waker());
        self.bytes.load(Ordering::Acquire) >= STREAM_BYTES_WAITING
    }

    fn put(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    fn take(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.consumer.wake();
    }
}

impl<D, T> StreamConsumer<D> for Consumer<T>
where
    T: Lift + AsRef<[u8]> + Send + 'static,
{
    type Item = T;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<D>,
        mut source: Source<'_, T>,
        finish: bool,
    ) -> Poll<wasmtime::Result<StreamResult>> {
        if source.remaining(&mut store) == 0 {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut taken = false;
        loop {
            let reserved = match self.waiting.is_full(cx) {
                true => Poll::Pending,
                false => self.items.poll_reserve(cx),
            };
            match reserved {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(StreamResult::Dropped)),
                Poll::Pending if taken => return Poll::Ready(Ok(StreamResult::Completed)),
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
            let mut item = Vec::with_capacity(1);
            source.read(&mut store, &mut item)?;
            let Some(item) = item.pop() else {
                return Poll::Ready(Ok(StreamResult::Completed));
            };
            self.waiting.put(item.as_ref().len());
            if self.items.send_item(item).is_err() {
                return Poll::Ready(Ok(StreamResult::Dropped));
            }
            taken = true;
            if source.remaining(&mut store) == 0 {
                return Poll::Ready(Ok(StreamResult::Completed));
            }
        }
    }
}

/// A guest's stream as one the host can poll, with a bounded number of items between.
pub fn consume<T, S>(reader: StreamReader<T>, store: S) -> wasmtime::Result<BoxStream<'static, T>>
where
    T: Lift + AsRef<[u8]> + Send + 'static,
    S: wasmtime::AsContextMut,
{
    let (sender, receiver) = mpsc::channel(STREAM_MESSAGES_WAITING);
    let waiting = Arc::new(Waiting::default());
    let consumer = Consumer { items: PollSender::new(sender), waiting: waiting.clone() };
    reader.pipe(store, consumer)?;
    let receive = |(mut receiver, waiting): (mpsc::Receiver<T>, Arc<Waiting>)| async move {
        let item = receiver.recv().await?;
        waiting.take(item.as_ref().len());
        Some((item, (receiver, waiting)))
    };
    Ok(Box::pin(futures::stream::unfold((receiver, waiting), receive)))
}

/// Splits a stream of results in two, as the contract has it: the items, and a future that says
/// how the items ended.
pub fn split<T, E>(
    stream: impl Stream<Item = Result<T, E>> + Send + 'static,
    abandoned: impl FnOnce() -> E + Send + 'static,
) -> (BoxStream<'static, T>, impl Future<Output = Result<(), E>> + Send + 'static)
where
    T: Send + 'static,
    E: Send + 'static,
{
    let (ended, end) = tokio::sync::oneshot::channel();
    let state = (Box::pin(stream), Some(ended));
    let items = futures::stream::unfold(state, |(mut stream, mut ended)| async move {
        let item = std::future::poll_fn(|cx| stream.as_mut().poll_next(cx)).await;
        let verdict = match item {
            Some(Ok(item)) => return Some((item, (stream, ended))),
            Some(Err(err)) => Err(err),
            None => Ok(()),
        };
        if let Some(ended) = ended.take() {
            // Nobody waits when the guest dropped the future.
            let _ = ended.send(verdict);
        }
        None
    });
    let end = async move { end.await.unwrap_or_else(|_| Err(abandoned())) };
    (Box::pin(items.fuse()), end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_split_stream_says_how_it_ended() {
        type Case = (Vec<Result<u8, &'static str>>, Vec<u8>, Result<(), &'static str>);
        let cases: [Case; 3] = [
            (vec![Ok(1), Ok(2)], vec![1, 2], Ok(())),
            (vec![Ok(1), Err("reset"), Ok(3)], vec![1], Err("reset")),
            (vec![], vec![], Ok(())),
        ];
        for (input, items, end) in cases {
            let (stream, future) = split(futures::stream::iter(input), || "abandoned");
            let mut stream = stream;
            assert_eq!(stream.by_ref().collect::<Vec<_>>().await, items);
            assert_eq!(future.await, end);
            assert_eq!(stream.next().await, None, "a guest may ask again");
        }
        let (stream, future) = split(futures::stream::iter([Ok(1)]), || "abandoned");
        drop(stream);
        assert_eq!(future.await, Err("abandoned"));
    }
}
