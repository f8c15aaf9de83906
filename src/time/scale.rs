//! `TickScale`: the frozen length of one counter tick.

use std::time::Duration;

/// Nanoseconds per tick as a fixed-point number with 40 fractional bits.
///
/// The scale of a counter is *defined* as this number and frozen for the counter's life; what it is wrong by belongs to
/// the rate bound, never to the scale. 40 bits leave 2^24 ns (16 ms) for the slowest counter, and resolve a 3 GHz
/// tick to 3e-12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TickScale {
    pub(crate) ns_per_tick_2_40: u64,
}

impl TickScale {
    /// One tick is one nanosecond: the OS's clocks and simulated counters.
    pub(crate) const NANOSECOND: TickScale = TickScale { ns_per_tick_2_40: 1 << 40 };

    /// The length of `ticks` by the frozen scale, rounded down; `Duration::MAX` where it does not fit (for showing
    /// and for waking only: a bound is computed with slopes).
    pub(crate) fn duration(self, ticks: u64) -> Duration {
        let ns = (u128::from(ticks) * u128::from(self.ns_per_tick_2_40)) >> 40;
        u64::try_from(ns).map_or(Duration::MAX, Duration::from_nanos)
    }

    /// The ticks in `length` by the frozen scale, rounded down; `u64::MAX` where they do not fit.
    pub(crate) fn ticks(self, length: Duration) -> u64 {
        let scaled = length.as_nanos().checked_mul(1 << 40);
        scaled.and_then(|ns| u64::try_from(ns / u128::from(self.ns_per_tick_2_40)).ok()).unwrap_or(u64::MAX)
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
    }
}
