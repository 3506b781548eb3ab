//! The control socket of a real peer: any bytes, and it still answers the next one who asks.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use chore_host::config::Config;
use chore_host::control;
use chore_host::identity::Identity;
use chore_host::peer::{Home, Options, Peer};
use chore_host::settlement::Manner;
use tokio::signal::unix::{SignalKind, signal};

/// A peer without a chore, for as long as this process lives.
static SOCKET: LazyLock<PathBuf> = LazyLock::new(start);

/// How long an answer may take. A machine that fuzzes is busy.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// What is read of an answer, in bytes; streams of events have no end.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

fn start() -> PathBuf {
    let folder = tempfile::Builder::new().prefix("fz").tempdir().expect("a folder").keep();
    let home = Home::new(&folder);
    std::fs::create_dir_all(folder.join("chores")).expect("a folder");
    let identity = Identity::create().expect("an identity");
    identity.store(&home.identity()).expect("a place for it");
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let tokio: &'static tokio::runtime::Runtime =
        Box::leak(Box::new(tokio.expect("an async runtime")));
    let socket = home.socket();
    tokio.block_on(async {
        let options = Options {
            home,
            config: Config::default(),
            runtime: None,
            manner: Manner::default(),
            spans: None,
        };
        let peer = Peer::start(options).await.expect("a peer");
        let server = control::serve(peer.handle(), &socket).expect("a socket");
        // A program of Rust's own ignores it; libFuzzer's would end when a client has hung up.
        let pipe = signal(SignalKind::pipe()).expect("a handler");
        std::mem::forget((peer, server, pipe));
    });
    socket
}

/// With `ended`, the other side hears that nothing more will come.
fn answer(request: &[u8], ended: bool) -> Vec<u8> {
    let mut stream = UnixStream::connect(&*SOCKET).expect("somebody listens");
    stream.set_read_timeout(Some(ANSWER_MAX)).expect("a timeout");
    stream.set_write_timeout(Some(ANSWER_MAX)).expect("a timeout");
    // The peer may have heard enough before the end.
    let _ = stream.write_all(request);
    if ended {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    let mut length = 0;
    loop {
        match stream.read(&mut answer[length..]) {
            // libFuzzer's clock rings now and then.
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(_) | Ok(0) => break,
            Ok(more) => length += more,
        }
        if length == answer.len() || is_endless(&answer[..length]) {
            break;
        }
    }
    answer.truncate(length);
    answer
}

/// A stream of events goes on until somebody leaves.
fn is_endless(answer: &[u8]) -> bool {
    answer.windows(17).any(|part| part == b"text/event-stream")
}

pub fn control(bytes: &[u8]) {
    let said = answer(bytes, true);
    assert!(said.is_empty() || said.starts_with(b"HTTP/1."), "{}", String::from_utf8_lossy(&said));
    let asked = b"GET /api/v1/peer HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    // Whoever hangs up before the answer may get none.
    let still = answer(asked, false);
    assert!(still.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&still));
}
