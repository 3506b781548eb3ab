//! Compiled code on disk, with a real component: it is used when it is this home's own, and whatever
//! else is in its place, the component is compiled and the chore can be called.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use chore_host::config::Limits;
use chore_host::package::Digest;
use chore_host::runtime::cache::Place;
use chore_host::runtime::{Compiled, Options, Origin, Runtime};
use tempfile::TempDir;
use testplanet::{LONG, SENDER, component};

/// A component, and a home that keeps what is compiled.
struct Fixture {
    bytes: Arc<[u8]>,
    home: TempDir,
}

impl Fixture {
    fn new() -> Fixture {
        let bytes = fs::read(component(SENDER)).unwrap().into();
        Fixture { bytes, home: tempfile::tempdir().unwrap() }
    }

    fn place(&self) -> Place {
        let home = self.home.path();
        Place { directory: home.join("compiled"), secret: home.join("secret") }
    }

    /// As after a restart.
    fn runtime(&self) -> Runtime {
        let options = Options { cache: Some(self.place()), ..Options::default() };
        Runtime::with(options).unwrap()
    }

    /// Compiles in `runtime` and asks what came of it to describe itself.
    async fn compile(&self, runtime: &Runtime, what: &str) -> Compiled {
        let compiling = runtime.compile(self.bytes.clone(), Digest::of(&self.bytes));
        let compiled = tokio::time::timeout(LONG, compiling).await;
        let compiled = compiled.unwrap_or_else(|_| panic!("{what}: it hangs")).unwrap();
        let described = compiled.program.describe(&Limits::default(), SENDER).await;
        assert_eq!(described.unwrap_or_else(|err| panic!("{what}: {err}")).name, SENDER);
        compiled
    }

    async fn origin_after_restart(&self, what: &str) -> Origin {
        self.compile(&self.runtime(), what).await.origin
    }

    fn entry(&self) -> PathBuf {
        let entries = fs::read_dir(self.place().directory).unwrap();
        let paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        let [path] = paths.as_slice() else { panic!("not one entry: {paths:?}") };
        path.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_compiled_once_and_not_at_every_start() {
    let fixture = Fixture::new();
    let runtime = fixture.runtime();
    let first = fixture.compile(&runtime, "first").await;
    let second = fixture.compile(&runtime, "again").await;
    assert_eq!((first.origin, second.origin), (Origin::Compiler, Origin::Memory));
    assert_eq!(fixture.origin_after_restart("restarted").await, Origin::Cache);
    drop(first);
    assert_eq!(fixture.compile(&runtime, "one user left").await.origin, Origin::Memory);
    drop(second);
    assert_eq!(fixture.compile(&runtime, "no user left").await.origin, Origin::Cache);
    let uncached = Runtime::new().unwrap();
    assert_eq!(fixture.compile(&uncached, "no cache").await.origin, Origin::Compiler);
    assert_eq!(Origin::Cache.to_string(), "cache");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_at_once_share_one_program() {
    let fixture = Fixture::new();
    let runtime = fixture.runtime();
    for (start, made) in [(runtime, Origin::Compiler), (fixture.runtime(), Origin::Cache)] {
        let (a, b, c) = tokio::join!(
            fixture.compile(&start, "a"),
            fixture.compile(&start, "b"),
            fixture.compile(&start, "c")
        );
        let origins = [a.origin, b.origin, c.origin];
        let from = |origin| origins.iter().filter(|found| **found == origin).count();
        assert_eq!((from(made), from(Origin::Memory)), (1, 2), "{origins:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_entry_of_this_home_is_compiled_again() {
    let fixture = Fixture::new();
    assert_eq!(fixture.origin_after_restart("first").await, Origin::Compiler);
    let entry = fixture.entry();
    let good = fs::read(&entry).unwrap();
    let foreign = {
        let other = Fixture::new();
        other.origin_after_restart("of another home").await;
        fs::read(other.entry()).unwrap()
    };
    let of_another_digest = {
        // Spins in its runs; it can be compiled like any other.
        let bytes: Arc<[u8]> = fs::read(component("guest-run-spins")).unwrap().into();
        let digest = Digest::of(&bytes);
        fixture.runtime().compile(bytes, digest).await.unwrap();
        let name = entry.file_name().unwrap().to_str().unwrap().replacen(
            &Digest::of(&fixture.bytes).hex(),
            &digest.hex(),
            1,
        );
        let path = entry.with_file_name(name);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(path).unwrap();
        bytes
    };
    let elsewhere = fixture.home.path().join("elsewhere");
    fs::write(&elsewhere, &good).unwrap();
    let flipped: Vec<u8> = good.iter().map(|byte| byte ^ 1).collect();
    let write = |bytes: Vec<u8>| move |path: &Path| fs::write(path, &bytes).unwrap();
    type Damage<'a> = (&'a str, Box<dyn Fn(&Path) + 'a>);
    let table: Vec<Damage> = vec![
        ("truncated", Box::new(write(good[..good.len() / 2].to_vec()))),
        (
            "one bit",
            Box::new(write([&good[..good.len() - 1], &flipped[flipped.len() - 1..]].concat())),
        ),
        ("empty", Box::new(write(Vec::new()))),
        ("of another home", Box::new(write(foreign))),
        ("of another component", Box::new(write(of_another_digest))),
        ("the component itself", Box::new(write(fixture.bytes.to_vec()))),
        ("a directory", Box::new(|path| fs::create_dir(path).unwrap())),
        ("a link", Box::new(|path| symlink(&elsewhere, path).unwrap())),
        (
            "a FIFO",
            Box::new(|path| {
                assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
            }),
        ),
    ];
    for (what, damage) in table {
        fs::remove_file(&entry).unwrap();
        damage(&entry);
        assert_eq!(fixture.origin_after_restart(what).await, Origin::Compiler, "{what}");
        assert_eq!(fixture.origin_after_restart(what).await, Origin::Cache, "after: {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_cannot_be_used_is_none() {
    let fixture = Fixture::new();
    fs::write(fixture.place().directory, b"a file").unwrap();
    for what in ["a file", "still a file"] {
        assert_eq!(fixture.origin_after_restart(what).await, Origin::Compiler);
    }
    fs::remove_file(fixture.place().directory).unwrap();
    let runtime = fixture.runtime();
    drop(fixture.compile(&runtime, "usable").await);
    fs::remove_dir_all(fixture.place().directory).unwrap();
    for what in ["gone", "still gone"] {
        assert_eq!(fixture.compile(&runtime, what).await.origin, Origin::Compiler);
    }
    assert_eq!(fixture.origin_after_restart("made again").await, Origin::Compiler);
    assert_eq!(fixture.origin_after_restart("usable again").await, Origin::Cache);
}
