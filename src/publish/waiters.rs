//! Who wants to know of a publication: threads on a condition variable, tasks by their wakers. A
//! cold path.
//!
//! Rule against the lost wake: look at [`Waiters::changes`] (or register a waker) first, then at
//! the clock, then wait. A publication between the look and the wait has raised the count, so the
//! wait returns at once.

use crate::contain::contain;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

/// The waiters of one clock.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    changes: u64,
    next_key: u64,
    wakers: BTreeMap<u64, Waker>,
}

/// Wakes a task. A waker that panics harms its own task, not whoever wakes it. Under no lock: it
/// may run the task in place.
pub(crate) fn wake(waker: Waker) {
    let _ = contain(|| waker.wake());
}

/// A registered waker, to be given back.
#[derive(Debug)]
pub(crate) struct WakerKey(u64);

impl Waiters {
    /// Wakes everyone: something was published.
    pub(crate) fn notify(&self) {
        let wakers = {
            let mut state = self.state.lock();
            state.changes += 1;
            self.changed.notify_all();
            std::mem::take(&mut state.wakers)
        };
        // Outside the lock: a waker may run the task, and the task may register again.
        wakers.into_values().for_each(wake);
    }

    /// How many publications there have been.
    pub(crate) fn changes(&self) -> u64 {
        self.state.lock().changes
    }

    /// Sleeps until there has been a publication after the `seen`th, or until `deadline`. May wake
    /// early.
    pub(crate) fn wait(&self, seen: u64, deadline: Option<Instant>) {
        let mut state = self.state.lock();
        if state.changes != seen {
            return;
        }
        match deadline {
            Some(deadline) => {
                self.changed.wait_until(&mut state, deadline);
            }
            None => self.changed.wait(&mut state),
        }
    }

    /// Wakes `waker` at the next publication. Replaces the one registered under `key`.
    pub(crate) fn register(&self, key: Option<WakerKey>, waker: Waker) -> WakerKey {
        let mut state = self.state.lock();
        let key = key.unwrap_or_else(|| {
            state.next_key += 1;
            WakerKey(state.next_key)
        });
        let old = state.wakers.insert(key.0, waker);
        drop(state);
        // Outside the lock: a waker's drop may run anything.
        drop(old);
        key
    }

    /// Forgets a waker.
    pub(crate) fn deregister(&self, key: &WakerKey) {
        let waker = self.state.lock().wakers.remove(&key.0);
        drop(waker);
    }
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Count>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(of: &Count) -> usize {
        of.0.load(Ordering::Relaxed)
    }

    #[test]
    fn a_publication_between_the_check_and_the_wait_is_not_lost() {
        let (waiters, began) = (Waiters::default(), Instant::now());
        for _ in 0..3 {
            let seen = waiters.changes();
            waiters.notify();
            waiters.wait(seen, began.checked_add(Duration::from_secs(30)));
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it slept over a publication");
        let (began, ms) = (Instant::now(), Duration::from_millis(20));
        waiters.wait(waiters.changes(), began.checked_add(ms));
        assert!(began.elapsed() >= ms, "without one it sleeps until the deadline");
    }

    #[test]
    fn a_waker_is_woken_once_and_by_its_key_replaced_or_forgotten() {
        let waiters = Waiters::default();
        let [kept, replaced, forgotten]: [Arc<Count>; 3] = Default::default();
        let register = |key, of: &Arc<Count>| waiters.register(key, Arc::clone(of).into());
        let (key, other) = (register(None, &replaced), register(None, &forgotten));
        register(Some(key), &kept);
        waiters.deregister(&other);
        assert_eq!(
            (Arc::strong_count(&replaced), Arc::strong_count(&forgotten)),
            (1, 1),
            "let go at once"
        );
        waiters.notify();
        waiters.notify();
        assert_eq!([&kept, &replaced, &forgotten].map(|of| count(of)), [1, 0, 0]);
    }
}
