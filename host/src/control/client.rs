//! The control socket from the other end: one typed method for each route, each with a deadline.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::Command;
use super::routes::ErrorBody;
use crate::limits::{
    CONTROL_ANSWER_BYTES_MAX, CONTROL_TIMEOUT, CONTROL_TRIGGER_TIMEOUT, RELOAD_TIMEOUT,
    SOCKET_PATH_BYTES_MAX,
};
use crate::peer::Home;
use crate::record::{Entry, Query, RunRecord};
use crate::status::{Actor, Change, PeerStatus, Triggered};
use crate::why::{Moment, Why};

/// How much of an answer that is not ours an error repeats, in characters.
const QUOTE_CHARS_MAX: usize = 200;

#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "no peer is running in {}: start it with `chore --home {} run`", .0.display(), .0.display()
    )]
    NotRunning(PathBuf),
    #[error(
        "control socket {} has a path of {} bytes, and the system allows {SOCKET_PATH_BYTES_MAX}: \
         choose a shorter home", .0.display(), .0.as_os_str().len()
    )]
    PathTooLong(PathBuf),
    #[error("connect to control socket {}", .path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("{operation}: the peer gave no answer within {}", humantime::format_duration(*.after))]
    Silent { operation: String, after: Duration },
    #[error("{operation}: the connection to the peer broke")]
    Broken { operation: String, source: hyper::Error },
    #[error("{operation}: read the peer's answer")]
    Answer { operation: String, source: Box<dyn std::error::Error + Send + Sync> },
    /// The peer said no, in its own words.
    #[error("{message}")]
    Refused { status: u16, message: String },
}

/// A connection to the peer of one home.
pub struct Client {
    requests: SendRequest<Empty<Bytes>>,
    actor: Actor,
    _driver: AbortOnDropHandle<()>,
}

impl Client {
    /// Fails if no peer runs in `home`.
    pub async fn connect(home: &Home) -> Result<Client, ClientError> {
        let path = home.socket();
        if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            return Err(ClientError::PathTooLong(path));
        }
        let operation = || "connect".to_owned();
        let silent = || ClientError::Silent { operation: operation(), after: CONTROL_TIMEOUT };
        let stream = match timeout(CONTROL_TIMEOUT, UnixStream::connect(&path)).await {
            Err(_) => return Err(silent()),
            Ok(Ok(stream)) => stream,
            Ok(Err(err)) if is_dead(&err) => {
                return Err(ClientError::NotRunning(home.root().to_path_buf()));
            }
            Ok(Err(source)) => return Err(ClientError::Connect { path, source }),
        };
        let (requests, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| ClientError::Broken { operation: operation(), source })?;
        // Whatever breaks the connection also fails the request, which reports it.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Client { requests, actor: Actor::default(), _driver: AbortOnDropHandle::new(driver) })
    }

    /// From here on, in the name of `actor`.
    pub fn act(mut self, actor: Actor) -> Client {
        self.actor = actor;
        self
    }

    pub async fn status(&mut self) -> Result<PeerStatus, ClientError> {
        let body = self.request(Method::GET, "/status", CONTROL_TIMEOUT, "status").await?;
        parse("status", &body)
    }

    /// Prometheus text.
    pub async fn metrics(&mut self) -> Result<String, ClientError> {
        let body = self.request(Method::GET, "/metrics", CONTROL_TIMEOUT, "metrics").await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// What the ledger has, the newest first.
    pub async fn history(&mut self, query: &Query) -> Result<Vec<Entry>, ClientError> {
        let mut path = Question::new("/history");
        path.add("chore", query.chore.as_deref());
        path.add("cycle", query.cycle.as_deref());
        path.add("before", query.before.map(|time| time.as_nanos()));
        path.add("outcome", query.outcome.as_deref());
        path.add("runs", query.runs.then_some(true));
        path.add("events", query.events.then_some(true));
        path.add("limit", Some(query.limit));
        let body = self.request(Method::GET, &path.0, CONTROL_TIMEOUT, "history").await?;
        parse("history", &body)
    }

    pub async fn run(&mut self, run: u64) -> Result<RunRecord, ClientError> {
        let (path, operation) = (format!("/runs/{run}"), format!("run {run}"));
        let body = self.request(Method::GET, &path, CONTROL_TIMEOUT, &operation).await?;
        parse(&operation, &body)
    }

    pub async fn why(
        &mut self,
        chore: &str,
        cycle: Option<&str>,
        moment: Option<Moment>,
    ) -> Result<Why, ClientError> {
        let mut path = Question::of(chore, "why");
        path.add("cycle", cycle);
        path.add("from", moment.map(|moment| moment.from.as_nanos()));
        path.add("to", moment.map(|moment| moment.to.as_nanos()));
        let operation = format!("why {chore}");
        let body = self.request(Method::GET, &path.0, CONTROL_TIMEOUT, &operation).await?;
        parse(&operation, &body)
    }

    /// Answers when the run begins, or with `wait` when it has ended; at most a day later.
    pub async fn trigger(
        &mut self,
        chore: &str,
        cycle: Option<&str>,
        wait: bool,
    ) -> Result<Triggered, ClientError> {
        let operation = format!("trigger {chore}");
        let mut path = self.post(chore, "trigger");
        path.add("cycle", cycle);
        path.add("wait", wait.then_some(true));
        let body = self.request(Method::POST, &path.0, CONTROL_TRIGGER_TIMEOUT, &operation).await?;
        parse(&operation, &body)
    }

    /// Of one cycle, or of all cycles of a chore.
    pub async fn command(
        &mut self,
        command: Command,
        chore: &str,
        cycle: Option<&str>,
    ) -> Result<(), ClientError> {
        let operation = format!("{} {chore}", command.word());
        let mut path = self.post(chore, command.word());
        path.add("cycle", cycle);
        match command {
            Command::Pause { until } => path.add("until", until.map(|until| until.as_nanos())),
            Command::Interval(interval) => path.add("interval", Some(interval)),
            Command::Restart | Command::Cancel => {}
        }
        self.request(Method::POST, &path.0, CONTROL_TIMEOUT, &operation).await.map(drop)
    }

    /// Of one chore, or of all.
    pub async fn reload(
        &mut self,
        chore: Option<&str>,
        force: bool,
    ) -> Result<Vec<Change>, ClientError> {
        let (mut path, operation) = match chore {
            Some(chore) => (self.post(chore, "reload"), format!("reload {chore}")),
            None => (self.acting(Question::new("/reload")), "reload".to_owned()),
        };
        path.add("force", force.then_some(true));
        self.change(&path.0, &operation).await
    }

    pub async fn unload(&mut self, chore: &str) -> Result<Vec<Change>, ClientError> {
        self.change(&self.post(chore, "unload").0, &format!("unload {chore}")).await
    }

    pub async fn load(&mut self, chore: &str) -> Result<Vec<Change>, ClientError> {
        self.change(&self.post(chore, "load").0, &format!("load {chore}")).await
    }

    pub async fn go_back(&mut self, chore: &str) -> Result<Vec<Change>, ClientError> {
        self.change(&self.post(chore, "go-back").0, &format!("go back {chore}")).await
    }

    fn post(&self, chore: &str, word: &str) -> Question {
        self.acting(Question::of(chore, word))
    }

    fn acting(&self, mut path: Question) -> Question {
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        path.add("by", said(&self.actor.by));
        path.add("note", said(&self.actor.note));
        path
    }

    async fn change(&mut self, path: &str, operation: &str) -> Result<Vec<Change>, ClientError> {
        let body = self.request(Method::POST, path, RELOAD_TIMEOUT, operation).await?;
        parse(operation, &body)
    }

    async fn request(
        &mut self,
        method: Method,
        path: &str,
        within: Duration,
        operation: &str,
    ) -> Result<Bytes, ClientError> {
        let operation = || operation.to_owned();
        match timeout(within, self.exchange(method, path, &operation)).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Silent { operation: operation(), after: within }),
        }
    }

    async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        operation: &impl Fn() -> String,
    ) -> Result<Bytes, ClientError> {
        let broken = |source| ClientError::Broken { operation: operation(), source };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(hyper::header::HOST, "peer")
            .body(Empty::new())
            .map_err(|err| ClientError::Answer { operation: operation(), source: err.into() })?;
        self.requests.ready().await.map_err(broken)?;
        let response = self.requests.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), CONTROL_ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|source| ClientError::Answer { operation: operation(), source })?
            .to_bytes();
        if status.is_success() { Ok(body) } else { Err(refused(status, &body)) }
    }
}

/// A socket that is missing, or that nobody listens to any more.
fn is_dead(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn refused(status: StatusCode, body: &[u8]) -> ClientError {
    let message = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => body.error,
        Err(_) => {
            let text: String =
                String::from_utf8_lossy(body).chars().take(QUOTE_CHARS_MAX).collect();
            format!("the peer answered {status}: {text:?}")
        }
    };
    ClientError::Refused { status: status.as_u16(), message }
}

fn parse<T: DeserializeOwned>(operation: &str, body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body)
        .map_err(|err| ClientError::Answer { operation: operation.to_owned(), source: err.into() })
}

/// A path and what stands after its `?`. Names come from a command line and may be anything.
struct Question(String);

impl Question {
    fn new(path: &str) -> Question {
        Question(path.to_owned())
    }

    fn of(chore: &str, word: &str) -> Question {
        Question(format!("/chores/{}/{word}", encode(chore)))
    }

    fn add(&mut self, key: &str, value: Option<impl ToString>) {
        let Some(value) = value else { return };
        let mark = if self.0.contains('?') { '&' } else { '?' };
        self.0.push_str(&format!("{mark}{key}={}", encode(&value.to_string())));
    }
}

/// Percent-encodes all but the characters that RFC 3986 calls unreserved. A segment of dots would
/// be a path of its own, so dots are encoded too.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
