//! Fencing: a write carries a token, and the resource refuses the writes of whoever has been
//! succeeded.
//!
//! A lease tells its holder that it is over; a holder that was paused between the look and the
//! write does not hear it. So the resource keeps who wrote last, in the order of the *sequence*
//! numbers that a consensus store gave out with the lease, and checks it **in the same atomic step
//! as the write, and durable with it**. Pure: [`admit`] takes the state and a token and gives the
//! state to store.
//!
//! | token beside the state | verdict |
//! |---|---|
//! | of another resource | [`OtherResource`](Rejected::OtherResource) |
//! | a sequence more than 2^40 above the highest seen | [`TooFarAhead`](Rejected::TooFarAhead) |
//! | a lower sequence | [`Stale`](Rejected::Stale): a zombie |
//! | a higher sequence, a [barrier](FencedWriter::barrier) | [`Admitted::Write`]: store this state; from now on nobody of before is admitted |
//! | a higher sequence, a write | [`NoBarrier`](Rejected::NoBarrier) |
//! | the same sequence, another holder | [`OtherHolder`](Rejected::OtherHolder): a clone, restored from before the nonce was drawn |
//! | the last write again, the same token | [`Admitted::Retry`]: it was made; answer as then |
//! | the next write, on top of the last one | [`Admitted::Write`]: store this state with the write |
//! | the next write or the last one, but not the same chain | [`Conflicting`](Rejected::Conflicting): a clone, made while holding |
//! | a write before the last | [`Replayed`](Rejected::Replayed) |
//! | a write after the next | [`Gap`](Rejected::Gap): the one before it has not arrived; send that first |
//!
//! The writes of one holder to one resource are a chain: each token names the one before it. Two
//! copies of one holder go on from the same token; as soon as one of them has written, what the
//! other sends has a number that is taken, or names a token that is not the last. So whatever a
//! copy gets in is on top of writes that it knows. A number that has only to be higher does not do:
//! a copy that had written elsewhere meanwhile had a higher one, and wrote over what it had not
//! seen.
//!
//! Rules for those who use it:
//!
//! - A new holder writes its barrier to every shard **before it reads there**: otherwise a zombie
//!   may write after the read, to a shard that has not heard of the new holder.
//! - A write whose outcome is unknown is sent again with its token before the next one; a holder
//!   that cannot go on acquires a new sequence. If it is rejected then, it is still unknown: it may
//!   have been made before a successor came. Do not tell a client that it failed.
//! - Copies are told apart by the system's random numbers and by what they write. A virtual machine
//!   that is copied needs a kernel that draws afresh then (Linux with a VM generation device);
//!   without it, two copies that write the same content look like one that asks again.
//! - The sequence comes from a store that never gives one twice and never a lower one: etcd's
//!   revision, a row in a database.
//! - The nonce is drawn after the grant, so make the [`FencingHolder`] when the lease is granted,
//!   not before.
//! - A resource that is restored from a backup has forgotten who wrote last: begin it with
//!   [`FenceState::above`] the highest sequence that the store gave out.
//!
//! A barrier keeps everybody with a lower sequence out, so one that is too high locks the resource.
//! At most 2^40 above the highest sequence seen is admitted ([`FenceState::MOST_AHEAD`]). Whoever
//! may send tokens can still go so far; the way out is to set the state to [`FenceState::above`]
//! what the store truly gave out.
//!
//! What it is not: a signature. It holds off accidents, not forgers: old, late, doubled,
//! misdirected writes of holders that mean well. Nor a check beforehand. Nothing said about the
//! future by anyone is true after a pause.
//!
//! # References
//!
//! Kleppmann, *How to do distributed locking* (2016); Burrows, *The Chubby lock service* (2006),
//! section 2.4, sequencers.

mod memory;
#[cfg(feature = "serde")]
mod read;

pub use memory::{Fence, FenceGuard, Locked};

use crate::random;
use crate::resource::ResourceName;
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::cmp::Ordering;
use std::hash::Hasher as _;

/// What a write carries to its resource.
///
/// Against accidents, not forgers: nothing in it is a secret or signed. Whoever may send tokens to
/// a resource, or has seen one, can make one that is admitted. Let in only those that may write,
/// and keep tokens off paths where others change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use = "a write without its token is not fenced"]
#[cfg_attr(feature = "serde", serde(try_from = "read::TokenFields"))]
pub struct FencingToken {
    /// What is written to. Every other resource refuses the token.
    pub resource: ResourceName,
    /// The number that the lease came with: whoever came later has a higher one. From 1 to 2^64 -
    /// 2.
    pub sequence: u64,
    /// Drawn at random by the holder, after the grant.
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub holder: u128,
    /// The count of the holder's writes to this resource; 0 is the barrier.
    pub write: u64,
    /// The `id` of the write before this one; 0 for the first one.
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub previous: u128,
    /// What tells this write from every other: 128 bits of `previous`, of what is written and of
    /// the system's random numbers; 0 of a barrier.
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub id: u128,
}

/// What the resource keeps: the last token admitted. Stored with the resource, and trusted as it
/// is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "read::StateFields"))]
pub struct FenceState {
    /// Whose fence this is.
    pub resource: ResourceName,
    /// The highest sequence; 0: none yet.
    pub sequence: u64,
    /// Its holder.
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub holder: u128,
    /// That holder's last write.
    pub write: u64,
    /// Its `id`.
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub last: u128,
}

impl FenceState {
    /// How far a barrier may be above the highest sequence seen: 2^40. No store counts so far
    /// between two holders of one resource (a thousand leases a second for 34 years); a damaged
    /// number is mostly further. A smaller limit would refuse honest ones after a long pause, a
    /// larger one fewer damaged ones. A store that begins higher needs [`FenceState::above`] once.
    pub const MOST_AHEAD: u64 = 1 << 40;

    /// The state of a resource that nobody has written to: every sequence up to 2^40 is admitted.
    #[must_use]
    pub const fn new(resource: ResourceName) -> FenceState {
        FenceState::above(resource, 0)
    }

    /// A state that refuses every sequence up to this one, whoever has it: of a resource that is
    /// restored from a backup.
    ///
    /// It is also the way out where a barrier was too high, by mistake or by malice: nobody is
    /// admitted until the store has come so far, which may be never. Set the state to one above the
    /// highest sequence that the store truly gave out.
    #[must_use]
    pub const fn above(resource: ResourceName, sequence: u64) -> FenceState {
        // No holder draws 0, so the sequence itself is another holder's.
        FenceState { resource, sequence, holder: 0, write: 0, last: 0 }
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

/// A write that must not happen now. The holder has been succeeded, or there are two of it, and it
/// should stop; but for a [gap](Rejected::Gap).
///
/// Of a token that was sent before, and whose answer was lost, it says **nothing of whether that
/// was made**: the successor may have come after it. Its outcome stays unknown until the resource
/// is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "read::RejectedForm"))]
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
    /// Two holders have one sequence: one was restored from before the grant, or the store gave it
    /// out twice. Or the holder is 0, which is nobody.
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
    /// The write is not on top of the last one: the holder was cloned while it held.
    #[error("write {write} does not follow what was written last")]
    Conflicting {
        /// The token's.
        write: u64,
    },
    /// The write before it has not arrived: send that first, and then this one again.
    #[error("write {write} came before write {expected}")]
    Gap {
        /// The token's.
        write: u64,
        /// The one that is missing.
        expected: u64,
    },
    /// A new holder has to set its barrier before it writes.
    #[error("sequence {sequence} writes before it has set its barrier")]
    NoBarrier {
        /// The token's.
        sequence: u64,
    },
    /// 0 is no sequence, and after 2^64 - 1 there would be no successor.
    #[error("sequence {sequence} is outside of 1 to 2^64 - 2")]
    OutOfRange {
        /// The token's.
        sequence: u64,
    },
    /// The token is for another resource.
    #[error("the token is for another resource than {fence}")]
    OtherResource {
        /// The resource that was asked.
        fence: ResourceName,
    },
    /// The sequence is further above the highest one seen than any store gets between two holders.
    /// Were it admitted, nobody else would be until the store has come so far. If the store truly
    /// begins there, begin the fence with [`FenceState::above`].
    #[error("sequence {sequence} is more than 2^40 above {highest}, the highest one seen")]
    TooFarAhead {
        /// The token's.
        sequence: u64,
        /// The highest one seen.
        highest: u64,
    },
}

/// Decides on a write. Call it inside the transaction or compare-and-set that writes, with the
/// state read in it, and store the new state in it.
///
/// # Errors
///
/// [`Rejected`]: write nothing, change nothing.
///
/// ```
/// use sureclock::ResourceName;
/// use sureclock::fence::{Admitted, FenceState, FencingHolder, Rejected, admit};
///
/// let accounts: ResourceName = "accounts".parse()?;
/// let mut state = FenceState::new(accounts); // stored with the resource
/// let mut first = FencingHolder::new(7)?.writer(accounts);
/// let second = FencingHolder::new(8)?.writer(accounts);
/// for token in [first.barrier(), first.token(b"a")?, second.barrier()] {
///     let Admitted::Write(new) = admit(&state, &token)? else {
///         unreachable!("nothing is written twice here")
///     };
///     state = new; // .. with the write, in one transaction
/// }
/// let stale = Err(Rejected::Stale { sequence: 7, highest: 8 });
/// assert_eq!(admit(&state, &first.token(b"b")?), stale);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn admit(state: &FenceState, token: &FencingToken) -> Result<Admitted, Rejected> {
    let FencingToken { resource, sequence, holder, write, previous, id } = *token;
    let admitted = Ok(Admitted::Write(FenceState { resource, sequence, holder, write, last: id }));
    if sequence == 0 || sequence == u64::MAX {
        return Err(Rejected::OutOfRange { sequence });
    }
    if resource != state.resource {
        return Err(Rejected::OtherResource { fence: state.resource });
    }
    if sequence < state.sequence {
        return Err(Rejected::Stale { sequence, highest: state.sequence });
    }
    if sequence - state.sequence > FenceState::MOST_AHEAD {
        return Err(Rejected::TooFarAhead { sequence, highest: state.sequence });
    }
    if sequence > state.sequence {
        // 0 is nobody: no one has to be told apart from it.
        if holder == 0 {
            return Err(Rejected::OtherHolder { sequence });
        }
        return if write == 0 { admitted } else { Err(Rejected::NoBarrier { sequence }) };
    }
    if holder != state.holder || holder == 0 {
        return Err(Rejected::OtherHolder { sequence });
    }
    // The next number, if there is one: after the last one everything is at or below it.
    let next = state.write.checked_add(1);
    match write.cmp(&state.write) {
        Ordering::Less => Err(Rejected::Replayed { write, last: state.write }),
        Ordering::Equal if id == state.last => Ok(Admitted::Retry),
        Ordering::Equal => Err(Rejected::Conflicting { write }),
        Ordering::Greater if next != Some(write) => {
            Err(Rejected::Gap { write, expected: next.unwrap_or(u64::MAX) })
        }
        Ordering::Greater if previous != state.last => Err(Rejected::Conflicting { write }),
        Ordering::Greater => admitted,
    }
}

/// The fence for PostgreSQL (14 or later), as SQL to be run once a database: a row for each
/// resource, a function that admits a token within the transaction that writes, and triggers
/// without which a table takes no write. The head of the SQL says how to install and use it, with
/// which rights, and whom it does not hold off. `SECURITY.md` has the same by role.
///
/// Sequences and write numbers are below 2^63 there. SQLSTATEs: `SF000` a write without a token,
/// `SF001` out of range or NULL, `SF002` [stale](Rejected::Stale), `SF003` [no
/// barrier](Rejected::NoBarrier), `SF004` [other holder](Rejected::OtherHolder), `SF005`
/// [replayed](Rejected::Replayed), `SF006` [gap](Rejected::Gap), `SF007`
/// [conflicting](Rejected::Conflicting), `SF008` [too far ahead](Rejected::TooFarAhead), `SF009` a
/// partition that is not fenced yet, `42501` a role without the right.
pub const POSTGRES: &str = include_str!("fence/postgres.sql");

/// The holder of a sequence, with the nonce that tells it from every copy of it that was made
/// before.
///
/// Not `Clone`: two of it would be two holders.
#[derive(Debug)]
pub struct FencingHolder {
    sequence: u64,
    holder: u128,
}

/// A holder's writes to one resource: makes the token of each.
///
/// Not `Clone`, and one for each resource: the tokens of one resource are a chain. One token is one
/// write, so a write that is sent again goes with its first token.
#[derive(Debug)]
pub struct FencedWriter {
    resource: ResourceName,
    sequence: u64,
    holder: u128,
    writes: u64,
    last: u128,
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

impl FencingHolder {
    /// The holder of `sequence`, which the lease was granted with. Draws its nonce now: call it
    /// after the grant.
    ///
    /// # Errors
    ///
    /// [`FencingError::OutOfRange`], [`FencingError::NoRandom`].
    pub fn new(sequence: u64) -> Result<FencingHolder, FencingError> {
        if sequence == 0 || sequence == u64::MAX {
            return Err(FencingError::OutOfRange { sequence });
        }
        // 0 is nobody.
        Ok(FencingHolder { sequence, holder: random()?.max(1) })
    }

    /// The writer to one resource. A second one for the same resource would be taken for a clone.
    #[must_use]
    pub fn writer(&self, resource: ResourceName) -> FencedWriter {
        FencedWriter { resource, sequence: self.sequence, holder: self.holder, writes: 0, last: 0 }
    }
}

impl FencedWriter {
    /// The token to be written to the resource before the first read there.
    pub fn barrier(&self) -> FencingToken {
        let FencedWriter { resource, sequence, holder, .. } = *self;
        FencingToken { resource, sequence, holder, write: 0, previous: 0, id: 0 }
    }

    /// The token of a new write of this content.
    ///
    /// # Errors
    ///
    /// [`FencingError::Exhausted`] after 2^64 - 1 writes; [`FencingError::NoRandom`].
    pub fn token(&mut self, content: &[u8]) -> Result<FencingToken, FencingError> {
        let write = self.writes.checked_add(1).ok_or(FencingError::Exhausted)?;
        let (previous, random) = (self.last, random()?);
        let mut hasher = SipHasher24::new();
        hasher.write(&previous.to_le_bytes());
        hasher.write(&random.to_le_bytes());
        hasher.write(content);
        // 0 is the barrier's.
        let id = hasher.finish128().as_u128().max(1);
        (self.writes, self.last) = (write, id);
        Ok(FencingToken { write, previous, id, ..self.barrier() })
    }
}

fn random() -> Result<u128, FencingError> {
    let mut bytes = [0; 16];
    random::fill(&mut bytes).map_err(|_| FencingError::NoRandom)?;
    Ok(u128::from_ne_bytes(bytes))
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
