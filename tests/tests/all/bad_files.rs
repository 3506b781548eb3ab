//! Files of the chores directory that are no chores, put there while a peer runs: each is refused
//! with a reason, whatever is beside it runs on unhurt, and the refusal goes with the file.

mod program;
mod times;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chore_host::planet::{Member, Role};
use chore_host::status::{Change, ChangeKind, ChoreStatus};
use testplanet::{
    Build, PATCHED, SENDER, SENDER_GRANTS, Testplanet, chore, chores, component, drop_into,
    eventually, reconfigure, told,
};

/// As long as [`PATCHED`], so that a build can be called so.
const OTHER: &str = "guest-swap-newborn";
const FOREIGN: &str = "guest-swap-foreign";

/// What runs beside a bad file runs often.
const OFTEN: &str = "[cycles.main]\ninterval = \"20ms\"\n";

/// A core module of nothing, and a component of nothing.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A node that settles orders and runs [`PATCHED`] often.
struct Bench {
    planet: Testplanet,
}

/// What runs under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Runs {
    generation: u64,
    digest: String,
}

impl Bench {
    async fn start() -> Bench {
        let planet = Testplanet::start_with(1, 1, |options| {
            options.chore_files = vec![
                (component(SENDER), Some(SENDER_GRANTS.to_owned())),
                (component(PATCHED), Some(OFTEN.to_owned())),
            ];
            // Should an event be lost, the test is only slower.
            reconfigure(options, Role::Node, "[chores]\nscan-interval = \"1s\"\n");
        })
        .await;
        Bench { planet }
    }

    fn node(&self) -> &Member {
        self.planet.node(0)
    }

    fn chores(&self) -> PathBuf {
        chores(self.node())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.chores().join(format!("{name}.wasm"))
    }

    fn drop(&self, name: &str, build: &Build) {
        drop_into(&self.chores(), &format!("{name}.wasm"), build.bytes());
    }

    async fn reload(&self) -> Vec<Change> {
        self.node().handle().reload(None, false).await.unwrap()
    }

    /// `None` if there is nothing under this name.
    fn status(&self, name: &str) -> Option<ChoreStatus> {
        let chores = self.node().handle().status().chores;
        chores.into_iter().find(|chore| chore.name == name)
    }

    fn runs(&self, name: &str) -> Runs {
        let ChoreStatus { generation, digest, .. } = chore(self.node(), name);
        Runs { generation, digest }
    }

    /// Nothing was taken from what runs: it is the same, and it does its work now.
    async fn unhurt(&self, what: &str, expected: &Runs) {
        assert_eq!(self.runs(PATCHED), *expected, "{what}");
        let cycle = || {
            let of = chore(self.node(), PATCHED);
            assert_eq!(of.state, "loaded", "{what}: {}", of.reason);
            of.cycles[0].clone()
        };
        let before = cycle().iteration;
        eventually(what, || async { cycle().iteration > before + 2 }).await;
        let now = cycle();
        let last = now.last.map(|last| told(&last.outcome));
        assert_eq!((now.failures, last.as_deref()), (0, Some("succeeded")), "{what}");

        let sender = chore(self.node(), SENDER);
        assert_eq!((sender.state.as_str(), sender.generation), ("loaded", 1), "{what}");
        assert_eq!(sender.refused, None, "{what}");
        let settled = self.planet.counts(0).await.accepted;
        self.planet.hand_in(0, 0, 1).await;
        let run = self.planet.trigger_wait(0, SENDER).await;
        assert_eq!(told(&run.outcome), "succeeded", "{what}");
        assert_eq!(self.planet.counts(0).await.accepted, settled + 1, "{what}");
    }

    /// Only the two good chores are there, and nothing is said against them.
    fn assert_clean(&self, what: &str) {
        let status = self.node().handle().status();
        let names: Vec<&str> = status.chores.iter().map(|chore| chore.name.as_str()).collect();
        assert_eq!(names, [PATCHED, SENDER], "{what}");
        for of in &status.chores {
            assert_eq!((of.state.as_str(), of.refused.as_ref()), ("loaded", None), "{what}");
        }
        assert_eq!(status.problem, "", "{what}");
    }
}

/// Makes something at a path.
type Make = Box<dyn Fn(&Path)>;

fn bytes(bytes: &[u8]) -> Make {
    let bytes = bytes.to_vec();
    Box::new(move |path| fs::write(path, &bytes).unwrap())
}

fn link(target: impl Into<PathBuf>) -> Make {
    let target = target.into();
    Box::new(move |path| symlink(&target, path).unwrap())
}

/// A program of the system; what it cannot make is left out of a table.
fn made(program: &'static str, arguments: &'static [&'static str]) -> Make {
    Box::new(move |path| {
        let made = Command::new(program).arg(path).args(arguments).status();
        if !made.is_ok_and(|status| status.success()) {
            eprintln!("left out: {program} cannot make {}", path.display());
        }
    })
}

fn unreadable(path: &Path) {
    fs::write(path, Build::patched().stamped(1).bytes()).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
    if File::open(path).is_ok() {
        eprintln!("left out: this user may read everything");
        fs::remove_file(path).unwrap();
    }
}

fn damaged(build: &Build) -> Vec<u8> {
    let mut bytes = build.bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 64].fill(0xff);
    bytes
}

/// What may stand where a component should, and a part of the reason.
fn table() -> Vec<(&'static str, Make, &'static str)> {
    let good = Build::patched();
    let outside = component(PATCHED);
    let own = format!("{PATCHED}.wasm");
    vec![
        ("empty", bytes(b""), "the file is empty"),
        ("half", bytes(&good.bytes()[..good.bytes().len() / 2]), "ends in the middle"),
        ("text", bytes(b"hello, I am a text file"), "looks like text"),
        ("garbage", bytes(&[0xa7; 1000]), "looks like other data"),
        ("damaged", bytes(&damaged(&good)), "compile the component"),
        ("core module", bytes(MODULE), "build it for the target wasm32-wasip2"),
        ("other world", bytes(COMPONENT), "of another world"),
        (
            "future lifecycle",
            bytes(good.clone().patch("peer/lifecycle@0.1.0", "peer/lifecycle@0.2.0").bytes()),
            "needs a newer host",
        ),
        (
            "future import",
            bytes(good.clone().patch("peer/sql@0.1.0", "peer/sql@0.2.0").bytes()),
            "0.2.0",
        ),
        ("describe traps", bytes(good.clone().describe("trap").bytes()), "describe breaks"),
        ("describe is huge", bytes(good.clone().describe("huge").bytes()), "describe: "),
        (
            "lies about its name",
            bytes(good.clone().name(FOREIGN).bytes()),
            "rename its file to guest-swap-foreign.wasm",
        ),
        (
            "sparse",
            Box::new(|path| File::create(path).unwrap().set_len(1 << 30).unwrap()),
            "has 1GiB, at most 64MiB",
        ),
        ("unreadable", Box::new(unreadable), "check its owner and permissions"),
        ("directory", Box::new(|path| fs::create_dir(path).unwrap()), "is a directory"),
        ("fifo", made("mkfifo", &[]), "not a regular file inside"),
        (
            "socket",
            Box::new(|path| drop(UnixListener::bind(path).unwrap())),
            "not a regular file inside",
        ),
        ("device", made("mknod", &["c", "1", "5"]), "not a regular file inside"),
        ("link out", link(outside), "not a regular file inside"),
        ("link to a device", link("/dev/zero"), "not a regular file inside"),
        ("dangling link", link("nowhere"), "not a regular file inside"),
        ("link to itself", link(&own), "not a regular file inside"),
    ]
}

/// Puts what `make` makes into its place at once, over whatever is there; `false` if it could not
/// be made here.
fn place(path: &Path, make: &Make) -> bool {
    let part = path.with_extension("part");
    make(&part);
    if part.symlink_metadata().is_err() {
        return false;
    }
    if part.is_dir() && path.exists() {
        fs::remove_file(path).unwrap();
    }
    fs::rename(part, path).unwrap();
    true
}

fn remove(path: &Path) {
    match path.symlink_metadata().unwrap().is_dir() {
        true => fs::remove_dir(path).unwrap(),
        false => fs::remove_file(path).unwrap(),
    }
}

fn assert_reason(what: &str, reason: &str, part: &str) {
    assert!(reason.contains(part), "{what}: {reason}");
    assert!(!reason.contains('\n') && reason.len() < 1000, "{what}: {reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_is_refused_beside_and_in_place_of_what_runs() {
    let bench = Bench::start().await;
    let runs = bench.runs(PATCHED);
    let (new, running) = (bench.path(OTHER), bench.path(PATCHED));
    for (what, make, part) in table() {
        if !place(&new, &make) {
            continue;
        }
        assert!(place(&running, &make));
        let changes = bench.reload().await;
        let refused = |change: &Change| change.kind == ChangeKind::Refused;
        assert!(changes.iter().all(refused), "{what}: {changes:?}");

        let beside = chore(bench.node(), OTHER);
        assert_eq!(beside.state, "refused", "{what}");
        assert_reason(what, &beside.reason, part);
        let over = chore(bench.node(), PATCHED);
        let refused = over.refused.unwrap_or_else(|| panic!("{what}: not refused"));
        assert_eq!(refused.file, format!("{PATCHED}.wasm"), "{what}");
        assert_reason(what, &refused.reason, part);
        assert!(!refused.quarantined, "{what}");
        bench.unhurt(what, &runs).await;

        remove(&new);
        if running.is_dir() {
            remove(&running);
        }
        bench.drop(PATCHED, &Build::patched());
        assert_eq!(bench.reload().await, [], "after: {what}");
        bench.assert_clean(what);
    }
    bench.unhurt("at the end", &runs).await;
    bench.planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_name_is_no_chores_is_refused_by_it() {
    let bench = Bench::start().await;
    let runs = bench.runs(PATCHED);
    let chores = bench.chores();
    let good = Build::patched();
    let long = format!("{}.wasm", "x".repeat(245));
    let twin = format!("{}.wasm", PATCHED.to_uppercase());
    // The file, under which name it is shown, and a part of the reason.
    let table: [(&[u8], &str, &str); 14] = [
        (b"a..b.wasm", "a..b.wasm", "has '.'"),
        (b"two words.wasm", "two words.wasm", "as in \"two-words\""),
        ("gr\u{f6}\u{df}e.wasm".as_bytes(), "gr\u{f6}\u{df}e.wasm", "has '\u{f6}'"),
        (b"under_score.wasm", "under_score.wasm", "as in \"under-score\""),
        (b"line\nbreak.wasm", "line\nbreak.wasm", "has '\\n'"),
        (b"-dash.wasm", "-dash.wasm", "begin with a-z or 0-9"),
        (b"bytes\xff.wasm", "bytes\u{fffd}.wasm", "is not UTF-8"),
        (b"shout.WASM", "shout", "ends with \"WASM\""),
        (long.as_bytes(), &long, "use at most 63"),
        (b"Twice.wasm", "Twice.wasm", "keep one of them"),
        (b"twice.wasm", "twice", "keep one of them"),
        (twin.as_bytes(), &twin, "keep one of them"),
        // The same component under other names than its own.
        (b"copy.wasm", "copy", "rename its file to guest-swap-patched.wasm"),
        (b"linked.wasm", "linked", "rename its file to guest-swap-patched.wasm"),
    ];
    let path = |file: &[u8]| chores.join(OsStr::from_bytes(file));
    for (file, _, _) in table {
        match file {
            b"linked.wasm" => symlink(format!("{PATCHED}.wasm"), path(file)).unwrap(),
            _ => fs::write(path(file), good.bytes()).unwrap(),
        }
    }
    bench.reload().await;
    for (_, shown, part) in table {
        let refused = chore(bench.node(), shown);
        assert_eq!(refused.state, "refused", "{shown}");
        assert_reason(shown, &refused.reason, part);
    }
    let twin = chore(bench.node(), PATCHED).refused.expect("a twin is one too many");
    assert_reason("twin", &twin.reason, "keep one of them");
    assert_eq!(bench.node().handle().status().chores.len(), table.len() + 2);
    bench.unhurt("names", &runs).await;

    for (file, _, _) in table {
        fs::remove_file(path(file)).unwrap();
    }
    assert_eq!(bench.reload().await, []);
    bench.assert_clean("without them");
    bench.planet.shutdown().await;
}

/// What editors, copies and downloads leave while they work, or hide.
fn of_others() -> Vec<OsString> {
    let names = [
        ".NAME.wasm.swp",
        "NAME.wasm~",
        "#NAME.wasm#",
        "4913",
        "NAME.wasm.part",
        "NAME.wasm.tmp",
        "NAME.wasm.bak",
        "NAME.wasm.crdownload",
        ".NAME.wasm.Xy12Z3",
        ".goutputstream-ABC123",
        "..wasm",
        ".wasm",
        ".toml",
        "NAME",
        "wasm",
        "README.md",
    ];
    names.map(|name| OsString::from(name.replace("NAME", PATCHED))).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn temporary_and_hidden_files_are_nobodys_business() {
    let bench = Bench::start().await;
    let runs = bench.runs(PATCHED);
    for (number, file) in (1..).zip(of_others()) {
        let path = bench.chores().join(file);
        fs::write(path, Build::patched().stamped(number).bytes()).unwrap();
    }
    symlink("nowhere", bench.chores().join(format!(".#{PATCHED}.wasm"))).unwrap();
    let below = bench.chores().join("old");
    fs::create_dir(&below).unwrap();
    drop_into(&below, &format!("{PATCHED}.wasm"), Build::patched().stamped(99).bytes());
    assert_eq!(bench.reload().await, []);
    bench.assert_clean("with them");
    bench.unhurt("beside them", &runs).await;
    bench.planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_describe_that_spins_holds_up_nobody() {
    let bench = Bench::start().await;
    let runs = bench.runs(PATCHED);
    let spins = Build::patched().describe("spin");
    bench.drop(PATCHED, &spins);
    bench.drop("spins", &spins);
    let begun = Instant::now();
    let handle = bench.node().handle();
    let reload = tokio::spawn(async move { handle.reload(None, false).await.unwrap() });
    // Meanwhile another chore is loaded, and all others work.
    bench.drop(OTHER, &Build::patched().name(OTHER));
    eventually("another is loaded", || async {
        bench.status(OTHER).is_some_and(|other| other.state == "loaded")
    })
    .await;
    bench.unhurt("while they spin", &runs).await;
    let waited = begun.elapsed();
    assert!(!reload.is_finished(), "it was too late to prove anything: {waited:?}");

    let changes = reload.await.unwrap();
    let spun =
        |name: &str| changes.iter().any(|of| of.chore == name && of.reason.contains("describe"));
    assert!(spun(PATCHED) && spun("spins"), "{changes:?}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let refused = chore(bench.node(), PATCHED).refused.expect("it is refused");
    assert_reason("over", &refused.reason, "describe");
    assert_reason("beside", &chore(bench.node(), "spins").reason, "describe");
    bench.unhurt("afterwards", &runs).await;
    bench.planet.shutdown().await;
}
