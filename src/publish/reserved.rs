//! Up to where timestamps may leave: the reservation that is known to be on the disk.
//!
//! One atomic word. `covers` loads it; `raise` and `reset` are called under the lock of whoever writes the file, after the file says so. A
//! load may see an old word, which is lower (or of the old epoch, and then the file is at or above it still): the caller takes the lock and
//! looks again. Relaxed suffices: a word that is seen was stored after its file was synced, and what is on a disk needs no ordering of
//! memory to be there.

use super::atomics::{AtomicI64, Ordering};

/// The highest timestamp that may leave, in nanoseconds; `i64::MIN` for none.
#[derive(Debug)]
pub(crate) struct Reserved(AtomicI64);

impl Reserved {
    /// Nothing may leave until the first `raise`.
    pub(crate) fn new() -> Reserved {
        Reserved(AtomicI64::new(NONE))
    }

    /// Whether `ns` may leave.
    #[inline]
    pub(crate) fn covers(&self, ns: i64) -> bool {
        // Relaxed: see above.
        ns <= self.0.load(Ordering::Relaxed)
    }

    /// On the disk is now `reserve`.
    pub(crate) fn raise(&self, reserve: i64) {
        // Relaxed: see above. Not a maximum: under the writer's lock, and after a new epoch the file says less.
        self.0.store(reserve, Ordering::Relaxed);
    }

    /// Nothing may leave until the next `raise`.
    pub(crate) fn reset(&self) {
        // Relaxed: see above.
        self.0.store(NONE, Ordering::Relaxed);
    }
}

const NONE: i64 = i64::MIN;
