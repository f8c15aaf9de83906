//! The VM watch: whether the hypervisor has moved, restored or copied this virtual machine.
//!
//! Its VM clock device (`vm_clock`) reports that, where there is one; without one nothing is
//! noticed here.

use super::Break;
use crate::counter::VmClock;
use crate::counter::vm_clock::{Marked, Marker};

/// The VM clock device, and what it said at the last check.
#[derive(Debug)]
pub(super) struct VmWatch {
    device: Option<(Marker, Marked)>,
}

impl VmWatch {
    /// Begins with what the device said when it was opened, not with what it says now: the counter
    /// was measured in between.
    pub(super) fn of(vm_clock: &VmClock) -> VmWatch {
        VmWatch { device: vm_clock.marker().map(|marker| (marker.clone(), marker.at_first())) }
    }

    /// What the device says that it did not say at the last check. In the middle of an update it
    /// says nothing yet.
    pub(super) fn observe(&mut self) -> Option<Break> {
        let (marker, last) = self.device.as_mut()?;
        let now = marker.marked()?;
        let earlier = std::mem::replace(last, now);
        let reported = if earlier.marker == now.marker { Break::Copied } else { Break::Restored };
        (earlier != now).then_some(reported)
    }

    /// What the device said at the last check.
    pub(super) fn marked(&self) -> Option<Marked> {
        self.device.as_ref().map(|(_, marked)| *marked)
    }

    /// What was seen has been published: readers need not notice it any more.
    pub(super) fn note(&self) {
        if let Some((marker, marked)) = &self.device {
            marker.note(*marked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counter::watch::{Continuity, Scope};
    use crate::counter::{Counter, ManualCounter};
    use std::sync::Arc;

    #[test]
    fn a_copy_is_a_disruption_that_readers_need_not_check_for() {
        let manual = ManualCounter::new(0);
        let counter = Counter::manual(Arc::clone(&manual)).with_vm_clock();
        let mut continuity = Continuity::of(&counter);
        manual.mark(false, true);
        assert!(!counter.vm_clock().unnoted());
        assert_eq!(continuity.check(Scope::Clocks).broken, Some(Break::Copied));
        assert_eq!(continuity.check(Scope::Clocks).broken, None);
        let mut without = Continuity::of(&Counter::manual(Arc::clone(&manual)));
        manual.mark(true, true);
        assert_eq!(without.check(Scope::All).broken, None, "the twin: no device");
    }
}
