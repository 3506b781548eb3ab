//! What a doctor makes of what was measured: pure functions from numbers to a sentence and an advice.
//! They open nothing.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Serialize;

use crate::config::Chores;
use crate::database::ADVICE;
use crate::limits::{
    CACHE_SECRET_BYTES, COMPILED_CACHE_BYTES_MAX, CONNECTIONS_POOLED_MAX, CONTROL_CONNECTIONS_MAX,
    DOCTOR_BYTES_FREE_LOW, DOCTOR_BYTES_FREE_MIN, DOCTOR_CLOCK_JUMP_MAX, DOCTOR_FILES_MIN,
    DOCTOR_FREE_PERCENT_LOW, DOCTOR_INODES_FREE_MIN, DOCTOR_MEMORY_LOW, DOCTOR_MEMORY_MIN,
    SERVER_CONNECTIONS_MAX,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Ok,
    /// It works, and may not for long, or not for all.
    Warning,
    /// The peer does not run with this, or loses something.
    Problem,
}

impl Health {
    pub fn word(self) -> &'static str {
        match self {
            Health::Ok => "ok",
            Health::Warning => "warning",
            Health::Problem => "problem",
        }
    }
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    pub health: Health,
    /// One sentence.
    pub says: String,
    /// What to type or write; empty if there is nothing to do.
    pub advice: String,
}

pub fn ok(check: &'static str, says: impl Into<String>) -> Finding {
    Finding { check, health: Health::Ok, says: says.into(), advice: String::new() }
}

pub fn warning(check: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, health: Health::Warning, says: says.into(), advice: advice.into() }
}

pub fn problem(check: &'static str, says: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, health: Health::Problem, says: says.into(), advice: advice.into() }
}

/// Who may use a file or directory.
#[derive(Clone, Debug)]
pub struct Access {
    pub path: PathBuf,
    /// Permission bits.
    pub mode: u32,
    /// It belongs to whoever asks.
    pub is_ours: bool,
    pub is_directory: bool,
    /// Others may not even read it.
    pub is_secret: bool,
}

const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// The worst of all, or that all is well. Whoever is root may use what is another's.
pub fn permissions(all: &[Access], is_root: bool) -> Finding {
    let check = "permissions";
    let shown = |access: &Access| access.path.display().to_string();
    let right = |access: &Access| if access.is_directory { "700" } else { "600" };
    if let Some(access) = all.iter().find(|access| !access.is_ours && !is_root) {
        let path = shown(access);
        let says = format!("{path} belongs to another user");
        return problem(check, says, format!("sudo chown -R \"$(id -un)\" {path}"));
    }
    let open = |access: &&Access| access.is_secret && access.mode & OTHERS != 0;
    if let Some(access) = all.iter().find(open) {
        let (path, mode) = (shown(access), access.mode & 0o777);
        let says = format!("{path} is open to others (mode {mode:o}), and it is a secret");
        return problem(check, says, format!("chmod {} {path}", right(access)));
    }
    if let Some(access) = all.iter().find(|access| access.mode & OTHERS_WRITE != 0) {
        let (path, mode) = (shown(access), access.mode & 0o777);
        let says = format!("others may write to {path} (mode {mode:o})");
        return problem(check, says, format!("chmod go-w {path}"));
    }
    if let Some(access) = all.iter().find(|access| access.is_ours && access.mode & 0o200 == 0) {
        let path = shown(access);
        let says = format!("{path} cannot be written to");
        return problem(check, says, format!("chmod u+w {path}"));
    }
    match all.iter().find(|access| !access.is_ours) {
        Some(access) => {
            let says = format!("{} belongs to another user, and you are root", shown(access));
            warning(check, says, "run the peer, and the doctor, as the user of the home")
        }
        None => ok(check, "only this user can use the home's secrets and write to it"),
    }
}

/// What is known of the clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Seconds since 1970.
    pub now: i64,
    /// How far the wall clock moved against the one that nobody sets, while it was watched.
    pub jump: Duration,
    /// Somebody keeps it right; `None` if nobody here says.
    pub is_synchronised: Option<bool>,
    /// How far in the future the newest line of the ledger is.
    pub ledger_ahead: Duration,
}

/// This program did not exist earlier.
const FIRST_SECOND: i64 = 1_735_689_600;

/// After 2100: a clock that has lost its battery, or a number of another unit.
const LAST_SECOND: i64 = 4_102_444_800;

pub fn clock(clock: Clock) -> Finding {
    let check = "clock";
    let set = "set it, and keep it right: timedatectl set-ntp true";
    if !(FIRST_SECOND..LAST_SECOND).contains(&clock.now) {
        return problem(check, "the clock is years off", set);
    }
    if clock.jump > DOCTOR_CLOCK_JUMP_MAX {
        let says = format!("the clock jumped by {:.1?} while it was watched", clock.jump);
        return warning(check, says, "look for two programs that set it, such as ntpd and chrony");
    }
    if clock.ledger_ahead > DOCTOR_CLOCK_JUMP_MAX {
        let ahead = humantime::format_duration(Duration::from_secs(clock.ledger_ahead.as_secs()));
        let says = format!("the clock was set back: the ledger's last line is {ahead} ahead of it");
        return warning(check, says, set);
    }
    match clock.is_synchronised {
        Some(true) => ok(check, "the clock is synchronised, and does not jump"),
        Some(false) => warning(check, "the clock is not synchronised", set),
        None => ok(check, "the clock does not jump; nobody here says whether it is synchronised"),
    }
}

/// Of the file system that the home is on.
#[derive(Clone, Copy, Debug)]
pub struct Disk {
    pub bytes: u64,
    pub bytes_free: u64,
    /// Zero: it does not count them.
    pub inodes: u64,
    pub inodes_free: u64,
    pub is_read_only: bool,
}

pub fn disk(disk: Disk, home: &str) -> Finding {
    let check = "disk";
    let free = ByteSize(disk.bytes_free);
    let percent = |part: u64, whole: u64| part.saturating_mul(100) / whole.max(1);
    let few = disk.inodes > 0 && disk.inodes_free < DOCTOR_INODES_FREE_MIN;
    let advice = format!("make room: du -sh {home}/*");
    if disk.is_read_only {
        let says = "the file system of the home can only be read";
        return problem(check, says, format!("mount it to be written to: findmnt -T {home}"));
    }
    if disk.bytes_free < DOCTOR_BYTES_FREE_MIN {
        return problem(check, format!("only {free} are free for the home"), advice);
    }
    if few {
        let says = format!("only {} more files fit on the home's disk", disk.inodes_free);
        return problem(check, says, format!("remove files: df -i {home}"));
    }
    let low = disk.bytes_free < DOCTOR_BYTES_FREE_LOW
        || percent(disk.bytes_free, disk.bytes) < DOCTOR_FREE_PERCENT_LOW;
    if low {
        return warning(check, format!("only {free} are free for the home"), advice);
    }
    if disk.inodes > 0 && percent(disk.inodes_free, disk.inodes) < DOCTOR_FREE_PERCENT_LOW {
        let says = format!("only {} more files fit on the home's disk", disk.inodes_free);
        return warning(check, says, format!("remove files: df -i {home}"));
    }
    ok(check, format!("{free} are free for the home"))
}

/// What became of an attempt to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    Free,
    InUse,
    /// The address is not this machine's.
    NotOurs,
    /// Below 1024, and the user is not root.
    NotAllowed,
}

pub fn port(listen: Option<(&str, Port)>, peer_runs: bool) -> Finding {
    let check = "port";
    let Some((address, port)) = listen else {
        return ok(check, "the config has no `listen`: the peer serves nobody");
    };
    let number = address.rsplit(':').next().unwrap_or(address);
    match port {
        Port::Free if peer_runs => warning(
            check,
            format!("the peer runs, and does not listen on {address}"),
            "the config was changed since it started: stop the peer and start it again",
        ),
        Port::Free => ok(check, format!("{address} is free")),
        Port::InUse if peer_runs => ok(check, format!("{address} is in use, by this peer")),
        Port::InUse => problem(
            check,
            format!("{address} is in use by another program"),
            format!("look who has it: ss -ltnp 'sport = :{number}'; or set another `listen`"),
        ),
        Port::NotOurs => problem(
            check,
            format!("{address} is no address of this machine"),
            "set `listen` in [server] of chore.toml to one of: ip -brief address",
        ),
        Port::NotAllowed => problem(
            check,
            format!("this user may not listen on {address}"),
            "set `listen` in [server] of chore.toml to a port from 1024 on",
        ),
    }
}

/// What was found of one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    Whole,
    /// Not in the time there was.
    NotAllLookedAt,
    Damaged(String),
    Unreadable(String),
    /// Of the newest schema that this program knows: the file's, and that.
    Newer(i64, i64),
}

/// Of each file that is there.
pub fn databases(all: &[(String, Database)], home: &str) -> Finding {
    let check = "databases";
    let damaged = all.iter().find_map(|(file, database)| match database {
        Database::Damaged(what) => Some((file, format!("is damaged: {what}"))),
        Database::Unreadable(what) => Some((file, format!("cannot be read: {what}"))),
        _ => None,
    });
    if let Some((file, what)) = damaged {
        let advice = format!("restore {home}/{file} from a copy, or {ADVICE}");
        return problem(check, format!("{file} {what}"), advice);
    }
    for (file, database) in all {
        if let Database::Newer(found, known) = database {
            let says = format!(
                "{file} was written by a newer version of this program (schema {found}, this one \
                 knows {known})"
            );
            return problem(check, says, "update this program");
        }
    }
    let part = all.iter().filter(|(_, database)| *database == Database::NotAllLookedAt).count();
    match (all.len(), part) {
        (0, _) => ok(check, "there are none yet"),
        (all, 0) => ok(check, format!("{all} of {all} are whole")),
        (all, part) => {
            let whole = all - part;
            ok(check, format!("{whole} of {all} are whole, {part} too large to look at all of it"))
        }
    }
}

/// What is known of the compiled code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cache {
    /// Mode and length of the key; `None` if there is none.
    pub key: Option<(u32, u64)>,
    pub bytes: u64,
    pub entries: u64,
}

pub fn cache(cache: Cache, home: &str) -> Finding {
    let check = "compiled code";
    let key = format!("{home}/data/cache.key");
    match cache.key {
        None if cache.entries == 0 => return ok(check, "nothing was compiled yet"),
        None => {
            let says = "its key is gone: every chore is compiled again at the next start";
            return warning(check, says, "nothing to do; keep data/ and cache/ together");
        }
        Some((mode, _)) if mode & OTHERS != 0 => {
            let says = "others may read the key of the compiled code: it is made anew";
            return warning(check, says, format!("chmod 600 {key}"));
        }
        Some((_, bytes)) if bytes != CACHE_SECRET_BYTES as u64 => {
            let says = format!("its key has {bytes} bytes, not {CACHE_SECRET_BYTES}");
            return warning(check, says, format!("rm {key}"));
        }
        Some(_) => {}
    }
    let size = ByteSize(cache.bytes);
    if cache.bytes > COMPILED_CACHE_BYTES_MAX.saturating_mul(2) {
        let says = format!("it has {size}, more than a peer keeps");
        return warning(check, says, format!("rm -r {home}/cache/compiled"));
    }
    ok(
        check,
        match cache.entries {
            1 => format!("1 component, {size}"),
            entries => format!("{entries} components, {size}"),
        },
    )
}

/// Whose components are taken.
pub fn signatures(chores: &Chores) -> Finding {
    let check = "signatures";
    let keys = match chores.trusted_keys.len() {
        1 => "1 key is trusted".to_owned(),
        keys => format!("{keys} keys are trusted"),
    };
    ok(
        check,
        match (chores.require_signed, chores.trusted_keys.is_empty()) {
            (true, _) => format!("{keys}, and every chore must be signed"),
            (false, false) => format!("{keys}, and a chore need not be signed"),
            (false, true) => "no key is trusted: signatures are not looked at".to_owned(),
        },
    )
}

/// Files that may be open at once: what a busy peer has, and what every peer needs.
pub fn files(limit: Option<u64>) -> Finding {
    let check = "open files";
    let Some(limit) = limit else { return ok(check, "no limit") };
    let busy = SERVER_CONNECTIONS_MAX + CONNECTIONS_POOLED_MAX + CONTROL_CONNECTIONS_MAX;
    let busy = busy as u64 + DOCTOR_FILES_MIN;
    let advice = format!("ulimit -n {busy}, or LimitNOFILE={busy} in its systemd unit");
    if limit < DOCTOR_FILES_MIN {
        return problem(check, format!("only {limit} files may be open at once"), advice);
    }
    if limit < busy {
        let says = format!("{limit} files may be open at once, and a busy peer needs {busy}");
        return warning(check, says, advice);
    }
    ok(check, format!("{limit} may be open at once"))
}

/// Of the machine, or of the container if that has less. `needed`: one run of each chore.
pub fn memory(available: Option<u64>, needed: u64) -> Finding {
    let check = "memory";
    let Some(available) = available else { return ok(check, "this system does not say") };
    let size = ByteSize(available);
    let advice = "give it more, or lower `memory` in [chores.limits] of chore.toml";
    if available < DOCTOR_MEMORY_MIN {
        return problem(check, format!("only {size} are available"), advice);
    }
    if available < DOCTOR_MEMORY_LOW.max(needed) {
        let needed = ByteSize(needed);
        let says = format!("{size} are available, and one run of each chore may take {needed}");
        return warning(check, says, advice);
    }
    ok(check, format!("{size} are available"))
}

/// What authors of chores need, and a peer does not. `None`: there is no such program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tools {
    /// Whether it has the target for components.
    pub rust: Option<bool>,
    /// Major and minor version, and whether it has a venv.
    pub python: Option<(u32, u32, bool)>,
}

pub fn tools(tools: Tools) -> [Finding; 2] {
    let (rust, python) = ("wasm target", "python");
    let rust = match tools.rust {
        Some(true) => ok(rust, "Rust can build chores"),
        Some(false) => warning(
            rust,
            "Rust is here, without the target for components",
            "rustup target add wasm32-wasip2",
        ),
        None => ok(rust, "no Rust is here; only authors of chores need it"),
    };
    let python = match tools.python {
        Some((major, minor, true)) if (major, minor) >= (3, 10) => {
            ok(python, format!("Python {major}.{minor} can build chores"))
        }
        Some((3, 10.., false)) => warning(
            python,
            "Python is here, without its venv, which building chores needs",
            "apt install python3-venv, or what this system calls it",
        ),
        Some((major, minor, _)) => {
            ok(python, format!("Python {major}.{minor} is too old to build chores: 3.10 is needed"))
        }
        None => ok(python, "no Python is here; only authors of chores in Python need it"),
    };
    [rust, python]
}

/// One chore that is not as it should be, or none is.
pub fn chores(all: usize, wrong: &[(String, String)]) -> Finding {
    let check = "chores";
    match wrong {
        [] if all == 0 => ok(check, "there is none yet"),
        [] => ok(check, format!("{all} of {all} are in order")),
        [(name, why)] => problem(check, format!("{name}: {why}"), format!("chore status {name}")),
        [(name, why), more @ ..] => {
            let others: Vec<&str> = more.iter().map(|(name, _)| name.as_str()).collect();
            let says = format!("{name}: {why}; and not in order either: {}", others.join(", "));
            problem(check, says, "chore ls")
        }
    }
}
