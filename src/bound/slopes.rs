//! How fast true time may pass per tick: under (R) always, and faster or slower by less where a
//! rate was learned under (W), from one reading until another.
//!
//! A [`Rise`] is one side of it. It is the greatest (slow side) or least (fast side) of all that is
//! known at a reading, so more knowledge only makes a line better, at every reading: this is why a
//! line made later rises nowhere less than one made before.

use crate::time::{RateBound, TickBounds, TickScale};

/// Nanoseconds per tick, least and most, with 40 fractional bits: `p (1-k)` rounded down and `p
/// (1+k)` rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slopes {
    pub(crate) slow: u64,
    pub(crate) fast: u64,
}

impl Slopes {
    /// The slopes of a counter under (R), or `None` where they do not fit.
    pub(crate) fn new(tick: TickBounds, rate: RateBound) -> Option<Slopes> {
        let (least, most) = (u128::from(tick.least_2_40), u128::from(tick.most_2_40));
        let slow =
            least.checked_mul(u128::from(PPB.checked_sub(rate.slower_ppb)?))? / u128::from(PPB);
        let fast = most
            .checked_mul(u128::from(PPB.checked_add(rate.faster_ppb)?))?
            .div_ceil(u128::from(PPB));
        Some(Slopes { slow: u64::try_from(slow).ok()?, fast: u64::try_from(fast).ok()? })
    }

    /// What both allow; `None` if nothing is.
    pub(crate) fn and(self, other: Slopes) -> Option<Slopes> {
        let both = Slopes { slow: self.slow.max(other.slow), fast: self.fast.min(other.fast) };
        (both.slow <= both.fast).then_some(both)
    }

    /// Whether it says at least as much as `other`.
    pub(crate) fn is_within(self, other: Slopes) -> bool {
        self.slow >= other.slow && self.fast <= other.fast
    }

    /// By how much true time may pass faster or slower than local time by `scale`, in parts per
    /// billion, rounded up. For showing.
    pub(crate) fn rate_bound_ppb(self, scale: TickScale) -> u64 {
        let p = scale.ns_per_tick_2_40;
        let apart = self.fast.saturating_sub(p).max(p.saturating_sub(self.slow));
        let ppb = (u128::from(apart) * u128::from(PPB)).div_ceil(u128::from(p.max(1)));
        u64::try_from(ppb).unwrap_or(u64::MAX)
    }
}

/// A slope that is known for the readings from `from` until `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) from: u64,
    pub(crate) until: u64,
    pub(crate) slope: u64,
}

/// One side of the rates: the slope under (R), and steps on the better side of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rise {
    pub(crate) steps: [Step; MOST_STEPS],
    /// Wherever no step says more.
    pub(crate) rest: u64,
}

/// Two are enough for a step to be in force at all times: the next one begins before the last one
/// ends.
pub(crate) const MOST_STEPS: usize = 2;

impl Rise {
    /// Nothing but (R).
    pub(crate) const fn plain(rest: u64) -> Rise {
        Rise { steps: [Step { from: 0, until: 0, slope: rest }; MOST_STEPS], rest }
    }

    /// The slope at reading `c`, and up to which later reading it stays the same at least.
    pub(crate) fn segment(&self, c: u64) -> (u64, u64) {
        let (mut slope, mut end) = (self.rest, u64::MAX);
        for step in self.steps.iter().filter(|step| c < step.until) {
            if c < step.from {
                end = end.min(step.from);
            } else {
                slope = self.better(slope, step.slope);
                end = end.min(step.until);
            }
        }
        (slope, end)
    }

    /// The sum of the slopes of all ticks between two readings, in 2^-40 ns; zero where `to` is the
    /// earlier.
    ///
    /// Never overflows: at most 2^64 ticks of less than 2^64 each.
    pub(crate) fn between(&self, from: u64, to: u64) -> u128 {
        if self.steps.iter().all(|step| step.until <= from) {
            // The usual case without a learned rate.
            return u128::from(to.saturating_sub(from)) * u128::from(self.rest);
        }
        let (mut at, mut sum) = (from, 0);
        while at < to {
            let (slope, end) = self.segment(at);
            let end = end.min(to);
            sum += u128::from(end - at) * u128::from(slope);
            at = end;
        }
        sum
    }

    /// The least reading, `from` or later, up to which the sum is `sum` or more.
    pub(crate) fn reaches(&self, from: u64, sum: u128) -> Option<u64> {
        let (mut at, mut missing) = (from, sum);
        while missing > 0 {
            let (slope, end) = self.segment(at);
            let all = u128::from(end - at) * u128::from(slope);
            if all >= missing {
                // No more than the ticks of the segment.
                return at.checked_add(u64::try_from(missing.div_ceil(u128::from(slope))).ok()?);
            }
            if end == u64::MAX {
                return None;
            }
            (at, missing) = (end, missing - all);
        }
        Some(at)
    }

    /// The last reading, `from` or later, up to which the sum is `sum` or less.
    pub(crate) fn stays_within(&self, from: u64, sum: u128) -> u64 {
        let (mut at, mut left) = (from, sum);
        loop {
            let (slope, end) = self.segment(at);
            let all = u128::from(end - at) * u128::from(slope);
            if all > left {
                // Fewer than the ticks of the segment.
                let ticks = u64::try_from(left / u128::from(slope)).unwrap_or(u64::MAX);
                return at.saturating_add(ticks);
            }
            if end == u64::MAX {
                return end;
            }
            (at, left) = (end, left - all);
        }
    }

    /// The same for readings from `anchor` on, step by step: what is best first, each step as long
    /// as nothing better ends before it.
    pub(crate) fn since(&self, anchor: u64) -> Rise {
        let mut rise = Rise::plain(self.rest);
        // A step that begins later would have to keep its beginning.
        let begun = |step: Step| {
            if step.from <= anchor { step } else { Step { from: 0, until: 0, ..step } }
        };
        let begun = Rise { steps: self.steps.map(begun), ..*self };
        let mut at = anchor;
        for place in &mut rise.steps {
            let (slope, end) = begun.segment(at);
            if slope == self.rest || end == u64::MAX {
                break;
            }
            *place = Step { from: 0, until: end, slope };
            at = end;
        }
        rise
    }

    /// With another slope of (R), which says more.
    fn narrowed(&self, rest: u64) -> Rise {
        let mut rise = Rise { rest, ..*self };
        for step in &mut rise.steps {
            step.slope = if step.until == 0 { rest } else { self.better(step.slope, rest) };
        }
        rise
    }

    /// The one of two slopes that says more. All steps lie on one side of the rest.
    fn better(&self, a: u64, b: u64) -> u64 {
        if b.abs_diff(self.rest) > a.abs_diff(self.rest) { b } else { a }
    }
}

/// Both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rates {
    pub(crate) slow: Rise,
    pub(crate) fast: Rise,
}

impl Rates {
    /// Nothing but (R).
    pub(crate) const fn plain(wide: Slopes) -> Rates {
        Rates { slow: Rise::plain(wide.slow), fast: Rise::plain(wide.fast) }
    }

    /// The slopes under (R), which hold at all readings.
    pub(crate) fn wide(&self) -> Slopes {
        Slopes { slow: self.slow.rest, fast: self.fast.rest }
    }

    /// With other slopes of (R), which say more.
    pub(crate) fn narrowed(&self, wide: Slopes) -> Rates {
        Rates { slow: self.slow.narrowed(wide.slow), fast: self.fast.narrowed(wide.fast) }
    }

    /// Whether anything but (R) is in it.
    pub(crate) fn are_learned(&self) -> bool {
        self.slow.steps.iter().chain(&self.fast.steps).any(|step| step.until > 0)
    }
}

const PPB: u64 = 1_000_000_000;

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any rise whose steps are above its rest.
    pub(crate) fn rising() -> impl Strategy<Value = Rise> {
        let step =
            |rest: u64| {
                (0u64..1_000, 1u64..1_000, 0u64..1 << 20).prop_map(move |(from, length, more)| {
                    Step { from, until: from + length, slope: rest + more }
                })
            };
        (0u64..1 << 42)
            .prop_flat_map(move |rest| (step(rest), step(rest), Just(rest)))
            .prop_map(|(a, b, rest)| Rise { steps: [a, b], rest })
    }

    /// The best of all at one tick.
    fn naive(rise: &Rise, c: u64) -> u64 {
        rise.steps
            .iter()
            .filter(|s| s.from <= c && c < s.until)
            .map(|s| s.slope)
            .fold(rise.rest, u64::max)
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_its_ticks(rise in rising(), from in 0u64..2_200, length in 0u64..500) {
            let sum: u128 = (from..from + length).map(|c| u128::from(naive(&rise, c))).sum();
            prop_assert_eq!(rise.between(from, from + length), sum);
            let later = rise.since(from);
            prop_assert_eq!(later.between(from, from + length) <= sum, true, "what is left out says less");
            let mirrored = |slope: u64| 2 * rise.rest - slope.min(2 * rise.rest);
            let falling = Rise { steps: rise.steps.map(|s| Step { slope: mirrored(s.slope), ..s }), ..rise };
            let least: u128 = (from..from + length).map(|c| u128::from(mirrored(naive(&rise, c)))).sum();
            prop_assert_eq!(falling.between(from, from + length), least);
        }

        #[test]
        fn the_reading_that_a_sum_reaches_is_the_first_and_that_it_stays_within_the_last(
            rise in rising(), from in 0u64..2_200, sum in 0u128..1 << 50,
        ) {
            match rise.reaches(from, sum) {
                Some(c) => {
                    prop_assert!(rise.between(from, c) >= sum);
                    prop_assert!(c == from || rise.between(from, c - 1) < sum);
                }
                None => prop_assert!(rise.between(from, u64::MAX) < sum),
            }
            let c = rise.stays_within(from, sum);
            prop_assert!(rise.between(from, c) <= sum);
            prop_assert!(c == u64::MAX || rise.between(from, c + 1) > sum);
        }

        #[test]
        fn nested_steps_are_kept_whole(
            rest in 1u64..1 << 42, more in (0u64..1 << 20, 1u64..1 << 20), ends in (1u64..1_000, 1u64..1_000), c in 0u64..3_000,
        ) {
            let (second, first) = (rest + more.0 + 1, rest + more.0 + 1 + more.1);
            let nested = Rise {
                steps: [Step { from: 0, until: 100 + ends.0, slope: first }, Step { from: 50, until: 100 + ends.0 + ends.1, slope: second }],
                rest,
            };
            let anchored = nested.since(100);
            prop_assert_eq!(anchored.between(100, 100 + c), nested.between(100, 100 + c));
            prop_assert_eq!(anchored.steps[0].slope, anchored.segment(100).0);
            prop_assert_eq!(anchored.since(100), anchored);
        }

        #[test]
        fn narrowed_it_is_the_better_of_both_at_every_tick(rise in rising(), more in 1u64..1 << 20, c in 0u64..2_200) {
            let rest = rise.rest + more;
            prop_assert_eq!(rise.narrowed(rest).segment(c).0, naive(&rise, c).max(rest));
            prop_assert_eq!(Rise::plain(rise.rest).narrowed(rest), Rise::plain(rest));
        }
    }

    #[test]
    fn a_step_that_says_no_more_than_the_rest_is_nothing_learned() {
        let step = Step { from: 0, until: 100, slope: 5 };
        assert_eq!(Rise { steps: [step, step], rest: 5 }.since(50), Rise::plain(5));
    }

    #[test]
    fn a_step_on_either_side_is_something_learned() {
        let plain = Rates::plain(Slopes { slow: 5, fast: 9 });
        assert!(!plain.are_learned());
        let step = Step { from: 0, until: 1, slope: 7 };
        let learned = |rise: Rise| Rise { steps: [step, rise.steps[1]], ..rise };
        assert!(Rates { slow: learned(plain.slow), ..plain }.are_learned());
        assert!(Rates { fast: learned(plain.fast), ..plain }.are_learned());
    }

    #[test]
    fn the_rate_bound_that_is_shown_is_that_of_the_worse_side_rounded_up() {
        let scale = TickScale { ns_per_tick_2_40: 3_000_000_000 };
        let shown = |below: u64, above: u64| {
            Slopes { slow: 3_000_000_000 - below, fast: 3_000_000_000 + above }
                .rate_bound_ppb(scale)
        };
        assert_eq!(
            [shown(0, 0), shown(1, 0), shown(0, 4), shown(600, 30), shown(30, 600)],
            [0, 1, 2, 200, 200]
        );
    }

    #[test]
    fn slopes_round_outward() {
        let third = TickScale { ns_per_tick_2_40: (1 << 40) / 3 };
        let s =
            Slopes::new(TickBounds::exactly(third), crate::time::compose(&[1]).unwrap()).unwrap();
        assert!(
            u128::from(s.slow) * 1_000_000_000 <= u128::from(third.ns_per_tick_2_40) * 999_999_999
        );
        assert!(
            u128::from(s.fast) * 1_000_000_000
                >= u128::from(third.ns_per_tick_2_40) * 1_000_000_001
        );
    }

    #[test]
    fn the_ends_of_the_range_do_not_overflow() {
        let steepest = Rise::plain(u64::MAX);
        assert_eq!(steepest.between(0, u64::MAX), u128::from(u64::MAX) * u128::from(u64::MAX));
        assert_eq!(
            (steepest.reaches(5, u128::MAX), steepest.stays_within(5, u128::MAX)),
            (None, u64::MAX)
        );
        assert_eq!(
            (Rise::plain(0).reaches(5, 1), Rise::plain(0).stays_within(5, 0)),
            (None, u64::MAX)
        );
        assert_eq!((steepest.reaches(5, 0), steepest.stays_within(5, 0)), (Some(5), 5));
        assert_eq!(Rise::plain(0).reaches(5, 0), Some(5));
    }
}
