//! Whether something is in use, and since when it is not.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

#[derive(Clone, Copy)]
struct State {
    users: usize,
    changed: Instant,
}

/// Counts its users.
pub(super) struct Usage(watch::Sender<State>);

/// One user, as long as it lives.
pub(super) struct Use(Arc<Usage>);

impl Usage {
    pub(super) fn new() -> Arc<Usage> {
        let unused = State { users: 0, changed: Instant::now() };
        Arc::new(Usage(watch::Sender::new(unused)))
    }

    pub(super) fn begin(self: &Arc<Usage>) -> Use {
        self.change(|users| users.saturating_add(1));
        Use(Arc::clone(self))
    }

    /// When the last user went, unless there is one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = *self.0.borrow();
        (state.users == 0).then_some(state.changed)
    }

    /// Waits until there is no user.
    pub(super) async fn idle(&self) {
        // It cannot close: the sender is here.
        let _ = self.0.subscribe().wait_for(|state| state.users == 0).await;
    }

    fn change(&self, users: impl FnOnce(usize) -> usize) {
        self.0.send_modify(|state| {
            *state = State { users: users(state.users), changed: Instant::now() };
        });
    }
}

impl Clone for Use {
    fn clone(&self) -> Use {
        self.0.begin()
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.change(|users| users.saturating_sub(1));
    }
}
