//! Oscillators: how fast a simulated machine's local time runs.

use super::dice::Dice;
use super::moment::Moment;
use std::time::Duration;

/// How an oscillator's rate goes over time.
///
/// Rates are given as in assumption (R), as **true time per local time**, the reverse of a data
/// sheet's sign: `+200_000` says that 1.0002 s of true time pass in one local second, so the local
/// clock is *slow*. An oscillator is within a drift bound of k ppb if its rate stays from `-k` to
/// `+k`; nothing here keeps it there, for a world is also there to break assumptions.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sureclock::sim::Oscillator;
///
/// let exactly_at_the_bound = Oscillator::steady(200_000);
/// let swinging = Oscillator::square(-200_000, 200_000, Duration::from_secs(7));
/// ```
#[derive(Clone, Debug)]
pub struct Oscillator {
    course: Course,
}

#[derive(Clone, Debug)]
enum Course {
    Steady { ppb: i32 },
    Square { low_ppb: i32, high_ppb: i32, half_period: Moment },
    Sine { amplitude_ppb: i32, period: Moment },
    Walk { bound_ppb: i32, step_ppb: i32, every: Moment },
    Steps { bound_ppb: i32, mean: Moment },
}

impl Default for Oscillator {
    /// Exact.
    fn default() -> Oscillator {
        Oscillator::steady(0)
    }
}

impl Oscillator {
    /// One rate for ever.
    #[must_use]
    pub fn steady(ppb: i32) -> Oscillator {
        Oscillator { course: Course::Steady { ppb } }
    }

    /// Jumps between two rates, `half_period` at each.
    #[must_use]
    pub fn square(low_ppb: i32, high_ppb: i32, half_period: Duration) -> Oscillator {
        Oscillator {
            course: Course::Square { low_ppb, high_ppb, half_period: Moment::of(half_period) },
        }
    }

    /// Swings around zero, in 64 steps a period.
    #[must_use]
    pub fn sine(amplitude_ppb: i32, period: Duration) -> Oscillator {
        Oscillator { course: Course::Sine { amplitude_ppb, period: Moment::of(period) } }
    }

    /// A random walk that is reflected at its bound.
    #[must_use]
    pub fn random_walk(bound_ppb: i32, step_ppb: i32, every: Duration) -> Oscillator {
        Oscillator { course: Course::Walk { bound_ppb, step_ppb, every: Moment::of(every) } }
    }

    /// Another rate within the bound at random times, as when fans start and doors open.
    #[must_use]
    pub fn temperature_steps(bound_ppb: i32, mean_interval: Duration) -> Oscillator {
        Oscillator { course: Course::Steps { bound_ppb, mean: Moment::of(mean_interval) } }
    }

    /// The rate of segment `number` and its length (`None`: for ever), after one of rate
    /// `last_ppb`.
    pub(super) fn segment(
        &self,
        number: u64,
        last_ppb: i32,
        dice: &mut Dice,
    ) -> (i32, Option<Moment>) {
        let at_least = |length: Moment| length.max(Moment(1));
        match self.course {
            Course::Steady { ppb } => (ppb, None),
            Course::Square { low_ppb, high_ppb, half_period } => {
                (if number % 2 == 0 { high_ppb } else { low_ppb }, Some(at_least(half_period)))
            }
            Course::Sine { amplitude_ppb, period } => {
                (sine_share(amplitude_ppb, number), Some(at_least(Moment(period.0 / 64))))
            }
            Course::Walk { bound_ppb, step_ppb, every } => {
                let bound = i64::from(bound_ppb.saturating_abs());
                let step = dice.within(-i64::from(step_ppb), i64::from(step_ppb));
                let there = i64::from(last_ppb) + step;
                let back = if there.abs() > bound { i64::from(last_ppb) - step } else { there };
                (i32::try_from(back.clamp(-bound, bound)).unwrap_or(0), Some(at_least(every)))
            }
            Course::Steps { bound_ppb, mean } => {
                let bound = i64::from(bound_ppb.saturating_abs());
                let length = Moment(
                    mean.0 / 4 + i128::from(dice.below(u64::try_from(mean.0 * 3 / 2).unwrap_or(1))),
                );
                (i32::try_from(dice.within(-bound, bound)).unwrap_or(0), Some(at_least(length)))
            }
        }
    }
}

/// The amplitude times the sine of 2 pi n / 64, by Bhaskara's rational approximation: exact at 0
/// and at the peaks, never beyond them, and the same on every platform.
fn sine_share(amplitude_ppb: i32, number: u64) -> i32 {
    let n = i64::try_from(number % 64).unwrap_or(0);
    let (half, sign) = if n < 32 { (n, 1) } else { (n - 32, -1) };
    let product = half * (32 - half);
    let share = i64::from(amplitude_ppb) * 16 * product / (5 * 32 * 32 - 4 * product);
    i32::try_from(sign * share).unwrap_or(0)
}

/// The rate of an oscillator as local time per true time, in parts of 2^40 beyond one, for a rate
/// error of `ppb` and a nominal tick that is wrong by `nominal_ppb`: `1/((1+a)(1+b)) - 1`, rounded
/// toward zero, so that a rate exactly at a bound is not beyond it.
pub(super) fn local_per_true(ppb: i32, nominal_ppb: i32) -> i64 {
    let product = (PPB + i128::from(ppb)) * (PPB + i128::from(nominal_ppb));
    if product <= 0 {
        return 0;
    }
    let excess = ((PPB * PPB - product) << RATE_BITS) / product;
    i64::try_from(excess).unwrap_or(0)
}

pub(super) const RATE_BITS: u32 = 40;
const PPB: i128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_at_the_bound_is_not_beyond_it() {
        for ppb in [-200_000, 200_000, -1, 1, 0, 99_999_999, -99_999_999] {
            // dt <= (1+k) dx and dt >= (1-k) dx, for dx = 2^40 + excess in dt = 2^40.
            let local = (1i128 << 40) + i128::from(local_per_true(ppb, 0));
            let k = i128::from(ppb.abs());
            assert!((PPB << 40) <= (PPB + k) * local && (PPB << 40) >= (PPB - k) * local, "{ppb}");
            if ppb.abs() > 1 {
                let inner = k - 1;
                let within =
                    (PPB << 40) <= (PPB + inner) * local && (PPB << 40) >= (PPB - inner) * local;
                assert!(!within, "{ppb} is at its bound, not somewhere inside");
            }
        }
    }

    #[test]
    fn courses_stay_within_their_bounds_and_reach_them() {
        let mut dice = Dice::new(3);
        let hour = Duration::from_secs(3600);
        let courses = [
            Oscillator::square(-500, 500, hour),
            Oscillator::sine(500, hour),
            Oscillator::random_walk(500, 100, hour),
            Oscillator::temperature_steps(500, hour),
        ];
        for course in courses {
            let (mut last, mut least, mut most) = (0, 0, 0);
            for number in 0..2000 {
                last = course.segment(number, last, &mut dice).0;
                (least, most) = (least.min(last), most.max(last));
            }
            assert!(
                (-500..=-400).contains(&least) && (400..=500).contains(&most),
                "{course:?}: {least} to {most}"
            );
        }
        assert_eq!(sine_share(500, 16), 500);
    }
}
