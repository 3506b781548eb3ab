//! Whom a storage node trusts, and how often it asks a satellite for its identity.

use std::error::Error as _;

use tempfile::TempDir;

use super::*;
use crate::identity::Identity;
use crate::transport::{Options, Server, ServerOptions};

async fn listen(identity: &Arc<Identity>, address: &str) -> (Server, NodeUrl) {
    let server = Server::bind(Arc::clone(identity), address, vec![], ServerOptions::default());
    let server = server.await.unwrap();
    server.serve();
    let url = NodeUrl::new(identity.id(), server.local_addr().to_string()).unwrap();
    (server, url)
}

fn identity() -> Arc<Identity> {
    Arc::new(Identity::create().unwrap())
}

fn trust(satellites: &[&NodeUrl], folder: &Path) -> Result<Trust, Error> {
    let transport = Transport::new(identity(), Options::default());
    Trust::new(transport, satellites.iter().copied().cloned(), folder)
}

/// Nobody listens there any more.
async fn stop(server: Server) {
    server.shutdown(Duration::ZERO).await;
}

/// Lets time pass for whoever counts it, not for the network.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

fn pem_path(folder: &TempDir, id: NodeId) -> PathBuf {
    folder.path().join(format!("{id}.pem"))
}

#[tokio::test]
async fn an_identity_is_fetched_once_and_outlives_its_satellite() {
    let (folder, satellite) = (TempDir::new().unwrap(), identity());
    let (server, url) = listen(&satellite, "127.0.0.1:0").await;
    let first = trust(&[&url], folder.path()).unwrap();
    let (a, b) = tokio::join!(first.identity(url.id), first.identity(url.id));
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(*a, *satellite.public());
    assert!(Arc::ptr_eq(&a, &b), "concurrent needs made two fetches");
    stop(server).await;
    assert!(Arc::ptr_eq(&a, &first.identity(url.id).await.unwrap()));
    let after_restart = trust(&[&url], folder.path()).unwrap();
    assert_eq!(*after_restart.identity(url.id).await.unwrap(), *satellite.public());
}

#[tokio::test]
async fn a_stored_file_that_is_broken_or_anothers_is_fetched_again() {
    let (folder, satellite) = (TempDir::new().unwrap(), identity());
    let (server, url) = listen(&satellite, "127.0.0.1:0").await;
    let path = pem_path(&folder, url.id);
    for stored in ["", "no pem", &identity().public().to_pem()] {
        std::fs::write(&path, stored).unwrap();
        let trust = trust(&[&url], folder.path()).unwrap();
        assert_eq!(*trust.identity(url.id).await.unwrap(), *satellite.public());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), satellite.public().to_pem());
    }
    stop(server).await;
}

#[tokio::test]
async fn only_the_listed_are_trusted_and_each_is_listed_once() {
    let folder = TempDir::new().unwrap();
    let url = NodeUrl::new(identity().id(), "127.0.0.1:1").unwrap();
    let stranger = identity().id();
    let listed = trust(&[&url], folder.path()).unwrap();
    assert_eq!(listed.satellites().collect::<Vec<_>>(), [&url]);
    let refused = listed.identity(stranger).await.unwrap_err().to_string();
    assert_eq!(refused, format!("satellite {stranger} is not trusted by this storage node"));
    let twice = trust(&[&url, &url], folder.path()).err().map(|err| err.to_string());
    let expected =
        format!("satellite {} is listed twice among the trusted ones: remove one entry", url.id);
    assert_eq!(twice, Some(expected));
}

#[tokio::test]
async fn a_satellite_that_is_down_is_not_dialled_by_every_order() {
    let (folder, satellite) = (TempDir::new().unwrap(), identity());
    let (server, url) = listen(&satellite, "127.0.0.1:0").await;
    stop(server).await;
    let trust = trust(&[&url], folder.path()).unwrap();
    let down = trust.identity(url.id).await.unwrap_err();
    let expected = format!("satellite {url} could not be asked for its identity; next try in 30s");
    assert_eq!(down.to_string(), expected);
    assert!(down.source().unwrap().to_string().ends_with(": connect"), "{down:?}");

    // It is back at once, but the failure stands until the time is over.
    let (server, _) = listen(&satellite, &url.address).await;
    assert!(matches!(trust.identity(url.id).await, Err(Error::Unreachable { .. })));
    pass(TRUST_RETRY).await;
    assert_eq!(*trust.identity(url.id).await.unwrap(), *satellite.public());
    stop(server).await;
}

#[tokio::test]
async fn another_node_at_the_address_is_not_believed() {
    let folder = TempDir::new().unwrap();
    let (server, imposter) = listen(&identity(), "127.0.0.1:0").await;
    let url = NodeUrl { id: identity().id(), address: imposter.address };
    let trust = trust(&[&url], folder.path()).unwrap();
    let refused = trust.identity(url.id).await.unwrap_err();
    let source = refused.source().unwrap().to_string();
    assert!(source.contains("peer identified itself as"), "{source}");
    assert!(!pem_path(&folder, url.id).exists());
    stop(server).await;
}

#[tokio::test]
async fn a_renewed_identity_is_asked_for_once_in_a_while() {
    let (folder, satellite) = (TempDir::new().unwrap(), identity());
    let (server, url) = listen(&satellite, "127.0.0.1:0").await;
    let trust = trust(&[&url], folder.path()).unwrap();
    let known = trust.identity(url.id).await.unwrap();
    // Fetched just now, so it is not asked again.
    assert_eq!(trust.renewed(&known).await, None);
    pass(TRUST_RENEW).await;
    assert_eq!(trust.renewed(&known).await, None, "nothing is new");
    let fetched_again = trust.identity(url.id).await.unwrap();
    assert!(!Arc::ptr_eq(&known, &fetched_again), "the satellite was not asked");
    let strange = Arc::new(identity().public().clone());
    assert_eq!(trust.renewed(&strange).await, None, "it is no trusted satellite's");
    // A satellite that is down takes nothing away.
    stop(server).await;
    pass(TRUST_RENEW).await;
    assert_eq!(trust.renewed(&known).await, None);
    assert_eq!(*trust.identity(url.id).await.unwrap(), *known);
}

/// The same node with a new leaf, which only the holder of the CA's key can make.
fn with_new_leaf(node: &Identity) -> Arc<Identity> {
    let folder = TempDir::new().unwrap();
    let path = |name| folder.path().join(name);
    node.store(folder.path()).unwrap();
    let ca_key = std::fs::read_to_string(path("ca.key")).unwrap();
    let ca_key = rcgen::KeyPair::from_pem(&ca_key).unwrap();
    let ca = rcgen::Issuer::new(rcgen::CertificateParams::default(), ca_key);
    let leaf_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let leaf = rcgen::CertificateParams::default().signed_by(&leaf_key, &ca).unwrap();
    let ca_cert = std::fs::read_to_string(path("ca.cert")).unwrap();
    std::fs::write(path("identity.cert"), leaf.pem() + &ca_cert).unwrap();
    std::fs::write(path("identity.key"), leaf_key.serialize_pem()).unwrap();
    let renewed = Identity::load(folder.path()).unwrap();
    assert_eq!(renewed.id(), node.id());
    Arc::new(renewed)
}

#[tokio::test]
async fn a_new_leaf_is_learnt_by_who_asks_and_shared_with_who_does_not() {
    let (folder, satellite) = (TempDir::new().unwrap(), identity());
    let (server, url) = listen(&satellite, "127.0.0.1:0").await;
    let before_restart = trust(&[&url], folder.path()).unwrap();
    let old = before_restart.identity(url.id).await.unwrap();
    stop(server).await;
    let renewed = with_new_leaf(&satellite);
    let (server, _) = listen(&renewed, &url.address).await;
    // From the file: it was not fetched in this life, so it may be asked for at once.
    let trust = trust(&[&url], folder.path()).unwrap();
    assert_eq!(trust.identity(url.id).await.unwrap(), old);
    for _ in 0..2 {
        assert_eq!(trust.renewed(&old).await.as_deref(), Some(renewed.public()));
    }
    assert_eq!(*trust.identity(url.id).await.unwrap(), *renewed.public());
    stop(server).await;
}
