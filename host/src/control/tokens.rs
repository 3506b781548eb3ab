//! The tokens that changes over TCP need: random, shown once, and kept as hashes in a file that only
//! its owner reads. Commands write the file while the peer runs, which reads it at each use.

use std::fs::{File, OpenOptions, Permissions};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::limits::{TOKEN_BYTES, TOKEN_NAME_BYTES_MAX, TOKENS_FILE_BYTES_MAX, TOKENS_MAX};
use crate::name::{did_you_mean, nearest, quote};
use crate::units::hex;

/// What every token begins with, so that programs that look for leaked secrets know it.
const PREFIX: &str = "chore_";

/// Group and others, reading, writing and searching.
const OTHERS: u32 = 0o077;

#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    #[error("{operation} {}", .path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("{} can be read by others (mode {mode:o}): `chmod 600 {}`", .path.display(), .path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("{} is damaged: delete it, and make new tokens", .path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("{} has more than {TOKENS_FILE_BYTES_MAX} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error(
        "token name {0}: use at most {TOKEN_NAME_BYTES_MAX} of a-z, A-Z, 0-9, \"-\", \"_\", \".\" \
         and \"@\""
    )]
    Name(String),
    #[error("there is a token {0:?} already: choose another name, or `chore token revoke {0}`")]
    Exists(String),
    #[error("there is no token {name:?}{hint}")]
    Unknown { name: String, hint: String },
    #[error("there are {TOKENS_MAX} tokens already: revoke one that is not used")]
    TooMany,
    #[error("the system gives no random bytes")]
    Random,
}

/// One token, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Whose it is: what stands in the ledger.
    pub name: String,
    pub created: Timestamp,
    /// Hexadecimal. The token has as much chance in it as the hash, so that it needs no salt.
    sha256: String,
}

/// The tokens of one home.
#[derive(Clone, Debug)]
pub struct Tokens(PathBuf);

impl Tokens {
    /// Those in this file, which need not be there.
    pub fn at(path: impl Into<PathBuf>) -> Tokens {
        Tokens(path.into())
    }

    /// In the order in which they were made.
    pub fn list(&self) -> Result<Vec<Token>, TokensError> {
        self.read()
    }

    /// Makes a token and says it, once and for all.
    pub fn create(&self, name: &str, now: Timestamp) -> Result<String, TokensError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if name.is_empty() || name.len() > TOKEN_NAME_BYTES_MAX || !name.chars().all(allowed) {
            return Err(TokensError::Name(quote(name)));
        }
        let _turn = self.turn()?;
        let mut tokens = self.read()?;
        if tokens.iter().any(|token| token.name == name) {
            return Err(TokensError::Exists(name.to_owned()));
        }
        if tokens.len() >= TOKENS_MAX {
            return Err(TokensError::TooMany);
        }
        let mut random = [0; TOKEN_BYTES];
        SystemRandom::new().fill(&mut random).map_err(|_| TokensError::Random)?;
        let token = format!("{PREFIX}{}", hex(&random));
        let sha256 = hex(digest(&SHA256, token.as_bytes()).as_ref());
        tokens.push(Token { name: name.to_owned(), created: now, sha256 });
        self.write(&tokens)?;
        Ok(token)
    }

    /// From here on, the token is not valid.
    pub fn revoke(&self, name: &str) -> Result<(), TokensError> {
        let _turn = self.turn()?;
        let mut tokens = self.read()?;
        let Some(at) = tokens.iter().position(|token| token.name == name) else {
            let near = nearest(name, tokens.iter().map(|token| token.name.as_str()));
            let hint = did_you_mean(near);
            return Err(TokensError::Unknown { name: name.to_owned(), hint });
        };
        tokens.remove(at);
        self.write(&tokens)
    }

    /// The name of the token, if it is one of these. How long that takes does not depend on how
    /// much of it is right.
    pub async fn owner_of(&self, token: &str) -> Result<Option<String>, TokensError> {
        let hash = digest(&SHA256, token.as_bytes());
        let mut wanted = [0; SHA256_OUTPUT_LEN];
        wanted.copy_from_slice(hash.as_ref());
        let tokens = self.clone();
        // A small file, but a disk may stand still.
        let read = tokio::task::spawn_blocking(move || tokens.read()).await;
        let failed = || TokensError::File {
            operation: "read",
            path: self.0.clone(),
            source: io::Error::other("the peer is closing"),
        };
        let tokens = read.map_err(|_| failed())??;
        let mut owner = None;
        // All of them, whichever it is.
        for known in tokens {
            if same(hex(&wanted).as_bytes(), known.sha256.as_bytes()) {
                owner = Some(known.name);
            }
        }
        Ok(owner)
    }

    fn read(&self) -> Result<Vec<Token>, TokensError> {
        let failed = |source| self.failed("read", source);
        let file = match File::open(&self.0) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            opened => opened.map_err(failed)?,
        };
        let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
        if mode & OTHERS != 0 {
            return Err(TokensError::Open { path: self.0.clone(), mode });
        }
        let mut text = String::new();
        file.take(TOKENS_FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > TOKENS_FILE_BYTES_MAX {
            return Err(TokensError::TooLarge(self.0.clone()));
        }
        let damaged = |source| TokensError::Damaged { path: self.0.clone(), source };
        serde_json::from_str(&text).map_err(damaged)
    }

    /// Whole under its name, or as it was.
    fn write(&self, tokens: &[Token]) -> Result<(), TokensError> {
        let write = || -> io::Result<()> {
            let directory = self.0.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(directory)?;
            file.as_file().set_permissions(Permissions::from_mode(0o600))?;
            serde_json::to_writer_pretty(&mut file, tokens)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&self.0).map_err(|err| err.error)?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|source| self.failed("write", source))
    }

    /// One command at a time; the lock goes with the file.
    fn turn(&self) -> Result<File, TokensError> {
        let open = || -> io::Result<File> {
            let path = self.0.with_extension("lock");
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true).mode(0o600);
            let file = options.open(path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|source| self.failed("lock", source))
    }

    fn failed(&self, operation: &'static str, source: io::Error) -> TokensError {
        TokensError::File { operation, path: self.0.clone(), source }
    }
}

/// Looks at every byte, wherever they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differ = a.iter().zip(b).fold(0, |differ, (a, b)| black_box(differ | (a ^ b)));
    a.len() == b.len() && differ == 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(7);

    #[tokio::test]
    async fn a_token_is_valid_from_its_making_until_it_is_revoked() {
        let home = tempfile::tempdir().unwrap();
        let tokens = Tokens::at(home.path().join("tokens.json"));
        assert_eq!(tokens.owner_of("").await.unwrap(), None);
        let alice = tokens.create("alice", NOW).unwrap();
        let bob = tokens.create("bob@laptop", NOW).unwrap();
        assert!(alice.starts_with(PREFIX) && alice.len() == PREFIX.len() + 64 && alice != bob);
        let text = std::fs::read_to_string(home.path().join("tokens.json")).unwrap();
        assert!(text.contains("alice") && !text.contains(&alice) && !text.contains(&alice[6..]));
        for (token, owner) in [
            (alice.as_str(), Some("alice")),
            (&bob, Some("bob@laptop")),
            (&alice[1..], None),
            (&alice.to_uppercase(), None),
            ("chore_", None),
        ] {
            assert_eq!(tokens.owner_of(token).await.unwrap().as_deref(), owner, "{token}");
        }
        let again = tokens.create("alice", NOW).unwrap_err().to_string();
        assert!(again.contains("already"), "{again}");
        let unknown = tokens.revoke("alic").unwrap_err().to_string();
        assert_eq!(unknown, "there is no token \"alic\": did you mean \"alice\"?");
        tokens.revoke("alice").unwrap();
        assert_eq!(tokens.owner_of(&alice).await.unwrap(), None);
        let names: Vec<_> = tokens.list().unwrap().into_iter().map(|token| token.name).collect();
        assert_eq!(names, ["bob@laptop"]);
        for wrong in ["", "a b", "é", "a\n", &"a".repeat(64)] {
            let refused = tokens.create(wrong, NOW).unwrap_err().to_string();
            assert!(refused.contains("use at most"), "{refused}");
        }
    }

    #[tokio::test]
    async fn a_file_that_others_read_or_that_is_damaged_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tokens.json");
        let tokens = Tokens::at(&path);
        let token = tokens.create("alice", NOW).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let open = tokens.owner_of(&token).await.unwrap_err().to_string();
        assert!(open.contains("can be read by others") && open.contains("chmod 600"), "{open}");
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "[{").unwrap();
        let damaged = tokens.owner_of(&token).await.unwrap_err().to_string();
        assert!(damaged.contains("is damaged"), "{damaged}");
    }

    #[test]
    fn all_of_it_must_be_the_same() {
        for (a, b, expected) in
            [("", "", true), ("a", "a", true), ("a", "b", false), ("ab", "a", false)]
        {
            assert_eq!(same(a.as_bytes(), b.as_bytes()), expected, "{a} {b}");
        }
    }
}
