//! Models of the cell: one reader beside a writer of two publications of two words, in every order
//! loom can make, and for each ordering, fence and check of the proof one model that fails without
//! it. One model has three publications.
//!
//! Publication m has the words [m, m].

use super::*;
use crate::publish::atomics::with_weakened;
use loom::thread;

const PUBLICATIONS: u64 = 2;

/// A reader of the cell beside its writer, which calls `before` and `after` around each
/// publication.
fn reader_and_writer(
    reader: impl FnOnce(&Cell<2>) + Send + 'static,
    before: impl Fn(u64),
    after: impl Fn(u64),
) {
    reader_and_writer_of(PUBLICATIONS, reader, before, after);
}

fn reader_and_writer_of(
    publications: u64,
    reader: impl FnOnce(&Cell<2>) + Send + 'static,
    before: impl Fn(u64),
    after: impl Fn(u64),
) {
    let (mut publisher, cell) = channel([0, 0]);
    let readers_cell = Arc::clone(&cell);
    let reader = thread::spawn(move || reader(&readers_cell));
    for m in 1..=publications {
        before(m);
        publisher.publish([m, m]);
        after(m);
    }
    reader.join().expect("the reader ends");
    assert_eq!(
        cell.load_with(|_| ()).0,
        [publications; 2],
        "the newest is not seen after the join"
    );
}

fn words_are_whole() {
    loom::model(|| one_load_is_whole(PUBLICATIONS));
}

fn one_load_is_whole(publications: u64) {
    let reader = move |cell: &Cell<2>| {
        let mut tries = 0;
        let ([a, b], ()) = cell.load_with(|_| tries += 1);
        assert!(a == b, "torn");
        assert!(tries <= 1 + publications, "more tries than publications account for");
    };
    reader_and_writer_of(publications, reader, |_| (), |_| ());
}

/// How a model reads the cell and its stand-in for the counter: the first word and the reading.
type Load = fn(&Cell<2>, &dyn Fn() -> u64) -> (u64, u64);

fn read_inside(cell: &Cell<2>, read: &dyn Fn() -> u64) -> (u64, u64) {
    let ([word, _], reading) = cell.load_with(|_| read());
    (word, reading)
}

fn read_behind(cell: &Cell<2>, read: &dyn Fn() -> u64) -> (u64, u64) {
    let ([word, _], ()) = cell.load_with(|_| ());
    (word, read())
}

fn read_ahead(cell: &Cell<2>, read: &dyn Fn() -> u64) -> (u64, u64) {
    let reading = read();
    let ([word, _], ()) = cell.load_with(|_| ());
    (word, reading)
}

/// The reading is the number of the last publication that the writer was done with. Its load is
/// Relaxed: what `read` observed has to hold by the cell's own fence, not by an Acquire that `read`
/// happens to bring.
fn not_older_than_observed(load: Load) {
    loom::model(move || {
        let done = Arc::new(AtomicU64::new(0));
        let readers_done = Arc::clone(&done);
        let reader = move |cell: &Cell<2>| {
            let (word, observed) = load(cell, &|| readers_done.load(Ordering::Relaxed));
            assert!(word >= observed, "older than observed");
        };
        reader_and_writer(reader, |_| (), |m| done.store(m, Ordering::Release));
    });
}

/// The reading is the number of the last publication that the writer had begun.
fn not_newer_than_begun(load: Load) {
    loom::model(move || {
        let begun = Arc::new(AtomicU64::new(0));
        let readers_begun = Arc::clone(&begun);
        let reader = move |cell: &Cell<2>| {
            let (word, observed) = load(cell, &|| readers_begun.load(Ordering::Relaxed));
            assert!(word <= observed, "newer than begun");
        };
        reader_and_writer(reader, |m| begun.store(m, Ordering::Relaxed), |_| ());
    });
}

fn the_stamp_alone_promises_what_came_before() {
    loom::model(|| {
        let begun = Arc::new(AtomicU64::new(0));
        let readers_begun = Arc::clone(&begun);
        let reader = move |cell: &Cell<2>| {
            let stamp = cell.stamp();
            assert!(stamp <= readers_begun.load(Ordering::Relaxed), "newer than begun");
            assert!(stamp <= cell.load_with(|_| ()).0[0], "a load went back behind the stamp");
        };
        reader_and_writer(reader, |m| begun.store(m, Ordering::Relaxed), |_| ());
    });
}

fn loads_never_go_back() {
    loom::model(|| {
        let reader = |cell: &Cell<2>| {
            let ([first, _], ()) = cell.load_with(|_| ());
            let ([second, _], ()) = cell.load_with(|_| ());
            assert!(first <= second, "went back");
        };
        reader_and_writer(reader, |_| (), |_| ());
    });
}

#[test]
fn words_are_never_torn() {
    words_are_whole();
}

#[test]
fn words_are_never_torn_over_three_publications() {
    loom::model(|| one_load_is_whole(3));
}

#[test]
fn words_are_never_older_than_a_publication_that_read_observed() {
    not_older_than_observed(read_inside);
}

#[test]
fn words_are_never_newer_than_what_read_can_observe() {
    not_newer_than_begun(read_inside);
}

#[test]
fn a_stamp_alone_promises_what_came_before_it() {
    the_stamp_alone_promises_what_came_before();
}

#[test]
fn successive_loads_never_go_back() {
    loads_never_go_back();
}

#[test]
#[should_panic(expected = "torn")]
fn torn_without_the_first_acquire() {
    with_weakened(Step::FirstLook, words_are_whole);
}

#[test]
#[should_panic(expected = "torn")]
fn torn_without_the_readers_fence() {
    with_weakened(Step::ReaderFence, words_are_whole);
}

#[test]
#[should_panic(expected = "torn")]
fn torn_without_the_second_read() {
    with_weakened(Step::SecondLook, words_are_whole);
}

#[test]
#[should_panic(expected = "torn")]
fn torn_without_the_writers_fence() {
    with_weakened(Step::WriterFence, words_are_whole);
}

#[test]
#[should_panic(expected = "torn")]
fn torn_without_the_release_of_the_stamp() {
    with_weakened(Step::StampStore, words_are_whole);
}

#[test]
#[should_panic(expected = "went back")]
fn loads_go_back_without_the_first_acquire() {
    with_weakened(Step::FirstLook, loads_never_go_back);
}

#[test]
#[should_panic(expected = "older than observed")]
fn older_than_observed_without_the_second_read() {
    with_weakened(Step::SecondLook, || not_older_than_observed(read_inside));
}

#[test]
#[should_panic(expected = "older than observed")]
fn older_than_observed_without_the_readers_fence() {
    with_weakened(Step::ReaderFence, || not_older_than_observed(read_inside));
}

#[test]
#[should_panic(expected = "older than observed")]
fn older_than_observed_if_read_runs_behind_the_section() {
    not_older_than_observed(read_behind);
}

#[test]
#[should_panic(expected = "newer than begun")]
fn newer_than_begun_if_read_runs_ahead_of_the_section() {
    not_newer_than_begun(read_ahead);
}

#[test]
#[should_panic(expected = "newer than begun")]
fn newer_than_begun_without_the_first_acquire() {
    with_weakened(Step::FirstLook, || not_newer_than_begun(read_inside));
}

#[test]
#[should_panic(expected = "newer than begun")]
fn newer_than_begun_without_the_acquire_of_a_stamp_alone() {
    with_weakened(Step::StampAlone, the_stamp_alone_promises_what_came_before);
}
