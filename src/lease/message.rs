//! What travels between holder and grantor: request, grant, release. With the feature `serde` as
//! data; how they travel, and who may send them, is up to you.

use super::LeaseForm;
use crate::resource::ResourceName;
use std::fmt;
use std::time::Duration;

/// Who holds: 128 bits, drawn at random for each [`Lease`](super::Lease). A name for logs, and no
/// key: to renew or to release takes a secret that goes with the holder's messages and is displayed
/// nowhere. Against accidents, not forgers: who reads those messages has the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HolderId(
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))] pub(super) u128,
);

impl fmt::Display for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What shows that a message is the holder's: 128 random bits, drawn with its name. Neither
/// displayed nor debugged, so that no log has it.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Secret(
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))] pub(super) u128,
);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A request for a term. One transmission each: what is sent again is a new request.
///
/// Against accidents, not forgers: nothing is signed. Whoever reads a request on its way has the
/// holder's secret, and can renew and release in its name; whoever may ask can take a lease that is
/// free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct LeaseRequest {
    pub(super) resource: ResourceName,
    pub(super) holder: HolderId,
    pub(super) secret: Secret,
    /// Of this transmission: no other one has it, from whatever copy of the holder.
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub(super) nonce: u128,
    pub(super) term: Duration,
}

impl LeaseRequest {
    /// What it asks for.
    #[must_use]
    pub const fn resource(&self) -> ResourceName {
        self.resource
    }

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

    /// The grant of a store that is no [`LeaseGrantor`](super::LeaseGrantor), by duration: from the
    /// receipt of this request on it promises the lease to nobody else for `term` of **true time**.
    /// If its own clock may be fast by a tenth, that is nine tenths of its term.
    #[must_use]
    pub const fn granted_by_store(&self, term: Duration) -> LeaseGrant {
        let LeaseRequest { resource, holder, nonce, .. } = *self;
        LeaseGrant { resource, holder, nonce, form: LeaseForm::Duration, term }
    }
}

/// The answer to one request: a term, which is counted from before the request was sent.
///
/// Against accidents, not forgers: it answers a number that only the request has, and a holder
/// counts no more than it asked for. Whoever reads requests on their way can make grants that no
/// grantor made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct LeaseGrant {
    pub(super) resource: ResourceName,
    pub(super) holder: HolderId,
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub(super) nonce: u128,
    pub(super) form: LeaseForm,
    pub(super) term: Duration,
}

impl LeaseGrant {
    /// What is granted.
    #[must_use]
    pub const fn resource(&self) -> ResourceName {
        self.resource
    }

    /// The term granted, in true time: what was asked for, or the longest that the grantor offers.
    /// A holder counts at most what it asked for, whatever this says.
    #[must_use]
    pub const fn term(&self) -> Duration {
        self.term
    }
}

/// The holder will not act under the lease any more. It has the holder's secret: send it to the
/// grantor only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
#[must_use = "the grantor does not know of it unless it is sent"]
pub struct LeaseRelease {
    pub(super) resource: ResourceName,
    pub(super) holder: HolderId,
    pub(super) secret: Secret,
}
