//! Laws of the learner: what it certifies is true under (W), and is never withdrawn.

use super::*;
use proptest::prelude::*;

/// A tick of a nanosecond, 200 ppm either way.
const WIDE: Slopes = Slopes { slow: (1 << 40) / 10_000 * 9_998, fast: (1 << 40) / 10_000 * 10_002 };
const S: u64 = 1_000_000_000;

fn wander(ppb: u32) -> Wander {
    Wander { ppb, base: 4096 * S, valid_for: 1024 * S }
}

/// A rate that stays at `low` ppb or at `high`, by turns of `half` ticks, and the true time that
/// has passed with it.
#[derive(Clone, Copy, Debug)]
struct Wanderer {
    low: i64,
    high: i64,
    half: u64,
}

impl Wanderer {
    fn ppb(&self, c: u64) -> i64 {
        if c / self.half % 2 == 0 { self.low } else { self.high }
    }

    /// In 10^-9 ns.
    fn time(&self, c: u64) -> i128 {
        let (turns, rest) = (c / self.half, i128::from(c % self.half));
        let at = |ppb: i64| PPB as i128 + i128::from(ppb);
        let high = i128::from(turns / 2) * i128::from(self.half);
        let low = high + i128::from(turns % 2) * i128::from(self.half);
        low * at(self.low) + high * at(self.high) + rest * at(self.ppb(c))
    }

    /// The rate in 2^-40 ns a tick, within the slopes?
    fn is_within(&self, c: u64, slopes: Slopes) -> bool {
        let scaled = |slope: u64| u128::from(slope) * PPB;
        let rate = (PPB as i128 + i128::from(self.ppb(c))) as u128;
        scaled(slopes.slow) <= rate << 40 && rate << 40 <= scaled(slopes.fast)
    }

    /// An agreement at reading c that is off by at most so many ns on either side.
    fn agreed(&self, c: u64, below: i64, above: i64) -> (i64, i64) {
        let ns = |time: i128| i64::try_from(time).unwrap();
        let time = self.time(c);
        (ns(time.div_euclid(PPB as i128)) - below, ns(-(-time).div_euclid(PPB as i128)) + above)
    }
}

/// What is known at one reading, of the tick that begins there.
fn at(rates: &Rates, c: u64) -> Slopes {
    Slopes { slow: rates.slow.segment(c).0, fast: rates.fast.segment(c).0 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 64 }))]
    /// A rate that stays within a band as wide as the wander is within what is learned wherever
    /// that holds; and at no later reading is less known than before.
    #[test]
    fn the_rate_is_within_what_is_learned_and_knowledge_is_never_withdrawn(
        low in -190_000i64..180_000,
        half in prop_oneof![1u64..20, 20u64..3_000].prop_map(|s| s * S),
        polls in prop::collection::vec((1u64..200, 0i64..10_000_000, 0i64..10_000_000), 20..120),
    ) {
        let truth = Wanderer { low, high: low + 1_998, half };
        let mut learner = Learner::new(Some(wander(2_000)), 5);
        let mut now = S;
        let mut before = learner.rates(WIDE);
        for (step, below, above) in polls {
            now += step * S + 12_345;
            prop_assert!(learner.note(now, truth.agreed(now, below, above), WIDE).is_ok());
            let rates = learner.rates(WIDE);
            for c in (0..40).map(|n| now + n * n * S).chain(learner.certified().iter().map(|known| known.until - 1)) {
                prop_assert!(at(&rates, c).is_within(at(&before, c)), "withdrawn at {c}");
                prop_assert!(truth.is_within(c, at(&rates, c)), "{c}: {:?}", at(&rates, c));
            }
            for known in learner.certified() {
                for c in (0..64).map(|n| known.from + (known.until - known.from) / 64 * n) {
                    prop_assert!(truth.is_within(c, known.slopes), "{c}: {known:?}");
                }
            }
            before = rates;
        }
    }
}

/// Polls every 16 s for so long.
fn learned(
    truth: Wanderer,
    seconds: u64,
    half_width: i64,
) -> (Learner, u64, Result<(), Contradiction>) {
    let mut learner = Learner::new(Some(wander(2_000)), 5);
    let mut now = S;
    for _ in 0..seconds / 16 {
        now += 16 * S;
        if let Err(error) = learner.note(now, truth.agreed(now, half_width, half_width), WIDE) {
            return (learner, now, Err(error));
        }
    }
    (learner, now, Ok(()))
}

#[test]
fn an_hour_certifies_a_rate_to_parts_per_million_and_it_is_in_force_at_all_times() {
    let truth = Wanderer { low: 50_000, high: 50_000, half: S };
    let (mut learner, mut now, ok) = learned(truth, 3_600, 100_000);
    assert_eq!(ok, Ok(()));
    let ppb = |slope: u64| ((i128::from(slope) * PPB as i128) >> 40) - PPB as i128;
    let known = at(&learner.rates(WIDE), now);
    // 2 ppm of wander and 4 * 100 us in an hour on both sides.
    assert!(
        (47_800..48_000).contains(&ppb(known.slow)) && (52_000..52_200).contains(&ppb(known.fast)),
        "{known:?}"
    );
    for _ in 0..300 {
        now += 16 * S;
        learner.note(now, truth.agreed(now, 100_000, 100_000), WIDE).unwrap();
        let rates = learner.rates(WIDE);
        assert!(at(&rates, now + 500 * S).slow > WIDE.slow, "for half a horizon at least");
        assert_eq!(at(&rates, now + 1025 * S), WIDE, "and no longer than a horizon");
    }
}

#[test]
fn a_rate_that_leaves_what_was_learned_is_a_contradiction() {
    // The mean over the past is that of the low rate, and then it is 20 ppm more.
    let truth = Wanderer { low: 0, high: 20_000, half: 2_000 * S };
    let (_, now, result) = learned(truth, 3_600, 10_000);
    assert_eq!(result, Err(Contradiction));
    assert!(now > 2_000 * S, "not before it has left");
    // The twin: as much as is allowed.
    let truth = Wanderer { high: 1_998, ..truth };
    assert_eq!(learned(truth, 36_000, 10_000).2, Ok(()));
}

#[test]
fn nothing_is_learned_without_the_assumption_and_everything_is_forgotten() {
    let truth = Wanderer { low: 0, high: 0, half: S };
    let mut without = Learner::new(None, 5);
    for n in 1..100 {
        assert_eq!(without.note(n * 100 * S, truth.agreed(n * 100 * S, 10, 10), WIDE), Ok(false));
    }
    assert_eq!(without.rates(WIDE), Rates::plain(WIDE));
    let (mut learner, now, _) = learned(truth, 2_000, 1_000);
    assert!(learner.rates(WIDE).are_learned());
    learner.forget();
    assert_eq!(learner.rates(WIDE), Rates::plain(WIDE));
    assert_eq!(
        learner.note(now + S, truth.agreed(now + S, 1_000, 1_000), WIDE),
        Ok(false),
        "no past is left"
    );
}

#[test]
fn a_rate_outside_of_the_drift_bound_is_a_contradiction() {
    let truth = Wanderer { low: 210_000, high: 210_000, half: S };
    assert_eq!(learned(truth, 3_600, 10_000).2, Err(Contradiction));
}

#[test]
fn the_ends_of_the_range_are_no_exception() {
    let mut learner = Learner::new(Some(wander(u32::MAX)), u64::MAX);
    for (at, interval) in [
        (0, (i64::MIN, i64::MAX)),
        (u64::MAX, (i64::MIN, i64::MAX)),
        (u64::MAX, (i64::MAX, i64::MAX)),
    ] {
        assert_eq!(learner.note(at, interval, WIDE), Ok(false));
    }
}

#[test]
fn what_is_kept_of_the_past_is_evenly_spread() {
    let without = Learner::new(None, 5);
    assert!(
        without.wander().is_none() && !without.is_due(S),
        "nothing to learn without the assumption"
    );
    let mut learner = Learner::new(Some(wander(2_000)), 5);
    assert!(learner.wander().is_some_and(|assumed| assumed.ppb == 2_000) && learner.is_due(S));
    learner.note(S, (0, 10), WIDE).unwrap();
    assert_eq!(
        [16 * S, 17 * S - 1, 17 * S, 18 * S].map(|at| learner.is_due(at)),
        [false, false, true, true]
    );
}

#[test]
fn a_leap_second_ends_the_past_and_not_what_it_has_certified() {
    let truth = Wanderer { low: 0, high: 0, half: S };
    let (mut learner, now, _) = learned(truth, 2_000, 1_000);
    let before = learner.rates(WIDE);
    learner.begin_again();
    assert!(before.are_learned() && learner.rates(WIDE) == before);
    assert_eq!(
        learner.note(now + 16 * S, truth.agreed(now + 16 * S, 1_000, 1_000), WIDE),
        Ok(false)
    );
}

#[test]
fn the_newer_half_of_the_past_certifies_nothing() {
    // It would say more here, as it is agreed on more closely; and hold from later on.
    let (truth, mut learner) =
        (Wanderer { low: 0, high: 0, half: S }, Learner::new(Some(wander(2_000)), 5));
    for n in 1..=240 {
        let half_width = if n < 125 { 1_000_000 } else { 10 };
        learner.note(16 * n * S, truth.agreed(16 * n * S, half_width, half_width), WIDE).unwrap();
    }
    let known = learner.certified().last().unwrap();
    assert!(known.from <= 16 * 121 * S, "{known:?}");
}

/// What is in force after a new rate at reading 1000, with a horizon of 100.
fn taken_up(
    before: &[Certified],
    fresh: Certified,
) -> (Result<bool, Contradiction>, Vec<Certified>) {
    let mut learner =
        Learner { certified: before.to_vec(), ..Learner::new(Some(wander(2_000)), 5) };
    (learner.take_up(fresh, 1_000, 100), learner.certified)
}

#[test]
fn what_is_in_force_is_narrowed_until_it_ends_and_followed_when_half_of_it_is_over() {
    let rate = |from, until, slow, fast| Certified { from, until, slopes: Slopes { slow, fast } };
    let fresh = rate(500, 1_100, 10, 20);
    let narrowed = |until| rate(500, until, 12, 20);
    for (before, after) in [
        (vec![], vec![fresh]),
        (vec![rate(0, 1_060, 5, 25)], vec![fresh]),
        (vec![rate(0, 1_000, 12, 25)], vec![fresh]),
        (vec![rate(0, 1_001, 12, 25)], vec![narrowed(1_001), fresh]),
        (vec![rate(0, 1_050, 12, 25)], vec![narrowed(1_050), fresh]),
        (vec![rate(0, 1_051, 12, 25)], vec![narrowed(1_051)]),
        (
            vec![rate(0, 1_010, 12, 25), rate(0, 1_030, 5, 19)],
            vec![narrowed(1_010), rate(500, 1_030, 10, 19)],
        ),
    ] {
        assert_eq!(taken_up(&before, fresh), (Ok(true), after), "{before:?}");
    }
    assert_eq!(taken_up(&[fresh], fresh), (Ok(false), vec![fresh]), "nothing new");
    let apart = vec![rate(0, 1_060, 21, 25)];
    assert_eq!(
        taken_up(&apart, fresh),
        (Err(Contradiction), apart),
        "what is in force is what it was"
    );
}
