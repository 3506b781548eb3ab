//! A disk that is full, read-only or broken, and databases that are damaged: the peer says which file
//! and what to do, loses nothing that it acknowledged, keeps what is damaged, and goes on with all
//! that does not need it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::closing::ends_in_time;
use chore_host::peer::Home;
use chore_host::status::LastRun;
use testplanet::{
    Books, Build, Disk, Fault, PATCHED, Program, SENDER, Testplanet, chore, component, drop_into,
    eventually, refused, text, told, trigger_wait, whole,
};

/// Uses its own database, and nothing else.
const USES_SQL: &str = "guest-run-uses-all";

/// A chore that writes its state.
const GOOD: &str = "guest-run-counts";

async fn planet() -> Testplanet {
    Testplanet::start_with(1, 1, |options| {
        options.chore_files.push((component(GOOD), Some(String::new())));
        options.chore_files.push((component(USES_SQL), Some("[settings]\nrows = 20\n".into())));
    })
    .await
}

async fn run(planet: &Testplanet, name: &str) -> LastRun {
    trigger_wait(planet.node(0), name).await
}

fn folder(planet: &Testplanet) -> PathBuf {
    planet.node(0).home().root().parent().unwrap().to_owned()
}

/// Restarts the node, so that its files are opened on the disk that is watched.
async fn watched(planet: &Testplanet) -> Disk {
    planet.node(0).stop().await.unwrap();
    let disk = Disk::of(&folder(planet));
    planet.node(0).start().await.unwrap();
    disk
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fails_is_named_and_stops_nothing_that_does_not_need_it() {
    let planet = planet().await;
    let disk = watched(&planet).await;
    // What fails, how, and what is said of it.
    let table = [
        ("orders.db", Fault::Full, "database or disk is full"),
        ("orders.db", Fault::NotWritten, "disk I/O error"),
        ("orders.db", Fault::NotSynced, "disk I/O error"),
        ("data/", Fault::Full, "database or disk is full"),
        ("data/", Fault::NotSynced, "disk I/O error"),
    ];
    let problem = || planet.node(0).handle().status().problem;
    let mut settled = 0;
    for (file, fault, says) in table {
        let what = format!("{file} {fault:?}");
        planet.hand_in(0, 0, 5).await;
        settled += 5;
        disk.fails(file, fault);
        // Nobody is told that the node has what it could not write.
        let orders = planet.issue(0, 0, 3, chore_host::clock::Timestamp::now()).unwrap();
        let outcomes = planet.hand_in_raw(0, orders.clone()).await;
        assert!(outcomes.iter().all(Result::is_err), "{what}: {outcomes:?}");
        assert!(format!("{outcomes:?}").contains("try again later"), "{what}: {outcomes:?}");
        assert!(
            problem().contains("orders.db") && problem().contains(says),
            "{what}: {}",
            problem()
        );
        // The satellite pays, and the node cannot write that down.
        let outcome = told(&run(&planet, SENDER).await.outcome);
        assert!(outcome.starts_with("failed: "), "{what}: {outcome}");
        let outcome = told(&run(&planet, GOOD).await.outcome);
        match file {
            "orders.db" => assert_eq!(outcome, "succeeded", "{what}"),
            // It saves its state there.
            _ => assert!(outcome.contains("save state") && outcome.contains(says), "{outcome}"),
        }
        assert_eq!(planet.counts(0).await.unsent, 5, "{what}");

        disk.works();
        assert_eq!(told(&run(&planet, SENDER).await.outcome), "succeeded", "{what}");
        for outcome in planet.hand_in_raw(0, orders).await {
            // What could not be synced may be there all the same.
            let known = |reason: &String| reason.contains("serial number before");
            assert!(outcome.as_ref().err().is_none_or(known), "{what}: {outcome:?}");
        }
        assert_eq!(told(&run(&planet, SENDER).await.outcome), "succeeded", "{what}");
        settled += 3;
        eventually("nothing is wrong any more", || async { problem().is_empty() }).await;
        let counts = planet.counts(0).await;
        assert_eq!((counts.unsent, counts.accepted, counts.rejected), (0, settled, 0), "{what}");
        assert_eq!(planet.accepted(0, 0).await, settled, "{what}");
    }
    planet.node(0).stop().await.unwrap();
    let (node, satellite) = (planet.node(0).home(), planet.satellite(0).home());
    whole(node).unwrap();
    assert!(Books::read(node, satellite).unwrap().is_settled());
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chores_own_database_that_fails_or_is_damaged_stops_that_chore_only() {
    let planet = planet().await;
    let disk = watched(&planet).await;
    let own = format!("{USES_SQL}.db");
    for (fault, says) in [
        (Fault::Full, "the host's disk is full"),
        (Fault::NotWritten, "the host's database failed"),
        (Fault::NotSynced, "the host's database failed"),
    ] {
        disk.fails(&own, fault);
        let outcome = told(&run(&planet, USES_SQL).await.outcome);
        assert!(outcome.contains(says), "{fault:?}: {outcome}");
        planet.hand_in(0, 0, 1).await;
        assert_eq!(told(&run(&planet, SENDER).await.outcome), "succeeded", "{fault:?}");
        disk.works();
        assert_eq!(told(&run(&planet, USES_SQL).await.outcome), "succeeded", "after {fault:?}");
    }
    // Damaged, and kept.
    let node = planet.node(0);
    let path = node.home().databases().join(&own);
    node.stop().await.unwrap();
    damage(&path, 0);
    let bytes = fs::read(&path).unwrap();
    node.start().await.unwrap();
    eventually("its open has failed", || async { chore(node, USES_SQL).state == "refused" }).await;
    let reason = chore(node, USES_SQL).reason;
    assert!(reason.contains("its file is damaged; the host's log says how"), "{reason}");
    planet.hand_in(0, 0, 1).await;
    for name in [SENDER, GOOD] {
        assert_eq!(told(&run(&planet, name).await.outcome), "succeeded");
    }
    assert_eq!(fs::read(&path).unwrap(), bytes, "nobody touched it");
    planet.shutdown().await;
}

/// Overwrites all of a database but what lies before `from`.
fn damage(path: &Path, from: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[from..].fill(0x5a);
    fs::write(path, bytes).unwrap();
}

/// A home whose node has settled and has something left to settle.
async fn home_with_orders() -> (Testplanet, Home) {
    let planet = planet().await;
    planet.hand_in(0, 0, 300).await;
    assert_eq!(told(&run(&planet, SENDER).await.outcome), "succeeded");
    planet.satellite(0).stop().await.unwrap();
    // The node knows the satellite's identity, and so takes its orders.
    planet.hand_in(0, 0, 50).await;
    planet.node(0).stop().await.unwrap();
    let home = planet.node(0).home().clone();
    (planet, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_kept_and_its_peer_says_how_to_repair_it() {
    let (planet, home) = home_with_orders().await;
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    for path in [home.orders(), home.data().join("peer.db")] {
        let good = fs::read(&path).unwrap();
        damage(&path, 0);
        let bytes = fs::read(&path).unwrap();
        let said = refused(&Program::command(home.root(), &["run"]));
        let file = name(&path);
        for part in ["is damaged or no database", &path.display().to_string(), "`chore repair`"] {
            assert!(said.contains(part), "{file}: {said}");
        }
        assert_eq!(fs::read(&path).unwrap(), bytes, "{file} is kept");
        fs::write(&path, good).unwrap();
    }

    // What is typed works: some pages are gone, and the rest is saved.
    let path = home.orders();
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    let mut bytes = fs::read(&path).unwrap();
    let half = usize::try_from(pages / 2).unwrap() * 4096;
    bytes[half..half + 2 * 4096].fill(0x5a);
    fs::write(&path, &bytes).unwrap();
    let doctor = text(&Program::command(home.root(), &["doctor"]).stdout);
    assert!(
        doctor.contains("orders.db is damaged") && doctor.contains("`chore repair`"),
        "{doctor}"
    );
    let repaired = Program::command(home.root(), &["repair"]);
    assert!(repaired.status.success(), "{repaired:?}");
    let said = text(&repaired.stdout);
    println!("{said}");
    assert!(said.contains("places could not be read"), "{said}");
    let kept = said.split("the damaged file is ").nth(1).unwrap().trim();
    assert_eq!(fs::read(kept).unwrap(), bytes, "it is kept");
    let again = text(&Program::command(home.root(), &["repair"]).stdout);
    assert!(again.contains("no database is damaged"), "{again}");
    let mut peer = Program::run(home.root());
    peer.is_up();
    assert!(peer.terminate().success());
    whole(&home).unwrap();
    let orders = chore_host::orders::Orders::open_read_only(&home.orders()).await.unwrap();
    let counts = orders.counts().await.unwrap();
    let saved = counts.unsent + counts.accepted;
    assert!(saved > 250, "of 350 orders only {saved} were saved: {counts:?}");
    planet.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_ledger_is_set_aside_and_orders_are_settled() {
    let (planet, home) = home_with_orders().await;
    planet.satellite(0).start().await.unwrap();
    let good = fs::read(home.ledger()).unwrap();
    // The head is gone, or only the rows.
    for from in [0, 4096 * 3] {
        fs::write(home.ledger(), &good).unwrap();
        damage(&home.ledger(), from);
        let bytes = fs::read(home.ledger()).unwrap();
        let mut peer = Program::run(home.root());
        peer.is_up();
        let listed = text(&Program::command(home.root(), &["ls"]).stdout);
        assert!(listed.contains("the ledger was damaged"), "{from}: {listed}");
        let kept = listed
            .split("keeps the old one as ")
            .nth(1)
            .unwrap()
            .split([';', '\n'])
            .next()
            .unwrap();
        assert_eq!(fs::read(kept).unwrap(), bytes, "{from}");
        eventually("the sender has run", || async {
            let history = Program::command(home.root(), &["history", SENDER, "--runs"]);
            text(&history.stdout).contains("succeeded")
        })
        .await;
        assert!(peer.terminate().success());
        fs::remove_file(kept).unwrap();
    }
    assert_eq!(planet.accepted(0, 0).await, 350);
    planet.shutdown().await;
}

/// What a disk, or who mounts it, does to a program: to what it runs in is added by a shell.
fn under(home: &Path, shell: &str) -> Program {
    Program::run_under(home, shell)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_on_a_disk_that_is_full_runs_on_and_ends_when_asked() {
    let folder = tempfile::Builder::new().prefix("tp").tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    assert!(Program::command(home.root(), &["setup"]).status.success());
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"]).arg(home.data());
    if !mount.output().is_ok_and(|mounted| mounted.status.success()) {
        eprintln!("left out: this user may mount nothing");
        return;
    }
    let _unmounted = Unmounted(home.data());
    let config = "[cycles.main]\ninterval = \"1s\"\n";
    drop_into(&home.chores(), &format!("{PATCHED}.toml"), config.as_bytes());
    drop_into(&home.chores(), &format!("{PATCHED}.wasm"), Build::patched().bytes());
    let mut peer = Program::run(home.root());
    peer.is_up();
    let iteration = || {
        let status = Program::command(home.root(), &["status", PATCHED, "--json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).unwrap_or_default();
        status["cycles"][0]["iteration"].as_u64().unwrap_or(0)
    };
    eventually("it has run", || async { iteration() > 1 }).await;
    let filler = home.data().join("full");
    let filled = fs::write(&filler, vec![0; 16 << 20]);
    assert!(filled.is_err(), "the disk is not full");
    let before = iteration();
    eventually("it runs all the same", || async { iteration() > before + 1 }).await;
    eventually("it is said", || async {
        let listed = text(&Program::command(home.root(), &["ls"]).stdout);
        listed.contains("database or disk is full")
    })
    .await;
    let end = ends_in_time(peer);
    for part in ["the ledger could not be written", "schedules were not saved"] {
        assert!(end.contains(part), "{part}: {end}");
    }
    fs::remove_file(filler).unwrap();
    let mut peer = Program::run(home.root());
    peer.is_up();
    assert!(peer.terminate().success());
    whole(&home).unwrap();
}

struct Unmounted(PathBuf);

impl Drop for Unmounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_may_not_grow_are_a_disk_that_does_not_write() {
    let folder = tempfile::Builder::new().prefix("tp").tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    assert!(Program::command(home.root(), &["setup"]).status.success());
    let config = "[cycles.main]\ninterval = \"1s\"\n";
    drop_into(&home.chores(), &format!("{PATCHED}.toml"), config.as_bytes());
    drop_into(&home.chores(), &format!("{PATCHED}.wasm"), Build::patched().bytes());
    // In blocks of 512 bytes: the files are made, and soon full. A signal would end it first.
    let mut peer = under(home.root(), "trap '' XFSZ; ulimit -f 300");
    peer.is_up();
    eventually("it is said", || async {
        let listed = text(&Program::command(home.root(), &["ls"]).stdout);
        listed.contains(".db") && listed.contains("I/O error")
    })
    .await;
    assert!(peer.terminate().success());
    whole(&home).unwrap();
}

#[test]
fn a_home_that_is_read_only_is_refused_with_the_file_that_is() {
    let folder = tempfile::Builder::new().prefix("tp").tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    assert!(Program::command(home.root(), &["setup"]).status.success());
    assert!(Program::run(home.root()).ends_well());
    let bind = |options: &[&str]| {
        let mut mount = Command::new("mount");
        mount.args(options).arg(home.data());
        mount.output().is_ok_and(|mounted| mounted.status.success())
    };
    let data = home.data().display().to_string();
    if !bind(&["--bind", &data]) || !bind(&["-o", "remount,ro,bind"]) {
        eprintln!("left out: this user may mount nothing");
        return;
    }
    let _unmounted = Unmounted(home.data());
    let said = refused(&Program::command(home.root(), &["run"]));
    assert!(said.contains(&data) && said.contains("ead-only"), "{said}");
}
