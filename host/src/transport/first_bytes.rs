//! A connection that tells when the other side first spoke. It knows no protocol.
//!
//! In TLS 1.3 a client is done with its handshake before the server has judged its certificate, so
//! only the first bytes prove that it was taken. And a server must not wait for a client that never
//! says anything after the handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

pub(super) struct FirstBytes<T> {
    inner: T,
    signal: Option<oneshot::Sender<io::Result<()>>>,
}

impl<T> FirstBytes<T> {
    /// The receiver gets `Ok` with the first bytes, or the error that came instead.
    pub(super) fn new(inner: T) -> (FirstBytes<T>, oneshot::Receiver<io::Result<()>>) {
        let (signal, first) = oneshot::channel();
        (FirstBytes { inner, signal: Some(signal) }, first)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FirstBytes<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, buffer));
        if let Some(signal) = self.signal.take() {
            let first = match &read {
                Ok(()) if buffer.filled().len() > before => Ok(()),
                Ok(()) => Err(io::ErrorKind::UnexpectedEof.into()),
                // The error itself goes to the reader.
                Err(err) => Err(io::Error::new(err.kind(), err.to_string())),
            };
            // Nobody waits any more when the receiver is gone.
            let _ = signal.send(first);
        }
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FirstBytes<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
