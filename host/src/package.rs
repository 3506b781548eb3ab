//! Looks at the bytes of a component file before anything costly is done with them: whether they are
//! a component, of this world, and what it imports. It knows no file and no compiler.
//!
//! Only the outermost level is read. What is inside the component, the compiler checks.

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wasmparser::{Chunk, Parser, Payload};

use crate::contract::{self, PACKAGE, VERSION, Version, advice};
use crate::limits::{COMPONENT_BYTES_MAX, COMPONENT_NAMES_MAX, COMPONENT_SECTIONS_MAX};
use crate::name::{cut, quote};
use crate::units::hex;

/// The first bytes of every wasm file, and the four that follow in a module and in a component.
const MAGIC: &[u8; 4] = b"\0asm";
const HEADER_BYTES: usize = 8;
const MODULE: [u8; 4] = [1, 0, 0, 0];
/// Version 13, layer 1. Other versions with layer 1 are components of another time.
const COMPONENT: [u8; 4] = [13, 0, 1, 0];

/// A digest in full, as text.
const DIGEST_DIGITS: usize = 64;

/// How many exports an error names.
const EXPORTS_NAMED_MAX: usize = 5;

/// Why bytes are no chore.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the file is empty: it may still be being written")]
    Empty,
    #[error("the file has {bytes} bytes, at most {COMPONENT_BYTES_MAX} are loaded")]
    TooLarge { bytes: u64 },
    #[error("the file is no WebAssembly, it looks like {0}")]
    NotWasm(&'static str),
    #[error("the file is a core module, not a component: build it for the target wasm32-wasip2")]
    CoreModule,
    #[error(
        "the file is WebAssembly of an unknown version ({}): build it with tools of this time",
        hex(.0)
    )]
    UnknownVersion([u8; 4]),
    #[error("the file ends in the middle, after {bytes} bytes: it may still be being written")]
    Truncated { bytes: usize },
    #[error("the component is malformed at byte {offset}: {reason}")]
    Malformed { offset: usize, reason: String },
    #[error("the component has more than {max} {what}")]
    TooMany { what: &'static str, max: usize },
    #[error(
        "the component is of another world: it exports {exports}, and a chore exports {} or, without \
         async functions, {}", World::Chore.lifecycle(), World::ChoreSync.lifecycle()
    )]
    OtherWorld { exports: String },
    #[error(
        "the component exports {PACKAGE}{interface}@{found}, and this host runs {VERSION}: {advice}"
    )]
    OtherVersion { interface: &'static str, found: String, advice: &'static str },
}

/// Text that is no digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no digest, which has {DIGEST_DIGITS} hexadecimal digits")]
pub struct NotADigest(String);

/// The SHA-256 of a component's bytes. People see the first 12 hexadecimal digits, which tell
/// builds apart at a glance; [`Digest::hex`] has all, and so has what is written down and read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Digest {
        let mut found = [0; 32];
        found.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Digest(found)
    }

    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// All 64 digits.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&hex(&self.0[..6]))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    /// Reads all 64 digits.
    fn from_str(text: &str) -> Result<Digest, NotADigest> {
        let wrong = || NotADigest(quote(text));
        // Looked at first, because a number may also begin with "+".
        if text.len() != DIGEST_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut found = [0; DIGEST_DIGITS / 2];
        for (at, byte) in found.iter_mut().enumerate() {
            let digits = text.get(2 * at..2 * at + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Digest(found))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.hex())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The two forms of the contract, by which a component is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    Chore,
    /// For tools that know no `async func`.
    ChoreSync,
}

impl World {
    /// The preferred one first.
    pub const ALL: [World; 2] = [World::Chore, World::ChoreSync];

    /// As `wit/` has it.
    pub fn name(self) -> &'static str {
        match self {
            World::Chore => "chore",
            World::ChoreSync => "chore-sync",
        }
    }

    fn interface(self) -> &'static str {
        match self {
            World::Chore => "lifecycle",
            World::ChoreSync => "lifecycle-sync",
        }
    }

    /// The export that makes a component a chore of this world.
    pub fn lifecycle(self) -> String {
        format!("{PACKAGE}{}@{VERSION}", self.interface())
    }
}

/// What was found in the bytes of a component that may be a chore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    pub digest: Digest,
    pub world: World,
    /// In bytes.
    pub size: usize,
    /// The version of the contract that it was built for.
    pub contract: Version,
    /// As the component has them, such as "chore:peer/orders@0.1.0".
    pub imports: Vec<String>,
    pub exports: Vec<String>,
}

/// Fails unless `bytes` are a component that exports this contract's lifecycle.
///
/// # Errors
///
/// What the bytes are instead, and what to do. No bytes panic, whatever they are.
pub fn verify(bytes: &[u8]) -> Result<Package, Error> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    if bytes.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(Error::TooLarge { bytes: bytes.len() as u64 });
    }
    check_header(bytes)?;
    let Names { imports, exports } = names(bytes)?;
    let (world, contract) = world(&exports)?;
    let (digest, size) = (Digest::of(bytes), bytes.len());
    Ok(Package { digest, world, size, contract, imports, exports })
}

fn check_header(bytes: &[u8]) -> Result<(), Error> {
    if !bytes.starts_with(MAGIC) {
        return Err(match MAGIC.starts_with(bytes) {
            true => Error::Truncated { bytes: bytes.len() },
            false => Error::NotWasm(look(bytes)),
        });
    }
    match bytes.get(MAGIC.len()..HEADER_BYTES).and_then(|version| version.try_into().ok()) {
        None => Err(Error::Truncated { bytes: bytes.len() }),
        Some(COMPONENT) => Ok(()),
        Some(MODULE) => Err(Error::CoreModule),
        Some(version) => Err(Error::UnknownVersion(version)),
    }
}

/// What bytes that are not wasm look like.
fn look(bytes: &[u8]) -> &'static str {
    const KNOWN: [(&[u8], &str); 13] = [
        (b"\x7fELF", "a program or library of Linux, or a component that was compiled already"),
        (b"\xcf\xfa\xed\xfe", "a program or library of macOS"),
        (b"\xca\xfe\xba\xbe", "a program or library of macOS, or a class of Java"),
        (b"MZ", "a program or library of Windows"),
        (b"!<arch>", "a static library"),
        (b"\x1f\x8b", "gzip: unpack it first"),
        (b"PK\x03\x04", "a zip archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "zstd: unpack it first"),
        (b"BZh", "bzip2: unpack it first"),
        (b"\xfd7zXZ\0", "xz: unpack it first"),
        (b"BC\xc0\xde", "LLVM bitcode"),
        (b"(component", "the text form of a component: assemble it first"),
        (b"(module", "the text form of a module: assemble it first"),
    ];
    if let Some((_, what)) = KNOWN.iter().find(|(head, _)| bytes.starts_with(head)) {
        return what;
    }
    let head = &bytes[..bytes.len().min(512)];
    let trimmed = head.trim_ascii_start();
    if trimmed.len() >= 5 && (trimmed[..5].eq_ignore_ascii_case(b"<html") || trimmed[0] == b'<') {
        return "HTML: perhaps a page that was downloaded instead of the file";
    }
    if head.iter().all(|byte| *byte == 0) {
        return "zeros: perhaps a copy that was cut off";
    }
    // A character may be cut in two at the end.
    let is_text = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(err) => err.error_len().is_none() && err.valid_up_to() > 0,
    };
    let controls = head.iter().any(|byte| byte.is_ascii_control() && !b"\t\n\r".contains(byte));
    if is_text && !controls { "text" } else { "other data" }
}

#[derive(Default)]
struct Names {
    imports: Vec<String>,
    exports: Vec<String>,
}

/// The names at the outermost level. Modules and components inside are skipped unread, so that no
/// nesting costs anything.
fn names(bytes: &[u8]) -> Result<Names, Error> {
    let mut names = Names::default();
    let mut parser = Parser::new(0);
    let mut rest = bytes;
    for _ in 0..COMPONENT_SECTIONS_MAX {
        // Only told of the end when all is consumed, the parser asks for more where bytes are
        // missing, and fails where they are wrong.
        let (consumed, payload) = match parser.parse(rest, rest.is_empty()).map_err(malformed)? {
            Chunk::Parsed { consumed, payload } => (consumed, payload),
            Chunk::NeedMoreData(_) => return Err(Error::Truncated { bytes: bytes.len() }),
        };
        // How far it says to go comes from the file.
        let mut skip = consumed;
        match payload {
            Payload::End(_) => return Ok(names),
            Payload::ModuleSection { unchecked_range, .. }
            | Payload::ComponentSection { unchecked_range, .. } => {
                skip = consumed.saturating_add(unchecked_range.len());
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    push("imports", &mut names.imports, import.map_err(malformed)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    push("exports", &mut names.exports, export.map_err(malformed)?.name.name)?;
                }
            }
            Payload::UnknownSection { id, range, .. } => {
                let reason = format!("unknown section {id}");
                return Err(Error::Malformed { offset: range.start, reason });
            }
            _ => {}
        }
        rest = rest.get(skip..).ok_or(Error::Truncated { bytes: bytes.len() })?;
    }
    Err(Error::TooMany { what: "sections", max: COMPONENT_SECTIONS_MAX })
}

fn push(what: &'static str, names: &mut Vec<String>, name: &str) -> Result<(), Error> {
    if names.len() >= COMPONENT_NAMES_MAX {
        return Err(Error::TooMany { what, max: COMPONENT_NAMES_MAX });
    }
    names.push(name.to_owned());
    Ok(())
}

fn malformed(err: wasmparser::BinaryReaderError) -> Error {
    Error::Malformed { offset: err.offset(), reason: cut(err.message()) }
}

/// How it is called, and the version of its lifecycle, if that goes with this host's.
fn world(exports: &[String]) -> Result<(World, Version), Error> {
    let versions = |world: World| {
        let of = move |export: &'_ String| {
            let rest = export.strip_prefix(PACKAGE)?.strip_prefix(world.interface())?;
            rest.strip_prefix('@').map(str::to_owned)
        };
        exports.iter().filter_map(of)
    };
    for world in World::ALL {
        let mut parsed = versions(world).filter_map(|version| contract::parse(&version));
        if let Some(version) = parsed.find(contract::is_compatible) {
            return Ok((world, version));
        }
    }
    let other = World::ALL.into_iter().find_map(|world| Some((world, versions(world).next()?)));
    if let Some((world, found)) = other {
        let (interface, advice) = (world.interface(), advice(contract::parse(&found)));
        return Err(Error::OtherVersion { interface, found: cut(&found), advice });
    }
    let named: Vec<String> =
        exports.iter().take(EXPORTS_NAMED_MAX).map(|export| quote(export)).collect();
    let exports = match (named.is_empty(), exports.len() > EXPORTS_NAMED_MAX) {
        (true, _) => "nothing (the file may be incomplete)".to_owned(),
        (false, false) => named.join(", "),
        (false, true) => format!("{} and more", named.join(", ")),
    };
    Err(Error::OtherWorld { exports })
}
