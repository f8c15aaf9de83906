//! Whether the rate bound (R) is too small for this oscillator: agreements before and after
//! contradictions, as a witness.
//!
//! An oscillator beyond the bound contradicts its sources again and again: after each disruption
//! the clock would answer, and be wrong again. Between two agreements, one at reading a and one at
//! reading b, the mean length of a tick is certified as in [`learned_rate`](super::learned_rate).
//! If that excludes (R) over three spans that follow each other, always on the same side, and one
//! rate explains all three, the bound is to blame.
//!
//! Pauses that nobody noticed, and servers that are slewed, may look like that for a while. So
//! contradictions more than half an hour apart are no chain (an oscillator that is off by so much
//! shows sooner), and the verdict ends when later agreements exclude the rate that was found.
//!
//! This is a diagnosis, not a bound: agreements right after a disruption are aged for some seconds
//! by the very bound that is in doubt. It can only take answers away.

use super::learned_rate::{Agreed, mean_between};
use super::slopes::Slopes;

/// Agreements that each followed a contradiction, and what they have shown.
#[derive(Debug)]
pub(crate) struct Excess {
    lengths: Lengths,
    agreed: Vec<Agreed>,
    /// When the last one was made.
    last: u64,
    /// The rate that was found, and the first agreement since.
    found: Option<(Slopes, Option<Agreed>)>,
}

/// In ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    /// The margin of the counter.
    pub(crate) margin: u64,
    /// Contradictions further apart are no chain.
    pub(crate) most_apart: u64,
    /// A rate is not found to have gone in less. Agreements of facts that were aged by a wrong
    /// bound are off by up to their width: the longer the span, the less that matters.
    pub(crate) least_since: u64,
}

impl Excess {
    pub(crate) fn new(lengths: Lengths) -> Excess {
        Excess { lengths, agreed: Vec::new(), last: 0, found: None }
    }

    /// An agreement at reading `at` that ends a disruption by a contradiction, or is the first.
    /// Gives what all spans so far certify of the length of a tick, if they show that `wide` is too
    /// small.
    pub(crate) fn note(
        &mut self,
        at: u64,
        interval_ns: (i64, i64),
        wide: Slopes,
    ) -> Option<Slopes> {
        if at.saturating_sub(self.last) > self.lengths.most_apart {
            self.agreed.clear();
        }
        self.last = at;
        self.agreed.push(Agreed { at, earliest_ns: interval_ns.0, latest_ns: interval_ns.1 });
        if self.agreed.len() > MOST {
            // Every other one, so that they go on to reach far back.
            let mut number = 0;
            self.agreed.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        let found = self.spans(wide)?;
        self.found = Some((found, None));
        Some(found)
    }

    /// An agreement at reading `at` while a rate is found: whether the rate has been another one
    /// since, and within the bound, so that the verdict does not hold any more.
    pub(crate) fn is_over(&mut self, at: u64, interval_ns: (i64, i64), wide: Slopes) -> bool {
        let now = Agreed { at, earliest_ns: interval_ns.0, latest_ns: interval_ns.1 };
        let Some((found, since)) = &mut self.found else { return true };
        let (found, since) = (*found, *since.get_or_insert(now));
        if at.saturating_sub(since.at) < self.lengths.least_since {
            return false;
        }
        let differs = |mean: Slopes| mean.and(found).is_none() && mean.and(wide).is_some();
        let differs = self.mean(&since, &now).is_some_and(differs);
        if differs {
            self.forget();
        }
        differs
    }

    /// The counter may have moved: nothing of before says anything of its rate.
    pub(crate) fn forget(&mut self) {
        self.agreed.clear();
        self.found = None;
    }

    fn spans(&self, wide: Slopes) -> Option<Slopes> {
        let mut begin = self.agreed.first()?;
        let (mut spans, mut common): (u32, Option<Slopes>) = (0, None);
        for end in &self.agreed[1..] {
            let Some(mean) = self.mean(begin, end) else { continue };
            if mean.slow <= wide.fast && wide.slow <= mean.fast {
                // Not certain yet: a longer span may be.
                continue;
            }
            // Slopes that exclude each other, as on two sides, have nothing in common.
            common = common.map_or(Some(mean), |common| common.and(mean));
            (spans, begin) = (spans + 1, end);
            if common.is_none() {
                (spans, common) = (1, Some(mean));
            }
        }
        let common = common.filter(|_| spans >= SPANS)?;
        // All of it together says more than its parts.
        common.and(self.mean(self.agreed.first()?, self.agreed.last()?)?)
    }

    /// `None` where the two are too close.
    fn mean(&self, a: &Agreed, b: &Agreed) -> Option<Slopes> {
        let (ticks, margin) = (b.at.saturating_sub(a.at), self.lengths.margin);
        let least = ticks.checked_sub(margin).filter(|least| *least > 0)?;
        mean_between(a, b, (least, ticks.saturating_add(margin)))
    }
}

/// Spans that have to agree. Smaller: a pause that nobody noticed, or two, look like a rate.
/// Larger: the clock is wrong for longer before it says so.
const SPANS: u32 = 3;
/// Agreements that are kept. Smaller: over slow paths no span is long enough to say anything.
/// Larger: more work after a disruption.
const MOST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    /// Slopes of 2^40 for a tick of a nanosecond, within 200 ppm.
    const WIDE: Slopes =
        Slopes { slow: (1 << 40) - (1 << 40) / 5_000, fast: (1 << 40) + (1 << 40) / 5_000 };
    const S: u64 = 1_000_000_000;

    /// What is found when every 16 s an agreement of +- 5 ms follows a contradiction, and true time
    /// passes at these rates.
    fn found(rates_ppm: impl Iterator<Item = i64>) -> (usize, Option<Slopes>) {
        let (mut excess, mut at, mut truth) = (excess(), S, 0_i64);
        let mut steps = 0;
        for ppm in rates_ppm {
            at += 16 * S;
            truth += 16_000_000_000 + 16_000 * ppm;
            steps += 1;
            if let Some(found) = excess.note(at, (truth - 5_000_000, truth + 5_000_000), WIDE) {
                return (steps, Some(found));
            }
        }
        (steps, None)
    }

    fn excess() -> Excess {
        Excess::new(Lengths { margin: 1, most_apart: 1_800 * S, least_since: 512 * S })
    }

    #[test]
    fn found_pauses_an_hour_apart_are_no_rate_however_alike() {
        let mut excess = excess();
        for hour in 1..20 {
            let (at, truth) = (hour * 3_600 * S, i64::try_from(hour * 3_601 * S).unwrap());
            assert_eq!(excess.note(at, (truth - 5_000_000, truth + 5_000_000), WIDE), None);
        }
    }

    #[test]
    fn found_the_verdict_ends_when_the_rate_is_another_and_not_before() {
        for (ppm, ends) in [(681, false), (100, true), (-681, false)] {
            let (mut excess, mut at, mut truth) = (excess(), S, 0_i64);
            let mut pass = |ppm: i64| {
                at += 16 * S;
                truth += 16_000_000_000 + 16_000 * ppm;
                (at, (truth - 5_000_000, truth + 5_000_000))
            };
            while {
                let (at, interval) = pass(681);
                excess.note(at, interval, WIDE).is_none()
            } {}
            let over = (0..400).any(|_| {
                let (at, interval) = pass(ppm);
                excess.is_over(at, interval, WIDE)
            });
            assert_eq!(over, ends, "{ppm} ppm from then on");
        }
    }

    fn is_within(ppm: i64, found: Slopes) -> bool {
        let slope = (1_i64 << 40) + (1_i64 << 40) * ppm / 1_000_000;
        (found.slow..=found.fast).contains(&u64::try_from(slope).unwrap())
    }

    #[test]
    fn found_an_oscillator_beyond_the_bound_is_named_and_one_within_is_not() {
        for ppm in [681, -681, 400, -2_000] {
            let (steps, found) = found(std::iter::repeat_n(ppm, 450));
            assert!(found.is_some_and(|found| is_within(ppm, found)), "{ppm} ppm: {found:?}");
            assert!(steps < 60, "{ppm} ppm: after {steps} contradictions");
        }
        for ppm in [0, 150, -199] {
            assert_eq!(found(std::iter::repeat_n(ppm, 450)).1, None, "{ppm} ppm");
        }
    }

    #[test]
    fn pauses_that_differ_are_no_rate() {
        // 1 s to 20 s in 16 s, each time another.
        let pauses = (0..60).map(|step: i64| 60_000 + step * 7_919 % 1_000 * 1_000);
        assert_eq!(found(pauses).1, None);
    }

    #[test]
    fn what_changes_sides_is_no_rate() {
        assert_eq!(found((0..60).map(|step| if step % 2 == 0 { 5_000 } else { -5_000 })).1, None);
    }
}
