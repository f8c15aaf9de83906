//! What has been seen: the writes that a read had taken into account, in the space of those that
//! may still be in doubt.

use super::{MOST_WRITERS, Version, WriteError};
#[cfg(feature = "serde")]
use super::{MOST_WRITES, WIDEST};
use crate::causality::BrokenBound;
use crate::time::{TimeInterval, TimescaleMismatch, Timestamp};
use std::collections::BTreeMap;

/// The writes that a [`Reading`](super::Reading) took into account: those it shows, and those that
/// are gone. A client keeps it from its read to the write that follows.
///
/// Against accidents, not forgers: it is a claim. Whoever may write can claim to have seen what it
/// has not, and what it claims goes under its write. It cannot make a state unreadable, nor larger
/// than its limits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "Fields", try_from = "Fields"))]
pub struct Seen {
    /// The interval with the highest `earliest` of all that was seen, and among those with the
    /// highest `latest`.
    newest: Option<TimeInterval>,
    /// Of each writer that may have written since: how many of its writes, and where the last of
    /// them ends.
    writers: BTreeMap<u128, Upto>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Upto {
    number: u64,
    /// The highest `latest` of them.
    latest: Timestamp,
}

impl Seen {
    /// Of a client that has not read.
    #[must_use]
    pub const fn nothing() -> Seen {
        Seen { newest: None, writers: BTreeMap::new() }
    }

    /// Whether this write was taken into account; of what is under the newest by time it need not
    /// know any more.
    ///
    /// A count alone is a claim. Whoever has truly seen the write knows no earlier newest than its
    /// begin, and no earlier end of its author's writes than its end. (What is forgotten of a name
    /// ends before the begin of the newest, and what is counted anew of it does not; so the count
    /// ends after both.) Where that is not so, the claim is false, or two write under one name: the
    /// write stays.
    pub(super) fn covers<V>(&self, version: &Version<V>) -> bool {
        let knows_its_begin =
            self.newest.is_some_and(|newest| version.interval.earliest() <= newest.earliest());
        knows_its_begin && self.counts(version)
    }

    /// Whether this write is among those that are counted here, and ends before their end.
    pub(super) fn counts<V>(&self, version: &Version<V>) -> bool {
        let upto = self.writers.get(&version.writer);
        upto.is_some_and(|upto| {
            version.number <= upto.number && version.interval.latest() <= upto.latest
        })
    }

    /// Whether there is room for what was seen.
    pub(super) fn has_room(&self) -> bool {
        self.writers.len() <= MOST_WRITERS
    }

    /// Whether a register can come to have seen this.
    #[cfg(feature = "serde")]
    pub(super) fn is_possible(&self) -> bool {
        let Some(newest) = self.newest else { return self.writers.is_empty() };
        let last = newest.earliest().checked_add(WIDEST).unwrap_or(Timestamp::MAX);
        let is_possible = |upto: &Upto| {
            let is_counted = (1..=MOST_WRITES).contains(&upto.number);
            is_counted && newest.earliest() <= upto.latest && upto.latest <= last
        };
        newest.latest() <= last && self.has_room() && self.writers.values().all(is_possible)
    }

    /// Whether what ends at `latest` is under the newest by time.
    pub(super) fn is_certainly_before_newest(&self, latest: Timestamp) -> bool {
        self.newest.is_some_and(|newest| latest < newest.earliest())
    }

    /// How many of this writer's writes were seen, as far as that is still kept.
    pub(super) fn number(&self, writer: u128) -> u64 {
        self.writers.get(&writer).map_or(0, |upto| upto.number)
    }

    /// The interval of something that came after all of this, and within `now`.
    pub(super) fn raise(&self, now: &TimeInterval) -> Result<TimeInterval, WriteError> {
        let Some(newest) = self.newest else { return Ok(*now) };
        if let Some(broken) = BrokenBound::between(&newest, now)? {
            return Err(broken.into());
        }
        let earliest = now.earliest().max(newest.earliest());
        Ok(TimeInterval::new(earliest, now.latest(), now.timescale())
            .expect("no proof: newest begins before now ends"))
    }

    /// Whether the two are of one timescale.
    pub(super) fn check_timescale(&self, other: &Seen) -> Result<(), TimescaleMismatch> {
        match (self.newest, other.newest) {
            (Some(a), Some(b)) => a.order(&b).map(drop),
            _ => Ok(()),
        }
    }

    /// Takes in what another has seen.
    pub(super) fn join(&mut self, other: &Seen) {
        for (writer, upto) in &other.writers {
            self.count(*writer, *upto);
        }
        if let Some(newest) = other.newest {
            self.note_newest(newest);
        }
        self.forget();
    }

    /// Takes in one write.
    pub(super) fn add<V>(&mut self, version: &Version<V>) {
        self.count(
            version.writer,
            Upto { number: version.number, latest: version.interval.latest() },
        );
        self.note_newest(version.interval);
        self.forget();
    }

    fn count(&mut self, writer: u128, upto: Upto) {
        let ours = self.writers.entry(writer).or_insert(upto);
        *ours = Upto { number: ours.number.max(upto.number), latest: ours.latest.max(upto.latest) };
    }

    fn note_newest(&mut self, interval: TimeInterval) {
        let key = |interval: TimeInterval| (interval.earliest(), interval.latest());
        if self.newest.is_none_or(|newest| key(newest) < key(interval)) {
            self.newest = Some(interval);
        }
    }

    /// Writers whose writes are all under the newest by time need no count: what comes of them
    /// again is known by its time.
    fn forget(&mut self) {
        let Some(newest) = self.newest else { return };
        self.writers.retain(|_, upto| upto.latest >= newest.earliest());
    }

    /// The interval with the highest `earliest`.
    pub(super) fn newest(&self) -> Option<TimeInterval> {
        self.newest
    }

    #[cfg(all(test, not(sureclock_loom)))]
    pub(super) fn writers(&self) -> usize {
        self.writers.len()
    }
}

/// What it is on the wire.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    newest: Option<TimeInterval>,
    #[serde(deserialize_with = "super::read::at_most_writers")]
    writers: Vec<OfWriter>,
}

#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct OfWriter {
    #[serde(with = "crate::time::wire")]
    writer: u128,
    number: u64,
    latest: Timestamp,
}

#[cfg(feature = "serde")]
impl From<Seen> for Fields {
    fn from(seen: Seen) -> Fields {
        let of_writer = |(writer, Upto { number, latest })| OfWriter { writer, number, latest };
        Fields { newest: seen.newest, writers: seen.writers.into_iter().map(of_writer).collect() }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Fields> for Seen {
    type Error = super::StateError;

    fn try_from(fields: Fields) -> Result<Seen, super::StateError> {
        let mut seen = Seen { newest: fields.newest, writers: BTreeMap::new() };
        for OfWriter { writer, number, latest } in fields.writers {
            if seen.writers.insert(writer, Upto { number, latest }).is_some() {
                return Err(super::StateError::Seen);
            }
        }
        seen.is_possible().then_some(seen).ok_or(super::StateError::Seen)
    }
}
