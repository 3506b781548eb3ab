//! The routes of the control socket: each hands one request to the peer and its answer back. They
//! know no socket.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::{Command, Controls};
use crate::error::chain;
use crate::peer::ControlError;
use crate::status::Change;

pub(super) fn router<C: Controls>(controls: C) -> Router {
    let mut router = Router::new()
        .route("/status", get(status::<C>))
        .route("/metrics", get(metrics::<C>))
        .route("/chores/{name}/trigger", post(trigger::<C>))
        .route("/reload", post(reload_all::<C>))
        .route("/chores/{name}/reload", post(reload::<C>))
        .route("/chores/{name}/unload", post(unload::<C>))
        .route("/chores/{name}/load", post(load::<C>));
    for command in Command::ALL {
        let handler =
            async move |State(controls): State<C>, name: Name, query: Asked<CycleQuery>| {
                let (name, query) = (name?, query?);
                let cycle = query.cycle.as_deref();
                controls.command(command, &name, cycle).await.map_err(Refusal::from)?;
                Ok::<_, Refusal>(StatusCode::NO_CONTENT)
            };
        router = router.route(&format!("/chores/{{name}}/{}", command.word()), post(handler));
    }
    router.fallback(unknown).method_not_allowed_fallback(not_allowed).with_state(controls)
}

type Name = Result<Path<String>, PathRejection>;
type Asked<T> = Result<Query<T>, QueryRejection>;

/// What `?` says; anything else in it is a typing error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CycleQuery {
    cycle: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerQuery {
    cycle: Option<String>,
    #[serde(default)]
    wait: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReloadQuery {
    #[serde(default)]
    force: bool,
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
    let (name, query) = (name?, query?);
    let triggered = controls.trigger(&name, query.cycle.as_deref(), query.wait).await?;
    Ok(Json(triggered).into_response())
}

async fn reload_all<C: Controls>(
    State(controls): State<C>,
    query: Asked<ReloadQuery>,
) -> Result<Json<Vec<Change>>, Refusal> {
    Ok(Json(controls.reload(None, query?.force).await?))
}

async fn reload<C: Controls>(
    State(controls): State<C>,
    name: Name,
    query: Asked<ReloadQuery>,
) -> Result<Json<Vec<Change>>, Refusal> {
    Ok(Json(controls.reload(Some(&name?), query?.force).await?))
}

async fn unload<C: Controls>(
    State(controls): State<C>,
    name: Name,
) -> Result<Json<Vec<Change>>, Refusal> {
    Ok(Json(controls.unload(&name?).await?))
}

async fn load<C: Controls>(
    State(controls): State<C>,
    name: Name,
) -> Result<Json<Vec<Change>>, Refusal> {
    Ok(Json(controls.load(&name?).await?))
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
            ControlError::UnknownChore { .. } | ControlError::UnknownCycle { .. } => {
                StatusCode::NOT_FOUND
            }
            ControlError::Refused { .. } => StatusCode::CONFLICT,
            ControlError::Folder(_) => StatusCode::INTERNAL_SERVER_ERROR,
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
