//! True time in a simulated world: finer than a nanosecond, so that a bound that is rounded inward
//! is seen.

use crate::ntp::NtpTime;
use crate::time::Timestamp;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point in true time, or a length: units of 2^-10 ns, as points since the Unix epoch.
///
/// The simulator counts a leap second like any other; what a timescale makes of it is in
/// `calendar`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i128);

/// Units a nanosecond.
pub(crate) const UNITS_PER_NS: i128 = 1 << 10;
pub(crate) const NS_PER_S: i128 = 1_000_000_000;
/// Seconds from 1900-01-01 to 1970-01-01 (RFC 5905 figure 4).
const UNIX_EPOCH_IN_NTP_S: i128 = 2_208_988_800;

impl Moment {
    pub(crate) const ZERO: Moment = Moment(0);

    pub(crate) fn from_ns(ns: i64) -> Moment {
        Moment(i128::from(ns) * UNITS_PER_NS)
    }

    pub(crate) fn of(length: Duration) -> Moment {
        // A Duration has at most 2^94 ns.
        Moment(i128::try_from(length.as_nanos()).unwrap_or(i128::MAX >> 12) * UNITS_PER_NS)
    }

    /// Nanoseconds, rounded down; the end of the range where they do not fit.
    pub(crate) fn floor_ns(self) -> i64 {
        saturated(self.0.div_euclid(UNITS_PER_NS))
    }

    /// Nanoseconds, rounded up; the end of the range where they do not fit.
    pub(crate) fn ceil_ns(self) -> i64 {
        saturated(-(-self.0).div_euclid(UNITS_PER_NS))
    }

    /// The timestamp at or before this point.
    pub(crate) fn timestamp(self) -> Timestamp {
        Timestamp::from_unix_nanos(self.floor_ns())
    }

    /// This length, or zero for a negative one; rounded down.
    pub(crate) fn length(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.div_euclid(UNITS_PER_NS)).unwrap_or(0))
    }

    /// The stamp on the wire at or before this point.
    pub(crate) fn ntp_floor(self) -> NtpTime {
        let per_s = NS_PER_S * UNITS_PER_NS;
        let since_1900 = self.0 + UNIX_EPOCH_IN_NTP_S * per_s;
        let (seconds, rest) = (since_1900.div_euclid(per_s), since_1900.rem_euclid(per_s));
        let stamp = (seconds << 32) + (rest << 32) / per_s;
        NtpTime(u64::try_from(stamp.rem_euclid(1 << 64)).unwrap_or(0))
    }
}

fn saturated(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}

impl Add for Moment {
    type Output = Moment;
    fn add(self, other: Moment) -> Moment {
        Moment(self.0 + other.0)
    }
}

impl Sub for Moment {
    type Output = Moment;
    fn sub(self, other: Moment) -> Moment {
        Moment(self.0 - other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_rounds_both_ways_and_stamps_downward() {
        let m = Moment::from_ns(-5) + Moment(1);
        assert_eq!((m.floor_ns(), m.ceil_ns()), (-5, -4));
        assert_eq!((Moment::from_ns(7).floor_ns(), Moment::from_ns(7).ceil_ns()), (7, 7));
        let point: Timestamp = "2026-11-23T11:03:00.123456789Z".parse().unwrap();
        assert_eq!(
            Moment::from_ns(point.as_unix_nanos()).ntp_floor(),
            NtpTime::from_timestamp_floor(point)
        );
        assert_eq!(Moment(i128::MAX >> 2).floor_ns(), i64::MAX);
    }
}
