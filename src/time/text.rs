//! How timestamps and intervals print and parse.
//!
//! A timestamp: `2026-11-23T11:03:00.123456789Z`, always nine digits. An interval: midpoint, `±`,
//! half the width rounded up in the printed unit, and the timescale if it is not UTC:
//! `2026-11-23T11:03:00.123456789Z ± 1.204 ms smear-24h`. What is printed always contains the
//! interval. The alternate form `{:#}` is exact: `[earliest, latest]`; it is also what prints where
//! midpoint ± half would leave the representable range. Both forms parse back.

use super::{ConvertError, InvertedInterval, TimeInterval, Timescale, Timestamp};
use chrono::{DateTime, SecondsFormat};
use std::fmt;
use std::str::FromStr;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = DateTime::from_timestamp_nanos(self.as_unix_nanos());
        f.write_str(&date.to_rfc3339_opts(SecondsFormat::Nanos, true))
    }
}

impl FromStr for Timestamp {
    type Err = ParseTimeError;

    /// Parses RFC 3339 with up to nine digits of a second. A leap second (`:60`) is refused: POSIX
    /// does not count it.
    fn from_str(text: &str) -> Result<Timestamp, ParseTimeError> {
        // chrono drops digits beyond the ninth; a bound must not lose them unseen.
        let digits = text
            .split_once('.')
            .map_or(0, |(_, f)| f.bytes().take_while(u8::is_ascii_digit).count());
        if digits > 9 {
            return Err(ParseTimeError::TooPrecise);
        }
        let date = DateTime::parse_from_rfc3339(text).map_err(|_| ParseTimeError::Date)?;
        Timestamp::from_chrono(date.to_utc()).map_err(|error| match error {
            ConvertError::LeapSecond => ParseTimeError::LeapSecond,
            ConvertError::OutOfRange => ParseTimeError::OutOfRange,
        })
    }
}

impl fmt::Display for TimeInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let half =
            Half::covering(u64::try_from(self.uncertainty().as_nanos()).map_err(|_| fmt::Error)?);
        if f.alternate() || half.around(self.midpoint()).is_none() {
            write!(f, "[{}, {}]", self.earliest(), self.latest())?;
        } else {
            write!(f, "{} ± {half}", self.midpoint())?;
        }
        if self.timescale() == Timescale::Utc { Ok(()) } else { write!(f, " {}", self.timescale()) }
    }
}

impl FromStr for TimeInterval {
    type Err = ParseTimeError;

    /// Parses both printed forms; `+/-` may stand for `±` and `us` for `µs`. The result contains
    /// what was printed.
    fn from_str(text: &str) -> Result<TimeInterval, ParseTimeError> {
        let text = text.trim();
        if let Some(inner) = text.strip_prefix('[') {
            let (ends, timescale) = inner.split_once(']').ok_or(ParseTimeError::Form)?;
            let (earliest, latest) = ends.split_once(',').ok_or(ParseTimeError::Form)?;
            let (earliest, latest) = (earliest.trim().parse()?, latest.trim().parse()?);
            return Ok(TimeInterval::new(earliest, latest, parse_timescale(timescale)?)?);
        }
        let (midpoint, rest) =
            text.split_once('±').or_else(|| text.split_once("+/-")).ok_or(ParseTimeError::Form)?;
        let mut words = rest.split_whitespace();
        let (number, unit) =
            (words.next().ok_or(ParseTimeError::Half)?, words.next().ok_or(ParseTimeError::Half)?);
        let timescale = parse_timescale(words.next().unwrap_or(""))?;
        if words.next().is_some() {
            return Err(ParseTimeError::Form);
        }
        let half = Half::parse(number, unit)?;
        let (earliest, latest) =
            half.around(midpoint.trim().parse()?).ok_or(ParseTimeError::OutOfRange)?;
        Ok(TimeInterval::new(earliest, latest, timescale)?)
    }
}

/// A half width as printed: thousandths of a unit (nanoseconds themselves below a microsecond).
struct Half {
    ns: u64,
    unit: &'static str,
    ns_per_thousandth: u64,
}

impl Half {
    /// The smallest printable half width of at least `ns`.
    fn covering(ns: u64) -> Half {
        let (unit, ns_per_thousandth) = match ns {
            0..1_000 => return Half { ns, unit: "ns", ns_per_thousandth: 0 },
            1_000..1_000_000 => ("µs", 1),
            1_000_000..1_000_000_000 => ("ms", 1_000),
            _ => ("s", 1_000_000),
        };
        // Cannot overflow: a half width is at most 2^63.
        let ns = ns.div_ceil(ns_per_thousandth).saturating_mul(ns_per_thousandth);
        Half { ns, unit, ns_per_thousandth }
    }

    /// A decimal number with its unit, rounded up to a nanosecond.
    fn parse(number: &str, unit: &str) -> Result<Half, ParseTimeError> {
        let decimals: u32 = match unit {
            "ns" => 0,
            "µs" | "μs" | "us" => 3,
            "ms" => 6,
            "s" => 9,
            _ => return Err(ParseTimeError::Half),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        if whole.is_empty()
            || fraction.is_empty()
            || !(whole.bytes().chain(fraction.bytes())).all(|b| b.is_ascii_digit())
        {
            return Err(ParseTimeError::Half);
        }
        let mut ns: u64 = whole.parse().map_err(|_| ParseTimeError::OutOfRange)?;
        let mut digits = fraction.bytes();
        for _ in 0..decimals {
            let digit = u64::from(digits.next().unwrap_or(b'0') - b'0');
            ns = ns
                .checked_mul(10)
                .and_then(|ns| ns.checked_add(digit))
                .ok_or(ParseTimeError::OutOfRange)?;
        }
        if digits.any(|digit| digit != b'0') {
            ns = ns.checked_add(1).ok_or(ParseTimeError::OutOfRange)?;
        }
        Ok(Half { ns, unit: "ns", ns_per_thousandth: 0 })
    }

    /// `midpoint - half` and `midpoint + half`, or `None` where either is not representable.
    fn around(&self, midpoint: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let half = std::time::Duration::from_nanos(self.ns);
        Some((midpoint.checked_sub(half)?, midpoint.checked_add(half)?))
    }
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ns_per_thousandth {
            0 => write!(f, "{} {}", self.ns, self.unit),
            step => {
                write!(f, "{}.{:03} {}", self.ns / step / 1000, self.ns / step % 1000, self.unit)
            }
        }
    }
}

fn parse_timescale(text: &str) -> Result<Timescale, ParseTimeError> {
    match text.trim() {
        "" => Ok(Timescale::Utc),
        name => name.parse(),
    }
}

/// Why a text is no timestamp, interval, timescale or stamp of a hybrid clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTimeError {
    /// Not a date and time as RFC 3339 writes it.
    #[error("not a date and time as in 2026-11-23T11:03:00.123456789Z")]
    Date,
    /// A leap second (`:60`), which POSIX time does not count.
    #[error("a leap second, which POSIX time does not count")]
    LeapSecond,
    /// More than nine digits of a second.
    #[error("more than nine digits of a second")]
    TooPrecise,
    /// Outside the years 1677 to 2262, or a half width beyond them.
    #[error("outside the years 1677 to 2262")]
    OutOfRange,
    /// Neither `midpoint ± half` nor `[earliest, latest]`.
    #[error("not an interval as in 2026-11-23T11:03:00Z ± 1.204 ms")]
    Form,
    /// Not a time, `#` and a counter: no [`HybridTimestamp`](crate::HybridTimestamp).
    #[error("not a stamp as in 2026-11-23T11:03:00.500000000Z#7, with a counter up to 65535")]
    Stamp,
    /// The time of a stamp is none that a hybrid clock counts: it counts in units of 2^-16 s.
    #[error(
        "no unit of 2^-16 s begins there, rounded down to a nanosecond; one begins at {before}"
    )]
    StampOffGrid {
        /// The begin of the unit that holds it.
        before: Timestamp,
    },
    /// The time of a stamp is before 1970 or after 2106-02-07T06:28:15Z.
    #[error("a stamp has a time of 1970 to February 2106")]
    StampOutOfRange,
    /// The half width is not a number with one of the units ns, µs, ms, s.
    #[error("not a half width as in 1.204 ms")]
    Half,
    /// No such timescale.
    #[error("no such timescale: utc, smear-24h and smear-62500s are known")]
    Timescale,
    /// The interval ends before it begins.
    #[error(transparent)]
    Inverted(#[from] InvertedInterval),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_interval_prints_as_documented() {
        let at = |ns: i64| Timestamp::from_unix_nanos(1_795_431_780_123_456_789 + ns);
        let i = TimeInterval::new(at(-1_203_999), at(1_203_001), Timescale::Utc).unwrap();
        assert_eq!(i.to_string(), "2026-11-23T11:03:00.123456290Z ± 1.204 ms");
        let i = TimeInterval::new(at(0), at(0), Timescale::Smear24h).unwrap();
        assert_eq!(i.to_string(), "2026-11-23T11:03:00.123456789Z ± 0 ns smear-24h");
        assert_eq!(
            format!("{:#}", i),
            "[2026-11-23T11:03:00.123456789Z, 2026-11-23T11:03:00.123456789Z] smear-24h"
        );
    }

    #[test]
    fn bad_texts_are_typed_errors() {
        for (text, error) in [
            ("", ParseTimeError::Form),
            ("yesterday ± 1 ms", ParseTimeError::Date),
            ("2016-12-31T23:59:60Z ± 1 ms", ParseTimeError::LeapSecond),
            ("2026-11-23T11:03:00.0123456789Z ± 1 ms", ParseTimeError::TooPrecise),
            ("2026-11-23T11:03:00Z ± 1 h", ParseTimeError::Half),
            ("2026-11-23T11:03:00Z ± -1 ms", ParseTimeError::Half),
            ("2026-11-23T11:03:00Z ± 1e3 ms", ParseTimeError::Half),
            ("2026-11-23T11:03:00Z ± 99999999999999999999 s", ParseTimeError::OutOfRange),
            ("2262-04-11T23:47:16Z ± 2 s", ParseTimeError::OutOfRange),
            ("2026-11-23T11:03:00Z ± 1 ms tai", ParseTimeError::Timescale),
            ("2026-11-23T11:03:00Z ± 1 ms utc x", ParseTimeError::Form),
        ] {
            assert_eq!(text.parse::<TimeInterval>(), Err(error), "{text}");
        }
        assert!("[2026-11-23T11:03:01Z, 2026-11-23T11:03:00Z]".parse::<TimeInterval>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_contains_the_interval_and_parses_back(a: i64, width in 0u64..u64::MAX, near in 0u32..64) {
            let b = a.saturating_add_unsigned(width >> near);
            let i = TimeInterval::new(Timestamp::from_unix_nanos(a), Timestamp::from_unix_nanos(b), Timescale::Smear62500s).unwrap();
            let back: TimeInterval = i.to_string().parse().unwrap();
            prop_assert!(back.earliest() <= i.earliest() && i.latest() <= back.latest(), "{i}");
            // No wider than half a percent and a nanosecond.
            prop_assert!(back.width().as_nanos() <= i.width().as_nanos() * 201 / 200 + 2);
            prop_assert_eq!(format!("{i:#}").parse::<TimeInterval>(), Ok(i));
            prop_assert_eq!(i.earliest().to_string().parse::<Timestamp>(), Ok(i.earliest()));
        }

        #[test]
        fn parsing_never_panics(text in ".{0,60}") {
            let _ = text.parse::<TimeInterval>();
        }
    }
}
