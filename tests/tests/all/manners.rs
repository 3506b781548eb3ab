//! How the program treats whoever uses it: help, slips, colours, completions, a live table, logs.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testplanet::{LONG, Program, chore_program, component, refused, text};

const COUNTS: &str = "guest-run-counts";
const CHATTERS: &str = "guest-run-chatters";

fn home() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("mn").tempdir().unwrap();
    done(folder.path(), &["setup"]);
    let chores = folder.path().join("chores");
    fs::copy(component(COUNTS), chores.join(format!("{COUNTS}.wasm"))).unwrap();
    folder
}

fn done(home: &Path, arguments: &[&str]) -> String {
    let output = Program::command(home, arguments);
    assert!(output.status.success(), "chore {arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn slips_are_answered_with_what_was_meant() {
    let folder = home();
    let home = folder.path();
    let mut peer = Program::run(home);
    peer.is_up();
    let slips: [(&[&str], i32, &str); 9] = [
        (&["histroy"], 2, "'history'"),
        (&["history", "--outcome", "faild"], 2, "'failed'"),
        (&["log-level", COUNTS, "debg"], 2, "'debug'"),
        (&["completions", "bsh"], 2, "'bash'"),
        (&["man", "histroy"], 1, "\"history\""),
        (&["status", "guest-run-count"], 1, "\"guest-run-counts\""),
        (&["trigger", "guest-run-count"], 1, "\"guest-run-counts\""),
        (&["logs", "guest-run-count"], 1, "\"guest-run-counts\""),
        (&["trigger", COUNTS, "--cycle", "mian"], 1, "\"main\""),
    ];
    for (arguments, code, meant) in slips {
        let output = Program::command(home, arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(meant), "{arguments:?}: {stderr}");
    }
    let top = refused(&Program::command(home, &["top"]));
    assert!(top.contains("needs a terminal") && top.contains("chore ls"), "{top}");
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let folder = home();
    let home = folder.path();
    let mut peer = Program::run(home);
    peer.is_up();
    let coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = Command::new(chore_program());
        command.arg("--home").arg(home).args(arguments).envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        output.stdout.contains(&0x1b)
    };
    type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], bool);
    let table: [Case; 6] = [
        (&["ls"], &[], false),
        (&["ls", "--color", "always"], &[("NO_COLOR", "1")], true),
        (&["ls"], &[("CLICOLOR_FORCE", "1")], true),
        (&["ls", "--color", "never"], &[("CLICOLOR_FORCE", "1")], false),
        (&["ls"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
        (&["ls", "--json", "--color", "always"], &[], false),
    ];
    for (arguments, variables, expected) in table {
        assert_eq!(coloured(arguments, variables), expected, "{arguments:?} {variables:?}");
    }
}

#[test]
fn shells_take_the_completions_and_man_its_pages() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = folder.path().join(shell);
        fs::write(&script, done(folder.path(), &["completions", shell])).unwrap();
        // Read, not run; a shell that is not here cannot say.
        match Command::new(shell).arg("-n").arg(&script).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", text(&output.stderr)),
            Err(err) => eprintln!("left out: {shell}: {err}"),
        }
    }
    let completed = "COMP_WORDS=(chore log-le); COMP_CWORD=1; source ./bash; \
                     _chore chore log-le chore; echo \"${COMPREPLY[@]}\"";
    let bash = Command::new("bash").args(["-c", completed]).current_dir(folder.path()).output();
    if let Ok(output) = bash {
        assert_eq!(text(&output.stdout).trim(), "log-level", "{}", text(&output.stderr));
    }
    let pages = folder.path().join("man");
    done(folder.path(), &["man", "--into", pages.to_str().unwrap()]);
    for name in ["chore", "chore-history", "chore-doctor"] {
        let page = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(
            page.contains(".TH") && (page.contains("Examples:") || page.contains("Exit codes:")),
            "{page}"
        );
    }
}

/// Types `keys` into a command on a terminal, each when the screen shows what is beside it, and says
/// all that was shown.
fn on_a_terminal(line: &str, keys: &[(&str, &str)]) -> Option<String> {
    let mut script = Command::new("script");
    script.args(["-qec", line, "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
    // Whose shell it is must not matter: `bash` outlives a Ctrl-C that its child handles, `dash` does not.
    script.env("SHELL", "/bin/sh");
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = script.spawn() else {
        eprintln!("left out: no `script` is here");
        return None;
    };
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count) = stdout.read(&mut bytes) {
            if count == 0 || send.send(bytes[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let (mut shown, begun) = (Vec::new(), Instant::now());
    let mut keys = keys.iter();
    let mut next = keys.next();
    let mut since = 0;
    loop {
        assert!(begun.elapsed() < LONG, "it does not end: {}", text(&shown));
        match receive.recv_timeout(Duration::from_millis(100)) {
            Ok(more) => shown.extend(more),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if let Some((when, key)) = next
            && text(&shown[since..]).contains(when)
        {
            since = shown.len();
            stdin.write_all(key.as_bytes()).unwrap();
            stdin.flush().unwrap();
            next = keys.next();
        }
    }
    assert!(child.wait().unwrap().success(), "{}", text(&shown));
    assert_eq!(next, None, "it ended before: {}", text(&shown));
    Some(text(&shown))
}

#[test]
fn top_is_a_table_that_follows_and_leaves_the_terminal_as_it_was() {
    let folder = home();
    let mut peer = Program::run(folder.path());
    peer.is_up();
    let line = format!(
        "trap : INT; stty cols 120 rows 10; before=$(stty -g); {} --home {} top --every 200ms; \
         test \"$before\" = \"$(stty -g)\" && echo as it was",
        chore_program().display(),
        folder.path().display()
    );
    let keys = [("by name", "c"), ("by cpu", "r"), ("by cpu, reversed", "z"), ("reversed", "q")];
    let Some(shown) = on_a_terminal(&line, &keys) else { return };
    assert!(shown.contains(COUNTS) && shown.contains("r reverses, q quits"), "{shown}");
    assert!(shown.contains("\u{1b}[32msucceeded"), "coloured: {shown}");
    let (entered, left) = (shown.find("\u{1b}[?1049h"), shown.rfind("\u{1b}[?1049l"));
    assert!(entered.is_some() && left > entered, "{shown}");
    assert!(shown.trim_end().ends_with("as it was"), "{shown}");

    // Ctrl-C is another way to quit, and a smaller window gets less.
    let line = line.replace("cols 120 rows 10", "cols 30 rows 5");
    let Some(shown) = on_a_terminal(&line, &[("CHORE", "\u{3}")]) else { return };
    assert!(shown.trim_end().ends_with("as it was"), "{shown}");
    assert!(!shown.contains("q quits"), "it has no room for that: {shown}");
}

/// A `chore logs -f`, and what it has shown. It ends with the test.
struct Followed {
    child: Child,
    file: PathBuf,
}

impl Followed {
    fn start(home: &Path, chore: &str, lines: &str) -> Followed {
        let file = home.join("followed");
        let mut follow = Command::new(chore_program());
        follow.arg("--home").arg(home).args(["logs", chore, "-f", "-n", lines]);
        let child = follow.stdout(fs::File::create(&file).unwrap()).spawn().unwrap();
        Followed { child, file }
    }

    fn shown(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn wait_for(&self, part: &str) {
        self.wait_for_times(part, 1);
    }

    fn wait_for_times(&self, part: &str, times: usize) {
        let begun = Instant::now();
        while self.shown().matches(part).count() < times {
            assert!(begun.elapsed() < LONG, "no {part} {times} times: {}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A line is there while its run still runs, and not once more when the run has ended.
#[test]
fn logs_follow_a_run_line_by_line() {
    let folder = home();
    let home = folder.path();
    let chores = home.join("chores");
    let config = "[cycles.main]\ninterval = \"off\"\n[settings]\nlines = 3\nwaits = true\n";
    fs::write(chores.join(format!("{CHATTERS}.toml")), config).unwrap();
    fs::copy(component(CHATTERS), chores.join(format!("{CHATTERS}.wasm"))).unwrap();
    let mut peer = Program::run(home);
    peer.is_up();
    done(home, &["reload", CHATTERS]);
    done(home, &["trigger", CHATTERS]);
    // Whoever comes during a run hears what it logs from then on, and the rest with its end.
    let followed = Followed::start(home, CHATTERS, "50");
    done(home, &["cancel", CHATTERS]);
    followed.wait_for("RUN");
    let all =
        |shown: &str| [0, 1, 2].map(|n| shown.matches(&format!("chattered line={n}")).count());
    assert_eq!(all(&followed.shown()), [1; 3], "{}", followed.shown());

    done(home, &["trigger", CHATTERS]);
    followed.wait_for_times("chattered line=2", 2);
    assert_eq!(
        followed.shown().matches("RUN").count(),
        1,
        "it has not ended: {}",
        followed.shown()
    );
    done(home, &["cancel", CHATTERS]);
    followed.wait_for_times("RUN", 2);
    assert_eq!(all(&followed.shown()), [2; 3], "{}", followed.shown());
    assert_eq!(followed.shown().lines().count(), 8, "{}", followed.shown());
}

#[test]
fn logs_go_on_over_a_restart_of_the_peer() {
    let folder = home();
    let home = folder.path();
    let mut peer = Program::run(home);
    peer.is_up();
    done(home, &["trigger", COUNTS, "--wait"]);
    let followed = Followed::start(home, COUNTS, "1");
    followed.wait_for("succeeded after");
    assert_eq!(followed.shown().lines().count(), 1, "the last line only");
    done(home, &["trigger", COUNTS, "--wait"]);
    followed.wait_for("counted a run runs=3");
    peer.terminate();
    let mut peer = Program::run(home);
    peer.is_up();
    done(home, &["trigger", COUNTS, "--wait"]);
    followed.wait_for("counted a run runs=4");
    done(home, &["trigger", COUNTS, "--wait"]);
    followed.wait_for("counted a run runs=5");
    for runs in ["runs=3", "runs=4", "runs=5"] {
        let shown = followed.shown();
        assert_eq!(shown.matches(runs).count(), 1, "each once: {shown}");
    }
    drop(followed);
    let lines = done(home, &["logs", "--json", "-n", "3"]);
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((&last["chore"], &last["level"]), (&COUNTS.into(), &"RUN".into()));
}
