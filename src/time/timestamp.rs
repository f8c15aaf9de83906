//! `Timestamp`: one point on the reference timescale.

use std::time::Duration;

/// A point in time: signed nanoseconds since the Unix epoch, as POSIX counts them (no leap
/// seconds).
///
/// Range: 1677-09-21T00:12:43.145224192Z to 2262-04-11T23:47:16.854775807Z ([`Timestamp::MIN`] to
/// [`Timestamp::MAX`]), exact to the nanosecond.
///
/// A timestamp alone does not say whose clock made it nor how wrong it may be. The one that
/// [`commit_timestamp`] returns is a bound; a point taken from elsewhere is what its sender says it
/// is. It carries no timescale: what travels between machines that may follow different timescales
/// is a [`TimeInterval`](crate::TimeInterval).
///
/// [`commit_timestamp`]: crate::SureClock::commit_timestamp
///
/// # Examples
///
/// ```
/// use sureclock::Timestamp;
/// use std::time::Duration;
///
/// let t: Timestamp = "2026-11-23T11:03:00.123456789Z".parse()?;
/// assert_eq!(t.as_unix_nanos(), 1_795_431_780_123_456_789);
/// let later = t.checked_add(Duration::from_nanos(11)).unwrap();
/// assert_eq!(later.to_string(), "2026-11-23T11:03:00.123456800Z");
/// # Ok::<(), sureclock::ParseTimeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest representable point, in the year 1677.
    pub const MIN: Timestamp = Timestamp(i64::MIN);
    /// The latest representable point, in the year 2262.
    pub const MAX: Timestamp = Timestamp(i64::MAX);
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Timestamp = Timestamp(0);

    /// The point `ns` nanoseconds after the Unix epoch (before it, if negative). Exact.
    #[must_use]
    pub const fn from_unix_nanos(ns: i64) -> Timestamp {
        Timestamp(ns)
    }

    /// Nanoseconds since the Unix epoch. Exact.
    #[must_use]
    pub const fn as_unix_nanos(self) -> i64 {
        self.0
    }

    /// This point moved later by `by`, or `None` beyond [`Timestamp::MAX`]. Exact.
    #[must_use]
    pub fn checked_add(self, by: Duration) -> Option<Timestamp> {
        let ns = i128::from(self.0).checked_add(i128::try_from(by.as_nanos()).ok()?)?;
        i64::try_from(ns).ok().map(Timestamp)
    }

    /// This point moved earlier by `by`, or `None` before [`Timestamp::MIN`]. Exact.
    #[must_use]
    pub fn checked_sub(self, by: Duration) -> Option<Timestamp> {
        let ns = i128::from(self.0).checked_sub(i128::try_from(by.as_nanos()).ok()?)?;
        i64::try_from(ns).ok().map(Timestamp)
    }

    /// How far this point is after `earlier`, or `None` if it is before it. Exact.
    ///
    /// The difference of two points is a length of time only if both were right; the length of an
    /// activity on one machine is [`SureClock::elapsed`](crate::SureClock::elapsed).
    #[must_use]
    pub fn checked_duration_since(self, earlier: Timestamp) -> Option<Duration> {
        if self < earlier { None } else { Some(Duration::from_nanos(self.0.abs_diff(earlier.0))) }
    }
}

/// Under the feature `serde`: as it prints where people may read it, as 8 bytes (big-endian
/// nanoseconds) elsewhere.
#[cfg(feature = "serde")]
impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::time::wire::serialize(self, serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        crate::time::wire::deserialize(deserializer)
    }
}

#[cfg(feature = "serde")]
impl crate::time::wire::Wire for Timestamp {
    type Bytes = [u8; 8];
    const WHAT: &str = "a timestamp of up to nine digits of a second, or 8 bytes";

    fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    fn from_bytes(bytes: [u8; 8]) -> Timestamp {
        Timestamp(i64::from_be_bytes(bytes))
    }

    fn to_text(self) -> impl std::fmt::Display {
        self
    }

    fn from_text(text: &str) -> Result<Timestamp, impl std::fmt::Display> {
        text.parse::<Timestamp>()
    }
}
