//! The control socket from the other end: one typed method for each route, each with a deadline.

mod events;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::Control;
use super::asked::{Asked, Kind};
use super::routes::API;
use crate::clock::Timestamp;
use crate::limits::{
    CONTROL_ANSWER_BYTES_MAX, CONTROL_TIMEOUT, CONTROL_TRIGGER_TIMEOUT, RELOAD_TIMEOUT,
    SOCKET_PATH_BYTES_MAX,
};
use crate::log_gate::Wish;
use crate::peer::Home;
use crate::record::{Page, Query, RunRecord};
use crate::status::{Actor, ChoreDetail, ChoreStatus, Controlled, PeerStatus, Problem};
use crate::why::{Moment, Why};

pub use events::Events;

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
    #[error("{}", .0.detail)]
    Refused(Problem),
}

/// A connection to the peer of one home.
pub struct Client {
    requests: SendRequest<Full<Bytes>>,
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

    /// The peer with its chores.
    pub async fn status(&mut self) -> Result<PeerStatus, ClientError> {
        let peer: PeerStatus = self.get(Question::new("/peer"), "status").await?;
        Ok(PeerStatus { chores: self.chores().await?, ..peer })
    }

    pub async fn chores(&mut self) -> Result<Vec<ChoreStatus>, ClientError> {
        self.get(Question::new("/chores"), "list chores").await
    }

    /// One chore in full.
    pub async fn chore(&mut self, chore: &str) -> Result<ChoreDetail, ClientError> {
        self.get(Question::of(chore), &format!("status {chore}")).await
    }

    /// Prometheus text.
    pub async fn metrics(&mut self) -> Result<String, ClientError> {
        let body = self.request(Method::GET, "/metrics", None, CONTROL_TIMEOUT, "metrics").await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// What the ledger has, the newest first.
    pub async fn history(&mut self, query: &Query) -> Result<Page, ClientError> {
        let mut path = Question::new("/history");
        path.add("chore", query.chore.as_deref());
        path.add("cycle", query.cycle.as_deref());
        path.add("before", query.before.map(String::from));
        path.add("outcome", query.outcome.as_deref());
        path.add("runs", query.runs.then_some(true));
        path.add("events", query.events.then_some(true));
        path.add("limit", Some(query.limit));
        self.get(path, "history").await
    }

    pub async fn run(&mut self, run: u64) -> Result<RunRecord, ClientError> {
        self.get(Question::new(&format!("/runs/{run}")), &format!("run {run}")).await
    }

    pub async fn why(
        &mut self,
        chore: &str,
        cycle: Option<&str>,
        moment: Option<Moment>,
    ) -> Result<Why, ClientError> {
        let mut path = Question::of(chore).then("why");
        path.add("cycle", cycle);
        path.add("at", moment.map(|moment| rfc3339(moment.from)));
        path.add("to", moment.map(|moment| rfc3339(moment.to)));
        self.get(path, &format!("why {chore}")).await
    }

    /// One chore, or all whose names fit a pattern, such as `order-*`; of one cycle, or of what the
    /// control means without one. A trigger that waits is answered at most a day later.
    pub async fn control(
        &mut self,
        chore: &str,
        control: Control,
        cycle: Option<&str>,
    ) -> Result<Vec<Controlled>, ClientError> {
        let within = match control.kind() {
            Kind::Trigger => CONTROL_TRIGGER_TIMEOUT,
            Kind::Reload | Kind::Unload | Kind::Load | Kind::GoBack => RELOAD_TIMEOUT,
            Kind::Pause | Kind::Restart | Kind::Cancel | Kind::Interval | Kind::LogLevel => {
                CONTROL_TIMEOUT
            }
        };
        let path = Question::of(chore).then(control.word());
        let operation = format!("{} {chore}", control.word());
        self.post(path, control, cycle, within, &operation).await
    }

    /// Looks at the whole directory: what has changed is answered, also chores that are new.
    pub async fn reload(&mut self, force: bool) -> Result<Vec<Controlled>, ClientError> {
        let control = Control::Reload { force };
        self.post(Question::new("/reload"), control, None, RELOAD_TIMEOUT, "reload").await
    }

    /// Of the peer, and of the chores that have no level of their own. `None`: what the config says.
    pub async fn log_level(&mut self, wish: Option<Wish>) -> Result<Vec<Controlled>, ClientError> {
        let (path, control) = (Question::new("/log-level"), Control::LogLevel(wish));
        self.post(path, control, None, CONTROL_TIMEOUT, "log level of the peer").await
    }

    async fn get<T: DeserializeOwned>(
        &mut self,
        path: Question,
        operation: &str,
    ) -> Result<T, ClientError> {
        let body = self.request(Method::GET, &path.0, None, CONTROL_TIMEOUT, operation).await?;
        parse(operation, &body)
    }

    async fn post(
        &mut self,
        path: Question,
        control: Control,
        cycle: Option<&str>,
        within: Duration,
        operation: &str,
    ) -> Result<Vec<Controlled>, ClientError> {
        let (cycle, actor) = (cycle.map(str::to_owned), self.actor.clone());
        let body = Asked { control, cycle, actor }.body().to_string();
        let body = self.request(Method::POST, &path.0, Some(body), within, operation).await?;
        parse(operation, &body)
    }

    async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
        within: Duration,
        operation: &str,
    ) -> Result<Bytes, ClientError> {
        let exchange = async {
            let response = self.send(method, path, body, operation).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), CONTROL_ANSWER_BYTES_MAX)
                .collect()
                .await
                .map_err(|source| ClientError::Answer { operation: operation.into(), source })?
                .to_bytes();
            if status.is_success() { Ok(body) } else { Err(refused(status, &body)) }
        };
        match timeout(within, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Silent { operation: operation.to_owned(), after: within }),
        }
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Option<String>,
        operation: &str,
    ) -> Result<Response<Incoming>, ClientError> {
        let operation = || operation.to_owned();
        let broken = |source| ClientError::Broken { operation: operation(), source };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "peer")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body.unwrap_or_default()))
            .map_err(|err| ClientError::Answer { operation: operation(), source: err.into() })?;
        self.requests.ready().await.map_err(broken)?;
        self.requests.send_request(request).await.map_err(broken)
    }
}

/// A socket that is missing, or that nobody listens to any more.
fn is_dead(err: &io::Error) -> bool {
    matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn refused(status: StatusCode, body: &[u8]) -> ClientError {
    ClientError::Refused(serde_json::from_slice(body).unwrap_or_else(|_| {
        let text: String = String::from_utf8_lossy(body).chars().take(QUOTE_CHARS_MAX).collect();
        Problem {
            kind: "about:blank".to_owned(),
            title: status.to_string(),
            status: status.as_u16(),
            detail: format!("the peer answered {status}: {text:?}"),
        }
    }))
}

fn rfc3339(time: Timestamp) -> String {
    humantime::format_rfc3339_nanos(time.max(Timestamp::EPOCH).into()).to_string()
}

fn parse<T: DeserializeOwned>(operation: &str, body: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(body)
        .map_err(|err| ClientError::Answer { operation: operation.to_owned(), source: err.into() })
}

/// A path and what stands after its `?`. Names come from a command line and may be anything.
struct Question(String);

impl Question {
    fn new(path: &str) -> Question {
        Question(format!("{API}{path}"))
    }

    fn of(chore: &str) -> Question {
        Question::new(&format!("/chores/{}", encode(chore)))
    }

    fn then(self, word: &str) -> Question {
        Question(format!("{}/{word}", self.0))
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
