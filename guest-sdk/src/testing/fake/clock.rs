//! The world's clock: it stands while anybody can go on, and moves when everybody waits.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::{NOW, World, current};
use crate::time::Timestamp;

/// How long a call has that should wind down. As the host's.
const GRACE: Duration = Duration::from_secs(10);

/// How long a call has for which nothing else is said, such as the code of a test.
const CALL: Duration = Duration::from_secs(3600);

/// How long what waits to write waits: as long as a statement has. As the host's.
const DATABASE_WAIT: Duration = Duration::from_secs(30);

pub(crate) struct Clock {
    pub now: Timestamp,
    /// When the call in progress should wind down, or, once it should, when its time is up.
    end: Timestamp,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    /// Tells sleepers of the same time apart.
    made: u64,
}

impl Default for Clock {
    fn default() -> Clock {
        Clock { now: NOW, end: NOW.saturating_add(CALL), sleepers: BTreeMap::new(), made: 0 }
    }
}

impl Clock {
    /// A call begins, and should wind down then.
    fn begin(&mut self, end: Option<Timestamp>) {
        self.end = end.unwrap_or(self.now.saturating_add(CALL));
    }

    /// The call in progress should wind down.
    fn wind_down(&mut self) {
        self.end = self.now.saturating_add(GRACE);
    }

    /// Moves on to that time, and hands out who waited for it.
    fn move_to(&mut self, time: Timestamp) -> Vec<Waker> {
        self.now = self.now.max(time);
        let later = self.sleepers.split_off(&(self.now, u64::MAX));
        std::mem::replace(&mut self.sleepers, later).into_values().collect()
    }
}

impl World {
    /// A call begins that has until then. One that was cancelled before has the grace period.
    pub fn begin_call(&mut self, end: Option<Timestamp>) {
        self.clock.begin(end);
        if self.cancelled {
            self.clock.wind_down();
        }
    }

    /// Takes the world apart from its borrow, since who is woken may look at it.
    pub fn cancel(world: &Rc<RefCell<World>>) {
        let waiting = {
            let mut world = world.borrow_mut();
            if !world.cancelled {
                world.clock.wind_down();
            }
            world.cancelled = true;
            std::mem::take(&mut world.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// As [`World::cancel`]: lets time pass.
    pub fn advance(world: &Rc<RefCell<World>>, time: Timestamp) {
        let woken = world.borrow_mut().clock.move_to(time);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Everybody waits: time passes until somebody can go on. False if nobody ever can.
    pub fn pass(world: &Rc<RefCell<World>>) -> bool {
        let (now, end, next, cancelled, database) = {
            let world = world.borrow();
            let clock = &world.clock;
            let next = clock.sleepers.keys().next().map(|(time, _)| *time);
            (clock.now, clock.end, next, world.cancelled, world.database.clone())
        };
        let next = next.filter(|next| *next <= end);
        let patient = now.saturating_add(DATABASE_WAIT);
        if next.is_none_or(|next| next > patient) && database.give_up() {
            return true;
        }
        match next {
            Some(next) => World::advance(world, next),
            None if cancelled => return false,
            None => {
                World::advance(world, end);
                World::cancel(world);
            }
        }
        true
    }
}

/// Waits for a time. Dropped, it is forgotten.
struct Sleep {
    world: Weak<RefCell<World>>,
    until: Timestamp,
    number: u64,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(world) = self.world.upgrade() else { return Poll::Pending };
        let clock = &mut world.borrow_mut().clock;
        if clock.now >= self.until {
            return Poll::Ready(());
        }
        clock.sleepers.insert((self.until, self.number), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(world) = self.world.upgrade() {
            world.borrow_mut().clock.sleepers.remove(&(self.until, self.number));
        }
    }
}

/// Waits, if there is a world: without one there is no clock, and no end.
pub(crate) async fn sleep(duration: Duration) {
    let Some(world) = current() else { return std::future::pending().await };
    let (until, number) = {
        let clock = &mut world.borrow_mut().clock;
        clock.made += 1;
        (clock.now.saturating_add(duration), clock.made)
    };
    Sleep { world: Rc::downgrade(&world), until, number }.await;
}
