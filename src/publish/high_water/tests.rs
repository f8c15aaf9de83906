//! The high-water mark on one thread: its laws and its ends; then distinct timestamps on real
//! threads.

use super::*;
use std::thread;

#[test]
fn the_candidate_is_given_out_if_it_is_above_the_mark() {
    let mark = HighWater::new();
    assert_eq!(mark.next(-5, i64::MAX), Ok(-5));
    assert_eq!(mark.next(10, i64::MAX), Ok(10));
    assert_eq!(mark.get(), 10);
}

#[test]
fn one_above_the_mark_is_given_out_if_the_candidate_is_not() {
    let mark = HighWater::new();
    mark.raise(10);
    assert_eq!(mark.next(10, i64::MAX), Ok(11));
    assert_eq!(mark.next(-3, i64::MAX), Ok(12));
}

#[test]
fn above_the_limit_nothing_is_given_out_and_the_mark_stays() {
    let mark = HighWater::new();
    mark.raise(10);
    assert_eq!(mark.next(20, 19), Err(20));
    assert_eq!(mark.next(5, 10), Err(11));
    assert_eq!(mark.get(), 10);
    assert_eq!(mark.next(5, 11), Ok(11));
}

#[test]
fn after_the_last_number_nothing_is_given_out() {
    let mark = HighWater::new();
    assert_eq!(mark.next(i64::MAX, i64::MAX), Ok(i64::MAX));
    assert_eq!(mark.next(0, i64::MAX), Err(i64::MAX));
    assert_eq!(mark.get(), i64::MAX);
}

#[test]
fn the_sign_of_an_empty_mark_is_never_given_out() {
    assert_eq!(HighWater::new().next(i64::MIN, i64::MAX), Ok(i64::MIN + 1));
    assert_eq!(HighWater::new().next(i64::MIN, i64::MIN), Err(i64::MIN + 1));
}

#[test]
fn raise_never_lowers() {
    let mark = HighWater::new();
    mark.raise(7);
    mark.raise(3);
    assert_eq!(mark.get(), 7);
}

#[test]
fn no_timestamp_is_given_out_twice_on_real_threads() {
    const EACH: i64 = if cfg!(miri) { 100 } else { 50_000 };
    let mark = HighWater::new();
    let take = || {
        let taken: Vec<i64> = (0..EACH).map(|i| mark.next(i / 2, i64::MAX).unwrap()).collect();
        assert!(taken.is_sorted_by(|a, b| a < b));
        taken
    };
    let mut all = thread::scope(|scope| {
        let takers = [scope.spawn(take), scope.spawn(take)];
        takers.map(|taker| taker.join().unwrap()).concat()
    });
    let given_out = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), given_out);
    assert_eq!(all.last(), Some(&mark.get()));
}
