//! Models of the high-water mark, in every order loom can make, and their wrong twins: a change made of a load and a store.

use super::*;
use crate::publish::atomics::with_weakened;
use crate::publish::reserved::Reserved;
use loom::thread;
use std::sync::Arc;

type Next = fn(&HighWater, i64) -> i64;
/// As a hybrid clock does: above the mark and above what was received.
type Receive = fn(&HighWater, i64) -> i64;
type Raise = fn(&HighWater, i64);

fn next(mark: &HighWater, candidate: i64) -> i64 {
    mark.next(candidate, i64::MAX).expect("below the limit")
}

fn next_in_two_steps(mark: &HighWater, candidate: i64) -> i64 {
    let next = above(mark.0.load(Ordering::SeqCst), candidate, i64::MAX).expect("below the limit");
    mark.0.store(next, Ordering::SeqCst);
    next
}

fn receive(mark: &HighWater, remote: i64) -> i64 {
    mark.next_by(|last| last.max(remote).checked_add(1).ok_or(())).expect("below the limit")
}

fn receive_in_two_steps(mark: &HighWater, remote: i64) -> i64 {
    let next = mark.0.load(Ordering::SeqCst).max(remote) + 1;
    mark.0.store(next, Ordering::SeqCst);
    next
}

fn raise_in_two_steps(mark: &HighWater, timestamp: i64) {
    let last = mark.0.load(Ordering::SeqCst);
    mark.0.store(last.max(timestamp), Ordering::SeqCst);
}

/// Two threads take two timestamps each, with candidates of their own.
fn timestamps_are_distinct_and_rise(next: Next) {
    loom::model(move || {
        let mark = Arc::new(HighWater::new());
        let others_mark = Arc::clone(&mark);
        let other = thread::spawn(move || [next(&others_mark, 5), next(&others_mark, 5)]);
        let [a, b] = [next(&mark, 5), next(&mark, 6)];
        let [c, d] = other.join().expect("the other ends");
        assert!(a < b && c < d, "did not rise");
        assert!(a != c && a != d && b != c && b != d, "given out twice");
        assert_eq!(mark.get(), b.max(d), "the mark is not the highest");
    });
}

/// A thread raises to 10 and takes a timestamp, beside another that takes one: what the two got.
fn raise_and_take(next: Next, raise: Raise, others_candidate: i64, law: fn(i64, i64)) {
    loom::model(move || {
        let mark = Arc::new(HighWater::new());
        let others_mark = Arc::clone(&mark);
        let other = thread::spawn(move || next(&others_mark, others_candidate));
        raise(&mark, 10);
        let after_raise = next(&mark, 1);
        law(after_raise, other.join().expect("the other ends"));
    });
}

fn timestamps_are_above_what_was_raised(next: Next, raise: Raise) {
    raise_and_take(next, raise, 1, |after_raise, _| assert!(after_raise > 10, "not above what was raised"));
}

fn raising_hides_no_timestamp(next: Next, raise: Raise) {
    raise_and_take(next, raise, 11, |after_raise, others| assert!(after_raise != others, "given out twice"));
}

/// A hybrid clock: one thread receives a stamp and stamps its answer, another one stamps two events.
fn stamps_beside_a_receipt_are_distinct_and_rise(receive: Receive) {
    loom::model(move || {
        let mark = Arc::new(HighWater::new());
        let others_mark = Arc::clone(&mark);
        let other = thread::spawn(move || [next(&others_mark, 9), next(&others_mark, 9)]);
        let received = receive(&mark, 9);
        let answer = next(&mark, 5);
        let [a, b] = other.join().expect("the other ends");
        assert!(received > 9 && received < answer && a < b, "did not rise");
        assert!(received != a && received != b && answer != a && answer != b, "given out twice");
    });
}

#[test]
fn a_receipt_is_stamped_above_what_was_received_and_as_nothing_else_is() {
    stamps_beside_a_receipt_are_distinct_and_rise(receive);
}

#[test]
#[should_panic]
fn stamped_twice_or_backward_if_a_receipt_is_two_steps() {
    stamps_beside_a_receipt_are_distinct_and_rise(receive_in_two_steps);
}

/// A mark that one thread raised and then told of holds for the thread that was told.
#[test]
fn timestamps_are_above_what_another_thread_raised_and_told_of() {
    loom::model(|| {
        let mark = Arc::new(HighWater::new());
        let told = Arc::new(AtomicI64::new(0));
        let (others_mark, others_told) = (Arc::clone(&mark), Arc::clone(&told));
        let other = thread::spawn(move || {
            others_mark.raise(10);
            others_told.store(1, Ordering::Release);
        });
        if told.load(Ordering::Acquire) == 1 {
            assert!(mark.get() >= 10 && next(&mark, 1) > 10);
        }
        other.join().expect("the other ends");
        assert!(next(&mark, 1) > 10);
    });
}

#[test]
fn two_threads_take_distinct_rising_timestamps() {
    timestamps_are_distinct_and_rise(next);
}

#[test]
fn a_timestamp_is_above_what_was_raised() {
    timestamps_are_above_what_was_raised(next, HighWater::raise);
}

#[test]
fn a_raise_beside_a_taken_timestamp_does_not_hide_it() {
    raising_hides_no_timestamp(next, HighWater::raise);
}

#[test]
#[should_panic(expected = "given out twice")]
fn given_out_twice_if_next_is_two_steps() {
    timestamps_are_distinct_and_rise(next_in_two_steps);
}

#[test]
#[should_panic(expected = "not above what was raised")]
fn not_above_what_was_raised_if_next_is_two_steps() {
    timestamps_are_above_what_was_raised(next_in_two_steps, HighWater::raise);
}

#[test]
#[should_panic(expected = "given out twice")]
fn given_out_twice_if_raise_is_two_steps() {
    raising_hides_no_timestamp(next, raise_in_two_steps);
}

/// A new epoch begins, and a timestamp of it is taken and covered, beside another thread that takes or raises one of it. The file is
/// a word of the model: what is on the disk does not wait for anyone's memory.
fn what_leaves_in_the_new_epoch_is_on_the_disk(take: fn(&HighWater) -> i64) {
    loom::model(move || {
        let (mark, reserved) = (Arc::new(HighWater::new()), Arc::new(Reserved::new()));
        let file = Arc::new(std::sync::atomic::AtomicI64::new(1_000));
        mark.raise(900);
        reserved.raise(1_000);
        let (others_mark, others_reserved, others_file) = (Arc::clone(&mark), Arc::clone(&reserved), Arc::clone(&file));
        let other = thread::spawn(move || {
            let taken = take(&others_mark);
            if taken < 900 && others_reserved.covers(taken) {
                let on_disk = others_file.load(Ordering::SeqCst);
                assert!(on_disk >= taken, "{taken} left, and on the disk is {on_disk}");
            }
        });
        reserved.reset();
        mark.reset();
        let ahead = next(&mark, 5) + 1;
        file.store(ahead, Ordering::SeqCst);
        reserved.raise(ahead);
        other.join().expect("the other ends");
    });
}

fn take_at_8(mark: &HighWater) -> i64 {
    next(mark, 8)
}

fn raise_to_8(mark: &HighWater) -> i64 {
    // Of the new epoch if the mark is not that of the old one afterwards.
    mark.raise(8);
    mark.get()
}

#[test]
fn a_timestamp_taken_in_the_new_epoch_is_covered() {
    what_leaves_in_the_new_epoch_is_on_the_disk(take_at_8);
}

#[test]
fn a_timestamp_raised_to_in_the_new_epoch_is_covered() {
    what_leaves_in_the_new_epoch_is_on_the_disk(raise_to_8);
}

#[test]
#[should_panic(expected = "on the disk is")]
fn not_covered_if_the_reset_does_not_release() {
    with_weakened(Step::EpochReset, || what_leaves_in_the_new_epoch_is_on_the_disk(take_at_8));
}

#[test]
#[should_panic(expected = "on the disk is")]
fn not_covered_if_taking_does_not_acquire() {
    with_weakened(Step::TakeInEpoch, || what_leaves_in_the_new_epoch_is_on_the_disk(take_at_8));
}

#[test]
#[should_panic(expected = "on the disk is")]
fn not_covered_if_raising_does_not_acquire() {
    with_weakened(Step::RaiseInEpoch, || what_leaves_in_the_new_epoch_is_on_the_disk(raise_to_8));
}
