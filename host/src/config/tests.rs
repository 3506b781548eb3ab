//! Config files that are right, wrong and hostile, and the template.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::document::Otherwise;
use super::*;

const ID: &str = "12vha9oTFnerxYRgeQ2BZqoFrLrnmmf5UWTCY2jA77dBZN6Lg2T";

/// A public key of minisign.
const KEY: &str = "RWRxu+kQ1/g43MuFdhcXu+VC0xo5MUGznwNFHxLFUjR9paSluMvez4uX";

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(&text.replace("ID", ID).replace("KEY", KEY), "chore.toml")
        .map_err(|err| err.to_string())
}

#[test]
fn the_sections_decide_what_the_peer_is() {
    let server = "[server]\nlisten = \"127.0.0.1:7777\"\n";
    for (text, orders, intake, settlement) in [
        ("", false, false, false),
        ("[orders]", true, false, false),
        ("[orders]\n[intake]", true, true, false),
        ("[settlement]", false, false, true),
        ("[orders]\n[intake]\n[settlement]", true, true, true),
    ] {
        let config = parse(&format!("{server}{text}")).unwrap();
        let found = (config.orders.is_some(), config.intake.is_some(), config.settlement.is_some());
        assert_eq!(found, (orders, intake, settlement), "{text}");
    }
}

#[test]
fn every_key_is_read() {
    let config = parse(
        r#"
        [server]
        listen = "[::1]:0"
        external-address = "node.example.org:7777"
        [nodes]
        known = ["ID@a.example:1"]
        [orders]
        archive-ttl = "2h"
        [intake]
        satellites = ["storj://ID@127.0.0.1:2"]
        [settlement]
        keep-expired = "1d"
        [chores]
        directory = "/srv/chores"
        grants-max = ["orders:read"]
        compile-at-once = 2
        compile-timeout = "2m"
        shutdown-budget = "1m"
        scan-interval = "5s"
        probation-runs = 0
        require-signed = true
        trusted-keys = ["KEY"]
        limits = { memory = "32MiB", cpu = "10s", grace = "0s", log-lines = 1, metric-series = 2, sql-database = "3MiB", sql-statement = "4s", streams = 5, in-flight = "6MiB", runs = 7 }
        ceiling = { memory = "64MiB", cpu = "20s" }
        failure.policy = "stop-peer"
        failure.after = 1
        failure.backoff-first = "0s"
        failure.backoff-max-multiple = 0
        [traces]
        endpoint = "http://127.0.0.1:4318"
        one-in = 10

        [ledger]
        keep = "1d"
        keep-runs = 7
        [control]
        listen = "0.0.0.0:7781"
        allow-remote = true
        name = "peer.example.org"
        [log]
        level = "debug"
        format = "json"
        "#,
    );
    let url = |address: &str| NodeUrl::new(ID.parse().unwrap(), address).unwrap();
    let expected = Config {
        server: Server {
            listen: Some("[::1]:0".parse().unwrap()),
            external_address: Some("node.example.org:7777".into()),
        },
        nodes: Nodes { known: vec![url("a.example:1")] },
        orders: Some(Orders { archive_ttl: Duration::from_secs(7200) }),
        intake: Some(Intake { satellites: vec![url("127.0.0.1:2")] }),
        settlement: Some(Settlement { keep_expired: Duration::from_secs(86400) }),
        chores: Chores {
            directory: "/srv/chores".into(),
            grants_max: ["orders:read".parse().unwrap()].into_iter().collect(),
            compile_at_once: 2,
            compile_timeout: Duration::from_secs(120),
            shutdown_budget: Duration::from_secs(60),
            scan_interval: Duration::from_secs(5),
            probation_runs: 0,
            require_signed: true,
            trusted_keys: vec![KEY.parse().unwrap()],
            limits: Limits {
                memory: 32 << 20,
                cpu: Duration::from_secs(10),
                grace: Duration::ZERO,
                log_lines: 1,
                metric_series: 2,
                sql_database: 3 << 20,
                sql_statement: Duration::from_secs(4),
                streams: 5,
                in_flight: 6 << 20,
                runs: 7,
            },
            ceiling: Ceiling(Limits {
                memory: 64 << 20,
                cpu: Duration::from_secs(20),
                ..Ceiling::default().0
            }),
            failure: Failure {
                policy: FailurePolicy::StopPeer,
                after: 1,
                backoff_first: Duration::ZERO,
                backoff_max_multiple: 0,
            },
        },
        ledger: Ledger { keep: Duration::from_secs(86400), keep_runs: 7 },
        control: Control {
            listen: Some("0.0.0.0:7781".parse().unwrap()),
            allow_remote: true,
            name: Some("peer.example.org".into()),
        },
        traces: Traces { endpoint: Some("http://127.0.0.1:4318".into()), one_in: 10 },
        log: Log { level: LogLevel::Debug, format: LogFormat::Json },
    };
    assert_eq!(config.unwrap(), expected);
}

#[test]
fn a_wrong_file_is_explained() {
    let listen = "[server]\nlisten = \"127.0.0.1:1\"\n";
    for (text, expected) in [
        (
            "[server]\nlisen = \"127.0.0.1:1\"",
            "chore.toml:2:1: unknown key \"lisen\" in [server]: did you mean \"listen\"? (line: lisen = \"127.0.0.1:1\")",
        ),
        (
            "[server]\n  level = \"info\"",
            "chore.toml:2:3: unknown key \"level\" in [server]: it belongs in [log]",
        ),
        (
            "listen = \"127.0.0.1:1\"",
            "unknown key \"listen\" before the first section: it belongs in [server]",
        ),
        (
            "[server]\ncolour = 1",
            "unknown key \"colour\" in [server]: use listen, external-address",
        ),
        ("[sever]\nlisten = 1", "chore.toml:1:2: unknown section [sever]: did you mean [server]?"),
        ("[chores.limit]", "unknown section [chores.limit]: did you mean [chores.limits]?"),
        ("[colours]", "chore.toml:1:2: unknown section [colours] (line: [colours])"),
        ("server = 1", "server is a section: write [server], and its keys on the lines below"),
        ("[[server]]\nlisten = \"127.0.0.1:1\"", "server is a section"),
        (
            "[server]\nlisten = 7777",
            "server.listen must be an IP address with a port (for example \"127.0.0.1:7777\")",
        ),
        (
            "[server]\nlisten = \"localhost:7777\"",
            "chore.toml:2:10: server.listen must be an IP address with a port: \"localhost:7777\" (for example \"127.0.0.1:7777\")",
        ),
        ("[chores]\nrequire-signed = true", "chore.toml:2:1: [chores] needs `trusted-keys` beside"),
        (
            "[chores]\ntrusted-keys = [\"RW\"]",
            "chores.trusted-keys must be a list of public keys of minisign, each as \"RW...\": \"RW\" is no public key",
        ),
        (
            &format!("[chores]\ntrusted-keys = [\"{KEY}\", \"{KEY}\"]"),
            "chores.trusted-keys lists DC38F8D710E9BB71 twice",
        ),
        ("[control]\nlisten = \"0.0.0.0:7781\"", "chore.toml:2:1: [control] needs a `listen` that"),
        (
            "[control]\nallow-remote = \"true\"",
            "control.allow-remote must be true or false: write it without quotes",
        ),
        ("[server]\nlisten = \"127.0.0.1\"", "must be an IP address with a port: \"127.0.0.1\""),
        ("[server]\nexternal-address = \"a:1\"", "chore.toml:1:2: [server] needs `listen` beside"),
        (&format!("{listen}external-address = \"a\""), "has no port: it must be host:port"),
        (
            "[nodes]\nknown = [\"a:1\"]",
            "chore.toml:2:10: nodes.known must be a list of nodes, each as \"ID@host:port\": node url \"a:1\" has no node id",
        ),
        (
            "[nodes]\nknown = [\n\"ID@a:1\",\n\"ID@a\"]",
            "chore.toml:4:1: nodes.known must be a list of nodes, each as \"ID@host:port\": address \"a\" has no port",
        ),
        (
            "[nodes]\nknown = [\"ID@a:1\", \"ID@b:1\"]",
            "chore.toml:2:1: nodes.known lists 12vha9oTFnerxYRgeQ2BZqoFrLrnmmf5UWTCY2jA77dBZN6Lg2T twice",
        ),
        (
            "[nodes]\nknown = \"ID@a:1\"",
            "nodes.known must be a list of nodes, each as \"ID@host:port\": write [\"...\"]",
        ),
        (
            &format!("{listen}[intake]"),
            "chore.toml:3:2: [intake] needs [orders], to keep what is handed in: write a line [orders] (line: [intake])",
        ),
        (
            "[orders]\n[intake]",
            "[intake] needs `listen` in [server], so that others reach it: write listen = \"127.0.0.1:7777\" below [server]",
        ),
        ("[settlement]", "[settlement] needs `listen` in [server]"),
        (
            "[orders]\narchive-ttl = 168",
            "chore.toml:2:15: orders.archive-ttl must be a duration from 1h to 87840h: \"168\" has no unit: write \"168s\" (the default is \"168h\")",
        ),
        ("[orders]\narchive-ttl = \"0s\"", "from 1h to 87840h: this is outside"),
        ("[orders]\narchive-ttl = true", "must be a duration from 1h to 87840h (the default"),
        (
            "[chores]\ncompile-at-once = 0",
            "must be a number from 1 to 64: this is outside (the default is 1)",
        ),
        ("[chores]\ncompile-at-once = 99999999999999999999", "this is outside"),
        (
            "[chores]\ndirectory = \"\"",
            "chores.directory must be the path of a directory: this is empty",
        ),
        (
            "[chores.limits]\ncpus = \"1s\"",
            "chore.toml:2:1: unknown key \"cpus\" in [chores.limits]: did you mean \"cpu\"?",
        ),
        ("[chores.ceiling]\nstream = 1", "in [chores.ceiling]: did you mean \"streams\"?"),
        ("[chores.ceilings]\ncpu = \"1s\"", "did you mean [chores.ceiling]?"),
        (
            "[chores.limits]\nmemory = \"2GiB\"",
            "chore.toml:2:1: chores.limits.memory is \"2GiB\", above the ceiling of \"1GiB\": lower it, or raise it in [chores.ceiling] (line: memory = \"2GiB\")",
        ),
        (
            "[chores.ceiling]\nstreams = 9\n[chores.limits]\nstreams = 10",
            "chore.toml:4:1: chores.limits.streams is 10, above the ceiling of 9",
        ),
        ("[chores.limits]\nlog-lines = -1", "must be a number from 0 to 1000000000"),
        ("[chores.limits]\ncpu = \"1ms\"", "must be a duration from 5ms to 168h"),
        ("[chores.limits]\nmemory = \"64M\"", "unknown unit \"M\": use B, kB, MB, GB, TB, KiB"),
        (
            "[log]\nlevel = \"inof\"",
            "log.level must be one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\": \"inof\": did you mean \"info\"? (the default is \"info\")",
        ),
        ("[log]\nformat = 1", "must be one of \"auto\", \"text\", \"json\" (the default"),
        (
            "[log]\nlevel = \"info",
            "chore.toml:2:14: not TOML: invalid basic string, expected `\"` (line: level = \"info)",
        ),
        ("[log]\n[log]", "chore.toml:2:2: not TOML: duplicate key"),
        ("= 1", "chore.toml:1:1: not TOML"),
        ("a\0b = 1", "not TOML"),
        // The first of several, by where it stands.
        ("[log]\nx = 1\n[chores]\ny = 1", "chore.toml:2:1: unknown key \"x\""),
        ("[\"\\u001b[31m\"]", "unknown section [\u{fffd}[31m]"),
    ] {
        let message = parse(text).unwrap_err();
        assert!(message.contains(expected), "{text}\n{message}\n{expected}");
        assert!(!message.contains(char::is_control), "{message:?}");
    }
}

#[test]
fn a_ceiling_cuts_down_what_no_file_says() {
    let config = parse("[chores.ceiling]\nmemory = \"32MiB\"\nstreams = 9").unwrap();
    let limits = config.chores.limits_of_all();
    assert_eq!((limits.memory, limits.streams), (32 << 20, 9));
    assert_eq!(limits.cpu, Limits::default().cpu);
    let config = parse("chores.limits.memory = \"1GiB\"").unwrap();
    assert_eq!(config.chores.limits_of_all().memory, 1 << 30, "as much as the ceiling");
}

/// Of the rows whose first cell is code, or is not.
fn rows_of(page: &str, code: bool) -> Vec<Vec<String>> {
    let rows =
        page.lines().filter(|line| line.starts_with("| ") && line.starts_with("| `") == code);
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().into()).collect();
    rows.map(cells).collect()
}

#[test]
fn the_page_of_limits_says_what_the_code_does() {
    use crate::limits::*;
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
    let page = std::fs::read_to_string(page).unwrap();
    let code = |text: String| format!("`{text}`");
    let expected: Vec<_> = Limit::ALL
        .iter()
        .map(|limit| {
            let (key, range) = (limit.key().to_owned(), limit.range());
            [code(key), code(range.default.written()), code(range.ceiling.written())]
        })
        .collect();
    let found = rows_of(&page, true);
    assert_eq!(found.iter().map(|row| row[..3].to_vec()).collect::<Vec<_>>(), expected);

    let bytes = |bytes: usize| Amount::Bytes(bytes as u64);
    let count = |count: usize| Amount::Count(count as u64);
    let expected = [
        ("component file", Amount::Bytes(COMPONENT_BYTES_MAX)),
        ("sections of a component", count(COMPONENT_SECTIONS_MAX)),
        ("imports, and exports, of a component", count(COMPONENT_NAMES_MAX)),
        ("config file", Amount::Bytes(CONFIG_BYTES_MAX)),
        ("core instances, memories, and tables of a component, each", count(INSTANCE_PARTS_MAX)),
        ("cycles of a chore", count(CYCLES_MAX)),
        ("time for `describe`", Amount::Time(DESCRIBE_TIMEOUT)),
        ("time for `open`", Amount::Time(OPEN_TIMEOUT)),
        ("time for `close`", Amount::Time(CLOSE_TIMEOUT)),
        ("resources and handles of one call", count(RESOURCES_MAX)),
        ("bytes that one host call copies out of a guest", bytes(HOSTCALL_BYTES_MAX)),
        ("bytes of one call of WASI's random", Amount::Bytes(RANDOM_BYTES_MAX)),
        ("standard error of one call", bytes(STDERR_BYTES_MAX)),
        ("state", bytes(STATE_BYTES_MAX)),
        ("calls of a chore that compute at once", count(CALLS_COMPUTING)),
        ("requests of a chore for its state and orders under way", count(SHARED_REQUESTS_AT_ONCE)),
        ("log line with its fields", bytes(LOG_LINE_BYTES_MAX)),
        ("fields of a log line", count(LOG_FIELDS_MAX)),
        ("lines of one chore in the peer's log, a second", count(LOG_LINES_PER_SECOND as usize)),
        ("such lines that may come at once before", count(LOG_LINES_BURST as usize)),
        ("name or value of a metric or its label", bytes(METRIC_TEXT_BYTES_MAX)),
        ("labels of a metric", count(METRIC_LABELS_MAX)),
        ("message to or from another node", bytes(MESSAGE_BYTES_MAX)),
        ("messages that wait in a stream, each way", count(STREAM_MESSAGES_WAITING)),
        (
            "bytes that wait in a stream to another node, before one more message",
            bytes(STREAM_BYTES_WAITING),
        ),
        (
            "connections of a chore to other nodes, being dialled or open",
            count(CONNECTIONS_POOLED_MAX),
        ),
        ("time of a dial", Amount::Time(DIAL_TIMEOUT_MAX)),
        ("orders of one call", count(ORDERS_PER_CALL_MAX as usize)),
        ("rows of a query", count(SQL_ROWS_MAX)),
        ("bytes of a query's rows", bytes(SQL_BYTES_MAX)),
        ("one row of a stream", bytes(SQL_ROW_BYTES_MAX)),
        ("streams of a database", count(SQL_STREAMS_MAX)),
        ("SQL statement's text", bytes(SQL_STATEMENT_BYTES_MAX)),
        ("text, blob or stored row in SQL", bytes(SQL_VALUE_BYTES_MAX)),
        ("log of a database, with open readers", Amount::Bytes(SQL_LOG_BYTES_MAX)),
    ];
    let expected = expected.map(|(what, limit)| [what.to_owned(), limit.to_string()]);
    let found = rows_of(&page, false).into_iter().filter(|row| row[0] != "key" && row[0] != "what");
    assert_eq!(found.map(|row| row[..2].to_vec()).collect::<Vec<_>>(), expected);
}

#[test]
fn hostile_files_are_refused_shortly_and_quickly() {
    let many = |part: &str, times: usize| part.repeat(times);
    for text in [
        many("[", 1_000_000),
        format!("a = {}", many("[", 500_000)),
        format!("a = {}", many("{a=", 300_000)),
        many("a.", 500_000),
        format!("{} = 1", many("a", 1_000_000)),
        format!("[log]\nlevel = \"{}\"", many("x", 1_000_000)),
        format!("[server]\nlisten = \"{}\"", many("\\n", 500_000)),
        many(" ", 2_000_000),
        many("\u{202e}é", 300_000),
    ] {
        let message = parse(&text).unwrap_err();
        assert!(message.len() < 1000, "{} {message:.2000}", text.len());
    }
}

#[test]
fn windows_lines_and_a_mark_of_order_do_no_harm() {
    assert_eq!(parse("\u{feff}[log]\r\nlevel = \"warn\"\r\n").unwrap().log.level, LogLevel::Warn);
    let message = parse("[log]\r\nlvl = 1\r\n").unwrap_err();
    assert!(
        message.starts_with("chore.toml:2:1:") && message.ends_with("(line: lvl = 1)"),
        "{message}"
    );
}

/// The template with every key that has a default set to it, or with every key set.
fn uncommented(examples_too: bool) -> String {
    let template = Config::template();
    let examples: Vec<String> = keys::SECTIONS
        .iter()
        .flat_map(|section| section.keys)
        .filter(|key| matches!(key.otherwise, Otherwise::Example(_)))
        .map(|key| format!("#{} =", key.name))
        .collect();
    let lines = template.lines().map(|line| {
        let is_prose = line.starts_with("# ");
        let is_example = examples.iter().any(|example| line.starts_with(example.as_str()));
        match line.strip_prefix('#') {
            Some(key) if !is_prose && (examples_too || !is_example) => format!("{key}\n"),
            _ => format!("{line}\n"),
        }
    });
    lines.collect()
}

#[test]
fn the_template_is_a_plain_host_of_chores() {
    let template = Config::template();
    assert_eq!(parse(&template).unwrap(), Config::default());
    assert!(template.lines().all(|line| line.chars().count() <= 100), "{template}");
    for section in keys::SECTIONS {
        assert!(template.contains(&format!("[{}]\n", section.name)));
        for key in section.keys {
            assert!(template.contains(&format!("\n#{} = ", key.name)), "{}", key.name);
        }
    }
}

#[test]
fn the_template_with_every_key_set_is_a_peer_of_every_kind() {
    let config = parse(&uncommented(true)).unwrap();
    assert_eq!(config.server.listen, Some("127.0.0.1:7777".parse().unwrap()));
    assert!(config.intake.is_some() && config.settlement.is_some());
}

#[test]
fn the_defaults_in_the_table_are_those_in_the_code() {
    let text = uncommented(false);
    // The sections that need it are there.
    let text = text.replace("\n[server]\n", "\n[server]\nlisten = \"127.0.0.1:7777\"\n");
    let mut config = parse(&text).unwrap();
    config.server.listen = None;
    let expected = Config {
        orders: Some(Orders::default()),
        intake: Some(Intake::default()),
        settlement: Some(Settlement::default()),
        ..Config::default()
    };
    assert_eq!(config, expected);
    // And no field of the code is missing in the table.
    let table = toml::Table::try_from(expected).unwrap();
    for (name, section) in &table {
        for (field, value) in section.as_table().unwrap() {
            if !value.is_table() {
                let known = keys::SECTIONS.iter().find(|section| section.name == name).unwrap();
                assert!(known.keys.iter().any(|key| key.name == field), "{name}.{field}");
            }
        }
    }
}

#[test]
fn every_word_of_a_choice_is_read() {
    for word in keys::LOG_LEVELS {
        let config = parse(&format!("log.level = \"{word}\"")).unwrap();
        assert_eq!(config.log.level.to_string(), *word);
    }
    for word in keys::LOG_FORMATS {
        parse(&format!("log.format = \"{word}\"")).unwrap();
    }
}

#[test]
fn a_config_survives_its_text() {
    let config = parse(&uncommented(true)).unwrap();
    let text = toml::to_string(&config).unwrap();
    assert_eq!(parse(&text).unwrap(), config);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever is done to a good file, it is read or refused with a place inside it.
    #[test]
    fn no_text_panics(at in 0..4000_usize, cut in 0..40_usize, put in "[\\PC\n]{0,12}") {
        let mut text: Vec<char> = uncommented(true).chars().collect();
        let start = at.min(text.len());
        let end = (start + cut).min(text.len());
        text.splice(start..end, put.chars());
        let text: String = text.into_iter().collect();
        if let Err(err) = Config::parse(&text, "chore.toml") {
            prop_assert!(err.place.line >= 1 && err.place.line <= text.matches('\n').count() + 1);
        }
    }
}
