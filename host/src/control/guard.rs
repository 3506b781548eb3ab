//! What stands before the API over TCP: which host a request names, from which page it comes, and
//! whether its token is valid. A web page that the operator looks at can send requests here too, so
//! that a port which only this machine reaches is not enough.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::extract::{Extension, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::warn;

use super::access::Access;
use super::problem::Refusal;
use super::tokens::Tokens;
use crate::database::lock;
use crate::limits::{TOKEN_ADDRESSES_MAX, TOKEN_FAILURES_MAX, TOKEN_FAILURES_WINDOW};

/// Where a connection comes from.
#[derive(Clone, Copy)]
pub(super) struct PeerAddress(pub IpAddr);

pub(super) struct Guard {
    /// The hosts that a request may name, without a port: another port is a tunnel of the operator.
    hosts: Vec<String>,
    tokens: Tokens,
    failures: Failures,
}

/// What a browser is told to do with an answer, unless the answer says otherwise itself.
const HEADERS: [(HeaderName, &str); 6] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    Extension(PeerAddress(from)): Extension<PeerAddress>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut response = match guard.check(&parts, from).await {
        Ok(access) => {
            parts.extensions.insert(access);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(refusal) => refusal.respond(&Access::Anyone),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

impl Guard {
    pub fn new(listen: SocketAddr, name: Option<String>, tokens: Tokens) -> Guard {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let own = match listen.ip() {
            ip if ip.is_unspecified() => None,
            IpAddr::V4(ip) => Some(ip.to_string()),
            IpAddr::V6(ip) => Some(format!("[{ip}]")),
        };
        let name = name.map(|name| name.to_ascii_lowercase());
        let hosts = loopback.into_iter().chain(own).chain(name).collect();
        Guard { hosts, tokens, failures: Failures::default() }
    }

    async fn check(&self, request: &Parts, from: IpAddr) -> Result<Access, Refusal> {
        self.check_host(&request.uri, &request.headers)?;
        check_origin(&request.headers)?;
        let Some(token) = token(&request.headers)? else {
            let reads = [Method::GET, Method::HEAD].contains(&request.method);
            return match reads {
                true => Ok(Access::Anyone),
                false => Err(Refusal::new(
                    "no-token",
                    "send `Authorization: Bearer TOKEN`; `chore token new NAME` makes one",
                )),
            };
        };
        self.failures.check(from, Instant::now())?;
        match self.tokens.owner_of(token).await {
            Ok(Some(name)) => Ok(Access::Token(name)),
            Ok(None) => {
                self.failures.count(from, Instant::now());
                warn!(address = %from, "a request with a wrong token was refused");
                Err(Refusal::new("wrong-token", "the token is unknown, or was revoked"))
            }
            Err(err) => {
                warn!("tokens cannot be checked: {}", crate::error::chain(&err));
                Err(Refusal::new("wrong-token", "tokens cannot be checked: the log says why"))
            }
        }
    }

    /// A page of another site can have its own name point to this machine, but the browser still
    /// sends that name.
    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut named = headers.get_all(HOST).iter();
        let (host, second) = (named.next(), named.next());
        let host = host.and_then(|host| host.to_str().ok()).filter(|_| second.is_none());
        let known = |host: &str| {
            let host = without_port(host).to_ascii_lowercase();
            self.hosts.contains(&host)
        };
        let of_uri = uri.authority().map(|authority| authority.as_str());
        if host.is_some_and(known) && of_uri.is_none_or(known) {
            return Ok(());
        }
        let detail = "a request must name this machine as its host, such as localhost, or the \
                      `name` in [control] of chore.toml";
        Err(Refusal::new("wrong-host", detail))
    }
}

/// Of "[::1]:80" "[::1]", of "localhost" itself.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// A browser says of what is not a plain visit from which page it comes: only our own pages may.
fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let own = |origin: &HeaderValue| {
        let origin = origin.to_str().unwrap_or_default();
        let site = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        site.is_some_and(|site| site.eq_ignore_ascii_case(host))
    };
    match headers.get_all(ORIGIN).iter().all(own) {
        true => Ok(()),
        false => Err(Refusal::new("wrong-origin", "pages of other origins may not ask this peer")),
    }
}

fn token(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let Some(value) = headers.get(AUTHORIZATION) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(Refusal::new("wrong-token", "write the header as `Authorization: Bearer TOKEN`")),
    }
}

/// Wrong tokens by address.
#[derive(Default)]
struct Failures(Mutex<HashMap<IpAddr, Counted>>);

struct Counted {
    since: Instant,
    failures: u32,
}

impl Failures {
    /// Not even a valid token is looked at while an address has to wait: then guessing has no end.
    fn check(&self, from: IpAddr, now: Instant) -> Result<(), Refusal> {
        let counted = lock(&self.0);
        let Some(counted) = counted.get(&network(from)) else { return Ok(()) };
        let left = TOKEN_FAILURES_WINDOW.saturating_sub(now.duration_since(counted.since));
        if counted.failures < TOKEN_FAILURES_MAX || left.is_zero() {
            return Ok(());
        }
        let detail = format!("wait {} s: too many wrong tokens", left.as_secs() + 1);
        Err(Refusal::new("too-many-failures", detail).retry_after(left.as_secs() + 1))
    }

    fn count(&self, from: IpAddr, now: Instant) {
        let mut all = lock(&self.0);
        let over = |counted: &Counted| now.duration_since(counted.since) >= TOKEN_FAILURES_WINDOW;
        let from = network(from);
        if !all.contains_key(&from) && all.len() >= TOKEN_ADDRESSES_MAX {
            all.retain(|_, counted| !over(counted));
        }
        if !all.contains_key(&from) && all.len() >= TOKEN_ADDRESSES_MAX {
            let first = all.iter().min_by_key(|(_, counted)| counted.since);
            let first = first.map(|(address, _)| *address);
            first.map(|address| all.remove(&address));
        }
        let counted = all.entry(from).or_insert(Counted { since: now, failures: 0 });
        if over(counted) {
            *counted = Counted { since: now, failures: 0 };
        }
        counted.failures = counted.failures.saturating_add(1);
    }
}

/// One who has IPv6 has a network of 2^64 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn only_our_own_hosts_are_named() {
        let tokens = || Tokens::at("/nowhere/tokens.json");
        let check = |listen: &str, name: Option<&str>, hosts: &[&str], uri: &str| {
            let guard = Guard::new(listen.parse().unwrap(), name.map(str::to_owned), tokens());
            let hosts: Vec<_> = hosts.iter().map(|host| (HOST, *host)).collect();
            guard.check_host(&uri.parse().unwrap(), &headers(&hosts)).is_ok()
        };
        let local = "127.0.0.1:7781";
        for (listen, name, hosts, uri, good) in [
            (local, None, &["localhost:7781"][..], "/", true),
            (local, None, &["LOCALHOST"], "/", true),
            (local, None, &["127.0.0.1:9000"], "/", true),
            (local, None, &["[::1]:7781"], "/", true),
            (local, None, &["evil.example:7781"], "/", false),
            (local, None, &["localhost.evil.example"], "/", false),
            (local, None, &["localhost:7781", "evil.example"], "/", false),
            (local, None, &[], "/", false),
            (local, None, &[""], "/", false),
            (local, None, &["localhost"], "http://evil.example/", false),
            (local, None, &["evil.example"], "http://localhost/", false),
            (local, None, &["peer.example"], "/", false),
            (local, Some("Peer.example"), &["peer.example:443"], "/", true),
            ("0.0.0.0:7781", None, &["0.0.0.0:7781"], "/", false),
            ("10.0.0.7:7781", None, &["10.0.0.7:7781"], "/", true),
            ("[fd00::7]:7781", None, &["[fd00::7]:7781"], "/", true),
        ] {
            assert_eq!(check(listen, name, hosts, uri), good, "{listen} {name:?} {hosts:?} {uri}");
        }
    }

    #[test]
    fn only_our_own_pages_may_ask() {
        for (host, origins, good) in [
            ("localhost:7781", &[][..], true),
            ("localhost:7781", &["http://localhost:7781"], true),
            ("peer.example", &["https://peer.example"], true),
            ("localhost:7781", &["http://localhost:3000"], false),
            ("localhost:7781", &["http://127.0.0.1:7781"], false),
            ("localhost:7781", &["http://evil.example"], false),
            ("localhost:7781", &["null"], false),
            ("localhost:7781", &["http://localhost:7781", "http://evil.example"], false),
            ("localhost:7781", &[""], false),
        ] {
            let origins = origins.iter().map(|origin| (ORIGIN, *origin));
            let all: Vec<_> = std::iter::once((HOST, host)).chain(origins).collect();
            assert_eq!(check_origin(&headers(&all)).is_ok(), good, "{host} {all:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_has_to_wait_by_address() {
        let failures = Failures::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let (one, same, other) = (address("fd00::1"), address("fd00::2"), address("fd01::1"));
        for _ in 0..TOKEN_FAILURES_MAX {
            assert!(failures.check(one, Instant::now()).is_ok());
            failures.count(one, Instant::now());
        }
        for (from, free) in [(one, false), (same, false), (other, true)] {
            assert_eq!(failures.check(from, Instant::now()).is_ok(), free, "{from}");
        }
        tokio::time::advance(TOKEN_FAILURES_WINDOW - Duration::from_secs(1)).await;
        let waits = failures.check(one, Instant::now()).unwrap_err().told(&Access::Anyone);
        assert_eq!((waits.status, &*waits.detail), (429, "wait 2 s: too many wrong tokens"));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(failures.check(one, Instant::now()).is_ok());
        // However many addresses there are, the memory has an end.
        for n in 0..2 * TOKEN_ADDRESSES_MAX as u32 {
            failures.count(IpAddr::from(n.to_be_bytes()), Instant::now());
        }
        assert_eq!(lock(&failures.0).len(), TOKEN_ADDRESSES_MAX);
    }
}
