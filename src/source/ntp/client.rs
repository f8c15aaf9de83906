//! The client's side of one NTP exchange: a request with a random origin, and the judgement of what
//! comes back.
//!
//! Rules: the origin is a random nonce, so a reply proves that its sender saw the request (and
//! nothing more: there is no authentication); the local time is never on the wire; whatever is not
//! an answer to this request is passed over, not judged, so garbage cannot end an exchange.

use super::packet::{NtpTime, Packet};
use crate::bound::exchange::{Stamps, root_bound_ns};
use crate::bound::{Facts, FactsError, LeapAnnouncement};
use crate::random;
use crate::time::{MonotonicTime, Timestamp};
use std::time::Duration;

/// One question to one NTP server, and the judgement of its answer.
///
/// # Examples
///
/// Against the library's own reference server, by hand:
///
/// ```
/// use sureclock::ntp::{Exchange, ExchangeSettings, ServerIdentity, respond};
/// # let interval: sureclock::TimeInterval = "2026-11-23T11:03:00Z ± 1 ms".parse()?;
/// let (clock, _time) = sureclock::SureClock::manual(interval);
///
/// let exchange = Exchange::begin(clock.monotonic(), ExchangeSettings::default())?;
/// let request = exchange.request();
/// let reply = respond(&request, &clock.now()?, &clock.now()?, &ServerIdentity::default())?;
/// let facts = exchange.receive(&reply, clock.monotonic())?;
/// assert!(facts.no_earlier_than() <= interval.earliest());
/// assert!(interval.latest() <= facts.no_later_than());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    nonce: NtpTime,
    before: MonotonicTime,
    settings: ExchangeSettings,
}

/// How an answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeSettings {
    /// Names the era: of the readings of a stamp, which repeat every 136 years, the one nearest to
    /// this is meant. By default the time at which this version of the library was made; a running
    /// clock sets the agreed time. Never the OS clock.
    pub era_pivot: Timestamp,
    /// A reply from before this is refused ([`Rejected::BeforeTheBuild`]): whatever sends it does
    /// not know the time. By default the time at which this version of the library was made.
    pub not_before: Timestamp,
    /// Charge 15 ppm of the age of the reference timestamp, for servers that do not age their root
    /// dispersion themselves. ntpd, chrony and ntpd-rs do.
    pub assume_unaged_root_dispersion: bool,
    /// Take root delay and root dispersion as they are on the wire: the server rounds both up to
    /// the next 2^-16 s, as chrony does. ntpd-rs cuts the rest off, so by default 1.5 * 2^-16 s (23
    /// us) are charged.
    pub assume_root_fields_rounded_up: bool,
}

impl Default for ExchangeSettings {
    fn default() -> ExchangeSettings {
        ExchangeSettings {
            era_pivot: BUILT_AT,
            not_before: BUILT_AT,
            assume_unaged_root_dispersion: false,
            assume_root_fields_rounded_up: false,
        }
    }
}

impl Exchange {
    /// Begins an exchange. `before` is read now, before the request leaves; the nonce is drawn from
    /// the system.
    ///
    /// # Errors
    ///
    /// [`NonceError`] where the system has no random numbers.
    pub fn begin(
        before: MonotonicTime,
        settings: ExchangeSettings,
    ) -> Result<Exchange, NonceError> {
        let mut nonce = [0; 8];
        random::fill(&mut nonce).map_err(|_| NonceError)?;
        Ok(Exchange::with_nonce(u64::from_be_bytes(nonce), before, settings))
    }

    /// As [`begin`](Exchange::begin) with a nonce of the caller's, which must be unpredictable and
    /// never used before.
    #[must_use]
    pub fn with_nonce(nonce: u64, before: MonotonicTime, settings: ExchangeSettings) -> Exchange {
        // A zero origin would match a server that fills in nothing.
        Exchange { nonce: NtpTime(nonce.max(1)), before, settings }
    }

    /// The datagram to send.
    #[must_use]
    pub fn request(&self) -> [u8; 48] {
        Packet {
            leap: 0,
            version: VERSION,
            mode: MODE_CLIENT,
            stratum: 0,
            poll: 0,
            precision: 0,
            root_delay_16_16: 0,
            root_dispersion_16_16: 0,
            reference_id: [0; 4],
            reference: NtpTime(0),
            origin: NtpTime(0),
            receive: NtpTime(0),
            transmit: self.nonce,
        }
        .encode()
    }

    /// Judges a datagram that arrived; `after` is read after it arrived.
    ///
    /// What follows the 48 bytes of the header (extension fields, a message authentication code,
    /// 1024 bytes in all at most) is ignored, as RFC 7822 section 3 permits: this client asked for
    /// none of it.
    ///
    /// # Errors
    ///
    /// [`Rejected`]; where [`Rejected::is_final`] is false the datagram was no answer to this
    /// request: go on listening.
    pub fn receive(&self, datagram: &[u8], after: MonotonicTime) -> Result<Facts, Rejected> {
        let length = Rejected::Length { length: datagram.len() };
        if datagram.len() > LONGEST_REPLY || datagram.len() % 4 != 0 {
            return Err(length);
        }
        // What follows the header is for those who asked for it.
        let header = datagram.get(..HEADER).ok_or(length)?;
        let reply = Packet::decode(header).map_err(|_| length)?;
        if reply.mode != MODE_SERVER || !(3..=VERSION).contains(&reply.version) {
            return Err(Rejected::NotAServersReply { mode: reply.mode, version: reply.version });
        }
        if reply.origin != self.nonce {
            return Err(Rejected::ForeignOrigin);
        }
        if reply.stratum == 0 {
            return Err(Rejected::KissOfDeath { code: KissCode(reply.reference_id) });
        }
        if reply.leap == LEAP_UNKNOWN || reply.stratum >= STRATUM_UNSYNCHRONIZED {
            return Err(Rejected::ServerNotSynchronized {
                leap: reply.leap,
                stratum: reply.stratum,
            });
        }
        if reply.receive.is_zero() || reply.transmit.is_zero() {
            return Err(Rejected::ZeroStamp);
        }
        let pivot = self.settings.era_pivot;
        let out_of_range = Rejected::Facts(FactsError::OutOfRange);
        let t2 = reply.receive.to_timestamp_ceil(pivot).ok_or(out_of_range)?;
        let t3 = reply.transmit.to_timestamp_floor(pivot).ok_or(out_of_range)?;
        // Compared on the wire, before any rounding.
        if reply.transmit.0.wrapping_sub(reply.receive.0) > HALF_AN_ERA {
            return Err(Rejected::TransmitBeforeReceive);
        }
        let reference = (!reply.reference.is_zero()).then_some(reply.reference);
        let age = reference.map(|r| reply.transmit.0.wrapping_sub(r.0));
        if age.is_some_and(|age| age > HALF_AN_ERA) {
            return Err(Rejected::ReferenceInTheFuture);
        }
        if reply.precision >= 0 {
            return Err(Rejected::AbsurdPrecision { precision: reply.precision });
        }
        let cut_off = !self.settings.assume_root_fields_rounded_up;
        let fields = (reply.root_delay_16_16, reply.root_dispersion_16_16);
        let mut bound_ns = root_bound_ns(fields.0, fields.1, cut_off, reply.precision);
        if self.settings.assume_unaged_root_dispersion {
            // An unknown reference time would be an unknown charge.
            bound_ns = bound_ns.saturating_add(unaged_ns(age.ok_or(Rejected::ReferenceUnknown)?));
        }
        if bound_ns > LARGEST_ROOT_BOUND_NS {
            return Err(Rejected::AbsurdRootDistance {
                root_distance: Duration::from_nanos(bound_ns),
            });
        }
        // An honest server's time is at most B behind true time, which is after the build.
        let latest_ns = t3.as_unix_nanos().saturating_add_unsigned(bound_ns);
        if latest_ns < self.settings.not_before.as_unix_nanos() {
            return Err(Rejected::BeforeTheBuild {
                stamp: t3,
                not_before: self.settings.not_before,
            });
        }
        // The server's clock was set after the request came: T2 is of the older setting, which B
        // does not cover.
        let set_between =
            reference.is_none_or(|r| r.0.wrapping_sub(reply.receive.0) <= HALF_AN_ERA);
        let received = if set_between {
            reply.transmit.to_timestamp_ceil(pivot).ok_or(out_of_range)?
        } else {
            t2
        };
        let stamps = Stamps {
            before: self.before,
            after,
            received_ns: received.as_unix_nanos(),
            transmitted_ns: t3.as_unix_nanos(),
            root_bound_ns: bound_ns,
        };
        let leap = match reply.leap {
            1 => LeapAnnouncement::Insert,
            2 => LeapAnnouncement::Delete,
            _ => LeapAnnouncement::None,
        };
        Ok(stamps
            .facts()?
            .with_leap(leap)
            .with_quality(reply.stratum, Duration::from_nanos(bound_ns)))
    }
}

/// 15 ppm of an age given in 2^-32 s, in nanoseconds, rounded up (RFC 5905 section 11.1, PHI).
fn unaged_ns(age_2_32: u64) -> u64 {
    let ns = (u128::from(age_2_32) * 15_000).div_ceil(1 << 32);
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// Why a datagram gave no facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// Shorter than the 48 bytes of the header, longer than 1024, or not of whole 32-bit words.
    /// Ignored.
    #[error("a datagram of {length} bytes is no answer")]
    Length {
        /// Its length.
        length: usize,
    },
    /// Not a server's reply of version 3 or 4. Passed over.
    #[error("mode {mode}, version {version} is no server's reply")]
    NotAServersReply {
        /// The mode.
        mode: u8,
        /// The version.
        version: u8,
    },
    /// The origin is not the nonce of this request: an answer to something else, or forged. Passed
    /// over.
    #[error("the origin is not this request's nonce")]
    ForeignOrigin,
    /// The server asks to be left alone, or to be asked less often.
    #[error("kiss-o'-death {code}")]
    KissOfDeath {
        /// What it asks for.
        code: KissCode,
    },
    /// The server says that it does not know the time.
    #[error("the server is not synchronized (leap indicator {leap}, stratum {stratum})")]
    ServerNotSynchronized {
        /// The leap indicator; 3 is *unknown*.
        leap: u8,
        /// The stratum; 16 and above is *unsynchronized*.
        stratum: u8,
    },
    /// T2 or T3 is zero.
    #[error("a stamp of the server is zero")]
    ZeroStamp,
    /// T3 is before T2.
    #[error("the reply left before the request came, by the server's clock")]
    TransmitBeforeReceive,
    /// The server's clock was last set in its own future.
    #[error("the server's clock was last set in its own future")]
    ReferenceInTheFuture,
    /// The age of the root dispersion is to be charged, and the reference time is unknown.
    #[error("the reference time is unknown, so the age of the root dispersion cannot be charged")]
    ReferenceUnknown,
    /// The reply's time is earlier than the library itself: the server has lost the time.
    #[error(
        "the server's time, {stamp}, is earlier than {not_before}, when this version of the library was made"
    )]
    BeforeTheBuild {
        /// T3, rounded down.
        stamp: Timestamp,
        /// [`ExchangeSettings::not_before`].
        not_before: Timestamp,
    },
    /// A precision of a second or worse.
    #[error("a precision of 2^{precision} s is absurd")]
    AbsurdPrecision {
        /// log2 of seconds.
        precision: i8,
    },
    /// The server says that it may be wrong by 16 s or more (RFC 5905, MAXDISP).
    #[error("a root distance of {root_distance:?} is absurd")]
    AbsurdRootDistance {
        /// B, rounded up.
        root_distance: Duration,
    },
    /// The stamps make no facts.
    #[error(transparent)]
    Facts(#[from] FactsError),
}

impl Rejected {
    /// Whether the datagram was this server's answer, so that nothing better will come for this
    /// request.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        !matches!(
            self,
            Rejected::Length { .. } | Rejected::NotAServersReply { .. } | Rejected::ForeignOrigin
        )
    }
}

/// What a kiss-o'-death asks for (RFC 5905 section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KissCode(pub [u8; 4]);

impl KissCode {
    /// `DENY` and `RSTR`: do not ask again.
    #[must_use]
    pub fn forbids(self) -> bool {
        matches!(&self.0, b"DENY" | b"RSTR")
    }
}

impl std::fmt::Display for KissCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{}", byte.escape_ascii()))
    }
}

/// The system has no random numbers for a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NonceError;

/// When this version was made: 2026-11-01T00:00:00Z. To be raised with each release. A smaller
/// value refuses fewer wrong servers, and a clock that starts cannot read stamps from 68 years
/// after it (here 2094) on; a larger one, in the future, would refuse right servers.
const BUILT_AT: Timestamp = Timestamp::from_unix_nanos(1_793_491_200_000_000_000);
/// The header of RFC 5905 section 7.3, in bytes.
const HEADER: usize = 48;
/// Of a reply, in bytes. Smaller: loses replies with several extension fields. Larger: nothing that
/// this client asks for.
pub(crate) const LONGEST_REPLY: usize = 1024;
const VERSION: u8 = 4;
const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;
const LEAP_UNKNOWN: u8 = 3;
const STRATUM_UNSYNCHRONIZED: u8 = 16;
/// Differences of stamps are taken modulo an era; more than half of one is a negative difference.
const HALF_AN_ERA: u64 = 1 << 63;
/// MAXDISP of RFC 5905: a server that may be 16 s wrong is of no use, and its fields are probably
/// garbage.
const LARGEST_ROOT_BOUND_NS: u64 = 16_000_000_000;

#[cfg(test)]
mod tests;
