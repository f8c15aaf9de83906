//! A counter that a test or a simulated world moves, and the clocks that go with it.

use super::calibration::Pair;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Ticks that stand still until moved.
#[derive(Debug)]
pub(crate) struct ManualCounter {
    ticks: AtomicU64,
    /// What the platform would say of the time that this machine has spent suspended.
    suspended_ns: AtomicU64,
    /// What CLOCK_MONOTONIC_RAW would show.
    raw_ns: AtomicU64,
    /// Whether the kernel would keep time by this counter.
    clock_source: AtomicBool,
    /// What a VM clock device would show.
    #[cfg(any(test, feature = "sim"))]
    vm_marker: AtomicU64,
    #[cfg(any(test, feature = "sim"))]
    vm_generation: AtomicU64,
    #[cfg(any(test, feature = "sim"))]
    vm_sequence: AtomicU64,
    #[cfg(feature = "sim")]
    watch: watch::Watch,
}

impl ManualCounter {
    /// A counter that shows `ticks`.
    pub(crate) fn new(ticks: u64) -> Arc<ManualCounter> {
        Arc::new(ManualCounter {
            ticks: AtomicU64::new(ticks),
            suspended_ns: AtomicU64::new(0),
            raw_ns: AtomicU64::new(0),
            clock_source: AtomicBool::new(true),
            #[cfg(any(test, feature = "sim"))]
            vm_marker: AtomicU64::new(0),
            #[cfg(any(test, feature = "sim"))]
            vm_generation: AtomicU64::new(0),
            #[cfg(any(test, feature = "sim"))]
            vm_sequence: AtomicU64::new(0),
            #[cfg(feature = "sim")]
            watch: watch::Watch::default(),
        })
    }

    /// A reader's look at the counter; a simulated world may do something in the middle of it.
    pub(crate) fn ticks(&self) -> u64 {
        #[cfg(feature = "sim")]
        if let Some(ticks) = self.watch.read() {
            return ticks;
        }
        self.shown()
    }

    /// What the counter shows.
    pub(crate) fn shown(&self) -> u64 {
        // Acquire, with `set`: who sees the new time sees what the test did before it moved the
        // time.
        self.ticks.load(Ordering::Acquire)
    }

    /// Shows `ticks` from now on; backward too, since that is a fault to be tested.
    pub(crate) fn set(&self, ticks: u64) {
        self.ticks.store(ticks, Ordering::Release);
    }

    /// Moves the counter forward; stops at the end of the range.
    pub(crate) fn advance(&self, ticks: u64) {
        self.set(self.shown().saturating_add(ticks));
    }

    pub(crate) fn suspended_ns(&self) -> u64 {
        self.suspended_ns.load(Ordering::Acquire)
    }

    /// The counter beside its second clock.
    pub(crate) fn pair(&self) -> Pair {
        let shown = self.shown();
        Pair { before: shown, raw_ns: self.raw_ns.load(Ordering::Acquire), after: shown }
    }

    pub(crate) fn is_clock_source(&self) -> bool {
        self.clock_source.load(Ordering::Acquire)
    }

    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn vm_marker(&self) -> u64 {
        self.vm_marker.load(Ordering::Acquire)
    }

    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn vm_generation(&self) -> u64 {
        self.vm_generation.load(Ordering::Acquire)
    }

    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn vm_sequence(&self) -> u32 {
        u32::try_from(self.vm_sequence.load(Ordering::Acquire)).unwrap_or(0)
    }

    /// An update of the device begins, or ends.
    #[cfg(test)]
    pub(crate) fn update_vm_clock(&self) {
        self.vm_sequence.fetch_add(1, Ordering::Release);
    }

    /// The hypervisor has moved the machine, or restored it; or copied it while its counter ran on.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn mark(&self, disrupted: bool, copied: bool) {
        self.vm_marker.store(self.vm_marker() + u64::from(disrupted), Ordering::Release);
        self.vm_generation.store(self.vm_generation() + u64::from(copied), Ordering::Release);
    }

    #[cfg(feature = "sim")]
    pub(crate) fn set_raw_ns(&self, ns: u64) {
        self.raw_ns.store(ns, Ordering::Release);
    }

    #[cfg(all(test, feature = "sim"))]
    pub(crate) fn raw_ns(&self) -> u64 {
        self.raw_ns.load(Ordering::Acquire)
    }

    /// From now on the kernel keeps time by this counter, or by another.
    #[cfg(feature = "sim")]
    pub(crate) fn set_clock_source(&self, is: bool) {
        self.clock_source.store(is, Ordering::Release);
    }

    /// The machine was suspended for `ns`, and the platform knows it.
    #[cfg(any(test, feature = "sim"))]
    pub(crate) fn suspend(&self, ns: u64) {
        self.suspended_ns.store(self.suspended_ns().saturating_add(ns), Ordering::Release);
    }

    /// Calls `watcher` in place of every look by a reader, until the watch ends.
    #[cfg(feature = "sim")]
    pub(crate) fn watch(&self, watcher: Option<watch::Watcher>) {
        self.watch.set(watcher);
    }
}

#[cfg(feature = "sim")]
mod watch {
    use parking_lot::Mutex;
    use std::fmt;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Gives what the reader sees; `None` for what the counter shows.
    pub(crate) type Watcher = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

    /// Whether readers are watched, and by whom.
    #[derive(Default)]
    pub(super) struct Watch {
        on: AtomicBool,
        watcher: Mutex<Option<Watcher>>,
    }

    impl Watch {
        pub(super) fn read(&self) -> Option<u64> {
            // Relaxed: a simulated world is one thread; others see the watch when the lock hands it
            // over.
            if !self.on.load(Ordering::Relaxed) {
                return None;
            }
            // Cloned out: the watcher may end the watch.
            let watcher = self.watcher.lock().clone();
            watcher.and_then(|watcher| watcher())
        }

        pub(super) fn set(&self, watcher: Option<Watcher>) {
            self.on.store(watcher.is_some(), Ordering::Relaxed);
            *self.watcher.lock() = watcher;
        }
    }

    impl fmt::Debug for Watch {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Watch").field("on", &self.on).finish_non_exhaustive()
        }
    }
}
