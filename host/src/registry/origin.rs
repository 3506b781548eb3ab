//! Where a change takes its files from: the chores directory, as it was planned with.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use super::prepare::{Refusal, Source};
use crate::error::chain;
use crate::folder::Reader;
use crate::limits::COMPONENT_BYTES_MAX;
use crate::package::Digest;
use crate::plan::Files;

/// Files of the chores directory, and what was read of them already.
pub(super) struct Origin {
    pub files: Files,
    pub component: Option<Arc<[u8]>>,
    pub manifest: Option<Arc<[u8]>>,
    pub signature: Option<Arc<[u8]>>,
    pub reader: Reader,
}

impl Origin {
    /// Those that were planned with, and no others.
    pub async fn read(self) -> Result<Source, Refusal> {
        let Origin { files, component, manifest, signature, reader } = self;
        let Files { component: file, manifest: manifest_file, signature: signature_file, pair } =
            files;
        let component = match component {
            Some(bytes) => bytes,
            None => read(&reader, &file, pair.component).await?,
        };
        let manifest = read_beside(&reader, manifest, manifest_file, pair.manifest).await?;
        let signature = read_beside(&reader, signature, signature_file, pair.signature).await?;
        Ok(Source { pair, component, manifest, signature, grants: None })
    }
}

/// A file that need not be there, unless it was read already.
async fn read_beside(
    reader: &Reader,
    bytes: Option<Arc<[u8]>>,
    file: Option<OsString>,
    wanted: Option<Digest>,
) -> Result<Option<Arc<[u8]>>, Refusal> {
    match (bytes, file.zip(wanted)) {
        (Some(bytes), _) => Ok(Some(bytes)),
        (None, Some((file, digest))) => read(reader, &file, digest).await.map(Some),
        (None, None) => Ok(None),
    }
}

async fn read(reader: &Reader, file: &OsStr, wanted: Digest) -> Result<Arc<[u8]>, Refusal> {
    let read = reader.read(file, wanted, COMPONENT_BYTES_MAX).await;
    read.map_err(|err| Refusal::new(chain(&err)))
}
