//! What is in `ops/`: that the program speaks with its supervisor, and that the unit and the container
//! file fit the program and this repository.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use chore_host::limits::{CLOSE_MARGIN, SHUTDOWN_BUDGET};
use testplanet::{LONG, Program, component, text, workspace};

const COUNTS: &str = "guest-run-counts";

fn unit_path() -> PathBuf {
    workspace().join("ops/systemd/chore.service")
}

/// The last value of a key of the unit.
fn unit(key: &str) -> String {
    let text = fs::read_to_string(unit_path()).unwrap();
    let prefix = format!("{key}=");
    let value = text.lines().rev().find_map(|line| line.strip_prefix(&prefix));
    value.unwrap_or_else(|| panic!("no {key}")).to_owned()
}

#[test]
fn the_supervisor_is_told_that_it_is_ready_alive_and_stopping() {
    let folder = tempfile::Builder::new().prefix("sd").tempdir().unwrap();
    let home = folder.path();
    assert!(Program::command(home, &["setup"]).status.success());
    let chore = home.join(format!("chores/{COUNTS}.wasm"));
    fs::copy(component(COUNTS), chore).unwrap();
    let path = home.join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "200000")];
    let peer = Program::run_with(home, &variables);
    let hear = || {
        let mut bytes = [0; 1024];
        let count = socket.recv(&mut bytes).expect("the program says something");
        text(&bytes[..count])
    };
    assert!(hear().starts_with("STATUS=starting"));
    assert_eq!(hear(), "READY=1\nSTATUS=1 chore is loaded");
    // Again and again, and not only while something else goes on.
    let alive = std::iter::repeat_with(hear).filter(|said| said == "WATCHDOG=1").take(5).count();
    assert_eq!(alive, 5);
    let status = peer.terminate();
    assert!(status.success());
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let stopping = std::iter::repeat_with(hear).find(|said| said.starts_with("STOPPING=1"));
    assert!(stopping.is_some_and(|said| said.contains("EXTEND_TIMEOUT_USEC=35000000")));
}

#[test]
fn the_unit_fits_the_program_and_systemd_takes_it() {
    let seconds = |text: String| -> u64 { text.trim_end_matches('s').parse().unwrap() };
    let budget = SHUTDOWN_BUDGET.saturating_add(CLOSE_MARGIN).as_secs();
    assert!(seconds(unit("TimeoutStopSec")) > budget, "it is killed before it has closed");
    assert_eq!((unit("Type"), unit("MemoryDenyWriteExecute")), ("notify".into(), "no".into()));
    assert!(unit("LimitNOFILE").parse::<u32>().unwrap() >= 8_192);
    assert!(unit("ExecStart").ends_with("chore --home /var/lib/chore run"));

    // Where the program would be, something must be.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("chore.service");
    let text_here = fs::read_to_string(unit_path()).unwrap();
    fs::write(&copy, text_here.replace("/usr/local/bin/chore", "/bin/true")).unwrap();
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze").args(arguments).arg(&copy).output();
        let output = output.inspect_err(|err| eprintln!("left out: systemd-analyze: {err}"));
        output.ok()
    };
    if let Some(output) = analyze(&["verify"]) {
        let said = text(&output.stderr);
        // It says on this stream, too, what is wrong with other units.
        let ours = said.lines().filter(|line| line.contains("chore.service")).collect::<Vec<_>>();
        assert!(ours.is_empty(), "{ours:?}");
        let security = analyze(&["security", "--offline=true", "--threshold=20"]).unwrap();
        assert!(security.status.success(), "{}", text(&security.stdout));
    }
}

/// Sources of `COPY` that come from this repository.
fn copied(file: &str) -> Vec<String> {
    let lines = file.lines().filter_map(|line| line.strip_prefix("COPY "));
    let from_here = lines.filter(|line| !line.starts_with("--from"));
    let sources = from_here.flat_map(|line| {
        let mut words: Vec<&str> = line.split_whitespace().collect();
        words.pop();
        words
    });
    sources.map(str::to_owned).collect()
}

#[test]
fn the_container_is_built_of_what_is_here_and_run_by_nobody_special() {
    let root = workspace();
    let file = fs::read_to_string(root.join("ops/container/Containerfile")).unwrap();
    let copied = copied(&file);
    for path in &copied {
        assert!(root.join(path).exists(), "{path} is copied, and is not here");
    }
    // Every member of the workspace, which cargo reads before it builds one.
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    let members = members.split(',').map(|member| member.trim().trim_matches('"'));
    for member in members.filter(|member| !member.is_empty()) {
        let top = member.split('/').next().unwrap();
        assert!(copied.iter().any(|path| path == top), "{member} is not copied");
    }
    let channel = fs::read_to_string(root.join("rust-toolchain.toml")).unwrap();
    let channel = channel.split('"').nth(1).unwrap().to_owned();
    let base = file.split_once("library/rust:").unwrap().1.split('-').next().unwrap();
    assert!(channel.starts_with(base), "the toolchain is {channel}, the image {base}");
    let user = file.lines().position(|line| line == "USER chore").unwrap();
    let start = file.lines().position(|line| line.starts_with("ENTRYPOINT")).unwrap();
    assert!(user < start);
    assert!(file.contains("CMD [\"chore\", \"doctor\", \"--live\"]"));
    let script = fs::metadata(root.join("ops/container/start.sh")).unwrap();
    assert_eq!(script.permissions().mode() & 0o111, 0o111);
}

#[test]
fn the_containers_script_sets_up_once_and_becomes_the_peer() {
    let folder = tempfile::Builder::new().prefix("ct").tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(testplanet::chore_program(), bin.join("chore")).unwrap();
    let home = folder.path().join("home");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let log = folder.path().join("log");
    for start in 1..=2 {
        let mut script = Command::new(workspace().join("ops/container/start.sh"));
        script.env("CHORE_HOME", &home).env("PATH", &path).stdout(std::process::Stdio::null());
        let mut child = script.stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
        let begun = std::time::Instant::now();
        while !fs::read_to_string(&log).unwrap().contains("peer runs") {
            assert!(begun.elapsed() < LONG, "start {start}: {:?}", fs::read_to_string(&log));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(Program::command(&home, &["doctor", "--live"]).status.success());
        let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        // The script was replaced by the peer: it is the peer that ends, and well.
        assert!(child.wait().unwrap().success(), "start {start}");
    }
}
