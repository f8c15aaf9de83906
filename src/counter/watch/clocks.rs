//! The clocks and files beside the counter that the watches read.

use crate::counter::calibration::Pair;
use crate::counter::{Counter, Kind, ManualCounter, hardware, os};
use std::sync::Arc;

/// Where the watches read them: in this machine, or in a manual counter. Beside a manual counter
/// nothing of this machine is read.
#[derive(Clone, Debug)]
pub(super) enum Clocks {
    Os,
    Manual(Arc<ManualCounter>),
    /// Bounds of the time asleep, one after another; the last one again and again.
    #[cfg(test)]
    Scripted(Arc<parking_lot::Mutex<Vec<(i64, i64)>>>),
}

impl Clocks {
    pub(super) fn of(counter: &Counter) -> Clocks {
        match &counter.kind {
            Kind::Manual(counter) => Clocks::Manual(Arc::clone(counter)),
            _ => Clocks::Os,
        }
    }

    /// Bounds of the time spent suspended, as one read shows them.
    pub(super) fn suspended_ns(&self) -> (i64, i64) {
        match self {
            Clocks::Manual(counter) => {
                let ns = i64::try_from(counter.suspended_ns()).unwrap_or(i64::MAX);
                (ns, ns)
            }
            Clocks::Os => os::suspended_ns(),
            #[cfg(test)]
            Clocks::Scripted(reads) => {
                let mut reads = reads.lock();
                if reads.len() > 1 { reads.remove(0) } else { reads[0] }
            }
        }
    }

    /// The hardware counter beside CLOCK_MONOTONIC_RAW.
    pub(super) fn pair(&self) -> Pair {
        match self {
            Clocks::Manual(counter) => counter.pair(),
            _ => hardware::pair(),
        }
    }

    /// Whether the kernel keeps time by the hardware counter. `None` where it does not say.
    pub(super) fn hardware_is_clock_source(&self) -> Option<bool> {
        match self {
            Clocks::Manual(counter) => Some(counter.is_clock_source()),
            _ => hardware::is_clock_source(),
        }
    }

    /// What the kernel makes CLOCK_MONOTONIC_RAW out of. `None` where it does not say.
    pub(super) fn raw_source(&self) -> Option<String> {
        match self {
            Clocks::Manual(_) => None,
            _ => os::clock_source(),
        }
    }

    /// The time namespace of this process. `None` where there is none to be watched. A manual
    /// counter is not moved by one, and reading it would cost a simulation most of its time.
    pub(super) fn time_namespace(&self) -> Option<u64> {
        match self {
            Clocks::Os => os::time_namespace(),
            _ => None,
        }
    }

    /// Whether the counter is read on cores of this machine, which can be compared.
    pub(super) fn have_cores(&self) -> bool {
        matches!(self, Clocks::Os)
    }
}
