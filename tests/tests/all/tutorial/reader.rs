//! A reader with two terminals and an editor: does each step of a page in a home of their own.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use testplanet::{LONG, chore_program, text, workspace};

use super::page::{INTERRUPT, Step};
use super::shown;

/// Commands that go on until they are stopped, and what each says when it does.
const GO_ON: [(&str, &str); 2] =
    [("chore dev", "watching the source..."), ("chore run", "... peer runs ...")];

/// Between two looks at a terminal.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a page calls the reader's home.
const HOME_SHOWN: &str = "/home/you";

/// A shell goes on where the last one was, and leaves where it is.
const BEGIN: &str =
    "set -e; cd \"$(cat \"$HOME/../folder\")\"; . \"$HOME/../variables\"; exec 2>&1;";
const END: &str = "\
pwd > \"$HOME/../folder\"
export -p | grep -v CARGO_TARGET_DIR > \"$HOME/../variables\"
";

pub struct Reader {
    root: tempfile::TempDir,
    /// What the last command printed that has ended.
    printed: String,
    /// Commands that go on, the latest last.
    terminals: Vec<Terminal>,
    /// Whether what is shown next is in the peer's terminal.
    looks_at_peer: bool,
}

impl Reader {
    pub fn new() -> Reader {
        let root = tempfile::Builder::new().prefix("tu").tempdir().unwrap();
        fs::create_dir(root.path().join("home")).unwrap();
        let reader =
            Reader { root, printed: String::new(), terminals: Vec::new(), looks_at_peer: false };
        // Where the page begins, and what the shell has from there.
        fs::write(reader.folder_file(), workspace().display().to_string()).unwrap();
        fs::write(reader.variables_file(), "").unwrap();
        reader
    }

    pub fn does(&mut self, step: &Step) {
        match step {
            Step::Type(commands) => self.types(commands),
            Step::See(expected) => self.sees(expected),
            Step::Replace { file, text } => fs::write(self.file(file), text).unwrap(),
            Step::Change { file, from, to } => {
                let file = self.file(file);
                let text = fs::read_to_string(&file).unwrap();
                assert_eq!(text.matches(from.as_str()).count(), 1, "{from} in {text}");
                self.now();
                fs::write(&file, text.replace(from, to)).unwrap();
            }
            Step::Press(key) => self.presses(*key),
            Step::LookAtPeer => self.looks_at_peer = true,
        }
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    fn folder_file(&self) -> PathBuf {
        self.root.path().join("folder")
    }

    fn variables_file(&self) -> PathBuf {
        self.root.path().join("variables")
    }

    /// A path as the page has it.
    fn file(&self, path: &str) -> PathBuf {
        match path.strip_prefix("~/") {
            Some(path) => self.home().join(path),
            None => Path::new(fs::read_to_string(self.folder_file()).unwrap().trim()).join(path),
        }
    }

    /// What is shown from here on comes after this.
    fn now(&mut self) {
        for terminal in &mut self.terminals {
            terminal.seen = terminal.all().len();
        }
    }

    fn types(&mut self, commands: &str) {
        self.looks_at_peer = false;
        self.now();
        let lines: Vec<&str> = commands.lines().collect();
        let (last, before) = lines.split_last().expect("a command");
        let Some((_, up)) = GO_ON.iter().find(|(command, _)| command == last) else {
            return self.ends(commands);
        };
        self.ends(&before.join("\n"));
        self.printed.clear();
        let screen = self.root.path().join(format!("screen-{}", self.terminals.len()));
        let line = format!("exec bash -c '{BEGIN} exec {last}'");
        let mut terminal = Terminal::run(self.command("script"), &line, &screen);
        // A reader looks whether it runs before typing anything else.
        terminal.shows(up);
        self.terminals.push(terminal);
    }

    /// Each must succeed, and those that a comment says fail must fail.
    fn ends(&mut self, commands: &str) {
        let lines = commands.lines().map(|line| match line.split_once("  # fails") {
            // What a "!" is before does not end the script either way.
            Some((command, _)) => format!("if {command}; then exit 1; fi\n"),
            None => format!("{line}\n"),
        });
        let script = format!("{BEGIN}\n{}{END}", lines.collect::<String>());
        let output = self.command("bash").args(["-c", &script]).output().unwrap();
        self.printed = text(&output.stdout);
        assert!(output.status.success(), "{commands}{}", self.printed);
        self.share_what_is_compiled();
    }

    /// A program in the reader's home, which has their Rust and no network.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        let outside = std::env::var("HOME").unwrap_or_default();
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            if std::env::var_os(name).is_none() {
                command.env(name, Path::new(&outside).join(folder));
            }
        }
        // What cargo tells a test about itself is nothing for what the reader builds.
        for (name, _) in std::env::vars().filter(|(name, _)| is_of_cargo(name)) {
            command.env_remove(name);
        }
        let program = chore_program();
        let programs_folder = program.parent().unwrap();
        let path =
            format!("{}:{}", programs_folder.display(), std::env::var("PATH").unwrap_or_default());
        command.env("HOME", self.home()).env("PATH", path).env_remove("CHORE_HOME");
        // The program is built where the tests have built it.
        let target = programs_folder.parent().unwrap();
        match self.file(".").starts_with(self.home()) {
            true => command.env_remove("CARGO_TARGET_DIR"),
            false => command.env("CARGO_TARGET_DIR", target),
        };
        command.env("CARGO_NET_OFFLINE", "true").env("CARGO_TERM_COLOR", "never");
        // As on the terminal that a reader has.
        command.env("CHORE_LOG_FORMAT", "text");
        command.current_dir(self.home()).stdin(Stdio::null());
        command
    }

    /// A crate that is new builds where those of other tests do, so that what it depends on is there.
    fn share_what_is_compiled(&self) {
        let crate_folder = self.file(".");
        let target = crate_folder.join("target");
        if crate_folder.starts_with(self.home())
            && crate_folder.join("Cargo.toml").exists()
            && !target.exists()
        {
            let shared = super::super::authors::target();
            // It may be the first that builds there.
            fs::create_dir_all(&shared).unwrap();
            std::os::unix::fs::symlink(shared, target).unwrap();
        }
    }

    fn sees(&mut self, expected: &str) {
        let expected = expected.replace(HOME_SHOWN, &self.home().display().to_string());
        let goes_on = self.looks_at_peer || self.printed.is_empty();
        match self.terminals.last_mut().filter(|_| goes_on) {
            Some(terminal) => terminal.shows(&expected),
            None => {
                let printed = &self.printed;
                assert!(shown::is_all(&expected, printed), "shown:\n{expected}printed:\n{printed}");
            }
        }
    }

    fn presses(&mut self, key: char) {
        self.now();
        let mut terminal = self.terminals.pop().expect("a command that goes on");
        terminal.press(key);
        match key {
            'q' | INTERRUPT => terminal.ends(),
            _ => self.terminals.push(terminal),
        }
    }
}

fn is_of_cargo(name: &str) -> bool {
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// A program that believes it is at a terminal, and goes on.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: PathBuf,
    /// How much of the screen was there before what is waited for.
    seen: usize,
}

impl Terminal {
    fn run(mut script: Command, line: &str, screen: &Path) -> Terminal {
        script.args(["-qfec", line, "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(File::create(screen).unwrap());
        let mut child = script.spawn().expect("`script`, of util-linux, is installed");
        let keys = child.stdin.take().unwrap();
        Terminal { child, keys, screen: screen.into(), seen: 0 }
    }

    fn all(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.screen).unwrap()).into_owned()
    }

    /// Waits until all lines are there, in any order.
    fn shows(&mut self, expected: &str) {
        let begun = Instant::now();
        loop {
            let all = self.all();
            let new = all.get(self.seen..).unwrap_or_default();
            let Some(missing) = shown::missing(expected, new) else { return };
            assert!(begun.elapsed() < LONG, "{missing:?} is not there:\n{all}");
            assert!(self.child.try_wait().unwrap().is_none(), "it ended:\n{all}");
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn press(&mut self, key: char) {
        self.keys.write_all(key.to_string().as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn ends(mut self) {
        let begun = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < LONG, "it does not end:\n{}", self.all());
            std::thread::sleep(LOOK_EVERY);
        }
        assert!(self.child.wait().unwrap().success(), "{}", self.all());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
