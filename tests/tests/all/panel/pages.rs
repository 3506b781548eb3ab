//! Serves the pages of the panel and nothing else: there a browser has no events, and no way to change
//! anything.

use std::net::SocketAddr;

use chore_host::control::Controls;
use chore_host::panel;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// A server that ends when it is dropped.
pub struct Pages {
    pub address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

pub async fn serve(controls: impl Controls) -> Pages {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = panel::router(controls);
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    Pages { address, _task: AbortOnDropHandle::new(task) }
}
