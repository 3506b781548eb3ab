//! How long one call has had a processor, and whether that is too long. A guest runs while its call
//! is polled, on the thread that polls: a call that waits is not polled, and uses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Of one call. Clones share it.
#[derive(Clone)]
pub struct Cpu(Arc<Inner>);

struct Inner {
    max: Duration,
    /// In polls that have returned, in nanoseconds.
    spent: AtomicU64,
    /// What the thread had had when the poll in progress began, in nanoseconds.
    begun: AtomicU64,
}

/// No poll is in progress.
const NO_POLL: u64 = u64::MAX;

impl Cpu {
    pub fn new(max: Duration) -> Cpu {
        Cpu(Arc::new(Inner { max, spent: AtomicU64::new(0), begun: AtomicU64::new(NO_POLL) }))
    }

    /// So far. Within a poll it must be asked on the thread that polls.
    pub fn used(&self) -> Duration {
        let spent = self.0.spent.load(Ordering::Relaxed);
        let now = match self.0.begun.load(Ordering::Relaxed) {
            NO_POLL => 0,
            begun => thread_nanos().saturating_sub(begun),
        };
        Duration::from_nanos(spent.saturating_add(now))
    }

    pub fn is_over(&self) -> bool {
        self.used() >= self.0.max
    }

    /// Adds up what polling `work` takes. `None` if that became too much while it still waits: host
    /// functions that answer at once are work, too, and the guest itself may never be asked.
    pub async fn meter<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        std::future::poll_fn(|cx| {
            self.0.begun.store(thread_nanos(), Ordering::Relaxed);
            let polled = work.as_mut().poll(cx);
            let used = self.used();
            self.0.begun.store(NO_POLL, Ordering::Relaxed);
            self.0.spent.store(nanos(used), Ordering::Relaxed);
            match polled.map(Some) {
                std::task::Poll::Pending if self.is_over() => std::task::Poll::Ready(None),
                polled => polled,
            }
        })
        .await
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(NO_POLL - 1)
}

/// What this thread has had of a processor.
fn thread_nanos() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    nanos(Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SOME: Duration = Duration::from_millis(20);

    fn burn(time: Duration) {
        let end = thread_nanos() + nanos(time);
        while thread_nanos() < end {
            std::hint::black_box(());
        }
    }

    #[tokio::test]
    async fn work_counts_and_waiting_does_not() {
        let cpu = Cpu::new(Duration::from_secs(3600));
        let work = async {
            burn(SOME);
            tokio::time::sleep(3 * SOME).await;
            burn(SOME);
            cpu.used()
        };
        let inside = cpu.meter(work).await.unwrap();
        assert!(inside >= 2 * SOME && inside < 5 * SOME, "{inside:?}");
        assert!(cpu.used() >= inside && !cpu.is_over());
    }

    #[tokio::test]
    async fn what_takes_too_much_is_dropped_where_it_waits_and_what_is_done_counts() {
        let cpu = Cpu::new(SOME);
        let work = async {
            loop {
                burn(SOME / 4);
                tokio::task::yield_now().await;
            }
        };
        let ended: Option<()> = cpu.meter(work).await;
        assert!(ended.is_none() && cpu.is_over());
        let cpu = Cpu::new(SOME);
        assert_eq!(cpu.meter(async { burn(2 * SOME) }).await, Some(()), "it is done anyway");
    }
}
