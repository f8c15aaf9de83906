//! The relay delays, loses and alters as asked, and chronyd serves the truth or the lie it was told
//! to: the ground under the integration tests holds.

mod support;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use support::chronyd::{self, Chronyd, Config, require_chronyd};
use support::hostile::Hostile;
use support::ntp_probe::{self, Answer};
use support::relay::{Direction, Leg, Path, Relay, shift_server_stamps};

const MS: Duration = Duration::from_millis(1);

/// Longer than anything takes that is going to happen; reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long to wait for what must not come.
const SILENCE: Duration = Duration::from_millis(300);

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
    socket
}

fn addr(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("it is bound")
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 256];
    let (length, from) = socket.recv_from(&mut buffer).expect("a datagram in time");
    (buffer[..length].to_vec(), from)
}

fn assert_silent(socket: &UdpSocket) {
    socket.set_read_timeout(Some(SILENCE)).expect("a timeout above zero");
    let error = socket.recv_from(&mut [0; 256]).expect_err("nothing may arrive");
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout above zero");
}

#[test]
fn each_direction_takes_at_least_its_own_delay() {
    for (there, back) in [(0, 0), (30, 5), (5, 30), (20, 20)] {
        let server = socket();
        let path =
            Path::clear().forward(Leg::delayed(there * MS)).backward(Leg::delayed(back * MS));
        let relay = Relay::start(addr(&server), path).expect("starts");
        let client = socket();
        for round in 0..5 {
            let before = Instant::now();
            client.send_to(&[round], relay.addr()).expect("sends");
            let (question, from) = receive(&server);
            assert!(
                before.elapsed() >= there * MS,
                "forward: {:?} of {there} ms",
                before.elapsed()
            );
            assert_eq!(question, [round]);

            let before = Instant::now();
            server.send_to(&[round, 1], from).expect("sends");
            let (answer, from) = receive(&client);
            assert!(before.elapsed() >= back * MS, "backward: {:?} of {back} ms", before.elapsed());
            assert_eq!((answer, from), (vec![round, 1], relay.addr()));
        }
    }
}

#[test]
fn without_delay_a_datagram_does_not_wait_for_another_one() {
    let server = socket();
    let relay = Relay::start(addr(&server), Path::delayed(PATIENCE)).expect("starts");
    let client = socket();
    client.send_to(b"slow", relay.addr()).expect("sends");
    // The slow one must have arrived before its successor gets another path.
    let start = Instant::now();
    while relay.tally(Direction::Forward).arrived == 0 {
        assert!(start.elapsed() < PATIENCE);
        std::thread::sleep(MS);
    }
    relay.set(|path| path.forward.delay = Duration::ZERO);
    client.send_to(b"fast", relay.addr()).expect("sends");
    assert_eq!(receive(&server).0, b"fast");
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn a_cut_loses_everything_and_a_restored_path_nothing() {
    let server = socket();
    let relay = Relay::start(addr(&server), Path::clear()).expect("starts");
    let client = socket();
    relay.set(Path::cut);
    for _ in 0..50 {
        client.send_to(b"lost", relay.addr()).expect("sends");
    }
    assert_silent(&server);
    let tally = relay.tally(Direction::Forward);
    assert_eq!((tally.arrived, tally.lost), (50, 50));

    relay.set(Path::restore);
    for number in 0..50 {
        client.send_to(&[number], relay.addr()).expect("sends");
        assert_eq!(receive(&server).0, [number]);
    }
}

#[test]
fn answers_are_lost_alone_when_only_the_way_back_is_cut() {
    let server = socket();
    let relay = Relay::start(addr(&server), Path::clear().backward(Leg::default().loss(1000)))
        .expect("starts");
    let client = socket();
    client.send_to(b"question", relay.addr()).expect("sends");
    let (_, from) = receive(&server);
    server.send_to(b"answer", from).expect("sends");
    assert_silent(&client);
}

#[test]
fn a_duplicate_arrives_twice_and_not_thrice() {
    let server = socket();
    let relay = Relay::start(addr(&server), Path::clear().forward(Leg::default().duplicate(1000)))
        .expect("starts");
    socket().send_to(b"twin", relay.addr()).expect("sends");
    assert_eq!(receive(&server).0, b"twin");
    assert_eq!(receive(&server).0, b"twin");
    assert_silent(&server);
}

#[test]
fn a_corrupted_datagram_differs_in_one_bit_and_a_replay_repeats_the_past() {
    let server = socket();
    let relay = Relay::start(addr(&server), Path::clear().forward(Leg::default().corrupt(1000)))
        .expect("starts");
    let client = socket();
    client.send_to(&[0; 48], relay.addr()).expect("sends");
    let (damaged, _) = receive(&server);
    assert_eq!(damaged.len(), 48);
    assert_eq!(damaged.iter().map(|byte| byte.count_ones()).sum::<u32>(), 1);

    relay.set(|path| path.forward = Leg::default().replay(1000));
    client.send_to(&[1; 48], relay.addr()).expect("sends");
    assert_eq!(receive(&server).0, [1; 48]);
    assert_eq!(receive(&server).0, [0; 48], "the past was remembered before the damage");
}

#[test]
fn jitter_lets_datagrams_overtake_each_other_and_a_plain_delay_does_not() {
    for (jitter, expect_overtaking) in [(Duration::ZERO, false), (40 * MS, true)] {
        let server = socket();
        let path = Path::clear().forward(Leg::delayed(MS).jitter(jitter)).seed(1);
        let relay = Relay::start(addr(&server), path).expect("starts");
        let client = socket();
        for number in 0..40 {
            client.send_to(&[number], relay.addr()).expect("sends");
        }
        let order: Vec<u8> = (0..40).map(|_| receive(&server).0[0]).collect();
        assert_eq!(!order.is_sorted(), expect_overtaking, "jitter {jitter:?}: {order:?}");
    }
}

#[test]
fn the_same_seed_loses_the_same_datagrams_and_another_seed_others() {
    let survivors = |seed| {
        let server = socket();
        let path = Path::clear().forward(Leg::default().loss(500)).seed(seed);
        let relay = Relay::start(addr(&server), path).expect("starts");
        let client = socket();
        for number in 0..64 {
            client.send_to(&[number], relay.addr()).expect("sends");
        }
        let start = Instant::now();
        while relay.tally(Direction::Forward).arrived < 64 {
            assert!(start.elapsed() < PATIENCE);
            std::thread::sleep(MS);
        }
        (0..64 - relay.tally(Direction::Forward).lost)
            .map(|_| receive(&server).0[0])
            .collect::<Vec<u8>>()
    };
    let first = survivors(7);
    assert!((8..56).contains(&first.len()), "{first:?}");
    assert_eq!(first, survivors(7));
    assert_ne!(first, survivors(8));
}

#[test]
fn a_rewrite_sees_the_direction_and_changes_the_datagram() {
    let server = socket();
    let path = Path::clear().rewrite(|datagram, direction, _since_start| match direction {
        Direction::Forward => datagram.push(1),
        Direction::Backward => datagram.push(2),
    });
    let relay = Relay::start(addr(&server), path).expect("starts");
    let client = socket();
    client.send_to(&[0], relay.addr()).expect("sends");
    let (question, from) = receive(&server);
    assert_eq!(question, [0, 1]);
    server.send_to(&question, from).expect("sends");
    assert_eq!(receive(&client).0, [0, 1, 2]);
}

#[test]
fn every_client_gets_its_own_answer_and_many_clients_do_no_harm() {
    let server = socket();
    let relay = Relay::start(addr(&server), Path::clear()).expect("starts");
    // Together more than the relay's table holds.
    for _ in 0..4 {
        let clients: Vec<UdpSocket> = (0..40).map(|_| socket()).collect();
        for (client, number) in clients.iter().zip(0_u8..) {
            client.send_to(&[number], relay.addr()).expect("sends");
            let (question, from) = receive(&server);
            server.send_to(&question, from).expect("sends");
        }
        for (client, number) in clients.iter().zip(0_u8..) {
            assert_eq!(receive(client), (vec![number], relay.addr()));
        }
    }
}

#[test]
fn a_moved_relay_asks_the_other_server() {
    let (here, there, client) = (socket(), socket(), socket());
    let relay = Relay::start(addr(&here), Path::clear()).expect("starts");
    client.send_to(b"1", relay.addr()).expect("sends");
    assert_eq!(receive(&here).0, b"1");
    relay.move_to(addr(&there));
    // One that asked before stays with its server, as a flow does; a new one meets the other.
    client.send_to(b"2", relay.addr()).expect("sends");
    assert_eq!(receive(&here).0, b"2");
    socket().send_to(b"3", relay.addr()).expect("sends");
    assert_eq!(receive(&there).0, b"3");
}

#[test]
fn a_hostile_server_without_malice_is_an_honest_one_and_with_it_lies() {
    let honest = Hostile::start(|_, _| {}, 0).expect("starts");
    let answer = ntp_probe::ask(honest.addr(), PATIENCE).expect("answers");
    let slack = i64::try_from(answer.round_trip().as_nanos()).unwrap() + 1_000;
    assert!(answer.header.synchronized() && answer.offset_ns().abs() <= slack, "{answer:?}");
    // What it sent is counted after it left, so perhaps not yet.
    assert_eq!(honest.asked_and_sent().0, 1);
    let liar = Hostile::start(|answer, _| answer.shift(-3_000_000_000), 0).expect("starts");
    let answer = ntp_probe::ask(liar.addr(), PATIENCE).expect("answers");
    assert!((answer.offset_ns() + 3_000_000_000).abs() < 1_500_000_000, "{answer:?}");
}

#[test]
fn dropping_a_relay_takes_no_longer_because_datagrams_are_under_way() {
    let server = socket();
    let relay = Relay::start(addr(&server), Path::delayed(10 * PATIENCE)).expect("starts");
    socket().send_to(b"late", relay.addr()).expect("sends");
    let start = Instant::now();
    drop(relay);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}

/// A reply with the stamps reference, origin, receive, transmit.
fn reply(stamps: [u64; 4]) -> Vec<u8> {
    let mut datagram = vec![0xAB; 16];
    datagram.extend(stamps.iter().flat_map(|stamp| stamp.to_be_bytes()));
    datagram
}

#[test]
fn server_stamps_shift_exactly_and_wrap_at_the_era() {
    const SECOND: u64 = 1 << 32;
    let mut datagram = reply([SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND]);
    shift_server_stamps(&mut datagram, 1_500_000_000);
    assert_eq!(datagram, reply([SECOND * 5 / 2, 2 * SECOND, SECOND * 9 / 2, SECOND * 11 / 2]));
    shift_server_stamps(&mut datagram, -1_500_000_000);
    assert_eq!(datagram, reply([SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND]));

    let last_second = u64::MAX - (SECOND - 1);
    let mut datagram = reply([0, 7, last_second, SECOND / 4]);
    shift_server_stamps(&mut datagram, 2_000_000_000);
    assert_eq!(datagram, reply([0, 7, SECOND, SECOND * 9 / 4]), "zero means unknown, and stays");
    let mut datagram = reply([0, 7, SECOND / 4, SECOND]);
    shift_server_stamps(&mut datagram, -500_000_000);
    assert_eq!(datagram, reply([0, 7, u64::MAX - (SECOND / 4 - 1), SECOND / 2]));

    for by_ns in [1, 3, 15_000_000, 999_999_999, i64::MAX] {
        let mut datagram = reply([5, 6, 7, u64::MAX]);
        shift_server_stamps(&mut datagram, by_ns);
        assert_ne!(datagram, reply([5, 6, 7, u64::MAX]));
        shift_server_stamps(&mut datagram, -by_ns);
        assert_eq!(datagram, reply([5, 6, 7, u64::MAX]), "{by_ns}");
    }
    let mut short = vec![9; 47];
    shift_server_stamps(&mut short, 1_000_000_000);
    assert_eq!(short, [9; 47]);
}

#[test]
#[should_panic(expected = "CI=true allows no skipping")]
fn a_missing_chronyd_fails_the_test_in_ci() {
    chronyd::found_or_skipped(Err("a rehearsal".to_owned()), true);
}

#[test]
fn a_missing_chronyd_skips_the_test_elsewhere_and_a_present_one_runs_it() {
    assert_eq!(
        chronyd::found_or_skipped(Err("a rehearsal, nothing is missing".to_owned()), false),
        None
    );
    let found = PathBuf::from("/usr/sbin/chronyd");
    assert_eq!(chronyd::found_or_skipped(Ok(found.clone()), true), Some(found));
}

fn start(config: Config) -> (Chronyd, Answer) {
    let mut daemon = Chronyd::start(config).expect("chronyd starts");
    let up = daemon.age();
    let answer = daemon.wait_until_serving(PATIENCE).expect("chronyd serves");
    println!(
        "stratum {}: answers after {up:?}, serves after {:?}",
        answer.header.stratum,
        daemon.age()
    );
    (daemon, answer)
}

/// Of several answers the one with the shortest round trip, so that a busy machine does not pass
/// for a lie.
fn best_of_ten(server: SocketAddr) -> Answer {
    (0..10)
        .filter_map(|_| ntp_probe::ask(server, PATIENCE).ok())
        .min_by_key(Answer::round_trip)
        .expect("one of ten is answered")
}

/// The tolerance is for the server; what the path can add, half its round trip, is granted besides.
fn assert_ahead_by(answer: &Answer, asked_ns: i64, tolerance_ns: i64) {
    let off = u128::from((answer.offset_ns() - asked_ns).unsigned_abs());
    let granted = u128::from(tolerance_ns.unsigned_abs()) + answer.round_trip().as_nanos() / 2;
    assert!(
        off <= granted,
        "ahead by {} ns instead of {asked_ns} ns: {answer:?}",
        answer.offset_ns()
    );
}

#[test]
fn an_honest_chronyd_serves_the_clock_of_the_host() {
    let Some(_) = require_chronyd() else { return };
    let (daemon, first) = start(Config::honest());
    assert_eq!((first.header.stratum, first.header.root_delay), (1, 0));
    assert_ahead_by(&best_of_ten(daemon.addr()), 0, 5_000_000);
}

#[test]
fn a_daemon_cannot_set_the_clock() {
    let Some(_) = require_chronyd() else { return };
    let (daemon, _) = start(Config::honest());
    let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())) else {
        return;
    };
    assert!(!chronyd::may_set_the_clock(&status), "{status}");
    assert!(chronyd::may_set_the_clock(
        "Uid:\t0\t0\nCapPrm:\t0000000000000000\nCapBnd:\t000001ffffffffff\n"
    ));
    assert!(!chronyd::may_set_the_clock(
        "Uid:\t1000\t1000\nCapPrm:\t0000000000000000\nCapBnd:\t000001ffffffffff\n"
    ));
}

#[test]
fn a_stopped_daemon_is_silent_and_a_restarted_one_serves_on_the_same_port() {
    let Some(_) = require_chronyd() else { return };
    let (truth, _) = start(Config::honest());
    for config in [Config::honest(), Config::liar(truth.addr(), 500_000_000)] {
        let (mut daemon, before) = start(config);
        let (addr, pid) = (daemon.addr(), daemon.pid());
        daemon.stop();
        daemon.stop();
        assert!(ntp_probe::ask(addr, SILENCE).is_err(), "nobody is left to answer");
        assert!(daemon.wait_until_serving(PATIENCE).is_err(), "and waiting for it ends at once");
        for _ in 0..2 {
            // The second time it still runs.
            daemon.restart().expect("chronyd starts again");
            assert_eq!(daemon.addr(), addr);
            assert_ne!(daemon.pid(), pid);
            let after = daemon.wait_until_serving(PATIENCE).expect("chronyd serves again");
            println!("stratum {}: serves {:?} after a restart", after.header.stratum, daemon.age());
            assert_eq!(after.header.stratum, before.header.stratum);
        }
    }
}

#[test]
fn nothing_talks_beyond_loopback() {
    // A documentation address, RFC 5737.
    let elsewhere = SocketAddr::from(([192, 0, 2, 1], 123));
    assert_eq!(
        Chronyd::start(Config::follower(elsewhere)).map(|_| ()).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
    assert_eq!(
        Relay::start(elsewhere, Path::clear()).map(|_| ()).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn liars_serve_a_time_off_by_what_they_were_told() {
    let Some(_) = require_chronyd() else { return };
    let (truth, _) = start(Config::honest());
    for offset_ns in [500_000_000, 15_000_000, -15_000_000] {
        let (liar, first) = start(Config::liar(truth.addr(), offset_ns));
        assert_eq!(first.header.stratum, 2);
        let answer = best_of_ten(liar.addr());
        println!(
            "told {offset_ns} ns, serves {} ns, header {:?}",
            answer.offset_ns(),
            answer.header
        );
        assert_ahead_by(&answer, offset_ns, offset_ns.abs() * 2 / 5);
        assert!(answer.header.root_dispersion() < 15 * MS, "it seems unsure: {:?}", answer.header);
    }
}

#[test]
fn a_follower_behind_a_slow_path_says_so_in_its_root_delay() {
    let Some(_) = require_chronyd() else { return };
    let (truth, _) = start(Config::honest());
    let relay = Relay::start(truth.addr(), Path::delayed(5 * MS)).expect("starts");
    let (follower, first) = start(Config::follower(relay.addr()));
    println!("root delay {:?}", first.header.root_delay());
    assert_eq!(first.header.stratum, 2);
    assert!(first.header.root_delay() >= 8 * MS, "{first:?}");
    assert_ahead_by(&best_of_ten(follower.addr()), 0, 100_000_000);
    // The twin without the path: the delay above comes from the relay.
    let (near, _) = start(Config::follower(truth.addr()));
    assert!(best_of_ten(near.addr()).header.root_delay() < 8 * MS);
}

#[test]
fn a_reply_rewritten_by_the_relay_is_off_by_the_shift() {
    let Some(_) = require_chronyd() else { return };
    let (truth, _) = start(Config::honest());
    let path = Path::clear().rewrite(|datagram, direction, _since_start| {
        if direction == Direction::Backward {
            shift_server_stamps(datagram, 250_000_000);
        }
    });
    let relay = Relay::start(truth.addr(), path).expect("starts");
    assert_ahead_by(&best_of_ten(relay.addr()), 250_000_000, 100_000_000);
}
