//! What goes on while something takes long: one line on a terminal, which is gone when it is done. Not
//! on anything else, where it would be in the way.

use std::io::{IsTerminal, Write, stderr};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How soon it is shown, so that what is quick does not flicker; and how often it moves.
const SHOW_AFTER: Duration = Duration::from_millis(400);
const MOVE_EVERY: Duration = Duration::from_millis(120);

const SIGNS: [char; 10] = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/// Back to the beginning of the line, and nothing in it.
const CLEAR: &str = "\r\u{1b}[K";

/// It ends when it is dropped.
#[must_use]
pub(super) struct Progress {
    /// What is done now, and the thread that shows it.
    shown: Option<(Sender<String>, JoinHandle<()>)>,
}

impl Progress {
    /// `what` is done, as in "compiling".
    pub fn begin(what: &str) -> Progress {
        if !stderr().is_terminal() {
            return Progress { shown: None };
        }
        let (says, said) = channel::<String>();
        let mut what = what.to_owned();
        let begun = Instant::now();
        let draw = move || {
            let mut signs = SIGNS.iter().cycle();
            let mut wait = SHOW_AFTER;
            loop {
                match said.recv_timeout(wait) {
                    Ok(other) => what = other,
                    Err(RecvTimeoutError::Timeout) => wait = MOVE_EVERY,
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if wait == MOVE_EVERY {
                    let sign = signs.next().copied().unwrap_or_default();
                    let line = line(sign, &what, begun.elapsed());
                    // A terminal that is gone shows nothing.
                    let _ = write!(stderr().lock(), "{CLEAR}{line}");
                }
            }
            if wait == MOVE_EVERY {
                let _ = write!(stderr().lock(), "{CLEAR}");
            }
        };
        Progress { shown: Some((says, std::thread::spawn(draw))) }
    }

    /// Something else is done now.
    pub fn says(&self, what: &str) {
        if let Some((says, _)) = &self.shown {
            let _ = says.send(what.to_owned());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((says, thread)) = self.shown.take() {
            drop(says);
            // So that its line is gone before the next is printed.
            let _ = thread.join();
        }
    }
}

fn line(sign: char, what: &str, since: Duration) -> String {
    let since = humantime::format_duration(Duration::from_secs(since.as_secs()));
    format!("{sign} {what} ... {since}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_what_and_how_long() {
        assert_eq!(line('⠋', "compiling", Duration::from_millis(7_900)), "⠋ compiling ... 7s");
        assert_eq!(line('⠋', "compiling", Duration::from_secs(75)), "⠋ compiling ... 1m 15s");
    }
}
