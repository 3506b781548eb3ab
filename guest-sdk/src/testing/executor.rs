//! Runs one call with the nodes that it talks to, to its end or until all of them wait.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{fake, stuck};
use crate::Result;

/// Set when somebody can go on.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Woken>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The outcome of `work`. If everybody waits, time passes: for who sleeps, for what waits to write,
/// until the call is cancelled, and until it fails because it does not wind down.
pub(super) fn drive<T>(
    world: &Rc<RefCell<fake::World>>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    fake::within(world, || {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let outcome = {
            let mut work = pin!(work);
            loop {
                woken.0.store(false, Ordering::Relaxed);
                if let Poll::Ready(outcome) = work.as_mut().poll(&mut cx) {
                    break outcome;
                }
                serve(world, &mut cx);
                if !woken.0.load(Ordering::Relaxed) && !fake::World::pass(world) {
                    break Err(stuck());
                }
            }
        };
        // The nodes get to see that the call is over.
        woken.0.store(true, Ordering::Relaxed);
        while woken.0.swap(false, Ordering::Relaxed) {
            serve(world, &mut cx);
        }
        // Apart from the world's borrow, since what is dropped may look at it.
        let over = std::mem::take(&mut world.borrow_mut().tasks);
        drop(over);
        outcome
    })
}

/// One look at every node's handlers. They may begin others meanwhile.
fn serve(world: &Rc<RefCell<fake::World>>, cx: &mut Context<'_>) {
    let mut tasks = std::mem::take(&mut world.borrow_mut().tasks);
    tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
    let mut world = world.borrow_mut();
    if !world.tasks.is_empty() {
        // Not polled yet, so nobody wakes them.
        cx.waker().wake_by_ref();
    }
    tasks.append(&mut world.tasks);
    world.tasks = tasks;
}
