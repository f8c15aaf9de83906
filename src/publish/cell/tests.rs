//! The cell on one thread, step by step, and on real threads for a bounded time.

use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// Under Miri a write takes a millisecond.
const WRITES: u64 = if cfg!(miri) { 200 } else { 200_000 };
/// How far the writer of the stress test may be ahead of its slowest reader. Much more, and an
/// optimized writer is done before a reader has seen two publications; much less, and the test
/// waits for the scheduler.
const LEAD: u64 = if cfg!(miri) { 20 } else { 2_000 };

/// Loads, and says how many tries it took.
fn load_counting<const N: usize>(cell: &Cell<N>) -> ([u64; N], u32) {
    let mut tries = 0;
    cell.load_with(|_| {
        tries += 1;
        tries
    })
}

/// Whoever looks after each store of each publication sees old words whole, then new words whole,
/// at the first try.
fn a_stopped_writer_holds_up_nobody(first: u64) {
    const N: usize = 3;
    let words = |publication: u64| [publication, publication ^ 1, !publication];
    let (mut publisher, cell) = channel_at(first, words(first));
    for back in 0..5_u64 {
        let (old, new) = (first.wrapping_add(back), first.wrapping_add(back).wrapping_add(1));
        let mut stores = 0;
        publisher.publish_in_steps(words(new), || {
            stores += 1;
            let in_force = if stores <= N { old } else { new };
            assert_eq!(load_counting(&cell), (words(in_force), 1));
            assert_eq!(cell.stamp(), in_force);
        });
        assert_eq!(stores, N + 1);
    }
}

#[test]
fn a_writer_stopped_after_any_store_holds_up_nobody() {
    a_stopped_writer_holds_up_nobody(0);
    a_stopped_writer_holds_up_nobody(1);
}

#[test]
fn the_stamp_wraps_and_nobody_notices() {
    for before_wrap in 0..4 {
        a_stopped_writer_holds_up_nobody(u64::MAX - before_wrap);
    }
}

#[test]
fn a_fresh_cell_holds_what_it_was_made_with() {
    let (_publisher, cell) = channel([7, 8]);
    assert_eq!(load_counting(&cell), ([7, 8], 1));
    assert_eq!(cell.stamp(), 0);
}

#[test]
fn a_publication_completed_while_reading_means_another_try() {
    for completed in 1..4 {
        let (mut publisher, cell) = channel([0, 0]);
        let mut tries = 0;
        let (words, reading) = cell.load_with(|_| {
            tries += 1;
            if tries == 1 {
                (1..=completed).for_each(|m| publisher.publish([m, m]));
            }
            tries
        });
        assert_eq!((words, reading), ([completed, completed], 2));
    }
}

#[test]
fn a_writer_that_dies_while_a_reader_reads_means_no_other_try() {
    const N: usize = 3;
    // After all N words, too: the stamp is what counts.
    for dies_after in 1..=N {
        let (mut publisher, cell) = channel([0; N]);
        publisher.publish([1; N]);
        let mut tries = 0;
        let (words, ()) = cell.load_with(|_| {
            tries += 1;
            let mut stores = 0;
            let death = catch_unwind(AssertUnwindSafe(|| {
                publisher.publish_in_steps([2; N], || {
                    stores += 1;
                    if stores == dies_after {
                        resume_unwind(Box::new("dead"));
                    }
                });
            }));
            assert!(death.is_err());
        });
        assert_eq!((words, tries), ([1; N], 1));
        assert_eq!(load_counting(&cell), ([1; N], 1));
        // Whoever catches that may go on: the publication was not counted.
        publisher.publish([3; N]);
        assert_eq!((load_counting(&cell), cell.stamp()), (([3; N], 1), 2));
    }
}

#[test]
fn copies_and_stamp_share_no_cache_line() {
    let (_publisher, cell) = channel([0; 12]);
    let line = |word: &AtomicU64| std::ptr::from_ref(word).addr() / 64;
    let mut lines: Vec<Vec<usize>> =
        cell.copies.iter().map(|copy| copy.0.iter().map(line).collect()).collect();
    lines.push(vec![line(&cell.stamp)]);
    lines.iter_mut().for_each(Vec::dedup);
    // 12 words of 8 bytes are a line and a half.
    assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    let mut all = lines.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 5);
}

#[test]
fn words_stay_whole_and_never_go_back_on_real_threads() {
    let whole = |m: u64| -> [u64; 12] {
        let (mut word, odd) = (m, 0x9e37_79b9_7f4a_7c15);
        std::array::from_fn(|_| {
            word = word.wrapping_mul(odd) ^ m;
            word
        })
    };
    let (mut publisher, cell) = channel(whole(0));
    let seen = [AtomicU64::new(0), AtomicU64::new(0)];
    let reader = |seen: &AtomicU64| {
        let (mut newest, mut distinct) = (0, 0_u64);
        while newest < WRITES {
            let before = cell.stamp();
            // What the reading is of: the stamp seen inside the section is the one of the words.
            let (words, inside) = cell.load_with(|_| cell.stamp());
            assert_eq!(words, whole(inside));
            assert!(newest <= before && before <= inside && inside <= cell.stamp());
            distinct += u64::from(newest != inside);
            newest = inside;
            seen.store(newest, Ordering::Relaxed);
        }
        distinct
    };
    thread::scope(|scope| {
        let readers = seen.each_ref().map(|seen| scope.spawn(move || reader(seen)));
        for m in 1..=WRITES {
            while !readers.iter().any(|reader| reader.is_finished())
                && seen.iter().any(|seen| seen.load(Ordering::Relaxed) + LEAD < m)
            {
                thread::yield_now();
            }
            publisher.publish(whole(m));
        }
        for reader in readers {
            assert!(
                reader.join().unwrap() >= WRITES / LEAD,
                "the readers hardly ran beside the writer"
            );
        }
    });
    assert_eq!(load_counting(&cell), (whole(WRITES), 1));
}
