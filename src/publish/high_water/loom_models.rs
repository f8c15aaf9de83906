//! Models of the high-water mark, in every order loom can make, and their wrong twins: a change
//! made of a load and a store.

use super::*;
use crate::publish::per_epoch::PerEpoch;
use crate::publish::reserved::{Reserved, Turn};
use loom::sync::Mutex;
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
    raise_and_take(next, raise, 1, |after_raise, _| {
        assert!(after_raise > 10, "not above what was raised")
    });
}

fn raising_hides_no_timestamp(next: Next, raise: Raise) {
    raise_and_take(next, raise, 11, |after_raise, others| {
        assert!(after_raise != others, "given out twice")
    });
}

/// A hybrid clock: one thread receives a stamp and stamps its answer, another one stamps two
/// events.
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
fn timestamps_are_above_what_another_thread_raised_and_announced() {
    loom::model(|| {
        let mark = Arc::new(HighWater::new());
        let announced = Arc::new(AtomicI64::new(0));
        let (others_mark, others_announced) = (Arc::clone(&mark), Arc::clone(&announced));
        let other = thread::spawn(move || {
            others_mark.raise(10);
            others_announced.store(1, Ordering::Release);
        });
        if announced.load(Ordering::Acquire) == 1 {
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

/// The words of a clock's epochs; in the twins all epochs share one.
#[derive(Clone)]
struct Words {
    marks: Arc<PerEpoch<HighWater>>,
    reserved: Arc<PerEpoch<Reserved>>,
    /// What is on the disk, and whose turn it is.
    file: Arc<Mutex<(Turn, i64)>>,
    each_has_its_own: bool,
}

impl Words {
    fn new(each_has_its_own: bool) -> Words {
        let file = Arc::new(Mutex::new((Turn::first(None), i64::MIN)));
        let (marks, reserved) = (Arc::new(PerEpoch::new()), Arc::new(PerEpoch::new()));
        // Made before the threads are: loom does not know the order that std's `OnceLock` makes.
        for epoch in 0..2 {
            let _: (&HighWater, &Reserved) = (marks.of(epoch), reserved.of(epoch));
        }
        Words { marks, reserved, file, each_has_its_own }
    }

    fn epoch(&self, epoch: u32) -> u32 {
        if self.each_has_its_own { epoch } else { 0 }
    }

    fn take(&self, epoch: u32, latest: i64) -> Result<i64, i64> {
        self.marks.of(self.epoch(epoch)).next(latest, latest + 10)
    }

    /// Writes the file as `MarkFile` does. False: it was not this epoch's turn.
    fn cover(&self, epoch: u32, ns: i64) -> bool {
        let reserved = self.reserved.of(self.epoch(epoch));
        if reserved.covers(ns) {
            return true;
        }
        let mut file = self.file.lock().expect("no model panics with it");
        let Some(reserve) = file.0.take(self.epoch(epoch), ns + 1) else { return false };
        file.1 = reserve;
        reserved.raise(reserve);
        true
    }

    fn on_disk(&self) -> i64 {
        self.file.lock().expect("no model panics with it").1
    }
}

/// A call of epoch 0, whose interval was ahead, is held up while epoch 1 begins and gives out a
/// timestamp.
fn a_call_held_up_over_a_new_epoch_changes_nothing_of_it(each_has_its_own: bool) {
    loom::model(move || {
        let words = Words::new(each_has_its_own);
        let late = words.clone();
        let other = thread::spawn(move || late.take(0, 1_000));
        words.take(1, 5).expect("the new epoch is refused what the old one gave out");
        let _ = other.join().expect("the other ends");
    });
}

/// The same with the file.
#[test]
fn a_call_that_was_held_up_does_not_write_the_new_epochs_file() {
    loom::model(move || {
        let words = Words::new(true);
        let late = words.clone();
        let other = thread::spawn(move || {
            let ahead = late.take(0, 1_000);
            ahead.is_ok_and(|ahead| late.cover(0, ahead))
        });
        let taken = words.take(1, 5).expect("the new epoch is refused what the old one gave out");
        assert!(words.cover(1, taken), "the new epoch may not write the file");
        let on_disk = words.on_disk();
        assert!(taken <= on_disk, "{taken} left, and on the disk is {on_disk}");
        other.join().expect("the other ends");
        assert!(words.on_disk() < 1_000, "the old epoch has written the file of the new one");
    });
}

#[test]
fn a_new_epoch_is_not_touched_by_a_call_that_was_held_up() {
    a_call_held_up_over_a_new_epoch_changes_nothing_of_it(true);
}

#[test]
#[should_panic(expected = "the new epoch is refused what the old one gave out")]
fn refused_for_ever_if_both_epochs_share_a_mark() {
    a_call_held_up_over_a_new_epoch_changes_nothing_of_it(false);
}

/// The twin of the turn: whoever comes last writes the file.
#[test]
#[should_panic(expected = "the old epoch has written the file")]
fn the_file_is_of_the_old_epoch_if_a_held_up_call_may_write_it() {
    loom::model(|| {
        let file = Arc::new(Mutex::new(i64::MIN));
        let late = Arc::clone(&file);
        let other = thread::spawn(move || *late.lock().expect("no panic with it") = 1_001);
        *file.lock().expect("no panic with it") = 6;
        other.join().expect("the other ends");
        let on_disk = *file.lock().expect("no panic with it");
        assert!(on_disk < 1_000, "the old epoch has written the file of the new one");
    });
}

/// Two threads of one new epoch: what one of them finds covered is on the disk.
fn what_leaves_is_on_the_disk(cover: fn(&Words, u32, i64) -> bool) {
    loom::model(move || {
        let words = Words::new(true);
        let others = words.clone();
        let other = thread::spawn(move || {
            let taken = others.take(1, 8).expect("within the limit");
            if others.reserved.of(1).covers(taken) {
                let on_disk = others.on_disk();
                assert!(on_disk >= taken, "{taken} left, and on the disk is {on_disk}");
            }
        });
        cover(&words, 1, 20);
        other.join().expect("the other ends");
    });
}

#[test]
fn what_is_covered_is_on_the_disk() {
    what_leaves_is_on_the_disk(Words::cover);
}

#[test]
#[should_panic(expected = "on the disk is")]
fn not_on_the_disk_if_it_is_covered_before_it_is_written() {
    what_leaves_is_on_the_disk(|words, epoch, ns| {
        words.reserved.of(epoch).raise(ns);
        words.cover(epoch, ns + 1)
    });
}
