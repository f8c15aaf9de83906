//! Lines through a bound: how a bound at one reading of the counter becomes a bound at another, under (R).
//!
//! A counter difference of `n` ticks says that the elapsed local time lies strictly between `(n - m) p` and `(n + m) p`,
//! where the margin `m` is the counter's granularity plus the skew between cores, in ticks. The margin is folded into
//! the *anchor* of a line, so that a reading costs one subtraction and one product:
//!
//! - a lower line is anchored `m` ticks after its fact: `at(c) = ns + floor((c - anchor) * slow)`
//! - an upper line is anchored `m` ticks before its fact: `at(c) = ns + ceil((c - anchor) * fast)`
//!
//! Before its anchor a line is read backward, and the same anchor is the outward one again: with `n = fact - c`, true
//! time at `c` is at least `ns - (n + m) p (1+k)`, which is `ns - (anchor - c) * fast` for a lower line; and at most
//! `ns - (n - m) p (1-k)`, which is `ns - (anchor - c) * slow` for an upper line.

use crate::time::{RateBound, TickBounds, TickScale};

/// Nanoseconds per tick, least and most, with 40 fractional bits: `p (1-k)` rounded down and `p (1+k)` rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slopes {
    pub(crate) slow: u64,
    pub(crate) fast: u64,
}

impl Slopes {
    /// The slopes of a counter under (R), or `None` where they do not fit.
    pub(crate) fn new(tick: TickBounds, rate: RateBound) -> Option<Slopes> {
        let (least, most) = (u128::from(tick.least_2_40), u128::from(tick.most_2_40));
        let slow = least.checked_mul(u128::from(PPB.checked_sub(rate.slower_ppb)?))? / u128::from(PPB);
        let fast = most.checked_mul(u128::from(PPB.checked_add(rate.faster_ppb)?))?.div_ceil(u128::from(PPB));
        Some(Slopes { slow: u64::try_from(slow).ok()?, fast: u64::try_from(fast).ok()? })
    }

    /// By how much true time may pass faster or slower than local time by `scale`, in parts per billion, rounded up. For showing.
    pub(crate) fn rate_bound_ppb(self, scale: TickScale) -> u64 {
        let p = scale.ns_per_tick_2_40;
        let apart = self.fast.saturating_sub(p).max(p.saturating_sub(self.slow));
        let ppb = (u128::from(apart) * u128::from(PPB)).div_ceil(u128::from(p.max(1)));
        u64::try_from(ppb).unwrap_or(u64::MAX)
    }
}

/// A bound at a reading: nanoseconds on the timescale, and the tick (margin folded in) at which they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) anchor: u64,
    pub(crate) ns: i64,
}

impl Line {
    /// The line of the fact that true time was no earlier than `ns` at reading `tick`.
    pub(crate) fn lower(tick: u64, margin: u64, ns: i64) -> Line {
        // Saturating is outward: a later anchor makes a lower line lower.
        Line { anchor: tick.saturating_add(margin), ns }
    }

    /// The line of the fact that true time was no later than `ns` at reading `tick`.
    pub(crate) fn upper(tick: u64, margin: u64, ns: i64) -> Option<Line> {
        // Saturating would move the anchor inward, so a reading within `margin` of zero makes no upper line.
        Some(Line { anchor: tick.checked_sub(margin)?, ns })
    }

    /// This lower line at reading `c`, rounded down; `None` if it does not fit.
    pub(crate) fn lower_at(self, c: u64, slopes: Slopes) -> Option<i64> {
        if c >= self.anchor {
            self.ns.checked_add_unsigned(floor_ns(c - self.anchor, slopes.slow)?)
        } else {
            self.ns.checked_sub_unsigned(ceil_ns(self.anchor - c, slopes.fast)?)
        }
    }

    /// This lower line at a reading taken later than its fact: never below the fact itself, even where granularity
    /// or skew show a reading within the margin of it.
    pub(crate) fn lower_after(self, c: u64, slopes: Slopes) -> Option<i64> {
        self.ns.checked_add_unsigned(floor_ns(c.saturating_sub(self.anchor), slopes.slow)?)
    }

    /// This upper line at reading `c`, rounded up; `None` if it does not fit.
    pub(crate) fn upper_at(self, c: u64, slopes: Slopes) -> Option<i64> {
        if c >= self.anchor {
            self.ns.checked_add_unsigned(ceil_ns(c - self.anchor, slopes.fast)?)
        } else {
            self.ns.checked_sub_unsigned(floor_ns(self.anchor - c, slopes.slow)?)
        }
    }

    /// The last reading at which this upper line is below `ns`; 0 if it is not below even at its anchor.
    pub(crate) fn upper_stays_below_until(self, ns: i64, slopes: Slopes) -> u64 {
        let gap = i128::from(ns) - i128::from(self.ns) - 1;
        if gap < 0 {
            return 0;
        }
        if slopes.fast == 0 {
            return u64::MAX;
        }
        // ceil(n * fast / 2^40) <= gap  iff  n * fast <= gap * 2^40. gap < 2^65: the product fits in 128 bits.
        let ticks = (gap.unsigned_abs() << FRACTION_BITS) / u128::from(slopes.fast);
        u64::try_from(ticks).map_or(u64::MAX, |ticks| self.anchor.saturating_add(ticks))
    }

    /// The least reading at which this lower line is above `ns`, or `None` if there is none.
    pub(crate) fn lower_exceeds_at(self, ns: i64, slopes: Slopes) -> Option<u64> {
        let gap = i128::from(ns) - i128::from(self.ns) + 1;
        if gap <= 0 {
            return Some(0);
        }
        if slopes.slow == 0 {
            return None;
        }
        // floor(n * slow / 2^40) >= gap  iff  n * slow >= gap * 2^40. gap < 2^65: the product fits in 128 bits.
        let ticks = (gap.unsigned_abs() << FRACTION_BITS).div_ceil(u128::from(slopes.slow));
        self.anchor.checked_add(u64::try_from(ticks).ok()?)
    }
}

/// `ticks * slope`, rounded down, in nanoseconds.
fn floor_ns(ticks: u64, slope: u64) -> Option<u64> {
    // Never overflows: 64 bits times 64 bits fit in 128.
    u64::try_from((u128::from(ticks) * u128::from(slope)) >> FRACTION_BITS).ok()
}

/// `ticks * slope`, rounded up, in nanoseconds.
fn ceil_ns(ticks: u64, slope: u64) -> Option<u64> {
    // (2^64-1)^2 + 2^40 - 1 < 2^128.
    u64::try_from((u128::from(ticks) * u128::from(slope) + ((1 << FRACTION_BITS) - 1)) >> FRACTION_BITS).ok()
}

pub(super) const FRACTION_BITS: u32 = 40;
const PPB: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::compose;
    use proptest::prelude::*;

    fn slopes(scale: TickScale, ppb: u32) -> Slopes {
        Slopes::new(TickBounds::exactly(scale), compose(&[ppb]).unwrap()).unwrap()
    }

    proptest! {
        /// The definition: a true rate within (R) and a counter of the stated granularity never leave a line.
        #[test]
        fn true_time_stays_inside_the_lines_for_any_rate_within_the_bound(
            p_thousandths in 300u64..50_000,
            k_ppb in 0u32..1_000_000,
            rate_share in -1000i128..=1000,
            fact in 1_000_000u64..1 << 50,
            distance in -(1i64 << 45)..1 << 45,
            phase_fact in 0u64..1000,
            phase in 0u64..1000,
        ) {
            // Time in units of 1/1000 tick; true nanoseconds scaled by 10^15 to stay exact.
            let scale = TickScale { ns_per_tick_2_40: (p_thousandths << 40) / 1000 };
            let slopes = slopes(scale, k_ppb);
            let c = fact.saturating_add_signed(distance);
            let dx_thousandths = (i128::from(c) * 1000 + i128::from(phase)) - (i128::from(fact) * 1000 + i128::from(phase_fact));
            let rate_ppb = 1_000_000_000 + i128::from(k_ppb) * rate_share / 1000;
            // dt [ns] = dx/1000 * p/2^40 * rate/10^9; lines hold iff lower <= dt <= upper with everything multiplied out.
            let dt_scaled = dx_thousandths * i128::from(scale.ns_per_tick_2_40);
            let (hi, lo) = (dt_scaled.div_euclid(1 << 30), dt_scaled.rem_euclid(1 << 30));
            let dt_floor = (hi * rate_ppb + lo * rate_ppb / (1 << 30)).div_euclid(1_000_000_000 * 1000 * (1 << 10));
            let lower = Line::lower(fact, 1, 0).lower_at(c, slopes).unwrap();
            let upper = Line::upper(fact, 1, 0).unwrap().upper_at(c, slopes).unwrap();
            prop_assert!(i128::from(lower) <= dt_floor + 1 && dt_floor <= i128::from(upper), "{lower} {dt_floor} {upper}");
            if c >= fact {
                prop_assert!(i128::from(Line::lower(fact, 1, 0).lower_after(c, slopes).unwrap()) <= dt_floor.max(0) + 1);
            }
        }

        #[test]
        fn the_tick_at_which_a_line_exceeds_a_point_is_the_first(ns in 0i64..1 << 50, slow in (1u64 << 38)..1 << 44) {
            let slopes = Slopes { slow, fast: slow };
            let line = Line { anchor: 77, ns: 5 };
            let c = line.lower_exceeds_at(ns, slopes).unwrap();
            prop_assert!(line.lower_after(c, slopes).unwrap() > ns);
            prop_assert!(c <= 77 || line.lower_after(c - 1, slopes).unwrap() <= ns);
        }

        #[test]
        fn the_last_tick_at_which_a_line_stays_below_a_point_is_the_last(ns in 6i64..1 << 50, fast in (1u64 << 38)..1 << 44) {
            let slopes = Slopes { slow: fast, fast };
            let line = Line { anchor: 77, ns: 5 };
            let c = line.upper_stays_below_until(ns, slopes);
            prop_assert!(line.upper_at(c, slopes).unwrap() < ns);
            prop_assert!(line.upper_at(c + 1, slopes).unwrap() >= ns);
            prop_assert_eq!(line.upper_stays_below_until(5, slopes), 0);
        }

        #[test]
        fn a_line_never_panics_and_never_wraps(anchor: u64, ns: i64, c: u64, slow: u64, fast: u64) {
            let (line, slopes) = (Line { anchor, ns }, Slopes { slow, fast });
            let later = c >= anchor;
            if let Some(at) = line.lower_at(c, slopes) { prop_assert!((at >= ns) == later || at == ns); }
            if let Some(at) = line.upper_at(c, slopes) { prop_assert!((at >= ns) == later || at == ns); }
            let _ = line.lower_exceeds_at(ns.wrapping_add(5), slopes);
        }
    }

    #[test]
    fn one_tick_stands_on_the_safe_side() {
        // A difference of n ticks is more than n-1 and less than n+1 of them.
        let exact = slopes(TickScale::NANOSECOND, 0);
        assert_eq!(Line::lower(100, 1, 0).lower_at(110, exact), Some(9));
        assert_eq!(Line::upper(100, 1, 0).unwrap().upper_at(110, exact), Some(11));
        assert_eq!(Line::lower(100, 1, 0).lower_at(90, exact), Some(-11));
        assert_eq!(Line::upper(100, 1, 0).unwrap().upper_at(90, exact), Some(-9));
        assert_eq!(Line::lower(100, 1, 0).lower_after(100, exact), Some(0));
    }

    #[test]
    fn slopes_round_outward() {
        let third = TickScale { ns_per_tick_2_40: (1 << 40) / 3 };
        let s = slopes(third, 1);
        assert!(u128::from(s.slow) * 1_000_000_000 <= u128::from(third.ns_per_tick_2_40) * 999_999_999);
        assert!(u128::from(s.fast) * 1_000_000_000 >= u128::from(third.ns_per_tick_2_40) * 1_000_000_001);
    }
}
