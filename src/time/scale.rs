//! `TickScale`: the frozen length of one counter tick.

use std::time::Duration;

/// Nanoseconds per tick as a fixed-point number with 40 fractional bits.
///
/// The scale of a counter is *defined* as this number and frozen for the counter's life; what it is
/// wrong by belongs to the rate bound, never to the scale. 40 bits leave 2^24 ns (16 ms) for the
/// slowest counter, and resolve a 3 GHz tick to 3e-12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TickScale {
    pub(crate) ns_per_tick_2_40: u64,
}

impl TickScale {
    /// One tick is one nanosecond: the OS's clocks and simulated counters.
    pub(crate) const NANOSECOND: TickScale = TickScale { ns_per_tick_2_40: 1 << 40 };

    /// The length of `ticks` by the frozen scale, rounded down; `Duration::MAX` where it does not
    /// fit (for showing and for waking only: a bound is computed with slopes).
    pub(crate) fn duration(self, ticks: u64) -> Duration {
        let ns = (u128::from(ticks) * u128::from(self.ns_per_tick_2_40)) >> 40;
        u64::try_from(ns).map_or(Duration::MAX, Duration::from_nanos)
    }

    /// The ticks in `length` by the frozen scale, rounded down; `u64::MAX` where they do not fit.
    pub(crate) fn ticks(self, length: Duration) -> u64 {
        let scaled = length.as_nanos().checked_mul(1 << 40);
        scaled
            .and_then(|ns| u64::try_from(ns / u128::from(self.ns_per_tick_2_40)).ok())
            .unwrap_or(u64::MAX)
    }

    /// By how much a tick of another length is longer than this one, in parts per billion, rounded
    /// down and up. For showing.
    pub(crate) fn excess_ppb(self, ns_per_tick_2_40: u64) -> (i64, i64) {
        let p = i128::from(self.ns_per_tick_2_40).max(1);
        let excess = (i128::from(ns_per_tick_2_40) - p) * 1_000_000_000;
        let ppb = |excess: i128| i64::try_from(excess).unwrap_or(i64::MAX);
        (ppb(excess.div_euclid(p)), ppb(-(-excess).div_euclid(p)))
    }
}

/// What is certified of the true nominal length of a tick beside the frozen one: it lies between
/// the two, in nanoseconds with 40 fractional bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TickBounds {
    pub(crate) least_2_40: u64,
    pub(crate) most_2_40: u64,
}

impl TickBounds {
    /// Nothing is known.
    pub(crate) const ANY: TickBounds = TickBounds { least_2_40: 0, most_2_40: u64::MAX };

    /// The frozen length is the true one: a counter of nanoseconds is defined so.
    pub(crate) fn exactly(scale: TickScale) -> TickBounds {
        TickBounds { least_2_40: scale.ns_per_tick_2_40, most_2_40: scale.ns_per_tick_2_40 }
    }

    /// What both say, or `None` where they contradict each other.
    pub(crate) fn and(self, other: TickBounds) -> Option<TickBounds> {
        let least_2_40 = self.least_2_40.max(other.least_2_40);
        let most_2_40 = self.most_2_40.min(other.most_2_40);
        (least_2_40 <= most_2_40).then_some(TickBounds { least_2_40, most_2_40 })
    }

    /// Whether this says no less than `other`.
    pub(crate) fn is_within(self, other: TickBounds) -> bool {
        other.least_2_40 <= self.least_2_40 && self.most_2_40 <= other.most_2_40
    }

    /// How far apart the two are, in parts per billion of the lesser, rounded up.
    pub(crate) fn width_ppb(self) -> u64 {
        let width = u128::from(self.most_2_40 - self.least_2_40) * 1_000_000_000;
        u64::try_from(width.div_ceil(u128::from(self.least_2_40.max(1)))).unwrap_or(u64::MAX)
    }

    /// The middle, rounded down.
    pub(crate) fn middle(self) -> TickScale {
        TickScale { ns_per_tick_2_40: self.least_2_40 + (self.most_2_40 - self.least_2_40) / 2 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_ticks_round_down_and_saturate() {
        let scale = TickScale { ns_per_tick_2_40: 40 << 40 }; // 25 MHz
        assert_eq!(scale.duration(3), Duration::from_nanos(120));
        assert_eq!(scale.ticks(Duration::from_nanos(119)), 2);
        assert_eq!(scale.duration(u64::MAX), Duration::MAX);
        assert_eq!(scale.ticks(Duration::MAX), u64::MAX);
        let p = scale.ns_per_tick_2_40;
        assert_eq!(
            (scale.excess_ppb(p), scale.excess_ppb(p + 1), scale.excess_ppb(p - 1)),
            ((0, 0), (0, 1), (-1, 0))
        );
        assert_eq!(scale.excess_ppb(2 * p).0, 1_000_000_000);
    }
}
