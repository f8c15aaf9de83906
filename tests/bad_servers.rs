//! Servers and networks that misbehave, over real sockets: each a typed problem, never a panic,
//! never a wrong interval.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use sureclock::ntp::{Packet, Rejected, ServerIdentity, respond};
use sureclock::{NowError, Problem, SureClock, TimeInterval, Timescale};

/// A server on loopback that alters the 48 bytes of its honest reply, and its length, by `alter`.
fn server(alter: impl Fn(&mut Vec<u8>) + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let point = SureClock::wall_time().assume_true();
            let half = Duration::from_micros(500);
            let (from, to) = (point.checked_sub(half).unwrap(), point.checked_add(half).unwrap());
            let time = TimeInterval::new(from, to, Timescale::Utc).unwrap();
            let Ok(reply) = respond(&buffer[..length], &time, &time, &ServerIdentity::default())
            else {
                continue;
            };
            let mut reply = reply.to_vec();
            alter(&mut reply);
            let _ = socket.send_to(&reply, client);
        }
    });
    address
}

fn with_packet(change: impl Fn(&mut Packet) + Send + 'static) -> SocketAddr {
    server(move |reply| {
        let mut packet = Packet::decode(reply).unwrap();
        change(&mut packet);
        *reply = packet.encode().to_vec();
    })
}

/// The problem that a clock of this one server shows.
fn problem_of(server: impl Into<String>) -> Problem {
    let builder = SureClock::builder().ntp(server).max_faulty(0);
    let clock = builder.timeout(Duration::from_millis(200)).start().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        assert!(clock.now().is_err(), "no answer from such a server");
        if let Some(problem) = clock.status().sources[0].problem {
            return problem;
        }
        assert!(Instant::now() < deadline, "no problem shown");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn rejected_by(change: impl Fn(&mut Packet) + Send + 'static) -> Rejected {
    match problem_of(with_packet(change).to_string()) {
        Problem::Rejected(rejected) => rejected,
        other => panic!("{other}"),
    }
}

#[test]
fn every_unusable_answer_is_refused_with_its_reason() {
    assert!(matches!(rejected_by(|p| p.leap = 3), Rejected::ServerNotSynchronized { leap: 3, .. }));
    assert!(matches!(
        rejected_by(|p| p.stratum = 16),
        Rejected::ServerNotSynchronized { stratum: 16, .. }
    ));
    assert!(matches!(rejected_by(|p| p.stratum = 0), Rejected::KissOfDeath { .. }));
    assert_eq!(rejected_by(|p| p.receive.0 = 0), Rejected::ZeroStamp);
    assert_eq!(rejected_by(|p| p.transmit.0 = 0), Rejected::ZeroStamp);
    assert_eq!(rejected_by(|p| p.transmit.0 = p.receive.0 - 9), Rejected::TransmitBeforeReceive);
    assert_eq!(rejected_by(|p| p.reference.0 = p.transmit.0 + 9), Rejected::ReferenceInTheFuture);
    assert!(matches!(
        rejected_by(|p| p.root_delay_16_16 = u32::MAX),
        Rejected::AbsurdRootDistance { .. }
    ));
    assert_eq!(rejected_by(|p| p.precision = 3), Rejected::AbsurdPrecision { precision: 3 });
}

#[test]
fn garbage_is_ignored_until_the_timeout_and_shown_then() {
    let rejected = |server: SocketAddr| match problem_of(server.to_string()) {
        Problem::Rejected(rejected) => rejected,
        other => panic!("{other}"),
    };
    assert_eq!(rejected(server(|reply| reply.truncate(47))), Rejected::Length { length: 47 });
    assert_eq!(
        rejected(server(|reply| reply.extend([0; 1_500]))),
        Rejected::Length { length: 1_025 }
    );
    assert_eq!(rejected(server(Vec::clear)), Rejected::Length { length: 0 });
    assert_eq!(rejected(with_packet(|p| p.origin.0 ^= 1)), Rejected::ForeignOrigin);
    assert_eq!(
        rejected(with_packet(|p| p.mode = 5)),
        Rejected::NotAServersReply { mode: 5, version: 4 }
    );
}

#[test]
fn found_a_reply_with_extension_fields_is_an_answer() {
    for more in [4, 20, 28, 500] {
        let honest = [(); 3].map(|()| server(move |reply| reply.resize(48 + more, 0)));
        let clock =
            honest.iter().fold(SureClock::builder(), |b, s| b.ntp(s.to_string())).start().unwrap();
        assert!(clock.wait_synchronized(Duration::from_secs(10)).is_ok(), "{more} bytes more");
    }
}

#[test]
fn an_unknown_host_and_a_closed_port_say_so() {
    assert!(matches!(problem_of("no-such-host.invalid"), Problem::Unresolved(_)));
    // A port that was just free: nobody listens there.
    let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(problem_of(free.to_string()), Problem::Network(_) | Problem::Timeout));
}

#[test]
fn with_f_or_fewer_answering_there_is_no_first_answer() {
    let honest = server(|_| {});
    let silent = server(Vec::clear);
    let silent_2 = server(Vec::clear);
    let builder =
        [honest, silent, silent_2].iter().fold(SureClock::builder(), |b, s| b.ntp(s.to_string()));
    let clock = builder.timeout(Duration::from_millis(100)).start().unwrap();
    assert_eq!(clock.wait_synchronized(Duration::from_millis(500)), Err(NowError::NotSynchronized));
}

#[test]
fn a_name_with_several_addresses_is_asked_until_one_answers() {
    // "localhost" may stand for ::1 and 127.0.0.1; the server listens on the latter alone.
    let port = server(|_| {}).port();
    let clock = SureClock::builder().ntp(format!("localhost:{port}")).max_faulty(0);
    let clock = clock
        .timeout(Duration::from_millis(200))
        .poll_interval(Duration::from_millis(50))
        .start()
        .unwrap();
    clock
        .wait_synchronized(Duration::from_secs(20))
        .unwrap_or_else(|e| panic!("{e}: {:#?}", clock.status()));
}

#[test]
fn dropping_the_clock_does_not_block_on_a_source_that_hangs() {
    struct Hangs;
    impl sureclock::Source for Hangs {
        fn exchange(
            &mut self,
            _: &sureclock::ExchangeContext,
        ) -> Result<sureclock::Facts, sureclock::SourceError> {
            std::thread::sleep(Duration::from_secs(600));
            Err(sureclock::SourceError::Timeout)
        }
    }
    let clock = SureClock::builder().source("hangs", Hangs).max_faulty(0).start().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let dropping = Instant::now();
    drop(clock);
    assert!(dropping.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_source_that_panics_is_a_source_that_fails() {
    struct Panics;
    impl sureclock::Source for Panics {
        fn exchange(
            &mut self,
            _: &sureclock::ExchangeContext,
        ) -> Result<sureclock::Facts, sureclock::SourceError> {
            panic!("on purpose")
        }
    }
    let honest = server(|_| {});
    let builder =
        SureClock::builder().source("panics", Panics).ntp(honest.to_string()).max_faulty(0);
    let clock = builder.start().unwrap();
    clock.wait_synchronized(Duration::from_secs(20)).unwrap();
    assert!(clock.now().is_ok());
}
