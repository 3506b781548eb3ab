//! The messages that a call sends, which can be stopped from the side that reads its answers. It
//! knows no connection.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::Status;

use super::codec::Message;

/// Ends with an error, which resets the HTTP/2 stream, when it is stopped or when a message is too
/// large. To end as if complete would make the other side take half a stream for a whole one.
pub(super) struct Requests {
    messages: Pin<Box<dyn Stream<Item = Vec<u8>> + Send>>,
    message_bytes_max: usize,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Says why the messages ended early; dropped with them.
    fault: Option<oneshot::Sender<Status>>,
    ended: bool,
}

/// Held by who reads the answers. Stops the requests when it is dropped.
pub(super) struct Control {
    stop: CancellationToken,
    fault: oneshot::Receiver<Status>,
    over: bool,
}

pub(super) fn controlled(
    messages: impl Stream<Item = Vec<u8>> + Send + 'static,
    message_bytes_max: usize,
) -> (Requests, Control) {
    let stop = CancellationToken::new();
    let (sender, fault) = oneshot::channel();
    let requests = Requests {
        messages: Box::pin(messages),
        message_bytes_max,
        stopped: Box::pin(stop.clone().cancelled_owned()),
        fault: Some(sender),
        ended: false,
    };
    (requests, Control { stop, fault, over: false })
}

impl Stream for Requests {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if self.stopped.as_mut().poll(cx).is_ready() {
            self.ended = true;
            return Poll::Ready(Some(Err(Status::cancelled("the call is over"))));
        }
        let Some(message) = std::task::ready!(self.messages.as_mut().poll_next(cx)) else {
            self.ended = true;
            return Poll::Ready(None);
        };
        if message.len() <= self.message_bytes_max {
            return Poll::Ready(Some(Ok(message)));
        }
        self.ended = true;
        let fault = too_large(message.len(), self.message_bytes_max);
        if let Some(sender) = self.fault.take() {
            // Nobody reads the answers any more.
            let _ = sender.send(fault.clone());
        }
        Poll::Ready(Some(Err(fault)))
    }
}

pub(super) fn too_large(bytes: usize, bytes_max: usize) -> Status {
    let message = format!("a message has {bytes} bytes, more than the {bytes_max} that are sent");
    Status::resource_exhausted(message)
}

impl Control {
    /// Why the requests ended early, if they did.
    pub(super) fn poll_fault(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        if self.over {
            return Poll::Pending;
        }
        match Pin::new(&mut self.fault).poll(cx) {
            Poll::Ready(fault) => {
                self.over = true;
                fault.map_or(Poll::Pending, Poll::Ready)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether the requests are gone, and nothing holds them back.
    pub(super) fn is_over(&mut self) -> bool {
        use oneshot::error::TryRecvError::Empty;
        self.over = self.over || !matches!(self.fault.try_recv(), Err(Empty));
        self.over
    }

    /// Waits until the requests are gone.
    pub(super) async fn over(mut self) {
        if !self.over {
            // Either way they are.
            let _ = (&mut self.fault).await;
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
