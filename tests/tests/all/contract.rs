//! The contract over its versions: what is published does not change, the host loads what was built
//! for it, and what it cannot load it refuses with what to do. And the page that is made of it.

mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use chore_host::contract::VERSION;
use chore_host::package::Digest;
use testplanet::{
    Build, SENDER, SENDER_GRANTS, Testplanet, chore, drop_chore, eventually, told, trigger_wait,
    workspace,
};

/// Set to write anew what is made from `wit/`.
const UPDATE: &str = "UPDATE";

/// What does so.
const COMMAND: &str = "UPDATE=1 cargo test -p testplanet --test all contract::files";

/// The word in `versions.txt` for a version that may still change.
const UNRELEASED: &str = "unreleased";

/// Needs everything that can be granted.
const GUEST: &str = "guest-contract-0-1-0";

/// A sound component that needs no grant, to be made one of another version.
const OTHER: &str = "guest-run-uses-all";

fn wit() -> PathBuf {
    workspace().join("wit")
}

/// The `.wit` files of a folder, sorted, with their names.
fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    let paths = entries.map(|entry| entry.unwrap().path());
    let wit = paths.filter(|path| path.extension().is_some_and(|extension| extension == "wit"));
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).unwrap())
    };
    let mut files: Vec<_> = wit.map(read).collect();
    files.sort();
    files
}

/// One digest of all files, names and lengths included.
fn digest(files: &[(String, String)]) -> String {
    let parts = files.iter().map(|(name, text)| format!("{name}\n{}\n{text}", text.len()));
    Digest::of(parts.collect::<String>().as_bytes()).hex()
}

/// A line of `versions.txt`: a version that was published, or is about to be.
struct Published {
    version: String,
    digest: String,
    is_released: bool,
}

impl Published {
    fn all() -> Vec<Published> {
        let text = fs::read_to_string(wit().join("published/versions.txt")).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| Published::read(line).unwrap_or_else(|| panic!("{line}"))).collect()
    }

    fn read(line: &str) -> Option<Published> {
        let mut words = line.split_whitespace();
        let (version, digest) = (words.next()?.to_owned(), words.next()?.to_owned());
        let is_released = words.next().map(|word| assert_eq!(word, UNRELEASED)).is_none();
        Some(Published { version, digest, is_released })
    }

    fn folder(&self) -> PathBuf {
        wit().join("published").join(&self.version)
    }
}

/// Whether what is made shall be written anew, and not only compared.
fn is_update() -> bool {
    std::env::var_os(UPDATE).is_some()
}

/// The copy of a version that is not released follows `wit/`.
fn copy(published: &Published) {
    let folder = published.folder();
    for (name, _) in files(&folder) {
        fs::remove_file(folder.join(name)).unwrap();
    }
    for (name, text) in files(&wit()) {
        fs::write(folder.join(name), text).unwrap();
    }
    let path = wit().join("published/versions.txt");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&published.digest, &digest(&files(&folder)))).unwrap();
}

#[test]
fn files_of_published_versions_are_as_they_were() {
    let package = reference::package(&wit());
    let current = package.version.expect("the contract has a version").to_string();
    assert_eq!(current, VERSION.to_string(), "host/src/contract.rs has another than wit/");
    for mut published in Published::all() {
        let Published { version, is_released, .. } = &published;
        if !is_released && *version == current && is_update() {
            copy(&published);
            let all = Published::all();
            published = all.into_iter().find(|found| found.version == current).unwrap();
        }
        let found = files(&published.folder());
        let what = match published.is_released {
            true => "it is published, and must not change: restore it",
            false => COMMAND,
        };
        let (version, digest) = (&published.version, digest(&found));
        assert_eq!(digest, published.digest, "wit/published/{version} has changed: {what}");
        if *version == current {
            let what = match published.is_released {
                true => {
                    "raise the version in wit/ and host/src/contract.rs, copy wit/*.wit to \
                         wit/published/VERSION, and add it to wit/published/versions.txt"
                }
                false => COMMAND,
            };
            let same = files(&wit()) == found;
            assert!(same, "wit/ is not {version} as in wit/published/{version}: {what}");
        }
        let package = reference::package(&published.folder());
        assert_eq!(package.version.unwrap().to_string(), *version);
        // A host that goes with it is tried with a component that was built for it.
        let guest = format!("tests/guests/contract_{}", version.replace('.', "_"));
        assert!(workspace().join(&guest).is_dir(), "{guest} is to be built with {version}");
    }
}

#[test]
fn files_of_the_reference_are_up_to_date() {
    let path = workspace().join("docs/contract.md");
    let expected = reference::page(&wit(), COMMAND);
    if is_update() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/contract.md is not made of wit/ as it is now: {COMMAND}");
}

/// A peer with an order for its satellite.
async fn bench() -> Testplanet {
    let planet = Testplanet::start_with(1, 1, |options| options.chore_files = Vec::new()).await;
    planet.hand_in(0, 0, 1).await;
    planet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_a_published_version_is_loaded_and_runs() {
    let planet = bench().await;
    let node = planet.node(0);
    // Of this version, and of a later one that asks for nothing new.
    for (generation, later) in [None, Some("@0.1.9")].into_iter().enumerate() {
        let build = Build::of(GUEST);
        let build =
            later.map_or_else(|| build.clone(), |later| build.clone().patch("@0.1.0", later));
        drop_chore(node, GUEST, &build, Some(SENDER_GRANTS));
        eventually(&format!("it is loaded ({later:?})"), || async {
            let chores = node.handle().status().chores;
            let found = chores.into_iter().find(|chore| chore.name == GUEST);
            found.is_some_and(|found| found.digest == build.digest() && found.state == "loaded")
        })
        .await;
        assert_eq!(chore(node, GUEST).generation, 1 + generation as u64);
        for _ in 0..2 {
            assert_eq!(told(&trigger_wait(node, GUEST).await.outcome), "succeeded", "{later:?}");
        }
    }
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_another_version_is_refused_with_what_to_do() {
    let planet = bench().await;
    let node = planet.node(0);
    let newer = "it needs a newer host, or to be built with the SDK of this one";
    let table: [(&str, &str, Build, &[&str]); 5] = [
        (
            "the next minor version",
            OTHER,
            Build::of(OTHER).patch("@0.1.0", "@0.2.0"),
            &["exports chore:peer/lifecycle@0.2.0, and this host runs 0.1.0", newer],
        ),
        (
            "the next minor version of one import",
            OTHER,
            Build::of(OTHER).patch("chore:peer/sql@0.1.0", "chore:peer/sql@0.2.0"),
            &["imports \"chore:peer/sql@0.2.0\", of another version", newer],
        ),
        (
            "an older minor version",
            OTHER,
            Build::of(OTHER).patch("lifecycle@0.1.0", "lifecycle@0.0.7"),
            &["exports chore:peer/lifecycle@0.0.7", "rebuild it with a newer SDK"],
        ),
        (
            "a function that this host lacks",
            SENDER,
            Build::of(SENDER).patch("@0.1.0", "@0.1.9").patch("count-unsent", "count-unseen"),
            &["count-unseen", "it is made for chore:peer/*@0.1.9, this host has 0.1.0", newer],
        ),
        (
            "an interface that this host lacks",
            OTHER,
            Build::of(OTHER).patch("@0.1.0", "@0.1.9").patch("chore:peer/sql@", "chore:peer/nix@"),
            &["imports \"chore:peer/nix@0.1.9\", of another version", newer],
        ),
    ];
    for (what, name, build, expected) in table {
        drop_chore(node, name, &build, Some(SENDER_GRANTS));
        eventually(what, || async {
            let chores = node.handle().status().chores;
            let found = chores.into_iter().find(|chore| chore.name == name);
            found.is_some_and(|found| found.digest == build.digest() && found.state == "refused")
        })
        .await;
        let reason = chore(node, name).reason;
        for expected in expected {
            assert!(reason.contains(expected), "{what}: {reason}");
        }
    }
    planet.shutdown().await;
}
