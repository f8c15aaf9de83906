//! Fencing: a write carries a token, and the resource refuses the writes of whoever has been succeeded.
//!
//! A lease tells its holder that it is over; a holder that was paused between the look and the write does not hear it. So the resource
//! keeps who wrote last, in the order of the *sequence* numbers that a consensus store gave out with the lease, and checks it **in the same
//! atomic step as the write, and durable with it**. Pure: [`admit`] takes the state and a token and gives the state to store.
//!
//! | token beside the state | verdict |
//! |---|---|
//! | a lower sequence | [`Stale`](Rejected::Stale): a zombie |
//! | the same sequence, another holder | [`OtherHolder`](Rejected::OtherHolder): a clone, restored from before the grant |
//! | the same holder, a write number below the last | [`Replayed`](Rejected::Replayed) |
//! | the same write number, the same content | [`Admitted::Retry`]: it was written; answer as then |
//! | the same write number, other content | [`Conflicting`](Rejected::Conflicting): a clone, made while holding |
//! | a higher write number, or a higher sequence | [`Admitted::Write`]: store this state with the write |
//!
//! Rules for those who use it:
//!
//! - A new holder writes its [`barrier`](FencedWriter::barrier) to every shard **before it reads there**: otherwise a zombie may write after
//!   the read, to a shard that has not heard of the new holder.
//! - The sequence comes from a store that never gives one twice and never a lower one: etcd's revision, a row in a database.
//! - The nonce is drawn after the grant, so make the [`FencedWriter`] when the lease is granted, not before.
//! - A resource that is restored from a backup has forgotten who wrote last: begin it with [`FenceState::above`] the highest sequence that the
//!   store gave out.
//!
//! What it is not: a check beforehand. Nothing said about the future by anyone is true after a pause.
//!
//! # Source
//!
//! Kleppmann, *How to do distributed locking* (2016); Burrows, *The Chubby lock service* (2006), section 2.4, sequencers.

use parking_lot::{Mutex, MutexGuard};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::hash::Hasher as _;
use std::ops::{Deref, DerefMut};

/// What a write carries to its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use = "a write without its token is not fenced"]
pub struct FencingToken {
    /// The number that the lease came with: whoever came later has a higher one. From 1 to 2^64 - 2.
    pub sequence: u64,
    /// Drawn at random by the holder, after the grant.
    pub holder: u128,
    /// The holder's count of its writes; 0 is the barrier.
    pub write: u64,
    /// The [`digest`] of what is written.
    pub digest: u128,
}

/// What the resource keeps: the last token admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FenceState {
    /// The highest sequence; 0: none yet.
    pub sequence: u64,
    /// Its holder.
    pub holder: u128,
    /// That holder's last write.
    pub write: u64,
    /// What it wrote.
    pub digest: u128,
}

impl FenceState {
    /// Of a resource that nobody has written to: any sequence is admitted.
    pub const NEW: FenceState = FenceState::above(0);

    /// Of a resource that is restored from a backup, say: every sequence up to this one is refused, whoever has it.
    #[must_use]
    pub const fn above(sequence: u64) -> FenceState {
        // No holder draws 0, so the sequence itself is another holder's.
        FenceState { sequence, holder: 0, write: 0, digest: 0 }
    }
}

/// A write that may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Admitted {
    /// Write, and store this state in the same atomic step.
    Write(FenceState),
    /// It was written already: give the answer of then, and write nothing.
    Retry,
}

/// A write that must not happen. The holder has been succeeded, or there are two of it; it should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Rejected {
    /// A later holder has written, or has set its barrier.
    #[error("sequence {sequence} is below {highest}, which was seen already")]
    Stale {
        /// The token's.
        sequence: u64,
        /// The highest one seen.
        highest: u64,
    },
    /// Two holders have one sequence: one was restored from before the grant, or the store gave it out twice.
    #[error("sequence {sequence} belongs to another holder")]
    OtherHolder {
        /// The token's.
        sequence: u64,
    },
    /// An old write came late.
    #[error("write {write} is below {last}, which was made already")]
    Replayed {
        /// The token's.
        write: u64,
        /// The holder's last one.
        last: u64,
    },
    /// Two writes of one holder have one number and are not the same: it was cloned while it held.
    #[error("write {write} was made already, with other content")]
    Conflicting {
        /// The token's.
        write: u64,
    },
    /// 0 is no sequence, and after 2^64 - 1 there would be no successor.
    #[error("sequence {sequence} is outside of 1 to 2^64 - 2")]
    OutOfRange {
        /// The token's.
        sequence: u64,
    },
}

/// Decides on a write. Call it inside the transaction or compare-and-set that writes, with the state read in it, and store the new
/// state in it.
///
/// # Errors
///
/// [`Rejected`]: write nothing, change nothing.
///
/// ```
/// use sureclock::fence::{Admitted, FenceState, FencedWriter, Rejected, admit};
///
/// let mut state = FenceState::NEW; // stored with the resource
/// let (mut first, mut second) = (FencedWriter::new(7)?, FencedWriter::new(8)?);
/// for token in [first.token(b"a")?, second.barrier()] {
///     let Admitted::Write(new) = admit(&state, &token)? else { unreachable!("nothing is written twice here") };
///     state = new; // .. with the write, in one transaction
/// }
/// assert_eq!(admit(&state, &first.token(b"b")?), Err(Rejected::Stale { sequence: 7, highest: 8 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn admit(state: &FenceState, token: &FencingToken) -> Result<Admitted, Rejected> {
    let FencingToken { sequence, holder, write, digest } = *token;
    if sequence == 0 || sequence == u64::MAX {
        return Err(Rejected::OutOfRange { sequence });
    }
    if sequence < state.sequence {
        return Err(Rejected::Stale { sequence, highest: state.sequence });
    }
    if sequence == state.sequence {
        if holder != state.holder {
            return Err(Rejected::OtherHolder { sequence });
        }
        if write < state.write {
            return Err(Rejected::Replayed { write, last: state.write });
        }
        if write == state.write {
            return if digest == state.digest { Ok(Admitted::Retry) } else { Err(Rejected::Conflicting { write }) };
        }
    }
    Ok(Admitted::Write(FenceState { sequence, holder, write, digest }))
}

/// The digest of what is written: 128 bits, the same on every machine and in every version. It tells accidents apart, not forgeries.
///
/// # Source
///
/// SipHash-2-4 with 128 bits of output and a key of zeros; Aumasson and Bernstein (2012).
#[must_use]
pub fn digest(content: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write(content);
    hasher.finish128().as_u128()
}

/// A holder of a sequence: makes the token of each of its writes.
///
/// Not `Clone`: two of it would be two holders. One write number is one write, so a write that is sent again goes with its first token.
#[derive(Debug)]
pub struct FencedWriter {
    sequence: u64,
    holder: u128,
    writes: u64,
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FencingError {
    /// 0 is no sequence, and after 2^64 - 1 there would be no successor.
    #[error("sequence {sequence} is outside of 1 to 2^64 - 2")]
    OutOfRange {
        /// What was given.
        sequence: u64,
    },
    /// The write numbers of this holder are used up: acquire the lease anew.
    #[error("the write numbers are used up")]
    Exhausted,
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    NoRandom,
}

impl FencedWriter {
    /// A holder of `sequence`, which the lease was granted with. Draws its nonce now: call it after the grant.
    ///
    /// # Errors
    ///
    /// [`FencingError::OutOfRange`], [`FencingError::NoRandom`].
    pub fn new(sequence: u64) -> Result<FencedWriter, FencingError> {
        if sequence == 0 || sequence == u64::MAX {
            return Err(FencingError::OutOfRange { sequence });
        }
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| FencingError::NoRandom)?;
        // 0 is nobody.
        let holder = u128::from_ne_bytes(bytes).max(1);
        Ok(FencedWriter { sequence, holder, writes: 0 })
    }

    /// The token to be written to every shard before the first read there.
    pub fn barrier(&self) -> FencingToken {
        FencingToken { sequence: self.sequence, holder: self.holder, write: 0, digest: digest(&[]) }
    }

    /// The token of a new write of this content.
    ///
    /// # Errors
    ///
    /// [`FencingError::Exhausted`] after 2^64 - 1 writes.
    pub fn token(&mut self, content: &[u8]) -> Result<FencingToken, FencingError> {
        let write = self.writes.checked_add(1).ok_or(FencingError::Exhausted)?;
        self.writes = write;
        Ok(FencingToken { write, digest: digest(content), ..self.barrier() })
    }
}

/// A resource in this process's memory with its fence: written to only through a token that is admitted, and held meanwhile.
///
/// ```
/// use sureclock::fence::{Fence, FencedWriter};
///
/// let balance = Fence::new(100);
/// let (mut old, mut new) = (FencedWriter::new(1)?, FencedWriter::new(2)?);
/// let mut guard = balance.lock(&new.token(b"90")?)?;
/// *guard = 90;
/// guard.commit();
/// // The old holder wakes up.
/// assert!(balance.lock(&old.token(b"50")?).is_err());
/// assert_eq!(*balance.read(), 90);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Fence<R> {
    inner: Mutex<(FenceState, R)>,
}

impl<R> Fence<R> {
    /// A resource that nobody has written to.
    #[must_use]
    pub const fn new(resource: R) -> Fence<R> {
        Fence::with_state(FenceState::NEW, resource)
    }

    /// A resource with what is known of its writers.
    #[must_use]
    pub const fn with_state(state: FenceState, resource: R) -> Fence<R> {
        Fence { inner: Mutex::new((state, resource)) }
    }

    /// Holds the resource for the write of `token`. From now on every lower sequence is refused, also if the write is not committed.
    ///
    /// # Errors
    ///
    /// [`Rejected`].
    pub fn lock(&self, token: &FencingToken) -> Result<FenceGuard<'_, R>, Rejected> {
        let mut inner = self.inner.lock();
        let state = inner.0;
        let commit = match admit(&state, token)? {
            Admitted::Retry => None,
            Admitted::Write(new) => {
                if new.sequence > state.sequence {
                    // A barrier is all there is of the new holder yet.
                    inner.0 = FenceState { write: 0, digest: digest(&[]), ..new };
                }
                Some(new)
            }
        };
        Ok(FenceGuard { inner, commit })
    }

    /// Looks at the resource; nobody writes meanwhile.
    pub fn read(&self) -> impl Deref<Target = R> + '_ {
        MutexGuard::map(self.inner.lock(), |(_, resource)| resource)
    }

    /// The last token admitted.
    #[must_use]
    pub fn state(&self) -> FenceState {
        self.inner.lock().0
    }
}

/// The resource, held for one write.
#[derive(Debug)]
#[must_use = "the write counts when it is committed"]
pub struct FenceGuard<'a, R> {
    inner: MutexGuard<'a, (FenceState, R)>,
    /// What the state becomes; `None`: this write was made already.
    commit: Option<FenceState>,
}

impl<R> FenceGuard<'_, R> {
    /// Whether this very write was made already: change nothing, and answer as then.
    #[must_use]
    pub const fn is_retry(&self) -> bool {
        self.commit.is_none()
    }

    /// The write is made: its number is used up. A guard that is dropped without this leaves the number free, whatever was done
    /// to the resource.
    pub fn commit(mut self) {
        if let Some(state) = self.commit {
            self.inner.0 = state;
        }
    }
}

impl<R> Deref for FenceGuard<'_, R> {
    type Target = R;

    fn deref(&self) -> &R {
        &self.inner.1
    }
}

impl<R> DerefMut for FenceGuard<'_, R> {
    fn deref_mut(&mut self) -> &mut R {
        &mut self.inner.1
    }
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
