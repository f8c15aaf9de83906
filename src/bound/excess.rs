//! Whether the rate bound (R) is too small for this oscillator: agreements before and after
//! contradictions, as a witness.
//!
//! An oscillator beyond the bound contradicts its sources again and again: after each disruption
//! the clock would answer, and be wrong again. Between two agreements, one at reading a and one at
//! reading b, the mean length of a tick is certified as in [`rate`](super::rate). If that excludes
//! (R) over three spans that follow each other, always on the same side, and one rate explains all
//! three, the bound is to blame, not a pause or a liar: those do not repeat at one rate.
//!
//! This is a diagnosis, not a bound: agreements right after a disruption are aged for some seconds
//! by the very bound that is in doubt. It can only take answers away.

use super::rate::{Agreed, mean_between};
use super::rates::Slopes;

/// Agreements that each followed a contradiction.
#[derive(Debug, Default)]
pub(crate) struct Excess {
    agreed: Vec<Agreed>,
}

impl Excess {
    /// An agreement at reading `at` that ends a disruption by a contradiction, or is the first.
    /// Gives what all spans so far certify of the length of a tick, if they show that `wide` is too
    /// small.
    pub(crate) fn note(&mut self, at: u64, interval_ns: (i64, i64), wide: Slopes, margin: u64) -> Option<Slopes> {
        self.agreed.push(Agreed { at, earliest_ns: interval_ns.0, latest_ns: interval_ns.1 });
        if self.agreed.len() > MOST {
            // Every other one, so that they go on to reach far back.
            let mut number = 0;
            self.agreed.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.spans(wide, margin)
    }

    /// The counter may have moved: nothing of before says anything of its rate.
    pub(crate) fn forget(&mut self) {
        self.agreed.clear();
    }

    /// Whether nothing is known.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.agreed.is_empty()
    }

    fn spans(&self, wide: Slopes, margin: u64) -> Option<Slopes> {
        let mut begin = self.agreed.first()?;
        let (mut spans, mut common): (u32, Option<Slopes>) = (0, None);
        for end in &self.agreed[1..] {
            let ticks = end.at.saturating_sub(begin.at);
            let (least, most) = (ticks.saturating_sub(margin), ticks.saturating_add(margin));
            if least == 0 {
                continue;
            }
            let Some(mean) = mean_between(begin, end, (least, most)) else { continue };
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
        let (first, last) = (self.agreed.first()?, self.agreed.last()?);
        let ticks = last.at.saturating_sub(first.at);
        let whole = mean_between(first, last, (ticks.saturating_sub(margin).max(1), ticks.saturating_add(margin)))?;
        common.and(whole)
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
    const WIDE: Slopes = Slopes { slow: (1 << 40) - (1 << 40) / 5_000, fast: (1 << 40) + (1 << 40) / 5_000 };
    const S: u64 = 1_000_000_000;

    /// What is found when every 16 s an agreement of +- 5 ms follows a contradiction, and true time
    /// passes at these rates.
    fn found(rates_ppm: impl Iterator<Item = i64>) -> (usize, Option<Slopes>) {
        let (mut excess, mut at, mut truth) = (Excess::default(), S, 0_i64);
        let mut steps = 0;
        for ppm in rates_ppm {
            at += 16 * S;
            truth += 16_000_000_000 + 16_000 * ppm;
            steps += 1;
            if let Some(found) = excess.note(at, (truth - 5_000_000, truth + 5_000_000), WIDE, 1) {
                return (steps, Some(found));
            }
        }
        (steps, None)
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
