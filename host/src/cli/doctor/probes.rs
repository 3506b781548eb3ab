//! What a doctor measures: files, the clock, ports, databases, programs. It judges nothing, and changes
//! nothing in a home.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::process::{Resource, getrlimit, getuid};

use super::verdicts::{Access, Cache, Clock, Database, Disk, Port, Tools};
use crate::clock::Timestamp;
use crate::database;
use crate::error::chain;
use crate::limits::{DOCTOR_CLOCK_WATCHED, DOCTOR_DATABASE_MAX};
use crate::peer::Home;
use crate::{ledger, memory, orders, settlement};

pub(super) fn is_root() -> bool {
    getuid().is_root()
}

/// What of a home must be there, and who may use it.
pub(super) fn access(home: &Home) -> Vec<Access> {
    let identity = home.identity();
    let keys = files(&identity).into_iter().filter(|path| has_extension(path, "key"));
    let secrets = [identity.clone(), home.data(), home.socket()].into_iter().chain(keys);
    let all = [(home.root().to_path_buf(), false), (home.config(), false), (home.chores(), false)];
    let all = all.into_iter().chain(secrets.map(|path| (path, true)));
    let of = |(path, is_secret): (PathBuf, bool)| {
        let found = fs::metadata(&path).ok()?;
        Some(Access {
            mode: found.permissions().mode() & 0o7777,
            is_ours: found.uid() == getuid().as_raw(),
            is_directory: found.is_dir(),
            is_secret,
            path,
        })
    };
    all.filter_map(of).collect()
}

/// The first of what a home must have that is not there.
pub(super) fn missing(home: &Home) -> Option<PathBuf> {
    let all = [home.root().to_path_buf(), home.config(), home.identity(), home.data()];
    all.into_iter().find(|path| !path.exists())
}

/// Takes a moment: the clock is watched.
pub(super) fn clock(home: &Home) -> Clock {
    let (wall, steady) = (Timestamp::now(), Instant::now());
    std::thread::sleep(DOCTOR_CLOCK_WATCHED);
    let (now, passed) = (Timestamp::now(), steady.elapsed());
    let (moved, back) = (now.since(wall), wall.since(now));
    let jump = moved.abs_diff(passed).max(back);
    let newest = newest_run(home).unwrap_or(now);
    Clock {
        now: now.as_nanos() / 1_000_000_000,
        jump,
        is_synchronised: is_synchronised(),
        ledger_ahead: newest.since(now),
    }
}

/// As systemd's own client says; other clients say it nowhere that is cheap to ask.
fn is_synchronised() -> Option<bool> {
    let place = Path::new("/run/systemd/timesync");
    place.is_dir().then(|| place.join("synchronized").exists())
}

fn newest_run(home: &Home) -> Option<Timestamp> {
    let connection = open(&home.ledger()).ok()?;
    // As every schema has it, also one that the peer has not brought up to date yet.
    let newest = "SELECT started FROM run ORDER BY started DESC LIMIT 1";
    let nanos = connection.query_row(newest, [], |row| row.get::<_, i64>(0)).ok()?;
    Some(Timestamp::from_nanos(nanos))
}

pub(super) fn disk(home: &Home) -> Option<Disk> {
    let found = statvfs(home.root()).ok()?;
    Some(Disk {
        bytes: found.f_blocks.saturating_mul(found.f_frsize),
        bytes_free: found.f_bavail.saturating_mul(found.f_frsize),
        inodes: found.f_files,
        inodes_free: found.f_favail,
        is_read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

pub(super) fn port(listen: SocketAddr) -> Port {
    match TcpListener::bind(listen).map_err(|err| err.kind()) {
        Ok(_) => Port::Free,
        Err(ErrorKind::AddrInUse) => Port::InUse,
        Err(ErrorKind::PermissionDenied) => Port::NotAllowed,
        Err(_) => Port::NotOurs,
    }
}

/// Every database of a home, with its path from there.
pub(super) fn databases(home: &Home) -> Vec<(String, Database)> {
    let own = [
        (home.data().join("peer.db"), memory::SCHEMA),
        (home.ledger(), ledger::SCHEMA),
        (home.orders(), orders::SCHEMA),
        (home.data().join("settlement.db"), settlement::SCHEMA),
    ];
    let own = own.into_iter().map(|(path, schema)| (path, Some(schema)));
    let of_chores = files(&home.databases()).into_iter().filter(|path| has_extension(path, "db"));
    let all = own.chain(of_chores.map(|path| (path, None))).filter(|(path, _)| path.exists());
    all.map(|(path, schema)| {
        let shown = path.strip_prefix(home.root()).unwrap_or(&path).display().to_string();
        (shown, look_at(&path, schema))
    })
    .collect()
}

fn open(path: &Path) -> Result<Connection, database::Error> {
    database::connect(path, database::Access::Read)
}

fn look_at(path: &Path, schema: Option<usize>) -> Database {
    let mut connection = match open(path) {
        Ok(connection) => connection,
        Err(err @ database::Error::Damaged { .. }) => return Database::Damaged(chain(&err)),
        Err(err) => return Database::Unreadable(chain(&err)),
    };
    let known = schema.and_then(|schema| i64::try_from(schema).ok());
    let found = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    match (found, known) {
        (Ok(found), Some(known)) if found > known => return Database::Newer(found, known),
        (Ok(_), _) => {}
        (Err(err), _) => return Database::Damaged(err.to_string()),
    }
    let begun = Instant::now();
    let late = move || begun.elapsed() > DOCTOR_DATABASE_MAX;
    if let Err(err) = connection.progress_handler(STEPS_PER_LOOK, Some(late)) {
        return Database::Unreadable(err.to_string());
    }
    let said = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match said {
        Ok(said) if said == "ok" => Database::Whole,
        Ok(said) => Database::Damaged(said.replace('\n', " ")),
        Err(err) => match err.sqlite_error_code() {
            Some(rusqlite::ErrorCode::OperationInterrupted) => Database::NotAllLookedAt,
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                Database::Damaged(err.to_string())
            }
            _ => Database::Unreadable(err.to_string()),
        },
    }
}

/// How often a check looks at the time, in instructions of SQLite's machine.
const STEPS_PER_LOOK: i32 = 10_000;

pub(super) fn cache(home: &Home) -> Cache {
    let key = fs::metadata(home.cache_secret()).ok();
    let sizes = files(&home.compiled()).into_iter().filter_map(|path| fs::metadata(path).ok());
    let sizes: Vec<u64> = sizes.map(|found| found.len()).collect();
    Cache {
        key: key.map(|found| (found.permissions().mode() & 0o7777, found.len())),
        bytes: sizes.iter().sum(),
        entries: sizes.len() as u64,
    }
}

pub(super) fn files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Of the machine, or what is left to this container.
pub(super) fn memory_available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let line = machine.as_deref().and_then(|text| {
        text.lines().find_map(|line| line.strip_prefix("MemAvailable:").map(str::trim))
    });
    let kib =
        line.and_then(|line| line.split(' ').next()).and_then(|text| text.parse::<u64>().ok());
    let number = |file: &str| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let container = number("/sys/fs/cgroup/memory.max")
        .map(|max| max.saturating_sub(number("/sys/fs/cgroup/memory.current").unwrap_or(0)));
    [kib.map(|kib| kib.saturating_mul(1024)), container].into_iter().flatten().min()
}

pub(super) fn tools() -> Tools {
    let rust = said("rustc", &["--print", "target-libdir", "--target", "wasm32-wasip2"]);
    let rust = rust.map(|folder| Path::new(folder.trim()).is_dir());
    let version = "import sys; print(*sys.version_info[:2])";
    let python = said("python3", &["-c", version]).and_then(|text| {
        let mut words = text.split_whitespace().map(str::parse::<u32>);
        let (Some(Ok(major)), Some(Ok(minor))) = (words.next(), words.next()) else { return None };
        let has_venv = said("python3", &["-c", "import ensurepip, venv; print(1)"]).is_some();
        Some((major, minor, has_venv))
    });
    Tools { rust, python }
}

/// How long a program may take to say its version.
const PROGRAM_MAX: Duration = Duration::from_secs(10);

/// What a program says on standard output, if it does well and soon.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => break,
            Ok(None) if begun.elapsed() < PROGRAM_MAX => {
                std::thread::sleep(super::super::child::ASK_EVERY);
            }
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    }
    std::io::read_to_string(child.stdout.take()?).ok()
}

/// The files of a directory, sorted; none if it cannot be read.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

pub(super) fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|extension| extension == wanted)
}
