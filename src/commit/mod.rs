//! Commit: timestamps that may be committed with, and the wait that makes them safe.
//!
//! `s = max(now().latest, last + 1, floors)`; expose only when `after(s)`. Why it works: `s1 < t(commit 1)` by the wait,
//! `t(commit 1) < t(start 2)` is given, `t(start 2) <= t(server 2) <= s2` since s2 is a `latest` read after arrival; so
//! `s1 < s2` for any two transactions of which one began after the other was seen, on any two machines.
//!
//! # Source
//!
//! Corbett et al., *Spanner: Google's Globally-Distributed Database* (2012), section 4.1.2.

mod timer;
mod wait;

pub(crate) use timer::Timer;
pub(crate) use wait::synchronized;
pub use wait::{CommitWait, GuardedWait, Past, Unconfirmed, WaitError};

use crate::bound::NowError;
use crate::clock::SureClock;
use crate::time::Timestamp;
use std::time::Duration;

impl SureClock {
    /// A timestamp to commit with: no earlier than true time now, and later than every timestamp given out before by this
    /// clock. Ask after the request has arrived; expose the commit only after [`commit_wait`](SureClock::commit_wait).
    ///
    /// # Errors
    ///
    /// [`CommitError::Now`] where [`now`](SureClock::now) has no interval; [`CommitError::FloorTooFar`] where what was given
    /// out before is too far ahead.
    pub fn commit_timestamp(&self) -> Result<Timestamp, CommitError> {
        self.commit_timestamp_above(Timestamp::MIN)
    }

    /// As [`commit_timestamp`](SureClock::commit_timestamp), and above `floor`: the prepare timestamps of the other
    /// participants, or the highest timestamp in the log after a restart.
    ///
    /// # Errors
    ///
    /// [`CommitError::FloorTooFar`] if that would be more than `max_floor_lead` beyond `latest`: some clock is broken, and
    /// waiting for it would stop the service.
    pub fn commit_timestamp_above(&self, floor: Timestamp) -> Result<Timestamp, CommitError> {
        let latest = self.now()?.latest();
        let shared = self.shared();
        let allowed = shared.limits.max_floor_lead;
        let limit = latest.checked_add(allowed).unwrap_or(Timestamp::MAX);
        let too_far = |needed: Timestamp| CommitError::FloorTooFar {
            lead: needed.checked_duration_since(latest).unwrap_or(Duration::ZERO),
            limit: allowed,
        };
        let above = floor.as_unix_nanos().checked_add(1).ok_or(too_far(floor))?;
        let given = shared.given_out.next(latest.as_unix_nanos().max(above), limit.as_unix_nanos());
        given.map(Timestamp::from_unix_nanos).map_err(|needed| too_far(Timestamp::from_unix_nanos(needed)))
    }

    /// A timestamp to read a snapshot at: every commit that was exposed before the call, anywhere, is at or below it, and
    /// this clock gives out no commit timestamp at or below it any more.
    ///
    /// The snapshot is complete once the store has applied every commit it gave a timestamp up to this one.
    ///
    /// # Errors
    ///
    /// [`CommitError::Now`].
    pub fn read_timestamp(&self) -> Result<Timestamp, CommitError> {
        let latest = self.now()?.latest();
        self.shared().given_out.raise(latest.as_unix_nanos());
        Ok(latest)
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
        /// The limit `max_floor_lead`.
        limit: Duration,
    },
}
