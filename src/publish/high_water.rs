//! The high-water mark: the highest commit or read timestamp given out, so that the next one is
//! higher.
//!
//! One atomic word that only rises. `next`: loads the mark, works out its timestamp, and exchanges
//! the mark for it if the mark is still what it was; otherwise with the newer mark again. `raise`:
//! one atomic maximum. What they may observe: all changes of the mark stand in one order, and an
//! exchange or a maximum always acts on the last of them, so no timestamp is given out twice and
//! none is at or below one that was raised before. A mark merely loaded may be an old one. The
//! promise of progress: lock-free; a call of `next` tries again only because another call succeeded
//! (or, on some processors, because the exchange failed for no reason).
//!
//! The promise is about this one word, and the order of changes of one word holds at any ordering:
//! who needs to see what the holder of a lower timestamp wrote has a lock or a message for that.
//! What does matter is that a change is one step, not a load and a store. Models in
//! `high_water/loom_models.rs` fail without that.
//!
//! # A new epoch
//!
//! Each epoch has a word of its own ([`PerEpoch`](super::PerEpoch)), and so has what the mark's
//! file covers (`reserved`). Why a call that is held up over the beginning of an epoch does no
//! harm:
//!
//! 1. A call reads its interval and the number of the epoch from one publication.
//! 2. It works out its timestamp from that interval, and changes the words of that epoch alone.
//! 3. So the words of an epoch hold only what was worked out from intervals of that epoch.
//! 4. The file is written under a lock that remembers the highest epoch seen, and refuses a lower
//!    one.
//! 5. So once a timestamp of an epoch is in the file, no call of an earlier epoch changes the file.
//!
//! The words need no ordering between each other: a new epoch's begin at nothing given out and
//! nothing covered, whatever a thread has seen of the old ones.

use super::atomics::{AtomicI64, Ordering};

/// The highest timestamp given out, in nanoseconds; `i64::MIN` for none.
#[derive(Debug)]
pub(crate) struct HighWater(AtomicI64);

impl Default for HighWater {
    fn default() -> HighWater {
        HighWater::new()
    }
}

impl HighWater {
    /// Nothing was given out yet.
    pub(crate) fn new() -> HighWater {
        HighWater(AtomicI64::new(NONE))
    }

    /// Gives out a timestamp: the candidate, or one above the mark if the mark is not below the
    /// candidate.
    ///
    /// # Errors
    ///
    /// What it would have been, if that is above `limit`, or if there is no number above the mark
    /// (then `i64::MAX`). The mark stays.
    #[inline]
    pub(crate) fn next(&self, candidate: i64, limit: i64) -> Result<i64, i64> {
        self.next_by(|last| above(last, candidate, limit))
    }

    /// Gives out what is proposed above the mark, and makes it the mark. Proposals are made again
    /// with a newer mark while others are faster.
    ///
    /// # Errors
    ///
    /// That of the proposal; the mark stays.
    #[inline]
    pub(crate) fn next_by<E>(&self, propose: impl Fn(i64) -> Result<i64, E>) -> Result<i64, E> {
        // Relaxed: a guess; an old mark fails the exchange. It does not refuse wrongly: an old mark
        // is a lower one.
        let mut last = self.0.load(Ordering::Relaxed);
        loop {
            let next = propose(last)?;
            // Relaxed: for changes of this word their one order is enough.
            match self.0.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(next),
                Err(newer) => last = newer,
            }
        }
    }

    /// From now on only timestamps above this one are given out.
    pub(crate) fn raise(&self, timestamp: i64) {
        // Relaxed: as the exchange in `next`.
        self.0.fetch_max(timestamp, Ordering::Relaxed);
    }

    /// The mark: not below any that this thread, or one it heard from, gave out or raised before.
    pub(crate) fn get(&self) -> i64 {
        // Relaxed: coherence alone makes what happened before visible; no ordering makes a load see
        // the newest.
        self.0.load(Ordering::Relaxed)
    }
}

/// The timestamp after `last`, or what it would have been.
fn above(last: i64, candidate: i64, limit: i64) -> Result<i64, i64> {
    let next = last.checked_add(1).ok_or(i64::MAX)?.max(candidate);
    if next > limit { Err(next) } else { Ok(next) }
}

/// Below every timestamp that can be given out: `next` of it is at least one higher.
const NONE: i64 = i64::MIN;

#[cfg(all(test, sureclock_loom))]
mod loom_models;
#[cfg(all(test, not(sureclock_loom)))]
mod tests;
