//! `chore build`: from a crate's source to `NAME.wasm`, and whether a peer would load it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Error as CliError;
use super::cargo::{self, Asked as Wanted, PROFILE, Package, Workspace};
use super::check::{self, Peer};
use super::output::Out;
use crate::name::{self, ChoreName};

/// The profile where a workspace has none for components.
const OTHER_PROFILE: &str = "release";

/// Packages that an error names.
const NAMED_MAX: usize = 5;

#[derive(Args)]
pub(super) struct Asked {
    /// Folder of the chore's crate
    #[arg(default_value = ".")]
    pub path: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(
        "build {}: there is no Cargo.toml: name the folder of a crate, or make one with \
         `chore new NAME`", .0.display()
    )]
    NoCrate(PathBuf),
    #[error(
        "build {}: it is a workspace of {names}: name the folder of one, as in \
         `chore build {}`", .path.display(), .example.display()
    )]
    Several { path: PathBuf, names: String, example: PathBuf },
    #[error(
        "build {package}: it is no component: write crate-type = [\"cdylib\"] below [lib] in {}",
        .manifest.display()
    )]
    NoComponent { package: String, manifest: PathBuf },
    #[error("build {package}: the package's name is the chore's: change it in {}", .manifest.display())]
    Name { package: String, manifest: PathBuf, source: name::Error },
    #[error("{operation} {}", .path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
}

/// Exit codes: 0 built, whatever its config lacks; 1 if there is no component that is sound.
pub(super) async fn build(out: &Out, asked: Asked, peer: Peer) -> Result<u8, CliError> {
    match built(out, &asked.path).await {
        Ok(file) => report(out, &file, peer).await,
        // Cargo has said why.
        Err(CliError::Cargo(cargo::Error::Failed { .. })) => Ok(1),
        Err(err) => Err(err),
    }
}

/// The component under its chore's name, its config beside it if the crate has one.
pub(super) async fn built(out: &Out, path: &Path) -> Result<PathBuf, CliError> {
    let Ok(manifest) = path.join("Cargo.toml").canonicalize() else {
        return Err(Error::NoCrate(path.into()).into());
    };
    let workspace = cargo::workspace(&manifest).await?;
    let package = package(path, &manifest, &workspace)?;
    let (manifest, source) = (&package.manifest_path, package.name.clone());
    let name = ChoreName::new(&package.name).map_err(|err| Error::Name {
        package: source,
        manifest: manifest.clone(),
        source: err,
    })?;
    let profile = match has_profile(&workspace.workspace_root) {
        true => PROFILE,
        false => OTHER_PROFILE,
    };
    let wanted = Wanted { manifest, package: name.as_str(), profile, flags: &[] };
    let component = cargo::build(out, &wanted).await?;
    let folder = workspace.target_directory.join("chore");
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { operation, path, source }
    };
    fs::create_dir_all(&folder).map_err(failed("create directory", &folder))?;
    let file = folder.join(format!("{name}.wasm"));
    replace(&component, &file).map_err(failed("write", &file))?;
    let (config, beside) =
        (manifest.with_file_name(format!("{name}.toml")), file.with_extension("toml"));
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

/// Whole or not at all: a peer may follow that folder.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let part = to.with_extension("part");
    fs::copy(from, &part)?;
    fs::rename(part, to)
}

async fn report(out: &Out, file: &Path, peer: Peer) -> Result<u8, CliError> {
    let file = check::short(file);
    let report = check::examine(&file, peer).await?;
    let sound = report.is_sound();
    let bytes = report.bytes;
    let value = serde_json::json!({ "file": file, "report": report });
    out.show(&value, || {
        let wrote = format!("wrote {} ({})", file.display(), check::size(bytes));
        format!("{}\n\n{wrote}", check::text(&report))
    })?;
    Ok(u8::from(!sound))
}

/// The crate in `path`, or the only one of a workspace there.
fn package(path: &Path, manifest: &Path, workspace: &Workspace) -> Result<Package, Error> {
    let packages = &workspace.packages;
    let here = packages.iter().find(|package| package.manifest_path == manifest);
    let package = match (here, &packages[..]) {
        (Some(here), _) | (None, [here]) => here,
        (None, several) => {
            // Those that can be built come first.
            let mut several: Vec<&Package> = several.iter().collect();
            several.sort_by_key(|package| !package.is_component());
            return Err(choose(path, &several));
        }
    };
    match package.is_component() {
        true => Ok(package.clone()),
        false => Err(Error::NoComponent {
            package: package.name.clone(),
            manifest: package.manifest_path.clone(),
        }),
    }
}

fn choose(path: &Path, several: &[&Package]) -> Error {
    let names: Vec<&str> =
        several.iter().map(|package| &package.name[..]).take(NAMED_MAX).collect();
    let mut names = names.join(", ");
    match several.len().saturating_sub(NAMED_MAX) {
        0 => {}
        more => names.push_str(&format!(" and {more} more")),
    }
    if several.is_empty() {
        names = "no crates".to_owned();
    }
    let first = several.first().and_then(|package| package.manifest_path.parent());
    let example = first.map_or_else(|| path.join("FOLDER"), check::short);
    Error::Several { path: path.into(), names, example }
}

/// Whether the workspace says how components are built. What cannot be read, cargo complains of.
fn has_profile(root: &Path) -> bool {
    let text = fs::read_to_string(root.join("Cargo.toml")).unwrap_or_default();
    let table: Option<toml::Table> = text.parse().ok();
    table.is_some_and(|table| table.get("profile").is_some_and(|all| all.get(PROFILE).is_some()))
}
