//! Windows: the performance counter, and what the system knows of sleeps.
//!
//! **A sleep is a disruption, although the counter goes on.** It is documented to count sleeps, not
//! how well: a processor's counter begins anew after one, and what the system adds comes from
//! another clock. So the lead of the interrupt time over the unbiased one, which is the time
//! asleep, is looked at as BOOTTIME is on Linux.
//!
//! # References
//!
//! Microsoft, *Acquiring high-resolution time stamps*: the counter is *completely independent of
//! the system time and UTC*, counts *including the time when the machine was in a sleep state such
//! as standby, hibernate, or connected standby*; its frequency is *determined during system
//! initialization and doesn't change while the system is running*; readings of different threads
//! are of *ambiguous ordering* within a tick; neither call fails since Windows XP. Crystals are off
//! by 30 to 50 ppm, *rarely* by 500: that is the oscillator's part, for `Drift` to cover. How well
//! the system measures the frequency at its start is not said: 100 ppm are charged, as for Linux.
//! *QueryUnbiasedInterruptTime*: what it leaves out is *time the system spends in sleep or
//! hibernation*; *QueryInterruptTime* has it, in the same units of 100 ns.

use super::order::after_load;
use crate::counter::nominal::{Nominal, lead_ns, tick_of};
use windows_sys::Win32::System::Performance::{QueryPerformanceCounter, QueryPerformanceFrequency};
use windows_sys::Win32::System::WindowsProgramming::{
    QueryInterruptTime, QueryUnbiasedInterruptTime,
};

pub(in crate::counter) const RAW_MAY_CHANGE: bool = false;

#[allow(unsafe_code)]
pub(in crate::counter) fn raw() -> Result<Nominal, &'static str> {
    let mut ticks_per_s = 0_i64;
    // SAFETY: the call writes one i64, and the pointer is to one that lives on this frame.
    let done = unsafe { QueryPerformanceFrequency(&raw mut ticks_per_s) } != 0;
    let tick =
        Some(ticks_per_s).filter(|_| done).and_then(|ticks| tick_of(u64::try_from(ticks).ok()?));
    Ok(Nominal {
        tick: tick.ok_or("the performance counter has no usual frequency")?,
        skew: 1,
        description: "QueryPerformanceCounter: never slewed; its nominal rate is trusted to 100 ppm; a sleep is a disruption",
    })
}

#[inline]
#[allow(unsafe_code)]
pub(in crate::counter) fn raw_ticks_after(loaded: u64) -> u64 {
    after_load(loaded);
    let mut ticks = 0_i64;
    // SAFETY: the call writes one i64, and the pointer is to one that lives on this frame.
    let done = unsafe { QueryPerformanceCounter(&raw mut ticks) } != 0;
    // The end of the range is an error of whoever reads it: `tick_of` sees to it that it is beyond
    // every timestamp.
    if done { u64::try_from(ticks).unwrap_or(u64::MAX) } else { u64::MAX }
}

/// Bounds of the time asleep.
pub(in crate::counter) fn suspended_ns() -> (i64, i64) {
    let before = unbiased_ns();
    let with_sleeps = biased_ns();
    lead_ns(before, with_sleeps, unbiased_ns(), UNIT_NS)
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

#[allow(unsafe_code)]
fn biased_ns() -> u64 {
    let mut units = 0_u64;
    // SAFETY: the call writes one u64, and the pointer is to one that lives on this frame.
    unsafe { QueryInterruptTime(&raw mut units) };
    units.saturating_mul(UNIT_NS)
}

#[allow(unsafe_code)]
fn unbiased_ns() -> u64 {
    let mut units = 0_u64;
    // SAFETY: the call writes one u64, and the pointer is to one that lives on this frame. It fails
    // for a null pointer only.
    unsafe { QueryUnbiasedInterruptTime(&raw mut units) };
    units.saturating_mul(UNIT_NS)
}

const UNIT_NS: u64 = 100;
