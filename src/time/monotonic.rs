//! `MonotonicTime`: one reading of this machine's counter, and the elapsed time between two.

use std::time::Duration;

/// Which clock's counter a reading belongs to: readings of two clocks cannot be compared, also
/// where both read one hardware counter.
///
/// Valid in this process and boot only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CounterId(u64);

impl CounterId {
    pub(crate) const fn new(id: u64) -> CounterId {
        CounterId(id)
    }
}

/// A reading of the local counter of a clock: never stepped, never slewed, and meaningless on any
/// other machine.
///
/// Made only by a clock ([`SureClock::monotonic`](crate::SureClock::monotonic)); carries its
/// counter's identity, so a reading of another counter is an error and not a wrong number. It
/// carries the number of disruptions until then, too: what lies between two readings of which one
/// is from before a disruption is not known, since the counter may not have run through it. It has
/// no serde and no text form, since it means nothing to a peer or after a reboot. What it was in
/// true time is [`SureClock::at`](crate::SureClock::at); how long ago it was is
/// [`SureClock::elapsed`](crate::SureClock::elapsed).
///
/// It counts while the machine runs. A machine that was suspended has a counter that stood still:
/// see *Not guaranteed* in the crate docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MonotonicTime {
    counter: CounterId,
    incarnation: u32,
    ticks: u64,
}

impl MonotonicTime {
    pub(crate) const fn new(counter: CounterId, incarnation: u32, ticks: u64) -> MonotonicTime {
        MonotonicTime { counter, incarnation, ticks }
    }

    /// How many disruptions the clock had had.
    pub(crate) const fn incarnation(self) -> u32 {
        self.incarnation
    }

    /// The counter that was read.
    #[must_use]
    pub const fn counter(self) -> CounterId {
        self.counter
    }

    /// The raw count, for logs: its unit is the counter's tick and it may start anywhere.
    #[must_use]
    pub const fn ticks(self) -> u64 {
        self.ticks
    }
}

/// How much true time passed between two readings of one counter: a range, under the drift bound
/// (R).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// No less than this has passed; rounded down. What a timeout that must not fire early compares
    /// with.
    pub at_least: Duration,
    /// No more than this has passed; rounded up. What a promise that must not outlive its term
    /// compares with.
    pub at_most: Duration,
}
