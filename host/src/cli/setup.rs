//! Makes a peer's home: directories, an identity and a commented config file. It overwrites nothing.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::json;

use super::Error;
use super::output::Out;
use crate::config::Config;
use crate::identity::Identity;
use crate::node_id::NodeId;
use crate::peer::Home;

pub(super) fn setup(out: &Out, home: &Home) -> Result<u8, Error> {
    let id = make(home)?.to_string();
    let config = home.config();
    let value = json!({ "home": home.root(), "config": config, "node": id });
    let root = home.root().display();
    out.show(&value, || {
        format!(
            "node id   {id}\n\
             config    {}\n\
             chores    {}\n\n\
             next: look through the config file, then `chore --home {root} run`",
            config.display(),
            home.chores().display(),
        )
    })?;
    Ok(0)
}

/// Says the id of the new node.
pub(super) fn make(home: &Home) -> Result<NodeId, Error> {
    let config = home.config();
    if config.symlink_metadata().is_ok() {
        return Err(Error::AlreadySetUp { home: home.root().into(), file: config });
    }
    for path in [home.root(), &home.chores(), &home.data(), &home.cache()] {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| Error::File {
            operation: "create directory",
            path: path.into(),
            source,
        })?;
    }
    let identity = identity(home)?;
    // Last, because the config file is what says that a home is complete.
    write_new(&config, &Config::template())?;
    Ok(identity.id())
}

/// The identity that a setup made before it was interrupted, or a new one.
fn identity(home: &Home) -> Result<Identity, Error> {
    let dir = home.identity();
    if dir.symlink_metadata().is_ok() {
        return Ok(Identity::load(&dir)?);
    }
    let identity = Identity::create()?;
    identity.store(&dir)?;
    Ok(identity)
}

/// A new file that only its owner can read, whole and on disk before it has its name.
fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source| Error::File { operation: "write", path: path.into(), source };
    let part = path.with_extension("part");
    let write = || -> io::Result<()> {
        let mut options = File::options();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map_err(failed)
}
