//! The program `chore`, run as an operator runs it. It ends with the test.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use crate::{LONG, chore_program};

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A `chore run` in the background.
pub struct Program {
    child: Child,
    log: std::path::PathBuf,
}

impl Program {
    /// Starts the peer of `home`, its log in `home/log`, as text.
    pub fn run(home: &Path) -> Program {
        Program::run_with(home, &[("CHORE_LOG_FORMAT", "text")])
    }

    /// With these variables, too.
    pub fn run_with(home: &Path, variables: &[(&str, &str)]) -> Program {
        let log = home.join("log");
        let file = std::fs::File::create(&log).expect("a log file");
        let mut command = Command::new(chore_program());
        command.arg("--home").arg(home).arg("run");
        command.envs(variables.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        // Where a core file would go.
        command.current_dir(home);
        Program { child: command.spawn().expect("chore runs"), log }
    }

    /// After a line of a shell, such as one that sets a limit.
    pub fn run_under(home: &Path, line: &str) -> Program {
        let log = home.join("log");
        let file = std::fs::File::create(&log).expect("a log file");
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{line}; exec \"$0\" --home \"$1\" run")]);
        command.arg(chore_program()).arg(home).env("CHORE_LOG_FORMAT", "text");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Program { child: command.spawn().expect("a shell runs"), log }
    }

    /// One command of an operator, to its end.
    pub fn command(home: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(chore_program());
        command.arg("--home").arg(home).args(arguments).stdin(Stdio::null());
        command.output().expect("chore runs")
    }

    /// Memory of the process that is in use, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Outlives the program.
    pub fn log_path(&self) -> std::path::PathBuf {
        self.log.clone()
    }

    /// Waits until the peer runs, and stops it.
    pub fn ends_well(mut self) -> bool {
        self.is_up();
        self.terminate().success()
    }

    /// Waits until the peer takes commands.
    pub fn is_up(&mut self) {
        let begun = Instant::now();
        while !self.log().contains("peer runs") {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none(), "the peer ended: {ended:?}\n{}", self.log());
            assert!(begun.elapsed() < LONG, "the peer does not start:\n{}", self.log());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// As a power cut does: nothing of it can be noticed.
    pub fn kill(mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    /// As a bug does: SIGABRT, with the shell's limit on core files lifted. Whether one was left.
    pub fn crash(mut self) -> bool {
        let pid = self.child.id().to_string();
        let lifted = Command::new("prlimit").args(["--core=unlimited", "--pid", &pid]).status();
        if !lifted.is_ok_and(|status| status.success()) {
            eprintln!("the limit on core files could not be lifted");
        }
        let sent = Command::new("kill").args(["-ABRT", &pid]).status().expect("kill runs");
        assert!(sent.success());
        self.child.wait().expect("a child").core_dumped()
    }

    /// Asks it to stop with SIGTERM, and waits for its end.
    pub fn terminate(self) -> ExitStatus {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(sent.success());
        self.ended()
    }

    /// Waits until it has ended by itself.
    pub fn ended(mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(begun.elapsed() < LONG, "the peer does not end:\n{}", self.log());
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command printed.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The line of an error; fails if it is more than one, or none.
pub fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = text(&output.stderr);
    let line = stderr.strip_prefix("error: ").unwrap_or_else(|| panic!("no error: {stderr}"));
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    line.trim_end().to_owned()
}
