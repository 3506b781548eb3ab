//! The spans of a run reach a collector: which there are, which is whose child, and what they say of
//! chore, cycle and run. And a collector that is not there costs nothing but its spans.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use chore_host::control::Client;
use chore_host::planet::Role;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use testplanet::{Program, SENDER, Testplanet, eventually, text};

/// What a collector took.
type Taken = Arc<Mutex<Vec<Span>>>;

/// Takes what is sent to a port of its own.
async fn collector() -> (String, Taken) {
    let taken = Taken::default();
    let take = |State(taken): State<Taken>, body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).expect("an export request");
        let spans = request.resource_spans.into_iter().flat_map(|of| of.scope_spans);
        taken.lock().unwrap().extend(spans.flat_map(|of| of.spans));
        Bytes::new()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/v1/traces", post(take)).with_state(taken.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (endpoint, taken)
}

/// Attributes as text.
fn attributes(span: &Span) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let of = |of: &opentelemetry_proto::tonic::common::v1::KeyValue| {
        let value = of.value.as_ref()?.value.as_ref()?;
        Some((of.key.clone(), text(value)))
    };
    span.attributes.iter().filter_map(of).collect()
}

/// The home of a node that has three orders to send, its peer stopped, and its satellite running.
async fn waiting(endpoint: &str) -> Testplanet {
    let lines = format!("[traces]\nendpoint = \"{endpoint}\"\n");
    let planet = Testplanet::start_with(1, 1, |options| {
        options.reconfigure = Some(Box::new(move |role, _, text| {
            if matches!(role, Role::Node | Role::Satellite) {
                text.push_str(&lines);
            }
        }));
    })
    .await;
    planet.hand_in(0, 0, 3).await;
    planet.node(0).stop().await.unwrap();
    planet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_the_order_sender_is_traced_with_all_it_calls() {
    let (endpoint, taken) = collector().await;
    let planet = waiting(&endpoint).await;
    let home = planet.node(0).home().root().to_owned();
    let mut peer = Program::run(&home);
    peer.is_up();
    let triggered = Program::command(&home, &["trigger", SENDER, "--wait"]);
    assert!(triggered.status.success(), "{}", text(&triggered.stderr));
    // The sender runs at the start too, and one of its runs has the orders.
    let sends = |spans: &[Span]| spans.iter().any(|span| span.name == "transport.call");
    eventually("the spans of the run that sends are there", || async {
        let spans = taken.lock().unwrap();
        let call = spans.iter().find(|span| span.name == "transport.call");
        call.is_some_and(|call| {
            spans.iter().any(|run| run.name == "chore.run" && run.trace_id == call.trace_id)
        })
    })
    .await;
    assert!(peer.terminate().success());

    let spans = taken.lock().unwrap().clone();
    assert!(sends(&spans));
    let call = spans.iter().find(|span| span.name == "transport.call").unwrap();
    let of_run: Vec<&Span> = spans.iter().filter(|span| span.trace_id == call.trace_id).collect();
    let run = of_run.iter().find(|span| span.name == "chore.run").unwrap();
    assert!(run.parent_span_id.is_empty(), "a run is the root");
    let said = attributes(run);
    for (key, value) in [("chore", SENDER), ("cycle", "main"), ("outcome", "succeeded")] {
        assert_eq!(said.get(key).map(String::as_str), Some(value), "{said:?}");
    }
    assert!(said["run"].parse::<u64>().unwrap() >= 1 && said.contains_key("iteration"), "{said:?}");
    for name in
        ["count unsent orders", "find node", "dial node", "transport.call", "archive orders"]
    {
        let found = of_run.iter().find(|span| span.name == name);
        let names: Vec<&str> = of_run.iter().map(|span| span.name.as_str()).collect();
        let found = found.unwrap_or_else(|| panic!("no {name} among {names:?}"));
        assert_eq!(found.parent_span_id, run.span_id, "{name}");
        let inside = run.start_time_unix_nano..=run.end_time_unix_nano;
        assert!(inside.contains(&found.start_time_unix_nano), "{name}");
        assert!(inside.contains(&found.end_time_unix_nano), "{name}");
    }
    let said = attributes(call);
    assert_eq!(said["rpc.method"], "/orders.Orders/Settlement");
    assert_eq!(said["peer"], planet.satellite(0).node_id().to_string());
    planet.shutdown().await;
}

/// What the satellite does for a run is in that run's trace, below the call that asked for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_at_the_satellite() {
    let (endpoint, taken) = collector().await;
    let planet = waiting(&endpoint).await;
    // Only as a process of its own it sends spans.
    planet.satellite(0).stop().await.unwrap();
    let mut satellite = Program::run(planet.satellite(0).home().root());
    satellite.is_up();
    let home = planet.node(0).home().root().to_owned();
    let mut peer = Program::run(&home);
    peer.is_up();
    let triggered = Program::command(&home, &["trigger", SENDER, "--wait"]);
    assert!(triggered.status.success(), "{}", text(&triggered.stderr));
    eventually("the satellite's span is there", || async {
        taken.lock().unwrap().iter().any(|span| span.name == "transport.serve")
    })
    .await;
    assert!(peer.terminate().success());
    assert!(satellite.terminate().success());

    let spans = taken.lock().unwrap().clone();
    let serve = spans.iter().find(|span| span.name == "transport.serve").unwrap();
    let call = spans.iter().find(|span| span.span_id == serve.parent_span_id).unwrap();
    assert_eq!((call.name.as_str(), &call.trace_id), ("transport.call", &serve.trace_id));
    let kinds = (SpanKind::Client as i32, SpanKind::Server as i32);
    assert_eq!((call.kind, serve.kind), kinds);
    let of_run: Vec<&Span> = spans.iter().filter(|span| span.trace_id == serve.trace_id).collect();
    let named = |name: &str| of_run.iter().find(|span| span.name == name).copied();
    let run = named("chore.run").expect("the run");
    let streamed = named("stream unsent orders").expect("what it sends");
    assert_eq!((&call.parent_span_id, &streamed.parent_span_id), (&run.span_id, &run.span_id));
    let said = attributes(serve);
    assert_eq!(said["rpc.method"], "/orders.Orders/Settlement");
    assert_eq!(said["peer"], planet.node(0).node_id().to_string());
    planet.shutdown().await;
}

/// Nobody listens there: runs do not notice, and the peer counts what it could not send.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_holds_up_nothing() {
    let unused = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", unused.local_addr().unwrap());
    drop(unused);
    let planet = waiting(&endpoint).await;
    let home = planet.node(0).home().root().to_owned();
    let mut peer = Program::run(&home);
    peer.is_up();
    for _ in 0..3 {
        assert!(Program::command(&home, &["trigger", SENDER, "--wait"]).status.success());
    }
    let failed = |shown: &str| {
        let count = shown.lines().find_map(|line| {
            line.strip_prefix("peer_trace_spans_total{result=\"failed\"} ")?.parse::<f64>().ok()
        });
        count.is_some_and(|count| count > 0.0)
    };
    eventually("failures are counted", || async {
        let mut client = Client::connect(planet.node(0).home()).await.unwrap();
        failed(&client.metrics().await.unwrap())
    })
    .await;
    assert!(peer.terminate().success());
    planet.shutdown().await;
}
