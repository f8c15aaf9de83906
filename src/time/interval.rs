//! `TimeInterval`: two timestamps with true time between them, and `Order`, what two intervals can
//! say.

use super::{Timescale, Timestamp};
use std::time::Duration;

/// An interval that contained true time at one moment: `earliest <= true time <= latest`, both ends
/// included.
///
/// Its uncertainty is half the width: true time is within `midpoint ± uncertainty`. The midpoint is
/// not a better guess than any other point inside: nothing is known about where inside true time
/// lies.
///
/// It speaks of the moment of its reading. Intersecting or joining intervals of two moments means
/// nothing, so it is not offered; comparing them is [`order`](TimeInterval::order), whose third
/// answer is *cannot know*. For the same reason there is no `PartialOrd`.
///
/// # Examples
///
/// ```
/// use sureclock::{Order, TimeInterval};
///
/// let a: TimeInterval = "2026-11-23T11:03:00.000Z ± 1 ms".parse()?;
/// let b: TimeInterval = "2026-11-23T11:03:00.003Z ± 1 ms".parse()?;
/// let c: TimeInterval = "2026-11-23T11:03:00.004Z ± 1 ms".parse()?;
/// assert_eq!(a.order(&b)?, Order::Before);
/// assert_eq!(c.order(&b)?, Order::Concurrent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "Fields", try_from = "Fields"))]
pub struct TimeInterval {
    earliest: Timestamp,
    latest: Timestamp,
    timescale: Timescale,
}

impl TimeInterval {
    /// The interval from `earliest` to `latest`, both included, on `timescale`.
    ///
    /// # Errors
    ///
    /// [`InvertedInterval`] if `latest` is before `earliest`.
    pub fn new(
        earliest: Timestamp,
        latest: Timestamp,
        timescale: Timescale,
    ) -> Result<TimeInterval, InvertedInterval> {
        if latest < earliest {
            return Err(InvertedInterval { earliest, latest });
        }
        Ok(TimeInterval { earliest, latest, timescale })
    }

    /// The bound below: true time was not before it.
    #[must_use]
    pub const fn earliest(&self) -> Timestamp {
        self.earliest
    }

    /// The bound above: true time was not after it.
    #[must_use]
    pub const fn latest(&self) -> Timestamp {
        self.latest
    }

    /// The timescale on which both ends are counted.
    #[must_use]
    pub const fn timescale(&self) -> Timescale {
        self.timescale
    }

    /// `latest - earliest`. Exact; up to 584 years.
    #[must_use]
    pub const fn width(&self) -> Duration {
        Duration::from_nanos(self.latest.as_unix_nanos().abs_diff(self.earliest.as_unix_nanos()))
    }

    /// Half the width, rounded up to a nanosecond: the epsilon of the interval.
    #[must_use]
    pub const fn uncertainty(&self) -> Duration {
        Duration::from_nanos(
            self.latest.as_unix_nanos().abs_diff(self.earliest.as_unix_nanos()).div_ceil(2),
        )
    }

    /// The middle, rounded down to a nanosecond. For logs only: true time is no likelier here than
    /// anywhere inside.
    #[must_use]
    pub fn midpoint(&self) -> Timestamp {
        let (a, b) = (self.earliest.as_unix_nanos(), self.latest.as_unix_nanos());
        // Never wraps: the common bits and half of the differing bits, added, lie between a and b.
        Timestamp::from_unix_nanos((a & b) + ((a ^ b) >> 1))
    }

    /// Whether `point` may have been true time at the reading.
    #[must_use]
    pub fn contains(&self, point: Timestamp) -> bool {
        self.earliest <= point && point <= self.latest
    }

    /// What is certain about the moments of two readings, on whichever machines they were taken.
    ///
    /// [`Order::Before`] iff all of `self` is before all of `other`; [`Order::Concurrent`] means
    /// that neither order is certain, not that the readings were at the same time.
    ///
    /// # Errors
    ///
    /// [`TimescaleMismatch`] if they are counted on two timescales, which have no order.
    ///
    /// # References
    ///
    /// Spanner, section 3: `TT.after` and `TT.before` between two intervals.
    pub fn order(&self, other: &TimeInterval) -> Result<Order, TimescaleMismatch> {
        if self.timescale != other.timescale {
            return Err(TimescaleMismatch { left: self.timescale, right: other.timescale });
        }
        Ok(if self.latest < other.earliest {
            Order::Before
        } else if other.latest < self.earliest {
            Order::After
        } else {
            Order::Concurrent
        })
    }
}

/// What two intervals say about the order of their moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum Order {
    /// The first moment was before the second, in true time.
    Before,
    /// The first moment was after the second, in true time.
    After,
    /// The intervals meet: the order cannot be known.
    Concurrent,
}

impl Order {
    /// The order seen from the other side: `a.order(b)` is `b.order(a).reverse()`.
    pub const fn reverse(self) -> Order {
        match self {
            Order::Before => Order::After,
            Order::After => Order::Before,
            Order::Concurrent => Order::Concurrent,
        }
    }
}

/// The interval would end before it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an interval from {earliest} cannot end before it, at {latest}")]
pub struct InvertedInterval {
    /// The bound below.
    pub earliest: Timestamp,
    /// The bound above, which is before it.
    pub latest: Timestamp,
}

/// Two intervals on two timescales have no order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("times of the timescales {left} and {right} cannot be compared")]
pub struct TimescaleMismatch {
    /// The timescale of the first.
    pub left: Timescale,
    /// The timescale of the second.
    pub right: Timescale,
}

/// What an interval is on the wire.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    earliest: Timestamp,
    latest: Timestamp,
    timescale: Timescale,
}

#[cfg(feature = "serde")]
impl From<TimeInterval> for Fields {
    fn from(interval: TimeInterval) -> Fields {
        let TimeInterval { earliest, latest, timescale } = interval;
        Fields { earliest, latest, timescale }
    }
}

#[cfg(feature = "serde")]
impl TryFrom<Fields> for TimeInterval {
    type Error = InvertedInterval;

    fn try_from(fields: Fields) -> Result<TimeInterval, InvertedInterval> {
        TimeInterval::new(fields.earliest, fields.latest, fields.timescale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn interval(a: i64, b: i64) -> TimeInterval {
        let (earliest, latest) =
            (Timestamp::from_unix_nanos(a.min(b)), Timestamp::from_unix_nanos(a.max(b)));
        TimeInterval::new(earliest, latest, Timescale::Utc).unwrap()
    }

    #[test]
    fn an_inverted_interval_is_an_error_and_a_point_is_not() {
        let (a, b) = (Timestamp::from_unix_nanos(1), Timestamp::from_unix_nanos(2));
        assert!(TimeInterval::new(b, a, Timescale::Utc).is_err());
        assert_eq!(TimeInterval::new(a, a, Timescale::Utc).unwrap().uncertainty(), Duration::ZERO);
    }

    #[test]
    fn two_timescales_have_no_order() {
        let a = interval(0, 1);
        let b = TimeInterval { timescale: Timescale::Smear24h, ..interval(5, 6) };
        assert!(a.order(&b).is_err());
    }

    #[test]
    fn touching_intervals_are_concurrent() {
        assert_eq!(interval(0, 5).order(&interval(5, 9)), Ok(Order::Concurrent));
        assert_eq!(interval(0, 5).order(&interval(6, 9)), Ok(Order::Before));
    }

    proptest! {
        #[test]
        fn midpoint_and_uncertainty_cover_the_interval(a: i64, b: i64) {
            let i = interval(a, b);
            let (mid, half) = (i128::from(i.midpoint().as_unix_nanos()), i.uncertainty().as_nanos() as i128);
            prop_assert!(i.contains(i.midpoint()));
            prop_assert!(mid - half <= i128::from(i.earliest().as_unix_nanos()));
            prop_assert!(mid + half >= i128::from(i.latest().as_unix_nanos()));
            prop_assert!(half * 2 <= i.width().as_nanos() as i128 + 1);
        }

        #[test]
        fn a_certain_order_agrees_with_every_pair_of_points_inside(a: i64, b: i64, c: i64, d: i64) {
            let (x, y) = (interval(a, b), interval(c, d));
            let all_before = x.latest() < y.earliest();
            let all_after = x.earliest() > y.latest();
            prop_assert_eq!(x.order(&y).unwrap() == Order::Before, all_before);
            prop_assert_eq!(x.order(&y).unwrap() == Order::After, all_after);
            prop_assert_eq!(x.order(&y).unwrap(), y.order(&x).unwrap().reverse());
        }
    }
}
