//! Clients and servers that break the rules of TCP, TLS, HTTP/2 or gRPC.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tonic::Code;

use super::net::*;
use crate::error::chain;
use crate::node_id::NodeUrl;
use crate::transport::{ServerOptions, tls};

/// Whether the server ends this connection by itself.
async fn is_ended(mut stream: impl tokio::io::AsyncRead + Unpin) -> bool {
    let mut sink = Vec::new();
    timeout(LONG, stream.read_to_end(&mut sink)).await.is_ok()
}

async fn tcp(net: &Net) -> TcpStream {
    TcpStream::connect(net.server.local_addr()).await.unwrap()
}

async fn connect(net: &Net, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let connector = TlsConnector::from(Arc::new(config));
    timeout(LONG, connector.connect(tls::no_name(), tcp(net).await)).await.unwrap()
}

fn config(net: &Net) -> ClientConfig {
    ClientConfig::clone(&*tls::client(&net.client).unwrap())
}

#[tokio::test]
async fn garbage_ends_its_connection_only() {
    let net = net().await;
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let mut record = vec![0x16, 0x03, 0x01, 0xff, 0xff];
    record.resize(70_000, 0xff);
    let cases: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"DRPC!!!1",
        &[0; 10_000],
        &record,
    ];
    for bytes in cases {
        let mut stream = tcp(&net).await;
        // The server may have hung up before the last byte.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        assert!(is_ended(stream).await);
    }
    let after_tls: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        // A DATA frame on a stream that was never opened.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\0\0\x01x",
        &[0xff; 100_000],
    ];
    for bytes in after_tls {
        let mut stream = connect(&net, config(&net)).await.unwrap();
        let _ = stream.write_all(bytes).await;
        assert!(is_ended(stream).await);
    }
    assert_eq!(connection.unary(ECHO, b"well".to_vec(), LONG).await.unwrap(), b"well");
}

#[tokio::test]
async fn silence_ends_by_the_handshake_deadline() {
    let options = ServerOptions { handshake_timeout: SHORT, ..server_options() };
    let net = net_with(super::net::options(), options).await;
    assert!(is_ended(tcp(&net).await).await, "after tcp");
    let mut half = tcp(&net).await;
    half.write_all(&[0x16, 0x03, 0x01]).await.unwrap();
    assert!(is_ended(half).await, "within tls");
    let stream = connect(&net, config(&net)).await.unwrap();
    assert!(is_ended(stream).await, "after tls");
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    let waits = connection.unary(NEVER, vec![], 2 * SHORT).await.unwrap_err();
    assert_eq!(waits.code(), Code::DeadlineExceeded, "a client that spoke may wait");
}

#[tokio::test]
async fn handshakes_and_connections_have_their_places() {
    let options = ServerOptions {
        handshakes_max: 1,
        connections_max: 2,
        handshake_timeout: SHORT,
        ..server_options()
    };
    let net = net_with(super::net::options(), options).await;
    // Silent clients keep the only place for handshakes, but not for long.
    let silent = [tcp(&net).await, tcp(&net).await, tcp(&net).await];
    let connection = net.transport.dial_node(&net.node, LONG).await.unwrap();
    assert_eq!(connection.unary(ECHO, vec![1], LONG).await.unwrap(), [1]);
    for stream in silent {
        assert!(is_ended(stream).await);
    }
    let second = connect(&net, config(&net)).await;
    let third = connect(&net, config(&net)).await;
    assert!(second.is_ok() && third.is_err(), "there is room for two");
    drop((second, connection));
}

#[tokio::test]
async fn a_client_without_a_usable_identity_is_refused() {
    let net = net().await;
    let (one, other) = (identity(), identity());
    let with = |chain: &[CertificateDer<'static>]| {
        let key = one.certified_key().key.clone();
        let own = SingleCertAndKey::from(CertifiedKey::new(chain.to_vec(), key));
        let mut config = config(&net);
        config.client_auth_cert_resolver = Arc::new(own);
        config
    };
    let (one, other) = (one.public().chain(), other.public().chain());
    let mut none = config(&net);
    none.client_auth_cert_resolver = Arc::new(NoCertificate);
    let cases = [
        ("no certificate", none),
        ("no CA", with(&one[..1])),
        ("another's CA", with(&[one[0].clone(), other[1].clone()])),
        ("another's chain", with(other)),
        ("not a certificate", with(&[one[0].clone(), vec![1, 2, 3].into()])),
    ];
    for (name, config) in cases {
        // TLS 1.3 tells a client only with the first read.
        let refused = match connect(&net, config).await {
            Ok(mut stream) => {
                let mut byte = [0];
                timeout(LONG, stream.read(&mut byte)).await.unwrap().is_err()
            }
            Err(_) => true,
        };
        assert!(refused, "{name}");
    }
    let mut config = config(&net);
    config.alpn_protocols.clear();
    let stream = connect(&net, config).await;
    if let Ok(stream) = stream {
        assert!(is_ended(stream).await, "without ALPN");
    }
    assert!(connect(&net, with(one)).await.is_ok());
    assert_eq!(net.echo("well").await.unwrap(), b"well");
}

#[derive(Debug)]
struct NoCertificate;

impl rustls::client::ResolvesClientCert for NoCertificate {
    fn resolve(
        &self,
        _hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// One TLS server that is as `change` makes it, and says nothing after the handshake.
async fn odd_server(change: impl FnOnce(&mut ServerConfig)) -> NodeUrl {
    let identity = identity();
    let mut config = ServerConfig::clone(&*tls::server(&identity).unwrap());
    change(&mut config);
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(tcp).await {
                drop(stream);
            }
        }
    });
    NodeUrl { id: identity.id(), address }
}

#[tokio::test]
async fn a_server_that_is_no_peer_is_refused() {
    let net = net().await;
    let (one, other) = (identity(), identity());
    let forged = [one.public().chain()[0].clone(), other.public().chain()[1].clone()];
    let forged = CertifiedKey::new(forged.to_vec(), one.certified_key().key.clone());
    let stolen =
        CertifiedKey::new(other.public().chain().to_vec(), one.certified_key().key.clone());
    let resolver = |key: CertifiedKey| Arc::new(SingleCertAndKey::from(key));
    let cases = [
        (
            "certificates: certificate 0 of the chain is not signed by the next",
            odd_server(|odd| odd.cert_resolver = resolver(forged)).await,
        ),
        ("tls handshake", odd_server(|odd| odd.cert_resolver = resolver(stolen)).await),
        ("does not speak HTTP/2", odd_server(|odd| odd.alpn_protocols.clear()).await),
        ("ended the connection before it was ready", odd_server(|_| ()).await),
    ];
    for (expected, node) in cases {
        let err = net.transport.dial_node(&node, LONG).await.err().unwrap();
        let message = chain(&err);
        assert!(message.contains(expected), "{message}");
        assert!(message.starts_with(&format!("dial {node}: ")), "{message}");
    }
}

/// A peer by TLS that says `bytes` after the handshake, whatever it hears, and then nothing.
async fn babbling_server(bytes: Vec<u8>) -> NodeUrl {
    let identity = identity();
    let acceptor = TlsAcceptor::from(tls::server(&identity).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(tcp).await.unwrap();
        // Who listens may hang up before the last byte.
        let _ = stream.write_all(&bytes).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
        std::future::pending::<()>().await
    });
    NodeUrl { id: identity.id(), address }
}

#[tokio::test]
async fn a_server_that_babbles_is_given_up_in_time() {
    let settings: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
    let table: [(&str, Vec<u8>); 9] = [
        ("no HTTP/2", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec()),
        ("noise", vec![0x5a; 100_000]),
        ("nothing", vec![]),
        ("half a frame", settings[..5].to_vec()),
        ("settings, then nothing", settings.to_vec()),
        ("a frame of 16 MiB", [settings, b"\xff\xff\xff\0\0\0\0\0\x01", &[0; 100_000]].concat()),
        ("settings without end", settings.repeat(100_000)),
        ("data for no call", [settings, b"\0\0\x01\0\0\0\0\0\x09x"].concat()),
        ("going away", [settings, b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0"].concat()),
    ];
    let net = net().await;
    for (what, bytes) in table {
        let node = babbling_server(bytes).await;
        let ended = timeout(LONG, async {
            let connection =
                net.transport.dial_node(&node, SHORT).await.map_err(|err| chain(&err))?;
            let called = connection.unary(ECHO, vec![1], SHORT).await;
            called.map_err(|status| status.to_string())
        });
        let failed = ended.await.unwrap_or_else(|_| panic!("{what}: it does not end"));
        assert!(failed.is_err(), "{what}: {failed:?}");
    }
    assert_eq!(net.echo("well").await.unwrap(), b"well");
}

#[tokio::test]
async fn old_and_resumed_sessions_are_not_spoken() {
    let net = net().await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut only = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(tls::ChainVerifier))
            .with_client_cert_resolver(config(&net).client_auth_cert_resolver.clone());
        only.alpn_protocols = vec![tls::ALPN.to_vec()];
        // A client that would resume, if it were given the means.
        only.resumption = rustls::client::Resumption::in_memory_sessions(8);
        let connector = TlsConnector::from(Arc::new(only));
        for _ in 0..3 {
            let stream = connector.connect(tls::no_name(), tcp(&net).await).await.unwrap();
            let state = stream.get_ref().1;
            assert_eq!(state.protocol_version(), Some(version.version));
            assert_eq!(state.handshake_kind(), Some(rustls::HandshakeKind::Full));
        }
    }
}

/// A client that speaks HTTP/2, but its own gRPC.
async fn post(
    net: &Net,
    headers: &[(&str, &str)],
    path: &str,
    body: &[u8],
) -> (u16, Option<String>) {
    let stream = connect(net, config(net)).await.unwrap();
    let (mut sender, http) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(http);
    let mut request = http::Request::post(format!("https://x{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(bytes::Bytes::copy_from_slice(body))).unwrap();
    let response = timeout(LONG, sender.send_request(request)).await.unwrap().unwrap();
    let code = response.status().as_u16();
    let early = response.headers().get("grpc-status").cloned();
    let body = timeout(LONG, response.into_body().collect()).await.unwrap().unwrap();
    let late = body.trailers().and_then(|trailers| trailers.get("grpc-status").cloned());
    (code, early.or(late).map(|status| status.to_str().unwrap().to_owned()))
}

#[tokio::test]
async fn broken_grpc_ends_its_stream_only() {
    let net = net().await;
    let grpc = ("content-type", "application/grpc");
    let zip = ("grpc-encoding", "gzip");
    let slow = ("grpc-timeout", "1century");
    let soon = ("grpc-timeout", "50m");
    let status = |code: Code| Some((code as i32).to_string());
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [u8], (u16, Option<String>));
    let cases: [Case<'_>; 12] = [
        (&[grpc], COUNT, b"\0\0\0\0\x02hi", (200, status(Code::Ok))),
        (&[grpc], COUNT, b"", (200, status(Code::Ok))),
        (&[grpc], COUNT, b"\0\0\0", (200, status(Code::Internal))),
        (&[grpc], COUNT, b"\0\0\0\0\x09hi", (200, status(Code::Internal))),
        (&[grpc], COUNT, b"\0\xff\xff\xff\xffhi", (200, status(Code::OutOfRange))),
        (&[grpc], COUNT, b"\x07\0\0\0\x02hi", (200, status(Code::Internal))),
        (&[grpc], COUNT, b"\x01\0\0\0\x02hi", (200, status(Code::Internal))),
        (&[grpc, zip], COUNT, b"\x01\0\0\0\x02hi", (200, status(Code::Unimplemented))),
        (&[grpc, slow], COUNT, b"", (200, status(Code::InvalidArgument))),
        (&[grpc, soon], NEVER, b"", (200, status(Code::DeadlineExceeded))),
        (&[grpc], "/no/such", b"", (200, status(Code::Unimplemented))),
        (&[("content-type", "text/html")], COUNT, b"", (415, None)),
    ];
    for (headers, path, body, expected) in cases {
        assert_eq!(post(&net, headers, path, body).await, expected, "{path} {body:?}");
    }
    assert_eq!(net.echo("well").await.unwrap(), b"well");
}

type OddBody = http_body_util::combinators::UnsyncBoxBody<bytes::Bytes, std::io::Error>;

/// A peer by TLS and HTTP/2 that answers every call with `body` and without a status.
async fn odd_peer(body: fn(hyper::body::Incoming) -> OddBody) -> NodeUrl {
    let identity = identity();
    let acceptor = TlsAcceptor::from(tls::server(&identity).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let stream = TokioIo::new(acceptor.accept(tcp).await.unwrap());
        let answer = move |request: http::Request<hyper::body::Incoming>| async move {
            let response = http::Response::builder().header("content-type", "application/grpc");
            response.body(body(request.into_body()))
        };
        let service = hyper::service::service_fn(answer);
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(stream, service)
            .await
    });
    NodeUrl { id: identity.id(), address }
}

const ONE_MESSAGE: &[u8] = b"\0\0\0\0\x02hi";

#[tokio::test]
async fn answers_without_a_status_are_no_success() {
    let whole = |_| Full::new(ONE_MESSAGE.into()).map_err(|never| match never {}).boxed_unsync();
    let broken = |_| {
        let frames = [
            Ok(hyper::body::Frame::data(bytes::Bytes::from(ONE_MESSAGE))),
            Err(std::io::Error::other("broken")),
        ];
        BodyExt::boxed_unsync(http_body_util::StreamBody::new(stream::iter(frames)))
    };
    let net = net().await;
    for (peer, expected) in
        [(odd_peer(whole).await, Code::Unknown), (odd_peer(broken).await, Code::Unavailable)]
    {
        let connection = net.transport.dial_node(&peer, LONG).await.unwrap();
        let status = connection.unary(ECHO, vec![], LONG).await.unwrap_err();
        assert_eq!(status.code(), expected, "{status}");
    }
}

#[tokio::test]
async fn a_peer_that_holds_a_call_past_its_deadline_loses_the_connection() {
    // Answers at once, but never reads its requests nor ends.
    let deaf = |requests| {
        let held = stream::once(async move {
            let _requests: hyper::body::Incoming = requests;
            std::future::pending().await
        });
        BodyExt::boxed_unsync(http_body_util::StreamBody::new(held))
    };
    let options = crate::transport::Options { stall_grace: SHORT, ..options() };
    let net = net_with(options, server_options()).await;
    let connection = net.transport.dial_node(&odd_peer(deaf).await, LONG).await.unwrap();
    let endless = stream::repeat(vec![0; 1000]);
    let responses = connection.stream(ECHO, endless, SHORT).await.unwrap();
    let items: Vec<_> = timeout(LONG, responses.collect()).await.unwrap();
    let codes: Vec<_> = items.into_iter().map(|item| item.unwrap_err().code()).collect();
    assert_eq!(codes, [Code::DeadlineExceeded]);
    assert!(!connection.is_closed(), "there is a grace");
    eventually("the connection is closed", || connection.is_closed()).await;
}

#[tokio::test]
async fn a_client_that_holds_a_call_past_its_deadline_loses_the_connection() {
    let options = ServerOptions { stall_grace: SHORT, ..server_options() };
    let net = net_with(super::net::options(), options).await;
    let stream = connect(&net, config(&net)).await.unwrap();
    // So small a window that it is full long before the deadline.
    let (mut sender, http) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(5_000)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let ended = tokio::spawn(http);
    let request = http::Request::post(format!("https://x{FLOOD}"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "500m")
        .body(Full::new(bytes::Bytes::new()))
        .unwrap();
    // The answer is held, and not read.
    let response = timeout(LONG, sender.send_request(request)).await.unwrap().unwrap();
    assert!(timeout(LONG, ended).await.is_ok(), "the server ends the connection");
    drop((sender, response));
    assert_eq!(net.echo("well").await.unwrap(), b"well");
}

#[tokio::test]
async fn a_silent_peer_is_noticed_while_a_call_waits() {
    let options = crate::transport::Options {
        keepalive_interval: Duration::from_millis(100),
        keepalive_timeout: Duration::from_millis(100),
        ..options()
    };
    let net = net_with(options, server_options()).await;
    // Passes bytes on until it is told to hold them, with both connections open.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = NodeUrl { id: net.node.id, address: listener.local_addr().unwrap().to_string() };
    let (freeze, frozen) = tokio::sync::oneshot::channel::<()>();
    let target = net.node.address.clone();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(target).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
            _ = frozen => std::future::pending().await,
        }
    });
    let connection = net.transport.dial_node(&node, LONG).await.unwrap();
    assert_eq!(connection.unary(ECHO, vec![1], LONG).await.unwrap(), [1]);
    freeze.send(()).unwrap();
    let status = connection.unary(ECHO, vec![2], LONG).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    eventually("the connection is closed", || connection.is_closed()).await;
}
