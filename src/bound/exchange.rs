//! One exchange with a server as two one-way facts.
//!
//! A request that is read before it leaves and a reply that is read after it came bound true time
//! from two sides, with no assumption about the symmetry of the path: a message is not received
//! before it was sent.

use crate::time::{MonotonicTime, Timestamp};
use std::time::Duration;

/// What one exchange with a source proved: true time was at most so much at one reading of the
/// local counter, and at least so much at another.
///
/// A [`Source`](crate::Source) of your own makes one with [`Facts::new`]; the library's sources do
/// it for you. Both facts must hold whatever the network did: take the first reading before the
/// request leaves, the second after the reply came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    pub(crate) before: MonotonicTime,
    pub(crate) no_later_than: Timestamp,
    pub(crate) after: MonotonicTime,
    pub(crate) no_earlier_than: Timestamp,
    pub(crate) leap: LeapAnnouncement,
    pub(crate) stratum: Option<u8>,
    pub(crate) root_bound: Duration,
}

impl Facts {
    /// True time was at most `no_later_than` at reading `before`, and at least `no_earlier_than` at
    /// reading `after`.
    ///
    /// Round `no_later_than` up and `no_earlier_than` down. For a reply with stamps T2 and T3 of a
    /// server whose clock is at most B wrong these are T2 + B and T3 - B.
    ///
    /// # Errors
    ///
    /// [`FactsError::ForeignCounter`] if the readings belong to two counters;
    /// [`FactsError::Disrupted`] if the clock was disrupted between them; [`FactsError::Backward`]
    /// if `after` was read before `before`.
    pub fn new(
        before: MonotonicTime,
        no_later_than: Timestamp,
        after: MonotonicTime,
        no_earlier_than: Timestamp,
    ) -> Result<Facts, FactsError> {
        if before.counter() != after.counter() {
            return Err(FactsError::ForeignCounter);
        }
        if before.incarnation() != after.incarnation() {
            return Err(FactsError::Disrupted);
        }
        if after.ticks() < before.ticks() {
            return Err(FactsError::Backward);
        }
        Ok(Facts {
            before,
            no_later_than,
            after,
            no_earlier_than,
            leap: LeapAnnouncement::None,
            stratum: None,
            root_bound: Duration::ZERO,
        })
    }

    /// The same facts with the source's announcement of a leap second at the end of the current UTC
    /// day.
    #[must_use]
    pub fn with_leap(self, leap: LeapAnnouncement) -> Facts {
        Facts { leap, ..self }
    }

    /// The same facts, saying less: by so many nanoseconds, down and up. `None` if they do not fit.
    pub(crate) fn widened(&self, down_ns: i64, up_ns: i64) -> Option<Facts> {
        let no_later_than =
            Timestamp::from_unix_nanos(self.no_later_than.as_unix_nanos().checked_add(up_ns)?);
        let no_earlier_than =
            Timestamp::from_unix_nanos(self.no_earlier_than.as_unix_nanos().checked_sub(down_ns)?);
        Some(Facts { no_later_than, no_earlier_than, ..*self })
    }

    /// The same facts with what the source says of itself, for the status: stratum, and its own
    /// error B.
    #[must_use]
    pub fn with_quality(self, stratum: u8, root_bound: Duration) -> Facts {
        Facts { stratum: Some(stratum), root_bound, ..self }
    }

    /// The reading before the request left, at which true time was at most
    /// [`no_later_than`](Facts::no_later_than).
    #[must_use]
    pub const fn before(&self) -> MonotonicTime {
        self.before
    }

    /// The upper fact.
    #[must_use]
    pub const fn no_later_than(&self) -> Timestamp {
        self.no_later_than
    }

    /// The reading after the reply came, at which true time was at least
    /// [`no_earlier_than`](Facts::no_earlier_than).
    #[must_use]
    pub const fn after(&self) -> MonotonicTime {
        self.after
    }

    /// The lower fact.
    #[must_use]
    pub const fn no_earlier_than(&self) -> Timestamp {
        self.no_earlier_than
    }
}

/// Why two readings and two timestamps make no facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FactsError {
    /// The readings belong to two counters.
    #[error("the two readings belong to two counters")]
    ForeignCounter,
    /// The clock was disrupted between the two readings.
    #[error("the clock was disrupted between the two readings")]
    Disrupted,
    /// The second reading is before the first.
    #[error("the reading after the exchange is before the one before it")]
    Backward,
    /// A bound does not fit into a timestamp.
    #[error("a bound is outside the years 1677 to 2262")]
    OutOfRange,
}

/// A source's announcement of a leap second at the end of the current UTC day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeapAnnouncement {
    /// None is announced.
    #[default]
    None,
    /// The last minute of the day has 61 seconds.
    Insert,
    /// The last minute of the day has 59 seconds.
    Delete,
}

/// The four stamps of an exchange with a server, and what the server says of its own error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    /// c1, read before the request left.
    pub(crate) before: MonotonicTime,
    /// c4, read after the reply came.
    pub(crate) after: MonotonicTime,
    /// T2 rounded up, or T3 rounded up where the server's clock may have been set between the two.
    pub(crate) received_ns: i64,
    /// T3 rounded down.
    pub(crate) transmitted_ns: i64,
    /// B, rounded up.
    pub(crate) root_bound_ns: u64,
}

impl Stamps {
    /// `t(c1) <= T2 + B` and `t(c4) >= T3 - B`.
    pub(crate) fn facts(self) -> Result<Facts, FactsError> {
        let upper = self
            .received_ns
            .checked_add_unsigned(self.root_bound_ns)
            .ok_or(FactsError::OutOfRange)?;
        let lower = self
            .transmitted_ns
            .checked_sub_unsigned(self.root_bound_ns)
            .ok_or(FactsError::OutOfRange)?;
        let (upper, lower) = (Timestamp::from_unix_nanos(upper), Timestamp::from_unix_nanos(lower));
        Facts::new(self.before, upper, self.after, lower)
    }
}

/// B in nanoseconds, rounded up: root delay/2 + root dispersion + 2^precision + 1.5 * 2^-16 s.
///
/// Delay and dispersion are unsigned 16.16 seconds, precision is log2 of seconds. The last term is
/// there because some servers cut the two fields off, by less than a unit each: half a unit of
/// delay, since it is halved, and one of dispersion. `cut_off` false leaves it out, for a server
/// that rounds both up.
///
/// # References
///
/// RFC 5905 section 7.3 (fields) and 11.2 (root distance).
pub(crate) fn root_bound_ns(
    root_delay_16_16: u32,
    root_dispersion_16_16: u32,
    cut_off: bool,
    precision_log2_s: i8,
) -> u64 {
    // In units of 2^-17 s, so that half a unit of delay is one.
    let units = u64::from(root_delay_16_16)
        + 2 * u64::from(root_dispersion_16_16)
        + if cut_off { 3 } else { 0 };
    // Never overflows: units < 2^34, 10^9 < 2^30.
    let fields_ns = (units * NS_PER_S).div_ceil(1 << 17);
    let precision_ns = match precision_log2_s {
        // Shifted as a number and not as bits: none may leave at the top.
        0.. => {
            let seconds = 1u64.checked_shl(u32::from(precision_log2_s.unsigned_abs()));
            seconds.and_then(|seconds| NS_PER_S.checked_mul(seconds)).unwrap_or(u64::MAX)
        }
        -63..0 => NS_PER_S.div_ceil(1 << precision_log2_s.unsigned_abs()),
        _ => 1,
    };
    fields_ns.saturating_add(precision_ns)
}

const NS_PER_S: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::CounterId;
    use proptest::prelude::*;

    #[test]
    fn root_bound_matches_the_sum_of_its_terms() {
        // 10 ms of delay, 3 ms of dispersion, 2^-20 s.
        let b = root_bound_ns(655, 197, true, -20);
        let exact = 655.0 / 65536.0 / 2.0 + 197.0 / 65536.0 + 2f64.powi(-20) + 1.5 / 65536.0;
        assert!((b as f64) >= exact * 1e9 && (b as f64) < exact * 1e9 + 2.0);
        assert_eq!(
            root_bound_ns(0, 0, true, -128),
            22_890,
            "1.5 * 2^-16 s rounded up, and one nanosecond"
        );
        assert!(root_bound_ns(u32::MAX, u32::MAX, true, 127) == u64::MAX);
        assert_eq!(root_bound_ns(0, 0, true, 0), 1_000_022_889);
        // As on the wire: half of 655 units and 197 of them, 2^-20 s, each rounded up.
        assert_eq!(
            root_bound_ns(655, 197, false, -20),
            (655 * 500_000_000u64 + 197 * 1_000_000_000).div_ceil(65_536) + 954
        );
        assert_eq!(root_bound_ns(0, 0, false, -128), 1);
    }

    #[test]
    fn found_no_precision_makes_the_bound_less() {
        // 10^9 is 2^9 times an odd number: shifted by 55 nothing of it was left.
        let bounds: Vec<u64> =
            (-128..=127).map(|precision| root_bound_ns(0, 0, false, precision)).collect();
        assert!(bounds.is_sorted());
        assert_eq!(root_bound_ns(0, 0, false, 55), u64::MAX);
    }

    proptest! {
        /// Any split of the round trip, any server error within B: the facts cover truth.
        #[test]
        fn facts_cover_truth_for_any_split_of_the_delay(
            forward in 0u64..10_000_000_000, backward in 0u64..10_000_000_000, hold in 0u64..1_000_000,
            error_share in -1000i64..=1000, bound in 0u64..1_000_000_000, t1 in 0i64..1 << 60,
        ) {
            let id = CounterId::new(1);
            let error = (bound as i128 * error_share as i128 / 1000) as i64;
            let t2 = t1 + forward as i64 + error;
            let t4 = t1 + (forward + hold + backward) as i64;
            let facts = Stamps {
                before: MonotonicTime::new(id, 0, 0),
                after: MonotonicTime::new(id, 0, forward + hold + backward),
                received_ns: t2, transmitted_ns: t2 + hold as i64, root_bound_ns: bound,
            }.facts().unwrap();
            prop_assert!(t1 <= facts.no_later_than().as_unix_nanos());
            prop_assert!(t4 >= facts.no_earlier_than().as_unix_nanos());
        }
    }

    #[test]
    fn what_a_source_says_of_itself_is_kept() {
        let at = |ticks| MonotonicTime::new(CounterId::new(1), 0, ticks);
        let facts = Facts::new(at(1), Timestamp::UNIX_EPOCH, at(2), Timestamp::UNIX_EPOCH).unwrap();
        let with =
            facts.with_leap(LeapAnnouncement::Delete).with_quality(3, Duration::from_nanos(7));
        assert_eq!(
            (with.leap, with.stratum, with.root_bound),
            (LeapAnnouncement::Delete, Some(3), Duration::from_nanos(7))
        );
        assert_eq!(
            (facts.leap, facts.stratum, facts.root_bound),
            (LeapAnnouncement::None, None, Duration::ZERO)
        );
    }

    #[test]
    fn facts_of_two_counters_or_backward_or_out_of_range_are_errors() {
        let (a, b) = (CounterId::new(1), CounterId::new(2));
        let t = Timestamp::UNIX_EPOCH;
        let facts = |x, y| Facts::new(x, t, y, t);
        assert_eq!(
            facts(MonotonicTime::new(a, 0, 1), MonotonicTime::new(b, 0, 2)),
            Err(FactsError::ForeignCounter)
        );
        assert_eq!(
            facts(MonotonicTime::new(a, 0, 2), MonotonicTime::new(a, 0, 1)),
            Err(FactsError::Backward)
        );
        let stamps = Stamps {
            before: MonotonicTime::new(a, 0, 1),
            after: MonotonicTime::new(a, 0, 1),
            received_ns: i64::MAX,
            transmitted_ns: 0,
            root_bound_ns: 1,
        };
        assert_eq!(stamps.facts(), Err(FactsError::OutOfRange));
    }
}
