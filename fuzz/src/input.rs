//! Bytes of a fuzzer as numbers, times and intervals.

use std::time::Duration;
use sureclock::{TimeInterval, Timescale, Timestamp};

/// What is left of the input. Where nothing is left everything is zero.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl Input<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `bytes` (at most 8) bytes, big-endian.
    pub(crate) fn number(&mut self, bytes: usize) -> u64 {
        let (head, rest) = self.0.split_at(bytes.min(self.0.len()));
        self.0 = rest;
        head.iter().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    pub(crate) fn timestamp(&mut self) -> Timestamp {
        Timestamp::from_unix_nanos(self.number(8) as i64)
    }

    /// Up to 2^48 ns = 78 hours, all sizes alike.
    pub(crate) fn delay(&mut self) -> Duration {
        let size = self.number(1) % 49;
        Duration::from_nanos(self.number(6) & ((1 << size) - 1))
    }

    /// An interval of up to 2^33 ns = 8.6 s to either side that contains `truth`.
    pub(crate) fn around(&mut self, truth: Timestamp) -> TimeInterval {
        let mut side =
            || Duration::from_nanos((self.number(5) & ((1 << 33) - 1)) >> (self.number(1) % 34));
        let (earliest, latest) = (truth.checked_sub(side()), truth.checked_add(side()));
        TimeInterval::new(earliest.expect("in range"), latest.expect("in range"), Timescale::Utc)
            .expect("around a point")
    }

    /// Two ends in either order and a timescale, of 17 bytes; `None` where there are fewer.
    pub(crate) fn interval(&mut self) -> Option<TimeInterval> {
        if self.0.len() < 17 {
            return None;
        }
        let (a, b) = (self.timestamp(), self.timestamp());
        let scale = match self.number(1) % 8 {
            0 => Timescale::Smear24h,
            1 => Timescale::Smear62500s,
            _ => Timescale::Utc,
        };
        assert_eq!(TimeInterval::new(a, b, scale).is_err(), b < a, "an interval from {a} to {b}");
        Some(TimeInterval::new(a.min(b), a.max(b), scale).expect("sorted ends"))
    }
}
