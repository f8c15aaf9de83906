//! The end of a request as it travels, and the id that carries it.

use crate::random;
use crate::time::{TimeInterval, TimescaleMismatch, Timestamp};
use std::time::Duration;

/// A moment that is known to within an interval: *in half a second from now*, as one clock knows
/// now. Any machine can tell whether it is certainly ahead, certainly past, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Expiry(TimeInterval);

/// What can be known of an [`Expiry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum ExpiryState {
    /// Certainly not reached; a truth that expires.
    Ahead {
        /// What is left at least, counted on the timescale: where a leap second is deleted before
        /// the end, a second less passes.
        at_least: Duration,
    },
    /// It may be past.
    Indeterminate,
    /// Certainly past; that stays true.
    Past,
}

impl Expiry {
    /// The moment so much after that of `now`, counted on its timescale. `None` after 2262.
    #[must_use]
    pub fn after(now: &TimeInterval, within: Duration) -> Option<Expiry> {
        Expiry(*now).later_by(within)
    }

    /// A point that was agreed upon: an end for all.
    #[must_use]
    pub const fn of(interval: TimeInterval) -> Expiry {
        Expiry(interval)
    }

    /// The interval that holds the moment.
    #[must_use]
    pub const fn interval(&self) -> TimeInterval {
        self.0
    }

    /// What can be known at `now`.
    ///
    /// # Errors
    ///
    /// [`TimescaleMismatch`].
    pub fn state(&self, now: &TimeInterval) -> Result<ExpiryState, TimescaleMismatch> {
        if self.0.timescale() != now.timescale() {
            return Err(TimescaleMismatch { left: self.0.timescale(), right: now.timescale() });
        }
        if self.is_past(now) {
            return Ok(ExpiryState::Past);
        }
        let left =
            self.0.earliest().checked_duration_since(now.latest()).filter(|left| !left.is_zero());
        Ok(left.map_or(ExpiryState::Indeterminate, |at_least| ExpiryState::Ahead { at_least }))
    }

    /// Whether it is certainly past. No on another timescale.
    pub(super) fn is_past(&self, now: &TimeInterval) -> bool {
        self.0.timescale() == now.timescale() && self.0.latest() < now.earliest()
    }

    pub(super) fn later_by(&self, by: Duration) -> Option<Expiry> {
        let (earliest, latest) =
            (self.0.earliest().checked_add(by)?, self.0.latest().checked_add(by)?);
        TimeInterval::new(earliest, latest, self.0.timescale()).ok().map(Expiry)
    }
}

/// What tells one request from every other: 128 random bits (the idempotency token), when it was
/// made, and when it ends. What is sent again goes with the same one.
///
/// Against accidents, not forgers: who has seen an id can ask with it, and with other contents (the
/// server then [says so](super::Reply::OtherRequest)); and its times are what the client says they
/// are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "Fields"))]
pub struct RequestId {
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    token: u128,
    issued: TimeInterval,
    expiry: Expiry,
}

/// What an id is read from.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(with = "crate::time::wire")]
    token: u128,
    issued: TimeInterval,
    expiry: Expiry,
}

/// What was read is no id that a client makes.
#[cfg(feature = "serde")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the end of the request is not its begin and a length")]
struct NoId;

#[cfg(feature = "serde")]
impl TryFrom<Fields> for RequestId {
    type Error = NoId;

    fn try_from(fields: Fields) -> Result<RequestId, NoId> {
        let Fields { token, issued, expiry } = fields;
        let within = expiry.0.earliest().checked_duration_since(issued.earliest());
        let is_the_end = within.and_then(|within| Expiry::after(&issued, within)) == Some(expiry);
        is_the_end.then_some(RequestId { token, issued, expiry }).ok_or(NoId)
    }
}

/// Why there is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It would end after the year 2262.
    #[error("the end is after the last timestamp")]
    OutOfRange,
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    NoRandom,
}

impl RequestId {
    /// An id for a new request, which is not to be begun later than `within` from now, counted on
    /// the timescale. `now` is read for it, before it is sent.
    ///
    /// # Errors
    ///
    /// [`RequestError`].
    pub fn new(now: &TimeInterval, within: Duration) -> Result<RequestId, RequestError> {
        let mut token = [0; 16];
        random::fill(&mut token).map_err(|_| RequestError::NoRandom)?;
        let expiry = Expiry::after(now, within).ok_or(RequestError::OutOfRange)?;
        Ok(RequestId { token: u128::from_ne_bytes(token), issued: *now, expiry })
    }

    /// The idempotency token, for logs and for stores. It is no secret and no password: it tells
    /// requests of clients that mean well apart, against accidents, not forgers. Who is allowed to
    /// ask is for you to check.
    #[must_use]
    pub const fn token(&self) -> u128 {
        self.token
    }

    /// When it was made, by the client's clock.
    #[must_use]
    pub const fn issued(&self) -> TimeInterval {
        self.issued
    }

    /// When it ends.
    #[must_use]
    pub const fn expiry(&self) -> Expiry {
        self.expiry
    }

    /// How long from its making to its end at most.
    pub(super) fn lasts(&self) -> Duration {
        let length = |from: Timestamp| self.expiry.0.latest().checked_duration_since(from);
        length(self.issued.earliest()).unwrap_or_default()
    }
}
