//! `HybridTimestamp`: 64 bits that put causes before effects and stay close to true time.

use super::{ParseTimeError, Timestamp};
use std::fmt;
use std::str::FromStr;

/// A stamp of a [`HybridClock`](crate::HybridClock): 48 bits of physical time and 16 of a counter,
/// in one number that sorts as it should.
///
/// The physical time is in units of 2^-16 s (15.3 µs) since the Unix epoch, up to
/// 2106-02-07T06:28:15Z. The counter tells apart what falls into one unit.
///
/// If one event could have caused another, by messages or on one machine, its stamp is the smaller
/// one; the contrary says nothing. Two machines may give out the same stamp: where it has to be
/// unique, put the machine's name behind it, `(stamp, node)`. It carries no timescale: all who
/// exchange stamps follow one.
///
/// # References
///
/// Kulkarni, Demirbas and others, *Logical Physical Clocks* (2014), section 4.3 for 48 and 16 bits.
///
/// ```
/// use sureclock::HybridTimestamp;
///
/// let stamp: HybridTimestamp = "2026-11-23T11:03:00.500000000Z#7".parse()?;
/// assert_eq!(stamp.time().to_string(), "2026-11-23T11:03:00.500000000Z");
/// assert_eq!(stamp.counter(), 7);
/// assert_eq!(HybridTimestamp::from_bits(stamp.to_bits()), stamp);
/// # Ok::<(), sureclock::ParseTimeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTimestamp(u64);

/// Bits of the counter, and of a fraction of a second.
const BITS: u32 = 16;
const NS_PER_S: u64 = 1_000_000_000;

impl HybridTimestamp {
    /// Below every stamp that is given out.
    pub const MIN: HybridTimestamp = HybridTimestamp(0);
    /// The last one, in the year 2106.
    pub const MAX: HybridTimestamp = HybridTimestamp(u64::MAX);

    /// The stamp of these 64 bits. Every number is one.
    #[must_use]
    pub const fn from_bits(bits: u64) -> HybridTimestamp {
        HybridTimestamp(bits)
    }

    /// Its 64 bits: numbers sort as the stamps do.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The physical part as a timestamp, rounded down to a nanosecond. Not after true time at the
    /// event by more than the lead that the clocks are allowed, if all that were heard of are
    /// honest ([how far else](crate::HybridClock)); it may be before it by the width of the
    /// interval of the clock that gave it out.
    #[must_use]
    pub fn time(self) -> Timestamp {
        let (seconds, fraction) = (self.units() >> BITS, self.units() & u64::from(u16::MAX));
        // Never overflows: 2^32 s are 4.3e18 ns, and i64 has 9.2e18.
        let ns = seconds * NS_PER_S + ((fraction * NS_PER_S) >> BITS);
        Timestamp::from_unix_nanos(i64::try_from(ns).unwrap_or(i64::MAX))
    }

    /// The count within one unit of the physical part.
    #[must_use]
    pub fn counter(self) -> u16 {
        let [low, high, ..] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The first stamp of the unit that holds this point: for the ends of a range of stamps. At
    /// most 15.3 µs before it; `None` before 1970 and from 2106-02-07T06:28:16Z on.
    #[must_use]
    pub fn first_of_unit(point: Timestamp) -> Option<HybridTimestamp> {
        HybridTimestamp::first_of(point.as_unix_nanos())
    }

    /// The first stamp of the unit that holds this point: rounded down. `None` before 1970 and from
    /// 2106-02-07T06:28:16Z on.
    #[inline]
    pub(crate) fn first_of(ns: i64) -> Option<HybridTimestamp> {
        let ns = u64::try_from(ns).ok()?;
        let (seconds, rest) = (ns / NS_PER_S, ns % NS_PER_S);
        let units = (seconds << BITS) | ((rest << BITS) / NS_PER_S);
        if seconds >> 32 == 0 { Some(HybridTimestamp(units << BITS)) } else { None }
    }

    /// The physical part, in units.
    #[inline]
    pub(crate) const fn units(self) -> u64 {
        self.0 >> BITS
    }

    /// The one after it, which may be of the next unit.
    #[inline]
    pub(crate) const fn next(self) -> Option<HybridTimestamp> {
        match self.0.checked_add(1) {
            Some(next) => Some(HybridTimestamp(next)),
            None => None,
        }
    }
}

/// `2026-11-23T11:03:00.500000000Z#7`: the physical part, rounded down to a nanosecond, and the
/// counter. Parses back to the same stamp.
impl fmt::Display for HybridTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.time(), self.counter())
    }
}

impl FromStr for HybridTimestamp {
    type Err = ParseTimeError;

    /// Parses what is printed; a time that is not that of a unit is refused.
    fn from_str(text: &str) -> Result<HybridTimestamp, ParseTimeError> {
        let (time, counter) = text.split_once('#').ok_or(ParseTimeError::Stamp)?;
        let is_a_number = counter.bytes().all(|digit| digit.is_ascii_digit());
        let counter =
            counter.parse::<u16>().ok().filter(|_| is_a_number).ok_or(ParseTimeError::Stamp)?;
        let time: Timestamp = time.parse()?;
        let first = HybridTimestamp::first_of(time.as_unix_nanos())
            .ok_or(ParseTimeError::StampOutOfRange)?;
        // What is printed is rounded down, so the unit is the one that begins here or within the
        // next nanosecond.
        let next = HybridTimestamp(first.0.saturating_add(1 << BITS));
        let unit = [first, next].into_iter().find(|unit| unit.time() == time);
        let unit = unit.ok_or(ParseTimeError::StampOffGrid { before: first.time() })?;
        Ok(HybridTimestamp(unit.0 | u64::from(counter)))
    }
}

/// Under the feature `serde`: as it prints where people may read it, as its 64 bits in 8 bytes
/// (big-endian) elsewhere.
#[cfg(feature = "serde")]
impl serde::Serialize for HybridTimestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::time::wire::serialize(self, serializer)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for HybridTimestamp {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> Result<HybridTimestamp, D::Error> {
        crate::time::wire::deserialize(deserializer)
    }
}

#[cfg(feature = "serde")]
impl crate::time::wire::Wire for HybridTimestamp {
    type Bytes = [u8; 8];
    const WHAT: &str = "a stamp of a hybrid clock, or 8 bytes";

    fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    fn from_bytes(bytes: [u8; 8]) -> HybridTimestamp {
        HybridTimestamp(u64::from_be_bytes(bytes))
    }

    fn to_text(self) -> impl fmt::Display {
        self
    }

    fn from_text(text: &str) -> Result<HybridTimestamp, impl fmt::Display> {
        text.parse::<HybridTimestamp>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_printed_parses_back(bits: u64) {
            let stamp = HybridTimestamp::from_bits(bits);
            prop_assert_eq!(stamp.to_string().parse::<HybridTimestamp>().unwrap(), stamp);
        }

        #[test]
        fn a_unit_begins_at_most_its_length_before_the_point(ns in 0..(1_i64 << 32) * 1_000_000_000) {
            let first = HybridTimestamp::first_of(ns).unwrap();
            // Exact: u * 10^9 <= ns * 2^16 < (u + 1) * 10^9.
            let (units, scaled) = (u128::from(first.units()) * 1_000_000_000, (ns as u128) << 16);
            prop_assert!(units <= scaled && scaled < units + 1_000_000_000);
            prop_assert!(first.counter() == 0 && first.time().as_unix_nanos() <= ns);
        }

        #[test]
        fn stamps_sort_by_time_and_then_by_the_counter(a: u64, b: u64) {
            let (x, y) = (HybridTimestamp::from_bits(a), HybridTimestamp::from_bits(b));
            prop_assert_eq!(x.cmp(&y), (x.time(), x.counter()).cmp(&(y.time(), y.counter())));
        }
    }

    #[test]
    fn the_range_is_1970_to_2106() {
        let end = (1_i64 << 32) * 1_000_000_000;
        assert_eq!(HybridTimestamp::first_of(0), Some(HybridTimestamp::MIN));
        assert_eq!(HybridTimestamp::first_of(-1), None);
        assert_eq!(HybridTimestamp::first_of(end), None);
        assert_eq!(
            HybridTimestamp::first_of(end - 1).unwrap().units(),
            HybridTimestamp::MAX.units()
        );
        assert_eq!(HybridTimestamp::MAX.to_string(), "2106-02-07T06:28:15.999984741Z#65535");
        assert_eq!(HybridTimestamp::MAX.next(), None);
        assert_eq!(
            HybridTimestamp::first_of_unit(Timestamp::UNIX_EPOCH),
            Some(HybridTimestamp::MIN)
        );
    }

    #[test]
    fn what_is_no_stamp_is_an_error() {
        for text in
            ["", "2026-11-23T11:03:00Z", "2026-11-23T11:03:00Z#", "2026-11-23T11:03:00Z#65536"]
        {
            assert_eq!(text.parse::<HybridTimestamp>(), Err(ParseTimeError::Stamp), "{text}");
        }
        assert_eq!("x#1".parse::<HybridTimestamp>(), Err(ParseTimeError::Date));
        for text in ["1969-12-31T23:59:59Z#0", "2106-02-07T06:28:16Z#0"] {
            assert_eq!(
                text.parse::<HybridTimestamp>(),
                Err(ParseTimeError::StampOutOfRange),
                "{text}"
            );
        }
    }

    #[test]
    fn found_a_stamp_off_its_grid_names_its_grid() {
        let off = "2026-11-23T11:03:00.000000001Z#0".parse::<HybridTimestamp>().unwrap_err();
        let before = "2026-11-23T11:03:00Z".parse().unwrap();
        assert_eq!(off, ParseTimeError::StampOffGrid { before });
        let message = off.to_string();
        assert!(
            message.contains("2^-16 s") && message.contains("2026-11-23T11:03:00.000000000Z"),
            "{message}"
        );
        assert!(!message.contains("interval"), "{message}");
        assert!(
            format!("{before}#0").parse::<HybridTimestamp>().is_ok(),
            "what it names is a stamp"
        );
    }
}
