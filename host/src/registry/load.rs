//! One chore from its files to its first tick: read, verified, configured, granted, compiled,
//! described, opened. The first step that fails is why it is refused.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::warn;

use super::{Entry, Options, Standing, describe, folder};
use crate::bindings::lifecycle::OpenReason;
use crate::chore::{Chore, Services, Spec};
use crate::cycle::Saved;
use crate::descriptor::Descriptor;
use crate::error::chain;
use crate::grant::{self, Capability};
use crate::limits::{COMPONENT_BYTES_MAX, CONFIG_BYTES_MAX};
use crate::manifest::{self, Manifest, Resolved};
use crate::name::ChoreName;
use crate::package::{self, Digest, Package};
use crate::sql::Sql;

pub(super) struct Files {
    pub name: ChoreName,
    pub component: OsString,
    pub manifest: Option<OsString>,
}

/// What was read, and the component's bytes if they are worth compiling.
struct Read {
    digest: String,
    bytes: Arc<[u8]>,
    package: Result<Package, package::Error>,
    manifest: Result<Manifest, String>,
}

/// A chore that could be loaded, before `open`.
struct Prepared {
    spec: Spec,
    about: String,
    grants: Vec<String>,
}

pub(super) async fn load(options: &Options, files: Files) -> Entry {
    let name = files.name.clone();
    let read = match read(options, files).await {
        Ok(read) => read,
        Err(reason) => return Entry::refused(String::new(), reason),
    };
    let digest = read.digest.clone();
    let Prepared { spec, about, grants } = match prepare(options, &name, read).await {
        Ok(prepared) => prepared,
        Err(reason) => return Entry::refused(digest, reason),
    };
    let version = spec.version.clone();
    match Chore::open(spec, OpenReason::Loaded).await {
        Ok(chore) => Entry { digest, version, about, grants, standing: Standing::Loaded(chore) },
        Err(outcome) => {
            let reason = format!("its open {}: {}", outcome.word(), outcome.message());
            Entry { version, about, ..Entry::refused(digest, reason) }
        }
    }
}

async fn read(options: &Options, files: Files) -> Result<Read, String> {
    let directory = options.directory.clone();
    let read = move || read_now(&directory, &files);
    tokio::task::spawn_blocking(read).await.map_err(|_| "the peer is closing".to_owned())?
}

fn read_now(directory: &std::path::Path, files: &Files) -> Result<Read, String> {
    let path = |file: &OsString| directory.join(file);
    let failed =
        |path: PathBuf| move |err: std::io::Error| format!("read {}: {err}", path.display());
    let component = path(&files.component);
    let bytes = folder::read(&component, COMPONENT_BYTES_MAX).map_err(failed(component))?;
    let text = match &files.manifest {
        None => Vec::new(),
        Some(file) => folder::read(&path(file), CONFIG_BYTES_MAX).map_err(failed(path(file)))?,
    };
    // As the operator would name it from the peer's home.
    let origin = format!("chores/{}.toml", files.name);
    let package = package::verify(&bytes);
    // Also of what is refused, so that the operator can tell which build it is.
    let digest = package.as_ref().map_or_else(|_| Digest::of(&bytes), |package| package.digest);
    Ok(Read {
        digest: digest.hex(),
        package,
        manifest: manifest(text, &origin),
        bytes: bytes.into(),
    })
}

fn manifest(text: Vec<u8>, origin: &str) -> Result<Manifest, String> {
    if text.len() as u64 > CONFIG_BYTES_MAX {
        return Err(format!("{origin} has more than {CONFIG_BYTES_MAX} bytes"));
    }
    let text = String::from_utf8(text).map_err(|_| format!("{origin} is not UTF-8 text"))?;
    Manifest::parse(&text, origin).map_err(|err| chain(&err))
}

async fn prepare(options: &Options, name: &ChoreName, read: Read) -> Result<Prepared, String> {
    let package = read.package.map_err(|err| chain(&err))?;
    let manifest = read.manifest?;
    let granted = grant::decide(name, &package.imports, manifest.grants(), &offered(options))
        .map_err(|err| chain(&err))?;
    let compiled = options.runtime.compile(read.bytes, package.digest).await;
    let program = compiled.map_err(|err| chain(&err))?;
    let memory_max = usize::try_from(options.config.limits.memory).unwrap_or(usize::MAX);
    let described = program.describe(memory_max).await.map_err(|err| chain(&err))?;
    let descriptor = describe::descriptor(described);
    descriptor.check(name).map_err(|err| chain(&err))?;
    let resolved = manifest.resolve(&descriptor, &options.config).map_err(|errors| all(&errors))?;

    let seed = |cycle: &str| jitter_seed(options, name, cycle);
    let Resolved { memory_bytes_max, grace, .. } = resolved;
    let spec = Spec {
        name: name.clone(),
        version: descriptor.version.clone(),
        program,
        schedules: resolved.schedules(seed),
        added_schedule: resolved.added_schedule(seed("")),
        settings: Arc::new(resolved.settings),
        remembered: remembered(options, name, &descriptor).await?,
        memory_bytes_max,
        grace,
        services: services(options, name, &granted),
    };
    let grants = granted.iter().map(ToString::to_string).collect();
    Ok(Prepared { spec, about: descriptor.about, grants })
}

fn offered(options: &Options) -> BTreeSet<Capability> {
    let mut offered = BTreeSet::from([Capability::Kademlia, Capability::Transport]);
    if options.orders.is_some() {
        offered.insert(Capability::Orders);
    }
    offered
}

fn services(options: &Options, name: &ChoreName, granted: &BTreeSet<Capability>) -> Services {
    let has = |capability| granted.contains(&capability);
    Services {
        sql: Sql::new(options.databases.join(format!("{name}.db"))),
        memory: options.memory.clone(),
        meters: options.meters.clone(),
        orders: options.orders.clone().filter(|_| has(Capability::Orders)),
        kademlia: has(Capability::Kademlia).then(|| options.kademlia.clone()),
        transport: has(Capability::Transport).then(|| options.transport.clone()),
    }
}

/// Where each cycle stood when the peer was last here. What cannot be read is as good as nothing:
/// the cycle begins anew.
async fn remembered(
    options: &Options,
    name: &ChoreName,
    descriptor: &Descriptor,
) -> Result<HashMap<String, Saved>, String> {
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
