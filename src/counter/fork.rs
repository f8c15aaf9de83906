//! Whether this process is still the one that built a clock: a forked child has no sync thread and
//! so no clock.
//!
//! A handler that the C library runs in the child of every `fork()` counts forks up; a mark taken
//! before differs after. Not seen: a raw `clone` system call that goes past the C library.

/// The process at the time the mark was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessMark(u64);

#[cfg(unix)]
mod imp {
    use std::sync::Once;
    use std::sync::atomic::{AtomicU64, Ordering};

    static FORKS: AtomicU64 = AtomicU64::new(0);
    static INSTALLED: Once = Once::new();

    extern "C" fn count_fork() {
        // Relaxed: the child of a fork has one thread, and other threads are created after this.
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    #[allow(unsafe_code)]
    pub(super) fn install() {
        INSTALLED.call_once(|| {
            // SAFETY: the handler only adds to an atomic, which is allowed in the child of a fork
            // of a process with many threads (async-signal-safe), and it lives as long as the
            // process, as a function of this library.
            let failed = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
            assert_eq!(failed, 0, "pthread_atfork fails only when memory is exhausted");
        });
    }

    #[inline]
    pub(super) fn forks() -> u64 {
        FORKS.load(Ordering::Relaxed)
    }
}

#[cfg(not(unix))]
mod imp {
    pub(super) fn install() {}
    pub(super) fn forks() -> u64 {
        0
    }
}

impl ProcessMark {
    /// Marks this process.
    pub(crate) fn take() -> ProcessMark {
        imp::install();
        ProcessMark(imp::forks())
    }

    /// Whether this is still the process that took the mark. One load.
    #[inline]
    pub(crate) fn holds(self) -> bool {
        self.0 == imp::forks()
    }
}
