//! Single keys from a terminal, without Return. From anything else, letters as they come.

use std::io::{Read, stdin};

use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

use super::Error;

/// Keys that wait: nobody types faster than they are taken.
const WAITING: usize = 16;

/// The terminal is as it was when this is dropped.
pub(super) struct Keys<K> {
    pressed: mpsc::Receiver<K>,
    before: Option<Termios>,
}

impl<K: Send + 'static> Keys<K> {
    /// `known` says what a byte stands for; what it does not know is passed over.
    pub fn read(known: fn(u8) -> Option<K>) -> Result<Keys<K>, Error> {
        let failed = |err: rustix::io::Errno| Error::System {
            operation: "read keys from the terminal",
            source: err.into(),
        };
        let before = match isatty(stdin()) {
            true => {
                let before = tcgetattr(stdin()).map_err(failed)?;
                let mut now = before.clone();
                // Signals and line ends stay as they are.
                now.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
                tcsetattr(stdin(), OptionalActions::Now, &now).map_err(failed)?;
                Some(before)
            }
            false => None,
        };
        let (press, pressed) = mpsc::channel(WAITING);
        // A thread of its own, which ends with the program: a read of a terminal cannot be given up.
        std::thread::spawn(move || {
            let bytes = stdin().lock().bytes().map_while(Result::ok);
            for key in bytes.filter_map(known) {
                if press.blocking_send(key).is_err() {
                    return;
                }
            }
        });
        Ok(Keys { pressed, before })
    }

    /// Waits for ever when there will be none.
    pub async fn next(&mut self) -> K {
        match self.pressed.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}

impl<K> Drop for Keys<K> {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that is gone.
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}
