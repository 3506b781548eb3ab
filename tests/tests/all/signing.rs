//! Signed chores: the program, with keys, signatures and components as their authors make them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use chore_host::limits::SIGNATURE_WAIT;
use serde_json::Value;
use testplanet::{Build, LONG, PATCHED, Program, chore_program, drop_into, text};

use crate::patched::{QUIET, version};

/// What minisign 0.11 makes with `minisign -G -W`. For tests only.
const MINISIGN_KEY: &str = "untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAcbvpENf4ONzwpMAWdJcGoF1Nmul6zrVN9Mp7RUSDIs9nDiwATYU+2MuFdhcXu+VC0xo5MUGznwNFHxLFUjR9paSluMvez4uXAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
";
const MINISIGN_ID: &str = "DC38F8D710E9BB71";

struct Key {
    file: String,
    public: String,
    id: String,
}

/// A home whose chore is [`PATCHED`], and two keys.
struct Bench {
    dir: tempfile::TempDir,
    trusted: Key,
    other: Key,
    peer: Option<Program>,
}

impl Bench {
    /// `lines` stand in [chores] of the config; TRUSTED is a key in them.
    fn start(lines: &str) -> Bench {
        let dir = tempfile::Builder::new().prefix("sg").tempdir().unwrap();
        let set_up = Program::command(dir.path(), &["setup"]);
        assert!(set_up.status.success(), "{}", text(&set_up.stderr));
        let (trusted, other) = (key(dir.path(), "trusted"), key(dir.path(), "other"));
        let bench = Bench { dir, trusted, other, peer: None };
        let config = bench.chores().join(format!("{PATCHED}.toml"));
        fs::write(config, QUIET).unwrap();
        bench.configure(&lines.replace("TRUSTED", &bench.trusted.public));
        bench
    }

    fn configure(&self, lines: &str) {
        // Should an event be lost, the test is only slower.
        let text = format!("[chores]\nscan-interval = \"1s\"\nprobation-runs = 0\n{lines}\n");
        fs::write(self.home().join("chore.toml"), text).unwrap();
    }

    fn run(&mut self) {
        let mut peer = Program::run_with(
            self.home(),
            &[("CHORE_LOG_FORMAT", "text"), ("CHORE_LOG", "info,chore_host::registry=debug")],
        );
        peer.is_up();
        self.peer = Some(peer);
    }

    fn stop(&mut self) {
        assert!(self.peer.take().unwrap().terminate().success());
    }

    fn log(&self) -> String {
        self.peer.as_ref().unwrap().log()
    }

    fn home(&self) -> &Path {
        self.dir.path()
    }

    fn chores(&self) -> PathBuf {
        self.home().join("chores")
    }

    fn component(&self) -> PathBuf {
        self.chores().join(format!("{PATCHED}.wasm"))
    }

    fn signature(&self) -> PathBuf {
        self.chores().join(format!("{PATCHED}.wasm.minisig"))
    }

    fn put(&self, build: &Build) {
        drop_into(&self.chores(), &format!("{PATCHED}.wasm"), build.bytes());
    }

    /// The file in the chores directory, as its author does.
    fn sign(&self, key: &Key, more: &[&str]) {
        let file = self.component().display().to_string();
        said(self.home(), &[&["sign", &file, "--key", &key.file], more].concat());
    }

    /// A signature that is elsewhere yet.
    fn signature_of(&self, build: &Build) -> Vec<u8> {
        let elsewhere = self.home().join("elsewhere.wasm");
        fs::write(&elsewhere, build.bytes()).unwrap();
        let file = elsewhere.display().to_string();
        said(self.home(), &["sign", &file, "--key", &self.trusted.file]);
        fs::read(self.home().join("elsewhere.wasm.minisig")).unwrap()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&said(self.home(), &["status", PATCHED, "--json"])).unwrap()
    }

    /// Waits until the status is so.
    fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let status = self.status();
            if holds(&status) {
                return status;
            }
            assert!(
                begun.elapsed() < LONG,
                "not within {LONG:?}: {what}: {status:#}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until that version runs and this key vouches for it.
    fn runs(&self, version: &str, key: &Key) -> Value {
        self.until(&format!("{version} runs, signed by {}", key.id), |now| {
            now["state"] == "loaded"
                && now["version"] == version
                && now["signature"]["key"] == *key.id
        })
    }

    /// Waits until a file is refused for that reason beside what runs, or where nothing does.
    fn refused(&self, wanted: &str) -> Value {
        let says = |reason: &Value| reason.as_str().is_some_and(|reason| reason.contains(wanted));
        self.until(&format!("refused: {wanted}"), |now| {
            says(&now["refused"]["reason"]) || (now["state"] == "refused" && says(&now["reason"]))
        })
    }
}

fn key(home: &Path, name: &str) -> Key {
    let file = home.join(format!("keys/{name}.key")).display().to_string();
    let made = said(home, &["keys", "new", "--no-password", "--file", &file, "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let of = |key: &str| made[key].as_str().unwrap().to_owned();
    Key { file, public: of("public"), id: of("key") }
}

fn said(home: &Path, arguments: &[&str]) -> String {
    let output = Program::command(home, arguments);
    assert!(output.status.success(), "chore {}: {}", arguments.join(" "), text(&output.stderr));
    text(&output.stdout)
}

fn with_input(home: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(chore_program());
    command.arg("--home").arg(home).args(arguments).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may not read it.
    let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    drop(stdin);
    child.wait_with_output().unwrap()
}

const REQUIRED: &str = "require-signed = true\ntrusted-keys = [\"TRUSTED\"]";

#[test]
fn only_what_a_trusted_key_signed_runs() {
    let mut bench = Bench::start(REQUIRED);
    bench.put(&version(1));
    bench.run();
    let now = bench.refused("it is not signed, and chore.toml has require-signed = true");
    assert_eq!((&now["state"], &now["signature"]), (&"refused".into(), &Value::Null));
    let file = bench.component().display().to_string();
    let checked = Program::command(bench.home(), &["check", &file]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stdout).contains("it is not signed"), "{}", text(&checked.stdout));

    bench.sign(&bench.trusted, &[]);
    let now = bench.runs("1.7.100", &bench.trusted);
    let comment = now["signature"]["comment"].as_str().unwrap();
    assert!(comment.ends_with(&format!("\tfile:{PATCHED}.wasm\thashed")), "{comment}");
    let shown = said(bench.home(), &["status", PATCHED]);
    let line = format!("signature  by key {}: timestamp:", bench.trusted.id);
    assert!(shown.contains(&line), "{shown}");
    assert!(said(bench.home(), &["check", &file]).contains("it would be loaded as it is"));
    assert!(said(bench.home(), &["check", &file]).contains(&line));

    // Changed after it was signed, also when asked to look again; then signed by a stranger.
    bench.put(&version(2));
    let goes_on = |now: &Value| {
        assert_eq!((&now["version"], &now["state"]), (&"1.7.100".into(), &"loaded".into()));
        assert_eq!(now["signature"]["key"], *bench.trusted.id, "of what runs");
    };
    goes_on(&bench.refused("its signature does not fit"));
    let reload = Program::command(bench.home(), &["reload", PATCHED]);
    assert_eq!(reload.status.code(), Some(1), "{}", text(&reload.stdout));
    assert!(
        text(&reload.stdout).contains("its signature does not fit"),
        "{}",
        text(&reload.stdout)
    );
    goes_on(&bench.status());
    bench.sign(&bench.other, &[]);
    let stranger =
        format!("it is signed by key {}, which chore.toml does not trust", bench.other.id);
    goes_on(&bench.refused(&stranger));
    fs::write(bench.signature(), "untrusted comment: x\n".repeat(400)).unwrap();
    goes_on(&bench.refused("its signature is not one of minisign, it has not four lines"));
    fs::write(bench.signature(), "x".repeat(20_000)).unwrap();
    goes_on(&bench.refused("has 20kB, at most 10KiB are read"));
    assert!(!bench.log().contains("1.7.101"), "it never ran: {}", bench.log());

    // Another signature alone is a reason to try again.
    bench.sign(&bench.trusted, &["--comment", "release 7"]);
    let now = bench.runs("1.7.101", &bench.trusted);
    assert_eq!(
        (&now["signature"]["comment"], &now["refused"]),
        (&"release 7".into(), &Value::Null)
    );
    let generation = now["generation"].clone();
    bench.sign(&bench.trusted, &["--comment", "release 7, again"]);
    let now = bench
        .until("the new comment is shown", |now| now["signature"]["comment"] == "release 7, again");
    assert_eq!(now["generation"], generation, "nothing was replaced");
    bench.stop();
}

/// Copies of earlier versions keep their signatures, and are verified again by the keys of now.
#[test]
fn copies_are_verified_too() {
    let mut bench = Bench::start(REQUIRED);
    bench.put(&version(1));
    bench.sign(&bench.trusted, &[]);
    bench.run();
    bench.runs("1.7.100", &bench.trusted);
    let signature = bench.signature_of(&version(2));
    bench.put(&version(2));
    drop_into(&bench.chores(), &format!("{PATCHED}.wasm.minisig"), &signature);
    bench.runs("1.7.101", &bench.trusted);
    said(bench.home(), &["go-back", PATCHED]);
    bench.runs("1.7.100", &bench.trusted);

    // What is in the directory is in quarantine; whoever signs it again changes nothing in that.
    bench.sign(&bench.trusted, &["--comment", "try it again"]);
    let reload = Program::command(bench.home(), &["reload", PATCHED]);
    assert!(text(&reload.stdout).contains("not tried again"), "{}", text(&reload.stdout));
    bench.stop();
    bench.run();
    bench.runs("1.7.100", &bench.trusted);

    // The key is trusted no longer: nothing that it signed runs, copies neither.
    bench.stop();
    bench.configure(&format!("require-signed = true\ntrusted-keys = [\"{}\"]", bench.other.public));
    bench.run();
    let now = bench.status();
    assert_eq!(now["state"], "refused", "{now:#}");
    let log = bench.log();
    let why = format!("signed by key {}, which chore.toml does not trust", bench.trusted.id);
    assert!(log.contains("nor is its copy loaded") && log.contains(&why), "{log}");
    bench.put(&version(3));
    bench.sign(&bench.other, &[]);
    bench.runs("1.7.102", &bench.other);
    let back = Program::command(bench.home(), &["go-back", PATCHED]);
    assert_eq!(back.status.code(), Some(1), "{back:?}");
    assert!(text(&back.stdout).contains(&why), "{}", text(&back.stdout));
    bench.runs("1.7.102", &bench.other);
    bench.stop();
}

#[test]
fn component_and_signature_may_come_one_after_the_other() {
    let mut bench = Bench::start(REQUIRED);
    bench.put(&version(1));
    bench.sign(&bench.trusted, &[]);
    bench.run();
    bench.runs("1.7.100", &bench.trusted);
    let name = |ending: &str| format!("{PATCHED}.{ending}");
    for (number, first) in [(2, "wasm"), (3, "wasm.minisig")] {
        let build = version(number);
        let signature = bench.signature_of(&build);
        let mut files = [("wasm", build.bytes()), ("wasm.minisig", &signature)];
        files.sort_by_key(|(ending, _)| *ending != first);
        let waits =
            |bench: &Bench| bench.log().matches("a signature that fits is waited for").count();
        let before = waits(&bench);
        drop_into(&bench.chores(), &name(files[0].0), files[0].1);
        let begun = Instant::now();
        while waits(&bench) == before {
            assert!(begun.elapsed() < LONG, "{first} is not noticed: {}", bench.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        drop_into(&bench.chores(), &name(files[1].0), files[1].1);
        let in_time = begun.elapsed() < SIGNATURE_WAIT / 2;
        bench.runs(&format!("1.7.{}", 99 + number), &bench.trusted);
        // On a machine that is busy it may be refused meanwhile.
        let refused = bench.log().contains("not replaced");
        assert!(!(in_time && refused), "{first} first: {}", bench.log());
        if refused {
            return;
        }
    }
    bench.stop();
}

#[test]
fn where_none_is_required_one_that_is_there_must_be_good() {
    let mut bench = Bench::start("trusted-keys = [\"TRUSTED\"]");
    bench.put(&version(1));
    bench.run();
    let now = bench.until("it runs", |now| now["state"] == "loaded");
    let unsigned = serde_json::json!({ "signed": false, "key": "", "comment": "" });
    assert_eq!(now["signature"], unsigned);
    assert!(said(bench.home(), &["status", PATCHED]).contains("\n  signature  none\n"));
    bench.sign(&bench.other, &[]);
    bench.refused("does not trust");
    bench.sign(&bench.trusted, &[]);
    bench.runs("1.7.100", &bench.trusted);
    let doctor = Program::command(bench.home(), &["doctor"]);
    let says = "1 key is trusted, and a chore need not be signed";
    assert!(text(&doctor.stdout).contains(says), "{}", text(&doctor.stdout));
    bench.stop();

    // With no key there is nothing to look at.
    bench.configure("");
    fs::write(bench.signature(), "garbage").unwrap();
    bench.run();
    let now = bench.until("it runs", |now| now["state"] == "loaded");
    assert_eq!((&now["signature"], &now["refused"]), (&Value::Null, &Value::Null));
    bench.stop();
}

#[test]
fn keys_are_minisigns_and_secret() {
    let dir = tempfile::Builder::new().prefix("sg").tempdir().unwrap();
    let home = dir.path();
    let path = |name: &str| home.join(name).display().to_string();
    let (secret, public) = (path("deep/er/a.key"), path("deep/er/a.pub"));
    let new = ["keys", "new", "--file", &secret];
    let nothing = with_input(home, &new, "\n");
    assert!(text(&nothing.stderr).contains("no password was given"), "{nothing:?}");
    let made = with_input(home, &new, "open sesame\n");
    assert!(made.status.success(), "{made:?}");
    let mode = |path: &str| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&secret), mode(&path("deep/er"))), (0o600, 0o700));
    assert!(!fs::read_to_string(&secret).unwrap().contains("sesame"));
    let again = with_input(home, &new, "open sesame\n");
    assert!(text(&again.stderr).contains("exists, and nothing is overwritten"), "{again:?}");
    let shown = said(home, &["keys", "show", "--file", &secret]);
    let line = fs::read_to_string(&public).unwrap().lines().nth(1).unwrap().to_owned();
    assert!(shown.contains(&format!("trusted-keys = [\"{line}\"]")), "{shown}");

    let file = path("a.wasm");
    fs::write(&file, "anything").unwrap();
    let sign = ["sign", &file, "--key", &secret];
    let wrong = with_input(home, &sign, "open barley\n");
    assert!(text(&wrong.stderr).contains("wrong password"), "{wrong:?}");
    assert!(!Path::new(&path("a.wasm.minisig")).exists());
    let signed = with_input(home, &sign, "open sesame\n");
    assert!(signed.status.success(), "{signed:?}");

    // A key of the reference tool, and one of which a bit was turned.
    let (theirs, damaged) = (path("theirs.key"), path("damaged.key"));
    fs::write(&theirs, MINISIGN_KEY).unwrap();
    fs::write(&damaged, MINISIGN_KEY.replacen("dJcGoF1Nmul6", "dJcGoF1Nmul7", 1)).unwrap();
    let signed = said(home, &["sign", &file, "--key", &theirs, "--json"]);
    assert!(signed.contains(MINISIGN_ID), "{signed}");
    for (arguments, expected) in [
        (vec!["sign", &file, "--key", &damaged], "is damaged"),
        (vec!["sign", &file, "--key", &public], "no secret key of minisign"),
        (vec!["sign", &file, "--key", "nowhere.key"], "there is no key nowhere.key"),
        (vec!["sign", &theirs, "--key", &theirs], "signatures of NAME.wasm only"),
        (vec!["sign", "nowhere.wasm", "--key", &theirs], "read nowhere.wasm"),
        (vec!["sign", &file, "--key", &theirs, "--comment", "a\nb"], "a line end"),
        (vec!["keys", "show", "--file", &theirs], "there is no key"),
        (vec!["keys", "new", "--file", &public], "would be the public key"),
    ] {
        let output = Program::command(home, &arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(text(&output.stderr).contains(expected), "{arguments:?}: {}", text(&output.stderr));
    }
}
