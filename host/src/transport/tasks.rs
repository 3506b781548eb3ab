//! Who owns the tasks of a transport, a server or one connection, and can end them.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// Tasks with one owner. hyper spawns through it too, so that no task is left behind.
#[derive(Clone)]
pub(super) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    runtime: tokio::runtime::Handle,
}

impl Tasks {
    /// Must be called within a runtime.
    pub(super) fn new() -> Tasks {
        Tasks {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Tasks that can be stopped alone, and are stopped and counted with these.
    pub(super) fn child(&self) -> Tasks {
        Tasks { stop: self.stop.child_token(), ..self.clone() }
    }

    /// The task ends at its next await once these are stopped. Works on any thread.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        let task = async move {
            stop.run_until_cancelled(task).await;
        };
        self.tracker.spawn_on(task, &self.runtime);
    }

    /// The output of a task, which goes on whether or not the future is polled, and ends when it is
    /// dropped. Nothing once these are stopped.
    pub(super) fn held<F>(&self, task: F) -> impl Future<Output = Option<F::Output>> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let tasks = self.clone();
        let task = async move { tasks.unless_stopped(task).await };
        let handle = AbortOnDropHandle::new(self.tracker.spawn_on(task, &self.runtime));
        async move {
            match handle.await {
                Ok(output) => output,
                Err(err) if err.is_panic() => std::panic::resume_unwind(err.into_panic()),
                // The runtime has ended.
                Err(_) => None,
            }
        }
    }

    /// The future's output, or nothing once these are stopped.
    pub(super) async fn unless_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        self.stop.run_until_cancelled(future).await
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether all ended within `limit`, those of parents and children included.
    pub(super) async fn ended(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, future: F) {
        self.spawn(async move {
            future.await;
        });
    }
}
