//! `chore keys` and `chore sign`: keys and detached signatures in the format of minisign, for those
//! who vouch for components. No peer is asked, and none has a secret key.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ct_codecs::{Base64, Decoder};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use serde_json::json;

use super::Error as CliError;
use super::output::Out;
use super::{check, run};
use crate::clock::Timestamp;
use crate::limits::{COMPONENT_BYTES_MAX, KEY_FILE_BYTES_MAX, TRUSTED_COMMENT_BYTES_MAX};
use crate::minisig::{self, KeyError, TrustedKey};

/// Where minisign looks too, so that both use one key.
const DEFAULT_KEY: &str = ".minisign/minisign.key";

/// How a secret key says what protects it, in its bytes 2 and 3: nothing, or scrypt with a password.
const NO_PASSWORD: &[u8] = &[0, 0];
const PASSWORD: &[u8] = b"Sc";

#[derive(Subcommand)]
pub(super) enum Keys {
    /// Make a key: a secret file that only its owner can read, and a public one beside it
    ///
    /// It overwrites nothing. Without a terminal the password is the first line of standard input.
    New {
        #[command(flatten)]
        key: KeyFile,
        /// Protect the secret file with no password: whoever reads it can sign
        #[arg(long)]
        no_password: bool,
    },
    /// Show a public key, and what to write so that a peer trusts it
    Show {
        #[command(flatten)]
        key: KeyFile,
    },
}

#[derive(Args)]
pub(super) struct KeyFile {
    /// The secret key; the public one ends with .pub
    ///
    /// Default: ~/.minisign/minisign.key, which minisign uses too.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Asked {
    /// Components, each called NAME.wasm; the signature of each is NAME.wasm.minisig beside it
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The secret key; default: ~/.minisign/minisign.key
    #[arg(long, value_name = "PATH")]
    key: Option<PathBuf>,
    /// What peers show beside the key, signed too; default: the time and the file's name
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("this system names no home of yours: pass the path of the key")]
    NoPlace,
    #[error("{} exists, and nothing is overwritten: name another file", .0.display())]
    AlreadyThere(PathBuf),
    #[error("{} would be the public key: give the secret one another ending", .0.display())]
    IsPublic(PathBuf),
    #[error("{operation} {}", .path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("read key {}: it is no {what} key of minisign; make one with `chore keys new`", .path.display())]
    NoKey { path: PathBuf, what: &'static str },
    #[error("there is no key {}: make one with `chore keys new`, or name another", .0.display())]
    Missing(PathBuf),
    #[error("use key {}: wrong password, or the file is damaged", .0.display())]
    Password(PathBuf),
    #[error("key {} is damaged: what it signs is not of its own public key", .0.display())]
    Damaged(PathBuf),
    #[error("no password was given: type one, or pass --no-password")]
    NoPassword,
    #[error("the two passwords differ: nothing was made")]
    Differ,
    #[error("ask for the password")]
    Ask(#[source] io::Error),
    #[error("sign {}: a peer looks for signatures of NAME.wasm only", .0.display())]
    NotWasm(PathBuf),
    #[error("the comment has {0} bytes, at most {TRUSTED_COMMENT_BYTES_MAX} are signed")]
    CommentTooLong(usize),
    #[error("the comment has a line end or another control character: leave it out")]
    Comment,
    #[error("make a key")]
    Make(#[source] minisign::PError),
    #[error("sign {}", .path.display())]
    Sign { path: PathBuf, source: minisign::PError },
    #[error(transparent)]
    Key(#[from] KeyError),
}

pub(super) fn keys(out: &Out, what: Keys) -> Result<u8, CliError> {
    match what {
        Keys::New { key, no_password } => {
            run::keep_memory_private()?;
            let file = at(key.file)?;
            let key = make(&file, no_password)?;
            show(out, &key, &file)
        }
        Keys::Show { key } => {
            let file = at(key.file)?;
            show(out, &public(&file)?, &file)
        }
    }
}

pub(super) fn sign(out: &Out, asked: Asked) -> Result<u8, CliError> {
    let Asked { files, key, comment } = asked;
    let signer = Signer::open(key)?;
    for file in files {
        let signature = signer.sign(&file, comment.as_deref())?;
        let key = signer.public.id().to_string();
        out.show(&json!({ "file": file, "signature": signature, "key": key }), || {
            format!("signed {} with key {key}: {}", file.display(), signature.display())
        })?;
    }
    Ok(0)
}

fn at(file: Option<PathBuf>) -> Result<PathBuf, Error> {
    let place = || Some(directories::BaseDirs::new()?.home_dir().join(DEFAULT_KEY));
    file.or_else(place).ok_or(Error::NoPlace)
}

fn show(out: &Out, key: &TrustedKey, file: &Path) -> Result<u8, CliError> {
    let (id, text) = (key.id().to_string(), key.text());
    let public = public_file(file);
    out.show(&json!({ "key": id, "public": text, "file": file, "public_file": public }), || {
        format!(
            "key id      {id}\n\
             public key  {text}\n\
             files       {} (secret), {}\n\n\
             a peer trusts it with this below [chores] of its chore.toml:\n\
             trusted-keys = [\"{text}\"]",
            file.display(),
            public.display()
        )
    })?;
    Ok(0)
}

// Keys.

fn public_file(secret: &Path) -> PathBuf {
    secret.with_extension("pub")
}

fn make(file: &Path, no_password: bool) -> Result<TrustedKey, Error> {
    let public = public_file(file);
    if public == file {
        return Err(Error::IsPublic(public));
    }
    // Before anybody thinks of a password.
    if let Some(there) = [file, &public].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(Error::AlreadyThere(there.into()));
    }
    let pair = match no_password {
        true => KeyPair::generate_unencrypted_keypair(),
        false => KeyPair::generate_encrypted_keypair(Some(new_password()?)),
    };
    let KeyPair { pk, sk } = pair.map_err(Error::Make)?;
    let key: TrustedKey = pk.to_base64().parse()?;
    let (secret_box, public_box) = (
        sk.to_box(Some(&format!("minisign secret key {}", key.id()))).map_err(Error::Make)?,
        pk.to_box().map_err(Error::Make)?,
    );
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(failed("create directory", folder))?;
    }
    write_new(file, &secret_box.into_string(), 0o600)?;
    write_new(&public, &public_box.into_string(), 0o644)?;
    Ok(key)
}

fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let write = || {
        let mut file = File::options().create_new(true).write(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(failed("write key", path))
}

fn public(file: &Path) -> Result<TrustedKey, Error> {
    let path = public_file(file);
    let text = second_line(&path, "public")?;
    text.parse().map_err(|_| Error::NoKey { path, what: "public" })
}

/// Of a key file: what is below its comment.
fn second_line(path: &Path, what: &'static str) -> Result<String, Error> {
    let missing = |err: &check::Error| match err {
        check::Error::Read { source, .. } => source.kind() == ErrorKind::NotFound,
        _ => false,
    };
    let no_key = || Error::NoKey { path: path.into(), what };
    let bytes = check::read(path, KEY_FILE_BYTES_MAX).map_err(|err| match err {
        err if missing(&err) => Error::Missing(path.into()),
        check::Error::Read { source, .. } => failed("read key", path)(source),
        _ => no_key(),
    })?;
    if bytes.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(no_key());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| no_key())?;
    text.lines().nth(1).map(|line| line.trim().to_owned()).ok_or_else(no_key)
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { operation, path, source }
}

fn new_password() -> Result<String, Error> {
    let password = password("password for the new key: ")?;
    if password.is_empty() {
        return Err(Error::NoPassword);
    }
    if io::stdin().is_terminal() && self::password("the same password again: ")? != password {
        return Err(Error::Differ);
    }
    Ok(password)
}

/// From the terminal without showing it; else a line of standard input, for scripts.
fn password(prompt: &str) -> Result<String, Error> {
    if io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map_err(Error::Ask);
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(Error::Ask)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A secret key that can be used.
pub(super) struct Signer {
    file: PathBuf,
    secret: SecretKey,
    public: TrustedKey,
}

impl Signer {
    /// Of the key file, or else the default one. It asks for the password if there is one.
    pub fn open(file: Option<PathBuf>) -> Result<Signer, CliError> {
        run::keep_memory_private()?;
        Ok(Signer::read(at(file)?)?)
    }

    fn read(file: PathBuf) -> Result<Signer, Error> {
        let line = second_line(&file, "secret")?;
        let no_key = || Error::NoKey { path: file.clone(), what: "secret" };
        let bytes = Base64::decode_to_vec(&line, None).map_err(|_| no_key())?;
        let secret = match bytes.get(2..4) {
            // minisign writes no checksum then, which the other way to read it asks for. A key that
            // is damaged is noticed when its first signature is verified.
            Some(NO_PASSWORD) => SecretKey::from_bytes(&bytes).map_err(|_| no_key())?,
            Some(PASSWORD) => {
                let password = password(&format!("password of {}: ", file.display()))?;
                let whole = SecretKeyBox::from(format!("\n{line}\n"));
                let secret = SecretKey::from_box(whole, Some(password));
                secret.map_err(|_| Error::Password(file.clone()))?
            }
            _ => return Err(no_key()),
        };
        let public = PublicKey::from_secret_key(&secret).map_err(|_| no_key())?;
        let public = public.to_base64().parse()?;
        Ok(Signer { file, secret, public })
    }

    /// Says where the signature is.
    pub fn sign(&self, file: &Path, comment: Option<&str>) -> Result<PathBuf, CliError> {
        if file.extension().is_none_or(|extension| extension != "wasm") {
            return Err(Error::NotWasm(file.into()).into());
        }
        let component = check::read(file, COMPONENT_BYTES_MAX)?;
        let comment = match comment {
            Some(comment) => comment.to_owned(),
            None => self::comment(file),
        };
        if comment.len() > TRUSTED_COMMENT_BYTES_MAX {
            return Err(Error::CommentTooLong(comment.len()).into());
        }
        // Tabs stand between the parts of the usual comment.
        if comment.contains(|c: char| c.is_control() && c != '\t') {
            return Err(Error::Comment.into());
        }
        let from = format!("signature from minisign secret key {}", self.public.id());
        let signed =
            minisign::sign(None, &self.secret, &component[..], Some(&comment), Some(&from));
        let signed = signed.map_err(|source| Error::Sign { path: file.into(), source })?;
        let signature = signed.into_string();
        // As a peer does.
        let trusted = std::slice::from_ref(&self.public);
        let terms = minisig::Terms { required: true, trusted };
        minisig::check(&component, Some(signature.as_bytes()), terms)
            .map_err(|_| Error::Damaged(self.file.clone()))?;
        let path = signature_file(file);
        // Whole or not at all: a peer may follow that folder.
        let part = path.with_extension("part");
        fs::write(&part, signature).map_err(failed("write signature", &part))?;
        fs::rename(&part, &path).map_err(failed("write signature", &path))?;
        Ok(path)
    }
}

/// `NAME.wasm.minisig`.
pub(super) fn signature_file(component: &Path) -> PathBuf {
    let mut name = component.as_os_str().to_owned();
    name.push(".minisig");
    name.into()
}

/// What minisign writes too.
fn comment(file: &Path) -> String {
    let seconds = Timestamp::now().as_nanos() / 1_000_000_000;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name = name.replace(char::is_control, "?");
    format!("timestamp:{seconds}\tfile:{name}\thashed")
}
