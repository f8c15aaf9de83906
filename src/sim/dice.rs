//! The random numbers of a simulated world: the same for one seed on every platform and in every
//! version.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{RngCore, SeedableRng};
use std::time::Duration;

/// A stream of random numbers from a seed.
///
/// Public, so that a test may draw its own choices from the seed of its world: one number then
/// replays both.
#[derive(Clone, Debug)]
pub struct Dice(Pcg64Mcg);

impl Dice {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Dice {
        Dice(Pcg64Mcg::seed_from_u64(seed))
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `end`, or 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The high half of the product: a bias of end/2^64, which no test of ours can see.
        u64::try_from((u128::from(self.bits()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// A number from `from` to `to`, both included; `from` if they are not in order.
    pub fn within(&mut self, from: i64, to: i64) -> i64 {
        if to <= from {
            return from;
        }
        from.saturating_add_unsigned(self.below(to.abs_diff(from).saturating_add(1)))
    }

    /// True in `ppm` of a million cases.
    pub fn chance_ppm(&mut self, ppm: u32) -> bool {
        ppm > 0 && self.below(1_000_000) < u64::from(ppm)
    }

    /// A length of time from `from` to `to`, to the nanosecond.
    pub fn length(&mut self, from: Duration, to: Duration) -> Duration {
        let ns = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        let (from, to) = (ns(from), ns(to));
        Duration::from_nanos(
            from.saturating_add(self.below(to.saturating_sub(from).saturating_add(1))),
        )
    }

    /// One of these.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        assert!(!choices.is_empty(), "one of none");
        &choices[usize::try_from(self.below(choices.len() as u64)).unwrap_or(0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_its_stream_in_every_version() {
        let mut dice = Dice::new(7);
        assert_eq!(
            [dice.bits(), dice.bits()],
            [12_726_360_963_827_698_830, 8_784_933_628_230_385_458]
        );
    }

    #[test]
    fn numbers_stay_in_their_ranges_and_reach_both_ends() {
        let mut dice = Dice::new(1);
        let drawn: Vec<i64> = (0..1000).map(|_| dice.within(-2, 2)).collect();
        assert!(
            drawn.iter().all(|n| (-2..=2).contains(n)) && drawn.contains(&-2) && drawn.contains(&2)
        );
        assert_eq!((dice.within(5, 5), dice.within(5, 4), dice.below(0)), (5, 5, 0));
        let heads = (0..100_000).filter(|_| dice.chance_ppm(500_000)).count();
        assert!((49_000..51_000).contains(&heads), "{heads}");
        assert!(!dice.chance_ppm(0));
    }
}
