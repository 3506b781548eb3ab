//! The OpenAPI document against the routes and what they answer, so that it cannot lie.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::super::access::Access;
use super::super::asked::Asked;
use super::super::routes::{CONTROLS, router, routes};
use super::super::{openapi, problem};
use super::*;
use crate::news::Lagged;
use crate::record::{LogLine, ProblemRecord};

#[test]
fn the_document_has_each_route_and_no_other() {
    let document = openapi::document();
    let paths = document["paths"].as_object().unwrap();
    let documented: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone()))
        })
        .collect();
    let real: BTreeSet<(String, String)> = routes::<FakePeer>()
        .into_iter()
        .map(|route| (route.path, route.method.to_owned()))
        .collect();
    assert_eq!(documented, real);
}

#[test]
fn the_document_has_each_field_of_a_body_and_no_other() {
    let document = openapi::document();
    let now = Timestamp::from_nanos(1);
    for kind in CONTROLS {
        let path = format!("/api/v1/chores/{{name}}/{}", kind.word());
        let body = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        let fields = body["schema"]["properties"].as_object().unwrap();
        let documented: BTreeSet<&str> = fields.keys().map(String::as_str).collect();
        let known = [kind.fields(), &["by", "note"]].concat();
        assert_eq!(documented, known.into_iter().collect(), "{}", kind.word());
        for (name, schema) in fields {
            let value = match schema["type"].as_str().unwrap() {
                "boolean" => json!(true),
                _ if schema["format"] == "date-time" => json!("2026-11-25T10:30:07Z"),
                _ if name == "cycle" => json!("main"),
                _ if name == "level" => json!("debug"),
                _ => json!("10m"),
            };
            let mut body = json!({ name.as_str(): value });
            if kind.word() == "interval" {
                body["interval"] = json!("10m");
            }
            if kind.word() == "log-level" {
                body["level"] = json!("debug");
            }
            let read = Asked::read(kind, body.to_string().as_bytes(), now);
            assert!(read.is_ok(), "{} {body}: {read:?}", kind.word());
        }
    }
}

/// Compares answers with schemas, and notes which fields there were.
struct Checker {
    schemas: Value,
    seen: BTreeMap<String, BTreeSet<String>>,
}

impl Checker {
    fn new() -> Checker {
        let schemas = openapi::document()["components"]["schemas"].clone();
        Checker { schemas, seen: BTreeMap::new() }
    }

    fn check(&mut self, schema: &Value, value: &Value, place: &str) {
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.strip_prefix("#/components/schemas/").unwrap();
            let schema = self.schemas[name].clone();
            assert!(schema.is_object(), "{place}: no schema {name}");
            return match schema["oneOf"].as_array() {
                // Of the ledger's entries one is meant.
                Some(kinds) => self.entry(kinds, value, place),
                None => self.object(name, &schema, value, place),
            };
        }
        if let Some(either) = schema["oneOf"].as_array() {
            if !value.is_null() {
                self.check(&either[0], value, place);
            }
            return;
        }
        match schema["type"].as_str().unwrap_or_else(|| panic!("{place}: {schema}")) {
            "array" => {
                let items = value.as_array().unwrap_or_else(|| panic!("{place}: {value}"));
                items.iter().for_each(|item| self.check(&schema["items"], item, place));
            }
            "string" => {
                let text = value.as_str().unwrap_or_else(|| panic!("{place}: {value}"));
                if schema["format"] == "date-time" {
                    assert!(text.parse::<Timestamp>().is_ok(), "{place}: {text}");
                }
            }
            "integer" => assert!(value.is_u64(), "{place}: {value}"),
            "number" => assert!(value.is_f64(), "{place}: {value}"),
            "boolean" => assert!(value.is_boolean(), "{place}: {value}"),
            "object" => assert!(value.is_object(), "{place}: {value}"),
            other => panic!("{place}: {other}"),
        }
    }

    fn entry(&mut self, kinds: &[Value], value: &Value, place: &str) {
        let is = |kind: &&Value| kind["allOf"][1]["properties"]["kind"]["const"] == value["kind"];
        let kind = kinds.iter().find(is).unwrap_or_else(|| panic!("{place}: {value}"));
        let mut plain = value.clone();
        plain.as_object_mut().unwrap().remove("kind");
        self.check(&kind["allOf"][0], &plain, place);
    }

    fn object(&mut self, name: &str, schema: &Value, value: &Value, place: &str) {
        let fields = value.as_object().unwrap_or_else(|| panic!("{place}: {value}"));
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(required.as_str().unwrap()), "{place}: {name} {required}");
        }
        for (field, value) in fields {
            let property = &schema["properties"][field];
            assert!(property.is_object(), "{place}: {name} has no {field} in the document");
            self.seen.entry(name.to_owned()).or_default().insert(field.clone());
            self.check(property, value, &format!("{place}.{field}"));
        }
    }
}

async fn ask(peer: &FakePeer, method: &str, path: &str, body: &str) -> (u16, String, String) {
    let router = router(peer.clone(), CancellationToken::new());
    let mut router = router.layer(axum::Extension(Access::Owner));
    let method = method.to_uppercase();
    let request = Request::builder().method(&*method).uri(path).body(Body::from(body.to_owned()));
    let response = router.call(request.unwrap()).await.unwrap();
    let content = response.headers()["content-type"].to_str().unwrap().to_owned();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, content, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn what_the_routes_answer_has_the_fields_of_the_document_and_no_others() {
    let document = openapi::document();
    let peer = FakePeer::default();
    let mut checker = Checker::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let (responses, url) = (&operation["responses"], path.replace("{run}", "3"));
            let documented = responses["200"]["content"].as_object().unwrap();
            let (content, schema) = documented.iter().next().unwrap();
            if content == "text/event-stream" {
                continue;
            }
            let body = match path.rsplit('/').next() {
                Some("interval") => r#"{"interval":"10m"}"#,
                Some("log-level") => r#"{"level":"debug"}"#,
                _ => "",
            };
            for name in ["sender", "*", "nobody"] {
                let url = url.replace("{name}", name).to_string();
                let (status, answered, body) = ask(&peer, method, &url, body).await;
                assert!(answered == "application/problem+json" || answered.starts_with(content));
                let schema = match status {
                    200 => &schema["schema"],
                    _ => &responses["default"]["content"]["application/problem+json"]["schema"],
                };
                assert!(status == 200 || name == "nobody", "{method} {url}: {status} {body}");
                if answered.contains("json") {
                    let body = serde_json::from_str(&body).unwrap();
                    checker.check(schema, &body, &format!("{method} {url}"));
                }
            }
        }
    }
    let (_, _, triggered) =
        ask(&peer, "POST", "/api/v1/chores/sender/trigger", r#"{"wait":true}"#).await;
    let schema = json!({ "$ref": "#/components/schemas/Controlled" });
    let triggered: Value = serde_json::from_str(&triggered).unwrap();
    checker.check(&schema, &triggered[0], "trigger");
    events(&mut checker);

    for (name, schema) in checker.schemas.as_object().unwrap() {
        let Some(properties) = schema["properties"].as_object() else { continue };
        let documented: BTreeSet<String> = properties.keys().cloned().collect();
        let seen = checker.seen.get(name).cloned().unwrap_or_default();
        assert_eq!(seen, documented, "{name}: what is answered, and what is documented");
    }
}

fn events(checker: &mut Checker) {
    let at = Timestamp::from_nanos(5);
    let log = LogLine {
        at,
        chore: "sender".into(),
        cycle: "main".into(),
        run: 3,
        number: 1,
        level: "info".into(),
        line: "hello".into(),
    };
    let problem = ProblemRecord {
        at,
        chore: String::new(),
        what: "directory".into(),
        message: "gone".into(),
    };
    for (event, schema) in [
        (Event::Log(log), "LogLine"),
        (Event::Problem(problem), "PeerProblem"),
        (Event::Lagged(Lagged { lost: Some(3) }), "Lagged"),
    ] {
        let value = serde_json::to_value(&event).unwrap();
        assert_eq!(value["event"], event.word());
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        checker.check(&schema, &value["data"], event.word());
    }
}

#[test]
fn the_page_of_the_api_has_each_problem_route_and_event() {
    let page = include_str!("../../../../docs/api.md");
    for (kind, status, _) in problem::KINDS {
        let row = format!("| `{kind}` | {status} |");
        assert!(page.contains(&row), "docs/api.md has no row {row}");
    }
    for route in routes::<FakePeer>() {
        let path = route.path.trim_start_matches("/api/v1");
        assert!(page.contains(path), "docs/api.md does not name {path}");
    }
    for event in ["run", "skip", "change", "control", "log", "problem", "lagged"] {
        assert!(page.contains(&format!("| `{event}` |")), "docs/api.md has no event {event}");
    }
}
