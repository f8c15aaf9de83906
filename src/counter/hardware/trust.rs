//! Whether the hardware counter may be read, and is a clock: what the processor and the kernel say
//! of it.

/// Why the hardware counter is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Distrust {
    /// The processor does not say that it runs at one rate whatever the power state.
    #[cfg(target_arch = "x86_64")]
    NotInvariant,
    /// Reading it is trapped.
    #[cfg(target_arch = "x86_64")]
    Trapped,
    /// The kernel's clock source is another one: it may know why.
    ClockSource,
    /// The counters of two cores could not be compared, or are far apart.
    Skew,
    /// It could not be compared with CLOCK_MONOTONIC_RAW.
    Calibration,
}

impl Distrust {
    /// The reason, for people.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Distrust::NotInvariant => "the processor does not say that its TSC is invariant",
            #[cfg(target_arch = "x86_64")]
            Distrust::Trapped => "reading the TSC is not allowed",
            Distrust::ClockSource => "the kernel's clock source is not the hardware counter",
            Distrust::Skew => {
                "the counters of the cores could not be compared, or are too far apart"
            }
            Distrust::Calibration => "it could not be compared with CLOCK_MONOTONIC_RAW",
        }
    }
}

/// How many cores the machine has; `None` if the kernel does not say.
pub(super) fn present_cores() -> Option<usize> {
    count_cores(&std::fs::read_to_string("/sys/devices/system/cpu/present").ok()?)
}

/// Of a list as in `0-3,8`.
fn count_cores(list: &str) -> Option<usize> {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.trim().split(',').map(count).sum()
}

/// Whether the counter may be read at all and runs at one rate.
///
/// # Errors
///
/// Why not.
#[cfg(target_arch = "x86_64")]
pub(super) fn is_readable() -> Result<(), Distrust> {
    if !is_invariant() {
        return Err(Distrust::NotInvariant);
    }
    if !is_allowed() {
        return Err(Distrust::Trapped);
    }
    Ok(())
}

/// CNTVCT runs at one rate by its architecture. Linux allows reading it, or reads it itself where a
/// processor's erratum makes it trap.
#[cfg(target_arch = "aarch64")]
pub(super) fn is_readable() -> Result<(), Distrust> {
    Ok(())
}

/// Whether the kernel keeps time by the hardware counter now. It stops when its watchdog finds the
/// counter unstable. `None` if it does not say.
pub(in crate::counter) fn is_clock_source() -> Option<bool> {
    crate::counter::os::clock_source().map(|name| is_hardware(&name))
}

fn is_hardware(clock_source: &str) -> bool {
    if cfg!(target_arch = "x86_64") {
        clock_source == "tsc"
    } else {
        clock_source == "arch_sys_counter"
    }
}

/// Whether the processor says that a hypervisor runs it: CPUID 1, ECX bit 31.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, unused_unsafe, reason = "safe in newer compilers only")]
pub(super) fn is_virtual() -> bool {
    // SAFETY: every x86-64 has CPUID, and this leaf.
    let features = unsafe { std::arch::x86_64::__cpuid(1) };
    features.ecx >> 31 == 1
}

/// Not known: the processor does not say so to programs.
#[cfg(target_arch = "aarch64")]
pub(super) fn is_virtual() -> bool {
    false
}

/// CPUID 8000_0007h, EDX bit 8: the TSC runs at one rate in all power states.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, unused_unsafe, reason = "safe in newer compilers only")]
fn is_invariant() -> bool {
    use std::arch::x86_64::__cpuid;
    // SAFETY: every x86-64 has CPUID, and this leaf is asked for only if the first one says that it
    // exists.
    let (highest, power) = unsafe {
        let highest = __cpuid(0x8000_0000).eax;
        (highest, if highest >= 0x8000_0007 { __cpuid(0x8000_0007).edx } else { 0 })
    };
    highest >= 0x8000_0007 && power & (1 << 8) != 0
}

/// Whether RDTSC is allowed, by prctl(PR_GET_TSC): where it is not, reading it would end the
/// process.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
fn is_allowed() -> bool {
    let mut state: libc::c_int = 0;
    // SAFETY: PR_GET_TSC stores an int where its argument points, which is this local.
    let failed = unsafe { libc::prctl(libc::PR_GET_TSC, &raw mut state) };
    failed == 0 && state == libc::PR_TSC_ENABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_given_where_there_is_no_trust() {
        if let Err(distrust) = is_readable() {
            assert!(!distrust.as_str().is_empty());
        }
        assert!(Distrust::ClockSource.as_str().contains("clock source"));
    }

    #[test]
    fn the_cores_of_a_list_are_counted() {
        let counts = ["0", "0-3", "0-3,8\n", "1,3,5-6", "", "3-1", "x"].map(count_cores);
        assert_eq!(counts, [Some(1), Some(4), Some(5), Some(4), None, None, None]);
    }

    #[test]
    fn other_clock_sources_are_not_the_hardware() {
        for name in ["kvm-clock", "hpet", "acpi_pm", "hyperv_clocksource_tsc_page", ""] {
            assert!(!is_hardware(name), "{name}");
        }
        assert!(is_hardware(if cfg!(target_arch = "x86_64") { "tsc" } else { "arch_sys_counter" }));
    }
}
