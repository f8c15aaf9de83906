//! The synchronizer behind its lock, and the promise that nothing of a user's runs while the lock
//! is held.
//!
//! A waker may run a task in place, and the task may ask for the status, which takes the lock; so
//! may a subscriber to events. So a guard unlocks first, and wakes and reports then.

use super::synchronizer::Synchronizer;
use crate::bound::DisruptionReason;
use crate::counter::{Break, Continuity, Counter, ProcessMark, Scope, Seen, Suspends};
use crate::publish::Waiters;
use parking_lot::{Mutex, MutexGuard};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A synchronizer shared by its driver and the clock's handles.
#[derive(Debug)]
pub(crate) struct SharedSynchronizer {
    synchronizer: Mutex<Synchronizer>,
    continuity: Mutex<Watched>,
    waiters: Arc<Waiters>,
    process: ProcessMark,
}

/// The watch over the counter, and until when it is known to have run on.
#[derive(Debug)]
struct Watched {
    continuity: Continuity,
    /// The last reading before a look that found nothing.
    ran_until: u64,
}

impl SharedSynchronizer {
    pub(crate) fn new(
        synchronizer: Synchronizer,
        counter: &Counter,
        waiters: Arc<Waiters>,
    ) -> SharedSynchronizer {
        let watched =
            Watched { continuity: Continuity::of(counter), ran_until: counter.ticks_for_watches() };
        let (synchronizer, continuity) = (Mutex::new(synchronizer), Mutex::new(watched));
        SharedSynchronizer { synchronizer, continuity, waiters, process: ProcessMark::take() }
    }

    /// Whether this is the child of a fork: a thread that it does not have may hold the locks, so
    /// none is to be taken.
    pub(crate) fn forked(&self) -> bool {
        !self.process.holds()
    }

    /// Looks whether the counter ran on, and disrupts the synchronizer if it did not since the last
    /// look by anyone.
    ///
    /// When this returns, a suspend that was visible at the call has been published as a
    /// disruption.
    pub(crate) fn check_continuity(&self, counter: &Counter, scope: Scope) {
        if scope == Scope::All {
            self.compare_cores();
        }
        let mut watched = self.continuity.lock();
        // Before the look, which finds that the counter ran on until here. Under the lock, and not
        // the highest so far: a counter that went back shows less, and nobody's reading of before
        // it counts.
        let reading = counter.ticks_for_watches();
        let seen = watched.continuity.check(scope);
        let ran_until = watched.ran_until;
        if seen.broken.is_some() {
            watched.ran_until = counter.ticks_for_watches();
        } else {
            watched.ran_until = reading;
        }
        if seen != Seen::default() {
            let mut synchronizer = self.lock();
            match seen.broken {
                // No reader has answered from a reading of after it, and the synchronizer has taken
                // none.
                Some(Break::Restored) => {
                    synchronizer.disrupt_in_doubt(counter.read(), DisruptionReason::Restored, None)
                }
                Some(Break::Copied) => {
                    synchronizer.disrupt(counter.read(), DisruptionReason::Restored)
                }
                Some(broken) => {
                    synchronizer.disrupt_in_doubt(counter.read(), reason(broken), Some(ran_until))
                }
                None => {}
            }
            // Not usable first, usable last: in between something else may be learned of it.
            if seen.usable == Some(false) {
                synchronizer.set_usable(false);
            }
            if let Some((tick, incarnation)) = seen.tick {
                synchronizer.learn(tick, incarnation);
            }
            if seen.usable == Some(true) {
                synchronizer.set_usable(true);
            }
            // After the publication: a reader that does not see a suspend any more sees the
            // disruption.
            watched.continuity.noted(seen);
            // The other lock first: dropping the synchronizer wakes tasks, which may look for a
            // suspend themselves.
            drop(watched);
        }
    }

    /// Compares the counters of the cores, if the machine has been moved to other ones. Under no
    /// lock: commit waits and leases look, too.
    fn compare_cores(&self) {
        let due = self.continuity.lock().continuity.comparison_due();
        if let Some(mut comparison) = due {
            let are_within = comparison.make();
            self.continuity.lock().continuity.compared(comparison, are_within);
        }
    }

    /// The suspended time as readers may look at it.
    pub(crate) fn suspends(&self) -> Suspends {
        self.continuity.lock().continuity.suspends()
    }

    /// Whether someone holds the lock.
    #[cfg(feature = "sim")]
    pub(crate) fn is_locked(&self) -> bool {
        self.synchronizer.is_locked()
    }

    /// The synchronizer; what it publishes meanwhile wakes the waiters when the guard is gone.
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { guard: Some(self.synchronizer.lock()), waiters: &self.waiters }
    }
}

fn reason(broken: Break) -> DisruptionReason {
    match broken {
        Break::Suspended => DisruptionReason::Suspended,
        Break::Jumped => DisruptionReason::CounterJumped,
        Break::ClockSource => DisruptionReason::ClockSourceChanged,
        Break::Restored | Break::Copied => DisruptionReason::Restored,
    }
}

/// The synchronizer, locked.
pub(crate) struct Locked<'a> {
    guard: Option<MutexGuard<'a, Synchronizer>>,
    waiters: &'a Waiters,
}

impl Deref for Locked<'_> {
    type Target = Synchronizer;
    fn deref(&self) -> &Synchronizer {
        self.guard.as_deref().expect("taken by drop alone")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Synchronizer {
        self.guard.as_deref_mut().expect("taken by drop alone")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        let (published, events) = guard.take_published();
        drop(guard);
        if published {
            self.waiters.notify();
        }
        events.emit();
    }
}
