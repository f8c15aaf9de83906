//! `Drift`: how far the local oscillator's rate may be from one second per second.

/// What is assumed of the rate of this machine's oscillator, assumption (R).
///
/// The number is k_osc only: the largest error of the oscillator itself, as a data sheet gives it or as true time per local time:
/// the bound covers both readings. What the library does not know about the nominal frequency of the counter, and the rate of a
/// smeared timescale, it adds by itself.
///
/// The default, 200 ppm, is what Spanner assumes of its machines and about ten times what a computer's crystal does in
/// practice; a smaller value makes the interval grow more slowly between polls, and makes every bound wrong if the
/// oscillator does not keep it. Below about 20 ppm only a data sheet (an oven or temperature compensated oscillator)
/// is a reason.
///
/// ```
/// use sureclock::Drift;
/// assert_eq!(Drift::fixed_ppm(200), Drift::default());
/// assert!(Drift::fixed_ppm(15) != Drift::fixed_ppb(15));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Drift {
    /// A fixed bound, in parts per billion: 0 to 100 000 000 (10 %). More is refused when the clock is built.
    Fixed {
        /// The bound k_osc, in parts per billion.
        bound_ppb: u32,
    },
}

impl Drift {
    /// A fixed bound in parts per million. A value beyond what can be represented is refused when the clock is built.
    #[must_use]
    pub const fn fixed_ppm(ppm: u32) -> Drift {
        Drift::Fixed { bound_ppb: ppm.saturating_mul(1000) }
    }

    /// A fixed bound in parts per billion.
    #[must_use]
    pub const fn fixed_ppb(ppb: u32) -> Drift {
        Drift::Fixed { bound_ppb: ppb }
    }

    /// The bound k_osc in parts per billion.
    #[must_use]
    pub const fn bound_ppb(self) -> u32 {
        match self {
            Drift::Fixed { bound_ppb } => bound_ppb,
        }
    }
}

impl Default for Drift {
    fn default() -> Drift {
        DEFAULT
    }
}

/// 200 ppm: Spanner's bound (Corbett et al. 2012, section 3). Smaller: tighter intervals, wrong on a bad oscillator.
/// Larger: wider intervals for everyone.
const DEFAULT: Drift = Drift::fixed_ppm(200);

/// The rate bound of assumption (R) for one clock, both sides, in parts per billion: with local time x and true time t,
/// `(1 - slower) dx <= dt <= (1 + faster) dx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateBound {
    pub(crate) slower_ppb: u64,
    pub(crate) faster_ppb: u64,
}

/// Several rate errors one upon another: `1/((1-a)(1-b)..) - 1` upward for the fast side, `a + b ..` for the slow side.
///
/// DESIGN's sum k = k_osc + e_p + smear leaves out the products (20 ppb at 200 and 100 ppm). And an error of e may be meant as that
/// of the local rate (a data sheet's frequency, an adjustment of a clock) instead of that of true time per local time, which is
/// `1/(1 +- e)`: 40 ppb more at 200 ppm, 1.1 % at 10 %. Both are charged. `(1-a)(1-b) >= 1 - (a+b)` and `1/(1+a) >= 1-a`, so the
/// sum is outward on the slow side. `None` if the slow side reaches one half.
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
        assert!((1_000_000_000 + u128::from(k.faster_ppb)) * 899_500_000 >= 1_000_000_000 * 1_000_000_000);
        let twin = 1_000_000_000 + 100_500_000;
        assert!(twin * 899_500_000u128 < 1_000_000_000 * 1_000_000_000, "the sum alone does not cover it");
    }

    #[test]
    fn half_speed_is_refused() {
        assert!(compose(&[250_000_000, 250_000_000]).is_none());
        assert!(compose(&[u32::MAX]).is_none());
        assert_eq!(compose(&[]), Some(RateBound { slower_ppb: 0, faster_ppb: 0 }));
    }
}
