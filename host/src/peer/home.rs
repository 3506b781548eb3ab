//! The folder that holds one peer, and what is where in it. It creates nothing.

use std::path::{Path, PathBuf};

/// A peer's home.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    pub fn new(root: impl Into<PathBuf>) -> Home {
        Home(root.into())
    }

    pub fn root(&self) -> &Path {
        &self.0
    }

    /// What the operator decided.
    pub fn config(&self) -> PathBuf {
        self.0.join("chore.toml")
    }

    /// Keys and certificates.
    pub fn identity(&self) -> PathBuf {
        self.0.join("identity")
    }

    /// Components and their config files, unless the config names another directory.
    pub fn chores(&self) -> PathBuf {
        self.0.join("chores")
    }

    /// What must not be lost.
    pub fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    pub fn orders(&self) -> PathBuf {
        self.data().join("orders.db")
    }

    /// What became of each run.
    pub fn ledger(&self) -> PathBuf {
        self.data().join("ledger.db")
    }

    /// Each chore's own database.
    pub fn databases(&self) -> PathBuf {
        self.data().join("chores")
    }

    /// Copies of components, so that there is a version to go back to.
    pub fn components(&self) -> PathBuf {
        self.data().join("components")
    }

    /// Tells the compiled code of this home from any other.
    pub fn cache_secret(&self) -> PathBuf {
        self.data().join("cache.key")
    }

    /// Hashes of the tokens that changes over TCP need.
    pub fn tokens(&self) -> PathBuf {
        self.data().join("tokens.json")
    }

    /// What can be made again.
    pub fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// Compiled code of components.
    pub fn compiled(&self) -> PathBuf {
        self.cache().join("compiled")
    }

    /// Public identities of satellites, as they were fetched.
    pub fn satellites(&self) -> PathBuf {
        self.cache().join("satellites")
    }

    /// Where the running peer is controlled.
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }
}
