//! Whether the counter ran on: the part of assumption (C) that this machine can check.
//!
//! On Linux BOOTTIME - MONOTONIC is the time the machine spent suspended: both run at one rate, so their difference
//! changes at a suspend and at nothing else. A suspend shorter than the platform can measure (a second where only the
//! battery clock runs meanwhile) is not seen, nor is a pause of a whole virtual machine: *Not guaranteed*.

#[cfg(target_os = "linux")]
use super::os_ns;

/// The suspended time known so far, and the check whether it grew.
#[derive(Debug)]
pub(crate) struct Continuity {
    /// At least this much had been spent suspended at the last look, at most that much.
    #[cfg(target_os = "linux")]
    suspended_ns: (i128, i128),
}

impl Continuity {
    #[cfg(target_os = "linux")]
    pub(crate) fn new() -> Continuity {
        Continuity { suspended_ns: look() }
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn new() -> Continuity {
        Continuity {}
    }

    /// As if a suspend of one second had followed the last look.
    #[cfg(all(test, target_os = "linux"))]
    pub(crate) fn pretend_a_suspend(&mut self) {
        self.suspended_ns.0 -= 1_000_000_000;
        self.suspended_ns.1 -= 1_000_000_000;
    }

    /// Whether a suspend has been seen since the last call.
    #[cfg(target_os = "linux")]
    pub(crate) fn suspended(&mut self) -> bool {
        let new = look();
        let grew = new.0 > self.suspended_ns.1;
        // Both looks bound one number unless it grew: keep what is known best.
        self.suspended_ns = if grew { new } else { (new.0.max(self.suspended_ns.0), new.1.min(self.suspended_ns.1)) };
        grew
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn suspended(&mut self) -> bool {
        false
    }
}

/// Bounds of BOOTTIME - MONOTONIC from one reading of the first between two of the second, a nanosecond outward.
#[cfg(target_os = "linux")]
fn look() -> (i128, i128) {
    use rustix::time::ClockId;
    let before = i128::from(os_ns(ClockId::Monotonic));
    let boot = i128::from(os_ns(ClockId::Boottime));
    let after = i128::from(os_ns(ClockId::Monotonic));
    (boot - after - 1, boot - before + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_was_not_suspended_is_never_called_so() {
        let mut continuity = Continuity::new();
        assert!((0..10_000).all(|_| !continuity.suspended()));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_suspend_is_seen_once() {
        let mut continuity = Continuity::new();
        continuity.pretend_a_suspend();
        assert!(continuity.suspended());
        assert!(!continuity.suspended());
    }
}
