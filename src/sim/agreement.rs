//! The agreement by itself, for tests beside a definition of it and for pictures.

use crate::bound::agree::{Agreement, agree};
use crate::bound::window::Bound;

/// What a failure domain says of true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainBound {
    /// Nothing: it has no fact within the window.
    Silent,
    /// Facts that contradict each other: it is wrong, whatever true time is.
    Contradictory,
    /// True time is from here to there, in nanoseconds, if it is right.
    Within(i64, i64),
}

/// What failure domains say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreed {
    /// At most f of them say anything: any of these may be wrong.
    NoNews,
    /// More than f are wrong.
    Contradiction,
    /// True time is from here to there, in nanoseconds, if at most f are wrong. Degraded: 2f
    /// domains or fewer say anything, so that a wrong one can widen it.
    Within {
        /// The lower end.
        earliest_ns: i64,
        /// The upper end.
        latest_ns: i64,
        /// At most 2f domains said anything.
        degraded: bool,
    },
}

/// What a clock makes of what its failure domains say, of which at most `max_faulty` are wrong: the
/// hull of the points that all but `max_faulty` of those that say anything cover.
///
/// ```
/// use sureclock::sim::{Agreed, DomainBound::Within, agreement};
///
/// let liar = Within(500, 501);
/// let agreed = agreement(&[Within(10, 20), liar, Within(12, 22)], 1);
/// assert_eq!(agreed, Agreed::Within { earliest_ns: 12, latest_ns: 20, degraded: false });
/// ```
#[must_use]
pub fn agreement(domains: &[DomainBound], max_faulty: usize) -> Agreed {
    let bounds = domains.iter().map(|domain| match *domain {
        DomainBound::Within(earliest_ns, latest_ns) if earliest_ns <= latest_ns => {
            Bound::Within { earliest_ns, latest_ns }
        }
        DomainBound::Silent => Bound::Silent,
        // What ends before it begins contradicts itself.
        DomainBound::Contradictory | DomainBound::Within(..) => Bound::Empty,
    });
    match agree(&bounds.collect::<Vec<_>>(), max_faulty) {
        Agreement::NoNews => Agreed::NoNews,
        Agreement::Contradiction => Agreed::Contradiction,
        Agreement::Within { earliest_ns, latest_ns, degraded } => {
            Agreed::Within { earliest_ns, latest_ns, degraded }
        }
    }
}
