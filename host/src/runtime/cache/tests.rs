//! Code comes back as it was stored, and whatever else is in its place is removed and never code.

#![allow(clippy::unwrap_used)]

use std::os::unix::fs::{chown, symlink};
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;

/// Longest that a look at one file may take; it is there to end a test that hangs.
const LONG: Duration = Duration::from_secs(60);

const CODE: &[u8] = b"code of a component, which is longer than a MAC and a digest are together: \
                      0123456789012345678901234567890123456789";

/// A home with a place for the cache.
struct Home(TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    fn place(&self) -> Place {
        Place { directory: self.0.path().join("compiled"), secret: self.0.path().join("secret") }
    }

    fn open(&self) -> Cache {
        Cache::open(&self.place(), engine("one")).unwrap()
    }

    /// Names of the files in the cache.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.place().directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn engine(name: &str) -> Fingerprint {
    Fingerprint::of(&name)
}

fn digest(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

fn loaded(cache: &Cache, name: &str) -> Option<Vec<u8>> {
    cache.load(&digest(name)).map(|verified| verified.code().to_vec())
}

#[test]
fn code_comes_back_in_this_and_in_later_processes() {
    let home = Home::new();
    let cache = home.open();
    assert_eq!(loaded(&cache, "a"), None);
    for code in [CODE, b"", &[7; 100_000]] {
        cache.store(&digest("a"), code);
        assert_eq!(loaded(&cache, "a").as_deref(), Some(code));
        assert_eq!(loaded(&home.open(), "a").as_deref(), Some(code));
    }
    assert_eq!(loaded(&cache, "b"), None);
    let other = Cache::open(&home.place(), engine("two")).unwrap();
    assert_eq!(loaded(&other, "a"), None, "code for another engine");
    other.store(&digest("a"), b"other code");
    assert_eq!(loaded(&cache, "a").unwrap(), [7; 100_000]);
    let hex = digest("a").hex();
    let names = home.names();
    assert_eq!(names.len(), 2, "{names:?}");
    for name in &names {
        assert!(name.starts_with(&hex) && name.len() == 64 + 1 + 16 + ".code".len(), "{name}");
        assert_eq!(mode(&home.place().directory.join(name)), 0o600);
    }
}

#[test]
fn what_is_not_this_entry_is_removed_and_made_again() {
    let others = Home::new();
    let stranger = others.open();
    stranger.store(&digest("a"), CODE);
    let foreign = fs::read(stranger.path(&digest("a"))).unwrap();

    let home = Home::new();
    let cache = home.open();
    cache.store(&digest("a"), CODE);
    cache.store(&digest("b"), b"code of another component");
    let second = Cache::open(&home.place(), engine("two")).unwrap();
    second.store(&digest("a"), b"code for another engine");
    let good = fs::read(cache.path(&digest("a"))).unwrap();
    let elsewhere = home.0.path().join("elsewhere");
    fs::write(&elsewhere, &good).unwrap();

    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let cut = |left: usize| good[..left].to_vec();
    let write = |bytes: Vec<u8>| move |path: &Path| fs::write(path, &bytes).unwrap();
    type Damage<'a> = (&'a str, Box<dyn Fn(&Path) + 'a>);
    let table: Vec<Damage> = vec![
        ("empty", Box::new(write(Vec::new()))),
        ("cut in the MAC", Box::new(write(cut(MAC_BYTES - 1)))),
        ("cut after the MAC", Box::new(write(cut(MAC_BYTES)))),
        ("cut in the head", Box::new(write(cut(MAC_BYTES + 1)))),
        ("cut after the head", Box::new(write(cut(MAC_BYTES + HEAD_BYTES)))),
        ("cut by one", Box::new(write(cut(good.len() - 1)))),
        ("longer by one", Box::new(write([good.as_slice(), b"x"].concat()))),
        ("a bit of the MAC", Box::new(write(flipped(0)))),
        ("a bit of the digest", Box::new(write(flipped(MAC_BYTES)))),
        ("a bit of the engine", Box::new(write(flipped(MAC_BYTES + SHA256_OUTPUT_LEN)))),
        ("the code's first bit", Box::new(write(flipped(MAC_BYTES + HEAD_BYTES)))),
        ("the code's last bit", Box::new(write(flipped(good.len() - 1)))),
        ("code without a MAC", Box::new(write(CODE.to_vec()))),
        ("raw wasm", Box::new(write(b"\0asm\x0d\0\x01\0".to_vec()))),
        ("of another home", Box::new(write(foreign))),
        ("of another component", Box::new(write(fs::read(cache.path(&digest("b"))).unwrap()))),
        ("of another engine", Box::new(write(fs::read(second.path(&digest("a"))).unwrap()))),
        (
            "too large",
            Box::new(|path| {
                fs::File::create(path).unwrap().set_len(COMPILED_ENTRY_BYTES_MAX + 1).unwrap();
            }),
        ),
        ("an empty directory", Box::new(|path| fs::create_dir(path).unwrap())),
        (
            "a directory",
            Box::new(|path| {
                fs::create_dir(path).unwrap();
                fs::write(path.join("file"), b"x").unwrap();
            }),
        ),
        (
            "a FIFO",
            Box::new(|path| {
                assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
            }),
        ),
        ("a link to nothing", Box::new(|path| symlink("nowhere", path).unwrap())),
        ("a link to a good entry", Box::new(|path| symlink(&elsewhere, path).unwrap())),
    ];
    let path = cache.path(&digest("a"));
    std::thread::scope(|threads| {
        let (ask, asked) = mpsc::channel::<()>();
        let (answer, answered) = mpsc::channel();
        let cache = &cache;
        // In a thread of its own, so that a look that hangs fails the test.
        threads.spawn(move || {
            while asked.recv().is_ok() {
                answer.send(loaded(cache, "a")).unwrap();
            }
        });
        for (what, damage) in table {
            remove(&path);
            damage(&path);
            ask.send(()).unwrap();
            let found = answered.recv_timeout(LONG).unwrap_or_else(|_| {
                // Not a panic, which would wait for the thread.
                eprintln!("{what}: no answer within {LONG:?}");
                std::process::abort();
            });
            assert_eq!(found, None, "{what}");
            assert!(path.symlink_metadata().is_err(), "{what} is still there");
            cache.store(&digest("a"), CODE);
            assert_eq!(loaded(cache, "a").as_deref(), Some(CODE), "{what}");
        }
        drop(ask);
    });
    assert_eq!(fs::read(&elsewhere).unwrap(), good, "a link is removed, not what it names");
    assert_eq!(loaded(&cache, "b").as_deref(), Some(&b"code of another component"[..]));
}

#[test]
fn the_secret_is_private_and_stays() {
    let home = Home::new();
    let cache = home.open();
    let path = home.place().secret;
    let secret = fs::read(&path).unwrap();
    assert_eq!((secret.len(), mode(&path)), (CACHE_SECRET_BYTES, 0o600));
    cache.store(&digest("a"), CODE);
    assert_eq!(loaded(&home.open(), "a").as_deref(), Some(CODE));
    assert_eq!(fs::read(&path).unwrap(), secret);
    assert_ne!(fs::read(&path).unwrap(), [0; CACHE_SECRET_BYTES]);
}

#[test]
fn a_secret_that_others_may_know_is_replaced() {
    let write = |path: &Path, bytes: &[u8], mode: u32| {
        fs::write(path, bytes).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    };
    type Change<'a> = (&'a str, Box<dyn Fn(&Path) + 'a>);
    let table: [Change; 9] = [
        ("missing", Box::new(|_| {})),
        ("empty", Box::new(|path| write(path, b"", 0o600))),
        ("short", Box::new(|path| write(path, &[1; 31], 0o600))),
        ("long", Box::new(|path| write(path, &[1; 33], 0o600))),
        ("read by others", Box::new(|path| write(path, &[1; 32], 0o604))),
        ("read by the group", Box::new(|path| write(path, &[1; 32], 0o640))),
        ("written by others", Box::new(|path| write(path, &[1; 32], 0o602))),
        (
            "a link",
            Box::new(|path| {
                write(&path.with_extension("real"), &[1; 32], 0o600);
                symlink(path.with_extension("real"), path).unwrap();
            }),
        ),
        (
            "a FIFO",
            Box::new(|path| {
                assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
            }),
        ),
    ];
    for (what, change) in table {
        let home = Home::new();
        home.open().store(&digest("a"), CODE);
        let path = home.place().secret;
        fs::remove_file(&path).unwrap();
        change(&path);
        let cache = home.open();
        assert_eq!((mode(&path), path.symlink_metadata().unwrap().is_file()), (0o600, true));
        assert_ne!(fs::read(&path).unwrap(), [1; CACHE_SECRET_BYTES], "{what}");
        assert_eq!(loaded(&cache, "a"), None, "{what}");
        cache.store(&digest("a"), CODE);
        assert_eq!(loaded(&home.open(), "a").as_deref(), Some(CODE), "{what}");
    }
}

#[test]
fn a_directory_that_is_not_ours_is_not_used() {
    let not_a_directory: fn(&Error) -> bool = |err| matches!(err, Error::NotADirectory(_));
    type Change<'a> = (&'a str, Box<dyn Fn(&Place)>, fn(&Error) -> bool);
    let table: [Change; 5] = [
        ("a file", Box::new(|place| fs::write(&place.directory, b"x").unwrap()), not_a_directory),
        (
            "a link",
            Box::new(|place| {
                fs::create_dir(place.directory.with_extension("real")).unwrap();
                symlink(place.directory.with_extension("real"), &place.directory).unwrap();
            }),
            not_a_directory,
        ),
        (
            "a link to nothing",
            Box::new(|place| symlink("nowhere", &place.directory).unwrap()),
            not_a_directory,
        ),
        (
            "below a file",
            Box::new(|place| {
                let home = place.directory.parent().unwrap();
                fs::remove_dir(home).unwrap();
                fs::write(home, b"x").unwrap();
            }),
            |err| matches!(err, Error::Directory(..)),
        ),
        (
            "a directory as the secret",
            Box::new(|place| fs::create_dir(&place.secret).unwrap()),
            |err| matches!(err, Error::Secret(..)),
        ),
    ];
    for (what, change, expected) in table {
        let root = tempfile::tempdir().unwrap();
        let home = root.path().join("home");
        fs::create_dir(&home).unwrap();
        let place = Place { directory: home.join("compiled"), secret: home.join("secret") };
        change(&place);
        let err = Cache::open(&place, engine("one")).err();
        let err = err.unwrap_or_else(|| panic!("{what}: is used"));
        assert!(expected(&err), "{what}: {err:?}");
    }
}

#[test]
fn a_directory_of_another_user_is_not_used() {
    let home = Home::new();
    let directory = home.place().directory;
    fs::create_dir(&directory).unwrap();
    // Only root can give a directory away; others cannot even write to one of another user.
    if chown(&directory, Some(12_345), None).is_ok() {
        let err = Cache::open(&home.place(), engine("one")).err();
        assert!(matches!(err, Some(Error::Owner(_))), "{err:?}");
        assert_eq!(home.names(), [""; 0]);
    }
}

#[test]
fn an_open_directory_is_made_private_and_old_temporary_files_go() {
    let home = Home::new();
    home.open().store(&digest("a"), CODE);
    let directory = home.place().directory;
    fs::set_permissions(&directory, Permissions::from_mode(0o777)).unwrap();
    fs::write(directory.join(".half.tmp"), b"half").unwrap();
    fs::write(directory.join("notes.txt"), b"an operator's").unwrap();
    let cache = home.open();
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(loaded(&cache, "a").as_deref(), Some(CODE));
    let names = home.names();
    assert_eq!((names.len(), names[1].as_str()), (2, "notes.txt"), "{names:?}");
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let home = Home::new();
    let cache = home.open();
    // No file can take the name of a directory.
    let path = cache.path(&digest("a"));
    fs::create_dir_all(path.join("inside")).unwrap();
    cache.store(&digest("a"), CODE);
    assert_eq!(home.names(), [path.file_name().unwrap().to_str().unwrap()]);
    fs::remove_dir_all(home.place().directory).unwrap();
    cache.store(&digest("a"), CODE);
    assert_eq!(loaded(&cache, "a"), None);
    assert_eq!(loaded(&home.open(), "a"), None);
}

#[test]
fn who_was_not_used_for_longest_goes_first() {
    let home = Home::new();
    let mut cache = home.open();
    let overhead = MAC_BYTES + HEAD_BYTES;
    let code = [7; 1_000];
    cache.bytes_max = 3 * (code.len() + overhead) as u64;
    let at = |hours: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(3600 * hours);
    for (hours, name) in ["a", "b", "c"].iter().enumerate() {
        cache.store(&digest(name), &code);
        let file = File::open(cache.path(&digest(name))).unwrap();
        file.set_modified(at(hours as u64)).unwrap();
    }
    let left = |cache: &Cache| -> String {
        let names = ["a", "b", "c", "d", "e"].into_iter();
        names.filter(|name| cache.path(&digest(name)).exists()).collect()
    };
    assert_eq!(left(&cache), "abc", "they fit");
    assert!(cache.load(&digest("a")).is_some());
    cache.store(&digest("d"), &code);
    assert_eq!(left(&cache), "acd", "b was not used since it was written");
    cache.store(&digest("e"), &[7; 1_500]);
    assert_eq!(left(&cache).len(), 2, "what is larger takes the place of two");
    assert!(left(&cache).ends_with('e') && !left(&cache).contains('c'), "{}", left(&cache));
    let before = left(&cache);
    cache.store(&digest("b"), &vec![7; cache.bytes_max as usize]);
    assert_eq!(left(&cache), before, "what fits nowhere replaces nothing");
}

#[test]
fn fingerprints_are_stable_and_tell_apart() {
    assert_eq!(engine("one"), engine("one"));
    assert_ne!(engine("one"), engine("two"));
    assert_ne!(Fingerprint::of(&("a", "bc")), Fingerprint::of(&("ab", "c")));
    // The bytes of the text and the 0xff that ends it.
    let expected = Digest::of(b"one\xff");
    assert_eq!(engine("one").0, *expected.as_bytes());
}
