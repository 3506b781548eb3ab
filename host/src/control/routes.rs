//! The routes of the API: each hands one request to the peer and its answer back. They know no
//! socket, and of who asks only what may be read.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use futures::future::join_all;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::asked::{Asked, Control, Kind};
use super::problem::Refusal;
use super::{Controls, events, openapi};
use crate::clock::Timestamp;
use crate::limits::{CONTROL_REQUEST_BYTES_MAX, CONTROL_TIMEOUT, EVENT_STREAMS_MAX};
use crate::name::{ChoreName, quote};
use crate::peer::ControlError;
use crate::record::Query;
use crate::status::{Change, ChangeKind, Controlled, PeerStatus, Triggered};
use crate::why::Moment;

/// What every route but those of other programs begins with.
pub(super) const API: &str = "/api/v1";

/// What is served, and until when.
#[derive(Clone)]
pub(super) struct Served<C> {
    pub controls: C,
    /// Streams end.
    pub stop: CancellationToken,
    /// One for each stream of events.
    pub streams: Arc<Semaphore>,
}

/// One route. The test of the OpenAPI document compares it with these.
pub(super) struct Route<C> {
    #[cfg(test)]
    pub method: &'static str,
    pub path: String,
    handler: MethodRouter<Served<C>>,
}

impl<C> Route<C> {
    fn get(path: String, handler: MethodRouter<Served<C>>) -> Route<C> {
        Route {
            #[cfg(test)]
            method: "get",
            path,
            handler,
        }
    }

    fn post(path: String, handler: MethodRouter<Served<C>>) -> Route<C> {
        Route {
            #[cfg(test)]
            method: "post",
            path,
            handler,
        }
    }
}

/// The controls of one chore or several, in the order of the documentation.
pub(super) const CONTROLS: [Kind; 10] = [
    Kind::Trigger,
    Kind::Pause,
    Kind::Restart,
    Kind::Cancel,
    Kind::Interval,
    Kind::Reload,
    Kind::Unload,
    Kind::Load,
    Kind::GoBack,
    Kind::LogLevel,
];

pub(super) fn routes<C: Controls>() -> Vec<Route<C>> {
    let at = |path: &str| format!("{API}{path}");
    let mut routes = vec![
        Route::get(at("/peer"), get(peer::<C>)),
        Route::get(at("/chores"), get(chores::<C>)),
        Route::get(at("/chores/{name}"), get(chore::<C>)),
        Route::get(at("/chores/{name}/why"), get(why::<C>)),
        Route::get(at("/history"), get(history::<C>)),
        Route::get(at("/runs/{run}"), get(run::<C>)),
        Route::get(at("/events"), get(events::events::<C>)),
        Route::get(at("/openapi.json"), get(async || Json(openapi::document()))),
        Route::post(at("/reload"), post(reload_all::<C>)),
        Route::post(at("/log-level"), post(log_level_of_peer::<C>)),
        // Where Prometheus looks for it.
        Route::get("/metrics".to_owned(), get(metrics::<C>)),
    ];
    for kind in CONTROLS {
        let path = at(&format!("/chores/{{name}}/{}", kind.word()));
        let handler = post(async move |served, access, name, body| {
            control::<C>(kind, served, access, name, body).await
        });
        routes.push(Route::post(path, handler));
    }
    routes
}

pub(super) fn router<C: Controls>(controls: C, stop: CancellationToken) -> Router {
    let streams = Arc::new(Semaphore::new(EVENT_STREAMS_MAX));
    let served = Served { controls, stop, streams };
    let mut router = Router::new();
    for Route { path, handler, .. } in routes::<C>() {
        router = router.route(&path, handler);
    }
    router.fallback(unknown).method_not_allowed_fallback(not_allowed).with_state(served)
}

pub(super) type Who = Extension<Access>;
type Name = Result<Path<String>, PathRejection>;
pub(super) type Asking<T> = Result<axum::extract::Query<T>, QueryRejection>;

/// What a route answers: refusals too depend on who asks.
fn answer<T: serde::Serialize>(access: &Access, answer: Result<T, Refusal>) -> Response {
    match answer {
        Ok(value) => access.json(&value),
        Err(refusal) => refusal.respond(access),
    }
}

async fn peer<C: Controls>(State(served): State<Served<C>>, Extension(access): Who) -> Response {
    let status = PeerStatus { chores: Vec::new(), ..served.controls.status() };
    access.json(&status)
}

async fn chores<C: Controls>(State(served): State<Served<C>>, Extension(access): Who) -> Response {
    access.json(&served.controls.status().chores)
}

async fn chore<C: Controls>(
    State(served): State<Served<C>>,
    Extension(access): Who,
    name: Name,
) -> Response {
    let detail = || Ok(served.controls.chore(&name?)?);
    answer(&access, detail())
}

/// What `?` says; anything else in it is a typing error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhyAsked {
    cycle: Option<String>,
    at: Option<Timestamp>,
    /// The last nanosecond that `at` means; without it, the first.
    to: Option<Timestamp>,
}

async fn why<C: Controls>(
    State(served): State<Served<C>>,
    Extension(access): Who,
    name: Name,
    asked: Asking<WhyAsked>,
) -> Response {
    let why = async {
        let (name, WhyAsked { cycle, at, to }) = (name?, asked?.0);
        let moment = at.map(|from| Moment { from, to: to.unwrap_or(from).max(from) });
        Ok(served.controls.why(&name, cycle.as_deref(), moment).await?)
    };
    answer(&access, why.await)
}

async fn history<C: Controls>(
    State(served): State<Served<C>>,
    Extension(access): Who,
    query: Asking<Query>,
) -> Response {
    let page = async { Ok(served.controls.page(query?.0).await?) };
    answer(&access, page.await)
}

async fn run<C: Controls>(
    State(served): State<Served<C>>,
    Extension(access): Who,
    run: Result<Path<u64>, PathRejection>,
) -> Response {
    let run = async { Ok(served.controls.run(run?.0).await?) };
    answer(&access, run.await)
}

async fn metrics<C: Controls>(State(served): State<Served<C>>) -> String {
    served.controls.metrics()
}

/// One chore, or each whose name fits a pattern; of one, that it cannot be done is the answer.
async fn control<C: Controls>(
    kind: Kind,
    State(served): State<Served<C>>,
    Extension(access): Who,
    name: Name,
    body: Body,
) -> Response {
    let controlled = async {
        let Path(name) = name?;
        let Asked { control, cycle, actor } = asked(kind, body).await?;
        let controls = served.controls.acting(access.actor(&actor.by, &actor.note));
        if !is_pattern(&name) {
            return Ok(vec![one(&controls, &name, control, cycle.as_deref()).await?]);
        }
        let names = fitting(&controls, &name)?;
        let (controls, cycle, access) = (&controls, cycle.as_deref(), &access);
        let each = names.iter().map(async |name| {
            let controlled = one(controls, name, control, cycle).await;
            controlled.unwrap_or_else(|err| failed(name, control, Refusal::from(err), access))
        });
        Ok(join_all(each).await)
    };
    answer(&access, controlled.await)
}

async fn asked(kind: Kind, body: Body) -> Result<Asked, Refusal> {
    let read = timeout(CONTROL_TIMEOUT, to_bytes(body, CONTROL_REQUEST_BYTES_MAX)).await;
    let body = read
        .map_err(|_| Refusal::new("bad-request", "the body did not come in time"))?
        .map_err(|_| {
            let detail = format!("a body has at most {CONTROL_REQUEST_BYTES_MAX} bytes");
            Refusal::new("too-large", detail)
        })?;
    Asked::read(kind, &body, Timestamp::now())
}

pub(super) fn is_pattern(name: &str) -> bool {
    name.contains('*')
}

/// `*` stands for any characters, also for none.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

fn fitting<C: Controls>(controls: &C, pattern: &str) -> Result<Vec<String>, Refusal> {
    let names = controls.status().chores.into_iter().map(|chore| chore.name);
    // A file whose name is no chore's cannot be controlled.
    let fitting = names.filter(|name| fits(pattern, name) && ChoreName::new(name).is_ok());
    let fitting: Vec<String> = fitting.collect();
    match fitting.is_empty() {
        true => Err(Refusal::new("unknown-chore", format!("no chore fits {}", quote(pattern)))),
        false => Ok(fitting),
    }
}

async fn one<C: Controls>(
    controls: &C,
    name: &str,
    control: Control,
    cycle: Option<&str>,
) -> Result<Controlled, ControlError> {
    let mut done = done(name, control);
    match control {
        Control::Command(command) => controls.command(command, name, cycle).await?,
        Control::Trigger { wait } => {
            let triggered = controls.trigger(name, cycle, wait).await?;
            done.ok = match &triggered {
                Triggered::Began { .. } => true,
                Triggered::Ended { run } => run.outcome.succeeded(),
                Triggered::Stopped => {
                    let detail = format!("trigger {name}: the chore was closed before its run");
                    let refusal = Refusal::new("closed-before-run", detail);
                    done.problem = Some(refusal.told(&Access::Owner));
                    false
                }
            };
            done.triggered = Some(triggered);
        }
        Control::Reload { force } => done.changes = controls.reload(Some(name), force).await?,
        Control::LogLevel(wish) => controls.log_level(Some(name), wish).await?,
        Control::Unload => done.changes = controls.unload(name).await?,
        Control::Load => done.changes = controls.load(name).await?,
        Control::GoBack => {
            done.changes = controls.go_back(name).await?;
            // That it went back is what was asked for.
            done.ok = done.changes.iter().any(|change| change.kind == ChangeKind::WentBack);
            return Ok(done);
        }
    }
    done.ok &= done.changes.iter().all(is_well);
    Ok(done)
}

fn is_well(change: &Change) -> bool {
    !matches!(change.kind, ChangeKind::Refused | ChangeKind::WentBack)
}

fn failed(name: &str, control: Control, refusal: Refusal, access: &Access) -> Controlled {
    Controlled { ok: false, problem: Some(refusal.told(access)), ..done(name, control) }
}

/// It came about.
fn done(name: &str, control: Control) -> Controlled {
    Controlled {
        chore: name.to_owned(),
        control: control.word().to_owned(),
        ok: true,
        problem: None,
        triggered: None,
        changes: Vec::new(),
    }
}

/// Of the peer, and of the chores that have no level of their own.
async fn log_level_of_peer<C: Controls>(
    State(served): State<Served<C>>,
    Extension(access): Who,
    body: Body,
) -> Response {
    let changed = async {
        let Asked { control, actor, .. } = asked(Kind::LogLevel, body).await?;
        let Control::LogLevel(wish) = control else { return Ok(Vec::new()) };
        let controls = served.controls.acting(access.actor(&actor.by, &actor.note));
        controls.log_level(None, wish).await?;
        Ok(vec![done("", control)])
    };
    answer(&access, changed.await)
}

/// Looks at the whole directory: chores that changed are answered, also those that are new.
async fn reload_all<C: Controls>(
    State(served): State<Served<C>>,
    Extension(access): Who,
    body: Body,
) -> Response {
    let reloaded = async {
        let Asked { control, actor, .. } = asked(Kind::Reload, body).await?;
        let force = matches!(control, Control::Reload { force: true });
        let controls = served.controls.acting(access.actor(&actor.by, &actor.note));
        let mut all: Vec<Controlled> = Vec::new();
        for change in controls.reload(None, force).await? {
            let ok = is_well(&change);
            if let Some(known) = all.iter_mut().find(|known| known.chore == change.chore) {
                known.ok &= ok;
                known.changes.push(change);
                continue;
            }
            all.push(Controlled {
                chore: change.chore.clone(),
                control: control.word().to_owned(),
                ok,
                problem: None,
                triggered: None,
                changes: vec![change],
            });
        }
        Ok(all)
    };
    answer(&access, reloaded.await)
}

async fn unknown(Extension(access): Who) -> Response {
    Refusal::new("unknown-route", "no such route: see /api/v1/openapi.json").respond(&access)
}

async fn not_allowed(Extension(access): Who) -> Response {
    Refusal::new("wrong-method", "this route has another method").respond(&access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names() {
        for (pattern, fit, others) in [
            ("*", &["a", "order-sender"][..], &[][..]),
            ("order-*", &["order-sender", "order-"], &["orders", "an-order-sender"]),
            ("*-sender", &["order-sender"], &["order-sender-2", "sender"]),
            ("a*b*c", &["abc", "axbxc", "abcbc"], &["ab", "acb", "abcd"]),
            ("**", &["a"], &[]),
            ("a*a", &["aa", "aba"], &["a"]),
        ] {
            assert!(fit.iter().all(|name| fits(pattern, name)), "{pattern}: {fit:?}");
            assert!(!others.iter().any(|name| fits(pattern, name)), "{pattern}: {others:?}");
        }
    }
}
