//! The production arithmetic against `tests/proofs/vectors.txt`: what the functions that are proved
//! outward say on numbers.
//!
//! The proofs are of functions in Python. These numbers tie the two together: whoever changes a
//! rounding here, or there, breaks this.

use super::exchange::{Facts, root_bound_ns};
use super::leap::Leap;
use super::lines::{Line, elapsed_ns};
use super::slopes::{Rates, Rise, Slopes, Step};
use crate::time::{CounterId, MonotonicTime, RateBound, TickBounds, TickScale, Timestamp, compose};
use std::time::Duration;

/// A line of the file: arguments, and answers where there are any.
pub(crate) struct Vector {
    arguments: Vec<i128>,
    answers: Vec<Option<i128>>,
}

impl Vector {
    /// An argument in the type that takes it.
    pub(crate) fn argument<T: TryFrom<i128, Error: std::fmt::Debug>>(&self, index: usize) -> T {
        T::try_from(self.arguments[index]).unwrap()
    }

    pub(crate) fn says(&self, answers: &[Option<i128>]) {
        assert_eq!(answers, self.answers, "{:?}", self.arguments);
    }
}

/// All lines of one name.
pub(crate) fn vectors(name: &str) -> Vec<Vector> {
    let all = include_str!("../../tests/proofs/vectors.txt").lines().filter_map(|line| {
        let (arguments, answers) = line.strip_prefix(name)?.strip_prefix(' ')?.split_once(" = ")?;
        let number = |word: &str| if word == "none" { None } else { Some(word.parse().unwrap()) };
        let arguments = arguments.split(' ').map(|word| word.parse().unwrap()).collect();
        Some(Vector { arguments, answers: answers.split(' ').map(number).collect() })
    });
    let all: Vec<Vector> = all.collect();
    assert!(all.len() >= 30, "there are vectors for {name}");
    all
}

#[test]
fn lines_say_what_is_proved() {
    for v in vectors("line") {
        let line = Line { anchor: v.argument(0), ns: v.argument(1) };
        let rates = Rates::plain(Slopes { slow: v.argument(2), fast: v.argument(3) });
        let c = v.argument(4);
        let answers =
            [line.lower_at(c, &rates), line.upper_at(c, &rates), line.lower_after(c, &rates)];
        v.says(&answers.map(|ns| ns.map(i128::from)));
    }
    for v in vectors("anchor") {
        let lines = [
            Line::lower(v.argument(0), v.argument(1), 0),
            Line::upper(v.argument(0), v.argument(1), 0),
        ];
        v.says(&lines.map(|line| line.map(|line| i128::from(line.anchor))));
    }
    for v in vectors("elapsed") {
        let both = elapsed_ns(
            v.argument(0),
            v.argument(1),
            Slopes { slow: v.argument(2), fast: v.argument(3) },
        );
        v.says(&[both.map(|b| i128::from(b.0)), both.map(|b| i128::from(b.1))]);
    }
}

#[test]
fn sums_over_steps_say_what_is_proved() {
    for v in vectors("rise") {
        let step = |at: usize| Step {
            from: v.argument(at),
            until: v.argument(at + 1),
            slope: v.argument(at + 2),
        };
        let rise = Rise { steps: [step(0), step(3)], rest: v.argument(6) };
        let (from, to) = (v.argument(7), v.argument(8));
        let sums = [rise.between(from, to), rise.since(from).between(from, to)];
        v.says(&sums.map(|sum| Some(i128::try_from(sum).unwrap())));
        // No slope is zero here: a sum is reached where it was taken to, and nowhere else.
        assert_eq!((rise.reaches(from, sums[0]), rise.stays_within(from, sums[0])), (Some(to), to));
        assert_eq!(
            (rise.reaches(from, sums[0] + 1), rise.stays_within(from, sums[0] + 1)),
            (Some(to + 1), to)
        );
    }
}

#[test]
fn rates_say_what_is_proved() {
    for v in vectors("compose") {
        let rate = compose(&[v.argument(0), v.argument(1), v.argument(2)]);
        v.says(&[rate.map(|r| i128::from(r.slower_ppb)), rate.map(|r| i128::from(r.faster_ppb))]);
    }
    for v in vectors("slopes") {
        let tick = TickBounds { least_2_40: v.argument(0), most_2_40: v.argument(1) };
        let slopes =
            Slopes::new(tick, RateBound { slower_ppb: v.argument(2), faster_ppb: v.argument(3) });
        v.says(&[slopes.map(|s| i128::from(s.slow)), slopes.map(|s| i128::from(s.fast))]);
    }
}

#[test]
fn leap_seconds_say_what_is_proved() {
    let at = |ticks| MonotonicTime::new(CounterId::new(1), 0, ticks);
    for v in vectors("leap") {
        let (inserted, deleted) = (v.argument::<u8>(1) == 1, v.argument::<u8>(2) == 1);
        let (leap, u) = (Leap { midnight_ns: v.argument(0), inserted, deleted }, v.argument(3));
        let point = Timestamp::from_unix_nanos(u);
        let moved = leap.before(&Facts::new(at(1), point, at(2), point).unwrap()).unwrap();
        let down = i128::from(u) - i128::from(moved.no_earlier_than().as_unix_nanos());
        let up = i128::from(moved.no_later_than().as_unix_nanos()) - i128::from(u);
        let (earliest, exceed) = (leap.earliest(u), leap.least_to_exceed(u));
        let latest = leap.latest(u).map(i128::from);
        v.says(&[Some(earliest.into()), latest, Some(exceed.into()), Some(down), Some(up)]);
    }
}

#[test]
fn root_bounds_and_lengths_say_what_is_proved() {
    for v in vectors("root_bound") {
        let bound =
            root_bound_ns(v.argument(0), v.argument(1), v.argument::<u8>(2) == 1, v.argument(3));
        v.says(&[Some(i128::from(bound))]);
    }
    for v in vectors("scale") {
        let scale = TickScale { ns_per_tick_2_40: v.argument(0) };
        // `Duration::MAX` stands for what does not fit.
        let length = Some(scale.duration(v.argument(1))).filter(|length| *length < Duration::MAX);
        let ticks = scale.ticks(Duration::from_nanos(v.argument(2)));
        v.says(&[
            length.map(|length| i128::try_from(length.as_nanos()).unwrap()),
            Some(i128::from(ticks)),
        ]);
    }
}
