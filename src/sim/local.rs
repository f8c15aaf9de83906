//! Local time of a simulated machine: an exact integral of its oscillator, and the counter that
//! shows it.

use super::dice::Dice;
use super::moment::Moment;
use super::oscillator::{Oscillator, RATE_BITS, local_per_true};
use crate::time::TickScale;

/// The local clock of one machine. Local time is in units of 2^-50 ns and exact: no rounding
/// accumulates.
#[derive(Clone, Debug)]
pub(super) struct LocalClock {
    oscillator: Oscillator,
    nominal_ppb: i32,
    scale: TickScale,
    segment: u64,
    ppb: i32,
    /// Local time per true time beyond one, in parts of 2^40.
    excess: i64,
    since: Moment,
    local_since: i128,
    until: Option<Moment>,
    frozen_until: Option<Moment>,
    /// What the counter shows beside the local time: where it started, and where it was made to
    /// jump.
    shown_extra: i128,
    /// Since this local time the counter has run by so much more than local time, in parts per
    /// billion.
    counter_off: (i128, i32),
}

impl LocalClock {
    pub(super) fn new(
        oscillator: Oscillator,
        nominal_ppb: i32,
        scale: TickScale,
        starts_at: u64,
        now: Moment,
        dice: &mut Dice,
    ) -> LocalClock {
        let phase = i128::from(dice.below(scale.ns_per_tick_2_40.saturating_mul(1 << 10).max(1)));
        let mut clock = LocalClock {
            oscillator,
            nominal_ppb,
            scale,
            segment: 0,
            ppb: 0,
            excess: 0,
            since: now,
            local_since: phase,
            until: None,
            frozen_until: None,
            shown_extra: i128::from(starts_at),
            counter_off: (0, 0),
        };
        clock.begin_segment(now, dice);
        clock
    }

    /// The counter at `now`, which must not be before an earlier call's.
    pub(super) fn ticks(&mut self, now: Moment, dice: &mut Dice) -> u64 {
        self.run_to(now, dice);
        let per_tick = i128::from(self.scale.ns_per_tick_2_40) << 10;
        let local = self.local_at(now);
        let (since, ppb) = self.counter_off;
        let more = (local - since).max(0) / 1_000_000_000 * i128::from(ppb);
        let shown = (local + more).div_euclid(per_tick) + self.shown_extra;
        u64::try_from(shown.max(0)).unwrap_or(u64::MAX)
    }

    /// Local time in nanoseconds, rounded down: what another clock over the same oscillator shows,
    /// at or after the last [`ticks`](LocalClock::ticks).
    pub(super) fn local_ns(&self, now: Moment) -> u64 {
        u64::try_from(self.local_at(now).max(0) >> 50).unwrap_or(u64::MAX)
    }

    /// The counter runs by `ppb` faster than local time from now on.
    pub(super) fn change_counter_rate(&mut self, ppb: i32, now: Moment, dice: &mut Dice) {
        let before = self.ticks(now, dice);
        self.counter_off = (self.local_at(now), ppb);
        // What it had gained stays.
        let after = self.ticks(now, dice);
        self.shown_extra += i128::from(before) - i128::from(after);
    }

    /// The nominal length of a tick.
    pub(super) fn scale(&self) -> TickScale {
        self.scale
    }

    /// Stands still until `until`.
    pub(super) fn freeze(&mut self, now: Moment, until: Moment, dice: &mut Dice) {
        self.run_to(now, dice);
        self.local_since = self.local_at(now);
        self.since = now;
        let until = self.frozen_until.map_or(until, |frozen| frozen.max(until));
        self.frozen_until = (until > now).then_some(until);
    }

    /// Shows `by` ticks more from now on, or less; not below zero, where it would seem to stand
    /// still.
    pub(super) fn jump(&mut self, by: i64, now: Moment, dice: &mut Dice) {
        let shown = i128::from(self.ticks(now, dice));
        self.shown_extra += i128::from(by).max(-shown);
    }

    /// Runs by another oscillator from now on.
    pub(super) fn replace(&mut self, oscillator: Oscillator, now: Moment, dice: &mut Dice) {
        self.run_to(now, dice);
        self.local_since = self.local_at(now);
        (self.oscillator, self.segment) = (oscillator, 0);
        self.begin_segment(now, dice);
    }

    fn run_to(&mut self, now: Moment, dice: &mut Dice) {
        if let Some(end) = self.frozen_until.filter(|end| *end <= now) {
            self.frozen_until = None;
            self.since = end;
        }
        if self.frozen_until.is_some() {
            return;
        }
        while let Some(end) = self.until.filter(|end| *end <= now) {
            // A change that fell into a freeze comes at its end.
            let end = end.max(self.since);
            self.local_since = self.local_at(end);
            self.begin_segment(end, dice);
        }
    }

    fn begin_segment(&mut self, now: Moment, dice: &mut Dice) {
        let (ppb, length) = self.oscillator.segment(self.segment, self.ppb, dice);
        self.segment += 1;
        self.ppb = ppb;
        self.excess = local_per_true(ppb, self.nominal_ppb);
        self.since = now;
        self.until = length.map(|length| now + length);
    }

    fn local_at(&self, now: Moment) -> i128 {
        if self.frozen_until.is_some() {
            return self.local_since;
        }
        self.local_since + (now - self.since).0 * ((1 << RATE_BITS) + i128::from(self.excess))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(s: u64) -> Moment {
        Moment::of(Duration::from_secs(s))
    }

    fn clock(oscillator: Oscillator, scale: TickScale) -> (LocalClock, Dice) {
        let mut dice = Dice::new(5);
        (LocalClock::new(oscillator, 0, scale, 1000, at(0), &mut dice), dice)
    }

    #[test]
    fn a_slow_oscillator_shows_less_and_a_frozen_one_nothing() {
        let (mut clock, mut dice) = clock(Oscillator::steady(1_000_000), TickScale::NANOSECOND);
        // 1001 s of true time are 1000 s of local time.
        let shown = clock.ticks(at(1001), &mut dice) - 1000;
        assert!(shown.abs_diff(1_000_000_000_000) <= 2, "{shown}");
        clock.freeze(at(1001), at(2000), &mut dice);
        assert_eq!(clock.ticks(at(1999), &mut dice) - 1000, shown);
        let later = clock.ticks(at(2000 + 1001), &mut dice) - 1000;
        assert!(later.abs_diff(2 * 1_000_000_000_000) <= 4, "{later}");
    }

    #[test]
    fn changes_of_rate_leave_no_step_and_a_jump_is_one() {
        let (mut clock, mut dice) = clock(
            Oscillator::square(-900_000, 900_000, Duration::from_millis(1)),
            TickScale::NANOSECOND,
        );
        let mut last = clock.ticks(at(0), &mut dice);
        for us in 1..20_000u64 {
            let now = clock.ticks(Moment::of(Duration::from_micros(us)), &mut dice);
            assert!((998..=1002).contains(&(now - last)), "{}", now - last);
            last = now;
        }
        let end = Moment::of(Duration::from_micros(19_999));
        clock.jump(-500, end, &mut dice);
        assert_eq!(clock.ticks(end, &mut dice), last - 500);
        clock.jump(i64::MIN, end, &mut dice);
        assert_eq!(clock.ticks(end, &mut dice), 0);
        let on = clock.ticks(end + Moment::of(Duration::from_micros(1)), &mut dice);
        assert!((998..=1002).contains(&on), "it goes on from zero: {on}");
    }

    #[test]
    fn a_counter_of_another_rate_parts_from_local_time_without_a_step() {
        let (mut clock, mut dice) = clock(Oscillator::steady(0), TickScale::NANOSECOND);
        let start = clock.local_ns(at(0));
        let (mut last, mut now) = (clock.ticks(at(0), &mut dice), at(0));
        for (ppb, gained) in [(1_000_000, 1_000_000), (-1_000_000, 0), (0, 0)] {
            clock.change_counter_rate(ppb, now, &mut dice);
            assert!(clock.ticks(now, &mut dice).abs_diff(last) <= 1, "no step");
            now = now + at(1);
            last = clock.ticks(now, &mut dice);
            let local = clock.local_ns(now) - start;
            assert!(
                (i128::from(last) - 1000 - i128::from(local) - gained).abs() < 10,
                "{ppb}: {last} {local}"
            );
        }
    }

    #[test]
    fn a_coarse_counter_steps() {
        let (mut clock, mut dice) =
            clock(Oscillator::default(), TickScale { ns_per_tick_2_40: 40 << 40 });
        let a = clock.ticks(at(1), &mut dice);
        assert!(clock.ticks(at(1) + Moment::of(Duration::from_nanos(39)), &mut dice) - a <= 1);
        assert_eq!(clock.ticks(at(1) + Moment::of(Duration::from_nanos(40)), &mut dice) - a, 1);
    }
}
