//! From the bytes of a chore to what can be opened: verified, configured, granted, compiled,
//! described. Nothing of what runs is touched. The first step that fails is why it is refused.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::time::Instant;
use tracing::warn;

use super::entry::Loaded;
use super::{Inner, Options, describe};
use crate::capability::{Granted, Turns};
use crate::chore::{OnEnded, Remembered, Services, Spec};
use crate::config::Limits;
use crate::descriptor::Descriptor;
use crate::error::chain;
use crate::grant::{self, Capability, Grants};
use crate::history::Version;
use crate::ledger::Build;
use crate::limits::CONFIG_BYTES_MAX;
use crate::manifest::{self, Manifest, Resolved};
use crate::minisig;
use crate::name::ChoreName;
use crate::package::{self, Digest, Package};
use crate::plan::Pair;
use crate::runtime::{Processor, Program};
use crate::sql::Sql;
use crate::status::{Phase, SignatureStatus};

/// What a chore is made of, as it was read.
pub(super) struct Source {
    pub pair: Pair,
    pub component: Arc<[u8]>,
    pub manifest: Option<Arc<[u8]>>,
    pub signature: Option<Arc<[u8]>>,
    /// Of a version of earlier: what the operator grants now, whatever its own config gave.
    pub grants: Option<Grants>,
}

/// A component that can be called.
pub(super) struct Component {
    pub package: Package,
    pub program: Program,
    pub descriptor: Descriptor,
}

/// A chore that can be opened.
pub(super) struct Prepared {
    pub spec: Spec,
    pub component: Arc<Component>,
    pub grants: Vec<String>,
    pub signature: Option<SignatureStatus>,
    pub version: Version,
}

/// Why a chore is refused, and of which version it says it is, if it came so far.
pub(super) struct Refusal {
    pub version: String,
    pub reason: String,
    /// Its config is in order, and does not grant it what it needs.
    pub not_granted: bool,
    /// Nobody who is trusted vouches for it.
    pub unvouched: bool,
}

impl Refusal {
    pub fn new(reason: impl Into<String>) -> Refusal {
        let (version, reason) = (String::new(), reason.into());
        Refusal { version, reason, not_granted: false, unvouched: false }
    }
}

/// Steps and how long each took.
pub(super) struct Phases {
    since: Instant,
    list: Vec<Phase>,
}

impl Phases {
    pub fn begin() -> Phases {
        Phases { since: Instant::now(), list: Vec::new() }
    }

    /// What was done since the last end.
    pub fn end(&mut self, name: impl Into<String>) {
        let now = Instant::now();
        self.list.push(Phase { name: name.into(), elapsed: now - self.since });
        self.since = now;
    }

    pub fn list(self) -> Vec<Phase> {
        self.list
    }
}

/// With `running`, what does not depend on the files is shared with it.
pub(super) async fn prepare(
    inner: &Arc<Inner>,
    name: &ChoreName,
    source: &Source,
    running: Option<&Loaded>,
    phases: &mut Phases,
) -> Result<Prepared, Refusal> {
    let options = &inner.options;
    let same = running.filter(|running| running.pair.component == source.pair.component);
    // First of all: nothing else is made of bytes that nobody vouches for.
    let signature = vouched(options, source).await?;
    let package = match same {
        Some(same) => same.component.package.clone(),
        None => verify(source.component.clone()).await?,
    };
    let (text, manifest) = parse(name, source.manifest.as_deref())?;
    let grants = match &source.grants {
        Some(now) => manifest.grants().within(now),
        None => manifest.grants().clone(),
    };
    let offered = grant::offered(options.orders.is_some());
    let ceiling = &options.config.grants_max;
    let terms = grant::Terms { granted: &grants, ceiling, offered: &offered };
    let granted = grant::decide(name, &package.imports, terms);
    let granted = granted.map_err(|err| Refusal {
        not_granted: matches!(err, grant::Refusal::NotGranted { .. }),
        ..Refusal::new(chain(&err))
    })?;
    phases.end("verify");
    let component = match same {
        Some(same) => same.component.clone(),
        None => {
            let limits = manifest.limits(&options.config);
            component(options, name, package, source.component.clone(), &limits, phases).await?
        }
    };
    let descriptor = &component.descriptor;
    let version = descriptor.version.clone();
    let refuse = |reason: String| Refusal { version: version.clone(), ..Refusal::new(reason) };
    let resolved =
        manifest.resolve(descriptor, &options.config).map_err(|errors| refuse(all(&errors)))?;

    let seed = |cycle: &str| jitter_seed(options, name, cycle);
    let Resolved { limits, log_level, .. } = resolved;
    let sql = match running {
        Some(running) => running.chore.spec().services.sql.clone(),
        None => Sql::new(options.databases.join(format!("{name}.db"))),
    };
    let generation = inner.shelf().entries.get(name).map_or(0, |entry| entry.history.generation);
    let (chore, digest) = (name.to_string(), source.pair.component.hex());
    let spec = Spec {
        name: name.clone(),
        build: Arc::new(Build { chore, version: version.clone(), digest }),
        generation,
        program: component.program.clone(),
        schedules: resolved.schedules(seed),
        added_schedule: resolved.added_schedule(seed("")),
        settings: Arc::new(resolved.settings),
        remembered: remembered(options, name, descriptor).await.map_err(refuse)?,
        limits,
        limits_asked: resolved.limits_asked,
        log: options.logs.of(name, log_level),
        services: services(options, sql, &granted),
        on_ended: on_ended(inner, name.clone(), source.pair),
    };
    phases.end("configure");
    let version = to_remember(source, version, text, signature.as_ref());
    let grants = granted.texts();
    Ok(Prepared { spec, component, grants, signature, version })
}

fn to_remember(
    source: &Source,
    version: String,
    manifest_text: Option<String>,
    signature: Option<&SignatureStatus>,
) -> Version {
    let Pair { component, manifest, .. } = source.pair;
    // Only what was verified: anything else is nothing to keep.
    let verified = signature.filter(|status| status.signed).and(source.signature.as_deref());
    let signature_text = verified.and_then(|bytes| std::str::from_utf8(bytes).ok());
    let signature_text = signature_text.map(str::to_owned);
    Version { component, manifest, version, manifest_text, signature_text }
}

/// Asked of the bytes that are compiled, and each time with the keys that are trusted now: of copies
/// of earlier versions too. Off the async threads, because it hashes all of it.
async fn vouched(options: &Options, source: &Source) -> Result<Option<SignatureStatus>, Refusal> {
    let (component, signature) = (source.component.clone(), source.signature.clone());
    let config = options.config.clone();
    let check = move || minisig::check(&component, signature.as_deref(), config.signatures());
    let checked = tokio::task::spawn_blocking(check).await;
    let checked = checked.map_err(|_| Refusal::new("the peer is closing"))?;
    checked.map_err(|err| Refusal { unvouched: true, ..Refusal::new(chain(&err)) })
}

/// Off the async threads: a large component takes a while.
async fn verify(bytes: Arc<[u8]>) -> Result<Package, Refusal> {
    let verified = tokio::task::spawn_blocking(move || package::verify(&bytes)).await;
    let verified = verified.map_err(|_| Refusal::new("the peer is closing"))?;
    verified.map_err(|err| Refusal::new(chain(&err)))
}

fn parse(name: &ChoreName, bytes: Option<&[u8]>) -> Result<(Option<String>, Manifest), Refusal> {
    // As the operator would name it from the peer's home.
    let origin = format!("chores/{name}.toml");
    let (text, manifest) = Manifest::read(bytes.unwrap_or_default(), &origin)
        .map_err(|err| Refusal::new(chain(&err)))?;
    Ok((Some(text.to_owned()).filter(|text| !text.is_empty()), manifest))
}

impl Inner {
    /// What the config in the chores directory gives, if it is in order.
    pub(super) async fn grants_now(&self, name: &ChoreName) -> Option<Grants> {
        let file = format!("{name}.toml");
        let bytes = self.reader.now(file.as_ref(), CONFIG_BYTES_MAX).await.ok()?;
        let (_, manifest) = parse(name, bytes.as_deref()).ok()?;
        Some(manifest.grants().clone())
    }
}

async fn component(
    options: &Options,
    name: &ChoreName,
    package: Package,
    bytes: Arc<[u8]>,
    limits: &Limits,
    phases: &mut Phases,
) -> Result<Arc<Component>, Refusal> {
    let compiled = options.runtime.compile(bytes, package.digest).await;
    let compiled = compiled.map_err(|err| Refusal::new(chain(&err)))?;
    phases.end(format!("compile ({})", compiled.origin));
    let program = compiled.program;
    let described = program.describe(limits, name.as_str()).await;
    let descriptor = describe::descriptor(described.map_err(|err| Refusal::new(chain(&err)))?);
    descriptor.check(name).map_err(|err| Refusal::new(chain(&err)))?;
    phases.end("describe");
    Ok(Arc::new(Component { package, program, descriptor }))
}

fn services(options: &Options, sql: Sql, granted: &Grants) -> Services {
    let scope = |capability| granted.scope(capability).cloned();
    Services {
        sql,
        memory: options.memory.clone(),
        turns: Turns::default(),
        processor: Processor::default(),
        meters: options.meters.clone(),
        ledger: options.ledger.clone(),
        news: options.news.clone(),
        stop_wanted: options.stop_wanted.clone(),
        orders: options.orders.clone().zip(scope(Capability::Orders)).map(Granted::of),
        kademlia: scope(Capability::Kademlia)
            .map(|scope| Granted::of((options.kademlia.clone(), scope))),
        transport: scope(Capability::Transport)
            .map(|scope| Granted::of((options.transport.another(), scope))),
    }
}

/// Where each cycle stood when the peer was last here. What cannot be read is as good as nothing:
/// the cycle begins anew.
async fn remembered(
    options: &Options,
    name: &ChoreName,
    descriptor: &Descriptor,
) -> Result<HashMap<String, Remembered>, String> {
    let loaded = options.memory.load_schedules(name.as_str()).await;
    let mut remembered = HashMap::new();
    for (cycle, text) in loaded.map_err(|err| chain(&err))? {
        match serde_json::from_str(&text) {
            Ok(saved) => {
                remembered.insert(cycle, saved);
            }
            Err(err) if descriptor.cycles.iter().any(|known| known.name == cycle) => {
                warn!(chore = %name, cycle, "its saved schedule cannot be read, it begins anew: {err}");
            }
            Err(_) => {}
        }
    }
    Ok(remembered)
}

/// Tells the chore's history how its runs end. Runs of another version are not its own.
fn on_ended(inner: &Arc<Inner>, name: ChoreName, pair: Pair) -> OnEnded {
    // Weak, because what holds the chore holds this.
    let inner: Weak<Inner> = Arc::downgrade(inner);
    Arc::new(move |cycle, last| {
        if let Some(inner) = inner.upgrade() {
            inner.run_ended(&name, pair, cycle, last);
        }
    })
}

/// The same on every start, and another for every node, chore and cycle.
fn jitter_seed(options: &Options, name: &ChoreName, cycle: &str) -> u64 {
    let text = format!("{}/{name}/{cycle}", options.node);
    let mut head = [0; 8];
    head.copy_from_slice(&Digest::of(text.as_bytes()).as_bytes()[..8]);
    u64::from_le_bytes(head)
}

fn all(errors: &[manifest::Error]) -> String {
    errors.iter().map(|err| chain(err)).collect::<Vec<_>>().join("; ")
}
