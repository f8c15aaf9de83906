//! Laws of the window, beside its ten-line definition.

use super::super::slopes::Slopes;
use super::*;
use crate::time::{CounterId, MonotonicTime, TickBounds, TickScale, Timestamp, compose};
use proptest::prelude::*;

const K_PPB: u32 = 300_000;

fn ageing() -> Ageing {
    Ageing { rates: rates(K_PPB), margin: 1 }
}

fn rates(k_ppb: u32) -> Rates {
    Rates::plain(
        Slopes::new(TickBounds::exactly(TickScale::NANOSECOND), compose(&[k_ppb]).unwrap())
            .unwrap(),
    )
}

/// A window, and the rates by which its facts age.
struct Aged {
    window: Window,
    rates: Rates,
}

impl Aged {
    fn new(ageing: Ageing, length: u64) -> Aged {
        Aged { window: Window::new(ageing.margin, length), rates: ageing.rates }
    }

    fn add(&mut self, facts: &Facts) {
        self.window.add(facts, &self.rates);
    }

    fn bound(&mut self, now: u64) -> Bound {
        self.window.bound(now, &self.rates)
    }

    fn drop_aged_into(&mut self, now: u64, span_ns: RangeInclusive<i64>) {
        self.window.drop_aged_into(now, span_ns, &self.rates);
    }

    fn set_rates(&mut self, rates: Rates) {
        self.rates = rates;
    }

    fn widen(&mut self, rates: Rates) {
        self.rates = rates;
        self.window.compare_again(&rates);
    }
}

/// A window that ages by an exact rate.
fn exact() -> Aged {
    Aged::new(Ageing { rates: rates(0), margin: 1 }, u64::MAX)
}

fn within(earliest_ns: i64, latest_ns: i64) -> Bound {
    Bound::Within { earliest_ns, latest_ns }
}

fn facts(c1: u64, upper: i64, c4: u64, lower: i64) -> Facts {
    let at = |ticks| MonotonicTime::new(CounterId::new(1), 0, ticks);
    let ns = Timestamp::from_unix_nanos;
    Facts::new(at(c1), ns(upper), at(c4), ns(lower)).unwrap()
}

/// The definition: every fact aged by the real number it stands for, rounded outward at the end.
fn naive(all: &[(u64, i64, u64, i64)], now: u64) -> (i64, i64) {
    let age = |from: u64, add_ppb: i128| {
        let n = i128::from(now) - i128::from(from);
        n * (1_000_000_000 + add_ppb)
    };
    let k = i128::from(K_PPB);
    // 1/(1-k) - 1, in parts per billion, rounded up.
    let faster = -(-k * 1_000_000_000).div_euclid(1_000_000_000 - k);
    let lower = |&(_, _, c4, l): &(u64, i64, u64, i64)| {
        l + (age(c4 + 1, -k).div_euclid(1_000_000_000)) as i64
    };
    let upper = |&(c1, u, _, _): &(u64, i64, u64, i64)| {
        u - (-age(c1 - 1, faster)).div_euclid(1_000_000_000) as i64
    };
    (all.iter().map(lower).max().unwrap(), all.iter().map(upper).min().unwrap())
}

#[test]
fn best_lower_and_best_upper_fact_come_from_different_exchanges() {
    let mut window = Aged::new(ageing(), u64::MAX);
    // One way slow out, the other slow back; truth is c.
    window.add(&facts(1_000, 1_000 + 10, 6_000, 6_000 - 4_990));
    window.add(&facts(7_000, 7_000 + 4_990, 12_000, 12_000 - 10));
    let Bound::Within { earliest_ns, latest_ns } = window.bound(13_000) else { panic!() };
    assert!(earliest_ns >= 13_000 - 15 && latest_ns <= 13_000 + 20, "{earliest_ns} {latest_ns}");
}

#[test]
fn facts_older_than_the_window_are_dropped_and_then_it_is_silent() {
    let mut window = Aged::new(ageing(), 1_000);
    window.add(&facts(100, 200, 150, 100));
    assert!(matches!(window.bound(1_100), Bound::Within { .. }));
    assert_eq!(window.bound(1_101), Bound::Silent);
    assert_eq!(window.window.newest(), None);
}

#[test]
fn a_contradiction_that_ageing_closes_is_remembered_until_the_older_fact_has_left() {
    let contradictory = || {
        let mut window = Aged::new(ageing(), 1_000_000);
        window.add(&facts(1_000, 1_100, 1_200, 1_150)); // truth = c
        window.add(&facts(2_000, 2_600, 2_100, 2_500)); // a step of 300, which 540 ppm of a window are more than
        window
    };
    let mut window = contradictory();
    assert_eq!((window.bound(2_200), window.bound(900_000)), (Bound::Empty, Bound::Empty));
    // A leap second that no fact comes near changes nothing of it.
    window.drop_aged_into(900_000, 10_000_000..=10_000_001);
    assert_eq!(window.bound(900_001), Bound::Empty);
    assert!(matches!(window.bound(1_001_001), Bound::Within { .. }));
    // One that the older fact is from before of takes it away, and the contradiction with it.
    let mut window = contradictory();
    window.drop_aged_into(2_200, 1_150..=2_400);
    assert!(matches!(window.bound(2_200), Bound::Within { .. }));
}

#[test]
fn a_contradiction_is_empty_until_the_older_fact_has_left() {
    let mut window = Aged::new(ageing(), 1_000_000);
    window.add(&facts(1_000, 1_100, 1_200, 1_150)); // truth = c
    window.add(&facts(2_000, 62_000, 2_100, 62_000)); // a step of 60 000
    // Ageing would let the two meet again at some later reading; the contradiction stays.
    assert_eq!(window.bound(2_200), Bound::Empty);
    assert_eq!(window.bound(900_000), Bound::Empty);
    assert!(
        matches!(window.bound(1_001_001), Bound::Within { .. }),
        "what remains is of the new time alone"
    );
    window.window.clear();
    assert_eq!(window.bound(1_001_001), Bound::Silent);
}

#[test]
fn one_exchange_that_contradicts_itself_is_empty() {
    let mut window = Aged::new(ageing(), 1_000_000);
    window.add(&facts(1_000, 1_000, 1_100, 5_000));
    assert_eq!(window.bound(1_200), Bound::Empty);
    // At the second reading: at most 1_101 by the first fact, at least 1_101 by the second.
    for (lower, bound) in [(1_102, within(1_101, 1_101)), (1_103, Bound::Empty)] {
        let mut window = exact();
        window.add(&facts(1_000, 1_000, 1_100, lower));
        assert_eq!(window.bound(1_100), bound, "facts that touch do not contradict each other");
    }
}

#[test]
fn better_rates_age_what_is_there_and_may_contradict_it() {
    let mut window = Aged::new(ageing(), u64::MAX);
    window.add(&facts(1_000, 1_100, 1_200, 1_100));
    window.set_rates(rates(0));
    assert_eq!(window.bound(1_001_000), within(1_100 + 999_799, 1_100 + 1_000_001));
    let mut window = Aged::new(ageing(), u64::MAX);
    window.add(&facts(1_000, 1_000, 1_001, 1_000));
    window.add(&facts(1_001_000, 1_001_100, 1_001_001, 1_001_100));
    assert!(
        matches!(window.bound(1_002_000), Bound::Within { .. }),
        "300 ns in a millisecond are allowed"
    );
    window.set_rates(rates(0));
    assert_eq!(window.bound(1_002_000), Bound::Empty, "never an inverted interval");
}

#[test]
fn worse_rates_forgive_what_they_explain_and_nothing_else() {
    for (step, bound) in [(100, None), (400, Some(Bound::Empty))] {
        let mut window = exact();
        window.add(&facts(1_000, 1_000, 1_001, 1_000));
        window.add(&facts(1_001_000, 1_001_000 + step, 1_001_001, 1_001_000 + step));
        assert_eq!(window.bound(1_002_000), Bound::Empty);
        window.widen(rates(K_PPB));
        let found = window.bound(1_002_000);
        assert_eq!(
            Some(found).filter(|found| *found == Bound::Empty),
            bound,
            "a step of {step} ns: {found:?}"
        );
    }
}

#[test]
fn the_newest_64_exchanges_count() {
    let mut window = exact();
    window.add(&facts(1_000, 1_000, 1_001, 1_001));
    for later in 1..=64 {
        let at = 1_000 + 10 * later;
        window.add(&facts(at, at as i64 + 100, at + 1, at as i64 - 100));
        let Bound::Within { earliest_ns, latest_ns } = window.bound(2_000) else { panic!() };
        assert_eq!(
            latest_ns - earliest_ns < 10,
            later < 64,
            "the best is the oldest of {}",
            later + 1
        );
    }
}

#[test]
fn facts_that_may_be_of_the_span_are_dropped_and_no_others() {
    let of = |upper, lower| {
        let mut window = exact();
        window.add(&facts(9_000, upper, 9_100, lower));
        window
    };
    // The upper fact is 1_001 more by the reading that counts.
    for (upper, lower, kept) in [
        (18_998, 0, true),
        (18_999, 0, false),
        (18_999, 30_000, false),
        (18_999, 30_001, true),
        (18_998, 30_001, true),
    ] {
        let mut window = of(upper, lower);
        window.drop_aged_into(10_000, 20_000..=30_000);
        assert_eq!(window.window.newest().is_some(), kept, "{upper} {lower}");
    }
    let mut window = of(40_000, 39_000);
    window.add(&facts(9_200, 25_000, 9_300, 24_000));
    window.drop_aged_into(10_000, 0..=10);
    assert_eq!(
        window.bound(10_000),
        Bound::Empty,
        "nothing was dropped, so they still contradict each other"
    );
    window.drop_aged_into(10_000, 20_000..=30_000);
    assert_eq!(window.bound(10_000), within(39_000 + 899, 40_000 + 1_001));
}

#[test]
fn what_a_leap_second_leaves_open_moves_both_ends_outward() {
    let mut window = exact();
    window.add(&facts(1_000, 1_000, 1_001, 1_000));
    let Bound::Within { earliest_ns, latest_ns } = window.bound(2_000) else { panic!() };
    window.window.widen_by((5, 7));
    assert_eq!(window.bound(2_000), within(earliest_ns - 5, latest_ns + 7));
    window.window.widen_by((0, i64::MAX));
    assert_eq!(window.bound(2_000), Bound::Silent, "what does not fit says nothing");
}

proptest! {
    #[test]
    fn the_bound_is_its_definition_and_holds_truth(
        exchanges in prop::collection::vec((1u64..1 << 30, 0u64..1 << 24, 0u64..1 << 24, 0i64..1000, 0i64..1000), 1..12),
        later in 0u64..1 << 30, rate in -300_000i128..=300_000,
    ) {
        // truth(c) = c * (1 + rate) exactly, floor for a lower and ceil for an upper fact.
        let scaled = |c: u64| i128::from(c) * (1_000_000_000 + rate);
        let (down, up) = (|c| scaled(c).div_euclid(1_000_000_000) as i64, |c| -(-scaled(c)).div_euclid(1_000_000_000) as i64);
        let mut window = Aged::new(ageing(), u64::MAX);
        let mut all = Vec::new();
        for (c1, out, back, slack_up, slack_down) in exchanges {
            let c4 = c1 + out + back;
            let row = (c1, up(c1) + out as i64 + slack_up, c4, down(c4) - back as i64 - slack_down);
            window.add(&facts(row.0, row.1, row.2, row.3));
            all.push(row);
        }
        let now = (1 << 31) + later;
        let Bound::Within { earliest_ns, latest_ns } = window.bound(now) else { panic!("honest facts agree") };
        prop_assert!(earliest_ns <= down(now) && up(now) <= latest_ns);
        let (earliest, latest) = naive(&all, now);
        // The slopes round by less than 2^-40 per tick: under a nanosecond and rounding here.
        prop_assert!((earliest - earliest_ns).abs() <= 1 && (latest - latest_ns).abs() <= 1);
        prop_assert!(earliest_ns <= earliest && latest <= latest_ns, "outward of the definition");
    }
}
