//! What is known of the length of a hardware tick, from pairs of readings: the counter before and
//! after a reading of CLOCK_MONOTONIC_RAW. Pure; and the watch that sees the two part.
//!
//! A reading of RAW that says r was made at an instant between the two counter readings around it.
//! Between two such instants RAW ran for more than `d - 2` and less than `d + 2` ns (both readings
//! are rounded down to a nanosecond, and the kernel rounds its own sums by less than one; more
//! where RAW moves in coarser steps), and the counter for more than `n_least` and less than
//! `n_most` ticks; so a tick is longer than `(d - 2) / n_most` and shorter than `(d + 2) / n_least`
//! seconds of RAW. Every pair with the first one is such a fact; they are intersected, so knowledge
//! only narrows, as the bracket over the time since the first pair.
//!
//! **RAW is no second witness of the frequency.** Where the kernel's clock source is this very
//! counter, RAW is the counter times what the kernel took its frequency to be at boot. So this
//! certifies the ratio to RAW, and what RAW itself may be wrong by is charged on top
//! (`RAW_RATE_ERROR_PPB`), as for a clock that reads RAW. **Nor of jumps**: a counter that jumps
//! takes such a RAW with it. There the kernel's watchdog is the witness, and its verdict is the
//! clock source. The two part where RAW comes from another clock (the hardware counter was forced,
//! or the kernel has just changed over), and where a core's counter leaves the others.

use crate::time::TickBounds;

/// A reading of RAW between two of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) before: u64,
    pub(crate) raw_ns: u64,
    pub(crate) after: u64,
}

/// The knowledge so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calibration {
    first: Pair,
    last: Pair,
    margin: u64,
    /// What a difference of RAW readings may be off by, in nanoseconds.
    raw_slack: u64,
    tick: TickBounds,
    /// What is known without any pair that may lie on the other side of a disruption.
    at_first: TickBounds,
    /// The length that is frozen in the clock.
    frozen: u64,
    /// After the two have diverged: the pairs that are still to fit before anything is believed
    /// again.
    to_fit: u32,
}

/// The counter and RAW do not fit together: one of them jumped, or changed its rate, and it is not
/// known yet that it runs evenly again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parted;

impl Calibration {
    /// From two first pairs; `margin` is what readings of two cores may differ by, in ticks,
    /// `raw_slack` what a difference of RAW may be off by, in ns. `None` where they say nothing
    /// (too close together, or gone back).
    #[allow(
        dead_code,
        reason = "on platforms without a hardware counter there is nothing to begin with"
    )]
    pub(crate) fn begin(
        first: Pair,
        second: Pair,
        margin: u64,
        raw_slack: u64,
    ) -> Option<Calibration> {
        let tick = tick_between(first, second, margin, raw_slack)?;
        Some(Calibration {
            first,
            last: second,
            margin,
            raw_slack,
            tick,
            at_first: tick,
            frozen: tick.middle().ns_per_tick_2_40,
            to_fit: 0,
        })
    }

    /// From what is known of a tick otherwise.
    #[cfg(feature = "sim")]
    pub(crate) fn known(tick: TickBounds, first: Pair, margin: u64) -> Calibration {
        Calibration {
            first,
            last: first,
            margin,
            raw_slack: FINE_SLACK_NS,
            tick,
            at_first: tick,
            frozen: tick.middle().ns_per_tick_2_40,
            to_fit: 0,
        }
    }

    /// What is certified of the length of a tick, in nanoseconds of RAW. It only narrows, but for a
    /// time when the two have diverged.
    pub(crate) fn tick(&self) -> TickBounds {
        self.tick
    }

    /// There was a disruption before `pair`: whatever the counter did then, jumped a little or
    /// stood still, must not be taken for a part of its rate. What is known is what was known at
    /// first, and what this pair and later ones say.
    pub(crate) fn restart(&mut self, pair: Pair) {
        (self.first, self.last, self.tick) = (pair, pair, self.at_first);
        self.to_fit = if self.to_fit > 0 { PAIRS_TO_FIT } else { 0 };
    }

    /// The machine was moved before `pair`: nothing that was known of the counter counts any more.
    /// As after [`Parted`].
    pub(crate) fn distrust(&mut self, pair: Pair) {
        (self.first, self.last, self.to_fit) = (pair, pair, PAIRS_TO_FIT);
    }

    /// Another pair, later than the others.
    ///
    /// # Errors
    ///
    /// [`Parted`] if it does not fit to the ones before. What was known is then forgotten: the next
    /// pair makes a new beginning, and is believed when the one after that fits to it.
    pub(crate) fn add(&mut self, pair: Pair) -> Result<(), Parted> {
        if self.to_fit == PAIRS_TO_FIT {
            return self.begin_again(pair);
        }
        let fits = fit(self.last, pair, self.margin, self.raw_slack, self.tick);
        let narrowed =
            fits.then(|| match tick_between(self.first, pair, self.margin, self.raw_slack) {
                Some(tick) => self.tick.and(tick),
                None => Some(self.tick),
            });
        let Some(Some(tick)) = narrowed else {
            self.distrust(pair);
            return Err(Parted);
        };
        if self.to_fit > 0 && !self.is_far_from_last(pair) {
            return Err(Parted);
        }
        if self.to_fit > 0 {
            self.at_first = tick;
        }
        (self.last, self.tick, self.to_fit) = (pair, tick, 0);
        Ok(())
    }

    fn begin_again(&mut self, pair: Pair) -> Result<(), Parted> {
        match tick_between(self.first, pair, self.margin, self.raw_slack) {
            Some(tick) if self.is_far_from_last(pair) && self.is_near_frozen(tick) => {
                (self.last, self.tick, self.to_fit) = (pair, tick, PAIRS_TO_FIT - 1);
            }
            // Too early, if the counter does not go back.
            _ if fit(self.first, pair, self.margin, self.raw_slack, TickBounds::ANY) => {}
            _ => (self.first, self.last) = (pair, pair),
        }
        Err(Parted)
    }

    /// With another length altogether the poll interval and the window of the sources would be
    /// others than what was asked for.
    fn is_near_frozen(&self, tick: TickBounds) -> bool {
        tick.middle().ns_per_tick_2_40.abs_diff(self.frozen) <= self.frozen / MOST_CHANGE
    }

    fn is_far_from_last(&self, pair: Pair) -> bool {
        pair.raw_ns.saturating_sub(self.last.raw_ns) >= LEAST_BASE_NS
    }
}

/// Whether two pairs in a row allow some length of a tick that is known to be possible.
fn fit(a: Pair, b: Pair, margin: u64, slack: u64, tick: TickBounds) -> bool {
    if b.after.saturating_add(margin) < a.before || b.raw_ns < a.raw_ns {
        return false;
    }
    let slack = i128::from(slack);
    let d = i128::from(b.raw_ns - a.raw_ns);
    let (least, most) = ticks_between(a, b, margin);
    // least * shortest tick < d + slack and most * longest tick > d - slack, all in 2^-40 ns. 64
    // times 64 bits fit.
    let shortest = i128::from(least) * i128::from(tick.least_2_40);
    let longest = i128::from(most) * i128::from(tick.most_2_40);
    shortest < (d + slack) << 40 && longest > (d - slack) << 40
}

/// What two pairs say of the length of a tick: the least rounded down, the most rounded up. `None`
/// where they say nothing.
fn tick_between(a: Pair, b: Pair, margin: u64, slack: u64) -> Option<TickBounds> {
    let d = b.raw_ns.checked_sub(a.raw_ns)?;
    let (least, most) = ticks_between(a, b, margin);
    let scaled = |ns: u64| u128::from(ns) << 40;
    if least == 0 {
        return None;
    }
    let shortest = scaled(d.checked_sub(slack)?) / u128::from(most);
    let longest = scaled(d.checked_add(slack)?).div_ceil(u128::from(least));
    Some(TickBounds {
        least_2_40: u64::try_from(shortest).ok()?,
        most_2_40: u64::try_from(longest).ok()?,
    })
}

/// No fewer and no more ticks than these lie between the two readings of RAW.
fn ticks_between(a: Pair, b: Pair, margin: u64) -> (u64, u64) {
    let least = b.before.saturating_sub(a.after).saturating_sub(margin).saturating_sub(1);
    let most = b.after.saturating_sub(a.before).saturating_add(margin).saturating_add(1);
    (least, most)
}

/// Of a RAW that shows every nanosecond: one for the rounding of each reading, which is what the
/// kernel's own rounding stays below.
#[allow(
    dead_code,
    reason = "on platforms without a hardware counter there is nothing to begin with"
)]
pub(super) const FINE_SLACK_NS: u64 = 2;
/// After a jump: one that begins afresh, and one that confirms it.
const PAIRS_TO_FIT: u32 = 2;
/// A rate that has changed by more than a tenth is not taken up again.
const MOST_CHANGE: u64 = 10;
/// Pairs closer than this say too little of a rate.
const LEAST_BASE_NS: u64 = 4_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::TickScale;
    use proptest::prelude::*;

    /// The pair that is taken at `ns` of RAW, with a counter of `p` thousandths of a nanosecond a
    /// tick and a bracket of so much.
    fn pair(ns: u64, p: u64, bracket: (u64, u64)) -> Pair {
        let ticks = |ns: u64| ns * 1000 / p;
        Pair { before: ticks(ns - bracket.0), raw_ns: ns, after: ticks(ns + bracket.1) }
    }

    const S: u64 = 1_000_000_000;

    proptest! {
        #[test]
        fn the_true_length_is_always_within_what_is_certified_and_knowledge_only_narrows(
            p in 200u64..50_000,
            steps in prop::collection::vec((1_000u64..S, 0u64..2_000, 0u64..2_000), 2..20),
        ) {
            let mut now = S;
            let first = pair(now, p, (50, 50));
            let mut known: Option<Calibration> = None;
            for (step, before, after) in steps {
                now += step;
                let next = pair(now, p, (before, after));
                let last = known.map(|known| known.tick());
                match &mut known {
                    None => known = Calibration::begin(first, next, 1, 2),
                    Some(known) => prop_assert_eq!(known.add(next), Ok(())),
                }
                let Some(tick) = known.map(|known| known.tick()) else { continue };
                // p/1000 ns, between the two.
                prop_assert!(u128::from(tick.least_2_40) * 1000 <= u128::from(p) << 40);
                prop_assert!(u128::from(tick.most_2_40) * 1000 >= u128::from(p) << 40);
                if let Some(last) = last {
                    prop_assert_eq!(last.and(tick), Some(tick));
                }
            }
        }
    }

    #[test]
    fn a_second_certifies_a_ten_millionth() {
        let (first, second) = (pair(S, 409, (30, 30)), pair(S + S / 250, 409, (30, 30)));
        let mut known = Calibration::begin(first, second, 1, 2).unwrap();
        assert!(
            (10_000..60_000).contains(&known.tick().width_ppb()),
            "{}",
            known.tick().width_ppb()
        );
        known.add(pair(2 * S, 409, (30, 30))).unwrap();
        assert!(known.tick().width_ppb() < 200, "{}", known.tick().width_ppb());
        let frozen = known.tick().middle();
        assert!(frozen.ticks(std::time::Duration::from_secs(409)).abs_diff(1000 * S) < 1000);
    }

    fn begun() -> Calibration {
        let mut known =
            Calibration::begin(pair(S, 400, (30, 30)), pair(S + S / 250, 400, (30, 30)), 1, 2)
                .unwrap();
        known.add(pair(2 * S, 400, (30, 30))).unwrap();
        known
    }

    #[test]
    fn a_jump_and_a_step_back_are_seen_and_two_pairs_later_it_is_believed_again() {
        let shifted = |ns: u64, by: i64| {
            let p = pair(ns, 400, (30, 30));
            Pair {
                before: p.before.saturating_add_signed(by),
                after: p.after.saturating_add_signed(by),
                ..p
            }
        };
        for by in [10_000, 1_000_000_000, -10_000, -4_500_000_000] {
            let mut known = begun();
            let answers =
                [1, 2, 3, 4].map(|tenths| known.add(shifted(2 * S + tenths * S / 10, by)));
            assert_eq!(answers, [Err(Parted), Err(Parted), Ok(()), Ok(())], "{by}");
            let tick = known.tick();
            assert!(
                tick.least_2_40 <= 4 * (1 << 40) / 10 && tick.most_2_40 > 4 * (1 << 40) / 10,
                "{tick:?}"
            );
        }
        // The twin: within the bracket nothing is seen.
        assert_eq!(begun().add(shifted(2 * S + S / 10, 100)), Ok(()));
    }

    #[test]
    fn found_a_jump_that_a_marker_reported_is_no_part_of_the_rate() {
        // Known to 2 % at first, a pair a second later, and a jump of 40 us in between: it looks
        // like 40 ppm.
        let true_2_40 = 4 * (1u64 << 40) / 10;
        let tick =
            TickBounds { least_2_40: true_2_40 / 100 * 98, most_2_40: true_2_40 / 100 * 102 };
        let shifted = |ns: u64| {
            let p = pair(ns, 400, (30, 30));
            Pair { before: p.before - 100_000, after: p.after - 100_000, ..p }
        };
        let begun = Calibration { tick, at_first: tick, ..begun() };
        let begun =
            Calibration { first: pair(S, 400, (30, 30)), last: pair(S, 400, (30, 30)), ..begun };
        let is_within = |known: &Calibration| {
            (known.tick().least_2_40..=known.tick().most_2_40).contains(&true_2_40)
        };
        let mut known = begun;
        known.restart(shifted(2 * S));
        assert_eq!((known.tick(), known.add(shifted(3 * S))), (tick, Ok(())));
        assert!(is_within(&known), "{:?}", known.tick());
        let mut twin = begun;
        assert_eq!(twin.add(shifted(2 * S)), Ok(()));
        assert!(!is_within(&twin), "without the restart it is taken for a rate: {:?}", twin.tick());
    }

    #[test]
    fn another_rate_is_seen_and_learned_afresh() {
        // 50 ppm more from 2 s on.
        let faster = |ms: u64| {
            let p = pair(2 * S + ms * 1_000_000, 400, (30, 30));
            let more = ms * 2_500_000 / 20_000;
            Pair { before: p.before + more, after: p.after + more, ..p }
        };
        let mut known = begun();
        let before = known.tick();
        let answers = [100, 101, 200, 201, 300, 400].map(|ms| known.add(faster(ms)));
        assert_eq!(
            answers,
            [Err(Parted), Err(Parted), Err(Parted), Err(Parted), Ok(()), Ok(())],
            "some come too early"
        );
        let after = known.tick();
        assert_eq!(before.and(after), None, "what was known of the old rate is forgotten");
        let true_2_40 = 4 * (1u64 << 40) / 10 / 1_000_050 * 1_000_000;
        assert!(
            after.least_2_40 <= true_2_40 + 1_000_000 && true_2_40 <= after.most_2_40,
            "{after:?}"
        );
    }

    #[test]
    fn a_counter_that_goes_on_jumping_is_never_believed() {
        let mut known = begun();
        for i in 1..100u64 {
            let p = pair(2 * S + i * S / 10, 400, (30, 30));
            let by = i * i % 7 * 1_000_000;
            assert!(
                known.add(Pair { before: p.before + by, after: p.after + by, ..p }).is_err(),
                "{i}"
            );
        }
    }

    #[test]
    fn found_a_raw_in_steps_of_100_ns_is_no_reason_for_a_wrong_tick() {
        let coarse = |ns: u64| {
            let p = pair(ns, 400, (20, 20));
            Pair { raw_ns: ns / 100 * 100, ..p }
        };
        let true_2_40 = 4 * (1u64 << 40) / 10;
        let wrong = |slack: u64| {
            let begun = (0..200u64).filter_map(|n| {
                let at = S + n * 7_919_003;
                Calibration::begin(coarse(at), coarse(at + 4_057_000 + n * 13), 60, slack)
            });
            begun
                .filter(|known| {
                    !(known.tick().least_2_40..=known.tick().most_2_40).contains(&true_2_40)
                })
                .count()
        };
        assert_eq!(wrong(102), 0);
        // Milliseconds, as of jiffies, open the bounds so far that the counter is refused.
        let begun = Calibration::begin(coarse(S), coarse(S + S / 250), 60, 4_000_000);
        assert!(begun.is_none_or(|known| known.tick().width_ppb() > 100_000_000));
        assert!(wrong(FINE_SLACK_NS) > 0, "the twin: as if every nanosecond were shown");
    }

    #[test]
    fn pairs_that_say_nothing_make_no_knowledge() {
        let p = pair(S, 400, (30, 30));
        assert!(Calibration::begin(p, p, 1, 2).is_none());
        assert!(Calibration::begin(pair(2 * S, 400, (30, 30)), p, 1, 2).is_none());
        let tick = TickBounds::exactly(TickScale::NANOSECOND);
        assert_eq!((tick.width_ppb(), tick.middle()), (0, TickScale::NANOSECOND));
    }
}
