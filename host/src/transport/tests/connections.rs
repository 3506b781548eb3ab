//! Connections: proved, shared, kept, refused, ended.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt, poll, stream};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tonic::Code;

use super::net::*;
use crate::error::chain;
use crate::node_id::NodeUrl;
use crate::transport::{Ended, Error, Options, Server, ServerOptions, Transport};

#[tokio::test]
async fn a_peer_with_another_id_is_refused_by_name() {
    let net = net().await;
    let wrong = NodeUrl { id: identity().id(), address: net.node.address.clone() };
    let err = net.transport.dial_node(&wrong, LONG).await.err().unwrap();
    let expected = format!("dial {wrong}: peer identified itself as {}", net.node.id);
    assert_eq!(err.to_string(), expected);
    assert!(!err.is_timeout());
    assert_eq!(net.echo("right").await.unwrap(), b"right");
}

#[tokio::test]
async fn dials_that_cannot_succeed_say_why() {
    let net = net().await;
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = free.local_addr().unwrap().to_string();
    drop(free);
    let cases = [
        (nobody.as_str(), "connect: "),
        ("name.invalid:7777", "look up the name: "),
        ("127.0.0.1", "use the address: address \"127.0.0.1\" has no port"),
        ("", "use the address: "),
        ("a b:1", "use the address: "),
        ("::1:7777", "needs brackets"),
    ];
    for (address, expected) in cases {
        let node = NodeUrl { id: net.node.id, address: address.into() };
        let err = net.transport.dial_node(&node, LONG).await.err().unwrap();
        let message = chain(&err);
        assert!(message.starts_with(&format!("dial {node}: ")), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    let by_name = net.node.address.replace("127.0.0.1", "localhost");
    let by_name = NodeUrl { id: net.node.id, address: by_name };
    net.transport.dial_node(&by_name, LONG).await.unwrap();
}

#[tokio::test]
async fn a_dial_ends_by_its_deadline_and_frees_its_place() {
    // Accepts in the kernel only, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options { connections_max: 1, ..options() };
    let net = net_with(options, server_options()).await;
    let address = silent.local_addr().unwrap().to_string();
    let node = NodeUrl { id: net.node.id, address };
    let start = Instant::now();
    let err = net.transport.dial_node(&node, SHORT).await.err().unwrap();
    assert!(err.is_timeout(), "{err}");
    assert_eq!(err.to_string(), format!("dial {node}: not connected within 200ms"));
    assert!(start.elapsed() >= SHORT && start.elapsed() < LONG / 2);
    assert_eq!(net.echo("room").await.unwrap(), b"room");
}

#[tokio::test]
async fn a_short_deadline_does_not_end_the_dial_for_others() {
    let net = net().await;
    let slow = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = NodeUrl { id: net.node.id, address: slow.local_addr().unwrap().to_string() };
    let impatient = net.transport.dial_node(&node, SHORT);
    let patient = net.transport.dial_node(&node, LONG);
    let target = net.node.address.clone();
    let relay = async {
        let (mut near, _) = slow.accept().await.unwrap();
        tokio::time::sleep(2 * SHORT).await;
        let mut far = tokio::net::TcpStream::connect(target).await.unwrap();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
    };
    let (impatient, patient, ()) = tokio::join!(impatient, patient, relay);
    assert!(impatient.err().unwrap().is_timeout());
    assert_eq!(patient.unwrap().unary(ECHO, vec![1], LONG).await.unwrap(), [1]);
}

/// A guest that spins does not look at its dials.
#[tokio::test]
async fn a_dial_goes_on_while_nobody_looks_and_ends_when_nobody_waits() {
    let net = net().await;
    let mut dial = Box::pin(net.transport.dial_node(&net.node, LONG));
    assert!(poll!(&mut dial).is_pending());
    eventually("the connection is not open", || net.transport.usage().0 == 1).await;
    assert!(poll!(&mut dial).is_ready());

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let node = NodeUrl { id: net.node.id, address };
    let mut dial = Box::pin(net.transport.dial_node(&node, LONG));
    assert!(poll!(&mut dial).is_pending());
    let (mut near, _) = silent.accept().await.unwrap();
    drop(dial);
    // A client that went on would wait for an answer.
    let mut sent = Vec::new();
    let ended = near.read_to_end(&mut sent);
    assert!(timeout(LONG, ended).await.is_ok(), "the dial goes on");
    eventually("it has not failed", || net.transport.usage().1["failed"] == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_dials_share_one_connection() {
    let net = net().await;
    let relay = Relay::to(&net.node).await;
    let dials = (0..50).map(|_| net.transport.dial_node(&relay.node, LONG));
    let connections: Vec<_> = join_all(dials).await.into_iter().map(Result::unwrap).collect();
    let calls = connections.iter().map(|connection| connection.unary(ECHO, vec![1], LONG));
    assert!(join_all(calls).await.into_iter().all(|answer| answer.unwrap() == [1]));
    drop(connections);
    for _ in 0..5 {
        let again = net.transport.clone().dial_node(&relay.node, LONG).await.unwrap();
        again.unary(ECHO, vec![2], LONG).await.unwrap();
    }
    assert_eq!(relay.accepted(), 1);
}

#[tokio::test]
async fn concurrent_dials_share_one_failure_and_the_next_tries_again() {
    let net = net().await;
    let relay = Relay::to(&net.node).await;
    let wrong = NodeUrl { id: identity().id(), ..relay.node.clone() };
    for attempts in 1..=3 {
        let dials = (0..20).map(|_| net.transport.dial_node(&wrong, LONG));
        let all = join_all(dials).await;
        assert!(all.iter().all(|dial| matches!(dial, Err(Error::WrongPeer { .. }))));
        assert_eq!(relay.accepted(), attempts);
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_held_one_is_not() {
    let options = Options { connection_idle: Duration::from_millis(50), ..options() };
    let net = net_with(options, server_options()).await;
    let relay = Relay::to(&net.node).await;
    let held = net.transport.dial_node(&relay.node, LONG).await.unwrap();
    // Several times as long as an idle connection may live.
    let call = held.unary(NEVER, vec![], SHORT).await;
    assert_eq!(call.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(held.unary(ECHO, vec![1], LONG).await.unwrap(), [1]);
    assert_eq!(relay.accepted(), 1);
    drop(held);
    let reconnects = async {
        while relay.accepted() < 2 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let connection = net.transport.dial_node(&relay.node, LONG).await.unwrap();
            connection.unary(ECHO, vec![2], LONG).await.unwrap();
        }
    };
    timeout(LONG, reconnects).await.expect("an idle connection is closed");
}

#[tokio::test]
async fn the_least_recently_used_connection_makes_room() {
    let options = Options { connections_max: 2, ..options() };
    let net = net_with(options, server_options()).await;
    let (one, two, three) =
        (Relay::to(&net.node).await, Relay::to(&net.node).await, Relay::to(&net.node).await);
    let dial = |relay: &Relay| {
        let (transport, node) = (net.transport.clone(), relay.node.clone());
        async move { transport.dial_node(&node, LONG).await }
    };
    for relay in [&one, &two, &one, &three] {
        dial(relay).await.unwrap();
    }
    // Two was used least recently.
    dial(&one).await.unwrap();
    dial(&three).await.unwrap();
    assert_eq!((one.accepted(), two.accepted(), three.accepted()), (1, 1, 1));
    let held = dial(&two).await.unwrap();
    assert_eq!((one.accepted(), two.accepted(), three.accepted()), (1, 2, 1));

    let also_held = dial(&three).await.unwrap();
    let err = dial(&one).await.err().unwrap();
    assert!(matches!(err, Error::TooMany { connections_max: 2, .. }), "{err}");
    drop(held);
    dial(&one).await.unwrap();
    assert_eq!(also_held.unary(ECHO, vec![1], LONG).await.unwrap(), [1]);
}

#[tokio::test]
async fn a_restarted_server_is_dialled_again() {
    let identity = identity();
    let transport = Transport::new(super::net::identity(), options());
    let start = |address: String| {
        let identity = Arc::clone(&identity);
        async move {
            let server = Server::bind(identity, &address, routes(1), server_options()).await;
            let server = server.unwrap();
            server.serve();
            server
        }
    };
    let mut server = start("127.0.0.1:0".into()).await;
    let address = server.local_addr().to_string();
    let node = NodeUrl { id: identity.id(), address: address.clone() };
    for round in 0..3u8 {
        let connection = transport.dial_node(&node, LONG).await.unwrap();
        assert_eq!(connection.unary(ECHO, vec![round], LONG).await.unwrap(), [round]);
        assert_eq!(server.shutdown(LONG).await, Ended::Drained);
        eventually("the client sees the end", || connection.is_closed()).await;
        let status = connection.unary(ECHO, vec![], LONG).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains(&node.to_string()), "{status}");
        server = start(address.clone()).await;
    }
}

#[tokio::test]
async fn calls_in_progress_may_end_during_a_shutdown() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let request = stream::once(async { receiver.await.unwrap() });
    let mut responses = connection.stream(ECHO, request, LONG).await.unwrap();
    // One more call proves that the server has the first.
    connection.unary(ECHO, vec![], LONG).await.unwrap();
    let finish = async {
        tokio::time::sleep(SHORT).await;
        sender.send(b"late".to_vec()).unwrap();
        responses.next().await.unwrap().unwrap()
    };
    let (ended, late) = tokio::join!(net.server.shutdown(LONG), finish);
    assert_eq!((ended, late.as_slice()), (Ended::Drained, &b"late"[..]));
    assert!(responses.next().await.is_none());
    let err = net.transport.dial_node(&net.node, LONG).await;
    assert!(err.is_err(), "the port is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_ends_in_time_with_a_handler_that_does_not() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let call = tokio::spawn({
        let connection = connection.clone();
        async move { connection.unary(NEVER, vec![], LONG).await }
    });
    // Silent clients too must not hold it up.
    let silent = tokio::net::TcpStream::connect(net.server.local_addr()).await.unwrap();
    connection.unary(ECHO, vec![], LONG).await.unwrap();
    let start = Instant::now();
    assert_eq!(net.server.shutdown(SHORT).await, Ended::Aborted);
    assert!(start.elapsed() < LONG / 2);
    let status = timeout(LONG, call).await.unwrap().unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!(net.server.shutdown(SHORT).await, Ended::Drained, "again is no harm");
    drop(silent);
}

#[tokio::test]
async fn closing_a_transport_ends_its_calls_and_dials() {
    let net = net().await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let node = NodeUrl { id: net.node.id, address };
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let call = connection.unary(NEVER, vec![], LONG);
    let dial = net.transport.dial_node(&node, LONG);
    let close = async {
        tokio::time::sleep(SHORT).await;
        net.transport.close(LONG).await
    };
    let (call, dial, ended) =
        timeout(LONG, async { tokio::join!(call, dial, close) }).await.unwrap();
    assert_eq!(call.unwrap_err().code(), Code::Unavailable);
    assert!(matches!(dial, Err(Error::Closed { .. })));
    assert!(ended);
    assert!(connection.is_closed());
    let again = net.transport.dial_node(&net.node, LONG).await;
    assert!(matches!(again, Err(Error::Closed { .. })));
}

#[tokio::test]
async fn another_user_is_not_held_up_and_closed_with_the_first() {
    let options = Options { connections_max: 1, ..options() };
    let server_options = ServerOptions { streams_max: 1, ..server_options() };
    let net = net_with(options, server_options).await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let _never = connection.stream(NEVER, stream::pending(), LONG).await.unwrap();
    let waits = connection.unary(ECHO, vec![1], SHORT).await;
    assert_eq!(waits.unwrap_err().code(), Code::DeadlineExceeded);

    let another = net.transport.another();
    let connection = another.dial_node(&net.node, LONG).await.unwrap();
    assert_eq!(connection.unary(ECHO, vec![1], LONG).await.unwrap(), [1]);
    assert_eq!(net.transport.usage().0, 2);
    assert!(net.transport.close(LONG).await);
    assert_eq!(net.transport.usage().0, 0);
    assert!(connection.is_closed());
    assert!(matches!(another.dial_node(&net.node, LONG).await, Err(Error::Closed { .. })));
}

#[tokio::test]
async fn a_connection_outlives_the_transport_that_dialled_it() {
    let Net { server, node, transport, .. } = net().await;
    let connection = transport.dial_node(&node, LONG).await.unwrap();
    drop(transport);
    assert_eq!(connection.unary(ECHO, vec![1], LONG).await.unwrap(), [1]);
    let other = connection.clone();
    drop(connection);
    assert_eq!(other.unary(ECHO, vec![2], LONG).await.unwrap(), [2]);
    drop(other);
    assert_eq!(server.shutdown(LONG).await, Ended::Drained);
}

#[tokio::test]
async fn servers_that_cannot_start_say_why() {
    let net = net().await;
    let bind = |address: String, routes| async move {
        Server::bind(identity(), &address, routes, server_options()).await.err().unwrap()
    };
    let taken = net.node.address.clone();
    let err = bind(taken.clone(), vec![]).await.to_string();
    assert!(err.starts_with(&format!("listen on {taken}: the port is in use: ")), "{err}");
    for address in ["", "127.0.0.1", "name.invalid:1", "192.0.2.1:7777"] {
        let err = bind(address.into(), vec![]).await;
        assert!(matches!(err, Error::Listen { .. }), "{err}");
        assert_eq!(err.to_string(), format!("listen on {address}"));
    }
    let echo = || routes(1).remove(0).1;
    for routes in [vec![("/a/b", echo()), ("/a/b", echo())], vec![("a/b", echo())]] {
        let err = bind("127.0.0.1:0".into(), routes).await;
        assert!(matches!(err, Error::Route { .. }), "{err}");
    }
}

#[tokio::test]
async fn a_server_ends_what_its_clients_do_not_use() {
    let options = ServerOptions { connection_idle: SHORT, ..server_options() };
    let net = net_with(super::net::options(), options).await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let waits = connection.unary(NEVER, vec![], 3 * SHORT).await.unwrap_err();
    assert_eq!(waits.code(), Code::DeadlineExceeded, "a call in progress is use");
    assert_eq!(connection.unary(ECHO, vec![1], LONG).await.unwrap(), [1]);
    eventually("an idle connection is closed", || connection.is_closed()).await;
    assert_eq!(net.echo("again").await.unwrap(), b"again");
}
