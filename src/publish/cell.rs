//! The cell: N words from one writer to any number of readers, whole, and in force when the reader
//! looked at its counter.
//!
//! A latch: two copies of the words and one stamp, the number of the last publication. Publication
//! m stands in copy m & 1, so the writer fills the copy that readers are *not* sent to, and then
//! sends them there by storing the stamp.
//!
//! The reader:
//! 1. loads the stamp, s;
//! 2. calls the caller's `read`, which looks at the counter;
//! 3. loads the words of copy s & 1: those of publication s, or, if s + 1 is complete by now and
//!    the writer fills this copy again, any mixture of s and later ones;
//! 4. loads the stamp again. Still s: the words are those of s and s was the last publication while
//!    `read` ran. Changed: begins again.
//!
//! The writer of publication m:
//! 1. stores the words in copy m & 1. A reader at stamp m - 1 does not look there. A reader still
//!    at stamp m - 2 does, and will find a changed stamp in its step 4;
//! 2. stores the stamp m.
//!
//! What a reader may observe: the words of one publication, whole; never older than a publication
//! that `read` observed (a `read` that sees what the writer did after publishing m returns with
//! words of m or later); never newer than what `read` can observe (what the writer did before
//! publishing these words is visible to it); never older than what this reader loaded before.
//!
//! The promise of progress: the writer never waits. A reader begins again only when a publication
//! was *completed* between its two looks, so at most once for each; a writer stopped anywhere, for
//! any time, or dead, holds up nobody. Only a reader whose every section spans the end of a
//! publication would not end; this cell is for publications that are rare.
//!
//! What this file does not do: keep the look at the counter between the two looks at the stamp. A
//! counter is not memory, no fence of the language orders it; the code in `read` has to
//! (`counter/hardware` does, from the stamp it is given). Nor does it tell apart a stamp from the
//! same stamp 2^64 publications later.
//!
//! Every ordering below has a model in `cell/loom_models.rs` that fails without it.

use super::atomics::{AtomicU64, Ordering, Step, checked_at, fence_at, ordering_at};
use std::sync::Arc;

/// What the readers hold.
#[derive(Debug)]
pub(crate) struct Cell<const N: usize> {
    copies: [Lines<N>; 2],
    /// The number of the last publication. On a cache line without words, for the alignment of
    /// `copies` is its own too.
    stamp: AtomicU64,
}

/// One copy, on cache lines of its own: the writer filling it does not disturb the readers of the
/// other.
#[derive(Debug)]
#[repr(align(64))]
struct Lines<const N: usize>([AtomicU64; N]);

/// What the writer holds. There is one, not Clone, and it publishes by `&mut`: a single writer by
/// ownership.
#[derive(Debug)]
pub(crate) struct Publisher<const N: usize> {
    cell: Arc<Cell<N>>,
    /// What the cell's stamp is; nobody else stores it.
    last: u64,
}

/// A cell that holds these words, and its writer.
pub(crate) fn channel<const N: usize>(words: [u64; N]) -> (Publisher<N>, Arc<Cell<N>>) {
    channel_at(0, words)
}

/// The same, with the number of the first publication: tests stand it before the wrap.
fn channel_at<const N: usize>(stamp: u64, words: [u64; N]) -> (Publisher<N>, Arc<Cell<N>>) {
    let copies = [words, words].map(|copy| Lines(copy.map(AtomicU64::new)));
    let cell = Arc::new(Cell { copies, stamp: AtomicU64::new(stamp) });
    (Publisher { cell: Arc::clone(&cell), last: stamp }, cell)
}

impl<const N: usize> Cell<N> {
    /// The words in force when `read` ran, with what it returned.
    ///
    /// `read` runs once for each try, and the result of the last one counts.
    #[inline]
    pub(crate) fn load_with<R>(&self, read: impl FnMut(u64) -> R) -> ([u64; N], R) {
        self.load_first_with(read)
    }

    /// The first M words, likewise. `read` is given the stamp, so that it can look at the counter
    /// after that load.
    #[inline]
    pub(crate) fn load_first_with<const M: usize, R>(
        &self,
        mut read: impl FnMut(u64) -> R,
    ) -> ([u64; M], R) {
        const { assert!(M <= N) };
        loop {
            // Acquire, pairs with the Release store of the stamp in `publish`: the words of s, and
            // what the writer did before them, are visible. Weaker: the words may be older than s,
            // or a mixture, under a stamp that holds.
            let stamp = self.stamp.load(ordering_at(Step::FirstLook, Ordering::Acquire));

            // Before the words, so that they need not be kept over it.
            let reading = read(stamp);

            // Relaxed: the load before orders them from below, the fence after them from above.
            // Nothing is weaker.
            let copy = self.copy(stamp);
            let words = std::array::from_fn(|at| copy[at].load(Ordering::Relaxed));

            // Acquire, pairs with the Release fence in `publish`: who has read a word of a
            // publication after s reads a stamp after s below. Without it the second load may be
            // satisfied before the words: torn under a stamp that holds.
            fence_at(Step::ReaderFence, Ordering::Acquire);
            // Relaxed: ordered after the words by the fence, and after the first load by coherence.
            // Nothing is read behind it that an Acquire could order.
            let changed = self.stamp.load(Ordering::Relaxed) != stamp;
            if !(changed && checked_at(Step::SecondLook)) {
                return (words, reading);
            }
        }
    }

    /// The number of the last publication. A load after this on the same thread is not older.
    #[inline]
    pub(crate) fn stamp(&self) -> u64 {
        // Acquire, pairs with the Release store of the stamp in `publish`: who sees m sees what the
        // writer did before publishing it, as with `load_with`. Weaker: a number that promises
        // something not yet visible.
        self.stamp.load(ordering_at(Step::StampAlone, Ordering::Acquire))
    }

    #[inline]
    fn copy(&self, stamp: u64) -> &[AtomicU64; N] {
        &self.copies[usize::from(stamp & 1 == 1)].0
    }
}

impl<const N: usize> Publisher<N> {
    /// Puts these words in force.
    pub(crate) fn publish(&mut self, words: [u64; N]) {
        self.publish_in_steps(words, || ());
    }

    /// Publishes, and calls after every store: there a test looks at what a stopped writer leaves.
    fn publish_in_steps(&mut self, words: [u64; N], mut after_store: impl FnMut()) {
        // Wraps after 2^64 - 1, which is odd, to 0, which is even: the copies go on alternating.
        let stamp = self.last.wrapping_add(1);

        // Release, pairs with the Acquire fence in `load_with`: puts the store of the stamp before
        // this one (made at the end of the last call) in front of the words below. Without it a
        // reader at the stamp before last may see these words and still its old stamp: torn under a
        // stamp that holds.
        fence_at(Step::WriterFence, Ordering::Release);
        for (copy, word) in self.cell.copy(stamp).iter().zip(words) {
            // Relaxed: the fence before orders them from below, the store after them from above.
            // Nothing is weaker.
            copy.store(word, Ordering::Relaxed);
            after_store();
        }

        // Release, pairs with the Acquire loads of the stamp in `load_with` and `stamp`: the words
        // go before it. Weaker: readers are sent to a copy whose words are not there yet.
        self.cell.stamp.store(stamp, ordering_at(Step::StampStore, Ordering::Release));
        self.last = stamp;
        after_store();
    }
}

#[cfg(all(test, sureclock_loom))]
mod loom_models;
#[cfg(all(test, not(sureclock_loom)))]
mod tests;
