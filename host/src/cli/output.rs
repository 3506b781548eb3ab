//! Where commands print: text for people or JSON for programs. A reader that went away is no error.

use std::cell::Cell;
use std::io::{self, Write};

use serde::Serialize;

use super::{Error, ink};

/// Standard output. Knows which of the two forms was asked for.
pub(super) struct Out {
    pub json: bool,
    is_coloured: bool,
    closed: Cell<bool>,
}

impl Out {
    pub fn new(json: bool) -> Out {
        Out { json, is_coloured: ink::is_wanted(&io::stdout()), closed: Cell::new(false) }
    }

    /// Whether the reader went away: what has no end stops then.
    pub fn closed(&self) -> bool {
        self.closed.get()
    }

    /// Prints `text` and a line end.
    pub fn line(&self, text: &str) -> Result<(), Error> {
        match self.is_coloured {
            true => self.raw(&format!("{}\n", ink::coloured(text))),
            false => self.raw(&format!("{text}\n")),
        }
    }

    /// Prints what is not ours to change.
    pub fn raw(&self, text: &str) -> Result<(), Error> {
        self.check(io::stdout().lock().write_all(text.as_bytes()))
    }

    /// What is only said to people: in JSON mode it goes to standard error.
    pub fn tell(&self, text: &str) -> Result<(), Error> {
        if !self.json {
            return self.line(text);
        }
        self.check(writeln!(io::stderr().lock(), "{text}"))
    }

    /// Prints one of the two forms.
    pub fn show(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Error> {
        if self.json { self.value(value) } else { self.line(&text()) }
    }

    /// Prints one line of JSON.
    pub fn value(&self, value: &impl Serialize) -> Result<(), Error> {
        let line = serde_json::to_string(value).map_err(|err| failed(err.into()))?;
        self.raw(&format!("{line}\n"))
    }

    pub fn version(&self) -> Result<u8, Error> {
        let version = env!("CARGO_PKG_VERSION");
        let value = serde_json::json!({ "version": version });
        self.show(&value, || format!("chore {version}"))?;
        Ok(0)
    }

    fn check(&self, printed: io::Result<()>) -> Result<(), Error> {
        match printed {
            Err(err) if err.kind() == io::ErrorKind::BrokenPipe => {
                self.closed.set(true);
                Ok(())
            }
            printed => printed.map_err(failed),
        }
    }
}

fn failed(source: io::Error) -> Error {
    Error::System { operation: "print", source }
}
