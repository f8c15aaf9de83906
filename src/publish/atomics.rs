//! The atomics of the crate: the one place that chooses between std's and loom's, and where a model
//! may weaken one step.
//!
//! Every ordering, fence and check that a proof leans on has a name, a [`Step`]. The code asks this
//! file for it. In every build but that of the models the answer is a constant: what the code asked
//! for. A model can name one step, and that step alone is weakened; the model must then fail. A
//! step that may be weakened unpunished has no reason to be there.

#[cfg(not(all(test, sureclock_loom)))]
pub(super) use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering, fence};

#[cfg(all(test, sureclock_loom))]
pub(super) use loom::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering, fence};

/// What a proof leans on, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Cell, reader: the first load of the stamp acquires.
    FirstLook,
    /// Cell, reader: the fence between the words and the second load of the stamp.
    ReaderFence,
    /// Cell, reader: a stamp that changed means another try.
    SecondLook,
    /// Cell, writer: the fence between the last stamp and the first word.
    WriterFence,
    /// Cell, writer: the store of the stamp releases.
    StampStore,
    /// Cell: a look at the stamp alone acquires.
    StampAlone,
}

/// The ordering of this step.
#[cfg(not(all(test, sureclock_loom)))]
#[inline(always)]
pub(super) const fn ordering_at(_: Step, proved: Ordering) -> Ordering {
    proved
}

/// The fence of this step.
#[cfg(not(all(test, sureclock_loom)))]
#[inline(always)]
pub(super) fn fence_at(_: Step, proved: Ordering) {
    fence(proved);
}

/// Whether the check of this step is made: always.
#[cfg(not(all(test, sureclock_loom)))]
#[inline(always)]
pub(super) const fn checked_at(_: Step) -> bool {
    true
}

#[cfg(all(test, sureclock_loom))]
pub(super) use weakening::{checked_at, fence_at, ordering_at, with_weakened};

#[cfg(all(test, sureclock_loom))]
mod weakening {
    use super::{Ordering, Step, fence};
    use std::cell::Cell;

    // std's and not loom's: the threads of a model are coroutines on the one thread of its test, so
    // they share this, and tests that run beside it do not.
    thread_local! {
        static WEAKENED: Cell<Option<Step>> = const { Cell::new(None) };
    }

    /// Runs a model without this step.
    pub(in crate::publish) fn with_weakened(step: Step, model: impl FnOnce()) {
        /// Runs while the model's failure unwinds too: the next test may run on this thread.
        struct Restore;
        impl Drop for Restore {
            fn drop(&mut self) {
                WEAKENED.set(None);
            }
        }
        let _restore = Restore;
        WEAKENED.set(Some(step));
        model();
    }

    pub(in crate::publish) fn ordering_at(step: Step, proved: Ordering) -> Ordering {
        if checked_at(step) { proved } else { Ordering::Relaxed }
    }

    pub(in crate::publish) fn fence_at(step: Step, proved: Ordering) {
        if checked_at(step) {
            fence(proved);
        }
    }

    pub(in crate::publish) fn checked_at(step: Step) -> bool {
        WEAKENED.get() != Some(step)
    }
}
