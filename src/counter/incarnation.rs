//! How many disruptions a clock has had, as its readings carry it.
//!
//! Each look at the counter carries the number, so two readings tell whether a disruption lies
//! between them: then the counter may not have run through, and what passed between them is not
//! known.

use crate::time::CounterId;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The number of disruptions so far, set by the machine and read with every reading; and how many
/// of them were moves, restores and copies of the machine, after which what is in memory may be of
/// long ago.
#[derive(Debug, Default)]
pub(crate) struct Incarnation(AtomicU32, AtomicU32);

impl Incarnation {
    #[inline]
    pub(crate) fn get(&self) -> u32 {
        // Acquire, with `set`: the counter is read after it, so a reading with this number is from
        // after the disruption.
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, disruptions: u32) {
        self.0.store(disruptions, Ordering::Release);
    }

    pub(crate) fn restores(&self) -> u32 {
        // Acquire, with `restored`: after the look that has noted one.
        self.1.load(Ordering::Acquire)
    }

    pub(crate) fn restored(&self) {
        self.1.fetch_add(1, Ordering::Release);
    }
}

/// An identity that no other counter of this process has.
pub(super) fn fresh_id() -> CounterId {
    // Relaxed: only the uniqueness of the number matters.
    CounterId::new(NEXT_ID.fetch_add(1, Ordering::Relaxed))
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
