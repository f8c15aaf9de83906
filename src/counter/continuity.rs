//! Whether the counter ran on: the part of assumption (C) that this machine can check.
//!
//! On Linux BOOTTIME - MONOTONIC is the time the machine spent suspended: both run at one rate, so their difference
//! changes at a suspend and at nothing else. A suspend shorter than the platform can measure (a second where only the
//! battery clock runs meanwhile) is not seen, nor is a pause of a whole virtual machine: *Not guaranteed*.

use super::{Counter, Kind, ManualCounter};
use std::sync::Arc;

/// The suspended time known so far, and the check whether it grew.
#[derive(Debug)]
pub(crate) struct Continuity {
    clocks: Clocks,
    /// At least this much had been spent suspended at the last look, at most that much.
    suspended_ns: (i128, i128),
}

/// Who knows of suspends.
#[derive(Debug)]
enum Clocks {
    Os,
    Manual(Arc<ManualCounter>),
}

impl Continuity {
    /// The check that goes with a counter.
    pub(crate) fn of(counter: &Counter) -> Continuity {
        let clocks = match &counter.kind {
            Kind::Manual(counter) => Clocks::Manual(Arc::clone(counter)),
            _ => Clocks::Os,
        };
        let suspended_ns = clocks.look();
        Continuity { clocks, suspended_ns }
    }

    /// Whether a suspend has been seen since the last call.
    pub(crate) fn suspended(&mut self) -> bool {
        let new = self.clocks.look();
        let grew = new.0 > self.suspended_ns.1;
        // Both looks bound one number unless it grew: keep what is known best.
        self.suspended_ns = if grew { new } else { (new.0.max(self.suspended_ns.0), new.1.min(self.suspended_ns.1)) };
        grew
    }
}

impl Clocks {
    /// Bounds of the time spent suspended.
    fn look(&self) -> (i128, i128) {
        match self {
            Clocks::Manual(counter) => (i128::from(counter.suspended_ns()), i128::from(counter.suspended_ns())),
            Clocks::Os => look_at_the_os(),
        }
    }
}

/// Bounds of BOOTTIME - MONOTONIC from one reading of the first between two of the second, a nanosecond outward.
#[cfg(target_os = "linux")]
fn look_at_the_os() -> (i128, i128) {
    use super::os_ns;
    use rustix::time::ClockId;
    let before = i128::from(os_ns(ClockId::Monotonic));
    let boot = i128::from(os_ns(ClockId::Boottime));
    let after = i128::from(os_ns(ClockId::Monotonic));
    (boot - after - 1, boot - before + 1)
}

/// Elsewhere nothing is known.
#[cfg(not(target_os = "linux"))]
fn look_at_the_os() -> (i128, i128) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::CounterChoice;

    #[test]
    fn a_machine_that_was_not_suspended_is_never_called_so() {
        let mut continuity = Continuity::of(&Counter::choose(CounterChoice::Auto).unwrap());
        assert!((0..10_000).all(|_| !continuity.suspended()));
    }

    #[test]
    fn a_suspend_is_seen_once() {
        let manual = ManualCounter::new(0);
        let mut continuity = Continuity::of(&Counter::manual(Arc::clone(&manual)));
        assert!(!continuity.suspended());
        manual.suspend(1);
        assert!(continuity.suspended());
        assert!(!continuity.suspended());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_suspend_that_the_os_knows_is_seen_once() {
        let mut continuity = Continuity::of(&Counter::choose(CounterChoice::Auto).unwrap());
        // As if the last look had been before a suspend of one second.
        continuity.suspended_ns.0 -= 1_000_000_000;
        continuity.suspended_ns.1 -= 1_000_000_000;
        assert!(continuity.suspended());
        assert!(!continuity.suspended());
    }
}
