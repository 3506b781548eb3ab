//! The control socket over a real socket, with a peer that only says what it was asked.

#![allow(clippy::unwrap_used)]

mod documented;
mod over_tcp;

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
use crate::config::LogLevel;
use crate::cycle::SkipReason;
use crate::log_gate::Wish;
use crate::news::Event;
use crate::peer::Home;
use crate::record::{Cursor, EventRecord, SkipRecord, Usage};
use crate::status::{
    Build, ChangeKind, ChoreStatus, Controlled, CycleStatus, CycleTimeout, LastRun, LimitInForce,
    LimitsInForce, Outcome, PauseStatus, Phase, RefusedFile, Setting, SignatureStatus,
    VersionStatus,
};

/// Longest that a test waits for anything.
const SOON: Duration = Duration::from_secs(20);

#[derive(Clone)]
struct FakePeer {
    asked: Arc<Mutex<Vec<String>>>,
    news: News,
    /// A trigger of the chore "slow" waits for this.
    release: Arc<Notify>,
    /// And says here that it waits.
    waiting: Arc<Notify>,
}

impl Default for FakePeer {
    fn default() -> FakePeer {
        FakePeer {
            asked: Arc::default(),
            news: News::new(Timestamp::from_nanos(7)),
            release: Arc::default(),
            waiting: Arc::default(),
        }
    }
}

impl FakePeer {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }

    fn answer(&self, chore: &str) -> Result<(), ControlError> {
        match chore {
            "refused" | "send-refused" => {
                Err(ControlError::Refused { name: chore.into(), reason: "bad digest".into() })
            }
            "stopped" => Err(ControlError::Stopped),
            "broken" => Err(ControlError::Folder("read /home/alice/chores: gone".into())),
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
        pause: Some(PauseStatus {
            since: Timestamp::from_nanos(3),
            until: None,
            note: Actor { by: "alice".into(), note: "maintenance".into() },
        }),
        backing_off_until: None,
        jitter: Duration::ZERO,
        overridden: false,
        overdue: None,
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
        signature: Some(SignatureStatus {
            signed: true,
            key: "DC38F8D710E9BB71".into(),
            comment: "release 7".into(),
        }),
    };
    let refused = ChoreStatus { name: "send-refused".into(), ..ChoreStatus::default() };
    let misnamed = ChoreStatus { name: "Send It.wasm".into(), ..ChoreStatus::default() };
    PeerStatus {
        version: "0.1.0".into(),
        node: "node".into(),
        listen: String::new(),
        started: Timestamp::from_nanos(1),
        problem: "the directory is gone".into(),
        chores: vec![chore, refused, misnamed],
    }
}

fn detail() -> ChoreDetail {
    let version = |is: &str| VersionStatus {
        is: is.into(),
        version: "1.0.0".into(),
        digest: "ab".repeat(32),
        since: Some(Timestamp::from_nanos(4)),
        reason: String::new(),
    };
    ChoreDetail {
        status: peer_status().chores.remove(0),
        settings: vec![Setting {
            name: "password".into(),
            kind: "secret".into(),
            value: None,
            is_set: true,
            default: None,
            help: "Whose".into(),
        }],
        versions: vec![version("running"), version("good")],
        limits: Some(LimitsInForce {
            by_key: vec![LimitInForce {
                key: "memory".into(),
                value: "9B".into(),
                overridden: true,
            }],
            memory_bytes: 9,
            grace: Duration::from_millis(1_500),
            timeouts: vec![CycleTimeout { cycle: "main".into(), timeout: Duration::from_secs(60) }],
        }),
    }
}

fn skip() -> Entry {
    let (first, last) = (Timestamp::from_nanos(1), Timestamp::from_nanos(2));
    let (chore, cycle, reason) = ("sender".into(), "main".into(), SkipReason::Paused);
    Entry::Skip(SkipRecord { chore, cycle, first, last, slots: 2, reason })
}

fn page() -> Page {
    let event = EventRecord { by: "alice".into(), what: "pause".into(), ..EventRecord::default() };
    let before = Some(Cursor { at: Timestamp::from_nanos(1), kind: 1, row: 4 });
    Page { entries: vec![entry(), skip(), Entry::Event(event)], before }
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
        usage: Usage {
            cpu: Duration::from_millis(3),
            memory_bytes: 9,
            host_calls: 4,
            host_bytes: 77,
        },
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

    async fn page(&self, query: Query) -> Result<Page, ControlError> {
        self.note(format!("history {query:?}"));
        Ok(page())
    }

    fn news(&self) -> News {
        self.news.clone()
    }

    fn chore(&self, chore: &str) -> Result<ChoreDetail, ControlError> {
        self.answer(chore)?;
        Ok(detail())
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

    async fn log_level(&self, chore: Option<&str>, wish: Option<Wish>) -> Result<(), ControlError> {
        self.note(format!("log level {chore:?} {wish:?}"));
        self.answer(chore.unwrap_or_default())
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

fn controlled(control: Control) -> Controlled {
    Controlled {
        chore: "sender".into(),
        control: control.word().into(),
        ok: true,
        problem: None,
        triggered: None,
        changes: Vec::new(),
    }
}

#[tokio::test]
async fn each_method_reaches_the_peer_and_its_answer_comes_back() {
    let (_dir, home) = home();
    let peer = FakePeer::default();
    let server = serve(peer.clone(), &home.socket()).unwrap();
    let mut client = Client::connect(&home).await.unwrap();

    assert_eq!(client.status().await.unwrap(), peer_status());
    assert_eq!(client.chore("sender").await.unwrap(), detail());
    assert_eq!(client.metrics().await.unwrap(), "runs_total 3\n");
    let query = Query {
        chore: Some("a&b".into()),
        cycle: Some("main".into()),
        before: page().before,
        outcome: Some("failed".into()),
        runs: true,
        events: false,
        limit: 9,
    };
    assert_eq!(client.history(&query).await.unwrap(), page());
    assert!(client.history(&Query::default()).await.is_ok());
    assert_eq!(Entry::Run(client.run(3).await.unwrap()), entry());
    assert!(client.run(4).await.unwrap_err().to_string().contains("no run 4"));
    let moment = Moment { from: Timestamp::from_nanos(1), to: Timestamp::from_nanos(2) };
    let why = client.why("sender", Some("main"), Some(moment)).await.unwrap();
    assert_eq!(why.because, format!("{moment:?}"));
    client.why("sender", None, None).await.unwrap();
    let expected = [format!("history {query:?}"), format!("history {:?}", Query::default())];
    assert_eq!(*peer.asked.lock().unwrap(), expected);
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn each_control_reaches_the_peer_and_its_answer_comes_back() {
    let (_dir, home) = home();
    let peer = FakePeer::default();
    let server = serve(peer.clone(), &home.socket()).unwrap();
    let mut client = Client::connect(&home).await.unwrap();

    let trigger = |wait| Control::Trigger { wait };
    let began = Some(Triggered::Began { iteration: 7 });
    let ended = Some(Triggered::Ended { run: run(Outcome::Succeeded) });
    let cycle = Some("a/b?c&d=é %");
    let until = Some(Timestamp::from_nanos(17));
    let interval = "1h 30m".parse().unwrap();
    let table = [
        (trigger(false), None, began, false, "trigger sender None false"),
        (trigger(true), Some("main"), ended, false, "trigger sender Some(\"main\") true"),
        (
            Control::Command(Command::Pause { until }),
            cycle,
            None,
            false,
            "Pause { until: Some(Timestamp(17)) } sender Some(\"a/b?c&d=é %\")",
        ),
        (
            Control::Command(Command::Restart),
            cycle,
            None,
            false,
            "Restart sender Some(\"a/b?c&d=é %\")",
        ),
        (Control::Command(Command::Cancel), None, None, false, "Cancel sender None"),
        (
            Control::Command(Command::Interval(interval)),
            None,
            None,
            false,
            "Interval(Every(Period(5400s))) sender None",
        ),
        (Control::Reload { force: true }, None, None, true, "reload Some(\"sender\") true"),
        (Control::Unload, None, None, true, "unload sender"),
        (Control::Load, None, None, true, "load sender"),
        (Control::GoBack, None, None, true, "go back sender"),
        (
            Control::LogLevel(Some(Wish { level: LogLevel::Debug, until })),
            None,
            None,
            false,
            "log level Some(\"sender\") Some(Wish { level: Debug, until: Some(Timestamp(17)) })",
        ),
        (Control::LogLevel(None), None, None, false, "log level Some(\"sender\") None"),
    ];
    for (control, cycle, triggered, changes, asked) in table {
        let changes = if changes { vec![change()] } else { Vec::new() };
        // That it was replaced is not what was asked for.
        let ok = control != Control::GoBack;
        let expected = Controlled { triggered, changes, ok, ..controlled(control) };
        assert_eq!(client.control("sender", control, cycle).await.unwrap(), [expected]);
        assert_eq!(peer.asked.lock().unwrap().drain(..).collect::<Vec<_>>(), [asked]);
    }
    let expected =
        Controlled { changes: vec![change()], ..controlled(Control::Reload { force: false }) };
    let mut client = client.act(Actor { by: "alice".into(), note: "a & b\n?".into() });
    assert_eq!(client.reload(false).await.unwrap(), [expected]);
    client.control("../status", Control::Unload, None).await.unwrap();
    let expected = Controlled { chore: String::new(), ..controlled(Control::LogLevel(None)) };
    assert_eq!(client.log_level(None).await.unwrap(), [expected]);
    let by = "as alice (a & b\u{fffd}?)";
    let expected = [by, "reload None false", by, "unload ../status", by, "log level None None"];
    assert_eq!(*peer.asked.lock().unwrap(), expected);
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn a_pattern_is_answered_for_each_chore_that_fits() {
    let (_dir, home) = home();
    let server = serve(FakePeer::default(), &home.socket()).unwrap();
    let mut client = Client::connect(&home).await.unwrap();
    let pause = Control::Command(Command::Pause { until: None });
    for pattern in ["*", "send*"] {
        let done = client.control(pattern, pause, None).await.unwrap();
        let done: Vec<_> = done.iter().map(|done| (&*done.chore, done.ok)).collect();
        assert_eq!(done, [("sender", true), ("send-refused", false)], "{pattern}");
    }
    let failed = client.control("*refused", pause, None).await.unwrap().remove(0).problem.unwrap();
    assert_eq!((failed.status, &*failed.kind), (409, "urn:problem-type:chore:not-loaded"));
    let nothing = client.control("x*", pause, None).await.unwrap_err().to_string();
    assert_eq!(nothing, "no chore fits \"x*\"");
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn errors_have_their_type_and_the_peers_words() {
    let (_dir, home) = home();
    let server = serve(FakePeer::default(), &home.socket()).unwrap();
    let mut client = Client::connect(&home).await.unwrap();
    for (chore, code, kind) in [
        ("nobody", 404, "unknown-chore"),
        ("refused", 409, "not-loaded"),
        ("stopped", 503, "closing"),
        // Whoever opens the socket reads all of it.
        ("broken", 500, "directory"),
    ] {
        let expected = FakePeer::default().answer(chore).unwrap_err().to_string();
        for control in [
            Control::Trigger { wait: false },
            Control::Trigger { wait: true },
            Control::Command(Command::Pause { until: None }),
            Control::Reload { force: true },
            Control::Load,
            Control::GoBack,
        ] {
            let err = client.control(chore, control, None).await.unwrap_err();
            assert_eq!(err.to_string(), expected);
            let ClientError::Refused(problem) = err else { panic!("{err}") };
            let kind = format!("urn:problem-type:chore:{kind}");
            assert_eq!((problem.status, &problem.kind), (code, &kind), "{chore}");
        }
    }
    soon(server.shutdown()).await;
}

#[tokio::test]
async fn events_come_as_they_happen_until_the_peer_closes() {
    use futures::StreamExt;
    let (_dir, home) = home();
    let peer = FakePeer::default();
    let server = serve(peer.clone(), &home.socket()).unwrap();
    let connect = async || Client::connect(&home).await.unwrap();
    let mut all = connect().await.events(None).await.unwrap();
    let mut sender = connect().await.events(Some("send*")).await.unwrap();
    let other = connect().await.events(Some("nobody")).await;
    assert!(matches!(other, Err(ClientError::Refused(_))));

    let Entry::Run(record) = entry() else { panic!() };
    let changed = Change { chore: "other".into(), ..change() };
    for event in [Event::Change(changed.clone()), Event::Run(record.clone())] {
        peer.news.tell(|| event.clone());
    }
    assert_eq!(soon(all.next()).await.unwrap().unwrap(), Event::Change(changed));
    for stream in [&mut all, &mut sender] {
        assert_eq!(soon(stream.next()).await.unwrap().unwrap(), Event::Run(record.clone()));
    }
    soon(server.shutdown()).await;
    assert!(soon(all.next()).await.is_none());
}

/// One request as bytes, and the first line and the body of the answer.
async fn raw(path: &Path, request: &str) -> (String, String) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    let (line, body) = request.split_once('\n').unwrap_or((request, ""));
    let length = body.len();
    let text = format!(
        "{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
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
        ("GET /nothing", "404", "unknown-route"),
        ("GET /status", "404", "unknown-route"),
        ("POST /api/v1/peer", "405", "wrong-method"),
        ("OPTIONS /api/v1/peer", "405", "wrong-method"),
        ("GET /api/v1/chores/sender/trigger", "405", "wrong-method"),
        ("POST /api/v1/chores/sender/explode", "404", "unknown-route"),
        ("POST /api/v1/chores/sender/trigger\n{\"wait\":1}", "400", "bad-request"),
        ("POST /api/v1/chores/sender/trigger\n{\"weit\":true}", "400", "unknown-field"),
        ("POST /api/v1/chores/sender/pause\n{\"wait\":true}", "400", "unknown-field"),
        ("POST /api/v1/reload\nforce", "400", "bad-request"),
        ("GET /api/v1/reload", "405", "wrong-method"),
        ("POST /api/v1/chores/%ff/pause", "400", "bad-request"),
        ("GET /api/v1/history?limt=3", "400", "bad-request"),
        ("GET /api/v1/history?before=now", "400", "bad-request"),
        ("GET /api/v1/chores/sender/why?at=10:00", "400", "bad-request"),
        ("GET /api/v1/runs/last", "400", "bad-request"),
        ("GET /api/v1/events?chore=nobody", "404", "unknown-chore"),
    ];
    for (request, code, kind) in cases {
        let (status, body) = raw(&home.socket(), request).await;
        assert!(status.contains(code), "{request}: {status}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["type"], format!("urn:problem-type:chore:{kind}"), "{request}");
        assert!(!body["detail"].as_str().unwrap().is_empty(), "{request}");
    }
    let large = format!("POST /api/v1/reload\n{}", " ".repeat(100_000));
    let (status, _) = raw(&home.socket(), &large).await;
    assert!(status.contains("413"), "{status}");
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
    let waiter =
        tokio::spawn(
            async move { client.control("slow", Control::Trigger { wait: true }, None).await },
        );
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
    let waiter =
        tokio::spawn(
            async move { client.control("slow", Control::Trigger { wait: true }, None).await },
        );
    soon(peer.waiting.notified()).await;
    let mut other = Client::connect(&home).await.unwrap();
    assert_eq!(soon(other.status()).await.unwrap(), peer_status());
    peer.release.notify_one();
    let done = soon(waiter).await.unwrap().unwrap().remove(0);
    assert!(matches!(done.triggered, Some(Triggered::Ended { .. })));
    soon(server.shutdown()).await;
}

#[test]
fn names_are_percent_encoded() {
    for (text, expected) in [("a-b_1", "a-b_1"), ("..", "%2E%2E"), ("a b/é", "a%20b%2F%C3%A9")] {
        assert_eq!(encode(text), expected);
    }
}
