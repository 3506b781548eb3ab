//! Every section and key of `chore.toml` with its kind, default and help: the parser, its errors and
//! the file that `chore setup` writes all come from this table.

use std::time::Duration;

use super::document::{Key, Kind, Otherwise, Section};
use super::limits;
use crate::limits::{
    COMPILATIONS_AT_ONCE_MAX, COMPILE_TIMEOUT_MAX, CYCLE_INTERVAL_MAX, LEDGER_KEEP_ROWS_MAX,
    PROBATION_RUNS_MAX, SHUTDOWN_BUDGET_MAX,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

pub const LOG_LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];
pub const FAILURE_POLICIES: &[&str] = &["keep", "back-off", "pause", "stop-peer"];
pub const LOG_FORMATS: &[&str] = &["auto", "text", "json"];

/// What every chore gets unless its own file says otherwise; `NAME.toml` has the same keys.
pub const LIMITS: &[Key] = limits::KEYS;
pub const FAILURE_POLICY: Key = Key {
    name: "policy",
    kind: Kind::OneOf(FAILURE_POLICIES),
    otherwise: Otherwise::Is("\"back-off\""),
    help: "What happens after a failure: \"keep\" the schedule, \"back-off\" from it, \"pause\" the \
           cycle after so many failures as `after` says until `chore restart`, or \"stop-peer\", for \
           a check without which the peer must not go on. The last two back off before.",
};
pub const FAILURE_AFTER: Key = Key {
    name: "after",
    kind: Kind::Integer { min: 1, max: 1_000_000 },
    otherwise: Otherwise::Is("3"),
    help: "Failures of a cycle in a row until \"pause\" or \"stop-peer\".",
};
pub const BACKOFF_FIRST: Key = Key {
    name: "backoff-first",
    kind: Kind::Duration { min: Duration::ZERO, max: CYCLE_INTERVAL_MAX },
    otherwise: Otherwise::Is("\"10s\""),
    help: "How long the schedule rests after a first failure; it doubles with each further one. \
           \"0s\": never.",
};
pub const BACKOFF_MAX_MULTIPLE: Key = Key {
    name: "backoff-max-multiple",
    kind: Kind::Integer { min: 0, max: 1_000_000 },
    otherwise: Otherwise::Is("16"),
    help: "How many intervals it rests at most. 0: never.",
};

/// The whole file, in the order in which it is written.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "server",
        help: "Where this peer listens for other peers. [intake] and [settlement] need it.",
        decides: false,
        keys: &[
            Key {
                name: "listen",
                kind: Kind::Socket,
                otherwise: Otherwise::Example("\"127.0.0.1:7777\""),
                help: "Where to listen: \"0.0.0.0:7777\" is every network. Without it, the peer listens to nobody.",
            },
            Key {
                name: "external-address",
                kind: Kind::Address,
                otherwise: Otherwise::Example("\"node.example.org:7777\""),
                help: "By which others reach it. Without it, that is `listen`.",
            },
        ],
    },
    Section {
        name: "nodes",
        help: "Where other nodes are.",
        decides: false,
        keys: &[Key {
            name: "known",
            kind: Kind::Nodes,
            otherwise: Otherwise::Is("[]"),
            help: "Nodes that chores can find.",
        }],
    },
    Section {
        name: "orders",
        help: "With this section the peer keeps orders, which chores then can send and archive.",
        decides: true,
        keys: &[Key {
            name: "archive-ttl",
            kind: Kind::Duration { min: HOUR, max: CYCLE_INTERVAL_MAX },
            otherwise: Otherwise::Is("\"168h\""),
            help: "How long an order is kept after its satellite has answered.",
        }],
    },
    Section {
        name: "intake",
        help: "With this section and [orders] the peer is a storage node: uplinks hand in orders. \
               It needs `listen` in [server].",
        decides: true,
        keys: &[Key {
            name: "satellites",
            kind: Kind::Nodes,
            otherwise: Otherwise::Is("[]"),
            help: "Satellites whose orders are taken.",
        }],
    },
    Section {
        name: "settlement",
        help: "With this section the peer is a satellite: storage nodes settle their orders. It \
               needs `listen` in [server].",
        decides: true,
        keys: &[Key {
            name: "keep-expired",
            kind: Kind::Duration { min: HOUR, max: CYCLE_INTERVAL_MAX },
            otherwise: Otherwise::Is("\"720h\""),
            help: "How long the serial number of a settled order is kept past its expiration, to \
                   answer a resend.",
        }],
    },
    Section {
        name: "chores",
        help: "The chores of this peer.",
        decides: false,
        keys: &[
            Key {
                name: "directory",
                kind: Kind::Text,
                otherwise: Otherwise::Is("\"chores\""),
                help: "Where their files are; a relative path begins at the peer's home.",
            },
            Key {
                name: "grants-max",
                kind: Kind::Grants,
                otherwise: Otherwise::Is("[\"orders\", \"kademlia\", \"transport\"]"),
                help: "The most that any chore gets, whatever its NAME.toml grants: parts too, such as \
                       \"orders:settle\" or \"transport:NODE-ID\".",
            },
            Key {
                name: "compile-at-once",
                kind: Kind::Integer { min: 1, max: COMPILATIONS_AT_ONCE_MAX as i64 },
                otherwise: Otherwise::Is("1"),
                help: "Chores that are compiled at once; each keeps a core and some hundred MB \
                       busy.",
            },
            Key {
                name: "compile-timeout",
                kind: Kind::Duration { min: SECOND, max: COMPILE_TIMEOUT_MAX },
                otherwise: Otherwise::Is("\"10m\""),
                help: "How long a chore waits for its compilation before it is refused. A \
                       compilation cannot be interrupted: it goes on, and `chore reload NAME` finds \
                       what it made.",
            },
            Key {
                name: "shutdown-budget",
                kind: Kind::Duration { min: SECOND, max: SHUTDOWN_BUDGET_MAX },
                otherwise: Otherwise::Is("\"30s\""),
                help: "How long closing the peer may take; what runs then is ended.",
            },
            Key {
                name: "scan-interval",
                kind: Kind::Duration { min: SECOND, max: HOUR },
                otherwise: Otherwise::Is("\"30s\""),
                help: "How often the directory is looked at when the system reports no change.",
            },
            Key {
                name: "probation-runs",
                kind: Kind::Integer { min: 0, max: PROBATION_RUNS_MAX as i64 },
                otherwise: Otherwise::Is("3"),
                help: "First runs of a new version that are watched: if one fails where the last \
                       good version's did not, the peer goes back to that. 0: none.",
            },
            Key {
                name: "require-signed",
                kind: Kind::Switch,
                otherwise: Otherwise::Is("false"),
                help: "Refuse every chore that is not signed by one of the `trusted-keys`: beside \
                       NAME.wasm there must be NAME.wasm.minisig, from `chore sign` or minisign.",
            },
            Key {
                name: "trusted-keys",
                kind: Kind::PublicKeys,
                otherwise: Otherwise::Is("[]"),
                help: "Public keys whose signatures are taken. With any, a signature that is there \
                       must be good, even if none is required.",
            },
        ],
    },
    Section {
        name: "chores.limits",
        help: "What every chore may use, unless its own NAME.toml says otherwise.",
        decides: false,
        keys: LIMITS,
    },
    Section {
        name: "chores.ceiling",
        help: "The most that a NAME.toml may set each limit to; one above it is refused.",
        decides: false,
        keys: limits::CEILING_KEYS,
    },
    Section {
        name: "chores.failure",
        help: "What happens after failures, unless a chore's own NAME.toml says otherwise.",
        decides: false,
        keys: &[FAILURE_POLICY, FAILURE_AFTER, BACKOFF_FIRST, BACKOFF_MAX_MULTIPLE],
    },
    Section {
        name: "ledger",
        help: "What is remembered of each run: when, why, how it ended, and what it used.",
        decides: false,
        keys: &[
            Key {
                name: "keep",
                kind: Kind::Duration { min: HOUR, max: CYCLE_INTERVAL_MAX },
                otherwise: Otherwise::Is("\"720h\""),
                help: "How long.",
            },
            Key {
                name: "keep-runs",
                kind: Kind::Integer { min: 0, max: LEDGER_KEEP_ROWS_MAX as i64 },
                otherwise: Otherwise::Is("10000"),
                help: "How many runs of each cycle at most, the last ones. 0: nothing is remembered.",
            },
        ],
    },
    Section {
        name: "control",
        help: "The API and the panel over TCP. Without `listen` they are not on the network, and the \
               commands use a socket that only its owner can open.",
        decides: false,
        keys: &[
            Key {
                name: "listen",
                kind: Kind::Socket,
                otherwise: Otherwise::Example("\"127.0.0.1:7781\""),
                help: "Where to listen. Every program and user of this machine can read there what \
                       chores do and log; changes need a token, from `chore token new`.",
            },
            Key {
                name: "allow-remote",
                kind: Kind::Switch,
                otherwise: Otherwise::Is("false"),
                help: "Warning: true lets `listen` be an address that other machines reach. What is \
                       read, and the tokens, then cross the network in plain text, unless a proxy \
                       with TLS stands before it.",
            },
            Key {
                name: "name",
                kind: Kind::Text,
                otherwise: Otherwise::Example("\"peer.example.org\""),
                help: "The host by which browsers reach it, without a port, if it is not this \
                       machine's loopback: requests that name another host are refused.",
            },
        ],
    },
    Section {
        name: "log",
        help: "The peer's log, on its standard error.",
        decides: false,
        keys: &[
            Key {
                name: "level",
                kind: Kind::OneOf(LOG_LEVELS),
                otherwise: Otherwise::Is("\"info\""),
                help: "How much is logged, by the peer and by chores whose NAME.toml does not say. The \
                       variable CHORE_LOG overrides it, and `chore log-level` changes it while the \
                       peer runs.",
            },
            Key {
                name: "format",
                kind: Kind::OneOf(LOG_FORMATS),
                otherwise: Otherwise::Is("\"auto\""),
                help: "Lines for people, or JSON; \"auto\" is text on a terminal and JSON anywhere \
                       else. The variable CHORE_LOG_FORMAT overrides it.",
            },
        ],
    },
    Section {
        name: "traces",
        help: "Spans of runs and of what they call, sent to an OpenTelemetry collector.",
        decides: false,
        keys: &[
            Key {
                name: "endpoint",
                kind: Kind::Text,
                otherwise: Otherwise::Example("\"http://127.0.0.1:4318\""),
                help: "A collector that takes OTLP over HTTP. Without it, nothing is sent.",
            },
            Key {
                name: "one-in",
                kind: Kind::Integer { min: 1, max: 1_000_000 },
                otherwise: Otherwise::Is("1"),
                help: "Of so many runs one is traced.",
            },
        ],
    },
];
