//! Runs another program to its end. What it says on standard error goes to ours as it is. However we
//! end, it has ended.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longest that a program may take: a first build on a slow machine, with downloads.
const COMMAND_MAX: Duration = Duration::from_secs(15 * 60);

/// How often a program is asked whether it has ended.
pub(super) const ASK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("run `{command}`: there is no {program} in PATH: install {install}")]
    NotInstalled { program: String, command: String, install: &'static str },
    #[error("run `{command}`")]
    Run { command: String, source: io::Error },
    #[error("`{command}` failed ({status})")]
    Failed { command: String, status: ExitStatus },
    #[error("`{command}` took more than {}", humantime::format_duration(*.max))]
    TooLong { command: String, max: Duration },
}

/// What it says on standard output, and its line as one would type it. `install` says what to do if
/// there is no such program.
pub(super) async fn read(
    mut command: Command,
    install: &'static str,
) -> Result<(String, Vec<u8>), Error> {
    command.stdout(Stdio::piped());
    let mut running = Running::start(command, install)?;
    let stdout = running.child.stdout.take();
    // Read all the while, so that it never waits for a reader.
    let reading = tokio::task::spawn_blocking(move || {
        let mut said = Vec::new();
        stdout.map_or(Ok(0), |mut stdout| stdout.read_to_end(&mut said)).map(|_| said)
    });
    running.end().await?;
    let said = reading.await.map_err(io::Error::other).flatten();
    let said = said.map_err(|err| running.failed(err))?;
    Ok((std::mem::take(&mut running.line), said))
}

/// What it says on standard output goes to our standard error, too: it is no result.
pub(super) async fn run(mut command: Command, install: &'static str) -> Result<(), Error> {
    // Ours first, where both go to one place.
    let _ = io::stdout().flush();
    command.stdout(io::stderr());
    Running::start(command, install)?.end().await
}

/// Ends when this is dropped, if not before.
struct Running {
    child: Child,
    line: String,
}

impl Running {
    fn start(mut command: Command, install: &'static str) -> Result<Running, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let arguments = command.get_args().map(|argument| argument.to_string_lossy());
        let line = std::iter::once(program.clone().into()).chain(arguments).collect::<Vec<_>>();
        let line = line.join(" ");
        match command.stdin(Stdio::null()).spawn() {
            Ok(child) => Ok(Running { child, line }),
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                Err(Error::NotInstalled { program, command: line, install })
            }
            Err(source) => Err(Error::Run { command: line, source }),
        }
    }

    async fn end(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        loop {
            match self.child.try_wait().map_err(|err| self.failed(err))? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(Error::Failed { command: self.line.clone(), status }),
                None if begun.elapsed() > COMMAND_MAX => {
                    return Err(Error::TooLong { command: self.line.clone(), max: COMMAND_MAX });
                }
                None => tokio::time::sleep(ASK_EVERY).await,
            }
        }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Run { command: self.line.clone(), source }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
