//! What clients saw of a store, and whether some order explains it that contains real time: strict
//! serializability.
//!
//! Write transactions stand where their timestamps put them: that is what a timestamp promises. A
//! transaction that only read stands anywhere between the newest version it saw and the next
//! version of anything it saw. Then three things must hold:
//!
//! - whoever read, saw the versions that were current where it stands;
//! - no two transactions wrote one key at one timestamp (those that wrote other keys at it stand
//!   there together);
//! - whoever began after another had its answer stands behind it.
//!
//! Only times of one observer are compared, so nobody's clock has to be believed.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;

/// The version of a key that nobody wrote.
pub(crate) const INITIAL: i64 = i64::MIN;

/// One finished transaction, as its client saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    /// A name for people.
    pub(crate) name: String,
    /// When the request left, in nanoseconds on the one observer's clock.
    pub(crate) invoked_ns: i64,
    /// When the answer was there.
    pub(crate) answered_ns: i64,
    /// The timestamp of what it wrote. Of what only reads nothing but the story depends on it.
    pub(crate) at: i64,
    /// Which version, by its timestamp, it saw of each key.
    pub(crate) saw: Vec<(u64, i64)>,
    /// The keys that it wrote.
    pub(crate) wrote: Vec<u64>,
}

/// What no order explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// One key has two versions of one timestamp.
    SameTimestamp { key: u64, one: Operation, other: Operation },
    /// A version was seen that no finished transaction wrote.
    NobodyWrote { key: u64, version: i64, seen_by: Operation },
    /// A transaction did not see what was current where it stands.
    NotCurrent { key: u64, saw: i64, current: i64, reader: Operation },
    /// What was seen was never current all at once.
    Torn { reader: Operation },
    /// One began after another's answer and stands before it.
    RealTime { earlier: Operation, later: Operation },
}

/// Where a transaction stands: at a timestamp, or just behind all that was written at it.
type Place = (i64, bool);

/// Looks for a violation. Takes time n log n.
pub(crate) fn check(history: &[Operation]) -> Result<(), Box<Violation>> {
    let versions = versions(history)?;
    let mut invoked: Vec<&Operation> = history.iter().collect();
    invoked.sort_by_key(|operation| operation.invoked_ns);
    // Answers by their time, as they become known, and the place furthest behind of those that came
    // before.
    let mut answers: BTreeMap<(i64, usize), (Place, &Operation)> = BTreeMap::new();
    let mut furthest: Option<(Place, &Operation)> = None;
    for (number, operation) in invoked.into_iter().enumerate() {
        while let Some(first) =
            answers.first_entry().filter(|entry| entry.key().0 < operation.invoked_ns)
        {
            let answered = first.remove();
            furthest = furthest.filter(|(place, _)| *place >= answered.0).or(Some(answered));
        }
        let place = place(operation, &versions, furthest)?;
        answers.insert((operation.answered_ns, number), (place, operation));
    }
    Ok(())
}

type Versions<'a> = HashMap<u64, BTreeMap<i64, &'a Operation>>;

fn versions(history: &[Operation]) -> Result<Versions<'_>, Box<Violation>> {
    let mut versions: Versions<'_> = HashMap::new();
    for operation in history {
        for &key in &operation.wrote {
            if let Some(other) = versions.entry(key).or_default().insert(operation.at, operation) {
                return Err(Violation::SameTimestamp {
                    key,
                    one: other.clone(),
                    other: operation.clone(),
                }
                .into());
            }
        }
    }
    Ok(versions)
}

/// Where an operation stands: as far in front as what it saw, and those answered before it began,
/// allow.
fn place(
    operation: &Operation,
    versions: &Versions<'_>,
    furthest: Option<(Place, &Operation)>,
) -> Result<Place, Box<Violation>> {
    let none = BTreeMap::new();
    let (mut newest, mut next) = (INITIAL, i64::MAX);
    for &(key, version) in &operation.saw {
        let of_key = versions.get(&key).unwrap_or(&none);
        if version != INITIAL && !of_key.contains_key(&version) {
            return Err(Violation::NobodyWrote { key, version, seen_by: operation.clone() }.into());
        }
        if !operation.wrote.is_empty() {
            let current = of_key.range(..operation.at).next_back().map_or(INITIAL, |(at, _)| *at);
            if version != current {
                return Err(Violation::NotCurrent {
                    key,
                    saw: version,
                    current,
                    reader: operation.clone(),
                }
                .into());
            }
        }
        newest = newest.max(version);
        let later = of_key.range((Bound::Excluded(version), Bound::Unbounded)).next();
        next = next.min(later.map_or(i64::MAX, |(at, _)| *at));
    }
    let too_late = |earlier: &Operation| Violation::RealTime {
        earlier: earlier.clone(),
        later: operation.clone(),
    };
    if !operation.wrote.is_empty() {
        return match furthest {
            Some((place, earlier)) if place >= (operation.at, false) => {
                Err(too_late(earlier).into())
            }
            _ => Ok((operation.at, false)),
        };
    }
    if newest >= next {
        return Err(Violation::Torn { reader: operation.clone() }.into());
    }
    match furthest {
        Some(((at, _), earlier)) if at >= next => Err(too_late(earlier).into()),
        Some(((at, _), _)) => Ok((newest.max(at), true)),
        None => Ok((newest, true)),
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::SameTimestamp { key, one, other } => {
                write!(f, "key {key} has two versions:\n{one}\n{other}")
            }
            Violation::NobodyWrote { key, version, seen_by } => {
                write!(f, "nobody wrote the version {version} of key {key}, seen by\n{seen_by}")
            }
            Violation::NotCurrent { key, saw, current, reader } => {
                write!(
                    f,
                    "of key {key} the version {saw} was seen, {current} was current, by\n{reader}"
                )
            }
            Violation::Torn { reader } => {
                write!(f, "what was seen was never current all at once:\n{reader}")
            }
            Violation::RealTime { earlier, later } => {
                let gap = Milliseconds(later.invoked_ns - earlier.answered_ns);
                write!(
                    f,
                    "{earlier}\n{later}\nThe second began {gap} after the first had its answer, "
                )?;
                if later.wrote.is_empty() {
                    write!(f, "and does not see it, or what it saw")
                } else {
                    write!(f, "and its timestamp is {} lower", Milliseconds(earlier.at - later.at))
                }
            }
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (begun, answered) = (Milliseconds(self.invoked_ns), Milliseconds(self.answered_ns));
        write!(
            f,
            "  {}: timestamp {}, begun at {begun}, answered at {answered}",
            self.name, self.at
        )
    }
}

/// A number of nanoseconds, for people.
struct Milliseconds(i64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let us = self.0.unsigned_abs() / 1000;
        write!(f, "{sign}{}.{:03} ms", us / 1000, us % 1000)
    }
}
