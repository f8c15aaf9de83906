//! The machine behind its lock, and the promise that nobody is woken while the lock is held.
//!
//! A waker may run a task in place, and the task may ask for the status, which takes the lock: so a guard unlocks first and
//! wakes then.

use super::machine::Machine;
use crate::bound::DisruptionReason;
use crate::counter::{Continuity, Counter};
use crate::publish::Waiters;
use parking_lot::{Mutex, MutexGuard};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A machine shared by its driver and the clock's handles.
#[derive(Debug)]
pub(crate) struct SharedMachine {
    machine: Mutex<Machine>,
    continuity: Mutex<Continuity>,
    waiters: Arc<Waiters>,
}

impl SharedMachine {
    pub(crate) fn new(machine: Machine, counter: &Counter, waiters: Arc<Waiters>) -> SharedMachine {
        SharedMachine { machine: Mutex::new(machine), continuity: Mutex::new(Continuity::of(counter)), waiters }
    }

    /// Looks for a suspend, and disrupts the machine if there was one since the last look by anyone.
    ///
    /// When this returns, a suspend that was visible at the call has been published as a disruption.
    pub(crate) fn check_continuity(&self, counter: &Counter) {
        let mut continuity = self.continuity.lock();
        if continuity.suspended() {
            let mut machine = self.lock();
            machine.disrupt(counter.read(), DisruptionReason::Suspended);
            // The other lock first: dropping the machine wakes tasks, which may look for a suspend themselves.
            drop(continuity);
        }
    }

    /// Whether someone holds the lock.
    #[cfg(feature = "sim")]
    pub(crate) fn is_locked(&self) -> bool {
        self.machine.is_locked()
    }

    /// The machine; what it publishes meanwhile wakes the waiters when the guard is gone.
    pub(crate) fn lock(&self) -> Locked<'_> {
        Locked { guard: Some(self.machine.lock()), waiters: &self.waiters }
    }
}

/// The machine, locked.
pub(crate) struct Locked<'a> {
    guard: Option<MutexGuard<'a, Machine>>,
    waiters: &'a Waiters,
}

impl Deref for Locked<'_> {
    type Target = Machine;
    fn deref(&self) -> &Machine {
        self.guard.as_deref().expect("taken by drop alone")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Machine {
        self.guard.as_deref_mut().expect("taken by drop alone")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let published = self.guard.take().is_some_and(|mut machine| machine.take_published());
        if published {
            self.waiters.notify();
        }
    }
}
