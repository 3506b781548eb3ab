//! The stream of events: server-sent events as browsers read them, for as long as somebody does.

use std::convert::Infallible;

use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::Controls;
use super::access::Access;
use super::problem::Refusal;
use super::routes::{Asking, Served, Who, fits, is_pattern};
use crate::limits::{EVENT_HEARTBEAT, EVENT_STREAMS_MAX};
use crate::news::{Event, Id, Listener};

/// What a browser sends when it comes back.
const LAST_EVENT_ID: &str = "last-event-id";

/// What `?` says; anything else in it is a typing error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsAsked {
    /// Or a pattern.
    chore: Option<String>,
}

pub(super) async fn events<C: Controls>(
    State(served): State<Served<C>>,
    Extension(access): Who,
    asked: Asking<EventsAsked>,
    headers: HeaderMap,
) -> Response {
    let stream = || -> Result<Told, Refusal> {
        let chore = asked?.0.chore;
        if let Some(name) = chore.as_deref().filter(|name| !is_pattern(name)) {
            // A name that is mistyped would be silent for ever.
            served.controls.chore(name)?;
        }
        let permit = served.streams.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("at most {EVENT_STREAMS_MAX} streams of events are open at once");
            Refusal::new("too-many-streams", detail).retry_after(EVENT_HEARTBEAT.as_secs())
        })?;
        let listener = served.controls.news().listen(last_heard(&headers)?);
        let (stop, access) = (served.stop.clone(), access.clone());
        Ok(Told { listener, chore, access, stop, _permit: permit })
    };
    match stream() {
        Err(refusal) => refusal.respond(&access),
        Ok(told) => {
            let stream = futures::stream::unfold(told, async |mut told| {
                let event = told.next().await?;
                Some((Ok::<_, Infallible>(event), told))
            });
            let heartbeat = KeepAlive::new().interval(EVENT_HEARTBEAT);
            Sse::new(stream).keep_alive(heartbeat).into_response()
        }
    }
}

fn last_heard(headers: &HeaderMap) -> Result<Option<Id>, Refusal> {
    let Some(id) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = id.to_str().unwrap_or_default();
    id.parse().map(Some).map_err(|reason: String| Refusal::new("bad-request", reason))
}

/// One stream.
struct Told {
    listener: Listener,
    chore: Option<String>,
    access: Access,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Told {
    /// The next event that is asked for; `None` when the peer closes.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            let (id, event) = tokio::select! {
                () = self.stop.cancelled() => return None,
                next = self.listener.next() => next,
            };
            if self.wants(&event) {
                let data = match event.as_ref() {
                    Event::Run(run) => self.access.text(run),
                    Event::Skip(skip) => self.access.text(skip),
                    Event::Change(change) => self.access.text(change),
                    Event::Control(control) => self.access.text(control),
                    Event::Log(line) => self.access.text(line),
                    Event::Problem(problem) => self.access.text(problem),
                    Event::Lagged(lagged) => self.access.text(lagged),
                };
                return Some(
                    sse::Event::default().id(id.to_string()).event(event.word()).data(data),
                );
            }
        }
    }

    /// Of a chore that is asked about, or lost, which is everybody's.
    fn wants(&self, event: &Event) -> bool {
        match &self.chore {
            Some(chore) => matches!(event, Event::Lagged(_)) || fits(chore, event.chore()),
            None => true,
        }
    }
}
