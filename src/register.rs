//! A register for last write wins without silent loss: where the order of two writes cannot be
//! known, both are kept.
//!
//! Plain last-write-wins keeps the write with the larger timestamp. If the clocks differ, a write
//! that came later, and was acknowledged, goes under one that came before it, and nobody is told.
//! Here a write carries the interval of its clock, and goes only under a write
//!
//! - that **certainly came later** in true time: `latest` of the one is before `earliest` of the
//!   other; or
//! - that **has seen it**: whoever wrote had read it before ([`Seen`]).
//!
//! Otherwise both stay, and who reads gets both. What goes is handed to whoever merges
//! ([`Dropped`]).
//!
//! | moves | with |
//! |---|---|
//! | a client that writes | the [`Seen`] of its last read, [`Seen::nothing`] if it has not read |
//! | a replica that answers a read | a [`Reading`]: what was written last, and the [`Seen`] to write with |
//! | a replica to another | a [`State`]: merging is commutative, associative and idempotent, so gossip in any order |
//!
//! To delete, write a `None`: `Register<Option<V>>`. For many keys take a map of registers.
//!
//! # Why it is right
//!
//! Let x R y mean that y has seen x, or that `x.latest < y.earliest`; a state that has taken in the
//! writes S holds those that no other one of S is R-above.
//!
//! 1. *No loss.* x R y implies that x came before y in true time, given that intervals contain it;
//!    so every write that is gone came before one that is there. (A chain of R ends, since true
//!    time rises along it.)
//! 2. *The bound of a writer may be raised.* A write that has seen x came after it, so its
//!    `earliest` is raised to the highest one seen; if that exceeds its `latest`, a clock is wrong,
//!    and the write is refused with the proof.
//! 3. *Merging needs what is left only.* Let x be in A alone, and under y, which B has dropped. If
//!    y has seen x then B has x among what it has taken in, for whoever saw brought that along.
//!    Otherwise x is under y by time, y under a z that is left in B by time or by seeing, and in
//!    both cases `x.latest < y.earliest <= z.earliest` by 2: x is under z itself.
//! 4. *What has been seen may be forgotten.* The count of a writer's writes is needed only to know
//!    one of them that comes again. If all of them end before the highest `earliest` here, they are
//!    under that one by time. So a register's size is that of the writes within one uncertainty of
//!    the newest, however many have written to it.
//!
//! So merging gives the state of the united sets, which is commutative, associative and idempotent.
//! `register/tests.rs` compares it with that definition.
//!
//! # What it does not do
//!
//! A blind write that certainly came later overwrites what its author never saw: that is what last
//! write wins means; [`Dropped`] tells. With a clock beyond its assumptions an order may be wrong;
//! what lies wholly in the future shows it ([`State::broken_bound`]). Replicas are trusted, and
//! whoever brings a [`Seen`]: it may claim to have seen everything, and writes that it claims go
//! unseen. Where clients may lie, keep it at the server or sign it. Against accidents, not forgers:
//! no claim makes a state unreadable or larger than the limits below, and none is taken for a proof
//! of who is to blame. A machine that is cloned, or set back, while its register is open gives two
//! of one name; the other's writes then look like one's own. Where it shows, the replica goes on
//! under another name, or it is an error ([`MergeError::Contradiction`],
//! [`WriteError::Unwritten`]); where it does not, a write may be lost: open the state anew after a
//! restore. The child of a fork draws a name of its own. A state does not say which register it is
//! of: send its key with it.
//!
//! # Limits
//!
//! | what | at most | beyond |
//! |---|---|---|
//! | writes that are left | [`MOST_VERSIONS`] | [`WriteError::Full`], [`MergeError::Full`]; not read |
//! | writers whose writes are still counted | [`MOST_WRITERS`] | the same |
//! | the width of an interval, and a claimed `latest` after the newest `earliest` | [`WIDEST`] | [`WriteError::TooWide`]; not read |
//! | writes under one name | 2^48 | another name is drawn; not read |
//! | the size of a value | yours to limit | |
//!
//! # References
//!
//! Thomas, *A majority consensus approach* (1979), for last write wins; Preguiça et al., *Dotted
//! version vectors* (2010), for what has been seen; Shapiro et al., *Conflict-free replicated data
//! types* (2011), for the laws. Forgetting by true time is ours.

#[cfg(feature = "serde")]
mod read;
mod seen;
mod state;

pub use seen::Seen;
pub use state::{Dropped, Latest, Reading, State, StateError, Superseded, Version};

use crate::bound::NowError;
use crate::causality::BrokenBound;
use crate::counter::ProcessMark;
use crate::random;
use crate::time::{TimeInterval, TimescaleMismatch};
use std::time::Duration;

/// The most writes that a register keeps beside each other: 65 536, some 20 MB of JSON with small
/// values. A higher limit lets a peer fill more memory, a lower one refuses more of what many
/// writers do within one uncertainty.
pub const MOST_VERSIONS: usize = 1 << 16;

/// The most writers whose writes a register counts: 65 536, some 8 MB of JSON. As
/// [`MOST_VERSIONS`].
pub const MOST_WRITERS: usize = 1 << 16;

/// The widest interval to write with: an hour. So nothing that was seen ends later than an hour
/// after the newest begins, and an invented writer is forgotten within that. A higher limit keeps
/// invented ones longer, a lower one refuses clocks that are still good for something.
pub const WIDEST: Duration = Duration::from_secs(3600);

/// The most writes under one name: one a microsecond for nine years, and exact in a browser's
/// numbers.
const MOST_WRITES: u64 = 1 << 48;

/// A replica of a register: takes writes, and merges what other replicas have.
///
/// Not `Clone`: it numbers its writes, and two that number alike would hide each other's. What
/// travels and is stored is its [`State`].
///
/// ```
/// use sureclock::register::{Latest, Register, Seen};
///
/// let (mut east, mut west) = (Register::new(), Register::new());
/// // Two clients write without having read, at moments whose order nobody can know.
/// east.write("east", &"2026-11-23T11:03:00.000Z ± 5 ms".parse()?, &Seen::nothing())?;
/// west.write("west", &"2026-11-23T11:03:00.004Z ± 5 ms".parse()?, &Seen::nothing())?;
/// east.merge(west.state(), &"2026-11-23T11:03:00.005Z ± 5 ms".parse()?)?;
/// let reading = east.read();
/// assert!(matches!(reading.latest(), Latest::Several(both) if both.len() == 2));
/// // Whoever has read both may decide.
/// let seen = reading.seen().clone();
/// east.write("east and west", &"2026-11-23T11:03:00.006Z ± 5 ms".parse()?, &seen)?;
/// assert!(matches!(east.read().latest(), Latest::One(&"east and west")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Register<V> {
    state: State<V>,
    /// Drawn at the first write, and by the child of a fork anew.
    writer: Option<Writer>,
}

/// Who numbers.
#[derive(Clone, Copy, Debug)]
struct Writer {
    name: u128,
    written: u64,
    process: ProcessMark,
}

/// Why a write was refused. The register is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// What is here, or was seen, was written before, and yet lies wholly after this write: one of
    /// the two clocks is wrong. Or `now` was read before the last merge, and not after it.
    #[error(transparent)]
    BrokenBound(#[from] BrokenBound),
    /// Its author claims to have seen writes of this replica that it has not made: the replica was
    /// copied, or the claim is false.
    #[error("{claimed} writes of {writer:032x} are said to have been seen, and it has made {made}")]
    Unwritten {
        /// The name of this replica.
        writer: u128,
        /// What is said to have been seen.
        claimed: u64,
        /// What it has written under this name.
        made: u64,
    },
    /// A register keeps to one timescale.
    #[error(transparent)]
    Timescale(#[from] TimescaleMismatch),
    /// The system has no random numbers to name this replica by.
    #[error("the system has no random numbers")]
    NoRandom,
    /// There is no interval to write with.
    #[error(transparent)]
    Now(#[from] NowError),
    /// The interval is wider than [`WIDEST`].
    #[error("an interval of {width:?} is too wide to write with: an hour is the most")]
    TooWide {
        /// From its `earliest` to its `latest`.
        width: Duration,
    },
    /// [`MOST_VERSIONS`] or [`MOST_WRITERS`] would be exceeded. True time makes room: what
    /// certainly came earlier is dropped. So does a write that has seen the others.
    #[error("too many writes whose order nobody can know are here")]
    Full,
}

/// Why two states do not merge. The register is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A register keeps to one timescale.
    #[error(transparent)]
    Timescale(#[from] TimescaleMismatch),
    /// The two have different writes under one name and number. It does not say whose fault that
    /// is: the machine of that name was copied or set back; or one of the two states has a write
    /// that its author never made; or a value does not come back from its wire form as it was
    /// (floats in JSON, unless the reader is told to be exact). After a copy, throw the state of
    /// the copy away, begin again with that of another replica, and write anew what the copy alone
    /// had.
    #[error("write {number} of {writer:032x} is not the same in both")]
    Contradiction {
        /// The name.
        writer: u128,
        /// The number of the write.
        number: u64,
    },
    /// What is in the other state was written before `now`, and yet lies wholly after it: a clock
    /// is wrong, or the state is none of this register.
    #[error(transparent)]
    BrokenBound(#[from] BrokenBound),
    /// [`MOST_VERSIONS`] or [`MOST_WRITERS`] would be exceeded.
    #[error("too many writes whose order nobody can know are in the two together")]
    Full,
}

impl<V> Register<V> {
    /// A register that nobody has written to.
    #[must_use]
    pub const fn new() -> Register<V> {
        Register::open(State::new())
    }

    /// A replica that goes on from what was stored or sent. It writes under a name of its own.
    #[must_use]
    pub const fn open(state: State<V>) -> Register<V> {
        Register { state, writer: None }
    }

    /// What there is to store and to send.
    #[must_use]
    pub const fn state(&self) -> &State<V> {
        &self.state
    }

    /// What was written last, as far as that can be known here, and what a write that follows has
    /// seen.
    #[must_use]
    pub fn read(&self) -> Reading<'_, V> {
        self.state.read()
    }

    /// Writes. `now` is read after the request has arrived and after the last merge: under the
    /// lock, where there is one. `seen` is what the author had read. Acknowledge it when the state
    /// is as safe as you promise.
    ///
    /// Gives what is dropped for it: certainly earlier, or seen.
    ///
    /// # Errors
    ///
    /// [`WriteError`].
    pub fn write(
        &mut self,
        value: V,
        now: &TimeInterval,
        seen: &Seen,
    ) -> Result<Vec<Dropped<V>>, WriteError> {
        if now.width() > WIDEST {
            return Err(WriteError::TooWide { width: now.width() });
        }
        // It came after everything that it has seen, and after everything that is here.
        let interval = self.state.seen.raise(&seen.raise(now)?)?;
        let Writer { name: writer, written, process } = match self
            .writer
            .filter(|writer| writer.process.holds() && writer.written < MOST_WRITES)
        {
            Some(writer) => writer,
            None => Writer { name: draw()?, written: 0, process: ProcessMark::take() },
        };
        let claimed = seen.number(writer);
        if claimed > written {
            return Err(WriteError::Unwritten { writer, claimed, made: written });
        }
        let number = written + 1;
        let dropped = self
            .state
            .add(Version { value, interval, writer, number }, seen)
            .ok_or(WriteError::Full)?;
        self.writer = Some(Writer { name: writer, written: number, process });
        Ok(dropped)
    }

    /// Takes in what another replica has. `now` is read after it was received.
    ///
    /// If the other one claims to have seen more writes of this replica than it has made, it was
    /// copied, or the claim is false: what it writes from now on has another name, and no claim
    /// hides it.
    ///
    /// Gives every write that one of the two had and that is not there any more: each was seen by
    /// the author of one that is, or certainly came before it. Merging the same again may name it
    /// again.
    ///
    /// # Errors
    ///
    /// [`MergeError`].
    pub fn merge(
        &mut self,
        other: &State<V>,
        now: &TimeInterval,
    ) -> Result<Vec<Dropped<V>>, MergeError>
    where
        V: Clone + Eq,
    {
        if let Some(broken) = other.broken_bound(now)? {
            return Err(broken.into());
        }
        let dropped = self.state.merge(other)?;
        self.writer = self.writer.filter(|of| other.seen.number(of.name) <= of.written);
        Ok(dropped)
    }
}

impl<V> Default for Register<V> {
    fn default() -> Register<V> {
        Register::new()
    }
}

fn draw() -> Result<u128, WriteError> {
    let mut bytes = [0; 16];
    random::fill(&mut bytes).map_err(|_| WriteError::NoRandom)?;
    Ok(u128::from_ne_bytes(bytes))
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
