//! A terminal that is drawn on as a whole, and is as it was before when that is over, however it ends.

use std::io::{self, IsTerminal, Write, stdin, stdout};
use std::sync::Once;

use rustix::termios::tcgetwinsize;

use super::super::Error;

/// A second screen without a cursor, and back to the first.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";

const HOME: &str = "\u{1b}[H";
const CLEAR_TO_END_OF_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// Of a terminal that does not say.
const SIZE: (usize, usize) = (80, 24);

pub(super) struct Screen<W: Write = io::Stdout>(W);

impl Screen {
    pub fn is_possible() -> bool {
        stdin().is_terminal() && stdout().is_terminal()
    }

    pub fn open() -> Result<Screen, Error> {
        // What a panic says must not be on the screen that goes.
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                let _ = write!(stdout(), "{LEAVE}");
                let _ = stdout().flush();
                before(panic);
            }));
        });
        Screen::on(stdout())
    }
}

impl<W: Write> Screen<W> {
    fn on(mut out: W) -> Result<Screen<W>, Error> {
        out.write_all(ENTER.as_bytes()).map_err(failed)?;
        Ok(Screen(out))
    }

    /// Columns and lines.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => SIZE,
        }
    }

    /// Over what was there, at once, so that nothing flickers.
    pub fn draw(&mut self, frame: &str) -> Result<(), Error> {
        let lines = frame.replace('\n', &format!("{CLEAR_TO_END_OF_LINE}\n"));
        let all = format!("{HOME}{lines}{CLEAR_TO_END_OF_LINE}{CLEAR_BELOW}");
        self.0.write_all(all.as_bytes()).and_then(|()| self.0.flush()).map_err(failed)
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = self.0.write_all(LEAVE.as_bytes());
        let _ = self.0.flush();
    }
}

fn failed(source: io::Error) -> Error {
    Error::System { operation: "draw on the terminal", source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn the_terminal_is_left_as_it_was_after_a_panic_too() {
        let mut written = Vec::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut screen = Screen::on(&mut written).unwrap();
            screen.draw("a\nb").unwrap();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        let text = String::from_utf8(written).unwrap();
        let expected =
            format!("{ENTER}{HOME}a\u{1b}[K\nb{CLEAR_TO_END_OF_LINE}{CLEAR_BELOW}{LEAVE}");
        assert_eq!(text, expected);
    }
}
