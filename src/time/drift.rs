//! `Drift`: how far the local oscillator's rate may be from one second per second, and how far from
//! what was learned of it.

/// What is assumed of the rate of this machine's oscillator.
///
/// **The bound**, assumption (R), holds at all times: the largest error of the oscillator itself,
/// as a data sheet gives it or as true time per local time: it covers both readings. What the
/// library does not know about the nominal frequency of the counter, and the rate of a smeared
/// timescale, it adds by itself.
///
/// **The wander**, assumption (W), is for a rate that is learned: the mean over parts of the past,
/// one to four windows long, is certified by the agreed intervals; and at every moment of that past
/// and for one window after it (by default an hour and 25 minutes in all), the rate is assumed to
/// be off each such mean by `wander` at most. (A rate that stays within a band as wide as the
/// wander does that.) The interval then grows by what was certified and the wander, within the
/// bound; after that window without an agreement by the bound again.
///
/// | what | earns |
/// |---|---|
/// | nothing is known: a virtual machine that may be migrated without a word, or is paused again and again (snapshots), a laptop, a board that is put into the sun | [`fixed_ppm(200)`](Drift::fixed_ppm) |
/// | a server or a virtual machine that stays where it is, in a room that is cooled | [`learned_ppm(2)`](Drift::learned_ppm), the default |
/// | a server whose load and temperature are steady | `learned_ppm(1)` and below: 0.1 ppm over all spans up to days was measured of such machines (Veitch, Babu, Pasztor 2004) |
/// | a temperature compensated or oven oscillator | what its data sheet says, for both: `learned_ppb(100).within_ppm(5)` |
///
/// # Why these defaults
///
/// 200 ppm is what Spanner assumes of its machines and about ten times what a computer's crystal
/// does. 2 ppm is twenty times what was measured of the rate of machines in a room with air
/// conditioning, and what 10 to 20 degrees do to a crystal at its usual point of work. It is
/// assumed by default because the interval is several times narrower for it over short paths, and
/// because it does not go unnoticed when it is wrong by more than the paths hide: the facts
/// contradict each other, the learned rate is given up and counted
/// ([`Counts::rates_given_up`](crate::Counts::rates_given_up)), and there is an error meanwhile.
/// Until then a bound may be wrong, by the excess of the wander times the time since: over paths of
/// milliseconds nobody may ever see an excess of a few parts per million.
///
/// A rate is learned of the hardware counter, and of CLOCK_MONOTONIC_RAW where the kernel tells
/// what that is made of; of no clock that may be slewed. What was learned is forgotten at every
/// disruption. [`Status::learned_rate`](crate::Status::learned_rate) shows it.
///
/// ```
/// use sureclock::Drift;
/// assert_eq!(Drift::learned_ppm(2).within_ppm(200), Drift::default());
/// assert_eq!(Drift::fixed_ppm(15), Drift::fixed_ppb(15_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drift {
    /// A fixed bound, in parts per billion: 0 to 100 000 000 (10 %). More is refused when the clock
    /// is built.
    Fixed {
        /// The bound k_osc, in parts per billion.
        bound_ppb: u32,
    },
    /// A rate that is learned, within a bound.
    Learned {
        /// The bound k_osc, in parts per billion: 0 to 100 000 000.
        bound_ppb: u32,
        /// The wander, in parts per billion: at most the bound.
        wander_ppb: u32,
    },
}

impl Drift {
    /// A fixed bound in parts per million. A value beyond what can be represented is refused when
    /// the clock is built.
    #[must_use]
    pub const fn fixed_ppm(ppm: u32) -> Drift {
        Drift::Fixed { bound_ppb: ppm.saturating_mul(1000) }
    }

    /// A fixed bound in parts per billion.
    #[must_use]
    pub const fn fixed_ppb(ppb: u32) -> Drift {
        Drift::Fixed { bound_ppb: ppb }
    }

    /// A learned rate that wanders by so many parts per million at most, within a bound of 200 ppm.
    #[must_use]
    pub const fn learned_ppm(wander: u32) -> Drift {
        Drift::learned_ppb(wander.saturating_mul(1000))
    }

    /// A learned rate that wanders by so many parts per billion at most, within a bound of 200 ppm.
    #[must_use]
    pub const fn learned_ppb(wander: u32) -> Drift {
        Drift::Learned { bound_ppb: DEFAULT_BOUND_PPB, wander_ppb: wander }
    }

    /// The same within another bound, in parts per million.
    #[must_use]
    pub const fn within_ppm(self, ppm: u32) -> Drift {
        let bound_ppb = ppm.saturating_mul(1000);
        match self {
            Drift::Fixed { .. } => Drift::Fixed { bound_ppb },
            Drift::Learned { wander_ppb, .. } => Drift::Learned { bound_ppb, wander_ppb },
        }
    }

    /// The bound k_osc in parts per billion.
    #[must_use]
    pub const fn bound_ppb(self) -> u32 {
        match self {
            Drift::Fixed { bound_ppb } | Drift::Learned { bound_ppb, .. } => bound_ppb,
        }
    }

    /// The wander in parts per billion, where the rate is learned.
    #[must_use]
    pub const fn wander_ppb(self) -> Option<u32> {
        match self {
            Drift::Fixed { .. } => None,
            Drift::Learned { wander_ppb, .. } => Some(wander_ppb),
        }
    }
}

impl Default for Drift {
    fn default() -> Drift {
        Drift::learned_ppb(DEFAULT_WANDER_PPB)
    }
}

/// 200 ppm: Spanner's bound (Corbett et al. 2012, section 3). Smaller: tighter intervals, wrong on
/// a bad oscillator. Larger: wider intervals for everyone.
const DEFAULT_BOUND_PPB: u32 = 200_000;
/// 2 ppm: twenty times the 0.1 ppm that Veitch, Babu and Pasztor (2004) measured of machines in
/// rooms with and without air conditioning. Smaller: wrong where the temperature changes much
/// within an hour. Larger: wider intervals over short paths.
const DEFAULT_WANDER_PPB: u32 = 2_000;

/// The rate bound of assumption (R) for one clock, both sides, in parts per billion: with local
/// time x and true time t, `(1 - slower) dx <= dt <= (1 + faster) dx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateBound {
    pub(crate) slower_ppb: u64,
    pub(crate) faster_ppb: u64,
}

/// Several rate errors one upon another: `1/((1-a)(1-b)..) - 1` upward for the fast side, `a + b
/// ..` for the slow side.
///
/// DESIGN's sum k = k_osc + e_p + smear leaves out the products (20 ppb at 200 and 100 ppm). And an
/// error of e may be meant as that of the local rate (a data sheet's frequency, an adjustment of a
/// clock) instead of that of true time per local time, which is `1/(1 +- e)`: 40 ppb more at 200
/// ppm, 1.1 % at 10 %. Both are charged. `(1-a)(1-b) >= 1 - (a+b)` and `1/(1+a) >= 1-a`, so the sum
/// is outward on the slow side. `None` if the slow side reaches one half.
pub(crate) fn compose(errors_ppb: &[u32]) -> Option<RateBound> {
    let slower_ppb: u64 = errors_ppb.iter().map(|&ppb| u64::from(ppb)).sum();
    if slower_ppb >= 500_000_000 {
        return None;
    }
    let mut faster: u128 = 0;
    for &ppb in errors_ppb {
        // 1/(1-e) - 1 = e/(1-e), rounded up.
        let inverse = (u128::from(ppb) * PPB).div_ceil(PPB - u128::from(ppb));
        // (1+f)(1+i) - 1 = f + i + f i, the product rounded up.
        faster += inverse + (faster * inverse).div_ceil(PPB);
    }
    Some(RateBound { slower_ppb, faster_ppb: u64::try_from(faster).ok()? })
}

const PPB: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_rates_cover_the_product_of_the_factors() {
        let k = compose(&[200_000, 100_000, 11_575]).unwrap();
        let product = 1_000_200_000u128 * 1_000_100_000 * 1_000_011_575;
        assert!((1_000_000_000 + u128::from(k.faster_ppb)) * 1_000_000_000_000_000_000 >= product);
        assert!(k.faster_ppb > 311_575, "the cross terms are charged");
        let product = 999_800_000u128 * 999_900_000 * 999_988_425;
        assert!((1_000_000_000 - u128::from(k.slower_ppb)) * 1_000_000_000_000_000_000 <= product);
    }

    #[test]
    fn found_an_error_of_the_local_rate_is_covered_where_true_time_runs_the_faster_for_it() {
        // A clock slewed to 0.8995 of its rate: true time passes 1/0.8995 as fast.
        let k = compose(&[100_500_000]).unwrap();
        assert!(
            (1_000_000_000 + u128::from(k.faster_ppb)) * 899_500_000
                >= 1_000_000_000 * 1_000_000_000
        );
        let twin = 1_000_000_000 + 100_500_000;
        assert!(
            twin * 899_500_000u128 < 1_000_000_000 * 1_000_000_000,
            "the sum alone does not cover it"
        );
    }

    #[test]
    fn half_speed_is_refused() {
        assert!(compose(&[250_000_000, 250_000_000]).is_none());
        assert!(compose(&[u32::MAX]).is_none());
        assert_eq!(compose(&[]), Some(RateBound { slower_ppb: 0, faster_ppb: 0 }));
    }
}
