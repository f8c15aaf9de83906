//! One raw NTP question and its answer, with nothing believed and nothing left out: the independent
//! look at a server.
//!
//! It uses neither the library nor its types. Time is the host's `SystemTime`, so it must not be
//! stepped meanwhile.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Asks `server`, on loopback, once and waits for the answer to this very question; others are
/// passed over.
///
/// # Errors
/// `TimedOut` if none came in time, else what the socket says (`ConnectionRefused`: nobody
/// listens).
pub(crate) fn ask(server: SocketAddr, timeout: Duration) -> io::Result<Answer> {
    let socket = match server {
        SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?,
        SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?,
    };
    socket.connect(server)?;
    let nonce = RandomState::new().build_hasher().finish();
    let deadline = Instant::now() + timeout;
    let sent = SystemTime::now();
    socket.send(&question(nonce))?;
    let mut buffer = [0; 2048];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer from {server} within {timeout:?}"),
            ));
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut buffer) {
            Ok(length) => {
                let received = SystemTime::now();
                if let Some(header) = Header::parse(&buffer[..length]) {
                    if header.mode == MODE_SERVER && header.origin == nonce {
                        return Ok(Answer { header, sent, received });
                    }
                }
            }
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
}

/// A 48-byte client packet, version 4, whose transmit timestamp is `nonce`; the answer's origin
/// repeats it.
pub(crate) fn question(nonce: u64) -> [u8; 48] {
    let mut packet = [0; 48];
    packet[0] = (4 << 3) | MODE_CLIENT;
    packet[40..].copy_from_slice(&nonce.to_be_bytes());
    packet
}

/// An answer, with the host's clock before the question left and after the answer came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) header: Header,
    pub(crate) sent: SystemTime,
    pub(crate) received: SystemTime,
}

impl Answer {
    /// How far the server's clock is ahead of the host's, if both directions took equally long:
    /// theta = ((T2 - T1) + (T3 - T4)) / 2, RFC 5905 section 8. Good within 68 years, rounded to
    /// nanoseconds.
    pub(crate) fn offset_ns(&self) -> i64 {
        let there = i128::from(signed(self.header.receive.wrapping_sub(ntp_stamp(self.sent))));
        let back = i128::from(signed(self.header.transmit.wrapping_sub(ntp_stamp(self.received))));
        i64::try_from(((there + back) * 1_000_000_000) >> 33).unwrap_or(i64::MAX)
    }

    /// How long the question and its answer took, by the host's clock.
    pub(crate) fn round_trip(&self) -> Duration {
        self.received.duration_since(self.sent).unwrap_or(Duration::ZERO)
    }
}

/// The fields of an NTP header as they stand in the packet. Source: RFC 5905, figure 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) leap: u8,
    pub(crate) version: u8,
    pub(crate) mode: u8,
    pub(crate) stratum: u8,
    /// Log2 of seconds.
    pub(crate) poll: i8,
    /// Log2 of seconds.
    pub(crate) precision: i8,
    /// Units of 2^-16 s.
    pub(crate) root_delay: u32,
    /// Units of 2^-16 s.
    pub(crate) root_dispersion: u32,
    pub(crate) reference_id: u32,
    /// Units of 2^-32 s since 1900, modulo 2^64, as are the next three.
    pub(crate) reference: u64,
    pub(crate) origin: u64,
    pub(crate) receive: u64,
    pub(crate) transmit: u64,
}

impl Header {
    /// None if `packet` is shorter than a header. Extension fields are left out.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let (header, _) = packet.split_first_chunk::<48>()?;
        let word = |start: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| header[start + byte]));
        let long = |start: usize| (u64::from(word(start)) << 32) | u64::from(word(start + 4));
        Some(Self {
            leap: header[0] >> 6,
            version: (header[0] >> 3) & 7,
            mode: header[0] & 7,
            stratum: header[1],
            poll: i8::from_be_bytes([header[2]]),
            precision: i8::from_be_bytes([header[3]]),
            root_delay: word(4),
            root_dispersion: word(8),
            reference_id: word(12),
            reference: long(16),
            origin: long(24),
            receive: long(32),
            transmit: long(40),
        })
    }

    /// The server says that its clock is synchronized: a leap field other than 3, and a stratum of
    /// 1 to 15.
    pub(crate) fn synchronized(&self) -> bool {
        self.leap != 3 && (1..16).contains(&self.stratum)
    }

    pub(crate) fn root_delay(&self) -> Duration {
        from_short(self.root_delay)
    }

    pub(crate) fn root_dispersion(&self) -> Duration {
        from_short(self.root_dispersion)
    }
}

/// The host's time in units of 2^-32 s since 1900, modulo 2^64, rounded down. A time before 1970
/// becomes 1970.
pub(crate) fn ntp_stamp(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    // Eras: seconds since 1900 are counted modulo 2^32, which the shift does.
    let seconds = since_1970.as_secs().wrapping_add(SECONDS_1900_TO_1970) << 32;
    seconds | ((u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000)
}

fn from_short(short: u32) -> Duration {
    Duration::from_nanos((u64::from(short) * 1_000_000_000) >> 16)
}

/// The difference of two stamps modulo 2^64, taken as the nearer of the two ways round.
fn signed(difference: u64) -> i64 {
    i64::from_ne_bytes(difference.to_ne_bytes())
}

const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;

/// 70 years with 17 leap days. Source: RFC 5905, figure 4.
const SECONDS_1900_TO_1970: u64 = (70 * 365 + 17) * 86_400;
