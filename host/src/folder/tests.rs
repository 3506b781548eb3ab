//! Real files and real events: what is listed after what was done to them.

#![allow(clippy::unwrap_used)]

mod directory;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::limits::{COMPONENT_BYTES_MAX, CONFIG_BYTES_MAX, FOLDER_SETTLE, MIB};
use crate::package::Digest;
use crate::plan::Kind;

/// So long that no scan comes: what wakes is an event, or a file that has settled.
const NEVER: Duration = Duration::from_secs(3600);

/// Longest that a test waits for anything.
const WAIT: Duration = Duration::from_secs(20);

/// How long nothing happens, where that is what is tested.
const QUIET: Duration = Duration::from_millis(300);

struct Bench {
    home: TempDir,
    folder: Folder,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(|directory| Folder::open(directory, NEVER))
    }

    fn with(open: impl Fn(PathBuf) -> Folder) -> Bench {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("chores");
        fs::create_dir(&directory).unwrap();
        let folder = open(directory);
        Bench { home, folder }
    }

    fn directory(&self) -> PathBuf {
        self.home.path().join("chores")
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory().join(file)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).unwrap();
    }

    /// Renames a file into place that was written a while ago.
    fn put(&self, file: &str, text: &str) {
        let written = self.home.path().join("written");
        rename_written(&written, &self.path(file), text.as_bytes());
    }

    async fn look(&mut self) -> Listing {
        timeout(WAIT, self.folder.look()).await.expect("a look ends").unwrap()
    }

    /// Looks whenever there is a reason to, until a listing is as wanted.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Listing) -> bool) -> Listing {
        loop {
            let looked = timeout(WAIT, self.folder.look()).await.expect("a look ends");
            if let Ok(listing) = looked
                && wanted(&listing)
            {
                return listing;
            }
            self.woken(what).await;
        }
    }

    async fn until_file(&mut self, file: &str, text: &str) -> Listing {
        let what = format!("{file} with {text:?}");
        self.until(&what, |listing| kind(listing, file) == is(text)).await
    }

    async fn until_missing(&mut self) {
        loop {
            match timeout(WAIT, self.folder.look()).await.expect("a look ends") {
                Err(Error::Missing(_)) => return,
                Err(err) => panic!("{err}"),
                Ok(_) => self.woken("the directory is gone").await,
            }
        }
    }

    async fn woken(&mut self, what: &str) {
        let woken = timeout(WAIT, self.folder.changed()).await;
        woken.unwrap_or_else(|_| panic!("nothing woke the folder: {what}"));
    }

    /// Looks until nothing is left to say.
    async fn quiet(&mut self) -> Listing {
        for _ in 0..20 {
            let listing = self.look().await;
            if timeout(QUIET, self.folder.changed()).await.is_err() {
                return listing;
            }
        }
        panic!("the folder wakes without end");
    }
}

fn rename_written(from: &Path, to: &Path, bytes: &[u8]) {
    let mut file = File::create(from).unwrap();
    file.write_all(bytes).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    fs::rename(from, to).unwrap();
}

fn kind(listing: &Listing, file: &str) -> Option<Kind> {
    let mut found = listing.found.iter().filter(|found| found.file_name == *file);
    let kind = found.next().map(|found| found.kind);
    assert!(found.next().is_none(), "{file} is listed twice");
    kind
}

/// A file with this text.
fn is(text: &str) -> Option<Kind> {
    Some(Kind::File(Digest::of(text.as_bytes())))
}

#[tokio::test]
async fn what_was_renamed_into_place_counts_at_once() {
    let mut bench = Bench::new();
    bench.put("b.wasm", "component");
    bench.put("b.toml", "config");
    bench.put("a.WASM", "");
    for other in ["readme.md", ".c.wasm", "d"] {
        bench.put(other, "of somebody else");
    }
    let mut listing = bench.look().await;
    let names: Vec<_> = listing.found.iter().map(|found| found.file_name.to_str()).collect();
    assert_eq!(names, [Some("a.WASM"), Some("b.toml"), Some("b.wasm")]);
    assert_eq!(kind(&listing, "b.wasm"), is("component"));
    assert_eq!(listing.found[2].size, 9);
    assert!(!listing.settling);
    let file = OsStr::new("b.wasm");
    assert_eq!(listing.take(file).as_deref(), Some(&b"component"[..]), "it was read once");
    assert!(listing.take(file).is_none());

    bench.put("b.wasm", "successor");
    assert_eq!(kind(&bench.look().await, "b.wasm"), is("successor"));
}

#[tokio::test]
async fn a_file_that_is_written_slowly_counts_when_it_rests() {
    let mut bench = Bench::new();
    bench.look().await;
    let mut file = File::create(bench.path("a.wasm")).unwrap();
    let mut begun = Instant::now();
    for part in ["one ", "two ", "three ", "four"] {
        begun = Instant::now();
        file.write_all(part.as_bytes()).unwrap();
        bench.woken("a write").await;
        let listing = bench.look().await;
        // Else the machine paused, and the file did rest. Its times are some milliseconds coarse.
        if begun.elapsed() < FOLDER_SETTLE - Duration::from_millis(50) {
            assert_eq!(kind(&listing, "a.wasm"), Some(Kind::Changing), "after {part:?}");
            assert!(listing.settling);
        }
    }
    let listing = bench.until_file("a.wasm", "one two three four").await;
    assert!(!listing.settling);
    assert!(begun.elapsed() >= FOLDER_SETTLE - Duration::from_millis(50), "it did not rest");
}

#[tokio::test]
async fn bytes_decide_and_not_times() {
    let mut bench = Bench::new();
    bench.write("a.wasm", "aaaa");
    bench.until_file("a.wasm", "aaaa").await;

    // In place, with the same size.
    let mut file = OpenOptions::new().write(true).open(bench.path("a.wasm")).unwrap();
    file.write_all(b"bbbb").unwrap();
    bench.until_file("a.wasm", "bbbb").await;

    // The same bytes again.
    bench.write("a.wasm", "bbbb");
    let settled = |listing: &Listing| !listing.settling;
    let listing = bench.until("it rests", settled).await;
    assert_eq!(kind(&listing, "a.wasm"), is("bbbb"));

    // Touched, and with other permissions.
    file.set_modified(SystemTime::now()).unwrap();
    let listing = bench.until("it rests", settled).await;
    assert_eq!(kind(&listing, "a.wasm"), is("bbbb"));
    fs::set_permissions(bench.path("a.wasm"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(kind(&bench.look().await, "a.wasm"), is("bbbb"));
}

#[tokio::test]
async fn a_file_is_read_again_until_its_times_tell() {
    let mut bench = Bench::with(|directory| Folder::open(directory, Duration::from_millis(100)));
    bench.put("a.wasm", "a");
    let read = |mut listing: Listing| listing.take(OsStr::new("a.wasm")).is_some();
    assert!(read(bench.look().await));
    assert!(read(bench.look().await), "another change may have had the same time");
    let begun = Instant::now();
    while read(bench.look().await) {
        assert!(begun.elapsed() < WAIT, "it is read at each look, for ever");
        bench.woken("a scan").await;
    }
    assert_eq!(kind(&bench.look().await, "a.wasm"), is("a"));
}

#[tokio::test]
async fn a_file_that_is_deleted_and_created_is_never_absent() {
    let mut bench = Bench::new();
    bench.put("a.wasm", "1");
    bench.look().await;

    fs::remove_file(bench.path("a.wasm")).unwrap();
    let listing = bench.look().await;
    assert_eq!(kind(&listing, "a.wasm"), Some(Kind::Gone));
    assert!(listing.settling);
    bench.write("a.wasm", "2");
    let listing =
        bench.until("it is written", |listing| kind(listing, "a.wasm") != Some(Kind::Changing));
    assert_eq!(kind(&listing.await, "a.wasm"), is("2"));

    fs::remove_file(bench.path("a.wasm")).unwrap();
    let begun = Instant::now();
    let gone = |listing: &Listing| match kind(listing, "a.wasm") {
        Some(kind) => {
            assert_eq!(kind, Kind::Gone);
            false
        }
        None => true,
    };
    let listing = bench.until("it is gone", gone).await;
    assert!(begun.elapsed() >= FOLDER_SETTLE);
    assert!(!listing.settling && listing.found.is_empty());
}

#[tokio::test]
async fn an_event_wakes_and_a_look_does_not() {
    let mut bench = Bench::new();
    timeout(WAIT, bench.folder.changed()).await.expect("nobody has looked yet");
    bench.write("a.wasm", "1");
    bench.until_file("a.wasm", "1").await;
    bench.quiet().await;

    let begun = Instant::now();
    bench.put("a.wasm", "2");
    bench.woken("a rename").await;
    assert!(begun.elapsed() >= FOLDER_DEBOUNCE);
    bench.woken("nobody has looked since").await;
    assert_eq!(kind(&bench.look().await, "a.wasm"), is("2"));
    bench.quiet().await;

    // Dropped again and again, it still ends.
    bench.put("a.wasm", "3");
    let begun = Instant::now();
    while timeout(Duration::from_millis(1), bench.folder.changed()).await.is_err() {
        assert!(begun.elapsed() < WAIT, "an event was lost");
    }
    assert_eq!(kind(&bench.look().await, "a.wasm"), is("3"));
    bench.quiet().await;

    fs::remove_file(bench.path("a.wasm")).unwrap();
    bench.woken("a removal").await;
}

#[tokio::test]
async fn without_events_a_scan_finds_it() {
    let scan_every = Duration::from_millis(50);
    let mut bench =
        Bench::with(|directory| Folder::build(directory, scan_every, false, FOLDER_BYTES_KEPT_MAX));
    assert!(bench.look().await.found.is_empty());
    bench.write("a.wasm", "1");
    bench.until_file("a.wasm", "1").await;
    bench.put("a.wasm", "2");
    bench.until_file("a.wasm", "2").await;

    let mut bench =
        Bench::with(|directory| Folder::build(directory, NEVER, false, FOLDER_BYTES_KEPT_MAX));
    bench.look().await;
    bench.put("a.wasm", "1");
    assert!(timeout(QUIET, bench.folder.changed()).await.is_err(), "nothing could wake it");
}

#[tokio::test]
async fn links_are_followed_inside_and_odd_entries_are_not_opened() {
    let mut bench = Bench::new();
    let outside = bench.home.path().join("outside.wasm");
    fs::write(&outside, "outside").unwrap();
    bench.put("real", "inside");
    symlink("real", bench.path("link.wasm")).unwrap();
    symlink(&outside, bench.path("outside.wasm")).unwrap();
    symlink("../outside.wasm", bench.path("upwards.wasm")).unwrap();
    symlink("nowhere", bench.path("dangling.wasm")).unwrap();
    symlink("loop.wasm", bench.path("loop.wasm")).unwrap();
    symlink(".", bench.path("itself.toml")).unwrap();
    fs::create_dir(bench.path("directory.wasm")).unwrap();
    let fifo = Command::new("mkfifo").arg(bench.path("fifo.wasm")).status().unwrap();
    assert!(fifo.success());
    let _socket = UnixListener::bind(bench.path("socket.wasm")).unwrap();
    bench.put("secret.wasm", "secret");
    fs::set_permissions(bench.path("secret.wasm"), fs::Permissions::from_mode(0o000)).unwrap();
    // Sparse: they cost nothing unless they are read.
    let huge = |file: &str, bytes: u64| File::create(bench.path(file)).unwrap().set_len(bytes);
    huge("huge.wasm", 1 << 30).unwrap();
    huge("large.wasm", COMPONENT_BYTES_MAX + 1).unwrap();
    huge("large.toml", CONFIG_BYTES_MAX + 1).unwrap();

    let mut listing = bench.look().await;
    for (file, expected) in [
        ("link.wasm", is("inside")),
        ("outside.wasm", Some(Kind::Other)),
        ("upwards.wasm", Some(Kind::Other)),
        ("dangling.wasm", Some(Kind::Other)),
        ("loop.wasm", Some(Kind::Other)),
        ("itself.toml", Some(Kind::Directory)),
        ("directory.wasm", Some(Kind::Directory)),
        ("fifo.wasm", Some(Kind::Other)),
        ("socket.wasm", Some(Kind::Other)),
        ("huge.wasm", Some(Kind::TooLarge)),
        ("large.wasm", Some(Kind::TooLarge)),
        ("large.toml", Some(Kind::TooLarge)),
    ] {
        assert_eq!(kind(&listing, file), expected, "{file}");
        assert_eq!(listing.take(OsStr::new(file)).is_some(), file == "link.wasm", "{file}");
    }
    // Whoever may read everything can read this too.
    let unreadable = match File::open(bench.path("secret.wasm")) {
        Ok(_) => is("secret"),
        Err(_) => Some(Kind::Unreadable),
    };
    assert_eq!(kind(&listing, "secret.wasm"), unreadable);
    let huge = listing.found.iter().find(|found| found.file_name == *"huge.wasm").unwrap();
    assert_eq!(huge.size, 1 << 30);

    let reader = bench.folder.reader();
    for file in ["outside.wasm", "fifo.wasm", "directory.wasm", "huge.wasm"] {
        let read = reader.read(OsStr::new(file), Digest::of(b"outside"), COMPONENT_BYTES_MAX);
        let read = timeout(WAIT, read).await.expect("it is not opened");
        assert!(matches!(read, Err(ReadError::Changed(_))), "{file}");
    }
}

#[tokio::test]
async fn links_that_are_turned_over_are_followed() {
    let mut bench = Bench::new();
    // As mounted config maps do.
    for (version, text) in [("..1", "one"), ("..2", "two")] {
        fs::create_dir(bench.path(version)).unwrap();
        bench.put(&format!("{version}/a.wasm"), text);
    }
    symlink("..1", bench.path("..data")).unwrap();
    symlink("..data/a.wasm", bench.path("a.wasm")).unwrap();
    bench.until_file("a.wasm", "one").await;
    bench.quiet().await;
    symlink("..2", bench.path("..next")).unwrap();
    fs::rename(bench.path("..next"), bench.path("..data")).unwrap();
    bench.until_file("a.wasm", "two").await;
}

#[tokio::test]
async fn more_than_one_look_keeps_is_read_when_its_turn_comes() {
    let mut bench = Bench::with(|directory| Folder::build(directory, NEVER, true, 5));
    bench.put("a.wasm", "aaaa");
    bench.put("b.wasm", "bbbb");
    bench.put("c.toml", "c");
    let mut listing = bench.look().await;
    for (file, text, kept) in
        [("a.wasm", "aaaa", true), ("b.wasm", "bbbb", false), ("c.toml", "c", true)]
    {
        assert_eq!(kind(&listing, file), is(text), "{file}");
        assert_eq!(listing.take(OsStr::new(file)).is_some(), kept, "{file}");
    }
    let reader = bench.folder.reader();
    let file = OsStr::new("b.wasm");
    let wanted = Digest::of(b"bbbb");
    assert_eq!(&*reader.read(file, wanted, 4).await.unwrap(), b"bbbb");
    let changed = "b.wasm changed while it was read";
    for (wanted, max, expected) in [(Digest::of(b"aaaa"), 4, changed), (wanted, 3, changed)] {
        let err = reader.read(file, wanted, max).await.unwrap_err().to_string();
        assert!(err.ends_with(expected), "{err}");
    }
    fs::remove_file(bench.path("b.wasm")).unwrap();
    let err = reader.read(file, wanted, 4).await.unwrap_err();
    assert!(matches!(err, ReadError::Changed(_)), "{err}");
    fs::remove_dir_all(bench.directory()).unwrap();
    let err = reader.read(file, wanted, 4).await.unwrap_err();
    assert!(matches!(err, ReadError::Read { .. }), "{err}");
}

#[test]
fn bytes_of_another_state_of_the_file_are_not_taken() {
    let home = tempfile::tempdir().unwrap();
    let (path, next) = (home.path().join("a"), home.path().join("next"));
    rename_written(&next, &path, b"one");
    let stamp = stamp::Stamp::of(&fs::metadata(&path).unwrap());
    assert_eq!(read::bytes(&path, &stamp).unwrap().as_deref(), Some(&b"one"[..]));
    // With the same size.
    rename_written(&next, &path, b"two");
    assert!(read::bytes(&path, &stamp).unwrap().is_none());
    for size in [2, 4] {
        let stamp = stamp::Stamp { size, ..stamp::Stamp::of(&fs::metadata(&path).unwrap()) };
        assert!(read::bytes(&path, &stamp).unwrap().is_none(), "{size}");
    }
}

/// Written and renamed within one step of the file system's clock, so that its times do not tell.
#[tokio::test]
async fn what_was_written_and_renamed_at_once_counts_at_once() {
    let mut bench = Bench::new();
    bench.look().await;
    let begun = Instant::now();
    let mut rested = 0;
    for round in 0..20 {
        let text = format!("round {round}");
        let part = bench.path("x.wasm.part");
        fs::write(&part, &text).unwrap();
        fs::rename(&part, bench.path("x.wasm")).unwrap();
        let written = Instant::now();
        bench.until_file("x.wasm", &text).await;
        rested += u32::from(written.elapsed() >= FOLDER_SETTLE);
    }
    assert!(rested < 20, "each waited: {:?}", begun.elapsed());
    // And it goes on to count.
    let listing = bench.look().await;
    assert_eq!(kind(&listing, "x.wasm"), is("round 19"));
}

#[tokio::test]
async fn no_look_sees_half_of_a_file() {
    let mut bench = Bench::new();
    let contents = [vec![1; 2 * MIB], vec![2; 2 * MIB], vec![3; MIB]];
    let digests: Vec<Digest> = contents.iter().map(|bytes| Digest::of(bytes)).collect();
    let (written, path) = (bench.home.path().join("written"), bench.path("a.wasm"));
    rename_written(&written, &path, &contents[0]);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let writer = std::thread::spawn(move || {
        for bytes in contents.iter().cycle() {
            if stopped.load(Ordering::Relaxed) {
                return;
            }
            rename_written(&written, &path, bytes);
        }
    });
    let mut seen = 0;
    for _ in 0..50 {
        match kind(&bench.look().await, "a.wasm") {
            Some(Kind::File(digest)) => {
                assert!(digests.contains(&digest));
                seen += 1;
            }
            kind => assert_eq!(kind, Some(Kind::Changing)),
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    let listing = bench.until("it rests", |listing| !listing.settling).await;
    assert!(matches!(kind(&listing, "a.wasm"), Some(Kind::File(_))), "{seen} looks saw a file");
}
