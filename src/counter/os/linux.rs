//! Linux and Android: CLOCK_MONOTONIC_RAW, and what the kernel knows of suspends.
//!
//! # References
//!
//! clock_gettime(2): RAW is *not subject to NTP adjustments or the incremental adjustments
//! performed by adjtime(3)* and *does not count time that the system is suspended*; BOOTTIME is
//! MONOTONIC *except that it also includes any time that the system is suspended*. Through the
//! vDSO, which orders a reading after earlier loads.

use crate::counter::nominal::{Nominal, lead_ns};
use rustix::time::ClockId;

/// Where RAW is made of another counter while the system runs, somebody has to look.
pub(in crate::counter) const RAW_MAY_CHANGE: bool = true;

pub(in crate::counter) fn raw() -> Result<Nominal, &'static str> {
    Ok(Nominal::nanoseconds(
        "CLOCK_MONOTONIC_RAW: never slewed; its nominal rate is trusted to 100 ppm",
    ))
}

#[inline]
pub(in crate::counter) fn raw_ticks_after(_loaded: u64) -> u64 {
    os_ns(ClockId::MonotonicRaw)
}

/// Bounds of BOOTTIME - MONOTONIC: both run at one rate, so it changes at a suspend and at nothing
/// else.
pub(in crate::counter) fn suspended_ns() -> (i64, i64) {
    let before = os_ns(ClockId::Monotonic);
    let boot = os_ns(ClockId::Boottime);
    lead_ns(before, boot, os_ns(ClockId::Monotonic), 1)
}

/// What the kernel keeps time by. `None` if it does not say: no /sys in a container, no descriptor
/// left.
pub(in crate::counter) fn clock_source() -> Option<String> {
    let current =
        std::fs::read_to_string("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    current.ok().map(|name| name.trim().to_owned())
}

/// Which time namespace this process is in. Entering another one (time_namespaces(7)) moves
/// MONOTONIC, BOOTTIME and RAW by its offsets. `None` if the kernel has none, or does not say.
pub(in crate::counter) fn time_namespace() -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self/ns/time").ok().map(|namespace| namespace.ino())
}

/// Whether RAW is what it is on Linux, a clock of its own that nobody slews.
///
/// gVisor answers RAW with its MONOTONIC, which follows the host's, and that may be slewed. A
/// kernel that names its clock source is Linux. Of one that does not, RAW must have been seen apart
/// from MONOTONIC.
pub(in crate::counter) fn raw_is_its_own() -> bool {
    let read = || [ClockId::Monotonic, ClockId::MonotonicRaw, ClockId::Monotonic].map(os_ns);
    is_shown_to_be_its_own(clock_source().as_deref(), (0..READS).map(|_| read()))
}

/// From what the kernel says, and looks at MONOTONIC, RAW and MONOTONIC again.
fn is_shown_to_be_its_own(
    clock_source: Option<&str>,
    mut looks: impl Iterator<Item = [u64; 3]>,
) -> bool {
    clock_source.is_some() || looks.any(|[before, raw, after]| raw < before || raw > after)
}

const READS: u32 = 16;

/// A reading of one of the OS's clocks in nanoseconds. Exact; a clock of uptime is never negative
/// and fits 584 years.
#[inline]
pub(in crate::counter) fn os_ns(clock: ClockId) -> u64 {
    let t = rustix::time::clock_gettime(clock);
    u64::try_from(t.tv_sec)
        .ok()
        .and_then(|s| s.checked_mul(NS_PER_S)?.checked_add(u64::try_from(t.tv_nsec).ok()?))
        .unwrap_or(u64::MAX)
}

const NS_PER_S: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_that_is_monotonic_under_a_kernel_without_clock_sources_is_not_believed() {
        let same = [[100, 110, 120], [130, 130, 131]];
        assert!(!is_shown_to_be_its_own(None, same.into_iter()));
        // The twins: apart in either direction, and a kernel that is Linux.
        assert!(is_shown_to_be_its_own(None, [same[0], [130, 99, 131]].into_iter()));
        assert!(is_shown_to_be_its_own(None, [same[0], [130, 140, 131]].into_iter()));
        assert!(is_shown_to_be_its_own(Some("tsc"), same.into_iter()));
    }
}
