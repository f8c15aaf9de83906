//! Leases: one holder at a time, by clocks that know their error. Pure: readings and intervals in,
//! states out.
//!
//! Two forms, each sound under assumptions of its own, and both together:
//!
//! | form | holder: held while | grantor: free when | needs |
//! |---|---|---|---|
//! | by duration | at most T has passed since *before the request was sent* | at least T has passed since it was received | (R), (C) |
//! | by deadline | `latest < X_h`, `X_h = earliest(before it was sent) + T` | `earliest > X_g`, `X_g = latest(after it was received) + T` | (S) too |
//! | both | both say held | both say free | either |
//!
//! By duration: held at h, free at g, so `t(h) < t(sent) + T <= t(received) + T <= t(g)`. By
//! deadline: held at h, free at g, so `t(h) <= latest(h) < X_h <= t(sent) + T <= t(received) + T <=
//! X_g < earliest(g) <= t(g)`. So whenever somebody holds, it is before the grantor finds the lease
//! free, and what a grantor finds free it may grant again. The time of the response never enters:
//! it may come at any time. Both together are held less and free later than either, so they are
//! sound if either is.
//!
//! No time of one machine is compared with another's, unless a grantor goes on from a deadline that
//! another one stored: then the last line of the proof reads `X_g < earliest(g)` with a `latest` of
//! one machine and an `earliest` of the other, and still holds.
//!
//! T is in true time: each side allows for its own clock's drift, so nobody's drift bound travels.
//! Elapsed times are rounded outward, with the counter's margin at both ends ([`Elapsed`]).
//!
//! # References
//!
//! Gray and Cheriton, *Leases* (1989), section 5 for clocks that drift; the request's time instead
//! of the response's as in Spanner's leader leases (2012), section 4.2.1.

mod grantor;
mod holder;
mod message;

pub use grantor::{LeaseGrantor, LeaseRefused};
pub use holder::{Guarded, Lease, LeaseError};
pub use message::{HolderId, LeaseGrant, LeaseRelease, LeaseRequest};

use crate::bound::NowError;
use crate::time::{Elapsed, MonotonicTime, TimeInterval};
use std::time::Duration;

/// What a lease is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum LeaseForm {
    /// By elapsed time: needs the drift bound only, no server. A grantor that restarts waits for
    /// the longest term.
    Duration,
    /// By true time: needs synchronized clocks on both sides.
    Deadline,
    /// Held only where both say so, free only where both do: sound if either is.
    Both,
}

impl LeaseForm {
    const fn by_duration(self) -> bool {
        matches!(self, LeaseForm::Duration | LeaseForm::Both)
    }

    const fn by_deadline(self) -> bool {
        matches!(self, LeaseForm::Deadline | LeaseForm::Both)
    }
}

/// Whether a lease is held. A truth that expires: what it says is of the moment of the look, and a
/// pause may follow at once. Only a [fence](crate::fence) at the resource keeps out who wakes from
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum LeaseState {
    /// Held, and for at least so much longer, unless the clock is disrupted. In true time, rounded
    /// down.
    Held {
        /// What is left at least.
        at_least: Duration,
    },
    /// It may be held or not: too close to the end, or the clock has no answer, or was disrupted
    /// since the request. Act as if not.
    Indeterminate,
    /// Over, or never granted.
    Expired,
}

impl LeaseState {
    /// Whether it is certainly held at the look.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, LeaseState::Held { .. })
    }

    /// What two forms say together: held only if both do.
    pub(crate) fn and(self, other: LeaseState) -> LeaseState {
        match (self, other) {
            (LeaseState::Held { at_least: a }, LeaseState::Held { at_least: b }) => {
                LeaseState::Held { at_least: a.min(b) }
            }
            (LeaseState::Expired, _) | (_, LeaseState::Expired) => LeaseState::Expired,
            _ => LeaseState::Indeterminate,
        }
    }
}

/// What a lease asks of a clock. [`SureClock`](crate::SureClock) is the one; nobody else can
/// implement it.
pub trait LeaseClock: sealed::Sealed {
    /// A reading of the counter, after a look for a suspend.
    #[doc(hidden)]
    fn lease_reading(&self) -> MonotonicTime;

    /// The true time between two readings of one incarnation; `None` where that is not known, and
    /// in the child of a fork.
    #[doc(hidden)]
    fn lease_elapsed(&self, earlier: MonotonicTime, later: MonotonicTime) -> Option<Elapsed>;

    /// How often the machine has been moved, restored or copied, as far as is noted; after a
    /// reading.
    #[doc(hidden)]
    fn lease_restores(&self) -> u32;

    /// The interval now, and the incarnation that it is of.
    #[doc(hidden)]
    fn lease_interval(&self) -> Result<(TimeInterval, u32), NowError>;
}

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// Whether two readings are of one counter without a disruption between them.
fn of_one_incarnation(a: MonotonicTime, b: MonotonicTime) -> bool {
    a.counter() == b.counter() && a.incarnation() == b.incarnation()
}

/// The interval now. `None` where the clock was disrupted between `reading` and this call: an
/// interval from before a disruption is not believed after it.
fn interval_of(
    clock: &impl LeaseClock,
    reading: MonotonicTime,
) -> Result<Option<TimeInterval>, NowError> {
    let (interval, incarnation) = clock.lease_interval()?;
    Ok((incarnation == reading.incarnation()).then_some(interval))
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
