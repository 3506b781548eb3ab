//! A run that tries to reach what no chore is given: files, the network, the environment, programs,
//! and other chores' data. It fails with a list of what it could reach.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::{env, fs};

use chore_sdk::prelude::*;

/// Reaches out.
#[derive(Settings)]
struct RunReachesOut {
    /// Where somebody listens.
    listener: String,
    /// A file that is there, absolute.
    file: String,
}

#[chore(interval = "1h", timeout = "1m")]
impl Chore for RunReachesOut {
    async fn run(&mut self, _: Tick) -> Result<()> {
        let mut reached = Vec::new();
        let mut tried = |what: &str, found: Option<String>| {
            reached.extend(found.map(|found| format!("{what}: {found}")));
        };
        for path in [self.file.as_str(), "/etc/passwd", "/proc/self/environ", "../peer.db"] {
            tried(path, fs::read(path).ok().map(|bytes| format!("{} bytes", bytes.len())));
        }
        for path in ["/", ".", ".."] {
            tried(path, fs::read_dir(path).ok().map(|_| "a directory".to_owned()));
        }
        for path in ["out", "/tmp/out", "/out"] {
            tried(path, fs::write(path, "mine").ok().map(|()| "written".to_owned()));
        }
        let listener = self.listener.as_str();
        tried("connect", TcpStream::connect(listener).ok().map(|_| listener.to_owned()));
        tried("listen", TcpListener::bind("127.0.0.1:0").ok().map(|_| "bound".to_owned()));
        let datagram = UdpSocket::bind("0.0.0.0:0").and_then(|udp| udp.send_to(b"x", listener));
        tried("datagram", datagram.ok().map(|sent| format!("{sent} bytes")));
        let names = "localhost:80".to_socket_addrs();
        tried("name", names.ok().and_then(|mut all| all.next()).map(|found| found.to_string()));
        tried("variable", env::vars_os().next().map(|(name, _)| format!("{name:?}")));
        tried("argument", env::args_os().next().map(|argument| format!("{argument:?}")));
        let mut typed = [0; 1];
        let read = std::io::stdin().read(&mut typed).ok().filter(|count| *count > 0);
        tried("standard input", read.map(|_| "a byte".to_owned()));
        // Goes nowhere; it must not fail either, because libraries print.
        let printed = writeln!(std::io::stdout(), "guest was here");
        tried("standard output", printed.err().map(|err| err.to_string()));
        let program = std::process::Command::new("/bin/true").status();
        tried("program", program.ok().map(|status| status.to_string()));
        for statement in [
            "ATTACH '../databases/guest-run-uses-all.db' AS other",
            "ATTACH 'file:guest-run-uses-all.db' AS other",
            "SELECT readfile('/etc/passwd')",
            "SELECT load_extension('x')",
            "SELECT * FROM t",
        ] {
            let done = sql::query(statement, params![]).await;
            tried(statement, done.ok().map(|rows| format!("{} rows", rows.len())));
        }
        // That of every chore, under its own name alone.
        tried("state", state::load_text::<String>().await?);
        if reached.is_empty() { Ok(()) } else { bail!("reached {}", reached.join("; ")) }
    }
}

chore_sdk::export!(RunReachesOut);
