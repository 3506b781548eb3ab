//! The panel: what a browser shows of a peer. Pages are made here, whole, so that they can be read
//! with scripts blocked; a script brings them up to date, and sends what an operator does to the
//! JSON routes below `/api/v1`. It changes nothing itself, and knows no socket and no token.
//!
//! | route | what |
//! |---|---|
//! | `GET /?q=&show=&page=` | all chores, their timeline, what is wrong |
//! | `GET /chores/{name}?cycle=&outcome=&before=&page=` | one chore and its history |
//! | `GET /runs/{run}` | one run |
//! | `GET /panel/...` | style, script and icon |
//!
//! Whatever comes from a chore or a person is escaped by `maud`, and the policy below would run no
//! script of theirs anyhow.

mod actions;
mod chore;
mod history;
mod layout;
mod look;
mod overview;
mod plot;
mod run;
#[cfg(test)]
mod tests;
mod words;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query as Asked, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::Markup;

use crate::clock::Timestamp;
use crate::control::Controls;
use crate::error;
use crate::peer::ControlError;

/// Nothing but what this room serves: no script or style in the page, no other origin, no frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("panel/panel.css");
const SCRIPT: &str = include_str!("panel/panel.js");
const ICON: &str = include_str!("panel/icon.svg");

/// The pages of one peer, to be merged with the routes of its API.
pub fn router<C: Controls>(controls: C) -> Router {
    Router::new()
        .route("/", get(overview::<C>))
        .route("/chores/{name}", get(chore::<C>))
        .route("/runs/{run}", get(run::<C>))
        .route("/panel/panel.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/panel/panel.js", get(|| asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/panel/icon.svg", get(|| asset("image/svg+xml", ICON)))
        .with_state(controls)
}

async fn overview<C: Controls>(
    State(controls): State<C>,
    asked: Result<Asked<overview::Asked>, QueryRejection>,
) -> Response {
    let now = Timestamp::now();
    let found = match asked {
        Ok(Asked(asked)) => overview::page(&controls, &asked, now).await.map_err(Refusal::from),
        Err(err) => Err(Refusal(err.status(), err.body_text())),
    };
    answer(&controls, now, found)
}

async fn chore<C: Controls>(
    State(controls): State<C>,
    name: Result<Path<String>, PathRejection>,
    asked: Result<Asked<chore::Asked>, QueryRejection>,
) -> Response {
    let now = Timestamp::now();
    let found = match (name, asked) {
        (Ok(Path(name)), Ok(Asked(asked))) => {
            chore::page(&controls, &name, &asked, now).await.map_err(Refusal::from)
        }
        (Err(err), _) => Err(Refusal(err.status(), err.body_text())),
        (_, Err(err)) => Err(Refusal(err.status(), err.body_text())),
    };
    answer(&controls, now, found)
}

async fn run<C: Controls>(
    State(controls): State<C>,
    run: Result<Path<u64>, PathRejection>,
) -> Response {
    let now = Timestamp::now();
    let found = match run {
        Ok(Path(run)) => run::page(&controls, run, now).await.map_err(Refusal::from),
        Err(err) => Err(Refusal(err.status(), err.body_text())),
    };
    answer(&controls, now, found)
}

/// What a page is made of, before the frame that all have.
struct Page {
    title: String,
    /// Of which chore, for its events.
    chore: Option<String>,
    main: Markup,
}

/// Why there is no page.
struct Refusal(StatusCode, String);

impl From<ControlError> for Refusal {
    fn from(err: ControlError) -> Refusal {
        let code = match err {
            ControlError::UnknownChore { .. }
            | ControlError::UnknownCycle { .. }
            | ControlError::UnknownRun(_) => StatusCode::NOT_FOUND,
            ControlError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal(code, error::chain(&err))
    }
}

fn answer<C: Controls>(controls: &C, now: Timestamp, found: Result<Page, Refusal>) -> Response {
    let (code, page) = match found {
        Ok(page) => (StatusCode::OK, page),
        Err(Refusal(code, why)) => (code, layout::refusal(code.is_server_error(), &why)),
    };
    let html = layout::frame(&controls.status(), &page, now).into_string();
    guarded((code, [(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-store")], html))
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    // A newer peer has newer ones under the same address.
    guarded(([(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")], text))
}

/// With what a browser must know to be strict.
fn guarded(answer: impl IntoResponse) -> Response {
    let mut answer = answer.into_response();
    let headers = answer.headers_mut();
    let mut set = |name: HeaderName, value| headers.insert(name, HeaderValue::from_static(value));
    set(CONTENT_SECURITY_POLICY, POLICY);
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    // With "no-referrer", a browser may send no origin either, which the API wants to know.
    set(REFERRER_POLICY, "same-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    answer
}
