//! The API over a real TCP port: what strangers may, what a token allows, and what no web page gets.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::super::tokens::Tokens;
use super::*;
use crate::limits::TOKEN_FAILURES_MAX;

struct Port {
    server: TcpServer,
    address: SocketAddr,
    tokens: Tokens,
    peer: FakePeer,
    _dir: tempfile::TempDir,
}

impl Port {
    async fn open() -> Port {
        let dir = tempfile::tempdir().unwrap();
        let tokens = Tokens::at(dir.path().join("tokens.json"));
        let (listen, name) = ("127.0.0.1:0".parse().unwrap(), Some("peer.example".to_owned()));
        let peer = FakePeer::default();
        let options = TcpOptions { listen, name, tokens: tokens.clone() };
        let server = serve_tcp(peer.clone(), options).await.unwrap();
        Port { address: server.local_addr(), server, tokens, peer, _dir: dir }
    }

    /// Head and body of the answer to a request with these headers, one a line.
    async fn ask(&self, line: &str, headers: &str, body: &str) -> (String, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let headers = headers.replace("HOST", &self.address.to_string()).replace('\n', "\r\n");
        let length = body.len();
        let text = format!(
            "{line} HTTP/1.1\r\n{headers}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n\
             {body}"
        );
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(stream.read_to_string(&mut answer)).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    async fn code(&self, line: &str, headers: &str) -> String {
        let (head, _) = self.ask(line, headers, "").await;
        head.split(' ').nth(1).unwrap().to_owned()
    }
}

const PAUSE: &str = "POST /api/v1/chores/sender/pause";

#[tokio::test]
async fn anyone_reads_and_who_has_a_token_changes_in_its_name() {
    let port = Port::open().await;
    for path in ["/api/v1/chores", "/api/v1/history", "/metrics", "/api/v1/openapi.json"] {
        let (head, _) = port.ask(&format!("GET {path}"), "host: localhost", "").await;
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        for header in [
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "content-security-policy: default-src 'none'; frame-ancestors 'none'",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(header), "{path} has no {header}: {head}");
        }
        assert!(!head.contains("access-control"), "{head}");
    }
    let (head, body) = port.ask(PAUSE, "host: HOST", "{}").await;
    assert!(head.contains("401") && head.contains("www-authenticate: Bearer"), "{head}");
    assert!(body.contains("chore token new"), "{body}");
    assert!(port.peer.asked.lock().unwrap().iter().all(|asked| !asked.contains("Pause")));

    let token = port.tokens.create("alice", Timestamp::from_nanos(1)).unwrap();
    let with = format!("host: HOST\nauthorization: Bearer {token}");
    let body = r#"{"by":"mallory","note":"why"}"#;
    let (head, answer) = port.ask(PAUSE, &with, body).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}: {answer}");
    let asked = port.peer.asked.lock().unwrap().split_off(1);
    assert_eq!(asked, ["as alice (why)", "Pause { until: None } sender None"]);
    // What fails inside is for those who have a token.
    let broken = "POST /api/v1/chores/broken/pause";
    assert!(port.ask(broken, &with, "").await.1.contains("/home/alice/chores"));
    let stranger = port.ask("GET /api/v1/chores/broken", "host: HOST", "").await.1;
    assert!(stranger.contains("the log of the peer says why") && !stranger.contains("alice"));

    port.tokens.revoke("alice").unwrap();
    assert_eq!(port.code(PAUSE, &with).await, "401");
    soon(port.server.shutdown()).await;
}

#[tokio::test]
async fn no_web_page_gets_through() {
    let port = Port::open().await;
    let token = port.tokens.create("alice", Timestamp::from_nanos(1)).unwrap();
    let read = "GET /api/v1/chores";
    for (case, line, headers, code) in [
        ("rebinding", read, "host: evil.example", "403"),
        ("rebinding with the port", read, "host: evil.example:7781", "403"),
        ("no host", read, "x: y", "400 or 403"),
        ("an absolute target", "GET http://evil.example/api/v1/chores", "host: HOST", "403"),
        ("another origin", PAUSE, "host: HOST\norigin: http://evil.example", "403"),
        ("another origin reads", read, "host: HOST\norigin: http://evil.example", "403"),
        ("another port", PAUSE, "host: HOST\norigin: http://127.0.0.1:1", "403"),
        ("a sandbox", PAUSE, "host: HOST\norigin: null", "403"),
        ("a preflight", "OPTIONS /api/v1/chores/sender/pause", "host: HOST", "401"),
        ("our own", PAUSE, "host: HOST\norigin: http://HOST", "200"),
        ("by its name", PAUSE, "host: peer.example\norigin: https://peer.example", "200"),
    ] {
        // Even with the token, which a page cannot know.
        let with = match case {
            "a preflight" => headers.to_owned(),
            _ => format!("{headers}\nauthorization: Bearer {token}"),
        };
        let answered = port.code(line, &with).await;
        assert!(code.contains(&answered), "{case}: {answered}");
    }
    soon(port.server.shutdown()).await;
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let port = Port::open().await;
    let token = port.tokens.create("alice", Timestamp::from_nanos(1)).unwrap();
    let read = "GET /api/v1/chores";
    for n in 0..TOKEN_FAILURES_MAX {
        let wrong = format!("host: HOST\nauthorization: Bearer chore_{n}");
        assert_eq!(port.code(read, &wrong).await, "401", "{n}");
    }
    // Not even the right one is looked at now; who only reads is not held up.
    let right = format!("host: HOST\nauthorization: Bearer {token}");
    let (head, body) = port.ask(PAUSE, &right, "").await;
    assert!(head.contains("429") && head.contains("retry-after: "), "{head}");
    assert!(body.contains("too-many-failures"), "{body}");
    assert_eq!(port.code(read, "host: HOST").await, "200");
    assert_eq!(port.code(read, "host: HOST\nauthorization: Basic x").await, "401");
    soon(port.server.shutdown()).await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let port = Port::open().await;
    let options = TcpOptions { listen: port.address, name: None, tokens: port.tokens.clone() };
    let err = serve_tcp(FakePeer::default(), options).await.err().unwrap().to_string();
    assert!(err.contains(&port.address.to_string()) && err.contains("[control]"), "{err}");
}

#[tokio::test]
async fn a_stream_of_events_does_not_hold_up_the_close() {
    let port = Port::open().await;
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    let text = "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut heard = vec![0; 4096];
    let read = soon(stream.read(&mut heard)).await.unwrap();
    let head = String::from_utf8_lossy(&heard[..read]).into_owned();
    assert!(head.contains("text/event-stream"), "{head}");
    port.peer.news.tell(|| Event::Change(change()));
    let mut said = String::new();
    while !said.contains("\n\n") {
        let read = soon(stream.read(&mut heard)).await.unwrap();
        said.push_str(&String::from_utf8_lossy(&heard[..read]));
    }
    assert!(said.contains("id: 7-0\nevent: change\ndata: {"), "{said}");
    soon(port.server.shutdown()).await;
    let end = soon(stream.read(&mut heard)).await;
    assert!(matches!(end, Ok(0..) | Err(_)));
}
