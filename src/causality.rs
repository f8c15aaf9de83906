//! Causality: every message is a free audit of both clocks. Pure: intervals in, proofs out.
//!
//! A sender reads its interval before it sends, a receiver after it has received. What was sent was
//! sent before it was received, so `t(sent) <= t(received)`; if `sender.earliest >
//! receiver.latest`, one of the two intervals does not contain true time. That proves that an
//! assumption is broken on one of the machines; it does not say on which. The reverse proves
//! nothing: a message may take long.
//!
//! It reports and does no more. A peer that may say anything must not be able to disrupt a clock;
//! what to do is for people, or for a vote of many peers.
//!
//! # References
//!
//! Lamport, *Time, Clocks, and the Ordering of Events* (1978): the happened-before relation, here
//! against measured bounds.

use crate::time::{TimeInterval, Timescale, TimescaleMismatch};
use siphasher::sip128::{Hasher128 as _, SipHasher24};
use std::hash::Hasher as _;
use std::time::Duration;

/// A payload with the interval of its sender, read before it was sent, and a checksum over both.
///
/// Made by [`SureClock::seal`](crate::SureClock::seal), opened by
/// [`SureClock::open`](crate::SureClock::open). The checksum finds what disks, memory and networks
/// do to it by accident; it is no signature.
///
/// ```
/// # let interval: sureclock::TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse()?;
/// # let (sender, time) = sureclock::SureClock::manual(interval);
/// # let receiver = sender.clone();
/// let envelope = sender.seal("deposit 10")?;
/// // .. over the network ..
/// let opened = receiver.open(&envelope)?;
/// assert_eq!(*opened.payload, "deposit 10");
/// if let Some(broken) = opened.broken_bound {
///     eprintln!("{broken}"); // one of the two clocks is wrong
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Envelope<P> {
    sent: TimeInterval,
    epoch: u32,
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    checksum: u128,
    payload: P,
}

/// What was in an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened<'a, P> {
    /// What was sent.
    pub payload: &'a P,
    /// When it was sent, by the sender's clock.
    pub sent: TimeInterval,
    /// The epoch of the sender's clock.
    pub epoch: u32,
    /// When it was opened, by the receiver's clock.
    pub received: TimeInterval,
    /// The proof that one of the two clocks is wrong, if there is one.
    pub broken_bound: Option<BrokenBound>,
}

/// A proof that one of two intervals does not contain true time: what came first lies wholly after
/// what came second.
///
/// What is read from others is checked: it is the proof that its two intervals make. That they are
/// what two clocks said, and in that order, is the sender's word: against accidents, not forgers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "ProofFields")
)]
#[error("{first} came before {second}, and lies {by:?} after it: one of the two bounds is broken")]
#[non_exhaustive]
pub struct BrokenBound {
    /// The interval of what came first, a sending say.
    pub first: TimeInterval,
    /// The interval of what came second, the receipt.
    pub second: TimeInterval,
    /// How far the second one's `latest` is below the first one's `earliest`: at least so wrong is
    /// one of them, or both together.
    pub by: Duration,
}

/// What a proof is read from: it is made anew from its two intervals.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofFields {
    first: TimeInterval,
    second: TimeInterval,
    by: Duration,
}

/// What was read proves nothing, or something else than it says.
#[cfg(feature = "serde")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the two intervals do not prove that a bound is broken by so much")]
struct NoProof;

#[cfg(feature = "serde")]
impl TryFrom<ProofFields> for BrokenBound {
    type Error = NoProof;

    fn try_from(fields: ProofFields) -> Result<BrokenBound, NoProof> {
        let proof = BrokenBound::between(&fields.first, &fields.second).ok().flatten();
        proof.filter(|proof| proof.by == fields.by).ok_or(NoProof)
    }
}

/// Why an envelope says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not what was sealed.
    #[error("the checksum is wrong: the envelope was damaged")]
    Damaged,
    /// Sender and receiver count on two timescales.
    #[error(transparent)]
    Timescale(#[from] TimescaleMismatch),
    /// The receiver has no interval. The payload is whole: [`Envelope::payload`].
    #[error(transparent)]
    Now(#[from] crate::bound::NowError),
}

impl<P: AsRef<[u8]>> Envelope<P> {
    pub(crate) fn new(sent: TimeInterval, epoch: u32, payload: P) -> Envelope<P> {
        let checksum = sum(&sent, epoch, payload.as_ref());
        Envelope { sent, epoch, checksum, payload }
    }

    pub(crate) fn open(&self, received: TimeInterval) -> Result<Opened<'_, P>, OpenError> {
        let payload = self.payload()?;
        let broken_bound = BrokenBound::between(&self.sent, &received)?;
        Ok(Opened { payload, sent: self.sent, epoch: self.epoch, received, broken_bound })
    }

    /// The payload, without a look at any clock.
    ///
    /// # Errors
    ///
    /// [`OpenError::Damaged`].
    pub fn payload(&self) -> Result<&P, OpenError> {
        let whole = sum(&self.sent, self.epoch, self.payload.as_ref()) == self.checksum;
        if whole { Ok(&self.payload) } else { Err(OpenError::Damaged) }
    }
}

impl BrokenBound {
    /// The proof that `first`, an interval of something that certainly came before that of
    /// `second`, or `second` is wrong; `None` if the two intervals prove nothing.
    ///
    /// # Errors
    ///
    /// [`TimescaleMismatch`].
    pub fn between(
        first: &TimeInterval,
        second: &TimeInterval,
    ) -> Result<Option<BrokenBound>, TimescaleMismatch> {
        if first.timescale() != second.timescale() {
            return Err(TimescaleMismatch { left: first.timescale(), right: second.timescale() });
        }
        let by =
            first.earliest().checked_duration_since(second.latest()).filter(|by| !by.is_zero());
        Ok(by.map(|by| BrokenBound { first: *first, second: *second, by }))
    }
}

/// Looks for broken bounds in a log of intervals of events that happened one after the other, each
/// of which may have been seen by the next: commits in the order in which they were answered and
/// begun, messages of a conversation, entries of a replicated log.
///
/// Gives a proof for each event that lies wholly before something that came before it, with the one
/// that it contradicts most; in the order of the log. Takes one pass.
///
/// # Errors
///
/// [`TimescaleMismatch`].
pub fn audit<'a>(
    log: impl IntoIterator<Item = &'a TimeInterval>,
) -> Result<Vec<BrokenBound>, TimescaleMismatch> {
    let (mut proofs, mut furthest): (Vec<BrokenBound>, Option<&TimeInterval>) = (Vec::new(), None);
    for event in log {
        if let Some(before) = furthest {
            proofs.extend(BrokenBound::between(before, event)?);
        }
        furthest = match furthest {
            Some(before) if before.earliest() >= event.earliest() => Some(before),
            _ => Some(event),
        };
    }
    Ok(proofs)
}

/// A checksum of 128 bits of what is stored or sent: the same on every machine and in every
/// version. It finds accidents, not forgeries.
///
/// # References
///
/// SipHash-2-4 with 128 bits of output and a key of zeros; Aumasson and Bernstein (2012).
#[must_use]
pub fn checksum(content: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write(content);
    hasher.finish128().as_u128()
}

fn sum(sent: &TimeInterval, epoch: u32, payload: &[u8]) -> u128 {
    let timescale = match sent.timescale() {
        Timescale::Utc => 0_u8,
        Timescale::Smear24h => 1,
        Timescale::Smear62500s => 2,
    };
    let mut bytes = vec![timescale];
    bytes.extend(sent.earliest().as_unix_nanos().to_le_bytes());
    bytes.extend(sent.latest().as_unix_nanos().to_le_bytes());
    bytes.extend(epoch.to_le_bytes());
    bytes.extend(payload);
    checksum(&bytes)
}

#[cfg(all(test, not(sureclock_loom)))]
mod tests;
