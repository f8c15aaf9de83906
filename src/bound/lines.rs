//! Lines through a bound: how a bound at one reading of the counter becomes a bound at another,
//! under (R).
//!
//! A counter difference of `n` ticks says that the elapsed local time lies strictly between `(n -
//! m) p` and `(n + m) p`, where the margin `m` is the counter's granularity plus the skew between
//! cores, in ticks. The margin is folded into the *anchor* of a line, so that a reading costs one
//! subtraction and one product:
//!
//! - a lower line is anchored `m` ticks after its fact: `at(c) = ns + floor((c - anchor) * slow)`
//! - an upper line is anchored `m` ticks before its fact: `at(c) = ns + ceil((c - anchor) * fast)`
//!
//! Before its anchor a line is read backward, and the same anchor is the outward one again: with `n
//! = fact - c`, true time at `c` is at least `ns - (n + m) p (1+k)`, which is `ns - (anchor - c) *
//! fast` for a lower line; and at most `ns - (n - m) p (1-k)`, which is `ns - (anchor - c) * slow`
//! for an upper line.

use super::slopes::{Rates, Slopes};

/// A bound at a reading: nanoseconds on the timescale, and the tick (margin folded in) at which
/// they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) anchor: u64,
    pub(crate) ns: i64,
}

impl Line {
    /// The line of the fact that true time was no earlier than `ns` at reading `tick`.
    pub(crate) fn lower(tick: u64, margin: u64, ns: i64) -> Option<Line> {
        // Saturating would leave the line less than its margin, so a reading within `margin` of the
        // end makes no lower line.
        Some(Line { anchor: tick.checked_add(margin)?, ns })
    }

    /// The line of the fact that true time was no later than `ns` at reading `tick`.
    pub(crate) fn upper(tick: u64, margin: u64, ns: i64) -> Option<Line> {
        // Saturating would move the anchor inward, so a reading within `margin` of zero makes no
        // upper line.
        Some(Line { anchor: tick.checked_sub(margin)?, ns })
    }

    /// This lower line at reading `c`, rounded down; `None` if it does not fit.
    pub(crate) fn lower_at(self, c: u64, rates: &Rates) -> Option<i64> {
        if c >= self.anchor {
            self.lower_after(c, rates)
        } else {
            self.ns.checked_sub_unsigned(ceil_ns(product(self.anchor - c, rates.fast.rest))?)
        }
    }

    /// This lower line at a reading taken later than its fact: never below the fact itself, even
    /// where granularity or skew show a reading within the margin of it.
    pub(crate) fn lower_after(self, c: u64, rates: &Rates) -> Option<i64> {
        self.ns.checked_add_unsigned(floor_ns(rates.slow.between(self.anchor, c))?)
    }

    /// This upper line at reading `c`, rounded up; `None` if it does not fit.
    pub(crate) fn upper_at(self, c: u64, rates: &Rates) -> Option<i64> {
        if c >= self.anchor {
            self.ns.checked_add_unsigned(ceil_ns(rates.fast.between(self.anchor, c))?)
        } else {
            self.ns.checked_sub_unsigned(floor_ns(product(self.anchor - c, rates.slow.rest))?)
        }
    }

    /// The last reading at which this upper line is below `ns`; 0 if it is not below even at its
    /// anchor.
    pub(crate) fn upper_stays_below_until(self, ns: i64, rates: &Rates) -> u64 {
        let gap = i128::from(ns) - i128::from(self.ns) - 1;
        if gap < 0 {
            return 0;
        }
        // ceil(sum / 2^40) <= gap  iff  sum <= gap * 2^40. gap < 2^65: the product fits in 128
        // bits.
        rates.fast.stays_within(self.anchor, gap.unsigned_abs() << FRACTION_BITS)
    }

    /// The least reading at which this lower line is above `ns`, or `None` if there is none.
    pub(crate) fn lower_exceeds_at(self, ns: i64, rates: &Rates) -> Option<u64> {
        let gap = i128::from(ns) - i128::from(self.ns) + 1;
        if gap <= 0 {
            return Some(0);
        }
        // floor(sum / 2^40) >= gap  iff  sum >= gap * 2^40. gap < 2^65: the product fits in 128
        // bits.
        rates.slow.reaches(self.anchor, gap.unsigned_abs() << FRACTION_BITS)
    }
}

/// How much time, at least and at most, passed between two readings that are `n` ticks apart, in
/// nanoseconds.
pub(crate) fn elapsed_ns(n: u64, margin: u64, slopes: Slopes) -> Option<(u64, u64)> {
    let at_least = floor_ns(product(n.saturating_sub(margin), slopes.slow))?;
    Some((at_least, ceil_ns(product(n.checked_add(margin)?, slopes.fast))?))
}

/// Never overflows: 64 bits times 64 bits fit in 128.
fn product(ticks: u64, slope: u64) -> u128 {
    u128::from(ticks) * u128::from(slope)
}

/// A sum of slopes as nanoseconds, rounded down.
fn floor_ns(sum: u128) -> Option<u64> {
    u64::try_from(sum >> FRACTION_BITS).ok()
}

/// A sum of slopes as nanoseconds, rounded up.
fn ceil_ns(sum: u128) -> Option<u64> {
    // A sum is (2^64-1)^2 at most, and (2^64-1)^2 + 2^40 - 1 < 2^128.
    u64::try_from((sum + ((1 << FRACTION_BITS) - 1)) >> FRACTION_BITS).ok()
}

pub(crate) const FRACTION_BITS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{TickBounds, TickScale, compose};
    use proptest::prelude::*;

    fn rates(scale: TickScale, ppb: u32) -> Rates {
        Rates::plain(Slopes::new(TickBounds::exactly(scale), compose(&[ppb]).unwrap()).unwrap())
    }

    proptest! {
        /// The definition: a true rate within (R) and a counter of the stated granularity never
        /// leave a line.
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
            let rates = rates(scale, k_ppb);
            let c = fact.saturating_add_signed(distance);
            let dx_thousandths = (i128::from(c) * 1000 + i128::from(phase)) - (i128::from(fact) * 1000 + i128::from(phase_fact));
            let rate_ppb = 1_000_000_000 + i128::from(k_ppb) * rate_share / 1000;
            // dt [ns] = dx/1000 * p/2^40 * rate/10^9; lines hold iff lower <= dt <= upper with
            // everything multiplied out.
            let dt_scaled = dx_thousandths * i128::from(scale.ns_per_tick_2_40);
            let (hi, lo) = (dt_scaled.div_euclid(1 << 30), dt_scaled.rem_euclid(1 << 30));
            let dt_floor = (hi * rate_ppb + lo * rate_ppb / (1 << 30)).div_euclid(1_000_000_000 * 1000 * (1 << 10));
            let lower = Line::lower(fact, 1, 0).unwrap().lower_at(c, &rates).unwrap();
            let upper = Line::upper(fact, 1, 0).unwrap().upper_at(c, &rates).unwrap();
            prop_assert!(i128::from(lower) <= dt_floor + 1 && dt_floor <= i128::from(upper), "{lower} {dt_floor} {upper}");
            if c >= fact {
                prop_assert!(i128::from(Line::lower(fact, 1, 0).unwrap().lower_after(c, &rates).unwrap()) <= dt_floor.max(0) + 1);
            }
        }

        #[test]
        fn the_tick_at_which_a_line_exceeds_a_point_is_the_first(ns in 0i64..1 << 50, slow in (1u64 << 38)..1 << 44) {
            let rates = Rates::plain(Slopes { slow, fast: slow });
            let line = Line { anchor: 77, ns: 5 };
            let c = line.lower_exceeds_at(ns, &rates).unwrap();
            prop_assert!(line.lower_after(c, &rates).unwrap() > ns);
            prop_assert!(c <= 77 || line.lower_after(c - 1, &rates).unwrap() <= ns);
        }

        #[test]
        fn the_last_tick_at_which_a_line_stays_below_a_point_is_the_last(ns in 6i64..1 << 50, fast in (1u64 << 38)..1 << 44) {
            let rates = Rates::plain(Slopes { slow: fast, fast });
            let line = Line { anchor: 77, ns: 5 };
            let c = line.upper_stays_below_until(ns, &rates);
            prop_assert!(line.upper_at(c, &rates).unwrap() < ns);
            prop_assert!(line.upper_at(c + 1, &rates).unwrap() >= ns);
            prop_assert_eq!((line.upper_stays_below_until(5, &rates), line.upper_stays_below_until(6, &rates)), (0, 77));
        }

        #[test]
        fn a_line_never_panics_and_never_wraps(anchor: u64, ns: i64, c: u64, slow: u64, fast: u64) {
            let (line, rates) = (Line { anchor, ns }, Rates::plain(Slopes { slow, fast }));
            let later = c >= anchor;
            if let Some(at) = line.lower_at(c, &rates) { prop_assert!((at >= ns) == later || at == ns); }
            if let Some(at) = line.upper_at(c, &rates) { prop_assert!((at >= ns) == later || at == ns); }
            let _ = line.lower_exceeds_at(ns.wrapping_add(5), &rates);
        }
    }

    #[test]
    fn found_a_fact_at_the_end_of_the_range_has_its_whole_margin_or_makes_no_line() {
        // Ten ticks before the last one, by a counter of one tick's margin, may be eleven: a
        // saturated anchor said ten.
        assert_eq!(Line::lower(u64::MAX, 1, 0), None);
        let line = Line::lower(u64::MAX - 1, 1, 0).unwrap();
        assert_eq!(line.lower_at(u64::MAX - 10, &rates(TickScale::NANOSECOND, 0)), Some(-10));
    }

    #[test]
    fn one_tick_stands_on_the_safe_side() {
        // A difference of n ticks is more than n-1 and less than n+1 of them.
        let exact = rates(TickScale::NANOSECOND, 0);
        assert_eq!(Line::lower(100, 1, 0).unwrap().lower_at(110, &exact), Some(9));
        assert_eq!(Line::upper(100, 1, 0).unwrap().upper_at(110, &exact), Some(11));
        assert_eq!(Line::lower(100, 1, 0).unwrap().lower_at(90, &exact), Some(-11));
        assert_eq!(Line::upper(100, 1, 0).unwrap().upper_at(90, &exact), Some(-9));
        assert_eq!(Line::lower(100, 1, 0).unwrap().lower_after(100, &exact), Some(0));
        assert_eq!(elapsed_ns(10, 1, exact.wide()), Some((9, 11)));
        assert_eq!(elapsed_ns(3, 5, Slopes { slow: 1, fast: 1 }), Some((0, 1)));
        assert_eq!(elapsed_ns(u64::MAX, 1, exact.wide()), None);
    }
}
