//! A call to the system's clock comes after what was loaded before it, where the system does not
//! promise so itself.
//!
//! A reading under stamp s must be one of after s was published, and one of after a request
//! arrived: `hardware` says what for. On Linux the vDSO sees to it. Elsewhere the libraries have
//! such instructions today, but no document promises them, so here are some more: a few
//! nanoseconds.

/// Lets nothing that follows begin before the load that gave `loaded`, and what came before that
/// one, is done.
#[cfg(target_arch = "aarch64")]
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn after_load(loaded: u64) {
    // SAFETY: the branch goes to the next instruction either way; ISB touches neither registers nor
    // memory. Without `nomem`, so that the compiler moves no load or store over them.
    unsafe {
        std::arch::asm!("cbnz {loaded}, 2f", "2:", "isb", loaded = in(reg) loaded, options(nostack, preserves_flags));
    }
}

/// The same, after every earlier load.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn after_load(_loaded: u64) {
    // SAFETY: LFENCE is part of SSE2, which every x86-64 has, and touches nothing. Without `nomem`,
    // as above.
    unsafe { std::arch::asm!("lfence", options(nostack, preserves_flags)) }
}

/// No such instruction is known here: only the compiler and the order of loads are held.
#[cfg(not(any(target_arch = "aarch64", target_arch = "x86_64")))]
#[inline(always)]
pub(super) fn after_load(_loaded: u64) {
    std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
}
