//! Published parameters: two lines with anchors of their own, and the interval they give at a
//! reading.
//!
//! Rules: within one life of the parameters (between two disruptions) the line of `earliest` is
//! never replaced by a lower one, so `earliest` never goes back and `after` stays true; `latest` is
//! replaced only by a lower one. Both lines stay true under (R) for as long as the agreement they
//! came from was true.
//!
//! Where a leap second is announced the lines count on through it as before; [`Leap`] makes of them
//! what must be answered.

use super::leap::Leap;
use super::lines::Line;
use super::outcome::{DisruptionReason, NowError};
use super::slopes::Rates;
use super::window::Ageing;
use std::ops::RangeInclusive;

/// All that a reader needs, as plain numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Params {
    /// The reading at publication. A later reading that shows less than this, by more than the
    /// margin, went back.
    pub(crate) published: u64,
    /// Margin of the counter in ticks.
    pub(crate) margin: u64,
    pub(crate) earliest: Line,
    pub(crate) latest: Line,
    /// How the two lines go on after their anchors: each as was known when it was made.
    pub(crate) rates: Rates,
    /// No reading before this may be asked about: the start, or the last disruption.
    pub(crate) since: u64,
    /// The reading at which f+1 failure domains had been heard; for `max_age`.
    pub(crate) heard: u64,
    /// The leap second that is announced, until it is over.
    pub(crate) leap: Option<Leap>,
    /// Up to this reading a leap second changes nothing; `u64::MAX` without one.
    pub(crate) leap_from: u64,
    /// At most 2f domains had a bound.
    pub(crate) degraded: bool,
}

/// An agreement at one reading, ready to be published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AgreedBound {
    /// The reading at which the agreement was computed.
    pub(crate) at: u64,
    pub(crate) earliest_ns: i64,
    pub(crate) latest_ns: i64,
    pub(crate) heard: u64,
    pub(crate) degraded: bool,
}

impl Params {
    /// The parameters of a first agreement. `None` for a counter within a margin of an end of its
    /// range.
    pub(crate) fn first(agreed: &AgreedBound, ageing: Ageing, since: u64) -> Option<Params> {
        let Ageing { rates, margin } = ageing;
        let (earliest, latest) = (
            Line::lower(agreed.at, margin, agreed.earliest_ns)?,
            Line::upper(agreed.at, margin, agreed.latest_ns)?,
        );
        Some(Params {
            published: agreed.at,
            margin,
            earliest,
            latest,
            rates: Rates {
                slow: rates.slow.since(earliest.anchor),
                fast: rates.fast.since(latest.anchor),
            },
            since,
            heard: agreed.heard,
            leap: None,
            leap_from: u64::MAX,
            degraded: agreed.degraded,
        })
    }

    /// These parameters intersected with a later agreement: each line is replaced where the new one
    /// is strictly better.
    ///
    /// Strictly, because two lines of one slope but different phase may differ by a nanosecond
    /// either way after rounding: `old(c) <= old(a) + new(c) - new(a) + 1`, so a line that is
    /// better by one at its anchor is nowhere worse. That the new line rises nowhere less is the
    /// law of [`slopes`](super::slopes).
    ///
    /// # Errors
    ///
    /// [`DisruptionReason::ContradictsPublished`] if the two exclude each other;
    /// [`DisruptionReason::CounterWentBack`] if the agreement was read before these parameters.
    pub(crate) fn refine(
        &self,
        agreed: &AgreedBound,
        ageing: Ageing,
    ) -> Result<Params, DisruptionReason> {
        if agreed.at.saturating_add(self.margin) < self.published {
            return Err(DisruptionReason::CounterWentBack);
        }
        let new =
            Params::first(agreed, ageing, self.since).ok_or(DisruptionReason::CounterWentBack)?;
        let mut refined = *self;
        // Compared where the new line of `earliest` begins to rise, the first reading at which the
        // two may part.
        let (old, at) = (self.earliest, new.earliest.anchor);
        let old_earliest =
            old.lower_after(at, &self.rates).ok_or(DisruptionReason::ContradictsPublished)?;
        if agreed.earliest_ns > old_earliest {
            (refined.earliest, refined.rates.slow) = (new.earliest, new.rates.slow);
        }
        // Where the line of `latest` overflows, any new one is better.
        let old_latest = self.latest.upper_at(agreed.at, &self.rates);
        let new_latest = new.latest.upper_at(agreed.at, &new.rates);
        if old_latest.is_none_or(|old| new_latest.is_some_and(|new| new < old)) {
            (refined.latest, refined.rates.fast) = (new.latest, new.rates.fast);
        }
        let now_earliest = self.earliest.lower_after(agreed.at, &self.rates);
        if old_latest.is_some_and(|old| agreed.earliest_ns > old)
            || now_earliest.is_none_or(|old| old > agreed.latest_ns)
        {
            return Err(DisruptionReason::ContradictsPublished);
        }
        refined.published = agreed.at.max(self.published);
        refined.heard = agreed.heard.max(self.heard);
        refined.degraded = agreed.degraded;
        Ok(refined)
    }

    /// The same parameters with the leap second that is announced, if one is.
    pub(crate) fn with_leap(&self, leap: Option<Leap>) -> Params {
        let nothing_yet = |leap: Leap| {
            let latest = self.latest.upper_stays_below_until(leap.begins_ns(), &self.rates);
            let earliest = self.earliest.lower_exceeds_at(leap.begins_ns(), &self.rates);
            latest.min(earliest.map_or(u64::MAX, |at| at.saturating_sub(1)))
        };
        Params { leap, leap_from: leap.map_or(u64::MAX, nothing_yet), ..*self }
    }

    /// The same parameters at reading `c`, when the leap second is over: its uncertainty is in the
    /// lines from here on, and nothing is said of readings before. `None` if the lines leave the
    /// range.
    pub(crate) fn with_leap_over(&self, c: u64) -> Option<Params> {
        let (down, up) = self.leap.map_or((0, 0), |leap| leap.after_ns());
        let earliest = Line { ns: self.earliest.ns.checked_sub(down)?, ..self.earliest };
        let latest = Line { ns: self.latest.ns.checked_add(up)?, ..self.latest };
        Some(Params { earliest, latest, leap: None, leap_from: u64::MAX, since: c, ..*self })
    }

    /// The bound at a reading taken now, inside the read section: `(earliest, latest)` in
    /// nanoseconds.
    pub(crate) fn now(&self, c: u64) -> Result<(i64, i64), NowError> {
        self.check(c)?;
        let (earliest, latest) = self.counted_on(c).ok_or(NowError::OutOfRange)?;
        self.read((earliest, latest))
    }

    /// The bound at an earlier reading, aged backward where it is before a line's anchor.
    pub(crate) fn at(&self, c: u64) -> Result<(i64, i64), NowError> {
        let earliest = self.earliest.lower_at(c, &self.rates).ok_or(NowError::OutOfRange)?;
        let latest = self.latest.upper_at(c, &self.rates).ok_or(NowError::OutOfRange)?;
        self.read((earliest, latest))
    }

    /// `earliest` alone, which is all that `after` and a wait need.
    pub(crate) fn earliest_now(&self, c: u64) -> Result<i64, NowError> {
        self.check(c)?;
        let earliest = self.earliest.lower_after(c, &self.rates).ok_or(NowError::OutOfRange)?;
        Ok(self.leap.map_or(earliest, |leap| leap.earliest(earliest)))
    }

    /// The least reading at which `earliest` is above `ns`, or `None` if there is none.
    pub(crate) fn past_from(&self, ns: i64) -> Option<u64> {
        self.earliest
            .lower_exceeds_at(self.leap.map_or(ns, |leap| leap.least_to_exceed(ns)), &self.rates)
    }

    /// The readings at which [`earliest_now`](Params::earliest_now) gives no error.
    pub(crate) fn earliest_answers(&self) -> RangeInclusive<u64> {
        // Up to here the line does not leave the range.
        let fits = self
            .earliest
            .lower_exceeds_at(i64::MAX - 1, &self.rates)
            .map_or(u64::MAX, |at| at.saturating_sub(1));
        self.published.saturating_sub(self.margin)..=fits
    }

    /// Both lines at a reading taken now, counted on through a leap second; `None` out of range.
    pub(crate) fn counted_on(&self, c: u64) -> Option<(i64, i64)> {
        Some((self.earliest.lower_after(c, &self.rates)?, self.latest.upper_at(c, &self.rates)?))
    }

    /// What must be answered where the lines say `(earliest, latest)`.
    fn read(&self, (earliest, latest): (i64, i64)) -> Result<(i64, i64), NowError> {
        let Some(leap) = self.leap else { return Ok((earliest, latest)) };
        Ok((leap.earliest(earliest), leap.latest(latest).ok_or(NowError::OutOfRange)?))
    }

    /// Whether a reading taken now may be answered: the counter did not go back.
    pub(crate) fn check(&self, c: u64) -> Result<(), NowError> {
        if c.saturating_add(self.margin) < self.published {
            return Err(NowError::CounterWentBack { by_ticks: self.published - c - self.margin });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::slopes::Slopes;
    use super::*;
    use crate::time::{TickBounds, TickScale, compose};
    use proptest::prelude::*;

    fn ageing(k_ppb: u32, margin: u64) -> Ageing {
        let slopes =
            Slopes::new(TickBounds::exactly(TickScale::NANOSECOND), compose(&[k_ppb]).unwrap())
                .unwrap();
        Ageing { rates: Rates::plain(slopes), margin }
    }

    fn agreed(at: u64, earliest_ns: i64, latest_ns: i64) -> AgreedBound {
        AgreedBound { at, earliest_ns, latest_ns, heard: at, degraded: false }
    }

    #[test]
    fn a_wider_later_agreement_changes_nothing_but_freshness() {
        let first = Params::first(&agreed(1_000, 990, 1_010), ageing(200_000, 1), 0).unwrap();
        let refined = first.refine(&agreed(2_000, 1_900, 2_100), ageing(200_000, 1)).unwrap();
        assert_eq!((refined.earliest, refined.latest), (first.earliest, first.latest));
        assert_eq!(refined.heard, 2_000);
    }

    #[test]
    fn agreements_that_exclude_each_other_are_a_disruption() {
        let first = Params::first(&agreed(1_000, 990, 1_010), ageing(200_000, 1), 0).unwrap();
        for (earliest, latest) in [(3_000, 3_010), (1_900, 1_980)] {
            let result = first.refine(&agreed(2_000, earliest, latest), ageing(200_000, 1));
            assert_eq!(result, Err(DisruptionReason::ContradictsPublished));
        }
    }

    #[test]
    fn a_reading_behind_the_publication_by_more_than_the_margin_is_an_error() {
        let params = Params::first(&agreed(1_000, 990, 1_010), ageing(0, 5), 0).unwrap();
        assert_eq!(params.now(995).unwrap().0, 990, "within the margin: no time has passed");
        assert_eq!(params.now(994), Err(NowError::CounterWentBack { by_ticks: 1 }));
    }

    #[test]
    fn a_line_that_is_no_better_takes_nothing_back() {
        // Both new lines say the same as those in force where they are compared, and diverge later
        // by the phase of their rounding.
        let ageing = ageing(200_000, 1_000);
        let first = Params::first(&agreed(10_000, 0, 20_000), ageing, 0).unwrap();
        let at = 14_001;
        let (earliest, latest) =
            (first.earliest_now(at + 1_000).unwrap(), first.now(at).unwrap().1 - 1_001);
        let refined = first.refine(&agreed(at, earliest, latest), ageing).unwrap();
        for c in at..at + 20_000 {
            let (old, new) = (first.now(c).unwrap(), refined.now(c).unwrap());
            assert!(old.0 <= new.0 && new.1 <= old.1, "{old:?}, then {new:?} at {c}");
        }
        let better = first.refine(&agreed(at, earliest + 1, latest - 1), ageing).unwrap();
        assert_eq!(
            (better.earliest.ns, better.latest.ns),
            (earliest + 1, latest - 1),
            "the twin: by a nanosecond"
        );
    }

    #[test]
    fn agreements_that_touch_in_one_point_do_not_exclude_each_other() {
        let first = Params::first(&agreed(1_000, 990, 1_010), ageing(0, 1), 0).unwrap();
        let (earliest, latest) = first.now(2_000).unwrap();
        for (low, high, holds) in [
            (latest, latest + 50, true),
            (latest + 1, latest + 50, false),
            (earliest - 50, earliest, true),
            (earliest - 50, earliest - 1, false),
        ] {
            assert_eq!(
                first.refine(&agreed(2_000, low, high), ageing(0, 1)).is_ok(),
                holds,
                "{low} {high}"
            );
        }
    }

    #[test]
    fn news_of_a_reading_within_the_margin_of_the_publication_counts() {
        let first = Params::first(&agreed(1_000, 990, 1_010), ageing(0, 5), 0).unwrap();
        assert_eq!(
            first.refine(&agreed(995, 985, 1_005), ageing(0, 5)).map(|refined| refined.published),
            Ok(1_000)
        );
        let back = first.refine(&agreed(994, 984, 1_004), ageing(0, 5));
        assert_eq!(back, Err(DisruptionReason::CounterWentBack));
    }

    const S: i64 = 1_000_000_000;

    #[test]
    fn an_announced_insertion_stalls_earliest_and_a_deletion_lifts_latest() {
        let first = Params::first(&agreed(1_000, 990, 1_010), ageing(0, 1), 0).unwrap();
        let leap = |inserted, deleted| Some(Leap { midnight_ns: 10 * S, inserted, deleted });
        let at = |params: Params, tenths: u64| params.now(tenths * 100_000_000).unwrap();
        let inserted = first.with_leap(leap(true, false));
        assert_eq!(inserted.leap_from, 9_000_000_000 - 12, "latest is 11 ahead of its reading");
        // Between 9 s and 10 s it stands still, then it is a second behind; `latest` goes on.
        assert_eq!(
            [89, 95, 100, 105].map(|t| at(inserted, t).0),
            [8_899_999_989, 9 * S, 9 * S, 9_499_999_989]
        );
        assert_eq!(at(inserted, 105).1, 10_500_000_011);
        assert_eq!(inserted.at(9_500_000_000).unwrap().0, 9 * S, "an earlier reading just so");
        let deleted = first.with_leap(leap(false, true));
        assert_eq!(
            [89, 90, 105].map(|t| at(deleted, t).1),
            [8_900_000_011, 10_000_000_011, 11_500_000_011]
        );
        assert_eq!(at(deleted, 105).0, 10_499_999_989);
    }

    #[test]
    fn the_first_reading_at_which_something_is_past_knows_of_the_leap_second() {
        let first = Params::first(&agreed(1_000, 990, 1_010), ageing(0, 1), 0).unwrap();
        let params =
            first.with_leap(Some(Leap { midnight_ns: 10 * S, inserted: true, deleted: false }));
        for ns in [8 * S, 9 * S - 1, 9 * S, 9 * S + 5, 12 * S] {
            let from = params.past_from(ns).unwrap();
            assert!(
                params.earliest_now(from).unwrap() > ns
                    && params.earliest_now(from - 1).unwrap() <= ns,
                "{ns}"
            );
        }
    }

    #[test]
    fn when_the_leap_second_is_over_nothing_moves_and_nothing_is_said_of_before() {
        let first = Params::first(&agreed(1_000, 990, 1_010), ageing(0, 1), 0).unwrap();
        for (inserted, deleted) in [(true, false), (false, true), (true, true)] {
            let leap = first.with_leap(Some(Leap { midnight_ns: 10 * S, inserted, deleted }));
            let over = leap.with_leap_over(12_000_000_011).unwrap();
            assert_eq!(over.now(12_000_000_011), leap.now(12_000_000_011));
            assert_eq!((over.leap, over.leap_from, over.since), (None, u64::MAX, 12_000_000_011));
        }
    }

    proptest! {
        /// Whatever sound agreements come: truth is inside at every reading, and `earliest` never
        /// goes back.
        #[test]
        fn truth_is_inside_and_earliest_never_goes_back(
            steps in prop::collection::vec((1u64..1 << 32, 0i64..5_000_000, 0i64..5_000_000, 0u64..1000), 2..20),
            rate in -200_000i128..=200_000,
        ) {
            let ageing = ageing(200_000, 1);
            let scaled = |c: u64| i128::from(c) * (1_000_000_000 + rate);
            let (down, up) = (|c| scaled(c).div_euclid(1_000_000_000) as i64, |c| -(-scaled(c)).div_euclid(1_000_000_000) as i64);
            let mut c = 1_000_000u64;
            let mut params: Option<Params> = None;
            let mut last = i64::MIN;
            for (step, below, above, between) in steps {
                c += step;
                let n = agreed(c, down(c) - below, up(c) + above);
                params = Some(match params { None => Params::first(&n, ageing, 0).unwrap(), Some(p) => p.refine(&n, ageing).unwrap() });
                for c in [c, c + between] {
                    let (earliest, latest) = params.unwrap().now(c).unwrap();
                    prop_assert!(earliest <= down(c) && up(c) <= latest);
                    prop_assert!(earliest >= last);
                    let back = params.unwrap().at(c - 900_000).unwrap();
                    prop_assert!(back.0 <= down(c - 900_000) && up(c - 900_000) <= back.1);
                    last = earliest;
                }
                c += between;
            }
        }
    }
}
