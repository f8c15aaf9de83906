//! A counter that a test moves by hand.

use crate::time::CounterId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Ticks of one nanosecond that stand still until moved.
#[derive(Debug)]
pub(crate) struct ManualCounter {
    id: CounterId,
    ticks: AtomicU64,
}

impl ManualCounter {
    /// A counter of its own that shows `ticks`.
    pub(crate) fn new(ticks: u64) -> Arc<ManualCounter> {
        // Relaxed: only the uniqueness of the number matters.
        let id = CounterId::new(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        Arc::new(ManualCounter { id, ticks: AtomicU64::new(ticks) })
    }

    pub(crate) fn id(&self) -> CounterId {
        self.id
    }

    pub(crate) fn ticks(&self) -> u64 {
        // Acquire, with `set`: who sees the new time sees what the test did before it moved the time.
        self.ticks.load(Ordering::Acquire)
    }

    /// Shows `ticks` from now on; backward too, since that is a fault to be tested.
    pub(crate) fn set(&self, ticks: u64) {
        self.ticks.store(ticks, Ordering::Release);
    }

    /// Moves the counter forward; stops at the end of the range.
    pub(crate) fn advance(&self, ticks: u64) {
        self.set(self.ticks().saturating_add(ticks));
    }
}

/// Identities below 1000 belong to the machine's own counters.
static NEXT_ID: AtomicU64 = AtomicU64::new(1000);
