//! Streams that end at their deadline, and the header that tells the other side.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use http::HeaderMap;
use tokio::time::{Instant, Sleep};
use tonic::Status;

use crate::limits::CALL_TIMEOUT_MAX;

/// How a client says how long it will wait, as gRPC defines it.
const HEADER: &str = "grpc-timeout";

/// Digits that a timeout may have, as gRPC defines it.
const DIGITS_MAX: usize = 8;

/// What a client will wait, at most [`CALL_TIMEOUT_MAX`], which is also for those who do not say.
/// Fails with `InvalidArgument`.
pub(super) fn of_call(headers: &HeaderMap) -> Result<Duration, Status> {
    let Some(value) = headers.get(HEADER) else {
        return Ok(CALL_TIMEOUT_MAX);
    };
    let parsed = value.to_str().ok().and_then(parse);
    let timeout =
        parsed.ok_or_else(|| Status::invalid_argument("the grpc-timeout is malformed"))?;
    Ok(timeout.min(CALL_TIMEOUT_MAX))
}

fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

pub(super) fn exceeded(method: &str, timeout: Duration) -> Status {
    let timeout = humantime::format_duration(timeout);
    Status::deadline_exceeded(format!("call {method}: not finished within {timeout}"))
}

/// The items of a stream until its end, its first error, or its deadline, whichever is first. Then
/// the stream is dropped, not only left.
pub(super) struct Timed<S> {
    stream: Option<S>,
    sleep: Pin<Box<Sleep>>,
    exceeded: Status,
}

impl<S> Timed<S> {
    pub(super) fn new(stream: S, deadline: Instant, exceeded: Status) -> Timed<S> {
        let sleep = Box::pin(tokio::time::sleep_until(deadline));
        Timed { stream: Some(stream), sleep, exceeded }
    }
}

impl<S, T> Stream for Timed<S>
where
    S: Stream<Item = Result<T, Status>> + Unpin,
{
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        let item = stream.poll_next_unpin(cx);
        let late = match &item {
            Poll::Ready(None) => false,
            // A stream that is always ready lets no timer fire, so the clock is asked.
            Poll::Ready(Some(_)) => Instant::now() >= self.sleep.deadline(),
            Poll::Pending => self.sleep.as_mut().poll(cx).is_ready(),
        };
        if late {
            self.stream = None;
            return Poll::Ready(Some(Err(self.exceeded.clone())));
        }
        if matches!(item, Poll::Ready(None | Some(Err(_)))) {
            self.stream = None;
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tonic::Code;

    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let cases = [
            (Some("1H"), Some(Duration::from_secs(3600))),
            (Some("2M"), Some(Duration::from_secs(120))),
            (Some("3S"), Some(Duration::from_secs(3))),
            (Some("99999999m"), Some(Duration::from_millis(99_999_999).min(CALL_TIMEOUT_MAX))),
            (Some("5u"), Some(Duration::from_micros(5))),
            (Some("0n"), Some(Duration::ZERO)),
            (Some("99999999H"), Some(CALL_TIMEOUT_MAX)),
            (None, Some(CALL_TIMEOUT_MAX)),
            (Some(""), None),
            (Some("S"), None),
            (Some("1"), None),
            (Some("1s"), None),
            (Some("-1S"), None),
            (Some("+1S"), None),
            (Some("123456789S"), None),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(HEADER, value.parse().unwrap());
            }
            assert_eq!(of_call(&headers).ok(), expected, "{value:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, http::HeaderValue::from_bytes(b"\xc3\xa9S").unwrap());
        assert_eq!(of_call(&headers).unwrap_err().code(), Code::InvalidArgument);
    }

    const TIMEOUT: Duration = Duration::from_millis(50);

    async fn codes(
        stream: impl Stream<Item = Result<u8, Status>> + Unpin,
    ) -> Vec<Result<u8, Code>> {
        let timed = Timed::new(stream, Instant::now() + TIMEOUT, exceeded("/a/b", TIMEOUT));
        timed.map(|item| item.map_err(|status| status.code())).collect().await
    }

    #[tokio::test]
    async fn a_stream_ends_once_by_end_error_or_deadline() {
        let two = || stream::iter([Ok(1), Ok(2)]);
        let failing = stream::iter([Ok(1), Err(Status::aborted("")), Ok(3)]);
        let late = Err(Code::DeadlineExceeded);
        assert_eq!(codes(two()).await, [Ok(1), Ok(2)]);
        assert_eq!(codes(two().chain(stream::pending())).await, [Ok(1), Ok(2), late]);
        assert_eq!(codes(failing).await, [Ok(1), Err(Code::Aborted)]);
    }

    #[tokio::test]
    async fn a_stream_that_is_always_ready_ends_too() {
        let items = codes(stream::repeat_with(|| Ok(7))).await;
        assert_eq!(items.last(), Some(&Err(Code::DeadlineExceeded)));
    }
}
