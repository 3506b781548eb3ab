//! The stream of events from the other end: from lines of server-sent events to what happened.

use futures::StreamExt;
use futures::stream::{BoxStream, unfold};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Client, ClientError, Question, refused};
use crate::limits::{CONTROL_TIMEOUT, EVENT_BYTES_MAX, EVENT_SILENCE_MAX};
use crate::news::Event;

/// What happens, until the peer closes; an error is the last item.
pub type Events = BoxStream<'static, Result<Event, ClientError>>;

const OPERATION: &str = "events";

impl Client {
    /// What happens from here on, to one chore, to those that fit a pattern, or to all.
    pub async fn events(mut self, chore: Option<&str>) -> Result<Events, ClientError> {
        let mut path = Question::new("/events");
        path.add("chore", chore);
        let sent = self.send(Method::GET, &path.0, None, OPERATION);
        let response = match timeout(CONTROL_TIMEOUT, sent).await {
            Ok(response) => response?,
            Err(_) => return Err(silent(CONTROL_TIMEOUT)),
        };
        let status = response.status();
        if !status.is_success() {
            let body = response.into_body().collect().await;
            let body = body.map_err(broken)?.to_bytes();
            return Err(refused(status, &body));
        }
        // The connection is driven as long as the client is there.
        let reader = Reader { body: response.into_body(), _client: self, lines: Lines::default() };
        let next = async |reader: Option<Reader>| {
            let mut reader = reader?;
            match reader.next().await {
                Ok(event) => event.map(|event| (Ok(event), Some(reader))),
                Err(err) => Some((Err(err), None)),
            }
        };
        Ok(unfold(Some(reader), next).boxed())
    }
}

fn broken(source: hyper::Error) -> ClientError {
    ClientError::Broken { operation: OPERATION.to_owned(), source }
}

fn silent(after: std::time::Duration) -> ClientError {
    ClientError::Silent { operation: OPERATION.to_owned(), after }
}

struct Reader {
    body: Incoming,
    lines: Lines,
    _client: Client,
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        let wrong = |reason: &str| ClientError::Answer {
            operation: OPERATION.to_owned(),
            source: reason.into(),
        };
        loop {
            if let Some((name, data)) = self.lines.take() {
                match event(&name, &data) {
                    Some(event) => return Ok(Some(event)),
                    // A later version of the peer may tell more.
                    None => continue,
                }
            }
            if self.lines.bytes.len() > EVENT_BYTES_MAX {
                return Err(wrong("an event is too large"));
            }
            // The peer shows that it is there when it has nothing to say.
            match timeout(EVENT_SILENCE_MAX, self.body.frame()).await {
                Err(_) => return Err(silent(EVENT_SILENCE_MAX)),
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => {
                    if let Ok(data) = frame.map_err(broken)?.into_data() {
                        self.lines.bytes.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

fn event(name: &str, data: &str) -> Option<Event> {
    let data: Value = serde_json::from_str(data).ok()?;
    serde_json::from_value(json!({ "event": name, "data": data })).ok()
}

/// What has come and is not read yet.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    name: String,
    data: String,
}

impl Lines {
    /// The next event that is whole: its name and data.
    fn take(&mut self) -> Option<(String, String)> {
        while let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.bytes.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\n', '\r']);
            if line.is_empty() {
                let event = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
                if !event.1.is_empty() {
                    return Some(event);
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => self.name = value.to_owned(),
                "data" => self.data.push_str(value),
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let text = ": hello\n\nid: 1-2\nevent: log\ndata: {\"a\":\ndata: 1}\r\n\r\n:\n\ndata:x\n\n";
        for size in 1..text.len() {
            let (mut lines, mut all) = (Lines::default(), Vec::new());
            for part in text.as_bytes().chunks(size) {
                lines.bytes.extend_from_slice(part);
                while let Some(event) = lines.take() {
                    all.push(event);
                }
            }
            let expected = [("log".into(), "{\"a\":1}".into()), (String::new(), "x".into())];
            assert_eq!(all, expected, "{size}");
        }
    }
}
