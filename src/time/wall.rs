//! `WallTime`: what the operating system believes, kept apart from what is known.

use super::{ConvertError, TimeInterval, Timestamp};
use std::fmt;
use std::time::{Duration, SystemTime};

/// A reading of the operating system's wall clock: its guess, which anyone may step at any time.
///
/// No bound comes from it and none of the library's answers depends on it. It is here to be shown
/// beside a bound, so that one can see how wrong it is: [`WallTime::error`]. To use it as if it
/// were true is a named call, [`WallTime::assume_true`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallTime(Timestamp);

impl WallTime {
    /// Shown for a wall clock that is set outside the representable range.
    pub(crate) const FAR_FUTURE: WallTime = WallTime(Timestamp::MAX);

    /// The wall time that `time` shows. Exact on Unix; on Windows the system's clock counts in
    /// steps of 100 ns.
    ///
    /// # Errors
    ///
    /// [`ConvertError::OutOfRange`] outside the years 1677 to 2262.
    pub fn from_system_time(time: SystemTime) -> Result<WallTime, ConvertError> {
        Timestamp::from_system_time(time).map(WallTime)
    }

    /// What a simulated operating system believes.
    #[cfg(feature = "sim")]
    pub(crate) fn from_unix_nanos(ns: i64) -> WallTime {
        WallTime(Timestamp::from_unix_nanos(ns))
    }

    /// The same number as a [`Timestamp`], on the caller's own assumption that the OS clock is
    /// right.
    #[must_use]
    pub const fn assume_true(self) -> Timestamp {
        self.0
    }

    /// How wrong this reading is, given that true time was in `truth` when it was taken. Exact.
    ///
    /// Only meaningful if the reading and the interval belong to the same moment: take the wall
    /// time before and after the interval and use both.
    #[must_use]
    pub fn error(self, truth: &TimeInterval) -> WallError {
        let ahead =
            |t: Timestamp| i128::from(self.0.as_unix_nanos()) - i128::from(t.as_unix_nanos());
        WallError { least_ns: ahead(truth.latest()), most_ns: ahead(truth.earliest()) }
    }
}

/// The range in which the error of a wall clock lies: positive if the wall clock is ahead of true
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallError {
    /// The least it is ahead by, in nanoseconds (negative: it may be behind).
    pub least_ns: i128,
    /// The most it is ahead by, in nanoseconds.
    pub most_ns: i128,
}

impl WallError {
    /// The larger of how far it may be ahead and how far it may be behind; saturates at
    /// `Duration::MAX`.
    #[must_use]
    pub fn at_most(&self) -> Duration {
        let ns = self.least_ns.unsigned_abs().max(self.most_ns.unsigned_abs());
        u64::try_from(ns).map_or(Duration::MAX, Duration::from_nanos)
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (by the OS)", self.0)
    }
}
