//! What travels between holder and grantor: request, grant, release. With the feature `serde` as data; how they travel, and who may send
//! them, is up to you.

use super::LeaseForm;
use std::fmt;
use std::time::Duration;

/// Who holds: drawn at random for each [`Lease`](super::Lease), 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HolderId(#[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))] pub(super) u128);

impl fmt::Display for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A request for a term. One transmission each: what is sent again is a new request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LeaseRequest {
    pub(super) holder: HolderId,
    /// Of this transmission: no other one has it, from whatever copy of the holder.
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub(super) nonce: u128,
    pub(super) term: Duration,
}

impl LeaseRequest {
    /// Who asks.
    #[must_use]
    pub const fn holder(&self) -> HolderId {
        self.holder
    }

    /// For how long.
    #[must_use]
    pub const fn term(&self) -> Duration {
        self.term
    }

    /// The grant of a store that is no [`LeaseGrantor`](super::LeaseGrantor), by duration: from the receipt of this request on it promises the
    /// lease to nobody else for `term` of **true time**. If its own clock may be fast by a tenth, that is nine tenths of its term.
    #[must_use]
    pub const fn granted_by_store(&self, term: Duration) -> LeaseGrant {
        LeaseGrant { holder: self.holder, nonce: self.nonce, form: LeaseForm::Duration, term }
    }
}

/// The answer to one request: a term, which is counted from before the request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LeaseGrant {
    pub(super) holder: HolderId,
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub(super) nonce: u128,
    pub(super) form: LeaseForm,
    pub(super) term: Duration,
}

impl LeaseGrant {
    /// The term granted, in true time: what was asked for, or the longest that the grantor offers.
    #[must_use]
    pub const fn term(&self) -> Duration {
        self.term
    }
}

/// The holder will not act under the lease any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use = "the grantor does not know of it unless it is sent"]
pub struct LeaseRelease {
    pub(super) holder: HolderId,
}
