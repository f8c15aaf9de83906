//! An NTP server of our own that misbehaves: an honest answer, altered and sent as a function says.
//!
//! It uses nothing of the library. Its honest answer is the host's clock, stratum 1, last set a
//! second ago, with a root dispersion of 2^-16 s: beside a real chronyd nothing tells the two
//! apart.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use super::ntp_probe::ntp_stamp;

/// What a server does with the answer it could have given; `since` is the time since its first
/// question.
pub(crate) type Behaviour = fn(&mut Answer, since: Duration);

/// An answer that can be altered before it leaves.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) leap: u8,
    pub(crate) version: u8,
    pub(crate) mode: u8,
    pub(crate) stratum: u8,
    /// Log2 of seconds.
    pub(crate) precision: i8,
    /// Units of 2^-16 s.
    pub(crate) root_delay: u32,
    pub(crate) root_dispersion: u32,
    pub(crate) reference_id: [u8; 4],
    /// Units of 2^-32 s since 1900, modulo 2^64, as are the next three.
    pub(crate) reference: u64,
    pub(crate) origin: u64,
    /// T2 and T3.
    pub(crate) receive: u64,
    pub(crate) transmit: u64,
    /// Bytes beyond the 48, as of an extension field; a negative number cuts some off.
    pub(crate) longer: isize,
    /// Which of several bad servers this is, from 0.
    pub(crate) number: usize,
    /// Sent from another address than the one asked.
    pub(crate) from_elsewhere: bool,
    /// So many forged copies leave first: origins that are guessed, stamps half a second off.
    pub(crate) guesses: u32,
}

impl Answer {
    fn honest(question: &[u8], received: SystemTime) -> Option<Answer> {
        let origin = u64::from_be_bytes(question.get(40..48)?.try_into().ok()?);
        let receive = ntp_stamp(received);
        Some(Answer {
            leap: 0,
            version: 4,
            mode: 4,
            stratum: 1,
            precision: -25,
            root_delay: 0,
            root_dispersion: 1,
            reference_id: *b"TEST",
            reference: receive.wrapping_sub(SECOND),
            origin,
            receive,
            transmit: ntp_stamp(SystemTime::now()),
            longer: 0,
            number: 0,
            from_elsewhere: false,
            guesses: 0,
        })
    }

    /// Moves the server's clock, not what it says of it: reference, T2 and T3.
    pub(crate) fn shift(&mut self, by_ns: i64) {
        let units = (i128::from(by_ns) << 32) / 1_000_000_000;
        for stamp in [&mut self.reference, &mut self.receive, &mut self.transmit] {
            let shifted = (i128::from(*stamp) + units).rem_euclid(1 << 64);
            *stamp = u64::try_from(shifted).expect("it is below 2^64");
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![
            (self.leap << 6) | (self.version << 3) | self.mode,
            self.stratum,
            0,
            self.precision.to_be_bytes()[0],
        ];
        bytes.extend(self.root_delay.to_be_bytes());
        bytes.extend(self.root_dispersion.to_be_bytes());
        bytes.extend(self.reference_id);
        for stamp in [self.reference, self.origin, self.receive, self.transmit] {
            bytes.extend(stamp.to_be_bytes());
        }
        bytes.resize(bytes.len().saturating_add_signed(self.longer), 0);
        bytes
    }
}

/// A running hostile server; it stops when dropped.
pub(crate) struct Hostile {
    addr: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// The atomics pair with nothing: a count that is looked at later, and a wish to stop.
#[derive(Default)]
struct Shared {
    asked: AtomicU64,
    sent: AtomicU64,
    stop: AtomicBool,
}

impl Hostile {
    pub(crate) fn start(behaviour: Behaviour, number: usize) -> io::Result<Hostile> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(HEARTBEAT))?;
        let addr = socket.local_addr()?;
        // The same port of another address; where loopback has only one, another port.
        let elsewhere = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 2), addr.port()))
            .or_else(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)))?;
        let shared = Arc::new(Shared::default());
        let thread = thread::Builder::new().name("hostile".into()).spawn({
            let shared = Arc::clone(&shared);
            move || {
                let mut buffer = [0; 512];
                let mut first = None;
                while !shared.stop.load(Ordering::Relaxed) {
                    let Ok((length, client)) = socket.recv_from(&mut buffer) else { continue };
                    let Some(mut answer) = Answer::honest(&buffer[..length], SystemTime::now())
                    else {
                        continue;
                    };
                    shared.asked.fetch_add(1, Ordering::Relaxed);
                    answer.number = number;
                    behaviour(&mut answer, first.get_or_insert_with(Instant::now).elapsed());
                    for guess in 0..answer.guesses {
                        let mut forged = Answer {
                            origin: answer.origin ^ (1 << (guess % 64)),
                            ..answer.clone()
                        };
                        forged.shift(500_000_000);
                        let _ = socket.send_to(&forged.bytes(), client);
                    }
                    let from = if answer.from_elsewhere { &elsewhere } else { &socket };
                    if from.send_to(&answer.bytes(), client).is_ok() {
                        shared.sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        })?;
        Ok(Hostile { addr, shared, thread: Some(thread) })
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Questions that came, and answers that the system took.
    pub(crate) fn asked_and_sent(&self) -> (u64, u64) {
        (self.shared.asked.load(Ordering::Relaxed), self.shared.sent.load(Ordering::Relaxed))
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there has printed its message, and its row sees that nobody answers.
            let _ = thread.join();
        }
    }
}

/// In units of 2^-32 s.
pub(crate) const SECOND: u64 = 1 << 32;

/// The longest wait between two looks at the wish to stop.
const HEARTBEAT: Duration = Duration::from_millis(50);
