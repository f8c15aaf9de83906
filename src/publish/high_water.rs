//! The high-water mark: the highest commit or read timestamp given out, so that the next one is higher.
//!
//! One atomic word that only rises, but for `reset`. `next`: loads the mark, works out its timestamp, and exchanges the mark
//! for it if the mark is still what it was; otherwise with the newer mark again. `raise`: one atomic maximum. What they may
//! observe: all changes of the mark stand in one order, and an exchange or a maximum always acts on the last of them, so no
//! timestamp is given out twice and none is at or below one that was raised before. A mark merely loaded may be an old one.
//! The promise of progress: lock-free; a call of `next` tries again only because another call succeeded (or, on some
//! processors, because the exchange failed for no reason).
//!
//! The promise is about this one word, and the order of changes of one word holds at any ordering: who needs to see what the
//! holder of a lower timestamp wrote has a lock or a message for that. What does matter is that a change is one step, not a
//! load and a store. One thing is handed over through the mark: who takes a timestamp of a new epoch sees what was done before
//! its `reset`, above all that nothing is covered any more by what the old epoch reserved on the disk (`reserved`). So `reset`
//! releases, and what changes the mark acquires; changes in between keep up the chain, since each is one step. Models in
//! `high_water/loom_models.rs` fail without any of these.

use super::atomics::{AtomicI64, Ordering, Step, ordering_at};

/// The highest timestamp given out, in nanoseconds; `i64::MIN` for none.
#[derive(Debug)]
pub(crate) struct HighWater(AtomicI64);

impl HighWater {
    /// Nothing was given out yet.
    pub(crate) fn new() -> HighWater {
        HighWater(AtomicI64::new(NONE))
    }

    /// Gives out a timestamp: the candidate, or one above the mark if the mark is not below the candidate.
    ///
    /// # Errors
    ///
    /// What it would have been, if that is above `limit`, or if there is no number above the mark (then `i64::MAX`).
    /// The mark stays.
    #[inline]
    pub(crate) fn next(&self, candidate: i64, limit: i64) -> Result<i64, i64> {
        self.next_by(|last| above(last, candidate, limit))
    }

    /// Gives out what is proposed above the mark, and makes it the mark. Proposals are made again with a newer mark while others are faster.
    ///
    /// # Errors
    ///
    /// That of the proposal; the mark stays.
    #[inline]
    pub(crate) fn next_by<E>(&self, propose: impl Fn(i64) -> Result<i64, E>) -> Result<i64, E> {
        // Relaxed: a guess; an old mark fails the exchange. It does not refuse wrongly: an old mark is a lower one, or one
        // of the old epoch, whose `reset` this call does not come after.
        let mut last = self.0.load(Ordering::Relaxed);
        loop {
            let next = propose(last)?;
            // Acquire: pairs with `reset`. Relaxed where it fails: for other changes of this word their one order is enough.
            let acquire = ordering_at(Step::TakeInEpoch, Ordering::Acquire);
            match self.0.compare_exchange_weak(last, next, acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(next),
                Err(newer) => last = newer,
            }
        }
    }

    /// From now on only timestamps above this one are given out.
    pub(crate) fn raise(&self, timestamp: i64) {
        // Acquire: as the exchange in `next`.
        self.0.fetch_max(timestamp, ordering_at(Step::RaiseInEpoch, Ordering::Acquire));
    }

    /// The mark: not below any that this thread, or one it heard from, gave out or raised before.
    pub(crate) fn get(&self) -> i64 {
        // Relaxed: coherence alone makes what happened before visible; no ordering makes a load see the newest.
        self.0.load(Ordering::Relaxed)
    }

    /// Forgets what was given out: the one way down, for a new epoch.
    ///
    /// A `next` or `raise` at the same time falls into the old epoch or into the new one.
    pub(crate) fn reset(&self) {
        // Release: pairs with what changes the mark after it. An exchange that began before it fails.
        self.0.store(NONE, ordering_at(Step::EpochReset, Ordering::Release));
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
