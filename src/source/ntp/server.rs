//! A reference server as a pure function: a request and what is known of the time, to a reply.

use super::packet::{NtpTime, Packet, PacketError, to_16_16_ceil};
use crate::bound::LeapAnnouncement;
use crate::time::TimeInterval;

/// What a reference server says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerIdentity {
    /// 1 for a server with a reference of its own, one more than its source otherwise.
    pub stratum: u8,
    /// The name of the reference (stratum 1) or the address of the source.
    pub reference_id: [u8; 4],
    /// When the clock was last set; zero if it is not known.
    pub reference: NtpTime,
    /// What the end of the day will bring. Say what you know: clients that ask you alone hear of a
    /// leap second from nobody else. Where your clock is a [`SureClock`](crate::SureClock), its
    /// [status](crate::Status::leap_second) says for which day one is announced.
    pub leap: LeapAnnouncement,
}

impl Default for ServerIdentity {
    /// Stratum 1, reference `SURE`, last set at an unknown time, no leap second.
    fn default() -> ServerIdentity {
        ServerIdentity {
            stratum: 1,
            reference_id: *b"SURE",
            reference: NtpTime(0),
            leap: LeapAnnouncement::None,
        }
    }
}

/// Why a datagram is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestRejected {
    /// Not 48 bytes.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// Not a client's request of version 3 or 4.
    #[error("mode {mode}, version {version} is no client's request")]
    NotAClientsRequest {
        /// The mode.
        mode: u8,
        /// The version.
        version: u8,
    },
}

/// The reply to `request`, by a server that knew true time to be in `received` when the request
/// came and in `transmitted` when the reply leaves.
///
/// The stamps are the midpoints; the root dispersion covers the larger uncertainty and all
/// rounding, so a client that adds it gets true time. An uncertainty beyond 65 535 s does not fit
/// and is served as the largest value, which every client refuses.
///
/// # Errors
///
/// [`RequestRejected`] for a datagram that is no request: do not answer it.
pub fn respond(
    request: &[u8],
    received: &TimeInterval,
    transmitted: &TimeInterval,
    identity: &ServerIdentity,
) -> Result<[u8; 48], RequestRejected> {
    let request = Packet::decode(request)?;
    if request.mode != 3 || !(3..=4).contains(&request.version) {
        return Err(RequestRejected::NotAClientsRequest {
            mode: request.mode,
            version: request.version,
        });
    }
    let uncertainty = received.uncertainty().max(transmitted.uncertainty());
    let receive = NtpTime::from_timestamp_floor(received.midpoint());
    let transmit = NtpTime::from_timestamp_floor(transmitted.midpoint());
    Ok(Packet {
        leap: match identity.leap {
            LeapAnnouncement::None => 0,
            LeapAnnouncement::Insert => 1,
            LeapAnnouncement::Delete => 2,
        },
        version: request.version,
        mode: 4,
        stratum: identity.stratum,
        poll: request.poll,
        // 2^-28 s = 3.7 ns covers the rounding of midpoint (1 ns) and stamps (0.3 ns).
        precision: -28,
        root_delay_16_16: 0,
        root_dispersion_16_16: to_16_16_ceil(uncertainty),
        reference_id: identity.reference_id,
        reference: identity.reference,
        origin: request.transmit,
        receive,
        // A server whose midpoint went back (its interval narrowed) still replies after it
        // received.
        transmit: if transmitted.midpoint() < received.midpoint() { receive } else { transmit },
    }
    .encode())
}
