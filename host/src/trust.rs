//! Which satellites a storage node trusts, and the public identities that their signatures are
//! checked with. It knows no order and no limit.
//!
//! A satellite's identity is asked of the satellite itself, over a connection that proves it, when
//! it is first needed; then it is kept in memory and in a file. A satellite that is down is not
//! dialled by every order that names it: whoever needs it shares one fetch, and a failure stands
//! for a while.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::identity::PublicIdentity;
use crate::limits::{IDENTITY_FILE_BYTES_MAX, TRUST_FETCH_TIMEOUT, TRUST_RENEW, TRUST_RETRY};
use crate::node_id::{NodeId, NodeUrl};
use crate::transport::{self, Transport};

#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    #[error("satellite {0} is not trusted by this storage node")]
    Untrusted(NodeId),
    #[error("satellite {0} is listed twice among the trusted ones: remove one entry")]
    Twice(NodeId),
    #[error(
        "satellite {satellite} could not be asked for its identity; next try in {}",
        humantime::format_duration(*again)
    )]
    Unreachable { satellite: NodeUrl, again: Duration, source: transport::Error },
    #[error("create folder {} for satellites' identities", path.display())]
    Folder { path: PathBuf, source: Arc<io::Error> },
}

/// The trusted satellites. Clones share what they learnt.
#[derive(Clone)]
pub struct Trust(Arc<Inner>);

struct Inner {
    transport: Transport,
    folder: PathBuf,
    satellites: BTreeMap<NodeId, Satellite>,
}

struct Satellite {
    url: NodeUrl,
    /// Apart from `fetch`, so that who knows the identity never waits for a fetch.
    known: Mutex<Option<Arc<PublicIdentity>>>,
    fetch: tokio::sync::Mutex<Fetch>,
}

/// What the last fetch came to. Its lock is held while one goes on.
#[derive(Default)]
struct Fetch {
    ended: Option<Instant>,
    failure: Option<transport::Error>,
}

impl Trust {
    /// Identities are kept in `folder`, which is created. No satellite is dialled yet.
    ///
    /// Fails if two entries have the same id, or the folder cannot be created.
    pub fn new(
        transport: Transport,
        satellites: impl IntoIterator<Item = NodeUrl>,
        folder: &Path,
    ) -> Result<Trust, Error> {
        std::fs::create_dir_all(folder).map_err(|source| Error::Folder {
            path: folder.to_owned(),
            source: Arc::new(source),
        })?;
        let mut trusted = BTreeMap::new();
        for url in satellites {
            let id = url.id;
            let (known, fetch) = Default::default();
            if trusted.insert(id, Satellite { url, known, fetch }).is_some() {
                return Err(Error::Twice(id));
            }
        }
        let folder = folder.to_owned();
        Ok(Trust(Arc::new(Inner { transport, folder, satellites: trusted })))
    }

    /// The trusted satellites, by id.
    pub fn satellites(&self) -> impl Iterator<Item = &NodeUrl> {
        self.0.satellites.values().map(|satellite| &satellite.url)
    }

    /// The identity that the satellite signs with. Waits at most [`TRUST_FETCH_TIMEOUT`] for each
    /// fetch, its own or another's, and answers at once when a fetch failed within [`TRUST_RETRY`].
    pub async fn identity(&self, id: NodeId) -> Result<Arc<PublicIdentity>, Error> {
        let satellite = self.0.satellites.get(&id).ok_or(Error::Untrusted(id))?;
        if let Some(known) = satellite.known() {
            return Ok(known);
        }
        let mut fetch = satellite.fetch.lock().await;
        if let Some(known) = satellite.known() {
            return Ok(known);
        }
        if fetch.ended.is_none()
            && let Some(stored) = self.load(id).await
        {
            return Ok(satellite.learn(stored));
        }
        if let (Some(ended), Some(failure)) = (fetch.ended, &fetch.failure) {
            let again = TRUST_RETRY.saturating_sub(ended.elapsed());
            if !again.is_zero() {
                return Err(unreachable(satellite, again, failure));
            }
        }
        self.fetch(satellite, &mut fetch)
            .await
            .map_err(|failure| unreachable(satellite, TRUST_RETRY, &failure))
    }

    /// A newer identity than `old`, if the satellite has one: it may have renewed its certificate
    /// since `old` was fetched. Asks the satellite at most once in [`TRUST_RENEW`], and never waits
    /// for another's fetch.
    pub async fn renewed(&self, old: &Arc<PublicIdentity>) -> Option<Arc<PublicIdentity>> {
        let satellite = self.0.satellites.get(&old.id())?;
        let newer = |known: Arc<PublicIdentity>| (known != *old).then_some(known);
        if let Some(newer) = satellite.known().and_then(newer) {
            return Some(newer);
        }
        let mut fetch = satellite.fetch.try_lock().ok()?;
        if fetch.ended.is_some_and(|ended| ended.elapsed() < TRUST_RENEW) {
            return None;
        }
        self.fetch(satellite, &mut fetch).await.ok().and_then(newer)
    }

    async fn fetch(
        &self,
        satellite: &Satellite,
        fetch: &mut Fetch,
    ) -> Result<Arc<PublicIdentity>, transport::Error> {
        let dialled = self.0.transport.dial_node(&satellite.url, TRUST_FETCH_TIMEOUT).await;
        fetch.ended = Some(Instant::now());
        match dialled {
            Ok(connection) => {
                fetch.failure = None;
                let identity = connection.peer().clone();
                self.save(&identity).await;
                Ok(satellite.learn(identity))
            }
            Err(failure) => {
                tracing::warn!(
                    satellite = %satellite.url,
                    error = &failure as &dyn std::error::Error,
                    "fetching a satellite's identity failed"
                );
                fetch.failure = Some(failure.clone());
                Err(failure)
            }
        }
    }

    fn path(&self, id: NodeId) -> PathBuf {
        self.0.folder.join(format!("{id}.pem"))
    }

    /// A file that cannot be used is as good as none: the satellite itself is asked.
    async fn load(&self, id: NodeId) -> Option<PublicIdentity> {
        let path = self.path(id);
        let shown = path.display().to_string();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let text = match read {
            Ok(Ok(text)) => text,
            Ok(Err(err)) if err.kind() == io::ErrorKind::NotFound => return None,
            Ok(Err(err)) => {
                tracing::warn!(path = shown, error = %err, "reading a stored identity failed");
                return None;
            }
            Err(_) => return None,
        };
        match PublicIdentity::from_pem(&text) {
            Ok(identity) if identity.id() == id => Some(identity),
            Ok(identity) => {
                let found = identity.id();
                tracing::warn!(path = shown, %found, "a stored identity is another node's");
                None
            }
            Err(err) => {
                tracing::warn!(path = shown, error = %err, "a stored identity cannot be read");
                None
            }
        }
    }

    /// An identity that cannot be stored is still good until the peer ends.
    async fn save(&self, identity: &PublicIdentity) {
        let (path, pem) = (self.path(identity.id()), identity.to_pem());
        let shown = path.display().to_string();
        let written = tokio::task::spawn_blocking(move || write(&path, &pem)).await;
        if let Ok(Err(err)) = written {
            tracing::warn!(path = shown, error = %err, "storing an identity failed");
        }
    }
}

impl Satellite {
    fn known(&self) -> Option<Arc<PublicIdentity>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, identity: PublicIdentity) -> Arc<PublicIdentity> {
        let identity = Arc::new(identity);
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&identity));
        identity
    }
}

fn unreachable(satellite: &Satellite, again: Duration, source: &transport::Error) -> Error {
    // Whole seconds, and not "in 0 s".
    let again = Duration::from_secs(again.as_secs().max(1));
    Error::Unreachable { satellite: satellite.url.clone(), again, source: source.clone() }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(IDENTITY_FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Whole or not at all: a crash leaves the old file or the new one.
fn write(path: &Path, pem: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(pem.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests;
