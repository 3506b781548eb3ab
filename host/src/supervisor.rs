//! Tells whoever started this program how it is, over the socket that NOTIFY_SOCKET names: systemd's
//! protocol, which others speak too. It knows no peer.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Names the socket.
pub const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// How long the supervisor waits for a sign of life, in microseconds.
pub const WATCHDOG_VARIABLE: &str = "WATCHDOG_USEC";

/// Whose signs of life are waited for, if it is not everybody's.
pub const WATCHDOG_PID_VARIABLE: &str = "WATCHDOG_PID";

/// A line to the supervisor. What cannot be said is not: it must not stop a peer.
pub struct Supervisor {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// By the variables of this process. Without a supervisor, nothing is said.
    pub fn of_this_process() -> Supervisor {
        let of = std::env::var_os;
        let pid = std::process::id();
        Supervisor {
            socket: of(SOCKET_VARIABLE).and_then(|path| open(&path).ok()),
            watchdog: watchdog(of(WATCHDOG_VARIABLE), of(WATCHDOG_PID_VARIABLE), pid),
        }
    }

    /// How often to give a sign of life, if somebody waits for it.
    pub fn ping_every(&self) -> Option<Duration> {
        // Twice in its time, as the protocol advises.
        self.watchdog.filter(|_| self.socket.is_some()).map(|longest| longest / 2)
    }

    /// It takes commands.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\n{}", line(status)));
    }

    pub fn status(&self, status: &str) {
        self.say(&line(status));
    }

    /// It is about to end, which may take so long.
    pub fn stopping(&self, status: &str, budget: Duration) {
        let extend = budget.as_micros();
        self.say(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={extend}\n{}", line(status)));
    }

    /// A sign of life.
    pub fn ping(&self) {
        self.say("WATCHDOG=1");
    }

    fn say(&self, text: &str) {
        if let Some((socket, to)) = &self.socket {
            let _ = socket.send_to_addr(text.as_bytes(), to);
        }
    }
}

fn line(status: &str) -> String {
    format!("STATUS={}", status.replace('\n', " "))
}

fn open(path: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let to = match path.as_bytes().split_first() {
        #[cfg(target_os = "linux")]
        Some((b'@', name)) => {
            use std::os::linux::net::SocketAddrExt;
            SocketAddr::from_abstract_name(name)?
        }
        _ => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A supervisor that does not read must not hold up a peer.
    socket.set_nonblocking(true)?;
    Ok((socket, to))
}

fn watchdog(micros: Option<OsString>, pid: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str().and_then(|text| text.parse::<u64>().ok());
    let micros = micros.and_then(number).filter(|micros| *micros > 0)?;
    let ours = pid.is_none_or(|pid| number(pid) == Some(u64::from(own)));
    ours.then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn who_is_watched_and_how_long() {
        let table = [
            (None, None, None),
            (Some("30000000"), None, Some(30)),
            (Some("30000000"), Some("7"), Some(30)),
            (Some("30000000"), Some("8"), None),
            (Some("30000000"), Some(""), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
        ];
        for (micros, pid, expected) in table {
            let found = watchdog(micros.map(OsString::from), pid.map(OsString::from), 7);
            assert_eq!(found, expected.map(Duration::from_secs), "{micros:?} {pid:?}");
        }
    }

    #[test]
    fn what_is_said_arrives_and_nobody_who_listens_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = UnixDatagram::bind(&path).unwrap();
        let supervisor = Supervisor {
            socket: Some(open(path.as_os_str()).unwrap()),
            watchdog: Some(Duration::from_secs(8)),
        };
        assert_eq!(supervisor.ping_every(), Some(Duration::from_secs(4)));
        supervisor.ready("runs\nwell");
        supervisor.ping();
        supervisor.stopping("closing", Duration::from_secs(1));
        for expected in [
            "READY=1\nSTATUS=runs well",
            "WATCHDOG=1",
            "STOPPING=1\nEXTEND_TIMEOUT_USEC=1000000\nSTATUS=closing",
        ] {
            let mut bytes = [0; 256];
            let count = listener.recv(&mut bytes).unwrap();
            assert_eq!(std::str::from_utf8(&bytes[..count]).unwrap(), expected);
        }
        drop(listener);
        supervisor.ping();
        let nobody = Supervisor { socket: None, watchdog: Some(Duration::from_secs(8)) };
        nobody.ready("");
        assert_eq!(nobody.ping_every(), None);
    }
}
