//! The 48 bytes of an NTP packet (RFC 5905 section 7.3) and its timestamps.

use crate::time::Timestamp;
use std::time::Duration;

/// An NTP packet without extension fields, field by field as on the wire. Any 48 bytes are a
/// packet; nothing is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Leap indicator, 0 to 3; 3 is *not synchronized*.
    pub leap: u8,
    /// Version, 0 to 7.
    pub version: u8,
    /// Mode, 0 to 7; 3 is client, 4 is server.
    pub mode: u8,
    /// Stratum; 0 is a kiss-o'-death, 16 and above *not synchronized*.
    pub stratum: u8,
    /// Poll interval, log2 of seconds.
    pub poll: u8,
    /// Precision of the server's clock, log2 of seconds.
    pub precision: i8,
    /// Round trip to the primary reference, unsigned 16.16 seconds.
    pub root_delay_16_16: u32,
    /// Error accumulated from the primary reference, unsigned 16.16 seconds.
    pub root_dispersion_16_16: u32,
    /// Reference identifier, or the kiss code.
    pub reference_id: [u8; 4],
    /// When the server's clock was last set.
    pub reference: NtpTime,
    /// The client's transmit stamp, sent back.
    pub origin: NtpTime,
    /// T2: when the request arrived.
    pub receive: NtpTime,
    /// T3: when the reply left.
    pub transmit: NtpTime,
}

/// A timestamp on the wire: seconds since 1900 modulo 2^32, and a binary fraction of 32 bits. Zero
/// means *unknown*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NtpTime(pub u64);

/// The datagram is not 48 bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet without extension fields has 48 bytes, not {length}")]
pub struct PacketError {
    /// The length of the datagram.
    pub length: usize,
}

impl Packet {
    /// Reads a datagram of exactly 48 bytes.
    ///
    /// # Errors
    ///
    /// [`PacketError`] for any other length: a request without extension fields is answered without
    /// them.
    pub fn decode(datagram: &[u8]) -> Result<Packet, PacketError> {
        let bytes: &[u8; 48] =
            datagram.try_into().map_err(|_| PacketError { length: datagram.len() })?;
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let time = |at: usize| NtpTime(u64::from(word(at)) << 32 | u64::from(word(at + 4)));
        Ok(Packet {
            leap: bytes[0] >> 6,
            version: bytes[0] >> 3 & 7,
            mode: bytes[0] & 7,
            stratum: bytes[1],
            poll: bytes[2],
            precision: i8::from_be_bytes([bytes[3]]),
            root_delay_16_16: word(4),
            root_dispersion_16_16: word(8),
            reference_id: word(12).to_be_bytes(),
            reference: time(16),
            origin: time(24),
            receive: time(32),
            transmit: time(40),
        })
    }

    /// The 48 bytes. The fields of less than a byte are taken modulo their range.
    #[must_use]
    pub fn encode(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        bytes[0] = (self.leap & 3) << 6 | (self.version & 7) << 3 | self.mode & 7;
        bytes[1] = self.stratum;
        bytes[2] = self.poll;
        bytes[3] = self.precision.to_be_bytes()[0];
        bytes[4..8].copy_from_slice(&self.root_delay_16_16.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.root_dispersion_16_16.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.reference_id);
        for (at, time) in
            [(16, self.reference), (24, self.origin), (32, self.receive), (40, self.transmit)]
        {
            bytes[at..at + 8].copy_from_slice(&time.0.to_be_bytes());
        }
        bytes
    }
}

impl NtpTime {
    /// Whether this is the zero stamp, *unknown*.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// The point in time of this stamp nearest to `pivot`, rounded down to a nanosecond, or `None`
    /// outside the years 1677 to 2262.
    ///
    /// The 32-bit seconds repeat every 136 years (RFC 5905 section 6); the one reading within
    /// `[pivot - 2^31 s, pivot + 2^31 s)` is meant, 68 years to either side. So a server whose
    /// clock is years behind is read as behind, and not as a century ahead.
    #[must_use]
    pub fn to_timestamp_floor(self, pivot: Timestamp) -> Option<Timestamp> {
        let ns = self.era_start_ns(pivot) + i128::from(((self.0 & FRACTION) * NS_PER_S) >> 32);
        i64::try_from(ns).ok().map(Timestamp::from_unix_nanos)
    }

    /// As [`to_timestamp_floor`](NtpTime::to_timestamp_floor), rounded up to a nanosecond.
    #[must_use]
    pub fn to_timestamp_ceil(self, pivot: Timestamp) -> Option<Timestamp> {
        // Never overflows: 2^32 * 10^9 + 2^32 < 2^63.
        let ns = self.era_start_ns(pivot)
            + i128::from(((self.0 & FRACTION) * NS_PER_S + FRACTION) >> 32);
        i64::try_from(ns).ok().map(Timestamp::from_unix_nanos)
    }

    /// The stamp of a point in time, rounded down to 2^-32 s.
    #[must_use]
    pub fn from_timestamp_floor(time: Timestamp) -> NtpTime {
        let ns = i128::from(time.as_unix_nanos())
            + i128::from(UNIX_EPOCH_IN_NTP_S) * i128::from(NS_PER_S);
        let (seconds, rest) =
            (ns.div_euclid(i128::from(NS_PER_S)), ns.rem_euclid(i128::from(NS_PER_S)));
        let stamp = (seconds << 32) + (rest << 32) / i128::from(NS_PER_S);
        // Modulo one era, on purpose: that is what the wire carries.
        NtpTime(u64::try_from(stamp.rem_euclid(1 << 64)).unwrap_or(0))
    }

    /// Nanoseconds since the Unix epoch of the whole second of this stamp, in the era nearest to
    /// `pivot`.
    fn era_start_ns(self, pivot: Timestamp) -> i128 {
        let seconds = i128::from(self.0 >> 32) - i128::from(UNIX_EPOCH_IN_NTP_S);
        let from =
            i128::from(pivot.as_unix_nanos()).div_euclid(i128::from(NS_PER_S)) - HALF_AN_ERA_S;
        let era = (seconds - from).rem_euclid(1 << 32);
        (from + era) * i128::from(NS_PER_S)
    }
}

/// 16.16 seconds of at least `length`, or the largest value.
pub(crate) fn to_16_16_ceil(length: Duration) -> u32 {
    u32::try_from((length.as_nanos() << 16).div_ceil(u128::from(NS_PER_S))).unwrap_or(u32::MAX)
}

const FRACTION: u64 = u32::MAX as u64;
const NS_PER_S: u64 = 1_000_000_000;
/// Seconds from 1900-01-01 to 1970-01-01 (RFC 5905 figure 4).
const UNIX_EPOCH_IN_NTP_S: u64 = 2_208_988_800;
/// Half of the 2^32 s after which stamps repeat.
const HALF_AN_ERA_S: i128 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bound::vectors::vectors;
    use proptest::prelude::*;

    const PIVOT: &str = "2026-11-01T00:00:00Z";

    #[test]
    fn known_stamps_read_as_rfc_5905_says() {
        let pivot: Timestamp = PIVOT.parse().unwrap();
        let read = |s: u64| NtpTime(s << 32).to_timestamp_floor(pivot).unwrap().to_string();
        // 2036-02-07T06:28:16Z is second 0 of era 1.
        assert_eq!(read(0), "2036-02-07T06:28:16.000000000Z");
        assert_eq!(read(u64::from(u32::MAX)), "2036-02-07T06:28:15.000000000Z");
        assert_eq!(read(3_155_673_600 + 366 * 86_400 * 26), "2026-01-20T00:00:00.000000000Z");
        // The window reaches 2^31 s to either side of the pivot.
        let start: Timestamp = "1958-10-13T20:45:52Z".parse().unwrap();
        let stamp = NtpTime::from_timestamp_floor(start);
        assert_eq!(stamp.to_timestamp_floor(pivot), Some(start));
        let before = NtpTime(stamp.0 - (1 << 32));
        assert_eq!(
            before.to_timestamp_floor(pivot).unwrap().to_string(),
            "2094-11-19T03:14:07.000000000Z"
        );
    }

    #[test]
    fn found_a_server_more_than_a_year_behind_is_not_read_as_a_century_ahead() {
        let pivot: Timestamp = PIVOT.parse().unwrap();
        for days in [300, 400, 3_650, 24_800] {
            let behind =
                Timestamp::from_unix_nanos(pivot.as_unix_nanos() - days * 86_400 * 1_000_000_000);
            let ahead =
                Timestamp::from_unix_nanos(pivot.as_unix_nanos() + days * 86_400 * 1_000_000_000);
            for time in [behind, ahead] {
                assert_eq!(
                    NtpTime::from_timestamp_floor(time).to_timestamp_floor(pivot),
                    Some(time),
                    "{days} days"
                );
            }
        }
    }

    #[test]
    fn stamps_say_what_is_proved() {
        for v in vectors("stamp") {
            let (stamp, pivot) =
                (NtpTime(v.argument(0)), Timestamp::from_unix_nanos(v.argument(1)));
            let both = [stamp.to_timestamp_floor(pivot), stamp.to_timestamp_ceil(pivot)];
            v.says(&both.map(|time| time.map(|time| i128::from(time.as_unix_nanos()))));
        }
        for v in vectors("to_stamp") {
            let stamp = NtpTime::from_timestamp_floor(Timestamp::from_unix_nanos(v.argument(0)));
            v.says(&[Some(i128::from(stamp.0))]);
        }
        for v in vectors("to_16_16") {
            v.says(&[Some(i128::from(to_16_16_ceil(Duration::from_nanos(v.argument(0)))))]);
        }
    }

    #[test]
    fn beyond_the_representable_years_is_none() {
        let pivot = Timestamp::MAX;
        let stamp = NtpTime::from_timestamp_floor(Timestamp::MAX);
        assert_eq!(NtpTime(stamp.0.wrapping_add(5 << 32)).to_timestamp_floor(pivot), None);
    }

    proptest! {
        #[test]
        fn any_48_bytes_are_a_packet_and_come_back(a in any::<[u8; 24]>(), b in any::<[u8; 24]>()) {
            let bytes: Vec<u8> = a.into_iter().chain(b).collect();
            prop_assert_eq!(Packet::decode(&bytes).unwrap().encode().to_vec(), bytes);
        }

        #[test]
        fn any_other_length_is_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assume!(bytes.len() != 48);
            prop_assert_eq!(Packet::decode(&bytes), Err(PacketError { length: bytes.len() }));
        }

        #[test]
        fn reading_a_stamp_is_outward_of_writing_it(offset in -2_147_483_000_000_000_000i64..2_147_483_000_000_000_000) {
            let pivot: Timestamp = PIVOT.parse().unwrap();
            let time = Timestamp::from_unix_nanos(pivot.as_unix_nanos() + offset);
            let stamp = NtpTime::from_timestamp_floor(time);
            let (floor, ceil) = (stamp.to_timestamp_floor(pivot).unwrap(), stamp.to_timestamp_ceil(pivot).unwrap());
            prop_assert!(floor <= time && ceil >= floor);
            prop_assert!(time.as_unix_nanos() - floor.as_unix_nanos() <= 1);
            prop_assert!(ceil.as_unix_nanos() - floor.as_unix_nanos() <= 1);
        }

        #[test]
        fn sixteen_sixteen_is_rounded_up(ns in 0u64..60_000_000_000_000) {
            let units = u128::from(to_16_16_ceil(Duration::from_nanos(ns)));
            prop_assert!(units * 1_000_000_000 >= u128::from(ns) << 16);
            prop_assert!(units == 0 || (units - 1) * 1_000_000_000 < u128::from(ns) << 16);
        }
    }
}
