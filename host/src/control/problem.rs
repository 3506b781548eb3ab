//! Why a request is refused, as `application/problem+json` (RFC 9457): one stable type for each
//! kind, and what strangers read apart from what the owner reads.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use tracing::warn;

use super::access::Access;
use crate::error::chain;
use crate::peer::ControlError;
use crate::status::Problem;

/// What every problem's type begins with; [`KINDS`] has the rest.
pub const TYPE: &str = "urn:problem-type:chore:";

/// Kind, status and title of every problem that the API answers.
pub const KINDS: &[(&str, u16, &str)] = &[
    ("bad-request", 400, "the request cannot be read"),
    ("unknown-field", 400, "the request has a field that is not known here"),
    ("no-token", 401, "a change needs a token"),
    ("wrong-token", 401, "the token is not valid"),
    ("wrong-host", 403, "the request names another host"),
    ("wrong-origin", 403, "the request comes from a page of another origin"),
    ("unknown-route", 404, "there is no such route"),
    ("unknown-chore", 404, "there is no such chore"),
    ("unknown-cycle", 404, "the chore has no such cycle"),
    ("unknown-run", 404, "there is no such run"),
    ("wrong-method", 405, "the route has another method"),
    ("not-loaded", 409, "the chore is not loaded"),
    ("nothing-to-go-back-to", 409, "there is no earlier version that was good"),
    ("too-large", 413, "the request is too large"),
    ("too-many-failures", 429, "too many wrong tokens came from this address"),
    ("directory", 500, "the chores directory cannot be read"),
    ("ledger", 500, "the ledger cannot be read"),
    ("closing", 503, "the peer is closing"),
    ("too-many-streams", 503, "too many streams of events are open"),
    ("closed-before-run", 503, "the chore was closed before its run"),
];

/// A problem that is answered.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    problem: Problem,
    /// For the owner and whoever has a token; strangers do not read it.
    inside: Option<String>,
    retry_after_seconds: Option<u64>,
}

impl Refusal {
    /// `kind` is one of [`KINDS`].
    pub fn new(kind: &str, detail: impl Into<String>) -> Refusal {
        let known = KINDS.iter().find(|(name, ..)| *name == kind);
        let (kind, status, title) = known.copied().unwrap_or(KINDS[0]);
        let (kind, title) = (format!("{TYPE}{kind}"), title.to_owned());
        let problem = Problem { kind, title, status, detail: detail.into() };
        Refusal { problem, inside: None, retry_after_seconds: None }
    }

    pub fn retry_after(mut self, seconds: u64) -> Refusal {
        self.retry_after_seconds = Some(seconds);
        self
    }

    /// What strangers read instead.
    fn inside(mut self, outside: &str) -> Refusal {
        let inside = std::mem::replace(&mut self.problem.detail, outside.to_owned());
        self.inside = Some(inside);
        self
    }

    /// As `access` may read it. What is kept from it goes to the log.
    pub fn told(self, access: &Access) -> Problem {
        let mut problem = self.problem;
        match (self.inside, access) {
            (None, _) => {}
            (Some(inside), Access::Anyone) => {
                warn!(problem = problem.kind, "a request failed: {inside}");
            }
            (Some(inside), Access::Owner | Access::Token(_)) => problem.detail = inside,
        }
        problem
    }

    pub fn respond(self, access: &Access) -> Response {
        let retry_after = self.retry_after_seconds;
        let mut problem = self.told(access);
        if *access == Access::Anyone {
            problem.detail = super::access::without_paths(&problem.detail);
        }
        let status = axum::http::StatusCode::from_u16(problem.status).unwrap_or_default();
        let body = serde_json::to_string(&problem).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if problem.status == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<ControlError> for Refusal {
    fn from(err: ControlError) -> Refusal {
        let detail = chain(&err);
        match err {
            ControlError::UnknownChore { .. } => Refusal::new("unknown-chore", detail),
            ControlError::UnknownCycle { .. } => Refusal::new("unknown-cycle", detail),
            ControlError::UnknownRun(_) => Refusal::new("unknown-run", detail),
            ControlError::Refused { .. } => Refusal::new("not-loaded", detail),
            ControlError::NothingToGoBackTo(_) => Refusal::new("nothing-to-go-back-to", detail),
            ControlError::Folder(_) => {
                Refusal::new("directory", detail).inside("the log of the peer says why")
            }
            ControlError::Ledger(_) => {
                Refusal::new("ledger", detail).inside("the log of the peer says why")
            }
            ControlError::Stopped => Refusal::new("closing", detail),
        }
    }
}

impl From<PathRejection> for Refusal {
    fn from(err: PathRejection) -> Refusal {
        Refusal::new("bad-request", err.body_text())
    }
}

impl From<QueryRejection> for Refusal {
    fn from(err: QueryRejection) -> Refusal {
        Refusal::new("bad-request", err.body_text())
    }
}
