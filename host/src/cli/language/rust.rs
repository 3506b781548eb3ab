//! Chores in Rust: which crate of a workspace it is, and how its components are built.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::Error as CliError;
use super::super::cargo::{self, Asked, PROFILE, Package, Workspace};
use super::super::check;
use super::super::output::Out;
use super::{Compiled, Language};
use crate::name::{self, ChoreName};

/// The profile where a workspace has none for components.
const OTHER_PROFILE: &str = "release";

/// Packages that an error names.
const NAMED_MAX: usize = 5;

#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Error {
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
}

pub(super) async fn compile(out: &Out, path: &Path) -> Result<Compiled, CliError> {
    let folder = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let manifest = folder.join(Language::Rust.manifest());
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
    let wanted = Asked { manifest, package: name.as_str(), profile, flags: &[] };
    let component = cargo::build(out, &wanted).await?;
    let folder = manifest.parent().unwrap_or(manifest).to_owned();
    Ok(Compiled { name, component, folder, target: workspace.target_directory })
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
