//! The API for programs: an OpenAPI 3.1 document, made of two short tables. A test compares them with
//! the routes and with what the routes answer.

use serde_json::{Map, Value, json};

use super::problem::{KINDS, TYPE};
use super::routes::{API, CONTROLS};

/// Method, path, what it is for, what may stand behind `?` or in the body, and what is answered.
type Operation = (&'static str, &'static str, &'static str, &'static [Field], &'static str);

/// Name, type and help. Types: `string`, `time`, `integer`, `number`, `boolean`, the name of a
/// schema; `[T]` is a list, `T?` may be null.
type Field = (&'static str, &'static str, &'static str);

const READS: &[Operation] = &[
    ("get", "/peer", "The peer without its chores", &[], "Peer"),
    ("get", "/chores", "Every chore, by name", &[], "[Chore]"),
    ("get", "/chores/{name}", "One chore in full", &[], "ChoreDetail"),
    (
        "get",
        "/chores/{name}/why",
        "In one sentence, when the next run comes and why, or why one came or did not",
        &[
            ("cycle", "string", "This cycle; else main, or the first"),
            ("at", "time", "Ask about this time; without it, about the next run"),
            ("to", "time", "The last moment that `at` means, if it is more than one"),
        ],
        "Why",
    ),
    (
        "get",
        "/history",
        "What ran, what was skipped and who did what, the newest first",
        &[
            ("chore", "string", "Only this chore"),
            ("cycle", "string", "Only this cycle"),
            ("before", "string", "Only what is older: a time, or `before` of the last answer"),
            ("outcome", "string", "Only runs that ended so, or `running`"),
            ("runs", "boolean", "Only runs"),
            ("limit", "integer", "How many at most; 0: as many as one answer holds"),
        ],
        "Page",
    ),
    ("get", "/runs/{run}", "One run in full", &[], "Run"),
    (
        "get",
        "/events",
        "What happens, as server-sent events named run, skip, change, control, log, problem, lagged",
        &[("chore", "string", "Only of this chore, or of those that fit a pattern")],
        "events",
    ),
    ("get", "/openapi.json", "This document", &[], "object"),
    ("get", "/metrics", "Metrics in the text format of Prometheus", &[], "text"),
];

const CYCLE: Field = ("cycle", "string", "Only this cycle");
const BY: Field = ("by", "string", "Who does it; over TCP, the token says that");
const NOTE: Field = ("note", "string", "Why, for whoever reads the history");

/// What may stand in the body of a control, besides who does it and why.
fn body(word: &str) -> (&'static str, Vec<Field>) {
    let (help, mut fields) = match word {
        "trigger" => (
            "Run now, paused or not",
            vec![CYCLE, ("wait", "boolean", "Answer when the run has ended")],
        ),
        "pause" => (
            "Let no more runs begin by themselves",
            vec![
                CYCLE,
                ("for", "string", "End the pause after this time: 2h, or a number of seconds"),
                ("until", "time", "End the pause then"),
            ],
        ),
        "restart" => ("Begin the schedule anew, with a full interval", vec![CYCLE]),
        "cancel" => ("Ask a run in progress to wind down", vec![CYCLE]),
        "interval" => (
            "Change the interval, until the config's own changes",
            vec![CYCLE, ("interval", "string", "Such as 10m, or off")],
        ),
        "reload" => (
            "Look at the chores directory now, and wait until what changed has taken over",
            vec![("force", "boolean", "Try again also what went back after failed runs")],
        ),
        "log-level" => (
            "Log more or less, until the peer ends",
            vec![
                (
                    "level",
                    "string",
                    "off, error, warn, info, debug or trace; default: as the config says",
                ),
                ("for", "string", "Only for this time: 10m, or a number of seconds"),
                ("until", "time", "Only until then"),
            ],
        ),
        "unload" => ("Close it, and keep it unloaded until `load`", vec![]),
        "load" => ("Load what was unloaded", vec![]),
        _ => ("Let the last good version take over again", vec![]),
    };
    fields.extend([BY, NOTE]);
    (help, fields)
}

/// Every schema with its fields.
const SCHEMAS: &[(&str, &[Field])] = &[
    (
        "Peer",
        &[
            ("version", "string", "Of the program"),
            ("node", "string", "Its id"),
            ("listen", "string", "Where other nodes reach it; empty if it serves nobody"),
            ("started", "time", ""),
            ("problem", "string", "What is wrong with the peer itself; empty if nothing is"),
        ],
    ),
    ("Chore", CHORE),
    ("ChoreDetail", DETAIL),
    (
        "Cycle",
        &[
            ("name", "string", ""),
            ("interval", "string", "Text with a unit, or off"),
            (
                "state",
                "string",
                "idle, running, winding-down, waiting, paused, off, held, backing-off or stopped",
            ),
            ("iteration", "integer", "Runs begun so far, over restarts of the peer too"),
            ("failures", "integer", "Since the last success"),
            ("next", "time?", ""),
            ("last", "LastRun?", ""),
            ("running_since", "time?", "When the run in progress began"),
            ("pause", "Pause?", ""),
            ("backing_off_until", "time?", "Failures put the next run off until then"),
            ("jitter_seconds", "number", "How much later than its interval says the next run is"),
            ("overridden", "boolean", "The interval was changed while the peer ran"),
            ("overdue", "time?", "A run should have begun then, and nothing is in the way"),
        ],
    ),
    (
        "Pause",
        &[
            ("since", "time", ""),
            ("until", "time?", "When it ends by itself"),
            ("by", "string", ""),
            ("note", "string", ""),
        ],
    ),
    (
        "LastRun",
        &[
            ("run", "integer", "Its number in the ledger; 0 if there is none"),
            ("iteration", "integer", ""),
            ("reason", "string", "start, interval or trigger"),
            ("started", "time", ""),
            ("elapsed_seconds", "number", ""),
            ("outcome", "string", OUTCOMES),
            ("message", "string", "What went wrong; empty if nothing did"),
            ("cpu_seconds", "number", ""),
            ("memory_bytes", "integer", "The most that it had"),
            ("host_calls", "integer", "Functions of the contract that it called"),
            ("host_bytes", "integer", "Texts, byte lists and SQL values that went either way"),
        ],
    ),
    (
        "RefusedFile",
        &[
            ("file", "string", ""),
            ("digest", "string", "Empty if its bytes were never read"),
            ("version", "string", ""),
            ("reason", "string", ""),
            ("quarantined", "boolean", "It ran, and its runs failed"),
        ],
    ),
    (
        "Signature",
        &[
            ("signed", "boolean", "By a key that the peer trusts"),
            ("key", "string", "Id of that key; empty if it is not signed"),
            ("comment", "string", "The trusted comment, signed too"),
        ],
    ),
    (
        "Setting",
        &[
            ("name", "string", ""),
            ("kind", "string", "text, integer, number, boolean, duration, size or secret"),
            ("value", "string?", "Null if it has none, and of a secret"),
            ("is_set", "boolean", ""),
            ("default", "string?", ""),
            ("help", "string", ""),
        ],
    ),
    (
        "Version",
        &[
            ("is", "string", "running, good, previous, quarantined or refused"),
            ("version", "string", ""),
            ("digest", "string", ""),
            ("since", "time?", "Since when it runs, or does not"),
            ("reason", "string", "Why it does not run"),
        ],
    ),
    (
        "Limits",
        &[
            ("by_key", "[Limit]", "Each limit that a config file can set"),
            ("memory_bytes", "integer", "Of one instance"),
            ("grace_seconds", "number", "From the wish to wind down to the end"),
            ("timeouts", "[Timeout]", ""),
        ],
    ),
    (
        "Limit",
        &[
            ("key", "string", "As below [limits] in a config file"),
            ("value", "string", "As in a config file, such as 64MiB, 5m or 1000"),
            ("overridden", "boolean", "The chore's own config sets it"),
        ],
    ),
    ("Timeout", &[("cycle", "string", ""), ("timeout_seconds", "number", "")]),
    (
        "Why",
        &[
            ("chore", "string", ""),
            ("cycle", "string", ""),
            ("because", "string", "One sentence, times in UTC"),
        ],
    ),
    (
        "Page",
        &[
            ("entries", "[Entry]", ""),
            ("before", "string?", "For the next request; null if there are no more"),
        ],
    ),
    ("Run", RUN),
    (
        "Skip",
        &[
            ("chore", "string", ""),
            ("cycle", "string", ""),
            ("first", "time", ""),
            ("last", "time", ""),
            ("slots", "integer", ""),
            (
                "reason",
                "string",
                "running, crowded, held, backing-off, late, paused, restarted, off, stopped or away",
            ),
        ],
    ),
    ("Event", EVENT),
    (
        "Controlled",
        &[
            ("chore", "string", "Empty: the peer itself"),
            ("control", "string", "trigger, pause, ..."),
            ("ok", "boolean", "It has come about; a run that was waited for has succeeded"),
            ("problem", "Problem?", "Why it could not be carried out"),
            ("triggered", "string!", "Of a trigger: began, ended or stopped"),
            ("iteration", "integer!", "Of a run that began"),
            ("run", "LastRun!", "The run that was waited for"),
            ("changes", "[Change]", "Of what changes versions"),
        ],
    ),
    (
        "Change",
        &[
            ("chore", "string", ""),
            (
                "change",
                "string",
                "loaded, replaced, went-back, reconfigured, unloaded, refused or unchanged",
            ),
            ("from", "Build?", "What ran before"),
            ("to", "Build?", "What runs now"),
            ("generation", "integer", ""),
            ("phases", "[Phase]", "What was done, in order"),
            ("reason", "string", "Why something was refused, or gone back from"),
        ],
    ),
    ("Build", &[("version", "string", ""), ("digest", "string", "")]),
    ("Phase", &[("name", "string", ""), ("seconds", "number", "")]),
    (
        "LogLine",
        &[
            ("at", "time", ""),
            ("chore", "string", ""),
            ("cycle", "string", "Empty while the chore opens and closes"),
            ("run", "integer", "0 while the chore opens and closes"),
            ("number", "integer", "Counts the lines of its run from 1"),
            ("level", "string", "trace, debug, info, warn or error"),
            ("line", "string", ""),
        ],
    ),
    (
        "PeerProblem",
        &[
            ("at", "time", ""),
            ("chore", "string", "Empty: the peer itself"),
            ("what", "string", "In one word"),
            ("message", "string", "Empty: it is well again"),
        ],
    ),
    ("Lagged", &[("lost", "integer?", "Events that were lost; null if nobody knows how many")]),
    (
        "Problem",
        &[
            ("type", "string", "One of those in docs/api.md"),
            ("title", "string", ""),
            ("status", "integer", ""),
            ("detail", "string", "What happened this time, and what to do"),
        ],
    ),
];

const OUTCOMES: &str = "succeeded, failed, trapped, out-of-memory, out-of-cpu, timed-out, \
                        cancelled, host-failed, interrupted; or running";

const CHORE: &[Field] = &[
    ("name", "string", ""),
    ("state", "string", "loaded, loading, refused, unloaded or closed"),
    ("reason", "string", "Why it is not loaded, and what to do; empty if it is"),
    ("digest", "string", "SHA-256 of the component, hexadecimal"),
    ("version", "string", ""),
    ("generation", "integer", "Counts replacements"),
    ("watched_runs_left", "integer", "Runs of a new version that are still watched"),
    ("about", "string", ""),
    ("grants", "[string]", ""),
    ("cycles", "[Cycle]", ""),
    ("refused", "RefusedFile?", "A newer file that was refused while this version runs"),
    ("signature", "Signature?", "Who vouches for what runs; null if the peer trusts no key"),
];

/// Besides what [`CHORE`] has.
const DETAIL: &[Field] = &[
    ("settings", "[Setting]", ""),
    ("versions", "[Version]", ""),
    ("limits", "Limits?", "Null if it is not loaded"),
];

const RUN: &[Field] = &[
    ("run", "integer", "Counts the runs of the peer"),
    ("chore", "string", ""),
    ("cycle", "string", ""),
    ("version", "string", ""),
    ("digest", "string", ""),
    ("generation", "integer", ""),
    ("iteration", "integer", "Counts the runs of the cycle"),
    ("reason", "string", "start, interval or trigger"),
    ("by", "string", "Who triggered it"),
    ("due", "time", ""),
    ("slot", "time?", "The slot that it served"),
    ("started", "time", ""),
    ("elapsed_seconds", "number?", ""),
    ("outcome", "string", OUTCOMES),
    ("message", "string", "What went wrong; empty if nothing did"),
    ("cpu_seconds", "number", ""),
    ("memory_bytes", "integer", "The most that it had"),
    ("host_calls", "integer", "Functions of the contract that it called"),
    ("host_bytes", "integer", "Texts, byte lists and SQL values that went either way"),
    ("log", "[string]", "The last lines, each with its level"),
    ("log_lines", "integer", "How many such lines there were"),
    (
        "backtrace",
        "[string]",
        "Where it was when it trapped or its time was up, the innermost function first",
    ),
];

const EVENT: &[Field] = &[
    ("at", "time", ""),
    ("by", "string", "Who: a user, a token, the chore itself, or the peer"),
    ("what", "string", ""),
    ("chore", "string", ""),
    ("cycle", "string", "Empty: all cycles"),
    ("note", "string", ""),
];

/// What is answered at `/api/v1/openapi.json`.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    let mut add = |method: &str, path: String, operation: Value| {
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        methods[method] = operation;
    };
    for (method, path, help, asked, answer) in READS {
        let mut parameters: Vec<Value> = path_parameters(path);
        parameters.extend(asked.iter().map(|field| parameter(field, "query", false)));
        let operation = json!({
            "summary": help, "parameters": parameters, "responses": responses(answer),
        });
        let path = if *path == "/metrics" { (*path).to_owned() } else { format!("{API}{path}") };
        add(method, path, operation);
    }
    for kind in CONTROLS {
        let path = format!("/chores/{{name}}/{}", kind.word());
        add("post", format!("{API}{path}"), control(kind.word(), path_parameters(&path)));
    }
    for word in ["reload", "log-level"] {
        add("post", format!("{API}/{word}"), control(word, Vec::new()));
    }
    let kinds: Vec<String> = KINDS.iter().map(|(kind, ..)| format!("{TYPE}{kind}")).collect();
    let mut schemas = schemas();
    schemas["Problem"]["properties"]["type"]["enum"] = json!(kinds);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Chore",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Look at a peer and control it. Times are RFC 3339 in UTC, durations \
                            seconds. Changes over TCP need a token.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

fn control(word: &str, parameters: Vec<Value>) -> Value {
    let (help, fields) = body(word);
    let mut schema = object(&fields, false);
    schema["additionalProperties"] = json!(false);
    json!({
        "summary": help,
        "parameters": parameters,
        "requestBody": { "content": { "application/json": { "schema": schema } } },
        "responses": responses("[Controlled]"),
        "security": [{ "token": [] }],
    })
}

fn path_parameters(path: &str) -> Vec<Value> {
    let named = |part: &str| match part {
        "{name}" => Some(parameter(&("name", "string", "A chore's name"), "path", true)),
        "{run}" => Some(parameter(&("run", "integer", "A run's number"), "path", true)),
        _ => None,
    };
    let mut parameters: Vec<Value> = path.split('/').filter_map(named).collect();
    if CONTROLS.iter().any(|kind| path.ends_with(&format!("/{}", kind.word())))
        && let Some(name) = parameters.first_mut()
    {
        name["description"] = json!("A chore's name, or a pattern such as `order-*`");
    }
    parameters
}

fn parameter((name, kind, help): &Field, place: &str, required: bool) -> Value {
    json!({
        "name": name, "in": place, "required": required, "description": help,
        "schema": typed(kind, ""),
    })
}

fn responses(answer: &str) -> Value {
    let (content, schema) = match answer {
        "text" => ("text/plain", json!({ "type": "string" })),
        "events" => ("text/event-stream", json!({ "type": "string" })),
        "object" => ("application/json", json!({ "type": "object" })),
        answer => ("application/json", typed(answer, "")),
    };
    let problem = json!({ "schema": typed("Problem", "") });
    json!({
        "200": { "description": "Done", "content": { content: { "schema": schema } } },
        "default": {
            "description": "It was not carried out",
            "content": { "application/problem+json": problem },
        },
    })
}

fn schemas() -> Value {
    let mut schemas = Map::new();
    for (name, fields) in SCHEMAS {
        let fields = match *name {
            "ChoreDetail" => [CHORE, fields].concat(),
            _ => fields.to_vec(),
        };
        schemas.insert((*name).to_owned(), object(&fields, true));
    }
    let entry = |name: &str, kind: &str| {
        let kind = json!({ "properties": { "kind": { "const": kind } }, "required": ["kind"] });
        json!({ "allOf": [typed(name, ""), kind] })
    };
    let entries = [entry("Run", "run"), entry("Skip", "skip"), entry("Event", "event")];
    schemas.insert("Entry".to_owned(), json!({ "oneOf": entries }));
    Value::Object(schemas)
}

/// `!` behind a type is that of a field that may be absent.
fn object(fields: &[Field], required: bool) -> Value {
    let mut properties = Map::new();
    let mut needed = Vec::new();
    for (name, kind, help) in fields {
        if !kind.ends_with('!') {
            needed.push(*name);
        }
        properties.insert((*name).to_owned(), typed(kind.trim_end_matches('!'), help));
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if required {
        schema["required"] = json!(needed);
    }
    schema
}

fn typed(kind: &str, help: &str) -> Value {
    let mut schema = match kind {
        _ if kind.ends_with('?') => {
            let inner = typed(kind.trim_end_matches('?'), "");
            json!({ "oneOf": [inner, { "type": "null" }] })
        }
        _ if kind.starts_with('[') => {
            json!({ "type": "array", "items": typed(kind.trim_matches(['[', ']']), "") })
        }
        "time" => json!({ "type": "string", "format": "date-time" }),
        "string" | "integer" | "number" | "boolean" => json!({ "type": kind }),
        name => json!({ "$ref": format!("#/components/schemas/{name}") }),
    };
    if !help.is_empty() {
        schema["description"] = json!(help);
    }
    schema
}
