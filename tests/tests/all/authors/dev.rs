//! `chore dev` in a terminal: what an author sees while the source changes.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use testplanet::{LONG, chore_program};

use super::{author, done, folder, target};

/// From nothing to the changed string in the log, what the chore depends on being compiled.
const ONE_MINUTE: Duration = Duration::from_secs(60);

/// Longest that anything is waited for: builds of Python are slow, and wait for each other.
const WAIT_MAX: Duration = LONG.saturating_mul(3);

/// Between two looks at the terminal.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A program that believes it is at a terminal.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: PathBuf,
}

impl Terminal {
    fn run(folder: &Path, line: &str) -> Terminal {
        let screen = folder.with_extension("screen");
        let mut script = Command::new("script");
        script.args(["-qfec", line, "/dev/null"]).current_dir(folder);
        script.env_remove("CHORE_HOME").env("CARGO_NET_OFFLINE", "true");
        script.env("CARGO_TARGET_DIR", target()).env("CARGO_TERM_COLOR", "never");
        script.stdin(Stdio::piped()).stdout(File::create(&screen).unwrap());
        let mut child = script.spawn().expect("`script`, of util-linux, is installed");
        let keys = child.stdin.take().unwrap();
        Terminal { child, keys, screen }
    }

    fn shows(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.screen).unwrap()).into_owned()
    }

    /// How often `text` is on the screen, and waits until that is more than `before`.
    fn until(&mut self, text: &str, before: usize) -> usize {
        let begun = Instant::now();
        loop {
            let found = self.shows().matches(text).count();
            if found > before {
                return found;
            }
            assert!(begun.elapsed() < WAIT_MAX, "{text:?} is not there:\n{}", self.shows());
            assert!(self.child.try_wait().unwrap().is_none(), "it ended:\n{}", self.shows());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn ends(mut self) -> bool {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.success();
            }
            assert!(begun.elapsed() < WAIT_MAX, "it does not end:\n{}", self.shows());
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn an_edited_string_is_in_the_log_of_the_running_peer_within_a_minute() {
    let here = folder();
    // What the chore depends on is compiled, as it is for everybody who has built one before.
    done(&author(here.path(), &["new", "before"]));
    done(&author(&here.path().join("before"), &["build"]));

    let begun = Instant::now();
    done(&author(here.path(), &["new", "hello"]));
    let crate_folder = here.path().join("hello");
    let source = crate_folder.join("src/lib.rs");
    let mut terminal = Terminal::run(&crate_folder, &format!("{} dev", chore_program().display()));
    terminal.until("hello world", 0);
    edit(&source, "hello {}", "good morning {}");
    let runs = terminal.until("good morning world", 0);
    assert!(begun.elapsed() < ONE_MINUTE, "{:?}:\n{}", begun.elapsed(), terminal.shows());

    terminal.until("generation 2", 0);
    terminal.press("t");
    let runs = terminal.until("good morning world", runs);
    terminal.press("p");
    terminal.until("hello: paused", 0);
    // What does not compile changes nothing.
    edit(&source, "good morning {}", "good evening {}\" +");
    terminal.until("not built; waiting for a change", 0);
    terminal.press("t");
    terminal.until("good morning world", runs);
    edit(&source, "good evening {}\" +", "good evening {}\"");
    edit(&source, "good evening {}\"", "good evening {}");
    terminal.until("good evening world", 0);
    terminal.press("q");
    assert!(terminal.ends());
}

#[test]
fn an_edited_line_of_python_takes_over() {
    let here = folder();
    done(&author(here.path(), &["new", "hello", "--lang", "python"]));
    let made = here.path().join("hello");
    let source = made.join("greeting.py");
    let mut terminal = Terminal::run(&made, &format!("{} dev", chore_program().display()));
    terminal.until("compiling hello with componentize-py", 0);
    let runs = terminal.until("hello world", 0);
    terminal.until("hello: loaded", 0);
    // What is no Python changes nothing.
    edit(&source, "return", "retrun");
    terminal.until("SyntaxError", 0);
    terminal.until("not built; waiting for a change", 0);
    edit(&source, "retrun f\"hello {whom}\"", "return f\"good morning {whom}\"");
    terminal.until("compiling hello with componentize-py", 2);
    // Meanwhile the old version can be run.
    terminal.press("t");
    terminal.until("hello world", runs);
    terminal.until("good morning world", 0);
    terminal.until("generation 2", 0);
    terminal.press("q");
    assert!(terminal.ends());
}
