//! The routes of the control socket: each hands one request to the peer and its answer back. They
//! know no socket.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Command, Controls};
use crate::clock::Timestamp;
use crate::cycle::Interval;
use crate::error::chain;
use crate::name::cut;
use crate::peer::ControlError;
use crate::record::{Entry, Query, RunRecord};
use crate::status::{Actor, Change};
use crate::why::{Moment, Why};

pub(super) fn router<C: Controls>(controls: C) -> Router {
    Router::new()
        .route("/status", get(status::<C>))
        .route("/metrics", get(metrics::<C>))
        .route("/history", get(history::<C>))
        .route("/runs/{run}", get(run::<C>))
        .route("/chores/{name}/why", get(why::<C>))
        .route("/chores/{name}/trigger", post(trigger::<C>))
        .route("/chores/{name}/pause", post(pause::<C>))
        .route("/chores/{name}/restart", post(restart::<C>))
        .route("/chores/{name}/cancel", post(cancel::<C>))
        .route("/chores/{name}/interval", post(interval::<C>))
        .route("/reload", post(reload_all::<C>))
        .route("/chores/{name}/reload", post(reload::<C>))
        .route("/chores/{name}/unload", post(unload::<C>))
        .route("/chores/{name}/load", post(load::<C>))
        .route("/chores/{name}/go-back", post(go_back::<C>))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .with_state(controls)
}

type Name = Result<Path<String>, PathRejection>;
type Asked<T> = Result<axum::extract::Query<T>, QueryRejection>;

/// Without a name, it is somebody who may open the socket.
fn actor(by: &str, note: &str) -> Actor {
    let by = if by.is_empty() { "the owner of the peer" } else { by };
    Actor { by: cut(by), note: cut(note) }
}

/// What `?` says; anything else in it is a typing error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActorQuery {
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CycleQuery {
    cycle: Option<String>,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerQuery {
    cycle: Option<String>,
    #[serde(default)]
    wait: bool,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PauseQuery {
    cycle: Option<String>,
    until: Option<Timestamp>,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IntervalQuery {
    cycle: Option<String>,
    interval: Interval,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadQuery {
    #[serde(default)]
    force: bool,
    #[serde(default)]
    by: String,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyQuery {
    cycle: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

async fn history<C: Controls>(
    State(controls): State<C>,
    query: Asked<Query>,
) -> Result<Json<Vec<Entry>>, Refusal> {
    Ok(Json(controls.history(query?.0).await?))
}

async fn run<C: Controls>(
    State(controls): State<C>,
    run: Result<Path<u64>, PathRejection>,
) -> Result<Json<RunRecord>, Refusal> {
    Ok(Json(controls.run(run?.0).await?))
}

async fn why<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<WhyQuery>,
) -> Result<Json<Why>, Refusal> {
    let (name, WhyQuery { cycle, from, to }) = (name?, query?.0);
    let moment = from.map(|from| Moment { from, to: to.unwrap_or(from).max(from) });
    Ok(Json(controls.why(&name, cycle.as_deref(), moment).await?))
}

async fn pause<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<PauseQuery>,
) -> Result<StatusCode, Refusal> {
    let PauseQuery { cycle, until, by, note } = query?.0;
    command(&controls.acting(actor(&by, &note)), name, cycle, Command::Pause { until }).await
}

async fn restart<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<CycleQuery>,
) -> Result<StatusCode, Refusal> {
    let CycleQuery { cycle, by, note } = query?.0;
    command(&controls.acting(actor(&by, &note)), name, cycle, Command::Restart).await
}

async fn cancel<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<CycleQuery>,
) -> Result<StatusCode, Refusal> {
    let CycleQuery { cycle, by, note } = query?.0;
    command(&controls.acting(actor(&by, &note)), name, cycle, Command::Cancel).await
}

async fn interval<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<IntervalQuery>,
) -> Result<StatusCode, Refusal> {
    let IntervalQuery { cycle, interval, by, note } = query?.0;
    command(&controls.acting(actor(&by, &note)), name, cycle, Command::Interval(interval)).await
}

async fn command<C: Controls>(
    controls: &C,
    name: Name,
    cycle: Option<String>,
    command: Command,
) -> Result<StatusCode, Refusal> {
    controls.command(command, &name?, cycle.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn status<C: Controls>(State(controls): State<C>) -> Response {
    Json(controls.status()).into_response()
}

async fn metrics<C: Controls>(State(controls): State<C>) -> String {
    controls.metrics()
}

async fn trigger<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<TriggerQuery>,
) -> Result<Response, Refusal> {
    let (name, TriggerQuery { cycle, wait, by, note }) = (name?, query?.0);
    let controls = controls.acting(actor(&by, &note));
    let triggered = controls.trigger(&name, cycle.as_deref(), wait).await?;
    Ok(Json(triggered).into_response())
}

async fn reload_all<C: Controls>(
    State(controls): State<C>,
    query: Asked<ReloadQuery>,
) -> Result<Json<Vec<Change>>, Refusal> {
    let ReloadQuery { force, by, note } = query?.0;
    Ok(Json(controls.acting(actor(&by, &note)).reload(None, force).await?))
}

async fn reload<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<ReloadQuery>,
) -> Result<Json<Vec<Change>>, Refusal> {
    let ReloadQuery { force, by, note } = query?.0;
    Ok(Json(controls.acting(actor(&by, &note)).reload(Some(&name?), force).await?))
}

async fn unload<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<ActorQuery>,
) -> Result<Json<Vec<Change>>, Refusal> {
    let ActorQuery { by, note } = query?.0;
    Ok(Json(controls.acting(actor(&by, &note)).unload(&name?).await?))
}

async fn load<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<ActorQuery>,
) -> Result<Json<Vec<Change>>, Refusal> {
    let ActorQuery { by, note } = query?.0;
    Ok(Json(controls.acting(actor(&by, &note)).load(&name?).await?))
}

async fn go_back<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<ActorQuery>,
) -> Result<Json<Vec<Change>>, Refusal> {
    let ActorQuery { by, note } = query?.0;
    Ok(Json(controls.acting(actor(&by, &note)).go_back(&name?).await?))
}

async fn unknown() -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "no such route".into())
}

async fn not_allowed() -> Refusal {
    Refusal(StatusCode::METHOD_NOT_ALLOWED, "this route has another method".into())
}

/// The body of every error.
#[derive(Serialize, Deserialize)]
pub(super) struct ErrorBody {
    pub error: String,
}

struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(ErrorBody { error: self.1 })).into_response()
    }
}

impl From<ControlError> for Refusal {
    fn from(err: ControlError) -> Refusal {
        let code = match err {
            ControlError::UnknownChore { .. }
            | ControlError::UnknownCycle { .. }
            | ControlError::UnknownRun(_) => StatusCode::NOT_FOUND,
            ControlError::Refused { .. } | ControlError::NothingToGoBackTo(_) => {
                StatusCode::CONFLICT
            }
            ControlError::Folder(_) | ControlError::Ledger(_) => StatusCode::INTERNAL_SERVER_ERROR,
            ControlError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        };
        Refusal(code, chain(&err))
    }
}

impl From<PathRejection> for Refusal {
    fn from(err: PathRejection) -> Refusal {
        Refusal(err.status(), err.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(err: QueryRejection) -> Refusal {
        Refusal(err.status(), err.body_text())
    }
}
