//! Simulated servers: honest ones, liars, and those that answer badly.

use super::calendar::Calendar;
use super::dice::Dice;
use super::moment::{Moment, NS_PER_S, UNITS_PER_NS};
use super::path::Path;
use crate::bound::LeapAnnouncement;
use crate::ntp::{NtpTime, Packet};
use crate::time::{Timescale, Timestamp};
use std::net::SocketAddr;
use std::time::Duration;

/// A time server of a simulated world.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use sureclock::sim::{Reply, Server, ClockError};
///
/// let honest = Server::honest()
///     .error(ClockError::AnywhereWithinClaims)
///     .root_dispersion(Duration::from_millis(2));
/// let liar = Server::honest().error(ClockError::Fixed { ns: 500_000_000 });
/// let dead = Server::honest().reply(Reply::None);
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    pub(super) path: Path,
    pub(super) address: Option<SocketAddr>,
    error: ClockError,
    reply: Reply,
    direct: bool,
    pub(super) through_os_clock: bool,
    timescale: Timescale,
    leap_late: bool,
    announces: Option<LeapAnnouncement>,
    stratum: u8,
    root_delay_16_16: u32,
    root_dispersion_16_16: u32,
    precision: i8,
    processing: Moment,
    /// When this behaviour began.
    pub(super) since: Moment,
}

/// How far a server's clock is from true time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockError {
    /// Not at all.
    None,
    /// As far behind, or ahead, as what it says of its own error permits: honest at the edge.
    AtEdge {
        /// Ahead of true time.
        ahead: bool,
    },
    /// Anywhere within what it says of its own error, each stamp anew: honest, and as awkward as
    /// can be.
    AnywhereWithinClaims,
    /// So far: a liar if that is beyond what it says of its own error.
    Fixed {
        /// Nanoseconds ahead of true time.
        ns: i64,
    },
    /// Just beyond what it says of its own error.
    BeyondClaims {
        /// By how many nanoseconds; negative: behind.
        ns: i64,
    },
    /// Drifts away from the moment it was set.
    Ramp {
        /// Nanoseconds a second.
        ns_per_s: i64,
    },
    /// Ahead, then behind, and so on.
    Flip {
        /// Nanoseconds.
        ns: i64,
        /// How long each.
        every: Duration,
    },
    /// Anything at each exchange.
    Random {
        /// Nanoseconds at most, ahead or behind.
        most_ns: i64,
    },
}

/// What a server does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// Answers properly (which does not make the answer true).
    Proper,
    /// Does not answer.
    None,
    /// Says that it is not synchronized (leap indicator 3), and the time all the same.
    Unsynchronized,
    /// Says that its stratum is this one.
    Stratum(u8),
    /// Kiss-o'-death with this code.
    Kiss([u8; 4]),
    /// T3 before T2.
    TransmitBeforeReceive,
    /// T2 and T3 are zero.
    ZeroStamps,
    /// Its clock is set between T2, which is wrong by this much, and T3.
    SetBetween {
        /// Nanoseconds by which T2 is ahead.
        ns: i64,
    },
    /// Its clock was last set in its own future.
    ReferenceInTheFuture,
    /// Says that the reference time is not known.
    ReferenceUnknown,
    /// A precision of 2^n seconds.
    Precision(i8),
    /// The first 40 bytes only.
    Short,
    /// 20 bytes more, as a message authentication code has. Still an answer.
    Long,
    /// Three bytes more, as nothing has.
    Ragged,
    /// The origin of another request.
    ForeignOrigin,
    /// 48 random bytes.
    Noise,
}

/// What travels from a server to a host.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message {
    Datagram { length: usize, bytes: [u8; 68] },
    Direct { no_later_than: Timestamp, no_earlier_than: Timestamp, leap: LeapAnnouncement },
}

impl Server {
    /// A server of stratum 1 that is right, 5 ms away in each direction.
    #[must_use]
    pub fn honest() -> Server {
        Server {
            path: Path::symmetric(Duration::from_millis(5), Duration::from_millis(1)),
            address: None,
            error: ClockError::None,
            reply: Reply::Proper,
            direct: false,
            through_os_clock: false,
            timescale: Timescale::Utc,
            leap_late: false,
            announces: None,
            stratum: 1,
            root_delay_16_16: 0,
            root_dispersion_16_16: 0,
            precision: -24,
            processing: Moment::of(Duration::from_micros(20)),
            since: Moment::ZERO,
        }
    }

    /// A source that hands over two facts instead of a packet, as a [`Source`](crate::Source) of
    /// your own would: exact to the nanosecond, and outside the eras of NTP.
    #[must_use]
    pub fn direct() -> Server {
        Server { direct: true, ..Server::honest() }
    }

    /// As [`direct`](Server::direct), asked by a client that measures against the operating
    /// system's clock, as the rsntp crate does: it assumes that nobody steps that clock meanwhile.
    #[must_use]
    pub fn through_os_clock() -> Server {
        Server { through_os_clock: true, ..Server::direct() }
    }

    /// How far its clock is off.
    #[must_use]
    pub fn error(self, error: ClockError) -> Server {
        Server { error, ..self }
    }

    /// What it does with a request.
    #[must_use]
    pub fn reply(self, reply: Reply) -> Server {
        Server { reply, ..self }
    }

    /// The network between the hosts and it.
    #[must_use]
    pub fn path(self, path: Path) -> Server {
        Server { path, ..self }
    }

    /// Its address. Two servers of one address are one host to a clock. By default each has its
    /// own.
    #[must_use]
    pub fn at(self, address: SocketAddr) -> Server {
        Server { address: Some(address), ..self }
    }

    /// The timescale it follows.
    #[must_use]
    pub fn timescale(self, timescale: Timescale) -> Server {
        Server { timescale, ..self }
    }

    /// Steps a second late at a leap second, as some do.
    #[must_use]
    pub fn steps_late(self) -> Server {
        Server { leap_late: true, ..self }
    }

    /// Announces this, whatever is true.
    #[must_use]
    pub fn announces(self, leap: LeapAnnouncement) -> Server {
        Server { announces: Some(leap), ..self }
    }

    /// Its stratum.
    #[must_use]
    pub fn stratum(self, stratum: u8) -> Server {
        Server { stratum, ..self }
    }

    /// The root delay it claims.
    #[must_use]
    pub fn root_delay(self, delay: Duration) -> Server {
        Server { root_delay_16_16: crate::source::ntp::to_16_16_ceil(delay), ..self }
    }

    /// The root dispersion it claims.
    #[must_use]
    pub fn root_dispersion(self, dispersion: Duration) -> Server {
        Server { root_dispersion_16_16: crate::source::ntp::to_16_16_ceil(dispersion), ..self }
    }

    /// How long it takes to answer, at most.
    #[must_use]
    pub fn processing(self, most: Duration) -> Server {
        Server { processing: Moment::of(most), ..self }
    }

    /// Begins at `now`: what grows with time grows from here.
    pub(super) fn set_at(self, now: Moment) -> Server {
        Server { path: self.path.set_at(now), since: now, ..self }
    }

    /// For a person.
    pub(super) fn describe(&self) -> String {
        let kind = match (self.through_os_clock, self.direct) {
            (true, _) => "a source through the OS clock",
            (_, true) => "a source of facts",
            _ => "a server",
        };
        format!("{kind}, error {:?}, reply {:?}, {}", self.error, self.reply, self.path.describe())
    }

    /// The error that its claims permit: root delay/2 + root dispersion + precision + 1.5 * 2^-16 s
    /// for the rounding of the two fields (written anew here, so that the oracle shares no mistake
    /// with the library). Rounded down.
    fn claimed(&self) -> Moment {
        if self.direct {
            return Moment::ZERO;
        }
        let half_units =
            i128::from(self.root_delay_16_16) + 2 * i128::from(self.root_dispersion_16_16) + 3;
        let fields = (half_units * NS_PER_S * UNITS_PER_NS) >> 17;
        let precision = (NS_PER_S * UNITS_PER_NS) >> self.precision.unsigned_abs().min(64);
        Moment(fields + precision)
    }

    /// When the reply to a request that arrived at `now` leaves.
    pub(super) fn leaves_at(&self, now: Moment, dice: &mut Dice) -> Moment {
        now + Moment(i128::from(dice.below(u64::try_from(self.processing.0 + 1).unwrap_or(1))))
    }

    /// Answers a request that arrived at `received` with a reply that leaves at `leaves`; `None`:
    /// not at all.
    pub(super) fn answer(
        &self,
        request: &Packet,
        received: Moment,
        leaves: Moment,
        calendar: &Calendar,
        dice: &mut Dice,
    ) -> Option<Message> {
        let t2 = self.reads(received, calendar) + self.error_at(received, dice);
        let t3 = self.reads(leaves, calendar) + self.error_at(leaves, dice);
        let leap = self.announces.unwrap_or_else(|| calendar.announcement(leaves));
        if self.direct {
            let (no_later_than, no_earlier_than) =
                (Timestamp::from_unix_nanos(t2.ceil_ns()), t3.timestamp());
            if no_later_than == Timestamp::MAX || no_earlier_than == Timestamp::MIN {
                // What cannot be said is not said.
                return None;
            }
            return (self.reply == Reply::Proper).then_some(Message::Direct {
                no_later_than,
                no_earlier_than,
                leap,
            });
        }
        let mut packet = Packet {
            leap: match leap {
                LeapAnnouncement::None => 0,
                LeapAnnouncement::Insert => 1,
                LeapAnnouncement::Delete => 2,
            },
            version: request.version,
            mode: 4,
            stratum: self.stratum,
            poll: request.poll,
            precision: self.precision,
            root_delay_16_16: self.root_delay_16_16,
            root_dispersion_16_16: self.root_dispersion_16_16,
            reference_id: *b"SIM\0",
            reference: (t2 - Moment(NS_PER_S * UNITS_PER_NS * i128::from(1 + dice.below(16))))
                .ntp_floor(),
            origin: request.transmit,
            receive: t2.ntp_floor(),
            transmit: t3.max(t2).ntp_floor(),
        };
        let mut length = 48;
        match self.reply {
            Reply::Proper => {}
            Reply::None => return None,
            Reply::Unsynchronized => packet.leap = 3,
            Reply::Stratum(stratum) => packet.stratum = stratum,
            Reply::Kiss(code) => (packet.stratum, packet.reference_id) = (0, code),
            Reply::TransmitBeforeReceive => {
                packet.transmit = NtpTime(packet.receive.0.wrapping_sub(1 << 20))
            }
            Reply::ZeroStamps => (packet.receive, packet.transmit) = (NtpTime(0), NtpTime(0)),
            Reply::SetBetween { ns } => {
                packet.reference = packet.transmit;
                packet.receive = (t2 + Moment::from_ns(ns)).min(t3).ntp_floor();
            }
            Reply::ReferenceInTheFuture => {
                packet.reference = NtpTime(packet.transmit.0.wrapping_add(1 << 32))
            }
            Reply::ReferenceUnknown => packet.reference = NtpTime(0),
            Reply::Precision(precision) => packet.precision = precision,
            Reply::Short => length = 40,
            Reply::Long => length = 68,
            Reply::Ragged => length = 51,
            Reply::ForeignOrigin => packet.origin = NtpTime(dice.bits()),
            Reply::Noise => {}
        }
        let mut bytes = [0; 68];
        bytes[..48].copy_from_slice(&packet.encode());
        if self.reply == Reply::Noise {
            bytes[..48].iter_mut().for_each(|byte| *byte = dice.bits().to_be_bytes()[0]);
        }
        Some(Message::Datagram { length, bytes })
    }

    /// What a clock without error would show it.
    fn reads(&self, now: Moment, calendar: &Calendar) -> Moment {
        calendar.server_reads(self.timescale, now, self.leap_late)
    }

    fn error_at(&self, now: Moment, dice: &mut Dice) -> Moment {
        // Behind by all but a wire unit, since stamps are rounded down.
        let (least, most) = (Moment((WIRE_UNIT - self.claimed().0).min(0)), self.claimed());
        let age = now - self.since;
        match self.error {
            ClockError::None => Moment::ZERO,
            ClockError::AtEdge { ahead: true } => most,
            ClockError::AtEdge { ahead: false } => least,
            ClockError::AnywhereWithinClaims => {
                least
                    + Moment(i128::from(
                        dice.below(u64::try_from((most - least).0 + 1).unwrap_or(1)),
                    ))
            }
            ClockError::Fixed { ns } => Moment::from_ns(ns),
            ClockError::BeyondClaims { ns } if ns < 0 => {
                Moment(-self.claimed().0) + Moment::from_ns(ns)
            }
            ClockError::BeyondClaims { ns } => most + Moment::from_ns(ns),
            ClockError::Ramp { ns_per_s } => Moment(age.0 * i128::from(ns_per_s) / NS_PER_S),
            ClockError::Flip { ns, every } => {
                let turns = age.0 / Moment::of(every).0.max(1);
                Moment::from_ns(if turns % 2 == 0 { ns } else { ns.saturating_neg() })
            }
            ClockError::Random { most_ns } => {
                Moment::from_ns(dice.within(most_ns.saturating_neg(), most_ns))
            }
        }
    }
}

impl Message {
    /// Facts that are handed over within the process are not.
    pub(super) fn is_on_the_wire(&self) -> bool {
        matches!(self, Message::Datagram { .. })
    }

    /// What someone sends who did not see the request.
    pub(super) fn forged(self, dice: &mut Dice) -> Message {
        match self {
            Message::Datagram { length, mut bytes } => {
                // Origin, T2 and T3: 24 to 48.
                bytes[24..48].iter_mut().for_each(|byte| *byte = dice.bits().to_be_bytes()[0]);
                Message::Datagram { length, bytes }
            }
            // Facts that are handed over in the process are not on the wire.
            direct @ Message::Direct { .. } => direct,
        }
    }

    /// The same with one to four bits changed.
    pub(super) fn corrupted(self, dice: &mut Dice) -> Message {
        match self {
            Message::Datagram { length, mut bytes } => {
                for _ in 0..=dice.below(4) {
                    let at = usize::try_from(dice.below(48)).unwrap_or(0);
                    bytes[at] ^= 1 << dice.below(8);
                }
                Message::Datagram { length, bytes }
            }
            direct @ Message::Direct { .. } => direct,
        }
    }
}

/// 2^-32 s in units of 2^-10 ns, rounded up.
const WIRE_UNIT: i128 = 239;

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Packet {
        Packet::decode(
            &crate::ntp::Exchange::with_nonce(
                9,
                crate::time::MonotonicTime::new(crate::time::CounterId::new(5), 0, 0),
                Default::default(),
            )
            .request(),
        )
        .unwrap()
    }

    #[test]
    fn an_honest_stamp_at_the_edge_is_within_the_claims_and_a_liars_is_not() {
        let (now, mut dice) = (Moment::from_ns(1_795_431_780_123_456_789), Dice::new(1));
        let claimed = crate::bound::exchange::root_bound_ns(0, 66, true, -24);
        let stamp = |error, dice: &mut Dice| {
            let server = Server::honest().root_dispersion(Duration::from_millis(1)).error(error);
            let Some(Message::Datagram { bytes, .. }) =
                server.answer(&request(), now, now, &Calendar::default(), dice)
            else {
                panic!("it answers")
            };
            let packet = Packet::decode(&bytes[..48]).unwrap();
            let read = packet.receive.to_timestamp_floor(now.timestamp()).unwrap().as_unix_nanos();
            i128::from(read) - i128::from(now.floor_ns())
        };
        let edge = i128::from(claimed);
        for (error, from, to) in [
            (ClockError::AtEdge { ahead: true }, edge - 3, edge),
            (ClockError::AtEdge { ahead: false }, -edge, 3 - edge),
            (ClockError::BeyondClaims { ns: 10 }, edge + 6, edge + 11),
            (ClockError::BeyondClaims { ns: -10 }, -edge - 11, -edge - 6),
            (ClockError::Fixed { ns: -500 }, -501, -499),
        ] {
            let off = stamp(error, &mut dice);
            assert!((from..=to).contains(&off), "{error:?}: {off} of {edge}");
        }
        for _ in 0..1000 {
            assert!(stamp(ClockError::AnywhereWithinClaims, &mut dice).abs() <= edge);
        }
    }
}
