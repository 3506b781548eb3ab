//! The control socket over a real socket, with a peer that only says what it was asked.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Notify;

use super::client::encode;
use super::*;
use crate::clock::Timestamp;
use crate::peer::Home;
use crate::record::{Entry, Query, RunRecord, Usage};
use crate::status::{
    Actor, Build, ChangeKind, ChoreStatus, CycleStatus, LastRun, Outcome, Phase, RefusedFile,
};

/// Longest that a test waits for anything.
const SOON: Duration = Duration::from_secs(20);

#[derive(Clone, Default)]
struct FakePeer {
    asked: Arc<Mutex<Vec<String>>>,
    /// A trigger of the chore "slow" waits for this.
    release: Arc<Notify>,
    /// And says here that it waits.
    waiting: Arc<Notify>,
}

impl FakePeer {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }

    fn answer(&self, chore: &str) -> Result<(), ControlError> {
        match chore {
            "refused" => {
                Err(ControlError::Refused { name: chore.into(), reason: "bad digest".into() })
            }
            "stopped" => Err(ControlError::Stopped),
            "nobody" => Err(ControlError::UnknownChore { name: chore.into(), nearest: None }),
            _ => Ok(()),
        }
    }
}

fn run(outcome: Outcome) -> LastRun {
    LastRun {
        run: 3,
        iteration: 7,
        reason: "trigger".into(),
        started: Timestamp::from_nanos(5),
        elapsed: Duration::from_millis(12),
        outcome,
        usage: Usage::default(),
    }
}

fn peer_status() -> PeerStatus {
    let cycle = CycleStatus {
        name: "main".into(),
        interval: "1h".into(),
        state: "idle".into(),
        iteration: 7,
        failures: 1,
        next: Some(Timestamp::from_nanos(9)),
        last: Some(run(Outcome::Failed { message: "no \"luck\"".into() })),
        running_since: None,
        pause: None,
        backing_off_until: None,
        jitter: Duration::ZERO,
        overridden: false,
    };
    let chore = ChoreStatus {
        name: "sender".into(),
        state: "loaded".into(),
        reason: String::new(),
        digest: "ab".repeat(32),
        version: "1.0.0".into(),
        generation: 3,
        watched_runs_left: 2,
        about: String::new(),
        grants: vec!["orders".into()],
        cycles: vec![cycle],
        refused: Some(RefusedFile {
            file: "sender.wasm".into(),
            digest: "cd".repeat(32),
            version: "1.1.0".into(),
            reason: "its open failed: no".into(),
            quarantined: false,
        }),
    };
    PeerStatus {
        version: "0.1.0".into(),
        node: "node".into(),
        listen: String::new(),
        started: Timestamp::from_nanos(1),
        problem: "the directory is gone".into(),
        chores: vec![chore],
    }
}

fn change() -> Change {
    let build = |version: &str| Some(Build { version: version.into(), digest: version.repeat(12) });
    Change {
        chore: "sender".into(),
        kind: ChangeKind::Replaced,
        from: build("1.0.0"),
        to: build("1.1.0"),
        generation: 4,
        phases: vec![Phase { name: "open".into(), elapsed: Duration::from_millis(3) }],
        reason: String::new(),
    }
}

fn entry() -> Entry {
    Entry::Run(RunRecord {
        run: 3,
        chore: "sender".into(),
        cycle: "main".into(),
        version: "1.0.0".into(),
        digest: "ab".repeat(32),
        generation: 1,
        iteration: 7,
        reason: "trigger".into(),
        by: "alice".into(),
        due: Timestamp::from_nanos(4),
        slot: None,
        started: Timestamp::from_nanos(5),
        elapsed: Some(Duration::from_millis(12)),
        outcome: Some(Outcome::Failed { message: "no \"luck\"".into() }),
        usage: Usage { cpu: Duration::from_millis(3), memory_bytes: 9 },
        log: vec!["INFO one".into()],
        log_lines: 1,
        backtrace: vec![],
    })
}

impl Controls for FakePeer {
    fn acting(&self, actor: Actor) -> FakePeer {
        if actor.by != "the owner of the peer" {
            self.note(format!("as {} ({})", actor.by, actor.note));
        }
        self.clone()
    }

    async fn history(&self, query: Query) -> Result<Vec<Entry>, ControlError> {
        self.note(format!("history {query:?}"));
        Ok(vec![entry()])
    }

    async fn run(&self, run: u64) -> Result<RunRecord, ControlError> {
        match entry() {
            Entry::Run(record) if record.run == run => Ok(record),
            _ => Err(ControlError::UnknownRun(run)),
        }
    }

    async fn why(
        &self,
        chore: &str,
        cycle: Option<&str>,
        moment: Option<Moment>,
    ) -> Result<Why, ControlError> {
        let because = moment.map(|moment| format!("{moment:?}")).unwrap_or_default();
        let cycle = cycle.unwrap_or("main").to_owned();
        Ok(Why { chore: chore.to_owned(), cycle, because })
    }

    fn status(&self) -> PeerStatus {
        peer_status()
    }

    fn detail(&self, _: &str) -> Result<ChoreDetail, ControlError> {
        Ok(ChoreDetail::default())
    }

    fn metrics(&self) -> String {
        "runs_total 3\n".into()
    }

    async fn trigger(
        &self,
        chore: &str,
        cycle: Option<&str>,
        wait: bool,
    ) -> Result<Triggered, ControlError> {
        self.note(format!("trigger {chore} {cycle:?} {wait}"));
        if chore == "slow" {
            self.waiting.notify_one();
            self.release.notified().await;
        }
        self.answer(chore)?;
        Ok(match wait {
            true => Triggered::Ended { run: run(Outcome::Succeeded) },
            false => Triggered::Began { iteration: 7 },
        })
    }

    async fn command(
        &self,
        command: Command,
        chore: &str,
        cycle: Option<&str>,
    ) -> Result<(), ControlError> {
        self.note(format!("{command:?} {chore} {cycle:?}"));
        self.answer(chore)
    }

    async fn reload(&self, chore: Option<&str>, force: bool) -> Result<Vec<Change>, ControlError> {
        self.note(format!("reload {chore:?} {force}"));
        self.answer(chore.unwrap_or_default())?;
        Ok(vec![change()])
    }

    async fn unload(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        self.note(format!("unload {chore}"));
        self.answer(chore)?;
        Ok(vec![change()])
    }

    async fn go_back(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        self.note(format!("go back {chore}"));
        self.answer(chore)?;
        Ok(vec![change()])
    }

    async fn load(&self, chore: &str) -> Result<Vec<Change>, ControlError> {
        self.note(format!("load {chore}"));
        self.answer(chore)?;
        Ok(vec![change()])
    }
}

fn home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::new(dir.path());
    (dir, home)
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, work).await.unwrap()
}

#[tokio::test]
async fn each_method_reaches_the_peer_and_its_answer_comes_back() {
    let (_dir, home) = home();
    let peer = FakePeer::default();
    let server = serve(peer.clone(), &home.socket()).unwrap();
    let mut client = Client::connect(&home).await.unwrap();

    assert_eq!(client.status().await.unwrap(), peer_status());
    assert_eq!(client.metrics().await.unwrap(), "runs_total 3\n");
    let began = client.trigger("sender", None, false).await.unwrap();
    assert_eq!(began, Triggered::Began { iteration: 7 });
    let ended = client.trigger("sender", Some("main"), true).await.unwrap();
    assert_eq!(ended, Triggered::Ended { run: run(Outcome::Succeeded) });
    client.trigger("sender", None, true).await.unwrap();
    let until = Some(Timestamp::from_nanos(17));
    let interval = Command::Interval("1h 30m".parse().unwrap());
    for command in [Command::Pause { until }, Command::Restart, Command::Cancel, interval] {
        client.command(command, "sender", Some("a/b?c&d=é %")).await.unwrap();
    }
    let actor = Actor { by: "alice".into(), note: "a & b\n?".into() };
    let mut client = client.act(actor);
    client.command(Command::Pause { until: None }, "../status", None).await.unwrap();
    let query = Query {
        chore: Some("a&b".into()),
        cycle: Some("main".into()),
        before: Some(Timestamp::from_nanos(5)),
        outcome: Some("failed".into()),
        runs: true,
        events: false,
        limit: 9,
    };
    assert_eq!(client.history(&query).await.unwrap(), [entry()]);
    assert!(client.history(&Query::default()).await.is_ok());
    assert_eq!(Entry::Run(client.run(3).await.unwrap()), entry());
    assert!(client.run(4).await.unwrap_err().to_string().contains("no run 4"));
    let moment = Moment { from: Timestamp::from_nanos(1), to: Timestamp::from_nanos(2) };
    let why = client.why("sender", Some("main"), Some(moment)).await.unwrap();
    assert_eq!(why.because, format!("{moment:?}"));
    client.why("sender", None, None).await.unwrap();
    assert_eq!(client.reload(None, false).await.unwrap(), [change()]);
    assert_eq!(client.reload(Some("a/b"), true).await.unwrap(), [change()]);
    assert_eq!(client.unload("sender").await.unwrap(), [change()]);
    assert_eq!(client.load("sender").await.unwrap(), [change()]);
    assert_eq!(client.go_back("sender").await.unwrap(), [change()]);

    let expected = [
        "trigger sender None false",
        "trigger sender Some(\"main\") true",
        "trigger sender None true",
        "Pause { until: Some(Timestamp(17)) } sender Some(\"a/b?c&d=é %\")",
        "Restart sender Some(\"a/b?c&d=é %\")",
        "Cancel sender Some(\"a/b?c&d=é %\")",
        "Interval(Every(Period(5400s))) sender Some(\"a/b?c&d=é %\")",
        "as alice (a & b�?)",
        "Pause { until: None } ../status None",
        &format!("history {query:?}"),
        &format!("history {:?}", Query::default()),
        "as alice (a & b�?)",
        "reload None false",
        "as alice (a & b�?)",
        "reload Some(\"a/b\") true",
        "as alice (a & b�?)",
        "unload sender",
        "as alice (a & b�?)",
        "load sender",
        "as alice (a & b�?)",
        "go back sender",
    ];
    assert_eq!(*peer.asked.lock().unwrap(), expected);
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn errors_have_their_code_and_the_peers_words() {
    let (_dir, home) = home();
    let server = serve(FakePeer::default(), &home.socket()).unwrap();
    let mut client = Client::connect(&home).await.unwrap();
    for (chore, code) in [("nobody", 404), ("refused", 409), ("stopped", 503)] {
        let expected = FakePeer::default().answer(chore).unwrap_err().to_string();
        for wait in [false, true] {
            let err = client.trigger(chore, None, wait).await.unwrap_err();
            let ClientError::Refused { status, message } = err else { panic!("{err}") };
            assert_eq!((status, &message), (code, &expected), "{chore}");
        }
        let err = client.command(Command::Pause { until: None }, chore, None).await.unwrap_err();
        assert_eq!(err.to_string(), expected);
        for err in [client.reload(Some(chore), true).await, client.load(chore).await] {
            assert_eq!(err.unwrap_err().to_string(), expected);
        }
    }
    soon(server.shutdown()).await;
}

/// One request as bytes, and the first line and the body of the answer.
async fn raw(path: &Path, request: &str) -> (String, String) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let text = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test]
async fn wrong_requests_are_answered_in_json() {
    let (_dir, home) = home();
    let server = serve(FakePeer::default(), &home.socket()).unwrap();
    let cases = [
        ("GET /nothing", "404"),
        ("POST /status", "405"),
        ("GET /chores/sender/trigger", "405"),
        ("POST /chores/sender/explode", "404"),
        ("POST /chores/sender/trigger?wait=perhaps", "400"),
        ("POST /chores/sender/trigger?weit=true", "400"),
        ("POST /chores/sender/pause?wait=true", "400"),
        ("POST /reload?force=perhaps", "400"),
        ("GET /reload", "405"),
        ("POST /chores/%ff/pause", "400"),
    ];
    for (request, code) in cases {
        let (status, body) = raw(&home.socket(), request).await;
        assert!(status.contains(code), "{request}: {status}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(!body["error"].as_str().unwrap().is_empty(), "{request}");
    }
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn only_the_owner_may_open_the_socket() {
    let (_dir, home) = home();
    let server = serve(FakePeer::default(), &home.socket()).unwrap();
    for path in [home.socket(), home.socket().with_extension("lock")] {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
    soon(server.shutdown()).await;
    assert!(!home.socket().exists());
}

#[tokio::test]
async fn a_second_peer_is_refused_and_a_dead_ones_socket_replaced() {
    let (dir, home) = home();
    // What a peer that was killed leaves behind.
    drop(StdListener::bind(home.socket()).unwrap());
    let err = Client::connect(&home).await.err().unwrap();
    assert!(matches!(err, ClientError::NotRunning(_)), "{err}");

    let server = serve(FakePeer::default(), &home.socket()).unwrap();
    let err = serve(FakePeer::default(), &home.socket()).err().unwrap();
    let expected = format!("a peer is already running in {}", dir.path().display());
    assert_eq!(err.to_string(), expected);
    let mut client = Client::connect(&home).await.unwrap();
    client.status().await.unwrap();
    soon(server.shutdown()).await;

    let again = serve(FakePeer::default(), &home.socket()).unwrap();
    soon(again.shutdown()).await;
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let (_dir, home) = home();
    fs::write(home.socket(), "precious").unwrap();
    let err = serve(FakePeer::default(), &home.socket()).err().unwrap();
    assert!(matches!(err, Error::NotASocket(_)), "{err}");
    assert_eq!(fs::read_to_string(home.socket()).unwrap(), "precious");
}

#[tokio::test]
async fn a_path_too_long_is_explained() {
    let home = Home::new(format!("/tmp/{}", "x".repeat(SOCKET_PATH_BYTES_MAX)));
    let served = serve(FakePeer::default(), &home.socket()).err().unwrap().to_string();
    let connected = Client::connect(&home).await.err().unwrap().to_string();
    for message in [served, connected] {
        assert!(message.contains("choose a shorter home"), "{message}");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_run_is_named_with_the_command_that_starts_it() {
    let (dir, home) = home();
    let root = dir.path().display();
    let err = Client::connect(&home).await.err().unwrap();
    let expected = format!("no peer is running in {root}: start it with `chore --home {root} run`");
    assert_eq!(err.to_string(), expected);
}

#[tokio::test]
async fn shutdown_does_not_wait_for_a_run() {
    let (_dir, home) = home();
    let peer = FakePeer::default();
    let server = serve(peer.clone(), &home.socket()).unwrap();
    let mut client = Client::connect(&home).await.unwrap();
    let waiter = tokio::spawn(async move { client.trigger("slow", None, true).await });
    soon(peer.waiting.notified()).await;
    // A silent connection must not hold it either.
    let _silent = UnixStream::connect(home.socket()).await.unwrap();
    soon(server.shutdown()).await;
    let err = soon(waiter).await.unwrap().unwrap_err();
    assert!(matches!(err, ClientError::Broken { .. }), "{err}");
}

#[tokio::test]
async fn status_is_answered_while_a_trigger_waits() {
    let (_dir, home) = home();
    let peer = FakePeer::default();
    let server = serve(peer.clone(), &home.socket()).unwrap();
    let mut client = Client::connect(&home).await.unwrap();
    let waiter = tokio::spawn(async move { client.trigger("slow", None, true).await });
    soon(peer.waiting.notified()).await;
    let mut other = Client::connect(&home).await.unwrap();
    assert_eq!(soon(other.status()).await.unwrap(), peer_status());
    peer.release.notify_one();
    assert!(matches!(soon(waiter).await.unwrap().unwrap(), Triggered::Ended { .. }));
    soon(server.shutdown()).await;
}

#[test]
fn names_are_percent_encoded() {
    for (text, expected) in [("a-b_1", "a-b_1"), ("..", "%2E%2E"), ("a b/é", "a%20b%2F%C3%A9")] {
        assert_eq!(encode(text), expected);
    }
}
