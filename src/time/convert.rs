//! Named conversions between `Timestamp` and the types of std, chrono and jiff. Each can fail or
//! says how it rounds.

use super::Timestamp;
use chrono::{DateTime, Utc};
use std::time::{Duration, SystemTime};

/// Why a time of another library is no [`Timestamp`], or the reverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The other type, or [`Timestamp`], cannot represent the point.
    #[error(
        "the point is outside the range of the other type (timestamps: the years 1677 to 2262)"
    )]
    OutOfRange,
    /// The point is inside a leap second, which POSIX time does not count.
    #[error("the point is inside a leap second, which POSIX time does not count")]
    LeapSecond,
}

impl Timestamp {
    /// The timestamp of a chrono date. Exact.
    ///
    /// # Errors
    ///
    /// [`ConvertError::LeapSecond`] for chrono's representation of a leap second;
    /// [`ConvertError::OutOfRange`] outside the years 1677 to 2262.
    pub fn from_chrono(date: DateTime<Utc>) -> Result<Timestamp, ConvertError> {
        if date.timestamp_subsec_nanos() >= 1_000_000_000 {
            return Err(ConvertError::LeapSecond);
        }
        date.timestamp_nanos_opt().map(Timestamp::from_unix_nanos).ok_or(ConvertError::OutOfRange)
    }

    /// The chrono date of this timestamp. Exact; every timestamp has one.
    #[must_use]
    pub fn to_chrono(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.as_unix_nanos())
    }

    /// The timestamp of a [`SystemTime`], taken as it is. Exact on Unix (Windows counts in steps of
    /// 100 ns).
    ///
    /// This converts a representation. A reading of the OS clock is a
    /// [`WallTime`](crate::WallTime), not a bound.
    ///
    /// # Errors
    ///
    /// [`ConvertError::OutOfRange`] outside the years 1677 to 2262.
    pub fn from_system_time(time: SystemTime) -> Result<Timestamp, ConvertError> {
        let ns = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()),
            Err(before) => i128::try_from(before.duration().as_nanos()).map(|ns| -ns),
        };
        let ns = ns.ok().and_then(|ns| i64::try_from(ns).ok()).ok_or(ConvertError::OutOfRange)?;
        Ok(Timestamp::from_unix_nanos(ns))
    }

    /// The [`SystemTime`] of this timestamp. Exact on Unix; on Windows rounded by std to its steps
    /// of 100 ns.
    ///
    /// # Errors
    ///
    /// [`ConvertError::OutOfRange`] where the platform cannot represent it.
    pub fn to_system_time(self) -> Result<SystemTime, ConvertError> {
        let ns = self.as_unix_nanos();
        let distance = Duration::from_nanos(ns.unsigned_abs());
        let time = if ns >= 0 {
            SystemTime::UNIX_EPOCH.checked_add(distance)
        } else {
            SystemTime::UNIX_EPOCH.checked_sub(distance)
        };
        time.ok_or(ConvertError::OutOfRange)
    }

    /// The timestamp of a jiff timestamp. Exact.
    ///
    /// # Errors
    ///
    /// [`ConvertError::OutOfRange`] outside the years 1677 to 2262.
    #[cfg(feature = "jiff")]
    pub fn from_jiff(time: jiff::Timestamp) -> Result<Timestamp, ConvertError> {
        i64::try_from(time.as_nanosecond())
            .map(Timestamp::from_unix_nanos)
            .map_err(|_| ConvertError::OutOfRange)
    }

    /// The jiff timestamp of this timestamp. Exact.
    ///
    /// # Errors
    ///
    /// [`ConvertError::OutOfRange`], which no timestamp meets: jiff's range is wider.
    #[cfg(feature = "jiff")]
    pub fn to_jiff(self) -> Result<jiff::Timestamp, ConvertError> {
        jiff::Timestamp::from_nanosecond(i128::from(self.as_unix_nanos()))
            .map_err(|_| ConvertError::OutOfRange)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_outside_the_range_and_leap_seconds_are_errors() {
        let parse = |s: &str| DateTime::parse_from_rfc3339(s).unwrap().to_utc();
        assert_eq!(
            Timestamp::from_chrono(parse("2016-12-31T23:59:60Z")),
            Err(ConvertError::LeapSecond)
        );
        assert_eq!(
            Timestamp::from_chrono(parse("2300-01-01T00:00:00Z")),
            Err(ConvertError::OutOfRange)
        );
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(20_000_000_000);
        assert_eq!(Timestamp::from_system_time(far), Err(ConvertError::OutOfRange));
    }

    proptest! {
        #[test]
        fn conversions_there_and_back_are_exact(ns: i64) {
            let t = Timestamp::from_unix_nanos(ns);
            prop_assert_eq!(Timestamp::from_chrono(t.to_chrono()), Ok(t));
            #[cfg(unix)]
            prop_assert_eq!(Timestamp::from_system_time(t.to_system_time().unwrap()), Ok(t));
            #[cfg(feature = "jiff")]
            prop_assert_eq!(Timestamp::from_jiff(t.to_jiff().unwrap()), Ok(t));
        }
    }
}
