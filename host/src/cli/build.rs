//! `chore build`: from a chore's source to `NAME.wasm`, and whether a peer would load it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Error as CliError;
use super::check::{self, Peer};
use super::child;
use super::language::{Compiled, Language};
use super::output::Out;
use super::progress::Progress;
use super::sign::{self, Signer};

#[derive(Args)]
pub(super) struct Asked {
    /// Folder of the chore
    #[arg(default_value = ".")]
    pub path: PathBuf,
}

#[derive(Args)]
pub(super) struct Building {
    #[command(flatten)]
    source: Asked,
    /// Sign the component, with the key of `chore keys` or the one that --key names
    #[arg(long)]
    sign: bool,
    /// The secret key
    #[arg(long, value_name = "PATH", requires = "sign")]
    key: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "build {}: there is no {}: name the folder of a chore, or make one with `chore new NAME`",
        .0.display(), manifests()
    )]
    NoChore(PathBuf),
    #[error("{operation} {}", .path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
}

/// Exit codes: 0 built, whatever its config lacks; 1 if there is no component that is sound.
pub(super) async fn build(out: &Out, asked: Building, peer: Peer) -> Result<u8, CliError> {
    let Building { source, sign, key } = asked;
    // Before it takes its time: is there a key, and a password?
    let signer = sign.then(|| Signer::open(key)).transpose()?;
    match built(out, &source.path).await {
        Ok(file) => {
            signer.map(|signer| signer.sign(&file, None)).transpose()?;
            report(out, &file, peer).await
        }
        // The compiler has said why.
        Err(CliError::Child(child::Error::Failed { .. })) => Ok(1),
        Err(err) => Err(err),
    }
}

/// The component under its chore's name, its config beside it if the chore has one.
pub(super) async fn built(out: &Out, path: &Path) -> Result<PathBuf, CliError> {
    let language = Language::of(path).ok_or_else(|| Error::NoChore(path.into()))?;
    let Compiled { name, component, folder: source, target } = language.compile(out, path).await?;
    let folder = target.join("chore");
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { operation, path, source }
    };
    fs::create_dir_all(&folder).map_err(failed("create directory", &folder))?;
    let file = folder.join(format!("{name}.wasm"));
    let signature = sign::signature_file(&file);
    if signature.exists() {
        // It is of what was built before.
        fs::remove_file(&signature).map_err(failed("remove", &signature))?;
    }
    replace(&component, &file).map_err(failed("write", &file))?;
    let (config, beside) = (source.join(format!("{name}.toml")), file.with_extension("toml"));
    match config.is_file() {
        true => replace(&config, &beside).map_err(failed("write", &beside))?,
        // One of earlier would be taken for the chore's.
        false if beside.is_file() => {
            fs::remove_file(&beside).map_err(failed("remove", &beside))?;
        }
        false => {}
    }
    Ok(file)
}

/// "Cargo.toml or pyproject.toml".
fn manifests() -> String {
    let all = Language::value_variants().iter().map(|language| language.manifest());
    all.collect::<Vec<_>>().join(" or ")
}

/// Whole or not at all: a peer may follow that folder.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let part = to.with_extension("part");
    fs::copy(from, &part)?;
    fs::rename(part, to)
}

async fn report(out: &Out, file: &Path, peer: Peer) -> Result<u8, CliError> {
    let file = check::short(file);
    let progress = Progress::begin("compiling the component, as a peer does");
    let report = check::examine(&file, peer).await;
    drop(progress);
    let report = report?;
    let sound = report.is_sound();
    let bytes = report.bytes;
    let value = serde_json::json!({ "file": file, "report": report });
    out.show(&value, || {
        let wrote = format!("wrote {} ({})", file.display(), check::size(bytes));
        format!("{}\n\n{wrote}", check::text(&report))
    })?;
    Ok(u8::from(!sound))
}
