//! Builds the order sender from the source that this program was built from.

use std::path::{Path, PathBuf};

use super::super::Error as CliError;
use super::super::cargo::{self, Asked, PROFILE};
use super::super::output::Out;
use super::{Error, SENDER};

pub(super) async fn build(out: &Out) -> Result<PathBuf, CliError> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chores").join(SENDER);
    // As cargo names it, without "..".
    let Ok(manifest) = source.join("Cargo.toml").canonicalize() else {
        return Err(Error::NoSource(source).into());
    };
    out.tell("building the order sender ...")?;
    let flags = &["--quiet", "--locked"];
    let asked = Asked { manifest: &manifest, package: SENDER, profile: PROFILE, flags };
    cargo::build(out, &asked).await
}
