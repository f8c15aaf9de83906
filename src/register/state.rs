//! The state of a register: the writes that are left, and what was seen. What is stored and sent,
//! and how two merge.

use super::{MOST_VERSIONS, MergeError, Seen};
use crate::causality::BrokenBound;
use crate::time::{TimeInterval, TimescaleMismatch};
use std::collections::BTreeMap;

/// What a replica knows of a register. With the feature `serde` as data; checked when it is read:
/// what is accepted, every operation keeps readable.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "Fields<V>", try_from = "Fields<V>"))]
#[cfg_attr(feature = "serde", serde(bound(serialize = "V: Clone + serde::Serialize")))]
#[cfg_attr(feature = "serde", serde(bound(deserialize = "V: serde::Deserialize<'de>")))]
pub struct State<V> {
    /// None is certainly before, or seen by, another one. In the order of their intervals, then of
    /// their names: the same on every replica.
    versions: Vec<Version<V>>,
    pub(super) seen: Seen,
}

/// A write that may be the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Version<V> {
    pub(super) value: V,
    pub(super) interval: TimeInterval,
    #[cfg_attr(feature = "serde", serde(with = "crate::time::wire"))]
    pub(super) writer: u128,
    pub(super) number: u64,
}

/// A write that went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Dropped<V> {
    /// What was written.
    pub version: Version<V>,
    /// Why it is not the last.
    pub superseded: Superseded,
}

/// Why a write is not the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Superseded {
    /// A write that is there certainly came later, by true time. Its author may not have seen this
    /// one.
    CertainlyEarlier,
    /// The author of a later write had seen it, and true time alone does not tell them apart.
    Seen,
}

/// What a read gives: the writes that may be the last one, and what a write that follows has seen.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a, V> {
    state: &'a State<V>,
}

/// What was written last, as far as that can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Latest<'a, V> {
    /// Nothing was written here yet.
    Nothing,
    /// This one, of all that this replica knows.
    One(&'a V),
    /// One of these, and nobody can know which; at least two. Show them, join them, or choose; and
    /// write the choice with what this read has [seen](Reading::seen).
    Several(&'a [Version<V>]),
}

/// Why something is no state of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// What was seen contradicts itself.
    #[error("what was seen is not what was sent")]
    Seen,
    /// A write is there twice, was not seen, or is under another one.
    #[error("the writes are not those of a register")]
    Versions,
}

impl<V> State<V> {
    /// Of a register that nobody has written to.
    #[must_use]
    pub const fn new() -> State<V> {
        State { versions: Vec::new(), seen: Seen::nothing() }
    }

    /// What was written last, as far as this state knows.
    #[must_use]
    pub const fn read(&self) -> Reading<'_, V> {
        Reading { state: self }
    }

    /// A proof that a clock is wrong, or that this state is none of this register: what is here was
    /// written before `now`, and yet lies after it. [`merge`](super::Register::merge) asks it, for
    /// one write from the far future would make every later one an error.
    ///
    /// # Errors
    ///
    /// [`TimescaleMismatch`].
    pub fn broken_bound(
        &self,
        now: &TimeInterval,
    ) -> Result<Option<BrokenBound>, TimescaleMismatch> {
        self.seen.newest().map_or(Ok(None), |newest| BrokenBound::between(&newest, now))
    }

    /// Adds a write that is not certainly before any that is here, and not before what its author
    /// has seen. `None`, and nothing changed, if there is no room.
    pub(super) fn add(&mut self, version: Version<V>, seen: &Seen) -> Option<Vec<Dropped<V>>> {
        let mut joined = self.seen.clone();
        joined.join(seen);
        joined.add(&version);
        let stays = |v: &Version<V>| {
            !seen.covers(v) && !joined.is_certainly_before_newest(v.interval.latest())
        };
        let left = self.versions.iter().filter(|v| stays(v)).count();
        if !joined.has_room() || left >= MOST_VERSIONS {
            return None;
        }
        let (gone, kept) =
            std::mem::take(&mut self.versions).into_iter().partition(|v| seen.covers(v));
        self.versions = kept;
        self.versions.push(version);
        self.seen = joined;
        Some(self.settle(gone))
    }

    pub(super) fn merge(&mut self, other: &State<V>) -> Result<Vec<Dropped<V>>, MergeError>
    where
        V: Clone + Eq,
    {
        self.seen.check_timescale(&other.seen)?;
        let (ours, theirs) = (self.by_name(), other.by_name());
        for (name, version) in &ours {
            if theirs.get(name).is_some_and(|other| other != version) {
                return Err(MergeError::Contradiction {
                    writer: version.writer,
                    number: version.number,
                });
            }
        }
        let mut joined = self.seen.clone();
        joined.join(&other.seen);
        // What one has taken in and does not have any more is under something that it has.
        let ours_stays = |v: &Version<V>| theirs.contains_key(&v.name()) || !other.seen.covers(v);
        let theirs_stays = |v: &Version<V>| !self.seen.covers(v);
        let new = || other.versions.iter().filter(|v| !ours.contains_key(&v.name()));
        // One of those that begin last is left, or somebody claims to have seen what it has not.
        // Then they all stay.
        let is_last = |v: &Version<V>| {
            joined.newest().is_some_and(|newest| newest.earliest() == v.interval.earliest())
        };
        let mut last = self.versions.iter().filter(|v| is_last(v) && ours_stays(v));
        let is_left = last.next().is_some() || new().any(|v| is_last(v) && theirs_stays(v));
        let ours_stays = |v: &Version<V>| ours_stays(v) || !is_left && is_last(v);
        let theirs_stays = |v: &Version<V>| theirs_stays(v) || !is_left && is_last(v);
        let is_on_time = |v: &Version<V>| !joined.is_certainly_before_newest(v.interval.latest());
        let left = self.versions.iter().filter(|v| ours_stays(v) && is_on_time(v)).count()
            + new().filter(|v| theirs_stays(v) && is_on_time(v)).count();
        if !joined.has_room() || left > MOST_VERSIONS {
            return Err(MergeError::Full);
        }
        // Cloned before anything is taken apart: a clone may panic.
        let (new, late): (Vec<_>, Vec<_>) = new().cloned().partition(theirs_stays);
        let stays: Vec<bool> = self.versions.iter().map(ours_stays).collect();
        let mut stays = stays.into_iter();
        let (kept, mut gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.versions)
            .into_iter()
            .partition(|_| stays.next().unwrap_or(true));
        gone.extend(late);
        self.versions = kept;
        self.versions.extend(new);
        self.seen = joined;
        Ok(self.settle(gone))
    }

    /// The writes that are left by author and number.
    fn by_name(&self) -> BTreeMap<(u128, u64), &Version<V>> {
        self.versions.iter().map(|version| (version.name(), version)).collect()
    }

    /// Whether a register can come into this state: what every operation keeps, and reading
    /// demands.
    #[cfg(feature = "serde")]
    pub(super) fn is_possible(&self) -> bool {
        let Some(newest) = self.seen.newest() else {
            return self.versions.is_empty() && self.seen.is_possible();
        };
        let key = |interval: TimeInterval| (interval.earliest(), interval.latest());
        let is_possible = |v: &Version<V>| {
            let is_left =
                v.interval.latest() >= newest.earliest() && key(v.interval) <= key(newest);
            v.number > 0
                && v.interval.timescale() == newest.timescale()
                && is_left
                && self.seen.counts(v)
        };
        self.seen.is_possible()
            && self.versions.len() <= MOST_VERSIONS
            && self.versions.iter().any(|v| v.interval.earliest() == newest.earliest())
            && self.versions.iter().all(is_possible)
            && self.by_name().len() == self.versions.len()
    }

    /// Drops what is certainly before the newest, and puts the rest in order. Gives that and what
    /// is gone already, with the reasons.
    fn settle(&mut self, mut gone: Vec<Version<V>>) -> Vec<Dropped<V>> {
        let is_earlier = |v: &Version<V>| self.seen.is_certainly_before_newest(v.interval.latest());
        let (earlier, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.versions).into_iter().partition(is_earlier);
        gone.extend(earlier);
        let reason = |v: &Version<V>| {
            if is_earlier(v) { Superseded::CertainlyEarlier } else { Superseded::Seen }
        };
        let dropped = gone
            .into_iter()
            .map(|version| Dropped { superseded: reason(&version), version })
            .collect();
        self.versions = kept;
        self.versions
            .sort_by_key(|v| (v.interval.earliest(), v.interval.latest(), v.writer, v.number));
        dropped
    }
}

impl<V> Default for State<V> {
    fn default() -> State<V> {
        State::new()
    }
}

impl<V> Version<V> {
    /// What was written.
    #[must_use]
    pub const fn value(&self) -> &V {
        &self.value
    }

    /// It was written within this: the interval that was given, its `earliest` raised to the
    /// highest that its author had seen or that was there.
    #[must_use]
    pub const fn interval(&self) -> TimeInterval {
        self.interval
    }

    fn name(&self) -> (u128, u64) {
        (self.writer, self.number)
    }
}

impl<'a, V> Reading<'a, V> {
    /// What was written last, as far as can be known.
    pub fn latest(&self) -> Latest<'a, V> {
        match self.versions() {
            [] => Latest::Nothing,
            [one] => Latest::One(&one.value),
            several => Latest::Several(several),
        }
    }

    /// All writes that may be the last one; in the same order on every replica.
    #[must_use]
    pub fn versions(&self) -> &'a [Version<V>] {
        &self.state.versions
    }

    /// What a write that follows this read has seen.
    #[must_use]
    pub const fn seen(&self) -> &'a Seen {
        &self.state.seen
    }
}

/// What a state is on the wire.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<V> {
    #[serde(
        deserialize_with = "super::read::at_most_versions",
        bound(deserialize = "V: serde::Deserialize<'de>")
    )]
    versions: Vec<Version<V>>,
    seen: Seen,
}

#[cfg(feature = "serde")]
impl<V> From<State<V>> for Fields<V> {
    fn from(state: State<V>) -> Fields<V> {
        Fields { versions: state.versions, seen: state.seen }
    }
}

#[cfg(feature = "serde")]
impl<V> TryFrom<Fields<V>> for State<V> {
    type Error = StateError;

    fn try_from(fields: Fields<V>) -> Result<State<V>, StateError> {
        let mut state = State { versions: fields.versions, seen: fields.seen };
        if !state.is_possible() {
            return Err(StateError::Versions);
        }
        state.settle(Vec::new());
        Ok(state)
    }
}
