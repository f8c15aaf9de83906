//! The parameters of most readings on one cache line, and the arithmetic for them: two checks, two
//! products.
//!
//! [`Params`] answer every question, with the right error for each thing that may be wrong. Most
//! readings have nothing wrong: for them the writer works out beforehand between which two readings
//! of the counter *nothing can be*, so that a reader compares twice and multiplies twice. Outside
//! of the two it asks [`Params`].
//!
//! The law, held by a test: where `Quick` answers, `Params` give the same answer.

use super::lines::{FRACTION_BITS, Line};
use super::params::Params;
use super::slopes::Slopes;

/// Parameters without room for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quick {
    /// No reading below this is answered: the counter may have gone back.
    pub(crate) floor: u64,
    /// No reading above this is answered: it may be stale, touched by a leap second or out of
    /// range.
    pub(crate) ceiling: u64,
    pub(crate) earliest: Line,
    pub(crate) latest: Line,
    pub(crate) slopes: Slopes,
}

impl Quick {
    /// Answers nothing.
    pub(crate) const NONE: Quick = Quick {
        floor: u64::MAX,
        ceiling: 0,
        earliest: Line { anchor: 0, ns: 0 },
        latest: Line { anchor: 0, ns: 0 },
        slopes: Slopes { slow: 0, fast: 0 },
    };

    /// The readings at which these parameters can be answered from without a further look,
    /// `max_age` ticks after the agreement at most.
    pub(crate) fn of(params: &Params, max_age: u64) -> Quick {
        let Params { earliest, latest, rates, .. } = *params;
        let answers = params.earliest_answers();
        // From its anchor on `latest` has one slope.
        let floor = latest.anchor.max(*answers.start());
        let fits = latest.upper_stays_below_until(i64::MAX, &rates);
        // As long as both lines go on as they begin.
        let ((slow, slow_until), (fast, fast_until)) =
            (rates.slow.segment(earliest.anchor), rates.fast.segment(latest.anchor));
        let fresh = params.heard.saturating_add(max_age);
        let ceiling = fits
            .min(fresh)
            .min(slow_until)
            .min(fast_until)
            .min(params.leap_from)
            .min(*answers.end());
        Quick { floor, ceiling, earliest, latest, slopes: Slopes { slow, fast } }
    }

    /// `(earliest, latest)` at a reading taken now, in nanoseconds.
    #[inline]
    pub(crate) fn now(&self, c: u64) -> Option<(i64, i64)> {
        let earliest = self.earliest_now(c)?;
        // Not below the anchor, as `c` is not below the floor; in range, as it is not above the
        // ceiling.
        let product = u128::from(c.wrapping_sub(self.latest.anchor)) * u128::from(self.slopes.fast);
        let latest =
            self.latest.ns.wrapping_add_unsigned(whole(product + ((1 << FRACTION_BITS) - 1)));
        Some((earliest, latest))
    }

    /// `earliest` at a reading taken now, in nanoseconds.
    #[inline]
    pub(crate) fn earliest_now(&self, c: u64) -> Option<i64> {
        if c < self.floor || c > self.ceiling {
            return None;
        }
        let product =
            u128::from(c.saturating_sub(self.earliest.anchor)) * u128::from(self.slopes.slow);
        Some(self.earliest.ns.wrapping_add_unsigned(whole(product)))
    }
}

/// The whole nanoseconds of a product, whose upper bits are zero at every reading up to the
/// ceiling.
#[inline]
fn whole(product: u128) -> u64 {
    u64::try_from((product >> FRACTION_BITS) & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::leap::Leap;
    use super::super::slopes::{Rates, Rise, Step};
    use super::*;
    use proptest::prelude::*;

    /// Lines as they are published: each with its rates from its anchor on.
    fn rates(slow: u64, fast: u64, steps: [(u64, u64); 2], at: u64, to: u64) -> Rates {
        let (slow, fast) = (slow.min(fast), slow.max(fast));
        let step = |(until, better): (u64, u64)| (until, better.min((fast - slow) / 2));
        let steps = steps.map(step);
        let rise = |slope: &dyn Fn(u64) -> u64, rest| Rise {
            steps: steps.map(|(until, better)| Step { from: 0, until, slope: slope(better) }),
            rest,
        };
        Rates {
            slow: rise(&|b| slow + b, slow).since(at),
            fast: rise(&|b| fast - b, fast).since(to),
        }
    }

    fn params() -> impl Strategy<Value = Params> {
        let ns = || prop_oneof![any::<i64>(), -(1i64 << 61)..1 << 61];
        let ticks = || prop_oneof![any::<u64>(), 0u64..1 << 50];
        let slope = || prop_oneof![any::<u64>(), (1u64 << 38)..1 << 44, Just(0)];
        let lines = (ticks(), ticks(), ns(), ns(), slope(), slope());
        (
            lines,
            [(ticks(), 0u64..1 << 36), (ticks(), 0u64..1 << 36)],
            ticks(),
            0u64..1000,
            ticks(),
            (prop_oneof![Just(None), any::<(i64, bool, bool)>().prop_map(Some)], any::<bool>()),
        )
            .prop_map(
                |((at, to, e, l, slow, fast), steps, published, margin, heard, (leap, near))| {
                    let params = Params {
                        published,
                        margin,
                        earliest: Line { anchor: at, ns: e },
                        latest: Line { anchor: to, ns: l },
                        rates: rates(slow, fast, steps, at, to),
                        since: 0,
                        heard,
                        leap: None,
                        leap_from: u64::MAX,
                        degraded: false,
                    };
                    params.with_leap(leap.map(|(ns, inserted, deleted)| Leap {
                        midnight_ns: if near { l.saturating_add(ns >> 8) } else { ns },
                        inserted,
                        deleted,
                    }))
                },
            )
    }

    proptest! {
        #[test]
        fn where_quick_answers_the_parameters_say_the_same(
            params in params(), max_age: u64, near in any::<prop::sample::Index>(), by in -2i64..3, anywhere: u64,
        ) {
            let quick = Quick::of(&params, max_age);
            let edges = [quick.floor, quick.ceiling, params.published, params.earliest.anchor, params.latest.anchor, params.leap_from];
            for c in [near.get(&edges).saturating_add_signed(by), anywhere, quick.floor / 2 + quick.ceiling / 2] {
                prop_assert_eq!(quick.now(c).is_some(), (quick.floor..=quick.ceiling).contains(&c));
                if let Some(answer) = quick.now(c) {
                    prop_assert_eq!(Ok(answer), params.now(c));
                    prop_assert_eq!(quick.earliest_now(c).ok_or(()), params.earliest_now(c).map_err(|_| ()));
                    prop_assert!(c.saturating_sub(params.heard) <= max_age);
                }
            }
            prop_assert_eq!(Quick::NONE.now(anywhere), None);
        }

        /// And it answers all that the parameters do, of numbers that occur.
        #[test]
        fn quick_answers_what_is_usual(published in 1u64 << 30..1 << 60, c in 0u64..1 << 40, ns in -(1i64 << 62)..1 << 61) {
            let params = Params {
                published, margin: 500, earliest: Line { anchor: published + 500, ns }, latest: Line { anchor: published - 500, ns: ns + 7 },
                rates: Rates::plain(Slopes { slow: 1 << 38, fast: 1 << 39 }), since: 0, heard: published, leap: None, leap_from: u64::MAX, degraded: false,
            };
            prop_assert!(Quick::of(&params, 1 << 40).now(published - 500 + c).is_some());
            prop_assert!(Quick::of(&params, 1 << 40).now(published - 501).is_none());
            prop_assert!(Quick::of(&params, 1 << 40).now(published + (1 << 40) + 1).is_none());
        }
    }
}
