//! Serves the panel with as much of the API as its script needs, until the peer serves both itself.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chore_host::clock::Timestamp;
use chore_host::control::{Command, Controls};
use chore_host::panel;
use chore_host::peer::{ControlError, Handle};
use chore_host::status::Actor;
use chore_host::units::parse_duration;
use futures::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// What whoever changes something has to know.
pub const TOKEN: &str = "a-token-of-this-test";

/// What a run in progress logs.
const LINE: &str = "INFO <b id=evil>live</b>";

/// Between two looks for news.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A server that ends when it is dropped.
pub struct StandIn {
    pub address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

/// With or without events.
pub async fn serve(handle: Handle, with_events: bool) -> StandIn {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut api = Router::new().route("/api/v1/chores/{name}/{word}", post(act));
    if with_events {
        api = api.route("/api/v1/events", get(events));
    }
    let router = panel::router(handle.clone()).merge(api.with_state(handle));
    begin(listener, router)
}

/// Only the pages.
pub async fn serve_pages(controls: impl Controls) -> StandIn {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    begin(listener, panel::router(controls))
}

fn begin(listener: TcpListener, router: Router) -> StandIn {
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    StandIn { address, _task: AbortOnDropHandle::new(task) }
}

async fn act(
    State(handle): State<Handle>,
    Path((name, word)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(&format!("Bearer {TOKEN}")) {
        return problem(StatusCode::UNAUTHORIZED, "the token is not one of this peer");
    }
    // As a peer checks it, so that no other page drives it.
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let own = format!("http://{}", header("host").unwrap_or_default());
    if header("origin").is_some_and(|origin| origin != own) {
        return problem(StatusCode::FORBIDDEN, "another origin");
    }
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    let cycle = body["cycle"].as_str();
    let handle = handle.acting(Actor { by: text("by"), note: text("note") });
    let done = match word.as_str() {
        "trigger" => handle.trigger(&name, cycle, false).await.map(drop),
        "pause" => {
            let until = parse_duration(&text("for")).ok().map(|long| Timestamp::now().plus(long));
            Controls::command(&handle, Command::Pause { until }, &name, cycle).await
        }
        "restart" => handle.restart(&name, cycle).await,
        "cancel" => handle.cancel(&name, cycle).await,
        "interval" => match text("interval").parse() {
            Ok(interval) => handle.change_interval(&name, cycle, interval).await,
            Err(err) => {
                let err: chore_host::cycle::Error = err;
                return problem(StatusCode::BAD_REQUEST, &err.to_string());
            }
        },
        "reload" => {
            let force = body["force"].as_bool().unwrap_or_default();
            handle.reload(Some(&name), force).await.map(drop)
        }
        "unload" => handle.unload(&name).await.map(drop),
        "load" => handle.load(&name).await.map(drop),
        "go-back" => handle.go_back(&name).await.map(drop),
        _ => return problem(StatusCode::NOT_FOUND, "no such route"),
    };
    match done {
        Ok(()) => Json(json!([{ "chore": name }])).into_response(),
        Err(err @ ControlError::UnknownChore { .. }) => {
            problem(StatusCode::NOT_FOUND, &err.to_string())
        }
        Err(err) => problem(StatusCode::CONFLICT, &err.to_string()),
    }
}

fn problem(code: StatusCode, detail: &str) -> Response {
    let body = json!({ "status": code.as_u16(), "detail": detail }).to_string();
    (code, [(CONTENT_TYPE, "application/problem+json")], body).into_response()
}

/// One event whenever the status has changed.
async fn events(
    State(handle): State<Handle>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let before = handle.status();
    // As one of a run in progress, which the ledger does not have yet.
    let line = json!({ "cycle": "main", "run": u32::MAX, "line": LINE }).to_string();
    let log = stream::once(async { Ok(Event::default().event("log").data(line)) });
    Sse::new(log.chain(stream::unfold((handle, before), |(handle, before)| async move {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = handle.status();
            if now != before {
                return Some((Ok(Event::default().event("run").data("{}")), (handle, now)));
            }
        }
    })))
}
