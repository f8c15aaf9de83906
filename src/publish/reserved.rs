//! Up to where timestamps may leave: the reservation that is known to be on the disk, and who may
//! write the next one.
//!
//! [`Reserved`] is one atomic word for each epoch. `covers` loads it; `raise` is called under the
//! lock of whoever writes the file, after the file says so. A load may see an old word, which is
//! lower: the caller takes the lock and looks again. Relaxed suffices: a word that is seen was
//! stored after its file was synced, and what is on a disk needs no ordering of memory to be there.
//!
//! [`Turn`] stands under that lock. It keeps calls of an earlier epoch from the file: see 4 and 5
//! in `high_water`.

use super::atomics::{AtomicI64, Ordering};

/// The highest timestamp that may leave, in nanoseconds; `i64::MIN` for none.
#[derive(Debug)]
pub(crate) struct Reserved(AtomicI64);

impl Default for Reserved {
    /// Nothing may leave until the first `raise`.
    fn default() -> Reserved {
        Reserved(AtomicI64::new(i64::MIN))
    }
}

impl Reserved {
    /// Whether `ns` may leave.
    #[inline]
    pub(crate) fn covers(&self, ns: i64) -> bool {
        // Relaxed: see above.
        ns <= self.0.load(Ordering::Relaxed)
    }

    /// On the disk is now `reserve`. Under the writer's lock alone.
    pub(crate) fn raise(&self, reserve: i64) {
        // Relaxed: see above.
        self.0.fetch_max(reserve, Ordering::Relaxed);
    }
}

/// Whose turn it is to write the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    epoch: u32,
    /// What the file was found to say at the start: no reservation of the first epoch is lower.
    found: Option<i64>,
}

impl Turn {
    /// The first epoch's, which begins with what the file was found to say.
    pub(crate) fn first(found: Option<i64>) -> Turn {
        Turn { epoch: 0, found }
    }

    /// What the file must say so that `wanted` of this epoch is reserved; `None` if a later epoch
    /// has written already, and so the file is not this epoch's to write any more.
    pub(crate) fn take(&mut self, epoch: u32, wanted: i64) -> Option<i64> {
        if epoch > self.epoch {
            *self = Turn { epoch, found: None };
        }
        (epoch == self.epoch).then(|| wanted.max(self.found.unwrap_or(i64::MIN)))
    }
}
