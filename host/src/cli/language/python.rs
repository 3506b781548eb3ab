//! Chores in Python: a folder with `pyproject.toml`, `chore.py` and `wit/`, made a component by
//! componentize-py. What `pyproject.toml` depends on, that tool included, is installed outside the
//! source, in `target/python`, once for each list of dependencies.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use serde::Deserialize;

use super::super::Error as CliError;
use super::super::child::{self, ASK_EVERY};
use super::super::output::Out;
use super::super::progress::Progress;
use super::{Compiled, Language};
use crate::name::{self, ChoreName};
use crate::package::Digest;

/// The module that is compiled, with all that it imports.
const MODULE: &str = "chore";

/// What makes components, and the version that `chore new` names.
const TOOL: &str = "componentize-py";
const TOOL_VERSION: &str = "0.25.1";

/// What to do where there is no Python.
const INSTALL: &str = "Python 3.10 or later, with its venv";

/// The tool by its function: its script names the path where it was installed, which may be moved.
const RUN_TOOL: &str = "from componentize_py import script; script()";

/// Folders in folders that are looked into for source, so that a link to above ends.
const DEPTH_MAX: usize = 8;

/// Of a digest in a file's name.
const KEY_CHARS: usize = 12;

#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Error {
    #[error("{operation} {}", .path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    /// Without a source: the parser's error has several lines.
    #[error("read {}: {reason}", .path.display())]
    Manifest { path: PathBuf, reason: String },
    #[error("build {}: [project] name is the chore's: change it", .path.display())]
    Name { path: PathBuf, source: name::Error },
    #[error(
        "build {}: it is no chore: write dependencies = [\"{TOOL}=={TOOL_VERSION}\"] below [project]",
        .0.display()
    )]
    NoTool(PathBuf),
    #[error("build {}: there is no {missing}: see what `chore new NAME --lang python` makes", .folder.display())]
    Missing { folder: PathBuf, missing: &'static str },
    #[error("{0}: is Python's venv installed? On Debian and Ubuntu it is the package python3-venv")]
    Venv(child::Error),
}

/// What is read of `pyproject.toml`.
#[derive(Deserialize)]
struct Manifest {
    project: Project,
}

#[derive(Deserialize)]
struct Project {
    name: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

pub(super) async fn compile(out: &Out, path: &Path) -> Result<Compiled, CliError> {
    let folder = path.canonicalize().map_err(failed("open", path))?;
    let (name, dependencies) = manifest(&folder)?;
    for missing in ["chore.py", "wit"] {
        if !folder.join(missing).exists() {
            return Err(Error::Missing { folder: path.into(), missing }.into());
        }
    }
    // As cargo has it.
    let target = folder.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or("target".into()));
    let place = target.join("python");
    fs::create_dir_all(&place).map_err(failed("create directory", &place))?;
    let _lock = lock(out, &place.join("lock")).await?;
    let component = place.join(format!("{name}.wasm"));
    let compiled = Compiled { name, component, folder, target };
    let (inputs, made_of) = (inputs(&compiled)?, compiled.component.with_extension("inputs"));
    if compiled.component.exists() && fs::read_to_string(&made_of).is_ok_and(|old| old == inputs) {
        return Ok(compiled);
    }
    let venv = venv(out, &place, &compiled.folder, &dependencies).await?;
    out.tell(&format!("compiling {} with {TOOL}: some 10 to 20 seconds ...", compiled.name))?;
    let part = compiled.component.with_extension("part");
    let mut tool = python(&venv, &compiled.folder);
    tool.args(["-c", RUN_TOOL, "--quiet", "--wit-path", "wit", "componentize"]);
    tool.args(["--python-path", ".", MODULE, "--output"]).arg(&part);
    let progress = Progress::begin("compiling Python");
    let ran = child::run(tool, INSTALL).await;
    drop(progress);
    ran?;
    fs::rename(&part, &compiled.component).map_err(failed("write", &compiled.component))?;
    fs::write(&made_of, inputs).map_err(failed("write", &made_of))?;
    Ok(compiled)
}

/// The chore's name, and what it depends on.
fn manifest(folder: &Path) -> Result<(ChoreName, Vec<String>), Error> {
    let path = folder.join(Language::Python.manifest());
    let text = fs::read_to_string(&path).map_err(failed("read", &path))?;
    let Project { name, dependencies } = match toml::from_str::<Manifest>(&text) {
        Ok(manifest) => manifest.project,
        Err(err) => return Err(Error::Manifest { path, reason: err.message().to_owned() }),
    };
    if !dependencies.iter().any(|dependency| dependency.starts_with(TOOL)) {
        return Err(Error::NoTool(path));
    }
    let name = ChoreName::new(&name).map_err(|source| Error::Name { path, source })?;
    Ok((name, dependencies))
}

/// One build at a time: two would install into the same folder.
async fn lock(out: &Out, path: &Path) -> Result<File, CliError> {
    let file = File::create(path).map_err(failed("open", path))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(err)) => return Err(failed("lock", path)(err).into()),
            Err(TryLockError::WouldBlock) if told => {}
            Err(TryLockError::WouldBlock) => {
                out.tell("waiting for another build ...")?;
                told = true;
            }
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Where the dependencies are installed. Made anew if it is not whole, or its Python is gone.
async fn venv(
    out: &Out,
    place: &Path,
    folder: &Path,
    dependencies: &[String],
) -> Result<PathBuf, CliError> {
    let list = dependencies.join(" ");
    let venv = place.join(format!("venv-{}", key(&list)));
    let whole = venv.join("installed");
    if whole.exists() && venv.join("bin/python").exists() {
        return Ok(venv);
    }
    out.tell(&format!("installing {list}, once ..."))?;
    let mut make = Command::new("python3");
    make.args(["-I", "-m", "venv", "--clear"]).arg(&venv).current_dir(folder);
    child::run(make, INSTALL).await.map_err(|err| match err {
        // It has said so itself, but not always how to help it.
        child::Error::Failed { .. } => CliError::from(Error::Venv(err)),
        err => err.into(),
    })?;
    let mut pip = python(&venv, folder);
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--"]);
    child::run(
        {
            pip.args(dependencies);
            pip
        },
        INSTALL,
    )
    .await?;
    fs::write(&whole, list).map_err(failed("write", &whole))?;
    Ok(venv)
}

/// The Python of a venv, which sees no other packages.
fn python(venv: &Path, folder: &Path) -> Command {
    let mut python = Command::new(venv.join("bin/python"));
    // The tool looks for packages in the venv that is named here.
    python.arg("-I").current_dir(folder).env("VIRTUAL_ENV", venv);
    // A backtrace of the tool says nothing about the chore.
    python.env("RUST_LIB_BACKTRACE", "0");
    python
}

/// A text that is another when anything has changed that the component is made of.
fn inputs(chore: &Compiled) -> Result<String, Error> {
    let config = chore.folder.join(format!("{}.toml", chore.name));
    let mut found = Vec::new();
    look(&chore.folder, DEPTH_MAX, &mut |path, file| {
        let is_text_beside = path.extension().is_some_and(|extension| extension == "md");
        if path != config && !is_text_beside {
            let changed =
                file.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let changed = changed.unwrap_or_default().as_nanos();
            found.push(format!("{} {} {changed}\n", path.display(), file.len()));
        }
    })?;
    found.sort_unstable();
    Ok(Digest::of(found.concat().as_bytes()).hex())
}

/// Every file that may be source.
fn look(
    folder: &Path,
    depth: usize,
    found: &mut impl FnMut(&Path, &fs::Metadata),
) -> Result<(), Error> {
    let entries = fs::read_dir(folder).map_err(failed("read", folder))?;
    for entry in entries {
        let entry = entry.map_err(failed("read", folder))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || ["target", "__pycache__"].contains(&&*name) {
            continue;
        }
        // Of what a link leads to. What is gone meanwhile is gone.
        let path = entry.path();
        let Ok(metadata) = fs::metadata(&path) else { continue };
        if metadata.is_dir() && depth > 0 {
            look(&path, depth - 1, found)?;
        } else if metadata.is_file() {
            found(&path, &metadata);
        }
    }
    Ok(())
}

fn key(list: &str) -> String {
    Digest::of(list.as_bytes()).hex().chars().take(KEY_CHARS).collect()
}

fn failed(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { operation, path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_manifest_names_the_chore_and_what_it_depends_on() {
        let good =
            "[project]\nname = \"a-1\"\ndependencies = [\"base58\", \"componentize-py==1\"]\n";
        let here = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            fs::write(here.path().join("pyproject.toml"), text).unwrap();
            manifest(here.path()).map_err(|err| crate::error::chain(&err))
        };
        let (name, dependencies) = read(good).unwrap();
        assert_eq!((name.as_str(), dependencies.len()), ("a-1", 2));
        for (text, expected) in [
            ("[project", "pyproject.toml: "),
            ("[tool]\n", "missing field `project`"),
            (
                "[project]\nname = \"a\"\n",
                "write dependencies = [\"componentize-py==0.25.1\"] below",
            ),
            (&good.replace("a-1", "a_1"), "[project] name is the chore's: change it: chore name"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(expected) && !message.contains('\n'), "{text}: {message}");
        }
    }

    #[test]
    fn what_a_component_is_made_of() {
        let here = tempfile::tempdir().unwrap();
        let path = |name: &str| here.path().join(name);
        let name = ChoreName::new("a").unwrap();
        let compiled =
            Compiled { name, component: path("t"), folder: path(""), target: path("target") };
        for folder in ["wit/deps", "target", "__pycache__", ".git"] {
            fs::create_dir_all(path(folder)).unwrap();
        }
        let mut before = inputs(&compiled).unwrap();
        for (file, counts) in [
            ("chore.py", true),
            ("data.csv", true),
            ("wit/deps/a.wit", true),
            ("pyproject.toml", true),
            ("README.md", false),
            ("a.toml", false),
            ("target/a.py", false),
            ("__pycache__/a.pyc", false),
            (".git/a", false),
        ] {
            fs::write(path(file), "text").unwrap();
            let now = inputs(&compiled).unwrap();
            assert_eq!(now != before, counts, "{file} is new");
            before = now;
        }
        fs::write(path("chore.py"), "texts").unwrap();
        assert_ne!(inputs(&compiled).unwrap(), before, "longer");
        fs::remove_file(path("chore.py")).unwrap();
        assert_ne!(inputs(&compiled).unwrap(), before, "gone");
        // A link to above ends.
        std::os::unix::fs::symlink(here.path(), path("wit/up")).unwrap();
        inputs(&compiled).unwrap();
    }

    #[test]
    fn the_version_that_errors_name_is_that_of_our_own_chore() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../chores/order-report");
        let (_, dependencies) = manifest(&folder).unwrap();
        assert!(dependencies.contains(&format!("{TOOL}=={TOOL_VERSION}")), "{dependencies:?}");
    }
}
