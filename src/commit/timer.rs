//! One timing thread for the futures of a clock: wakes wakers at their deadlines, on any runtime.
//!
//! A deadline is a hint: whoever is woken looks at the clock again. The thread starts with the first future that has to wait
//! and ends when the clock is dropped.

use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

/// The pending deadlines.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pending: BTreeMap<(Instant, u64), Waker>,
    next: u64,
    running: bool,
}

/// A registered deadline, to be given back.
#[derive(Debug)]
pub(crate) struct TimerKey((Instant, u64));

impl Timer {
    /// Wakes `waker` at `at` or soon after.
    ///
    /// # Errors
    ///
    /// Where the timing thread cannot be started: nobody would wake the waker.
    pub(crate) fn register(self: &Arc<Timer>, at: Instant, waker: Waker) -> std::io::Result<TimerKey> {
        let mut state = self.state.lock();
        if !state.running {
            let timer = Arc::downgrade(self);
            std::thread::Builder::new().name("sureclock-timer".into()).spawn(move || run(&timer))?;
            state.running = true;
        }
        state.next += 1;
        let key = (at, state.next);
        state.pending.insert(key, waker);
        if state.pending.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.changed.notify_all();
        }
        Ok(TimerKey(key))
    }

    /// Forgets a deadline.
    pub(crate) fn deregister(&self, key: &TimerKey) {
        self.state.lock().pending.remove(&key.0);
    }
}

fn run(timer: &Weak<Timer>) {
    // The thread holds the timer only while it looks, so that the last clock can go.
    while let Some(timer) = timer.upgrade() {
        let due: Vec<Waker> = {
            let mut state = timer.state.lock();
            let now = Instant::now();
            let later = state.pending.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut state.pending, later);
            if due.is_empty() {
                let longest = now + LONGEST_SLEEP;
                let until = state.pending.first_key_value().map_or(longest, |((at, _), _)| longest.min(*at));
                timer.changed.wait_until(&mut state, until);
            }
            due.into_values().collect()
        };
        due.into_iter().for_each(crate::publish::wake);
    }
}

/// How long the thread outlives its clock at most.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
