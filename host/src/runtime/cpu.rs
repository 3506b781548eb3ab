//! Who has a processor, for how long, and whether that is too long. A guest runs while its call is
//! polled, on the thread that polls: a call that waits is not polled, and uses nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;

use crate::limits::CALLS_COMPUTING;

/// The processor of a chore: its calls compute one after the other, in turns of an epoch's tick, so
/// that one with many runs holds up no other chore's. Clones share it.
#[derive(Clone)]
pub struct Processor(PollSemaphore);

impl Default for Processor {
    fn default() -> Processor {
        Processor(PollSemaphore::new(Arc::new(Semaphore::new(CALLS_COMPUTING))))
    }
}

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

    /// Polls `work` when it has the processor, and adds up what that takes. `None` if that became too
    /// much while it still waits: host functions that answer at once are work, too, and the guest
    /// itself may never be asked.
    pub async fn meter<T>(
        &self,
        processor: &Processor,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut processor = processor.0.clone();
        let (mut held, mut has_waited) = (None, false);
        tokio::pin!(work);
        std::future::poll_fn(|cx| {
            if held.is_none() {
                match processor.poll_acquire(cx) {
                    Poll::Pending => {
                        has_waited = true;
                        return Poll::Pending;
                    }
                    // Nobody closes it.
                    Poll::Ready(turn) => held = turn,
                }
                // Who gave it to us has made us the next on its thread, before all that wait there.
                if std::mem::take(&mut has_waited) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
            let polled = self.poll(work.as_mut(), cx);
            held = None;
            polled
        })
        .await
    }

    fn poll<T>(
        &self,
        work: Pin<&mut impl Future<Output = T>>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        self.0.begun.store(thread_nanos(), Ordering::Relaxed);
        let polled = work.poll(cx);
        let used = self.used();
        self.0.begun.store(NO_POLL, Ordering::Relaxed);
        self.0.spent.store(nanos(used), Ordering::Relaxed);
        match polled.map(Some) {
            Poll::Pending if self.is_over() => Poll::Ready(None),
            polled => polled,
        }
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

    use std::collections::BTreeSet;
    use std::sync::Mutex;
    use std::sync::atomic::AtomicUsize;

    use futures::poll;

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
        let inside = cpu.meter(&Processor::default(), work).await.unwrap();
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
        let ended: Option<()> = cpu.meter(&Processor::default(), work).await;
        assert!(ended.is_none() && cpu.is_over());
        let cpu = Cpu::new(SOME);
        let done = cpu.meter(&Processor::default(), async { burn(2 * SOME) }).await;
        assert_eq!(done, Some(()), "it is done anyway");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn calls_of_one_processor_compute_one_after_the_other() {
        const CALLS: usize = 8;
        let processor = Processor::default();
        let (computing, turns) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let mut calls = tokio::task::JoinSet::new();
        for call in 0..CALLS {
            let (processor, computing, turns) =
                (processor.clone(), computing.clone(), turns.clone());
            calls.spawn(async move {
                let work = async {
                    for _ in 0..CALLS {
                        assert_eq!(computing.fetch_add(1, Ordering::SeqCst), 0, "two compute");
                        burn(SOME / 20);
                        turns.lock().unwrap().push(call);
                        computing.fetch_sub(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                    }
                };
                Cpu::new(Duration::from_secs(3600)).meter(&processor, work).await.unwrap();
            });
        }
        calls.join_all().await;
        let turns = turns.lock().unwrap();
        assert_eq!(turns.len(), CALLS * CALLS);
        // Once all have come they take turns; a thread that the system holds up may keep some away.
        let some: BTreeSet<_> = turns.iter().skip(turns.len() / 2).take(CALLS).collect();
        assert!(some.len() > CALLS / 2, "{turns:?}");
    }

    #[tokio::test]
    async fn a_call_that_is_dropped_gives_its_turn_back() {
        let processor = Processor::default();
        let cpu = Cpu::new(SOME);
        let mut first = Box::pin(cpu.meter(&processor, std::future::pending::<()>()));
        assert!(poll!(&mut first).is_pending(), "one that waits keeps no processor");
        let mut second = Box::pin(cpu.meter(&processor, async { 2 }));
        assert_eq!(poll!(&mut second), Poll::Ready(Some(2)));

        let taken = processor.0.as_ref().acquire().await.unwrap();
        let (mut third, mut fourth) =
            [3, 4].map(|n| Box::pin(cpu.meter(&processor, async move { n }))).into();
        assert!(poll!(&mut third).is_pending() && poll!(&mut fourth).is_pending());
        drop(taken);
        drop(third);
        assert_eq!(fourth.await, Some(4));
    }
}
