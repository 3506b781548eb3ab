//! Messages as raw bytes, and bodies that do not mistake a reset for an end. It knows no schema.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// A message that goes out; an error in its place resets the stream.
pub(super) type Message = Result<Vec<u8>, Status>;

/// Leaves messages as they are.
#[derive(Clone, Copy)]
pub(super) struct Raw;

impl Codec for Raw {
    type Encode = Message;
    type Decode = Vec<u8>;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Message;
    type Error = Status;

    fn encode(&mut self, item: Message, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item?);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}

/// What the other side sends. hyper shows a body that was reset with `CANCEL` as one that ended;
/// here that is an error, or half a stream would pass for a whole one.
pub(super) struct Received {
    body: hyper::body::Incoming,
    ended: bool,
}

impl Received {
    pub(super) fn new(body: hyper::body::Incoming) -> Received {
        Received { body, ended: false }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                // Trailers are the last there is.
                self.ended = frame.is_trailers();
                Some(Ok(frame))
            }
            Some(Err(err)) => {
                self.ended = true;
                Some(Err(lost(&err)))
            }
            None => {
                self.ended = true;
                let whole = self.body.is_end_stream();
                (!whole).then(|| Err(Status::unavailable("the other side reset the stream")))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The status of a call whose connection or stream broke. It may be tried again.
pub(super) fn lost(err: &hyper::Error) -> Status {
    let mut message = format!("the stream broke: {err}");
    let mut source = std::error::Error::source(err);
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    Status::unavailable(message)
}
