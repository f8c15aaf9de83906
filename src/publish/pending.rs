//! Pending waits: wakers in the order of their timestamps, for one timing thread.
//!
//! The thread reads the clock, takes out the wakers that are due, and sleeps until the next one is.
//! An earlier timestamp or a publication makes that sleep wrong: it sets `changed` and wakes the
//! thread. While the thread spins it reads `changed`, so that is an atomic. It pairs with nothing:
//! what has changed is under the lock, and a store that is seen late costs one turn of the loop.

use super::atomics::{AtomicBool, Ordering};
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

/// The pending waits of a clock.
#[derive(Debug)]
pub(crate) struct Pending {
    state: Mutex<State>,
    wake: Condvar,
    changed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    wakers: BTreeMap<(i64, u64), Waker>,
    next: u64,
    runs: bool,
}

/// A registered wait, to be given back.
#[derive(Debug)]
pub(crate) struct PendingKey((i64, u64));

impl Pending {
    pub(crate) fn new() -> Pending {
        Pending { state: Mutex::default(), wake: Condvar::new(), changed: AtomicBool::new(false) }
    }

    /// Wakes `waker` when `timestamp` is in the past, or the clock has no answer. Starts the thread
    /// by `start`, if none runs.
    ///
    /// # Errors
    ///
    /// What `start` says: nobody would wake the waker.
    pub(crate) fn register(
        &self,
        timestamp: i64,
        waker: Waker,
        start: impl FnOnce() -> std::io::Result<()>,
    ) -> std::io::Result<PendingKey> {
        let mut state = self.state.lock();
        if !state.runs {
            start()?;
            state.runs = true;
        }
        state.next += 1;
        let key = (timestamp, state.next);
        state.wakers.insert(key, waker);
        if state.wakers.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.note_change(&state);
        }
        Ok(PendingKey(key))
    }

    /// Forgets a wait.
    pub(crate) fn deregister(&self, key: &PendingKey) {
        // Dropped after the lock is free: a waker's drop may run anything.
        let waker = self.state.lock().wakers.remove(&key.0);
        drop(waker);
    }

    /// The clock has published something.
    pub(crate) fn poke(&self) {
        self.note_change(&self.state.lock());
    }

    fn note_change(&self, _locked: &State) {
        self.changed.store(true, Ordering::Relaxed);
        self.wake.notify_all();
    }

    /// Whether anything has changed since the thread began its turn.
    pub(crate) fn has_changed(&self) -> bool {
        self.changed.load(Ordering::Relaxed)
    }

    /// The thread begins a turn: what it finds from now on is what it knows.
    pub(crate) fn begin_turn(&self) {
        let _state = self.state.lock();
        self.changed.store(false, Ordering::Relaxed);
    }

    /// Takes out who waits for a timestamp below `earliest`, in the order of the timestamps.
    pub(crate) fn take_due(&self, earliest: i64) -> Vec<Waker> {
        let (mut state, mut due) = (self.state.lock(), Vec::new());
        // One by one: a split counts the rest, of which there may be a million.
        while let Some(first) = state.wakers.first_entry().filter(|first| first.key().0 < earliest)
        {
            due.push(first.remove());
        }
        due
    }

    /// Takes out everyone.
    pub(crate) fn take_all(&self) -> Vec<Waker> {
        std::mem::take(&mut self.state.lock().wakers).into_values().collect()
    }

    /// The first timestamp that is waited for.
    pub(crate) fn first(&self) -> Option<i64> {
        self.state.lock().wakers.first_key_value().map(|((timestamp, _), _)| *timestamp)
    }

    /// Sleeps until `until`, or until something has changed. May wake early.
    pub(crate) fn sleep(&self, until: Instant) {
        let mut state = self.state.lock();
        if !self.changed.load(Ordering::Relaxed) {
            self.wake.wait_until(&mut state, until);
        }
    }
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering as O};
    use std::sync::{Arc, Mutex as StdMutex};
    use std::task::Wake;
    use std::time::Duration;

    struct Note(usize, Arc<StdMutex<Vec<usize>>>);

    impl Wake for Note {
        fn wake(self: Arc<Note>) {
            self.1.lock().unwrap().push(self.0);
        }
    }

    fn started() -> std::io::Result<()> {
        Ok(())
    }

    #[test]
    fn who_is_due_is_woken_in_order_and_nobody_else() {
        let (pending, woken) = (Pending::new(), Arc::default());
        let mut keys = Vec::new();
        for timestamp in [50, 10, 40, 20, 30, 20] {
            let waker = Arc::new(Note(timestamp, Arc::clone(&woken))).into();
            keys.push(pending.register(timestamp as i64, waker, started).unwrap());
        }
        pending.deregister(&keys[2]);
        assert_eq!(pending.first(), Some(10));
        pending.take_due(30).into_iter().for_each(Waker::wake);
        assert_eq!(*woken.lock().unwrap(), [10, 20, 20], "30 is not below itself");
        assert_eq!(pending.first(), Some(30));
        pending.take_all().into_iter().for_each(Waker::wake);
        assert_eq!(*woken.lock().unwrap(), [10, 20, 20, 30, 50]);
        assert_eq!(pending.first(), None);
    }

    #[test]
    fn an_earlier_one_and_a_publication_are_news_and_a_later_one_is_not() {
        let (pending, waker) = (Pending::new(), || Waker::noop().clone());
        let register = |timestamp| pending.register(timestamp, waker(), started).unwrap();
        register(50);
        pending.begin_turn();
        register(60);
        assert!(!pending.has_changed());
        register(40);
        assert!(pending.has_changed());
        pending.begin_turn();
        pending.poke();
        assert!(pending.has_changed());
        let began = Instant::now();
        pending.sleep(began + Duration::from_secs(60));
        assert!(began.elapsed() < Duration::from_secs(30), "a change is no reason to sleep");
        pending.begin_turn();
        let (began, length) = (Instant::now(), Duration::from_millis(20));
        pending.sleep(began + length);
        assert!(began.elapsed() >= length, "without a change there is no reason to wake");
    }

    #[test]
    fn the_thread_is_started_once_and_a_failure_is_reported() {
        let (pending, starts) = (Pending::new(), AtomicUsize::new(0));
        let refused = || Err(std::io::ErrorKind::OutOfMemory.into());
        assert!(pending.register(1, Waker::noop().clone(), refused).is_err());
        assert_eq!(pending.first(), None);
        for timestamp in 0..3 {
            let start = || {
                starts.fetch_add(1, O::Relaxed);
                Ok(())
            };
            pending.register(timestamp, Waker::noop().clone(), start).unwrap();
        }
        assert_eq!(starts.load(O::Relaxed), 1);
    }
}
