//! What an operating system says of its own counter, turned into bounds: pure, in integers, rounded
//! outward.
//!
//! The system calls are in `os`; here is what can be computed, and tested, on any machine.

use crate::time::{TickBounds, TickScale};

/// A counter as its system describes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Nominal {
    /// Within which a tick of the nominal frequency lies.
    pub(super) tick: TickBounds,
    /// By how much readings of two cores may differ beside what passed, in ticks.
    pub(super) skew: u64,
    pub(super) description: &'static str,
}

impl Nominal {
    /// A counter of nanoseconds, the same on every core.
    pub(super) const fn nanoseconds(description: &'static str) -> Nominal {
        Nominal { tick: TickBounds::NANOSECOND, skew: 0, description }
    }

    /// What a difference of readings may be off by, in ticks, where the counter moves in steps of
    /// `step`.
    pub(super) fn margin(&self, step: u64) -> u64 {
        let least = (LEAST_MARGIN_NS << 40).div_ceil(self.tick.least_2_40.max(1));
        step.saturating_add(self.skew).max(least)
    }
}

/// The length of a tick of a counter with so many of them a second: the least rounded down, the
/// most rounded up. `None` for a frequency that no counter of time has.
///
/// At most 1 GHz, so that the end of the range of readings, which stands for a failed one, is
/// further off than any timestamp.
#[cfg_attr(not(windows), allow(dead_code, reason = "elsewhere the system counts in nanoseconds"))]
pub(super) fn tick_of(ticks_per_s: u64) -> Option<TickBounds> {
    if !(LEAST_TICKS_PER_S..=MOST_TICKS_PER_S).contains(&ticks_per_s) {
        return None;
    }
    let second = u128::from(NS_PER_S) << 40;
    let ticks = u128::from(ticks_per_s);
    let (least, most) = (second / ticks, second.div_ceil(ticks));
    Some(TickBounds {
        least_2_40: u64::try_from(least).ok()?,
        most_2_40: u64::try_from(most).ok()?,
    })
}

/// By how much a clock that counts on through a sleep is ahead of one that does not, from one
/// reading of the first between two of the second, in nanoseconds; each reading is rounded down to
/// a multiple of `unit_ns`.
///
/// With b <= B < b + u for every reading b of a true B: the lead is more than `ahead - after - u`
/// and less than `ahead - before + u`.
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows)),
    allow(dead_code, reason = "where the system does not tell of sleeps")
)]
pub(super) fn lead_ns(before: u64, ahead: u64, after: u64, unit_ns: u64) -> (i64, i64) {
    let signed = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
    let (before, ahead, after, unit) =
        (signed(before), signed(ahead), signed(after), signed(unit_ns));
    (
        ahead.saturating_sub(after).saturating_sub(unit),
        ahead.saturating_sub(before).saturating_add(unit),
    )
}

impl TickBounds {
    /// A nanosecond, exactly.
    const NANOSECOND: TickBounds = TickBounds {
        least_2_40: TickScale::NANOSECOND.ns_per_tick_2_40,
        most_2_40: TickScale::NANOSECOND.ns_per_tick_2_40,
    };
}

/// No margin is below 300 ns: the ACPI PM timer, the coarsest of the fine clock sources a kernel
/// may switch to while we run, steps by 279 ns. Smaller: wrong by a step after such a switch.
/// Larger: that much more width on each side.
const LEAST_MARGIN_NS: u64 = 300;
/// Slower, a step is a millisecond, and no bound is worth much: taken for a mistake. Larger:
/// refuses counters that exist (1 MHz and more).
const LEAST_TICKS_PER_S: u64 = 1_000;
const MOST_TICKS_PER_S: u64 = 1_000_000_000;
const NS_PER_S: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_tick_of_any_frequency_lies_within_its_bounds(ticks_per_s in LEAST_TICKS_PER_S..=MOST_TICKS_PER_S) {
            let tick = tick_of(ticks_per_s).unwrap();
            // least <= 1e9 * 2^40 / f <= most, without a division.
            let second = u128::from(NS_PER_S) << 40;
            prop_assert!(u128::from(tick.least_2_40) * u128::from(ticks_per_s) <= second);
            prop_assert!(u128::from(tick.most_2_40) * u128::from(ticks_per_s) >= second);
            prop_assert!(tick.most_2_40 - tick.least_2_40 <= 1, "and no wider than the rounding");
        }

        #[test]
        fn the_time_asleep_lies_within_its_bounds_however_readings_are_rounded(
            asleep in 0u64..1 << 50,
            awake in 0u64..1 << 50,
            passed in (0u64..1_000_000, 0u64..1_000_000),
            unit in prop::sample::select(vec![1u64, 42, 100]),
        ) {
            let show = |ns: u64| ns / unit * unit;
            let (middle, last) = (awake + passed.0, awake + passed.0 + passed.1);
            let (least, most) = lead_ns(show(awake), show(middle + asleep), show(last), unit);
            let asleep = i64::try_from(asleep).unwrap();
            prop_assert!(least <= asleep && asleep <= most, "{least} {asleep} {most}");
        }
    }

    #[test]
    fn the_usual_frequencies() {
        let bounds =
            |ticks_per_s| tick_of(ticks_per_s).map(|tick| (tick.least_2_40, tick.most_2_40));
        assert_eq!(bounds(10_000_000), Some((100 << 40, 100 << 40)), "what Windows counts in");
        assert_eq!(bounds(1_000_000_000), Some((1 << 40, 1 << 40)));
        // A twelfth of 2^40 is not whole.
        let third = 1_000 * (1u64 << 40) / 24;
        assert_eq!(bounds(24_000_000), Some((third, third + 1)));
        // The PM timer.
        let tick = tick_of(3_579_545).unwrap();
        assert_eq!((tick.least_2_40 >> 40, tick.most_2_40 - tick.least_2_40), (279, 1));
    }

    #[test]
    fn a_frequency_that_no_counter_has_is_refused() {
        for ticks_per_s in [0, 1, 999, 1_000_000_001, u64::MAX] {
            assert_eq!(tick_of(ticks_per_s), None, "{ticks_per_s}");
        }
    }

    #[test]
    fn rounded_to_the_nearest_a_tick_would_be_wrong() {
        // What must fail: one number for both bounds, whichever way it is rounded.
        let second = u128::from(NS_PER_S) << 40;
        let ticks_per_s = 14_318_180;
        let tick = tick_of(ticks_per_s).unwrap();
        let is_sound = |least: u64, most: u64| {
            u128::from(least) * u128::from(ticks_per_s) <= second
                && u128::from(most) * u128::from(ticks_per_s) >= second
        };
        assert!(is_sound(tick.least_2_40, tick.most_2_40));
        assert!(
            !is_sound(tick.least_2_40, tick.least_2_40)
                && !is_sound(tick.most_2_40, tick.most_2_40)
        );
    }

    #[test]
    fn the_margin_has_the_step_the_cores_and_a_floor() {
        let windows = Nominal { tick: tick_of(10_000_000).unwrap(), skew: 1, description: "" };
        assert_eq!([0, 1, 2, 3, 50].map(|step| windows.margin(step)), [3, 3, 3, 4, 51]);
        let fine = Nominal { tick: tick_of(24_000_000).unwrap(), skew: 1, description: "" };
        // 7.2 ticks are 300 ns.
        assert_eq!(fine.margin(1), 8);
        let ns = Nominal::nanoseconds("");
        assert_eq!([40, 1_000, u64::MAX].map(|step| ns.margin(step)), [300, 1_000, u64::MAX]);
    }

    #[test]
    fn a_sleep_shows_where_it_is_longer_than_the_read_and_bounds_never_overflow() {
        let awake = lead_ns(1_000, 1_050, 1_100, 1);
        assert_eq!(awake, (-51, 51));
        let slept = lead_ns(2_000, 2_050 + 1_000_000, 2_100, 1);
        assert!(slept.0 > awake.1, "seen");
        assert!(
            lead_ns(2_000, 2_050 + 60, 2_100, 1).0 <= awake.1,
            "the twin: shorter than the read, it may be none"
        );
        assert_eq!(lead_ns(0, u64::MAX, 0, 100).1, i64::MAX);
        assert!(lead_ns(u64::MAX, 0, u64::MAX, 100).0 < -i64::MAX / 2);
    }
}
