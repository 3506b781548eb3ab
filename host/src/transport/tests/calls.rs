//! Calls: what goes through, what comes back, and how each ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Code;

use super::net::*;
use crate::limits::{CONNECTION_WINDOW_BYTES, STREAM_WINDOW_BYTES};
use crate::transport::ResponseStream;

type Answer = Result<Vec<u8>, Code>;

async fn collect(responses: ResponseStream) -> Vec<Answer> {
    let responses = responses.map(|item| item.map_err(|status| status.code()));
    tokio::time::timeout(LONG, responses.collect()).await.unwrap()
}

fn some(messages: &[&str]) -> impl futures::Stream<Item = Vec<u8>> + use<> {
    stream::iter(messages.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>())
}

/// A channel as the requests of a call.
fn requests(bound: usize) -> (mpsc::Sender<Vec<u8>>, impl futures::Stream<Item = Vec<u8>>) {
    let (sender, receiver) = mpsc::channel(bound);
    let next = |mut receiver: mpsc::Receiver<Vec<u8>>| async move {
        receiver.recv().await.map(|item| (item, receiver))
    };
    (sender, stream::unfold(receiver, next))
}

#[tokio::test]
async fn both_sides_know_who_the_other_is() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    assert_eq!(connection.peer().id(), net.node.id);
    let who = connection.unary(WHO, vec![], LONG).await.unwrap();
    assert_eq!(String::from_utf8(who).unwrap(), net.client.id().to_string());
}

#[tokio::test]
async fn unary_calls_end_as_the_handler_says() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let full = vec![1; MESSAGE_BYTES_MAX];
    let cases: [(&str, Vec<u8>, Answer); 11] = [
        (ECHO, b"hello".to_vec(), Ok(b"hello".to_vec())),
        (ECHO, vec![], Ok(vec![])),
        (ECHO, full.clone(), Ok(full.clone())),
        (COUNT, full, Ok(b"[100000]".to_vec())),
        (FAIL_LATER, vec![], Err(Code::DataLoss)),
        (PANIC, vec![], Err(Code::Internal)),
        (PANIC_LATER, vec![], Err(Code::Internal)),
        ("/test.Test/Unknown", vec![], Err(Code::Unimplemented)),
        ("/test.Test", vec![], Err(Code::InvalidArgument)),
        ("/test.Test/Echo\r\nx: y", vec![], Err(Code::InvalidArgument)),
        (ECHO, b"still here".to_vec(), Ok(b"still here".to_vec())),
    ];
    for (method, request, expected) in cases {
        let answer = connection.unary(method, request, LONG).await;
        assert_eq!(answer.map_err(|status| status.code()), expected, "{method}");
    }
    let status = connection.unary(PANIC, vec![], LONG).await.unwrap_err();
    assert!(!status.message().contains("as planned"), "a panic's text stays here: {status}");
}

#[tokio::test]
async fn streams_answer_as_they_go() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let (sender, requests) = requests(1);
    let mut responses = connection.stream(ECHO, requests, LONG).await.unwrap();
    for round in 0..100u8 {
        sender.send(vec![round]).await.unwrap();
        assert_eq!(responses.next().await.unwrap().unwrap(), [round]);
    }
    drop(sender);
    assert!(responses.next().await.is_none());

    let cases: [(&str, &[&str], Vec<Answer>); 4] = [
        (ECHO, &[], vec![]),
        (ECHO, &["a", "", "c"], vec![Ok(b"a".to_vec()), Ok(vec![]), Ok(b"c".to_vec())]),
        (FAIL_LATER, &["x"], vec![Ok(b"one".to_vec()), Err(Code::DataLoss)]),
        (PANIC_LATER, &["x"], vec![Ok(b"one".to_vec()), Err(Code::Internal)]),
    ];
    for (method, requests, expected) in cases {
        let responses = connection.stream(method, some(requests), LONG).await.unwrap();
        assert_eq!(collect(responses).await, expected, "{method}");
    }
    let refused = connection.stream("/test.Test/Unknown", some(&["x"]), LONG).await.unwrap();
    assert_eq!(collect(refused).await, [Err(Code::Unimplemented)]);
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_its_sender_back() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let endless = stream::repeat_with(move || {
        count.fetch_add(1, Ordering::SeqCst);
        vec![0; 1000]
    });
    let responses = connection.stream(DEAF, endless, LONG).await.unwrap();
    // What both sides buffer, and then some: the point is that it has an end.
    let bound = (STREAM_WINDOW_BYTES + 2 * CONNECTION_WINDOW_BYTES) as usize / 1000;
    eventually("the windows fill", || sent.load(Ordering::SeqCst) > 50).await;
    // Others go on meanwhile, which also gives the sender its time.
    for _ in 0..50 {
        assert_eq!(net.echo("beside").await.unwrap(), b"beside");
    }
    let before = sent.load(Ordering::SeqCst);
    assert!(before < bound, "{before} messages were taken");
    drop(responses);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_handler_back() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let endless = stream::repeat_with(move || {
        count.fetch_add(1, Ordering::SeqCst);
        vec![0; 1000]
    });
    // The echo's answers are not read, so in the end the requests are not either.
    let mut responses = connection.stream(ECHO, endless, LONG).await.unwrap();
    assert_eq!(responses.next().await.unwrap().unwrap().len(), 1000);
    for _ in 0..50 {
        assert_eq!(net.echo("beside").await.unwrap(), b"beside");
    }
    let bound = 2 * (STREAM_WINDOW_BYTES + 2 * CONNECTION_WINDOW_BYTES) as usize / 1000;
    let before = sent.load(Ordering::SeqCst);
    assert!(before < bound, "{before} messages were taken");
}

#[tokio::test]
async fn calls_that_are_never_answered_end_by_their_deadline() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    for method in [NEVER, DEAF] {
        let start = Instant::now();
        let status = connection.unary(method, vec![], SHORT).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        let responses = connection.stream(method, stream::pending(), SHORT).await.unwrap();
        assert_eq!(collect(responses).await, [Err(Code::DeadlineExceeded)]);
        assert!(start.elapsed() >= 2 * SHORT && start.elapsed() < LONG / 2);
    }
    let none = connection.unary(ECHO, vec![], std::time::Duration::ZERO).await;
    assert_eq!(none.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(net.echo("after").await.unwrap(), b"after");
    assert!(!connection.is_closed());
}

#[tokio::test]
async fn a_message_too_large_ends_its_stream_only() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let (beside, requests) = requests(1);
    let mut other = connection.stream(ECHO, requests, LONG).await.unwrap();

    let large = vec![0; MESSAGE_BYTES_MAX + 1];
    let unary = connection.unary(ECHO, large.clone(), LONG).await.unwrap_err();
    assert_eq!(unary.code(), Code::ResourceExhausted);
    assert!(unary.message().contains("100001 bytes"), "{unary}");
    let requests = stream::iter([b"small".to_vec(), large]);
    let responses = connection.stream(ECHO, requests, LONG).await.unwrap();
    let items = collect(responses).await;
    assert_eq!(items.last(), Some(&Err(Code::ResourceExhausted)));
    // Too large an answer is refused where it is sent.
    let answer = connection.unary(BIG, vec![], LONG).await.unwrap_err();
    assert_eq!(answer.code(), Code::OutOfRange, "{answer}");

    beside.send(b"beside".to_vec()).await.unwrap();
    assert_eq!(other.next().await.unwrap().unwrap(), b"beside");
}

#[tokio::test]
async fn a_message_too_large_for_the_other_side_ends_its_stream_only() {
    let smaller = MESSAGE_BYTES_MAX / 2;
    let message = vec![0; smaller + 1];
    // The server takes less than the client sends, and then the other way round.
    let strict = crate::transport::ServerOptions { message_bytes_max: smaller, ..server_options() };
    let server_is_strict = net_with(options(), strict).await;
    let strict = crate::transport::Options { message_bytes_max: smaller, ..options() };
    let client_is_strict = net_with(strict, server_options()).await;
    for (net, method, request) in
        [(server_is_strict, COUNT, message), (client_is_strict, BIG_ENOUGH, vec![])]
    {
        let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
        let status = connection.unary(method, request, LONG).await.unwrap_err();
        assert_eq!(status.code(), Code::OutOfRange, "{status}");
        assert_eq!(connection.unary(ECHO, b"after".to_vec(), LONG).await.unwrap(), b"after");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_given_up_ends_on_the_other_side_and_is_not_taken_for_complete() {
    let (ended, mut endings) = mpsc::unbounded_channel();
    let watch = serve(move |_, mut requests| {
        let ended = ended.clone();
        Box::pin(async move {
            struct Dropped(mpsc::UnboundedSender<&'static str>);
            impl Drop for Dropped {
                fn drop(&mut self) {
                    let _ = self.0.send("dropped");
                }
            }
            let dropped = Dropped(ended);
            while let Some(item) = requests.next().await {
                let _ = dropped.0.send(if item.is_ok() { "message" } else { "error" });
                item?;
            }
            let _ = dropped.0.send("complete");
            Ok(Box::pin(stream::empty()) as crate::transport::Outgoing)
        })
    });
    let net = net().await;
    let identity = identity();
    let routes = vec![("/test.Test/Watch", watch)];
    let server = crate::transport::Server::bind(
        Arc::clone(&identity),
        "127.0.0.1:0",
        routes,
        server_options(),
    );
    let server = server.await.unwrap();
    server.serve();
    let address = server.local_addr().to_string();
    let node = crate::node_id::NodeUrl { id: identity.id(), address };
    let connection = net.transport.dial_node(&node, LONG).await.unwrap();

    for _ in 0..20 {
        let (sender, requests) = requests(1);
        let responses = connection.stream("/test.Test/Watch", requests, LONG).await.unwrap();
        sender.send(b"one".to_vec()).await.unwrap();
        assert_eq!(endings.recv().await, Some("message"));
        drop(responses);
        let mut last = tokio::time::timeout(LONG, endings.recv()).await.unwrap().unwrap();
        if last == "error" {
            last = tokio::time::timeout(LONG, endings.recv()).await.unwrap().unwrap();
        }
        assert_eq!(last, "dropped");
        tokio::time::timeout(LONG, sender.closed()).await.unwrap();
    }
    let complete = connection.unary("/test.Test/Watch", vec![], LONG).await.unwrap_err();
    assert_eq!(complete.code(), Code::Internal, "it answers nothing");
    let rest = [endings.recv().await, endings.recv().await, endings.recv().await];
    assert_eq!(rest, [Some("message"), Some("complete"), Some("dropped")]);
}
