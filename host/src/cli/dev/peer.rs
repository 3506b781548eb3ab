//! A peer of `chore dev`'s own: in a temporary home, with everything to grant, and its log on this
//! terminal.

use std::fs::OpenOptions;
use std::io::Write;

use tempfile::TempDir;
use tokio::time::timeout;

use super::super::{Error, log, setup};
use crate::config::{Config, Log, LogFormat, LogLevel};
use crate::control;
use crate::limits::CLOSE_MARGIN;
use crate::peer::{Home, Options, Peer};
use crate::settlement::Manner;

/// So that there are orders to be granted.
const SECTIONS: &str = "\n[orders]\n";

/// Lines of the chore and of its runs, and nothing of the peer that does well.
const LOG: Log = Log { level: LogLevel::Info, format: LogFormat::Text };

pub(super) struct OwnPeer {
    peer: Peer,
    server: control::Server,
    home: Home,
    _folder: TempDir,
}

impl OwnPeer {
    pub async fn start() -> Result<OwnPeer, Error> {
        log::start(LOG, None)?;
        let folder = tempfile::Builder::new().prefix("chore-dev-").tempdir();
        let folder =
            folder.map_err(|source| Error::System { operation: "make a directory", source })?;
        let home = Home::new(folder.path());
        setup::make(&home)?;
        let path = home.config();
        let mut file = OpenOptions::new().append(true).open(&path).map_err(failed(&path))?;
        file.write_all(SECTIONS.as_bytes()).map_err(failed(&path))?;
        let text = std::fs::read_to_string(&path).map_err(failed(&path))?;
        let config = Config::parse(&text, &path.display().to_string())?;
        let claim = control::claim(&home.socket())?;
        let options = Options {
            home: home.clone(),
            config,
            runtime: None,
            manner: Manner::default(),
            spans: None,
        };
        let mut peer = Peer::start(options).await?;
        peer.loaded().await;
        let server = claim.serve(peer.handle())?;
        Ok(OwnPeer { peer, server, home, _folder: folder })
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    pub async fn close(self) {
        let budget = self.peer.shutdown_budget().saturating_add(CLOSE_MARGIN);
        // Its home goes with it: there is nothing to lose.
        let _ = timeout(budget, self.peer.close()).await;
        self.server.shutdown().await;
    }
}

fn failed(path: &std::path::Path) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::File { operation: "write", path: path.to_path_buf(), source }
}
