//! What may arrive at the socket of an exchange, over real sockets on loopback.

use super::*;
use crate::counter::{CounterChoice, VmClock};
use crate::source::ntp::{Rejected, ServerIdentity, respond};
use crate::time::{TimeInterval, Timescale, Timestamp};
use std::time::Instant;

/// An exchange under way, and the server's end of it.
struct Stage {
    net: Net,
    counter: Counter,
    server: UdpSocket,
    client: SocketAddr,
    request: Vec<u8>,
}

impl Stage {
    fn new() -> Stage {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let counter = Counter::choose(
            CounterChoice::OsMonotonic,
            VmClock::open(&crate::VmClockChoice::Off).unwrap(),
        )
        .unwrap();
        let mut net = Net::new().unwrap();
        let address = server.local_addr().unwrap();
        net.begin(AskId::for_tests(1), address, &counter, ExchangeSettings::default()).unwrap();
        let mut buffer = [0; 512];
        let (length, client) = server.recv_from(&mut buffer).unwrap();
        Stage { net, counter, server, client, request: buffer[..length].to_vec() }
    }

    fn honest(&self) -> Vec<u8> {
        let point = Timestamp::from_unix_nanos(1_795_431_780_000_000_000);
        let time = TimeInterval::new(point, point, Timescale::Utc).unwrap();
        respond(&self.request, &time, &time, &ServerIdentity::default()).unwrap().to_vec()
    }

    fn send(&self, datagram: &[u8]) {
        self.server.send_to(datagram, self.client).unwrap();
    }

    /// What comes until the exchange is over, or until nothing more comes.
    fn outcomes(&mut self) -> (Vec<Problem>, Option<Result<Facts, Problem>>) {
        let (mut unusable, mut end) = (Vec::new(), None);
        let until = Instant::now() + Duration::from_secs(10);
        let mut quiet = 0;
        while end.is_none() && quiet < 3 && Instant::now() < until {
            let before = unusable.len();
            self.net.wait(Duration::from_millis(200), &self.counter, |outcome| match outcome {
                Outcome::Unusable(_, problem) => unusable.push(problem),
                Outcome::Ended(_, result) => end = Some(result),
            });
            quiet = if unusable.len() == before { quiet + 1 } else { 0 };
        }
        (unusable, end)
    }
}

#[test]
fn an_honest_answer_ends_the_exchange_with_facts() {
    let mut stage = Stage::new();
    stage.send(&stage.honest());
    let (unusable, end) = stage.outcomes();
    assert_eq!((unusable.len(), end.map(|result| result.is_ok())), (0, Some(true)));
}

#[test]
fn found_a_flood_before_the_answer_does_not_end_the_exchange() {
    let mut stage = Stage::new();
    // All of them are there before the first is read.
    for number in 0..400_u16 {
        stage.send(&[number.to_be_bytes()[1]; 48]);
    }
    stage.send(&stage.honest());
    let (unusable, end) = stage.outcomes();
    assert_eq!((unusable.len(), end.map(|result| result.is_ok())), (400, Some(true)));
}

#[test]
fn found_what_came_is_said_and_a_longer_answer_is_one() {
    let mut stage = Stage::new();
    let mut long = stage.honest();
    long.resize(48 + 20, 7);
    stage.send(&long[..47]);
    stage.send(&vec![4; 2_000]);
    stage.send(&long);
    let (unusable, end) = stage.outcomes();
    let lengths =
        [47, LONGEST_REPLY + 1].map(|length| Problem::Rejected(Rejected::Length { length }));
    assert_eq!((unusable, end.map(|result| result.is_ok())), (lengths.to_vec(), Some(true)));
}

#[test]
fn a_kiss_ends_the_exchange() {
    let mut stage = Stage::new();
    let mut kiss = stage.honest();
    kiss[1] = 0;
    stage.send(&kiss);
    stage.send(&stage.honest());
    let (_, end) = stage.outcomes();
    assert!(matches!(end, Some(Err(Problem::Rejected(Rejected::KissOfDeath { .. })))), "{end:?}");
}

/// Needs the right to open a raw socket, which CI has.
#[cfg(target_os = "linux")]
#[test]
fn found_a_forged_icmp_error_does_not_end_the_exchange() {
    let mut stage = Stage::new();
    let SocketAddr::V4(server) = stage.server.local_addr().unwrap() else {
        panic!("it is of IPv4")
    };
    let SocketAddr::V4(client) = stage.client else { panic!("it is of IPv4") };
    if let Err(error) = forge_port_unreachable(client, server) {
        assert!(std::env::var_os("CI").is_none(), "no raw socket: {error}");
        return println!(
            "SKIPPED found_a_forged_icmp_error_does_not_end_the_exchange: no raw socket: {error}"
        );
    }
    let (unusable, end) = stage.outcomes();
    let refused = |problem: &Problem| matches!(problem, Problem::Network(error) if error.kind() == ErrorKind::ConnectionRefused);
    assert!(unusable.len() == 1 && unusable.iter().all(refused), "it arrived: {unusable:?}");
    assert!(end.is_none());
    stage.send(&stage.honest());
    assert!(matches!(stage.outcomes().1, Some(Ok(_))), "the honest answer 20 ms later");
}

/// ICMP type 3, code 3, for a datagram from `client` to `server`, as anyone may send it who knows
/// the two ports.
#[cfg(target_os = "linux")]
fn forge_port_unreachable(
    client: std::net::SocketAddrV4,
    server: std::net::SocketAddrV4,
) -> std::io::Result<()> {
    use rustix::net::{AddressFamily, SendFlags, SocketType, ipproto, sendto, socket};
    let raw = socket(AddressFamily::INET, SocketType::RAW, Some(ipproto::ICMP))?;
    let mut quoted = vec![0x45, 0, 0, 76, 0, 0, 0, 0, 64, 17, 0, 0];
    quoted.extend(client.ip().octets());
    quoted.extend(server.ip().octets());
    quoted.extend(client.port().to_be_bytes());
    quoted.extend(server.port().to_be_bytes());
    quoted.extend([0, 56, 0, 0]);
    let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
    message.extend(quoted);
    let sum: u32 =
        message.chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum();
    let folded = !(u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0));
    message[2..4].copy_from_slice(&folded.to_be_bytes());
    let to = std::net::SocketAddrV4::new(*client.ip(), 0);
    sendto(&raw, &message, SendFlags::empty(), &to)?;
    Ok(())
}
