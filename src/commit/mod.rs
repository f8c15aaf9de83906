//! Commit: timestamps that may be committed with, and the wait that makes them safe.
//!
//! `s = max(now().latest, last + 1, floors)`; expose only when `after(s)`. Why it works: `s1 <
//! t(commit 1)` by the wait, `t(commit 1) < t(start 2)` is given, `t(start 2) <= t(server 2) <= s2`
//! since s2 is a `latest` read after arrival; so `s1 < s2` for any two transactions of which one
//! began after the other was seen, on any two machines.
//!
//! # References
//!
//! Corbett et al., *Spanner: Google's Globally-Distributed Database* (2012), section 4.1.2.

mod deadline;
mod mark;
mod sleeper;
mod timer;
mod wait;

pub use deadline::Deadline;
use mark::Covered;
pub(crate) use mark::MarkFile;
pub use mark::{HighWaterMark, MarkFileError, MarkPart, MarkReset, NotPlain};
pub(crate) use sleeper::Sleeper;
pub(crate) use wait::synchronized;
pub use wait::{CommitWait, GuardedWait, Past, Unconfirmed, WaitError};

use crate::bound::NowError;
use crate::clock::SureClock;
use crate::publish::Spell;
use crate::time::{CounterId, Timestamp};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

/// A timestamp to commit with, and which clock made it between which disruptions.
///
/// Made only by [`SureClock::commit_timestamp`]. What is stored and sent is the
/// [`timestamp`](CommitTimestamp::timestamp); the rest is for the commit wait, which ends well only
/// if the clock was not disrupted since: a timestamp that was made after a suspend that nobody had
/// noticed may be too low, and no wait mends that.
///
/// Compared, it is its point in time alone, whichever clock made it.
#[derive(Clone, Copy, Debug)]
pub struct CommitTimestamp {
    timestamp: Timestamp,
    counter: CounterId,
    incarnation: u32,
}

impl CommitTimestamp {
    /// The point in time, to be stored with the transaction and compared.
    #[must_use]
    pub const fn timestamp(self) -> Timestamp {
        self.timestamp
    }
}

impl PartialEq for CommitTimestamp {
    fn eq(&self, other: &CommitTimestamp) -> bool {
        self.timestamp == other.timestamp
    }
}

impl Eq for CommitTimestamp {}

impl PartialOrd for CommitTimestamp {
    fn partial_cmp(&self, other: &CommitTimestamp) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CommitTimestamp {
    fn cmp(&self, other: &CommitTimestamp) -> Ordering {
        self.timestamp.cmp(&other.timestamp)
    }
}

impl Hash for CommitTimestamp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.timestamp.hash(state);
    }
}

impl fmt::Display for CommitTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timestamp.fmt(f)
    }
}

impl SureClock {
    /// A timestamp to commit with: no earlier than true time now, and later than every timestamp
    /// given out before by this clock (but for those of
    /// [`commit_timestamp_at`](SureClock::commit_timestamp_at)). A call that has not returned yet
    /// may hold one already: count a transaction as pending before you ask. Ask after the request
    /// has arrived; expose the commit only after [`commit_wait`](SureClock::commit_wait).
    ///
    /// # Errors
    ///
    /// [`CommitError::Now`] where [`now`](SureClock::now) has no interval;
    /// [`CommitError::FloorTooFar`] where what was given out before is too far ahead;
    /// [`CommitError::MarkNotWritten`] with a [`mark_file`](crate::Builder::mark_file).
    ///
    /// # Blocking
    ///
    /// Without a mark file it never blocks. With one, the first call in each 100 ms writes and
    /// syncs the file on the caller's thread, which takes as long as the disk does (tens of
    /// milliseconds on a slow one), and calls beside it wait for it. In an async worker, let a
    /// thread that may block call [`keep_mark_ahead`](SureClock::keep_mark_ahead).
    pub fn commit_timestamp(&self) -> Result<CommitTimestamp, CommitError> {
        self.commit_timestamp_above(Timestamp::MIN)
    }

    /// As [`commit_timestamp`](SureClock::commit_timestamp), and above `floor`: the prepare
    /// timestamps of the other participants, or the highest timestamp in the log after a restart.
    ///
    /// # Errors
    ///
    /// [`CommitError::FloorTooFar`] if that would be more than `max_floor_lead` beyond `latest`:
    /// some clock is broken, and waiting for it would stop the service.
    pub fn commit_timestamp_above(&self, floor: Timestamp) -> Result<CommitTimestamp, CommitError> {
        loop {
            if let Some(s) = self.commit_in_this_epoch(floor)? {
                return Ok(s);
            }
        }
    }

    /// `None` if a later epoch has written the mark's file meanwhile: then this one's timestamp
    /// must not leave.
    fn commit_in_this_epoch(
        &self,
        floor: Timestamp,
    ) -> Result<Option<CommitTimestamp>, CommitError> {
        let shared = self.shared();
        // Of one reading: a disruption after it is one after the timestamp was made.
        let (interval, spell) = shared.now_with_spell()?;
        let latest = interval.latest();
        let too_far = |needed: i64| CommitError::FloorTooFar {
            lead: Timestamp::from_unix_nanos(needed)
                .checked_duration_since(latest)
                .unwrap_or(Duration::ZERO),
            limit: shared.limits.max_floor_lead,
        };
        let limit = latest.as_unix_nanos().saturating_add(shared.floor_lead_ns);
        let above = floor.as_unix_nanos().checked_add(1).ok_or(too_far(i64::MAX))?;
        if above > limit {
            return Err(too_far(above));
        }
        // What was given out before was a `latest`, or a floor, of before: `latest` falls when the
        // interval narrows, after a leap second by a second and more. Beyond that it contradicts
        // what is known.
        let limit = limit.saturating_add(shared.narrows_by_ns());
        let given_out = shared.given_out.of(spell.epoch);
        let ns = given_out.mark.next(latest.as_unix_nanos().max(above), limit).map_err(too_far)?;
        Ok(self.cover(spell, ns, latest)?.then(|| CommitTimestamp {
            timestamp: Timestamp::from_unix_nanos(ns),
            counter: shared.counter.id(),
            incarnation: spell.incarnation,
        }))
    }

    /// Makes sure that a timestamp may leave: nothing at or below it is given out after a restart.
    ///
    /// False if a later epoch has written the mark's file meanwhile.
    #[inline]
    fn cover(&self, spell: Spell, ns: i64, latest: Timestamp) -> Result<bool, CommitError> {
        let shared = self.shared();
        let Some(mark) = &shared.mark else { return Ok(true) };
        let reserved = &shared.given_out.of(spell.epoch).reserved;
        let covered =
            mark.cover(spell.epoch, reserved, ns, latest).map_err(CommitError::MarkNotWritten)?;
        Ok(covered == Covered::Yes)
    }

    /// A timestamp to commit with at a point in the future, as a change of a schema does: exactly
    /// `t`, exposed when that is past.
    ///
    /// Commits meanwhile go on below it. One whose time comes just then may get the same timestamp:
    /// count it as the later one. Every server must know of `t` before it is reached; what that
    /// takes is up to the protocol. After a restart it is known from your log alone: a
    /// [`mark_file`](crate::Builder::mark_file) does not hold it.
    ///
    /// # Errors
    ///
    /// [`CommitError::Now`]; [`CommitError::NotInTheFuture`] if `t` is not above all that the other
    /// calls gave out and beyond the latest possible time (two calls for one `t` get it both);
    /// [`CommitError::FloorTooFar`] if it is further ahead than `max_wait`.
    pub fn commit_timestamp_at(&self, t: Timestamp) -> Result<CommitTimestamp, CommitError> {
        let shared = self.shared();
        let (interval, Spell { incarnation, epoch }) = shared.now_with_spell()?;
        let latest = interval
            .latest()
            .max(Timestamp::from_unix_nanos(shared.given_out.of(epoch).mark.get()));
        if t <= latest {
            return Err(CommitError::NotInTheFuture { latest });
        }
        let (lead, limit) = (t.checked_duration_since(interval.latest()), shared.limits.max_wait);
        match lead.filter(|lead| *lead <= limit) {
            Some(_) => {
                Ok(CommitTimestamp { timestamp: t, counter: shared.counter.id(), incarnation })
            }
            None => Err(CommitError::FloorTooFar { lead: lead.unwrap_or(Duration::MAX), limit }),
        }
    }

    /// One wait for several commits: until the latest of them may be exposed, and so all. For a
    /// group commit, where many transactions are written to the log together. `None` for none at
    /// all.
    pub fn commit_wait_all(
        &self,
        commits: impl IntoIterator<Item = CommitTimestamp>,
    ) -> Option<CommitWait> {
        let waits = commits.into_iter().map(|s| self.commit_wait(s));
        waits.reduce(CommitWait::harder)
    }

    /// Waits until the commit at `s` may be exposed. See [`CommitWait`].
    ///
    /// The wait counts from the timestamp, not from this call: begin it, replicate meanwhile, and
    /// wait for what is left.
    pub fn commit_wait(&self, s: CommitTimestamp) -> CommitWait {
        let ours = s.counter == self.shared().counter.id();
        CommitWait::new(
            self.clone(),
            s.timestamp,
            if ours { Ok(s.incarnation) } else { Err(WaitError::ForeignTimestamp) },
        )
    }

    /// Waits until `t`, from wherever it is, is certainly in the past: until
    /// [`after(t)`](SureClock::after).
    ///
    /// For a timestamp out of a log or a message. A transaction of this clock's own goes through
    /// [`commit_wait`](SureClock::commit_wait), which knows whether the clock was disrupted since
    /// the timestamp was made; this one only knows of disruptions since the call.
    pub fn wait_until_after(&self, t: Timestamp) -> CommitWait {
        let began = self.shared().running().map(|(_, incarnation, _)| incarnation);
        CommitWait::new(self.clone(), t, began.map_err(WaitError::Now))
    }

    /// A timestamp to read a snapshot at: every commit that was exposed before the call, anywhere,
    /// is at or below it, and this clock gives out no commit timestamp at or below it any more.
    ///
    /// The snapshot is complete once the store has applied every commit it gave a timestamp up to
    /// this one.
    ///
    /// # Errors
    ///
    /// [`CommitError::Now`]; [`CommitError::MarkNotWritten`].
    ///
    /// With a [`mark_file`](crate::Builder::mark_file) it may block for a sync of the disk.
    pub fn read_timestamp(&self) -> Result<Timestamp, CommitError> {
        loop {
            let (interval, spell) = self.shared().now_with_spell()?;
            let latest = interval.latest();
            if self.raise(spell, latest, latest)? {
                return Ok(latest);
            }
        }
    }

    /// From now on this clock gives out no commit timestamp at or below `t`: for a snapshot that
    /// another server reads at `t`, and for the highest timestamp in the log, after a restart or a
    /// change of leader. It holds until [`start_new_epoch`](SureClock::start_new_epoch). With a
    /// [`mark_file`](crate::Builder::mark_file) it may block for a sync of the disk.
    ///
    /// # Errors
    ///
    /// [`CommitError::Now`]; [`CommitError::FloorTooFar`] if `t` is more than `max_floor_lead`
    /// beyond `latest`, and then nothing is changed; [`CommitError::MarkNotWritten`], and then it
    /// holds for as long as the process lives.
    pub fn forbid_commits_up_to(&self, t: Timestamp) -> Result<(), CommitError> {
        loop {
            let (interval, spell) = self.shared().now_with_spell()?;
            let latest = interval.latest();
            let (lead, limit) = (
                t.checked_duration_since(latest).unwrap_or(Duration::ZERO),
                self.shared().limits.max_floor_lead,
            );
            if t > latest && lead > limit {
                return Err(CommitError::FloorTooFar { lead, limit });
            }
            if self.raise(spell, t, latest)? {
                return Ok(());
            }
        }
    }

    /// Writes the [`mark_file`](crate::Builder::mark_file) ahead of time, so that commits need not:
    /// called at least every 50 ms less what a sync of the disk takes, from a thread that may
    /// block, it is the only caller that waits for the disk. Nothing to do, and nothing done,
    /// without a mark file or while more than half of the reserved 100 ms is left.
    ///
    /// Commits stay right without it; the first one in each 100 ms syncs then.
    ///
    /// # Errors
    ///
    /// [`CommitError::Now`]; [`CommitError::MarkNotWritten`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> Result<(), sureclock::BuildError> {
    /// # let builder = sureclock::SureClock::builder();
    /// # let builder = builder.ntp("a.example").ntp("b.example").ntp("c.example");
    /// let clock = builder.mark_file("/var/lib/service/mark").start()?;
    /// std::thread::spawn({
    ///     let clock = clock.clone();
    ///     move || loop {
    ///         // An error shows up in the commits, too.
    ///         let _ = clock.keep_mark_ahead();
    ///         std::thread::sleep(std::time::Duration::from_millis(25));
    ///     }
    /// });
    /// # Ok(()) }
    /// ```
    pub fn keep_mark_ahead(&self) -> Result<(), CommitError> {
        let shared = self.shared();
        let Some(mark) = &shared.mark else { return Ok(()) };
        let (interval, spell) = shared.now_with_spell()?;
        let reserved = &shared.given_out.of(spell.epoch).reserved;
        // Where a later epoch has begun, that one's first timestamp writes it.
        mark.keep_ahead(spell.epoch, reserved, interval.latest())
            .map_err(CommitError::MarkNotWritten)?;
        Ok(())
    }

    /// False if a new epoch has begun meanwhile: what was raised is the old one's.
    fn raise(&self, spell: Spell, t: Timestamp, latest: Timestamp) -> Result<bool, CommitError> {
        let shared = self.shared();
        shared.given_out.of(spell.epoch).mark.raise(t.as_unix_nanos());
        let covered = self.cover(spell, t.as_unix_nanos(), latest)?;
        Ok(covered && shared.outline().epoch == spell.epoch)
    }
}

/// Why there is no timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// There is no certain time now.
    #[error(transparent)]
    Now(#[from] NowError),
    /// A floor, or a timestamp given out before, is further ahead than allowed.
    #[error("a floor is {lead:?} ahead of the latest possible time, more than {limit:?}")]
    FloorTooFar {
        /// How far ahead of `latest`.
        lead: Duration,
        /// The limit `max_floor_lead`, or `max_wait`.
        limit: Duration,
    },
    /// The file of the high-water mark could not be written, so the timestamp must not leave: after
    /// a restart it might be given out again.
    #[error("the file of the high-water mark was not written: {0}")]
    MarkNotWritten(MarkFileError),
    /// A timestamp for the future is not beyond what may be now already, or was given out.
    #[error(
        "the timestamp is not in the future: it may be {latest} already, or that was given out"
    )]
    NotInTheFuture {
        /// The latest possible time, or the highest timestamp given out.
        latest: Timestamp,
    },
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
