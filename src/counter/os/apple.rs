//! macOS, iOS and their kin: CLOCK_MONOTONIC_RAW, which is mach_continuous_time in nanoseconds, and
//! what the kernel knows of sleeps.
//!
//! **A sleep is a disruption, although the counter goes on.** Where the hardware counts on through
//! it (Apple silicon) that would be right. Elsewhere, and after a hibernation, the kernel adds what
//! another clock says was slept: one of coarser steps, or the calendar clock, which may be set; and
//! nothing where that clock is behind. From outside nobody can tell which it was. So the lead over
//! CLOCK_UPTIME_RAW, which stands still in a sleep, is looked at as BOOTTIME is on Linux. Not seen:
//! a sleep that the kernel itself takes to have been none.
//!
//! # References
//!
//! clock_gettime(3) of macOS: MONOTONIC_RAW is *unaffected by frequency or time adjustments*, and
//! counts on *while the system is asleep*; UPTIME_RAW does not. Libc, `gen/clock_gettime.c`: the
//! two are mach_continuous_time and mach_absolute_time, times numer, divided by denom of
//! mach_timebase_info, rounded down. xnu, `osfmk/kern/clock.c`: `clock_wakeup_calendar_hwclock`,
//! `clock_wakeup_calendar_legacy`. Neither says how far the timebase may be off from what it is
//! nominally: 100 ppm are charged, as for Linux. The counter behind the clock does not change while
//! the system runs.

use super::order::after_load;
use crate::counter::nominal::{Nominal, lead_ns};

pub(in crate::counter) const RAW_MAY_CHANGE: bool = false;

pub(in crate::counter) fn raw() -> Result<Nominal, &'static str> {
    Ok(Nominal::nanoseconds(
        "CLOCK_MONOTONIC_RAW (mach_continuous_time): never slewed; its nominal rate is trusted to 100 ppm; a sleep is a disruption",
    ))
}

#[inline]
pub(in crate::counter) fn raw_ticks_after(loaded: u64) -> u64 {
    after_load(loaded);
    os_ns(libc::CLOCK_MONOTONIC_RAW)
}

/// Bounds of the time asleep: what MONOTONIC_RAW leads UPTIME_RAW by. Both are one counter, so it
/// changes at a sleep and at nothing else.
pub(in crate::counter) fn suspended_ns() -> (i64, i64) {
    let before = os_ns(libc::CLOCK_UPTIME_RAW);
    let with_sleeps = os_ns(libc::CLOCK_MONOTONIC_RAW);
    lead_ns(before, with_sleeps, os_ns(libc::CLOCK_UPTIME_RAW), 1)
}

pub(in crate::counter) fn clock_source() -> Option<String> {
    None
}

pub(in crate::counter) fn time_namespace() -> Option<u64> {
    None
}

pub(in crate::counter) fn raw_is_its_own() -> bool {
    true
}

/// Exact; a clock of uptime is never negative and fits 584 years.
#[inline]
#[allow(unsafe_code)]
fn os_ns(clock: libc::clockid_t) -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec, and the pointer is to one that lives on this frame.
    let failed = unsafe { libc::clock_gettime(clock, &raw mut t) } != 0;
    let ns = || {
        u64::try_from(t.tv_sec)
            .ok()?
            .checked_mul(NS_PER_S)?
            .checked_add(u64::try_from(t.tv_nsec).ok()?)
    };
    // Both clocks are there since macOS 10.12, the oldest that Rust supports. The end of the range
    // is an error of whoever reads it.
    if failed { u64::MAX } else { ns().unwrap_or(u64::MAX) }
}

const NS_PER_S: u64 = 1_000_000_000;
