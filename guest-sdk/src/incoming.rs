//! A stream that says how it ended: what the host gives as a stream of items and a future.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::Stream;
use futures::future::LocalBoxFuture;
use futures::stream::LocalBoxStream;

/// Items that the host hands over as they are asked for, and then how they ended.
///
/// Waiting for the next item may be given up at any time without losing one. It is a
/// [`futures::Stream`] too; after the end, or an error, there is nothing more.
///
/// ```
/// # use chore_sdk::{prelude::*, testing::World};
/// use futures::TryStreamExt;
///
/// # World::new().unsent(NodeId::fake(1), 3).block_on(async {
/// let mut unsent = orders::stream_unsent(NodeId::fake(1)).await?;
/// let first = unsent.next().await?;
/// # assert!(first.is_some());
/// let rest: Vec<orders::Info> = unsent.try_collect().await?;
/// assert_eq!(rest.len(), 2);
/// # Ok(()) }).unwrap();
/// ```
pub struct Incoming<T, E> {
    items: Option<LocalBoxStream<'static, T>>,
    end: Option<LocalBoxFuture<'static, Result<(), E>>>,
}

impl<T, E> Incoming<T, E> {
    pub(crate) fn new(
        items: LocalBoxStream<'static, T>,
        end: LocalBoxFuture<'static, Result<(), E>>,
    ) -> Incoming<T, E> {
        Incoming { items: Some(items), end: Some(end) }
    }

    /// The next item; `None` when they ended well.
    ///
    /// # Errors
    ///
    /// What ended the items early. The items before it count.
    pub async fn next(&mut self) -> Result<Option<T>, E> {
        std::future::poll_fn(|cx| self.poll_item(cx)).await.transpose()
    }

    pub(crate) fn poll_item(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, E>>> {
        if let Some(items) = &mut self.items {
            if let Some(item) = ready!(items.as_mut().poll_next(cx)) {
                return Poll::Ready(Some(Ok(item)));
            }
            self.items = None;
        }
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        let ended = ready!(end.as_mut().poll(cx));
        self.end = None;
        Poll::Ready(ended.err().map(Err))
    }
}

impl<T, E> Stream for Incoming<T, E> {
    type Item = Result<T, E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt};

    use super::*;

    #[test]
    fn items_then_the_end_then_nothing() {
        for (end, wanted) in
            [(Ok(()), vec![Ok(1), Ok(2)]), (Err("cut"), vec![Ok(1), Ok(2), Err("cut")])]
        {
            let items = futures::stream::iter([1, 2]).boxed_local();
            let incoming = Incoming::new(items, futures::future::ready(end).boxed_local());
            assert_eq!(incoming.collect::<Vec<_>>().now_or_never(), Some(wanted));
        }
    }
}
