//! The API of a peer as programs use it: over TCP with a token, events as they happen, several chores
//! at once, and pages of the history.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use chore_host::control::Client;
use chore_host::news::Event;
use chore_host::peer::Home;
use futures::StreamExt;
use serde_json::Value;
use testplanet::{Build, LONG, PATCHED, Program, drop_into, eventually, refused, text};

/// A second chore, of another name with as many letters.
const ANOTHER: &str = "guest-swap-another";

const TYPE: &str = "urn:problem-type:chore:";

/// A peer with two chores that run when they are triggered, the second of which fails.
struct Peer {
    program: Program,
    home: Home,
    /// Of the API over TCP.
    address: String,
    _folder: tempfile::TempDir,
}

impl Peer {
    async fn start() -> Peer {
        let folder = tempfile::Builder::new().prefix("tp").tempdir().unwrap();
        let home = Home::new(folder.path().join("home"));
        assert!(Program::command(home.root(), &["setup"]).status.success());
        std::fs::write(home.config(), "[control]\nlisten = \"127.0.0.1:0\"\n").unwrap();
        let config = "[cycles.main]\ninterval = \"off\"\n";
        let builds =
            [(PATCHED, Build::patched()), (ANOTHER, Build::patched().name(ANOTHER).run("fail"))];
        for (name, build) in builds {
            drop_into(&home.chores(), &format!("{name}.toml"), config.as_bytes());
            drop_into(&home.chores(), &format!("{name}.wasm"), build.bytes());
        }
        let mut program = Program::run(home.root());
        program.is_up();
        let log = program.log();
        let address = log.split("api=\"").nth(1).and_then(|rest| rest.split('"').next());
        let address = address.unwrap_or_else(|| panic!("no address: {log}")).to_owned();
        let peer = Peer { program, home, address, _folder: folder };
        eventually("both are loaded", || async {
            let chores = peer.json(&["ls"]);
            let loaded = |chore: &Value| chore["state"] == "loaded";
            chores.as_array().unwrap().iter().filter(|chore| loaded(chore)).count() == 2
        })
        .await;
        peer
    }

    fn root(&self) -> &Path {
        self.home.root()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = Program::command(self.root(), &[arguments, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {output:?}"))
    }

    /// Status and body of the answer; headers one a line, `HOST` stands for the address.
    fn ask(&self, line: &str, headers: &str, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        let headers = headers.replace("HOST", &self.address).replace('\n', "\r\n");
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\n{headers}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n\
             {body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|err| panic!("{err}: {answer}")))
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(&format!("GET /api/v1{path}"), "host: HOST", "");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn token(&self, name: &str) -> String {
        let made = Program::command(self.root(), &["token", "new", name]);
        assert!(made.status.success(), "{made:?}");
        text(&made.stdout).trim().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_its_owner_change_things_until_it_is_revoked() {
    let peer = Peer::start().await;
    let pause = format!("POST /api/v1/chores/{PATCHED}/pause");
    let body = r#"{"for":"2h","note":"maintenance","by":"mallory"}"#;
    let (status, problem) = peer.ask(&pause, "host: HOST", body);
    assert_eq!((status, &problem["type"]), (401, &format!("{TYPE}no-token").into()));

    let token = peer.token("alice@laptop");
    let kept = peer.home.data().join("tokens.json");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!std::fs::read_to_string(&kept).unwrap().contains(token.trim_start_matches("chore_")));
    assert!(
        refused(&Program::command(peer.root(), &["token", "new", "alice@laptop"]))
            .contains("already")
    );

    let with = format!("host: HOST\nauthorization: Bearer {token}");
    let (status, done) = peer.ask(&pause, &with, body);
    assert_eq!((status, &done[0]["ok"], &done[0]["control"]), (200, &true.into(), &"pause".into()));
    let paused = &peer.get(&format!("/chores/{PATCHED}"))["cycles"][0]["pause"];
    assert_eq!((&paused["by"], &paused["note"]), (&"alice@laptop".into(), &"maintenance".into()));
    let history = peer.json(&["history", PATCHED]);
    let did = history.as_array().unwrap().iter().find(|entry| entry["what"] == "pause").unwrap();
    assert_eq!(did["by"], "alice@laptop", "{history}");
    let (status, problem) = peer.ask(&pause, &with, r#"{"notes":"x"}"#);
    assert_eq!(
        (status, &problem["detail"]),
        (400, &"unknown field \"notes\": did you mean \"note\"?".into())
    );

    let listed = peer.json(&["token", "ls"]);
    assert_eq!((&listed[0]["name"], listed.as_array().unwrap().len()), (&"alice@laptop".into(), 1));
    assert!(!listed.to_string().contains(&token));
    assert!(Program::command(peer.root(), &["token", "revoke", "alice@laptop"]).status.success());
    let (status, problem) = peer.ask(&pause, &with, body);
    assert_eq!((status, &problem["type"]), (401, &format!("{TYPE}wrong-token").into()));
    assert!(peer.program.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_web_pages_nor_guesses_get_through() {
    let peer = Peer::start().await;
    let token = peer.token("alice");
    let (read, trigger) = ("GET /api/v1/chores", format!("POST /api/v1/chores/{PATCHED}/trigger"));
    let (port, with) =
        (peer.address.rsplit(':').next().unwrap(), format!("authorization: Bearer {token}"));
    for (case, line, headers, status, kind) in [
        ("a rebound name", read, format!("host: evil.example:{port}"), 403, "wrong-host"),
        ("with a token", &trigger, format!("host: evil.example\n{with}"), 403, "wrong-host"),
        (
            "a form of another page",
            &trigger,
            "host: HOST\norigin: http://evil.example\ncontent-type: text/plain".to_owned(),
            403,
            "wrong-origin",
        ),
        (
            "a page on another port",
            &trigger,
            format!("host: HOST\norigin: http://127.0.0.1:1\n{with}"),
            403,
            "wrong-origin",
        ),
        ("an unknown route", "GET /status", "host: HOST".to_owned(), 404, "unknown-route"),
        ("a directory", "GET /api/v1/chores/..", "host: HOST".to_owned(), 404, "unknown-chore"),
    ] {
        let (found, problem) = peer.ask(line, &headers, "");
        assert_eq!((found, &problem["type"]), (status, &format!("{TYPE}{kind}").into()), "{case}");
    }
    let guesses: Vec<u16> = (0..12)
        .map(|n| peer.ask(&trigger, &format!("host: HOST\nauthorization: Bearer chore_{n}"), "").0)
        .collect();
    assert_eq!(guesses, [vec![401; 10], vec![429; 2]].concat());
    assert_eq!(peer.ask(&trigger, &format!("host: HOST\n{with}"), "").0, 429, "the right one too");
    assert_eq!(peer.ask(read, "host: HOST", "").0, 200, "who reads is not held up");
    let runs = peer.json(&["history", "--runs"]);
    let triggered = runs.as_array().unwrap().iter().filter(|run| run["reason"] == "trigger");
    assert_eq!(triggered.count(), 0, "{runs}");
    // The owner is not locked out.
    assert!(Program::command(peer.root(), &["trigger", PATCHED, "--wait"]).status.success());
    assert!(peer.program.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_an_event_when_it_begins_and_when_it_has_ended() {
    let peer = Peer::start().await;
    let client = Client::connect(&peer.home).await.unwrap();
    let mut events = client.events(Some(ANOTHER)).await.unwrap();
    let mut browser = TcpStream::connect(&peer.address).unwrap();
    browser.set_read_timeout(Some(LONG)).unwrap();
    let request = "GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    browser.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(browser).lines().map(|line| line.expect("a line"));
    assert!(
        lines
            .by_ref()
            .take_while(|line| !line.is_empty())
            .any(|line| line.contains("event-stream"))
    );

    for name in [PATCHED, ANOTHER] {
        Program::command(peer.root(), &["trigger", name, "--wait", "--by", "alice"]);
    }
    let mut heard = Vec::new();
    while heard.last().is_none_or(|last| last != "run failed") {
        let event = tokio::time::timeout(LONG, events.next()).await.unwrap().unwrap().unwrap();
        assert_eq!(event.chore(), ANOTHER);
        heard.push(match event {
            Event::Run(run) => {
                let outcome = run.outcome.map_or("running", |outcome| outcome.word());
                assert_eq!((run.reason.as_str(), run.by.as_str()), ("trigger", "alice"));
                format!("run {outcome}")
            }
            Event::Control(event) => format!("{} by {}", event.what, event.by),
            other => other.word().to_owned(),
        });
    }
    heard.retain(|what| what != "log");
    assert_eq!(heard, ["trigger by alice", "run running", "run failed"]);
    let failed =
        |line: &String| line.starts_with("data: ") && line.contains("\"outcome\":\"failed\"");
    let line = lines.find(failed).unwrap();
    assert!(line.contains(ANOTHER), "{line}");
    // A stream does not hold up the end of the peer.
    assert!(peer.program.terminate().success());
    let end = tokio::time::timeout(Duration::from_secs(60), events.next()).await.unwrap();
    assert!(matches!(end, None | Some(Err(_))), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_chores_are_controlled_at_once_each_with_its_outcome() {
    let peer = Peer::start().await;
    let run = |arguments: &[&str]| {
        let output = Program::command(peer.root(), &[arguments, &["--json"]].concat());
        let all: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let item = |item: &Value| (item["chore"].as_str().unwrap().to_owned(), item["ok"] == true);
        let items: Vec<_> = all.as_array().into_iter().flatten().map(item).collect();
        (output.status.code().unwrap(), items)
    };
    let both =
        |another, patched| vec![(ANOTHER.to_owned(), another), (PATCHED.to_owned(), patched)];
    assert_eq!(run(&["pause", "guest-swap-*"]), (0, both(true, true)));
    for cycle in [0, 1].map(|at| peer.json(&["ls"])[at]["cycles"][0].clone()) {
        assert_eq!(cycle["state"], "paused", "{cycle}");
    }
    assert_eq!(run(&["restart", "--all"]), (0, both(true, true)));
    assert_eq!(run(&["trigger", "*", "--wait"]), (1, both(false, true)));
    assert_eq!(run(&["interval", "--all", "2h"]), (0, both(true, true)));
    assert_eq!(run(&["reload", "--all"]), (0, both(true, true)));
    assert_eq!(run(&["reload"]), (0, vec![]));
    assert_eq!(run(&["unload", "*-another"]), (0, vec![(ANOTHER.to_owned(), true)]));
    assert_eq!(run(&["cancel", "*"]), (1, both(false, true)));
    assert_eq!(run(&["load", "--all"]), (0, both(true, true)));
    let said = Program::command(peer.root(), &["trigger", "*", "--wait"]);
    let said = text(&said.stdout);
    assert!(said.contains("failed after") && said.contains("succeeded after"), "{said}");
    let nothing = refused(&Program::command(peer.root(), &["pause", "x*"]));
    assert_eq!(nothing, "no chore fits \"x*\"");
    assert!(peer.program.terminate().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_the_history_are_the_whole_history() {
    let peer = Peer::start().await;
    for _ in 0..3 {
        Program::command(peer.root(), &["trigger", "*", "--wait"]);
    }
    let all = peer.get("/history");
    assert_eq!(all["before"], Value::Null, "{all}");
    let all = all["entries"].as_array().unwrap().clone();
    assert!(all.len() > 12, "6 triggers, 6 runs, and what the peer did: {}", all.len());
    let (mut paged, mut before) = (Vec::new(), String::new());
    loop {
        let page = peer.get(&format!("/history?limit=2{before}"));
        paged.extend(page["entries"].as_array().unwrap().clone());
        let Some(next) = page["before"].as_str() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(paged, all);

    // A time from the history finds its run.
    let run = all.iter().find(|entry| entry["kind"] == "run").unwrap();
    let (number, chore) = (&run["run"], run["chore"].as_str().unwrap());
    let why = peer.json(&["why", chore, "--at", run["started"].as_str().unwrap()]);
    let because = why["because"].as_str().unwrap();
    assert!(because.starts_with(&format!("run {number} began")), "{because}");
    let path = format!("/chores/{chore}/why?at={}", run["started"].as_str().unwrap());
    assert_eq!(peer.get(&path)["because"], because);
    let mut full = peer.get(&format!("/runs/{number}"));
    full["kind"] = "run".into();
    assert_eq!(&full, run);

    let detail = peer.get(&format!("/chores/{PATCHED}"));
    assert_eq!(detail["versions"][0]["is"], "running", "{detail}");
    assert_eq!(detail["limits"]["memory_bytes"], 64 << 20);
    assert_eq!(detail, peer.json(&["status", PATCHED]), "the command says what the API says");
    let document = peer.get("/openapi.json");
    assert_eq!(document["openapi"], "3.1.0");
    assert!(peer.program.terminate().success());
}
