//! What is measured, and what a doctor says of it.

#![allow(clippy::unwrap_used)]

use super::verdicts::*;

const MIB: u64 = 1024 * 1024;

#[track_caller]
fn check(finding: &Finding, health: Health, says: &str, advice: &str) {
    assert_eq!(finding.health, health, "{finding:?}");
    assert!(finding.says.contains(says), "{says}: {finding:?}");
    assert!(finding.advice.contains(advice), "{advice}: {finding:?}");
    assert_eq!(finding.health == Health::Ok, finding.advice.is_empty(), "{finding:?}");
    assert!(!finding.says.contains('\n') && !finding.says.ends_with('.'), "{finding:?}");
}

#[test]
fn who_may_use_the_home() {
    let access = |path: &str, mode, is_ours, is_secret| Access {
        path: path.into(),
        mode,
        is_ours,
        is_directory: path.ends_with("identity") || path.ends_with("home"),
        is_secret,
    };
    use Health::{Ok, Problem, Warning};
    let table = [
        (vec![access("/home", 0o755, true, false)], false, Ok, "only this user", ""),
        (vec![access("/home", 0o777, true, false)], false, Problem, "write", "chmod go-w /home"),
        (vec![access("/home", 0o500, true, false)], false, Problem, "written", "chmod u+w /home"),
        (
            vec![access("/identity", 0o755, true, true)],
            false,
            Problem,
            "open to others (mode 755)",
            "chmod 700 /identity",
        ),
        (
            vec![access("/home", 0o700, true, false), access("/a.key", 0o640, true, true)],
            false,
            Problem,
            "/a.key is open",
            "chmod 600 /a.key",
        ),
        (vec![access("/home", 0o700, false, false)], false, Problem, "another user", "chown"),
        (vec![access("/home", 0o700, false, false)], true, Warning, "you are root", "as the user"),
    ];
    for (all, is_root, health, says, advice) in table {
        check(&permissions(&all, is_root), health, says, advice);
    }
}

#[test]
fn what_the_clock_is_like() {
    let good = Clock {
        now: 1_800_000_000,
        jump: std::time::Duration::from_millis(1),
        is_synchronised: Some(true),
        ledger_ahead: std::time::Duration::ZERO,
    };
    let hour = std::time::Duration::from_secs(3600);
    let table = [
        (good, Health::Ok, "is synchronised", ""),
        (Clock { is_synchronised: None, ..good }, Health::Ok, "nobody here says", ""),
        (Clock { is_synchronised: Some(false), ..good }, Health::Warning, "not", "set-ntp"),
        (Clock { now: 5, ..good }, Health::Problem, "years off", "set-ntp"),
        (Clock { now: 1_800_000_000_000, ..good }, Health::Problem, "years off", "set-ntp"),
        (Clock { jump: hour, ..good }, Health::Warning, "jumped by 3600", "two programs"),
        (Clock { ledger_ahead: hour, ..good }, Health::Warning, "set back", "set-ntp"),
    ];
    for (clock_now, health, says, advice) in table {
        check(&clock(clock_now), health, says, advice);
    }
}

#[test]
fn room_on_the_disk() {
    let good = Disk {
        bytes: 100_000 * MIB,
        bytes_free: 50_000 * MIB,
        inodes: 1_000_000,
        inodes_free: 900_000,
        is_read_only: false,
    };
    let table = [
        (good, Health::Ok, "free", ""),
        (Disk { inodes: 0, inodes_free: 0, ..good }, Health::Ok, "free", ""),
        (Disk { bytes_free: 10 * MIB, ..good }, Health::Problem, "only 10.0 MiB", "du -sh /h"),
        (Disk { bytes_free: 500 * MIB, ..good }, Health::Warning, "only 500.0 MiB", "du -sh /h"),
        (Disk { bytes_free: 2_000 * MIB, ..good }, Health::Warning, "only 2.0 GiB", "du"),
        (Disk { inodes_free: 10, ..good }, Health::Problem, "10 more files", "df -i /h"),
        (Disk { inodes_free: 10_000, ..good }, Health::Warning, "10000 more", "df -i /h"),
        (Disk { is_read_only: true, ..good }, Health::Problem, "only be read", "findmnt"),
    ];
    for (found, health, says, advice) in table {
        check(&disk(found, "/h"), health, says, advice);
    }
}

#[test]
fn where_the_peer_listens() {
    let at = |port| Some(("127.0.0.1:7777", port));
    let table = [
        (None, false, Health::Ok, "serves nobody", ""),
        (at(Port::Free), false, Health::Ok, "is free", ""),
        (at(Port::InUse), true, Health::Ok, "by this peer", ""),
        (at(Port::InUse), false, Health::Problem, "another program", "sport = :7777"),
        (at(Port::Free), true, Health::Warning, "does not listen", "start it again"),
        (at(Port::NotOurs), false, Health::Problem, "no address", "`listen`"),
        (at(Port::NotAllowed), false, Health::Problem, "may not listen", "1024"),
    ];
    for (listen, runs, health, says, advice) in table {
        check(&port(listen, runs), health, says, advice);
    }
}

#[test]
fn how_the_databases_are() {
    let file = |name: &str, database| (format!("data/{name}"), database);
    let whole = file("peer.db", Database::Whole);
    let table = [
        (vec![], Health::Ok, "none yet", ""),
        (vec![whole.clone()], Health::Ok, "1 of 1 are whole", ""),
        (
            vec![whole.clone(), file("a.db", Database::NotAllLookedAt)],
            Health::Ok,
            "1 of 2 are whole, 1 too large",
            "",
        ),
        (
            vec![whole.clone(), file("orders.db", Database::Damaged("row 3 missing".into()))],
            Health::Problem,
            "data/orders.db is damaged: row 3 missing",
            "restore /h/data/orders.db",
        ),
        (
            vec![file("peer.db", Database::Unreadable("no".into()))],
            Health::Problem,
            "cannot be read",
            "/h/data/peer.db",
        ),
        (vec![file("x.db", Database::Newer(9, 2))], Health::Problem, "newer version", "update"),
    ];
    for (all, health, says, advice) in table {
        check(&databases(&all, "/h"), health, says, advice);
    }
}

#[test]
fn the_compiled_code_and_its_key() {
    let table = [
        (Cache::default(), Health::Ok, "nothing was compiled", ""),
        (Cache { entries: 2, ..Cache::default() }, Health::Warning, "key is gone", "keep data/"),
        (
            Cache { key: Some((0o644, 32)), ..Cache::default() },
            Health::Warning,
            "others",
            "chmod 600 /h/data/cache.key",
        ),
        (
            Cache { key: Some((0o600, 3)), ..Cache::default() },
            Health::Warning,
            "3 bytes",
            "rm /h/data/cache.key",
        ),
        (
            Cache { key: Some((0o600, 32)), entries: 2, bytes: 3 * MIB },
            Health::Ok,
            "2 components, 3.0 MiB",
            "",
        ),
        (
            Cache { key: Some((0o600, 32)), entries: 2, bytes: 5_000 * MIB },
            Health::Warning,
            "more than",
            "rm -r /h/cache/compiled",
        ),
    ];
    for (found, health, says, advice) in table {
        check(&cache(found, "/h"), health, says, advice);
    }
}

#[test]
fn files_and_memory() {
    for (limit, health, says) in [
        (None, Health::Ok, "no limit"),
        (Some(65_536), Health::Ok, "65536"),
        (Some(1024), Health::Warning, "a busy peer needs"),
        (Some(64), Health::Problem, "only 64"),
    ] {
        check(&files(limit), health, says, if health == Health::Ok { "" } else { "LimitNOFILE=" });
    }
    for (available, needed, health, says) in [
        (None, 0, Health::Ok, "does not say"),
        (Some(8_000 * MIB), 64 * MIB, Health::Ok, "available"),
        (Some(200 * MIB), 64 * MIB, Health::Warning, "200.0 MiB"),
        (Some(2_000 * MIB), 6_400 * MIB, Health::Warning, "may take"),
        (Some(10 * MIB), 0, Health::Problem, "only 10.0 MiB"),
    ] {
        let advice = if health == Health::Ok { "" } else { "[chores.limits]" };
        check(&memory(available, needed), health, says, advice);
    }
}

#[test]
fn what_authors_need_is_no_problem_of_a_peer() {
    for (rust, health, says) in [
        (None, Health::Ok, "only authors"),
        (Some(true), Health::Ok, "can build"),
        (Some(false), Health::Warning, "without the target"),
    ] {
        let [found, _] = tools(Tools { rust, python: None });
        check(&found, health, says, if rust == Some(false) { "rustup target add" } else { "" });
    }
    for (python, health, says) in [
        (None, Health::Ok, "only authors"),
        (Some((3, 12, true)), Health::Ok, "Python 3.12 can build"),
        (Some((3, 12, false)), Health::Warning, "without its venv"),
        (Some((3, 8, true)), Health::Ok, "too old"),
        (Some((2, 7, false)), Health::Ok, "too old"),
    ] {
        let [_, found] = tools(Tools { rust: None, python });
        check(&found, health, says, "");
    }
}

#[test]
fn chores_that_are_not_in_order() {
    let wrong = |names: &[&str]| -> Vec<(String, String)> {
        names.iter().map(|name| ((*name).to_owned(), "it is empty".to_owned())).collect()
    };
    check(&chores(0, &[]), Health::Ok, "none yet", "");
    check(&chores(3, &[]), Health::Ok, "3 of 3", "");
    check(&chores(3, &wrong(&["a"])), Health::Problem, "a: it is empty", "chore status a");
    check(&chores(3, &wrong(&["a", "b"])), Health::Problem, "either: b", "chore ls");
}
