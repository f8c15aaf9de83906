//! Who wants to know of a publication: threads on a condition variable, tasks by their wakers. A cold path.
//!
//! Rule against the lost wake: look at [`Waiters::changes`] (or register a waker) first, then at the clock, then wait. A
//! publication between the look and the wait has raised the count, so the wait returns at once.

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

/// Wakes a task. A waker that panics harms its own task, not whoever wakes it.
pub(crate) fn wake(waker: Waker) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| waker.wake()));
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

    /// Sleeps until there has been a publication after the `seen`th, or until `deadline`. May wake early.
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
