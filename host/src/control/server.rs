//! The socket itself: who may open it, who holds it, and how it ends. It knows no route.

use std::fs::{File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use axum::{Extension, Router};
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::connection::{Listener, accept, shutdown};
use super::{Controls, Error, routes};
use crate::limits::{CONTROL_CONNECTIONS_MAX, SOCKET_PATH_BYTES_MAX};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 64;

/// The right to be the one peer of a home. The system takes it back when the process ends, however
/// it ends, so a socket that is left behind is known to be dead.
#[must_use]
pub struct Claim {
    path: PathBuf,
    lock: File,
}

/// Claims the control socket at `path` before anything else of its home is opened. Fails if
/// another peer holds it.
pub fn claim(path: &Path) -> Result<Claim, Error> {
    if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
        return Err(Error::PathTooLong(path.into()));
    }
    // The socket cannot be the lock: it is replaced, and a socket that refuses a connection may be
    // dead or only not listening yet.
    let lock_path = path.with_extension("lock");
    let failed = |source| Error::Lock { path: lock_path.clone(), source };
    let mut options = File::options();
    options.create(true).truncate(false).write(true).mode(0o600);
    let lock = options.open(&lock_path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(Claim { path: path.into(), lock }),
        Err(TryLockError::WouldBlock) => {
            Err(Error::Running(path.parent().unwrap_or(path).to_path_buf()))
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Claims the socket and serves it.
pub fn serve<C: Controls>(controls: C, path: &Path) -> Result<Server, Error> {
    claim(path)?.serve(controls)
}

impl Claim {
    /// Listens. Must be called within a tokio runtime.
    pub fn serve<C: Controls>(self, controls: C) -> Result<Server, Error> {
        let failed = |source| Error::Listen { path: self.path.clone(), source };
        match self.path.symlink_metadata() {
            Ok(old) if !old.file_type().is_socket() => return Err(Error::NotASocket(self.path)),
            Ok(_) => std::fs::remove_file(&self.path).map_err(failed)?,
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            Err(err) => return Err(failed(err)),
        }
        let listener = listen(&self.path).map_err(failed)?;
        let stop = CancellationToken::new();
        let router = routes::router(controls, stop.clone()).layer(Extension(Access::Owner));
        let serving = accept(Socket { listener, router }, CONTROL_CONNECTIONS_MAX, stop.clone());
        Ok(Server { task: tokio::spawn(serving), stop, path: self.path, _lock: self.lock })
    }
}

/// A socket that nobody can connect to before its permission is set: until `listen`, the system
/// refuses connections, whatever the umask allows.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    socket.listen(BACKLOG)
}

/// A control socket that is served. Shut it down; dropping it ends its connections at once.
#[must_use]
pub struct Server {
    task: JoinHandle<()>,
    stop: CancellationToken,
    path: PathBuf,
    _lock: File,
}

impl Server {
    /// Takes no more requests, lets those in progress end for a moment, and removes the socket.
    pub async fn shutdown(mut self) {
        shutdown(&mut self.task, &self.stop).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // Still under the lock, so this is our own socket and not a successor's.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// With what every connection is answered.
struct Socket {
    listener: UnixListener,
    router: Router,
}

impl Listener for Socket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<(UnixStream, Router)> {
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, self.router.clone()))
    }
}
