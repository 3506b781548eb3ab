//! The panel in a real browser: what an operator sees and clicks, and that nothing of it goes wrong.
//! What the browser does stands in `tests/panel/panel.js`; here is the peer that it looks at.

mod crowd;
mod pages;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chore_host::clock::Timestamp;
use chore_host::control::{TcpOptions, Tokens, serve_tcp};
use chore_host::record::{Entry, EventRecord, Query};
use crowd::Crowd;
use testplanet::{
    Build, PATCHED, SENDER, Testplanet, chore, drop_chore, drop_into, eventually, get, text,
    trigger_wait, workspace,
};

use crate::patched::version;

/// As long as [`PATCHED`], for the same bytes under another name.
const FAILING: &str = "guest-swap-failing";

/// What it says, which a page must show and not obey. As long as what its source says.
const EVIL: &str = "<b id=evil>no</b> !!";
const EVIL_SOURCE: &str = "run does not want to";

fn failing() -> Build {
    version(1).name(FAILING).run("fail").patch(EVIL_SOURCE, EVIL)
}

/// A peer in which there is something to see: a chore that sends orders, one with a version to go
/// back to, one that fails, and a file that is none.
async fn busy_peer() -> Testplanet {
    let planet = Testplanet::start(1, 1).await;
    let node = planet.node(0);
    planet.hand_in(0, 0, 20).await;
    drop_chore(node, PATCHED, &version(1), Some("[settings]\ngreeting = \"<i>hi</i>\"\n"));
    drop_chore(node, FAILING, &failing(), None);
    drop_into(&testplanet::chores(node), "Old Notes.wasm", b"a text");
    node.handle().reload(None, false).await.unwrap();
    drop_chore(node, PATCHED, &version(2), None);
    node.handle().reload(Some(PATCHED), false).await.unwrap();
    let first = || async { chore(node, FAILING).cycles[0].last.is_some() };
    eventually("the first failure is over", first).await;
    for name in [PATCHED, PATCHED, PATCHED, FAILING, SENDER] {
        trigger_wait(node, name).await;
    }
    let passed = || async { chore(node, PATCHED).watched_runs_left == 0 };
    eventually("the new version has passed", passed).await;
    planet
}

/// Fails with what to do unless the machine has what the test needs.
fn installed() {
    let found = Command::new("chromium").arg("--version").output();
    assert!(
        found.is_ok_and(|output| output.status.success()),
        "no Chromium: install Debian's package \"chromium\", as tests/run.sh does"
    );
    let script = workspace().join("tests/panel/install.sh");
    let status = Command::new(&script).env("CARGO_TARGET_DIR", target()).status();
    let status = status.unwrap_or_else(|err| panic!("{}: {err}", script.display()));
    assert!(status.success(), "{}: {status}", script.display());
}

fn target() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    me.ancestors().nth(3).unwrap().to_path_buf()
}

/// The script ends by itself, after a few minutes at the latest.
async fn browse(
    [served, without_events, crowd]: [SocketAddr; 3],
    token: &str,
    pictures: &Path,
) -> Output {
    let mut node = Command::new("node");
    node.arg(workspace().join("tests/panel/panel.js"))
        .arg(format!("http://{served}"))
        .arg(format!("http://{without_events}"))
        .arg(format!("http://{crowd}"))
        .args([token, PATCHED, FAILING, EVIL])
        .arg(pictures)
        // Where `install.sh` puts what it needs.
        .env("NODE_PATH", target().join("panel/node_modules"))
        .stdin(Stdio::null());
    tokio::task::spawn_blocking(move || node.output().expect("node runs")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_and_does_everything_in_a_browser() {
    tokio::task::spawn_blocking(installed).await.unwrap();
    let planet = busy_peer().await;
    let node = planet.node(0);
    // The next run of the sender has something to say.
    planet.hand_in(0, 0, 5).await;
    let tokens = Tokens::at(node.home().data().join("tokens-of-this-test"));
    let token = tokens.create("alice", Timestamp::now()).unwrap();
    let listen = "127.0.0.1:0".parse().unwrap();
    let served = serve_tcp(node.handle(), TcpOptions { listen, name: None, tokens }).await.unwrap();
    let without_events = pages::serve(node.handle()).await;
    let crowd = pages::serve(Crowd).await;
    let addresses = [served.local_addr(), without_events.address, crowd.address];
    let output = browse(addresses, &token, &target().join("panel")).await;
    print!("{}", text(&output.stdout));
    let (said, wrong) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{wrong}");
    assert_eq!(said.lines().last(), Some("done"), "{said}\n{wrong}");

    // What was clicked has been done, in the name of who did it, and with their note.
    let events = Query { events: true, ..Query::default() };
    let entries = node.handle().history(events).await.unwrap().entries;
    let did: Vec<EventRecord> = entries
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Event(event) if event.by == "alice" => Some(event),
            _ => None,
        })
        .collect();
    let did: Vec<(&str, &str, &str)> = did
        .iter()
        .rev()
        .map(|event| (event.what.as_str(), event.chore.as_str(), event.note.as_str()))
        .collect();
    let expected = [
        // By the script, to see whether the pages notice.
        ("trigger", SENDER, ""),
        ("trigger", SENDER, ""),
        ("pause", PATCHED, "<i>maintenance</i>"),
        ("restart", PATCHED, ""),
        ("trigger", PATCHED, ""),
        ("interval 5m", PATCHED, ""),
        ("go back", PATCHED, "too slow"),
        ("pause", SENDER, "by keyboard"),
    ];
    assert_eq!(did, expected);
    assert_eq!(chore(node, PATCHED).version, "1.7.100");
    assert_eq!(chore(node, SENDER).cycles[0].state, "paused");
    served.shutdown().await;
    planet.shutdown().await;
}

/// The third column of the table in the guide: pages, and the names that stand there in bold.
fn places() -> Vec<(&'static str, &'static str)> {
    let guide = include_str!("../../../docs/operating.md");
    let rows = guide.lines().filter(|line| line.starts_with("| ") && line.contains("**"));
    let cells = rows.filter_map(|row| row.trim_matches('|').rsplit(" | ").next());
    let mut places = Vec::new();
    for part in cells.flat_map(|cell| cell.split("; ")) {
        let page = part.split('`').nth(1).expect("a page first");
        let names = part.split("**").skip(1).step_by(2);
        places.extend(names.map(|name| (page, name)));
    }
    places
}

#[tokio::test(flavor = "multi_thread")]
async fn the_places_that_the_guide_names_are_there() {
    let planet = busy_peer().await;
    let node = planet.node(0);
    let pages = pages::serve(node.handle()).await;
    let last = chore(node, FAILING).cycles[0].last.as_ref().unwrap().run;
    let places = places();
    assert!(places.len() > 15, "{places:?}");
    for (page, name) in places {
        // It is there only during a run.
        if name == "Cancel run" {
            continue;
        }
        let path = page.replace("NAME", PATCHED).replace("/N", &format!("/{last}"));
        let address = pages.address.to_string();
        let shown = tokio::task::spawn_blocking({
            let path = path.clone();
            move || get(&address, &path)
        });
        let shown = shown.await.unwrap();
        assert!(shown.starts_with("HTTP/1.1 200"), "{path}: {shown}");
        assert!(shown.contains(&format!(">{name}")), "{path} has no {name}: {shown}");
    }
    planet.shutdown().await;
}
